//! The crash matrix: the host dies at each of its calls, before it does the call or after, and the
//! request is made again on the rows that are left.

use crate::client::{
    Change, Mortal, Object, blob, commit, drive, ls_refs_body, object, pack, push_body, repository,
    request, run, small_commit, tree,
};
use crate::server::serve;
use engine::engine::{Engine, Progress, Request};
use engine::hash::Oid;
use engine::host::{Expect, Host, Row, Write};
use engine::limits::{GRACE_SECONDS, STAGED_SECONDS};
use engine::memory::Memory;
use engine::object::Kind;
use std::cell::RefCell;
use std::process::Command;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

const MAIN: &str = "refs/heads/main";
const SIDE: &str = "refs/heads/side";
const NOW: u64 = 1_700_000_000;

/// A request that changes rows.
struct Deed {
    path: &'static str,
    body: Vec<u8>,
    time: u64,
}

impl Deed {
    fn push(changes: &[Change], objects: &[Object]) -> Deed {
        let is_pack = changes.iter().any(|change| change.2.is_some());
        let pack = if is_pack { pack(objects) } else { Vec::new() };
        Deed { path: "/git-receive-pack", body: push_body(changes, &pack), time: NOW }
    }

    fn request(&self) -> Request {
        let headers = [("content-type", "application/x-git-receive-pack-request")];
        Request { time: self.time, ..request("POST", self.path, &headers) }
    }

    /// Does it on a host that may die; answers what was said, unless it died.
    fn on(&self, host: &mut Mortal) -> Option<Vec<u8>> {
        let pieces: Vec<&[u8]> = self.body.chunks(300_000).collect();
        drive(host, self.request(), &pieces);
        (!host.is_dead()).then(|| std::mem::take(&mut host.memory.output))
    }
}

/// What a client sees.
fn refs(host: &Memory) -> Vec<u8> {
    let headers =
        [("content-type", "application/x-git-upload-pack-request"), ("git-protocol", "version=2")];
    run(&mut host.clone(), request("POST", "/git-upload-pack", &headers), &[&ls_refs_body()])
}

/// Refs that the log says were moved.
fn moved(host: &Memory) -> usize {
    let log = run(&mut host.clone(), request("GET", "/-/log", &[]), &[]);
    log.windows(6).filter(|text| text == b" refs/").count()
}

fn is_whole(host: &Memory) -> bool {
    run(&mut host.clone(), request("GET", "/-/fsck", &[]), &[]).ends_with(b"\nok\n")
}

/// Upkeep, when everybody who read has long gone.
fn later(host: &Memory) -> Memory {
    later_at(host, NOW + 2 * (STAGED_SECONDS + GRACE_SECONDS))
}

fn later_at(host: &Memory, first: u64) -> Memory {
    let mut host = host.clone();
    for time in [first, first + 2 * GRACE_SECONDS] {
        run(&mut host, Request { time, ..request("POST", "/-/maintain", &[]) }, &[]);
    }
    host
}

fn pack_rows(host: &Memory) -> usize {
    host.rows.keys().filter(|key| key.starts_with(b"p/")).count()
}

/// Asserts that a death at any call leaves the old or the new refs with all that they lead to,
/// loses nothing that was acknowledged, and leaves nothing behind for ever. Answers the calls.
fn check(before: &Memory, deed: &Deed) -> usize {
    let mut alive = Mortal::new(before.clone(), None);
    let said = deed.on(&mut alive);
    let after = alive.memory;
    let (old, new) = (refs(before), refs(&after));
    let rows = pack_rows(&later(&after));
    for calls in 0.. {
        let mut is_over = false;
        for does_last in [false, true] {
            let mut host = Mortal { memory: before.clone(), calls_left: Some(calls), does_last };
            let heard = deed.on(&mut host);
            is_over = heard.is_some();
            let mut host = host.memory;
            let what = format!("{} after {calls} calls, the last done: {does_last}", deed.path);
            let found = refs(&host);
            assert!(found == old || found == new, "{what}: refs");
            assert!(is_whole(&host), "{what}: objects");
            assert!(!is_over || (heard == said && found == new), "{what}: acknowledged");
            if found == old {
                host.output.clear();
                let mut again = Mortal::new(host, None);
                deed.on(&mut again);
                host = again.memory;
                assert_eq!(refs(&host), new, "{what}: again");
            }
            let swept = later(&host);
            assert_eq!(refs(&swept), new, "{what}: later");
            assert_eq!(moved(&swept), moved(&after), "{what}: the log");
            assert!(is_whole(&swept), "{what}: later");
            assert_eq!(pack_rows(&swept), rows, "{what}: rows that nobody needs");
            if calls % 7 == 0 && old != new {
                clone(&swept);
            }
        }
        if is_over {
            // With just as many calls as it takes it died after the last one.
            return calls - 1;
        }
    }
    unreachable!("it ends")
}

