//! What commits hold that the client lacks. A tree is compared with its parents' trees at the same
//! path: what they hold too is sent with them, or is on the client's side already.

use super::filter::Filter;
use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::limits::{HELD_MAX, STEP_MAX, WALK_MAX};
use crate::object::{self, Entries, Entry, Kind};
use crate::store::bits::Bits;
use crate::store::paths::Paths;
use crate::store::{Place, Store};
use alloc::vec;
use alloc::vec::Vec;
use core::cmp::Ordering;

pub struct Trees {
    /// Commits whose trees are still to be looked at, and the one that was last. Packs have the
    /// newest first: each is taken from its end.
    commits: Bits,
    last: Place,
    /// Commits that wait for their parents, each behind the one that waits for it.
    waiting: Vec<Place>,
    others: Vec<(Place, Kind)>,
    open: Vec<Open>,
    /// Commits whose parents are not sent, nor had.
    stops: Bits,
    filter: Filter,
    /// Nothing is filtered.
    is_plain: bool,
    /// Trees that were opened; where it matters how deep, `depths` knows them.
    seen: Bits,
    depths: Depths,
    /// Trees at their paths, where those count, and bytes of the paths in `open`.
    paths: Paths,
    size: usize,
    is_thin: bool,
}

/// A tree to look at, and the trees that hold what need not be sent again.
struct Open {
    tree: Place,
    /// How deep below a commit's tree is what it holds; 0 for a tree that was asked for by its id.
    holds: u64,
    known: Vec<Known>,
    /// Where it is, with a slash behind it, and whether its files are sent, if the filter goes by
    /// that.
    path: Vec<u8>,
    is_chosen: bool,
}

#[derive(Clone, Copy)]
struct Known {
    tree: Place,
    /// The client has it: what it holds may be a delta's base.
    is_had: bool,
}

/// Parents of a commit whose trees are compared.
const PARENTS_MAX: usize = 4;
/// Commits that wait for their parents at most.
const BEHIND_MAX: usize = 100_000;

impl Trees {
    pub fn new(
        store: &Store,
        commits: Bits,
        others: Vec<(Place, Kind)>,
        stops: Bits,
        filter: Filter,
        is_thin: bool,
    ) -> Trees {
        let is_plain = filter == Filter::default();
        let (open, depths) = (Vec::new(), Depths { packs: Vec::new() });
        let (last, seen) = (Place { pack: 0, position: u32::MAX }, Bits::new(store));
        let (paths, size) = (store.paths(), 0);
        Trees {
            commits,
            last,
            waiting: Vec::new(),
            others,
            open,
            stops,
            filter,
            is_plain,
            seen,
            depths,
            paths,
            size,
            is_thin,
        }
    }

