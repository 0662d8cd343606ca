//! Many clients at once.

use super::Trip;
use crate::git::{git, run, start};
use anyhow::{Result, ensure};
use std::process::Child;

const CLIENTS: usize = 8;

/// As many working repositories, each with a commit of its own on top of main.
fn clients(trip: &Trip<'_>, url: &str) -> Result<Vec<String>> {
    trip.start("seed", url)?;
    trip.git("seed", "push --quiet origin main")?;
    let mut names = Vec::new();
    for number in 0..CLIENTS {
        let name = format!("client{number}");
        run(git(trip.folder, &["clone", "--quiet", url, &name]))?;
        trip.write(&name, &format!("file{number}"), &format!("{number}\n"))?;
        trip.save(&name, &format!("of-{number}"))?;
        names.push(name);
    }
    Ok(names)
}

/// Starts one push by each client at once; which of them succeeded.
fn push_all(
    trip: &Trip<'_>,
    names: &[String],
    refspec: &dyn Fn(usize) -> String,
) -> Result<Vec<bool>> {
    let mut pushes = Vec::new();
    for (number, name) in names.iter().enumerate() {
        let words = ["push", "--quiet", "origin", &refspec(number)];
        pushes.push(start(&mut git(&trip.path(name), &words))?);
    }
    pushes.iter_mut().map(|push: &mut Child| Ok(push.wait()?.success())).collect()
}

/// Pushes to different branches all succeed.
pub fn branches(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("race-of-branches")?;
    let names = clients(trip, &url)?;
    let done = push_all(trip, &names, &|number| format!("main:refs/heads/own/{number}"))?;
    ensure!(done.iter().all(|done| *done), "of pushes to different branches some failed: {done:?}");
    for (number, name) in names.iter().enumerate() {
        let own = trip.git(name, "rev-parse main")?;
        let listed = trip.git(name, &format!("ls-remote origin refs/heads/own/{number}"))?;
        ensure!(listed.starts_with(&own), "branch {number}");
    }
    crate::run::whole(&url, trip.folder)?;
    Ok(None)
}

/// Of pushes to one branch from one base just one succeeds.
pub fn one_branch(trip: &Trip<'_>) -> Result<Option<String>> {
    let url = trip.create("race-of-one")?;
    let names = clients(trip, &url)?;
    let done = push_all(trip, &names, &|_| "main".to_string())?;
    let winners: Vec<usize> = (0..CLIENTS).filter(|number| done[*number]).collect();
    let &[winner] = winners.as_slice() else {
        anyhow::bail!("pushes that succeeded: {winners:?}");
    };
    let own = trip.git(&names[winner], "rev-parse main")?;
    ensure!(trip.git("seed", "ls-remote origin refs/heads/main")?.starts_with(&own));
    crate::run::whole(&url, trip.folder)?;
    Ok(None)
}

/// Clones beside a series of pushes: each is whole, and of a state that there was.
pub fn clones(trip: &Trip<'_>) -> Result<Option<String>> {
    let fixture = trip.fixtures.get("deep-deltas")?;
    let url = trip.create("clones")?;
    let push = |step: usize| {
        let refspec = format!("main~{}:refs/heads/main", 500 - step * 25);
        run(git(&fixture.served, &["push", "--quiet", &url, &refspec]))
    };
    push(0)?;
    let mut started = Vec::new();
    for step in 1..=CLIENTS * 2 {
        let name = format!("clone{step}");
        let words = ["clone", "--quiet", "--mirror", &url, &name];
        started.push((start(&mut git(trip.folder, &words))?, name));
        push(step)?;
    }
    let history = crate::git::text(&fixture.served, &["rev-list", "main"])?;
    for (mut clone, name) in started {
        ensure!(clone.wait()?.success(), "{name} failed");
        let tip = trip.git(&name, "rev-parse main")?;
        ensure!(history.contains(&tip), "{name} has a tip that never was: {tip}");
        trip.git(&name, "fsck --full --no-dangling")?;
    }
    Ok(None)
}
