//! Contents of recent objects, as delta bases: one buffer that is written round and round, so that
//! keeping an object costs a copy and no allocation. Knows no object.

use alloc::vec;
use alloc::vec::Vec;

/// Where one content is. Places count on for ever; the buffer holds the last `size_max` of them.
#[derive(Clone, Copy)]
struct Slot {
    name: u64,
    at: u64,
    size: u32,
}

pub struct Ring {
    bytes: Vec<u8>,
    size_max: usize,
    /// The place where the next content goes.
    next: u64,
    /// Found by the low bits of the name; a newer content takes an older one's slot.
    slots: Vec<Slot>,
}

/// Contents that are known at once, at most.
const SLOTS: usize = 1 << 14;
const NOBODY: u64 = u64::MAX;

impl Ring {
    pub fn new(size_max: usize) -> Ring {
        Ring { bytes: Vec::new(), size_max, next: 0, slots: Vec::new() }
    }

    /// The content kept under `name`, if it is still there.
    pub fn find(&self, name: u64) -> Option<&[u8]> {
        let slot = self.slots.get(slot_of(name)).filter(|slot| slot.name == name)?;
        let is_overwritten = slot.at + (self.size_max as u64) < self.next;
        if is_overwritten {
            return None;
        }
        let start = (slot.at % self.size_max as u64) as usize;
        self.bytes.get(start..start + slot.size as usize)
    }

    /// Keeps a content. One that is larger than the ring is not kept.
    pub fn keep(&mut self, name: u64, content: &[u8]) {
        if content.len() > self.size_max / 2 {
            return;
        }
        if self.slots.is_empty() {
            self.slots = vec![Slot { name: NOBODY, at: 0, size: 0 }; SLOTS];
        }
        let mut start = (self.next % self.size_max as u64) as usize;
        if start + content.len() > self.size_max {
            self.next += (self.size_max - start) as u64;
            start = 0;
        }
        self.write(start, content);
        if let Some(slot) = self.slots.get_mut(slot_of(name)) {
            *slot = Slot { name, at: self.next, size: content.len() as u32 };
        }
        self.next += content.len() as u64;
    }

    /// Grows in steps: a small request touches little memory.
    fn write(&mut self, start: usize, content: &[u8]) {
        let end = start + content.len();
        if end > self.bytes.len() {
            if end > self.bytes.capacity() {
                let capacity = (2 * end).max(1 << 16).min(self.size_max);
                self.bytes.reserve_exact(capacity - self.bytes.len());
            }
            self.bytes.resize(end, 0);
        }
        self.bytes[start..end].copy_from_slice(content);
    }
}

/// Positions in one pack follow each other, so they share no slot for long.
fn slot_of(name: u64) -> usize {
    (name ^ name >> 27) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_last_contents_and_never_gives_another() {
        let mut ring = Ring::new(1000);
        assert!(ring.find(0).is_none());
        for name in 0..100u64 {
            let content = vec![name as u8; 1 + name as usize];
            ring.keep(name, &content);
            assert_eq!(ring.find(name), Some(content.as_slice()));
            let kept = (0..=name).filter(|old| {
                let found = ring.find(*old);
                assert!(found.is_none_or(|found| found == vec![*old as u8; 1 + *old as usize]));
                found.is_some()
            });
            assert!(kept.count() >= (name as usize + 1).min(5), "after {name}");
        }
        ring.keep(7, &[0; 501]);
        assert!(ring.find(7).is_none());
    }
}
