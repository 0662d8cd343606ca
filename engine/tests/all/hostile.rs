//! What nobody sends by accident: each ends in a clear refusal, and the next request is served.

use crate::client::{
    Change, Object, ask, blob, commit, fetch_body, object, pack, push, push_body, repository,
    request, run, small_commit, tree,
};
use engine::engine::Request;
use engine::hash::{Format, Hasher, Oid};
use engine::limits::{
    COMMANDS_MAX, DEPTH_MAX, HAVES_MAX, LINES_MAX, MADE_MAX, NAMES_MAX, OBJECTS_MAX, OPTIONS_MAX,
};
use engine::memory::Memory;
use engine::object::Kind;
use engine::pack::entry::{self, Form};
use engine::wire::line;
use miniz_oxide::deflate::compress_to_vec_zlib;

const MAIN: &str = "refs/heads/main";

pub fn seeded() -> (Memory, Oid) {
    let mut host = repository();
    let objects = small_commit(None, 0);
    push(&mut host, &[(MAIN, None, Some(objects[0].oid))], &pack(&objects));
    (host, objects[0].oid)
}

/// A pack of these entries: form, the size that is claimed, content.
pub fn entries(count: u32, list: &[(Form, u64, &[u8])]) -> Vec<u8> {
    let mut pack = [b"PACK\0\0\0\x02".as_slice(), &count.to_be_bytes()].concat();
    for (form, size, content) in list {
        entry::write(&entry::Header { form: *form, size: *size }, &mut pack);
        pack.extend(compress_to_vec_zlib(content, 6));
    }
    let mut hasher = Hasher::new(Format::Sha1);
    hasher.update(&pack);
    pack.extend_from_slice(hasher.finish().expect("no attack").as_bytes());
    pack
}

/// Asserts that a push is answered so, moves nothing, and that the next requests are served.
fn check(pack: &[u8], expect: &str) {
    let (mut host, tip) = seeded();
    let refs: Vec<_> = host.rows.range(b"r/".to_vec()..b"s".to_vec()).collect();
    let refs = format!("{refs:?}");
    let body = push_body(&[("refs/heads/new", None, Some(tip))], pack);
    let answer = ask(&mut host, "receive-pack", &[&body]);
    assert!(has(&answer, expect), "{expect}: {}", answer.escape_ascii());
    let found: Vec<_> = host.rows.range(b"r/".to_vec()..b"s".to_vec()).collect();
    assert_eq!(format!("{found:?}"), refs, "{expect}");
    serves(&mut host, tip);
}

pub fn serves(host: &mut Memory, tip: Oid) {
    assert!(run(host, request("GET", "/-/fsck", &[]), &[]).ends_with(b"\nok\n"));
    assert!(has(&ask(host, "upload-pack", &[&fetch_body(&[tip], &[])]), "packfile"));
}

pub fn has(answer: &[u8], text: &str) -> bool {
    answer.windows(text.len()).any(|found| found == text.as_bytes())
}

/// A size as deltas have it.
pub fn number_of(mut size: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while size > 127 {
        bytes.push(size as u8 | 0x80);
        size >>= 7;
    }
    bytes.push(size as u8);
    bytes
}

#[test]
fn packs_that_lie_are_refused() {
    let blob = Form::Whole(Kind::Blob);
    check(&entries(2, &[(blob, 1, b"x")]), "unpack ");
    check(&entries(1, &[(blob, 2, b"x")]), "compressed data is damaged");
    check(&entries(1, &[(blob, 1, b"xy")]), "compressed data is damaged");
    check(&entries(1, &[(Form::Whole(Kind::Tree), 1, b"x")]), "badTree");
    check(&entries(0, &[(blob, 1, b"x")]), "unpack ");
    let mut damaged = entries(1, &[(blob, 1, b"x")]);
    *damaged.last_mut().expect("bytes") ^= 1;
    check(&damaged, "checksum");
}

