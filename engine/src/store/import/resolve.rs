//! Makes objects of entries: applies deltas. One whose base is at hand is made as it arrives; the
//! others wait, and are made family by family.

use super::entries::{Base, Entry};
use super::{Import, State};
use crate::error::{Error, Result};
use crate::hash::{Hasher, Oid};
use crate::limits::{CHAIN_MAX, DEPTH_MAX, HELD_MAX, MADE_MAX, MADE_RATIO, STEP_MAX, TAGS_MAX};
use crate::object::{self, Kind};
use crate::pack::delta::Delta;
use crate::pack::entry::{Form, Header};
use crate::sort;
use crate::store::stage::Source;
use crate::store::{Place, Store};
use alloc::vec;
use alloc::vec::Vec;

const UNKNOWN_DEPTH: u8 = DEPTH_MAX + 1;

impl Import {
    /// A whole object whose entry was staged.
    pub(super) fn add_whole(
        &mut self,
        offset: u64,
        kind: Kind,
        size: u64,
        content: &[u8],
    ) -> Result<()> {
        let (base, kind) = (Base::None, Some(kind));
        let (id, depth, is_made) = (None, 0, false);
        self.entries.push(Entry { offset, size, base, id, kind, depth, is_made });
        self.identify(self.entries.len() - 1, content)
    }

    /// A whole object that was hashed while it was staged.
    pub(super) fn add_streamed(
        &mut self,
        offset: u64,
        kind: Kind,
        size: u64,
        hasher: Hasher,
    ) -> Result<()> {
        let oid = hasher.finish()?;
        let id = Some(self.ids.place(&oid, self.entries.len()));
        let (base, kind) = (Base::None, Some(kind));
        let (depth, is_made) = (0, true);
        self.entries.push(Entry { offset, size, base, id, kind, depth, is_made });
        Ok(())
    }

    /// A delta as it arrived: inflated, and as compressed bytes that are not staged yet.
    pub(super) fn add_delta(
        &mut self,
        store: &mut Store,
        header: &Header,
        sent: u64,
        delta: &[u8],
        raw: &[u8],
    ) -> Result<()> {
        let made = Delta::read(delta)?;
        self.largest = self.largest.max(made.size);
        let (base, place) = self.base_of(store, header, sent)?;
        let (kind, depth, base_size) = match (base, place) {
            (Base::Inside(position), _) => {
                let entry = self.entries.get(position)?;
                (entry.kind, entry.depth, entry.size)
            }
            (_, Some(place)) => {
                let record = store.record(place)?;
                (Some(record.kind), record.depth, record.size)
            }
            _ => (None, UNKNOWN_DEPTH, made.base_size),
        };
        if base_size != made.base_size {
            return Err(Error::BadDelta);
        }
        self.count_made(base_size.max(made.size))?;
        let depth = depth.saturating_add(1).min(UNKNOWN_DEPTH);
        if base_size.max(made.size) > HELD_MAX as u64 {
            return self.add_large(store, base, place, kind.ok_or(Error::TooLarge)?, &made, sent);
        }
        let is_too_deep = depth > CHAIN_MAX && depth != UNKNOWN_DEPTH;
        if let (true, Some(kind)) = (is_too_deep, kind) {
            let content = self.make(store, base, place, &made)?;
            return self.add_rewritten(store, kind, &content, sent);
        }
        let offset = self.stage.size();
        let header = self.header_here(store, header, base, place)?;
        self.begin_entry(store, &header, sent)?;
        self.stage.push(store, raw)?;
        let position = self.entries.len();
        let (size, id, is_made) = (made.size, None, false);
        self.entries.push(Entry { offset, size, base, id, kind, depth, is_made });
        if !self.is_at_hand(base) {
            self.pending.push(position);
            return Ok(());
        }
        let content = self.make(store, base, place, &made)?;
        self.identify(position, &content)
    }

    /// An object that arrived as a delta and is stored whole.
    pub(super) fn add_rewritten(
        &mut self,
        store: &mut Store,
        kind: Kind,
        content: &[u8],
        sent: u64,
    ) -> Result<()> {
        self.is_rewritten = true;
        let size = content.len() as u64;
        let offset = self.begin_entry(store, &Header { form: Form::Whole(kind), size }, sent)?;
        let mut raw = Vec::new();
        let mut deflate = crate::flate::Deflate::new();
        deflate.write(content, &mut raw);
        deflate.finish(&mut raw);
        self.stage.push(store, &raw)?;
        self.add_whole(offset, kind, size, content)
    }

