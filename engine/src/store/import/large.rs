//! Deltas over or to objects that are never held: the base is spilled to rows, so that any part of
//! it can be read; what is made goes out as it is made, and is stored whole.

use super::Import;
use super::entries::Base;
use crate::error::{Error, Result};
use crate::flate::Deflate;
use crate::hash::Hasher;
use crate::limits::{HELD_MAX, PAGE_MAX};
use crate::object::Kind;
use crate::pack::delta::{self, Delta, Step};
use crate::pack::entry::{Form, Header};
use crate::store::keys::{self, Part};
use crate::store::stage::{Rows, Source};
use crate::store::{Place, Store, hash_header};
use alloc::vec::Vec;

/// A base of any size, of which any part can be read.
struct Spill {
    pack: u32,
    first_page: u32,
    size: u64,
}

impl Import {
    /// An object that arrived as a delta, where base or object are too large to be held.
    pub(super) fn add_large(
        &mut self,
        store: &mut Store,
        base: Base,
        place: Option<Place>,
        kind: Kind,
        delta: &Delta,
        sent: u64,
    ) -> Result<()> {
        let spill = self.spill(store, base, place)?;
        if delta.size <= HELD_MAX as u64 {
            let mut content = Vec::new();
            spill.apply(store, delta, &mut |_, bytes| {
                content.extend_from_slice(bytes);
                Ok(())
            })?;
            spill.drop(store);
            return self.add_rewritten(store, kind, &content, sent);
        }
        if kind != Kind::Blob {
            return Err(Error::TooLarge);
        }
        self.is_rewritten = true;
        let header = Header { form: Form::Whole(kind), size: delta.size };
        let offset = self.begin_entry(store, &header, sent)?;
        let mut hasher = Hasher::received(self.format);
        hash_header(&mut hasher, kind, delta.size);
        let mut deflate = Deflate::new();
        let mut raw = Vec::new();
        let stage = &mut self.stage;
        spill.apply(store, delta, &mut |store, bytes| {
            hasher.update(bytes);
            deflate.write(bytes, &mut raw);
            stage.push(store, &raw)?;
            raw.clear();
            Ok(())
        })?;
        deflate.finish(&mut raw);
        self.stage.push(store, &raw)?;
        spill.drop(store);
        self.add_streamed(offset, kind, delta.size, hasher)
    }

    /// Writes the content of a base to rows.
    fn spill(&mut self, store: &mut Store, base: Base, place: Option<Place>) -> Result<Spill> {
        let pack = self.stage.claim(store)?;
        let mut spill = Spill { pack, first_page: self.spill_pages, size: 0 };
        let (size, offset, number) = match (base, place) {
            (Base::Inside(position), _) => {
                let entry = self.entries.get(position)?;
                (entry.size, entry.offset, None)
            }
            (_, Some(place)) => {
                let record = store.record(place)?;
                (record.size, record.offset, Some(store.pack(place.pack)?.number))
            }
            _ => return Err(Error::MissingBase),
        };
        if size <= HELD_MAX as u64 {
            let content = match (base, place) {
                (Base::Inside(position), _) => self.load(store, position)?,
                (_, Some(place)) => store.read(place)?.1,
                _ => return Err(Error::MissingBase),
            };
            content.chunks(PAGE_MAX).for_each(|row| spill.write(store, row));
        } else {
            // An object that is not held is stored whole.
            let source = number.map_or(Source::Stage(&self.stage), Source::Pack);
            spill.write_stream(store, source, offset)?;
        }
        if spill.size != size {
            return Err(Error::Corrupt);
        }
        self.spill_pages += size.div_ceil(PAGE_MAX as u64) as u32;
        Ok(spill)
    }
}

impl Spill {
    fn write(&mut self, store: &mut Store, row: &[u8]) {
        let page = self.first_page + (self.size / PAGE_MAX as u64) as u32;
        store.write_page(self.pack, Part::Spill, page, row);
        self.size += row.len() as u64;
    }

    fn write_stream(&mut self, store: &mut Store, source: Source, offset: u64) -> Result<()> {
        let (_, at) = store.header(source, offset)?;
        let mut row = Vec::with_capacity(PAGE_MAX);
        store.inflate_from(source, at, &mut |store, mut bytes| {
            while !bytes.is_empty() {
                let room = PAGE_MAX - row.len();
                let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
                row.extend_from_slice(now);
                bytes = later;
                if row.len() == PAGE_MAX {
                    self.write(store, &row);
                    row.clear();
                }
            }
            Ok(())
        })?;
        self.write(store, &row);
        Ok(())
    }

    /// Hands out what a delta makes of this base, piece by piece.
    fn apply(
        &self,
        store: &mut Store,
        delta: &Delta,
        each: &mut dyn FnMut(&mut Store, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let mut rest = delta.instructions;
        let mut made = 0u64;
        while !rest.is_empty() {
            let (step, taken) = delta::step(rest).ok_or(Error::BadDelta)?;
            rest = rest.get(taken..).unwrap_or_default();
            let (Step::Copy { size, .. } | Step::Insert { size }) = step;
            made += size as u64;
            if made > delta.size {
                return Err(Error::BadDelta);
            }
            match step {
                Step::Copy { offset, size } => self.read(store, offset, size, each)?,
                Step::Insert { size } => {
                    let (bytes, after) = rest.split_at_checked(size).ok_or(Error::BadDelta)?;
                    each(store, bytes)?;
                    rest = after;
                }
            }
        }
        if made == delta.size { Ok(()) } else { Err(Error::BadDelta) }
    }

    fn read(
        &self,
        store: &mut Store,
        offset: usize,
        size: usize,
        each: &mut dyn FnMut(&mut Store, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let (mut at, mut left) = (offset, size);
        if at as u64 + left as u64 > self.size {
            return Err(Error::BadDelta);
        }
        while left > 0 {
            let page = self.first_page + (at / PAGE_MAX) as u32;
            let row = store.data_page(self.pack, Part::Spill, page)?;
            let bytes = row.get(at % PAGE_MAX..).unwrap_or_default();
            let bytes = bytes.get(..left).unwrap_or(bytes);
            if bytes.is_empty() {
                return Err(Error::Corrupt);
            }
            each(store, bytes)?;
            at += bytes.len();
            left -= bytes.len();
        }
        Ok(())
    }

    /// Deletes the rows.
    fn drop(self, store: &mut Store) {
        let pages = self.size.div_ceil(PAGE_MAX as u64) as u32;
        let mut rows = Rows::new();
        for page in self.first_page..self.first_page + pages {
            rows.push((keys::page(self.pack, Part::Spill, page).to_vec(), None));
        }
        store.write_rows(&rows);
    }
}
