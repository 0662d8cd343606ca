//! Which histories are measured: seeded ones, and any bare repository that is there. Kept for later
//! runs, like the fixtures that they are made of.

use super::vast;
use crate::fixture::Fixtures;
use crate::git::{git, run, run_with, text};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// Small commits made on top of each history, to be pushed one by one.
pub const STEPS: usize = 105;
/// Branches of a history that is long enough.
pub const BRANCHES: usize = 100;
/// A change of what is made here makes all anew.
const GENERATOR: &str = include_str!("shapes.rs");
/// The largest of all, made only when asked for.
const VAST: &str = "a million objects";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Files in one commit.
    Files,
    /// Many commits.
    History,
    /// Few objects, and refs.
    Refs,
    /// A million objects.
    Vast,
}

/// A history to be pushed and cloned.
pub struct Shape {
    pub name: String,
    pub class: Class,
    /// A bare repository: the history is `refs/heads/main`, the small commits on top of it are
    /// `refs/step/NUMBER`, the branches are `refs/part/NUMBER`. Of refs, all branches and tags.
    pub folder: PathBuf,
    /// The same, ten commits ago; nothing of what came since.
    pub before: Option<PathBuf>,
    pub commits: usize,
    pub objects: usize,
    /// Its pack, as git makes it, in bytes.
    pub pack: u64,
    /// Refs beside the main branch, as they are pushed.
    pub refs: u64,
}

/// A fixture, and how many files of it in one commit, or refs; 0: all its history.
const SEEDED: &[(&str, &str, Class, usize)] = &[
    ("100 files", "files-5000", Class::Files, 100),
    ("1,000 files", "files-5000", Class::Files, 1000),
    ("5,000 files", "files-5000", Class::Files, 5000),
    ("20,000 commits", "commits-20000", Class::History, 0),
    ("10 refs", "refs-10000", Class::Refs, 10),
    ("10,000 refs", "refs-10000", Class::Refs, 10_000),
];

/// The seeded shapes whose names hold `word`, with the largest one if that is asked for.
pub fn seeded(
    fixtures: &Fixtures,
    target: &Path,
    word: &str,
    with_vast: bool,
) -> Result<Vec<Shape>> {
    let chosen = SEEDED.iter().filter(|row| row.0.contains(word));
    let make = |(name, fixture, class, part): &(&str, &str, Class, usize)| {
        let from = fixtures.get(fixture)?;
        kept(name, *class, &from.served, "refs/heads/main", target, *part)
    };
    let mut shapes = chosen.map(make).collect::<Result<Vec<_>>>()?;
    if VAST.contains(word) && (with_vast || !word.is_empty()) {
        shapes.push(kept(VAST, Class::Vast, Path::new(vast::GENERATOR), "", target, 0)?);
    }
    Ok(shapes)
}

/// The branch that a repository's `HEAD` names.
pub fn real(path: &Path, target: &Path) -> Result<Shape> {
    let path = path.canonicalize().with_context(|| format!("{} is not there", path.display()))?;
    let names = path.components().rev().map(|part| part.as_os_str().to_string_lossy());
    let name = names.into_iter().find(|name| name != "repo" && name != ".git");
    let name = name.context("a folder")?;
    let name = name.rsplit('+').next().unwrap_or(&name).trim_end_matches(".git");
    let head = text(&path, &["rev-parse", "HEAD"])?;
    kept(name, Class::History, &path, &head, target, 0)
}

/// Made at the first use.
fn kept(
    name: &str,
    class: Class,
    from: &Path,
    tip: &str,
    target: &Path,
    part: usize,
) -> Result<Shape> {
    let mut hasher = DefaultHasher::new();
    (GENERATOR, name, from, tip).hash(&mut hasher);
    let place = target.join(format!("shapes/{:016x}", hasher.finish()));
    let folder = place.join("all");
    let before = place.join("before");
    if !place.join("complete").exists() {
        let _ = std::fs::remove_dir_all(&place);
        std::fs::create_dir_all(&folder)?;
        make(class, &folder, from, tip, part).with_context(|| format!("making {name}"))?;
        if class == Class::History {
            past(&folder, &before)?;
        }
        // To count the largest takes some time.
        let commits = text(&folder, &["rev-list", "--count", "main"])?;
        let objects = text(&folder, &["rev-list", "--objects", "--count", "main"])?;
        std::fs::write(place.join("complete"), format!("{commits} {objects}"))?;
    }
    let counts = std::fs::read_to_string(place.join("complete"))?;
    let (commits, objects) = counts.split_once(' ').context("two counts")?;
    let (commits, objects): (usize, usize) = (commits.parse()?, objects.parse()?);
    Ok(Shape {
        name: name.to_string(),
        class,
        pack: pack_bytes(&folder)?,
        refs: match class {
            Class::Refs => part as u64 - 1,
            Class::History if commits > 2 * BRANCHES => BRANCHES as u64,
            _ => 0,
        },
        before: before.exists().then_some(before),
        folder,
        commits,
        objects,
    })
}

