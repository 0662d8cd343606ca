//! The row that every request reads first: what the repository is, and its packs. Knows no object.

use super::keys::{self, Part, SMALL_COUNT};
use super::stage::Rows;
use super::sum::{seal, unseal};
use crate::error::{Error, Result};
use crate::hash::Format;
use crate::limits::PAGE_MAX;
use alloc::vec::Vec;
use core::ops::Range;

/// One pack, as its row says.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Pack {
    pub number: u32,
    /// Objects in it.
    pub count: u32,
    /// Bytes of its entries.
    pub size: u64,
    /// The trailer of a pack of all entries of this pack and those before it, if it is known: as
    /// the first pack arrived, or as upkeep has found.
    pub trailer: Option<Vec<u8>>,
    /// The first eight bytes of the first id of each page of ids.
    pub firsts: Vec<u64>,
}

/// A pack that is no longer listed: its rows stay for those who still read them. Or one that is not
/// listed yet, whose rows are staged. Packs of small pushes, which are merged by the dozen, are
/// alike but for their numbers, and noted together.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Retired {
    pub number: u32,
    /// How many packs beside it, of the numbers that follow, this is said of too.
    pub more: u32,
    /// Seconds since 1970: when it was retired, or when nobody can still be staging it.
    pub time: u64,
    /// Rows of data, of ids and of records; `CLAIMED` or `CONDEMNED`.
    pub rows: [u32; 3],
}

/// Rows are being staged: nobody knows yet how many.
pub const CLAIMED: [u32; 3] = [0; 3];
/// The request that staged them has died, and can no longer list them; they are being deleted.
pub const CONDEMNED: [u32; 3] = [0, 0, 1];

impl Retired {
    pub fn new(pack: &Pack, time: u64) -> Retired {
        let pages = pack.firsts.len() as u32;
        let records = if pack.count <= SMALL_COUNT { 0 } else { pages };
        let data = pack.size.div_ceil(PAGE_MAX as u64) as u32;
        Retired { number: pack.number, more: 0, time, rows: [data, pages, records] }
    }

    /// Whether it can be said of this pack too.
    fn takes(&mut self, next: &Retired) -> bool {
        let is_next = self.number + self.more + 1 == next.number && self.more < MORE_MAX;
        let is_alike = is_next && self.time == next.time && self.rows == next.rows;
        self.more += u32::from(is_alike);
        is_alike
    }

    /// Deletes its rows.
    pub fn deletions(&self) -> Rows {
        let mut deletions = Rows::new();
        for number in (self.number..).take(1 + self.more as usize) {
            for (part, rows) in [Part::Data, Part::Ids, Part::Records].into_iter().zip(self.rows) {
                for page in 0..rows {
                    deletions.push((keys::page(number, part, page).to_vec(), None));
                }
            }
        }
        deletions
    }
}

#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Debug))]
pub struct Manifest {
    pub format: Format,
    /// The branch that `HEAD` names, which may not exist.
    pub head: Vec<u8>,
    /// Lines: see `settings`.
    pub settings: Vec<u8>,
    /// 0: the refs reach every object of every pack, and no object is stored twice, so the packs
    /// one after another are a full clone. Else since when, in seconds since 1970, that may be
    /// otherwise.
    pub loose_since: u64,
    pub next_pack: u32,
    pub next_log: u64,
    /// The oldest first.
    pub packs: Vec<Pack>,
    pub retired: Vec<Retired>,
}

/// The first byte; the next one is of a manifest that holds settings. In those below, a pack's
/// trailer is its own.
const VERSION: u8 = 3;
const VERSION_OLD: u8 = 1;
/// Of the eight bytes of a time, these bits are the time, and those above say `more`.
const TIME_BITS: u32 = 40;
const TIME_MAX: u64 = (1 << TIME_BITS) - 1;
const MORE_MAX: u32 = (1 << (64 - TIME_BITS)) - 1;

