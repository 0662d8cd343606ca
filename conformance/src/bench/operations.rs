//! The operations, in the order in which they are run: each finds what those before it left.

use super::measure::Job;
use super::server::Server;
use super::shapes::{BRANCHES, Class, Shape};
use crate::git::{git, run, text};
use crate::http::send;
use crate::target::Kind;
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One side of a comparison with one history: its repository, and a folder for clients.
pub struct Stage<'a> {
    pub server: &'a Server,
    pub shape: &'a Shape,
    pub folder: PathBuf,
    /// The path of the repository on the server.
    pub path: String,
    /// Small commits pushed so far.
    steps: usize,
}

pub struct Operation {
    pub name: &'static str,
    pub is_for: fn(&Shape) -> bool,
    /// Prepares, untimed, what is timed.
    pub make: fn(&mut Stage) -> Result<Job>,
}

/// A small history is pushed to a hundred times.
const SMALL: usize = 200;
const FEW: usize = 5;
const MANY: usize = 100;

pub const PUSH: &str = "push";
pub const CLONE: &str = "clone";
pub const FIRST_BYTE: &str = "first byte of a clone";
pub const CROWD: &str = "8 clones at once";
pub const SHALLOW: &str = "clone --depth=1";
pub const BLOBLESS: &str = "clone --filter=blob:none";
pub const ONE_BRANCH: &str = "clone of 1 branch of 100";
pub const NOTHING_NEW: &str = "fetch with nothing new";
pub const LS_REMOTE: &str = "ls-remote";
pub const FETCH: &str = "fetch of 10 commits";
pub const SMALL_PUSH: &str = "push of one small commit";
pub const PUSHES: &str = "100 small pushes, then a clone";
pub const KEPT_UP: &str = "clone, git with fresh bitmaps";
pub const FORCED: &str = "clone after a forced push";

/// Upkeep has run from the first clone of a part on: our servers do it by themselves, ten seconds
/// after a push. Git's has no such thing by default.
pub const OPERATIONS: &[Operation] = &[
    Operation { name: PUSH, is_for: with_objects, make: push },
    Operation { name: CLONE, is_for: with_objects, make: whole },
    Operation { name: FIRST_BYTE, is_for: with_objects, make: first_byte },
    Operation { name: CROWD, is_for: light, make: crowd },
    Operation { name: NOTHING_NEW, is_for: any, make: nothing_new },
    Operation { name: LS_REMOTE, is_for: any, make: ls_remote },
    Operation { name: SHALLOW, is_for: shallow_too, make: shallow },
    Operation { name: BLOBLESS, is_for: not_vast, make: blobless },
    Operation { name: ONE_BRANCH, is_for: branched, make: one_branch },
    Operation { name: FETCH, is_for: long, make: fetch },
    Operation { name: SMALL_PUSH, is_for: with_objects, make: |stage| stage.small(FEW) },
    Operation { name: PUSHES, is_for: small, make: pushes },
    Operation { name: KEPT_UP, is_for: long, make: kept_up },
    Operation { name: FORCED, is_for: long, make: forced },
];

fn any(_: &Shape) -> bool {
    true
}

fn with_objects(shape: &Shape) -> bool {
    shape.class != Class::Refs
}

/// Eight clients of more than this would take minutes.
fn light(shape: &Shape) -> bool {
    with_objects(shape) && shape.pack < 16 << 20
}

fn small(shape: &Shape) -> bool {
    shape.class == Class::Files && shape.objects < SMALL
}

fn long(shape: &Shape) -> bool {
    shape.before.is_some()
}

fn shallow_too(shape: &Shape) -> bool {
    long(shape) || shape.class == Class::Vast
}

/// A client of more would take minutes.
fn not_vast(shape: &Shape) -> bool {
    with_objects(shape) && shape.class != Class::Vast
}

fn branched(shape: &Shape) -> bool {
    shape.class == Class::History && shape.commits > 2 * BRANCHES
}

