//! Where an object is: pages of ids and records. Reads no content.

use super::keys::{self, Part, SMALL_COUNT};
use super::manifest::{Manifest, Pack};
use super::sum::{SUM_SIZE, sum, unseal};
use super::{Place, Store};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{INDEX_WALK_MAX, ROWS_IMPORT_MAX};
use crate::object::Kind;
use crate::pack::index::{self, PAGE_COUNT, Record};
use alloc::rc::Rc;
use alloc::vec::Vec;

impl Store<'_> {
    /// Where an object is, if the store has it (reachable or not). The oldest packs
    /// are asked first: so a delta's base is always found in an older pack, and chains end.
    pub fn find(&mut self, oid: &Oid) -> Result<Option<Place>> {
        self.find_from(0, oid)
    }

    /// The same among packs from this slot on.
    pub(super) fn find_from(&mut self, slot: u32, oid: &Oid) -> Result<Option<Place>> {
        for slot in slot..self.counts().count() as u32 {
            let found = self.find_in(slot, oid)?;
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    /// Whether the store has any of these, which are in order: so each page of an index is read
    /// once, however many packs there are.
    pub(super) fn has_any(&mut self, oids: &[Oid]) -> Result<bool> {
        for slot in 0..self.counts().count() as u32 {
            for oid in oids {
                if self.find_in(slot, oid)?.is_some() {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn find_in(&mut self, slot: u32, oid: &Oid) -> Result<Option<Place>> {
        let pack = self.pack(slot)?;
        let Some(page) = page_of(pack, oid) else { return Ok(None) };
        let number = pack.number;
        let ids_size = ids_size(pack, oid.format().width() + 4);
        let row = self.index_page(number, Part::Ids, page)?;
        let ids = row.get(..ids_size).unwrap_or(&row);
        Ok(index::find(ids, oid).map(|position| Place { pack: slot, position }))
    }

    /// The type of an object, if the store has it (reachable or not). Reads no content.
    pub fn kind(&mut self, oid: &Oid) -> Result<Option<Kind>> {
        match self.find(oid)? {
            Some(place) => Ok(Some(self.record(place)?.kind)),
            None => Ok(None),
        }
    }

    /// What is at a place.
    pub fn record(&mut self, place: Place) -> Result<Record> {
        let pack = self.pack(place.pack)?;
        let number = pack.number;
        if pack.count <= SMALL_COUNT {
            let ids = pack.count as usize * index::id_width(self.format);
            let row = self.index_page(number, Part::Ids, 0)?;
            return Record::read(row.get(ids..).ok_or(Error::Corrupt)?, place.position as usize);
        }
        let (page, at) = split(place.position);
        let row = self.index_page(number, Part::Records, page)?;
        Record::read(&row, at)
    }

    /// The id of what is at a place.
    pub fn oid(&mut self, place: Place) -> Result<Oid> {
        let rank = self.record(place)?.rank;
        Ok(self.id_at(place.pack, rank)?.0)
    }

    /// The id of a rank in a pack, and the position of its object.
    pub(super) fn id_at(&mut self, slot: u32, rank: u32) -> Result<(Oid, u32)> {
        let number = self.pack(slot)?.number;
        let (page, at) = split(rank);
        let row = self.index_page(number, Part::Ids, page)?;
        index::id_at(&row, at, self.format)
    }

    /// The pack in this slot.
    pub(super) fn pack(&self, slot: u32) -> Result<&Pack> {
        let slot = slot as usize;
        let part = || self.parts.get(slot - self.manifest.packs.len());
        self.manifest.packs.get(slot).or_else(part).ok_or(Error::Corrupt)
    }

    /// The slot of the first pack that the manifest does not list.
    pub(super) fn first_part(&self) -> u32 {
        self.manifest.packs.len() as u32
    }

    /// Objects in each pack, the oldest pack first.
    pub fn counts(&self) -> impl Iterator<Item = u32> {
        self.manifest.packs.iter().chain(&self.parts).map(|pack| pack.count)
    }

    /// Whether the packs one after another are just what the refs reach.
    pub fn is_tight(&self) -> bool {
        self.manifest.loose_since == 0
    }

    /// Keeps more rows of indexes and fewer of data, for walks through all there is.
    pub fn prefer_indexes(&mut self) {
        self.data_rows.resize(ROWS_IMPORT_MAX);
        self.index_rows.resize(INDEX_WALK_MAX);
    }

    /// The trailer of a pack that holds all packs, if it is known.
    pub fn trailer(&self) -> Option<&[u8]> {
        self.manifest.packs.last()?.trailer.as_deref()
    }

    /// Notes it, unless the packs are others by now.
    pub fn set_trailer(&mut self, trailer: Vec<u8>) {
        let mut manifest = self.manifest.clone();
        if let Some(last) = manifest.packs.last_mut() {
            last.trailer = Some(trailer);
        }
        self.commit_manifest(manifest, &Vec::new());
    }

    pub(super) fn index_page(&mut self, pack: u32, part: Part, page: u32) -> Result<Rc<Vec<u8>>> {
        let name = row_name(pack, part, page);
        if let Some(row) = self.index_rows.find(name) {
            return Ok(row);
        }
        let key = keys::page(pack, part, page);
        let mut row = self.row(pack, &key)?;
        if let Err(at) = self.sound.binary_search(&name) {
            unseal(&key, &row)?;
            self.sound.insert(at, name);
        }
        row.truncate(row.len().saturating_sub(SUM_SIZE));
        Ok(self.index_rows.keep(name, row))
    }

    /// A row of a pack. It is there as long as the pack is listed, and a while longer.
    fn row(&mut self, pack: u32, key: &[u8]) -> Result<Vec<u8>> {
        let row = self.host.get(key);
        if row.is_none() {
            let now = Manifest::read(&self.host.get(keys::MANIFEST).ok_or(Error::Corrupt)?)?;
            self.is_overtaken |= now.packs.iter().all(|listed| listed.number != pack);
        }
        row.ok_or(Error::Corrupt)
    }

    /// Whether rows that were read here were replaced, so long ago that they are gone.
    pub fn is_overtaken(&self) -> bool {
        self.is_overtaken
    }

    /// A page to look at: its sum is kept for `whole_page`.
    pub(super) fn data_page(&mut self, pack: u32, part: Part, page: u32) -> Result<Rc<Vec<u8>>> {
        let name = row_name(pack, part, page);
        if let Some(row) = self.data_rows.find(name) {
            return Ok(row);
        }
        self.data_rows.make_room(crate::limits::ROW_MAX);
        let key = keys::page(pack, part, page);
        let mut row = self.row(pack, &key)?;
        let Some((_, sum)) = row.split_last_chunk() else { return Err(Error::Corrupt) };
        self.sums.retain(|(other, _)| *other != name);
        self.sums.push((name, *sum));
        row.truncate(row.len() - SUM_SIZE);
        Ok(self.data_rows.keep(name, row))
    }

    /// A page to copy from without a look at what is in it: it must be as it was written. An object
    /// that is read has a sum of its own, so the other objects of a damaged page can still be had.
    pub(super) fn whole_page(&mut self, pack: u32, page: u32) -> Result<Rc<Vec<u8>>> {
        let row = self.data_page(pack, Part::Data, page)?;
        let name = row_name(pack, Part::Data, page);
        if let Some(at) = self.sums.iter().position(|(other, _)| *other == name) {
            let (_, found) = self.sums.swap_remove(at);
            if sum(&keys::page(pack, Part::Data, page), &row) != found {
                self.sums.push((name, found));
                return Err(Error::Corrupt);
            }
        }
        Ok(row)
    }
}

fn row_name(pack: u32, part: Part, page: u32) -> u64 {
    u64::from(pack) << 32 | u64::from(part as u8) << 24 | u64::from(page & 0xff_ffff)
}

/// The page and the place in it of a position or a rank.
fn split(number: u32) -> (u32, usize) {
    (number / PAGE_COUNT as u32, number as usize % PAGE_COUNT)
}

/// The page that could hold an id.
fn page_of(pack: &Pack, oid: &Oid) -> Option<u32> {
    let id = oid.as_bytes().first_chunk().map(|bytes| u64::from_be_bytes(*bytes))?;
    pack.firsts.partition_point(|first| *first <= id).checked_sub(1).map(|page| page as u32)
}

/// Bytes of ids in the first page: after them come records, in a small pack.
fn ids_size(pack: &Pack, width: usize) -> usize {
    (pack.count as usize).min(PAGE_COUNT) * width
}
