//! What takes little to send takes little to answer: no request, however it was made, makes the
//! engine work for longer than its size explains. Each took minutes, or its square, once.

use crate::client::{
    Change, Object, ask, blob, commit, object, pack, push, push_body, repository, request, run,
    tree,
};
use crate::hostile::{chains, has, options_body, seeded, serves};
use engine::hash::{Format, Oid};
use engine::memory::Memory;
use engine::object::Kind;
use engine::wire::line;
use std::time::{Duration, Instant};

/// On a machine that is busy with other tests each takes a tenth of this.
const PATIENCE: Duration = Duration::from_secs(10);

/// Asserts that a request is answered so and soon, and that the next one is served.
fn check(host: &mut Memory, tip: Oid, service: &str, body: &[&[u8]], expect: &str) {
    soon(body.concat().len(), expect, || ask(host, service, body));
    serves(host, tip);
}

fn soon(size: usize, expect: &str, answer: impl FnOnce() -> Vec<u8>) {
    let start = Instant::now();
    let answer = answer();
    let took = start.elapsed();
    println!("{expect}: {size} bytes, {took:?}");
    let shown = answer.get(..2_000).unwrap_or(&answer).escape_ascii();
    assert!(has(&answer, expect), "{expect}: {shown}");
    assert!(took < PATIENCE, "{expect}: {took:?}");
}

fn check_push(objects: &[Object], expect: &str) {
    let (mut host, tip) = seeded();
    let new = objects.last().expect("one").oid;
    let body = push_body(&[("refs/heads/new", None, Some(new))], &pack(objects));
    check(&mut host, tip, "receive-pack", &[&body], expect);
}

#[test]
fn ids_that_all_begin_alike() {
    let id = |number: u32| {
        let bytes = [[1; 4], number.to_be_bytes(), [2; 4], [3; 4], [4; 4]].concat();
        Oid::from_bytes(Format::Sha1, &bytes).expect("20 bytes")
    };
    let list = |from: u32| {
        let names = (from..from + 70_000).map(|number| (format!("{number:07}"), id(number)));
        tree("100644", &names.collect::<Vec<_>>())
    };
    let (one, other) = (list(0), list(70_000));
    let top = tree("40000", &[("a".into(), one.oid), ("b".into(), other.oid)]);
    let tip = commit(&top.oid, &[], 1);
    check_push(&[one, other, top, tip], "unpack ");
}

#[test]
fn deltas_whose_bases_come_last() {
    let (mut host, tip) = seeded();
    let body = push_body(&[("refs/heads/new", None, Some(tip))], &chains(240, 250));
    check(&mut host, tip, "receive-pack", &[&body], "ok refs/heads/new");
}

#[test]
fn a_pack_that_comes_byte_by_byte() {
    let (mut host, tip) = seeded();
    let zeros = |number: u32| {
        object(Kind::Blob, [number.to_be_bytes().as_slice(), &[0; (64 << 10) - 4]].concat())
    };
    let objects: Vec<Object> = (0..3_000).map(zeros).collect();
    let body = push_body(&[("refs/heads/new", None, Some(tip))], &pack(&objects));
    let pieces: Vec<&[u8]> = body.chunks(1).collect();
    check(&mut host, tip, "receive-pack", &pieces, "ok refs/heads/new");
}

/// A repository whose branches have nothing in common, and the commits of the longer one.
fn two_branches(commits: usize) -> (Memory, Oid, Vec<Oid>) {
    let mut host = repository();
    let file = blob(1, 100);
    let top = tree("100644", &[("file".into(), file.oid)]);
    let other = commit(&top.oid, &[], 0);
    let tip = other.oid;
    let mut objects = vec![file, other];
    let mut oids: Vec<Oid> = Vec::new();
    for time in 1..commits {
        let next = commit(&top.oid, oids.last().as_slice(), time);
        oids.push(next.oid);
        objects.push(next);
    }
    objects.push(top);
    let last = oids.last().copied();
    let changes: [Change; 2] =
        [("refs/heads/main", None, Some(tip)), ("refs/heads/other", None, last)];
    push(&mut host, &changes, &pack(&objects));
    (host, tip, oids)
}

#[test]
fn haves_that_are_known_and_unknown_by_turns() {
    let (mut host, tip, commits) = two_branches(8_000);
    let mut body = Vec::new();
    let list = b" multi_ack_detailed side-band-64k ofs-delta";
    line::write(&mut body, &[b"want ", &tip.to_hex(), list]);
    line::flush(&mut body);
    for (number, oid) in commits.iter().enumerate() {
        line::write(&mut body, &[b"have ", &oid.to_hex()]);
        line::write(&mut body, &[b"have ", format!("{number:040x}").as_bytes()]);
    }
    line::write(&mut body, &[b"done"]);
    let headers = [("content-type", "application/x-git-upload-pack-request")];
    let ask = request("POST", "/git-upload-pack", &headers);
    soon(body.len(), "PACK", || run(&mut host, ask, &[&body]));
    serves(&mut host, tip);
}

