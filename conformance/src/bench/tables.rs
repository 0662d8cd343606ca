//! The figures for people: tables in Markdown. Times are in milliseconds. Knows no server.

use super::budgets::{COUNTS, MEMORY_MAX, RATIOS, WORKERS, of};
use super::report::{Row, cpu, wall};
use crate::target::Kind;
use std::fmt::Write;

const MIB: f64 = 1_048_576.0;
/// What marks a figure over its budget.
const OVER: &str = "\u{2717}";

/// All tables: for each history its times and its counts, then the budgets.
pub fn all(rows: &[Row]) -> String {
    let mut text = String::new();
    let mut rest = rows;
    while let Some(first) = rest.first() {
        let count = rest.iter().take_while(|row| row.history == first.history).count();
        let (own, others) = rest.split_at(count);
        if first.rounds() > 0 {
            add(&mut text, &heading(first));
            add(&mut text, &times(own));
            add(&mut text, &counts(own));
        }
        rest = others;
    }
    add(&mut text, "### Against the budgets\n");
    add(&mut text, &against(rows));
    text
}

fn add(text: &mut String, part: &str) {
    text.push_str(part);
    text.push('\n');
}

fn heading(row: &Row) -> String {
    format!(
        "### {}\n\n{} commits, {} objects, a pack of {:.1} MiB; {} rounds.\n",
        row.history,
        row.commits,
        row.objects,
        row.pack as f64 / MIB,
        row.rounds()
    )
}

fn has(rows: &[Row], kind: Kind) -> bool {
    rows.iter().any(|row| row.median_of(kind, wall).is_some())
}

