//! The refs that a push moves, and what is there now: 100,000 of them take little memory and few
//! calls. Knows no policy.

use super::import::Import;
use super::{Store, Target, keys};
use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::limits::{COMMANDS_MAX, NAMES_MAX, REFS_ASKED_MAX};
use crate::object::Kind;
use crate::sort;
use alloc::vec;
use alloc::vec::Vec;

/// One ref as the client saw it and wants it; `None`: absent.
pub struct Update<'a> {
    pub name: &'a [u8],
    pub old: Option<Oid>,
    pub new: Option<Oid>,
}

/// All that one push asks for, in the order in which it was asked.
pub struct Updates {
    format: Format,
    /// The refs' keys, and where each ends.
    keys: Vec<u8>,
    ends: Vec<u32>,
    /// Old and new of each.
    ids: Vec<u8>,
}

impl Updates {
    pub fn new(format: Format) -> Updates {
        Updates { format, keys: Vec::new(), ends: Vec::new(), ids: Vec::new() }
    }

    pub fn push(&mut self, update: &Update) -> Result<()> {
        if self.len() >= COMMANDS_MAX || self.keys.len() + update.name.len() > NAMES_MAX {
            return Err(Error::TooLarge);
        }
        self.keys.extend_from_slice(keys::REFS);
        self.keys.extend_from_slice(update.name);
        self.ends.push(self.keys.len() as u32);
        for id in [update.old, update.new] {
            self.ids.extend_from_slice(id.unwrap_or(Oid::zero(self.format)).as_bytes());
        }
        Ok(())
    }

    pub fn len(&self) -> usize {
        self.ends.len()
    }

    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub fn get(&self, at: usize) -> Update<'_> {
        Update { name: self.name(at), old: self.id(2 * at), new: self.id(2 * at + 1) }
    }

    pub fn name(&self, at: usize) -> &[u8] {
        self.key(at).get(keys::REFS.len()..).unwrap_or_default()
    }

    pub(super) fn key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let range = start.map_or(0, |start| *start as usize)
            ..self.ends.get(at).map_or(0, |end| *end as usize);
        self.keys.get(range).unwrap_or_default()
    }

    pub fn has_new(&self, at: usize) -> bool {
        self.raw(2 * at + 1).iter().any(|byte| *byte != 0)
    }

    fn id(&self, number: usize) -> Option<Oid> {
        Oid::from_bytes(self.format, self.raw(number)).filter(|oid| !oid.is_zero())
    }

    fn raw(&self, number: usize) -> &[u8] {
        let width = self.format.width();
        self.ids.get(number * width..(number + 1) * width).unwrap_or_default()
    }
}

/// There is such a ref.
const THERE: u8 = 1;
/// It is what the client saw.
const AS_SEEN: u8 = 2;
/// A ref that stays is in its way: refs are files and folders, so `refs/heads/a` and
/// `refs/heads/a/b` cannot both be.
const BLOCKED: u8 = 4;
/// Another update of the same push is in its way.
const TWICE: u8 = 8;

/// What the store says of updates.
pub struct Looked {
    /// Their places, in the order of their names.
    order: Vec<u32>,
    marks: Vec<u8>,
    /// What the new objects are; `None`: not there.
    kinds: Vec<Option<Kind>>,
    /// What the refs will hold.
    pub(super) rows: Vec<Vec<u8>>,
}

impl Looked {
    pub fn new(
        store: &mut Store,
        import: Option<&mut Import>,
        updates: &Updates,
    ) -> Result<Looked> {
        let count = updates.len();
        let mut order = sort::numbers(count);
        sort::by(&mut order, &|a, b| updates.name(a as usize) < updates.name(b as usize));
        let mut looked =
            Looked { order, marks: vec![0; count], kinds: Vec::new(), rows: Vec::new() };
        looked.kinds.resize_with(count, || None);
        looked.rows.resize_with(count, Vec::new);
        looked.find_objects(store, import, updates)?;
        looked.find_conflicts(updates);
        looked.find_refs(store, updates)?;
        Ok(looked)
    }

    /// What the new object is; `None`: not there.
    pub fn kind(&self, at: usize) -> Option<Kind> {
        self.kinds.get(at).copied().flatten()
    }

    pub fn is_there(&self, at: usize) -> bool {
        self.is_marked(at, THERE)
    }

    /// The ref is as the client saw it: it holds that, or is absent.
    pub fn is_as_seen(&self, at: usize, old: Option<&Oid>) -> bool {
        self.is_marked(at, AS_SEEN) || old.is_none() && !self.is_there(at)
    }

    pub fn is_blocked(&self, at: usize) -> bool {
        self.is_marked(at, BLOCKED)
    }

    /// It cannot be done beside another one.
    pub fn is_in_conflict(&self, at: usize) -> bool {
        self.is_marked(at, TWICE)
    }

    fn is_marked(&self, at: usize, mark: u8) -> bool {
        self.marks.get(at).is_some_and(|marks| marks & mark != 0)
    }

    fn mark(&mut self, at: usize, mark: u8) {
        if let Some(marks) = self.marks.get_mut(at) {
            *marks |= mark;
        }
    }

