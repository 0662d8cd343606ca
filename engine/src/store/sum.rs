//! A sum at the end of each row: what is read is what was written, and under this key. One changed
//! bit is always noticed. Knows no row's meaning.

use crate::error::{Error, Result};
use crate::flate::Adler;
use alloc::vec::Vec;

/// Bytes of a sum.
pub const SUM_SIZE: usize = 4;

pub fn sum(key: &[u8], value: &[u8]) -> [u8; SUM_SIZE] {
    let mut adler = Adler::new();
    adler.update(key);
    adler.update(value);
    adler.value().to_le_bytes()
}

/// The row that is stored for a value.
pub fn seal(key: &[u8], value: &[u8]) -> Vec<u8> {
    [value, &sum(key, value)].concat()
}

/// The value of a row; `Corrupt` if it is not what was stored.
pub fn unseal<'a>(key: &[u8], row: &'a [u8]) -> Result<&'a [u8]> {
    match row.split_last_chunk() {
        Some((value, found)) if *found == sum(key, value) => Ok(value),
        _ => Err(Error::Corrupt),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_changed_bit_and_each_other_key_is_noticed() {
        for size in [0, 1, 21, 1000] {
            let value: Vec<u8> = (0..size).map(|at| (at * 7) as u8).collect();
            let row = seal(b"key", &value);
            assert_eq!(unseal(b"key", &row), Ok(&value[..]));
            assert_eq!(unseal(b"kez", &row), Err(Error::Corrupt));
            assert_eq!(unseal(b"key", &row[..row.len() - 1]), Err(Error::Corrupt));
            for bit in 0..8 * row.len() {
                let mut row = row.clone();
                row[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(unseal(b"key", &row), Err(Error::Corrupt), "bit {bit} of {size}");
            }
        }
    }
}
