//! What other requests do between two looks of one at the rows: a push, or upkeep that takes the
//! rows away after a while.

use crate::client::{
    self, Object, ask, blob, commit, drive, fetch_body, object, pack, push, push_body, repository,
    request, run, small_commit, tree,
};
use crate::hostile::seeded;
use engine::engine::Request;
use engine::hash::Oid;
use engine::host::{Expect, Host, Row, Write};
use engine::limits::GRACE_SECONDS;
use engine::memory::Memory;
use engine::object::Kind;
use std::cell::Cell;

const MAIN: &str = "refs/heads/main";

/// A host on which something else is done just before this many calls are over.
struct Overtaken<'d> {
    memory: Memory,
    calls_left: usize,
    deed: Option<&'d dyn Fn(&mut Memory)>,
}

impl Overtaken<'_> {
    fn call(&mut self) {
        if self.calls_left == 0
            && let Some(deed) = self.deed.take()
        {
            let mut other = self.memory.clone();
            deed(&mut other);
            self.memory.rows = other.rows;
        }
        self.calls_left = self.calls_left.saturating_sub(1);
    }
}

impl Host for Overtaken<'_> {
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.call();
        self.memory.get(key)
    }

    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row> {
        self.call();
        self.memory.scan(prefix, after, bytes_max)
    }

    fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> bool {
        self.call();
        self.memory.commit(expects, writes)
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.memory.emit(bytes);
    }
}

/// A repository in which a branch was forced, so that answers need a walk; its tip.
fn forced() -> (Memory, Oid) {
    let mut host = repository();
    let first = small_commit(None, 0);
    push(&mut host, &[(MAIN, None, Some(first[0].oid))], &pack(&first));
    let other = small_commit(None, 1);
    push(&mut host, &[(MAIN, Some(first[0].oid), Some(other[0].oid))], &pack(&other));
    (host, other[0].oid)
}

fn tag(target: &Oid) -> Object {
    let target = target.to_hex();
    let text = format!(
        "object {}\ntype commit\ntag v1\ntagger A <a@b> 1 +0000\n\nx\n",
        target.escape_ascii()
    );
    object(Kind::Tag, text.into_bytes())
}

/// Asserts that a request is answered well whenever in it the push is done.
fn check(request: &dyn Fn() -> Request, body: &[u8], is_good: &dyn Fn(&[u8]) -> bool) {
    let (host, tip) = forced();
    let news = small_commit(Some(&tip), 2);
    let mark = tag(&tip);
    let changes =
        [("refs/heads/new", None, Some(news[0].oid)), ("refs/tags/v1", None, Some(mark.oid))];
    let objects: Vec<Object> = news.into_iter().chain([mark]).collect();
    for changes in [&changes[..], &[(MAIN, Some(tip), changes[0].2)]] {
        let push = push_body(changes, &pack(&objects));
        let deed = |host: &mut Memory| drop(ask(host, "receive-pack", &[&push]));
        overtake(&host, request, body, &deed, is_good);
    }
}

/// The same of another deed; answers how often it was done.
fn overtake(
    host: &Memory,
    request: &dyn Fn() -> Request,
    body: &[u8],
    deed: &dyn Fn(&mut Memory),
    is_good: &dyn Fn(&[u8]) -> bool,
) -> usize {
    for calls_left in 0.. {
        let mut host = Overtaken { memory: host.clone(), calls_left, deed: Some(deed) };
        drive(&mut host, request(), &[body]);
        let answer = &host.memory.output;
        assert!(is_good(answer), "after {calls_left} calls: {}", answer.escape_ascii());
        if host.deed.is_some() {
            assert!(calls_left > 0, "it asks the host");
            return calls_left;
        }
    }
    0
}

fn has(answer: &[u8], text: &str) -> bool {
    answer.windows(text.len()).any(|found| found == text.as_bytes())
}

