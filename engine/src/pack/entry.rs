//! The header of a pack entry (gitformat-pack, "pack-*.pack files"). Knows no content.

use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::object::Kind;
use alloc::vec::Vec;

/// How an entry gives its object.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Form {
    Whole(Kind),
    /// A delta whose base starts so many bytes before this entry.
    OfsDelta(u64),
    RefDelta(Oid),
}

const OFS_DELTA: u8 = 6;
const REF_DELTA: u8 = 7;

#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Header {
    pub form: Form,
    /// Bytes that the compressed data inflates to: the object's, or the delta's.
    pub size: u64,
}

/// Reads the header at the start of `bytes` and says how many bytes it took.
pub fn read(bytes: &[u8], format: Format) -> Result<Option<(Header, usize)>> {
    let Some((number, size, at)) = type_and_size(bytes)? else {
        return Ok(None);
    };
    let rest = bytes.get(at..).unwrap_or_default();
    let (form, taken) = match number {
        OFS_DELTA => match distance(rest)? {
            Some((distance, taken)) => (Form::OfsDelta(distance), taken),
            None => return Ok(None),
        },
        REF_DELTA => match Oid::from_bytes(format, rest) {
            Some(oid) => (Form::RefDelta(oid), format.width()),
            None => return Ok(None),
        },
        _ => (Form::Whole(Kind::from_number(number).ok_or(Error::BadPack)?), 0),
    };
    Ok(Some((Header { form, size }, at + taken)))
}

fn type_and_size(bytes: &[u8]) -> Result<Option<(u8, u64, usize)>> {
    let Some(&first) = bytes.first() else {
        return Ok(None);
    };
    let mut size = u64::from(first & 15);
    let mut shift = 4;
    let mut at = 1;
    let mut last = first;
    while last & 0x80 != 0 {
        let Some(&byte) = bytes.get(at) else {
            return Ok(None);
        };
        if shift > 53 {
            return Err(Error::BadPack);
        }
        size |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        at += 1;
        last = byte;
    }
    Ok(Some((first >> 4 & 7, size, at)))
}

fn distance(bytes: &[u8]) -> Result<Option<(u64, usize)>> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().enumerate() {
        if at > 7 {
            return Err(Error::BadPack);
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
        value += 1;
    }
    Ok(None)
}

/// Appends the header.
pub fn write(header: &Header, out: &mut Vec<u8>) {
    let number = match header.form {
        Form::Whole(kind) => kind as u8,
        Form::OfsDelta(_) => OFS_DELTA,
        Form::RefDelta(_) => REF_DELTA,
    };
    let mut byte = number << 4 | (header.size & 15) as u8;
    let mut rest = header.size >> 4;
    while rest != 0 {
        out.push(byte | 0x80);
        byte = (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.push(byte);
    match header.form {
        Form::Whole(_) => {}
        Form::OfsDelta(distance) => write_distance(distance, out),
        Form::RefDelta(oid) => out.extend_from_slice(oid.as_bytes()),
    }
}

fn write_distance(distance: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 10];
    let mut at = digits.len() - 1;
    let mut rest = distance;
    digits[at] = (rest & 0x7f) as u8;
    rest >>= 7;
    while rest != 0 {
        rest -= 1;
        at -= 1;
        digits[at] = 0x80 | (rest & 0x7f) as u8;
        rest >>= 7;
    }
    out.extend_from_slice(&digits[at..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(header: Header) {
        let mut bytes = Vec::new();
        write(&header, &mut bytes);
        for cut in 0..bytes.len() {
            assert_eq!(read(&bytes[..cut], Format::Sha1), Ok(None), "cut at {cut}");
        }
        assert_eq!(read(&bytes, Format::Sha1), Ok(Some((header, bytes.len()))));
    }

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 15, 16, 127, 2047, 2048, 1 << 20, 1 << 40] {
            check(Header { form: Form::Whole(Kind::Blob), size });
            check(Header { form: Form::RefDelta(Oid::zero(Format::Sha1)), size });
            for distance in [1, 127, 128, 129, 16_511, 16_512, 1 << 33] {
                check(Header { form: Form::OfsDelta(distance), size });
            }
        }
    }

    #[test]
    fn refuses_what_no_pack_has() {
        assert_eq!(read(&[0x00], Format::Sha1), Err(Error::BadPack));
        assert_eq!(read(&[0x50], Format::Sha1), Err(Error::BadPack));
        assert_eq!(read(&[0xff; 16], Format::Sha1), Err(Error::BadPack));
        assert_eq!(
            read(&[0x60, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], Format::Sha1),
            Err(Error::BadPack)
        );
    }
}