#[test]
fn options_of_no_bytes() {
    let (mut host, tip) = seeded();
    let body = options_body(tip, &vec![&b"\n"[..]; 240_000]);
    check(&mut host, tip, "receive-pack", &[&body], "larger than this server reads");
}

/// So many tags, each of the one before it; the first one of a commit.
pub fn tags(commit: Oid, count: usize) -> Vec<Object> {
    let mut tags: Vec<Object> = Vec::new();
    for number in 0..count {
        let (of, kind) = tags.last().map_or((commit, "commit"), |tag| (tag.oid, "tag"));
        let text = format!(
            "object {}\ntype {kind}\ntag t{number}\ntagger A U Thor <a@b.c> 1 +0000\n\nt\n",
            of.to_hex().escape_ascii()
        );
        tags.push(object(Kind::Tag, text.into_bytes()));
    }
    tags
}

#[test]
fn tags_of_tags() {
    let (mut host, tip) = seeded();
    let tags = tags(tip, 4_000);
    let names: Vec<String> = (0..tags.len()).map(|number| format!("refs/tags/t{number}")).collect();
    let changes: Vec<Change> =
        names.iter().zip(&tags).map(|(name, tag)| (&**name, None, Some(tag.oid))).collect();
    let body = push_body(&changes, &pack(&tags));
    check(&mut host, tip, "receive-pack", &[&body], "too many tags of tags");
}

#[test]
fn a_submodule_of_a_long_name_and_many_lines() {
    let text = [b"[submodule \"", &*vec![b'a'; 500_000], b"\"]\n", &*b"a=\n".repeat(100_000)];
    let file = object(Kind::Blob, text.concat());
    let top = tree("100644", &[(".gitmodules".into(), file.oid)]);
    let tip = commit(&top.oid, &[], 1);
    check_push(&[file, top, tip], "ok refs/heads/new");
    let text = [b"[submodule \"", &*vec![b'/'; 500_000], b"/..\"]\n", &*b"a=\n".repeat(100_000)];
    let file = object(Kind::Blob, text.concat());
    let top = tree("100644", &[(".gitmodules".into(), file.oid)]);
    let tip = commit(&top.oid, &[], 1);
    check_push(&[file, top, tip], "gitmodulesName");
}

/// The body of a fetch with these arguments.
fn fetch(arguments: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    line::write(&mut body, &[b"command=fetch"]);
    line::delim(&mut body);
    arguments.iter().for_each(|argument| line::write(&mut body, &[argument.as_bytes()]));
    line::flush(&mut body);
    body
}

#[test]
fn wants_of_what_the_client_has_already() {
    let (mut host, tip, commits) = two_branches(30_000);
    let last = commits.last().expect("one").to_hex().escape_ascii().to_string();
    let mut arguments = vec![format!("want {last}"); 150_000];
    arguments.push(format!("have {last}"));
    check(&mut host, tip, "upload-pack", &[&fetch(&arguments)], "ready");
}

#[test]
fn long_names_in_folders_of_themselves() {
    let (mut host, tip) = seeded();
    let list = blob(1, 100);
    let mut below = tree("100644", &[("list".into(), list.oid)]);
    let mut objects = vec![list];
    for _ in 0..3 {
        let names = (0..900).map(|number| (format!("{number:04000}"), below.oid));
        let above = tree("40000", &names.collect::<Vec<_>>());
        objects.push(std::mem::replace(&mut below, above));
    }
    let top = commit(&below.oid, &[], 1);
    let (new, list) = (top.oid, objects[0].oid);
    objects.extend([below, top]);
    push(&mut host, &[("refs/heads/new", None, Some(new))], &pack(&objects));
    let text = |oid: Oid| oid.to_hex().escape_ascii().to_string();
    let filter = format!("filter sparse:oid={}", text(list));
    let body = fetch(&[format!("want {}", text(new)), filter, "done".into()]);
    check(&mut host, tip, "upload-pack", &[&body], "larger than this server reads");
}

#[test]
fn a_filter_is_given_once() {
    let (mut host, tip) = seeded();
    let want = format!("want {}", tip.to_hex().escape_ascii());
    let filter = "filter blob:none".to_string();
    let body = fetch(&[want, filter.clone(), filter, "done".into()]);
    check(&mut host, tip, "upload-pack", &[&body], "multiple filter-specs cannot be combined");
}
