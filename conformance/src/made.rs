//! Packs that git would not make, entry by entry. Knows the format, and how to break it.

use crate::fixture::Fixture;
use crate::git::{git, run};
use anyhow::{Context, Result, bail};
use std::io::Write;

/// A pack of words, an entry each:
///
/// - `blob:TEXT` (`commit:`, `tree:`, `tag:`, `none:`, `five:`, by the number of their kind):
///   content, with `_` for a space;
/// - `copy={id}`: an object of the workshop, whole;
/// - `ref={id}:DELTA`, `ofs=N:DELTA`: a delta on an object, or on what begins N entries before
///   (`ofs=+N`: N bytes before);
/// - before any of them `long:`, `short:` (a size one too large, one too small), `wide:` (a size
///   written with a byte too many), `huge:` (a size of 2^40), `adler:` (a wrong sum), `cut:` (a
///   stream without its end).
///
/// A delta is `BASE,RESULT,` and its steps: `c1+5` copies, `iTEXT` inserts, `z` is the step that
/// is none, `t` ends in the middle of a step.
pub fn make(fixture: &Fixture, words: &[String]) -> Result<Vec<u8>> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend((words.len() as u32).to_be_bytes());
    let mut offsets = Vec::new();
    for word in words {
        offsets.push(pack.len());
        let entry = entry(fixture, word, &offsets).with_context(|| format!("entry {word}"))?;
        pack.extend(entry);
    }
    let sum = super::pack::sha1(&pack)?;
    pack.extend(sum);
    Ok(pack)
}

fn entry(fixture: &Fixture, word: &str, offsets: &[usize]) -> Result<Vec<u8>> {
    let mut word = word;
    let mut edit = "";
    for name in ["long", "short", "wide", "huge", "adler", "cut"] {
        if let Some(rest) = word.strip_prefix(name).and_then(|rest| rest.strip_prefix(':')) {
            (word, edit) = (rest, name);
        }
    }
    let (kind, base, content) = body(fixture, word, offsets)?;
    let size = match edit {
        "long" => content.len() + 1,
        "short" => content.len() - 1,
        "huge" => 1 << 40,
        _ => content.len(),
    };
    let mut entry = head(kind, size, edit == "wide");
    entry.extend(base);
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
    zlib.write_all(&content)?;
    let mut zlib = zlib.finish()?;
    match (edit, zlib.last_mut()) {
        ("adler", Some(last)) => *last ^= 0x55,
        ("cut", _) => zlib.truncate(zlib.len() - 5),
        _ => {}
    }
    entry.extend(zlib);
    Ok(entry)
}

/// The kind, the bytes that name a base, and the content.
fn body(fixture: &Fixture, word: &str, offsets: &[usize]) -> Result<(u8, Vec<u8>, Vec<u8>)> {
    let (head, rest) = word.split_once(':').unwrap_or((word, ""));
    if let Some(oid) = head.strip_prefix("copy=") {
        let kind = crate::git::text(&fixture.workshop, &["cat-file", "-t", oid])?;
        let content = run(git(&fixture.workshop, &["cat-file", &kind, oid]))?;
        return Ok((number(&kind)?, Vec::new(), content));
    }
    if let Some(oid) = head.strip_prefix("ref=") {
        let digits = |at: usize| u8::from_str_radix(&oid[at..at + 2], 16);
        let base = (0..oid.len()).step_by(2).map(digits).collect::<Result<_, _>>()?;
        return Ok((7, base, delta(rest)?));
    }
    if let Some(distance) = head.strip_prefix("ofs=") {
        let here = *offsets.last().context("an offset")?;
        let distance = match distance.strip_prefix('+') {
            Some(bytes) => bytes.parse()?,
            None => {
                let back: usize = distance.parse()?;
                here - offsets[offsets.len() - 1 - back]
            }
        };
        return Ok((6, offset(distance), delta(rest)?));
    }
    Ok((number(head)?, Vec::new(), rest.replace('_', " ").into_bytes()))
}

fn number(kind: &str) -> Result<u8> {
    let kinds = ["none", "commit", "tree", "blob", "tag", "five"];
    let at = kinds.iter().position(|name| *name == kind);
    at.map(|at| at as u8).with_context(|| format!("kind {kind}"))
}

/// Kind and size: four bits of size, then seven a byte (gitformat-pack).
fn head(kind: u8, size: usize, is_wide: bool) -> Vec<u8> {
    let mut out = vec![(kind << 4) | (size & 15) as u8];
    let mut rest = size >> 4;
    while rest > 0 {
        *out.last_mut().expect("it has one") |= 0x80;
        out.push((rest & 0x7f) as u8);
        rest >>= 7;
    }
    if is_wide {
        *out.last_mut().expect("it has one") |= 0x80;
        out.push(0);
    }
    out
}

fn offset(distance: usize) -> Vec<u8> {
    let mut out = vec![(distance & 0x7f) as u8];
    let mut rest = distance >> 7;
    while rest > 0 {
        rest -= 1;
        out.insert(0, 0x80 | (rest & 0x7f) as u8);
        rest >>= 7;
    }
    out
}

fn delta(text: &str) -> Result<Vec<u8>> {
    let mut steps = text.split(',');
    let mut out = Vec::new();
    for _ in 0..2 {
        let mut size: usize = steps.next().context("a size")?.parse()?;
        while size > 0x7f {
            out.push(0x80 | (size & 0x7f) as u8);
            size >>= 7;
        }
        out.push(size as u8);
    }
    for step in steps {
        match (step.split_at(1), step) {
            (("c", range), _) => {
                let (from, size) = range.split_once('+').context("c1+5")?;
                out.push(0x80 | 0x01 | 0x02 | 0x10 | 0x20);
                out.extend(from.parse::<u16>()?.to_le_bytes());
                out.extend(size.parse::<u16>()?.to_le_bytes());
            }
            (("i", inserted), _) => {
                out.push(inserted.len() as u8);
                out.extend(inserted.bytes());
            }
            (_, "z") => out.push(0),
            (_, "t") => out.push(0x91),
            _ => bail!("step {step}"),
        }
    }
    Ok(out)
}
