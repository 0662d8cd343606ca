//! Journeys: a day's work with real git, against a server. Each ends by comparing what came out
//! with what went in: every ref, `git fsck --full`, `git archive` byte for byte.

mod carry;
mod crash;
mod crowd;
mod day;
mod peers;
mod refs;
mod scrub;
mod signed;
mod sizes;
mod ssh;
mod ways;
mod who;

use crate::fixture::Fixtures;
use crate::git::{git, run, text};
use crate::target::Target;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};

pub struct Journey {
    pub name: &'static str,
    /// Answers why it was skipped, if it was.
    pub run: fn(&Trip<'_>) -> Result<Option<String>>,
}

/// Where a journey goes.
pub struct Trip<'a> {
    pub target: &'a Target,
    pub fixtures: &'a Fixtures,
    /// A folder of its own.
    pub folder: &'a Path,
}

/// The longest first.
pub const JOURNEYS: &[Journey] = &[
    Journey {
        name: "journey/carry/commits-20000",
        run: |trip| carry::carry(trip, "commits-20000"),
    },
    Journey { name: "journey/carry/big-file", run: |trip| carry::carry(trip, "big-file") },
    Journey { name: "journey/crash", run: crash::crash },
    Journey { name: "journey/many-refs", run: refs::many },
    Journey { name: "journey/crash-of-import", run: crash::import },
    Journey { name: "journey/import-in-parts", run: crash::import_in_parts },
    Journey { name: "journey/sizes", run: sizes::sizes },
    Journey { name: "journey/sizes-at-once", run: sizes::at_once },
    Journey { name: "journey/carry/files-5000", run: |trip| carry::carry(trip, "files-5000") },
    Journey { name: "journey/carry/refs-10000", run: |trip| carry::carry(trip, "refs-10000") },
    Journey { name: "journey/carry/own-history", run: carry::own },
    Journey { name: "journey/carry/deep-deltas", run: |trip| carry::carry(trip, "deep-deltas") },
    Journey { name: "journey/carry/shapes", run: |trip| carry::carry(trip, "shapes") },
    Journey { name: "journey/carry/in-steps", run: carry::in_steps },
    Journey { name: "journey/cut-client", run: crash::cut_client },
    Journey { name: "journey/peer/libgit2", run: |trip| peers::peer(trip, &peers::LIBGIT2) },
    Journey { name: "journey/peer/dulwich", run: |trip| peers::peer(trip, &peers::DULWICH) },
    Journey { name: "journey/peer/isomorphic", run: |trip| peers::peer(trip, &peers::ISOMORPHIC) },
    Journey { name: "journey/peer/jgit", run: |trip| peers::peer(trip, &peers::JGIT) },
    Journey { name: "journey/peer/gix", run: |trip| peers::peer(trip, &peers::GIX) },
    Journey { name: "journey/peer/other-git", run: |trip| peers::peer(trip, &peers::OTHER_GIT) },
    Journey { name: "journey/race-of-branches", run: crowd::branches },
    Journey { name: "journey/race-of-one", run: crowd::one_branch },
    Journey { name: "journey/clones-beside-pushes", run: crowd::clones },
    Journey { name: "journey/day-v0", run: |trip| day::day(trip, "0") },
    Journey { name: "journey/day-v1", run: |trip| day::day(trip, "1") },
    Journey { name: "journey/day-v2", run: |trip| day::day(trip, "2") },
    Journey { name: "journey/many-haves-v0", run: |trip| day::many_haves(trip, "0") },
    Journey { name: "journey/many-haves-v2", run: |trip| day::many_haves(trip, "2") },
    Journey { name: "journey/chunked-push", run: day::chunked_push },
    Journey { name: "journey/ssh", run: ssh::ssh },
    Journey { name: "journey/scrub", run: scrub::scrub },
    Journey { name: "journey/who-may", run: who::may },
    Journey { name: "journey/ways/partial", run: ways::partial },
    Journey { name: "journey/ways/push", run: ways::push },
    Journey { name: "journey/ways/fetch", run: ways::fetch },
    Journey { name: "journey/ways/submodules", run: ways::submodules },
    Journey { name: "journey/ways/bundle", run: ways::bundle },
    Journey { name: "journey/ways/sha256", run: ways::sha256 },
    Journey { name: "journey/signed", run: signed::signed },
    Journey { name: "journey/empty-clone", run: day::empty_clone },
    Journey { name: "journey/shallow", run: day::shallow },
    Journey { name: "journey/partial", run: day::partial },
];

impl Trip<'_> {
    /// A new empty repository's URL.
    fn create(&self, name: &str) -> Result<String> {
        Ok(self.target.url(&self.target.create(name, "refs/heads/main")?))
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// `git WORDS` in a folder of this journey, given as one text.
    fn git(&self, name: &str, words: &str) -> Result<String> {
        let words: Vec<&str> = words.split_whitespace().collect();
        text(&self.path(name), &words)
    }

    /// A working repository with one commit, whose origin is `url`.
    fn start(&self, name: &str, url: &str) -> Result<()> {
        run(git(self.folder, &["init", "--quiet", name]))?;
        self.git(name, &format!("remote add origin {url}"))?;
        self.write(name, "README", "hello\n")?;
        self.save(name, "first")
    }

    fn write(&self, name: &str, path: &str, content: &str) -> Result<()> {
        let path = self.path(name).join(path);
        std::fs::create_dir_all(path.parent().context("a folder")?)?;
        Ok(std::fs::write(path, content)?)
    }

    fn save(&self, name: &str, message: &str) -> Result<()> {
        self.git(name, "add --all")?;
        self.git(name, &format!("commit --quiet -m {message}"))?;
        Ok(())
    }
}

/// Clones everything, and compares it with where it came from.
fn clone_and_compare(trip: &Trip<'_>, url: &str, origin: &Path, protocol: &str) -> Result<()> {
    let name = format!("clone-v{protocol}");
    let clone = trip.path(&name);
    let version = format!("protocol.version={protocol}");
    run(git(trip.folder, &["-c", &version, "clone", "--quiet", "--mirror", url, &name]))?;
    same(origin, &clone)?;
    std::fs::remove_dir_all(clone)?;
    Ok(())
}

/// Every ref, its object, what `git archive` makes of HEAD; and fsck finds nothing wrong.
fn same(origin: &Path, clone: &Path) -> Result<()> {
    same_refs(origin, clone)?;
    run(git(clone, &["fsck", "--full", "--no-dangling", "--no-progress"]))?;
    if text(origin, &["symbolic-ref", "HEAD"])
        .is_ok_and(|head| text(origin, &["rev-parse", "--verify", &head]).is_ok())
    {
        let archive = |folder| run(git(folder, &["archive", "HEAD"]));
        ensure!(archive(origin)? == archive(clone)?, "git archive makes another file");
    }
    Ok(())
}

fn same_refs(origin: &Path, clone: &Path) -> Result<()> {
    let refs = |folder| text(folder, &["for-each-ref", "--format=%(objectname) %(refname)"]);
    let (before, after) = (refs(origin)?, refs(clone)?);
    let lost: Vec<&str> = before.lines().filter(|line| !after.contains(line)).take(5).collect();
    ensure!(before == after, "the refs differ; lost or changed are {lost:?}");
    Ok(())
}
