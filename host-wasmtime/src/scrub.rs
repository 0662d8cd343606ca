//! The scrub: while the server runs, all rows of each repository are read again now and then, one
//! repository after another and at a bounded rate, and its engine looks at their sums. So damage is
//! told before somebody needs what it hit. Knows no row and no Git.

use crate::cell::{Cell, now};
use crate::engine::Progress;
use crate::head;
use crate::names::Name;
use crate::registry;
use anyhow::{Context, Result, ensure};
use std::time::{Duration, Instant};

/// Rows of one repository that are named in the log.
const NAMED_MAX: usize = 20;

#[derive(Clone, Copy)]
pub struct Plan {
    /// Bytes of rows a second.
    pub rate: u64,
    /// Seconds between two looks at one repository.
    pub every: u64,
}

/// Reads the repository that was not looked at for the longest time. False: none is due. Never to
/// be called twice at once.
pub fn next(cell: &Cell, plan: Plan) -> Result<bool> {
    let begin = now();
    let before = begin.saturating_sub(plan.every);
    let Some((name, file)) = registry::stale(&cell.names(), before)? else {
        return Ok(false);
    };
    let outcome = read(cell, &file, plan.rate);
    // It may have been deleted meanwhile.
    if cell.find(&name)?.is_some_and(|found| found == file) {
        tell(&name, outcome);
        registry::set_scrubbed(&cell.registry(), &file, begin)?;
        // Nobody else would come back for the rows of a push that never ended, or of packs that
        // were merged, where nothing is pushed any more.
        cell.changed.note(&file);
    }
    Ok(true)
}

/// What the engine says about a repository's rows.
fn read(cell: &Cell, file: &str, rate: u64) -> Result<String> {
    let request = cell.request("GET", "/-/scrub", "")?;
    let (limits, begin) = (cell.limits, Instant::now());
    let (mut session, mut progress) =
        cell.engine.start(&request, cell.rows(file)?, limits.cpu_max)?;
    let mut answer = session.take_output();
    while progress != Progress::Done {
        progress = session.pump()?;
        answer.extend(session.take_output());
        let due = Duration::from_secs_f64(session.cost().bytes_read as f64 / rate as f64);
        std::thread::sleep(due.saturating_sub(begin.elapsed()));
    }
    if let Some(mut rows) = session.finish() {
        rows.take_cost();
        cell.give_back(file, rows);
    }
    let (head, size) = head::read(&answer)?.context("the engine ended without an answer")?;
    let text = String::from_utf8_lossy(&answer[size..]).into_owned();
    ensure!(head.status == 200, "{} (the engine answered {})", text.trim_end(), head.status);
    Ok(text)
}

fn tell(name: &Name, outcome: Result<String>) {
    let text = match outcome {
        Ok(text) if text == "ok\n" => return tracing::info!(repository = %name, "scrubbed"),
        Ok(text) => text,
        // A disk or a limit may have failed, and not what is stored.
        Err(error) => {
            return tracing::error!(
                repository = %name,
                "scrub: it could not be read: {error:#}: `gitcell fsck {name}` says if it is damaged"
            );
        }
    };
    for line in text.lines().take(NAMED_MAX) {
        tracing::error!(repository = %name, "scrub: {line}");
    }
    tracing::error!(repository = %name, "it is damaged: `gitcell fsck {name}` says what is hit");
}
