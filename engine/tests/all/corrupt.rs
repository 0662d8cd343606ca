//! One changed bit in any stored row: it is never served as good, the check notices it, and what
//! is whole is served on.

use crate::client::{
    Object, ask, blob, commit, fetch_body, pack, push, repository, request, run, small_commit, tree,
};
use engine::hash::Oid;
use engine::memory::Memory;

const MAIN: &str = "refs/heads/main";
const SIDE: &str = "refs/heads/side";

/// Two branches, each with its own packs, and their tips.
fn stored() -> (Memory, [Oid; 2]) {
    let (mut host, mut tip) = (repository(), None);
    for number in 0..3 {
        let objects = small_commit(tip.as_ref(), number);
        push(&mut host, &[(MAIN, tip, Some(objects[0].oid))], &pack(&objects));
        tip = Some(objects[0].oid);
    }
    let side = small_commit(None, 9);
    push(&mut host, &[(SIDE, None, Some(side[0].oid))], &pack(&side));
    (host, [tip.expect("three commits"), side[0].oid])
}

fn fsck(host: &Memory) -> String {
    check(host, "/-/fsck")
}

fn check(host: &Memory, path: &str) -> String {
    let answer = run(&mut host.clone(), request("GET", path, &[]), &[]);
    String::from_utf8_lossy(&answer).into_owned()
}

/// What a client gets for a want, unless it is told that something is wrong.
fn fetched(host: &Memory, wants: &[Oid]) -> Option<Vec<u8>> {
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    let request = request("POST", "/git-upload-pack", &headers);
    let answer = run(&mut host.clone(), request, &[&fetch_body(wants, &[])]);
    let says = |text: &str| answer.windows(text.len()).any(|found| found == text.as_bytes());
    let is_refused = !answer.starts_with(b"Status: 200") || says("damaged") || says("ERR ");
    (!is_refused).then_some(answer)
}

fn listed(host: &Memory) -> Option<Vec<u8>> {
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    let request = request("POST", "/git-upload-pack", &headers);
    let answer = run(&mut host.clone(), request, &[&crate::client::ls_refs_body()]);
    let is_refused =
        !answer.starts_with(b"Status: 200") || answer.windows(7).any(|found| found == b"damaged");
    (!is_refused).then_some(answer)
}

/// Asserts of each bit of each row (of a row's first and last 100 bytes, and some between): an
/// answer is what it was, or an error. Answers how many bits were tried.
fn check_all_bits(host: &Memory, wants: &[Oid]) -> usize {
    let expect = (fetched(host, wants).expect("it is whole"), listed(host).expect("it is whole"));
    let keys: Vec<Vec<u8>> = host.rows.keys().cloned().collect();
    let mut count = 0;
    for key in keys.iter().filter(|key| !key.starts_with(b"l/")) {
        let size = host.rows[key].len();
        let is_tried = |at: &usize| *at < 100 || *at + 100 > size || at.is_multiple_of(61);
        for at in (0..size).filter(is_tried) {
            let mut damaged = host.clone();
            damaged.rows.get_mut(key).expect("it is there")[at] ^= 1 << (at % 8);
            let what = format!("{} at {at} of {size}", key.escape_ascii());
            let answer = fetched(&damaged, wants);
            assert!(answer.is_none_or(|answer| answer == expect.0), "{what}: fetch");
            let answer = listed(&damaged);
            assert!(answer.is_none_or(|answer| answer == expect.1), "{what}: list");
            assert!(!fsck(&damaged).ends_with("\nok\n"), "{what}: check");
            count += 1;
        }
    }
    count
}

#[test]
fn a_changed_bit_is_never_served_as_good() {
    let (host, tips) = stored();
    let count = check_all_bits(&host, &tips);
    println!("corruption: {count} changed bits in {} rows: all noticed", host.rows.len());
}

#[test]
fn a_changed_bit_in_a_pack_of_many_rows_is_never_served_as_good() {
    let mut host = repository();
    let files: Vec<Object> = (0..8).map(|seed| blob(seed, 1 << 20)).collect();
    let named = files.iter().enumerate().map(|(at, file)| (format!("file{at}"), file.oid));
    let top = tree("100644", &named.collect::<Vec<_>>());
    let tip = commit(&top.oid, &[], 1);
    let wants = [tip.oid];
    let mut objects = vec![tip, top];
    objects.extend(files);
    push(&mut host, &[(MAIN, None, Some(objects[0].oid))], &pack(&objects));
    let expect = fetched(&host, &wants).expect("it is whole");
    let keys: Vec<Vec<u8>> =
        host.rows.keys().filter(|key| key.starts_with(b"p/")).cloned().collect();
    assert!(keys.len() > 3, "it has rows");
    for key in keys {
        let size = host.rows[&key].len();
        for at in [0, 5, size / 3, size / 2, size - 1] {
            let mut damaged = host.clone();
            damaged.rows.get_mut(&key).expect("it is there")[at] ^= 1;
            let answer = fetched(&damaged, &wants);
            assert!(answer.is_none_or(|it| it == expect), "{} at {at}", key.escape_ascii());
            assert!(!fsck(&damaged).ends_with("\nok\n"), "{} at {at}", key.escape_ascii());
        }
    }
}

