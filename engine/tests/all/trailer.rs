//! The trailer of a pack of all packs: found by upkeep, kept by merges, forgotten at the next push.

use crate::git::{Git, history};
use crate::store::{answer, ids_of, new_store, oid, push};
use engine::gc::Upkeep;
use engine::memory::Memory;
use engine::store::Store;
use engine::walk::Ask;

fn is_known(host: &mut Memory) -> bool {
    Store::open(host).expect("readable").expect("a repository").trailer().is_some()
}

fn upkeep(host: &mut Memory, mut upkeep: Upkeep) {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    while !upkeep.step(&mut store).expect("a step") {}
}

/// Git, which looks at the trailer, finds in a clone what the branch leads to.
fn check(git: &Git, host: &mut Memory, tip: &str) -> Vec<u8> {
    let (wants, commons) = (vec![oid(tip)], Vec::new());
    let ask = Ask { wants, commons, include_tag: false, thin: false, cut: None, filter: None };
    let clone = answer(host, ask);
    assert_eq!(ids_of(&clone), git.objects(&[tip]));
    clone
}

#[test]
fn clones_end_with_the_trailer_that_upkeep_found() {
    let git = Git::new("trailer");
    git.run(&["fast-import", "--quiet", "--done"], &history(90));
    let mut host = new_store();
    let mut old: Option<String> = None;
    for at in (0..60).rev() {
        let tip = git.text(&["rev-parse", &format!("main~{at}")]);
        let less = old.as_ref().map(|old| format!("^{old}"));
        let revisions: Vec<&str> = [&*tip].into_iter().chain(less.as_deref()).collect();
        let pack = git.pack(&revisions, &["--delta-base-offset", "--thin"]);
        push(&mut host, &pack, &[("refs/heads/main", old.as_deref(), Some(&tip))]).expect("a push");
        assert_eq!(is_known(&mut host), old.is_none(), "as the first pack came");
        let clone = check(&git, &mut host, &tip);
        // What a push does itself, which may merge packs, and sometimes all upkeep.
        let (small, whole) = (Upkeep::new(1, 4 << 20), Upkeep::whole(1, 1000, false));
        upkeep(&mut host, if at % 7 == 0 { whole } else { small });
        assert_eq!(is_known(&mut host), old.is_none() || at % 7 == 0);
        assert_eq!(check(&git, &mut host, &tip), clone, "main~{at}");
        upkeep(&mut host, Upkeep::new(1, u64::MAX));
        old = Some(tip);
    }
}
