//! Finds blocks that were made to collide under SHA-1: M. Stevens, "Counter-cryptanalysis" (CRYPTO
//! 2013), made fast as in M. Stevens and D. Shumow, "Speeding up detection of SHA-1 collision
//! attacks using unavoidable attack conditions" (USENIX Security 2017). The same 32 disturbance
//! vectors as sha1collisiondetection, which git uses.
//!
//! Every known attack changes a message along one of few disturbance vectors, which gives the other
//! message: the two states are equal in the middle, so from there the other message is computed
//! backward and forward. If it leads to the same end, the block is one of a colliding pair.

use super::four::Four;
use super::sha1::{Schedule, Word, add, steps_alone, steps_back, subtract};

/// A disturbance vector: type I or II, and its two parameters.
struct Vector {
    kind: u8,
    k: u8,
    b: u8,
}

const fn one(k: u8, b: u8) -> Vector {
    Vector { kind: 1, k, b }
}

const fn two(k: u8, b: u8) -> Vector {
    Vector { kind: 2, k, b }
}

/// The bits of a mask are the vectors, in this order.
static VECTORS: [Vector; 32] = [
    one(43, 0),
    one(44, 0),
    one(45, 0),
    one(46, 0),
    one(46, 2),
    one(47, 0),
    one(47, 2),
    one(48, 0),
    one(48, 2),
    one(49, 0),
    one(49, 2),
    one(50, 0),
    one(50, 2),
    one(51, 0),
    one(51, 2),
    one(52, 0),
    two(45, 0),
    two(46, 0),
    two(46, 2),
    two(47, 0),
    two(48, 0),
    two(49, 0),
    two(49, 2),
    two(50, 0),
    two(50, 2),
    two(51, 0),
    two(51, 2),
    two(52, 0),
    two(53, 0),
    two(54, 0),
    two(55, 0),
    two(56, 0),
];

/// Whether the block of these words, which took the state from `before` to `after`, is one of a
/// colliding pair along one of the suspected vectors. One block in fourteen has some by chance.
#[cold]
#[inline(never)]
pub fn is_attack(suspects: u32, before: [u32; 5], after: [u32; 5], words: &Schedule) -> bool {
    let end = subtract(after, before);
    let mut rest = suspects;
    while rest != 0 {
        let vector = &VECTORS[rest.trailing_zeros() as usize];
        rest &= rest - 1;
        // Both messages have the same state before the steps k + 5 (type II: k + 9) to k + 15.
        let middle = (usize::from(vector.k) + 15) / 5;
        let other = &vector.other(words);
        let state = steps_back(end, words, 16, middle);
        if add(steps_back(state, other, middle, 0), steps_alone(state, other, middle, 16)) == after
        {
            return true;
        }
    }
    false
}

impl Vector {
    /// The schedule of the other message.
    fn other(&self, words: &Schedule) -> Schedule {
        let differences = DIFFERENCES.get(usize::from(self.kind - 1)).unwrap_or(&DIFFERENCES[0]);
        let shifted = differences.iter().skip(K_MAX - usize::from(self.k));
        let mut other = *words;
        for (word, difference) in other.iter_mut().zip(shifted) {
            *word ^= difference.rotate_left(u32::from(self.b));
        }
        other
    }
}

/// The greatest `k` of a vector.
const K_MAX: usize = 56;

/// How the schedules of the two messages differ, for both types of vectors with `k` = `K_MAX` and
/// `b` = 0: the other vectors' are the same, shifted by steps and rotated.
static DIFFERENCES: [[u32; DIFFERENCES_SIZE]; 2] = [differences(1), differences(2)];
/// Enough to be shifted by the smallest `k`.
const DIFFERENCES_SIZE: usize = 80 + K_MAX - 43;

