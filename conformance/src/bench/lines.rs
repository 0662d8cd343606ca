//! The budgets that are no ratio and no count of one operation: a line each, with what was
//! measured, from the module itself, from starts, and from the parts of the page that were counted.
//! Knows no server.

use super::document::{part, replace};
use super::starts::Starts;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::io::Write;
use std::path::Path;
use wasmparser::{Parser, Payload, TypeRef};

const MODULE: &str = "dist/engine.wasm";
const OVER: &str = "\u{2717}";

/// What is measured, its budget, what was found, and whether that is within.
struct Line {
    what: &'static str,
    budget: String,
    found: String,
    is_within: Option<bool>,
}

/// What was found was measured.
fn at_most(what: &'static str, unit: &str, budget: f64, found: Option<f64>) -> Line {
    let show = |value: f64| match value.fract() == 0.0 {
        true => format!("{value}{unit}"),
        false => format!("{value:.2}{unit}"),
    };
    let found_text = found.map_or("not measured".into(), show);
    Line {
        what,
        budget: show(budget),
        found: found_text,
        is_within: found.map(|value| value <= budget),
    }
}

/// What is told elsewhere, or is not there.
fn told(what: &'static str, budget: &str, found: &str, is_within: Option<bool>) -> Line {
    Line { what, budget: budget.into(), found: found.into(), is_within }
}

/// Writes them between their marks.
pub fn write(folder: &Path, starts: &Starts) -> Result<()> {
    let mut text = String::from("| budget | at most | measured | |\n|---|---:|---:|---|\n");
    let mut lines = module()?;
    lines.extend(of_starts(starts));
    lines.extend(counted(&part(folder, "scale"), &part(folder, "storage")));
    for Line { what, budget, found, is_within } in lines {
        let mark = match is_within {
            Some(true) => "within",
            Some(false) => OVER,
            None => "",
        };
        writeln!(text, "| {what} | {budget} | {found} | {mark} |")?;
    }
    replace(folder, "lines", &text)
}

fn module() -> Result<Vec<Line>> {
    let bytes = std::fs::read(MODULE).with_context(|| format!("{MODULE}: make engine"))?;
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(&bytes)?;
    let zipped = writer.finish()?.len();
    let (mut calls, mut memory) = (0, None);
    for payload in Parser::new(0).parse_all(&bytes) {
        match payload? {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    calls += u32::from(matches!(import?.ty, TypeRef::Func(_)));
                }
            }
            Payload::MemorySection(section) => {
                for kind in section {
                    memory = kind?.maximum.map(|pages| pages as f64 / 16.0);
                }
            }
            _ => {}
        }
    }
    Ok(vec![
        at_most("the module, bytes", "", 102_400.0, Some(bytes.len() as f64)),
        at_most("the same gzipped, bytes", "", 46_080.0, Some(zipped as f64)),
        told("the same with queries and writes by API", "163840", "there are none yet", None),
        at_most("imports", "", 12.0, Some(f64::from(calls))),
        at_most("linear memory, as declared", " MiB", 32.0, memory),
    ])
}

fn of_starts(starts: &Starts) -> Vec<Line> {
    let ms = |seconds: f64| Some(seconds * 1000.0);
    let Starts { native, workers, first_answer, together } = starts;
    let what = "instance start and ls-refs of a small repository, native: CPU of its thread";
    let mut lines = vec![at_most(what, " ms", 1.0, ms(native.engine))];
    lines.push(at_most("the same from request to answer", " ms", 1.0, ms(native.wall)));
    let small = workers.as_ref().and_then(|small| ms(small.wall));
    lines.push(at_most("the same in workerd, from request to answer", " ms", 3.0, small));
    let what = "start of the native server to its first answer, the module compiled before";
    lines.push(at_most(what, " ms", 100.0, ms(*first_answer)));
    let what = "threads of the native server that run or are ready at once, while 8 clone one \
                repository (two may be the network's)";
    let found = together.to_string();
    lines.push(told(what, "at least 4", &found, Some(*together >= 4)));
    let found = "nothing of it: see `docs/reliability.md`, many repositories";
    lines.push(told("a repository at rest", "0 bytes of memory", found, Some(true)));
    lines
}

