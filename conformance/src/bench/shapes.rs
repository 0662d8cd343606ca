//! Which histories are measured: seeded ones, and any bare repository that is there.

use crate::fixture::Fixtures;
use crate::git::{git, run, run_with, text};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::{Path, PathBuf};

/// Small commits made on top of each history, to be pushed one by one.
pub const STEPS: usize = 100;
/// Branches of a history that is long enough.
pub const BRANCHES: usize = 100;

/// A history to be pushed and cloned.
pub struct Shape {
    pub name: String,
    /// A bare repository: the history is `refs/heads/main`, the small commits on top of it are
    /// `refs/step/NUMBER`, the branches are `refs/part/NUMBER`.
    pub folder: PathBuf,
    /// The same, ten commits ago; nothing of what came since.
    pub before: Option<PathBuf>,
    pub commits: usize,
    pub objects: usize,
}

/// A fixture, and how many files of it in one commit; 0: all its history.
const SEEDED: &[(&str, &str, usize)] = &[
    ("100 files", "files-5000", 100),
    ("1,000 files", "files-5000", 1000),
    ("5,000 files", "files-5000", 5000),
    ("20,000 commits", "commits-20000", 0),
];

/// The seeded shapes whose names hold `word`.
pub fn seeded(fixtures: &Fixtures, scratch: &Path, word: &str) -> Result<Vec<Shape>> {
    let chosen = SEEDED.iter().filter(|row| row.0.contains(word));
    let make = |row: &(&str, &str, usize)| {
        let from = fixtures.get(row.1)?;
        shape(row.0, &from.served, "main", scratch, row.2)
    };
    chosen.map(make).collect()
}

/// The branch that a repository's `HEAD` names.
pub fn real(path: &Path, scratch: &Path) -> Result<Shape> {
    let path = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
    let name = path.components().rev().map(|part| part.as_os_str().to_string_lossy());
    let name = name.into_iter().find(|name| name != "repo" && name != ".git");
    let head = text(&path, &["rev-parse", "HEAD"])?;
    shape(&name.context("a folder")?, &path, &head, scratch, 0)
}

fn shape(name: &str, from: &Path, tip: &str, scratch: &Path, files: usize) -> Result<Shape> {
    let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect();
    let folder = scratch.join(format!("shape-{plain}"));
    let path = folder.to_str().context("UTF-8")?;
    let place = from.to_str().context("UTF-8")?;
    run(git(scratch, &["init", "--quiet", "--bare", "-b", "main", path]))?;
    run(git(&folder, &["fetch", "--quiet", place, &format!("{tip}:refs/heads/main")]))?;
    if files > 0 {
        part(&folder, files)?;
    }
    run(git(&folder, &["repack", "--quiet", "-a", "-d"]))?;
    let commits = text(&folder, &["rev-list", "--count", "main"])?.parse()?;
    let objects = text(&folder, &["rev-list", "--objects", "--count", "main"])?.parse()?;
    let before = if commits > 10 {
        let before = scratch.join(format!("before-{plain}"));
        let words = ["init", "--quiet", "--bare", "-b", "main", before.to_str().context("UTF-8")?];
        run(git(scratch, &words))?;
        let old = text(&folder, &["rev-parse", "main~10"])?;
        run(git(&before, &["fetch", "--quiet", path, &format!("{old}:refs/heads/main")]))?;
        Some(before)
    } else {
        None
    };
    steps(&folder)?;
    if commits > 2 * BRANCHES {
        branches(&folder)?;
    }
    Ok(Shape { name: name.to_string(), folder, before, commits, objects })
}

/// Leaves one commit of the first files.
fn part(folder: &Path, files: usize) -> Result<()> {
    let list = text(folder, &["ls-tree", "-r", "main"])?;
    let list: String = list.lines().take(files).map(|line| format!("{line}\n")).collect();
    run_with(git(folder, &["update-index", "--index-info"]), list.as_bytes())?;
    let tree = text(folder, &["write-tree"])?;
    std::fs::remove_file(folder.join("index"))?;
    let commit = text(folder, &["commit-tree", "-m", "files", &tree])?;
    run(git(folder, &["update-ref", "refs/heads/main", &commit]))?;
    Ok(())
}

/// Small commits, each of one new file.
fn steps(folder: &Path) -> Result<()> {
    let mut stream = String::new();
    for step in 1..=STEPS {
        let parent = if step == 1 {
            "refs/heads/main^0".to_string()
        } else {
            format!("refs/step/{}", step - 1)
        };
        let (content, message) = (format!("step {step}\n"), format!("step {step}\n"));
        let date = 1_790_000_000 + 60 * step;
        write!(
            stream,
            "commit refs/step/{step}\ncommitter Ada <ada@example.org> {date} +0000\n\
             data {}\n{message}from {parent}\nM 100644 inline steps/{step}\ndata {}\n{content}\n",
            message.len(),
            content.len()
        )?;
    }
    run_with(git(folder, &["fast-import", "--quiet", "--force"]), stream.as_bytes())?;
    Ok(())
}

/// Branches all along the history.
fn branches(folder: &Path) -> Result<()> {
    let list = text(folder, &["rev-list", "--first-parent", "main"])?;
    let list: Vec<&str> = list.lines().collect();
    let mut updates = String::new();
    for number in 0..BRANCHES {
        writeln!(updates, "create refs/part/{number} {}", list[number * list.len() / BRANCHES])?;
    }
    run_with(git(folder, &["update-ref", "--stdin"]), updates.as_bytes())?;
    Ok(())
}
