//! A client without git: objects, packs and requests, the same bytes every time.

#[path = "record.rs"]
mod record;

use engine::engine::{Access, Engine, Header, Progress, Request};
use engine::hash::{Format, Hasher, Oid, object_id};
use engine::host::{Expect, Host, Row, Write as RowWrite};
use engine::memory::Memory;
use engine::object::Kind;
use engine::pack::entry::{self, Form};
use engine::wire::line;
use record::Record;
use std::cell::Cell;
use std::fmt::Write;

#[derive(Clone)]
pub struct Object {
    pub kind: Kind,
    pub content: Vec<u8>,
    pub oid: Oid,
}

pub fn object(kind: Kind, content: Vec<u8>) -> Object {
    let oid = object_id(Format::Sha1, kind.name(), &content).expect("no attack");
    Object { kind, content, oid }
}

/// So many bytes of lines that look like a program's, other ones for each seed.
pub fn blob(seed: u32, size: usize) -> Object {
    const WORDS: [&str; 8] = ["let", "value", "find(", "store", "=", "entry.read", ");", "oid"];
    let (mut state, mut text) = (seed, String::new());
    while text.len() < size {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let word = WORDS[(state >> 29) as usize];
        match state >> 24 & 31 {
            0..=5 => text.push('\n'),
            6..=9 => write!(text, "{}", state >> 8 & 0xfff).expect("a String takes all"),
            _ => text.push_str(word),
        }
        text.push(' ');
    }
    object(Kind::Blob, text.into_bytes())
}

/// A tree of entries that all have this mode.
pub fn tree(mode: &str, entries: &[(String, Oid)]) -> Object {
    let entry = |(name, oid): &(String, Oid)| {
        [format!("{mode} {name}\0").as_bytes(), oid.as_bytes()].concat()
    };
    object(Kind::Tree, entries.iter().flat_map(entry).collect())
}

pub fn commit(tree: &Oid, parents: &[&Oid], time: usize) -> Object {
    let mut text = format!("tree {}\n", tree.to_hex().escape_ascii());
    for parent in parents {
        writeln!(text, "parent {}", parent.to_hex().escape_ascii()).expect("a String takes all");
    }
    let who = format!("A U Thor <author@example.com> {} +0000", 1_700_000_000 + time);
    write!(text, "author {who}\ncommitter {who}\n\nchange {time}\n").expect("a String takes all");
    object(Kind::Commit, text.into_bytes())
}

/// A commit of one small file in one folder, and what it holds.
pub fn small_commit(parent: Option<&Oid>, number: usize) -> Vec<Object> {
    let file = blob(number as u32, 500);
    let folder = tree("100644", &[("file".into(), file.oid)]);
    let top = tree("40000", &[("folder".into(), folder.oid)]);
    let commit = commit(&top.oid, parent.as_slice(), number);
    vec![commit, top, folder, file]
}

/// A commit of so many files of `size` bytes each, a hundred in a folder.
pub fn large_commit(files: usize, size: usize) -> Vec<Object> {
    let blobs: Vec<Object> = (0..files).map(|seed| blob(seed as u32, size)).collect();
    let folder = |blobs: &[Object]| {
        let name = |(at, file): (usize, &Object)| (format!("file{at:02}.rs"), file.oid);
        tree("100644", &blobs.iter().enumerate().map(name).collect::<Vec<_>>())
    };
    let folders: Vec<Object> = blobs.chunks(100).map(folder).collect();
    let name = |(at, folder): (usize, &Object)| (format!("folder{at:03}"), folder.oid);
    let top = tree("40000", &folders.iter().enumerate().map(name).collect::<Vec<_>>());
    let mut objects = vec![commit(&top.oid, &[], files), top];
    objects.extend(folders);
    objects.extend(blobs);
    objects
}

/// A pack of whole objects, as git writes it.
pub fn pack(objects: &[Object]) -> Vec<u8> {
    let mut pack = b"PACK\0\0\0\x02".to_vec();
    pack.extend_from_slice(&(objects.len() as u32).to_be_bytes());
    for object in objects {
        let size = object.content.len() as u64;
        entry::write(&entry::Header { form: Form::Whole(object.kind), size }, &mut pack);
        pack.extend(miniz_oxide::deflate::compress_to_vec_zlib(&object.content, 1));
    }
    let mut hasher = Hasher::new(Format::Sha1);
    hasher.update(&pack);
    let sum = hasher.finish().expect("no attack");
    pack.extend_from_slice(sum.as_bytes());
    pack
}

/// A ref as a push changes it: its name, what it was and what it shall be.
pub type Change<'a> = (&'a str, Option<Oid>, Option<Oid>);

/// The body of a push.
pub fn push_body(changes: &[Change], pack: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    let hex = |oid: Option<Oid>| oid.unwrap_or(Oid::zero(Format::Sha1)).to_hex();
    for (at, (name, old, new)) in changes.iter().enumerate() {
        let list: &[u8] = if at == 0 { b"\0 report-status side-band-64k atomic" } else { b"" };
        line::write(&mut body, &[&hex(*old), b" ", &hex(*new), b" ", name.as_bytes(), list]);
    }
    line::flush(&mut body);
    body.extend_from_slice(pack);
    body
}

/// The body of a fetch, as v2 has it.
pub fn fetch_body(wants: &[Oid], haves: &[Oid]) -> Vec<u8> {
    let mut body = Vec::new();
    line::write(&mut body, &[b"command=fetch"]);
    line::write(&mut body, &[b"object-format=sha1"]);
    line::delim(&mut body);
    for option in [b"thin-pack".as_slice(), b"ofs-delta"] {
        line::write(&mut body, &[option]);
    }
    for want in wants {
        line::write(&mut body, &[b"want ", &want.to_hex(), b"\n"]);
    }
    for have in haves {
        line::write(&mut body, &[b"have ", &have.to_hex(), b"\n"]);
    }
    line::write(&mut body, &[b"done\n"]);
    line::flush(&mut body);
    body
}

