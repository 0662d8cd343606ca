//! git's own progress lines as a bar. Knows their form: `Phase:  43% (430/1000), 1.2 MiB | …`.

use indicatif::{ProgressBar, ProgressStyle};
use std::io::Read;

/// Reads what git says until it ends; progress moves a bar, and the other lines are returned.
pub fn follow(mut from: impl Read) -> String {
    let style = ProgressStyle::with_template("{msg:20} [{bar:30}] {pos}/{len} {prefix}");
    let bar = ProgressBar::new(0);
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    let (mut said, mut line, mut bytes) = (String::new(), Vec::new(), [0; 4096]);
    while let Ok(size @ 1..) = from.read(&mut bytes) {
        for byte in &bytes[..size] {
            if !matches!(byte, b'\r' | b'\n') {
                line.push(*byte);
                continue;
            }
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            match read(&text) {
                Some(step) => show(&bar, &step),
                None if text.trim().is_empty() => {}
                None => said.push_str(&format!("{text}\n")),
            }
        }
    }
    said.push_str(&String::from_utf8_lossy(&line));
    bar.finish_and_clear();
    said
}

fn show(bar: &ProgressBar, step: &Step) {
    bar.set_message(step.phase.to_string());
    bar.set_length(step.whole);
    bar.set_position(step.done);
    bar.set_prefix(step.rest.to_string());
}

/// One progress line.
#[derive(Debug, PartialEq, Eq)]
struct Step<'a> {
    phase: &'a str,
    done: u64,
    whole: u64,
    rest: &'a str,
}

fn read(line: &str) -> Option<Step<'_>> {
    let line = line.strip_prefix("remote: ").unwrap_or(line);
    let (phase, rest) = line.split_once(": ")?;
    let (_, rest) = rest.split_once("% (")?;
    let (counts, rest) = rest.split_once(')')?;
    let (done, whole) = counts.split_once('/')?;
    let rest = rest.trim_start_matches(", ").trim_end();
    Some(Step { phase, done: done.parse().ok()?, whole: whole.parse().ok()?, rest })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_progress_and_leaves_other_lines() {
        let check = |line: &str, expect: Option<(&str, u64, u64, &str)>| {
            let step = read(line).map(|step| (step.phase, step.done, step.whole, step.rest));
            assert_eq!(step, expect, "{line:?}");
        };
        let line = "Writing objects:  43% (430/1000), 1.2 MiB | 600 KiB/s";
        check(line, Some(("Writing objects", 430, 1000, "1.2 MiB | 600 KiB/s")));
        check(
            "remote: Counting objects: 100% (3/3), done.        ",
            Some(("Counting objects", 3, 3, "done.")),
        );
        check("fatal: no such thing: 3% (of it)", None);
        check("Enumerating objects: 5, done.", None);
        check("", None);
        let said = follow(&b"A: 1% (1/2)\rfatal: broken\nA: 100% (2/2)\nend"[..]);
        assert_eq!(said, "fatal: broken\nend");
    }
}
