//! Which commits the client lacks: both sides' tips are followed to their parents, the newest
//! first, until only what the client has is left. Knows no tree.

use super::trees::Trees;
use super::{Ask, Cut, add_tag};
use crate::error::{Error, Result};
use crate::limits::{REACHED_MAX, SEEK_MAX, STEP_MAX, WALK_MAX};
use crate::object::Kind;
use crate::store::bitmaps::Bitmaps;
use crate::store::bits::Bits;
use crate::store::{Place, Store};
use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

/// A commit that is still to be followed; the newest is the greatest.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Open {
    pub time: u64,
    pub place: Place,
    /// It was wanted when it was added.
    pub is_wanted: bool,
}

/// The newest of these. Not inlined: a heap's code is large.
#[inline(never)]
pub(super) fn newest(open: &mut BinaryHeap<Open>) -> Option<Open> {
    open.pop()
}

pub struct Commits {
    open: BinaryHeap<Open>,
    /// Members of `open` that are wanted.
    wanted: usize,
    /// Those to send that were followed, and how many: a list of millions would be too large.
    found: Bits,
    followed: usize,
    /// Bitmaps of the newest of them that have one.
    reaching: Vec<u32>,
    /// Wanted trees and blobs.
    others: Vec<(Place, Kind)>,
    bitmaps: Bitmaps,
    /// What bitmaps say that is wanted: nothing of it needs to be followed. They say too much where
    /// it is not known in full what the client has: then they are not used for what is wanted.
    covered: Bits,
    is_had_known: bool,
    /// Commits that the client has and that are followed once nothing is wanted, until one has a
    /// bitmap: deltas may lean on all that it says.
    seeks: usize,
}

impl Commits {
    pub fn new(
        store: &mut Store,
        ask: &Ask,
        bitmaps: Bitmaps,
        send: &mut Bits,
        has: &mut Bits,
    ) -> Result<Commits> {
        let (open, others, reaching) = (BinaryHeap::new(), Vec::new(), Vec::new());
        let (found, followed) = (Bits::new(store), 0);
        let covered = if bitmaps.is_empty() { Bits::none() } else { Bits::new(store) };
        let seeks = if ask.thin && !bitmaps.is_empty() { SEEK_MAX } else { 0 };
        let (wanted, is_had_known) = (0, true);
        let mut commits = Commits {
            open,
            wanted,
            found,
            followed,
            reaching,
            others,
            bitmaps,
            covered,
            is_had_known,
            seeks,
        };
        for oid in &ask.commons {
            let (place, kind) = add_tag(store, *oid, has)?;
            if has.add(place) && kind == Kind::Commit && !commits.join_had(store, place, has)? {
                commits.is_had_known = false;
                commits.push(store, place, false)?;
            }
        }
        let more = ask.cut.as_ref().map_or(&[][..], |cut| &cut.wants);
        for oid in ask.wants.iter().chain(more) {
            let (place, kind) = add_tag(store, *oid, send)?;
            match kind {
                Kind::Commit if has.has(place) => {}
                Kind::Commit if send.add(place) => commits.push(store, place, true)?,
                Kind::Commit => {}
                _ => commits.others.push((place, kind)),
            }
        }
        Ok(commits)
    }

    fn push(&mut self, store: &mut Store, place: Place, is_wanted: bool) -> Result<()> {
        let time = store.commit(place)?.time;
        self.wanted += usize::from(is_wanted);
        if self.open.len() >= WALK_MAX {
            return Err(Error::TooLarge);
        }
        self.open.push(Open { time, place, is_wanted });
        Ok(())
    }

    /// Follows some commits. True: there are no more that the client may lack.
    pub fn step(
        &mut self,
        store: &mut Store,
        cut: Option<&Cut>,
        send: &mut Bits,
        has: &mut Bits,
    ) -> Result<bool> {
        let mut work = 0;
        while self.wanted + self.seeks > 0 && work < STEP_MAX {
            let Some(Open { place, is_wanted, .. }) = newest(&mut self.open) else { break };
            self.seeks -= usize::from(self.wanted == 0);
            self.wanted -= usize::from(is_wanted);
            let is_had = has.has(place);
            let is_known = match is_had {
                true => self.join_had(store, place, has)?,
                false => self.join_wanted(store, place, send)?,
            };
            work += 256;
            if is_known {
                continue;
            }
            let commit = store.commit(place)?;
            work += commit.size;
            if !is_had {
                self.followed += usize::from(self.found.add(place));
                if let Some(page) = self.bitmaps.find(place) {
                    self.seeks = 0;
                    self.reaching.push(page);
                    self.reaching.truncate(REACHED_MAX);
                }
            }
            let is_end = |cut: &Cut| match is_had {
                true => cut.client.has(place),
                false => cut.stops.has(place),
            };
            if cut.is_some_and(is_end) {
                continue;
            }
            for parent in commit.parents {
                let parent = store.place(&parent)?;
                let is_new = match is_had {
                    true => has.add(parent),
                    false => !has.has(parent) && send.add(parent),
                };
                if is_new {
                    self.push(store, parent, !is_had)?;
                }
            }
        }
        Ok(self.wanted + self.seeks == 0 || self.open.is_empty())
    }

    /// Whether a bitmap says all that a commit of the client's reaches: it is noted.
    fn join_had(&mut self, store: &mut Store, place: Place, has: &mut Bits) -> Result<bool> {
        let Some(page) = self.bitmaps.find(place) else { return Ok(false) };
        self.seeks = 0;
        store.join(&self.bitmaps, page, has, &mut Bits::none())
    }

    /// The same for what is wanted.
    fn join_wanted(&mut self, store: &mut Store, place: Place, send: &mut Bits) -> Result<bool> {
        match self.bitmaps.find(place).filter(|_| self.is_had_known) {
            _ if self.covered.has(place) => Ok(true),
            Some(page) => store.join(&self.bitmaps, page, send, &mut self.covered),
            None => Ok(false),
        }
    }

    /// Whether some of what is sent is known from a bitmap, unfiltered.
    pub fn used_bitmaps(&self) -> bool {
        self.covered.next(Place { pack: 0, position: 0 }).is_some()
    }

    /// Commits that were followed.
    pub fn followed(&self) -> usize {
        self.followed
    }

    /// All that the newest commits found lead to that have a bitmap.
    pub fn reached(&self, store: &mut Store) -> Result<Bits> {
        let mut reached = Bits::new(store);
        for page in &self.reaching {
            store.join(&self.bitmaps, *page, &mut reached, &mut Bits::none())?;
        }
        Ok(reached)
    }

    /// The search for what these commits hold.
    pub fn end(
        &mut self,
        store: &mut Store,
        ask: &Ask,
        send: &mut Bits,
        has: &Bits,
    ) -> Result<Trees> {
        let mut commits = core::mem::take(&mut self.found);
        commits.remove(has);
        if ask.filter.as_ref().is_some_and(|filter| !filter.takes(Kind::Commit)) {
            // Only those that were asked for by their ids are sent.
            send.remove(&commits);
            for oid in &ask.wants {
                let (place, kind) = add_tag(store, *oid, send)?;
                if kind == Kind::Commit {
                    send.add(place);
                }
            }
        }
        let stops = ask.cut.as_ref().map_or(Bits::none(), |cut| cut.stops.clone());
        let filter = ask.filter.clone().unwrap_or_default();
        let others = core::mem::take(&mut self.others);
        Ok(Trees::new(store, commits, others, stops, filter, ask.thin))
    }
}