/// Real git takes all of it, and checks it.
fn clone(host: &Memory) {
    let url = serve(Arc::new(Mutex::new(host.clone())));
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let unique = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    let folder = std::env::temp_dir().join(format!("gitcell-crash-{}-{}", unique.0, unique.1));
    drop(std::fs::remove_dir_all(&folder));
    let path = folder.to_str().expect("text");
    for arguments in
        [&["clone", "-q", "--mirror", &url, path][..], &["-C", path, "fsck", "--strict"]]
    {
        let output = Command::new("git").args(arguments).output().expect("git is installed");
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {text}");
    }
    drop(std::fs::remove_dir_all(&folder));
}

/// A repository after so many pushes of one small commit, and its tips.
fn pushed(pushes: usize) -> (Memory, Vec<Oid>) {
    let (mut host, mut tips) = (repository(), Vec::<Oid>::new());
    for number in 0..pushes {
        let objects = small_commit(tips.last(), number);
        let deed = Deed::push(&[(MAIN, tips.last().copied(), Some(objects[0].oid))], &objects);
        let mut mortal = Mortal::new(host, None);
        deed.on(&mut mortal);
        host = mortal.memory;
        tips.push(objects[0].oid);
    }
    (host, tips)
}

/// Before each call, and after it.
fn tally(name: &str, calls: usize) {
    println!("crash matrix: {name}: {calls} calls, {} deaths", 2 * calls);
}

#[test]
fn a_push_dies_anywhere() {
    let (host, tips) = pushed(2);
    let objects = small_commit(tips.last(), 9);
    let deed = Deed::push(&[(MAIN, tips.last().copied(), Some(objects[0].oid))], &objects);
    tally("push", check(&host, &deed));
}

#[test]
fn a_push_of_staged_rows_dies_anywhere() {
    let (host, tips) = pushed(1);
    let files: Vec<Object> = (0..12).map(|seed| blob(seed, 1 << 20)).collect();
    let named = files.iter().enumerate().map(|(at, file)| (format!("file{at:02}"), file.oid));
    let top = tree("100644", &named.collect::<Vec<_>>());
    let mut objects = vec![commit(&top.oid, tips.last().as_slice(), 1), top];
    objects.extend(files);
    let deed = Deed::push(&[(MAIN, tips.last().copied(), Some(objects[0].oid))], &objects);
    let calls = check(&host, &deed);
    assert!(calls > 6, "it stages rows");
    tally("push of staged rows", calls);
}

#[test]
fn a_deletion_dies_anywhere() {
    let (mut host, tips) = pushed(3);
    let both = [(SIDE, None, Some(tips[0]))];
    let mut mortal = Mortal::new(host, None);
    Deed::push(&both, &[]).on(&mut mortal);
    host = mortal.memory;
    tally("deletion", check(&host, &Deed::push(&[(SIDE, Some(tips[0]), None)], &[])));
}

#[test]
fn an_atomic_push_dies_anywhere() {
    let (host, tips) = pushed(2);
    let objects = small_commit(tips.last(), 9);
    let changes = [
        (MAIN, tips.last().copied(), Some(objects[0].oid)),
        (SIDE, None, Some(objects[0].oid)),
        ("refs/tags/v1", None, Some(tips[0])),
    ];
    tally("atomic push", check(&host, &Deed::push(&changes, &objects)));
}

#[test]
fn a_push_with_a_record_of_many_rows_dies_anywhere() {
    let (host, tips) = pushed(2);
    let long = "x".repeat(200);
    let names: Vec<String> = (0..4_500)
        .map(|at| format!("refs/heads/{at}/{long}/{long}/{long}")[..490].into())
        .collect();
    let changes: Vec<Change> = names.iter().map(|name| (&**name, None, Some(tips[0]))).collect();
    let calls = check(&host, &Deed::push(&changes, &[]));
    tally("push with a record of many rows", calls);
}

#[test]
fn a_forced_push_dies_anywhere() {
    let (host, tips) = pushed(3);
    let objects = small_commit(Some(&tips[0]), 9);
    let deed = Deed::push(&[(MAIN, tips.last().copied(), Some(objects[0].oid))], &objects);
    tally("forced push", check(&host, &deed));
}

