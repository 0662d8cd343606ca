//! Writes into a case what real git answers, for a person to judge. Packs, and what is told in
//! band 2, stay as they are written: those are claims, not records.

use crate::answer::Lines;
use crate::case::Case;
use crate::fixture::Fixture;
use crate::git::{git, run_with, text};
use crate::http::Answer;
use crate::run;
use crate::target::Target;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::Path;

/// Sends the last request of the case (and those before it), and replaces what it expects.
pub fn case(
    case: &Case,
    path: &Path,
    fixture: &Fixture,
    target: &Target,
    repository: &str,
) -> Result<()> {
    let mut answer = None;
    for exchange in &case.exchanges {
        answer = Some(run::send(exchange, fixture, target, repository)?);
    }
    let written = std::fs::read_to_string(path)?;
    let answer = answer.context("a request")?;
    std::fs::write(path, rewrite(&written, &answer, &names(fixture)?))?;
    Ok(())
}

fn rewrite(written: &str, answer: &Answer, names: &BTreeMap<String, String>) -> String {
    let lines: Vec<&str> = written.lines().collect();
    let last = lines.iter().rposition(|line| line.starts_with("POST ") || line.starts_with("GET "));
    let (before, own) = lines.split_at(last.unwrap_or(0));
    let is_kept = |line: &&&str| line.starts_with("<pack") || line.starts_with("<2");
    let shown = Lines::read(&answer.body);
    let told = told(&shown.progress);
    let kept = own.iter().filter(is_kept).filter(|line| **line != "<2 ?").copied();
    let mut kept = kept.collect::<Vec<_>>().into_iter();
    let mut out: Vec<String> = before.iter().map(|line| line.to_string()).collect();
    let is_answer = |line: &&&str| line.starts_with('<') || line.starts_with("= 4");
    let is_after = |line: &&&str| line.starts_with("then ");
    let asked = own.iter().filter(|line| !is_answer(line) && !is_after(line));
    out.extend(asked.map(|line| line.to_string()));
    if answer.status != 200 {
        out.push(format!("= {}", answer.status));
    } else {
        if own.contains(&"<2 ?") {
            out.extend(told);
        }
        for line in shown.lines {
            let line = if line == "<pack" { kept.next().unwrap_or("<pack ?") } else { &line };
            out.push(name_ids(line, names));
        }
    }
    out.extend(kept.map(str::to_string));
    out.extend(own.iter().filter(is_after).map(|line| line.to_string()));
    out.join("\n") + "\n"
}

/// What fsck says of objects: its words after the id.
fn told(progress: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(progress);
    let of_objects =
        text.lines().filter(|line| line.contains(": object ") || line.contains("error"));
    let words = of_objects.map(|line| line.split(": ").skip(2).collect::<Vec<_>>().join(": "));
    words.filter(|words| !words.is_empty()).map(|words| format!("<2 {words}")).collect()
}

/// The shortest revision for each object that has a simple one.
fn names(fixture: &Fixture) -> Result<BTreeMap<String, String>> {
    let mut names = BTreeMap::new();
    let refs = text(&fixture.workshop, &["for-each-ref", "--format=%(refname)"])?;
    let mut tips: Vec<String> = refs
        .lines()
        .map(|name| name.trim_start_matches("refs/").trim_start_matches("heads/").to_string())
        .collect();
    tips.sort_by_key(|tip| (tip != "main", tip.starts_with("new/"), tip.len()));
    let suffixes = ["", "~1", "~2", "~3", "~4", "~5", "^{}", "^2", "^{tree}", "~1^{tree}"];
    let all = suffixes.iter().flat_map(|end| tips.iter().map(move |tip| format!("{tip}{end}")));
    let all: Vec<String> = all.collect();
    let words = ["cat-file", "--batch-check=%(objectname)"];
    let found = run_with(git(&fixture.workshop, &words), (all.join("\n") + "\n").as_bytes())?;
    for (revision, oid) in all.into_iter().zip(String::from_utf8(found)?.lines()) {
        if !oid.contains(' ') {
            names.entry(oid.to_string()).or_insert(revision);
        }
    }
    Ok(names)
}

fn name_ids(line: &str, names: &BTreeMap<String, String>) -> String {
    let mut line = line.to_string();
    for (oid, name) in names {
        line = line.replace(oid, &format!("{{{name}}}"));
    }
    for agent in ["agent=", "session-id="] {
        if let Some(at) = line.find(agent) {
            let end = line[at..].find(' ').map_or(line.len(), |size| at + size);
            line.replace_range(at + agent.len()..end, "*");
        }
    }
    line.replace(&"0".repeat(40), "{0}")
}
