//! `gitcell replay`: requests that were recorded with the engine's own tests (`GITCELL_RECORD`) run
//! through the module, on rows in SQLite: they must give the same answers, and leave the same rows.

use super::Common;
use crate::engine::{Engine, Progress, Request, Session};
use crate::storage::{Change, Rows};
use anyhow::{Context, Result, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

const CPU_MAX: Duration = Duration::from_secs(600);
/// The most that is fed at once, as of a body from a network.
const FEED_MAX: usize = 128 << 10;

#[derive(Args)]
pub struct Replay {
    /// The folder of the records
    folder: PathBuf,
}

type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// One request as it went with the engine outside of its module.
struct Record {
    before: Pairs,
    ask: Request,
    body: Vec<Vec<u8>>,
    answer: Vec<u8>,
    after: Pairs,
}

impl Replay {
    pub fn run(self, common: &Common) -> Result<()> {
        let engine = common.engine()?;
        let list = std::fs::read_dir(&self.folder);
        let list = list.with_context(|| format!("cannot read {}", self.folder.display()))?;
        let mut paths = list.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        ensure!(!paths.is_empty(), "there is nothing to replay");
        let folder = tempfile::tempdir()?;
        let mut rows = open(&folder.path().join("rows.db"))?;
        let (mut peak, mut bytes) = (0, 0);
        for path in &paths {
            let told = || format!("{}", path.display());
            let text = std::fs::read(path).with_context(told)?;
            let record = read(&mut &text[..]).with_context(told)?;
            bytes += record.body.iter().map(Vec::len).sum::<usize>();
            let memory;
            (memory, rows) = replay(&engine, &record, rows).with_context(told)?;
            peak = peak.max(memory);
        }
        println!(
            "{} requests of {bytes} bytes: the same answers and rows, with at most {} KiB of memory",
            paths.len(),
            peak >> 10
        );
        Ok(())
    }
}

/// Runs one, in place of what the rows held; answers the peak of linear memory.
fn replay(engine: &Engine, record: &Record, mut rows: Rows) -> Result<(usize, Rows)> {
    let what = format!("{} {}?{}", record.ask.method, record.ask.path, record.ask.query);
    let old = pairs_of(&mut rows)?;
    let gone = old.iter().map(|(key, _)| (&key[..], None));
    let before = record.before.iter().map(|(key, value)| (&key[..], Some(&value[..])));
    let changes: Vec<Change> = gone.chain(before).collect();
    rows.commit(&[], &changes)?;
    let (session, progress) = engine.start(&record.ask, rows, CPU_MAX).context(what.clone())?;
    let (answer, memory, rows) = answer(session, progress, &record.body).context(what.clone())?;
    ensure!(
        answer == record.answer,
        "{what}: answered\n{}\nand not\n{}",
        answer.escape_ascii(),
        record.answer.escape_ascii()
    );
    let mut rows = rows.context("the rows are gone")?;
    ensure!(pairs_of(&mut rows)? == record.after, "{what}: other rows are left");
    Ok((memory, rows))
}

fn pairs_of(rows: &mut Rows) -> Result<Pairs> {
    let mut pairs = Vec::new();
    rows.scan(b"", b"", usize::MAX, |key, value| {
        pairs.push((key.to_vec(), value.to_vec()));
        Ok(())
    })?;
    Ok(pairs)
}

/// Rows that nobody needs to find again: not durable, and fast.
fn open(path: &Path) -> Result<Rows> {
    Rows::create(path)?;
    let rows = Rows::open(path, Arc::default())?;
    rows.forget()?;
    Ok(rows)
}

fn answer(
    mut session: Session,
    mut progress: Progress,
    body: &[Vec<u8>],
) -> Result<(Vec<u8>, usize, Option<Rows>)> {
    let mut out = session.take_output();
    // An empty piece is one all the same.
    let pieces = body.iter().flat_map(|piece| match piece.is_empty() {
        true => vec![&piece[..]],
        false => piece.chunks(FEED_MAX).collect(),
    });
    for piece in pieces {
        while progress == Progress::Busy {
            progress = session.pump()?;
            out.extend(session.take_output());
        }
        if progress == Progress::Hungry {
            progress = session.feed(piece)?;
            out.extend(session.take_output());
        }
    }
    while progress != Progress::Done {
        progress = session.pump()?;
        out.extend(session.take_output());
    }
    let memory = session.memory();
    Ok((out, memory, session.finish()))
}

fn read(rest: &mut &[u8]) -> Result<Record> {
    let before = pairs(rest)?;
    let mut text = || Ok::<_, anyhow::Error>(String::from_utf8_lossy(bytes(rest)?).into_owned());
    let (method, path, query, id, caller) = (text()?, text()?, text()?, text()?, text()?);
    let (time, size_max) = (u64::from_le_bytes(array(rest)?), u64::from_le_bytes(array(rest)?));
    let flags: [u8; 3] = array(rest)?;
    let access = (0..3).map(|bit| u32::from(flags[bit]) << bit).sum();
    let headers = pairs(rest)?.into_iter();
    let headers =
        headers.map(|(name, value)| (String::from_utf8_lossy(&name).into_owned(), value)).collect();
    let ask = Request { method, path, query, headers, time, id, caller, access, size_max };
    let count = u32::from_le_bytes(array(rest)?);
    let body = (0..count).map(|_| Ok(bytes(rest)?.to_vec())).collect::<Result<_>>()?;
    let answer = bytes(rest)?.to_vec();
    Ok(Record { before, ask, body, answer, after: pairs(rest)? })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N]> {
    let (array, after) = rest.split_first_chunk().context("a record is cut")?;
    *rest = after;
    Ok(*array)
}

fn bytes<'r>(rest: &mut &'r [u8]) -> Result<&'r [u8]> {
    let size = u32::from_le_bytes(array(rest)?) as usize;
    let (bytes, after) = rest.split_at_checked(size).context("a record is cut")?;
    *rest = after;
    Ok(bytes)
}

fn pairs(rest: &mut &[u8]) -> Result<Pairs> {
    let count = u32::from_le_bytes(array(rest)?);
    (0..count).map(|_| Ok((bytes(rest)?.to_vec(), bytes(rest)?.to_vec()))).collect()
}
