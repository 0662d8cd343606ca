//! Bytes to a zlib stream: finds what was there before, and leaves the writing to `block`.

use super::adler::Adler;
use super::block::Block;
use alloc::vec;
use alloc::vec::Vec;

/// Lengths of matches (RFC 1951, 3.2.5); shorter than four gains nothing.
const LENGTH_MIN: usize = 4;
const LENGTH_MAX: usize = 258;
/// How far back a match reaches.
const DISTANCE_MAX: usize = 32 << 10;
/// History and what is not yet deflated; so a block of it can be stored (65535 bytes at most).
const WINDOW: usize = 60 << 10;
/// Where strings start: by a hash of their first four bytes.
const HASH_BITS: u32 = 13;
/// Candidates that are tried, and the length of a match that is good enough.
const TRIES: usize = 6;
const GOOD: usize = 32;
/// After so many bytes without a match, every second is not looked for, and so on.
const PATIENCE: usize = 256;

/// Deflates one stream after another. A small one needs little memory, any less than 200 KiB.
pub struct Deflate {
    window: Vec<u8>,
    /// How much of the window is deflated.
    at: usize,
    /// The position of the window's start in the stream; wraps.
    base: u32,
    /// The last position of each hash in the stream, plus one.
    heads: Vec<u32>,
    /// For positions modulo `DISTANCE_MAX`: how far before it is the one of the same hash, or 0.
    chains: Vec<u16>,
    block: Block,
    adler: Adler,
    has_begun: bool,
}

impl Default for Deflate {
    fn default() -> Deflate {
        Deflate::new()
    }
}

impl Deflate {
    pub fn new() -> Deflate {
        Deflate {
            window: Vec::new(),
            at: 0,
            base: 0,
            heads: vec![0; 1 << HASH_BITS],
            chains: Vec::new(),
            block: Block::new(),
            adler: Adler::new(),
            has_begun: false,
        }
    }

    /// Takes all of `input`; appends what is ready to `out`.
    pub fn write(&mut self, input: &[u8], out: &mut Vec<u8>) {
        self.begin(out);
        self.adler.update(input);
        let mut rest = input;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(WINDOW - self.window.len()));
            self.window.extend_from_slice(now);
            rest = later;
            if self.window.len() == WINDOW {
                self.deflate(WINDOW - LENGTH_MAX, out);
                self.write_block(false, out);
                self.slide();
            }
        }
    }

    /// Appends the end of the stream to `out`, and is ready for another.
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        self.begin(out);
        self.deflate(self.window.len(), out);
        self.write_block(true, out);
        out.extend_from_slice(&self.adler.value().to_be_bytes());
        // Positions count on, so that none of this stream is taken for one of the next: nothing
        // need be cleared.
        self.base = self.base.wrapping_add(self.window.len() as u32);
        self.window.clear();
        self.at = 0;
        self.adler = Adler::new();
        self.has_begun = false;
    }

    fn begin(&mut self, out: &mut Vec<u8>) {
        if !self.has_begun {
            // A window of 32 KiB, and the fastest algorithm.
            out.extend_from_slice(&[0x78, 0x01]);
            self.has_begun = true;
        }
    }

    fn write_block(&mut self, is_last: bool, out: &mut Vec<u8>) {
        let start = self.at - self.block.size;
        self.block.write(self.window.get(start..self.at).unwrap_or_default(), is_last, out);
    }

    /// Forgets what no match reaches.
    fn slide(&mut self) {
        let gone = self.at.saturating_sub(DISTANCE_MAX);
        self.window.drain(..gone);
        self.at -= gone;
        self.base = self.base.wrapping_add(gone as u32);
    }

    /// Deflates the window up to `end`, and no more than a match further.
    fn deflate(&mut self, end: usize, out: &mut Vec<u8>) {
        let reach = DISTANCE_MAX.min(self.window.len().next_power_of_two());
        self.chains.resize(reach.max(self.chains.len()), 0);
        let mut misses = 0;
        while self.at < end {
            if self.block.room() == 0 {
                self.write_block(false, out);
            }
            let mut strings = Strings {
                window: &self.window,
                base: self.base,
                heads: &mut self.heads,
                chains: &mut self.chains,
            };
            let mut at = self.at;
            // The lists are looked up once for many symbols.
            while at < end && self.block.room() > 0 {
                let (length, distance) = strings.find(at);
                if length >= LENGTH_MIN {
                    misses = 0;
                    self.block.push_match(length, distance);
                    // A long match is likely followed by what followed it before.
                    for at in at + 1..at + length.min(GOOD) {
                        strings.insert(at);
                    }
                    at += length;
                    continue;
                }
                let many = (1 + misses / PATIENCE).min(end - at).min(self.block.room());
                for byte in strings.window.get(at..at + many).unwrap_or_default() {
                    self.block.push_literal(*byte);
                }
                misses += many;
                at += many;
            }
            self.at = at;
        }
    }
}

