//! Limits that no single request reaches by honest means: at them, and one over.

use crate::client::{
    Change, Object, ask, blob, commit, fetch_body, object, pack, push_body, repository, request,
    run, small_commit, tree,
};
use crate::hostile::{entries, has, number_of, seeded, serves};
use crate::patience::tags;
use engine::engine::Request;
use engine::hash::Oid;
use engine::limits::{
    CERTIFICATE_MAX, DELTA_MAX, GRACE_SECONDS, PACKS_MAX, PATTERNS_MAX, REFNAME_MAX, RETIRED_MAX,
    STAGED_SECONDS, TAGS_MAX, WALK_MAX, WANTS_MAX,
};
use engine::memory::Memory;
use engine::object::Kind;
use engine::pack::entry::Form;
use engine::wire::line;

const NOW: u64 = 1_700_000_000;
const MANIFEST: &[u8] = b"m";
/// Bytes of a row before the name of `HEAD`'s branch, and of its sum.
const BEFORE_HEAD: usize = 14;
const SUM: usize = 4;

/// The sum of a row: Adler-32 of its key and its value.
fn sum(key: &[u8], value: &[u8]) -> [u8; SUM] {
    let (mut low, mut high) = (1u32, 0u32);
    for byte in key.iter().chain(value) {
        low = (low + u32::from(*byte)) % 65_521;
        high = (high + low) % 65_521;
    }
    (high << 16 | low).to_le_bytes()
}

/// Adds so many claims of staged rows, and so many copies of the only pack, to the manifest.
fn add(host: &mut Memory, claims: u32, packs: u32) {
    let row = &host.rows[MANIFEST];
    let four = |at: usize| u32::from_le_bytes(row[at..at + 4].try_into().expect("four"));
    assert_eq!((row[0], four(2), four(6)), (3, 0, 0), "without settings, nothing loose");
    let next = BEFORE_HEAD + four(10) as usize;
    let (number, count) = (four(next), four(next + 12));
    assert_eq!(count, 0, "no pack was retired");
    let rest = next + 4;
    let listed = row[rest + 12..row.len() - SUM].to_vec();
    let mut value = row[..next].to_vec();
    if packs > 0 {
        // Objects are there more than once.
        value[2..10].copy_from_slice(&NOW.to_le_bytes());
    }
    value.extend((number + claims + packs).to_le_bytes());
    value.extend(&row[rest..rest + 8]);
    value.extend(claims.to_le_bytes());
    for claim in 0..claims {
        value.extend((number + claim).to_le_bytes());
        value.extend((NOW + STAGED_SECONDS).to_le_bytes());
        value.extend([0; 12]);
    }
    value.extend(&listed);
    let rows: Vec<_> = host.rows.range(b"p/".to_vec()..b"p0".to_vec()).collect();
    let rows: Vec<_> = rows.into_iter().map(|(key, row)| (key.clone(), row.clone())).collect();
    for pack in 0..packs {
        let number = number + claims + pack;
        value.extend(number.to_le_bytes());
        value.extend(&listed[4..]);
        for (key, row) in &rows {
            let key = [b"p/", &number.to_be_bytes()[..], &key[6..]].concat();
            let value = &row[..row.len() - SUM];
            let row = [value, &sum(&key, value)].concat();
            host.rows.insert(key, row);
        }
    }
    value.extend(sum(MANIFEST, &value));
    host.rows.insert(MANIFEST.to_vec(), value);
}

/// What a push of these objects as `refs/heads/new` is told.
fn push_new(host: &mut Memory, objects: &[Object]) -> Vec<u8> {
    let changes: [Change; 1] = [("refs/heads/new", None, Some(objects[0].oid))];
    ask(host, "receive-pack", &[&push_body(&changes, &pack(objects))])
}

#[test]
fn packs_have_a_number() {
    let most = PACKS_MAX as u32;
    for (packs, expect) in [(most - 1, "its size limit"), (most - 2, "ok refs/heads/new")] {
        let (mut host, tip) = seeded();
        add(&mut host, 0, packs);
        let answer = push_new(&mut host, &small_commit(Some(&tip), 1));
        assert!(has(&answer, expect), "{packs}: {}", answer.escape_ascii());
        serves(&mut host, tip);
        // Upkeep makes room.
        run(&mut host, request("POST", "/-/maintain", &[]), &[]);
        assert!(has(&push_new(&mut host, &small_commit(Some(&tip), 2)), "unpack ok"));
        serves(&mut host, tip);
    }
}

/// A commit of so many bytes that its rows are staged.
fn large(parent: &Oid) -> Vec<Object> {
    let mut state = 1u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let file = object(Kind::Blob, (0..3 << 20).map(|_| next()).collect());
    let top = tree("100644", &[("file".into(), file.oid)]);
    vec![commit(&top.oid, &[parent], 1), top, file]
}