    /// Where a delta's base is.
    fn base_of(
        &mut self,
        store: &mut Store,
        header: &Header,
        sent: u64,
    ) -> Result<(Base, Option<Place>)> {
        Ok(match header.form {
            Form::OfsDelta(distance) => {
                let at =
                    sent.checked_sub(distance).filter(|at| *at < sent).ok_or(Error::BadPack)?;
                match self.entries.find_sent(at) {
                    Some(found) => (Base::Inside(found), None),
                    None => {
                        let place = self.find_in_parts(store, at)?.ok_or(Error::BadPack)?;
                        (Base::Outside, Some(place))
                    }
                }
            }
            Form::RefDelta(oid) => match (self.position(&oid), store.find(&oid)?) {
                (Some(position), _) => (Base::Inside(position), None),
                (None, Some(place)) => {
                    self.need(&oid)?;
                    (Base::Outside, Some(place))
                }
                (None, None) => match self.seen(&oid)? {
                    Some(position) => (Base::Inside(position), None),
                    None => (Base::Unknown(self.need(&oid)?), None),
                },
            },
            Form::Whole(_) => return Err(Error::BadPack),
        })
    }

    /// The number of an id that must be in the pack, or in the store.
    fn need(&mut self, oid: &Oid) -> Result<u32> {
        self.ids.need(oid).ok_or(Error::MissingBase)
    }

    /// The header as it is right where the entry is staged.
    fn header_here(
        &self,
        store: &mut Store,
        header: &Header,
        base: Base,
        place: Option<Place>,
    ) -> Result<Header> {
        Ok(match (header.form, base, place) {
            (Form::OfsDelta(_), Base::Inside(position), _) => {
                let distance = self.stage.size() - self.entries.get(position)?.offset;
                Header { form: Form::OfsDelta(distance), ..*header }
            }
            (Form::OfsDelta(_), _, Some(place)) => {
                Header { form: Form::RefDelta(store.oid(place)?), ..*header }
            }
            _ => *header,
        })
    }

    /// Whether a base can be had without inflating what was staged.
    fn is_at_hand(&self, base: Base) -> bool {
        match base {
            Base::Inside(position) => self.contents.find(u64::from(position)).is_some(),
            Base::Outside => true,
            Base::None | Base::Unknown(_) => false,
        }
    }

    /// What a delta makes of its base.
    fn make(
        &mut self,
        store: &mut Store,
        base: Base,
        place: Option<Place>,
        delta: &Delta,
    ) -> Result<Vec<u8>> {
        let mut made = Vec::new();
        match (base, place) {
            (Base::Inside(position), _) => match self.contents.find(u64::from(position)) {
                Some(base) => delta.apply(base, &mut made)?,
                None => delta.apply(&self.load(store, position)?, &mut made)?,
            },
            (Base::Outside, Some(place)) => delta.apply(&store.read(place)?.1, &mut made)?,
            _ => return Err(Error::MissingBase),
        }
        Ok(made)
    }

    /// The content of an entry that was staged; its chain is followed as far as it is not at hand.
    pub(super) fn load(&mut self, store: &mut Store, position: u32) -> Result<Vec<u8>> {
        let mut chain = Vec::new();
        let mut at = position;
        let mut content = loop {
            if let Some(kept) = self.contents.find(u64::from(at)) {
                break kept.to_vec();
            }
            match self.entries.get(at)?.base {
                Base::Inside(base) => {
                    chain.push(at);
                    at = base;
                }
                _ => break self.load_first(store, at)?,
            }
        };
        for at in chain.into_iter().rev() {
            let (_, delta) = self.unpack(store, at)?;
            let mut made = Vec::new();
            Delta::read(&delta)?.apply(&content, &mut made)?;
            self.count_made(made.len() as u64)?;
            self.keep(at, [&[], &made, &[]])?;
            content = made;
        }
        Ok(content)
    }

    /// A few bytes can ask for terabytes, at once or again and again.
    fn count_made(&mut self, size: u64) -> Result<()> {
        self.made = self.made.saturating_add(size);
        match self.made > MADE_MAX + MADE_RATIO * self.sent {
            true => Err(Error::TooLarge),
            false => Ok(()),
        }
    }

    /// The content of an entry that has no base in this pack.
    fn load_first(&mut self, store: &mut Store, position: u32) -> Result<Vec<u8>> {
        let (header, bytes) = self.unpack(store, position)?;
        let Form::RefDelta(oid) = header.form else {
            self.keep(position, [&[], &bytes, &[]])?;
            return Ok(bytes);
        };
        let place = store.find(&oid)?.ok_or(Error::MissingBase)?;
        let mut made = Vec::new();
        Delta::read(&bytes)?.apply(&store.read(place)?.1, &mut made)?;
        self.keep(position, [&[], &made, &[]])?;
        Ok(made)
    }

