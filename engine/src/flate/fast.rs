//! The loop that makes nearly all bytes: symbols to literals and matches, while neither input nor
//! room is short. Knows no container and no block.

use super::bits::{Bits, Io};
use super::decoder::Codes;
use super::table::{END, LITERAL, SECOND, SPECIAL};
use crate::error::{Error, Result};

/// Room for what one turn makes: two literals, the longest match, and what is written beyond it.
pub const ROOM: usize = 2 + 258 + STRIDE;
/// Bytes that are copied at once.
const STRIDE: usize = 16;
/// Input that one turn may read.
const INPUT: usize = 16;

/// Says whether the block has ended.
pub fn run(codes: &Codes, held: &mut Bits, io: &mut Io) -> Result<bool> {
    // Copies, so that the compiler keeps them in registers.
    let mut bits = Bits { ..*held };
    let (input, out) = (io.input, &mut *io.out);
    let (mut at, mut made) = (io.at, io.made);
    let mut is_end = false;
    'turns: while input.len().saturating_sub(at) >= INPUT && out.len().saturating_sub(made) >= ROOM
    {
        bits.refill_at_once(input, &mut at);
        let mut entry = codes.literals.first(bits.bits);
        // Three literals of the first part are 30 bits; after two, 36 bits are left.
        for turn in 0..3 {
            if entry & LITERAL == 0 {
                break;
            }
            put(out, &mut made, entry);
            bits.drop(entry & 63);
            if turn == 2 {
                continue 'turns;
            }
            entry = codes.literals.first(bits.bits);
        }
        if entry & SECOND == SECOND {
            bits.drop(entry & 63);
            entry = codes.literals.second(entry, bits.bits);
            if entry & LITERAL != 0 {
                put(out, &mut made, entry);
                bits.drop(entry & 63);
                continue;
            }
        }
        if entry & SPECIAL != 0 {
            bits.drop(entry & 63);
            is_end = entry & END == END;
            if is_end {
                break;
            }
            return Err(Error::BadZlib);
        }
        let length = value(entry, bits.bits);
        bits.drop(entry & 63);
        bits.refill_at_once(input, &mut at);
        let mut entry = codes.distances.first(bits.bits);
        if entry & SECOND == SECOND {
            bits.drop(entry & 63);
            entry = codes.distances.second(entry, bits.bits);
        }
        let distance = value(entry, bits.bits);
        bits.drop(entry & 63);
        if entry & SPECIAL != 0 || distance > made {
            return Err(Error::BadZlib);
        }
        copy_roughly(out, made, distance, length);
        made += length;
    }
    *held = bits;
    io.at = at;
    io.made = made;
    Ok(is_end)
}

#[inline(always)]
fn put(out: &mut [u8], made: &mut usize, entry: u32) {
    if let Some(place) = out.get_mut(*made) {
        *place = (entry >> 16) as u8;
    }
    *made += 1;
}

/// Copies a match; may write beyond it, where something will be written over it.
#[inline(always)]
fn copy_roughly(out: &mut [u8], made: usize, distance: usize, length: usize) {
    if distance < STRIDE {
        return copy(out, made, distance, length);
    }
    let (mut from, mut to) = (made - distance, made);
    while to < made + length {
        copy_stride(out, from, to);
        from += STRIDE;
        to += STRIDE;
    }
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
