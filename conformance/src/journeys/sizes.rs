//! Bodies of sizes at which servers were seen to fail: each pushed whole, read at once, four at once.

use super::Trip;
use crate::fixture::Seed;
use crate::git::{git, run, start};
use anyhow::{Context, Result, ensure};

/// Bytes of one file: bodies just over 1 MiB and 8 MiB, and large blobs.
const SIZES: &[usize] =
    &[(1 << 20) + 1000, (8 << 20) + 1000, 12_000_000, 40_000_000, 60_000_000, 90_000_000];
const AT_ONCE: usize = 4;

/// Each is pushed, its ref read and its file cloned at once.
pub fn sizes(trip: &Trip<'_>) -> Result<Option<String>> {
    for size in SIZES {
        let url = trip.create(&format!("size-{size}"))?;
        there_and_back(trip, &url, *size).with_context(|| format!("{size} bytes"))?;
    }
    Ok(None)
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
    std::fs::remove_dir_all(trip.path("origin"))?;
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
