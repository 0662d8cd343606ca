//! `bench native|workers ROUNDS [WORD]`: pushes and clones, by `git http-backend`, the native host
//! and, if asked for, workerd in turn. Prints medians beside git's, and what workerd's objects read
//! and wrote. Serves figures, not verdicts.

use anyhow::{Context, Result};
use conformance::fixture::Fixtures;
use conformance::git::{git, run, run_with, text};
use conformance::http::send;
use conformance::target::{Kind, Target};
use conformance::target_folder;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A history, and how many files of it; 0: all of it.
const HISTORIES: &[(&str, &str, usize)] = &[
    ("100 files", "files-5000", 100),
    ("1,000 files", "files-5000", 1000),
    ("5,000 files", "files-5000", 5000),
    ("20,000 commits", "commits-20000", 0),
];
const KINDS: [Kind; 3] = [Kind::Git, Kind::Native, Kind::Workers];

#[derive(Default)]
struct Times {
    push: Vec<Duration>,
    clone: Vec<Duration>,
}

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let last = Kind::parse(&words.next().unwrap_or_else(|| "native".into()))?;
    let rounds = words.next().map_or(Ok(3), |word| word.parse()).context("rounds")?;
    let word = words.next().unwrap_or_default();
    let kinds = &KINDS[..if last == Kind::Workers { 3 } else { 2 }];
    let scratch = target_folder().join(format!("conformance/bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let targets = kinds.iter().map(|kind| Target::start(*kind, &scratch));
    let targets = targets.collect::<Result<Vec<_>>>()?;
    let fixtures = Fixtures::new(&target_folder().join("conformance"))?;
    for (title, fixture, files) in HISTORIES.iter().filter(|row| row.0.contains(&word)) {
        let history = part(&fixtures.get(fixture)?.served, &scratch, *files)?;
        let mut times: Vec<Times> = kinds.iter().map(|_| Times::default()).collect();
        for round in 0..rounds {
            for (target, times) in targets.iter().zip(&mut times) {
                trip(target, &history, &scratch, times, round + 1 == rounds)?;
            }
        }
        print(title, kinds, &times);
    }
    if let Some(workers) = targets.get(2) {
        println!("memory: {}", ask(workers, "/-/usage?repository=bench/none")?);
    }
    drop(targets);
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// A repository of one commit with the first files of another, packed; 0: the other itself.
fn part(from: &Path, scratch: &Path, files: usize) -> Result<PathBuf> {
    if files == 0 {
        return Ok(from.to_path_buf());
    }
    let folder = scratch.join(format!("files-{files}"));
    run(git(scratch, &["clone", "--quiet", "--bare", from.to_str().context("UTF-8")?, "whole"]))?;
    let whole = scratch.join("whole");
    let list = text(&whole, &["ls-tree", "-r", "main"])?;
    let list: String = list.lines().take(files).map(|line| format!("{line}\n")).collect();
    run_with(git(&whole, &["update-index", "--index-info"]), list.as_bytes())?;
    let tree = text(&whole, &["write-tree"])?;
    let commit = text(&whole, &["commit-tree", "-m", "files", &tree])?;
    run(git(&whole, &["update-ref", "refs/heads/part", &commit]))?;
    let name = folder.to_str().context("UTF-8")?;
    run(git(scratch, &["init", "--quiet", "--bare", "-b", "main", name]))?;
    run(git(&whole, &["push", "--quiet", name, "part:refs/heads/main"]))?;
    run(git(&folder, &["repack", "--quiet", "-a", "-d"]))?;
    std::fs::remove_dir_all(whole)?;
    Ok(folder)
}

/// One push into a new repository, and one clone of it.
fn trip(
    target: &Target,
    history: &Path,
    scratch: &Path,
    times: &mut Times,
    is_last: bool,
) -> Result<()> {
    let path = target.create("bench", "refs/heads/main")?;
    let url = target.url(&path);
    let begun = Instant::now();
    run(git(history, &["push", "--quiet", &url, "main"]))?;
    times.push.push(begun.elapsed());
    let pushed = rows(target, &path, is_last)?;
    let begun = Instant::now();
    run(git(scratch, &["clone", "--quiet", "--bare", &url, "clone"]))?;
    times.clone.push(begun.elapsed());
    std::fs::remove_dir_all(scratch.join("clone"))?;
    if let Some((read, written)) = pushed {
        let both = rows(target, &path, true)?.unwrap_or_default();
        println!("  rows of the push: {read} read, {written} written");
        println!("  rows of the clone: {} read, {} written", both.0 - read, both.1 - written);
    }
    Ok(())
}

/// Rows that a repository's object has read and written so far; it sends its counts once a second.
fn rows(target: &Target, path: &str, is_asked: bool) -> Result<Option<(u64, u64)>> {
    if target.kind != Kind::Workers || !is_asked {
        return Ok(None);
    }
    std::thread::sleep(Duration::from_millis(1500));
    let name = path.trim_start_matches('/').trim_end_matches(".git");
    let text = ask(target, &format!("/metrics?repository={name}"))?;
    let find = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split(' ').nth(1)?.parse().ok()).unwrap_or_default()
    };
    Ok(Some((find("gitcell_rows_read_total"), find("gitcell_rows_written_total"))))
}

fn ask(target: &Target, path: &str) -> Result<String> {
    let answer = send(target.address(), "GET", path, &[], b"")?;
    Ok(String::from_utf8_lossy(&answer.body).trim_end().to_string())
}

fn median(times: &[Duration]) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times.get(times.len() / 2).map_or(0.0, Duration::as_secs_f64)
}

fn print(title: &str, kinds: &[Kind], times: &[Times]) {
    for what in ["push", "clone"] {
        let of = |times: &Times| median(if what == "push" { &times.push } else { &times.clone });
        let mut line = format!("{title:16} {what:6}");
        for (kind, own) in kinds.iter().zip(times) {
            let ratio = of(own) / of(&times[0]);
            line.push_str(&format!("  {kind:?} {:.2} s ({ratio:.2})", of(own)));
        }
        println!("{line}");
    }
}
