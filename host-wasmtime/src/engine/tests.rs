//! The border against `echo.wat`, a stand-in that makes every call.

use super::*;
use crate::storage::Rows;
use std::sync::{Arc, OnceLock};

const CPU_MAX: Duration = Duration::from_millis(200);

/// One engine for all tests: each test runs its own instances.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let wasm = wat::parse_str(include_str!("echo.wat")).expect("a good module");
        let load = || Engine::load(&wasm, folder.path(), 16).expect("load");
        drop(load());
        assert_eq!(folder.path().read_dir().expect("the cache").count(), 1);
        load()
    })
}

fn request() -> Request {
    Request {
        method: "GET".into(),
        path: "/p".into(),
        query: "q=1".into(),
        headers: vec![("a".into(), b"1".to_vec()), ("b".into(), vec![0xff])],
        time: 7,
        id: "id".into(),
        caller: "me".into(),
        access: READ | ADMIN,
        size_max: 1 << 40,
    }
}

/// What the stand-in says to these pieces of a body, after its head and what it was started with.
fn talk(pieces: &[&[u8]]) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("rows.db");
    Rows::create(&path)?;
    let rows = Rows::open(&path, Arc::default())?;
    let (mut session, progress) = engine().start(&request(), rows, CPU_MAX)?;
    assert_eq!(progress, Progress::Hungry);
    session.take_output();
    for piece in pieces {
        session.feed(piece)?;
    }
    assert_eq!(session.pump()?, Progress::Done);
    let output = session.take_output();
    assert!(session.finish().is_some());
    Ok(output)
}

#[test]
fn a_request_crosses_whole() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("rows.db");
    Rows::create(&path).expect("create");
    let rows = Rows::open(&path, Arc::default()).expect("open");
    let (mut session, _) = engine().start(&request(), rows, CPU_MAX).expect("start");
    let mut expect = b"Status: 200\r\nX-Echo: yes\r\n\r\nGET|/p|q=1|a|1|b|\xff|id|me|".to_vec();
    expect.extend_from_slice(&7u64.to_le_bytes());
    expect.extend_from_slice(&(1u64 << 40).to_le_bytes());
    expect.extend_from_slice(&5u32.to_le_bytes());
    assert_eq!(session.take_output(), expect);
    assert_eq!(session.feed(b"b").expect("feed"), Progress::Busy);
}

#[test]
fn every_call_crosses_both_ways() {
    let check = |pieces: &[&[u8]], expect: &[u8]| {
        let output = talk(pieces).expect("a good talk");
        assert_eq!(output, expect, "{pieces:?}: {:?}", String::from_utf8_lossy(&output));
    };
    check(&[b"gnone"], b"F");
    check(&[b"ckey", b"gkey"], b"TTkey|");
    check(&[b"ckey", b"ckey"], b"TF");
    check(&[b"ca/1", b"ca/2", b"cb", b"sa/"], b"TTTa/1|a/1|a/2|a/2|");
    check(&[b"sa/"], b"");
    check(&[b"c", b"g"], b"TT|");
}

#[test]
fn what_breaks_the_contract_ends_the_request() {
    let check = |piece: &[u8], expect: &str| {
        let error = format!("{:#}", talk(&[piece]).expect_err("a trap"));
        assert!(error.contains(expect), "{error}");
    };
    check(b"l", "limit of CPU time");
    check(b"t", "unreachable");
    check(b"o", "outside its memory");
    check(b"m", "misaligned");
    check(b"p", "no progress");
    check(&[&b"c"[..], &[b'k'; 513]].concat(), "a key of 513 bytes");
}

#[test]
fn a_module_without_a_bound_of_memory_or_with_other_imports_is_refused() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let good = include_str!("echo.wat");
    let check = |from: &str, to: &str, expect: &str| {
        assert!(good.contains(from));
        let wasm = wat::parse_str(good.replace(from, to)).expect("a module");
        let error = Engine::load(&wasm, folder.path(), 1).err().expect("refused");
        assert!(format!("{error:#}").contains(expect), "{error:#}");
    };
    check("1 512)", "1)", "maximum of memory");
    check("1 512)", "1 513)", "maximum of memory");
    check("host@0.1.0\" \"get\"", "host@0.1.0\" \"clock\"", "clock");
    check("(export \"pump\")", "(export \"other\")", "`pump`");
}