#[test]
fn pushes_under_way_have_a_number_and_give_their_places_back() {
    let most = RETIRED_MAX as u32;
    for (claims, expect) in [(most, "too many pushes at once"), (most - 1, "ok refs/heads/new")] {
        let (mut host, tip) = seeded();
        add(&mut host, claims, 0);
        let objects = large(&tip);
        let answer = push_new(&mut host, &objects);
        assert!(has(&answer, expect), "{claims}: {}", answer.escape_ascii());
        serves(&mut host, tip);
        if claims == most {
            for time in [1, 2, 3].map(|hours| NOW + STAGED_SECONDS + hours * 2 * GRACE_SECONDS) {
                let maintain = Request { time, ..request("POST", "/-/maintain", &[]) };
                run(&mut host, maintain, &[]);
            }
            let answer = push_new(&mut host, &objects);
            assert!(has(&answer, "ok refs/heads/new"), "{}", answer.escape_ascii());
        }
    }
}

#[test]
fn wants_have_a_number() {
    for (count, expect) in
        [(WANTS_MAX, "packfile"), (WANTS_MAX + 1, "larger than this server reads")]
    {
        let (mut host, tip) = seeded();
        let answer = ask(&mut host, "upload-pack", &[&fetch_body(&vec![tip; count], &[])]);
        assert!(has(&answer, expect), "{count} wants");
        serves(&mut host, tip);
    }
}

/// A fetch by a list of patterns.
fn sparse_body(want: &Oid, list: &Oid) -> Vec<u8> {
    let mut body = Vec::new();
    line::write(&mut body, &[b"command=fetch"]);
    line::delim(&mut body);
    line::write(&mut body, &[b"want ", &want.to_hex()]);
    line::write(&mut body, &[b"filter sparse:oid=", &list.to_hex()]);
    line::write(&mut body, &[b"done"]);
    line::flush(&mut body);
    body
}

/// The answer to a sparse fetch of a tree of so many names for one tree of as many names for one.
fn with_paths(names: usize) -> Vec<u8> {
    let mut host = repository();
    let (file, all) = (blob(1, 10), object(Kind::Blob, b"/*\n".to_vec()));
    let mut trees = vec![tree("100644", &[("file".into(), file.oid)])];
    for _ in 0..2 {
        let below = trees.last().expect("one").oid;
        let list: Vec<(String, Oid)> = (0..names).map(|at| (format!("{at:04}"), below)).collect();
        trees.push(tree("40000", &list));
    }
    let top = tree("100644", &[("patterns".into(), all.oid)]);
    let (wide, patterns) = (commit(&trees[2].oid, &[], 1), commit(&top.oid, &[], 2));
    let (tip, sparse) = (wide.oid, all.oid);
    let changes =
        [("refs/heads/main", None, Some(tip)), ("refs/heads/side", None, Some(patterns.oid))];
    let mut objects = vec![wide, patterns, top, file, all];
    objects.extend(trees);
    crate::client::push(&mut host, &changes, &pack(&objects));
    let body = sparse_body(&tip, &sparse);
    let answer = ask(&mut host, "upload-pack", &[&body]);
    serves(&mut host, tip);
    answer
}

#[test]
fn paths_of_a_walk_have_a_number() {
    // The table that remembers them grows by doubling: it is refused where it would next.
    for (paths, expect) in
        [(WALK_MAX, "packfile"), (WALK_MAX * 3 / 2, "larger than this server reads")]
    {
        let answer = with_paths(paths.isqrt());
        assert!(
            has(&answer, expect),
            "{paths}: {}",
            answer[..300.min(answer.len())].escape_ascii()
        );
    }
}

#[test]
fn commits_of_a_walk_have_a_number() {
    const PARENTS: usize = 80_000;
    let file = blob(1, 10);
    let top = tree("100644", &[("file".into(), file.oid)]);
    let roots: Vec<Object> = (0..=WALK_MAX).map(|time| commit(&top.oid, &[], time)).collect();
    let merged = |parents: &[Object], time: usize| {
        let parents: Vec<&Oid> = parents.iter().map(|root| &root.oid).collect();
        commit(&top.oid, &parents, 2 * WALK_MAX + time)
    };
    let merges = roots.chunks(PARENTS).enumerate().map(|(at, roots)| merged(roots, at));
    let merges: Vec<Object> = merges.collect();
    let (at, over) = (merged(&merges[..WALK_MAX / PARENTS], 100), merged(&merges, 200));
    let other = commit(&top.oid, &[], 9 * WALK_MAX);
    let tips = [at.oid, over.oid];
    let changes = [
        ("refs/heads/at", None, Some(tips[0])),
        ("refs/heads/over", None, Some(tips[1])),
        ("refs/heads/other", None, Some(other.oid)),
    ];
    let mut objects = vec![at, over, other, top, file];
    objects.extend(merges.into_iter().chain(roots));
    let mut host = repository();
    let answer = ask(&mut host, "receive-pack", &[&push_body(&changes, &pack(&objects))]);
    assert!(has(&answer, "ok refs/heads/over"), "{}", answer.escape_ascii());
    // One branch of several: what it reaches is walked, all its roots at once.
    for (tip, expect) in tips.into_iter().zip(["packfile", "larger than this server reads"]) {
        let answer = ask(&mut host, "upload-pack", &[&fetch_body(&[tip], &[])]);
        let start = &answer[..answer.len().min(500)];
        assert!(has(start, expect), "{expect}: {}", start.escape_ascii());
    }
}

