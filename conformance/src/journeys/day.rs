//! What a person does in a day, and what git does unseen.

use super::{Trip, same};
use crate::fixture::Seed;
use crate::git::{git, refusal, run, text};
use crate::run::whole;
use anyhow::{Context, Result, ensure};
use std::process::Command;

/// Two people and one repository.
pub fn day(trip: &Trip<'_>, protocol: &str) -> Result<Option<String>> {
    let url = trip.create(&format!("day-v{protocol}"))?;
    let version = format!("config protocol.version {protocol}");
    trip.start("ada", &url)?;
    trip.git("ada", &version)?;
    trip.git("ada", "push --quiet -u origin main")?;
    run(git(trip.folder, &["clone", "--quiet", &url, "ben"]))?;
    trip.git("ben", &version)?;
    ensure!(std::fs::read(trip.path("ben").join("README"))? == b"hello\n");
    there_and_back(trip).context("work on main")?;
    branches_and_tags(trip).context("branches and tags")?;
    refused(trip, &url).context("refused pushes")?;
    deleted(trip).context("deletions")?;
    trip.git("ada", "fetch --quiet --prune --prune-tags --tags --force origin")?;
    run(git(trip.folder, &["clone", "--quiet", "--mirror", &url, "end"]))?;
    let heads = trip.git("ada", "ls-remote --heads --tags origin")?;
    ensure!(heads == trip.git("end", "ls-remote --heads --tags .")?, "the clone has other refs");
    trip.git("end", "fsck --full --no-dangling")?;
    for name in ["ada", "ben"] {
        trip.git(name, "fsck --full --no-dangling")?;
    }
    Ok(None)
}

fn there_and_back(trip: &Trip<'_>) -> Result<()> {
    let mut seed = Seed(8);
    for round in 0..4 {
        let (from, to) = if round % 2 == 0 { ("ben", "ada") } else { ("ada", "ben") };
        trip.write(from, "src/main.rs", &seed.source(200))?;
        trip.write(from, &format!("src/part{round}.rs"), &seed.source(50))?;
        trip.save(from, &format!("round-{round}"))?;
        trip.git(from, "push --quiet origin main")?;
        trip.git(to, "pull --quiet --ff-only origin main")?;
        let tip = |name| trip.git(name, "rev-parse main^{tree}");
        ensure!(tip("ada")? == tip("ben")?, "round {round}");
        ensure!(trip.git(to, "fetch origin")?.is_empty(), "a fetch of nothing says something");
    }
    Ok(())
}

fn branches_and_tags(trip: &Trip<'_>) -> Result<()> {
    trip.git("ada", "switch --quiet -c topic/one")?;
    trip.write("ada", "topic", "one\n")?;
    trip.save("ada", "topic")?;
    trip.git("ada", "tag -a -m released v1.0")?;
    trip.git("ada", "tag light main~1")?;
    trip.git("ada", "push --quiet --follow-tags origin topic/one main:copy")?;
    trip.git("ada", "push --quiet --tags origin")?;
    trip.git("ben", "fetch --quiet origin")?;
    for revision in ["v1.0", "v1.0^{commit}", "light", "origin/topic/one", "origin/copy"] {
        let of = |name: &str, revision: &str| trip.git(name, &format!("rev-parse {revision}"));
        let own = revision.trim_start_matches("origin/").replace("copy", "main");
        ensure!(of("ben", revision)? == of("ada", &own)?, "{revision}");
    }
    trip.git("ada", "notes add -m noted HEAD")?;
    trip.git("ada", "push --quiet origin refs/notes/commits")?;
    trip.git("ada", "push --quiet --atomic origin main:refs/heads/both/a main:refs/heads/both/b")?;
    trip.git("ada", "push --quiet -o reviewer=ben origin main:refs/heads/asked")?;
    trip.git("ada", "commit --quiet --amend -m amended")?;
    trip.git("ada", "push --quiet --force origin topic/one")?;
    trip.git("ben", "fetch --quiet origin")?;
    ensure!(trip.git("ben", "log -1 --format=%s origin/topic/one")? == "amended");
    Ok(())
}

