//! What a fetch is answered with, on a host in memory.

use crate::client::{Object, ask, commit, pack, push, repository, small_commit};
use crate::split;
use engine::hash::Oid;
use engine::memory::Memory;
use engine::store::import::Import;
use engine::store::{Place, Store};
use engine::wire::line::{self, Line, read};
use std::cell::LazyCell;
use std::collections::BTreeSet;

/// A history of `COMMITS` commits with merges, pushed one by one.
struct Seed {
    host: Memory,
    tips: Vec<Oid>,
    /// For each commit: the objects that came with it, and its parents by number.
    news: Vec<Vec<Object>>,
    parents: Vec<Vec<usize>>,
}

const COMMITS: usize = 12;

thread_local! {
    static SEED: LazyCell<Seed> = const { LazyCell::new(seed) };
}

fn seed() -> Seed {
    let (mut host, mut tips, mut news, mut all) =
        (repository(), Vec::<Oid>::new(), Vec::new(), Vec::new());
    for number in 0..COMMITS {
        let parents: Vec<usize> = match number {
            0 => vec![],
            4 | 9 => vec![number - 1, number - 3],
            5 => vec![2],
            _ => vec![number - 1],
        };
        let ids: Vec<&Oid> = parents.iter().map(|at| &tips[*at]).collect();
        let mut objects = small_commit(None, number);
        objects[0] = commit(&objects[1].oid, &ids, number);
        let tip = objects[0].oid;
        push(&mut host, &[(&format!("refs/heads/b{number}"), None, Some(tip))], &pack(&objects));
        tips.push(tip);
        news.push(objects);
        all.push(parents);
    }
    Seed { host, tips, news, parents: all }
}

impl Seed {
    /// The numbers of all commits that these lead to.
    fn closure(&self, from: &[usize]) -> BTreeSet<usize> {
        let (mut found, mut stack) = (BTreeSet::new(), from.to_vec());
        while let Some(at) = stack.pop() {
            if found.insert(at) {
                stack.extend(&self.parents[at]);
            }
        }
        found
    }
}

/// Any arguments get an answer and change nothing; wants and haves by themselves get just what the
/// client lacks, or more of what it may have, so that it is whole afterwards.
pub fn fetch(data: &[u8]) {
    let Some(([how, wants, wants_high, haves, haves_high], rest)) = split(data) else { return };
    SEED.with(|seed| {
        let chosen = |bits: [u8; 2]| -> Vec<usize> {
            let bits = u16::from_le_bytes(bits);
            (0..COMMITS).filter(|at| bits >> at & 1 == 1).collect()
        };
        let (wants, haves) = (chosen([wants, wants_high]), chosen([haves, haves_high]));
        let mut body = Vec::new();
        line::write(&mut body, &[b"command=fetch"]);
        line::delim(&mut body);
        let options = [b"thin-pack".as_slice(), b"ofs-delta", b"no-progress", b"include-tag"];
        for (bit, option) in options.into_iter().enumerate() {
            if how >> bit & 1 == 1 {
                line::write(&mut body, &[option]);
            }
        }
        for (word, list) in [(&b"want "[..], &wants), (b"have ", &haves)] {
            for at in list {
                line::write(&mut body, &[word, &seed.tips[*at].to_hex()]);
            }
        }
        let is_plain = how & 0x80 == 0;
        if !is_plain {
            for text in rest.split(|byte| *byte == b'\n') {
                line::write(&mut body, &[text]);
            }
        }
        line::write(&mut body, &[b"done"]);
        line::flush(&mut body);
        let mut host = seed.host.clone();
        let answer = ask(&mut host, "upload-pack", &[&body]);
        assert!(host.rows == seed.host.rows, "a fetch changes nothing");
        if is_plain && !wants.is_empty() {
            let pack = unband(&answer).expect("a pack");
            check(seed, &wants, &haves, &pack);
        }
    });
}

/// The pack in an answer, if there is one.
fn unband(answer: &[u8]) -> Option<Vec<u8>> {
    let at = answer.windows(4).position(|four| four == b"\r\n\r\n")?;
    let (mut rest, mut pack) = (answer.get(at + 4..)?, None);
    while let Ok(Some((line, taken))) = read(rest) {
        rest = rest.get(taken..)?;
        match (line, &mut pack) {
            (Line::Data(b"packfile\n"), _) => pack = Some(Vec::new()),
            (Line::Data([1, bytes @ ..]), Some(pack)) => pack.extend_from_slice(bytes),
            _ => {}
        }
    }
    pack
}

/// A client that has what it says becomes whole, and gets nothing that its wants do not lead to.
fn check(seed: &Seed, wants: &[usize], haves: &[usize], answer: &[u8]) {
    let had = seed.closure(haves);
    let mut client = repository();
    for at in &had {
        let name = format!("refs/heads/b{at}");
        push(&mut client, &[(&name, None, Some(seed.tips[*at]))], &pack(&seed.news[*at]));
    }
    let mut store = Store::open(&mut client).expect("readable").expect("a repository");
    let mut import = Import::new(&mut store, 0);
    import.feed(&mut store, answer).expect("a good pack");
    while !import.step(&mut store).expect("it is closed with what the client has") {}
    let wanted = seed.closure(wants);
    for at in &wanted {
        for object in &seed.news[*at] {
            let kind = import.kind(&mut store, &object.oid).expect("readable");
            assert_eq!(kind, Some(object.kind), "commit {at} is whole");
        }
    }
    // Ids that come are among those that the wants lead to.
    let allowed: BTreeSet<Oid> =
        wanted.iter().flat_map(|at| seed.news[*at].iter().map(|object| object.oid)).collect();
    assert!(import.counts().0 as usize <= allowed.len());
    for at in (0..COMMITS).filter(|at| !wanted.contains(at) && !had.contains(at)) {
        for object in seed.news[at].iter().filter(|object| !allowed.contains(&object.oid)) {
            assert_eq!(import.kind(&mut store, &object.oid), Ok(None), "commit {at} was not asked");
        }
    }
}

/// All ids of a store.
pub fn ids(store: &mut Store) -> BTreeSet<Vec<u8>> {
    let counts: Vec<u32> = store.counts().collect();
    let mut ids = BTreeSet::new();
    for (pack, count) in (0..).zip(counts) {
        for position in 0..count {
            let oid = store.oid(Place { pack, position }).expect("readable");
            ids.insert(oid.as_bytes().to_vec());
        }
    }
    ids
}
