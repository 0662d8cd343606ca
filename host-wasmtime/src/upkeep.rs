//! Upkeep while the server runs: a repository that was written to and then left in peace for a
//! while is maintained by its engine, one repository at a time. Knows no row and no Git.

use crate::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing was written before upkeep begins: who pushes often is not disturbed.
const PEACE: Duration = Duration::from_secs(10);
/// A repository that finds no peace is maintained all the same after so long; one that does for so
/// long is maintained once more, thoroughly, so that clones of it cost the least.
const PATIENCE: Duration = Duration::from_secs(600);

/// Repositories, by file, that were written to.
#[derive(Default)]
pub struct Changed(Mutex<HashMap<String, Times>>);

/// When a repository was written to, first since its upkeep and last.
struct Times {
    first: Option<Instant>,
    last: Instant,
}

impl Changed {
    pub fn note(&self, file: &str) {
        let now = Instant::now();
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let times = changed.entry(file.into()).or_insert(Times { first: None, last: now });
        times.first.get_or_insert(now);
        times.last = now;
    }

    /// Those whose time has come, and whether it has for all that can be done: then they are
    /// forgotten.
    fn take(&self) -> Vec<(String, bool)> {
        let mut due = Vec::new();
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
}

/// Maintains what is due. To be called now and then, and never twice at once.
pub fn run(cell: &Cell) {
    for (file, is_thorough) in cell.changed.take() {
        let begin = Instant::now();
        let query = if is_thorough { "thorough=1" } else { "" };
        match cell.ask(&file, "POST", "/-/maintain", query) {
            Ok(_) => {
                let ms = begin.elapsed().as_millis() as u64;
                tracing::debug!(file, ms, "maintained");
            }
            // It may have been deleted meanwhile, or be so full that upkeep cannot write: what is
            // stored is whole either way, and the next push brings it here again.
            Err(error) => tracing::warn!(file, "upkeep stopped: {error:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_to_is_due_in_peace_and_once_more_after_long_peace() {
        let changed = Changed::default();
        let ago =
            |seconds| Instant::now().checked_sub(Duration::from_secs(seconds)).expect("so long");
        let set = |first: Option<u64>, last| {
            let times = Times { first: first.map(ago), last: ago(last) };
            changed.0.lock().expect("whole").insert("file".into(), times);
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