/// What git refuses by itself, and what the server does.
fn refused(trip: &Trip<'_>, url: &str) -> Result<()> {
    trip.git("ada", "switch --quiet main")?;
    let ada = trip.path("ada");
    let before = trip.git("ada", "ls-remote origin")?;
    let said = refusal(&ada, &["push", "origin", "main~2:refs/heads/main"])?;
    ensure!(said.contains("non-fast-forward") || said.contains("rejected"), "{said}");
    let stale = "--force-with-lease=main:1111111111111111111111111111111111111111";
    let said = refusal(&ada, &["push", stale, "origin", "main~1:refs/heads/main"])?;
    ensure!(said.contains("stale info"), "{said}");
    let said = refusal(&ada, &["push", "origin", "main:refs/heads/main/below"])?;
    ensure!(said.contains("remote rejected") || said.contains("failed"), "{said}");
    let said = refusal(&ada, &["push", "--delete", "origin", "none"])?;
    ensure!(said.contains("remote ref does not exist"), "{said}");
    let said = refusal(&ada, &["push", "origin", ":main"])?;
    ensure!(said.contains("deletion of the current branch prohibited"), "{said}");
    let words = ["push", "--atomic", "origin", "main:refs/heads/fine", "main:refs/heads/main/x"];
    refusal(&ada, &words)?;
    let said = refusal(&ada, &["fetch", url, "1111111111111111111111111111111111111111"])?;
    ensure!(said.contains("not our ref") || said.contains("upload-pack"), "{said}");
    ensure!(trip.git("ada", "ls-remote origin")? == before, "a refused push changed a ref");
    Ok(())
}

fn deleted(trip: &Trip<'_>) -> Result<()> {
    trip.git("ada", "push --quiet origin :topic/one :refs/tags/light")?;
    trip.git("ada", "push --quiet --delete origin copy asked")?;
    trip.git("ben", "fetch --quiet --prune origin")?;
    let branches = trip.git("ben", "for-each-ref --format=%(refname) refs/remotes")?;
    ensure!(!branches.contains("topic/one") && !branches.contains("copy"), "{branches}");
    // The folder is free again.
    trip.git("ada", "push --quiet origin main:refs/heads/topic")?;
    trip.git("ada", "push --quiet origin :topic main:refs/heads/topic/again")?;
    let listed = trip.git("ada", "ls-remote origin refs/heads/topic*/*")?;
    ensure!(listed.ends_with("refs/heads/topic/again"), "{listed}");
    Ok(())
}

/// A client with much that the server lacks: several rounds of haves, and bodies that git
/// compresses.
pub fn many_haves(trip: &Trip<'_>, protocol: &str) -> Result<Option<String>> {
    let url = trip.create("many-haves")?;
    trip.start("ada", &url)?;
    trip.git("ada", "push --quiet origin main")?;
    run(git(trip.folder, &["clone", "--quiet", &url, "ben"]))?;
    for number in 0..300 {
        trip.git("ben", &format!("commit --quiet --allow-empty -m own-{number}"))?;
    }
    for number in 0..20 {
        trip.write("ada", "README", &format!("{number}\n"))?;
        trip.save("ada", &format!("new-{number}"))?;
    }
    trip.git("ada", "push --quiet origin main")?;
    let ben = trip.path("ben");
    let version = format!("protocol.version={protocol}");
    let mut fetch = git(&ben, &["-c", &version, "fetch", "--quiet", "origin"]);
    fetch.env("GIT_TRACE_CURL", trip.path("trace"));
    run(fetch)?;
    let trace = std::fs::read_to_string(trip.path("trace"))?.to_lowercase();
    ensure!(trace.contains("content-encoding: gzip"), "git did not compress a request");
    let tip = text(&ben, &["rev-parse", "origin/main"])?;
    ensure!(tip == trip.git("ada", "rev-parse main")?);
    trip.git("ben", "fsck --full --no-dangling")?;
    Ok(None)
}