    /// The inflated bytes of an entry that was staged.
    pub(super) fn unpack(&mut self, store: &mut Store, position: u32) -> Result<(Header, Vec<u8>)> {
        let offset = self.entries.get(position)?.offset;
        let source = Source::Stage(&self.stage);
        let (header, at) = store.header(source, offset)?;
        let mut bytes = Vec::new();
        store.inflate_at(source, at, header.size, &mut bytes)?;
        Ok((header, bytes))
    }

    /// The deltas that wait, so that those of one family follow each other, bases first: then a
    /// base is most often still at hand, and each entry is inflated about once more.
    pub(super) fn family_order(&self) -> Vec<u32> {
        let mut is_needed = vec![false; self.entries.len() as usize];
        let mut is_pending = is_needed.clone();
        let (mut links, mut stack) = (Vec::new(), Vec::new());
        for first in &self.pending {
            is_pending[*first as usize] = true;
            let mut at = *first;
            while !core::mem::replace(&mut is_needed[at as usize], true) {
                let Base::Inside(base) = self.entries.base(at) else {
                    stack.push(at);
                    break;
                };
                links.push(at);
                at = base;
            }
        }
        let base = |child: u32| match self.entries.base(child) {
            Base::Inside(base) => base,
            _ => u32::MAX,
        };
        sort::by(&mut links, &|a, b| (base(a), a) < (base(b), b));
        sort::by(&mut stack, &|a, b| a > b);
        let mut order = Vec::with_capacity(self.pending.len());
        while let Some(at) = stack.pop() {
            if is_pending[at as usize] {
                order.push(at);
            }
            let from = links.partition_point(|child| base(*child) < at);
            let to = links.partition_point(|child| base(*child) <= at);
            stack.extend(links[from..to].iter().rev());
        }
        order
    }

    /// Makes some of the deltas that wait. One whose base is named by an id that no object had yet
    /// waits for the next round; a round that makes nothing is the last.
    pub(super) fn resolve_some(&mut self, store: &mut Store) -> Result<()> {
        let State::Resolving { order, mut next } =
            core::mem::replace(&mut self.state, State::Received)
        else {
            return Err(Error::Corrupt);
        };
        let mut work = 0;
        while let (Some(position), true) = (order.get(next), work < STEP_MAX) {
            work += self.resolve(store, *position)?;
            next += 1;
        }
        if next < order.len() {
            self.state = State::Resolving { order, next };
            return Ok(());
        }
        self.name_waiting()?;
        let before = self.pending.len();
        let entries = &self.entries;
        self.pending.retain(|at| entries.id(*at).is_none());
        if self.pending.is_empty() {
            self.begin_close();
        } else if self.pending.len() == before {
            return Err(Error::MissingBase);
        } else {
            let order = self.family_order();
            self.state = State::Resolving { order, next: 0 };
        }
        Ok(())
    }

    /// Makes one delta, if its base is there; answers the bytes that it took.
    fn resolve(&mut self, store: &mut Store, position: u32) -> Result<usize> {
        let mut entry = self.entries.get(position)?;
        if let Base::Unknown(number) = entry.base {
            let Some(base) = self.ids.position(number) else { return Ok(1) };
            entry.base = Base::Inside(base);
        }
        if let Base::Inside(base) = entry.base {
            let base = self.entries.get(base)?;
            if !base.is_made {
                return Ok(1);
            }
            (entry.kind, entry.depth) = (base.kind, base.depth + 1);
        }
        if entry.depth > DEPTH_MAX {
            return Err(Error::DeltaTooDeep);
        }
        self.entries.set(position, entry);
        let content = self.load(store, position)?;
        self.identify(position, &content)?;
        Ok(content.len() + 256)
    }

    /// The object that a tag in this pack or in the store leads to in the end; `None`: it is no
    /// tag.
    pub fn peel(&mut self, store: &mut Store, oid: &Oid) -> Result<Option<Oid>> {
        let (mut found, mut at) = (None, *oid);
        for _ in 0..=TAGS_MAX {
            let Some(position) = self.position(&at) else { return Ok(store.peel(&at)?.or(found)) };
            if self.entries.get(position)?.kind != Some(Kind::Tag) {
                return Ok(found);
            }
            let content = self.load(store, position)?;
            at = object::Tag::read(&content, self.format)?.oid;
            found = Some(at);
        }
        Err(Error::TagsTooDeep)
    }
}
