//! Clients that are not this machine's git: each does the same work by its own script, and real git
//! looks at what came of it.
//!
//! `SCRIPT begin URL FOLDER`: clones, and pushes what it commits: branch `peer` with `from-peer`
//! one commit after main, the same as `peer-gone`, and the annotated tag `peer-tag` on it.
//! `SCRIPT end URL FOLDER`: fetches what others pushed to main, rewinds `peer` by a commit, deletes
//! `peer-gone`, and clones and deepens a shallow history if it knows how to.

use super::Trip;
use crate::git::{git, isolate, run, text};
use crate::peers::{Tool, folder, install};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use std::process::Command;

/// A client: how it comes here, its script, and whether it can push.
pub struct Peer {
    pub tool: Tool,
    pub script: &'static str,
    pub pushes: bool,
}

pub const LIBGIT2: Peer = Peer { tool: Tool::Python, script: "libgit2.py", pushes: true };
pub const DULWICH: Peer = Peer { tool: Tool::Python, script: "dulwich_peer.py", pushes: true };
pub const GIX: Peer = Peer { tool: Tool::Python, script: "gix_peer.py", pushes: false };
pub const ISOMORPHIC: Peer = Peer { tool: Tool::Node, script: "isomorphic.mjs", pushes: true };
pub const JGIT: Peer = Peer { tool: Tool::Jars, script: "jgit.sh", pushes: true };
pub const OTHER_GIT: Peer = Peer { tool: Tool::OtherGit, script: "git.sh", pushes: true };

pub fn peer(trip: &Trip<'_>, peer: &Peer) -> Result<Option<String>> {
    if let Some(missing) = install(peer.tool)? {
        return Ok(Some(missing));
    }
    let url = trip.create("peer")?;
    let clone = trip.path("theirs");
    origin(trip, &url)?;
    script(trip, peer, "begin", &url, &clone)?;
    if peer.pushes {
        check_begun(trip)?;
    }
    trip.write("ours", "later", "later\n")?;
    trip.save("ours", "later")?;
    trip.git("ours", "push --quiet origin main")?;
    script(trip, peer, "end", &url, &clone)?;
    check_ended(trip, peer, &url)?;
    for theirs in ["theirs", "shallow", "bare"] {
        if trip.path(theirs).exists() {
            trip.git(theirs, "fsck --full --no-dangling --no-progress").context(theirs)?;
        }
    }
    Ok(None)
}

/// Three commits, two branches and two tags, by real git.
fn origin(trip: &Trip<'_>, url: &str) -> Result<()> {
    trip.start("ours", url)?;
    for (number, message) in ["second", "third"].iter().enumerate() {
        let lines: String = (0..400).map(|line| format!("{line} of {number}\n")).collect();
        trip.write("ours", "folder/file", &lines)?;
        trip.save("ours", message)?;
    }
    for words in ["branch old HEAD~1", "tag light", "tag -a -m one v1 HEAD~1"] {
        trip.git("ours", words)?;
    }
    trip.git("ours", "push --quiet origin main old light v1")?;
    Ok(())
}

fn check_begun(trip: &Trip<'_>) -> Result<()> {
    trip.git("ours", "fetch --quiet origin +refs/*:refs/seen/*")?;
    let is = |revision: &str| trip.git("ours", &format!("rev-parse --verify {revision}"));
    ensure!(is("seen/heads/peer~1")? == is("main")?, "peer is not one commit after main");
    ensure!(is("seen/heads/peer-gone")? == is("seen/heads/peer")?, "peer-gone is another commit");
    ensure!(is("seen/tags/peer-tag^{commit}")? == is("seen/heads/peer")?, "peer-tag tags another");
    let kind = trip.git("ours", "cat-file -t seen/tags/peer-tag")?;
    ensure!(kind == "tag", "peer-tag is a {kind}");
    ensure!(trip.git("ours", "show seen/heads/peer:from-peer")? == "peer", "the file differs");
    Ok(())
}

fn check_ended(trip: &Trip<'_>, peer: &Peer, url: &str) -> Result<()> {
    run(git(trip.folder, &["clone", "--quiet", "--mirror", url, "whole"]))?;
    let whole = trip.path("whole");
    run(git(&whole, &["fsck", "--full", "--no-dangling", "--no-progress"]))?;
    let names = text(&whole, &["for-each-ref", "--format=%(refname)"])?;
    ensure!(!names.contains("peer-gone"), "the deleted branch is there: {names}");
    if peer.pushes {
        let [rewound, before] = ["peer", "main~1"].map(|name| text(&whole, &["rev-parse", name]));
        ensure!(rewound? == before?, "the branch was not rewound");
    }
    Ok(())
}

fn script(trip: &Trip<'_>, peer: &Peer, step: &str, url: &str, clone: &Path) -> Result<()> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers").join(peer.script);
    let mut command = match peer.tool {
        Tool::Python => Command::new(folder().join("venv/bin/python")),
        Tool::Node => Command::new("node"),
        Tool::Jars | Tool::OtherGit => Command::new("bash"),
    };
    command.current_dir(trip.folder).arg(path).arg(step).arg(url).arg(clone);
    isolate(&mut command);
    command.env("HOME", trip.folder).env("XDG_CONFIG_HOME", trip.folder);
    command.env("PEER_PACKAGES", folder().join("npm"));
    command.env("PEER_JARS", folder().join("jars/usr/share/java"));
    command.env("PEER_GIT", crate::peers::other_git().unwrap_or_default());
    command.env("PYTHONDONTWRITEBYTECODE", "1");
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    let said: Vec<&str> = said.lines().take(30).collect();
    ensure!(output.status.success(), "{} {step}: {}", peer.script, said.join("\n"));
    Ok(())
}