impl<'a> Stage<'a> {
    pub fn new(server: &'a Server, shape: &'a Shape, scratch: &Path) -> Result<Stage<'a>> {
        let folder = scratch.join(format!("clients-{:?}", server.target.kind));
        let mut stage = Stage { server, shape, folder, path: String::new(), steps: 0 };
        stage.clear()?;
        if shape.class == Class::Refs {
            stage.fill()?;
        }
        Ok(stage)
    }

    /// All branches and tags in one request by hand: stock git's time for so many grows with their
    /// square, whoever serves them.
    fn fill(&mut self) -> Result<()> {
        self.create()?;
        let folder = &self.shape.folder;
        let mut body = Vec::new();
        let list = text(folder, &["for-each-ref", "--format=%(objectname) %(refname)"])?;
        for (at, line) in list.lines().enumerate() {
            let caps = if at == 0 { "\0report-status" } else { "" };
            let command = format!("{} {line}{caps}", "0".repeat(40));
            body.extend(format!("{:04x}{command}", command.len() + 4).bytes());
        }
        body.extend(b"0000");
        body.extend(run(git(folder, &["pack-objects", "--quiet", "--all", "--stdout"]))?);
        let kind = ("Content-Type".into(), "application/x-git-receive-pack-request".into());
        let path = format!("{}/git-receive-pack", self.path);
        let answer = send(self.server.target.address(), "POST", &path, &[kind], &body)?;
        ensure!(answer.status == 200, "{path}: {}", answer.status);
        let refused = answer.body.windows(3).any(|word| word == b"ng ");
        ensure!(!refused, "{}", String::from_utf8_lossy(&answer.body));
        Ok(())
    }

    /// A new repository.
    fn create(&mut self) -> Result<()> {
        self.path = self.server.target.create("bench", "refs/heads/main")?;
        self.steps = 0;
        Ok(())
    }

    /// Takes the last operation's clients away.
    pub fn clear(&mut self) -> Result<()> {
        if self.folder.exists() {
            std::fs::remove_dir_all(&self.folder)?;
        }
        Ok(std::fs::create_dir_all(&self.folder)?)
    }

    fn url(&self) -> String {
        self.server.target.url(&self.path)
    }

    fn clone_words(&self, words: &[&str], name: &str) -> Command {
        let mut all = vec!["clone", "--quiet", "--bare"];
        all.extend(words);
        let url = self.url();
        all.extend([url.as_str(), name]);
        git(&self.folder, &all)
    }

    fn clone(&self, words: &[&str]) -> Result<Job> {
        Ok(Job::OneByOne(vec![self.clone_words(words, "clone")]))
    }

    fn push_words(&self, words: &[&str]) -> Command {
        let url = self.url();
        let all: Vec<&str> = ["push", "--quiet", &url].into_iter().chain(words.to_vec()).collect();
        git(&self.shape.folder, &all)
    }

    /// The next `count` small commits, a push each.
    fn steps(&mut self, count: usize) -> Vec<Command> {
        let steps = self.steps + 1..=self.steps + count;
        self.steps += count;
        let push = |step| self.push_words(&[&format!("refs/step/{step}:refs/heads/main")]);
        steps.map(push).collect()
    }

    fn small(&mut self, count: usize) -> Result<Job> {
        Ok(Job::OneByOne(self.steps(count)))
    }

    /// Our own upkeep, as it comes by itself.
    fn upkeep(&self) -> Result<()> {
        if self.server.target.kind == Kind::Git {
            return Ok(());
        }
        self.server.target.maintain(&self.path)
    }
}

/// Into a new repository.
fn push(stage: &mut Stage) -> Result<Job> {
    stage.create()?;
    Ok(Job::OneByOne(vec![stage.push_words(&["main"])]))
}

/// The other branches come first, so that whatever upkeep comes is of them too. That of a million
/// objects comes by itself before anything else is measured.
fn whole(stage: &mut Stage) -> Result<Job> {
    if stage.shape.class == Class::Vast && stage.server.target.kind != Kind::Git {
        stage.server.rest()?;
    }
    if branched(stage.shape) {
        run(stage.push_words(&["refs/part/*:refs/heads/part/*"]))?;
    }
    stage.clone(&[])
}

