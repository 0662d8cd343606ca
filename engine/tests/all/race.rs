//! A push that is done between two looks of another request at the rows.

use crate::client::{
    Object, ask, drive, fetch_body, object, pack, push, push_body, repository, request,
    small_commit,
};
use engine::engine::Request;
use engine::hash::Oid;
use engine::host::{Expect, Host, Row, Write};
use engine::memory::Memory;
use engine::object::Kind;

const MAIN: &str = "refs/heads/main";

/// A host on which another push is done just before this many calls are over.
struct Overtaken {
    memory: Memory,
    calls_left: usize,
    body: Vec<u8>,
}

impl Overtaken {
    fn call(&mut self) {
        if self.calls_left == 0 && !self.body.is_empty() {
            let mut other = self.memory.clone();
            ask(&mut other, "receive-pack", &[&std::mem::take(&mut self.body)]);
            self.memory.rows = other.rows;
        }
        self.calls_left = self.calls_left.saturating_sub(1);
    }
}

impl Host for Overtaken {
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
    let push = push_body(&changes, &pack(&objects));
    for calls_left in 0.. {
        let mut host = Overtaken { memory: host.clone(), calls_left, body: push.clone() };
        drive(&mut host, request(), &[body]);
        let answer = &host.memory.output;
        assert!(is_good(answer), "after {calls_left} calls: {}", answer.escape_ascii());
        if !host.body.is_empty() {
            return assert!(calls_left > 0, "it asks the host");
        }
    }
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
fn a_push_disturbs_no_check_and_no_bundle() {
    check(&|| request("GET", "/-/fsck", &[]), b"", &|answer| answer.ends_with(b"\nok\n"));
    let bundle = || request("GET", "/-/bundle", &[]);
    check(&bundle, b"", &|answer| has(answer, "PACK") && !has(answer, "damaged"));
    let maintain = || request("POST", "/-/maintain", &[]);
    check(&maintain, b"", &|answer| answer.starts_with(b"Status: 200"));
}
