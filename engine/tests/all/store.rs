//! Packs in and out of the store, judged by git.

use crate::git::{Git, history};
use engine::error::{Error, Result};
use engine::gc::Upkeep;
use engine::hash::{Format, Oid};
use engine::limits;
use engine::memory::Memory;
use engine::store::Store;
use engine::store::check::{Check, Problem};
use engine::store::export::{Export, Options};
use engine::store::import::Import;
use engine::store::log::Record;
use engine::store::push::{self, Push};
use engine::store::updates::{Looked, Update, Updates};
use engine::walk::{Ask, Filter, Walk};

pub const RECORD: Record =
    Record { time: 1, caller: b"me", options: &[], certificate: b"", nonce: b"" };

pub fn new_store() -> Memory {
    let mut host = Memory::default();
    assert!(Store::create(&mut host, Format::Sha1, b"refs/heads/main"));
    host
}

pub fn oid(hex: &str) -> Oid {
    Oid::from_hex(Format::Sha1, hex.as_bytes()).expect("an id")
}

pub fn import(store: &mut Store, pack: &[u8], chunk: usize) -> Result<Import> {
    import_in_parts(store, pack, chunk, u32::MAX)
}

pub fn import_in_parts(
    store: &mut Store,
    pack: &[u8],
    chunk: usize,
    objects: u32,
) -> Result<Import> {
    let mut import = Import::new(store, 0).in_parts(objects);
    for bytes in pack.chunks(chunk) {
        import.feed(store, bytes)?;
        while import.is_sealing() {
            import.step(store)?;
        }
    }
    while !import.step(store)? {}
    Ok(import)
}

/// Pushes a pack and moves refs: name, old, new.
pub fn push(
    host: &mut Memory,
    pack: &[u8],
    refs: &[(&str, Option<&str>, Option<&str>)],
) -> Result<()> {
    let mut store = Store::open(host)?.expect("a repository");
    let mut import = import(&mut store, pack, 1000)?;
    commit(&mut store, Some(&mut import), refs, true)
}

/// Moves refs with or without a pack: name, old, new.
pub fn commit(
    store: &mut Store,
    import: Option<&mut Import>,
    refs: &[(&str, Option<&str>, Option<&str>)],
    is_forward: bool,
) -> Result<()> {
    let (mut import, mut updates) = (import, Updates::new(store.format()));
    for (name, old, new) in refs {
        let [old, new] = [old, new].map(|id| id.map(oid));
        updates.push(&Update { name: name.as_bytes(), old, new })?;
    }
    let looked = Looked::new(store, import.as_deref_mut(), &updates)?;
    let push = Push { updates: &updates, looked: &looked, is_done: &|_| true, is_forward };
    assert!(push::commit(store, import.as_deref(), &push, &RECORD)?, "nobody was first");
    Ok(())
}

pub fn fetch(host: &mut Memory, wants: &[&str], commons: &[&str], thin: bool) -> Vec<u8> {
    let ids = |ids: &[&str]| ids.iter().map(|id| oid(id)).collect::<Vec<Oid>>();
    let (wants, commons) = (ids(wants), ids(commons));
    answer(host, Ask { wants, commons, include_tag: false, thin, cut: None, filter: None })
}

pub fn answer(host: &mut Memory, ask: Ask) -> Vec<u8> {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    let mut walk = Walk::new(&mut store, ask).expect("a walk");
    while !walk.step(&mut store).expect("a step") {}
    let mut out = Vec::new();
    let options = Options { ofs_delta: true };
    let mut export = Export::new(&mut store, walk.selection(), options).expect("an export");
    while !export
        .pump(&mut store, 10_000, &mut |bytes| out.extend_from_slice(bytes))
        .expect("a pump")
    {}
    out
}

/// A repository of git's with a history.
fn source(name: &str, commits: usize) -> Git {
    let git = Git::new(name);
    git.run(&["fast-import", "--quiet", "--done"], &history(commits));
    git
}

#[test]
fn a_pack_is_stored_as_it_came_and_given_back_so() {
    let git = source("whole", 60);
    let main = git.text(&["rev-parse", "main"]);
    for options in [&["--delta-base-offset"][..], &[], &["--depth=3"], &["--window=0"]] {
        let pack = git.pack(&["main"], options);
        for chunk in [1, 7, 1000, pack.len()] {
            let mut host = new_store();
            let mut store = Store::open(&mut host).expect("readable").expect("a repository");
            let mut import = import(&mut store, &pack, chunk).expect("a good pack");
            let refs = [("refs/heads/main", None, Some(&*main))];
            commit(&mut store, Some(&mut import), &refs, true).expect("a push");
            assert!(store.is_tight());
            assert_eq!(fetch(&mut host, &[&main], &[], false), pack, "{options:?} by {chunk}");
        }
    }
}