/// Where strings start in a window.
struct Strings<'a> {
    window: &'a [u8],
    base: u32,
    heads: &'a mut [u32],
    chains: &'a mut [u16],
}

impl Strings<'_> {
    /// Notes where a string is; its hash's last position before it, as a distance.
    #[inline(always)]
    fn insert(&mut self, at: usize) -> Option<usize> {
        let string = self.window.get(at..)?.first_chunk::<4>()?;
        let hash = u32::from_le_bytes(*string).wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS);
        let head = self.heads.get_mut(hash as usize)?;
        let position = self.base.wrapping_add(at as u32).wrapping_add(1);
        let distance = if *head == 0 { 0 } else { position.wrapping_sub(*head) as usize };
        *head = position;
        let distance = if distance < DISTANCE_MAX && distance <= at { distance } else { 0 };
        let mask = self.chains.len().wrapping_sub(1);
        *self.chains.get_mut(position as usize & mask)? = distance as u16;
        Some(distance)
    }

    /// The longest match of what is at `at`, as length and distance; no length: none.
    #[inline(always)]
    fn find(&mut self, at: usize) -> (usize, usize) {
        let (mut best, mut best_distance) = (LENGTH_MIN - 1, 0);
        let Some(mut step) = self.insert(at) else {
            return (0, 0);
        };
        let window = self.window;
        let Some(ahead) = window.get(at..) else {
            return (0, 0);
        };
        let ahead = ahead.get(..LENGTH_MAX).unwrap_or(ahead);
        let mask = self.chains.len().wrapping_sub(1);
        let position = self.base.wrapping_add(at as u32).wrapping_add(1) as usize;
        let mut distance = 0;
        for _ in 0..TRIES {
            distance += step;
            if step == 0 || distance > at.min(DISTANCE_MAX) {
                break;
            }
            let from = at - distance;
            // The byte that would make it longer differs most often.
            if window.get(from + best) == ahead.get(best) {
                let length = common(window.get(from..).unwrap_or_default(), ahead);
                if length > best {
                    (best, best_distance) = (length, distance);
                    if length >= GOOD || length == ahead.len() {
                        break;
                    }
                }
            }
            step = self
                .chains
                .get(position.wrapping_sub(distance) & mask)
                .map_or(0, |step| *step as usize);
        }
        if best_distance == 0 { (0, 0) } else { (best, best_distance) }
    }
}

/// How many first bytes are the same.
#[inline(always)]
fn common(one: &[u8], other: &[u8]) -> usize {
    let (ones, _) = one.as_chunks::<8>();
    let (others, rest) = other.as_chunks::<8>();
    let mut same = 0;
    for (one, other) in ones.iter().zip(others) {
        let differ = u64::from_le_bytes(*one) ^ u64::from_le_bytes(*other);
        if differ != 0 {
            return same + differ.trailing_zeros() as usize / 8;
        }
        same += 8;
    }
    let one = one.get(same..).unwrap_or_default();
    same + one.iter().zip(rest).take_while(|(one, other)| one == other).count()
}
