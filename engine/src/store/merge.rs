//! Many packs become one, by copying: their entries follow each other, so distances between them
//! stay right; only the index is made anew. Knows no content.

use super::keys::{self, Part, SMALL_COUNT};
use super::manifest::{CLAIMED, CONDEMNED, Pack, Retired};
use super::stage::Stage;
use super::{Place, Store};
use crate::error::{Error, Result};
use crate::limits::{CLAIMS_MAX, PAGE_MAX, SCAN_MAX, STEP_MAX};
use crate::pack::index::{self, Base, PAGE_COUNT, Record};
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

pub struct Merge {
    /// The packs to merge, as the manifest lists them.
    packs: Vec<Pack>,
    /// Their slots in the manifest.
    slots: Range<usize>,
    stage: Stage,
    state: State,
    firsts: Vec<u64>,
    /// For each position of the new pack: the place of its id among the ids.
    ranks: Vec<u32>,
}

enum State {
    /// Entries are copied from this offset of this pack.
    Data {
        pack: usize,
        at: u64,
    },
    Ids,
    /// Records are written from this position on.
    Records {
        position: u32,
    },
    Done,
}

impl Merge {
    /// Begins to merge the packs in these slots of the manifest.
    pub fn new(store: &Store, slots: Range<usize>) -> Result<Merge> {
        let packs = store.manifest.packs.get(slots.clone()).ok_or(Error::Corrupt)?.to_vec();
        let (stage, state) = (Stage::new(), State::Data { pack: 0, at: 0 });
        let (firsts, ranks) = (Vec::new(), Vec::new());
        Ok(Merge { packs, slots, stage, state, firsts, ranks })
    }

    /// One bounded step. True: the packs are one, or other work on the packs came first and nothing
    /// changed.
    pub fn step(&mut self, store: &mut Store, time: u64) -> Result<bool> {
        match self.state {
            State::Data { pack, at } => self.copy(store, pack, at)?,
            State::Ids => self.write_ids(store)?,
            State::Records { position } if position < self.count() => {
                self.write_records(store, position)?;
            }
            State::Records { .. } => {
                self.commit(store, time)?;
                self.state = State::Done;
            }
            State::Done => return Ok(true),
        }
        Ok(matches!(self.state, State::Done))
    }

    fn count(&self) -> u32 {
        self.packs.iter().map(|pack| pack.count).sum()
    }

    fn copy(&mut self, store: &mut Store, pack: usize, at: u64) -> Result<()> {
        let Some(from) = self.packs.get(pack) else {
            self.state = State::Ids;
            return Ok(());
        };
        let mut at = at;
        let end = from.size.min(at + STEP_MAX as u64);
        while at < end {
            let page = (at / PAGE_MAX as u64) as u32;
            let row = store.whole_page(from.number, page)?;
            let bytes = row.get((at % PAGE_MAX as u64) as usize..).unwrap_or_default();
            if bytes.is_empty() {
                return Err(Error::Corrupt);
            }
            self.stage.push(store, bytes)?;
            at += bytes.len() as u64;
        }
        self.state = match at < from.size {
            true => State::Data { pack, at },
            false => State::Data { pack: pack + 1, at: 0 },
        };
        Ok(())
    }

    /// Merges the sorted ids of all packs, page by page.
    fn write_ids(&mut self, store: &mut Store) -> Result<()> {
        let count = self.count();
        let mut heads = Vec::new();
        let mut first_position = 0;
        for (slot, pack) in self.slots.clone().zip(&self.packs) {
            heads.push(Head { slot: slot as u32, next: 0, count: pack.count, first_position });
            first_position += pack.count;
        }
        self.ranks = vec![0; count as usize];
        let mut page = Vec::new();
        let mut least: Vec<Option<(crate::hash::Oid, u32)>> = Vec::new();
        for head in &mut heads {
            least.push(head.take(store)?);
        }
        for rank in 0..count {
            let first = least.iter().enumerate().filter_map(|(at, id)| id.map(|id| (id, at))).min();
            let ((oid, position), at) = first.ok_or(Error::Corrupt)?;
            if let (Some(slot), Some(head)) = (least.get_mut(at), heads.get_mut(at)) {
                *slot = head.take(store)?;
            }
            if page.is_empty() {
                let first = oid.as_bytes().first_chunk().ok_or(Error::Corrupt)?;
                self.firsts.push(u64::from_be_bytes(*first));
            }
            index::write_id(&mut page, oid.as_bytes(), position);
            *self.ranks.get_mut(position as usize).ok_or(Error::Corrupt)? = rank;
            if rank as usize % PAGE_COUNT == PAGE_COUNT - 1 || rank + 1 == count {
                let number = rank / PAGE_COUNT as u32;
                self.stage.add_index(store, Part::Ids, number, core::mem::take(&mut page))?;
            }
        }
        self.state = State::Records { position: 0 };
        Ok(())
    }