#[test]
fn what_a_walk_selects_is_what_git_selects() {
    let git = source("walk", 80);
    let all = ["main", "side", "v1"].map(|name| git.text(&["rev-parse", name]));
    let [main, side, tag] = all.each_ref().map(String::as_str);
    let mut host = new_store();
    let pack = git.pack(&["main", "side", "v1"], &["--delta-base-offset"]);
    let refs = [("refs/heads/main", main), ("refs/heads/side", side), ("refs/tags/v1", tag)];
    let refs = refs.map(|(name, id)| (name, None, Some(id)));
    push(&mut host, &pack, &refs).expect("a push");
    for (wants, haves) in [
        (&["main"][..], &[][..]),
        (&["side"], &[]),
        (&["v1"], &[]),
        (&["main~3"], &["main~6"]),
        (&["main"], &["side"]),
        (&["side"], &["main~20"]),
        (&["main", "side"], &["main~1", "side~1"]),
        (&["main:dir1"], &[]),
        (&["main"], &["main"]),
    ] {
        let ids = |names: &[&str]| -> Vec<String> {
            names.iter().map(|name| git.text(&["rev-parse", name])).collect()
        };
        let (want_ids, have_ids) = (ids(wants), ids(haves));
        let want_ids: Vec<&str> = want_ids.iter().map(String::as_str).collect();
        let have_ids: Vec<&str> = have_ids.iter().map(String::as_str).collect();
        let not: Vec<String> = haves.iter().map(|name| format!("^{name}")).collect();
        let revisions: Vec<&str> =
            wants.iter().copied().chain(not.iter().map(String::as_str)).collect();
        let pack = fetch(&mut host, &want_ids, &have_ids, false);
        assert_eq!(ids_of(&pack), git.objects(&revisions), "{wants:?} {haves:?}");
        // A client with just what it says it has takes the thin pack.
        let client = Git::new("client");
        if !haves.is_empty() {
            client.run(&["index-pack", "--stdin"], &git.pack(haves, &[]));
        }
        let thin = fetch(&mut host, &want_ids, &have_ids, true);
        if thin.len() > 32 {
            client.ids_in(&thin);
        }
        for want in &want_ids {
            client.run(&["rev-list", "--objects", "--quiet", want], b"");
        }
    }
}

/// The ids in a pack that leans on nothing.
pub fn ids_of(pack: &[u8]) -> Vec<String> {
    if pack.len() <= 32 {
        return Vec::new();
    }
    Git::new("ids").ids_in(pack)
}

#[test]
fn small_thin_pushes_add_up_to_one_history() {
    let git = source("thin", 90);
    let ids = git.text(&["rev-list", "--first-parent", "--reverse", "main"]);
    let ids: Vec<&str> = ids.lines().collect();
    let mut host = new_store();
    let mut before: Option<&str> = None;
    for id in ids.iter().copied() {
        let not = before.map(|id| format!("^{id}"));
        let revisions: Vec<&str> = [id].into_iter().chain(not.as_deref()).collect();
        let pack = git.pack(&revisions, &["--thin", "--delta-base-offset", "--depth=500"]);
        push(&mut host, &pack, &[("refs/heads/main", before, Some(id))]).expect("a push");
        before = Some(id);
    }
    let last = ids.last().expect("commits");
    let judge = |host: &mut Memory| {
        let whole = fetch(host, &[last], &[], false);
        assert_eq!(ids_of(&whole), git.objects(&["main"]));
        let part = fetch(host, &[ids[40]], &[ids[30]], false);
        let revisions = [ids[40].to_owned(), format!("^{}", ids[30])];
        assert_eq!(ids_of(&part), git.objects(&revisions.each_ref().map(String::as_str)));
        assert_eq!(check(host).1, []);
    };
    judge(&mut host);
    let rows = host.rows.len();
    for time in [10, 10 + limits::GRACE_SECONDS, 11 + limits::GRACE_SECONDS] {
        upkeep(&mut host, time);
        judge(&mut host);
    }
    assert!(host.rows.len() < ids.len() + 20, "{} rows, {} before", host.rows.len(), rows);
}

pub fn upkeep(host: &mut Memory, time: u64) {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    let mut upkeep = Upkeep::new(time, u64::MAX);
    while !upkeep.step(&mut store).expect("a step") {}
}

