//! What bitmaps say is what a walk finds, judged by git.

use crate::git::{Git, history};
use crate::store::{answer, ids_of, new_store, oid, push, upkeep};
use engine::error::Error;
use engine::memory::Memory;
use engine::walk::{Ask, Filter};

/// Asks with git's names for what is wanted and had.
fn select(git: &Git, host: &mut Memory, wants: &[&str], haves: &[&str], filter: &str) {
    let id = |name: &&str| oid(&git.text(&["rev-parse", name]));
    let read = |text: &str| Filter::read(text.as_bytes(), &mut |_| Err(Error::BadRequest));
    let ask = Ask {
        wants: wants.iter().map(id).collect(),
        commons: haves.iter().map(id).collect(),
        include_tag: false,
        thin: false,
        cut: None,
        filter: (!filter.is_empty()).then(|| read(filter).expect("a filter")),
    };
    let mut revisions: Vec<String> = haves.iter().map(|name| format!("^{name}")).collect();
    if !filter.is_empty() {
        revisions.push(format!("--filter={filter}"));
    }
    let revisions: Vec<&str> =
        wants.iter().copied().chain(revisions.iter().map(|r| &**r)).collect();
    assert_eq!(ids_of(&answer(host, ask)), git.objects(&revisions), "{wants:?} {haves:?} {filter}");
}

fn is_bitmap(key: &[u8]) -> bool {
    key.starts_with(b"p/") && key[6] == b'b'
}

#[test]
fn a_walk_along_bitmaps_selects_what_git_selects() {
    let git = Git::new("bitmaps");
    git.run(&["fast-import", "--quiet", "--done"], &history(1400));
    for (branch, commit) in [("old", "main~800"), ("older", "side~150"), ("same", "main")] {
        git.run(&["branch", branch, commit], b"");
    }
    let names = ["main~300", "side", "old", "older", "same~300"];
    let pack = git.pack(&names, &["--delta-base-offset"]);
    let ids = names.map(|name| git.text(&["rev-parse", name]));
    let mut host = new_store();
    let refs = ["main", "side", "old", "older", "same"].map(|name| format!("refs/heads/{name}"));
    let refs: Vec<_> =
        refs.iter().zip(&ids).map(|(name, id)| (&**name, None, Some(&**id))).collect();
    push(&mut host, &pack, &refs).expect("a push");
    let count = |host: &Memory| host.rows.keys().filter(|key| is_bitmap(key)).count();
    assert_eq!(count(&host), 0);
    upkeep(&mut host, 1);
    let made = count(&host);
    assert!((2..=4).contains(&made), "{made} bitmaps");
    upkeep(&mut host, 1);
    assert_eq!(count(&host), made, "nothing is behind");

    // What is pushed later is in no bitmap, and is found beside them.
    let pack = git.pack(&["main~297", "^main~300"], &["--delta-base-offset"]);
    let (old, new) = (&ids[0], git.text(&["rev-parse", "main~297"]));
    push(&mut host, &pack, &[("refs/heads/main", Some(old), Some(&new))]).expect("a push");
    for (wants, haves) in [
        (&["main~297"][..], &[][..]),
        (&["main~300"], &[]),
        (&["old"], &[]),
        (&["main~297", "side", "older"], &[]),
        (&["main~297"], &["main~300"]),
        (&["main~300"], &["old"]),
        (&["main~300"], &["main~320"]),
        (&["main~297"], &["main~301", "side~3"]),
        (&["side"], &["main~300", "older"]),
        (&["main~300"], &["main~297"]),
        (&["main~298:dir1", "old"], &[]),
    ] {
        select(&git, &mut host, wants, haves, "");
    }
    for filter in [
        "blob:none",
        "blob:limit=2500",
        "object:type=tree",
        "object:type=commit",
        "tree:0",
        "tree:1",
    ] {
        select(&git, &mut host, &["main~297"], &[], filter);
        select(&git, &mut host, &["main~300", "main~297:dir1"], &[], filter);
    }

    // Much more is pushed: others are written, and the old ones deleted after a while.
    let pack = git.pack(&["main", "^main~297"], &["--delta-base-offset"]);
    let main = git.text(&["rev-parse", "main"]);
    push(&mut host, &pack, &[("refs/heads/main", Some(&new), Some(&main))]).expect("a push");
    upkeep(&mut host, 2);
    let both = count(&host);
    assert!(both > made, "{both} bitmaps");
    select(&git, &mut host, &["main", "same~300"], &["old"], "");
    upkeep(&mut host, 1_000_000);
    assert_eq!(count(&host), both - made);

    lean(&git, &mut host);
    go_without(&git, &host);
}

/// Deltas that lean on more do not make a pack much larger.
fn lean(git: &Git, host: &mut Memory) {
    for (want, have) in [("main", "main~10"), ("main", "main~400"), ("same~300", "old~3")] {
        let mut without = host.clone();
        without.rows.remove(&b"b"[..]);
        let (along, alone) = (send(git, host, want, have), send(git, &mut without, want, have));
        assert!(along < alone + alone / 20, "{have}: {along} and {alone} bytes");
    }
}

/// What is sent to who has the rest: deltas lean on all that bitmaps say the client has, and on
/// nothing else. Answers its size.
fn send(git: &Git, host: &mut Memory, want: &str, have: &str) -> usize {
    let id = |name: &str| oid(&git.text(&["rev-parse", name]));
    let (wants, commons) = (vec![id(want)], vec![id(have)]);
    let ask = Ask { wants, commons, include_tag: false, thin: true, cut: None, filter: None };
    let sent = answer(host, ask);
    let client = Git::new("bitmaps-client");
    client.run(&["index-pack", "--stdin"], &git.pack(&[have], &[]));
    client.run(&["index-pack", "--stdin", "--fix-thin"], &sent);
    let want = git.text(&["rev-parse", want]);
    assert_eq!(client.objects(&[&want]), git.objects(&[&want]), "{have}");
    sent.len()
}

/// Rows that are damaged, or gone as while others are written: the walk goes without them.
fn go_without(git: &Git, host: &Memory) {
    for key in host.rows.keys().filter(|key| *key == b"b" || is_bitmap(key)) {
        let (mut damaged, mut less) = (host.clone(), host.clone());
        damaged.rows.get_mut(key).expect("it is there")[9] ^= 1;
        less.rows.remove(key);
        for mut host in [damaged, less] {
            select(git, &mut host, &["main", "side"], &["old"], "");
        }
    }
}
