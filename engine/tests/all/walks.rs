//! Walks over histories of chance: whatever the clocks said when commits were made, and however
//! often a folder came back, what a client lacks is sent.

use crate::client::{Change, Object, blob, commit, object, pack, push, repository, tree};
use crate::store::upkeep;
use engine::hash::Oid;
use engine::limits::BITMAPS_FROM;
use engine::memory::Memory;
use engine::object::Kind;
use engine::store::Store;
use engine::store::bits::Bits;
use engine::store::export::Selection;
use engine::walk::{Ask, Filter, Walk};
use std::collections::{BTreeMap, BTreeSet};

/// Histories of which there are bitmaps.
const ROUNDS: usize = 6;

struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
        (self.0 >> 33) as usize % limit
    }
}

/// What an object leads to: a tree by names, a commit to its tree and its parents.
struct Below {
    kind: Kind,
    list: Vec<(String, Oid)>,
}

/// A history whose commits come after their parents.
#[derive(Default)]
struct History {
    objects: Vec<Object>,
    commits: Vec<Oid>,
    below: BTreeMap<Oid, Below>,
}

impl History {
    /// So many commits, each with parents that are among so many before it, or with none.
    fn new(chance: &mut Chance, count: usize, near: usize) -> History {
        let mut history = History::default();
        let files = [0, 1, 2].map(|seed| history.add(blob(seed, 20), Vec::new()));
        for _ in 0..count {
            let mut folder = |names: &[&str]| {
                let file = |name: &&str| (name.to_string(), files[chance.below(3)]);
                let list: Vec<(String, Oid)> = names.iter().map(file).collect();
                history.add(tree("100644", &list), list)
            };
            let folders = [folder(&["a", "b"]), folder(&["a", "b", "c"])];
            let inner = vec![("d".to_string(), folders[chance.below(2)])];
            let inner = history.add(tree("40000", &inner), inner);
            let mut list = vec![("n".to_string(), inner)];
            for name in ["x", "y"] {
                list.push((name.into(), folders[chance.below(2)]));
            }
            let top = history.add(tree("40000", &list), list);
            let mut parents = BTreeSet::new();
            for _ in 0..1 + chance.below(2) {
                let at = history.commits.len().checked_sub(1 + chance.below(near));
                parents.extend(at.map(|at| history.commits[at]));
            }
            let parents: Vec<&Oid> = parents.iter().collect();
            let made = commit(&top, &parents, chance.below(6));
            let below = parents.iter().map(|oid| (String::new(), **oid));
            let below = [(String::new(), top)].into_iter().chain(below).collect();
            let oid = history.add(made, below);
            if !history.commits.contains(&oid) {
                history.commits.push(oid);
            }
        }
        history
    }

    fn add(&mut self, object: Object, list: Vec<(String, Oid)>) -> Oid {
        let (oid, kind) = (object.oid, object.kind);
        if self.below.insert(oid, Below { kind, list }).is_none() {
            self.objects.push(object);
        }
        oid
    }

    /// All that these commits lead to, as far as a filter lets it through: told of each object
    /// its type, its path and how deep it is.
    fn reached(&self, from: &[Oid], takes: &dyn Fn(Kind, &str, usize) -> bool) -> BTreeSet<Oid> {
        let mut open: Vec<(Oid, String, usize)> =
            from.iter().map(|oid| (*oid, String::new(), 0)).collect();
        let (mut seen, mut reached) = (BTreeSet::new(), BTreeSet::new());
        while let Some((oid, path, depth)) = open.pop() {
            let Below { kind, list } = &self.below[&oid];
            if takes(*kind, &path, depth) {
                reached.insert(oid);
            }
            if !seen.insert((oid, path.clone())) {
                continue;
            }
            for (name, oid) in list {
                match kind {
                    Kind::Commit => open.push((*oid, String::new(), 0)),
                    _ => open.push((*oid, format!("{path}/{name}"), depth + 1)),
                }
            }
        }
        reached
    }

    /// Adds so many files, and a commit that has them and nothing before it.
    fn fill(&mut self, count: u32) {
        let name = |number: u32| format!("{number:05}");
        let files: Vec<(String, Oid)> = (0..count)
            .map(|number| {
                (name(number), self.add(object(Kind::Blob, name(number).into_bytes()), Vec::new()))
            })
            .collect();
        let top = self.add(tree("100644", &files), files);
        let filler = self.add(commit(&top, &[], 1), vec![(String::new(), top)]);
        self.commits.insert(0, filler);
    }

    fn host(&self) -> Memory {
        let mut host = repository();
        self.push(&mut host, 0, self.commits.len());
        host
    }