    /// Looks for the new objects, in the order of their ids: so each page of an index is read once.
    fn find_objects(
        &mut self,
        store: &mut Store,
        import: Option<&mut Import>,
        updates: &Updates,
    ) -> Result<()> {
        let mut import = import;
        let raw = |at: u32| updates.raw(2 * at as usize + 1);
        let mut order = sort::numbers(updates.len());
        sort::by(&mut order, &|a, b| raw(a) < raw(b));
        let mut last: Option<(Oid, Option<Kind>, Option<Oid>)> = None;
        for at in order {
            let Some(oid) = updates.id(2 * at as usize + 1) else { continue };
            let (_, kind, peeled) = match last.filter(|(same, ..)| *same == oid) {
                Some(same) => same,
                None => {
                    let kind = match &mut import {
                        Some(import) => import.kind(store, &oid)?,
                        None => store.kind(&oid)?,
                    };
                    let peeled = match &mut import {
                        _ if kind != Some(Kind::Tag) => None,
                        Some(import) => import.peel(store, &oid)?,
                        None => store.peel(&oid)?,
                    };
                    *last.insert((oid, kind, peeled))
                }
            };
            let at = at as usize;
            if let (Some(slot), Some(row)) = (self.kinds.get_mut(at), self.rows.get_mut(at)) {
                *slot = kind;
                *row = Target::Direct { oid, peeled }.write(updates.key(at));
            }
        }
        Ok(())
    }

    /// Updates of one name, and of names that are folders of each other.
    fn find_conflicts(&mut self, updates: &Updates) {
        for at in 1..self.order.len() {
            let [one, other] =
                [at - 1, at].map(|at| self.order.get(at).map_or(0, |at| *at as usize));
            if updates.name(one) == updates.name(other) {
                self.mark(other, TWICE);
            }
        }
        for at in (0..updates.len()).filter(|at| updates.has_new(*at)) {
            let mut name = updates.name(at);
            while let Some(above) = folder(name) {
                name = above;
                if self.place(updates, name).is_some_and(|other| updates.has_new(other)) {
                    self.mark(at, TWICE);
                }
            }
        }
    }

    /// Reads the refs: a few by their names, for many all there are.
    fn find_refs(&mut self, store: &mut Store, updates: &Updates) -> Result<()> {
        if updates.len() > REFS_ASKED_MAX {
            return self.find_all_refs(store, updates);
        }
        let mut parent: &[u8] = b"";
        for Update { name, old, new } in (0..updates.len()).map(|at| updates.get(at)) {
            self.ask(store, updates, name)?;
            if old.is_some() || new.is_none() {
                continue;
            }
            for (inside, target) in store.refs_found(&[name, b"/"].concat(), b"") {
                self.meet(updates, &inside, target)?;
            }
            let mut name = name;
            let before = core::mem::replace(&mut parent, folder(name).unwrap_or_default());
            while let Some(above) = folder(name).filter(|above| *above != before) {
                name = above;
                self.ask(store, updates, name)?;
            }
        }
        Ok(())
    }

    fn find_all_refs(&mut self, store: &mut Store, updates: &Updates) -> Result<()> {
        let mut after = Vec::new();
        loop {
            let found = store.refs_found(b"", &after);
            let Some((last, _)) = found.last() else { return Ok(()) };
            after.clone_from(last);
            for (name, target) in found {
                self.meet(updates, &name, target)?;
            }
        }
    }

    fn ask(&mut self, store: &mut Store, updates: &Updates, name: &[u8]) -> Result<()> {
        match store.find_ref(name)? {
            Some(target) => self.meet(updates, name, Ok(target)),
            None => Ok(()),
        }
    }

    /// Notes what a ref that is there means for the updates.
    fn meet(&mut self, updates: &Updates, name: &[u8], target: Result<Target>) -> Result<()> {
        let here = self.place(updates, name);
        if let Some(at) = here {
            self.mark(at, THERE);
            match target? {
                Target::Direct { oid, .. } if updates.id(2 * at) == Some(oid) => {
                    self.mark(at, AS_SEEN);
                }
                _ => {}
            }
            if !updates.has_new(at) {
                return Ok(());
            }
        }
        let mut below = name;
        while let Some(above) = folder(below) {
            below = above;
            if let Some(at) = self.place(updates, above) {
                self.mark(at, BLOCKED);
            }
        }
        let inside = [name, b"/"].concat();
        let first = self.first(updates, &inside);
        for at in first..self.order.len() {
            let at = self.order.get(at).map_or(0, |at| *at as usize);
            if !updates.name(at).starts_with(&inside) {
                break;
            }
            self.mark(at, BLOCKED);
        }
        Ok(())
    }

    /// Which of the updates, by name, is the first that is not before a name.
    fn first(&self, updates: &Updates, name: &[u8]) -> usize {
        self.order.partition_point(|at| updates.name(*at as usize) < name)
    }

    /// The update of a ref.
    fn place(&self, updates: &Updates, name: &[u8]) -> Option<usize> {
        let at = *self.order.get(self.first(updates, name))? as usize;
        (updates.name(at) == name).then_some(at)
    }
}

/// The folder that a ref is in, if that could be a ref itself: `refs/heads` cannot.
fn folder(name: &[u8]) -> Option<&[u8]> {
    const ROOT: usize = 5;
    let end = name.iter().rposition(|byte| *byte == b'/')?;
    name.get(..end).filter(|folder| folder.get(ROOT..).is_some_and(|rest| rest.contains(&b'/')))
}