/// Upkeep of packs that a push left alone, as it died before: many small ones, some of which fill
/// a row together.
#[test]
fn upkeep_dies_anywhere() {
    let (host, tips) = pushed(14);
    let mut host = host;
    for seed in 0..3u8 {
        // One of more rows than the others have: it is swept by itself.
        let size = if seed == 1 { 1_200_000 } else { 500_000 };
        let file = object(Kind::Blob, noise(u64::from(seed) + 1, size));
        let top = tree("100644", &[("file".into(), file.oid)]);
        let tip = commit(&top.oid, &[&tips[13]], 100 + usize::from(seed));
        let name = format!("refs/heads/large{seed}");
        let deed = Deed::push(&[(&name, None, Some(tip.oid))], &[tip, top, file]);
        host = just_before_upkeep(&host, &deed);
    }
    let maintain = |time| Deed { path: "/-/maintain", body: Vec::new(), time };
    let calls = check(&host, &maintain(NOW));
    assert!(calls > 20, "it merges: {calls} calls");
    tally("upkeep", calls);
    let mut mortal = Mortal::new(host, None);
    maintain(NOW).on(&mut mortal);
    let calls = check(&mortal.memory, &maintain(NOW + 2 * GRACE_SECONDS));
    assert!(calls >= 5, "before, between and after such runs: {calls} calls");
    tally("upkeep that sweeps", calls);
}

/// What is there when a push was done, and nothing else.
fn just_before_upkeep(host: &Memory, deed: &Deed) -> Memory {
    let old = refs(host);
    let dead = |calls| {
        let mut mortal = Mortal::new(host.clone(), Some(calls));
        deed.on(&mut mortal);
        mortal.memory
    };
    let mut host = (0..).map(dead).find(|host| refs(host) != old).expect("it is done once");
    host.output.clear();
    host
}

/// Bytes that no compression makes smaller.
fn noise(seed: u64, size: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn creation_and_a_new_head_die_anywhere() {
    let create = Deed { path: "/-/create", body: Vec::new(), time: NOW };
    for (calls_left, does_last) in [(0, false), (0, true), (1, false)] {
        let mut host =
            Mortal { memory: Memory::default(), calls_left: Some(calls_left), does_last };
        create.on(&mut host);
        let mut host = Mortal::new(host.memory, None);
        create.on(&mut host);
        assert!(is_whole(&host.memory));
    }
    let (host, _) = pushed(1);
    let deed = Deed { path: "/-/head?branch=side", body: Vec::new(), time: NOW };
    tally("a new head", check(&host, &deed));
}

/// Rows that two requests have at once.
#[derive(Clone)]
struct Shared(Rc<RefCell<Memory>>);

impl Host for Shared {
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.0.borrow_mut().get(key)
    }

    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row> {
        self.0.borrow_mut().scan(prefix, after, bytes_max)
    }

    fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> bool {
        self.0.borrow_mut().commit(expects, writes)
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.0.borrow_mut().emit(bytes);
    }
}

/// What a push answers that stood still for so long before its last bytes came.
fn push_with_a_pause(seconds: u64) -> (Memory, Vec<u8>) {
    let (host, tips) = pushed(1);
    let file = object(Kind::Blob, noise(1, 3 << 20));
    let top = tree("100644", &[("file".into(), file.oid)]);
    let tip = commit(&top.oid, &[&tips[0]], 1);
    let deed = Deed::push(&[(MAIN, Some(tips[0]), Some(tip.oid))], &[tip, top, file]);
    let rows = Shared(Rc::new(RefCell::new(host)));
    let mut host = rows.clone();
    let mut engine = Engine::start(&mut host, deed.request()).expect("a session");
    let (most, last) = deed.body.split_at(deed.body.len() - 1000);
    engine.feed(most);
    let staged = pack_rows(&rows.0.borrow());
    let swept = later_at(&rows.0.borrow(), NOW + seconds);
    *rows.0.borrow_mut() = swept;
    assert!(staged > 2, "rows are staged");
    rows.0.borrow_mut().output.clear();
    engine.feed(last);
    while engine.pump() != Progress::Done {}
    drop(engine);
    let mut memory = rows.0.borrow().clone();
    let answer = std::mem::take(&mut memory.output);
    (memory, answer)
}

#[test]
fn rows_of_a_push_under_way_stay_and_one_that_lost_them_is_refused() {
    let says =
        |answer: &[u8], text: &str| answer.windows(text.len()).any(|it| it == text.as_bytes());
    let (host, answer) = push_with_a_pause(STAGED_SECONDS - GRACE_SECONDS);
    assert!(says(&answer, "ok refs/heads/main"), "{}", answer.escape_ascii());
    assert!(is_whole(&host));
    let (host, answer) = push_with_a_pause(STAGED_SECONDS + GRACE_SECONDS + 1);
    assert!(
        says(&answer, "ng refs/heads/main too many pushes at once"),
        "{}",
        answer.escape_ascii()
    );
    assert!(is_whole(&host));
}