pub fn ls_refs_body() -> Vec<u8> {
    let mut body = Vec::new();
    line::write(&mut body, &[b"command=ls-refs\n"]);
    line::write(&mut body, &[b"object-format=sha1"]);
    line::delim(&mut body);
    for argument in [b"peel\n".as_slice(), b"symrefs\n", b"ref-prefix refs/heads/\n"] {
        line::write(&mut body, &[argument]);
    }
    line::flush(&mut body);
    body
}

/// Runs one request on a host: its body in these pieces.
pub fn run(host: &mut Memory, request: Request, body: &[&[u8]]) -> Vec<u8> {
    host.output.clear();
    let record = Record::begin(host, &request, body);
    drive(host, request, body);
    if let Some(record) = record {
        record.end(host);
    }
    std::mem::take(&mut host.output)
}

/// The same on any host, which keeps the answer.
pub fn drive(host: &mut dyn Host, request: Request, body: &[&[u8]]) {
    if let Some(mut engine) = Engine::start(host, request) {
        let mut progress = engine.progress();
        for piece in body {
            while progress == Progress::Busy {
                progress = engine.pump();
            }
            if progress == Progress::Hungry {
                progress = engine.feed(piece);
            }
        }
        while progress != Progress::Done {
            progress = engine.pump();
        }
    }
}

/// A host that dies: its last calls are counted down, and from then on nothing reaches its rows or
/// its output any more, as if the power had failed. `None`: it lives.
pub struct Mortal {
    pub memory: Memory,
    pub calls_left: Option<usize>,
    /// The call that finds none left is still done, but nobody hears of it.
    pub does_last: bool,
}

impl Mortal {
    /// A host that dies after so many calls.
    pub fn new(memory: Memory, calls_left: Option<usize>) -> Mortal {
        Mortal { memory, calls_left, does_last: false }
    }

    pub fn is_dead(&self) -> bool {
        self.calls_left == Some(0)
    }

    /// Whether this call has an effect.
    fn call(&mut self) -> bool {
        let Some(left) = &mut self.calls_left else { return true };
        let is_alive = *left > 0;
        *left = left.saturating_sub(1);
        is_alive || std::mem::take(&mut self.does_last)
    }
}

impl Host for Mortal {
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.call();
        self.memory.get(key)
    }

    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row> {
        self.call();
        self.memory.scan(prefix, after, bytes_max)
    }

    fn commit(&mut self, expects: &[Expect], writes: &[RowWrite]) -> bool {
        !self.call() || self.memory.commit(expects, writes)
    }

    fn emit(&mut self, bytes: &[u8]) {
        if self.call() {
            self.memory.emit(bytes);
        }
    }
}

thread_local! {
    static LATER: Cell<u64> = const { Cell::new(0) };
}

/// So many seconds have passed for the requests of this thread.
pub fn later(seconds: u64) {
    LATER.set(seconds);
}

pub fn request(method: &str, path: &str, headers: &[(&str, &str)]) -> Request {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let header = |(name, value): &(&str, &str)| Header {
        name: name.to_lowercase().into_bytes(),
        value: value.as_bytes().to_vec(),
    };
    Request {
        method: method.into(),
        path: path.into(),
        query: query.into(),
        headers: headers.iter().map(header).collect(),
        time: 1_700_000_000 + LATER.get(),
        id: b"request".to_vec(),
        caller: b"me".to_vec(),
        access: Access { read: true, write: true, admin: true },
        size_max: 0,
    }
}

/// An empty repository.
pub fn repository() -> Memory {
    let mut host = Memory::default();
    let answer = run(&mut host, request("POST", "/-/create", &[]), &[]);
    assert!(answer.starts_with(b"Status: 201"), "{}", answer.escape_ascii());
    host
}

/// What a request to a service answers, its body in these pieces; its status must be 200.
pub fn ask(host: &mut Memory, service: &str, pieces: &[&[u8]]) -> Vec<u8> {
    let media = format!("application/x-git-{service}-request");
    let headers = [("content-type", media.as_str()), ("git-protocol", "version=2")];
    let answer = run(host, request("POST", &format!("/git-{service}"), &headers), pieces);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
    answer
}

/// The first request of every operation.
pub fn advertise(host: &mut Memory, service: &str) -> Vec<u8> {
    let headers = [("git-protocol", "version=2")];
    let path = format!("/info/refs?service=git-{service}");
    let answer = run(host, request("GET", &path, &headers), &[]);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
    answer
}

/// `git push`.
pub fn push(host: &mut Memory, changes: &[Change], pack: &[u8]) {
    advertise(host, "receive-pack");
    let answer = ask(host, "receive-pack", &[&push_body(changes, pack)]);
    let is_done = |text: &[u8]| answer.windows(text.len()).any(|found| found == text);
    assert!(is_done(b"unpack ok") && !is_done(b"ng "), "{}", answer.escape_ascii());
}

/// `git fetch` of a branch by a client that has these commits; nothing is fetched if it has it.
pub fn fetch(host: &mut Memory, want: Oid, haves: &[Oid]) -> Vec<u8> {
    advertise(host, "upload-pack");
    ask(host, "upload-pack", &[&ls_refs_body()]);
    if haves.contains(&want) {
        return Vec::new();
    }
    let answer = ask(host, "upload-pack", &[&fetch_body(&[want], haves)]);
    assert!(answer.windows(8).any(|found| found == b"packfile"), "{}", answer.escape_ascii());
    answer
}
