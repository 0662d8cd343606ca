//! The index of a pack: what is at each position (in pack order), and where each id is. Knows no
//! row; a page is a byte string of records of one width.

use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::object::Kind;
use alloc::vec::Vec;

/// The base of an entry.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Base {
    /// The entry is whole.
    None,
    /// At this position of the same pack.
    Inside(u32),
    /// In another pack: the entry is a `REF_DELTA`, its header names the base.
    Outside,
}

/// What is at one position.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Record {
    /// Where the entry starts in the pack's data.
    pub offset: u64,
    /// Of the object, not of the delta.
    pub kind: Kind,
    /// Deltas between here and a whole object.
    pub depth: u8,
    /// Of the object, inflated.
    pub size: u64,
    pub base: Base,
    /// Which of the pack's ids, in order, is this object's.
    pub rank: u32,
}

/// Bytes of a record.
pub const RECORD_SIZE: usize = 20;
/// Records in a page, and ids in a page.
pub const PAGE_COUNT: usize = 2048;

const WHOLE: u32 = u32::MAX;
const OUTSIDE: u32 = u32::MAX - 1;

impl Record {
    pub fn write(&self) -> [u8; RECORD_SIZE] {
        let mut bytes = [0; RECORD_SIZE];
        bytes[..5].copy_from_slice(&self.offset.to_le_bytes()[..5]);
        bytes[5] = self.kind as u8;
        bytes[6] = self.depth;
        bytes[7..12].copy_from_slice(&self.size.to_le_bytes()[..5]);
        let base = match self.base {
            Base::None => WHOLE,
            Base::Outside => OUTSIDE,
            Base::Inside(position) => position,
        };
        bytes[12..16].copy_from_slice(&base.to_le_bytes());
        bytes[16..].copy_from_slice(&self.rank.to_le_bytes());
        bytes
    }

    /// The record at `at` (counted in records) of `page`.
    pub fn read(page: &[u8], at: usize) -> Result<Record> {
        let bytes = page.get(at * RECORD_SIZE..).and_then(<[u8]>::first_chunk::<RECORD_SIZE>);
        let bytes = bytes.ok_or(Error::Corrupt)?;
        let base = match u32::from_le_bytes([bytes[12], bytes[13], bytes[14], bytes[15]]) {
            WHOLE => Base::None,
            OUTSIDE => Base::Outside,
            position => Base::Inside(position),
        };
        Ok(Record {
            offset: five(&bytes[..5]),
            kind: Kind::from_number(bytes[5]).ok_or(Error::Corrupt)?,
            depth: bytes[6],
            size: five(&bytes[7..12]),
            base,
            rank: u32::from_le_bytes([bytes[16], bytes[17], bytes[18], bytes[19]]),
        })
    }
}

fn five(bytes: &[u8]) -> u64 {
    let mut wide = [0; 8];
    wide[..5].copy_from_slice(bytes);
    u64::from_le_bytes(wide)
}

/// Bytes of an id and its position.
pub fn id_width(format: Format) -> usize {
    format.width() + 4
}

/// Appends an id and its position to a page; ids come in order.
pub fn write_id(page: &mut Vec<u8>, id: &[u8], position: u32) {
    page.extend_from_slice(id);
    page.extend_from_slice(&position.to_le_bytes());
}

/// The position of `oid`, by binary search in a page of sorted ids.
pub fn find(page: &[u8], oid: &Oid) -> Option<u32> {
    let width = id_width(oid.format());
    let id = oid.as_bytes();
    let (mut low, mut high) = (0, page.len() / width);
    while low < high {
        let middle = (low + high) / 2;
        let entry = page.get(middle * width..(middle + 1) * width)?;
        match entry[..id.len()].cmp(id) {
            core::cmp::Ordering::Less => low = middle + 1,
            core::cmp::Ordering::Greater => high = middle,
            core::cmp::Ordering::Equal => {
                return entry[id.len()..].first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
            }
        }
    }
    None
}

/// The id and the position at `at` of a page of ids.
pub fn id_at(page: &[u8], at: usize, format: Format) -> Result<(Oid, u32)> {
    let entry = page.get(at * id_width(format)..).ok_or(Error::Corrupt)?;
    let oid = Oid::from_bytes(format, entry).ok_or(Error::Corrupt)?;
    let position = entry.get(format.width()..).and_then(<[u8]>::first_chunk);
    Ok((oid, u32::from_le_bytes(*position.ok_or(Error::Corrupt)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        for base in [Base::None, Base::Outside, Base::Inside(0), Base::Inside(1 << 20)] {
            let (offset, size) = ((1 << 40) - 1, 1 << 39);
            let record = Record { offset, kind: Kind::Tag, depth: 50, size, base, rank: 77 };
            let mut page = [0; RECORD_SIZE].to_vec();
            page.extend_from_slice(&record.write());
            assert_eq!(Record::read(&page, 1), Ok(record));
            assert_eq!(Record::read(&page, 2), Err(Error::Corrupt));
        }
    }

    #[test]
    fn every_id_of_a_page_is_found_and_no_other() {
        let oid = |byte: u8| Oid::from_bytes(Format::Sha1, &[byte; 20]).expect("20 bytes");
        let mut page = Vec::new();
        for byte in (0..200).step_by(2) {
            write_id(&mut page, &[byte; 20], u32::from(byte) * 3);
        }
        for byte in 0..=255 {
            let expect = (byte < 200 && byte % 2 == 0).then_some(u32::from(byte) * 3);
            assert_eq!(find(&page, &oid(byte)), expect, "{byte}");
        }
        assert_eq!(id_at(&page, 3, Format::Sha1), Ok((oid(6), 18)));
    }
}
