//! SHA-1 (FIPS 180-4, 6.1) of one block, or of four blocks side by side. Knows no stream.

use super::lanes::Word;

/// The state before the first block.
pub const START: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

/// A block's words, expanded: one for each step.
pub type Schedule<W> = [W; 80];

/// Expands the block whose words start the schedule.
#[inline(always)]
pub fn expand<W: Word>(words: &mut Schedule<W>) {
    for t in 16..32 {
        let sum = words[t - 3].xor(words[t - 8]).xor(words[t - 14]).xor(words[t - 16]);
        words[t] = sum.rotate::<1>();
    }
    // The same recurrence applied twice: it reaches back at least six words, so that four at a time
    // do not wait for each other.
    for t in (32..80).step_by(4) {
        for t in t..t + 4 {
            let sum = words[t - 6].xor(words[t - 16]).xor(words[t - 28]).xor(words[t - 32]);
            words[t] = sum.rotate::<2>();
        }
    }
}

fn choose<W: Word>(b: W, c: W, d: W) -> W {
    d.xor(b.and(c.xor(d)))
}

fn parity<W: Word>(b: W, c: W, d: W) -> W {
    b.xor(c).xor(d)
}

/// The two terms have no bit in common, so a sum does for their union.
fn majority<W: Word>(b: W, c: W, d: W) -> W {
    b.and(c).plus(d.and(b.xor(c)))
}

/// One step; the registers change their names, not their places.
macro_rules! step {
    ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident) => {
        $e = $e.plus($word).plus($k).plus($a.rotate::<5>()).plus($f($b, $c, $d));
        $b = $b.rotate::<30>();
    };
}

/// Takes the state from before step `from` to before step `to`; both are multiples of five.
#[inline(always)]
pub fn steps<W: Word>(state: [W; 5], words: &Schedule<W>, from: usize, to: usize) -> [W; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    let (fives, _) = words.as_chunks::<5>();
    macro_rules! twenty {
        ($first:expr, $f:ident, $k:expr) => {
            let (low, high) = ($first / 5, $first / 5 + 4);
            let k = W::splat($k);
            let range = (from / 5).clamp(low, high)..(to / 5).clamp(low, high);
            for five in fives.get(range).unwrap_or_default() {
                step!($f, k, five[0], a, b, c, d, e);
                step!($f, k, five[1], e, a, b, c, d);
                step!($f, k, five[2], d, e, a, b, c);
                step!($f, k, five[3], c, d, e, a, b);
                step!($f, k, five[4], b, c, d, e, a);
            }
        };
    }
    twenty!(0, choose, 0x5a827999);
    twenty!(20, parity, 0x6ed9eba1);
    twenty!(40, majority, 0x8f1bbcdc);
    twenty!(60, parity, 0xca62c1d6);
    [a, b, c, d, e]
}

/// The state after a block whose schedule is expanded.
#[inline(always)]
pub fn compress<W: Word>(state: [W; 5], words: &Schedule<W>) -> [W; 5] {
    add(state, steps(state, words, 0, 80))
}

#[inline(always)]
pub fn add<W: Word>(one: [W; 5], other: [W; 5]) -> [W; 5] {
    core::array::from_fn(|i| one[i].plus(other[i]))
}

/// What the state was before the first step, if it is `state` before step `from`.
pub fn steps_back(state: [u32; 5], words: &Schedule<u32>, from: usize) -> [u32; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    for (t, word) in words.iter().enumerate().take(from).rev() {
        let last = a;
        (a, b, c, d) = (b, c.rotate_right(30), d, e);
        let (f, k) = match t / 20 {
            0 => (choose(b, c, d), 0x5a827999),
            1 => (parity(b, c, d), 0x6ed9eba1),
            2 => (majority(b, c, d), 0x8f1bbcdc),
            _ => (parity(b, c, d), 0xca62c1d6u32),
        };
        e = last.wrapping_sub(a.rotate_left(5)).wrapping_sub(f).wrapping_sub(k).wrapping_sub(*word);
    }
    [a, b, c, d, e]
}
