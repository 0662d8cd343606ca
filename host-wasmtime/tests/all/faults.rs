//! The disk and its files fail under a running server: a sentence, nothing lost, and the next
//! request after the fault is served.

use crate::server::{Answer, Server};
use rusqlite::Connection;
use rustix::process::{Pid, Resource, Rlimit, getuid, prlimit};
use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// An account that owns nothing, for who runs these tests as root: root may write everywhere.
const NOBODY: u32 = 65534;
const POST: &str = "POST /me/a.git/late";
const PUSH: &str = "GET /me/a.git/info/refs?service=git-receive-pack";

fn check(answer: &Answer, status: u16, part: &str) {
    let text = String::from_utf8_lossy(&answer.body);
    assert_eq!(answer.status, status, "{text}");
    assert!(answer.is_whole && text.contains(part), "{text}");
    assert_eq!(answer.head.contains("retry-after: "), status == 503, "{}", answer.head);
}

/// The stand-in's answer: it made a row, or found none.
fn served(server: &Server, body: &[u8], expect: &[u8]) {
    let answer = server.ask(POST, body);
    let text = String::from_utf8_lossy(&answer.body);
    assert!(answer.status == 200 && answer.is_whole, "{} {text}", answer.status);
    assert!(answer.body.starts_with(expect), "{text}");
}

#[test]
fn a_write_that_fails_is_told_and_the_next_one_is_served() {
    let server = Server::start(&["--open"]);
    assert!(server.gitcell(&["repo", "create", "me/a"]).status.success());
    served(&server, b"cold", b"T");
    let pid = Pid::from_child(&server.child);
    // No file may be written beyond this: the log of a commit would be.
    let limit = Rlimit { current: Some(32 << 10), maximum: None };
    let before = prlimit(Some(pid), Resource::Fsize, limit).expect("a limit");
    for _ in 0..3 {
        check(&server.ask(POST, b"cnew"), 503, "the server's disk failed");
        served(&server, b"gold", b"Told");
        served(&server, b"gnew", b"F");
    }
    prlimit(Some(pid), Resource::Fsize, before).expect("no limit");
    served(&server, b"cnew", b"T");
    served(&server, b"gnew", b"Tnew");
}

/// Its own repository for each damage: a connection that is open would not meet it.
#[test]
fn a_damaged_file_is_told_and_served_again_once_it_is_back() {
    let server = Server::start(&["--open"]);
    let check = |name: &str, damage: &dyn Fn(&mut Vec<u8>), part: &str| {
        assert!(server.gitcell(&["repo", "create", &format!("me/{name}")]).status.success());
        let path = server.file("me", name);
        let good = std::fs::read(&path).expect("read");
        let mut bad = good.clone();
        damage(&mut bad);
        std::fs::write(&path, bad).expect("write");
        let post = POST.replace("/a.git", &format!("/{name}.git"));
        check(&server.ask(&post, b"gold"), 500, part);
        std::fs::write(&path, &good).expect("write");
        let answer = server.ask(&post, b"cnew");
        assert!(answer.status == 200 && answer.body.starts_with(b"T"), "{name}");
    };
    check("header", &|bytes| bytes[..100].fill(0x55), "file is damaged");
    check("schema", &|bytes| bytes[100..].fill(0x55), "file is damaged");
    check("cut", &|bytes| bytes.truncate(16 << 10), "file is damaged");
    check("other", &|bytes| *bytes = b"this is no database at all".repeat(99), "file is damaged");
}

