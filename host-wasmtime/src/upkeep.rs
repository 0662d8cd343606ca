//! Upkeep while the server runs: a repository that was written to and then left in peace for a
//! while is maintained by its engine, one repository at a time. Knows no row and no Git.

use crate::cell::Cell;
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long nothing was written before upkeep begins: who pushes often is not disturbed.
const PEACE: Duration = Duration::from_secs(10);
/// A repository that finds no peace is maintained all the same after so long.
const PATIENCE: Duration = Duration::from_secs(600);

/// Repositories, by file, that were written to: first and last.
#[derive(Default)]
pub struct Changed(Mutex<HashMap<String, (Instant, Instant)>>);

impl Changed {
    pub fn note(&self, file: &str) {
        let now = Instant::now();
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changed.entry(file.to_string()).or_insert((now, now)).1 = now;
    }

    /// Those whose time has come; they are forgotten.
    fn take(&self) -> Vec<String> {
        let is_due = |_: &String, times: &mut (Instant, Instant)| {
            times.0.elapsed() > PATIENCE || times.1.elapsed() > PEACE
        };
        let mut changed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        changed.extract_if(is_due).map(|(file, _)| file).collect()
    }
}

/// Maintains what is due. To be called now and then, and never twice at once.
pub fn run(cell: &Cell) {
    for file in cell.changed.take() {
        let begin = Instant::now();
        match cell.ask(&file, "POST", "/-/maintain", "") {
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
