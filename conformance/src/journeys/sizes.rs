//! Bodies of sizes at which servers were seen to fail: each pushed whole and read at once, in
//! chunks and compressed; and four at once.

use super::Trip;
use crate::fixture::Seed;
use crate::git::{git, run, run_with, start};
use crate::http::send;
use crate::target::Kind;
use anyhow::{Context, Result, ensure};
use std::io::Write;

/// Bytes of one file: bodies just over 1 MiB and 8 MiB, and large blobs.
const SIZES: &[usize] =
    &[(1 << 20) + 1000, (8 << 20) + 1000, 12_000_000, 40_000_000, 60_000_000, 90_000_000];
const AT_ONCE: usize = 4;
/// What all instances of an isolate on Workers may hold, which has 128 MB.
const INSTANCES_MAX: u64 = 80 << 20;

/// Each is pushed, its ref read and its file cloned at once; by git, and as a compressed body.
pub fn sizes(trip: &Trip<'_>) -> Result<Option<String>> {
    // What git takes in one size it takes in all, in its time.
    let count = if trip.target.kind == Kind::Git { 3 } else { SIZES.len() };
    for size in SIZES.iter().take(count) {
        let url = trip.create(&format!("size-{size}"))?;
        there_and_back(trip, &url, *size).with_context(|| format!("{size} bytes"))?;
        let path = trip.target.create(&format!("zipped-{size}"), "refs/heads/main")?;
        zipped(trip, &path).with_context(|| format!("{size} bytes, gzipped"))?;
        std::fs::remove_dir_all(trip.path("origin"))?;
    }
    memory(trip)?;
    Ok(None)
}

/// What was pushed last, as one compressed body.
fn zipped(trip: &Trip<'_>, path: &str) -> Result<()> {
    let (tip, zero) = (trip.git("origin", "rev-parse main")?, "0".repeat(40));
    let command = format!("{zero} {tip} refs/heads/main\0report-status");
    let mut body = format!("{:04x}{command}0000", command.len() + 4).into_bytes();
    let words = ["pack-objects", "--revs", "--stdout", "-q"];
    body.extend(run_with(git(&trip.path("origin"), &words), tip.as_bytes())?);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&body)?;
    let headers = [
        ("Content-Type".into(), "application/x-git-receive-pack-request".into()),
        ("Content-Encoding".into(), "gzip".into()),
    ];
    let push = format!("{path}/git-receive-pack");
    let answer = send(trip.target.address(), "POST", &push, &headers, &gzip.finish()?)?;
    let report = String::from_utf8_lossy(&answer.body);
    ensure!(report.contains("ok refs/heads/main"), "{} {report}", answer.status);
    crate::run::whole(&trip.target.url(path), trip.folder)
}

/// The host on Workers says what its instances have held at most.
fn memory(trip: &Trip<'_>) -> Result<()> {
    if trip.target.kind != Kind::Workers {
        return Ok(());
    }
    let path = "/-/usage?repository=all/none";
    let answer = send(trip.target.address(), "GET", path, &[], b"")?;
    let text = String::from_utf8_lossy(&answer.body);
    let peak = text.split("\"peak\":").nth(1).and_then(|rest| rest.split(',').next());
    let peak: u64 = peak.context("a peak of memory")?.parse()?;
    ensure!(0 < peak && peak <= INSTANCES_MAX, "the instances held {peak} bytes");
    Ok(())
}

fn there_and_back(trip: &Trip<'_>, url: &str, size: usize) -> Result<()> {
    let content = Seed(size as u64).bytes(size);
    commit(trip, "origin", url, &content)?;
    trip.git("origin", "push --quiet origin main")?;
    let listed = trip.git("origin", "ls-remote origin refs/heads/main")?;
    ensure!(listed.starts_with(&trip.git("origin", "rev-parse main")?), "it reads {listed:?}");
    run(git(trip.folder, &["clone", "--quiet", url, "copy"]))?;
    ensure!(std::fs::read(trip.path("copy/file"))? == content, "the file is another");
    std::fs::remove_dir_all(trip.path("copy"))?;
    Ok(())
}

fn commit(trip: &Trip<'_>, name: &str, url: &str, content: &[u8]) -> Result<()> {
    trip.start(name, url)?;
    std::fs::write(trip.path(name).join("file"), content)?;
    trip.save(name, "large")
}

/// Large pushes to one repository at once, each to a branch of its own: all succeed.
pub fn at_once(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("at-once")?;
    let mut pushes = Vec::new();
    for number in 0..AT_ONCE {
        let name = format!("client{number}");
        commit(trip, &name, &url, &Seed(number as u64).bytes(20_000_000))?;
        let branch = format!("main:refs/heads/b{number}");
        pushes.push(start(&mut git(&trip.path(&name), &["push", "--quiet", "origin", &branch]))?);
    }
    for push in &mut pushes {
        ensure!(push.wait()?.success(), "a push failed");
    }
    let listed = trip.git("client0", "ls-remote --heads origin")?;
    ensure!(listed.lines().count() == AT_ONCE, "it reads {listed:?}");
    crate::run::whole(&url, trip.folder)?;
    Ok(None)
}
