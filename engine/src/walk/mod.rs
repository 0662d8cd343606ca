//! Which objects a request needs. Knows no protocol and no row. Files: `commits` says which commits
//! the client lacks, `trees` what they hold that it lacks.

mod commits;
mod filter;
mod reach;
mod shallow;
mod trees;

pub use crate::store::export::Selection;
pub use filter::Filter;
pub use reach::{are_ancestors, first_unreachable, is_ready};
pub use shallow::{Cut, Deepen};

use crate::error::Result;
use crate::hash::Oid;
use crate::object::{self, Kind};
use crate::sort;
use crate::store::bitmaps::Bitmaps;
use crate::store::bits::Bits;
use crate::store::{Place, Store};
use alloc::vec::Vec;
use commits::Commits;
use core::mem::take;
use trees::Trees;

/// Where refs are whose annotated tags are sent with what they lead to.
const TAGS: &[u8] = b"refs/tags/";

/// What a client asks for.
pub struct Ask {
    pub wants: Vec<Oid>,
    /// Objects that both sides have.
    pub commons: Vec<Oid>,
    /// Annotated tags whose objects are sent are sent too.
    pub include_tag: bool,
    /// Deltas may lean on objects that the client has but is not sent. Not with a filter: what a
    /// partial clone has is not known.
    pub thin: bool,
    /// Where history is cut; `None`: nowhere.
    pub cut: Option<Cut>,
    pub filter: Option<Filter>,
}

/// The search for the objects to send, a bounded step at a time.
pub struct Walk {
    ask: Ask,
    state: State,
    /// What is to be sent.
    send: Bits,
    /// What is known to be on the client's side.
    has: Bits,
    /// What commits that are sent lead to, as far as bitmaps say.
    reached: Bits,
    /// Commits that were followed one by one.
    followed: usize,
    /// What bitmaps said is still to be filtered.
    is_unfiltered: bool,
    /// If it leads to every ref, then to all that is stored.
    may_be_all: bool,
}

enum State {
    Everything,
    Commits(Commits),
    Trees(Trees),
    Tags,
    Done,
}

impl Walk {
    pub fn new(store: &mut Store, ask: Ask) -> Result<Walk> {
        let is_whole = ask.commons.is_empty() && ask.cut.is_none() && ask.filter.is_none();
        let may_be_all = is_whole && store.is_tight();
        if may_be_all && wants_all(store, &ask.wants)? {
            return Ok(Walk { may_be_all, ..Walk::of(ask, State::Everything) });
        }
        let walk = Walk::thorough(store, ask)?;
        Ok(Walk { may_be_all, ..walk })
    }

    fn of(ask: Ask, state: State) -> Walk {
        let (send, has, reached) = (Bits::none(), Bits::none(), Bits::none());
        let (followed, is_unfiltered, may_be_all) = (0, false, false);
        Walk { ask, state, send, has, reached, followed, is_unfiltered, may_be_all }
    }

    /// A walk that looks at every object, even where the store could answer at once.
    pub fn thorough(store: &mut Store, ask: Ask) -> Result<Walk> {
        let takes_bitmaps =
            ask.cut.is_none() && ask.filter.as_ref().is_none_or(Filter::is_by_record);
        let bitmaps = if takes_bitmaps { store.bitmaps()? } else { Bitmaps::default() };
        Walk::along(store, ask, bitmaps)
    }

    /// A walk that follows no commit whose bitmap is at hand.
    pub fn along(store: &mut Store, ask: Ask, bitmaps: Bitmaps) -> Result<Walk> {
        let ask = Ask { thin: ask.thin && ask.filter.is_none(), ..ask };
        let (mut send, mut has) = (Bits::new(store), Bits::new(store));
        let state = State::Commits(Commits::new(store, &ask, bitmaps, &mut send, &mut has)?);
        Ok(Walk { send, has, ..Walk::of(ask, state) })
    }

