//! Bodies in and out: any length, any encoding, cut anywhere.

use crate::server::{Server, read, send};
use flate2::{Compression, write::GzEncoder};
use std::io::{Read, Write};
use std::time::{Duration, Instant};

const POST: &str = "POST /demo/hello.git/x";

/// What the stand-in echoed of a body of capital letters.
fn echo(body: &[u8]) -> Vec<u8> {
    // After the parts that it was started with come 20 bytes of numbers.
    let start = body.iter().rposition(|byte| *byte == b'|').expect("the start") + 1 + 20;
    body[start..].to_vec()
}

fn zip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("zip");
    encoder.finish().expect("zip")
}

#[test]
fn a_long_body_goes_in_and_comes_out() {
    let server = Server::start(&["--open"]);
    let body = b"ABCDEFGH".repeat(2 << 20);
    let mut stream = server.connect();
    let mut sender = stream.try_clone().expect("clone");
    let (sent, answer) = std::thread::scope(|scope| {
        let sent = scope.spawn(|| send(&mut sender, POST, &body));
        let answer = read(&mut stream);
        (sent.join(), answer)
    });
    assert!(sent.is_ok() && answer.is_whole && answer.status == 200);
    assert!(echo(&answer.body) == body);
}

#[test]
fn a_chunked_body_is_as_good_as_one_with_a_length() {
    let server = Server::start(&["--open"]);
    let mut stream = server.connect();
    let head = format!("{POST}\nTransfer-Encoding: chunked");
    send(&mut stream, &head, b"");
    for part in ["ABC", "D", "EFGHIJKLMNOP"] {
        stream.write_all(format!("{:x}\r\n{part}\r\n", part.len()).as_bytes()).expect("send");
    }
    stream.write_all(b"0\r\n\r\n").expect("send");
    assert_eq!(echo(&read(&mut stream).body), b"ABCDEFGHIJKLMNOP");
}

#[test]
fn a_gzipped_body_is_unpacked_whatever_its_size() {
    let server = Server::start(&["--open"]);
    let head = format!("{POST}\nContent-Encoding: gzip");
    for size in [0, 1, 1000, 8 << 20] {
        let body = vec![b'A'; size];
        let answer = server.ask(&head, &zip(&body));
        assert!(answer.status == 200 && echo(&answer.body) == body, "{size}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("content-"));
    }
    let two = [zip(b"AB"), zip(b"CD")].concat();
    assert_eq!(echo(&server.ask(&head, &two).body), b"ABCD");
}

#[test]
fn a_damaged_or_unknown_encoding_is_the_clients_fault() {
    let server = Server::start(&["--open"]);
    let head = format!("{POST}\nContent-Encoding: br");
    assert_eq!(server.ask(&head, b"ABCD").status, 415);
    let head = format!("{POST}\nContent-Encoding: gzip");
    let early = head.replace("/x", "/late");
    assert_eq!(server.ask(&early, b"no gzip at all").status, 400);
    // Where the head is out already, the answer is cut.
    assert!(!server.ask(&head, b"no gzip at all").is_whole);
    let zipped = zip(&b"ABCDEFGH".repeat(1000));
    assert!(!server.ask(&head, &zipped[..zipped.len() - 9]).is_whole);
}

#[test]
fn a_client_that_expects_it_is_told_to_continue() {
    let server = Server::start(&["--open"]);
    let mut stream = server.connect();
    let head = "POST /demo/hello.git/late\nExpect: 100-continue\nContent-Length: 4";
    send(&mut stream, head, b"");
    let mut line = [0; 25];
    stream.read_exact(&mut line).expect("an answer");
    assert_eq!(&line, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"ABCD").expect("send");
    assert_eq!(read(&mut stream).body, b"ABCD");
    let mut stream = server.connect();
    send(&mut stream, &head.replace("hello", "none"), b"");
    assert_eq!(read(&mut stream).status, 404);
}

#[test]
fn a_body_that_is_cut_is_never_taken_for_a_whole_one() {
    let server = Server::start(&["--open"]);
    let mut stream = server.connect();
    send(&mut stream, &format!("{POST}\nContent-Length: 9"), b"");
    stream.write_all(b"ABCD").expect("send");
    stream.shutdown(std::net::Shutdown::Write).expect("cut");
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest);
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    // The line is written once the request is over, which its client knows first.
    let begin = Instant::now();
    while !server.log().contains("the client went away") {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", server.log());
    }
}

#[test]
fn a_slow_reader_does_not_make_the_server_hold_the_answer() {
    let server = Server::start(&["--open"]);
    let mut stream = server.connect();
    let mut sender = stream.try_clone().expect("clone");
    sender.set_write_timeout(Some(std::time::Duration::from_secs(2))).expect("a timeout");
    send(&mut sender, &format!("{POST}\nTransfer-Encoding: chunked"), b"");
    let chunk = [b"100000\r\n".to_vec(), vec![b'A'; 1 << 20], b"\r\n".to_vec()].concat();
    let sent = (0..200).take_while(|_| sender.write_all(&chunk).is_ok()).count();
    assert!(sent < 100, "{sent} MiB were taken while nobody read");
    let mut some = [0; 100];
    stream.read_exact(&mut some).expect("the answer goes on");
}

#[test]
fn a_head_has_a_bound() {
    let server = Server::start(&["--open"]);
    let ask = |size: usize| {
        let head = format!("GET /demo/hello.git/x\nX-Long: {}", "a".repeat(size));
        server.ask(&head, b"").status
    };
    assert_eq!(ask(30_000), 200);
    assert_eq!(ask(100_000), 431);
}
