//! One block of a deflate stream (RFC 1951, 3.2.3): its symbols, written in the cheapest way.

use super::code::{self, Code, NONE, SYMBOLS};
use alloc::vec;
use alloc::vec::Vec;

/// Symbols that a block holds.
const TOKENS: usize = 12 << 10;
/// A block of fewer symbols gets no codes of its own.
const FEW: usize = 40;
const END: usize = 256;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
/// The order of the lengths of the code of code lengths.
static ORDER: [u8; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

pub struct Block {
    /// A literal; or a match: its distance above its length, less three.
    tokens: Vec<u32>,
    /// How many there are.
    count: usize,
    /// How often each symbol is used.
    literals: [u16; LITERALS],
    distances: [u16; DISTANCES],
    /// Bytes of content.
    pub size: usize,
    bits: Bits,
    fixed: Codes,
}

/// Bits that are not yet a byte.
struct Bits {
    bits: u64,
    count: u32,
}

/// The codes of a block.
struct Codes {
    literals: [Code; SYMBOLS],
    distances: [Code; 32],
}

impl Block {
    pub fn new() -> Block {
        Block {
            tokens: vec![0; TOKENS],
            count: 0,
            literals: [0; LITERALS],
            distances: [0; DISTANCES],
            size: 0,
            bits: Bits { bits: 0, count: 0 },
            fixed: Codes::fixed(),
        }
    }

    /// Symbols that it still takes.
    pub fn room(&self) -> usize {
        TOKENS - self.count
    }

    /// Not a list that grows: that would ask for room at each token.
    #[inline(always)]
    fn push(&mut self, token: u32) {
        if let Some(place) = self.tokens.get_mut(self.count) {
            *place = token;
            self.count += 1;
        }
    }

    #[inline(always)]
    pub fn push_literal(&mut self, byte: u8) {
        self.push(u32::from(byte));
        self.literals[usize::from(byte)] += 1;
        self.size += 1;
    }

    #[inline(always)]
    pub fn push_match(&mut self, length: usize, distance: usize) {
        self.push((distance << 16 | (length - 3)) as u32);
        count(&mut self.literals, length_symbol(length as u32 - 3).0);
        count(&mut self.distances, distance_symbol(distance as u32 - 1).0);
        self.size += length;
    }

    /// Writes the block, whose content is `bytes`, and is ready for another.
    pub fn write(&mut self, bytes: &[u8], is_last: bool, out: &mut Vec<u8>) {
        self.literals[END] = 1;
        let tokens = self.tokens.get(..self.count).unwrap_or_default();
        let stored_cost = 3 + 7 + 32 + 8 * bytes.len();
        let fixed_cost = 3 + self.cost(&self.fixed);
        // Describing codes takes more than a few symbols gain by them.
        let best = (self.count >= FEW).then(|| Codes::best(&self.literals, &self.distances));
        let best = best.map(|codes| (Lengths::new(&codes), codes));
        let best_cost = |(lengths, codes): &(Lengths, Codes)| 3 + lengths.cost() + self.cost(codes);
        let cost = best.as_ref().map_or(usize::MAX, best_cost);
        self.bits.put(u32::from(is_last), 1, out);
        if stored_cost < cost.min(fixed_cost) {
            self.bits.put(0, 2, out);
            self.bits.end(out);
            let size = bytes.len() as u16;
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(&(!size).to_le_bytes());
            out.extend_from_slice(bytes);
        } else if let Some((lengths, codes)) = best
            && cost < fixed_cost
        {
            self.bits.put(2, 2, out);
            lengths.write(&mut self.bits, out);
            write_tokens(tokens, &codes, &mut self.bits, out);
        } else {
            self.bits.put(1, 2, out);
            write_tokens(tokens, &self.fixed, &mut self.bits, out);
        }
        if is_last {
            self.bits.end(out);
        }
        self.count = 0;
        self.literals.fill(0);
        self.distances.fill(0);
        self.size = 0;
    }

    /// Bits that the symbols take.
    fn cost(&self, codes: &Codes) -> usize {
        let cost = |uses: &[u16], codes: &[Code], extra: fn(usize) -> usize| -> usize {
            let each = uses.iter().zip(codes).enumerate();
            each.map(|(symbol, (uses, code))| {
                usize::from(*uses) * (usize::from(code.length) + extra(symbol))
            })
            .sum()
        };
        cost(&self.literals, &codes.literals, |symbol| match symbol {
            265..285 => (symbol - 261) / 4,
            _ => 0,
        }) + cost(&self.distances, &codes.distances, |symbol| (symbol / 2).saturating_sub(1))
    }
}

fn write_tokens(tokens: &[u32], codes: &Codes, held: &mut Bits, out: &mut Vec<u8>) {
    // Copies, so that the compiler keeps them in registers.
    let Bits { mut bits, mut count } = *held;
    let put = |code: Code, bits: &mut u64, count: &mut u32| {
        *bits |= u64::from(code.bits) << (*count & 63);
        *count += u32::from(code.length);
    };
    for token in tokens {
        let (distance, value) = (token >> 16, token & 0xffff);
        if distance == 0 {
            put(codes.literals[value as usize % 512 % SYMBOLS], &mut bits, &mut count);
        } else {
            let (symbol, extra, rest) = length_symbol(value);
            put(codes.literals[symbol % SYMBOLS], &mut bits, &mut count);
            bits |= u64::from(rest) << (count & 63);
            count += extra;
            let (symbol, extra, rest) = distance_symbol(distance - 1);
            put(codes.distances[symbol % 32], &mut bits, &mut count);
            bits |= u64::from(rest) << (count & 63);
            count += extra;
        }
        // A match takes 48 bits at most, so there is always room for one.
        if count >= 16 {
            let whole = count / 8;
            let bytes = bits.to_le_bytes();
            out.extend_from_slice(bytes.get(..whole as usize).unwrap_or_default());
            bits = if whole < 8 { bits >> (8 * whole) } else { 0 };
            count %= 8;
        }
    }
    *held = Bits { bits, count };
    let end = codes.literals[END];
    held.put(u32::from(end.bits), u32::from(end.length), out);
}

#[inline(always)]
fn count<const SIZE: usize>(uses: &mut [u16; SIZE], symbol: usize) {
    if let Some(uses) = uses.get_mut(symbol) {
        *uses += 1;
    }
}

/// The symbol of a length less three, how many extra bits it has, and these.
#[inline(always)]
fn length_symbol(length: u32) -> (usize, u32, u32) {
    if length < 8 {
        return (257 + length as usize, 0, 0);
    }
    if length == 255 {
        return (285, 0, 0);
    }
    let extra = length.ilog2() - 2;
    ((257 + 4 * extra + (length >> extra)) as usize, extra, length & ((1 << extra) - 1))
}

/// The symbol of a distance less one, how many extra bits it has, and these.
#[inline(always)]
fn distance_symbol(distance: u32) -> (usize, u32, u32) {
    if distance < 4 {
        return (distance as usize, 0, 0);
    }
    let extra = distance.ilog2() - 1;
    ((2 * extra + (distance >> extra)) as usize, extra, distance & ((1 << extra) - 1))
}

impl Codes {
    fn new() -> Codes {
        Codes { literals: [NONE; SYMBOLS], distances: [NONE; 32] }
    }

    /// RFC 1951, 3.2.6.
    fn fixed() -> Codes {
        let mut codes = Codes::new();
        for (symbol, code) in codes.literals.iter_mut().enumerate() {
            code.length = match symbol {
                144..256 => 9,
                256..280 => 7,
                _ => 8,
            };
        }
        let mut counts = [0; 16];
        (counts[7], counts[8], counts[9]) = (24, 152, 112);
        code::number(&mut codes.literals, &counts);
        for (symbol, code) in codes.distances.iter_mut().take(DISTANCES).enumerate() {
            *code = Code { bits: (symbol as u16).reverse_bits() >> 11, length: 5 };
        }
        codes
    }

    fn best(literals: &[u16], distances: &[u16]) -> Codes {
        let mut codes = Codes::new();
        code::make(literals, 15, &mut codes.literals);
        code::make(distances, 15, &mut codes.distances);
        codes
    }
}

/// The code lengths of a block, as they are written: in symbols with extra bits, coded themselves.
struct Lengths {
    /// Literals and lengths, distances, and lengths of the code of code lengths.
    counts: [usize; 3],
    /// A symbol, and its extra bits above.
    symbols: [u16; LITERALS + DISTANCES],
    size: usize,
    uses: [u16; ORDER.len()],
    codes: [Code; ORDER.len()],
}

impl Lengths {
    fn new(codes: &Codes) -> Lengths {
        let used = |codes: &[Code], least: usize| {
            codes.iter().rposition(|code| code.length > 0).map_or(least, |last| least.max(last + 1))
        };
        let (literals, distances) = (used(&codes.literals, 257), used(&codes.distances, 1));
        let mut lengths = Lengths {
            counts: [literals, distances, 0],
            symbols: [0; LITERALS + DISTANCES],
            size: 0,
            uses: [0; ORDER.len()],
            codes: [NONE; ORDER.len()],
        };
        let all =
            codes.literals.iter().take(literals).chain(codes.distances.iter().take(distances));
        let (mut last, mut run) = (u16::MAX, 0);
        for length in all.map(|code| u16::from(code.length)) {
            if length != last {
                lengths.push_run(last, run);
                (last, run) = (length, 0);
            }
            run += 1;
        }
        lengths.push_run(last, run);
        code::make(&lengths.uses, 7, &mut lengths.codes);
        let is_written = |symbol: &u8| {
            lengths.codes.get(usize::from(*symbol)).is_some_and(|code| code.length > 0)
        };
        lengths.counts[2] = ORDER.iter().rposition(is_written).map_or(4, |last| 4.max(last + 1));
        lengths
    }

    /// The same length so many times in a row.
    fn push_run(&mut self, length: u16, mut run: u16) {
        if length == 0 {
            while run >= 11 {
                self.push(18, (run - 11).min(127));
                run -= run.min(138);
            }
            if run >= 3 {
                self.push(17, run - 3);
                run = 0;
            }
        } else if run >= 4 {
            self.push(length, 0);
            run -= 1;
            while run >= 3 {
                self.push(16, (run - 3).min(3));
                run -= run.min(6);
            }
        }
        for _ in 0..run {
            self.push(length, 0);
        }
    }

    fn push(&mut self, symbol: u16, extra: u16) {
        if let Some(place) = self.symbols.get_mut(self.size) {
            *place = symbol | extra << 8;
            self.size += 1;
            count(&mut self.uses, usize::from(symbol));
        }
    }

    /// Bits that they take.
    fn cost(&self) -> usize {
        let each = self.uses.iter().zip(&self.codes).enumerate();
        let each = each.map(|(symbol, (uses, code))| {
            usize::from(*uses) * (usize::from(code.length) + extra_of(symbol as u16) as usize)
        });
        14 + 3 * self.counts[2] + each.sum::<usize>()
    }

    fn write(&self, bits: &mut Bits, out: &mut Vec<u8>) {
        let [literals, distances, lengths] = self.counts.map(|count| count as u32);
        bits.put((literals - 257) | (distances - 1) << 5 | (lengths - 4) << 10, 14, out);
        let code = |symbol: usize| self.codes.get(symbol).copied().unwrap_or(NONE);
        for symbol in ORDER.iter().take(lengths as usize) {
            bits.put(u32::from(code(usize::from(*symbol)).length), 3, out);
        }
        for entry in self.symbols.iter().take(self.size) {
            let (symbol, extra) = (entry & 0xff, entry >> 8);
            let Code { bits: code, length } = code(usize::from(symbol));
            bits.put(u32::from(code), u32::from(length), out);
            bits.put(u32::from(extra), extra_of(symbol), out);
        }
    }
}

/// Extra bits of a symbol of code lengths.
fn extra_of(symbol: u16) -> u32 {
    match symbol {
        16 => 2,
        17 => 3,
        18 => 7,
        _ => 0,
    }
}

impl Bits {
    /// At most 32 bits.
    fn put(&mut self, bits: u32, count: u32, out: &mut Vec<u8>) {
        self.bits |= u64::from(bits) << self.count;
        self.count += count;
        while self.count >= 8 {
            out.push(self.bits as u8);
            self.bits >>= 8;
            self.count -= 8;
        }
    }

    /// Ends the byte.
    fn end(&mut self, out: &mut Vec<u8>) {
        self.put(0, (8 - self.count % 8) % 8, out);
    }
}
