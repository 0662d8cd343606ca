//! The operations, in the order in which they are run: each finds what those before it left.

use super::measure::Job;
use super::server::Server;
use super::shapes::{BRANCHES, STEPS, Shape};
use crate::git::{git, run, text};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

/// One side of a comparison with one history: its repository, and a folder for clients.
pub struct Stage<'a> {
    pub server: &'a Server,
    pub shape: &'a Shape,
    pub folder: PathBuf,
    /// The path of the repository on the server.
    path: String,
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
const SMALL: usize = 2000;
const FEW: usize = 5;

pub const OPERATIONS: &[Operation] = &[
    Operation { name: "push", is_for: any, make: push },
    Operation { name: "clone", is_for: any, make: |stage| stage.clone(&[]) },
    Operation { name: "first byte of a clone", is_for: any, make: first_byte },
    Operation { name: "8 clones at once", is_for: any, make: crowd },
    Operation { name: "clone --depth=1", is_for: long, make: |stage| stage.clone(&["--depth=1"]) },
    Operation {
        name: "clone --filter=blob:none",
        is_for: any,
        make: |stage| stage.clone(&["--filter=blob:none"]),
    },
    Operation { name: "fetch with nothing new", is_for: any, make: nothing_new },
    Operation { name: "ls-remote", is_for: any, make: ls_remote },
    Operation { name: "fetch of 10 commits", is_for: long, make: fetch },
    Operation { name: "push of one small commit", is_for: any, make: |stage| stage.small(FEW) },
    Operation {
        name: "100 small pushes, each",
        is_for: |shape| shape.objects < SMALL / 10,
        make: |stage| stage.small(STEPS - FEW),
    },
    Operation {
        name: "clone after them",
        is_for: |shape| shape.objects < SMALL / 10,
        make: |stage| stage.clone(&[]),
    },
    Operation { name: "clone of 1 branch of 100", is_for: branched, make: one_branch },
    Operation { name: "clone after a forced push", is_for: long, make: forced },
];

fn any(_: &Shape) -> bool {
    true
}

fn long(shape: &Shape) -> bool {
    shape.before.is_some()
}

fn branched(shape: &Shape) -> bool {
    shape.commits > 2 * BRANCHES
}

impl<'a> Stage<'a> {
    pub fn new(server: &'a Server, shape: &'a Shape, scratch: &Path) -> Result<Stage<'a>> {
        let folder = scratch.join(format!("clients-{:?}", server.target.kind));
        let mut stage = Stage { server, shape, folder, path: String::new(), steps: 0 };
        stage.clear()?;
        Ok(stage)
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
    fn small(&mut self, count: usize) -> Result<Job> {
        let steps = self.steps + 1..=self.steps + count;
        self.steps += count;
        let push = |step| self.push_words(&[&format!("refs/step/{step}:refs/heads/main")]);
        Ok(Job::OneByOne(steps.map(push).collect()))
    }
}

/// Into a new repository.
fn push(stage: &mut Stage) -> Result<Job> {
    stage.path = stage.server.target.create("bench", "refs/heads/main")?;
    stage.steps = 0;
    Ok(Job::OneByOne(vec![stage.push_words(&["main"])]))
}

fn first_byte(stage: &mut Stage) -> Result<Job> {
    Ok(Job::FirstByte(stage.path.clone(), text(&stage.shape.folder, &["rev-parse", "main"])?))
}

fn crowd(stage: &mut Stage) -> Result<Job> {
    Ok(Job::AtOnce((0..8).map(|at| stage.clone_words(&[], &at.to_string())).collect()))
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
    run(stage.push_words(&["refs/part/*:refs/heads/part/*"]))?;
    stage.clone(&["--single-branch", "--branch=part/50"])
}

/// What the old tip alone led to is stored, and must not be sent.
fn forced(stage: &mut Stage) -> Result<Job> {
    run(stage.push_words(&["--force", "main~5:refs/heads/main"]))?;
    stage.clone(&[])
}
