//! Input as bits, lowest first. Knows no format.

use super::fast;
use super::table::{SECOND, Table};

/// Where bytes come from and go to. What was made before is the history that matches refer to.
pub struct Io<'a> {
    pub input: &'a [u8],
    pub at: usize,
    pub out: &'a mut [u8],
    pub made: usize,
}

/// Input that was taken and not yet used.
pub struct Bits {
    /// Above `count` there are zeros, or bits of the input that will be taken next.
    pub bits: u64,
    pub count: u32,
}

impl Bits {
    /// Takes input, 56 bits at least if there are as many.
    #[inline(always)]
    pub fn refill(&mut self, io: &mut Io) {
        if self.refill_at_once(io.input, &mut io.at) {
            return;
        }
        for byte in io.input.get(io.at..).unwrap_or_default() {
            if self.count >= 56 {
                break;
            }
            self.bits |= u64::from(*byte) << self.count;
            self.count += 8;
            io.at += 1;
        }
    }

    /// The same where there are eight bytes of input, which it says.
    #[inline(always)]
    pub fn refill_at_once(&mut self, input: &[u8], at: &mut usize) -> bool {
        let Some(next) = input.get(*at..).and_then(|rest| rest.first_chunk::<8>()) else {
            return false;
        };
        self.bits |= u64::from_le_bytes(*next) << (self.count & 63);
        *at += (63 - self.count as usize) / 8;
        self.count |= 56;
        true
    }

    #[inline(always)]
    pub fn drop(&mut self, count: u32) {
        self.bits >>= count;
        self.count -= count;
    }

    /// The next `count` bits, at most 32, if there are as many.
    #[inline(always)]
    pub fn take(&mut self, count: u32) -> Option<u64> {
        if self.count < count {
            return None;
        }
        let taken = self.bits & ((1 << count) - 1);
        self.drop(count);
        Some(taken)
    }

    /// Forgets the rest of a byte.
    pub fn align(&mut self) {
        self.drop(self.count % 8);
    }

    /// The symbol after `skipped` bits: its entry, its value, and the bits used up to its end.
    pub fn peek<const SIZE: usize>(
        &self,
        table: &Table<SIZE>,
        skipped: u32,
    ) -> Option<(u32, usize, u32)> {
        let mut used = skipped;
        let mut entry = table.first(self.bits >> used);
        if entry & SECOND == SECOND {
            used += entry & 63;
            entry = table.second(entry, self.bits >> used);
        }
        let value = fast::value(entry, self.bits >> used);
        used += entry & 63;
        (used <= self.count).then_some((entry, value, used))
    }
}