impl Manifest {
    /// An empty repository's.
    pub fn new(format: Format, head: &[u8]) -> Manifest {
        let (head, settings) = (head.to_vec(), Vec::new());
        let (packs, retired) = (Vec::new(), Vec::new());
        let (loose_since, next_pack, next_log) = (0, 0, 0);
        Manifest { format, head, settings, loose_since, next_pack, next_log, packs, retired }
    }

    /// Bytes that the packs' entries take together.
    pub fn size(&self) -> u64 {
        self.packs.iter().map(|pack| pack.size).sum()
    }

    pub fn numbers(&self) -> Vec<u32> {
        self.packs.iter().map(|pack| pack.number).collect()
    }

    /// Whether all packs of these numbers are listed still.
    pub fn has_all(&self, numbers: &[u32]) -> bool {
        numbers.iter().all(|number| self.packs.iter().any(|pack| pack.number == *number))
    }

    /// Takes packs out of the list; their rows stay for those who still read them.
    pub fn retire(&mut self, slots: Range<usize>, time: u64) {
        for _ in slots.clone() {
            let retired = Retired::new(&self.packs.remove(slots.start), time);
            if !self.retired.last_mut().is_some_and(|last| last.takes(&retired)) {
                self.retired.push(retired);
            }
        }
    }

    /// From now on the refs may not reach everything.
    pub fn loosen(&mut self, time: u64) {
        if self.loose_since == 0 {
            self.loose_since = time.max(1);
        }
    }

    /// The number under which a pack is to be listed: what its rows were staged under, if that is
    /// still claimed, or the next one.
    pub fn list(&mut self, claimed: Option<u32>) -> Result<u32> {
        let Some(number) = claimed else {
            self.next_pack += 1;
            return Ok(self.next_pack - 1);
        };
        let is_it = |other: &Retired| other.number == number && other.rows == CLAIMED;
        self.retired.remove(self.retired.iter().position(is_it).ok_or(Error::Busy)?);
        Ok(number)
    }

    pub fn write(&self) -> Vec<u8> {
        let mut out = Vec::new();
        let has_settings = !self.settings.is_empty();
        let version = VERSION + u8::from(has_settings);
        out.extend_from_slice(&[version, self.format as u8]);
        out.extend_from_slice(&self.loose_since.to_le_bytes());
        for text in [&self.head, &self.settings].into_iter().take(1 + usize::from(has_settings)) {
            out.extend_from_slice(&(text.len() as u32).to_le_bytes());
            out.extend_from_slice(text);
        }
        out.extend_from_slice(&self.next_pack.to_le_bytes());
        out.extend_from_slice(&self.next_log.to_le_bytes());
        out.extend_from_slice(&(self.retired.len() as u32).to_le_bytes());
        for retired in &self.retired {
            out.extend_from_slice(&retired.number.to_le_bytes());
            let time = retired.time & TIME_MAX | u64::from(retired.more) << TIME_BITS;
            out.extend_from_slice(&time.to_le_bytes());
            retired.rows.iter().for_each(|rows| out.extend_from_slice(&rows.to_le_bytes()));
        }
        for pack in &self.packs {
            out.extend_from_slice(&pack.number.to_le_bytes());
            out.extend_from_slice(&pack.count.to_le_bytes());
            out.extend_from_slice(&pack.size.to_le_bytes());
            out.push(u8::from(pack.trailer.is_some()));
            out.extend_from_slice(pack.trailer.as_deref().unwrap_or_default());
            out.extend_from_slice(&(pack.firsts.len() as u32).to_le_bytes());
            pack.firsts.iter().for_each(|first| out.extend_from_slice(&first.to_le_bytes()));
        }
        seal(keys::MANIFEST, &out)
    }

    pub fn read(bytes: &[u8]) -> Result<Manifest> {
        read(&mut Reader(unseal(keys::MANIFEST, bytes)?)).ok_or(Error::Corrupt)
    }
}