/// All that a clone would want.
fn first_byte(stage: &mut Stage) -> Result<Job> {
    let words = ["for-each-ref", "--format=%(objectname)", "refs/heads/main", "refs/part"];
    let list = text(&stage.shape.folder, &words)?;
    let mut wants: Vec<String> = list.lines().map(str::to_string).collect();
    wants.sort();
    wants.dedup();
    Ok(Job::FirstByte(stage.path.clone(), wants))
}

fn crowd(stage: &mut Stage) -> Result<Job> {
    Ok(Job::AtOnce((0..8).map(|at| stage.clone_words(&[], &at.to_string())).collect()))
}

/// That of a million objects takes minutes, and has come by itself.
fn shallow(stage: &mut Stage) -> Result<Job> {
    if stage.shape.class != Class::Vast {
        stage.upkeep()?;
    }
    stage.clone(&["--depth=1"])
}

fn blobless(stage: &mut Stage) -> Result<Job> {
    stage.upkeep()?;
    stage.clone(&["--filter=blob:none"])
}

fn nothing_new(stage: &mut Stage) -> Result<Job> {
    let folder = copy(stage, &stage.shape.folder)?;
    let url = stage.url();
    // Not into a ref: git then asks for nothing at all.
    let fetch = || git(&folder, &["fetch", "--quiet", &url, "main:refs/heads/main"]);
    Ok(Job::OneByOne((0..FEW).map(|_| fetch()).collect()))
}

fn ls_remote(stage: &mut Stage) -> Result<Job> {
    let url = stage.url();
    Ok(Job::OneByOne((0..FEW).map(|_| git(&stage.folder, &["ls-remote", &url])).collect()))
}

fn fetch(stage: &mut Stage) -> Result<Job> {
    let folder = copy(stage, stage.shape.before.as_ref().context("a long history")?)?;
    let words = ["fetch", "--quiet", &stage.url(), "main:refs/heads/new"];
    Ok(Job::OneByOne(vec![git(&folder, &words)]))
}

/// A client that has what is in a repository.
fn copy(stage: &Stage, from: &Path) -> Result<PathBuf> {
    let from = from.to_str().context("UTF-8")?;
    run(git(&stage.folder, &["clone", "--quiet", "--bare", "--local", from, "client"]))?;
    Ok(stage.folder.join("client"))
}

fn one_branch(stage: &mut Stage) -> Result<Job> {
    stage.upkeep()?;
    stage.clone(&["--single-branch", "--branch=part/50"])
}

fn pushes(stage: &mut Stage) -> Result<Job> {
    let mut commands = stage.steps(MANY);
    commands.push(stage.clone_words(&[], "clone"));
    Ok(Job::InRow(commands))
}

/// Git's side is repacked, with bitmaps.
fn kept_up(stage: &mut Stage) -> Result<Job> {
    stage.upkeep()?;
    if stage.server.target.kind == Kind::Git {
        run(git(&stage.git_folder(), &["repack", "--quiet", "-a", "-d", "-b"]))?;
    }
    stage.clone(&[])
}

/// What the old tip alone led to is stored, and must not be sent.
fn forced(stage: &mut Stage) -> Result<Job> {
    if stage.server.target.kind == Kind::Git {
        for entry in std::fs::read_dir(stage.git_folder().join("objects/pack"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|end| end == "bitmap") {
                std::fs::remove_file(path)?;
            }
        }
    }
    run(stage.push_words(&["--force", "main~5:refs/heads/main"]))?;
    stage.clone(&[])
}

impl Stage<'_> {
    /// Takes what git's server holds away; what others hold is small beside it.
    pub fn remove(&self) -> Result<()> {
        if self.server.target.kind == Kind::Git {
            std::fs::remove_dir_all(self.git_folder())?;
        }
        Ok(())
    }

    fn git_folder(&self) -> PathBuf {
        self.server.target.folder.join(self.path.trim_start_matches('/'))
    }
}
