//! Object ids, and how they are computed. Knows no object.

mod collision;
mod four;
mod lanes;
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
    #[inline(never)]
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
            copy(room, fill);
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
        copy(&mut self.block, rest);
    }

    /// `Collision` if detection was on and the bytes carry a known attack.
    pub fn finish(mut self) -> Result<Oid> {
        self.update(End::new(self.size).as_bytes());
        if self.detection == Detection::Attacked {
            return Err(Error::Collision);
        }
        Ok(Oid::from_words(self.format, &self.state))
    }

    fn take(&mut self, block: &[u8; BLOCK]) {
        if self.format == Format::Sha256 {
            return sha256::compress(&mut self.state, &words(block));
        }
        if let Some(state) = self.state.first_chunk_mut()
            && sha1_block(state, block, self.detection != Detection::Off)
        {
            self.detection = Detection::Attacked;
        }
    }
}

/// HMAC (RFC 2104).
pub fn hmac(format: Format, key: &[u8], text: &[u8]) -> Result<Oid> {
    let mut block = [0; BLOCK];
    if key.len() > BLOCK {
        let mut hasher = Hasher::new(format);
        hasher.update(key);
        copy(&mut block, hasher.finish()?.as_bytes());
    }
    copy(&mut block, key);
    let hash = |pad: u8, text: &[u8]| {
        let mut hasher = Hasher::new(format);
        hasher.update(&block.map(|byte| byte ^ pad));
        hasher.update(text);
        hasher.finish()
    };
    hash(0x5c, hash(0x36, text)?.as_bytes())
}

/// Takes one block of SHA-1 and says whether it was made for an attack.
#[inline(never)]
fn sha1_block(state: &mut [u32; 5], block: &[u8; BLOCK], is_checked: bool) -> bool {
    let fours = sha1::schedule(block);
    let words = sha1::words(&fours);
    let [a, b, c, d, e] = *state;
    let before = [a, b, c, d, e];
    *state = sha1::add(before, sha1::steps_alone(before, &words, 0, 16));
    is_checked && {
        let suspects = collision::suspects(&fours);
        suspects != 0 && collision::is_attack(suspects, before, *state, &words)
    }
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

fn copy(to: &mut [u8], from: &[u8]) {
    if let Some(to) = to.get_mut(..from.len()) {
        to.copy_from_slice(from);
    }
}

/// What makes whole blocks of a message: both functions end one with a bit, zeros and its size.
pub struct End {
    bytes: [u8; BLOCK + 8],
    size: usize,
}

impl End {
    /// Of a message of `size` bytes.
    pub fn new(size: u64) -> End {
        let held = size as usize % BLOCK;
        let blocks = if held < SIZE_AT { 1 } else { 2 };
        let mut end = End { bytes: [0; BLOCK + 8], size: blocks * BLOCK - held };
        end.bytes[0] = 0x80;
        end.bytes[end.size - 8..end.size].copy_from_slice(&(size << 3).to_be_bytes());
        end
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.size).unwrap_or_default()
    }
}

/// The id of an object that a peer sent, of the kind that git calls `kind` (`blob`).
pub fn object_id(format: Format, kind: &str, content: &[u8]) -> Result<Oid> {
    let mut hasher = Hasher::received(format);
    hasher.update(Header::new(kind, content.len() as u64).as_bytes());
    hasher.update(content);
    hasher.finish()
}

/// The ids of messages that a peer sent, each made whole blocks by its `End`; `each` is told the
/// message's place in the list. Several are computed side by side: much faster than one by one.
pub fn ids(format: Format, messages: &[&[u8]], each: &mut dyn FnMut(usize, Result<Oid>)) {
    if format == Format::Sha1 {
        return lanes::ids(messages, each);
    }
    for (index, message) in messages.iter().enumerate() {
        let mut state = sha256::START;
        message.as_chunks().0.iter().for_each(|block| sha256::compress(&mut state, &words(block)));
        each(index, Ok(Oid::from_words(format, &state)));
    }
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