fn read(from: &mut Reader) -> Option<Manifest> {
    let version = from.take(1)?[0].checked_sub(VERSION_OLD).filter(|version| *version < 4)?;
    let format = match from.take(1)? {
        [1] => Format::Sha1,
        [2] => Format::Sha256,
        _ => return None,
    };
    let loose_since = from.eight()?;
    let head = from.text()?;
    let settings = if version % 2 == 1 { from.text()? } else { Vec::new() };
    let next_pack = from.four()?;
    let next_log = from.eight()?;
    let mut retired = Vec::new();
    for _ in 0..from.four()? {
        let (number, time) = (from.four()?, from.eight()?);
        let (time, more) = (time & TIME_MAX, (time >> TIME_BITS) as u32);
        let rows = [from.four()?, from.four()?, from.four()?];
        retired.push(Retired { number, more, time, rows });
    }
    let mut packs = Vec::new();
    while !from.0.is_empty() {
        let (number, count, size) = (from.four()?, from.four()?, from.eight()?);
        let trailer = match from.take(1)? {
            [0] => None,
            _ => Some(from.take(format.width())?.to_vec()),
        };
        let is_known = version >= VERSION - VERSION_OLD || packs.is_empty();
        let trailer = trailer.filter(|_| is_known);
        let pages = from.four()?;
        let mut firsts = Vec::new();
        for _ in 0..pages {
            firsts.push(from.eight()?);
        }
        packs.push(Pack { number, count, size, trailer, firsts });
    }
    Some(Manifest { format, head, settings, loose_since, next_pack, next_log, packs, retired })
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(bytes)
    }

    /// Bytes behind their number.
    fn text(&mut self) -> Option<Vec<u8>> {
        let size = self.four()?;
        self.take(size as usize).map(<[u8]>::to_vec)
    }

    fn four(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
    }

    fn eight(&mut self) -> Option<u64> {
        self.take(8)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_never_cut() {
        let mut manifest = Manifest::new(Format::Sha1, b"refs/heads/main");
        manifest.loose_since = 7;
        manifest.next_pack = 9;
        manifest.next_log = 1 << 40;
        for (number, trailer) in [(3, None), (8, Some([5; 20].to_vec()))] {
            let firsts = [0, 1 << 63].to_vec();
            manifest.packs.push(Pack { number, count: 7, size: 1 << 33, trailer, firsts });
        }
        manifest.retired.push(Retired { number: 1, more: MORE_MAX, time: 2, rows: [3, 4, 5] });
        assert_eq!(Manifest::read(&manifest.write()), Ok(manifest.clone()));
        manifest.settings = b"a.b=c\n".to_vec();
        let bytes = manifest.write();
        assert_eq!(Manifest::read(&bytes), Ok(manifest));
        assert_eq!(Manifest::read(&bytes[..bytes.len() - 1]), Err(Error::Corrupt));
        assert_eq!(Manifest::read(&[]), Err(Error::Corrupt));
    }

    #[test]
    fn packs_that_are_alike_are_retired_together_and_all_their_rows_deleted() {
        let mut manifest = Manifest::new(Format::Sha1, b"refs/heads/main");
        for (number, size) in [(3, 9), (4, 8), (5, 1 << 20), (7, 9), (8, 9)] {
            let firsts = [0].to_vec();
            manifest.packs.push(Pack { number, count: 1, size, trailer: None, firsts });
        }
        manifest.retire(0..4, 50);
        manifest.retire(0..1, 51);
        let known: Vec<_> =
            manifest.retired.iter().map(|retired| (retired.number, retired.more)).collect();
        assert_eq!(known, [(3, 1), (5, 0), (7, 0), (8, 0)]);
        assert_eq!(Manifest::read(&manifest.write()), Ok(manifest.clone()));
        let rows = |number| [Part::Data, Part::Ids].map(|part| keys::page(number, part, 0));
        let deleted: Vec<_> =
            manifest.retired[0].deletions().into_iter().map(|(key, _)| key).collect();
        assert_eq!(deleted, [rows(3), rows(4)].concat());
    }
}
