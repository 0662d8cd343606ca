//! Object ids as values. Knows not how they are computed.

use crate::error::{Error, Result};

/// The hash function of a repository: `extensions.objectFormat`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
#[repr(u8)]
pub enum Format {
    Sha1 = 1,
    Sha256 = 2,
}

impl Format {
    /// Bytes of an object id.
    pub const fn width(self) -> usize {
        match self {
            Format::Sha1 => 20,
            Format::Sha256 => 32,
        }
    }

    /// As the protocol and git's configuration write it.
    pub const fn name(self) -> &'static str {
        match self {
            Format::Sha1 => "sha1",
            Format::Sha256 => "sha256",
        }
    }
}

/// An object id.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Oid {
    bytes: [u8; 32],
    format: Format,
}

impl Oid {
    pub fn zero(format: Format) -> Oid {
        Oid { bytes: [0; 32], format }
    }

    pub fn is_zero(&self) -> bool {
        self.bytes == [0; 32]
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// The id whose raw bytes start `bytes`.
    pub fn from_bytes(format: Format, bytes: &[u8]) -> Option<Oid> {
        let raw = bytes.get(..format.width())?;
        let mut oid = Oid::zero(format);
        oid.bytes[..raw.len()].copy_from_slice(raw);
        Some(oid)
    }

    /// The id that a hash function's state is, at its end.
    pub(super) fn from_words(format: Format, state: &[u32]) -> Oid {
        let mut oid = Oid::zero(format);
        for (bytes, word) in oid.bytes[..format.width()].chunks_exact_mut(4).zip(state) {
            bytes.copy_from_slice(&word.to_be_bytes());
        }
        oid
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.format.width()]
    }

    /// Exactly as many lower- or upper-case hexadecimal digits as the format has.
    pub fn from_hex(format: Format, digits: &[u8]) -> Result<Oid> {
        if digits.len() != 2 * format.width() {
            return Err(Error::BadOid);
        }
        let mut oid = Oid::zero(format);
        let mut all = 0;
        for (byte, pair) in oid.bytes.iter_mut().zip(digits.chunks_exact(2)) {
            let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
            all |= high | low;
            *byte = high << 4 | low & 15;
        }
        if all > 15 {
            return Err(Error::BadOid);
        }
        Ok(oid)
    }

    /// Lower-case hexadecimal digits, in the first `2 * width` bytes.
    pub fn to_hex(&self) -> Hex {
        let mut digits = [0; 64];
        for (pair, byte) in digits.chunks_exact_mut(2).zip(self.as_bytes()) {
            pair[0] = b"0123456789abcdef"[usize::from(byte >> 4)];
            pair[1] = b"0123456789abcdef"[usize::from(byte & 15)];
        }
        Hex { digits, size: 2 * self.format.width() }
    }
}

/// What each byte is as a hexadecimal digit; more than 15: it is none. Commits are read by it, so a
/// table, without a branch for each digit.
const NIBBLES: [u8; 256] = {
    let mut table = [16; 256];
    let mut value = 0;
    while value < 16 {
        table[b"0123456789abcdef"[value] as usize] = value as u8;
        table[b"0123456789ABCDEF"[value] as usize] = value as u8;
        value += 1;
    }
    table
};

/// An object id in hexadecimal digits.
pub struct Hex {
    digits: [u8; 64],
    size: usize,
}

impl core::ops::Deref for Hex {
    type Target = [u8];
    #[inline(never)]
    fn deref(&self) -> &[u8] {
        &self.digits[..self.size]
    }
}
