//! Sets of objects: a bit for each position of each pack. Knows no object.

use super::{Place, Store};
use alloc::vec;
use alloc::vec::Vec;

#[derive(Clone, Default)]
pub struct Bits {
    /// For each pack: positions, 64 to a word.
    packs: Vec<Vec<u64>>,
}

impl Bits {
    /// The empty set of what a store has.
    pub fn new(store: &Store) -> Bits {
        let mut packs = Vec::new();
        for count in store.counts() {
            packs.push(vec![0; count.div_ceil(64) as usize]);
        }
        Bits { packs }
    }

    /// The empty set, of any store.
    pub fn none() -> Bits {
        Bits { packs: Vec::new() }
    }

    /// All that a store has.
    pub fn all(store: &Store) -> Bits {
        let mut all = Bits::new(store);
        for (pack, count) in (0..).zip(store.counts()) {
            (0..count).for_each(|position| _ = all.add(Place { pack, position }));
        }
        all
    }

    /// Takes out what another set has.
    pub fn remove(&mut self, other: &Bits) {
        self.change(other, |mine, theirs| *mine &= !theirs);
    }

    /// Adds what another set of the same store has.
    pub fn unite(&mut self, other: &Bits) {
        self.change(other, |mine, theirs| *mine |= theirs);
    }

    fn change(&mut self, other: &Bits, change: fn(&mut u64, u64)) {
        for (mine, theirs) in self.packs.iter_mut().zip(&other.packs) {
            mine.iter_mut().zip(theirs).for_each(|(mine, theirs)| change(mine, *theirs));
        }
    }

    /// The positions of a pack, 64 to a word.
    pub fn words(&self, pack: u32) -> &[u64] {
        self.packs.get(pack as usize).map_or(&[], Vec::as_slice)
    }

    /// Adds positions of a pack, 64 to each eight bytes.
    pub fn join(&mut self, pack: u32, words: &[[u8; 8]]) {
        let Some(pack) = self.packs.get_mut(pack as usize) else { return };
        for (mine, theirs) in pack.iter_mut().zip(words) {
            *mine |= u64::from_le_bytes(*theirs);
        }
    }

    pub fn has(&self, place: Place) -> bool {
        let word = self.packs.get(place.pack as usize).and_then(|pack| pack.get(word_of(place)));
        word.is_some_and(|word| word >> (place.position % 64) & 1 != 0)
    }

    /// Adds an object; false if it was there.
    pub fn add(&mut self, place: Place) -> bool {
        let pack = self.packs.get_mut(place.pack as usize);
        let Some(word) = pack.and_then(|pack| pack.get_mut(word_of(place))) else {
            return false;
        };
        let bit = 1 << (place.position % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }

    /// Takes an object out.
    pub fn take(&mut self, place: Place) {
        let pack = self.packs.get_mut(place.pack as usize);
        if let Some(word) = pack.and_then(|pack| pack.get_mut(word_of(place))) {
            *word &= !(1 << (place.position % 64));
        }
    }

    pub fn count(&self) -> u32 {
        let mut count = 0;
        for pack in &self.packs {
            for word in pack {
                count += word.count_ones();
            }
        }
        count
    }

    /// The last member of a pack before `last`, or else of the packs that follow.
    pub fn before(&self, last: Place) -> Option<Place> {
        let mut at = last;
        while let Some(pack) = self.packs.get(at.pack as usize) {
            let whole = word_of(at).min(pack.len());
            let part = pack.get(whole).map_or(0, |word| word & below(at.position));
            let rest = pack.get(..whole).unwrap_or_default();
            let found = match part {
                0 => rest.iter().enumerate().rev().find(|(_, word)| **word != 0),
                _ => Some((whole, &part)),
            };
            if let Some((word_at, word)) = found {
                let position = 64 * word_at as u32 + word.ilog2();
                return Some(Place { position, ..at });
            }
            at = Place { pack: at.pack + 1, position: u32::MAX };
        }
        None
    }

    /// The next member at or after `from`, in order of packs and positions.
    pub fn next(&self, from: Place) -> Option<Place> {
        let mut at = from;
        while let Some(pack) = self.packs.get(at.pack as usize) {
            if let Some(word) = pack.get(word_of(at)) {
                let rest = word >> (at.position % 64);
                if rest != 0 {
                    let position = at.position + rest.trailing_zeros();
                    return Some(Place { position, ..at });
                }
                at.position = (at.position / 64 + 1) * 64;
            } else {
                at = Place { pack: at.pack + 1, position: 0 };
            }
        }
        None
    }
}

/// A word's bits below the one of a position.
fn below(position: u32) -> u64 {
    (1 << (position % 64)) - 1
}

fn word_of(place: Place) -> usize {
    place.position as usize / 64
}
