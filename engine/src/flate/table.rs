//! Huffman codes as tables to decode with (RFC 1951, 3.2.2). Knows no stream.
//!
//! The next bits of input are an index into the first part of a table; codes that are longer lead
//! to a second part. An entry:
//!
//! - bits 0..6: how many bits of input it takes, extra bits included;
//! - bits 8..12: how many of these are the code;
//! - bits 16..: a literal's value, or the least length or distance, or where the second part is;
//! - flags.

/// Bits of the longest code.
const CODE_MAX: usize = 15;

pub const LITERAL: u32 = 1 << 31;
/// Neither a literal nor a length nor a distance: one of the two below, or no code at all.
pub const SPECIAL: u32 = 1 << 15;
/// Leads to the second part; bits 8..12 say how many bits are the index there.
pub const SECOND: u32 = SPECIAL | 1 << 14;
pub const END: u32 = SPECIAL | 1 << 13;
/// Taken for a code of one bit: then it is known that it is wrong.
const NO_CODE: u32 = SPECIAL | 0x101;

/// Entries for literals and lengths. zlib's `enough 288 10 15` says 1334, rounded up.
pub const LITERAL_SIZE: usize = 2048;
pub const LITERAL_BITS: u32 = 10;
/// Entries for distances. `enough 32 8 15` says 402.
pub const DISTANCE_SIZE: usize = 512;
pub const DISTANCE_BITS: u32 = 8;
/// Entries for the code of code lengths, which has at most seven bits.
pub const LENGTHS_SIZE: usize = 128;
pub const LENGTHS_BITS: u32 = 7;

/// A table of `SIZE` entries, a power of two.
pub struct Table<const SIZE: usize> {
    entries: [u32; SIZE],
    /// Which bits of input are an index into the first part.
    mask: usize,
}

/// What a code is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Lengths,
    Literals,
    Distances,
}

impl<const SIZE: usize> Table<SIZE> {
    pub fn new() -> Table<SIZE> {
        Table { entries: [0; SIZE], mask: 0 }
    }

    /// The entry that the next bits of input lead to in the first part.
    #[inline(always)]
    pub fn first(&self, bits: u64) -> u32 {
        self.entries[(bits as usize & self.mask) % SIZE]
    }

    /// The entry that an entry leads to in the second part, after its bits were taken.
    #[inline(always)]
    pub fn second(&self, entry: u32, bits: u64) -> u32 {
        let index = bits & ((1 << (entry >> 8 & 15)) - 1);
        self.entries[((entry >> 16) as usize + index as usize) % SIZE]
    }

    /// Makes the table for a code, given the length of each symbol's code; false if there is no
    /// such code. As zlib does, takes an incomplete code only if it is empty, or has one code of
    /// one bit.
    pub fn build(&mut self, kind: Kind, lengths: &[u8]) -> bool {
        let bits_max = match kind {
            Kind::Lengths => LENGTHS_BITS,
            Kind::Literals => LITERAL_BITS,
            Kind::Distances => DISTANCE_BITS,
        };
        let Some(bits) = build(&mut self.entries, bits_max as usize, kind, lengths) else {
            return false;
        };
        self.mask = (1 << bits) - 1;
        true
    }
}

