//! Clients that are slow, silent or gone: each gives its place back, and others are served.

use crate::server::{Server, read, send};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant};

const POST: &str = "POST /demo/hello.git/x";
pub const SECOND: Duration = Duration::from_secs(1);

/// One request at a time, and a second of patience.
fn server() -> Server {
    let server = Server::start(&["--open", "--capacity", "1", "--stall", "1"]);
    assert!(server.ask(POST, b"A").is_whole);
    server
}

/// Files that the server has open; those of connections to repositories aside.
pub fn files(server: &Server) -> usize {
    let folder = format!("/proc/{}/fd", server.child.id());
    let links = std::fs::read_dir(folder).expect("its files");
    let is_socket = |link: std::io::Result<std::fs::DirEntry>| {
        let target = std::fs::read_link(link.expect("a file").path()).unwrap_or_default();
        target.to_string_lossy().starts_with("socket:")
    };
    links.filter_map(|link| is_socket(link).then_some(())).count()
}

/// Waits until the server holds no more sockets than `before`, and serves.
pub fn recovers(server: &Server, before: usize) {
    let answer = server.ask(POST, b"A");
    assert!(answer.is_whole && answer.status == 200, "{} {}", answer.status, server.log());
    let begin = Instant::now();
    while files(server) > before {
        assert!(begin.elapsed() < 15 * SECOND, "{} of {before}", files(server));
        sleep(SECOND / 10);
    }
}

/// Sends a byte now and then until the server has had enough.
fn drip(stream: &mut TcpStream, byte: u8) -> Duration {
    let begin = Instant::now();
    stream.set_read_timeout(Some(SECOND / 10)).expect("a timeout");
    let mut some = [0; 1000];
    while begin.elapsed() < 15 * SECOND {
        let is_cut = stream.write_all(&[byte]).is_err() || matches!(stream.read(&mut some), Ok(0));
        if is_cut {
            return begin.elapsed();
        }
        sleep(SECOND / 10);
    }
    panic!("it may drip for ever")
}

#[test]
fn a_head_that_drips_is_cut() {
    let server = server();
    let before = files(&server);
    let mut streams: Vec<TcpStream> = (0..100).map(|_| server.connect()).collect();
    for stream in &mut streams {
        stream.write_all(b"GET /demo/hello.git/x HTTP/1.1\r\nA: ").expect("send");
    }
    assert!(server.ask(POST, b"A").is_whole, "others are served meanwhile");
    let mut first = streams.pop().expect("a stream");
    assert!(drip(&mut first, b'a') < 5 * SECOND);
    recovers(&server, before);
    drop(streams);
}

#[test]
fn a_body_that_drips_or_stops_gives_its_place_back() {
    let server = server();
    let before = files(&server);
    // What claims 10 GB is no more than what it sends.
    for size in ["1000", "10000000000"] {
        let mut stream = server.connect();
        send(&mut stream, &format!("{POST}\nContent-Length: {size}"), b"");
        stream.write_all(&[b'A'; 100]).expect("send");
        recovers(&server, before + 1);
        drop(stream);
    }
    let mut stream = server.connect();
    send(&mut stream, &format!("{POST}\nContent-Length: 10000"), b"");
    assert!(drip(&mut stream, b'A') < 6 * SECOND);
    recovers(&server, before);
    let mut stream = server.connect();
    send(&mut stream, &format!("{}\nContent-Length: 9", POST.replace("/x", "/late")), b"");
    assert_eq!(read(&mut stream).status, 408);
    recovers(&server, before);
}

#[test]
fn who_takes_no_answer_is_cut_and_who_is_slow_gets_it() {
    let server = server();
    let before = files(&server);
    let size = 24 << 20;
    let begin = |stream: &TcpStream| {
        let mut sender = stream.try_clone().expect("clone");
        std::thread::spawn(move || {
            let head = format!("{POST}\nContent-Length: {size}");
            send(&mut sender, &head, b"");
            // It may be cut on the way.
            let _ = sender.write_all(&vec![b'A'; size]);
        })
    };
    let stream = server.connect();
    let sending = begin(&stream);
    recovers(&server, before + 1);
    drop(stream);
    sending.join().expect("sent");
    recovers(&server, before);
    // Some 8 MiB a second, for longer than the patience with silence.
    let mut stream = server.connect();
    let sending = begin(&stream);
    let (mut some, mut total, start) = (vec![0; 1 << 20], 0, Instant::now());
    while let Ok(1..) = stream.read(&mut some).inspect(|count| total += count) {
        if total < size && start.elapsed() < 4 * SECOND {
            sleep(SECOND / 8);
        }
        if total >= size {
            break;
        }
    }
    assert!(total >= size, "{total} bytes in {:?}", start.elapsed());
    sending.join().expect("sent");
    drop(stream);
    recovers(&server, before);
}

#[test]
fn clients_that_vanish_leave_nothing() {
    let server = server();
    let before = files(&server);
    for round in 0..20 {
        let mut stream = server.connect();
        send(&mut stream, &format!("{POST}\nContent-Length: 10000000000"), b"");
        let _ = stream.write_all(&vec![b'A'; 1000 << (round % 8)]);
        drop(stream);
    }
    recovers(&server, before);
}