#[test]
fn what_is_whole_is_served_beside_a_damaged_pack() {
    let (host, [main, side]) = stored();
    let expect = fetched(&host, &[main]).expect("it is whole");
    let listed = ask(&mut host.clone(), "upload-pack", &[&crate::client::ls_refs_body()]);
    // The pack of the other branch is the last one.
    for part in [b'd', b'i'] {
        let mut damaged = host.clone();
        let (_, row) = damaged
            .rows
            .iter_mut()
            .rfind(|(key, _)| key.starts_with(b"p/") && key[6] == part)
            .expect("a row of the last pack");
        row[40] ^= 1;
        assert_eq!(self::listed(&damaged), Some(listed.clone()));
        assert!(fetched(&damaged, &[main]).is_some_and(|answer| answer == expect));
        assert_eq!(fetched(&damaged, &[side]), None);
    }
}

#[test]
fn the_check_names_what_is_damaged() {
    let (host, [_, side]) = stored();
    let check = |key: &[u8], at: usize, expect: &str| {
        let mut damaged = host.clone();
        damaged.rows.get_mut(key).expect("it is there")[at] ^= 1;
        let found = fsck(&damaged);
        assert!(found.contains(expect), "{expect} is not in {found}");
    };
    let last = |part: u8| {
        let mut keys = host.rows.keys().rev();
        keys.find(|key| key.starts_with(b"p/") && key[6] == part).expect("it has one").clone()
    };
    check(&last(b'd'), 20, &format!("damaged {}", side.to_hex().escape_ascii()));
    check(&last(b'i'), 20, "unreadable index of a pack");
    check(b"r/refs/heads/side", 3, "damaged ref refs/heads/side");
}

#[test]
fn the_check_names_the_refs_that_lead_to_damage_and_no_other() {
    let (host, _) = stored();
    let packs = |part: u8| {
        let is_it = move |key: &&Vec<u8>| key.starts_with(b"p/") && key[6] == part;
        host.rows.keys().filter(is_it).cloned().collect::<Vec<_>>()
    };
    // The first pack holds the first of three commits, the last one the other branch.
    let check = |key: &Vec<u8>, at: usize, expect: &[&str]| {
        let mut damaged = host.clone();
        damaged.rows.get_mut(key).expect("it is there")[at] ^= 1;
        let found = fsck(&damaged);
        let told = found.lines().filter_map(|line| line.strip_prefix("damage behind "));
        assert_eq!(told.collect::<Vec<_>>(), expect, "{found}");
    };
    let data = packs(b'd');
    let (first, last) = (&data[0], &data[data.len() - 1]);
    check(first, 20, &[MAIN]);
    check(last, 20, &[SIDE]);
    check(last, host.rows[last].len() - 60, &[SIDE]);
    check(&format!("r/{MAIN}").into_bytes(), 3, &[]);
}

#[test]
fn the_scrub_names_each_row_that_has_a_changed_bit_and_no_other() {
    let (host, _) = stored();
    assert!(check(&host, "/-/scrub").ends_with("\r\n\r\nok\n"));
    for key in host.rows.keys().filter(|key| !key.starts_with(b"l/")) {
        let size = host.rows[key].len();
        for at in [0, size / 2, size - 1] {
            let mut damaged = host.clone();
            damaged.rows.get_mut(key).expect("it is there")[at] ^= 1 << (at % 8);
            let found = check(&damaged, "/-/scrub");
            let name = key.iter().map(|byte| match byte {
                b'!'..=b'~' => char::from(*byte).to_string(),
                _ => format!("%{byte:02X}"),
            });
            let expect = match key.as_slice() {
                // Without it there is no repository.
                b"m" => "\r\n\r\nthe repository's stored data is damaged\n".to_string(),
                _ => format!("damaged row {}\n", name.collect::<String>()),
            };
            assert!(found.contains(&expect), "{} at {at}: {found}", key.escape_ascii());
            assert_eq!(found.matches("damaged").count(), 1, "{found}");
            assert!(!found.contains("\nok\n"), "{found}");
        }
    }
}

#[test]
fn the_scrub_reads_each_row_once() {
    let (mut host, _) = stored();
    host.cost = engine::memory::Cost::default();
    run(&mut host, request("GET", "/-/scrub", &[]), &[]);
    // And the manifest, before it.
    assert_eq!(host.cost.rows_read, host.rows.len() + 1);
    assert_eq!(host.cost.rows_written, 0);
}
