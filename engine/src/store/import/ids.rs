//! The ids that a pack being received is about: of its objects, and of those that they refer to.
//! Knows no content.

use crate::hash::{Format, Oid};
use crate::limits::{PART_IDS, PART_IDS_MORE};
use crate::object::Kind;
use crate::object::check::File;
use alloc::vec;
use alloc::vec::Vec;

/// A set of ids, numbered as they come, with what is known of each.
pub struct Ids {
    format: Format,
    bytes: Vec<u8>,
    /// Where the pack has each, or `ABSENT`.
    positions: Vec<u32>,
    /// What those that refer to it say it is; 0: nobody refers to it. Above that, as which files of
    /// git's trees have it.
    kinds: Vec<u8>,
    /// Open addressing by the id's own bytes; 0 is free, else the number plus one.
    slots: Vec<u32>,
    /// Too many begin alike: no chance has objects of such ids, so none of them is added any more.
    is_crowded: bool,
}

const ABSENT: u32 = u32::MAX;
/// Slots that are looked at for one id; chance asks for some dozens.
const CROWD_MAX: usize = 1_000;
/// Bits of a kind; those of files follow.
const KIND: u8 = 7;
const FILE_SHIFT: u8 = 3;

impl Ids {
    pub fn new(format: Format, count: u32) -> Ids {
        let count = count as usize;
        Ids {
            format,
            bytes: Vec::with_capacity(count * format.width()),
            positions: Vec::with_capacity(count),
            kinds: Vec::with_capacity(count),
            slots: vec![0; (3 * count / 2).next_power_of_two().max(64)],
            is_crowded: false,
        }
    }

    pub fn len(&self) -> usize {
        self.positions.len()
    }

    pub fn oid(&self, number: u32) -> Oid {
        Oid::from_bytes(self.format, self.bytes(number)).unwrap_or(Oid::zero(self.format))
    }

    pub fn bytes(&self, number: u32) -> &[u8] {
        let at = number as usize * self.format.width();
        self.bytes.get(at..at + self.format.width()).unwrap_or_default()
    }

    /// Where the pack has the object, if it does.
    pub fn position(&self, number: u32) -> Option<u32> {
        self.positions.get(number as usize).copied().filter(|position| *position != ABSENT)
    }

    /// What others in the pack say that the object is; `None`: nothing in the pack refers to it.
    pub fn kind(&self, number: u32) -> Option<Kind> {
        Ids::kind_of(self.note(number))
    }

    /// All that was said of it.
    pub fn note(&self, number: u32) -> u8 {
        self.kinds.get(number as usize).copied().unwrap_or(0)
    }

    /// What such a note says that the object is.
    pub fn kind_of(note: u8) -> Option<Kind> {
        Kind::from_number(note & KIND)
    }

    /// Whether such a note says that a tree has the object as a file that git reads.
    pub fn is_marked(note: u8, file: File) -> bool {
        note >> FILE_SHIFT & file as u8 != 0
    }

    /// The number of an id that is in the set.
    pub fn find(&self, oid: &Oid) -> Option<u32> {
        let slot = self.slot(oid.as_bytes());
        self.slots.get(slot)?.checked_sub(1)
    }

    /// The store must have it, or the pack; nobody says what it is. `None`: nobody can have it.
    pub fn need(&mut self, oid: &Oid) -> Option<u32> {
        (!self.is_crowded).then(|| self.add(oid))
    }

    /// The pack has this object at this position.
    pub fn place(&mut self, oid: &Oid, position: u32) -> u32 {
        let number = self.add(oid);
        if let Some(place) = self.positions.get_mut(number as usize) {
            *place = position;
        }
        number
    }

    /// An object in the pack refers to this one as a `kind`. False: another said something else, or
    /// nobody can have it.
    pub fn refer(&mut self, oid: &Oid, kind: Kind) -> bool {
        let Some(number) = self.need(oid) else { return false };
        match self.kinds.get_mut(number as usize) {
            Some(known) if *known & KIND == 0 || *known & KIND == kind as u8 => {
                *known |= kind as u8;
                true
            }
            _ => false,
        }
    }

    /// A tree has this object as a file that git reads.
    pub fn mark(&mut self, oid: &Oid, file: File) {
        let number = self.add(oid);
        if let Some(known) = self.kinds.get_mut(number as usize) {
            *known |= (file as u8) << FILE_SHIFT;
        }
    }

    fn add(&mut self, oid: &Oid) -> u32 {
        let slot = self.slot(oid.as_bytes());
        if let Some(number) = self.slots.get(slot).and_then(|number| number.checked_sub(1)) {
            return number;
        }
        let number = self.positions.len() as u32;
        if self.positions.len() == self.positions.capacity() {
            // The old list and the new one are held together: large ones grow in small steps.
            let size = self.positions.len();
            let double = (2 * size).min(PART_IDS + PART_IDS_MORE);
            let more = double.saturating_sub(size).max(size / 8 + 64);
            self.positions.reserve_exact(more);
            self.bytes.reserve_exact(more * self.format.width());
        }
        self.bytes.extend_from_slice(oid.as_bytes());
        self.positions.push(ABSENT);
        self.kinds.push(0);
        let mask = self.slots.len() - 1;
        self.is_crowded |= slot.wrapping_sub(self.start(oid.as_bytes())) & mask > CROWD_MAX;
        if let Some(free) = self.slots.get_mut(slot) {
            *free = number + 1;
        }
        if 3 * self.positions.len() > 2 * self.slots.len() {
            self.grow();
        }
        number
    }

    /// The slot where the search for an id begins.
    fn start(&self, id: &[u8]) -> usize {
        let start = id.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
        start as usize & (self.slots.len() - 1)
    }

    /// The slot that holds this id, or the free one where it goes.
    fn slot(&self, id: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let width = self.format.width();
        let mut slot = self.start(id);
        while let Some(number) = self.slots[slot].checked_sub(1) {
            let at = number as usize * width;
            if self.bytes.get(at..at + width) == Some(id) {
                break;
            }
            slot = (slot + 1) & mask;
        }
        slot
    }

    fn grow(&mut self) {
        let size = 2 * self.slots.len();
        self.slots = Vec::new();
        self.slots = vec![0; size];
        for number in 0..self.positions.len() as u32 {
            let slot = self.slot(self.oid(number).as_bytes());
            self.slots[slot] = number + 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_id_keeps_its_number_while_the_set_grows() {
        let oid = |n: u32| {
            let bytes = [n.to_be_bytes(), [1; 4], [2; 4], [3; 4], [4; 4]].concat();
            Oid::from_bytes(Format::Sha1, &bytes).expect("20 bytes")
        };
        let mut ids = Ids::new(Format::Sha1, 3);
        for n in 0..1000 {
            assert_eq!(ids.find(&oid(n)), None);
            assert!(ids.refer(&oid(n), Kind::Blob));
            assert_eq!(ids.find(&oid(n)), Some(n));
            assert_eq!(ids.place(&oid(n / 2), n), n / 2);
        }
        assert!(!ids.refer(&oid(5), Kind::Tree));
        assert_eq!((ids.position(5), ids.position(600)), (Some(11), None));
        assert_eq!((ids.kind(5), ids.oid(7), ids.len()), (Some(Kind::Blob), oid(7), 1000));
    }
}