/// A push larger than git's buffer: git asks first (`0000`), then sends in chunks.
pub fn chunked_push(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("chunked")?;
    trip.start("ada", &url)?;
    let mut seed = Seed(9);
    trip.write("ada", "large", &seed.source(60_000))?;
    trip.save("ada", "large")?;
    let ada = trip.path("ada");
    let mut push = git(&ada, &["-c", "http.postBuffer=65536", "push", "--quiet", "origin", "main"]);
    push.env("GIT_TRACE_CURL", trip.path("trace"));
    run(push)?;
    let trace = std::fs::read(trip.path("trace"))?;
    let trace = String::from_utf8_lossy(&trace).to_lowercase();
    ensure!(trace.contains("transfer-encoding: chunked"), "git did not send chunks");
    let tip = text(&ada, &["rev-parse", "main"])?;
    ensure!(trip.git("ada", "ls-remote origin main")?.starts_with(&tip), "main is not there");
    whole(&url, trip.folder)?;
    Ok(None)
}

/// A clone of nothing, by each protocol; then the first push from it.
pub fn empty_clone(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("empty-clone")?;
    for protocol in ["0", "1", "2"] {
        let version = format!("protocol.version={protocol}");
        run(git(trip.folder, &["-c", &version, "clone", "--quiet", &url, protocol]))?;
        let head = trip.git(protocol, "symbolic-ref HEAD")?;
        ensure!(head == "refs/heads/main", "protocol {protocol}: HEAD is {head}");
    }
    trip.write("2", "README", "hello\n")?;
    trip.save("2", "first")?;
    trip.git("2", "push --quiet origin HEAD")?;
    trip.git("0", "pull --quiet")?;
    ensure!(trip.git("0", "rev-parse HEAD")? == trip.git("2", "rev-parse HEAD")?);
    Ok(None)
}

/// A clone of the last commits, made deeper, then whole; a push from it.
pub fn shallow(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("deep-deltas")?;
    let url = trip.create("shallow")?;
    run(git(&fixture.served, &["push", "--quiet", "--mirror", &url]))?;
    for protocol in ["0", "2"] {
        let version = format!("protocol.version={protocol}");
        let words = ["-c", &version, "clone", "--quiet", "--depth=3", &url, protocol];
        run(git(trip.folder, &words))?;
        let count = || trip.git(protocol, "rev-list --count HEAD");
        ensure!(count()? == "3", "protocol {protocol}");
        trip.git(protocol, &format!("-c {version} fetch --quiet --deepen=5 origin"))?;
        ensure!(count()? == "8", "protocol {protocol} deeper");
        trip.git(protocol, "fsck --full")?;
        trip.git(protocol, &format!("config protocol.version {protocol}"))?;
        trip.git(protocol, "pull --quiet --rebase origin main")?;
        trip.write(protocol, "more", protocol)?;
        trip.save(protocol, "more")?;
        trip.git(protocol, &format!("push --quiet origin HEAD:from-{protocol}"))?;
        trip.git(protocol, "fetch --quiet --unshallow origin")?;
        ensure!(count()? == "601", "protocol {protocol} whole: {}", count()?);
        trip.git(protocol, "fsck --full")?;
    }
    Ok(None)
}

/// A clone without contents of files, which git fetches as it needs them.
pub fn partial(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("shapes")?;
    let url = trip.create("partial")?;
    run(git(&fixture.served, &["push", "--quiet", "--mirror", &url]))?;
    for filter in ["blob:none", "tree:0", "blob:limit=100"] {
        let name = filter.replace(':', "-");
        let argument = format!("--filter={filter}");
        run(git(trip.folder, &["clone", "--quiet", "--bare", &argument, &url, &name]))?;
        let missing = trip.git(&name, "rev-list --objects --missing=print --all")?;
        ensure!(missing.contains("\n?"), "{filter} left nothing out");
        let archive = |folder| -> Result<Vec<u8>> {
            let command: Command = git(folder, &["archive", "HEAD"]);
            run(command)
        };
        let (before, after) = (archive(&fixture.served)?, archive(&trip.path(&name))?);
        ensure!(before == after, "git archive makes another file with {filter}");
    }
    run(git(trip.folder, &["clone", "--quiet", "--mirror", &url, "whole"]))?;
    same(&fixture.served, &trip.path("whole"))?;
    Ok(None)
}
