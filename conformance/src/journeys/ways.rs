//! The many ways to push, fetch and clone that git knows: few journeys, each through several.

use super::{Trip, same, same_refs};
use crate::fixture::Seed;
use crate::git::{git, refusal, run, text};
use anyhow::{Context, Result, ensure};

/// Leases, mirrors, pruning, follow-tags: what becomes of refs that others moved or that are gone.
pub fn push(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("push-ways")?;
    trip.start("ada", &url)?;
    for name in ["one", "two", "three"] {
        trip.write("ada", name, name)?;
        trip.save("ada", name)?;
    }
    trip.git("ada", "branch topic/a HEAD~1")?;
    trip.git("ada", "branch topic/b HEAD~2")?;
    trip.git("ada", "push --quiet --all origin")?;
    run(git(trip.folder, &["clone", "--quiet", &url, "ben"]))?;
    // Ben moves a branch; Ada's lease on it is stale, and good again once she has seen it.
    trip.git("ben", "push --quiet origin main:topic/a")?;
    let lease = ["push", "--force-with-lease", "origin", "main~3:topic/a"];
    let said = refusal(&trip.path("ada"), &lease)?;
    ensure!(said.contains("stale info"), "{said}");
    trip.git("ada", "fetch --quiet origin")?;
    run(git(&trip.path("ada"), &lease))?;
    ensure!(listed(trip, "refs/heads/topic/a")? == trip.git("ada", "rev-parse main~3")?);
    // A pattern of refs, with what is gone here pruned there.
    trip.git("ada", "branch --quiet -D topic/b")?;
    trip.git("ada", "branch topic/c main")?;
    trip.git("ada", "push --quiet --prune --force origin refs/heads/topic/*:refs/heads/topic/*")?;
    ensure!(listed(trip, "refs/heads/topic/b")?.is_empty(), "topic/b is there");
    ensure!(!listed(trip, "refs/heads/topic/c")?.is_empty(), "topic/c is not there");
    // Tags of what is pushed go along, others do not.
    trip.git("ada", "tag -a -m reached reached main")?;
    trip.git("ada", "tag light main")?;
    trip.write("ada", "four", "four")?;
    trip.save("ada", "four")?;
    trip.git("ada", "push --quiet --follow-tags origin main")?;
    ensure!(!listed(trip, "refs/tags/reached")?.is_empty(), "the annotated tag stayed behind");
    ensure!(listed(trip, "refs/tags/light")?.is_empty(), "the light tag went along");
    // One answer a ref, and none is lost.
    let said = trip.git("ada", "push --porcelain origin main main:refs/changes/1 :topic/c")?;
    for line in
        ["=\trefs/heads/main", "*\trefs/heads/main:refs/changes/1", "-\t:refs/heads/topic/c"]
    {
        ensure!(said.contains(line), "{line}: {said}");
    }
    run(git(trip.folder, &["clone", "--quiet", "--mirror", &url, "mirror"]))?;
    trip.git("mirror", "update-ref -d refs/changes/1")?;
    trip.git("mirror", "update-ref refs/heads/new refs/heads/main")?;
    trip.git("mirror", "push --quiet --mirror")?;
    run(git(trip.folder, &["clone", "--quiet", "--mirror", &url, "again"]))?;
    same(&trip.path("mirror"), &trip.path("again"))?;
    Ok(None)
}

/// The id that the server has for a ref; nothing if it has none.
fn listed(trip: &Trip<'_>, name: &str) -> Result<String> {
    let line = trip.git("ada", &format!("ls-remote origin {name}"))?;
    Ok(line.split('\t').next().unwrap_or_default().to_string())
}

