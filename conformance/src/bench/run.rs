//! A whole run: all rounds of all operations on all histories, as long as there is time.

use super::measure::measure;
use super::operations::{OPERATIONS, Operation, Stage};
use super::report::Row;
use super::server::Server;
use super::shapes::{Class, Shape};
use crate::target::Kind;
use anyhow::{Context, Result};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use std::time::{Duration, Instant};

/// Rounds of a million objects: each takes minutes. Workers have no part in them.
const VAST_ROUNDS: usize = 1;

/// How much is measured.
pub struct Plan {
    pub rounds: usize,
    /// Rounds that workers take part in: they take longer.
    pub workers: usize,
    /// No round is begun that would end later than this after the start, but the first.
    pub time: Duration,
}

/// Calls `keep` after each history's round: an interrupt loses no more than one of them.
pub fn run(
    plan: &Plan,
    servers: &[Server],
    shapes: &[Shape],
    scratch: &Path,
    mut keep: impl FnMut(&[Row]) -> Result<()>,
) -> Result<Vec<Row>> {
    let begun = Instant::now();
    let kinds: Vec<Kind> = servers.iter().map(|server| server.target.kind).collect();
    let mut rows = Vec::new();
    for shape in shapes {
        rows.extend(operations(shape).map(|operation| Row::new(shape, operation.name, &kinds)));
    }
    let total: usize = plan.rounds * rows.len();
    let bar = ProgressBar::new(total as u64).with_style(ProgressStyle::with_template(
        "{elapsed_precise} {wide_bar} {pos}/{len} {msg}",
    )?);
    // The longest round so far: without workers, and their part.
    let (mut others, mut workers) = (Duration::ZERO, Duration::ZERO);
    for round in 0..plan.rounds {
        let start = Instant::now();
        let next = others + if round < plan.workers { workers } else { Duration::ZERO };
        if round > 0 && begun.elapsed() + next > plan.time {
            bar.suspend(|| eprintln!("no time for round {} of {}", round + 1, plan.rounds));
            break;
        }
        let mut own_workers = Duration::ZERO;
        let mut at = 0;
        for shape in shapes {
            let count = operations(shape).count();
            let own = &mut rows[at..at + count];
            if shape.class == Class::Vast && round >= VAST_ROUNDS {
                bar.inc(count as u64);
                at += count;
                continue;
            }
            own_workers += compare(plan, servers, shape, scratch, round, own, &bar)?;
            at += count;
            keep(&rows)?;
        }
        let took = start.elapsed();
        workers = workers.max(own_workers);
        others = others.max(took.saturating_sub(own_workers));
        bar.suspend(|| eprintln!("round {} of {}: {} s", round + 1, plan.rounds, took.as_secs()));
    }
    bar.finish_and_clear();
    Ok(rows)
}

fn operations(shape: &Shape) -> impl Iterator<Item = &'static Operation> {
    OPERATIONS.iter().filter(|operation| (operation.is_for)(shape))
}

/// One round of all operations on one history: how long workers took of it. The order of the
/// sides turns around each round.
fn compare(
    plan: &Plan,
    servers: &[Server],
    shape: &Shape,
    scratch: &Path,
    round: usize,
    rows: &mut [Row],
    bar: &ProgressBar,
) -> Result<Duration> {
    let mut of_workers = Duration::ZERO;
    let workers = match shape.class {
        Class::Vast => 0,
        _ => plan.workers,
    };
    let is_in = |server: &&Server| server.target.kind != Kind::Workers || round < workers;
    let stages = servers.iter().filter(is_in).map(|server| Stage::new(server, shape, scratch));
    let mut stages = stages.collect::<Result<Vec<_>>>()?;
    for (operation, row) in operations(shape).zip(rows) {
        let mut order: Vec<usize> = (0..stages.len()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for side in order {
            let stage = &mut stages[side];
            let kind = stage.server.target.kind;
            let what = || format!("{}: {} on {kind:?}", shape.name, operation.name);
            bar.set_message(what());
            let begun = Instant::now();
            let job = (operation.make)(stage).with_context(what)?;
            let sample = measure(stage.server, &stage.path, job, round == 0).with_context(what)?;
            row.sides[side].1.push(sample);
            stage.clear()?;
            if kind == Kind::Workers {
                of_workers += begun.elapsed();
            }
        }
        bar.inc(1);
    }
    for stage in &stages {
        stage.remove()?;
    }
    Ok(of_workers)
}