#[test]
fn a_zlib_bomb_stops_where_its_header_ends() {
    let zeros = vec![0; 64 << 20];
    for claimed in [10, 70_000, 5 << 20] {
        let pack = entries(1, &[(Form::Whole(Kind::Blob), claimed, &zeros)]);
        assert!(pack.len() < 100_000);
        check(&pack, "compressed data is damaged");
    }
}

#[test]
fn counts_of_objects_have_a_limit() {
    let largest = entries(OBJECTS_MAX as u32, &[]);
    check(&largest[..12], "ended before it was complete");
    for count in [OBJECTS_MAX as u32 + 1, u32::MAX] {
        check(&entries(count, &[]), "too many objects");
    }
}

#[test]
fn a_delta_bomb_is_refused_before_it_is_made() {
    let base = (Form::Whole(Kind::Blob), 1, &b"x"[..]);
    let claim = |size: u64| [number_of(1), number_of(size), vec![0x90, 1]].concat();
    let distance = {
        let mut head = Vec::new();
        entry::write(&entry::Header { form: base.0, size: 1 }, &mut head);
        (head.len() + compress_to_vec_zlib(b"x", 6).len()) as u64
    };
    let bomb = |size: u64| {
        let delta = claim(size);
        entries(2, &[base, (Form::OfsDelta(distance), delta.len() as u64, &delta)])
    };
    // What was sent adds a little to the limit.
    check(&bomb(MADE_MAX), "a delta in the pack is damaged");
    check(&bomb(MADE_MAX + 10_000), "larger than this server reads");
    check(&bomb(1 << 60), "larger than this server reads");
}

#[test]
fn deltas_without_a_base_or_in_a_circle_are_refused() {
    let (_, tip) = seeded();
    let other = blob(1, 10).oid;
    let delta = [number_of(1), number_of(1), vec![0x90, 1]].concat();
    let of = |base: Oid| (Form::RefDelta(base), delta.len() as u64, &delta[..]);
    check(&entries(1, &[of(other)]), "neither in the pack nor on the server");
    // Each might be the other's base: nobody can say.
    check(&entries(2, &[of(other), of(blob(2, 10).oid)]), "neither in the pack nor on the server");
    check(&entries(1, &[of(tip)]), "a delta in the pack is damaged");
    check(&entries(1, &[(Form::OfsDelta(1), delta.len() as u64, &delta)]), "the pack is damaged");
}

/// Chains of deltas, each by id on the one that follows it in the pack, so that none can be made
/// when it arrives.
pub fn chains(count: usize, length: usize) -> Vec<u8> {
    let (mut bases, mut deltas) = (Vec::new(), Vec::new());
    for chain in 0..count {
        let mut base = object(Kind::Blob, format!("{chain}:0").into_bytes());
        bases.push(base.content.clone());
        for number in 1..=length {
            let content = format!("{chain}:{number}").into_bytes();
            let size = content.len() as u8;
            let delta = [vec![base.content.len() as u8, size, size], content.clone()].concat();
            deltas.push((base.oid, delta));
            base = object(Kind::Blob, content);
        }
    }
    let mut list: Vec<(Form, u64, &[u8])> = Vec::new();
    for (base, delta) in deltas.iter().rev() {
        list.push((Form::RefDelta(*base), delta.len() as u64, delta));
    }
    for base in &bases {
        list.push((Form::Whole(Kind::Blob), base.len() as u64, base));
    }
    entries(list.len() as u32, &list)
}

#[test]
fn chains_have_a_depth() {
    check(&chains(1, usize::from(DEPTH_MAX) + 1), "too deep");
    let (mut host, tip) = seeded();
    let body =
        push_body(&[("refs/heads/new", None, Some(tip))], &chains(1, usize::from(DEPTH_MAX)));
    let answer = ask(&mut host, "receive-pack", &[&body]);
    assert!(has(&answer, "ok refs/heads/new"), "{}", answer.escape_ascii());
    serves(&mut host, tip);
}

