//! Computes ids. Objects wait for others, so that several are hashed side by side; their contents
//! lie in the ring meanwhile.

use super::Import;
use crate::error::{Error, Result};
use crate::hash::{self, End, Header, Oid};
use crate::limits::{WAITING_MAX, WAITS_MAX, WARNINGS_MAX};
use crate::object::check::{self, Finding, Severity};
use crate::object::{Entry, Kind, entries};
use crate::sort;
use crate::store::settings::has_name;
use alloc::vec::Vec;

/// Keeps what is wrong with an object: why the pack is refused, or what is only told.
pub(super) fn tell(found: &Finding, oid: &Oid, fault: &mut Vec<u8>, warnings: &mut Vec<u8>) {
    let message = found.rule.message(oid, found.detail);
    if found.severity == Severity::Error {
        *fault = message;
    } else if warnings.len() + message.len() < WARNINGS_MAX {
        warnings.extend_from_slice(&[&b"warning: "[..], &message, b"\n"].concat());
    }
}

#[derive(Default)]
pub(super) struct Waiting {
    list: Vec<Nameless>,
    /// Bytes of their contents.
    size: usize,
}

/// An object without an id.
struct Nameless {
    position: u32,
    /// Where the ring has it as a message of whole blocks.
    at: u64,
    size: u32,
}

impl Import {
    /// The content of the object at a position: checks it, notes what it refers to, and sees to it
    /// that its id is computed.
    pub(super) fn identify(&mut self, position: u32, content: &[u8]) -> Result<()> {
        let entry = self.entries.get(position)?;
        let kind = entry.kind.ok_or(Error::MissingBase)?;
        self.inspect(kind, content)?;
        self.entries.set(position, super::entries::Entry { is_made: true, ..entry });
        if content.len() > WAITS_MAX {
            let oid = hash::object_id(self.format, kind.name(), content)?;
            self.entries.set_id(position, self.ids.place(&oid, position));
            return self.keep(position, [&[], content, &[]]).map(drop);
        }
        let header = Header::new(kind.name(), content.len() as u64);
        let size = header.as_bytes().len() + content.len();
        let end = End::new(size as u64);
        let at = self.keep(position, [header.as_bytes(), content, end.as_bytes()])?;
        let size = (size + end.as_bytes().len()) as u32;
        self.waiting.list.push(Nameless { position, at: at.ok_or(Error::Corrupt)?, size });
        self.waiting.size += size as usize;
        if self.waiting.size > WAITING_MAX { self.name_waiting() } else { Ok(()) }
    }

    fn inspect(&mut self, kind: Kind, content: &[u8]) -> Result<()> {
        let (format, ids, fault) = (self.format, &mut self.ids, &mut self.fault);
        let warnings = &mut self.warnings;
        let id = || hash::object_id(format, kind.name(), content);
        let (mut is_agreed, mut known) = (true, None);
        let mut marks = Vec::new();
        let noted = check::inspect(
            kind,
            content,
            format,
            &self.severities,
            &mut |oid, kind| is_agreed &= ids.refer(&oid, kind),
            &mut |oid, file| marks.push((oid, file)),
            &mut |found| {
                if found.severity == Severity::Error || warnings.len() < WARNINGS_MAX {
                    let oid = known.get_or_insert_with(|| id().unwrap_or(Oid::zero(format)));
                    tell(found, oid, fault, warnings);
                }
            },
        );
        marks.iter().for_each(|(oid, file)| ids.mark(oid, *file));
        let is_named = |entry: &Entry| has_name(&self.policy.names, entry.name);
        if noted == Ok(true)
            && kind == Kind::Tree
            && !self.policy.names.is_empty()
            && let Some(entry) = entries(content, format).flatten().find(is_named)
        {
            let (oid, name) = (id()?, entry.name);
            self.fault =
                [b"tree ", &*oid.to_hex(), b": the name '", name, b"' is forbidden"].concat();
            self.culprit = Some(oid);
            return Err(Error::BadObject);
        }
        if noted == Ok(true) && is_agreed {
            return Ok(());
        }
        self.culprit = Some(known.map_or_else(id, Ok)?);
        Err(Error::BadObject)
    }

    /// Keeps a content in the ring as `Ring::keep` does. Those that it could overwrite are named
    /// first.
    pub(super) fn keep(&mut self, position: u32, parts: [&[u8]; 3]) -> Result<Option<u64>> {
        let size = parts.iter().map(|part| part.len()).sum();
        let first = self.waiting.list.first();
        if first.is_some_and(|first| !self.contents.stays(first.at, size)) {
            self.name_waiting()?;
        }
        Ok(self.contents.keep(u64::from(position), parts))
    }

    /// Computes the ids of all objects that wait.
    pub(super) fn name_waiting(&mut self) -> Result<()> {
        let Waiting { list, .. } = core::mem::take(&mut self.waiting);
        let size = |at: u32| list.get(at as usize).map_or(0, |one| one.size);
        // The longest begin, so that all end at about the same time.
        let mut order = sort::numbers(list.len());
        sort::by(&mut order, &|a, b| size(a) > size(b));
        let (contents, entries, ids) = (&self.contents, &mut self.entries, &mut self.ids);
        let (mut positions, mut messages) = (Vec::new(), Vec::new());
        for one in order.into_iter().filter_map(|at| list.get(at as usize)) {
            positions.push(one.position);
            messages.push(contents.read(one.at, one.size).ok_or(Error::Corrupt)?);
        }
        let mut outcome = Ok(());
        hash::ids(self.format, &messages, &mut |index, oid| match (positions.get(index), oid) {
            (Some(position), Ok(oid)) => entries.set_id(*position, ids.place(&oid, *position)),
            (_, Err(error)) => outcome = Err(error),
            _ => (),
        });
        outcome
    }

    /// Where this pack has an object, those that wait included.
    pub(super) fn seen(&mut self, oid: &Oid) -> Result<Option<u32>> {
        self.name_waiting()?;
        Ok(self.position(oid))
    }
}
