//! A pack of many objects is taken in parts, so that what is known of each object fits: each part
//! is stored as a pack of its own. What its objects refer to outside of it is written down, and
//! looked up when all parts are there.

use super::close::Where;
use super::entries::{Entries, staged};
use super::ids::Ids;
use super::{Import, State};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{
    CLOSE_STEP, COUNT_LARGE, INDEX_SETTLE_MAX, PAGE_MAX, PART_IDS, PART_IDS_MORE, RING_MAX,
    RING_SMALL, ROOTS_MAX,
};
use crate::store::keys::{self, Part as Kind};
use crate::store::manifest::{Manifest, Pack};
use crate::store::ring::Ring;
use crate::store::stage::{Rows, Stage};
use crate::store::{Place, Store};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::mem::{replace, take};

/// What is left of a part once it is stored.
pub(super) struct Part {
    number: u32,
    /// Where its first entry was sent.
    sent: u64,
    shifts: Vec<(u64, i64)>,
    /// A bit for each position: another object refers to this one.
    reached: Vec<u64>,
    /// Rows of ids that its objects refer to, and that it does not have.
    open: core::ops::Range<u32>,
}

/// Ids outside of the part that is being closed, each with what is said of it.
#[derive(Default)]
pub(super) struct Open {
    bytes: Vec<u8>,
    /// The rows that are written.
    rows: core::ops::Range<u32>,
}

impl Import {
    /// Objects that were received.
    pub(super) fn taken(&self) -> u32 {
        self.stored + self.entries.len()
    }

    /// There is work to do before more of the pack can be taken.
    pub fn is_sealing(&self) -> bool {
        let is_at_work =
            matches!(self.state, State::Received | State::Resolving { .. } | State::Closing(_));
        is_at_work && self.taken() < self.count
    }

    pub(super) fn is_full(&self) -> bool {
        self.entries.len() >= self.part_max || self.ids.len() >= PART_IDS
    }

    /// Whether this is the only part.
    pub(super) fn is_undivided(&self) -> bool {
        self.parts.is_empty() && self.taken() == self.count
    }

    /// Room for what is still to come, or for one part of it.
    pub(super) fn begin_part(&mut self) {
        let count = self.count - self.stored;
        // The tables of the part before go first: there is no room for both.
        self.entries = Entries::new(0);
        self.ids = Ids::new(self.format, 0);
        self.entries = Entries::new(count.min(self.part_max));
        let is_large = self.count as usize > COUNT_LARGE;
        let all_ids = (PART_IDS + PART_IDS_MORE) as u32;
        self.ids = Ids::new(self.format, if is_large && count > 0 { all_ids } else { count });
        self.contents = self.new_ring();
        self.state = State::Entry;
    }

    pub(super) fn new_ring(&self) -> Ring {
        Ring::new(if self.count as usize > COUNT_LARGE { RING_SMALL } else { RING_MAX })
    }

    /// Notes an id for later.
    pub(super) fn postpone(&mut self, store: &mut Store, number: u32) -> Result<()> {
        if self.open.bytes.len() + self.open_width() > PAGE_MAX {
            self.write_open(store)?;
        }
        self.open.bytes.extend_from_slice(self.ids.bytes(number));
        self.open.bytes.push(self.ids.note(number));
        Ok(())
    }

    fn open_width(&self) -> usize {
        self.format.width() + 1
    }

    fn write_open(&mut self, store: &mut Store) -> Result<()> {
        if self.open.bytes.is_empty() {
            return Ok(());
        }
        let number = self.stage.claim(store)?;
        store.write_page(number, Kind::Spill, self.spill_pages, &self.open.bytes);
        self.spill_pages += 1;
        self.open.rows = self.spill_pages - self.open.rows.len() as u32 - 1..self.spill_pages;
        self.open.bytes.clear();
        Ok(())
    }

    /// Stores what was received as a pack of its own, and begins the next part.
    pub(super) fn seal(&mut self, store: &mut Store, firsts: Vec<u64>) -> Result<()> {
        self.write_open(store)?;
        let number = self.stage.claim(store)?;
        let stage = replace(&mut self.stage, Stage::new());
        store.write_rows(&stage.pages(number));
        let count = self.entries.len();
        let mut reached = vec![0u64; count.div_ceil(64) as usize];
        for position in 0..count {
            let id = self.entries.id(position).unwrap_or(u32::MAX);
            let is_reached = self.ids.kind(id).is_some();
            mark(&mut reached, position, is_reached);
        }
        let (shifts, size) = (self.entries.take_shifts(), stage.size());
        let open = take(&mut self.open).rows;
        self.parts.push(Part { number, sent: self.part_sent, shifts, reached, open });
        store.parts.push(Pack { number, count, size, trailer: None, firsts });
        self.part_sent = self.sent;
        self.stored += count;
        self.stored_size += size;
        self.spill_pages = 0;
        self.begin_part();
        if self.stored == self.count {
            // Nothing else needs memory any more.
            store.index_rows.resize(INDEX_SETTLE_MAX);
            self.state = State::Settling { part: 0, at: 0 };
        }
        Ok(())
    }

