//! What nothing reaches is dropped after a while, and nothing else ever.

use crate::git::{Git, history};
use crate::store::{answer, check, commit, ids_of, import, new_store, oid, push};
use engine::error::Error;
use engine::gc::Upkeep;
use engine::memory::Memory;
use engine::store::Store;
use engine::walk::Ask;

/// Upkeep at a time, which drops what was left so many seconds before.
fn upkeep(host: &mut Memory, time: u64, age: u64) {
    let mut store = Store::open(host).expect("readable").expect("a repository").at(time);
    let mut upkeep = Upkeep::whole(time, age, false);
    while !upkeep.step(&mut store).expect("a step") {}
}

/// A repository whose main branch was set back by twenty commits, and whose other branch is gone;
/// what is left, and what was dropped.
fn rewound(git: &Git) -> (Memory, String, String) {
    git.run(&["fast-import", "--quiet", "--done"], &history(90));
    let [main, side, old] = ["main", "side", "main~20"].map(|name| git.text(&["rev-parse", name]));
    let mut host = new_store();
    let pack = git.pack(&["main~50"], &["--delta-base-offset"]);
    let first = git.text(&["rev-parse", "main~50"]);
    push(&mut host, &pack, &[("refs/heads/main", None, Some(&first))]).expect("a push");
    let pack = git.pack(&["main", "side", "^main~50"], &["--delta-base-offset", "--thin"]);
    let refs =
        [("refs/heads/main", Some(&*first), Some(&*main)), ("refs/heads/side", None, Some(&side))];
    push(&mut host, &pack, &refs).expect("a push");
    let mut store = Store::open(&mut host).expect("readable").expect("a repository");
    let refs =
        [("refs/heads/main", Some(&*main), Some(&*old)), ("refs/heads/side", Some(&side), None)];
    commit(&mut store, None, &refs, false).expect("a push");
    (host, old, main)
}

fn clone(host: &mut Memory, want: &str) -> Vec<u8> {
    let (wants, commons) = (vec![oid(want)], Vec::new());
    answer(host, Ask { wants, commons, include_tag: false, thin: false, cut: None, filter: None })
}

fn has(host: &mut Memory, id: &str) -> bool {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    store.find(&oid(id)).expect("readable").is_some()
}

fn is_tight(host: &mut Memory) -> bool {
    Store::open(host).expect("readable").expect("a repository").is_tight()
}

#[test]
fn what_nothing_reaches_is_dropped_after_a_while() {
    let git = Git::new("rewrite");
    let (mut host, old, main) = rewound(&git);
    upkeep(&mut host, 100, 1000);
    assert!(has(&mut host, &main), "it may be wanted back");
    upkeep(&mut host, 2, 1);
    assert!(has(&mut host, &main), "the log names it, and is not old");
    assert!(!is_tight(&mut host));
    upkeep(&mut host, 5000, 1000);
    assert!(!has(&mut host, &main), "it was left long ago");
    assert!(is_tight(&mut host));
    let objects = git.objects(&["main~20"]);
    assert_eq!(check(&mut host), (objects.len() as u64, Vec::new()));
    let pack = clone(&mut host, &old);
    assert_eq!(ids_of(&pack), objects);
    let before = host.rows.len();
    upkeep(&mut host, 100_000, 1000);
    assert!(host.rows.len() < before, "the rows of the old packs are deleted later");
    assert_eq!(clone(&mut host, &old), pack);
}

#[test]
fn a_push_during_a_rewrite_comes_first() {
    let git = Git::new("rewrite-race");
    let (mut host, old, main) = rewound(&git);
    let pack = git.pack(&["main~19", "^main~20"], &["--delta-base-offset"]);
    let new = git.text(&["rev-parse", "main~19"]);
    for steps in 0.. {
        let mut host = host.clone();
        let mut upkeep = Upkeep::whole(5000, 1000, false);
        let mut store = Store::open(&mut host).expect("readable").expect("a repository");
        let is_over = (0..steps).any(|_| upkeep.step(&mut store).expect("a step"));
        drop(store);
        push(&mut host, &pack, &[("refs/heads/main", Some(&old), Some(&new))]).expect("a push");
        // The upkeep goes on with what it knew before, as another instance would.
        let mut store = Store::open(&mut host).expect("readable").expect("a repository");
        while !is_over && !upkeep.step(&mut store).expect("a step") {}
        drop(store);
        assert!(check(&mut host).1.is_empty(), "after {steps} steps");
        assert_eq!(ids_of(&clone(&mut host, &new)), git.objects(&["main~19"]));
        if is_over {
            break;
        }
    }
    assert!(has(&mut host, &main));
}

#[test]
fn a_push_that_leans_on_what_is_dropped_meanwhile_is_refused() {
    let git = Git::new("rewrite-lean");
    let (mut host, old, _) = rewound(&git);
    let pack = git.pack(&["main", "^main~2"], &["--delta-base-offset"]);
    let new = git.text(&["rev-parse", "main"]);
    let mut store = Store::open(&mut host).expect("readable").expect("a repository");
    let mut begun = import(&mut store, &pack, 1000).expect("all that it leans on is there still");
    drop(store);
    upkeep(&mut host, 5000, 1000);
    let mut store = Store::open(&mut host).expect("readable").expect("a repository");
    let refs = [("refs/heads/main", Some(&*old), Some(&*new))];
    let done = commit(&mut store, Some(&mut begun), &refs, true);
    assert_eq!(done, Err(Error::MissingObject));
    drop(store);
    assert!(push(&mut host, &pack, &[("refs/heads/main", Some(&old), Some(&new))]).is_err());
}
