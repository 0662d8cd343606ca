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
        let hash = self.hash(tree, path);
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

    /// Whether a tree was seen at this path.
    pub fn has(&self, tree: Place, path: &[u8]) -> bool {
        let hash = self.hash(tree, path);
        self.slots.get(self.slot(hash)).is_some_and(|slot| *slot == hash)
    }

    fn hash(&self, tree: Place, path: &[u8]) -> u64 {
        let mut hasher = self.start.clone();
        hasher.update(&tree.name().to_le_bytes());
        hasher.update(path);
        let oid = hasher.finish().ok();
        let start = oid.as_ref().and_then(|oid| oid.as_bytes().first_chunk());
        start.map_or(0, |bytes| u64::from_le_bytes(*bytes)) | 1
    }

    fn add(&mut self, hash: u64) -> bool {
        let slot = self.slot(hash);
        match self.slots.get_mut(slot) {
            Some(slot) if *slot != hash => {
                *slot = hash;
                hash != 0
            }
            _ => false,
        }
    }

    /// Where a hash is, or the free slot where it goes.
    fn slot(&self, hash: u64) -> usize {
        let mut at = (hash >> 32) as usize;
        loop {
            at = (at + 1) & self.slots.len().wrapping_sub(1);
            match self.slots.get(at) {
                Some(slot) if *slot != 0 && *slot != hash => {}
                _ => return at,
            }
        }
    }
}
