//! SHA-1 (FIPS 180-4, 6.1) of one block, forward and backward. Knows no stream.

/// The state before the first block.
pub const START: [u32; 5] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0];

/// The words of a block.
pub type Block = [u32; 16];
/// A block's words, expanded: one for each step.
pub type Schedule = [u32; 80];
/// The words of the steps from `MIDDLE`: those that collision detection looks at first.
pub type Middle = [u32; 36];
pub const MIDDLE: usize = 32;

fn choose(b: u32, c: u32, d: u32) -> u32 {
    d ^ (b & (c ^ d))
}

fn parity(b: u32, c: u32, d: u32) -> u32 {
    b ^ c ^ d
}

/// The two terms have no bit in common, so a sum does for their union.
fn majority(b: u32, c: u32, d: u32) -> u32 {
    (b & c).wrapping_add(d & (b ^ c))
}

/// What a step adds.
macro_rules! sum {
    ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident) => {
        $f($b, $c, $d).wrapping_add($k).wrapping_add($word).wrapping_add($a.rotate_left(5))
    };
}

/// One step; the registers change their names, not their places.
macro_rules! step {
    ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident) => {
        $e = $e.wrapping_add(sum!($f, $k, $word, $a, $b, $c, $d));
        $b = $b.rotate_left(30);
    };
}

/// The state after a block; `middle` becomes a part of its schedule.
#[inline(always)]
pub fn compress(state: [u32; 5], block: &Block, middle: &mut Middle) -> [u32; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    let mut ring = *block;
    // All indices are known to the compiler: the ring is kept in registers.
    macro_rules! word {
        ($t:expr) => {{
            const T: usize = $t;
            if T >= 16 {
                let sum = ring[(T + 13) % 16] ^ ring[(T + 8) % 16] ^ ring[(T + 2) % 16];
                ring[T % 16] = (sum ^ ring[T % 16]).rotate_left(1);
            }
            if let Some(kept) = middle.get_mut(T.wrapping_sub(MIDDLE)) {
                *kept = ring[T % 16];
            }
            ring[T % 16]
        }};
    }
    macro_rules! twenty {
        ($f:ident, $k:expr, $($t:literal)*) => {
            $(
                step!($f, $k, word!($t), a, b, c, d, e);
                step!($f, $k, word!($t + 1), e, a, b, c, d);
                step!($f, $k, word!($t + 2), d, e, a, b, c);
                step!($f, $k, word!($t + 3), c, d, e, a, b);
                step!($f, $k, word!($t + 4), b, c, d, e, a);
            )*
        };
    }
    twenty!(choose, 0x5a827999, 0 5 10 15);
    twenty!(parity, 0x6ed9eba1, 20 25 30 35);
    twenty!(majority, 0x8f1bbcdc, 40 45 50 55);
    twenty!(parity, 0xca62c1d6, 60 65 70 75);
    add(state, [a, b, c, d, e])
}

/// Expands a block.
pub fn expand(block: &Block) -> Schedule {
    let mut words = [0; 80];
    words[..16].copy_from_slice(block);
    for t in 16..80 {
        words[t] = (words[t - 3] ^ words[t - 8] ^ words[t - 14] ^ words[t - 16]).rotate_left(1);
    }
    words
}

/// Takes the state from before one step to before another, both given in fives.
#[inline(never)]
pub fn steps(state: [u32; 5], words: &Schedule, from: usize, to: usize) -> [u32; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    let (fives, _) = words.as_chunks::<5>();
    macro_rules! twenty {
        ($f:ident, $k:expr, $first:expr) => {
            let range = from.clamp($first, $first + 4)..to.clamp($first, $first + 4);
            for five in fives.get(range).unwrap_or_default() {
                step!($f, $k, five[0], a, b, c, d, e);
                step!($f, $k, five[1], e, a, b, c, d);
                step!($f, $k, five[2], d, e, a, b, c);
                step!($f, $k, five[3], c, d, e, a, b);
                step!($f, $k, five[4], b, c, d, e, a);
            }
        };
    }
    twenty!(choose, 0x5a827999, 0);
    twenty!(parity, 0x6ed9eba1, 4);
    twenty!(majority, 0x8f1bbcdc, 8);
    twenty!(parity, 0xca62c1d6, 12);
    [a, b, c, d, e]
}

/// What the state was before the first step, if it is `state` before step `from`, given in fives.
pub fn steps_back(state: [u32; 5], words: &Schedule, from: usize) -> [u32; 5] {
    let [mut a, mut b, mut c, mut d, mut e] = state;
    let (fives, _) = words.as_chunks::<5>();
    macro_rules! back {
        ($f:ident, $k:expr, $word:expr, $a:ident, $b:ident, $c:ident, $d:ident, $e:ident) => {
            $b = $b.rotate_right(30);
            $e = $e.wrapping_sub(sum!($f, $k, $word, $a, $b, $c, $d));
        };
    }
    macro_rules! twenty {
        ($f:ident, $k:expr, $first:expr) => {
            for five in
                fives.get($first..from.clamp($first, $first + 4)).unwrap_or_default().iter().rev()
            {
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
pub fn add(one: [u32; 5], other: [u32; 5]) -> [u32; 5] {
    core::array::from_fn(|i| one[i].wrapping_add(other[i]))
}
