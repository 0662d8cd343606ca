//! Histories that are cut short: which commits a client gets without their parents
//! (gitprotocol-pack, "shallow"). Knows no tree.

use super::reach::{commit_at, search};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::object::Kind;
use crate::store::bits::Bits;
use crate::store::{Key, Place, Store};
use alloc::vec::Vec;

/// How far a client wants its history; nothing set: as far as it has it.
#[derive(Clone, Default)]
pub struct Deepen {
    /// So many commits from each want; `relative`: beyond where the client's history ends now.
    pub count: Option<u32>,
    pub relative: bool,
    /// Commits from this time on.
    pub since: Option<u64>,
    /// Commits that these do not lead to.
    pub not: Vec<Oid>,
}

/// Where history is cut.
pub struct Cut {
    /// Commits whose parents the client shall not expect: new ones, to be told.
    pub shallow: Vec<Oid>,
    /// Commits whose parents the client lacked and now gets.
    pub unshallow: Vec<Oid>,
    /// Parents of those: they are wanted too.
    pub(super) wants: Vec<Oid>,
    /// Commits whose parents are not sent.
    pub(super) stops: Bits,
    /// Commits whose parents the client lacks.
    pub(super) client: Bits,
}

/// The depth that `git fetch --unshallow` asks for.
const INFINITE: u32 = 0x7fff_ffff;

impl Deepen {
    pub fn is_set(&self) -> bool {
        self.count.is_some() || self.is_by_commits()
    }

    /// By the commits themselves; that does not go with a number of them.
    pub fn is_by_commits(&self) -> bool {
        self.since.is_some() || !self.not.is_empty()
    }
}

impl Cut {
    /// `client`: the commits whose parents the client lacks, as far as the store has them;
    /// `hidden`: what covers refs that it does not know.
    pub fn new(
        store: &mut Store,
        wants: &[Oid],
        client: &[Oid],
        deepen: &Deepen,
        hidden: &[Key],
    ) -> Result<Cut> {
        let mut ends = Vec::new();
        let mut held = Bits::new(store);
        for oid in client {
            if let Some(place) = commit_place(store, oid)?
                && held.add(place)
            {
                ends.push((place, *oid));
            }
        }
        let (shallow, unshallow, more) = (Vec::new(), Vec::new(), Vec::new());
        let stops = if deepen.is_set() { Bits::new(store) } else { held.clone() };
        let mut cut = Cut { shallow, unshallow, wants: more, stops, client: held };
        if !deepen.is_set() {
            return Ok(cut);
        }
        let mut tips = Vec::new();
        for oid in wants {
            tips.extend(commit_place(store, oid)?);
        }
        let is_endless = deepen.count == Some(INFINITE);
        let mut from = Vec::new();
        let (inside, border) = match deepen.count {
            _ if is_endless => (Bits::new(store), Vec::new()),
            Some(count) if deepen.relative => {
                // What the client has of a ref is made deeper even if nothing new is wanted of it.
                let reached = reached_by_refs(store, &cut.client, ends.len(), hidden)?;
                for (place, _) in &ends {
                    if reached.has(*place) {
                        from.push(*place);
                    }
                }
                by_count(store, &from, count.saturating_add(1))?
            }
            Some(count) => by_count(store, &tips, count)?,
            None => by_reach(store, &tips, deepen)?,
        };
        for place in border {
            cut.stops.add(place);
            if !cut.client.has(place) {
                cut.shallow.push(store.oid(place)?);
            }
        }
        for (place, oid) in ends {
            // Without end, what the wants do not lead to is made whole too.
            if !is_endless && !inside.has(place) {
                cut.stops.add(place);
                continue;
            }
            cut.unshallow.push(oid);
            cut.wants.extend_from_slice(&store.commit(place)?.parents);
        }
        Ok(cut)
    }
}

/// The commit that an object is, or leads to as a tag.
fn commit_place(store: &mut Store, oid: &Oid) -> Result<Option<Place>> {
    let oid = store.peel(oid)?.unwrap_or(*oid);
    let Some(place) = store.find(&oid)? else { return Ok(None) };
    Ok((store.record(place)?.kind == Kind::Commit).then_some(place))
}

fn parents(store: &mut Store, place: Place) -> Result<Vec<Place>> {
    let mut places = Vec::new();
    for parent in store.commit(place)?.parents {
        places.push(store.place(&parent)?);
    }
    Ok(places)
}

/// Those of so many goals that refs lead to, and maybe more.
fn reached_by_refs(store: &mut Store, goals: &Bits, count: usize, hidden: &[Key]) -> Result<Bits> {
    let (mut tips, mut from) = (Vec::new(), Vec::new());
    store.each_ref(b"", &mut |store, name, oid, peeled| {
        if !store.covers(hidden, name)
            && let Some((place, time)) = commit_at(store, peeled.unwrap_or(oid))?
        {
            tips.push(place);
            from.push((time, place));
        }
        Ok(true)
    })?;
    match search(store, from, goals, count, 0, &mut usize::MAX.clone())? {
        true => Ok(goals.clone()),
        false => reached(store, &tips),
    }
}

fn reached(store: &mut Store, tips: &[Place]) -> Result<Bits> {
    Ok(by_count(store, tips, INFINITE)?.0)
}

/// The commits nearer than `count` to the tips, and those just so near.
fn by_count(store: &mut Store, tips: &[Place], count: u32) -> Result<(Bits, Vec<Place>)> {
    let (mut inside, mut seen) = (Bits::new(store), Bits::new(store));
    let mut level = Vec::new();
    add_new(&mut level, tips, &mut seen);
    let mut depth = 1;
    while !level.is_empty() && (depth < count || count == INFINITE) {
        let mut next = Vec::new();
        for place in level {
            inside.add(place);
            add_new(&mut next, &parents(store, place)?, &mut seen);
        }
        level = next;
        depth += 1;
    }
    Ok((inside, level))
}

/// Adds those that were not seen.
fn add_new(list: &mut Vec<Place>, places: &[Place], seen: &mut Bits) {
    for place in places {
        if seen.add(*place) {
            list.push(*place);
        }
    }
}

/// The commits that tips lead to within the bounds, without and with those that have a parent
/// beyond them.
fn by_reach(store: &mut Store, tips: &[Place], deepen: &Deepen) -> Result<(Bits, Vec<Place>)> {
    let mut not = Vec::new();
    for oid in &deepen.not {
        not.extend(commit_place(store, oid)?);
    }
    let beyond = reached(store, &not)?;
    let since = deepen.since.unwrap_or(0);
    let takes = |store: &mut Store, place: Place| -> Result<bool> {
        Ok(!beyond.has(place) && store.commit(place)?.time >= since)
    };
    let (mut inside, mut seen, mut border) = (Bits::new(store), Bits::new(store), Vec::new());
    let mut open = Vec::new();
    for tip in tips {
        if takes(store, *tip)? && seen.add(*tip) {
            open.push(*tip);
        }
    }
    if open.is_empty() {
        return Err(Error::NothingSelected);
    }
    while let Some(place) = open.pop() {
        let mut is_whole = true;
        for parent in parents(store, place)? {
            if !takes(store, parent)? {
                is_whole = false;
            } else if seen.add(parent) {
                open.push(parent);
            }
        }
        match is_whole {
            true => _ = inside.add(place),
            false => border.push(place),
        }
    }
    Ok((inside, border))
}
