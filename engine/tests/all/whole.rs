//! The whole engine on a host in memory: how a request is cut does not matter, and a crash at any
//! call of the host leaves all or nothing.

use crate::client::{
    Object, ask, blob, commit, fetch_body, ls_refs_body, pack, push, push_body, repository,
    request, run, small_commit, tree,
};
use engine::hash::Oid;
use engine::memory::Memory;
use std::panic::{AssertUnwindSafe, catch_unwind};

const MAIN: &str = "refs/heads/main";

/// A repository after so many pushes of one small commit, and its tip.
fn pushed(pushes: usize) -> (Memory, Option<Oid>) {
    let (mut host, mut tip) = (repository(), None);
    for number in 0..pushes {
        let objects = small_commit(tip.as_ref(), number);
        push(&mut host, &[(MAIN, tip, Some(objects[0].oid))], &pack(&objects));
        tip = Some(objects[0].oid);
    }
    (host, tip)
}

/// A push of these objects, the first of them the new tip.
fn body(tip: Option<Oid>, objects: &[Object]) -> Vec<u8> {
    push_body(&[(MAIN, tip, Some(objects[0].oid))], &pack(objects))
}

/// Asserts that a request has one answer and one effect, wherever its body is cut.
fn check_cuts(host: &Memory, service: &str, body: &[u8]) {
    let answer = |pieces: &[&[u8]]| {
        let mut host = host.clone();
        let answer = ask(&mut host, service, pieces);
        (answer, host.rows)
    };
    let whole = answer(&[body]);
    for cut in 0..=body.len() {
        let (head, tail) = body.split_at(cut);
        assert!(answer(&[head, tail]) == whole, "{service}, cut at {cut}");
    }
    assert!(answer(&body.chunks(1).collect::<Vec<_>>()) == whole, "{service}, byte by byte");
}

#[test]
fn cuts_do_not_matter() {
    let (host, tip) = pushed(3);
    let tip = tip.expect("it has one");
    check_cuts(&host, "receive-pack", &body(Some(tip), &small_commit(Some(&tip), 3)));
    check_cuts(&host, "upload-pack", &fetch_body(&[tip], &[]));
    check_cuts(&host, "upload-pack", &ls_refs_body());
}

#[test]
fn a_request_that_is_cut_short_changes_nothing() {
    let (host, tip) = pushed(1);
    let body = body(tip, &small_commit(tip.as_ref(), 1));
    let refs = refs(&host);
    for cut in 1..body.len() {
        let mut host = host.clone();
        ask(&mut host, "receive-pack", &[&body[..cut]]);
        assert_eq!(self::refs(&host), refs, "cut at {cut}");
    }
}

/// What a client sees.
fn refs(host: &Memory) -> Vec<u8> {
    ask(&mut host.clone(), "upload-pack", &[&ls_refs_body()])
}

fn is_whole(host: &Memory) -> bool {
    run(&mut host.clone(), request("GET", "/-/fsck", &[]), &[]).ends_with(b"\nok\n")
}

/// Asserts that a crash in this push leaves what was before, or what is after. Answers how many
/// calls it takes.
fn check_crashes(before: &Memory, body: &[u8]) -> usize {
    let mut after = before.clone();
    ask(&mut after, "receive-pack", &[body]);
    let refs_of = [refs(before), refs(&after)];
    assert_ne!(refs_of[0], refs_of[1]);
    for calls in 0.. {
        let mut host = Memory { calls_left: Some(calls), ..before.clone() };
        let pieces: Vec<&[u8]> = body.chunks(100_000).collect();
        let outcome = catch_unwind(AssertUnwindSafe(|| ask(&mut host, "receive-pack", &pieces)));
        host.calls_left = None;
        let found = refs(&host);
        assert!(refs_of.contains(&found), "after {calls} calls");
        assert!(is_whole(&host), "after {calls} calls");
        if outcome.is_ok() {
            assert_eq!(found, refs_of[1]);
            return calls;
        }
        if found == refs_of[0] {
            // What was left behind is in nobody's way.
            ask(&mut host, "receive-pack", &[body]);
            assert_eq!(refs(&host), refs_of[1], "again, after {calls} calls");
            assert!(is_whole(&host), "again, after {calls} calls");
        }
    }
    unreachable!("the push ends");
}

#[test]
fn a_crash_in_a_small_push_leaves_all_or_nothing() {
    let (host, tip) = pushed(2);
    check_crashes(&host, &body(tip, &small_commit(tip.as_ref(), 2)));
}

#[test]
fn a_crash_in_a_push_of_many_rows_leaves_all_or_nothing() {
    let (host, tip) = pushed(1);
    let files: Vec<Object> = (0..9).map(|seed| blob(seed, 1 << 20)).collect();
    let named = files.iter().enumerate().map(|(at, file)| (format!("file{at}"), file.oid));
    let top = tree("100644", &named.collect::<Vec<_>>());
    let mut objects = vec![commit(&top.oid, tip.as_ref().as_slice(), 1), top];
    objects.extend(files);
    let calls = check_crashes(&host, &body(tip, &objects));
    assert!(calls > 6, "it stages rows: {calls} calls");
}

#[test]
fn a_crash_while_packs_are_merged_leaves_all_or_nothing() {
    let (mut host, mut tip) = pushed(0);
    let mut most = 0;
    for number in 0..60 {
        let objects = small_commit(tip.as_ref(), number);
        let body = body(tip, &objects);
        let calls = {
            let mut host = host.clone();
            host.cost = Default::default();
            ask(&mut host, "receive-pack", &[&body]);
            host.cost.gets + host.cost.scans + host.cost.commits + host.cost.emits
        };
        if calls > most + 5 {
            check_crashes(&host, &body);
            most = calls;
        }
        ask(&mut host, "receive-pack", &[&body]);
        tip = Some(objects[0].oid);
    }
    assert!(most > 15, "packs were merged: {most} calls");
}
