//! Writes bitmaps: for the tips of branches all that they reach, the oldest first, since each is
//! found with the help of those before.

use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{BITMAP_COMMITS, BITMAPS_MAX};
use crate::object::Kind;
use crate::store::bitmaps::Bitmaps;
use crate::store::{Place, Store};
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
        store.prefer_indexes();
        Ok(Some(Marking { tips, walk: None, bitmaps }))
    }

    /// One bounded step. True: the bitmaps are written.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        if let Some((tip, walk)) = &mut self.walk {
            if walk.step(store)? {
                let tip = *tip;
                let Some((_, mut walk)) = self.walk.take() else { return Err(Error::Corrupt) };
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
    let mut newest: Vec<(u64, Oid)> = Vec::new();
    store.each_ref(b"refs/heads/", &mut |store, _, oid, _| {
        let Some(place) = store.find(oid)? else { return Ok(true) };
        if store.record(place)?.kind == Kind::Commit {
            let tip = (store.commit(place)?.time, *oid);
            let at = newest.partition_point(|known| *known > tip);
            if newest.get(at) != Some(&tip) {
                newest.insert(at, tip);
                newest.truncate(BITMAPS_MAX);
            }
        }
        Ok(true)
    })?;
    let mut tips = Vec::new();
    for (_, oid) in newest {
        tips.push(oid);
    }
    Ok(tips)
}
