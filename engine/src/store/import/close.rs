//! The end of a pack: everything that its objects refer to is there; the index is written.

use super::ids::Ids;
use super::{Import, State};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{CLOSE_STEP, HELD_MAX};
use crate::object::check::{Content, File, Finding, inspect_file};
use crate::object::{Commit, Kind};
use crate::pack::index::{self, PAGE_COUNT, Record};
use crate::sort;
use crate::store::keys::{Part, SMALL_COUNT};
use crate::store::manifest::Pack;
use crate::store::ring::Ring;
use crate::store::{Place, Store};
use alloc::vec;
use alloc::vec::Vec;
use core::mem::replace;

/// What is left to look up.
pub(super) struct Closing {
    /// Numbers of ids, in the order of ids: neighbours are in one page of an index.
    order: Vec<u32>,
    next: usize,
}

/// Where an object is that the pack refers to.
pub(super) enum Where {
    /// At a position of what is being closed.
    Here(u32),
    /// In an earlier part of the pack, or a later one.
    Part(Place),
    /// It was stored before.
    Before,
}

impl Import {
    pub(super) fn begin_close(&mut self) {
        self.contents = Ring::new(1);
        self.pending = Vec::new();
        let mut order = sort::numbers(self.ids.len());
        let ids = &self.ids;
        sort::by(&mut order, &|a, b| ids.bytes(a) < ids.bytes(b));
        self.state = State::Closing(Closing { order, next: 0 });
    }

    /// Looks up some ids; after the last, builds the index.
    pub(super) fn close_some(&mut self, store: &mut Store) -> Result<()> {
        let State::Closing(mut closing) = core::mem::replace(&mut self.state, State::Received)
        else {
            return Err(Error::Corrupt);
        };
        let end = closing.order.len().min(closing.next + CLOSE_STEP);
        let mut own = Vec::new();
        for number in closing.order.get(closing.next..end).unwrap_or_default() {
            self.close_one(store, *number)?;
            if self.ids.position(*number).is_some() {
                own.push(self.ids.oid(*number));
            }
        }
        self.has_doubles = self.has_doubles || store.has_any(&own)?;
        closing.next = end;
        if end < closing.order.len() {
            self.state = State::Closing(closing);
            return Ok(());
        }
        drop(closing);
        let firsts = self.build_index(store)?;
        if !self.is_undivided() {
            return self.seal(store, firsts);
        }
        self.end(store, firsts)
    }

    /// What git will read in the pack's trees does not mislead it. What was stored before was
    /// looked at when it came.
    pub(super) fn check_file(
        &mut self,
        store: &mut Store,
        oid: &Oid,
        note: u8,
        kind: Kind,
        at: Where,
    ) -> Result<()> {
        for file in [File::Modules, File::Attributes] {
            if !Ids::is_marked(note, file) {
                continue;
            }
            let size = match at {
                _ if kind != Kind::Blob => None,
                Where::Here(position) => Some(self.entries.get(position)?.size),
                Where::Part(place) => Some(store.record(place)?.size),
                Where::Before => continue,
            };
            let text = match at {
                _ if size.is_none_or(|size| size > HELD_MAX as u64) => Vec::new(),
                Where::Here(position) => self.load(store, position)?,
                Where::Part(place) => store.read(place)?.1,
                Where::Before => continue,
            };
            let content = match size {
                None => Content::Other,
                Some(size) if size > HELD_MAX as u64 => Content::Large,
                Some(_) => Content::Blob(&text),
            };
            let (fault, warnings) = (&mut self.fault, &mut self.warnings);
            let mut tell = |found: &Finding| super::name::tell(found, oid, fault, warnings);
            if !inspect_file(file, &content, &self.severities, &mut tell) {
                return self.fail(*oid, Error::BadObject);
            }
        }
        Ok(())
    }

    /// An id that the pack refers to is in the pack or in the store, and is what it is said to be.
    fn close_one(&mut self, store: &mut Store, number: u32) -> Result<()> {
        let (oid, note) = (self.ids.oid(number), self.ids.note(number));
        let Some(position) = self.ids.position(number) else {
            if self.is_undivided() {
                return self.look_up(store, &oid, note);
            }
            return self.postpone(store, number);
        };
        let entry = self.entries.get(position)?;
        if self.policy.object_max > 0 && entry.size > self.policy.object_max {
            self.fault =
                [b"object ", &*oid.to_hex(), b" is larger than this repository takes"].concat();
            return self.fail(oid, Error::TooLarge);
        }
        let kind = entry.kind.ok_or(Error::MissingBase)?;
        if self.ids.kind(number).is_some_and(|said| said != kind) {
            return self.fail(oid, Error::BadObject);
        }
        self.check_file(store, &oid, note, kind, Where::Here(position))
    }

