//! Runs a case against a target, and tells what differs.

use crate::answer::Lines;
use crate::case::{Case, Exchange, Expected, Send, fill, unescape};
use crate::fixture::Fixture;
use crate::git::{git, run, text};
use crate::http::{self, Answer};
use crate::pack;
use crate::target::{Kind, Target};
use anyhow::{Context, Result, anyhow, bail, ensure};
use std::io::Write;
use std::path::Path;

/// `path` is the repository's on the server, `folder` is scratch space of this run alone.
pub fn case(
    case: &Case,
    fixture: &Fixture,
    target: &Target,
    path: &str,
    folder: &Path,
) -> Result<()> {
    for exchange in &case.exchanges {
        let expected = match &exchange.deviation {
            Some(deviation) if target.kind != Kind::Git => deviation,
            _ => &exchange.expected,
        };
        let answer = send(exchange, fixture, target, path).with_context(|| request(exchange))?;
        compare(expected, &answer, fixture, folder).with_context(|| request(exchange))?;
        check_refs(expected, fixture, &target.url(path)).with_context(|| request(exchange))?;
    }
    // That git keeps its own repositories whole is no claim of ours.
    if case.writes() && target.kind != Kind::Git {
        whole(&target.url(path), folder).context("the repository is not whole afterwards")?;
    }
    Ok(())
}

fn request(exchange: &Exchange) -> String {
    format!("{} {}", exchange.method, exchange.path)
}

/// Sends one request of a case to the repository at `path`.
pub fn send(exchange: &Exchange, fixture: &Fixture, target: &Target, path: &str) -> Result<Answer> {
    let oid = |revision: &str| fixture.oid(revision);
    let mut body = Vec::new();
    for part in &exchange.body {
        match part {
            Send::Line(text) => {
                add_line(&mut body, unescape(&format!("{}\\n", fill(text, &oid)?))?)
            }
            Send::Bare(text) => add_line(&mut body, unescape(&fill(text, &oid)?)?),
            Send::Raw(text) => body.extend(unescape(&fill(text, &oid)?)?),
            Send::Pack(words) => body.extend(pack::make(fixture, words)?),
        }
    }
    let mut headers = exchange.headers.clone();
    let service = exchange.path.trim_start_matches('/');
    if exchange.method == "POST" && !headers.iter().any(|(name, _)| name == "Content-Type") {
        headers.push(("Content-Type".into(), format!("application/x-{service}-request")));
    }
    headers.retain(|(name, value)| name != "Content-Type" || value != "none");
    if headers.iter().any(|(name, value)| name == "Content-Encoding" && value.contains("gzip")) {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&body)?;
        body = gzip.finish()?;
    }
    let path = match exchange.path.strip_prefix("//") {
        Some(outside) => format!("/{outside}"),
        None => format!("{path}{}", exchange.path),
    };
    http::send(target.address(), &exchange.method, &path, &headers, &body)
}

fn add_line(body: &mut Vec<u8>, text: Vec<u8>) {
    body.extend(format!("{:04x}", text.len() + 4).bytes());
    body.extend(text);
}

fn compare(expected: &Expected, answer: &Answer, fixture: &Fixture, folder: &Path) -> Result<()> {
    let status = expected.status.unwrap_or(200);
    if answer.status != status {
        let body = String::from_utf8_lossy(&answer.body);
        bail!("= {status} expected, it is {}\n{body}", answer.status);
    }
    for header in &expected.headers {
        compare_header(header, answer)?;
    }
    if status != 200 && expected.lines.is_empty() {
        return Ok(());
    }
    let lines = Lines::read(&answer.body);
    compare_lines(expected, &lines, fixture)?;
    let packs = expected.lines.iter().filter_map(|line| line.strip_prefix("<pack"));
    for words in packs {
        let bytes = lines.pack.as_deref().context("there is no pack")?;
        pack::check(fixture, bytes, words, folder)?;
    }
    Ok(())
}

fn compare_header(expected: &str, answer: &Answer) -> Result<()> {
    if let Some(name) = expected.strip_prefix('!') {
        let found = answer.head.header(name);
        ensure!(found.is_none(), "= {expected} expected, it is {found:?}");
        return Ok(());
    }
    let (name, value) = expected.split_once(": ").context("= Name: value")?;
    let found = answer.head.header(name);
    ensure!(found == Some(value), "= {expected} expected, it is {found:?}");
    Ok(())
}