#[test]
fn names_of_refs_have_a_size() {
    for (size, expect) in [(REFNAME_MAX, "ok refs/heads/"), (REFNAME_MAX + 1, "funny refname")] {
        let (mut host, tip) = seeded();
        let name = format!("refs/heads/{}", "x".repeat(size - "refs/heads/".len()));
        let body = push_body(&[(&name, None, Some(tip))], &pack(&[]));
        let answer = ask(&mut host, "receive-pack", &[&body]);
        assert!(has(&answer, expect), "{size}: {}", answer.escape_ascii());
        serves(&mut host, tip);
    }
}

#[test]
fn tags_of_tags_have_a_number() {
    for (count, expect) in [(TAGS_MAX, "ok refs/tags/t"), (TAGS_MAX + 1, "too many tags of tags")] {
        let (mut host, tip) = seeded();
        let tags = tags(tip, count);
        let last = tags.last().expect("some").oid;
        let body = push_body(&[("refs/tags/t", None, Some(last))], &pack(&tags));
        let answer = ask(&mut host, "receive-pack", &[&body]);
        assert!(has(&answer, expect), "{count}: {}", answer.escape_ascii());
        serves(&mut host, tip);
    }
}

#[test]
fn patterns_of_a_filter_have_a_size() {
    let most = PATTERNS_MAX as usize;
    for (size, expect) in [(most, "packfile"), (most + 1, "invalid filter-spec")] {
        let mut host = repository();
        let list = object(Kind::Blob, [b"/*\n".as_slice(), &vec![b'#'; size - 3]].concat());
        let top = tree("100644", &[("list".into(), list.oid)]);
        let (tip, sparse) = (commit(&top.oid, &[], 1), list.oid);
        let want = tip.oid;
        let changes = [("refs/heads/main", None, Some(want))];
        crate::client::push(&mut host, &changes, &pack(&[tip, top, list]));
        let body = sparse_body(&want, &sparse);
        let answer = ask(&mut host, "upload-pack", &[&body]);
        assert!(has(&answer, expect), "{size}: {}", answer.escape_ascii());
        serves(&mut host, want);
    }
}

#[test]
fn certificates_have_a_size() {
    let most = CERTIFICATE_MAX;
    for (size, expect) in [(most, "ok refs/heads/new"), (most + 1, "larger than this server reads")]
    {
        let (mut host, tip) = seeded();
        let id = tip.to_hex();
        let command = format!("{} {} refs/heads/new\n", "0".repeat(40), id.escape_ascii());
        let head = "certificate version 0.1\n\n";
        let mut text = format!("{head}{command}-----BEGIN SSH SIGNATURE-----\n");
        let (rest, full) = (size - text.len(), 60_000);
        text.extend((0..rest).map(|at| if at % full == full - 1 { '\n' } else { 'x' }));
        let mut body = Vec::new();
        line::write(&mut body, &[b"push-cert\0report-status\n"]);
        for part in text.split_inclusive('\n') {
            line::write(&mut body, &[part.as_bytes()]);
        }
        line::write(&mut body, &[b"push-cert-end\n"]);
        line::flush(&mut body);
        body.extend(pack(&[]));
        let answer = ask(&mut host, "receive-pack", &[&body]);
        assert!(has(&answer, expect), "{size}: {}", answer.escape_ascii());
        serves(&mut host, tip);
    }
}

#[test]
fn deltas_have_a_size() {
    for (size, expect) in [(DELTA_MAX, "unpack ok"), (DELTA_MAX + 1, "larger than this server")] {
        // Each copies one byte of the base, in as many words as can be, but for the last few.
        let head = number_of(1).len() + number_of(DELTA_MAX as u64 / 8).len();
        let mut steps = vec![[0xff, 0, 0, 0, 0, 1, 0, 0]; size / 8 - 2].concat();
        let mut made = steps.len() / 8;
        while head + steps.len() < size {
            let step: &[u8] = if (size - head - steps.len()).is_multiple_of(2) {
                &[0x90, 1]
            } else {
                &[0x91, 0, 1]
            };
            steps.extend_from_slice(step);
            made += 1;
        }
        let delta = [number_of(1), number_of(made as u64), steps].concat();
        assert_eq!(delta.len(), size);
        let base = object(Kind::Blob, b"x".to_vec());
        let list = [
            (Form::RefDelta(base.oid), size as u64, &delta[..]),
            (Form::Whole(Kind::Blob), 1, &base.content),
        ];
        let (mut host, tip) = seeded();
        let body = push_body(&[("refs/heads/new", None, Some(tip))], &entries(2, &list));
        let answer = ask(&mut host, "receive-pack", &[&body]);
        assert!(has(&answer, expect), "{size}: {}", answer.escape_ascii());
        serves(&mut host, tip);
    }
}