    /// Pushes commits that follow so many others, a branch to each.
    fn push(&self, host: &mut Memory, from: usize, to: usize) {
        let all = |_: Kind, _: &str, _: usize| true;
        let before = self.reached(&self.commits[..from], &all);
        let after = self.reached(&self.commits[..to], &all);
        let is_new =
            |object: &&Object| after.contains(&object.oid) && !before.contains(&object.oid);
        let objects: Vec<Object> = self.objects.iter().filter(is_new).cloned().collect();
        let names: Vec<String> = (from..to).map(|at| format!("refs/heads/b{at}")).collect();
        let new = names.iter().zip(&self.commits[from..to]);
        let changes: Vec<Change> = new.map(|(name, oid)| (&**name, None, Some(*oid))).collect();
        push(host, &changes, &pack(&objects));
    }

    /// What is sent to who wants a commit and has these.
    fn sent(&self, host: &mut Memory, want: Oid, commons: &[Oid], filter: &str) -> BTreeSet<Oid> {
        let mut store = Store::open(host).expect("readable").expect("a repository");
        let mut list = |_: &[u8]| Ok(b"/x/\n".to_vec());
        let filter = Some(filter).filter(|filter| !filter.is_empty());
        let filter = filter.map(|text| Filter::read(text.as_bytes(), &mut list).expect("known"));
        let (wants, had) = (vec![want], commons);
        let (include_tag, thin, cut, commons) = (false, filter.is_none(), None, had.to_vec());
        let ask = Ask { wants, commons, include_tag, thin, cut, filter };
        let mut walk = Walk::thorough(&mut store, ask).expect("a walk");
        while !walk.step(&mut store).expect("a step") {}
        let Selection::Set { send, has } = walk.selection() else { panic!("it was thorough") };
        let mut those = |bits: &Bits| -> BTreeSet<Oid> {
            let mut is_in =
                |oid: &&Oid| store.find(oid).is_ok_and(|at| at.is_some_and(|at| bits.has(at)));
            self.below.keys().filter(|oid| is_in(oid)).copied().collect()
        };
        let known = self.reached(&[had, &[want]].concat(), &|_, _, _| true);
        let known: BTreeSet<Oid> = known.difference(&those(&send)).copied().collect();
        assert!(those(&has).is_subset(&known), "deltas lean on what the client will have");
        those(&send)
    }
}

#[test]
fn a_walk_sends_what_the_client_lacks_and_nothing_that_is_not_wanted() {
    let mut chance = Chance(1);
    for _ in 0..300 {
        let mut history = History::new(&mut chance, 24, 24);
        if chance.below(2) == 0 {
            history.objects.reverse();
        }
        let mut host = history.host();
        for want in &history.commits {
            let all = history.reached(&[*want], &|_, _, _| true);
            assert_eq!(history.sent(&mut host, *want, &[], ""), all);
            let common = history.commits[chance.below(history.commits.len())];
            let had = history.reached(&[common], &|_, _, _| true);
            let sent = history.sent(&mut host, *want, &[common], "");
            assert!(sent.is_subset(&all) && all.difference(&had).all(|oid| sent.contains(oid)));
        }
        let want = *history.commits.last().expect("one");
        for (filter, takes) in [
            ("tree:1", &|kind, _, depth| kind == Kind::Commit || depth < 1),
            ("tree:3", &|kind, _, depth| kind == Kind::Commit || depth < 3),
            ("blob:none", &|kind, _, _| kind != Kind::Blob),
            ("sparse:oid=list", &|kind, path, _| kind != Kind::Blob || path.starts_with("/x/")),
        ] as [(&str, &dyn Fn(Kind, &str, usize) -> bool); 4]
        {
            let sent = history.sent(&mut host, want, &[], filter);
            assert_eq!(sent, history.reached(&[want], takes), "{filter}");
        }
    }
}

#[test]
fn so_does_a_walk_along_bitmaps() {
    let mut chance = Chance(2);
    for _ in 0..ROUNDS {
        let mut history = History::new(&mut chance, 200, 3);
        history.fill(BITMAPS_FROM);
        let mut host = repository();
        history.push(&mut host, 0, 140);
        upkeep(&mut host, 1);
        for (from, to) in [(140, 170), (170, history.commits.len())] {
            history.push(&mut host, from, to);
        }
        let bitmaps = host.rows.keys().filter(|key| key.starts_with(b"p/") && key[6] == b'b');
        assert!(bitmaps.count() > 0, "there are bitmaps");
        for _ in 0..20 {
            let mut any = || history.commits[chance.below(history.commits.len())];
            let (want, commons) = (any(), [any(), any()]);
            let all = history.reached(&[want], &|_, _, _| true);
            assert_eq!(history.sent(&mut host, want, &[], ""), all);
            let files = history.reached(&[want], &|kind, _, _| kind != Kind::Blob);
            assert_eq!(history.sent(&mut host, want, &[], "blob:none"), files);
            let commons = &commons[..1 + chance.below(2)];
            let had = history.reached(commons, &|_, _, _| true);
            let sent = history.sent(&mut host, want, commons, "");
            assert!(sent.is_subset(&all) && all.difference(&had).all(|oid| sent.contains(oid)));
        }
    }
}
