//! The loop that makes nearly all bytes: symbols to literals and matches, as long as neither input
//! nor room is short. Knows no container and no block.

use super::decoder::{Bits, Codes, Io};
use super::table::{END, LITERAL, SECOND, SPECIAL};
use crate::error::{Error, Result};

/// Room for what one turn makes: two literals, the longest match, and what copying writes beyond it.
pub const ROOM: usize = 2 + 258 + STRIDE;
/// Bytes that are copied at once.
const STRIDE: usize = 16;
/// Input that one turn may read.
const INPUT: usize = 16;

/// Says whether the block has ended.
pub fn run(codes: &Codes, bits: &mut Bits, io: &mut Io) -> Result<bool> {
    let Codes { literals, distances } = codes;
    let Bits { bits: mut held, mut count } = *bits;
    let (input, out) = (io.input, &mut *io.out);
    let (mut at, mut made) = (io.at, io.made);
    macro_rules! drop {
        ($entry:expr) => {
            held >>= $entry & 63;
            count -= $entry & 63;
        };
    }
    macro_rules! refill {
        () => {
            let Some(next) = input.get(at..).and_then(|rest| rest.first_chunk::<8>()) else {
                return Err(Error::BadZlib);
            };
            held |= u64::from_le_bytes(*next) << (count & 63);
            at += (63 - count as usize) / 8;
            count |= 56;
        };
    }
    macro_rules! put {
        ($entry:expr) => {
            if let Some(place) = out.get_mut(made) {
                *place = ($entry >> 16) as u8;
            }
            made += 1;
            drop!($entry);
        };
    }
    let mut is_end = false;
    while input.len().saturating_sub(at) >= INPUT && out.len().saturating_sub(made) >= ROOM {
        refill!();
        // Three literals of the first part are 30 bits; after two, 36 bits are left.
        let mut entry = literals.first(held);
        if entry & LITERAL != 0 {
            put!(entry);
            entry = literals.first(held);
            if entry & LITERAL != 0 {
                put!(entry);
                entry = literals.first(held);
                if entry & LITERAL != 0 {
                    put!(entry);
                    continue;
                }
            }
        }
        if entry & SPECIAL != 0 {
            if entry & SECOND == SECOND {
                drop!(entry);
                entry = literals.second(entry, held);
                if entry & LITERAL != 0 {
                    put!(entry);
                    continue;
                }
            }
            if entry & SPECIAL != 0 {
                if entry & END != END {
                    return Err(Error::BadZlib);
                }
                drop!(entry);
                is_end = true;
                break;
            }
        }
        let length = value(entry, held);
        drop!(entry);
        refill!();
        let mut entry = distances.first(held);
        if entry & SPECIAL != 0 {
            if entry & SECOND == SECOND {
                drop!(entry);
                entry = distances.second(entry, held);
            }
            if entry & SPECIAL != 0 {
                return Err(Error::BadZlib);
            }
        }
        let distance = value(entry, held);
        drop!(entry);
        if distance > made {
            return Err(Error::BadZlib);
        }
        if distance >= STRIDE {
            // Writes beyond the match, which is written over later.
            let (mut from, mut to) = (made - distance, made);
            made += length;
            while to < made {
                copy_stride(out, from, to);
                from += STRIDE;
                to += STRIDE;
            }
        } else {
            copy(out, made, distance, length);
            made += length;
        }
    }
    *bits = Bits { bits: held, count };
    io.at = at;
    io.made = made;
    Ok(is_end)
}

#[inline(always)]
fn copy_stride(out: &mut [u8], from: usize, to: usize) {
    let Some(bytes) = out.get(from..).and_then(|rest| rest.first_chunk::<STRIDE>()) else {
        return;
    };
    let bytes = *bytes;
    if let Some(place) = out.get_mut(to..).and_then(|rest| rest.first_chunk_mut::<STRIDE>()) {
        *place = bytes;
    }
}

/// Copies `length` bytes from `distance` before `made`; they may overlap what they make.
pub fn copy(out: &mut [u8], made: usize, distance: usize, length: usize) {
    let from = made.wrapping_sub(distance);
    if let Some(bytes) = out.get_mut(from..made + length) {
        for i in distance..bytes.len() {
            bytes[i] = bytes[i - distance];
        }
    }
}

/// A length or a distance: the least, and the extra bits after the code.
#[inline(always)]
pub fn value(entry: u32, bits: u64) -> usize {
    let taken = bits as u32 & ((1 << (entry & 31)) - 1);
    (entry >> 16) as usize + (taken >> (entry >> 8 & 15)) as usize
}