#[test]
fn a_push_disturbs_no_fetch() {
    let (_, tip) = forced();
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    let fetch = || request("POST", "/git-upload-pack", &headers);
    let mut body = fetch_body(&[tip], &[]);
    check(&fetch, &body, &|answer| has(answer, "packfile") && !has(answer, "damaged"));
    let at = body.windows(9).position(|found| found == b"ofs-delta").expect("it is asked");
    body.splice(at - 4..at + 9, *b"000finclude-tag");
    check(&fetch, &body, &|answer| has(answer, "packfile") && !has(answer, "damaged"));
}

#[test]
fn what_a_ref_holds_is_sent_though_it_came_just_now() {
    let (mut host, tip) = seeded();
    run(&mut host, request("PUT", "/-/config?key=uploadpack.allowRefInWant&value=true", &[]), &[]);
    let news = small_commit(Some(&tip), 2);
    let push = push_body(&[(MAIN, Some(tip), Some(news[0].oid))], &pack(&news));
    let deed = |host: &mut Memory| drop(ask(host, "receive-pack", &[&push]));
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    let fetch = || request("POST", "/git-upload-pack", &headers);
    let body = b"0011command=fetch0001001cwant-ref refs/heads/main0008done0000";
    let [before, after] = [tip, news[0].oid].map(|oid| oid.to_hex().escape_ascii().to_string());
    overtake(&host, &fetch, body, &deed, &|answer| {
        let wanted = |oid: &str| has(answer, &format!("{oid} {MAIN}"));
        has(answer, "packfile") && wanted(&before) != wanted(&after)
    });
}

#[test]
fn a_push_disturbs_no_check_and_no_bundle() {
    check(&|| request("GET", "/-/fsck", &[]), b"", &|answer| answer.ends_with(b"\nok\n"));
    let bundle = || request("GET", "/-/bundle", &[]);
    check(&bundle, b"", &|answer| has(answer, "PACK") && !has(answer, "damaged"));
    let maintain = || request("POST", "/-/maintain", &[]);
    check(&maintain, b"", &|answer| answer.starts_with(b"Status: 200"));
}

/// A repository of so many packs that upkeep merges them, and together so large that no push does;
/// its tip.
fn scattered() -> (Memory, Oid) {
    let (mut host, mut tip): (_, Option<Oid>) = (repository(), None);
    for number in 0..20 {
        let file = blob(number, 1_200_000);
        let top = tree("100644", &[("file".into(), file.oid)]);
        let change = commit(&top.oid, &tip.iter().collect::<Vec<_>>(), number as usize);
        let new = change.oid;
        push(&mut host, &[(MAIN, tip, Some(new))], &pack(&[change, top, file]));
        tip = Some(new);
    }
    (host, tip.expect("it has commits"))
}

/// Asserts that a request which outlives the rows that it reads ends well, or with a word that it
/// did.
fn outlive(host: &Memory, request: &dyn Fn() -> Request, body: &[u8]) {
    let mut whole = host.clone();
    drive(&mut whole, request(), &[body]);
    let told = Cell::new(0);
    let check = |times: &[u64]| {
        // Upkeep once, and once more when the grace of the old rows is over.
        let deed = |host: &mut Memory| {
            for seconds in times {
                let maintain = client::request("POST", "/-/maintain", &[]);
                let time = maintain.time + seconds;
                drive(host, Request { time, ..maintain }, &[]);
            }
        };
        overtake(host, request, body, &deed, &|answer| {
            let is_told = has(answer, "was replaced meanwhile: try again");
            assert!(!has(answer, "damage"), "none is: {}", answer.escape_ascii());
            told.set(told.get() + usize::from(is_told));
            is_told || answer == whole.output
        })
    };
    check(&[0, GRACE_SECONDS]);
    assert_eq!(told.get(), 0, "the rows are there as long as that");
    check(&[0, GRACE_SECONDS + 1]);
    assert!(told.get() > 0, "the rows were gone");
}

#[test]
fn a_clone_that_outlives_its_rows_is_never_taken_for_a_whole_one() {
    let (host, tip) = scattered();
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    outlive(&host, &|| request("POST", "/git-upload-pack", &headers), &fetch_body(&[tip], &[]));
}

#[test]
fn a_check_that_outlives_its_rows_calls_nothing_damaged() {
    let (host, _) = scattered();
    outlive(&host, &|| request("GET", "/-/fsck", &[]), b"");
}
