//! Questions about what leads where. Bounded, where an unsure answer is safe.

use super::commits::{Open, newest};
use super::{Ask, Walk};
use crate::error::Result;
use crate::hash::Oid;
use crate::limits::ANCESTORS_MAX;
use crate::object::Kind;
use crate::store::bits::Bits;
use crate::store::{Key, Place, Store};
use alloc::collections::BinaryHeap;
use alloc::vec;
use alloc::vec::Vec;

/// Whether every want is known to lead to one of `commons`, so that more haves would not make the
/// pack smaller ("ready"). It looks at no more than `left` commits, and takes off those that it has
/// looked at: who asks for each have that comes has the square of their number looked at.
pub fn is_ready(
    store: &mut Store,
    wants: &[Oid],
    commons: &[Oid],
    left: &mut usize,
) -> Result<bool> {
    let most = commons.len() + ANCESTORS_MAX;
    if commons.is_empty() || *left < most {
        return Ok(false);
    }
    let mut goals = Bits::new(store);
    let mut oldest = u64::MAX;
    for oid in commons {
        if let Some((place, time)) = commit_at(store, oid)? {
            goals.add(place);
            oldest = oldest.min(time);
        }
    }
    let (mut patience, mut is_ready) = (ANCESTORS_MAX, true);
    for oid in wants {
        is_ready = match commit_at(store, oid)? {
            Some((place, time)) if !goals.has(place) => {
                search(store, vec![(time, place)], &goals, 1, oldest, &mut patience)?
            }
            _ => true,
        };
        if !is_ready {
            break;
        }
    }
    *left -= most - patience;
    Ok(is_ready)
}

/// Whether `olds` are commits, and each of them is one of `news` or of their ancestors; false if
/// that takes more than a bounded search.
pub fn are_ancestors(store: &mut Store, olds: &[Oid], news: &[Oid]) -> Result<bool> {
    let (mut goals, mut count, mut oldest) = (Bits::new(store), 0, u64::MAX);
    for old in olds {
        let Some(place) = store.find(old)? else { return Ok(false) };
        if store.record(place)?.kind != Kind::Commit {
            return Ok(false);
        }
        if !news.contains(old) && goals.add(place) {
            (count, oldest) = (count + 1, oldest.min(store.commit(place)?.time));
        }
    }
    if count == 0 {
        return Ok(true);
    }
    let mut from = Vec::new();
    for new in news {
        from.extend(commit_at(store, new)?.map(|(place, time)| (time, place)));
    }
    search(store, from, &goals, count, oldest, &mut ANCESTORS_MAX.clone())
}

/// The commit that an object is, or leads to as a tag, and its time.
pub(super) fn commit_at(store: &mut Store, oid: &Oid) -> Result<Option<(Place, u64)>> {
    let oid = store.peel(oid)?.unwrap_or(*oid);
    let Some(place) = store.find(&oid)? else { return Ok(None) };
    if store.record(place)?.kind != Kind::Commit {
        return Ok(None);
    }
    Ok(Some((place, store.commit(place)?.time)))
}

/// Whether these commits lead to so many of `goals`, none of which is older than `oldest`; false if
/// that takes more than `left`.
pub(super) fn search(
    store: &mut Store,
    from: Vec<(u64, Place)>,
    goals: &Bits,
    count: usize,
    oldest: u64,
    left: &mut usize,
) -> Result<bool> {
    let mut seen = Bits::new(store);
    let (mut open, is_wanted, mut count) = (BinaryHeap::new(), false, count);
    for (time, place) in from {
        if seen.add(place) {
            open.push(Open { time, place, is_wanted });
        }
    }
    while let Some(Open { time, place, .. }) = newest(&mut open) {
        count -= usize::from(goals.has(place));
        if count == 0 {
            return Ok(true);
        }
        if *left == 0 {
            return Ok(false);
        }
        *left -= 1;
        if time < oldest {
            continue;
        }
        let parents = store.commit(place)?.parents;
        *left = left.saturating_sub(parents.len());
        for parent in parents {
            let parent = store.place(&parent)?;
            if seen.add(parent) {
                let time = store.commit(parent)?.time;
                open.push(Open { time, place: parent, is_wanted });
            }
        }
    }
    Ok(false)
}

/// The first of these that no ref leads to; refs that one of `hidden` covers do not count.
pub fn first_unreachable(store: &mut Store, oids: &[Oid], hidden: &[Key]) -> Result<Option<Oid>> {
    let is_all = store.is_tight() && hidden.is_empty();
    let (tips, tip_bits) = match is_all {
        true => (Vec::new(), Bits::none()),
        false => known_tips(store, hidden)?,
    };
    let mut places = Vec::with_capacity(oids.len());
    for oid in oids {
        match store.find(oid)? {
            Some(place) => places.push(place),
            None => return Ok(Some(*oid)),
        }
    }
    if is_all {
        return Ok(None);
    }
    if places.iter().all(|place| tip_bits.has(*place)) {
        return Ok(None);
    }
    let (commons, cut, filter) = (Vec::new(), None, None);
    let ask = Ask { wants: tips, commons, include_tag: false, thin: false, cut, filter };
    let mut walk = Walk::thorough(store, ask)?;
    while !walk.step(store)? {}
    let missing = places.iter().position(|place| !walk.sends(*place));
    Ok(missing.and_then(|at| oids.get(at)).copied())
}

/// What the refs hold that none of `hidden` covers, and where that is. Packs are known afterwards
/// that were pushed since this request began: a branch may have moved on from what is wanted.
fn known_tips(store: &mut Store, hidden: &[Key]) -> Result<(Vec<Oid>, Bits)> {
    let (mut tips, mut places, mut is_known) = (Vec::new(), Bits::new(store), true);
    store.each_ref(b"", &mut |store, name, oid, _| {
        if !store.covers(hidden, name) {
            tips.push(*oid);
            match store.find(oid)? {
                Some(place) => _ = places.add(place),
                None => is_known = false,
            }
        }
        Ok(true)
    })?;
    if !is_known {
        store.reload()?;
        places = Bits::new(store);
        tips.retain(|tip| match store.find(tip) {
            Ok(Some(place)) => {
                places.add(place);
                true
            }
            _ => false,
        });
    }
    Ok((tips, places))
}