const fn differences(kind: u8) -> [u32; DIFFERENCES_SIZE] {
    // The disturbances, those of five steps before the first included.
    const BEFORE: usize = 5;
    const K: usize = K_MAX + BEFORE;
    let mut dist = [0u32; DIFFERENCES_SIZE + BEFORE];
    dist[K + 15] = 1;
    if kind == 2 {
        dist[K + 1] = 1 << 31;
        dist[K + 3] = 1 << 31;
    }
    let mut t = K + 16;
    while t < dist.len() {
        dist[t] = (dist[t - 3] ^ dist[t - 8] ^ dist[t - 14] ^ dist[t - 16]).rotate_left(1);
        t += 1;
    }
    t = K;
    while t > 0 {
        t -= 1;
        dist[t] = dist[t + 16].rotate_right(1) ^ dist[t + 13] ^ dist[t + 8] ^ dist[t + 2];
    }
    // Each disturbance is corrected in the five steps after it.
    let mut differences = [0; DIFFERENCES_SIZE];
    t = 0;
    while t < differences.len() {
        differences[t] = dist[t + 5]
            ^ dist[t + 4].rotate_left(5)
            ^ dist[t + 3]
            ^ (dist[t + 2] ^ dist[t + 1] ^ dist[t]).rotate_left(30);
        t += 1;
    }
    differences
}

/// The vectors' unavoidable conditions: relations of two bits of a block's schedule each. For each
/// of four steps in a row: the vectors that are ruled out unless bit `p` of `words[i]` and bit `q`
/// of `words[j]` are equal (0) or differ (1), as `i p, j q, 1`. Conditions that rule out less than
/// it costs to compute them are left out; with these, blocks of zeros meet none.
macro_rules! conditions {
    ($then:ident) => {
        $then! {
            35 0, 40 30, 1: [0, 0x00400000, 0x01000000, 0x04000000];
            43 1, 45 1, 1: [0, 0, 0x01000000, 0x04000000];
            44 1, 48 1, 1: [0, 0, 0, 0x00040000];
            49 1, 53 1, 1: [0, 0x00400000, 0x01000000, 0x04000000];
            40 1, 48 1, 1: [0, 0, 0x00000400, 0x00001000];
            35 1, 36 6, 1: [0x00000410, 0x00041040, 0x00004100, 0];
            38 1, 39 6, 1: [0, 0x00401010, 0x01004040, 0x04040100];
            60 1, 61 6, 1: [0, 0x00000001, 0x00000002, 0x00010004];
            60 2, 61 7, 1: [0, 0x00040010, 0x00000040, 0x00000100];
            37 4, 39 4, 1: [0x50000001, 0xa0000002, 0x40000005, 0x8000000a];
            37 4, 40 29, 0: [0x50020021, 0xa0080082, 0x40100205, 0x8020080a];
            41 4, 44 29, 0: [0x00812025, 0x0202808a, 0x08080225, 0x1010088a];
            45 4, 48 29, 0: [0x20202224, 0x40808888, 0x82012220, 0x08028880];
            49 4, 52 29, 0: [0x10092200, 0x20128800, 0x40282000, 0x80908000];
            53 4, 56 29, 0: [0x02200000, 0x08800000, 0x12000000, 0x28000000];
            35 4, 39 29, 0: [0x00080084, 0x00110208, 0x00200800, 0x00802000];
            39 4, 43 29, 0: [0x02008000, 0x08000000, 0x10000000, 0x20000000];
            35 5, 39 30, 0: [0x00004000, 0, 0x00400000, 0x01000000];
            39 6, 40 1, 0: [0x00000400, 0x00401000, 0x01004000, 0x04040000];
            45 6, 46 1, 0: [0x00400000, 0x01000010, 0x04000040, 0x00000100];
            48 6, 49 1, 0: [0, 0x00000400, 0x00041000, 0x00004000];
            52 6, 53 1, 0: [0, 0x00400000, 0x01000000, 0x04000000];
            38 6, 40 6, 0: [0, 0, 0x00000010, 0x00000040];
            42 6, 44 6, 0: [0x00000110, 0x00000440, 0x00001110, 0x00004440];
            46 6, 48 6, 0: [0x00001100, 0x00004400, 0x00041000, 0x00004000];
            50 6, 52 6, 0: [0, 0x00400000, 0x01000000, 0x04000000];
            39 29, 40 29, 0: [0, 0x800a00a2, 0x00180284, 0x00300a08];
            43 29, 44 29, 0: [0x00a12820, 0x0283a080, 0x0a0a8200, 0x18180801];
            47 29, 48 29, 0: [0x30302002, 0x60a08004, 0xc2810008, 0x8a020020];
            51 29, 52 29, 0: [0x18080080, 0x30110200, 0x60220800, 0xc0882000];
            55 29, 56 29, 0: [0x82108000, 0x08200000, 0x10800000, 0x22000000];
            44 29, 46 29, 1: [0x00000025, 0x0000008a, 0x00000224, 0x00000888];
            49 29, 52 29, 1: [0, 0, 0x000a0800, 0x00182000];
            53 29, 56 29, 1: [0x00308000, 0x00a00000, 0x02800000, 0x0a000000];
        }
    };
}

