//! What is known of each entry of a pack being received, in pack order. Knows no content.

use crate::error::{Error, Result};
use crate::object::Kind;
use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub enum Base {
    None,
    /// At this position of this pack.
    Inside(u32),
    /// In the store already.
    Outside,
    /// Named by id, and not seen yet.
    Unknown,
}

/// One entry as it is staged.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Where it is staged.
    pub offset: u64,
    /// Of the object, inflated.
    pub size: u64,
    pub base: Base,
    /// Number of its id, once that was computed.
    pub id: Option<u32>,
    /// Unknown while the base is.
    pub kind: Option<Kind>,
    /// `DEPTH_MAX + 1` while it is unknown.
    pub depth: u8,
}

/// Entries are staged as they arrive, except those that are stored in another form: from each of
/// these on, offsets in the pack as sent and as staged differ by another amount.
pub struct Entries {
    pub list: Vec<Entry>,
    /// From this offset as sent on: so much is to be added to get the offset as staged.
    shifts: Vec<(u64, i64)>,
}

impl Entries {
    pub fn new(count: u32) -> Entries {
        Entries { list: Vec::with_capacity(count as usize), shifts: Vec::new() }
    }

    pub fn get(&self, position: u32) -> Result<Entry> {
        self.list.get(position as usize).copied().ok_or(Error::Corrupt)
    }

    pub fn len(&self) -> u32 {
        self.list.len() as u32
    }

    /// The next entry was sent at `sent` and is staged at `staged`.
    pub fn note_shift(&mut self, sent: u64, staged: u64) {
        let shift = staged as i64 - sent as i64;
        if shift != self.shifts.last().map_or(0, |last| last.1) {
            self.shifts.push((sent, shift));
        }
    }

    /// Whether all entries so far are staged where they were sent.
    pub fn is_unshifted(&self) -> bool {
        self.shifts.is_empty()
    }

    /// The entry that was sent at this offset.
    pub fn find_sent(&self, sent: u64) -> Option<u32> {
        let after = self.shifts.partition_point(|(from, _)| *from <= sent);
        let shift = after.checked_sub(1).and_then(|at| self.shifts.get(at)).map_or(0, |at| at.1);
        let staged = sent.checked_add_signed(shift)?;
        let found = self.list.binary_search_by_key(&staged, |entry| entry.offset);
        found.ok().map(|position| position as u32)
    }
}