#[test]
fn large_objects_are_stored_whole_and_never_held() {
    let git = Git::new("large");
    let mut noise = 1u64;
    let mut random = |size: usize| -> Vec<u8> {
        let mut next = || {
            noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (noise >> 56) as u8
        };
        (0..size).map(|_| next()).collect()
    };
    let mut blob = random(limits::HELD_MAX + 100_000);
    let mut script = Vec::new();
    for n in 1..=4 {
        let at = n * 1_000_000;
        blob.splice(at..at + 10, random(3000));
        if n == 4 {
            blob.truncate(limits::HELD_MAX - 5);
        }
        let head = format!(
            "commit refs/heads/main\ncommitter A <a@b> {n} +0000\ndata 1\nx\nM 644 inline big\ndata {}\n",
            blob.len()
        );
        script.extend_from_slice(head.as_bytes());
        script.extend_from_slice(&blob);
        script.push(b'\n');
    }
    script.extend_from_slice(b"done\n");
    git.run(&["fast-import", "--quiet", "--done"], &script);
    git.run(&["repack", "-adfq"], b"");
    let main = git.text(&["rev-parse", "main"]);
    let pack = git.pack(&["main"], &["--delta-base-offset"]);
    assert!(pack.len() < 2 * limits::HELD_MAX, "git made no deltas");
    let mut host = new_store();
    push(&mut host, &pack, &[("refs/heads/main", None, Some(&main))]).expect("a push");
    let back = fetch(&mut host, &[&main], &[], false);
    assert_eq!(ids_of(&back), git.objects(&["main"]));
    let spilled = host.rows.keys().filter(|key| key.get(6) == Some(&b's') && key[0] == b'p');
    assert_eq!(spilled.count(), 0);
    // Only the last entry is rewritten: the pack does not end as it was sent.
    let early = git.text(&["rev-parse", "main~2"]);
    let pack = git.pack(&["main~2"], &["--delta-base-offset"]);
    let mut host = new_store();
    push(&mut host, &pack, &[("refs/heads/main", None, Some(&early))]).expect("a push");
    assert_eq!(ids_of(&fetch(&mut host, &[&early], &[], false)), git.objects(&["main~2"]));
}

#[test]
fn a_pack_that_is_not_closed_is_refused_and_changes_nothing() {
    let git = source("open", 20);
    let main = git.text(&["rev-parse", "main"]);
    let thin = git.pack(&["main", "^main~2"], &["--thin"]);
    let unthin = git.pack(&["main", "^main~2"], &[]);
    let mut whole = git.pack(&["main"], &[]);
    let mut host = new_store();
    let before = host.rows.clone();
    let mut check = |pack: &[u8], expect: Error| {
        let outcome = push(&mut host, pack, &[("refs/heads/main", None, Some(&main))]);
        assert_eq!(outcome.err(), Some(expect));
        assert!(host.rows == before);
    };
    check(&thin, Error::MissingBase);
    check(&unthin, Error::MissingObject);
    check(&whole[..whole.len() - 1], Error::CutShort);
    *whole.last_mut().expect("bytes") ^= 1;
    check(&whole, Error::PackChecksum);
}

pub fn check(host: &mut Memory) -> (u64, Vec<Problem>) {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    let (mut check, mut problems) = (Check::new(), Vec::new());
    let mut report = |problem| problems.push(problem);
    while !check.step(&mut store, &mut report, &mut |_, _, _| {}).expect("a step") {}
    (check.count, problems)
}

#[test]
fn a_check_reads_every_object_and_names_the_damaged_ones() {
    let git = source("check", 30);
    let main = git.text(&["rev-parse", "main"]);
    let mut host = new_store();
    let pack = git.pack(&["main"], &["--delta-base-offset"]);
    push(&mut host, &pack, &[("refs/heads/main", None, Some(&main))]).expect("a push");
    let count = git.objects(&["main"]).len() as u64;
    assert_eq!(check(&mut host), (count, Vec::new()));
    let key = host.rows.keys().find(|key| key.starts_with(b"p/") && key[6] == b'd');
    let key = key.expect("a row of data").clone();
    let size = host.rows[&key].len();
    for at in (0..size).step_by(97) {
        let mut damaged = host.clone();
        damaged.rows.get_mut(&key).expect("it is there")[at] ^= 4;
        let (whole, problems) = check(&mut damaged);
        assert!(!problems.is_empty() && whole < count, "the byte at {at} was not missed");
    }
}

#[test]
fn a_filter_leaves_out_what_git_leaves_out() {
    let git = source("filter", 80);
    let main = git.text(&["rev-parse", "main"]);
    let tree = git.text(&["rev-parse", "main^{tree}"]);
    let mut host = new_store();
    let pack = git.pack(&["main"], &["--delta-base-offset"]);
    push(&mut host, &pack, &[("refs/heads/main", None, Some(&main))]).expect("a push");
    for want in [&main, &tree] {
        for filter in [
            "blob:none",
            "blob:limit=2500",
            "blob:limit=3k",
            "tree:0",
            "tree:1",
            "tree:2",
            "tree:3",
            "tree:4",
            "object:type=commit",
            "object:type=tree",
            "object:type=blob",
            "object:type=tag",
            "combine:tree:3+object:type=tree",
            "combine:object:type=tree+object:type=blob",
        ] {
            let spec =
                Filter::read(filter.as_bytes(), &mut |_| Err(Error::BadRequest)).expect("a filter");
            let (wants, filter_option) = (vec![oid(want)], Some(spec));
            let (commons, cut) = (Vec::new(), None);
            let ask =
                Ask { wants, commons, include_tag: false, thin: true, cut, filter: filter_option };
            let pack = answer(&mut host, ask);
            let option = format!("--filter={filter}");
            assert_eq!(ids_of(&pack), git.objects(&[&option, want]), "{filter} {want}");
        }
    }
}
