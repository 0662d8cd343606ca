//! What a repository's own policy has against a pack: sizes, names, and paths. It is about what a
//! push brings: what is stored was let in once.

use super::{Import, State};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{HELD_MAX, INDEX_IMPORT_MAX, PATHNAME_MAX, RING_SMALL, STEP_MAX};
use crate::object::{Commit, Kind, Tag, entries, pattern};
use crate::store::paths::Paths;
use crate::store::ring::Ring;
use crate::store::{Key, Place, Store};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::mem::{replace, take};

/// What is set; nothing by default.
#[derive(Default)]
pub(super) struct Policy {
    /// Bytes that an object may have; 0: any number.
    pub object_max: u64,
    /// Names that no file may have, as lines.
    pub names: Vec<u8>,
    /// Patterns of paths that nothing may have, as lines.
    paths: Vec<u8>,
    /// Parts that a path may have; 0: any number.
    depth_max: u64,
}

/// Where the look at the pack's paths is.
pub(super) struct Look {
    /// The object of the pack that is looked at next.
    at: Place,
    /// Trees at their paths, each with a slash at its end.
    open: Vec<(Place, Vec<u8>)>,
    /// Bytes of those paths.
    size: usize,
    seen: Paths,
    /// What the pack's state is once nothing is refused.
    firsts: Vec<u64>,
}

/// Stands for the slot of a pack that is not divided.
const HERE: u32 = u32::MAX;

impl Policy {
    pub fn of(store: &Store) -> Policy {
        Policy {
            object_max: store.number(Key::ObjectMax),
            names: store.lines(Key::ForbidName),
            paths: store.lines(Key::ForbidPath),
            depth_max: store.number(Key::DepthMax),
        }
    }
}

impl Import {
    /// The pack is closed: only its paths are to be looked at, if anything is said of them.
    pub(super) fn end(&mut self, store: &mut Store, firsts: Vec<u64>) -> Result<()> {
        if self.policy.paths.is_empty() && self.policy.depth_max == 0 {
            self.state = State::Done(firsts);
            return Ok(());
        }
        store.index_rows.resize(INDEX_IMPORT_MAX);
        self.contents = Ring::new(RING_SMALL);
        let pack = if self.parts.is_empty() { HERE } else { store.first_part() };
        let at = Place { pack, position: 0 };
        let (open, seen) = (Vec::new(), store.paths());
        let mut look = Box::new(Look { at, open, size: 0, seen, firsts });
        for oid in self.roots.clone() {
            if self.kind(store, &oid)? == Some(Kind::Tree) {
                self.open_tree(store, &mut look, &oid, Vec::new())?;
            }
        }
        self.state = State::Looking(look);
        Ok(())
    }

    /// Looks at some of the trees at their paths.
    pub(super) fn look_some(&mut self, store: &mut Store) -> Result<()> {
        let State::Looking(mut look) = replace(&mut self.state, State::Received) else {
            return Err(Error::Corrupt);
        };
        let mut work = 0;
        while work < STEP_MAX {
            if let Some((tree, path)) = look.open.pop() {
                look.size -= path.len();
                work += self.look_into(store, &mut look, tree, path)?;
            } else if self.has_more(store, &mut look) {
                work += self.look_at(store, &mut look)?;
            } else {
                self.contents = Ring::new(1);
                self.state = State::Done(look.firsts);
                return Ok(());
            }
        }
        self.state = State::Looking(look);
        Ok(())
    }

    /// Whether an object of the pack is left, be it in its next part.
    fn has_more(&self, store: &Store, look: &mut Look) -> bool {
        loop {
            let count = match store.pack(look.at.pack) {
                _ if look.at.pack == HERE => self.entries.len(),
                Ok(pack) => pack.count,
                Err(_) => return false,
            };
            if look.at.position < count {
                return true;
            }
            if look.at.pack == HERE {
                return false;
            }
            look.at = Place { pack: look.at.pack + 1, position: 0 };
        }
    }

    /// Opens the tree that an object of the pack gives a path to begin with: a commit's, a tag's,
    /// and one that nothing in the pack refers to.
    fn look_at(&mut self, store: &mut Store, look: &mut Look) -> Result<usize> {
        let Place { pack, position } = look.at;
        look.at.position += 1;
        let kind = match pack {
            HERE => self.entries.get(position)?.kind,
            _ => Some(store.record(Place { pack, position })?.kind),
        };
        let content = match kind {
            Some(Kind::Commit | Kind::Tag) => self.content(store, Place { pack, position })?,
            _ => Vec::new(),
        };
        let tree = match kind {
            Some(Kind::Commit) => Some(Commit::read(&content, self.format)?.tree),
            Some(Kind::Tag) => {
                let tag = Tag::read(&content, self.format)?;
                Some(tag.oid).filter(|_| tag.kind == Kind::Tree)
            }
            Some(Kind::Tree) if pack == HERE => {
                let id = self.entries.id(position).unwrap_or(u32::MAX);
                self.ids.kind(id).is_none().then(|| self.ids.oid(id))
            }
            _ => None,
        };
        if let Some(tree) = tree {
            self.open_tree(store, look, &tree, Vec::new())?;
        }
        Ok(content.len() + 64)
    }

    /// Opens a tree at a path, if the pack has it and it was not there yet.
    fn open_tree(
        &mut self,
        store: &mut Store,
        look: &mut Look,
        oid: &Oid,
        path: Vec<u8>,
    ) -> Result<()> {
        let place = match self.position(oid) {
            Some(position) => Some(Place { pack: HERE, position }),
            None => store.find_from(store.first_part(), oid)?,
        };
        if let Some(place) = place
            && look.seen.enters(place, &path)?
        {
            look.size += path.len();
            if look.size > HELD_MAX {
                return Err(Error::TooLarge);
            }
            look.open.push((place, path));
        }
        Ok(())
    }

    fn look_into(
        &mut self,
        store: &mut Store,
        look: &mut Look,
        tree: Place,
        path: Vec<u8>,
    ) -> Result<usize> {
        let content = self.content(store, tree)?;
        let depth = path.iter().filter(|byte| **byte == b'/').count() as u64 + 1;
        let is_deep = self.policy.depth_max > 0 && depth > self.policy.depth_max;
        let (top, mut path) = (path.len(), path);
        for entry in entries(&content, self.format) {
            let entry = entry?;
            path.truncate(top);
            path.extend_from_slice(entry.name);
            let is_forbidden = pattern::find(&self.policy.paths, &path, entry.is_tree());
            if is_deep || is_forbidden == Some(true) {
                path.truncate(PATHNAME_MAX);
                let oid = match tree {
                    Place { pack: HERE, position } => {
                        self.ids.oid(self.entries.id(position).unwrap_or(u32::MAX))
                    }
                    _ => store.oid(tree)?,
                };
                let what: &[u8] = if is_deep { b"too deep" } else { b"forbidden" };
                let path = take(&mut path);
                self.fault =
                    [b"tree ", &*oid.to_hex(), b": the path '", &path, b"' is ", what].concat();
                return self.fail(oid, Error::BadObject).map(|()| 0);
            }
            if entry.is_tree() {
                let path = [&path, &b"/"[..]].concat();
                self.open_tree(store, look, &entry.oid, path)?;
            }
        }
        Ok(content.len() + 256)
    }

    /// What the pack has at a place.
    fn content(&mut self, store: &mut Store, place: Place) -> Result<Vec<u8>> {
        match place {
            Place { pack: HERE, position } => self.load(store, position),
            _ => Ok(store.read(place)?.1),
        }
    }
}
