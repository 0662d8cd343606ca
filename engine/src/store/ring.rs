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
        self.read(slot.at, slot.size)
    }

    /// What was kept at a place, if it is still there.
    pub fn read(&self, at: u64, size: u32) -> Option<&[u8]> {
        let is_overwritten = at + (self.size_max as u64) < self.next;
        if is_overwritten {
            return None;
        }
        let start = (at % self.size_max as u64) as usize;
        self.bytes.get(start..start + size as usize)
    }

    /// Whether what was kept at a place will still be there after `size` more bytes.
    pub fn stays(&self, at: u64, size: usize) -> bool {
        // The end of the buffer may be skipped: less than they would take.
        at + self.size_max as u64 >= self.next + 2 * size as u64
    }

    /// Keeps a content between what is to stand before and after it; answers at what place all
    /// three are. What is larger than half the ring is not kept.
    pub fn keep(&mut self, name: u64, [before, content, after]: [&[u8]; 3]) -> Option<u64> {
        let size = before.len() + content.len() + after.len();
        if size > self.size_max / 2 {
            return None;
        }
        if self.slots.is_empty() {
            self.slots = vec![Slot { name: NOBODY, at: 0, size: 0 }; SLOTS];
        }
        let mut start = (self.next % self.size_max as u64) as usize;
        if start + size > self.size_max {
            self.next += (self.size_max - start) as u64;
            start = 0;
        }
        let at = self.next;
        let content_at = at + before.len() as u64;
        if let Some(slot) = self.slots.get_mut(slot_of(name)) {
            *slot = Slot { name, at: content_at, size: content.len() as u32 };
        }
        for part in [before, content, after] {
            self.write(start, part);
            start += part.len();
        }
        self.next += size as u64;
        Some(at)
    }

    /// Grows in steps: a small request touches little memory.
    fn write(&mut self, start: usize, content: &[u8]) {
        let end = start + content.len();
        if end > self.bytes.capacity() {
            let capacity = (2 * end).max(1 << 16).min(self.size_max);
            self.bytes.reserve_exact(capacity - self.bytes.len());
        }
        let old = self.bytes.len().saturating_sub(start).min(content.len());
        let (over, beyond) = content.split_at(old);
        self.bytes[start..start + old].copy_from_slice(over);
        self.bytes.extend_from_slice(beyond);
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
            ring.keep(name, [b"before", &content, b""]);
            assert_eq!(ring.find(name), Some(content.as_slice()));
            let kept = (0..=name).filter(|old| {
                let found = ring.find(*old);
                assert!(found.is_none_or(|found| found == vec![*old as u8; 1 + *old as usize]));
                found.is_some()
            });
            assert!(kept.count() >= (name as usize + 1).min(5), "after {name}");
        }
        assert_eq!(ring.keep(7, [b"", &[0; 500], b"x"]), None);
        assert!(ring.find(7).is_none());
    }

    #[test]
    fn what_stays_can_be_read_by_its_place() {
        let mut ring = Ring::new(1000);
        let mut places = Vec::new();
        for name in 0..200u64 {
            let content = vec![name as u8; 1 + (name as usize * 37) % 300];
            let whole = [&b"("[..], &content, b")"].concat();
            let stay: Vec<bool> =
                places.iter().map(|(at, _)| ring.stays(*at, whole.len())).collect();
            let at = ring.keep(name, [b"(", &content, b")"]).expect("it is small");
            for ((at, whole), stays) in places.iter().zip(stay) {
                let found: Option<&[u8]> = ring.read(*at, Vec::len(whole) as u32);
                assert!(!stays || found == Some(whole.as_slice()));
            }
            places.push((at, whole));
        }
    }
}
