//! Upkeep, a bounded step at a time: small packs become larger ones in a geometric series, so that
//! a lookup asks few of them; what nothing reaches is dropped after a while, and bitmaps are
//! written; rows that nothing points to any more are deleted.

mod bitmaps;
mod rewrite;

use crate::error::Result;
use crate::limits::{GRACE_SECONDS, MERGE_OBJECTS, PRUNE_SECONDS, SMALL_PACKS_MAX};
use crate::store::Store;
use crate::store::merge::Merge;
use bitmaps::Marking;
use core::ops::Range;
use rewrite::Rewrite;

pub struct Upkeep {
    /// Seconds since 1970.
    time: u64,
    /// Packs of more bytes than this are left alone.
    size_max: u64,
    /// What is left unreached for so many seconds is dropped.
    age: u64,
    work: Work,
}

/// What is under way, or looked at next.
enum Work {
    Merge(Merge),
    Merges,
    Rewrite(Rewrite),
    Marking(Marking),
    Bitmaps,
    Sweep,
}

impl Upkeep {
    /// `size_max`: how many bytes a merge may copy; a push does only small ones itself, and nothing
    /// else that is large.
    pub fn new(time: u64, size_max: u64) -> Upkeep {
        Upkeep { time, size_max, age: PRUNE_SECONDS, work: Work::Merges }
    }

    /// All upkeep; what is left unreached for `age` seconds is dropped.
    pub fn whole(time: u64, age: u64) -> Upkeep {
        Upkeep { age, ..Upkeep::new(time, u64::MAX) }
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
            Work::Bitmaps => Marking::due(store)?.map_or(Work::Sweep, Work::Marking),
            Work::Marking(marking) => match marking.step(store)? {
                true => Work::Sweep,
                false => return Ok(false),
            },
            Work::Sweep => return store.sweep(self.time.saturating_sub(GRACE_SECONDS)),
        };
        self.work = next;
        Ok(false)
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
    (slots.len() > SMALL_PACKS_MAX).then_some(slots)
}