/// Bounds by date and ref, negotiation alone, everything again, an object by its id, clones that
/// lean on others.
pub fn fetch(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("roads")?;
    let url = trip.create("fetch-ways")?;
    run(git(&fixture.served, &["push", "--quiet", "--mirror", &url]))?;
    let count = |name: &str| trip.git(name, "rev-list --count HEAD");
    for (name, words, commits) in [
        ("since", "--shallow-since=1700000420", "2"),
        ("exclude", "--shallow-exclude=v3", "5"),
        ("single", "--single-branch --no-tags --branch=apart", "2"),
        ("at-tag", "--branch=v3 --depth=1", "1"),
    ] {
        clone(trip, words, &url, name)?;
        ensure!(count(name)? == commits, "{name}: {}", count(name)?);
        trip.git(name, "fsck --full --no-dangling")?;
    }
    trip.git("since", "fetch --quiet --shallow-exclude=light origin main")?;
    trip.git("since", "fetch --quiet --unshallow origin")?;
    ensure!(count("since")? == "8", "unshallow: {}", count("since")?);
    trip.git("since", "fsck --full --no-dangling")?;
    // Everything again, over what is there; a range of ids; what both have, and nothing else.
    trip.git("since", "fetch --quiet --refetch origin")?;
    trip.git("since", "fsck --full --no-dangling")?;
    let tip = text(&fixture.served, &["rev-parse", "side~1"])?;
    trip.git("single", &format!("fetch --quiet origin {tip}:refs/heads/by-id"))?;
    let words = "fetch --quiet --negotiate-only --negotiation-tip=HEAD origin";
    let common = trip.git("since", words)?;
    // In no order; git leaves out what others lead to.
    ensure!(common.contains(&trip.git("since", "rev-parse HEAD")?), "in common: {common}");
    trip.git("single", "fetch --quiet origin refs/heads/*:refs/all/* ^refs/heads/side")?;
    let refs = trip.git("single", "for-each-ref refs/all")?;
    ensure!(refs.contains("refs/all/main") && !refs.contains("refs/all/side"), "{refs}");
    let reference = trip.path("since");
    let reference = reference.to_str().context("a path in UTF-8")?;
    clone(trip, &format!("--mirror --reference={reference} --dissociate"), &url, "leaning")?;
    same(&fixture.served, &trip.path("leaning"))?;
    // What is deleted there is pruned here, tags too.
    trip.git("leaning", &format!("push --quiet {url} :side :refs/tags/v3"))?;
    trip.git("leaning", "fetch --quiet --prune origin")?;
    let refs = trip.git("leaning", "for-each-ref")?;
    ensure!(!refs.contains("side") && !refs.contains("v3"), "not pruned: {refs}");
    Ok(None)
}

fn clone(trip: &Trip<'_>, words: &str, url: &str, name: &str) -> Result<()> {
    let words = ["clone", "--quiet"].into_iter().chain(words.split_whitespace());
    let words: Vec<&str> = words.chain([url, name]).collect();
    run(git(trip.folder, &words)).with_context(|| name.to_string())?;
    Ok(())
}

/// A checkout of a part, thousands of files fetched by their ids at once, and upkeep of the clone.
pub fn partial(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("files-5000")?;
    let url = trip.create("partial-ways")?;
    run(git(&fixture.served, &["push", "--quiet", "--mirror", &url]))?;
    clone(trip, "--filter=blob:none --no-checkout", &url, "lazy")?;
    let missing = |name: &str| -> Result<usize> {
        let all = trip.git(name, "rev-list -1 --objects --missing=print HEAD")?;
        Ok(all.lines().filter(|line| line.starts_with('?')).count())
    };
    ensure!(missing("lazy")? > 1000, "it is not partial");
    trip.git("lazy", "checkout --quiet")?;
    ensure!(missing("lazy")? == 0, "after a checkout {} are missing", missing("lazy")?);
    trip.git("lazy", "fsck --full --no-dangling")?;
    clone(trip, "--filter=blob:none --sparse", &url, "sparse")?;
    let folder = trip.git("sparse", "ls-tree -d --name-only HEAD")?;
    let folder = folder.lines().next().context("a folder")?;
    let before = missing("sparse")?;
    trip.git("sparse", &format!("sparse-checkout set {folder}"))?;
    ensure!(missing("sparse")? < before && missing("sparse")? > 0, "the checkout is not sparse");
    trip.write("sparse", &format!("{folder}/mine"), "mine\n")?;
    trip.save("sparse", "mine")?;
    trip.git("sparse", "push --quiet origin HEAD:refs/heads/mine")?;
    for task in ["prefetch", "commit-graph", "loose-objects", "incremental-repack", "gc"] {
        trip.git("sparse", &format!("maintenance run --quiet --task={task}"))?;
    }
    trip.git("sparse", "fsck --full --no-dangling")?;
    clone(trip, "--filter=tree:0 --no-checkout --depth=1", &url, "bare-bones")?;
    let shown = trip.git("bare-bones", &format!("ls-tree --name-only HEAD {folder}/"))?;
    ensure!(shown.contains('/'), "{shown}");
    Ok(None)
}