    /// True: the search is over, `selection` may be called.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        match &mut self.state {
            State::Commits(commits) => {
                if commits.step(store, self.ask.cut.as_ref(), &mut self.send, &mut self.has)? {
                    self.followed = commits.followed();
                    self.is_unfiltered = commits.used_bitmaps();
                    if self.may_be_all && leads_to_all(store, &self.ask, &self.send)? {
                        self.state = State::Everything;
                        return Ok(true);
                    }
                    if self.ask.thin {
                        self.reached = commits.reached(store)?;
                    }
                    let trees = commits.end(store, &self.ask, &mut self.send, &self.has)?;
                    self.state = State::Trees(trees);
                }
            }
            State::Trees(trees) => {
                if trees.step(store, &mut self.send, &mut self.has)? {
                    self.state = State::Tags;
                }
            }
            State::Tags => {
                if self.is_unfiltered {
                    self.filter(store)?;
                }
                let takes_tags = self.ask.filter.as_ref().is_none_or(|only| only.takes(Kind::Tag));
                if self.ask.include_tag && takes_tags {
                    self.add_tags(store)?;
                }
                self.send.remove(&self.has);
                // Of what a commit that is sent leads to, the client has all that is not sent.
                self.has.unite(&self.reached);
                self.has.remove(&self.send);
                self.state = State::Done;
            }
            State::Everything | State::Done => return Ok(true),
        }
        Ok(false)
    }

    /// Leaves out what the filter does not let through, by type and size. What was asked for by its
    /// id stays.
    fn filter(&mut self, store: &mut Store) -> Result<()> {
        let Some(filter) = &self.ask.filter else { return Ok(()) };
        let mut at = Place { pack: 0, position: 0 };
        while let Some(place) = self.send.next(at) {
            let record = store.record(place)?;
            let is_taken = match record.kind {
                Kind::Blob => filter.takes_blob(&record, 0),
                Kind::Tree => filter.takes(Kind::Tree) && filter.enters(0),
                kind => filter.takes(kind),
            };
            if !is_taken {
                self.send.take(place);
            }
            at = Place { position: place.position + 1, ..place };
        }
        for oid in &self.ask.wants {
            let (place, _) = add_tag(store, *oid, &mut self.send)?;
            self.send.add(place);
        }
        Ok(())
    }

    /// The commits that were followed one by one, and all that was found.
    pub fn found(&mut self) -> (usize, Bits) {
        (self.followed, take(&mut self.send))
    }

    pub fn selection(&mut self) -> Selection {
        let (send, has) = (take(&mut self.send), take(&mut self.has));
        match self.state {
            State::Everything => Selection::All,
            _ if self.ask.thin => Selection::Set { send, has },
            _ => Selection::Set { send, has: Bits::none() },
        }
    }

    /// Whether an object is among those to send.
    pub fn sends(&self, place: Place) -> bool {
        self.send.has(place)
    }

    /// Adds the annotated tags that lead to what is sent.
    fn add_tags(&mut self, store: &mut Store) -> Result<()> {
        store.each_ref(TAGS, &mut |store, _, oid, peeled| {
            let Some(peeled) = peeled else { return Ok(true) };
            // A tag that is not known was pushed since this request began.
            let places = (store.find(peeled)?, store.find(oid)?);
            if matches!(places, (Some(place), Some(_)) if self.send.has(place)) {
                add_tag(store, *oid, &mut self.send)?;
            }
            Ok(true)
        })
    }
}

/// Adds a tag and the tags that it leads to; answers what they lead to in the end.
fn add_tag(store: &mut Store, oid: Oid, send: &mut Bits) -> Result<(Place, Kind)> {
    let mut place = store.place(&oid)?;
    let mut kind = store.record(place)?.kind;
    while kind == Kind::Tag {
        send.add(place);
        let content = store.read(place)?.1;
        let next = object::Tag::read(&content, store.format())?.oid;
        place = store.place(&next)?;
        kind = store.record(place)?.kind;
    }
    Ok((place, kind))
}

/// Whether every ref's object is wanted.
fn wants_all(store: &mut Store, wants: &[Oid]) -> Result<bool> {
    let mut wants = wants.to_vec();
    sort::values(&mut wants);
    let mut is_all = true;
    store.each_ref(b"", &mut |_, _, oid, _| {
        is_all = wants.binary_search(oid).is_ok();
        Ok(is_all)
    })?;
    Ok(is_all)
}

/// Whether what is sent has every ref's object, or leads to it as to a tag that goes with it. Where
/// an index is damaged that is not known.
fn leads_to_all(store: &mut Store, ask: &Ask, send: &Bits) -> Result<bool> {
    let mut is_all = true;
    store.each_ref(b"", &mut |store, name, oid, peeled| {
        let peeled = peeled.filter(|_| ask.include_tag && name.starts_with(TAGS));
        let place = store.find(peeled.unwrap_or(oid)).unwrap_or_default();
        is_all = place.is_some_and(|place| send.has(place));
        Ok(is_all)
    })?;
    Ok(is_all)
}
