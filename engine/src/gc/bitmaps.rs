//! Writes bitmaps: for the tips of branches all that they reach, the oldest first, since each is
//! found with the help of those before.

use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{BITMAP_COMMITS, BITMAPS_MAX};
use crate::object::Kind;
use crate::sort;
use crate::store::bitmaps::Bitmaps;
use crate::store::{Place, Store, Target};
use crate::walk::{Ask, Walk};
use alloc::vec::Vec;

pub struct Marking {
    /// The tips that are left, the oldest last.
    tips: Vec<Oid>,
    walk: Option<(Place, Walk)>,
    bitmaps: Bitmaps,
}

impl Marking {
    /// Begins, if the bitmaps that there are leave out much.
    pub fn due(store: &mut Store) -> Result<Option<Marking>> {
        let old = store.bitmaps()?;
        if !store.is_behind(&old) {
            return Ok(None);
        }
        let tips = tips(store)?;
        let bitmaps = store.new_bitmaps()?;
        Ok(Some(Marking { tips, walk: None, bitmaps }))
    }

    /// One bounded step. True: the bitmaps are written.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        if let Some((tip, walk)) = &mut self.walk {
            if walk.step(store)? {
                let tip = *tip;
                let Some((_, walk)) = self.walk.take() else { return Err(Error::Corrupt) };
                let (followed, reached) = walk.found();
                if followed >= BITMAP_COMMITS {
                    store.add_bitmap(&mut self.bitmaps, tip, &reached);
                }
            }
            return Ok(false);
        }
        let Some(tip) = self.tips.pop() else {
            store.publish(&self.bitmaps)?;
            return Ok(true);
        };
        let place = store.place(&tip)?;
        let (wants, commons) = (alloc::vec![tip], Vec::new());
        let ask = Ask { wants, commons, include_tag: false, thin: false, cut: None, filter: None };
        self.walk = Some((place, Walk::along(store, ask, self.bitmaps.clone())?));
        Ok(false)
    }
}

/// The commits that the newest branches have, the newest first.
fn tips(store: &mut Store) -> Result<Vec<Oid>> {
    let mut found: Vec<(u64, Oid)> = Vec::new();
    let mut after = Vec::new();
    loop {
        let refs = store.refs(b"refs/heads/", &after)?;
        let Some(last) = refs.last() else { break };
        after.clone_from(&last.name);
        for found_ref in &refs {
            let Target::Direct { oid, .. } = found_ref.target else { continue };
            let Some(place) = store.find(&oid)? else { continue };
            if store.record(place)?.kind == Kind::Commit {
                found.push((store.commit(place)?.time, oid));
            }
        }
        let mut order = sort::numbers(found.len());
        let at = |at: u32| found.get(at as usize);
        sort::by(&mut order, &|a, b| at(b) < at(a));
        let mut newest: Vec<(u64, Oid)> = Vec::new();
        for tip in order.into_iter().filter_map(at) {
            if newest.len() < BITMAPS_MAX && newest.last() != Some(tip) {
                newest.push(*tip);
            }
        }
        found = newest;
    }
    let mut tips = Vec::new();
    for (_, oid) in found {
        tips.push(oid);
    }
    Ok(tips)
}