    /// Looks at some trees. True: there are no more.
    pub fn step(&mut self, store: &mut Store, send: &mut Bits, has: &mut Bits) -> Result<bool> {
        let mut work = 0;
        while work < STEP_MAX {
            if let Some(open) = self.open.pop() {
                self.size -= open.path.len();
                work += self.look(store, open, send, has)?;
            } else if let Some(commit) = self.waiting.pop() {
                work += self.open_commit(store, commit, send, has)?;
            } else if let Some(commit) = self.commits.before(self.last) {
                self.last = commit;
                work += self.open_commit(store, commit, send, has)?;
            } else if let Some((place, kind)) = self.others.pop() {
                // It was asked for by its id: the filter is for what it holds.
                send.add(place);
                if kind == Kind::Tree && self.enters(store, place, 0) {
                    self.open.push(Open::top(place, 0, Vec::new()));
                }
            } else {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn open_commit(
        &mut self,
        store: &mut Store,
        place: Place,
        send: &mut Bits,
        has: &mut Bits,
    ) -> Result<usize> {
        if !self.commits.has(place) {
            return Ok(0);
        }
        let commit = store.commit(place)?;
        let most = if self.stops.has(place) { 0 } else { PARENTS_MAX };
        let mut parents = Vec::new();
        for parent in commit.parents.iter().take(most) {
            parents.push(store.place(parent)?);
        }
        // What a parent has is left to it: it comes first, unless too many would wait.
        let open = parents.iter().filter(|parent| self.commits.has(**parent));
        if self.waiting.len() < BEHIND_MAX && open.clone().next().is_some() {
            self.waiting.push(place);
            self.waiting.extend(open);
            return Ok(commit.size + 256);
        }
        self.commits.take(place);
        let tree = store.place(&commit.tree)?;
        let mut known = Vec::new();
        for parent in parents {
            let is_had = has.has(parent);
            // If each of two trees left to the other what both hold, nobody would send it.
            if is_had || send.has(parent) && !self.commits.has(parent) {
                let tree = store.commit(parent)?.tree;
                let tree = store.place(&tree)?;
                if is_had {
                    has.add(tree);
                }
                known.push(Known { tree, is_had });
            }
        }
        if !has.has(tree) {
            self.add_tree(store, Open::top(tree, 1, known), send)?;
        }
        Ok(commit.size + 256)
    }

    /// Adds what a tree holds and the known trees do not.
    fn look(
        &mut self,
        store: &mut Store,
        open: Open,
        send: &mut Bits,
        has: &mut Bits,
    ) -> Result<usize> {
        let format = store.format();
        let content = store.read(open.tree)?.1;
        let (mut path, is_sparse) = (open.path, self.filter.is_sparse());
        let top = path.len();
        let mut known = Vec::with_capacity(open.known.len());
        for tree in &open.known {
            known.push((*tree, store.read(tree.tree)?.1));
        }
        let mut cursors = Vec::new();
        for (known, content) in &known {
            cursors.push(Cursor::new(*known, content, format)?);
        }
        for entry in object::entries(&content, format) {
            let entry = entry?;
            if entry.is_submodule() {
                continue;
            }
            let mut subtrees = Vec::new();
            let mut is_known = false;
            for cursor in &mut cursors {
                let Some(same) = cursor.find(&entry)? else { continue };
                is_known |= same == entry.oid;
                if !is_known && (entry.is_tree() || (self.is_thin && cursor.known.is_had)) {
                    let place = store.place(&same)?;
                    if cursor.known.is_had {
                        has.add(place);
                    }
                    subtrees.push(Known { tree: place, ..cursor.known });
                }
            }
            if is_known {
                continue;
            }
            let depth = open.holds;
            let mut is_chosen = !is_sparse;
            if is_sparse {
                path.truncate(top);
                path.extend_from_slice(entry.name);
                is_chosen = self.filter.chooses(&path, entry.is_tree(), open.is_chosen);
            }
            if !entry.is_tree() && (!is_chosen || self.filter.takes_no_blob()) {
                continue;
            }
            let place = store.place(&entry.oid)?;
            if has.has(place) {
                continue;
            }
            if entry.is_tree() {
                path.extend_from_slice(if is_sparse { b"/" } else { b"" });
                let (path, holds) = (path.clone(), depth + 1);
                let open = Open { tree: place, holds, known: subtrees, path, is_chosen };
                self.add_tree(store, open, send)?;
            } else if self.is_plain || self.filter.takes_blob(&store.record(place)?, depth) {
                send.add(place);
            }
        }
        Ok(content.len() + 256)
    }

    /// Whether a tree was not opened before, or not so near to a commit where that matters.
    fn enters(&mut self, store: &Store, tree: Place, depth: u64) -> bool {
        match self.filter.counts_depth() {
            true => self.depths.enters(store, tree, depth),
            false => self.seen.add(tree),
        }
    }

    /// Adds a tree, as far as the filter lets it through, and opens it if it may hold more.
    fn add_tree(&mut self, store: &Store, open: Open, send: &mut Bits) -> Result<()> {
        let Open { tree, holds, .. } = open;
        if !self.filter.enters(holds - 1) {
            return Ok(());
        }
        let is_new = match self.filter.is_sparse() {
            true => self.paths.enters(tree, &open.path)?,
            false => self.enters(store, tree, holds),
        };
        if is_new {
            if self.filter.takes(Kind::Tree) {
                send.add(tree);
            }
            self.size += open.path.len();
            if self.open.len() >= WALK_MAX || self.size > HELD_MAX {
                return Err(Error::TooLarge);
            }
            self.open.push(open);
        }
        Ok(())
    }
}

impl Open {
    /// A tree that is in no other.
    fn top(tree: Place, holds: u64, known: Vec<Known>) -> Open {
        Open { tree, holds, known, path: Vec::new(), is_chosen: false }
    }
}

/// How near to a commit's tree each tree was seen: nearer, more of what it holds may be sent.
struct Depths {
    packs: Vec<Vec<u8>>,
}

impl Depths {
    /// Whether a tree was not seen so near before; notes it.
    fn enters(&mut self, store: &Store, place: Place, depth: u64) -> bool {
        if self.packs.is_empty() {
            for count in store.counts() {
                self.packs.push(vec![u8::MAX; count as usize]);
            }
        }
        let depth = depth.min(u64::from(u8::MAX - 1)) as u8;
        let pack = self.packs.get_mut(place.pack as usize);
        let Some(seen) = pack.and_then(|pack| pack.get_mut(place.position as usize)) else {
            return false;
        };
        let is_nearer = depth < *seen;
        *seen = depth.min(*seen);
        is_nearer
    }
}

/// Where the comparison is in a known tree.
struct Cursor<'a> {
    known: Known,
    next: Option<Entry<'a>>,
    rest: Entries<'a>,
}

impl<'a> Cursor<'a> {
    fn new(known: Known, content: &'a [u8], format: Format) -> Result<Cursor<'a>> {
        let mut rest = object::entries(content, format);
        Ok(Cursor { known, next: rest.next().transpose()?, rest })
    }

    /// What this tree has under the entry's name and of its type; entries are asked for in order.
    fn find(&mut self, entry: &Entry) -> Result<Option<Oid>> {
        while let Some(next) = &self.next {
            let order = compare(next, entry);
            if order == Ordering::Greater {
                break;
            }
            let found = next.oid;
            self.next = self.rest.next().transpose()?;
            if order == Ordering::Equal {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// The order of entries in a tree: a tree's name sorts as if it ended in a slash.
fn compare(one: &Entry, other: &Entry) -> Ordering {
    // What differs first behind what both names have, and which is longer if nothing does.
    let both = one.name.len().min(other.name.len());
    let key = |entry: &Entry| {
        let next = entry.name.get(both).copied().or(entry.is_tree().then_some(b'/'));
        (next, entry.name.len() + usize::from(entry.is_tree()))
    };
    let (start, other_start) = (one.name.get(..both), other.name.get(..both));
    start.cmp(&other_start).then_with(|| key(one).cmp(&key(other)))
}
