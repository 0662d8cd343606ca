//! Upkeep, a bounded step at a time: small packs become larger ones in a geometric series, so that
//! a lookup asks few of them; rows that nothing points to any more are deleted.

mod bitmaps;

use crate::error::Result;
use crate::limits::{GRACE_SECONDS, SMALL_PACKS_MAX};
use crate::store::Store;
use crate::store::merge::Merge;
use bitmaps::Marking;
use core::ops::Range;

pub struct Upkeep {
    /// Seconds since 1970.
    time: u64,
    /// Packs of more bytes than this are left alone.
    size_max: u64,
    merge: Option<Merge>,
    /// Bitmaps are looked at once, after all merges.
    is_marked: bool,
    marking: Option<Marking>,
}

impl Upkeep {
    /// `size_max`: how many bytes a merge may copy; a push does only small ones itself.
    pub fn new(time: u64, size_max: u64) -> Upkeep {
        let is_marked = size_max < u64::MAX;
        Upkeep { time, size_max, merge: None, is_marked, marking: None }
    }

    /// One bounded step. True: nothing is left to do.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        if let Some(merge) = &mut self.merge {
            if merge.step(store, self.time)? {
                self.merge = None;
            }
            return Ok(false);
        }
        if let Some(slots) = due(store, self.size_max) {
            self.merge = Some(Merge::new(store, slots)?);
            return Ok(false);
        }
        if let Some(marking) = &mut self.marking {
            if marking.step(store)? {
                self.marking = None;
            }
            return Ok(false);
        }
        if !core::mem::replace(&mut self.is_marked, true) {
            self.marking = Marking::due(store)?;
            return Ok(false);
        }
        store.sweep(self.time.saturating_sub(GRACE_SECONDS))
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
        if bytes > size_max {
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
