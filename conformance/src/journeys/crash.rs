//! Power cuts: of the server, and of the client.

use super::Trip;
use crate::fixture::{Fixture, Seed};
use crate::git::{git, run, start, text};
use crate::target::{Kind, Target};
use anyhow::{Context, Result, bail, ensure};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Deaths in one run; `CRASHES` names another number.
const ROUNDS: usize = 12;

/// The server dies at a random moment of a push: afterwards it serves the old refs or the new ones.
pub fn crash(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind == Kind::Git {
        return Ok(None);
    }
    if std::env::var_os("WORKERS_URL").is_some() {
        return Ok(Some("only a server that was started here is killed".into()));
    }
    // A server of its own: others must not feel it.
    let target = Target::start(trip.target.kind, trip.folder)?;
    let fixture = trip.fixtures.get("files-5000")?;
    let own = Trip { target: &target, ..*trip };
    let rounds = std::env::var("CRASHES").map_or(Ok(ROUNDS), |count| count.parse());
    let rounds = rounds.context("CRASHES is a number")?;
    let (mut seed, mut outcomes) = (Seed(1), [0, 0]);
    let path = target.create("measured", "refs/heads/main")?;
    let started = Instant::now();
    run(git(&fixture.served, &["push", "--quiet", &target.url(&path), "main"]))?;
    let whole = started.elapsed();
    for round in 0..rounds {
        let path = target.create("crash", "refs/heads/main")?;
        let part = seed.below(1100) as u32;
        let is_new = crash_at(&own, &fixture, &path, whole * part / 1000)
            .with_context(|| format!("round {round}, killed at {part}/1000 of a push"))?;
        outcomes[usize::from(is_new)] += 1;
    }
    ensure!(outcomes[0] > 0, "no push was interrupted: {outcomes:?}");
    println!("{rounds} deaths: {} times the old ref, {} the new", outcomes[0], outcomes[1]);
    Ok(None)
}

/// True: the new ref is there.
fn crash_at(trip: &Trip<'_>, fixture: &Fixture, path: &str, moment: Duration) -> Result<bool> {
    let target = trip.target;
    let mut push =
        start(&mut git(&fixture.served, &["push", "--quiet", &target.url(path), "main"]))?;
    std::thread::sleep(moment);
    target.crash()?;
    let told = push.wait()?.success();
    let url = target.url(path);
    let listed = text(&fixture.served, &["ls-remote", &url, "refs/heads/main"])?;
    let new = fixture.oid("main")?;
    let is_new = match listed.split('\t').next() {
        Some("") | None => false,
        Some(oid) if oid == new => true,
        _ => bail!("main is neither old nor new: {listed}"),
    };
    ensure!(is_new || !told, "the client was told of a push that is lost");
    if is_new {
        crate::run::whole(&url, trip.folder)?;
    } else {
        run(git(&fixture.served, &["push", "--quiet", &url, "main"])).context("pushed again")?;
    }
    Ok(is_new)
}

/// The client dies in the middle: the refs stay, and the next push succeeds.
pub fn cut_client(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("files-5000")?;
    let url = trip.create("cut-client")?;
    let mut seed = Seed(2);
    for round in 0..5 {
        let mut push = git(&fixture.served, &["push", "--quiet", &url, "main"]);
        // The helper that holds the connection dies with it.
        let mut push = start(push.process_group(0)).context("push")?;
        std::thread::sleep(Duration::from_millis(20 + seed.below(300) as u64));
        let group = format!("-{}", push.id());
        // It may be over already.
        let _ =
            Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status()?;
        push.wait()?;
        let listed = text(&fixture.served, &["ls-remote", &url])?;
        let new = fixture.oid("main")?;
        let is_whole = listed.lines().all(|line| line.starts_with(&new));
        ensure!(is_whole, "round {round}: {listed}");
    }
    // A server that has all of an earlier push may still be at it: then this one comes second.
    let again = || run(git(&fixture.served, &["push", "--quiet", &url, "main"]));
    if again().is_err() {
        std::thread::sleep(Duration::from_secs(2));
        again()?;
    }
    crate::run::whole(&url, trip.folder)?;
    Ok(None)
}