/// Chains of deltas over a large file, and then a delta on each of its links, so that links far
/// from each other are asked for by turns: none is at hand, and the chain to each is made again.
#[test]
fn what_is_made_again_and_again_has_a_limit() {
    const SIZE: u64 = 3 << 20;
    const LINKS: usize = 150;
    let zeros = vec![0; SIZE as usize];
    let mut head = Vec::new();
    entry::write(&entry::Header { form: Form::Whole(Kind::Blob), size: SIZE }, &mut head);
    let mut starts = vec![0];
    let mut end = (head.len() + compress_to_vec_zlib(&zeros, 6).len()) as u64;
    let mut list = vec![(Form::Whole(Kind::Blob), zeros)];
    for number in 1..2 * LINKS {
        // A link is on the one before it; what follows the chain is on its links, the last first.
        let base = if number < LINKS { number - 1 } else { 2 * LINKS - 1 - number };
        let four = (number as u32).to_be_bytes();
        let copy = [&[0b1111_0001, 4][..], &(SIZE as u32 - 4).to_le_bytes()[..3]].concat();
        let delta = [&number_of(SIZE)[..], &number_of(SIZE), &[4], &four, &copy].concat();
        let form = Form::OfsDelta(end - starts[base]);
        starts.push(end);
        let mut head = Vec::new();
        entry::write(&entry::Header { form, size: delta.len() as u64 }, &mut head);
        end += (head.len() + compress_to_vec_zlib(&delta, 6).len()) as u64;
        list.push((form, delta));
    }
    let list: Vec<_> =
        list.iter().map(|(form, bytes)| (*form, bytes.len() as u64, &**bytes)).collect();
    let pack = entries(list.len() as u32, &list);
    assert!(pack.len() < 100_000);
    check(&pack, "larger than this server reads");
}

#[test]
fn a_repository_takes_no_more_than_it_may_hold() {
    let (host, tip) = seeded();
    let objects = small_commit(Some(&tip), 1);
    let pack = pack(&objects);
    let changes: [Change; 1] = [(MAIN, Some(tip), Some(objects[0].oid))];
    let body = push_body(&changes, &pack);
    let taken = |size_max: u64| {
        let mut host = host.clone();
        let headers = [("content-type", "application/x-git-receive-pack-request")];
        let request = Request { size_max, ..request("POST", "/git-receive-pack", &headers) };
        let answer = run(&mut host, request, &[&body]);
        serves(&mut host, tip);
        assert!(has(&answer, "ok refs/heads/main") || has(&answer, "its size limit"));
        has(&answer, "ok refs/heads/main")
    };
    // Without header and trailer, what is there already with it.
    let first = small_commit(None, 0);
    let size = (pack.len() + self::pack(&first).len() - 2 * 32) as u64;
    assert!(taken(size) && !taken(size - 1));
}

#[test]
fn a_tree_may_be_wide_or_deep() {
    let (mut host, tip) = seeded();
    let file = blob(7, 10);
    let wide: Vec<(String, Oid)> = (0..100_000).map(|at| (format!("{at:06}"), file.oid)).collect();
    let wide = tree("100644", &wide);
    let top = commit(&wide.oid, &[], 1);
    let (wide_tip, objects) = (top.oid, [top, wide, file]);
    push(&mut host, &[("refs/heads/wide", None, Some(wide_tip))], &pack(&objects));
    let mut trees = vec![tree("100644", &[("file".into(), objects[2].oid)])];
    for _ in 0..10_000 {
        let below = trees.last().expect("one").oid;
        trees.push(tree("40000", &[("d".into(), below)]));
    }
    let top = commit(&trees.last().expect("one").oid, &[], 2);
    let deep_tip = top.oid;
    trees.push(top);
    push(&mut host, &[("refs/heads/deep", None, Some(deep_tip))], &pack(&trees));
    serves(&mut host, deep_tip);
    let shallow = fetch_body(&[deep_tip, wide_tip], &[tip]);
    assert!(has(&ask(&mut host, "upload-pack", &[&shallow]), "packfile"));
    // Trees are held, and so not larger than what is held.
    let file = &objects[2];
    let wide: Vec<(String, Oid)> =
        (0..1_000_000).map(|at| (format!("{at:07}"), file.oid)).collect();
    let list: [Object; 1] = [tree("100644", &wide)];
    check(&pack(&list), "larger than this server reads");
}

