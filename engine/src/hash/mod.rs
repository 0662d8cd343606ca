//! Object ids, and how they are computed. Knows no object.

mod collision;
mod four;
mod oid;
mod sha1;
mod sha256;
#[cfg(test)]
mod tests;

use crate::error::{Error, Result};
use four::Four;
pub use oid::{Format, Hex, Oid};

/// Hashes a stream.
#[derive(Clone)]
pub struct Hasher {
    format: Format,
    /// SHA-1 uses the first five words.
    state: [u32; 8],
    /// The start of the next block: as many bytes as `size` has over whole blocks.
    block: [u8; BLOCK],
    size: u64,
    detection: Detection,
}

/// Whether SHA-1 collision attacks are looked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Detection {
    Off,
    On,
    Attacked,
}

/// Bytes that both functions take at a time.
const BLOCK: usize = 64;
/// The last block ends with the message's size in bits.
const SIZE_AT: usize = BLOCK - 8;

impl Hasher {
    pub fn new(format: Format) -> Hasher {
        let mut state = sha256::START;
        if format == Format::Sha1 {
            state[..5].copy_from_slice(&sha1::START);
        }
        Hasher { format, state, block: [0; BLOCK], size: 0, detection: Detection::Off }
    }

    /// For bytes that a peer sent: SHA-1 with collision detection, as git does on what it receives.
    pub fn received(format: Format) -> Hasher {
        Hasher { detection: Detection::On, ..Hasher::new(format) }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let held = self.size as usize % BLOCK;
        self.size += bytes.len() as u64;
        let mut rest = bytes;
        if held > 0 {
            let room = self.block.get_mut(held..).unwrap_or_default();
            let (fill, after) = bytes.split_at(room.len().min(bytes.len()));
            for (to, from) in room.iter_mut().zip(fill) {
                *to = *from;
            }
            if held + fill.len() < BLOCK {
                return;
            }
            let block = self.block;
            self.take(&block);
            rest = after;
        }
        let (blocks, rest) = rest.as_chunks::<BLOCK>();
        for block in blocks {
            self.take(block);
        }
        for (to, from) in self.block.iter_mut().zip(rest) {
            *to = *from;
        }
    }

    /// `Collision` if detection was on and the bytes carry a known attack.
    pub fn finish(mut self) -> Result<Oid> {
        let held = self.size as usize % BLOCK;
        let mut block = self.block;
        pad(&mut block, held);
        if held >= SIZE_AT {
            self.take(&block);
            block = [0; BLOCK];
        }
        put_size(&mut block, self.size);
        self.take(&block);
        if self.detection == Detection::Attacked {
            return Err(Error::Collision);
        }
        Ok(Oid::from_words(self.format, &self.state))
    }

    fn take(&mut self, block: &[u8; BLOCK]) {
        if self.format == Format::Sha256 {
            return sha256::compress(&mut self.state, &words(block));
        }
        if sha1_block(&mut self.state, block, self.detection != Detection::Off) {
            self.detection = Detection::Attacked;
        }
    }
}

/// Takes one block of SHA-1 and says whether it was made for an attack.
#[inline(never)]
fn sha1_block(state: &mut [u32; 8], block: &[u8; BLOCK], is_checked: bool) -> bool {
    let words = words(block);
    let mut middle = [0; 36];
    let before = [state[0], state[1], state[2], state[3], state[4]];
    let after = sha1::compress(before, &words, &mut middle);
    state[..5].copy_from_slice(&after);
    is_checked && collision::is_attack(&before, &after, block, &collision::fours(&middle))
}

/// A block's words, four by four.
#[inline(always)]
fn words(block: &[u8; BLOCK]) -> [u32; 16] {
    let (quarters, _) = block.as_chunks::<16>();
    let mut words = [0; 16];
    for (words, quarter) in words.as_chunks_mut::<4>().0.iter_mut().zip(quarters) {
        *words = Four::read(quarter).words();
    }
    words
}

/// Ends the message after `held` bytes of a block.
fn pad(block: &mut [u8; BLOCK], held: usize) {
    for (at, byte) in block.iter_mut().enumerate().skip(held) {
        *byte = if at == held { 0x80 } else { 0 };
    }
}

/// `size` in bytes of the whole message.
fn put_size(block: &mut [u8; BLOCK], size: u64) {
    block[SIZE_AT..].copy_from_slice(&(size << 3).to_be_bytes());
}

/// The id of an object that a peer sent, of the kind that git calls `kind` (`blob`).
pub fn object_id(format: Format, kind: &str, content: &[u8]) -> Result<Oid> {
    let mut hasher = Hasher::received(format);
    hasher.update(Header::new(kind, content.len() as u64).as_bytes());
    hasher.update(content);
    hasher.finish()
}

/// What an object's content is hashed after: `blob 12\0`.
pub struct Header {
    bytes: [u8; 32],
    size: usize,
}

impl Header {
    /// `kind` has at most eight letters.
    pub fn new(kind: &str, content_size: u64) -> Header {
        let mut header = Header { bytes: [0; 32], size: 0 };
        kind.bytes().take(8).for_each(|letter| header.push(letter));
        header.push(b' ');
        let mut unit = 1;
        while content_size / unit >= 10 {
            unit *= 10;
        }
        while unit > 0 {
            header.push(b'0' + (content_size / unit % 10) as u8);
            unit /= 10;
        }
        header.push(0);
        header
    }

    fn push(&mut self, byte: u8) {
        if let Some(place) = self.bytes.get_mut(self.size) {
            *place = byte;
            self.size += 1;
        }
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }
}