fn compare_lines(expected: &Expected, answer: &Lines, fixture: &Fixture) -> Result<()> {
    let mut wanted = Vec::new();
    for line in &expected.lines {
        match line.as_str() {
            "<quiet" => {
                let told = String::from_utf8_lossy(&answer.progress);
                ensure!(told.is_empty(), "<quiet expected, it told {told:?}");
            }
            line if line.starts_with("<2 ") => {
                let words = fill(&line[3..], &|revision| fixture.oid(revision))?;
                let mut told = String::from_utf8_lossy(&answer.progress).into_owned();
                told.push_str(&answer.lines.join("\n"));
                ensure!(told.contains(&words), "<2 {words} expected, it told {told:?}");
            }
            "<2" => ensure!(!answer.progress.is_empty(), "<2 expected, it told nothing"),
            line if line.starts_with("<pack") => wanted.push("<pack".to_string()),
            line => {
                wanted.push(fill(line, &|revision| fixture.oid(revision))?.trim_end().to_string())
            }
        }
    }
    let mut found = answer.lines.clone();
    if expected.is_unordered {
        wanted.sort();
        found.sort();
    }
    if match_lines(&wanted, &found) { Ok(()) } else { Err(anyhow!(difference(&wanted, &found))) }
}

/// `< ...` stands for any lines; each is tried for as few as possible first.
fn match_lines(wanted: &[String], found: &[String]) -> bool {
    match wanted.split_first() {
        None => found.is_empty(),
        Some((any, rest)) if any == "< ..." => {
            (0..=found.len()).any(|skipped| match_lines(rest, &found[skipped..]))
        }
        Some((line, rest)) => found
            .split_first()
            .is_some_and(|(first, others)| match_line(line, first) && match_lines(rest, others)),
    }
}

/// Names of programs and sessions are nobody's business, nor is the order of capabilities.
fn match_line(wanted: &str, found: &str) -> bool {
    let split = |line: &str| -> Vec<String> {
        let (head, capabilities) = line.split_once("\\0").unwrap_or((line, ""));
        let mut words: Vec<String> = capabilities.split(' ').map(anonymous).collect();
        words.sort();
        words.insert(0, anonymous(head));
        words
    };
    if let Some(least) = wanted.strip_suffix(" ...") {
        let words = |line: &str| -> Vec<String> {
            let line = line.replace("\\0", " ");
            line.split([' ', '=']).map(str::to_string).filter(|word| !word.is_empty()).collect()
        };
        let found = words(found);
        return words(least).iter().all(|word| found.contains(word));
    }
    split(wanted) == split(found)
}

fn anonymous(word: &str) -> String {
    for name in ["agent=", "session-id=", "push-cert=", "< agent=", "< session-id="] {
        if word.starts_with(name) {
            return format!("{name}*");
        }
    }
    word.to_string()
}

fn difference(wanted: &[String], found: &[String]) -> String {
    let mut shown = String::from("the answer differs (- expected, + answered):");
    let same = wanted.iter().zip(found).take_while(|(line, other)| match_line(line, other)).count();
    for line in &wanted[..same] {
        shown.push_str(&format!("\n    {}", shorten(line)));
    }
    for line in &wanted[same..] {
        shown.push_str(&format!("\n  - {}", shorten(line)));
    }
    for line in &found[same..] {
        shown.push_str(&format!("\n  + {}", shorten(line)));
    }
    shown
}

fn shorten(line: &str) -> String {
    match line.char_indices().nth(400) {
        Some((at, _)) => format!("{} [{} bytes]", &line[..at], line.len()),
        None => line.to_string(),
    }
}

fn check_refs(expected: &Expected, fixture: &Fixture, url: &str) -> Result<()> {
    if expected.refs.is_empty() {
        return Ok(());
    }
    let listed = text(&fixture.workshop, &["ls-remote", "--symref", url])?;
    for (name, wanted) in &expected.refs {
        let of = |line: &&str| line.split_once('\t').is_some_and(|(_, own)| own == name);
        let values: Vec<&str> =
            listed.lines().filter(of).filter_map(|line| line.split('\t').next()).collect();
        let wanted = match wanted.strip_prefix("refs/") {
            Some(rest) => format!("ref: refs/{rest}"),
            None if wanted == "none" => {
                ensure!(values.is_empty(), "then {name} none: it is {values:?}");
                continue;
            }
            None => fill(wanted, &|revision| fixture.oid(revision))?,
        };
        ensure!(values.contains(&&*wanted), "then {name} {wanted}: it is {values:?}");
    }
    Ok(())
}

/// What the server has is cloned and looked through by git.
pub fn whole(url: &str, folder: &Path) -> Result<()> {
    let clone = folder.join("clone");
    let _ = std::fs::remove_dir_all(&clone);
    let name = clone.to_str().context("a path in UTF-8")?;
    run(git(folder, &["clone", "--quiet", "--mirror", url, name]))?;
    run(git(&clone, &["fsck", "--full", "--no-dangling", "--no-progress"]))?;
    Ok(())
}
