//! Packs that are taken in parts, judged by git.

use crate::git::{Git, history};
use crate::store::{check, commit, fetch, ids_of, import_in_parts, new_store, push};
use engine::error::{Error, Result};
use engine::gc::Upkeep;
use engine::limits::{GRACE_SECONDS, STAGED_SECONDS};
use engine::memory::Memory;
use engine::store::Store;

fn source(commits: usize) -> Git {
    let git = Git::new("parts");
    git.run(&["fast-import", "--quiet", "--done"], &history(commits));
    git
}

/// Pushes a pack as `main` in parts of so many objects.
fn push_in_parts(
    host: &mut Memory,
    pack: &[u8],
    main: [Option<&str>; 2],
    objects: u32,
) -> Result<()> {
    let mut store = Store::open(host)?.expect("a repository");
    let mut import = import_in_parts(&mut store, pack, 1000, objects)?;
    let refs = [("refs/heads/main", main[0], main[1])];
    commit(&mut store, Some(&mut import), &refs, true)
}

fn upkeep(host: &mut Memory, time: u64) {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    let mut upkeep = Upkeep::new(time, u64::MAX);
    while !upkeep.step(&mut store).expect("a step") {}
}

/// Keys of rows that only a push under way needs.
fn spilled(host: &Memory) -> usize {
    host.rows.keys().filter(|key| key.starts_with(b"p/") && key[6] == b's').count()
}

#[test]
fn a_pack_in_parts_is_the_same_history_and_as_tight() {
    let git = source(60);
    let main = git.text(&["rev-parse", "main"]);
    let all = git.objects(&["main"]);
    for options in [&["--delta-base-offset"][..], &[], &["--depth=3"], &["--window=0"]] {
        let pack = git.pack(&["main"], options);
        for objects in [1, 2, 7, 50, 100] {
            let mut host = new_store();
            push_in_parts(&mut host, &pack, [None, Some(&main)], objects).expect("a good pack");
            let store = Store::open(&mut host).expect("readable").expect("a repository");
            assert!(store.is_tight(), "{options:?} by {objects}");
            assert_eq!(store.counts().count(), all.len().div_ceil(objects as usize));
            assert_eq!(ids_of(&fetch(&mut host, &[&main], &[], false)), all);
            assert_eq!(check(&mut host), (all.len() as u64, Vec::new()));
            assert_eq!(spilled(&host), 0);
            upkeep(&mut host, 10);
            upkeep(&mut host, 11 + GRACE_SECONDS);
            assert_eq!(ids_of(&fetch(&mut host, &[&main], &[], false)), all);
            assert_eq!(check(&mut host), (all.len() as u64, Vec::new()));
        }
    }
}

#[test]
fn parts_lean_on_what_was_stored_before() {
    let git = source(90);
    let [old, new] = ["main~40", "main"].map(|name| git.text(&["rev-parse", name]));
    let first = git.pack(&[&old], &["--delta-base-offset"]);
    let range = [new.as_str(), &format!("^{old}")];
    let thin = git.pack(&range, &["--thin", "--delta-base-offset", "--depth=500"]);
    for objects in [1, 5, 40] {
        let mut host = new_store();
        push(&mut host, &first, &[("refs/heads/main", None, Some(&old))]).expect("a push");
        push_in_parts(&mut host, &thin, [Some(&old), Some(&new)], objects).expect("a push");
        assert_eq!(ids_of(&fetch(&mut host, &[&new], &[], false)), git.objects(&["main"]));
        assert_eq!(ids_of(&fetch(&mut host, &[&new], &[&old], false)), git.objects(&range));
        assert_eq!(check(&mut host).1, []);
    }
}

#[test]
fn what_no_part_has_is_missed_and_the_rows_are_given_back() {
    let git = source(20);
    let main = git.text(&["rev-parse", "main"]);
    let unthin = git.pack(&["main", "^main~2"], &[]);
    let mut host = new_store();
    let before = host.rows.len();
    for objects in [1, 3] {
        let outcome = push_in_parts(&mut host, &unthin, [None, Some(&main)], objects);
        assert_eq!(outcome, Err(Error::MissingObject));
        assert!(host.rows.len() > before);
        for time in 0..20 {
            upkeep(&mut host, 2 * STAGED_SECONDS + GRACE_SECONDS + time);
        }
        assert_eq!(host.rows.len(), before);
    }
}

#[test]
fn an_object_of_another_type_is_noticed_in_another_part() {
    let git = source(30);
    let main = git.text(&["rev-parse", "main"]);
    let tree = git.text(&["rev-parse", "main^{tree}"]);
    let text = format!("tree {main}\nauthor A <a@b> 1 +0000\ncommitter A <a@b> 1 +0000\n\nx\n");
    let bad =
        git.run(&["hash-object", "-t", "commit", "-w", "--literally", "--stdin"], text.as_bytes());
    let bad = String::from_utf8(bad).expect("an id").trim().to_owned();
    let ids = [&git.objects(&["main"])[..], &[bad.clone(), tree]].concat().join("\n");
    let pack = git.run(&["pack-objects", "--stdout", "-q"], ids.as_bytes());
    for objects in [1, 4, 1000] {
        let outcome = push_in_parts(&mut new_store(), &pack, [None, Some(&bad)], objects);
        assert_eq!(outcome, Err(Error::BadObject), "by {objects}");
    }
}
