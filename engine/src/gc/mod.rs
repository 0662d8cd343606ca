//! Upkeep, a bounded step at a time: small packs become larger ones in a geometric series, so that
//! a lookup asks few of them; what nothing reaches is dropped after a while, and bitmaps are
//! written; rows that nothing points to any more are deleted.

mod bitmaps;
mod rewrite;

use crate::error::Result;
use crate::limits::{
    FEW_PACKS_MAX, GRACE_SECONDS, HASHED_MAX, MERGE_OBJECTS, PRUNE_SECONDS, SMALL_PACKS_MAX,
    STEP_MAX,
};
use crate::store::Store;
use crate::store::export::{Export, Options, Selection};
use crate::store::merge::Merge;
use alloc::boxed::Box;
use alloc::vec::Vec;
use bitmaps::Marking;
use core::ops::Range;
use rewrite::Rewrite;

/// Bytes of a SHA-256.
const TRAILER_MAX: usize = 32;

pub struct Upkeep {
    /// Seconds since 1970.
    time: u64,
    /// Packs of more bytes than this are left alone.
    size_max: u64,
    /// What is left unreached for so many seconds is dropped.
    age: u64,
    /// Bytes of packs that are hashed together.
    hashed_max: u64,
    work: Work,
}

/// What is under way, or looked at next.
enum Work {
    Merge(Merge),
    Merges,
    Rewrite(Rewrite),
    Marking(Marking),
    Bitmaps,
    Trailer(Box<Export>),
    Sweep,
}

impl Upkeep {
    /// `size_max`: how many bytes a merge may copy; a push does only small ones itself, and nothing
    /// else that is large.
    pub fn new(time: u64, size_max: u64) -> Upkeep {
        let (age, hashed_max) = (PRUNE_SECONDS, HASHED_MAX);
        Upkeep { time, size_max, age, hashed_max, work: Work::Merges }
    }

    /// All upkeep; what is left unreached for `age` seconds is dropped. `is_thorough`: it may take
    /// the time to read all packs.
    pub fn whole(time: u64, age: u64, is_thorough: bool) -> Upkeep {
        let hashed_max = if is_thorough { u64::MAX } else { HASHED_MAX };
        Upkeep { age, hashed_max, ..Upkeep::new(time, u64::MAX) }
    }

    /// One bounded step. True: nothing is left to do.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        let is_whole = self.size_max == u64::MAX;
        let next = match &mut self.work {
            Work::Merges => match due(store, self.size_max) {
                Some(slots) => Work::Merge(Merge::new(store, slots)?),
                None if !is_whole => Work::Sweep,
                None => {
                    Rewrite::due(store, self.time, self.age)?.map_or(Work::Bitmaps, Work::Rewrite)
                }
            },
            Work::Merge(merge) => match merge.step(store, self.time)? {
                true => Work::Merges,
                false => return Ok(false),
            },
            Work::Rewrite(rewrite) => match rewrite.step(store)? {
                true => Work::Bitmaps,
                false => return Ok(false),
            },
            Work::Bitmaps => match Marking::due(store)? {
                Some(marking) => Work::Marking(marking),
                None => self.trailer(store)?,
            },
            Work::Marking(marking) => match marking.step(store)? {
                true => self.trailer(store)?,
                false => return Ok(false),
            },
            Work::Trailer(export) => {
                let mut last = Vec::new();
                // The last piece is the trailer; those that are larger cannot be it.
                let mut keep = |piece: &[u8]| {
                    if piece.len() <= TRAILER_MAX {
                        last = piece.to_vec();
                    }
                };
                let is_over = export.pump(store, STEP_MAX, &mut keep)?;
                if !is_over {
                    return Ok(false);
                }
                store.set_trailer(last);
                Work::Sweep
            }
            Work::Sweep => return store.sweep(self.time.saturating_sub(GRACE_SECONDS)),
        };
        self.work = next;
        Ok(false)
    }

    /// Finds the trailer of all packs together, so that a clone of all of them need not: where that
    /// takes no time worth speaking of, or it was asked for.
    fn trailer(&self, store: &mut Store) -> Result<Work> {
        let size: u64 = store.sizes().map(|(_, size)| size).sum();
        if !store.is_tight() || store.trailer().is_some() || size == 0 || size > self.hashed_max {
            return Ok(Work::Sweep);
        }
        let export = Export::new(store, Selection::All, Options { ofs_delta: true })?;
        Ok(Work::Trailer(Box::new(export)))
    }
}

/// The packs to merge, if there are any: the newest ones, from the first on that has fewer than
/// twice the objects of all after it. Some such packs are left alone, so that not every push
/// merges.
fn due(store: &Store, size_max: u64) -> Option<Range<usize>> {
    let sizes: alloc::vec::Vec<(u32, u64)> = store.sizes().collect();
    let (mut after, mut bytes) = (0u64, 0u64);
    let mut first = sizes.len();
    for (slot, (count, size)) in sizes.iter().enumerate().rev() {
        bytes += size;
        if bytes > size_max || after + u64::from(*count) > MERGE_OBJECTS {
            break;
        }
        if u64::from(*count) < 2 * after {
            first = slot;
        }
        after += u64::from(*count);
    }
    let slots = first..sizes.len();
    let left = if size_max == u64::MAX { FEW_PACKS_MAX } else { SMALL_PACKS_MAX };
    (slots.len() > left).then_some(slots)
}