/// A project with another one in it: both pushed in one go, cloned with all that belongs to it.
pub fn submodules(trip: &Trip<'_>) -> Result<Option<String>> {
    let (library, project) = (trip.create("library")?, trip.create("project")?);
    trip.start("lib", &library)?;
    trip.git("lib", "push --quiet origin main")?;
    trip.start("ada", &project)?;
    trip.git("ada", &format!("submodule --quiet add {library} lib"))?;
    trip.save("ada", "with-library")?;
    trip.write("ada/lib", "new", "new\n")?;
    trip.git("ada/lib", "add new")?;
    trip.git("ada/lib", "commit --quiet -m new")?;
    trip.save("ada", "newer-library")?;
    let words = ["push", "--recurse-submodules=check", "origin", "main"];
    refusal(&trip.path("ada"), &words).context("the library was not pushed")?;
    trip.git("ada", "push --quiet --recurse-submodules=on-demand origin main")?;
    clone(trip, "--recurse-submodules --shallow-submodules", &project, "ben")?;
    ensure!(trip.git("ben/lib", "rev-list --count HEAD")? == "1", "the library is not shallow");
    ensure!(std::fs::read(trip.path("ben/lib/new"))? == b"new\n");
    for name in ["ben", "ben/lib"] {
        trip.git(name, "fsck --full")?;
    }
    Ok(None)
}

/// A bundle carries most of a history, the server the rest; a bundle made of a clone is whole.
pub fn bundle(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("merges")?;
    let url = trip.create("bundle-ways")?;
    run(git(&fixture.served, &["push", "--quiet", "--mirror", &url]))?;
    clone(trip, "--mirror", &url, "first")?;
    trip.git("first", "bundle create --quiet ../most.bundle refs/heads/left refs/heads/right")?;
    let most = trip.path("most.bundle");
    let most = most.to_str().context("a path in UTF-8")?;
    clone(trip, &format!("--bundle-uri={most}"), &url, "helped")?;
    trip.git("helped", "fsck --full --no-dangling")?;
    let of = |name: &str, revision: &str| trip.git(name, &format!("rev-parse {revision}"));
    ensure!(of("helped", "origin/main")? == of("first", "main")?, "main differs");
    trip.git("first", "bundle create --quiet ../all.bundle --all")?;
    clone(trip, "--mirror", "all.bundle", "copy")?;
    same_refs(&fixture.served, &trip.path("copy"))?;
    let again = trip.create("bundle-again")?;
    trip.git("copy", &format!("push --quiet --mirror {again}"))?;
    clone(trip, "--mirror", &again, "end")?;
    same(&fixture.served, &trip.path("end"))?;
    Ok(None)
}

/// Two people and a repository of SHA-256.
pub fn sha256(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("ways-sha256")?;
    clone(trip, "", &url, "ada")?;
    ensure!(trip.git("ada", "rev-parse --show-object-format")? == "sha256", "the clone is SHA-1");
    let mut seed = Seed(256);
    for round in ["one", "two", "three"] {
        trip.write("ada", "src/main.rs", &seed.source(300))?;
        trip.save("ada", round)?;
        trip.git("ada", "push --quiet origin HEAD:refs/heads/main")?;
    }
    trip.git("ada", "tag -a -m v1 v1")?;
    trip.git("ada", "push --quiet origin v1")?;
    clone(trip, "--depth=2", &url, "ben")?;
    trip.write("ben", "ben", "ben\n")?;
    trip.save("ben", "ben")?;
    trip.git("ben", "push --quiet origin HEAD:refs/heads/ben")?;
    trip.git("ben", "fetch --quiet --unshallow origin")?;
    clone(trip, "--filter=blob:none", &url, "eve")?;
    for name in ["ben", "eve"] {
        trip.git(name, "fsck --full --no-dangling")?;
    }
    trip.git("ada", "push --quiet --force origin HEAD~1:refs/heads/main :refs/heads/ben")?;
    clone(trip, "--mirror", &url, "end")?;
    trip.git("end", "fsck --full --no-dangling")?;
    ensure!(trip.git("end", "rev-parse main")? == trip.git("ada", "rev-parse HEAD~1")?);
    // Who speaks SHA-1 hears why it cannot be.
    trip.start("old", &url)?;
    let said = refusal(&trip.path("old"), &["push", "origin", "main:refs/heads/old"])?;
    ensure!(said.contains("object format") || said.contains("sha256"), "{said}");
    Ok(None)
}