/// Returns the bits of the first part.
fn build(table: &mut [u32], bits_max: usize, kind: Kind, lengths: &[u8]) -> Option<usize> {
    let mut counts = [0usize; CODE_MAX + 1];
    for length in lengths {
        counts[usize::from(length & 15)] += 1;
    }
    counts[0] = 0;
    // Where the symbols of each length start in `sorted`, and how much of the code space is left.
    let mut starts = [0usize; CODE_MAX + 2];
    let mut left = 1i32;
    let mut longest = 0;
    for length in 1..=CODE_MAX {
        starts[length + 1] = starts[length] + counts[length];
        left = (left << 1) - counts[length] as i32;
        if left < 0 {
            return None;
        }
        if counts[length] > 0 {
            longest = length;
        }
    }
    if left > 0 && (longest > 1 || kind == Kind::Lengths) {
        return None;
    }
    let bits = longest.clamp(1, bits_max);
    if left > 0 {
        table.get_mut(..2)?.fill(NO_CODE);
    }
    let mut sorted = [0u16; 512];
    for (symbol, length) in lengths.iter().enumerate() {
        let length = usize::from(length & 15);
        if length > 0 {
            sorted[starts[length] % 512] = symbol as u16;
            starts[length] += 1;
        }
    }
    let mut symbols = sorted.iter();
    // The code of the next symbol, its first bit lowest.
    let mut code = 0usize;
    let mut second = Second { low: usize::MAX, start: 0, end: 1 << bits };
    for length in 1..=longest {
        if length <= bits {
            // An index of one more bit: so far both halves are the same.
            let half = 1 << (length - 1);
            table.get_mut(..2 * half)?.copy_within(..half, half);
        }
        for left in (1..=counts[length]).rev() {
            let entry = entry(kind, u32::from(*symbols.next()?));
            if length <= bits {
                *table.get_mut(code)? = entry + length as u32 * 0x101;
            } else {
                let low = code & ((1 << bits) - 1);
                if low != second.low {
                    let size = second.begin(low, length - bits, left, counts.get(bits..)?);
                    let entry = SECOND | (second.start << 16 | size << 8 | bits) as u32;
                    *table.get_mut(low)? = entry;
                }
                let entry = entry + (length - bits) as u32 * 0x101;
                let part = table.get_mut(second.start + (code >> bits)..second.end)?;
                part.iter_mut().step_by(1 << (length - bits)).for_each(|place| *place = entry);
            }
            code = successor(code, length);
        }
    }
    if left > 0 && longest == 1 {
        *table.get_mut(1)? = NO_CODE;
    }
    Some(bits)
}

/// Where codes go that are longer than the index into the first part.
struct Second {
    /// The index that leads here.
    low: usize,
    start: usize,
    end: usize,
}

impl Second {
    /// Makes room for all codes that start with `low`, and says how many bits are the index there.
    /// The first is `size` bits longer than `low`, `left` codes are as long; `counts` of longer
    /// ones.
    fn begin(&mut self, low: usize, mut size: usize, left: usize, counts: &[usize]) -> usize {
        let mut used = left;
        while used < 1 << size && size < CODE_MAX {
            size += 1;
            used = 2 * used + counts.get(size).copied().unwrap_or(0);
        }
        *self = Second { low, start: self.end, end: self.end + (1 << size) };
        size
    }
}

/// The code after `code` among those of `length` bits.
fn successor(code: usize, length: usize) -> usize {
    let mut bit = 1 << (length - 1);
    while code & bit != 0 {
        bit >>= 1;
    }
    // After the last one this is zero, and not used.
    code & bit.saturating_sub(1) | bit
}

/// A symbol's entry, without the bits of its code.
fn entry(kind: Kind, symbol: u32) -> u32 {
    match (kind, symbol) {
        (Kind::Lengths, _) => symbol << 16,
        (Kind::Literals, 0..256) => LITERAL | symbol << 16,
        (Kind::Literals, 256) => END,
        (Kind::Literals, 257..265) => (symbol - 254) << 16,
        (Kind::Literals, 265..285) => {
            let extra = (symbol - 261) / 4;
            (3 + ((4 + (symbol - 261) % 4) << extra)) << 16 | extra
        }
        (Kind::Literals, 285) => 258 << 16,
        (Kind::Distances, 0..2) => (1 + symbol) << 16,
        (Kind::Distances, 2..30) => {
            let extra = symbol / 2 - 1;
            (1 + ((2 + symbol % 2) << extra)) << 16 | extra
        }
        _ => SPECIAL,
    }
}
