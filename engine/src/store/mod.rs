//! What is kept where: refs, packs, the log of pushes. The only room that names keys.

use crate::error::Result;
use crate::hash::{Format, Oid};
use crate::host::Host;
use crate::object::Kind;
use alloc::vec::Vec;

/// One repository during one request. Wraps the host; rooms above see no row.
pub struct Store<'h> {
    host: &'h mut dyn Host,
}

/// What a ref holds.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Target {
    /// An object and, if that is an annotated tag, what it leads to in the end.
    Direct { oid: Oid, peeled: Option<Oid> },
    /// The name of another ref.
    Symbolic(Vec<u8>),
}

pub struct Ref {
    pub name: Vec<u8>,
    pub target: Target,
}

impl<'h> Store<'h> {
    /// The repository that these rows hold; `None`: none was created here.
    pub fn open(_host: &'h mut dyn Host) -> Result<Option<Store<'h>>> {
        todo!()
    }
    /// Creates it: a repository without refs whose `HEAD` names the branch `head` (`refs/heads/main`).
    /// False: there is one already.
    pub fn create(_host: &mut dyn Host, _format: Format, _head: &[u8]) -> bool {
        todo!()
    }
    pub fn format(&self) -> Format {
        todo!()
    }
    /// The branch that `HEAD` names, which may not exist.
    pub fn head(&mut self) -> Result<Vec<u8>> {
        todo!()
    }
    pub fn set_head(&mut self, _branch: &[u8]) -> Result<()> {
        todo!()
    }
    /// One ref by its full name (`refs/…`).
    pub fn find_ref(&mut self, _name: &[u8]) -> Result<Option<Target>> {
        todo!()
    }
    /// The next refs in name order after `after` (empty: from the start) whose names start with `prefix`, a bounded number; empty at the end.
    /// `HEAD` is not among them.
    pub fn refs(&mut self, _prefix: &[u8], _after: &[u8]) -> Result<Vec<Ref>> {
        todo!()
    }
    /// The type of an object, if the store has it (reachable or not). Reads an index page, no content.
    pub fn kind(&mut self, _oid: &Oid) -> Result<Option<Kind>> {
        todo!()
    }
    /// Response bytes; only the room `engine` calls this.
    pub fn emit(&mut self, bytes: &[u8]) {
        self.host.emit(bytes);
    }
}

/// A pack on its way in: parsed, hashed and checked as it arrives, its rows staged. Nothing is visible before `push::commit`.
pub mod import {
    use super::*;
    pub struct Import {}
    impl Import {
        /// `size_max`: bytes that the repository's packs may hold together; 0: no limit.
        pub fn new(_store: &mut Store, _size_max: u64) -> Import {
            todo!()
        }
        /// The next bytes of the pack, cut anywhere. Bytes after its trailer are an error (`BadPack`).
        pub fn feed(&mut self, _store: &mut Store, _bytes: &[u8]) -> Result<()> {
            todo!()
        }
        /// After the last byte: one bounded step of what remains (deltas, connectivity). True: all is done.
        /// `CutShort` if the pack is not complete.
        pub fn step(&mut self, _store: &mut Store) -> Result<bool> {
            todo!()
        }
        /// Objects named by the pack's header, and those resolved so far, for progress lines.
        pub fn counts(&self) -> (u32, u32) {
            todo!()
        }
        /// The type of an object in this pack or in the store. Complete once `step` said true.
        pub fn kind(&mut self, _store: &mut Store, _oid: &Oid) -> Result<Option<Kind>> {
            todo!()
        }
        /// The object that was being read when `feed` or `step` failed, if the error is about one, for the message.
        pub fn culprit(&self) -> Option<Oid> {
            None
        }
    }
}

/// The end of a push: one commit, all or nothing.
pub mod push {
    use super::import::Import;
    use super::*;

    /// One ref as the client saw it and wants it; `None`: absent.
    pub struct Update {
        pub name: Vec<u8>,
        pub old: Option<Oid>,
        pub new: Option<Oid>,
        /// The old object stays reachable from refs: a fast-forward, or it was absent. False is always safe, and makes clones slower until upkeep has run.
        pub forward: bool,
    }

    /// What the log keeps of a push besides its refs.
    pub struct Record<'a> {
        pub time: u64,
        pub caller: &'a [u8],
        pub options: &'a [Vec<u8>],
    }

    /// Makes the pack (if any) and these ref updates visible in one commit, with the log record. Answers which updates were not
    /// applied because the ref no longer was `old` (by index); with `atomic`, any of those means that nothing was changed.
    /// `HEAD` follows the first branch pushed into a repository without branches.
    pub fn commit(
        _store: &mut Store,
        _import: Option<Import>,
        _updates: &[Update],
        _atomic: bool,
        _record: &Record,
    ) -> Result<Vec<usize>> {
        todo!()
    }
}

/// A pack on its way out.
pub mod export {
    use super::*;
    use crate::walk::Selection;
    pub struct Options {
        /// The client takes `OFS_DELTA` entries.
        pub ofs_delta: bool,
    }
    pub struct Export {}
    impl Export {
        pub fn new(_store: &mut Store, _selection: Selection, _options: Options) -> Result<Export> {
            todo!()
        }
        /// Writes about `size` more bytes of pack through `sink`. True: the trailer was written.
        pub fn pump(
            &mut self,
            _store: &mut Store,
            _size: usize,
            _sink: &mut dyn FnMut(&[u8]),
        ) -> Result<bool> {
            todo!()
        }
        /// Objects in the pack.
        pub fn count(&self) -> u32 {
            todo!()
        }
    }
}