    /// Commits outside of the pack that a commit leads to through it; itself, if it is outside.
    pub fn edge_of(&mut self, store: &mut Store, tip: &Oid) -> Result<Vec<Oid>> {
        let mut seen = vec![false; self.entries.len() as usize];
        let (mut open, mut edge) = (vec![*tip], Vec::new());
        while let Some(oid) = open.pop() {
            let Some(position) = self.position(&oid) else {
                edge.push(oid);
                continue;
            };
            let is_new = seen.get_mut(position as usize).is_some_and(|seen| !replace(seen, true));
            if is_new && self.entries.get(position)?.kind == Some(Kind::Commit) {
                let content = self.load(store, position)?;
                open.extend_from_slice(&Commit::read(&content, self.format)?.parents);
            }
        }
        Ok(edge)
    }

    /// Once more, where packs are gone that were there when this import began: what it leans on may
    /// be gone with them.
    pub(in crate::store) fn look_again(&self, store: &mut Store) -> Result<()> {
        if store.manifest.has_all(&self.packs) {
            return Ok(());
        }
        self.look_again_in_parts(store)?;
        for number in 0..self.ids.len() as u32 {
            let is_outside = self.ids.position(number).is_none();
            if is_outside && store.find(&self.ids.oid(number))?.is_none() {
                return Err(Error::MissingObject);
            }
        }
        Ok(())
    }

    /// Whether all that its objects refer to, and their bases, are in the pack itself.
    pub(in crate::store) fn is_closed(&self) -> bool {
        !self.leans
    }

    pub(super) fn fail(&mut self, oid: Oid, error: Error) -> Result<()> {
        self.culprit = Some(oid);
        Err(error)
    }

    /// Answers the first eight bytes of the first id of each page.
    fn build_index(&mut self, store: &mut Store) -> Result<Vec<u64>> {
        let count = self.entries.len();
        let mut order = sort::numbers(count as usize);
        let (ids, entries) = (&self.ids, &self.entries);
        let bytes = |position: u32| ids.bytes(entries.id(position).unwrap_or(0));
        sort::by(&mut order, &|a, b| bytes(a) < bytes(b));
        self.has_doubles |= order.windows(2).any(|two| bytes(two[0]) == bytes(two[1]));
        let mut firsts = Vec::new();
        let mut ranks = vec![0u32; count as usize];
        for (page, positions) in order.chunks(PAGE_COUNT).enumerate() {
            let first = positions.first().and_then(|at| bytes(*at).first_chunk());
            firsts.push(u64::from_be_bytes(*first.ok_or(Error::Corrupt)?));
            let mut row = Vec::with_capacity(positions.len() * index::id_width(self.format));
            for (at, position) in positions.iter().enumerate() {
                index::write_id(&mut row, bytes(*position), *position);
                if let Some(rank) = ranks.get_mut(*position as usize) {
                    *rank = (page * PAGE_COUNT + at) as u32;
                }
            }
            self.stage.add_index(store, Part::Ids, page as u32, row)?;
        }
        drop(order);
        for (page, ranks) in ranks.chunks(PAGE_COUNT).enumerate() {
            let mut row = Vec::with_capacity(ranks.len() * index::RECORD_SIZE);
            for (at, rank) in ranks.iter().enumerate() {
                let entry = self.entries.get((page * PAGE_COUNT + at) as u32)?;
                row.extend_from_slice(&entry.record(*rank)?.write());
            }
            match count <= SMALL_COUNT {
                true => self.stage.join_index(&row),
                false => self.stage.add_index(store, Part::Records, page as u32, row)?,
            }
        }
        Ok(firsts)
    }

    /// The pack as the manifest lists it.
    pub(in crate::store) fn pack(&self, number: u32) -> Result<Pack> {
        let State::Done(firsts) = &self.state else {
            return Err(Error::CutShort);
        };
        Ok(Pack {
            number,
            count: self.count,
            size: self.stage.size(),
            trailer: None,
            firsts: firsts.clone(),
        })
    }

    /// Whether everything in the pack is reached from `tips`, and nothing of it was stored before:
    /// ids are hashes, so there are no cycles, and what nothing in the pack refers to is a root.
    pub(in crate::store) fn is_tight(&self, tips: &[Oid]) -> bool {
        let is_reached = |position: u32| {
            let id = self.entries.id(position).unwrap_or(u32::MAX);
            self.ids.kind(id).is_some() || tips.binary_search(&self.ids.oid(id)).is_ok()
        };
        let is_tip = |root: &Oid| tips.binary_search(root).is_ok();
        let is_reached = (0..self.entries.len()).all(is_reached);
        !self.has_doubles && is_reached && self.roots.iter().all(is_tip)
    }
}

impl super::entries::Entry {
    fn record(&self, rank: u32) -> Result<Record> {
        use super::entries::Base;
        let base = match self.base {
            Base::None => index::Base::None,
            Base::Inside(position) => index::Base::Inside(position),
            Base::Outside => index::Base::Outside,
            Base::Unknown(_) => return Err(Error::MissingBase),
        };
        let kind = self.kind.ok_or(Error::MissingBase)?;
        Ok(Record { offset: self.offset, kind, depth: self.depth, size: self.size, base, rank })
    }
}
