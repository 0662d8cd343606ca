//! Walks over histories of chance: whatever the clocks said when commits were made, and however
//! often a folder came back, what a client lacks is sent.

use crate::client::{Change, Object, blob, commit, pack, push, repository, tree};
use engine::hash::Oid;
use engine::memory::Memory;
use engine::object::Kind;
use engine::store::Store;
use engine::walk::{Ask, Filter, Walk};
use std::collections::{BTreeMap, BTreeSet};

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
    fn new(chance: &mut Chance, count: usize) -> History {
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
                parents.extend(history.commits.get(chance.below(count)).copied());
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

    fn host(&self) -> Memory {
        let names: Vec<String> =
            (0..self.commits.len()).map(|at| format!("refs/heads/b{at}")).collect();
        let new = names.iter().zip(&self.commits);
        let changes: Vec<Change> = new.map(|(name, oid)| (&**name, None, Some(*oid))).collect();
        let mut host = repository();
        push(&mut host, &changes, &pack(&self.objects));
        host
    }

    /// What is sent to who wants a commit and has these.
    fn sent(&self, host: &mut Memory, want: Oid, commons: &[Oid], filter: &str) -> BTreeSet<Oid> {
        let mut store = Store::open(host).expect("readable").expect("a repository");
        let mut list = |_: &[u8]| Ok(b"/x/\n".to_vec());
        let filter = Some(filter).filter(|filter| !filter.is_empty());
        let filter = filter.map(|text| Filter::read(text.as_bytes(), &mut list).expect("known"));
        let (wants, commons) = (vec![want], commons.to_vec());
        let (include_tag, thin, cut) = (false, false, None);
        let ask = Ask { wants, commons, include_tag, thin, cut, filter };
        let mut walk = Walk::thorough(&mut store, ask).expect("a walk");
        while !walk.step(&mut store).expect("a step") {}
        let mut is_sent = |oid: &&Oid| {
            let place = store.find(oid).expect("readable").expect("stored");
            walk.sends(place)
        };
        self.below.keys().filter(|oid| is_sent(oid)).copied().collect()
    }
}

#[test]
fn a_walk_sends_what_the_client_lacks_and_nothing_that_is_not_wanted() {
    let mut chance = Chance(1);
    for _ in 0..300 {
        let mut history = History::new(&mut chance, 24);
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
