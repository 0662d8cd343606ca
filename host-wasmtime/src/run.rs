//! One request from start to end: the driver between body, engine and answer. Knows no HTTP server.

use crate::cell::Cell;
use crate::engine::{Progress, Request, cpu_time};
use crate::head::{self, Head};
use crate::storage::Cost;
use anyhow::{Result, ensure};
use bytes::Bytes;
use std::time::Duration;

/// The most that is fed at once: it is copied into linear memory.
const FEED_MAX: usize = 128 << 10;

/// Where a request's body comes from.
pub trait Body {
    /// The next bytes; `None` at the end. Waits for them.
    fn next(&mut self) -> Result<Option<Bytes>>;
}

/// Where its answer goes: the head once, then bytes.
pub trait Sink {
    fn head(&mut self, head: Head) -> Result<()>;
    fn bytes(&mut self, bytes: Bytes) -> Result<()>;
}

/// No body.
pub struct Empty;

impl Body for Empty {
    fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(None)
    }
}

/// What a finished request cost.
#[derive(Debug, Default)]
pub struct Report {
    pub cost: Cost,
    pub cpu: Duration,
    /// The peak of linear memory, in bytes.
    pub memory: usize,
}

/// Answers `request` from the rows in `file`. An error ends the request wherever it is; the store
/// is good either way.
pub fn run(
    cell: &Cell,
    file: &str,
    request: &Request,
    body: &mut dyn Body,
    sink: &mut dyn Sink,
) -> Result<Report> {
    let begin = cpu_time();
    let rows = cell.rows(file)?;
    let mut answer = Answer { sink, start: Some(Vec::new()) };
    let mut input = Input { body, rest: Bytes::new(), has_ended: false };
    let (mut session, mut progress) = cell.engine.start(request, rows, cell.limits.cpu_max)?;
    loop {
        answer.send(session.take_output())?;
        progress = match progress {
            Progress::Done => break,
            Progress::Busy => session.pump()?,
            Progress::Hungry => match input.next()? {
                Some(bytes) => session.feed(&bytes)?,
                None => session.pump()?,
            },
        };
    }
    ensure!(answer.start.is_none(), "the engine ended without an answer");
    let memory = session.memory();
    let mut rows = session.finish();
    let cost = rows.as_mut().map(|rows| rows.take_cost()).unwrap_or_default();
    if let Some(rows) = rows {
        cell.give_back(file, rows);
    }
    Ok(Report { cost, cpu: cpu_time().saturating_sub(begin), memory })
}

/// The body in pieces that the engine takes.
struct Input<'b> {
    body: &'b mut dyn Body,
    rest: Bytes,
    has_ended: bool,
}

impl Input<'_> {
    fn next(&mut self) -> Result<Option<Bytes>> {
        while self.rest.is_empty() {
            ensure!(!self.has_ended, "the engine is hungry after the end of the body");
            match self.body.next()? {
                Some(bytes) => self.rest = bytes,
                None => {
                    self.has_ended = true;
                    return Ok(None);
                }
            }
        }
        Ok(Some(self.rest.split_to(self.rest.len().min(FEED_MAX))))
    }
}

/// The answer on its way out; `start` gathers bytes until the head is whole.
struct Answer<'s> {
    sink: &'s mut dyn Sink,
    start: Option<Vec<u8>>,
}

impl Answer<'_> {
    fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let Some(start) = &mut self.start else {
            return self.sink.bytes(bytes.into());
        };
        start.extend_from_slice(&bytes);
        let Some((head, size)) = head::read(start)? else {
            return Ok(());
        };
        let mut rest = Bytes::from(self.start.take().unwrap_or_default());
        self.sink.head(head)?;
        match rest.split_off(size) {
            body if body.is_empty() => Ok(()),
            body => self.sink.bytes(body),
        }
    }
}
