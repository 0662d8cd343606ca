//! Writes one pack of all that refs reach, or reached lately, in place of all packs: what nothing
//! needs is left out, and a clone is a copy again. A push meanwhile comes first, and this is in
//! vain.

use crate::error::Result;
use crate::hash::Oid;
use crate::limits::EMIT_MAX;
use crate::store::Store;
use crate::store::bits::Bits;
use crate::store::export::{Export, Options, Selection};
use crate::store::import::Import;
use crate::store::replace::Before;
use crate::walk::{Ask, Walk};
use alloc::boxed::Box;
use alloc::vec::Vec;

pub struct Rewrite {
    before: Before,
    /// What the store is after it: 0, or since when it is loose again.
    loose_since: u64,
    state: State,
}

enum State {
    Walk(Walk),
    Copy { both: Box<(Export, Import)>, is_copied: bool },
    Done,
}

impl Rewrite {
    /// Begins, if for `age` seconds the refs may not have reached everything.
    pub fn due(store: &mut Store, time: u64, age: u64) -> Result<Option<Rewrite>> {
        let since = store.loose_since();
        if since == 0 || since.saturating_add(age) > time {
            return Ok(None);
        }
        let Some(olds) = store.olds(time.saturating_sub(age)) else { return Ok(None) };
        let (mut wants, mut loose_since) = (tips(store)?, 0);
        for oid in olds {
            if store.find(&oid)?.is_some() {
                wants.push(oid);
                loose_since = time;
            }
        }
        let commons = Vec::new();
        let ask = Ask { wants, commons, include_tag: false, thin: false, cut: None, filter: None };
        let before = store.before();
        store.prefer_indexes();
        let state = State::Walk(Walk::thorough(store, ask)?);
        Ok(Some(Rewrite { before, loose_since, state }))
    }

    /// One bounded step. True: it is done, or in vain.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        match &mut self.state {
            State::Walk(walk) => {
                if walk.step(store)? {
                    let send = walk.found().1;
                    self.state = self.begin_copy(store, send)?;
                }
            }
            State::Copy { both, .. } if both.1.is_sealing() => _ = both.1.step(store)?,
            State::Copy { both, is_copied: true } => {
                if both.1.step(store)? {
                    store.replace(&self.before, Some(&both.1), self.loose_since)?;
                    self.state = State::Done;
                }
            }
            State::Copy { both, is_copied } => {
                let (export, import) = &mut **both;
                let mut bytes = Vec::new();
                let mut sink = |piece: &[u8]| bytes.extend_from_slice(piece);
                let is_over = export.pump(store, EMIT_MAX, &mut sink)?;
                import.feed(store, &bytes)?;
                *is_copied = is_over;
            }
            State::Done => {}
        }
        Ok(matches!(self.state, State::Done))
    }

    fn begin_copy(&mut self, store: &mut Store, send: Bits) -> Result<State> {
        let (count, all) = (send.count(), store.counts().sum());
        if count == all {
            // Each is reached, and so none is there twice.
            store.replace(&self.before, None, self.loose_since)?;
        } else {
            let selection = Selection::Set { send, has: Bits::none() };
            let export = Export::new(store, selection, Options { ofs_delta: true })?;
            let both = Box::new((export, Import::again(store)));
            return Ok(State::Copy { both, is_copied: false });
        }
        Ok(State::Done)
    }
}

/// What all refs hold.
fn tips(store: &mut Store) -> Result<Vec<Oid>> {
    let mut tips = Vec::new();
    store.each_ref(b"", &mut |_, _, oid, _| {
        tips.push(*oid);
        Ok(true)
    })?;
    Ok(tips)
}
