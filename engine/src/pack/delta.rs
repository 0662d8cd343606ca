//! Deltas (gitformat-pack, "Deltified representation"): applying. Knows no entry.

use crate::error::{Error, Result};
use crate::limits::HELD_MAX;
use alloc::vec::Vec;

/// The sizes that a delta starts with, and the instructions after them.
pub struct Delta<'a> {
    pub base_size: u64,
    pub size: u64,
    pub instructions: &'a [u8],
}

/// One instruction.
#[derive(Clone, Copy)]
pub enum Step {
    /// So many bytes of the base, from an offset.
    Copy { offset: usize, size: usize },
    /// So many bytes that follow the instruction.
    Insert { size: usize },
}

/// Two sizes and an instruction that makes something (git's `DELTA_SIZE_MIN`).
const SIZE_MIN: usize = 4;

impl<'a> Delta<'a> {
    /// Reads the two sizes. `BadDelta` if `bytes` ends before them, or is shorter than any delta
    /// that git applies.
    pub fn read(bytes: &'a [u8]) -> Result<Delta<'a>> {
        if bytes.len() < SIZE_MIN {
            return Err(Error::BadDelta);
        }
        let (base_size, first) = size(bytes).ok_or(Error::BadDelta)?;
        let (size, second) = size(&bytes[first..]).ok_or(Error::BadDelta)?;
        Ok(Delta { base_size, size, instructions: &bytes[first + second..] })
    }

    /// Appends to `out` what the delta makes of `base`; at most `HELD_MAX` bytes.
    pub fn apply(&self, base: &[u8], out: &mut Vec<u8>) -> Result<()> {
        if base.len() as u64 != self.base_size || self.size > HELD_MAX as u64 {
            return Err(Error::BadDelta);
        }
        let end = out.len() as u64 + self.size;
        out.reserve(self.size as usize);
        let mut rest = self.instructions;
        while !rest.is_empty() {
            let (step, taken) = step(rest).ok_or(Error::BadDelta)?;
            rest = &rest[taken..];
            let bytes = match step {
                Step::Copy { offset, size } => {
                    base.get(offset..).and_then(|base| base.get(..size)).ok_or(Error::BadDelta)?
                }
                Step::Insert { size } => {
                    let (bytes, after) = rest.split_at_checked(size).ok_or(Error::BadDelta)?;
                    rest = after;
                    bytes
                }
            };
            if (out.len() + bytes.len()) as u64 > end {
                return Err(Error::BadDelta);
            }
            out.extend_from_slice(bytes);
        }
        if out.len() as u64 == end { Ok(()) } else { Err(Error::BadDelta) }
    }
}

/// A size: seven bits a byte, the lowest first.
fn size(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0;
    for (at, byte) in bytes.iter().enumerate().take(9) {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((value, at + 1));
        }
    }
    None
}

/// The instruction at the start of `bytes`, and the bytes that it took; `None` if it is cut short
/// or reserved.
pub fn step(bytes: &[u8]) -> Option<(Step, usize)> {
    let &code = bytes.first()?;
    if code & 0x80 == 0 {
        return (code != 0).then_some((Step::Insert { size: usize::from(code) }, 1));
    }
    let mut at = 1;
    let mut value = [0u8; 7];
    for (bit, byte) in value.iter_mut().enumerate() {
        if code >> bit & 1 != 0 {
            *byte = *bytes.get(at)?;
            at += 1;
        }
    }
    let offset = u32::from_le_bytes([value[0], value[1], value[2], value[3]]) as usize;
    let size = u32::from_le_bytes([value[4], value[5], value[6], 0]) as usize;
    Some((Step::Copy { offset, size: if size == 0 { 0x10000 } else { size } }, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(base: &[u8], delta: &[u8], expect: Result<&[u8]>) {
        let mut out = b"before".to_vec();
        let outcome = Delta::read(delta).and_then(|delta| delta.apply(base, &mut out));
        assert_eq!(outcome.map(|()| &out[6..]), expect, "{delta:?}");
    }

    #[test]
    fn copies_and_inserts() {
        check(b"hello world", &[11, 8, 0x90, 5, 3, b'!', b'!', b'!'], Ok(b"hello!!!"));
        check(b"hello world", &[11, 5, 0x91, 6, 5], Ok(b"world"));
        let base = [7; 0x10000];
        check(&base, &[0x80, 0x80, 4, 0x80, 0x80, 4, 0x80], Ok(&base));
    }

    #[test]
    fn refuses_lies_about_sizes_and_places() {
        let bad = Err(Error::BadDelta);
        check(b"hello", &[4, 1, 1, b'x'], bad);
        check(b"hello", &[5, 2, 1, b'x'], bad);
        check(b"hello", &[5, 1, 2, b'x', b'y'], bad);
        check(b"hello", &[5, 1, 0], bad);
        check(b"hello", &[5, 2, 0x91, 4, 2], bad);
        check(b"hello", &[5, 2, 0x91], bad);
        check(b"hello", &[5, 2, 2, b'x'], bad);
        check(b"hello", &[5], bad);
        // Git applies none so short.
        check(b"", &[0, 0], bad);
        check(&[7; 0x10000], &[0x80, 0x80, 4], bad);
        check(b"hello", &[0x80; 12], bad);
    }
}
