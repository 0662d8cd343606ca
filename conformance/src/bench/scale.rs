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
    let mut words = text.lines().map(|line| line.split('\t').collect::<Vec<_>>().join(" | "));
    writeln!(page, "| {} |", words.next().context("a head")?)?;
    page.push_str("|---|---:|---|---:|---:|---:|---:|\n");
    for line in words {
        writeln!(page, "| {line} |")?;
    }
    replace(folder, "scale", &page)
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
