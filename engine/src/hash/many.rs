//! Ids of many small objects: SHA-1 of four at once, side by side, each with collision detection.

use super::lanes::{Four, Word};
use super::sha1;
use super::{BLOCK, Format, Header, Oid, SIZE_AT, collision, pad, put_size, sha1_block};
use crate::error::{Error, Result};
use alloc::vec;
use alloc::vec::Vec;
use core::array;

const LANES: usize = 4;

/// The ids of objects that a peer sent, each given as the name of its kind and its content.
/// Same ids as `object_id`, sooner. Best for contents of less than 64 KiB, some dozens at a time.
pub fn object_ids(format: Format, objects: &[(&str, &[u8])]) -> Result<Vec<Oid>> {
    if format != Format::Sha1 {
        return objects
            .iter()
            .map(|(kind, content)| super::object_id(format, kind, content))
            .collect();
    }
    let mut ids = vec![Oid::zero(format); objects.len()];
    let mut queue = objects.iter().zip(&mut ids).map(|((kind, content), id)| Message {
        header: Header::new(kind, content.len() as u64),
        content,
        next: 0,
        id,
    });
    let mut lanes: [Option<Message>; LANES] = [const { None }; LANES];
    let mut states = [[0; 8]; LANES];
    let mut blocks = [[0; BLOCK]; LANES];
    loop {
        let mut busy = 0;
        for ((lane, block), state) in lanes.iter_mut().zip(&mut blocks).zip(&mut states) {
            if lane.as_ref().is_none_or(Message::is_at_end) {
                if let Some(done) = lane.take() {
                    *done.id = Oid::from_words(format, state);
                }
                *lane = queue.next();
                state[..5].copy_from_slice(&sha1::START);
            }
            if let Some(message) = lane {
                message.read(block);
                busy += 1;
            }
        }
        let is_attack = match busy {
            0 => break,
            1 => lanes
                .iter()
                .zip(states.iter_mut().zip(&blocks))
                .any(|(lane, (state, block))| lane.is_some() && sha1_block(state, block, true)),
            _ => four_blocks(&mut states, &blocks),
        };
        if is_attack {
            return Err(Error::Collision);
        }
    }
    Ok(ids)
}

/// An object, padded as SHA-1 wants it.
struct Message<'a> {
    header: Header,
    content: &'a [u8],
    /// The block that is read next.
    next: usize,
    id: &'a mut Oid,
}

impl Message<'_> {
    fn size(&self) -> usize {
        self.header.size + self.content.len()
    }

    fn is_at_end(&self) -> bool {
        self.next > (self.size() + BLOCK - SIZE_AT) / BLOCK
    }

    fn read(&mut self, block: &mut [u8; BLOCK]) {
        let at = self.next * BLOCK;
        self.next += 1;
        if let Some(from) = at.checked_sub(self.header.size)
            && let Some(whole) = self.content.get(from..).and_then(|rest| rest.first_chunk())
        {
            *block = *whole;
            return;
        }
        *block = [0; BLOCK];
        let from = at.saturating_sub(self.header.size);
        let head = self.header.as_bytes().get(at..).unwrap_or_default();
        let rest = self.content.get(from..).unwrap_or_default();
        for (to, byte) in block.iter_mut().zip(head.iter().chain(rest)) {
            *to = *byte;
        }
        if let Some(end) = self.size().checked_sub(at) {
            pad(block, end);
        }
        if self.is_at_end() {
            put_size(block, self.size() as u64);
        }
    }
}

/// Takes one block of each lane and says whether one of them was made for an attack.
fn four_blocks(states: &mut [[u32; 8]; LANES], blocks: &[[u8; BLOCK]; LANES]) -> bool {
    let mut schedule = [Four::splat(0); 80];
    let words = blocks.each_ref().map(super::words);
    for (t, four) in schedule.iter_mut().take(16).enumerate() {
        *four = Four::new(words.each_ref().map(|words| words[t]));
    }
    sha1::expand(&mut schedule);
    let before = array::from_fn(|i| Four::new(states.each_ref().map(|state| state[i])));
    let after = sha1::compress(before, &schedule);
    let after = after.map(Four::words);
    let mut is_attack = false;
    for (lane, state) in states.iter_mut().enumerate() {
        let before = [state[0], state[1], state[2], state[3], state[4]];
        let after = array::from_fn(|i| after[i][lane]);
        state[..5].copy_from_slice(&after);
        let schedule = array::from_fn(|t| schedule[t].words()[lane]);
        is_attack |= collision::is_attack(&before, &after, &schedule);
    }
    is_attack
}
