//! Makes Huffman codes of limited length (RFC 1951, 3.2.2). Knows no stream.

/// Symbols of the largest alphabet.
pub const SYMBOLS: usize = 288;
/// Leaves and inner nodes of a tree, rounded up to a power of two.
const NODES: usize = 1024;
/// Bits of the longest code.
const CODE_MAX: usize = 15;

/// A symbol's code, its first bit lowest, and its length; length 0: the symbol has none.
#[derive(Clone, Copy)]
pub struct Code {
    pub bits: u16,
    pub length: u8,
}

/// No code.
pub const NONE: Code = Code { bits: 0, length: 0 };

/// Makes the best code for how often each symbol is used, no code longer than `limit`.
/// At least two symbols get a code, so that it is complete.
pub fn make(uses: &[u16], limit: usize, codes: &mut [Code]) {
    let is_used = |symbol: usize| uses.get(symbol).is_some_and(|times| *times > 0);
    // Used symbols, rarest first: how often they are used, and which they are.
    let mut sorted = [0u32; SYMBOLS];
    let mut count = 0;
    let few = uses.iter().filter(|times| **times > 0).count() < 2;
    let wanted = (0..uses.len()).filter(|symbol| is_used(*symbol) || few && *symbol < 2);
    for (place, symbol) in sorted.iter_mut().zip(wanted) {
        *place = u32::from(uses.get(symbol).copied().unwrap_or(0)) << 16 | symbol as u32;
        count += 1;
    }
    let sorted = sorted.get_mut(..count).unwrap_or_default();
    sort(sorted);
    let mut counts = depths(sorted, limit);
    shorten(&mut counts, limit);
    codes.fill(NONE);
    // The rarest symbols have the longest codes.
    let mut symbols = sorted.iter();
    for length in (1..=CODE_MAX).rev() {
        for entry in symbols.by_ref().take(counts[length]) {
            if let Some(code) = codes.get_mut((entry & 0xffff) as usize) {
                code.length = length as u8;
            }
        }
    }
    number(codes, &counts);
}

/// Gives codes of the given lengths, so many of each, their numbers.
pub fn number(codes: &mut [Code], counts: &[usize; CODE_MAX + 1]) {
    let mut next = [0u16; CODE_MAX + 1];
    for length in 1..CODE_MAX {
        next[length + 1] = (next[length] + counts[length] as u16) << 1;
    }
    for code in codes.iter_mut().filter(|code| code.length > 0) {
        let length = code.length & 15;
        let number = &mut next[usize::from(length)];
        code.bits = number.reverse_bits() >> (16 - length);
        *number = number.wrapping_add(1);
    }
}

/// Shell's sort: small, and there are few symbols.
fn sort(entries: &mut [u32]) {
    for gap in [132, 57, 23, 10, 4, 1] {
        for end in gap..entries.len() {
            let mut at = end;
            while at >= gap
                && let [low, .., high] = entries.get_mut(at - gap..=at).unwrap_or_default()
                && *low > *high
            {
                core::mem::swap(low, high);
                at -= gap;
            }
        }
    }
}

/// Huffman's algorithm with two queues: how many symbols have each depth; the deepest are counted
/// with those at `limit`.
fn depths(sorted: &[u32], limit: usize) -> [usize; CODE_MAX + 1] {
    let count = sorted.len();
    // Symbols first, then inner nodes, each in the order of their weights.
    let mut weights = [0u16; NODES];
    let mut parents = [0u16; NODES];
    for (weight, entry) in weights.iter_mut().zip(sorted) {
        *weight = (entry >> 16) as u16;
    }
    let (mut leaf, mut inner) = (0, count);
    for node in count..2 * count - 1 {
        for _ in 0..2 {
            let is_leaf =
                leaf < count && (inner == node || weights[leaf % NODES] <= weights[inner % NODES]);
            let next = if is_leaf { &mut leaf } else { &mut inner };
            weights[node % NODES] += weights[*next % NODES];
            parents[*next % NODES] = node as u16;
            *next += 1;
        }
    }
    let mut counts = [0; CODE_MAX + 1];
    let mut depths = [0u8; NODES];
    for node in (0..2 * count - 2).rev() {
        depths[node % NODES] = depths[usize::from(parents[node % NODES]) % NODES].saturating_add(1);
        if node < count {
            counts[usize::from(depths[node % NODES]).min(limit) % (CODE_MAX + 1)] += 1;
        }
    }
    counts
}

/// Makes some codes longer until those that were too long have room at `limit`.
fn shorten(counts: &mut [usize; CODE_MAX + 1], limit: usize) {
    let used: usize = (1..=limit).map(|length| counts[length] << (limit - length)).sum();
    for _ in 1 << limit..used {
        counts[limit] -= 1;
        for length in (1..limit).rev() {
            if counts[length] > 0 {
                counts[length] -= 1;
                counts[length + 1] += 2;
                break;
            }
        }
    }
}