#[test]
fn what_may_only_be_read_is_read_and_written_again_when_it_may_be() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let is_root = getuid().is_root();
    let give = |path: &Path, mode: u32| {
        if is_root && mode & 0o200 != 0 {
            chown(path, Some(NOBODY), None).expect("give");
        } else if is_root {
            chown(path, Some(0), None).expect("take");
        }
        let mode = if path.is_dir() { mode | 0o111 } else { mode };
        std::fs::set_permissions(path, Permissions::from_mode(mode | 0o044)).expect("permit");
    };
    give(folder.path(), 0o644);
    let server = Server::start_as(folder, &["--open"], |command| {
        if is_root {
            command.uid(NOBODY);
        }
    });
    assert_eq!(server.ask(PUSH, b"").status, 200);
    assert!(server.gitcell(&["repo", "create", "me/b"]).status.success());
    let (path, ask) = (server.file("me", "b"), |what: &str| what.replace("/a.git", "/b.git"));
    give(&path, 0o444);
    assert!(server.ask(&ask(POST), b"gold").body.starts_with(b"F"));
    check(&server.ask(&ask(POST), b"cnew"), 503, "cannot write");
    check(&server.ask(&ask(PUSH), b""), 503, "cannot write");
    // SQLite made it as the file was.
    for path in [&path, &path.with_extension("db-shm")] {
        give(path, 0o644);
    }
    // One after the other, so that no connection is left alone for long.
    let until = |is_good: &dyn Fn() -> bool| {
        let begin = Instant::now();
        while !is_good() {
            assert!(begin.elapsed() < Duration::from_secs(5), "it is read only for ever");
        }
    };
    until(&|| server.ask(&ask(PUSH), b"").status == 200);
    until(&|| server.ask(&ask(POST), b"cnew").body.starts_with(b"T"));
    assert!(server.gitcell(&["repo", "create", "me/c"]).status.success());
    let (other, ask) = (server.file("me", "c"), |what: &str| what.replace("/a.git", "/c.git"));
    let folder = other.parent().expect("a folder");
    give(&other, 0o644);
    give(folder, 0o444);
    check(&server.ask(&ask(POST), b"cnew"), 503, "server cannot");
    give(folder, 0o644);
    assert!(server.ask(&ask(POST), b"cnew").body.starts_with(b"T"));
}

#[test]
fn pushes_are_refused_before_the_disk_is_full_and_reading_goes_on() {
    let server = Server::start(&["--open", "--disk-reserve", "99999999999"]);
    assert!(server.gitcell(&["repo", "create", "me/a"]).status.success());
    check(&server.ask(PUSH, b""), 507, "the server's disk is full");
    assert_eq!(server.ask("GET /me/a.git/info/refs?service=git-upload-pack", b"").status, 200);
}

/// Holds the lock of a database as a process does that writes, and waits for its disk.
fn locked(path: &Path, sql: &str) -> Connection {
    let connection = Connection::open(path).expect("open");
    connection.execute_batch(sql).expect("lock");
    connection
}

#[test]
fn who_waits_for_a_locked_file_keeps_nobody_else_waiting() {
    let server = Server::start(&["--open"]);
    assert!(server.gitcell(&["repo", "create", "me/a"]).status.success());
    let folder = server.file("demo", "hello");
    let data = folder.ancestors().nth(3).expect("the data folder");
    let others = |what: &str, expect: u16, lock: &dyn Fn() -> Connection| {
        let held = lock();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| server.ask(what, b""));
            }
            std::thread::sleep(Duration::from_millis(500));
            let begin = Instant::now();
            assert_eq!(server.ask("GET /demo/hello.git/x", b"").status, 200);
            assert!(begin.elapsed() < Duration::from_secs(2), "{what}: {:?}", begin.elapsed());
            drop(held);
        });
        assert_eq!(server.ask(what, b"").status, expect, "{what}");
    };
    let exclusive = "PRAGMA locking_mode = exclusive; BEGIN EXCLUSIVE";
    others(PUSH, 200, &|| locked(&server.file("me", "a"), exclusive));
    // An open server makes it, and has to write that down.
    let new = "GET /me/new.git/info/refs?service=git-receive-pack";
    others(new, 200, &|| locked(&data.join("gitcell.db"), "BEGIN IMMEDIATE"));
}

#[test]
fn a_repository_that_could_not_be_made_leaves_nothing() {
    let server = Server::start(&["--open"]);
    let pid = Pid::from_child(&server.child);
    let limit = Rlimit { current: Some(4 << 10), maximum: None };
    let before = prlimit(Some(pid), Resource::Fsize, limit).expect("a limit");
    check(&server.ask(PUSH, b""), 503, "the server's disk failed");
    prlimit(Some(pid), Resource::Fsize, before).expect("no limit");
    let folder = server.file("demo", "hello");
    let folder = folder.ancestors().nth(2).expect("the repositories").join("me");
    let left: Vec<_> = folder.read_dir().expect("a folder").collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(server.ask(PUSH, b"").status, 200);
}
