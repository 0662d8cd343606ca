//! Costs as a repository grows, as the engine's own tests counted them: a table, and plots. Knows
//! no server.

use super::document::replace;
use super::plot::{self, Line};
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;

/// What grew, how far, what was done then, and what that cost.
struct Point<'a> {
    by: &'a str,
    size: f64,
    operation: &'a str,
    costs: Vec<f64>,
}

/// What is plotted: which cost, by what. The first cost is of host calls, the second of rows read.
const PLOTS: &[(&str, usize, &str)] =
    &[("objects", 0, "host calls"), ("pushes", 0, "host calls"), ("refs", 0, "host calls")];

/// Reads the counts (lines of words between tabs) and writes what they come to into `folder`.
pub fn write(counts: &Path, folder: &Path) -> Result<()> {
    let text = std::fs::read_to_string(counts)?;
    let points = text.lines().skip(1).map(read).collect::<Result<Vec<_>>>()?;
    let mut page = String::new();
    for (by, cost, name) in PLOTS {
        let title = format!("{name}, by {by}");
        let file = format!("performance-scale-{by}.svg");
        let own: Vec<&Point> = points.iter().filter(|point| point.by == *by).collect();
        let drawing = plot::svg(&title, by, name, &lines(&own, *cost));
        std::fs::write(folder.join(&file), drawing)?;
        writeln!(page, "![{title}]({file})\n")?;
    }
    table(&text, "|---|---:|---|---:|---:|---:|---:|---:|", &mut page)?;
    replace(folder, "scale", &page)
}

/// The same for the bytes that pushes take in the store.
pub fn write_storage(counts: &Path, folder: &Path) -> Result<()> {
    let text = std::fs::read_to_string(counts)?;
    let columns = text.lines().next().context("a head")?.split('\t').count();
    let mut page = String::new();
    table(&text, &format!("|---|{}", "---:|".repeat(columns - 1)), &mut page)?;
    replace(folder, "storage", &page)
}

/// Lines of words between tabs, the first of them the head, as a table.
fn table(text: &str, rule: &str, page: &mut String) -> Result<()> {
    for (at, line) in text.lines().enumerate() {
        let words: Vec<&str> = line.split('\t').collect();
        writeln!(page, "| {} |", words.join(" | "))?;
        if at == 0 {
            writeln!(page, "{rule}")?;
        }
    }
    Ok(())
}

fn read(line: &str) -> Result<Point<'_>> {
    let words: Vec<&str> = line.split('\t').collect();
    let [by, size, operation, costs @ ..] = words.as_slice() else {
        anyhow::bail!("no point: {line}");
    };
    let costs = costs.iter().map(|word| word.parse()).collect::<Result<Vec<f64>, _>>()?;
    Ok(Point { by, size: size.parse()?, operation, costs })
}

/// A line for each operation.
fn lines(points: &[&Point], cost: usize) -> Vec<Line> {
    let mut lines: Vec<Line> = Vec::new();
    for point in points {
        let spot = (point.size, point.costs.get(cost).copied().unwrap_or(0.0));
        match lines.iter_mut().find(|(name, _)| name == point.operation) {
            Some((_, line)) => line.push(spot),
            None => lines.push((point.operation.to_string(), vec![spot])),
        }
    }
    lines
}
