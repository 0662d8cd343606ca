//! Which trees were seen at which paths. Knows no tree.

use super::Place;
use crate::error::{Error, Result};
use crate::limits::WALK_MAX;
use alloc::vec;
use alloc::vec::Vec;

/// Hashes of places and paths, in a table that is at most half full.
#[derive(Default)]
pub struct Paths {
    slots: Vec<u64>,
    count: usize,
}

impl Paths {
    /// Whether a tree was not seen at this path before; notes it. A tree at too many is refused.
    pub fn enters(&mut self, tree: Place, path: &[u8]) -> Result<bool> {
        let mut hash = tree.name();
        for byte in path {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
        hash = (hash ^ hash >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) | 1;
        if 2 * self.count >= self.slots.len() {
            if self.count >= WALK_MAX {
                return Err(Error::TooLarge);
            }
            let slots = vec![0; 1024.max(2 * self.slots.len())];
            for hash in core::mem::replace(&mut self.slots, slots) {
                self.add(hash);
            }
        }
        let is_new = self.add(hash);
        self.count += usize::from(is_new);
        Ok(is_new)
    }

    fn add(&mut self, hash: u64) -> bool {
        let mut at = (hash >> 32) as usize;
        loop {
            at = (at + 1) & (self.slots.len() - 1);
            match self.slots.get_mut(at) {
                Some(slot) if *slot == 0 => {
                    *slot = hash;
                    return hash != 0;
                }
                Some(slot) if *slot == hash => return false,
                _ => {}
            }
        }
    }
}
