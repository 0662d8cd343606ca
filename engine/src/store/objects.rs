//! Objects by place: content through delta chains, without recursion. Knows no ref.

use super::Store;
use super::stage::Source;
use crate::error::{Error, Result};
use crate::flate::Inflate;
use crate::hash::Oid;
use crate::limits::{DELTA_MAX, DEPTH_MAX, PAGE_MAX, TAGS_MAX};
use crate::object::{self, Commit, Kind};
use crate::pack::delta::Delta;
use crate::pack::entry::{self, Form, Header};
use crate::pack::index::Base;
use alloc::vec;
use alloc::vec::Vec;

/// Where an object is: the pack's slot in the manifest, and the position in pack order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Place {
    pub pack: u32,
    pub position: u32,
}

impl Place {
    /// A number that no other place has.
    pub(super) fn name(self) -> u64 {
        u64::from(self.pack) << 32 | u64::from(self.position)
    }
}

/// Bytes of a header at most: a size, and an id.
const HEADER_MAX: usize = 10 + 32;
/// Bytes that a stream is inflated by.
const PIECE_SIZE: usize = 64 << 10;

impl Store<'_> {
    /// Type and content of an object of at most `HELD_MAX` bytes; `TooLarge` for others.
    pub fn read(&mut self, place: Place) -> Result<(Kind, Vec<u8>)> {
        let kind = self.record(place)?.kind;
        let mut chain = Vec::new();
        let mut content = Vec::new();
        let mut at = place;
        loop {
            if let Some(kept) = self.contents.find(at.name()) {
                content.extend_from_slice(kept);
                break;
            }
            let (base, bytes) = self.unpack(at)?;
            let Some(base) = base else {
                content = bytes;
                self.contents.keep(at.name(), [&[], &content, &[]]);
                break;
            };
            chain.push((at, bytes));
            if chain.len() > usize::from(DEPTH_MAX) {
                return Err(Error::Corrupt);
            }
            at = base;
        }
        for (at, delta) in chain.into_iter().rev() {
            let mut made = Vec::new();
            Delta::read(&delta)?.apply(&content, &mut made)?;
            content = made;
            self.contents.keep(at.name(), [&[], &content, &[]]);
        }
        Ok((kind, content))
    }

    /// The commit at a place.
    pub fn commit(&mut self, place: Place) -> Result<Commit> {
        Commit::read(&self.read(place)?.1, self.format)
    }

    /// Where an object is that must be stored, since the store is closed.
    pub fn place(&mut self, oid: &Oid) -> Result<Place> {
        self.find(oid)?.ok_or(Error::Corrupt)
    }

    /// The inflated bytes of an entry and, if they are a delta, the place of its base.
    fn unpack(&mut self, place: Place) -> Result<(Option<Place>, Vec<u8>)> {
        let record = self.record(place)?;
        let source = Source::Pack(self.pack(place.pack)?.number);
        let (header, at) = self.header(source, record.offset)?;
        let base = match (record.base, header.form) {
            (Base::None, _) => None,
            (Base::Inside(position), _) => Some(Place { position, ..place }),
            (Base::Outside, Form::RefDelta(oid)) => Some(self.place(&oid)?),
            (Base::Outside, _) => return Err(Error::Corrupt),
        };
        let mut out = Vec::new();
        self.inflate_at(source, at, header.size, &mut out)?;
        Ok((base, out))
    }

    /// The header of the entry at `offset`, and where its compressed data starts.
    pub(super) fn header(&mut self, source: Source, offset: u64) -> Result<(Header, u64)> {
        let format = self.format;
        let (page, at) = split(offset);
        let row = source.page(self, page)?;
        let bytes = row.get(at..).ok_or(Error::Corrupt)?;
        let (header, taken) = match entry::read(bytes, format)? {
            Some(found) => found,
            None => {
                let next = source.page(self, page + 1)?;
                let next = next.get(..HEADER_MAX).unwrap_or(&next);
                entry::read(&[bytes, next].concat(), format)?.ok_or(Error::Corrupt)?
            }
        };
        Ok((header, offset + taken as u64))
    }

    /// Inflates the stream that starts at `offset` of a pack's data, `size` bytes of content.
    pub(super) fn inflate_at(
        &mut self,
        source: Source,
        offset: u64,
        size: u64,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        if size > DELTA_MAX as u64 {
            return Err(Error::TooLarge);
        }
        let (page, at) = split(offset);
        let row = source.page(self, page)?;
        let bytes = row.get(at..).ok_or(Error::Corrupt)?;
        if self.inflate.whole(bytes, size as usize, out)?.is_some() {
            return Ok(());
        }
        drop(row);
        let start = out.len();
        out.resize(start + size as usize, 0);
        let mut made = start;
        self.inflate_from(source, offset, &mut |_, bytes| {
            let end = made + bytes.len();
            out.get_mut(made..end).ok_or(Error::BadZlib)?.copy_from_slice(bytes);
            made = end;
            Ok(())
        })?;
        if made == out.len() { Ok(()) } else { Err(Error::BadZlib) }
    }

    /// Inflates the stream that starts at `offset`, which may go on from row to row, piece by
    /// piece.
    pub(super) fn inflate_from(
        &mut self,
        source: Source,
        offset: u64,
        each: &mut dyn FnMut(&mut Store, &[u8]) -> Result<()>,
    ) -> Result<()> {
        let (mut page, mut at) = split(offset);
        let mut inflate = Inflate::new();
        let mut piece = vec![0; PIECE_SIZE];
        loop {
            let row = source.page(self, page)?;
            let mut input = row.get(at..).ok_or(Error::Corrupt)?;
            loop {
                let step = inflate.run(input, &mut piece)?;
                input = input.get(step.taken..).unwrap_or_default();
                each(self, piece.get(..step.made).unwrap_or_default())?;
                if step.done {
                    return Ok(());
                }
                if step.taken == 0 && step.made == 0 {
                    break;
                }
            }
            // Rows but the last are full: a short one that does not end the stream was cut.
            if !input.is_empty() || row.len() < PAGE_MAX {
                return Err(Error::BadZlib);
            }
            page += 1;
            at = 0;
        }
    }

    /// The object that a tag leads to in the end; `None`: it is no tag.
    pub fn peel(&mut self, oid: &Oid) -> Result<Option<Oid>> {
        let (mut found, mut at) = (None, *oid);
        for _ in 0..=TAGS_MAX {
            match self.find(&at)? {
                Some(place) if self.record(place)?.kind == Kind::Tag => {
                    at = object::Tag::read(&self.read(place)?.1, self.format)?.oid;
                    found = Some(at);
                }
                _ => return Ok(found),
            }
        }
        Err(Error::TagsTooDeep)
    }

    /// The id that a `REF_DELTA` at a place names.
    pub(super) fn outside_base(&mut self, place: Place) -> Result<Oid> {
        let record = self.record(place)?;
        let source = Source::Pack(self.pack(place.pack)?.number);
        match self.header(source, record.offset)?.0.form {
            Form::RefDelta(oid) => Ok(oid),
            _ => Err(Error::Corrupt),
        }
    }
}

/// The row and the place in it of an offset into a pack's data.
pub(super) fn split(offset: u64) -> (u32, usize) {
    ((offset / PAGE_MAX as u64) as u32, (offset % PAGE_MAX as u64) as usize)
}
