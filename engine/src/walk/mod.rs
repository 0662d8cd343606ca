//! Which objects a request needs. Knows no protocol and no row.

use crate::error::Result;
use crate::hash::Oid;
use crate::store::Store;
use alloc::vec::Vec;

/// What a client asks for.
pub struct Ask {
    pub wants: Vec<Oid>,
    /// Objects that both sides have.
    pub commons: Vec<Oid>,
    /// Annotated tags whose objects are sent are sent too.
    pub include_tag: bool,
    /// Deltas may lean on objects that the client has but is not sent.
    pub thin: bool,
}

/// The objects to send: all that the store has, or a set.
pub struct Selection {}

/// The search for them, a bounded step at a time.
pub struct Walk {}

impl Walk {
    pub fn new(_store: &mut Store, _ask: Ask) -> Result<Walk> {
        todo!()
    }
    /// True: the search is over, `selection` may be called.
    pub fn step(&mut self, _store: &mut Store) -> Result<bool> {
        todo!()
    }
    pub fn selection(self) -> Selection {
        todo!()
    }
}

/// Whether every want is known to lead to one of `commons`, so that more haves would not make the pack smaller ("ready").
pub fn is_ready(_store: &mut Store, _wants: &[Oid], _commons: &[Oid]) -> Result<bool> {
    todo!()
}

/// Whether a ref leads to `oid`.
pub fn is_reachable(_store: &mut Store, _oid: &Oid) -> Result<bool> {
    todo!()
}

/// Whether `new` has `old` among its ancestors; false if that takes more than a bounded search.
pub fn is_ancestor(_store: &mut Store, _old: &Oid, _new: &Oid) -> Result<bool> {
    todo!()
}
