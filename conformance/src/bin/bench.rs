//! `bench native|workers ROUNDS [WORD]`: operations of stock git on `git http-backend`, the native
//! host and, if asked for, workerd, in turn. Prints a table; `REPO=path` measures that repository,
//! `OUT=folder` keeps the table, all samples as JSON, and plots.

use anyhow::{Context, Result, ensure};
use conformance::bench::measure::{Sample, measure};
use conformance::bench::nginx::{SERVE, serve};
use conformance::bench::operations::{OPERATIONS, Stage};
use conformance::bench::report::{Row, json, table};
use conformance::bench::server::Server;
use conformance::bench::shapes::{self, Shape};
use conformance::bench::{plot, report};
use conformance::fixture::Fixtures;
use conformance::target::Kind;
use conformance::target_folder;
use std::path::Path;

const KINDS: [Kind; 3] = [Kind::Git, Kind::Native, Kind::Workers];

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let first = words.next().unwrap_or_else(|| "native".into());
    if first == SERVE {
        return serve(&words.next().context("a folder")?);
    }
    let last = Kind::parse(&first)?;
    let rounds: usize = words.next().map_or(Ok(5), |word| word.parse()).context("rounds")?;
    ensure!(rounds > 0, "at least one round");
    let word = words.next().unwrap_or_default();
    let kinds = &KINDS[..if last == Kind::Workers { 3 } else { 2 }];
    let scratch = target_folder().join(format!("conformance/bench-{}", std::process::id()));
    std::fs::create_dir_all(&scratch)?;
    let scratch = scratch.canonicalize()?;
    let servers = kinds.iter().map(|kind| Server::start(*kind, &scratch));
    let servers = servers.collect::<Result<Vec<_>>>()?;
    let shapes = match std::env::var_os("REPO") {
        Some(path) => vec![shapes::real(Path::new(&path), &scratch)?],
        None => {
            shapes::seeded(&Fixtures::new(&target_folder().join("conformance"))?, &scratch, &word)?
        }
    };
    let mut rows = Vec::new();
    for shape in &shapes {
        rows.extend(compare(shape, &servers, rounds, &scratch)?);
    }
    println!("{}", table(&rows));
    if let Some(folder) = std::env::var_os("OUT") {
        write(Path::new(&folder), &rows)?;
    }
    drop(servers);
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}

/// All operations on one history. The order of the sides turns around each round.
fn compare(shape: &Shape, servers: &[Server], rounds: usize, scratch: &Path) -> Result<Vec<Row>> {
    let operations: Vec<_> = OPERATIONS.iter().filter(|row| (row.is_for)(shape)).collect();
    let row = |name| Row {
        shape: shape.name.clone(),
        objects: shape.objects,
        operation: name,
        sides: servers.iter().map(|server| (server.target.kind, Vec::new())).collect(),
    };
    let mut rows: Vec<Row> = operations.iter().map(|operation| row(operation.name)).collect();
    let stages = servers.iter().map(|server| Stage::new(server, shape, scratch));
    let mut stages = stages.collect::<Result<Vec<_>>>()?;
    for round in 0..rounds {
        for (operation, row) in operations.iter().zip(&mut rows) {
            let mut order: Vec<usize> = (0..stages.len()).collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for side in order {
                let stage = &mut stages[side];
                let job = (operation.make)(stage)
                    .with_context(|| format!("{}: {}", shape.name, operation.name))?;
                let sample = measure(stage.server, job).with_context(|| {
                    let kind = stage.server.target.kind;
                    format!("{}: {} on {kind:?}", shape.name, operation.name)
                })?;
                row.sides[side].1.push(sample);
                stage.clear()?;
            }
        }
        eprintln!("{}: round {} of {rounds}", shape.name, round + 1);
    }
    Ok(rows)
}

fn write(folder: &Path, rows: &[Row]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("performance.json"), json(rows))?;
    std::fs::write(folder.join("performance-table.md"), table(rows))?;
    for (operation, file) in [("push", "push"), ("clone", "clone")] {
        draw(folder, rows, operation, file)?;
    }
    Ok(())
}

/// The server's CPU time of an operation against the size of the history.
fn draw(folder: &Path, rows: &[Row], operation: &str, file: &str) -> Result<()> {
    let rows: Vec<&Row> = rows.iter().filter(|row| row.operation == operation).collect();
    let Some(first) = rows.first() else {
        return Ok(());
    };
    let mut lines: Vec<plot::Line> = Vec::new();
    for (side, (kind, _)) in first.sides.iter().enumerate() {
        let time = |row: &&Row| row.median_of(side, |sample: &Sample| sample.cpu);
        let points = rows.iter().map(|row| (row.objects as f64, time(row))).collect();
        lines.push((format!("{kind:?}").to_lowercase(), points));
    }
    let title = format!("{operation}: CPU time of the server");
    let text = plot::svg(&title, "objects", "seconds", &lines);
    std::fs::write(folder.join(format!("performance-{file}.svg")), text)?;
    let native = |row: &&Row| {
        let samples = &row.sides.get(1).map(|side| &side.1);
        let memory = |sample: &Sample| sample.cost.map_or(0.0, |cost| cost.memory as f64);
        samples.map_or(0.0, |samples| report::median(samples.iter().map(memory).collect()))
    };
    let points = rows.iter().map(|row| (row.objects as f64, native(row) / f64::from(1 << 20)));
    let title = format!("{operation}: peak of linear memory");
    let text = plot::svg(&title, "objects", "MiB", &[("native".into(), points.collect())]);
    Ok(std::fs::write(folder.join(format!("performance-{file}-memory.svg")), text)?)
}
