//! Which trees were seen at which paths. Knows no tree.
//!
//! Of each only 63 bits of a hash are kept. It begins with what nobody can guess: else two could be
//! made that are taken for one, and a path that is forbidden be passed over.

use super::Place;
use crate::error::{Error, Result};
use crate::hash::{Format, Hasher};
use crate::limits::WALK_MAX;
use alloc::vec;
use alloc::vec::Vec;

/// Hashes of places and paths, in a table that is at most half full.
pub struct Paths {
    start: Hasher,
    slots: Vec<u64>,
    count: usize,
}

impl Paths {
    /// None yet; `secret`: what nobody can guess.
    pub fn new(secret: &[u8]) -> Paths {
        let mut start = Hasher::new(Format::Sha1);
        start.update(secret);
        Paths { start, slots: Vec::new(), count: 0 }
    }

    /// Whether a tree was not seen at this path before; notes it. A tree at too many is refused.
    pub fn enters(&mut self, tree: Place, path: &[u8]) -> Result<bool> {
        let mut hasher = self.start.clone();
        hasher.update(&tree.name().to_le_bytes());
        hasher.update(path);
        let oid = hasher.finish()?;
        let hash = oid.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)) | 1;
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
