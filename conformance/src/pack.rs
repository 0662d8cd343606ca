//! Packs, made and read by real git. What git does not tell, the kind of each entry, is read here.

use crate::case::fill;
use crate::fixture::Fixture;
use crate::git::{git, run, run_with};
use anyhow::{Context, Result, bail, ensure};
use flate2::{Decompress, FlushDecompress};
use std::path::Path;

/// A pack of a case's words:
///
/// - `REVISIONS`: what `git pack-objects --revs` gives for them; `only {id} {id}`: just these
///   objects;
/// - before that `thin`, `ofs` (offset deltas), `empty`; `cut:N` drops the last N bytes, `flip:N`
///   changes the byte at N (from the end, if negative) and leaves the checksum, `count:N` sets the
///   number of objects and `version:N` the version, with a right checksum.
/// - `made` and entries: see `made::make`.
pub fn make(fixture: &Fixture, words: &str) -> Result<Vec<u8>> {
    let oid = |revision: &str| fixture.oid(revision);
    if let Some(entries) = words.strip_prefix("made ") {
        let entries: Result<Vec<String>> =
            entries.split_whitespace().map(|word| fill(word, &oid)).collect();
        return crate::made::make(fixture, &entries?);
    }
    let mut words: Vec<&str> = words.split_whitespace().collect();
    let mut arguments = vec!["pack-objects", "--stdout", "--quiet", "--threads=1", "--revs"];
    let mut edits = Vec::new();
    while let Some(word) = words.first() {
        match *word {
            "thin" => arguments.push("--thin"),
            "ofs" => arguments.push("--delta-base-offset"),
            "empty" => {}
            "only" => {
                arguments.retain(|word| *word != "--revs");
            }
            word if word.contains(':') && !word.contains('{') => edits.push(word),
            _ => break,
        }
        words.remove(0);
    }
    let mut input = String::new();
    for word in words {
        input.push_str(&fill(word, &oid)?);
        input.push('\n');
    }
    let mut pack = run_with(git(&fixture.workshop, &arguments), input.as_bytes())?;
    for edit in edits {
        let (name, value) = edit.split_once(':').context("an edit")?;
        change(&mut pack, name, value.parse()?)?;
    }
    Ok(pack)
}

fn change(pack: &mut Vec<u8>, name: &str, value: i64) -> Result<()> {
    match name {
        "cut" => pack.truncate(pack.len() - value as usize),
        "flip" => {
            let at = if value < 0 { pack.len() as i64 + value } else { value };
            pack[at as usize] ^= 0x55;
        }
        "count" => pack[8..12].copy_from_slice(&(value as u32).to_be_bytes()),
        "version" => pack[4..8].copy_from_slice(&(value as u32).to_be_bytes()),
        _ => bail!("a pack cannot be changed by {name}"),
    }
    if ["count", "version"].contains(&name) {
        let end = pack.len() - 20;
        pack.truncate(end);
        let sum = sha1(pack)?;
        pack.extend(sum);
    }
    Ok(())
}

/// Git computes it: a blob's id is the SHA-1 of a head and the content, so this asks a plain tool.
pub fn sha1(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut command = std::process::Command::new("sha1sum");
    command.current_dir("/");
    let printed = run_with(command, bytes)?;
    let digits = std::str::from_utf8(&printed[..40])?;
    Ok((0..40)
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap_or(0))
        .collect())
}

