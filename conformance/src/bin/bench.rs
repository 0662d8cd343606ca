//! `bench native|workers ROUNDS [WORD]`: operations of stock git on `git http-backend`, the native
//! host and, if asked for, workerd, in turn. Prints tables. By the environment: `REPO=path` adds
//! that repository to the seeded ones, of which WORD chooses; `MINUTES` bounds the whole;
//! `OUT=folder` keeps the tables in its `performance.md`, all samples as JSON, and plots.
//! `bench scale COUNTS STORAGE FOLDER`: shows there what the engine's tests `scale` and `storage`
//! counted.

use anyhow::{Context, Result, ensure};
use conformance::bench::document;
use conformance::bench::lines;
use conformance::bench::nginx::{self, SERVE, serve};
use conformance::bench::run::{Plan, run};
use conformance::bench::scale;
use conformance::bench::server::Server;
use conformance::bench::shapes::{self, Shape};
use conformance::bench::starts;
use conformance::bench::tables;
use conformance::fixture::Fixtures;
use conformance::git::text;
use conformance::target::Kind;
use conformance::target_folder;
use std::path::{Path, PathBuf};
use std::time::Duration;

const KINDS: [Kind; 3] = [Kind::Git, Kind::Native, Kind::Workers];
/// Rounds with workers, unless fewer are asked for: they take longer than the others.
const WORKERS_ROUNDS: usize = 2;
const MINUTES: u64 = 60;
/// The history that many clone at once.
const CROWD: &str = "5,000 files";
/// The word that asks for single lines alone, and no history.
const LINES: &str = "lines";

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let first = words.next().unwrap_or_else(|| "native".into());
    if first == SERVE {
        return serve(&words.next().context("a folder")?);
    }
    if first == "scale" {
        let mut path = |what: &'static str| words.next().map(PathBuf::from).context(what);
        let (counts, storage, folder) = (path("counts")?, path("storage")?, path("a folder")?);
        scale::write(&counts, &folder)?;
        return scale::write_storage(&storage, &folder);
    }
    let last = Kind::parse(&first)?;
    let rounds: usize = words.next().map_or(Ok(5), |word| word.parse()).context("rounds")?;
    ensure!(rounds > 0, "at least one round");
    let minutes = number("MINUTES", MINUTES)?;
    let workers = number("WORKERS_ROUNDS", WORKERS_ROUNDS as u64)? as usize;
    let plan = Plan { rounds, workers, time: Duration::from_secs(60 * minutes) };
    let word = words.next().unwrap_or_default();
    let out = std::env::var_os("OUT").filter(|out| !out.is_empty()).map(PathBuf::from);
    let scratch = scratch()?;
    let shapes = shapes(&word)?;
    ensure!(!shapes.is_empty() || word == LINES, "no history is called {word}");
    let kinds = &KINDS[..if last == Kind::Workers { 3 } else { 2 }];
    let servers = kinds.iter().map(|kind| Server::start(*kind, &scratch));
    let servers = servers.collect::<Result<Vec<_>>>()?;
    let notes = notes(&servers)?;
    if let Some(folder) = &out {
        let target = target_folder().join("conformance");
        let crowd = shapes::seeded(&Fixtures::new(&target)?, &target, CROWD, false)?;
        let crowd = crowd.first().context("a history for a crowd")?;
        lines::write(folder, &starts::measure(&servers[1], servers.get(2), crowd)?)?;
    }
    if word == LINES {
        drop(servers);
        return Ok(std::fs::remove_dir_all(&scratch)?);
    }
    let rows = run(&plan, &servers, &shapes, &scratch, |rows| match &out {
        Some(folder) => document::write(folder, &notes, rows),
        None => Ok(()),
    })?;
    println!("{}", tables::all(&rows));
    drop(servers);
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// A folder of this run's own; those of runs that were interrupted are taken away.
fn scratch() -> Result<PathBuf> {
    let target = target_folder().join("conformance");
    std::fs::create_dir_all(&target)?;
    for entry in std::fs::read_dir(&target)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let old = name.strip_prefix("bench-");
        if old.is_some_and(|id| !Path::new("/proc").join(id).exists()) {
            std::fs::remove_dir_all(entry.path())?;
        }
    }
    let scratch = target.join(format!("bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    Ok(scratch.canonicalize()?)
}

fn is_set(name: &str) -> bool {
    std::env::var_os(name).is_some_and(|word| !word.is_empty())
}

fn number(name: &str, default: u64) -> Result<u64> {
    match std::env::var(name) {
        Ok(word) if !word.is_empty() => word.parse().with_context(|| format!("{name} is {word}")),
        _ => Ok(default),
    }
}

fn shapes(word: &str) -> Result<Vec<Shape>> {
    eprintln!("making the histories, or finding them made");
    let target = target_folder().join("conformance");
    let mut shapes = shapes::seeded(&Fixtures::new(&target)?, &target, word, is_set("SCALE"))?;
    if let Some(path) = std::env::var_os("REPO").filter(|path| !path.is_empty()) {
        shapes.push(shapes::real(Path::new(&path), &target)?);
    }
    Ok(shapes)
}

/// What is said of the whole run.
fn notes(servers: &[Server]) -> Result<Vec<(&'static str, String)>> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name)).unwrap_or_default();
        line.split_once(':').map_or(String::new(), |(_, value)| value.trim().to_string())
    };
    let cpus = std::thread::available_parallelism().map_or(0, usize::from);
    let load = read("/proc/loadavg");
    let load = load.split(' ').next().unwrap_or_default().to_string();
    let clock = match servers.iter().all(Server::has_exact_clock) {
        true => "of the servers' processes, exact, by control groups",
        false => "of the servers' processes, from /proc, in steps of 10 ms",
    };
    Ok(vec![
        ("machine", format!("{cpus} cores of {}", field(&read("/proc/cpuinfo"), "model name"))),
        ("load of the machine before the start", load),
        ("git", text(Path::new("."), &["version"])?),
        ("git's side", nginx::name().to_string()),
        ("CPU time", clock.to_string()),
    ])
}
