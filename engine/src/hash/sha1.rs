//! SHA-1 (FIPS 180-4, 6.1) of a block, or of several side by side; forward and backward. Knows no
//! stream.

use super::four::Four;

/// The state before the first block.
pub const START: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

/// A block's words, expanded: one for each step.
pub type Schedule<W = u32> = [W; 80];

/// A word of one message, or one each of several messages side by side.
pub trait Word: Copy {
    fn of(word: u32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn rotate<const LEFT: u32>(self) -> Self;
}

impl Word for u32 {
    #[inline(always)]
    fn of(word: u32) -> u32 {
        word
    }

    #[inline(always)]
    fn plus(self, other: u32) -> u32 {
        self.wrapping_add(other)
    }

    #[inline(always)]
    fn and(self, other: u32) -> u32 {
        self & other
    }

    #[inline(always)]
    fn xor(self, other: u32) -> u32 {
        self ^ other
    }

    #[inline(always)]
    fn rotate<const LEFT: u32>(self) -> u32 {
        self.rotate_left(LEFT)
    }
}

#[inline(always)]
fn choose<W: Word>(b: W, c: W, d: W) -> W {
    d.xor(b.and(c.xor(d)))
}

#[inline(always)]
fn parity<W: Word>(b: W, c: W, d: W) -> W {
    b.xor(c).xor(d)
}

/// The two terms have no bit in common, so a sum does for their union.
#[inline(always)]
fn majority<W: Word>(b: W, c: W, d: W) -> W {
    b.and(c).plus(d.and(b.xor(c)))
}

/// What a step adds.
macro_rules! sum {
    ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident) => {
        $f($b, $c, $d).plus($k.plus($word)).plus($a.rotate::<5>())
    };
}

/// One step; the registers change their names, not their places.
macro_rules! step {
    ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident) => {
        $e = $e.plus(sum!($f, $k, $word, $a, $b, $c, $d));
        $b = $b.rotate::<30>();
    };
}

/// Makes the words after the first sixteen, which are a block's.
#[inline(always)]
pub fn expand<W: Word>(words: &mut Schedule<W>) {
    for t in 16..80 {
        let sum = words[t - 3].xor(words[t - 8]).xor(words[t - 14]).xor(words[t - 16]);
        words[t] = sum.rotate::<1>();
    }
}

/// The words of one message's block, expanded four by four.
#[inline(always)]
pub fn schedule(block: &[u8; 64]) -> [Four; 20] {
    let zero = Four::of(0);
    let mut words = [zero; 20];
    for (words, quarter) in words.iter_mut().zip(block.as_chunks().0) {
        *words = Four::read(quarter);
    }
    for at in 4..20 {
        let (a, b, c, d) = (words[at - 4], words[at - 3], words[at - 2], words[at - 1]);
        let sum = a.xor(a.slide::<2>(b)).xor(c).xor(d.slide::<1>(zero)).rotate::<1>();
        // The fourth word depends on the first: all but its share of that is there.
        words[at] = sum.xor(zero.slide::<1>(sum).rotate::<1>());
    }
    words
}

/// The same, one by one.
pub fn words(schedule: &[Four; 20]) -> Schedule {
    let mut words = [0; 80];
    for (words, four) in words.as_chunks_mut().0.iter_mut().zip(schedule) {
        *words = four.words();
    }
    words
}

/// The state after a block.
#[inline(always)]
pub fn compress<W: Word>(state: [W; 5], words: &Schedule<W>) -> [W; 5] {
    add(state, steps(state, words, 0, 16))
}

/// `steps` of one message.
#[inline(never)]
pub fn steps_alone(state: [u32; 5], words: &Schedule, from: usize, to: usize) -> [u32; 5] {
    steps(state, words, from, to)
}

/// Takes the state from before one step to before another, both given in fives.
#[inline(always)]
pub fn steps<W: Word>(state: [W; 5], words: &Schedule<W>, from: usize, to: usize) -> [W; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    let (fives, _) = words.as_chunks::<5>();
    macro_rules! twenty {
        ($f:ident, $k:expr, $first:expr) => {
            let range = from.clamp($first, $first + 4)..to.clamp($first, $first + 4);
            for five in fives.get(range).unwrap_or_default() {
                step!($f, W::of($k), five[0], a, b, c, d, e);
                step!($f, W::of($k), five[1], e, a, b, c, d);
                step!($f, W::of($k), five[2], d, e, a, b, c);
                step!($f, W::of($k), five[3], c, d, e, a, b);
                step!($f, W::of($k), five[4], b, c, d, e, a);
            }
        };
    }
    twenty!(choose, 0x5a827999, 0);
    twenty!(parity, 0x6ed9eba1, 4);
    twenty!(majority, 0x8f1bbcdc, 8);
    twenty!(parity, 0xca62c1d6, 12);
    [a, b, c, d, e]
}

/// What the state was before step `to`, if it is `state` before step `from`, both given in fives.
#[inline(never)]
pub fn steps_back(state: [u32; 5], words: &Schedule, from: usize, to: usize) -> [u32; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    let (fives, _) = words.as_chunks::<5>();
    macro_rules! back {
        ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident) => {
            $b = $b.rotate_right(30);
            $e = $e.wrapping_sub(sum!($f, u32::of($k), $word, $a, $b, $c, $d));
        };
    }
    macro_rules! twenty {
        ($f:ident, $k:expr, $first:expr) => {
            let range = to.clamp($first, $first + 4)..from.clamp($first, $first + 4);
            for five in fives.get(range).unwrap_or_default().iter().rev() {
                back!($f, $k, five[4], b, c, d, e, a);
                back!($f, $k, five[3], c, d, e, a, b);
                back!($f, $k, five[2], d, e, a, b, c);
                back!($f, $k, five[1], e, a, b, c, d);
                back!($f, $k, five[0], a, b, c, d, e);
            }
        };
    }
    twenty!(parity, 0xca62c1d6, 12);
    twenty!(majority, 0x8f1bbcdc, 8);
    twenty!(parity, 0x6ed9eba1, 4);
    twenty!(choose, 0x5a827999, 0);
    [a, b, c, d, e]
}

#[inline(always)]
pub fn add<W: Word>(one: [W; 5], other: [W; 5]) -> [W; 5] {
    let ([a, b, c, d, e], [v, w, x, y, z]) = (one, other);
    [a.plus(v), b.plus(w), c.plus(x), d.plus(y), e.plus(z)]
}

pub fn subtract(one: [u32; 5], other: [u32; 5]) -> [u32; 5] {
    let ([a, b, c, d, e], [v, w, x, y, z]) = (one, other);
    let less = u32::wrapping_sub;
    [less(a, v), less(b, w), less(c, x), less(d, y), less(e, z)]
}
