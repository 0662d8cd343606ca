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
    /// Named by id, and not seen yet: that id's number.
    Unknown(u32),
}

/// One entry as it is staged.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
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
    /// Its content was seen; its id is computed soon, with others'.
    pub is_made: bool,
}

/// An entry in 20 bytes: there is one for each object of a push.
#[derive(Clone, Copy)]
struct Packed {
    offset: u32,
    size: u32,
    /// The position of the base, or `WHOLE`, `OUTSIDE`; the number of its id if `NAMED`.
    base: u32,
    /// `UNKNOWN` until it is.
    id: u32,
    offset_high: u8,
    size_high: u8,
    /// 0 while it is unknown; `MADE` is added once the content was seen, `NAMED` while the base is
    /// known by its id alone.
    kind: u8,
    depth: u8,
}

const MADE: u8 = 0x80;
const NAMED: u8 = 0x40;

const WHOLE: u32 = u32::MAX;
const OUTSIDE: u32 = u32::MAX - 1;
const UNKNOWN: u32 = u32::MAX - 2;

impl Packed {
    fn new(entry: &Entry) -> Packed {
        Packed {
            offset: entry.offset as u32,
            size: entry.size as u32,
            base: match entry.base {
                Base::None => WHOLE,
                Base::Outside => OUTSIDE,
                Base::Inside(number) | Base::Unknown(number) => number,
            },
            id: entry.id.unwrap_or(UNKNOWN),
            offset_high: (entry.offset >> 32) as u8,
            size_high: (entry.size >> 32) as u8,
            kind: entry.kind.map_or(0, |kind| kind as u8)
                | if entry.is_made { MADE } else { 0 }
                | if matches!(entry.base, Base::Unknown(_)) { NAMED } else { 0 },
            depth: entry.depth,
        }
    }

    fn offset(&self) -> u64 {
        u64::from(self.offset_high) << 32 | u64::from(self.offset)
    }

    fn base(&self) -> Base {
        match self.base {
            number if self.kind & NAMED != 0 => Base::Unknown(number),
            WHOLE => Base::None,
            OUTSIDE => Base::Outside,
            position => Base::Inside(position),
        }
    }

    fn id(&self) -> Option<u32> {
        (self.id != UNKNOWN).then_some(self.id)
    }

    fn entry(&self) -> Entry {
        Entry {
            offset: self.offset(),
            size: u64::from(self.size_high) << 32 | u64::from(self.size),
            base: self.base(),
            id: self.id(),
            kind: Kind::from_number(self.kind & !(MADE | NAMED)),
            depth: self.depth,
            is_made: self.kind & MADE != 0,
        }
    }
}

/// Entries are staged as they arrive, except those that are stored in another form: from each of
/// these on, offsets in the pack as sent and as staged differ by another amount.
pub struct Entries {
    list: Vec<Packed>,
    /// From this offset as sent on: so much is to be added to get the offset as staged.
    shifts: Vec<(u64, i64)>,
}

impl Entries {
    pub fn new(count: u32) -> Entries {
        Entries { list: Vec::with_capacity(count as usize), shifts: Vec::new() }
    }

    pub fn get(&self, position: u32) -> Result<Entry> {
        self.list.get(position as usize).map(Packed::entry).ok_or(Error::Corrupt)
    }

    pub fn base(&self, position: u32) -> Base {
        self.list.get(position as usize).map_or(Base::Outside, Packed::base)
    }

    pub fn id(&self, position: u32) -> Option<u32> {
        self.list.get(position as usize).and_then(Packed::id)
    }

    pub fn push(&mut self, entry: Entry) {
        self.list.push(Packed::new(&entry));
    }

    pub fn set(&mut self, position: u32, entry: Entry) {
        if let Some(packed) = self.list.get_mut(position as usize) {
            *packed = Packed::new(&entry);
        }
    }

    pub fn set_id(&mut self, position: u32, id: u32) {
        if let Some(packed) = self.list.get_mut(position as usize) {
            packed.id = id;
        }
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
        let staged = staged(&self.shifts, sent)?;
        let found = self.list.binary_search_by_key(&staged, Packed::offset);
        found.ok().map(|position| position as u32)
    }

    pub fn take_shifts(&mut self) -> Vec<(u64, i64)> {
        core::mem::take(&mut self.shifts)
    }
}

/// Where bytes are staged that were sent at an offset, if they are.
pub fn staged(shifts: &[(u64, i64)], sent: u64) -> Option<u64> {
    let after = shifts.partition_point(|(from, _)| *from <= sent);
    let shift = after.checked_sub(1).and_then(|at| shifts.get(at)).map_or(0, |at| at.1);
    let staged = sent.checked_add_signed(shift)?;
    let next = shifts.get(after).and_then(|(from, by)| from.checked_add_signed(*by));
    next.is_none_or(|next| staged < next).then_some(staged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_out_as_it_went_in() {
        let mut entries = Entries::new(0);
        let (offset, size) = ((1 << 40) - 1, (1 << 40) - 2);
        for base in [Base::None, Base::Inside(0), Base::Outside, Base::Unknown(7)] {
            for (id, kind) in [(None, None), (Some(0), Some(Kind::Tag))] {
                let is_made = kind.is_some();
                let entry = Entry { offset, size, base, id, kind, depth: 251, is_made };
                entries.push(entry);
                let position = entries.len() - 1;
                assert_eq!(entries.get(position), Ok(entry));
                assert_eq!((entries.base(position), entries.id(position)), (base, id));
            }
        }
    }

    #[test]
    fn entries_are_found_by_where_they_were_sent() {
        let mut entries = Entries::new(0);
        let places = [(0, 0), (10, 10), (25, 40), (30, 45), (50, 46)];
        for (sent, offset) in places {
            entries.note_shift(sent, offset);
            let base = Base::None;
            let (id, kind, depth, is_made) = (None, None, 0, false);
            entries.push(Entry { offset, size: 1, base, id, kind, depth, is_made });
        }
        for (position, (sent, _)) in (0..).zip(places) {
            assert_eq!(entries.find_sent(sent), Some(position));
            assert_eq!(entries.find_sent(sent + 1), None);
        }
        assert!(!entries.is_unshifted());
    }
}
