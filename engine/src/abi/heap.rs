//! The allocator's logic: blocks with their size in front, free ones in lists by size, neighbours
//! joined at once. Works on words at addresses, so that it is tested natively. Knows no pointer.
//!
//! A block is a header word, then what the caller gets, aligned to 8. The header is the block's
//! size, a multiple of 8, and two flags. A free block holds its list's links behind the header and
//! its size once more in its last word, where the block after it looks when it joins them.

/// Linear memory as the heap needs it: words at addresses that are multiples of 4.
pub trait Words {
    fn get(&self, at: u32) -> u32;
    fn set(&mut self, at: u32, word: u32);
    /// Where the heap may begin.
    fn base(&self) -> u32;
    /// Where memory ends now.
    fn len(&self) -> u32;
    /// Adds at least that many bytes at the end, or answers false and changes nothing.
    fn grow(&mut self, bytes: u32) -> bool;
}

const FREE: u32 = 1;
/// The block before this one is free, so its size stands in the word before the header.
const BEFORE_FREE: u32 = 2;
const SIZE: u32 = !7;

/// Header, two links and the size again.
const BLOCK_MIN: u32 = 16;
/// More than linear memory may ever hold.
const BLOCK_MAX: u32 = 1 << 26;
/// Sizes under this have a list each; above, each power of two has eight lists.
const EXACT_MAX: u32 = 128;
const BINS: usize = 16 + 20 * 8;
/// The first list of large blocks: 8 KiB. There are never so many that a walk over them is slow.
const LARGE: usize = 16 + 6 * 8;
/// How many blocks of a list that may be too small are looked at.
const TRIES: usize = 32;

pub struct Heap<W> {
    pub words: W,
    /// The first free block of each list; 0: none.
    bins: [u32; BINS],
    /// A bit for each list that is not empty.
    filled: [u64; BINS.div_ceil(64)],
    /// The header that ends the heap: a block of size 0, never free. 0 before the first growth.
    end: u32,
}

impl<W: Words> Heap<W> {
    pub const fn new(words: W) -> Heap<W> {
        Heap { words, bins: [0; BINS], filled: [0; BINS.div_ceil(64)], end: 0 }
    }

    /// The address of `size` bytes, or `None` if memory is at its maximum. `align` is a power of
    /// two.
    pub fn alloc(&mut self, size: usize, align: usize) -> Option<u32> {
        let need = block_size(size)?;
        if align <= 8 {
            let at = self.find(need)?;
            self.unlink(at);
            self.cut(at, self.size(at), need);
            return Some(at + 4);
        }
        let align = u32::try_from(align).ok().filter(|align| *align <= BLOCK_MAX)?;
        let at = self.find(need + align + BLOCK_MIN)?;
        self.unlink(at);
        let size = self.size(at);
        let front = (at + 4 + BLOCK_MIN).next_multiple_of(align) - 4 - at;
        self.words.set(at + front, size - front);
        self.link(at, front);
        self.cut(at + front, size - front, need);
        Some(at + front + 4)
    }

    pub fn free(&mut self, address: u32) {
        self.release(address - 4);
    }

    /// Makes the block at `address` hold `size` bytes where it is, if its neighbour or the end of
    /// memory gives room; false: it is as it was.
    pub fn resize(&mut self, address: u32, size: usize) -> bool {
        let Some(need) = block_size(size) else {
            return false;
        };
        let at = address - 4;
        let mut size = self.size(at);
        if need > size {
            let mut after = self.free_size(at + size);
            let last = at + size + after == self.end;
            if size + after < need && last && self.extend(need - size) {
                after = self.free_size(at + size);
            }
            if size + after < need {
                return false;
            }
            self.unlink(at + size);
            size += after;
        }
        self.cut(at, size, need);
        true
    }

    /// A free block of at least `need` bytes; memory grows if there is none.
    fn find(&mut self, need: u32) -> Option<u32> {
        if need > BLOCK_MAX {
            return None;
        }
        if let Some(at) = self.search(need) {
            return Some(at);
        }
        if self.extend(need) { self.search(need) } else { None }
    }

    /// A small hole that fits well, else the lowest of the large ones: small blocks stay together
    /// at the low end, and what lives longest does not cut up the room for rows and objects.
    fn search(&self, need: u32) -> Option<u32> {
        let bin = bin(need);
        if bin < LARGE {
            if let Some(at) = self.fitting(bin, need) {
                return Some(at);
            }
            if let Some(next) = self.filled(bin + 1).filter(|next| *next < LARGE) {
                return Some(self.bins[next]);
            }
        }
        let mut lowest = None;
        let mut next = self.filled(bin.max(LARGE));
        while let Some(bin) = next {
            let mut at = self.bins[bin];
            while at != 0 {
                if self.size(at) >= need && lowest.is_none_or(|lowest| at < lowest) {
                    lowest = Some(at);
                }
                at = self.words.get(at + 4);
            }
            next = self.filled(bin + 1);
        }
        lowest
    }

