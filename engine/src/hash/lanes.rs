//! SHA-1 of four messages side by side, with collision detection: most objects are small, and there
//! are many. Knows no other hash function.

use super::four::Four;
use super::sha1::{self, Schedule, Word};
use super::{BLOCK, Format, Oid, collision, sha1_block};
use crate::error::{Error, Result};

/// A message on its way through.
struct Lane<'a> {
    /// Its place among the messages.
    index: usize,
    /// Those that were not taken yet.
    blocks: &'a [[u8; BLOCK]],
    is_attack: bool,
}

/// As `hash::ids`.
pub fn ids(messages: &[&[u8]], each: &mut dyn FnMut(usize, Result<Oid>)) {
    let mut lanes = [const { Lane { index: 0, blocks: &[], is_attack: false } }; 4];
    let mut state = [Four::of(0); 5];
    let mut schedule = [Four::of(0); 80];
    let mut next = messages.iter().enumerate();
    loop {
        for (number, lane) in lanes.iter_mut().enumerate() {
            if lane.blocks.is_empty()
                && let Some((index, message)) = next.next()
            {
                *lane = Lane { index, blocks: message.as_chunks().0, is_attack: false };
                for (word, start) in state.iter_mut().zip(sha1::START) {
                    *word = word.with(number, start);
                }
            }
        }
        match lanes.iter().filter(|lane| !lane.blocks.is_empty()).count() {
            0 => return,
            1 => break,
            _ => step(&mut lanes, &mut state, &mut schedule),
        }
        for (number, lane) in lanes.iter_mut().enumerate() {
            let Some((_, rest)) = lane.blocks.split_first() else { continue };
            lane.blocks = rest;
            if rest.is_empty() {
                lane.tell(&word_of(&state, number), each);
            }
        }
    }
    // The last one is faster alone.
    for (number, lane) in lanes.iter_mut().enumerate().filter(|(_, lane)| !lane.blocks.is_empty()) {
        let mut state = word_of(&state, number);
        for block in lane.blocks {
            lane.is_attack |= sha1_block(&mut state, block, true);
        }
        lane.tell(&state, each);
    }
}

impl Lane<'_> {
    /// Tells the message's id, which is the state at its end.
    fn tell(&self, state: &[u32; 5], each: &mut dyn FnMut(usize, Result<Oid>)) {
        let oid = Oid::from_words(Format::Sha1, state);
        each(self.index, if self.is_attack { Err(Error::Collision) } else { Ok(oid) });
    }
}

/// One message's state.
fn word_of(state: &[Four; 5], number: usize) -> [u32; 5] {
    state.map(|word| word.words()[number])
}

/// Takes one block of each message. Written so that the compiler copies no array: that would cost
/// as much as a part of the hash function.
#[inline(always)]
fn step(lanes: &mut [Lane<'_>; 4], state: &mut [Four; 5], schedule: &mut Schedule<Four>) {
    let [a, b, c, d] = &*lanes;
    let blocks = [first(a), first(b), first(c), first(d)];
    for (at, words) in schedule.as_chunks_mut::<4>().0.iter_mut().take(4).enumerate() {
        let [a, b, c, d] = blocks;
        [words[0], words[1], words[2], words[3]] =
            Four::transpose([quarter(a, at), quarter(b, at), quarter(c, at), quarter(d, at)]);
    }
    sha1::expand(schedule);
    let [a, b, c, d, e] = *state;
    let before = [a, b, c, d, e];
    let [v, w, x, y, z] = sha1::compress(before, schedule);
    [state[0], state[1], state[2], state[3], state[4]] = [v, w, x, y, z];
    let suspects = collision::suspects_of_four(schedule);
    for number in 0..4 {
        let suspects = suspects[number];
        if suspects != 0 && !lanes[number].blocks.is_empty() {
            let words = sha1::words(&sha1::schedule(blocks[number]));
            let (before, after) = (word_of(&before, number), word_of(state, number));
            lanes[number].is_attack |= collision::is_attack(suspects, before, after, &words);
        }
    }
}

#[inline(always)]
fn first<'a>(lane: &Lane<'a>) -> &'a [u8; BLOCK] {
    lane.blocks.first().unwrap_or(&[0; BLOCK])
}

#[inline(always)]
fn quarter(block: &[u8; BLOCK], at: usize) -> Four {
    Four::read(&block.as_chunks().0[at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::End;
    use std::vec::Vec;

    #[test]
    fn finds_a_collision_beside_other_messages() {
        let [one, other] = crate::hash::tests::SHATTERED;
        let contents: [&[u8]; 6] = [b"x", one, &[7; 5000], other, &one[..300], b""];
        let whole = contents.map(|part| [part, End::new(part.len() as u64).as_bytes()].concat());
        let messages: Vec<&[u8]> = whole.iter().map(Vec::as_slice).collect();
        let mut told = 0;
        ids(&messages, &mut |index, oid| {
            assert_eq!(oid.is_err(), index == 1 || index == 3, "message {index}");
            told += 1;
        });
        assert_eq!(told, contents.len());
    }
}
