//! Where the figures are kept: `performance.md`, of which only the part between two marks is
//! written here, `performance.json`, and plots. Knows no server.

use super::plot::{self, Line};
use super::report::{Of, Row, cpu, wall};
use super::{json, tables};
use crate::target::Kind;
use anyhow::{Context, Result};
use std::fmt::Write;
use std::path::Path;

const FILE: &str = "performance.md";
const MIB: f64 = 1_048_576.0;

/// Writes what was measured so far, in place of an earlier run's.
pub fn write(folder: &Path, notes: &[(&str, String)], rows: &[Row]) -> Result<()> {
    std::fs::create_dir_all(folder)?;
    std::fs::write(folder.join("performance.json"), json::all(notes, rows))?;
    let mut text = String::new();
    for (name, note) in notes {
        writeln!(text, "- {name}: {note}")?;
    }
    for (operation, of, title, file) in PLOTS {
        let lines = [Kind::Git, Kind::Native, Kind::Workers].map(|kind| {
            let point = |row: &&Row| Some((row.objects as f64, row.median_of(kind, *of)?));
            let points = rows.iter().filter(|row| row.operation == *operation);
            (format!("{kind:?}").to_lowercase(), points.filter_map(|row| point(&row)).collect())
        });
        draw(folder, file, title, "seconds", &lines, &mut text)?;
    }
    let memory = ["push", "clone"].map(|operation| {
        let point = |row: &Row| {
            let cost = row.cost(Kind::Native)?;
            Some((row.objects as f64, cost.memory as f64 / MIB))
        };
        let points = rows.iter().filter(|row| row.operation == operation);
        (operation.to_string(), points.filter_map(point).collect())
    });
    draw(folder, "memory", "peak of linear memory", "MiB", &memory, &mut text)?;
    text.push('\n');
    text.push_str(&tables::all(rows));
    replace(folder, "measured", &text)
}

const PLOTS: &[(&str, Of, &str, &str)] = &[
    ("push", wall, "push: wall time", "push-wall"),
    ("push", cpu, "push: CPU time of the server", "push-cpu"),
    ("clone", wall, "clone: wall time", "clone-wall"),
    ("clone", cpu, "clone: CPU time of the server", "clone-cpu"),
];

fn draw(
    folder: &Path,
    file: &str,
    title: &str,
    up: &str,
    lines: &[Line],
    text: &mut String,
) -> Result<()> {
    let mut lines: Vec<Line> =
        lines.iter().filter(|(_, points)| !points.is_empty()).cloned().collect();
    if lines.is_empty() {
        return Ok(());
    }
    for (_, points) in &mut lines {
        points.sort_by(|left, right| left.0.total_cmp(&right.0));
    }
    let name = format!("performance-{file}.svg");
    std::fs::write(folder.join(&name), plot::svg(title, "objects", up, &lines))?;
    writeln!(text, "\n![{title}]({name})")?;
    Ok(())
}

/// What stands between the marks called `name`.
pub fn part(folder: &Path, name: &str) -> String {
    let page = std::fs::read_to_string(folder.join(FILE)).unwrap_or_default();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let rest = page.split_once(&begin).map_or("", |(_, rest)| rest);
    rest.split_once(&end).map_or("", |(part, _)| part).to_string()
}

/// Puts `text` between the marks called `name`, which are added if there are none.
pub fn replace(folder: &Path, name: &str, text: &str) -> Result<()> {
    let path = folder.join(FILE);
    let old = std::fs::read_to_string(&path).unwrap_or_default();
    let (begin, end) = (format!("<!-- {name}: begin -->\n"), format!("<!-- {name}: end -->\n"));
    let new = match (old.split_once(&begin), old.split_once(&end)) {
        (Some((before, _)), Some((_, after))) => format!("{before}{begin}\n{text}\n{end}{after}"),
        _ => format!("{old}\n{begin}\n{text}\n{end}"),
    };
    std::fs::write(&path, new).with_context(|| format!("{}", path.display()))
}
