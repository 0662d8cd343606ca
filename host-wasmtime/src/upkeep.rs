//! Upkeep: a repository is maintained by its engine, by one process at a time. While the server
//! runs, one that was written to and then left in peace for a while. Knows no row and no Git.

use crate::cell::Cell;
use anyhow::{Context, Result};
use std::collections::{HashMap, VecDeque};
use std::fs::{File, TryLockError};
use std::io::{Read, Write};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing was written before upkeep begins: who pushes often is not disturbed.
const PEACE: Duration = Duration::from_secs(10);
/// A repository that finds no peace is maintained all the same after so long; one that does for so
/// long is maintained once more, thoroughly, so that clones of it cost the least.
const PATIENCE: Duration = Duration::from_secs(600);

/// What is done with one repository for so long has others done beside it.
const LONG: Duration = Duration::from_secs(10);

/// Repositories, by file, that were written to.
#[derive(Default)]
pub struct Changed {
    times: Mutex<HashMap<String, Times>>,
    /// Those whose time has come, and whether it has for all that can be done.
    due: Mutex<VecDeque<(String, bool)>>,
    /// When `run` began with one.
    begun: Mutex<Option<Instant>>,
}

/// When a repository was written to, first since its upkeep and last.
struct Times {
    first: Option<Instant>,
    last: Instant,
}

impl Changed {
    pub fn note(&self, file: &str) {
        let now = Instant::now();
        let mut changed = lock(&self.times);
        let times = changed.entry(file.into()).or_insert(Times { first: None, last: now });
        times.first.get_or_insert(now);
        times.last = now;
    }

    /// Those whose time has come, and whether it has for all that can be done: then they are
    /// forgotten.
    fn take(&self) -> Vec<(String, bool)> {
        let mut due = Vec::new();
        let mut changed = lock(&self.times);
        changed.retain(|file, times| {
            let peace = times.last.elapsed();
            let is_thorough = peace > PATIENCE;
            let is_late = times.first.is_some_and(|first| first.elapsed() > PATIENCE);
            if is_thorough || is_late || times.first.is_some() && peace > PEACE {
                due.push((file.clone(), is_thorough));
                times.first = None;
            }
            !is_thorough
        });
        due
    }

    fn next(&self) -> Option<(String, bool)> {
        lock(&self.due).pop_front()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Maintains what is due. To be called now and then, and never twice at once.
pub fn run(cell: &Cell) {
    lock(&cell.changed.due).extend(cell.changed.take());
    while let Some((file, is_thorough)) = cell.changed.next() {
        *lock(&cell.changed.begun) = Some(Instant::now());
        one(cell, &file, is_thorough);
        *lock(&cell.changed.begun) = None;
    }
}

/// Maintains what is due while `run` is at a large one. To be called as `run` is, beside it.
pub fn help(cell: &Cell) {
    let is_long = || lock(&cell.changed.begun).is_some_and(|begun| begun.elapsed() > LONG);
    if is_long() {
        lock(&cell.changed.due).extend(cell.changed.take());
    }
    while is_long()
        && let Some((file, is_thorough)) = cell.changed.next()
    {
        one(cell, &file, is_thorough);
    }
}

fn one(cell: &Cell, file: &str, is_thorough: bool) {
    // What is locked of one that was deleted meanwhile would stay.
    if !cell.is_there(file) {
        return;
    }
    let begin = Instant::now();
    let query = if is_thorough { "thorough=1" } else { "" };
    match maintain(cell, file, query) {
        Ok(Outcome::Done) => {
            let ms = begin.elapsed().as_millis() as u64;
            tracing::debug!(file, ms, "maintained");
        }
        Ok(Outcome::Busy(who)) => {
            tracing::info!(file, "upkeep waits: {who} is at it");
            cell.changed.note(file);
        }
        // It may be so full that upkeep cannot write: what is stored is whole either way, and the
        // next push brings it here again.
        Err(error) => tracing::warn!(file, "upkeep stopped: {error:#}"),
    }
}

/// How upkeep of a repository went.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    Done,
    /// It is another process's turn, which is named.
    Busy(String),
}

/// Maintains a repository, unless another process is at it: both would do the same work, and one
/// of them in vain.
pub fn maintain(cell: &Cell, file: &str, query: &str) -> Result<Outcome> {
    match Turn::take(&cell.turn(file))? {
        Err(who) => Ok(Outcome::Busy(who)),
        Ok(_turn) => {
            cell.ask(file, "POST", "/-/maintain", query)?;
            Ok(Outcome::Done)
        }
    }
}

/// The right to maintain a repository, or to import into it: a file that is locked, and stays when
/// it is not. The system unlocks it however the process ends, so one that was killed is in nobody's
/// way.
pub struct Turn {
    /// Locked for as long as it is open.
    _file: File,
}

impl Turn {
    /// Or who has it.
    pub fn take(path: &Path) -> Result<std::result::Result<Turn, String>> {
        let context = || format!("cannot lock {}", path.display());
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).with_context(context)?;
        match file.try_lock() {
            Ok(()) => {
                // Who it is, to be told to others: a full disk is no reason to do nothing.
                let _ = file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id()));
                Ok(Ok(Turn { _file: file }))
            }
            Err(TryLockError::WouldBlock) => {
                let mut who = String::new();
                // It may not have signed yet.
                let _ = file.take(100).read_to_string(&mut who);
                Ok(Err(format!("another process {}", who.trim()).trim_end().into()))
            }
            Err(TryLockError::Error(error)) => Err(error).with_context(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Limits;
    use crate::scrub::{self, Plan};

    #[test]
    fn one_has_the_turn_at_a_time_and_who_died_with_it_is_in_nobodys_way() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.db-upkeep");
        let take = || Turn::take(&path).expect("no error");
        std::fs::write(&path, "1234567\n").expect("write");
        let turn = take().expect("nobody has it any more");
        let own = format!("another process {}", std::process::id());
        assert_eq!(take().err(), Some(own));
        drop(turn);
        assert!(take().is_ok());
    }