/// What tables of the page say: `scale` of counts, `storage` of bytes.
fn counted(scale: &str, storage: &str) -> Vec<Line> {
    let rows = |by: &str, size: &str, operation: &str| number(scale, &[by, size, operation], 4);
    let mut lines = Vec::new();
    let storage: Vec<f64> = table(storage).filter_map(|row| row.last()?.parse().ok()).collect();
    let worst = storage.into_iter().reduce(f64::max);
    let what = "bytes of all rows after 1,000 small pushes and upkeep, of `git gc`'s";
    lines.push(at_most(what, "", 1.2, worst));
    let clone = rows("pushes", "1000", "clone");
    lines.push(at_most("clone after 1,000 small pushes: rows read", "", 41.0, clone));
    let scans = number(scale, &["refs", "10000", "ls-refs"], 7);
    let what = "ls-refs of 10,000 refs (0.5 MiB): scans, four a MiB and four";
    lines.push(at_most(what, "", 6.0, scans));
    lines.push(told("file by ref and path: rows read", "12", "there is no such query yet", None));
    for (by, operation, what, budget) in GROWTH {
        let points: Vec<(f64, f64)> = table(scale)
            .filter(|row| row.first() == Some(by) && row.get(2) == Some(operation))
            .filter_map(|row| Some((row.get(1)?.parse().ok()?, row.get(4)?.parse().ok()?)))
            .collect();
        let list: Vec<String> = points.iter().map(|(_, rows)| rows.to_string()).collect();
        lines.push(told(what, budget, &list.join(", "), grows_slowly(&points)));
    }
    let what = "memory of a clone or push, 1 MB to 10 GB";
    let found = "at most 31.1 MiB, whatever was pushed: see large histories";
    lines.push(told(what, "32 MiB", found, Some(true)));
    lines.push(told("a fork", "no rows of packs", "there are no forks yet", None));
    let found = "512 connections at most: see `docs/reliability.md`, many repositories";
    lines.push(told("memory of 10,000 repositories", "handles and cache", found, Some(true)));
    lines
}

/// What grows, the operation, and how it is called here.
const GROWTH: &[(&str, &str, &str, &str)] = &[
    (
        "objects",
        "push of one small commit",
        "rows read by a small push, at each tenfold of objects",
        "as the logarithm",
    ),
    (
        "objects",
        "fetch with nothing new",
        "rows read by a fetch with nothing new, at each tenfold of objects",
        "as the logarithm",
    ),
    (
        "pushes",
        "push of one small commit",
        "rows read by a small push, at each tenfold of pushes",
        "as the logarithm",
    ),
];

/// Whether no tenfold adds more than a pack's share: the packs of a geometric series that a lookup
/// asks, two for each doubling.
fn grows_slowly(points: &[(f64, f64)]) -> Option<bool> {
    let mut steps = points.windows(2).map(|pair| (pair[0], pair[1]));
    let is_slow = |((size, rows), (next, more)): ((f64, f64), (f64, f64))| {
        more - rows <= 4.0 * (next / size).log2()
    };
    (points.len() > 1).then(|| steps.all(is_slow))
}

/// The rows of a Markdown table, cell by cell, without its head.
fn table(text: &str) -> impl Iterator<Item = Vec<&str>> {
    let rows = text.lines().filter(|line| line.starts_with("| "));
    rows.skip(1).map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
}

/// The number in a column of the row that begins so.
fn number(text: &str, begin: &[&str], column: usize) -> Option<f64> {
    let row = table(text).find(|row| row.starts_with(begin))?;
    row.get(column)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_by_what_its_row_begins_with() {
        let text =
            "| by | size | rows |\n|---|---:|---:|\n| refs | 10 | 11 |\n| refs | 100 | 12 |\n";
        for (begin, expect) in [(["refs", "100"], Some(12.0)), (["refs", "1"], None)] {
            assert_eq!(number(text, &begin, 2), expect, "{begin:?}");
        }
    }

    #[test]
    fn growth_by_a_share_of_the_size_is_not_slow() {
        let slow = [(1e3, 5.0), (1e4, 10.0), (1e5, 14.0)];
        let fast = [(1e3, 5.0), (1e4, 10.0), (1e5, 60.0)];
        for (points, expect) in [(&slow[..], Some(true)), (&fast, Some(false)), (&slow[..1], None)]
        {
            assert_eq!(grows_slowly(points), expect, "{points:?}");
        }
    }
}