fn times(rows: &[Row]) -> String {
    let has_workers = has(rows, Kind::Workers);
    let mut text = String::from(
        "| operation | wall: git | native | ratio | budget | CPU: git | native | ratio | budget |",
    );
    if has_workers {
        text.push_str(" workers: wall | to git | to native | CPU |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(if has_workers { 12 } else { 8 }));
    for row in rows {
        let budget = of(row);
        write!(text, "\n| {} |", row.operation).expect("it takes all");
        for (of, max) in [
            (wall as fn(&_) -> f64, budget.and_then(|b| b.wall)),
            (cpu, budget.and_then(|b| b.cpu)),
        ] {
            let ratio = row.ratio(Kind::Native, Kind::Git, of);
            write!(
                text,
                " {} | {} | {} | {} |",
                time(row.median_of(Kind::Git, of)),
                time(row.median_of(Kind::Native, of)),
                marked(ratio, max),
                number(max)
            )
            .expect("it takes all");
        }
        if has_workers {
            write!(
                text,
                " {} | {} | {} | {} |",
                time(row.median_of(Kind::Workers, wall)),
                number(row.ratio(Kind::Workers, Kind::Git, wall)),
                marked(row.ratio(Kind::Workers, Kind::Native, wall), Some(WORKERS)),
                time(row.median_of(Kind::Workers, cpu)),
            )
            .expect("it takes all");
        }
    }
    text + "\n"
}

fn counts(rows: &[Row]) -> String {
    let has_workers = rows.iter().any(|row| row.cost(Kind::Workers).is_some());
    let mut text = String::from(
        "| operation | in the engine, ms | peak of memory, MiB | host calls | rows read | rows written | bytes sent |",
    );
    if has_workers {
        text.push_str(" workers: rows read | rows written | bytes sent |");
    }
    text.push_str("\n|---|");
    text.push_str(&"---:|".repeat(if has_workers { 9 } else { 6 }));
    for row in rows {
        let Some(cost) = row.cost(Kind::Native) else { continue };
        let budget = COUNTS.iter().find(|budget| budget.is_for(row));
        let over = |is_over: bool| if is_over { format!(" {OVER}") } else { String::new() };
        write!(
            text,
            "\n| {} | {} | {:.1}{} | {} | {}{} | {}{} | {} |",
            row.operation,
            time(Some(cost.engine.as_secs_f64())),
            cost.memory as f64 / MIB,
            over(cost.memory > MEMORY_MAX),
            cost.calls.unwrap_or(0),
            cost.rows_read,
            over(budget.is_some_and(|budget| cost.rows_read > (budget.rows_read)(row))),
            cost.rows_written,
            over(budget.is_some_and(|budget| cost.rows_written > (budget.rows_written)(row))),
            cost.bytes_sent
        )
        .expect("it takes all");
        if let Some(cost) = row.cost(Kind::Workers) {
            write!(text, " {} | {} | {} |", cost.rows_read, cost.rows_written, cost.bytes_sent)
                .expect("it takes all");
        } else if has_workers {
            text.push_str(" | | |");
        }
    }
    text + "\n"
}

/// Each budget, and each history's distance to it.
fn against(rows: &[Row]) -> String {
    let mut text = String::from(
        "| budget | wall, of git's | measured | CPU, of git's | measured |\n|---|---:|---|---:|---|\n",
    );
    for budget in RATIOS {
        let own: Vec<&Row> = rows.iter().filter(|row| budget.is_for(row)).collect();
        let each = |of: fn(&_) -> f64, max: Option<f64>, with_alone: bool| {
            let one = |row: &&Row| {
                let ratio = row.ratio(Kind::Native, Kind::Git, of)?;
                let is_over = max.is_some_and(|max| ratio > max);
                let alone = alone(row).filter(|_| is_over && with_alone);
                let alone = alone.map_or(String::new(), |alone| format!(" (alone {alone:.2})"));
                Some(format!("{}: {}{alone}", row.history, marked(Some(ratio), max)))
            };
            let list: Vec<String> = own.iter().filter_map(one).collect();
            if list.is_empty() { "not measured".into() } else { list.join("; ") }
        };
        let cpus = if budget.cpu.is_some() { each(cpu, budget.cpu, false) } else { String::new() };
        let walls = each(wall, budget.wall, true);
        let (wall, cpu) = (number(budget.wall), number(budget.cpu));
        writeln!(text, "| {} | {wall} | {walls} | {cpu} | {cpus} |", budget.what)
            .expect("it takes all");
    }
    text.push_str(
        "\n| budget | rows written, of how many | rows read, of how many |\n|---|---|---|\n",
    );
    for budget in COUNTS {
        let own = || rows.iter().filter(|row| budget.is_for(row));
        let each = |count: fn(&super::server::Cost) -> u64, max: fn(&Row) -> u64| {
            let one = |row: &Row| {
                let (count, max) = (count(&row.cost(Kind::Native)?), max(row));
                let mark = if count > max { format!(" {OVER}") } else { String::new() };
                Some(format!("{}: {count} of {max}{mark}", row.history))
            };
            let list: Vec<String> = own().filter_map(one).collect();
            if list.is_empty() { "not measured".into() } else { list.join("; ") }
        };
        let written = each(|cost| cost.rows_written, budget.rows_written);
        let read = each(|cost| cost.rows_read, budget.rows_read);
        writeln!(text, "| {} | {written} | {read} |", budget.what).expect("it takes all");
    }
    let memory = rows.iter().filter_map(|row| Some(row.cost(Kind::Native)?.memory)).max();
    let memory =
        memory.map_or("not measured".into(), |memory| format!("{:.1}", memory as f64 / MIB));
    writeln!(text, "\nThe largest linear memory of any request above: {memory} MiB, of 32.")
        .expect("it takes all");
    text
}

/// What git's client alone takes of git's wall time: ours without the engine's time.
fn alone(row: &Row) -> Option<f64> {
    let (own, git) = (row.median_of(Kind::Native, wall)?, row.median_of(Kind::Git, wall)?);
    let engine = row.cost(Kind::Native)?.engine.as_secs_f64();
    Some((own - engine).max(0.0) / git)
}

fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| format!("{value:.2}"))
}

fn marked(ratio: Option<f64>, max: Option<f64>) -> String {
    match (ratio, max) {
        (Some(ratio), Some(max)) if ratio > max => format!("**{ratio:.2}** {OVER}"),
        (Some(ratio), _) => format!("**{ratio:.2}**"),
        (None, _) => String::new(),
    }
}

fn time(seconds: Option<f64>) -> String {
    match seconds.map(|seconds| seconds * 1000.0) {
        None => String::new(),
        Some(time) if time < 10.0 => format!("{time:.1}"),
        Some(time) => format!("{time:.0}"),
    }
}