    fn ago(seconds: u64) -> Instant {
        Instant::now().checked_sub(Duration::from_secs(seconds)).expect("so long")
    }

    fn cell(folder: &Path) -> Cell {
        let wasm = wat::parse_str(include_str!("engine/echo.wat")).expect("a good module");
        let path = folder.join("echo.wasm");
        std::fs::write(&path, wasm).expect("write");
        Cell::open(&folder.join("data"), Some(&path), Limits::default()).expect("open")
    }

    #[test]
    fn nothing_is_left_of_a_repository_that_was_deleted_before_its_upkeep() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cell, name) = (cell(folder.path()), "a/b".parse().expect("a name"));
        let file = cell.create(&name, "sha1", "main").expect("create");
        let times = Times { first: Some(ago(11)), last: ago(11) };
        lock(&cell.changed.times).insert(file.clone(), times);
        cell.delete(&name).expect("delete");
        run(&cell);
        assert!(!cell.turn(&file).exists());
    }

    #[test]
    fn a_large_repository_does_not_hold_the_others_up() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cell, name) = (cell(folder.path()), "a/b".parse().expect("a name"));
        let file = cell.create(&name, "sha1", "main").expect("create");
        let is_helped = |begun: Option<u64>| {
            let times = Times { first: Some(ago(11)), last: ago(11) };
            lock(&cell.changed.times).insert(file.clone(), times);
            *lock(&cell.changed.begun) = begun.map(ago);
            help(&cell);
            std::fs::remove_file(cell.turn(&file)).is_ok()
        };
        assert!(!is_helped(None), "there is nothing to help with");
        assert!(!is_helped(Some(1)), "it may be small");
        assert!(is_helped(Some(11)));
    }

    #[test]
    fn what_the_scrub_has_read_is_maintained() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cell, name) = (cell(folder.path()), "a/b".parse().expect("a name"));
        let file = cell.create(&name, "sha1", "main").expect("create");
        assert!(scrub::next(&cell, Plan { rate: 1 << 20, every: 0 }).expect("read"));
        assert!(lock(&cell.changed.times).contains_key(&file));
    }

    #[test]
    fn what_was_written_to_is_due_in_peace_and_once_more_after_long_peace() {
        let changed = Changed::default();
        let set = |first: Option<u64>, last| {
            let times = Times { first: first.map(ago), last: ago(last) };
            lock(&changed.times).insert("file".into(), times);
        };
        let due = |is_thorough| vec![("file".to_string(), is_thorough)];
        changed.note("file");
        assert_eq!(changed.take(), []);
        set(Some(11), 11);
        assert_eq!(changed.take(), due(false));
        assert_eq!(changed.take(), [], "it was maintained");
        set(None, 601);
        assert_eq!(changed.take(), due(true));
        assert_eq!(changed.take(), [], "it is forgotten");
        set(Some(601), 1);
        assert_eq!(changed.take(), due(false), "it finds no peace");
        changed.note("file");
        assert_eq!(changed.take(), []);
    }
}
