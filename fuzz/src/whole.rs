//! The whole engine, on a host in memory.

use crate::client::{self, Change, pack, push, repository, request, run, small_commit};
use crate::split;
use engine::engine::{Access, Header as Field, Request};
use engine::hash::{Format, Hasher, Oid};
use engine::memory::Memory;
use engine::object::Kind;
use engine::pack::entry::{Form, Header, write};
use miniz_oxide::deflate::compress_to_vec_zlib;
use std::cell::LazyCell;

const MAIN: &str = "refs/heads/main";

thread_local! {
    /// A repository of three commits, and its tip: always the same.
    static SEED: LazyCell<(Memory, Oid)> = const { LazyCell::new(seed) };
}

fn seed() -> (Memory, Oid) {
    let (mut host, mut tip) = (repository(), None);
    for number in 0..3 {
        let objects = small_commit(tip.as_ref(), number);
        push(&mut host, &[(MAIN, tip, Some(objects[0].oid))], &pack(&objects));
        tip = Some(objects[0].oid);
    }
    (host, tip.expect("three commits"))
}

/// What a service answers, whatever it is, and the rows that it leaves.
fn answer(service: &str, version: &str, pieces: &[&[u8]]) -> (Vec<u8>, Memory) {
    let mut host = SEED.with(|seed| seed.0.clone());
    let media = format!("application/x-git-{service}-request");
    let headers = [("content-type", media.as_str()), ("git-protocol", version)];
    let answer = run(&mut host, request("POST", &format!("/git-{service}"), &headers), pieces);
    (answer, host)
}

fn is_whole(host: &mut Memory) -> bool {
    run(host, request("GET", "/-/fsck", &[]), &[]).ends_with(b"\nok\n")
}

/// How a request is cut into pieces changes neither its answer nor what it does.
pub fn cuts(data: &[u8]) {
    let Some(([how, first, second], body)) = split(data) else { return };
    let service = if how & 1 == 0 { "upload-pack" } else { "receive-pack" };
    let version = ["version=2", "version=1", ""][usize::from(how >> 1) % 3];
    let (expect, mut after) = answer(service, version, &[body]);
    let at = |cut: u8| usize::from(cut) * body.len() / 256;
    let (first, second) = (at(first.min(second)), at(first.max(second)));
    let pieces = [&body[..first], &body[first..second], &body[second..]];
    let (found, cut) = answer(service, version, &pieces);
    assert_eq!(found.escape_ascii().to_string(), expect.escape_ascii().to_string());
    assert!(cut.rows == after.rows);
    assert!(is_whole(&mut after));
}

/// The repository that all inputs begin with, and its tip.
pub fn seeded() -> (Memory, Oid) {
    SEED.with(|seed| (**seed).clone())
}

/// A pack with a right checksum: `data` says what its entries are.
pub fn structured(data: &[u8]) -> Vec<u8> {
    let (mut rest, mut entries, mut count) = (data, Vec::new(), 0u32);
    while let Some((how, content)) = split::<3>(rest) {
        let (content, after) = content.split_at(usize::from(how[1]).min(content.len()));
        entry(how, content, entries.len(), &mut entries);
        count += 1;
        rest = after;
    }
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&count.to_be_bytes());
    pack.extend(entries);
    let mut hasher = Hasher::new(Format::Sha1);
    hasher.update(&pack);
    pack.extend_from_slice(hasher.finish().expect("no attack").as_bytes());
    pack
}

/// Whatever pack is pushed, the repository stays whole.
pub fn import(data: &[u8]) {
    let pack = structured(data);
    let tip = SEED.with(|seed| seed.1);
    let change: Change = ("refs/heads/new", None, Some(tip));
    let body = client::push_body(&[change], &pack);
    let (answer, mut host) = answer("receive-pack", "", &[&body]);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
    assert!(is_whole(&mut host));
}

/// Any request to any route, cut in two: one answer with a head, and the repository stays whole.
/// Method, path, query, a header's name and its value are lines; the body follows.
pub fn requests(data: &[u8]) {
    let Some(([how, cut], text)) = split(data) else { return };
    let mut parts = text.splitn(6, |byte| *byte == b'\n');
    let mut part = || parts.next().unwrap_or_default();
    let (method, path, query, name, value) = (part(), part(), part(), part(), part());
    let body = part();
    let make = || {
        let header = |name: &[u8], value: &[u8]| Field { name: name.into(), value: value.into() };
        let fits = [b"application/x-", path.get(1..).unwrap_or_default(), b"-request"].concat();
        Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            headers: vec![header(b"content-type", &fits), header(name, value)],
            time: 1_700_000_000 + u64::from(how) * 1000,
            id: value.into(),
            caller: name.into(),
            access: Access { read: how & 1 == 0, write: how & 2 == 0, admin: how & 4 == 0 },
            size_max: if how & 8 == 0 { 0 } else { u64::from(how) * 10 },
        }
    };
    let (mut host, mut other) = (seeded().0, seeded().0);
    if how & 16 != 0 {
        (host, other) = Default::default();
    }
    let answer = run(&mut host, make(), &[body]);
    let (head, tail) = body.split_at(usize::from(cut) * body.len() / 256);
    assert!(run(&mut other, make(), &[head, tail]) == answer && other.rows == host.rows);
    assert!(answer.starts_with(b"Status: "), "{}", answer.escape_ascii());
    assert!(answer.windows(4).any(|four| four == b"\r\n\r\n"));
    assert!(host.rows.is_empty() || is_whole(&mut host));
}

/// Writes an entry: its form and whether its header lies about the size by `how[0]`, the distance
/// of a delta's base by `how[2]`.
fn entry(how: [u8; 3], content: &[u8], at: usize, out: &mut Vec<u8>) {
    let form = match how[0] & 7 {
        kind @ 0..4 => Form::Whole(Kind::from_number(kind + 1).expect("one of four")),
        4 => Form::OfsDelta(u64::from(how[2])),
        5 => Form::OfsDelta(at as u64),
        _ => Form::RefDelta(SEED.with(|seed| seed.1)),
    };
    let lie = u64::from(how[0] & 0xf0 == 0xf0);
    write(&Header { form, size: content.len() as u64 + lie }, out);
    out.extend(compress_to_vec_zlib(content, how[0] >> 4 & 7));
}