/// How the two bits of each condition are, as a mask of all bits or none.
macro_rules! differ {
    ($one:expr, $p:literal, $other:expr, $q:literal) => {
        $one.left::<{ 31 - $p }>().xor($other.left::<{ 31 - $q }>()).spread_sign()
    };
}

/// Which vectors' conditions a block meets, by its schedule.
#[inline(never)]
pub fn suspects(words: &[Four; 20]) -> u32 {
    let mut ruled_out = Four::of(0);
    macro_rules! rule_out {
        ($($i:literal $p:literal, $j:literal $q:literal, $differ:literal: $masks:expr;)*) => {
            $(
                let (one, other) = (from::<$i>(words), from::<$j>(words));
                let (differ, masks) = (differ!(one, $p, other, $q), Four::new($masks));
                ruled_out = ruled_out.or(if $differ == 0 {
                    masks.and(differ)
                } else {
                    masks.and_not(differ)
                });
            )*
        };
    }
    conditions!(rule_out);
    let [a, b, c, d] = ruled_out.words();
    !(a | b | c | d)
}

/// The same of four blocks side by side.
#[inline(always)]
pub fn suspects_of_four(schedule: &Schedule<Four>) -> [u32; 4] {
    let mut ruled_out = Four::of(0);
    for (t, masks) in MASKS.iter().enumerate() {
        let Some(words) = schedule.get(t..t + SPAN) else { continue };
        let mut masks = masks.iter();
        macro_rules! rule_out {
            ($($i:literal $p:literal, $j:literal $q:literal, $differ:literal: $masks:expr;)*) => {
                $(
                    let differ = differ!(words[$i], $p, words[$j], $q);
                    let mask = Four::of(masks.next().copied().unwrap_or(0));
                    ruled_out = ruled_out.or(if $differ == 0 {
                        mask.and(differ)
                    } else {
                        mask.and_not(differ)
                    });
                )*
            };
        }
        conditions!(rule_out);
    }
    ruled_out.words().map(|word| !word)
}

/// Words that the conditions look at, from the first step.
const SPAN: usize = 62;

macro_rules! masks {
    ($($i:literal $p:literal, $j:literal $q:literal, $differ:literal: $masks:expr;)*) => {
        [$($masks),*]
    };
}

const CONDITIONS: usize = 34;
const MASKS_BY_CONDITION: [[u32; 4]; CONDITIONS] = conditions!(masks);

/// What each condition rules out, for each of the four steps.
static MASKS: [[u32; CONDITIONS]; 4] = {
    let mut masks = [[0; CONDITIONS]; 4];
    let mut at = 0;
    while at < 4 * CONDITIONS {
        masks[at % 4][at / 4] = MASKS_BY_CONDITION[at / 4][at % 4];
        at += 1;
    }
    masks
};

/// The four words from `AT`.
#[inline(always)]
fn from<const AT: usize>(words: &[Four; 20]) -> Four {
    let (one, next) = (words[AT / 4], words[(AT / 4 + 1).min(19)]);
    match AT % 4 {
        0 => one,
        1 => one.slide::<1>(next),
        2 => one.slide::<2>(next),
        _ => one.slide::<3>(next),
    }
}

#[cfg(test)]
mod tests {
    use super::super::sha1::schedule;
    use super::*;

    /// Else files of zeros would be hashed several times slower than others.
    #[test]
    fn few_blocks_of_one_byte_alone_are_suspects() {
        let is_suspect = |byte: &u8| suspects(&schedule(&[*byte; 64])) != 0;
        assert!(!is_suspect(&0) && !is_suspect(&b' ') && !is_suspect(&0xff));
        assert!((0..=255).filter(is_suspect).count() < 20);
    }
}
