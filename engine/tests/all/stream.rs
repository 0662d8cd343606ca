//! Stateful connections: each piece is answered before the next one is sent.

use crate::client::{pack, push, push_body, repository, request, run, small_commit};
use engine::engine::{Engine, Progress};
use engine::hash::Oid;
use engine::host::{Expect, Host, Row, Write};
use engine::memory::Memory;
use engine::wire::line;
use std::cell::RefCell;
use std::rc::Rc;

const MAIN: &str = "refs/heads/main";

/// A host whose client reads what was sent so far.
struct Heard(Memory, Rc<RefCell<Vec<u8>>>);

impl Host for Heard {
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(key)
    }

    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row> {
        self.0.scan(prefix, after, bytes_max)
    }

    fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> bool {
        self.0.commit(expects, writes)
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.1.borrow_mut().extend_from_slice(bytes);
    }
}

/// What is heard after each piece, as text; the session is over after the last one.
fn talk(host: Memory, path: &str, pieces: &[&[u8]]) -> Vec<String> {
    let heard = Rc::default();
    let mut host = Heard(host, Rc::clone(&heard));
    let mut engine = Engine::start(&mut host, request("STREAM", path, &[])).expect("a session");
    let mut answers = Vec::new();
    let mut progress = engine.progress();
    for piece in pieces {
        assert_eq!(progress, Progress::Hungry, "{answers:?}");
        progress = engine.feed(piece);
        while progress == Progress::Busy {
            progress = engine.pump();
        }
        let bytes = std::mem::take(&mut *heard.borrow_mut());
        answers.push(bytes.escape_ascii().to_string());
    }
    assert_eq!(progress, Progress::Done, "{answers:?}");
    answers
}

/// A repository of one commit, and that.
fn pushed() -> (Memory, Oid) {
    let (mut host, objects) = (repository(), small_commit(None, 0));
    push(&mut host, &[(MAIN, None, Some(objects[0].oid))], &pack(&objects));
    (host, objects[0].oid)
}

fn lines(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    parts.iter().for_each(|part| match part.is_empty() {
        true => line::flush(&mut out),
        false => line::write(&mut out, &[part]),
    });
    out
}

#[test]
fn the_refs_come_without_a_line_for_the_service() {
    let (mut host, _) = pushed();
    for (service, expect) in [("upload-pack", " HEAD\0"), ("receive-pack", " refs/heads/main\0")] {
        let path = format!("/info/refs?service=git-{service}");
        let answer = run(&mut host, request("STREAM", &path, &[]), &[]);
        let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head");
        let first = String::from_utf8_lossy(&answer[end + 4..]);
        assert!(first[44..].starts_with(expect), "{first:?}");
    }
}

#[test]
fn haves_are_answered_round_by_round() {
    let (host, tip) = pushed();
    let want = [b"want ", &tip.to_hex()[..], b" multi_ack_detailed ofs-delta"].concat();
    let have = [b"have ", &tip.to_hex()[..]].concat();
    let unknown = [b"have ".as_slice(), &[b'1'; 40]].concat();
    let pieces =
        [lines(&[&want, b""]), lines(&[&unknown, b""]), lines(&[&have, b""]), lines(&[b"done"])];
    let heard = talk(host, "/git-upload-pack", &pieces.each_ref().map(Vec::as_slice));
    assert_eq!(heard[0], "");
    assert!(heard[1].ends_with("0008NAK\\n"), "{heard:?}");
    assert!(heard[2].contains(" common\\n") && heard[2].ends_with("0008NAK\\n"), "{heard:?}");
    assert!(heard[3].starts_with("0031ACK ") && heard[3].contains("PACK"), "{heard:?}");
}

#[test]
fn a_push_is_answered_at_the_end_of_its_pack() {
    let (host, tip) = pushed();
    let objects = small_commit(Some(&tip), 1);
    let body = push_body(&[(MAIN, Some(tip), Some(objects[0].oid))], &pack(&objects));
    let (head, tail) = body.split_at(body.len() - 1);
    let heard = talk(host.clone(), "/git-receive-pack", &[head, tail]);
    assert!(heard[0].is_empty() && heard[1].contains("unpack ok"), "{heard:?}");
    let mut bad = body.clone();
    *bad.last_mut().expect("it has one") ^= 1;
    let heard = talk(host.clone(), "/git-receive-pack", &[&bad]);
    assert!(heard[0].contains("ng refs/heads/main"), "{heard:?}");
    let delete = push_body(&[(MAIN, Some(tip), None)], b"");
    let heard = talk(host, "/git-receive-pack", &[&delete]);
    assert!(heard[0].contains("unpack ok"), "{heard:?}");
}