/// The answer to a fetch with so many haves that nobody knows.
fn with_haves(count: usize) -> Vec<u8> {
    let (mut host, tip) = seeded();
    let mut body = Vec::new();
    line::write(&mut body, &[b"command=fetch"]);
    line::delim(&mut body);
    line::write(&mut body, &[b"want ", &tip.to_hex()]);
    for number in 0..count {
        line::write(&mut body, &[b"have ", format!("{number:040x}").as_bytes()]);
    }
    line::write(&mut body, &[b"done"]);
    line::flush(&mut body);
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    let answer = run(&mut host, request("POST", "/git-upload-pack", &headers), &[&body]);
    serves(&mut host, tip);
    answer
}

#[test]
fn haves_and_lines_have_a_limit() {
    for count in [HAVES_MAX, HAVES_MAX + 1, 100_000] {
        assert!(has(&with_haves(count), "packfile"), "{count} haves");
    }
    // Besides them there are the command, a delimiter, the want, `done` and a flush.
    assert!(has(&with_haves(LINES_MAX - 5), "packfile"));
    assert!(has(&with_haves(LINES_MAX + 1), "larger than this server reads"));
}

/// A push that deletes nothing, with these options.
pub fn options_body(tip: Oid, options: &[&[u8]]) -> Vec<u8> {
    let mut body = Vec::new();
    let list = b"\0 report-status push-options";
    line::write(&mut body, &[&tip.to_hex(), b" ", &[b'0'; 40], b" refs/heads/none", list]);
    line::flush(&mut body);
    options.iter().for_each(|option| line::write(&mut body, &[option]));
    line::flush(&mut body);
    body
}

#[test]
fn commands_and_options_have_a_limit() {
    let deletions = |count: usize| {
        let (mut host, tip) = seeded();
        let names: Vec<String> = (0..count).map(|at| format!("refs/heads/none{at}")).collect();
        let changes: Vec<Change> = names.iter().map(|name| (&**name, Some(tip), None)).collect();
        let answer = ask(&mut host, "receive-pack", &[&push_body(&changes, b"")]);
        serves(&mut host, tip);
        answer
    };
    assert!(has(&deletions(COMMANDS_MAX + 1), "larger than this server reads"));
    assert!(has(&deletions(COMMANDS_MAX), "unpack ok"));
    let with_names = |count: usize| {
        let (mut host, tip) = seeded();
        let names: Vec<String> = (0..count).map(|at| format!("refs/heads/{at:0487}")).collect();
        let changes: Vec<Change> = names.iter().map(|name| (&**name, None, Some(tip))).collect();
        let answer = ask(&mut host, "receive-pack", &[&push_body(&changes, &pack(&[]))]);
        serves(&mut host, tip);
        answer
    };
    assert!(has(&with_names(NAMES_MAX / 500), "unpack ok"));
    assert!(has(&with_names(NAMES_MAX / 500 + 1), "larger than this server reads"));
    let with_options = |size: usize| {
        let (mut host, tip) = seeded();
        let options = vec![b'x'; size];
        let options: Vec<&[u8]> = options.chunks(1024).collect();
        let answer = ask(&mut host, "receive-pack", &[&options_body(tip, &options)]);
        serves(&mut host, tip);
        answer
    };
    assert!(has(&with_options(OPTIONS_MAX), "unpack ok"));
    assert!(has(&with_options(OPTIONS_MAX + 1), "larger than this server reads"));
}