    /// Where an earlier part has the entry that was sent at an offset.
    pub(super) fn find_in_parts(&self, store: &mut Store, sent: u64) -> Result<Option<Place>> {
        let after = self.parts.partition_point(|part| part.sent <= sent);
        let Some(index) = after.checked_sub(1).filter(|_| sent < self.part_sent) else {
            return Ok(None);
        };
        let Some(part) = self.parts.get(index) else { return Ok(None) };
        let Some(offset) = staged(&part.shifts, sent) else { return Ok(None) };
        let pack = store.first_part() + index as u32;
        let (mut low, mut high) = (0, store.pack(pack)?.count);
        while low < high {
            let place = Place { pack, position: low + (high - low) / 2 };
            match store.record(place)?.offset.cmp(&offset) {
                core::cmp::Ordering::Less => low = place.position + 1,
                core::cmp::Ordering::Greater => high = place.position,
                core::cmp::Ordering::Equal => return Ok(Some(place)),
            }
        }
        Ok(None)
    }

    /// Looks up some of the ids that were postponed; they come in order, so neighbours are in one
    /// page of an index.
    pub(super) fn settle_some(&mut self, store: &mut Store) -> Result<()> {
        let State::Settling { part, at } = self.state else { return Err(Error::Corrupt) };
        let Some(open) = self.parts.get(part) else {
            self.find_roots(store)?;
            return self.end(store, Vec::new());
        };
        let per_row = PAGE_MAX / self.open_width();
        let page = open.open.start + (at / per_row) as u32;
        if page >= open.open.end {
            self.state = State::Settling { part: part + 1, at: 0 };
            return Ok(());
        }
        let (row, from) = (self.open_row(store, part, page)?, at % per_row);
        let width = self.open_width();
        let mut count = 0;
        for one in row.chunks_exact(width).skip(from).take(CLOSE_STEP) {
            let (id, note) = one.split_at(width - 1);
            let oid = Oid::from_bytes(self.format, id).ok_or(Error::Corrupt)?;
            self.look_up(store, &oid, note.first().copied().unwrap_or(0))?;
            count += 1;
        }
        let is_over = (from + count) * width >= row.len();
        let at = if is_over { (at / per_row + 1) * per_row } else { at + count };
        self.state = State::Settling { part, at };
        Ok(())
    }

    fn open_row(&self, store: &mut Store, part: usize, page: u32) -> Result<Rc<Vec<u8>>> {
        let number = self.parts.get(part).ok_or(Error::Corrupt)?.number;
        store.data_page(number, Kind::Spill, page)
    }

    /// An id outside of the part that referred to it: the store or another part has it, and it is
    /// what it is said to be.
    pub(super) fn look_up(&mut self, store: &mut Store, oid: &Oid, note: u8) -> Result<()> {
        let first = store.first_part();
        let in_parts = store.find_from(first, oid)?;
        let Some(place) = in_parts.map_or_else(|| store.find(oid), |place| Ok(Some(place)))? else {
            return self.fail(*oid, Error::MissingObject);
        };
        let kind = store.record(place)?.kind;
        if Ids::kind_of(note).is_some_and(|said| said != kind) {
            return self.fail(*oid, Error::BadObject);
        }
        let at = match in_parts {
            None => {
                self.leans = true;
                Where::Before
            }
            Some(place) => {
                let part = self.parts.get_mut((place.pack - first) as usize);
                if let Some(part) = part.filter(|_| Ids::kind_of(note).is_some()) {
                    mark(&mut part.reached, place.position, true);
                }
                Where::Part(place)
            }
        };
        self.check_file(store, oid, note, kind, at)
    }

    /// Objects of the parts that nothing in them refers to.
    fn find_roots(&mut self, store: &mut Store) -> Result<()> {
        let first = store.first_part();
        for (pack, part) in (first..).zip(&self.parts) {
            for position in 0..store.pack(pack)?.count {
                let word = part.reached.get(position as usize / 64).copied().unwrap_or(0);
                if word >> (position % 64) & 1 != 0 {
                    continue;
                }
                if self.roots.len() == ROOTS_MAX {
                    self.has_doubles = true;
                    return Ok(());
                }
                self.roots.push(store.oid(Place { pack, position })?);
            }
        }
        Ok(())
    }

    /// Whether what the parts lean on is still there.
    pub(super) fn look_again_in_parts(&self, store: &mut Store) -> Result<()> {
        let width = self.open_width();
        for (index, part) in self.parts.iter().enumerate() {
            for page in part.open.clone() {
                for one in self.open_row(store, index, page)?.chunks_exact(width) {
                    let oid = Oid::from_bytes(self.format, one).ok_or(Error::Corrupt)?;
                    store.find(&oid)?.ok_or(Error::MissingObject)?;
                }
            }
        }
        Ok(())
    }

    /// Lists what was received in the manifest, and answers the rows that are not written yet.
    pub(in crate::store) fn list(&self, store: &Store, manifest: &mut Manifest) -> Result<Rows> {
        let mut rows = Rows::new();
        let trailer = self.trailer.filter(|_| manifest.packs.is_empty() && self.parts.is_empty());
        for (part, pack) in self.parts.iter().zip(&store.parts) {
            manifest.list(Some(part.number))?;
            manifest.packs.push(pack.clone());
            for page in part.open.clone() {
                rows.push((keys::page(part.number, Kind::Spill, page).to_vec(), None));
            }
        }
        if self.parts.is_empty() {
            let number = manifest.list(self.stage.number())?;
            rows = self.stage.pages(number);
            let trailer = trailer.map(|trailer| trailer.as_bytes().to_vec());
            manifest.packs.push(Pack { trailer, ..self.pack(number)? });
        }
        Ok(rows)
    }
}

fn mark(bits: &mut [u64], position: u32, is_set: bool) {
    if let Some(word) = bits.get_mut(position as usize / 64) {
        *word |= u64::from(is_set) << (position % 64);
    }
}
