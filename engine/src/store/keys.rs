//! The names of rows: these doc lines are the storage specification. Numbers in keys are
//! big-endian, so that rows come in their order; numbers in values are little-endian.

use alloc::vec::Vec;

/// `m` says what the repository is, names `HEAD`'s branch, lists the packs and numbers what comes
/// next: see `Manifest`. Every request reads it first. Every push changes it, so expecting it
/// unchanged orders all pushes.
pub const MANIFEST: &[u8] = b"m";

/// `r/<name>` holds what a ref holds: `o<id>`; `p<id><id>`, an annotated tag and what it peels to;
/// or `ref: <name>`.
pub const REFS: &[u8] = b"r/";

/// `b` says which commits have a bitmap: the number whose pages they are, how many packs they count
/// by, these packs' numbers; then for each page the commit, as index of its pack and position.
pub const BITMAPS: &[u8] = b"b";

/// `l/<number, 8 bytes><page, 4 bytes>` holds the record of a push, as text: see `log::head`. Pages
/// without the first are of a push that was not taken.
pub const LOG: &[u8] = b"l/";

pub fn log(number: u64, page: u32) -> Vec<u8> {
    [LOG, &number.to_be_bytes(), &page.to_be_bytes()].concat()
}

pub fn reference(name: &[u8]) -> Vec<u8> {
    [REFS, name].concat()
}

/// The parts of a pack, each cut into pages.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Part {
    /// The entries, as one byte string without the pack's header and trailer, `PAGE_MAX` bytes
    /// a row.
    Data = b'd',
    /// `PAGE_COUNT` records a row, in pack order: see `pack::index::Record`.
    Records = b'e',
    /// `PAGE_COUNT` ids a row, in id order, with their positions. A pack of at most `SMALL_COUNT`
    /// objects has one such row, and its records follow the ids in it.
    Ids = b'i',
    /// What a commit reaches: for each pack that row `b` lists a bit for each position, in words of
    /// eight bytes, compressed.
    Bitmap = b'b',
    /// The inflated content of a large delta base while a push needs it, `PAGE_MAX` bytes a row.
    Spill = b's',
}

/// Bytes that the keys of one pack's rows begin with.
pub const PACK_SIZE: usize = 6;

/// `p/<pack, 4 bytes><part, 1 byte><page, 4 bytes>`: immutable.
pub fn page(pack: u32, part: Part, page: u32) -> [u8; 11] {
    let mut key = *b"p/0000x0000";
    key[2..6].copy_from_slice(&pack.to_be_bytes());
    key[6] = part as u8;
    key[7..].copy_from_slice(&page.to_be_bytes());
    key
}

/// A pack with at most so many objects has its whole index in one row.
pub const SMALL_COUNT: u32 = 1024;