    fn write_records(&mut self, store: &mut Store, from: u32) -> Result<()> {
        let to = self.count().min(from + PAGE_COUNT as u32);
        let mut row = Vec::with_capacity((to - from) as usize * index::RECORD_SIZE);
        for position in from..to {
            let (place, shift, offset) = self.place_of(position)?;
            let record = store.record(place)?;
            let base = match record.base {
                Base::None => Base::None,
                Base::Inside(base) => Base::Inside(base + shift),
                Base::Outside => {
                    let oid = store.outside_base(place)?;
                    let base = store.place(&oid)?;
                    self.position_of(base).map_or(Base::Outside, Base::Inside)
                }
            };
            let rank = self.ranks.get(position as usize).copied().ok_or(Error::Corrupt)?;
            let offset = record.offset + offset;
            row.extend_from_slice(&Record { offset, base, rank, ..record }.write());
        }
        match self.count() <= SMALL_COUNT {
            true => self.stage.join_index(&row),
            false => {
                let page = from / PAGE_COUNT as u32;
                self.stage.add_index(store, Part::Records, page, row)?;
            }
        }
        self.state = State::Records { position: to };
        Ok(())
    }

    /// Where the object at a position of the new pack is now, how much was added to its position,
    /// and how much to its offset.
    fn place_of(&self, position: u32) -> Result<(Place, u32, u64)> {
        let (mut shift, mut offset) = (0, 0);
        for (slot, pack) in self.slots.clone().zip(&self.packs) {
            if position - shift < pack.count {
                let place = Place { pack: slot as u32, position: position - shift };
                return Ok((place, shift, offset));
            }
            shift += pack.count;
            offset += pack.size;
        }
        Err(Error::Corrupt)
    }

    /// The position in the new pack of an object that is in one of its packs.
    fn position_of(&self, place: Place) -> Option<u32> {
        let before = (place.pack as usize).checked_sub(self.slots.start)?;
        let packs = self.packs.get(..before).filter(|_| before < self.packs.len())?;
        Some(packs.iter().map(|pack| pack.count).sum::<u32>() + place.position)
    }

    /// Puts the new pack where the old ones are listed, and retires those.
    fn commit(&mut self, store: &mut Store, time: u64) -> Result<()> {
        for _ in 0..CLAIMS_MAX {
            let mut manifest = store.manifest.clone();
            if manifest.packs.get(self.slots.clone()) != Some(&self.packs) {
                return Ok(());
            }
            let number = manifest.list(self.stage.number())?;
            let (count, size) = (self.count(), self.stage.size());
            // One after another they are the same bytes as before.
            let trailer = self.packs.last().and_then(|last| last.trailer.clone());
            let merged = Pack { number, count, size, trailer, firsts: self.firsts.clone() };
            manifest.retire(self.slots.clone(), time);
            manifest.packs.insert(self.slots.start, merged);
            if store.commit_manifest(manifest, &self.stage.pages(number)) {
                return Ok(());
            }
            store.reload()?;
        }
        Err(Error::Busy)
    }
}

/// Reads the ids of one pack in order.
struct Head {
    slot: u32,
    next: u32,
    count: u32,
    /// The position of the pack's first object in the new pack.
    first_position: u32,
}

impl Head {
    fn take(&mut self, store: &mut Store) -> Result<Option<(crate::hash::Oid, u32)>> {
        if self.next == self.count {
            return Ok(None);
        }
        let (oid, position) = store.id_at(self.slot, self.next)?;
        self.next += 1;
        Ok(Some((oid, position + self.first_position)))
    }
}

impl Store<'_> {
    /// How many objects each pack has, the oldest first: what a plan of merges is made from.
    pub fn sizes(&self) -> impl Iterator<Item = (u32, u64)> {
        self.manifest.packs.iter().map(|pack| (pack.count, pack.size))
    }

    /// Deletes the rows of packs that were merged before `time`, and rows that were staged long
    /// before it, some at a time. True: none is left.
    pub fn sweep(&mut self, before: u64) -> Result<bool> {
        let old = |retired: &Retired| retired.time < before;
        let Some(at) = self.manifest.retired.iter().position(old) else { return Ok(true) };
        let mut manifest = self.manifest.clone();
        let retired = manifest.retired.remove(at);
        let mut staged = Vec::new();
        if retired.rows == CLAIMED {
            manifest.retired.push(Retired { rows: CONDEMNED, ..retired });
        } else if retired.rows == CONDEMNED {
            let prefix = &keys::page(retired.number, Part::Data, 0)[..keys::PACK_SIZE];
            staged = self.host.scan(prefix, prefix, SCAN_MAX);
            if !staged.is_empty() {
                manifest.retired.push(retired.clone());
            }
        }
        let mut rows = retired.deletions();
        for row in staged {
            rows.push((row.key, None));
        }
        if !self.commit_manifest(manifest, &rows) {
            self.reload()?;
        }
        Ok(false)
    }
}