/// Checks that `pack` holds just what the words say:
///
/// - `REVISIONS`: what `git rev-list --objects` gives for them; `only {id} {id}`: just these
///   objects;
/// - before that `thin` (some bases are missing), `maythin`, `noofs` (no offset deltas), `empty`,
///   `more`
///   (other objects of the repository too).
pub fn check(fixture: &Fixture, pack: &[u8], words: &str, folder: &Path) -> Result<()> {
    let words: Vec<&str> = words.split_whitespace().collect();
    let flags = words.iter().take_while(|word| FLAGS.contains(word)).count();
    let (flags, rest) = words.split_at(flags);
    let has = |flag| flags.contains(&flag);
    let kinds = kinds(pack, fixture.id_size())?;
    ensure!(
        !has("noofs") || !kinds.contains(&6),
        "the pack has offset deltas, which nobody asked for"
    );
    let (oids, is_thin) = contents(fixture, pack, folder)?;
    ensure!(has("thin") || has("maythin") || !is_thin, "the pack is thin, which nobody asked for");
    ensure!(!has("thin") || is_thin, "the pack is not thin");
    let rest = rest.iter().map(|word| fill(word, &|revision| fixture.oid(revision)));
    let mut wanted: Vec<String> = if has("empty") {
        Vec::new()
    } else if has("only") {
        rest.collect::<Result<_>>()?
    } else {
        let mut command = git(&fixture.workshop, &["rev-list", "--objects", "--no-object-names"]);
        for word in rest {
            command.arg(word?);
        }
        String::from_utf8(run(command)?)?.lines().map(str::to_string).collect()
    };
    wanted.sort();
    let missing: Vec<_> = wanted.iter().filter(|oid| !oids.contains(oid)).collect();
    let extra: Vec<_> = oids.iter().filter(|oid| !wanted.contains(oid)).collect();
    ensure!(missing.is_empty(), "the pack lacks {missing:?}");
    ensure!(extra.is_empty() || has("more"), "the pack also has {extra:?}");
    ensure!(has("more") || oids.len() == wanted.len(), "the pack has an object twice");
    Ok(())
}

const FLAGS: &[&str] = &["thin", "maythin", "noofs", "empty", "only", "more"];

/// The objects of a pack, and whether it needs others as bases. Git reads it; it fails on a bad
/// pack.
fn contents(fixture: &Fixture, pack: &[u8], folder: &Path) -> Result<(Vec<String>, bool)> {
    let objects = folder.join("objects");
    let _ = std::fs::remove_dir_all(&objects);
    std::fs::create_dir_all(objects.join("pack"))?;
    let mut command = git(&fixture.workshop, &["index-pack", "--stdin", "--fix-thin"]);
    command.env("GIT_OBJECT_DIRECTORY", &objects);
    command.env("GIT_ALTERNATE_OBJECT_DIRECTORIES", fixture.workshop.join("objects"));
    run_with(command, pack)?;
    let mut oids = Vec::new();
    let mut is_thin = false;
    for entry in std::fs::read_dir(objects.join("pack"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|ending| ending != "idx") {
            continue;
        }
        let listed =
            run_with(git(folder, &["show-index", fixture.format()]), &std::fs::read(&path)?)?;
        for line in String::from_utf8(listed)?.lines() {
            let mut words = line.split(' ');
            let (offset, oid) = (words.next().context("offset")?, words.next().context("id")?);
            // What git appended to complete a thin pack stands after the pack's own end.
            if offset.parse::<usize>()? < pack.len() - fixture.id_size() {
                oids.push(oid.to_string());
            } else {
                is_thin = true;
            }
        }
    }
    oids.sort();
    Ok((oids, is_thin))
}

/// The kind of each entry, as the pack format numbers them: 6 and 7 are deltas.
pub fn kinds(pack: &[u8], id_size: usize) -> Result<Vec<u8>> {
    let count = u32::from_be_bytes(pack.get(8..12).context("a head")?.try_into()?);
    let mut kinds = Vec::new();
    let mut at = 12;
    let next = |at: &mut usize| -> Result<u8> {
        *at += 1;
        pack.get(*at - 1).copied().context("the pack is cut short")
    };
    for _ in 0..count {
        let mut byte = next(&mut at)?;
        let kind = (byte >> 4) & 7;
        kinds.push(kind);
        while byte & 0x80 != 0 {
            byte = next(&mut at)?;
        }
        match kind {
            6 => while next(&mut at)? & 0x80 != 0 {},
            7 => at += id_size,
            _ => {}
        }
        at += inflated(pack.get(at..).context("the pack is cut short")?)?;
    }
    ensure!(at + id_size == pack.len(), "the pack has bytes after its last entry");
    Ok(kinds)
}

/// How many bytes the zlib stream at the start takes.
fn inflated(bytes: &[u8]) -> Result<usize> {
    let mut stream = Decompress::new(true);
    let mut sink = vec![0; 64 << 10];
    loop {
        let from = stream.total_in() as usize;
        match stream.decompress(&bytes[from..], &mut sink, FlushDecompress::None)? {
            flate2::Status::StreamEnd => return Ok(stream.total_in() as usize),
            _ if from == stream.total_in() as usize && from == bytes.len() => {
                bail!("the pack is cut short")
            }
            _ => {}
        }
    }
}
