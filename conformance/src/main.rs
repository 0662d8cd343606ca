//! `conformance [--target git|native|workers] [WORD]`: runs the cases and journeys whose names have
//! WORD in them, against git first, then against the target. `conformance --record WORD` writes
//! what git answers into those cases.

use anyhow::{Context, Result};
use conformance::case::Case;
use conformance::fixture::{Fixture, Fixtures};
use conformance::journeys::{JOURNEYS, Journey, Trip};
use conformance::target::{Kind, Target};
use conformance::{run, target_folder};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

fn main() -> ExitCode {
    match all() {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// A case or a journey.
enum Check {
    Case(Case),
    Journey(&'static Journey),
}

impl Check {
    fn name(&self) -> &str {
        match self {
            Check::Case(case) => &case.name,
            Check::Journey(journey) => journey.name,
        }
    }
}

/// What all checks share.
struct Suite {
    fixtures: Fixtures,
    /// Git, and the target if it is another.
    targets: Vec<Target>,
    /// Repositories that are only read, by target and fixture.
    shared: Mutex<HashMap<(usize, String), String>>,
    scratch: PathBuf,
}

fn all() -> Result<usize> {
    let (kind, word) = arguments()?;
    let checks = checks(&word)?;
    let is_record = std::env::args().any(|word| word == "--record");
    let scratch = scratch()?;
    let mut targets = vec![Target::start(Kind::Git, &scratch)?];
    if kind != Kind::Git && !is_record {
        targets.push(Target::start(kind, &scratch)?);
    }
    let fixtures = Fixtures::new(&target_folder().join("conformance"))?;
    let suite = Suite { fixtures, targets, shared: Mutex::default(), scratch: scratch.clone() };
    if is_record {
        return record(&suite, &checks);
    }
    let (started, failed, next) = (Instant::now(), AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for worker in 0..2 {
            let (suite, checks, failed, next) = (&suite, &checks, &failed, &next);
            scope.spawn(move || {
                let folder = suite.scratch.join(format!("worker{worker}"));
                while let Some(check) = checks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let begun = Instant::now();
                    let outcome = suite.run(check, &folder);
                    if show(check.name(), outcome, begun.elapsed().as_secs()) {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    drop(suite);
    let failed = failed.into_inner();
    let passed = checks.len() - failed;
    println!("{passed} passed, {failed} failed ({:.0} s)", started.elapsed().as_secs_f32());
    if failed == 0 {
        std::fs::remove_dir_all(&scratch)?;
    } else {
        println!("what they left is in {}", scratch.display());
    }
    Ok(failed)
}

fn record(suite: &Suite, checks: &[Check]) -> Result<usize> {
    for check in checks {
        let Check::Case(case) = check else { continue };
        let fixture = suite.fixtures.get(&case.fixture)?;
        let repository = suite.repository(0, &suite.targets[0], &fixture, case.writes())?;
        suite.targets[0].set(&repository, &case.settings)?;
        let path = cases_folder().join(&case.name).with_extension("case");
        conformance::record::case(case, &path, &fixture, &suite.targets[0], &repository)
            .with_context(|| case.name.clone())?;
    }
    Ok(0)
}

fn cases_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("cases")
}

/// This run's own folder. What runs that failed left is dropped by the next one.
fn scratch() -> Result<PathBuf> {
    let all = target_folder().join("conformance");
    std::fs::create_dir_all(&all)?;
    for entry in std::fs::read_dir(&all)? {
        let entry = entry?;
        let name = entry.file_name().into_string().unwrap_or_default();
        let Some(process) = name.strip_prefix("run-") else { continue };
        if !Path::new("/proc").join(process).exists() {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let own = all.join(format!("run-{}", std::process::id()));
    std::fs::create_dir_all(&own)?;
    Ok(own.canonicalize()?)
}

fn arguments() -> Result<(Kind, String)> {
    let (mut kind, mut found) = (Kind::Native, String::new());
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        match word.as_str() {
            "--target" => {
                kind = Kind::parse(&words.next().context("--target git|native|workers")?)?
            }
            "--record" => {}
            _ => found = word,
        }
    }
    Ok((kind, found))
}

/// Prints a line for one check, with how long it took if that is long; true if it failed.
fn show(name: &str, outcome: Result<Option<String>>, seconds: u64) -> bool {
    match outcome {
        Ok(None) if seconds >= 10 => println!("ok     {name} ({seconds} s)"),
        Ok(None) => println!("ok     {name}"),
        Ok(Some(reason)) => println!("ok     {name} (skipped: {reason})"),
        Err(error) => {
            println!("FAILED {name}\n{error:#}\n");
            return true;
        }
    }
    false
}

/// Journeys first: they take longest.
fn checks(word: &str) -> Result<Vec<Check>> {
    let root = cases_folder();
    let mut checks: Vec<Check> = JOURNEYS.iter().map(Check::Journey).collect();
    let mut paths = Vec::new();
    collect(&root, &mut paths)?;
    paths.sort();
    for path in paths {
        let name = path.strip_prefix(&root)?.with_extension("");
        let name = name.to_str().context("a name in UTF-8")?;
        checks.push(Check::Case(Case::parse(name, &std::fs::read_to_string(&path)?)?));
    }
    checks.retain(|check| check.name().contains(word));
    Ok(checks)
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, paths)?;
        } else if path.extension().is_some_and(|ending| ending == "case") {
            paths.push(path);
        }
    }
    Ok(())
}

impl Suite {
    /// Against git first: what git does not do is no claim to hold a target to.
    fn run(&self, check: &Check, folder: &Path) -> Result<Option<String>> {
        for (number, target) in self.targets.iter().enumerate() {
            let _ = std::fs::remove_dir_all(folder);
            std::fs::create_dir_all(folder)?;
            let outcome = match check {
                Check::Journey(journey) => {
                    (journey.run)(&Trip { target, fixtures: &self.fixtures, folder })
                }
                Check::Case(case) => {
                    let fixture = self.fixtures.get(&case.fixture)?;
                    let path = self.repository(number, target, &fixture, case.writes())?;
                    target.set(&path, &case.settings)?;
                    let outcome = run::case(case, &fixture, target, &path, folder);
                    match case.pending.as_ref().filter(|_| target.kind != Kind::Git) {
                        None => outcome.map(|()| None),
                        Some(reason) if outcome.is_err() => Ok(Some(format!("pending: {reason}"))),
                        Some(_) => Ok(Some("no longer pending: take the word away".into())),
                    }
                }
            };
            if let Some(reason) = outcome.with_context(|| format!("against {:?}", target.kind))? {
                return Ok(Some(reason));
            }
        }
        Ok(None)
    }

    fn repository(
        &self,
        number: usize,
        target: &Target,
        fixture: &Arc<Fixture>,
        is_own: bool,
    ) -> Result<String> {
        if is_own {
            return target.fill(fixture);
        }
        let mut shared = self.shared.lock().expect("no thread panicked");
        let key = (number, fixture.name.clone());
        if let Some(path) = shared.get(&key) {
            return Ok(path.clone());
        }
        let path = target.fill(fixture).context("filling the repository")?;
        shared.insert(key, path.clone());
        Ok(path)
    }
}