    /// One of the first blocks of the list that is large enough: they may be a little too small.
    fn fitting(&self, bin: usize, need: u32) -> Option<u32> {
        let mut at = self.bins[bin];
        for _ in 0..TRIES {
            if at == 0 {
                break;
            }
            if self.size(at) >= need {
                return Some(at);
            }
            at = self.words.get(at + 4);
        }
        None
    }

    /// The first list from `bin` on that is not empty.
    fn filled(&self, bin: usize) -> Option<usize> {
        let mut mask = u64::MAX << (bin % 64);
        for (index, bits) in self.filled.iter().enumerate().skip(bin / 64) {
            let bits = bits & mask;
            if bits != 0 {
                return Some(index * 64 + bits.trailing_zeros() as usize);
            }
            mask = u64::MAX;
        }
        None
    }

    /// Makes the last block free and at least `need` bytes, with all that memory has then.
    fn extend(&mut self, need: u32) -> bool {
        if self.end == 0 {
            self.end = self.words.base().next_multiple_of(8) + 4;
            self.words.set(self.end, 0);
        }
        let head = self.words.get(self.end);
        let before = if head & BEFORE_FREE != 0 { self.words.get(self.end - 4) } else { 0 };
        let more = need.saturating_sub(before);
        let room = (self.words.len() & SIZE) - 4 - self.end;
        if more > room && !self.words.grow(more - room) {
            return false;
        }
        let at = self.end;
        self.end = (self.words.len() & SIZE) - 4;
        self.words.set(self.end, 0);
        self.words.set(at, (self.end - at) | (head & BEFORE_FREE));
        self.release(at);
        true
    }

    /// Makes the block free, joined with free neighbours.
    fn release(&mut self, mut at: u32) {
        let head = self.words.get(at);
        let mut size = head & SIZE;
        let after = self.free_size(at + size);
        if after != 0 {
            self.unlink(at + size);
            size += after;
        }
        if head & BEFORE_FREE != 0 {
            let before = self.words.get(at - 4);
            at -= before;
            self.unlink(at);
            size += before;
        }
        self.link(at, size);
    }

    /// Makes `need` bytes of a block of `size`, that is in no list, used, and frees the rest.
    fn cut(&mut self, at: u32, size: u32, need: u32) {
        let flag = self.words.get(at) & BEFORE_FREE;
        let rest = size - need;
        if rest >= BLOCK_MIN {
            self.words.set(at, need | flag);
            self.words.set(at + need, rest);
            self.release(at + need);
        } else {
            self.words.set(at, size | flag);
            let next = self.words.get(at + size);
            self.words.set(at + size, next & !BEFORE_FREE);
        }
    }

    /// Writes a free block, whose neighbours are in use, and puts it first in its list.
    fn link(&mut self, at: u32, size: u32) {
        let bin = bin(size);
        let first = self.bins[bin];
        self.words.set(at, size | FREE);
        self.words.set(at + 4, first);
        self.words.set(at + 8, 0);
        self.words.set(at + size - 4, size);
        if first != 0 {
            self.words.set(first + 8, at);
        }
        let next = self.words.get(at + size);
        self.words.set(at + size, next | BEFORE_FREE);
        self.bins[bin] = at;
        self.filled[bin / 64] |= 1 << (bin % 64);
    }

    fn unlink(&mut self, at: u32) {
        let (next, before) = (self.words.get(at + 4), self.words.get(at + 8));
        if next != 0 {
            self.words.set(next + 8, before);
        }
        if before != 0 {
            self.words.set(before + 4, next);
            return;
        }
        let bin = bin(self.size(at));
        self.bins[bin] = next;
        if next == 0 {
            self.filled[bin / 64] &= !(1 << (bin % 64));
        }
    }

    fn size(&self, at: u32) -> u32 {
        self.words.get(at) & SIZE
    }

    /// The size of a block if it is free, else 0.
    fn free_size(&self, at: u32) -> u32 {
        let head = self.words.get(at);
        if head & FREE != 0 { head & SIZE } else { 0 }
    }
}

fn block_size(size: usize) -> Option<u32> {
    let size = u32::try_from(size).ok().filter(|size| *size < BLOCK_MAX)?;
    Some((size + 4).next_multiple_of(8).max(BLOCK_MIN))
}

/// The list of free blocks of that size.
fn bin(size: u32) -> usize {
    if size < EXACT_MAX {
        return (size / 8) as usize;
    }
    let power = size.ilog2();
    (16 + (power - 7) * 8 + ((size >> (power - 3)) & 7)) as usize
}

#[cfg(test)]
#[path = "heap_tests.rs"]
mod tests;
