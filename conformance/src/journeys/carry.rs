//! Whole histories there and back.

use super::{Trip, clone_and_compare, same, same_refs};
use crate::git::{git, run, text};
use anyhow::{Context, Result, ensure};
use std::path::Path;

/// Pushes all of a fixture at once, clones it by each protocol, compares.
pub fn carry(trip: &Trip<'_>, name: &str) -> Result<Option<String>> {
    let fixture = trip.fixtures.get(name)?;
    there_and_back(trip, &fixture.served, name)?;
    Ok(None)
}

fn there_and_back(trip: &Trip<'_>, origin: &Path, name: &str) -> Result<()> {
    let url = trip.create(name)?;
    let head = text(origin, &["symbolic-ref", "HEAD"])?;
    run(git(origin, &["push", "--quiet", &url, &head])).context("push of HEAD")?;
    run(git(origin, &["push", "--quiet", "--mirror", &url])).context("push of the rest")?;
    clone_and_compare(trip, &url, origin, "2")?;
    // The older protocol lists refs and asks in another way; what it brings is not looked through
    // again.
    run(git(
        trip.folder,
        &["-c", "protocol.version=0", "clone", "--quiet", "--mirror", &url, "old"],
    ))?;
    same_refs(origin, &trip.path("old"))?;
    std::fs::remove_dir_all(trip.path("old"))?;
    let again = run(git(origin, &["push", "--porcelain", "--mirror", &url]))?;
    let again = String::from_utf8_lossy(&again);
    ensure!(!again.contains("*\t"), "a second push finds something new: {again}");
    Ok(())
}

/// The history of the project that this is.
pub fn own(trip: &Trip<'_>) -> Result<Option<String>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if text(root, &["rev-parse", "--verify", "HEAD"]).is_err() {
        return Ok(Some("this checkout has no history".into()));
    }
    if text(root, &["rev-parse", "--is-shallow-repository"])? == "true" {
        return Ok(Some("this checkout is shallow".into()));
    }
    run(git(trip.folder, &["init", "--quiet", "--bare", "own"]))?;
    let root = root.join("..");
    let root = root.to_str().context("a path in UTF-8")?;
    let own = trip.path("own");
    run(git(&own, &["fetch", "--quiet", root, "HEAD:refs/heads/main"]))?;
    there_and_back(trip, &own, "own")?;
    Ok(None)
}

/// A history pushed a piece at a time, each by a thin pack; a client that fetches after some of
/// them, and one that clones at the end.
pub fn in_steps(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("deep-deltas")?;
    let url = trip.create("in-steps")?;
    run(git(trip.folder, &["init", "--quiet", "--bare", "follower"]))?;
    for step in 0..40 {
        let commit = format!("main~{}:refs/heads/main", (39 - step) * 15);
        run(git(&fixture.served, &["push", "--quiet", &url, &commit]))
            .with_context(|| format!("push {step}"))?;
        if step % 5 == 0 {
            trip.git("follower", &format!("fetch --quiet {url} +refs/*:refs/*"))
                .with_context(|| format!("fetch {step}"))?;
        }
    }
    trip.git("follower", &format!("fetch --quiet {url} +refs/*:refs/*"))?;
    same(&fixture.served, &trip.path("follower")).context("the follower")?;
    clone_and_compare(trip, &url, &fixture.served, "2")?;
    Ok(None)
}
