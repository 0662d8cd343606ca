//! The heap over words in a Vec: no two blocks share a byte, and a long request stays within
//! memory.

use super::*;
use alloc::{vec, vec::Vec};

const PAGE: u32 = 64 << 10;

struct Arena {
    words: Vec<u32>,
    bytes_max: u32,
}

impl Words for Arena {
    fn get(&self, at: u32) -> u32 {
        assert_eq!(at % 4, 0);
        self.words[at as usize / 4]
    }
    fn set(&mut self, at: u32, word: u32) {
        assert!(at.is_multiple_of(4) && at >= self.base());
        self.words[at as usize / 4] = word;
    }
    fn base(&self) -> u32 {
        1234
    }
    fn len(&self) -> u32 {
        self.words.len() as u32 * 4
    }
    fn grow(&mut self, bytes: u32) -> bool {
        let len = self.len() + bytes.next_multiple_of(PAGE);
        if len > self.bytes_max {
            return false;
        }
        self.words.resize(len as usize / 4, 0);
        true
    }
}

fn heap(bytes_max: u32) -> Heap<Arena> {
    Heap::new(Arena { words: vec![0; PAGE as usize / 4], bytes_max })
}

/// Walks all blocks: flags agree, neighbours are joined, every free block is in its list.
/// Answers the bytes in use.
fn audit(heap: &Heap<Arena>) -> u32 {
    let mut listed = 0;
    for (number, first) in heap.bins.iter().enumerate() {
        assert_eq!(*first != 0, heap.filled[number / 64] >> (number % 64) & 1 == 1);
        let mut at = *first;
        while at != 0 {
            assert_eq!(bin(heap.size(at)), number);
            listed += 1;
            at = heap.words.get(at + 4);
        }
    }
    let (mut at, mut used, mut before_free) = (heap.words.base().next_multiple_of(8) + 4, 0, false);
    loop {
        let head = heap.words.get(at);
        assert_eq!(head & BEFORE_FREE != 0, before_free);
        if at == heap.end {
            break;
        }
        let free = head & FREE != 0;
        assert!(!(free && before_free), "free neighbours are one block");
        if free {
            listed -= 1;
            assert_eq!(heap.words.get(at + heap.size(at) - 4), heap.size(at));
        } else {
            used += heap.size(at);
        }
        before_free = free;
        at += heap.size(at);
    }
    assert_eq!(listed, 0);
    used
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        ((self.0 >> 33) % u64::from(bound)) as u32
    }
    /// Most are small, some are large.
    fn size(&mut self) -> u32 {
        let bits = self.below(18);
        self.below(1 << bits)
    }
}

/// Marks the first and last word of what a caller was given.
fn mark(heap: &mut Heap<Arena>, (at, size): (u32, u32), word: u32) {
    if size >= 4 {
        heap.words.set(at, word);
        heap.words.set(at + (size & !3) - 4, word);
    }
}

fn is_marked(heap: &Heap<Arena>, (at, size): (u32, u32), word: u32) -> bool {
    size < 4 || heap.words.get(at) == word && heap.words.get(at + (size & !3) - 4) == word
}

#[test]
fn blocks_never_share_a_byte() {
    let mut heap = heap(8 << 20);
    let mut dice = Dice(1);
    let mut live: Vec<(u32, u32, u32)> = Vec::new();
    for round in 1..60_000 {
        let act = dice.below(8);
        if act < 4 && live.len() < 300 {
            let (size, align) = (dice.size(), 1 << dice.below(7));
            let at = heap.alloc(size as usize, align as usize).expect("there is room");
            assert_eq!(at % align, 0);
            mark(&mut heap, (at, size), round);
            live.push((at, size, round));
        } else if !live.is_empty() {
            let pick = dice.below(live.len() as u32) as usize;
            let (at, size, word) = live[pick];
            assert!(is_marked(&heap, (at, size), word));
            if act < 6 {
                heap.free(at);
                live.swap_remove(pick);
            } else {
                let wish = dice.size();
                if heap.resize(at, wish as usize) {
                    assert!(wish < 4 || size < 4 || heap.words.get(at) == word);
                    mark(&mut heap, (at, wish), word);
                    live[pick].1 = wish;
                }
            }
        }
        if round % 1000 == 0 {
            audit(&heap);
        }
    }
    for (at, size, word) in live {
        assert!(is_marked(&heap, (at, size), word));
        heap.free(at);
    }
    assert_eq!(audit(&heap), 0, "all that was freed is one block again");
}

#[test]
fn a_block_grows_where_it_is_when_it_is_last() {
    let mut heap = heap(32 << 20);
    let at = heap.alloc(100, 8).expect("there is room");
    for size in [1 << 10, 1 << 20, 20 << 20, 31 << 20] {
        assert!(heap.resize(at, size));
    }
    assert!(!heap.resize(at, 33 << 20));
    assert!(heap.resize(at, 10));
    assert!(heap.alloc(30 << 20, 8).is_some());
    audit(&heap);
}

#[test]
fn what_cannot_be_had_changes_nothing() {
    let mut heap = heap(1 << 20);
    for size in [1 << 20, 1 << 26, usize::MAX - 8, u32::MAX as usize] {
        assert_eq!(heap.alloc(size, 1), None);
    }
    assert_eq!(heap.alloc(8, 1 << 31), None);
    let at = heap.alloc(900 << 10, 1).expect("there is room");
    assert!(!heap.resize(at, usize::MAX - 8));
    heap.free(at);
    assert_eq!(audit(&heap), 0);
}

/// The pattern of a push of 1 GB: a table that grows, a cache of objects of all sizes that evicts
/// its oldest, large objects that come and go, and a 1 MiB row that is filled, written and freed.
#[test]
fn a_long_push_stays_within_memory() {
    const CACHE_MAX: u32 = 7 << 20;
    let mut heap = heap(32 << 20);
    let mut dice = Dice(7);
    let mut cache: alloc::collections::VecDeque<(u32, u32)> = Default::default();
    let mut cached = 0;
    let (mut table, mut table_size) = (heap.alloc(1 << 10, 8).expect("there is room"), 1 << 10);
    let mut entries = 0;
    for _ in 0..1000 {
        let row = heap.alloc(1 << 20, 1).expect("a row always fits");
        let large = heap.alloc(1 + dice.below(4 << 20) as usize, 1).expect("so does an object");
        for _ in 0..100 {
            let size = dice.size() / 4 + 40;
            while cached + size > CACHE_MAX {
                let (at, size) = cache.pop_front().expect("it holds what was counted");
                heap.free(at);
                cached -= size;
            }
            cache.push_back((heap.alloc(size as usize, 8).expect("the cache fits"), size));
            cached += size;
            entries += 1;
            if entries * 40 > table_size {
                if !heap.resize(table, table_size as usize * 2) {
                    let moved = heap.alloc(table_size as usize * 2, 8).expect("the table fits");
                    heap.free(table);
                    table = moved;
                }
                table_size *= 2;
            }
        }
        heap.free(row);
        heap.free(large);
    }
    let (used, len) = (audit(&heap), heap.words.len());
    assert!(used > CACHE_MAX / 2 && len <= 28 << 20, "{used} of {len}");
}