fn make(class: Class, folder: &Path, from: &Path, tip: &str, part: usize) -> Result<()> {
    match class {
        Class::Refs => return refs(folder, from, part),
        Class::Vast => {
            vast::make(folder)?;
            return steps(folder, STEPS);
        }
        _ => {}
    }
    run(git(folder, &["init", "--quiet", "--bare", "-b", "main"]))?;
    let place = from.to_str().context("UTF-8")?;
    run(git(folder, &["fetch", "--quiet", "--no-tags", place, &format!("{tip}:refs/heads/main")]))?;
    if part > 0 {
        files(folder, part)?;
    }
    run(git(folder, &["repack", "--quiet", "-a", "-d"]))?;
    run(git(folder, &["prune", "--expire=now"]))?;
    steps(folder, STEPS)?;
    let commits: usize = text(folder, &["rev-list", "--count", "main"])?.parse()?;
    if class == Class::History && commits > 2 * BRANCHES {
        branches(folder)?;
    }
    Ok(())
}

/// The history as it was ten commits ago, if it is long enough.
fn past(folder: &Path, before: &Path) -> Result<()> {
    let Ok(old) = text(folder, &["rev-parse", "--verify", "--quiet", "main~10"]) else {
        return Ok(());
    };
    std::fs::create_dir_all(before)?;
    run(git(before, &["init", "--quiet", "--bare", "-b", "main"]))?;
    let path = folder.to_str().context("UTF-8")?;
    run(git(before, &["fetch", "--quiet", path, &format!("{old}:refs/heads/main")]))?;
    Ok(())
}

/// Bytes of all packs and their indexes.
pub fn pack_bytes(folder: &Path) -> Result<u64> {
    let mut size = 0;
    for entry in std::fs::read_dir(folder.join("objects/pack"))? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|end| end == "pack" || end == "idx") {
            size += entry.metadata()?.len();
        }
    }
    Ok(size)
}

/// Leaves one commit of the first files.
fn files(folder: &Path, files: usize) -> Result<()> {
    let list = text(folder, &["ls-tree", "-r", "main"])?;
    let list: String = list.lines().take(files).map(|line| format!("{line}\n")).collect();
    run_with(git(folder, &["update-index", "--index-info"]), list.as_bytes())?;
    let tree = text(folder, &["write-tree"])?;
    std::fs::remove_file(folder.join("index"))?;
    let commit = text(folder, &["commit-tree", "-m", "files", &tree])?;
    run(git(folder, &["update-ref", "refs/heads/main", &commit]))?;
    Ok(())
}

/// So many branches and tags. A file of them is written: git would take a lock for each.
fn refs(folder: &Path, from: &Path, count: usize) -> Result<()> {
    run(git(folder, &["clone", "--quiet", "--bare", from.to_str().context("UTF-8")?, "."]))?;
    let list = text(folder, &["for-each-ref", "--format=%(objectname) %(refname)"])?;
    let (main, others): (Vec<&str>, Vec<&str>) =
        list.lines().partition(|line| line.ends_with(" refs/heads/main"));
    let mut chosen: Vec<&str> = main.into_iter().chain(others).take(count).collect();
    chosen.sort_by_key(|line| line.split_once(' ').map(|(_, name)| name));
    let text = format!("# pack-refs with: sorted\n{}\n", chosen.join("\n"));
    std::fs::write(folder.join("packed-refs"), text)?;
    Ok(())
}

/// Small commits `refs/step/NUMBER`, each of one new file.
pub fn steps(folder: &Path, count: usize) -> Result<()> {
    let mut stream = String::new();
    for step in 1..=count {
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
