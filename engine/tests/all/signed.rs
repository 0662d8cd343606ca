//! What the nonce of a signed push is worth, and reading the log.

use crate::client::{self, pack, repository, request, run, small_commit};
use engine::memory::Memory;
use engine::wire::line;

const TIME: u64 = 1_700_000_000;

fn set(host: &mut Memory, key: &str, value: &str) {
    let answer = run(host, request("PUT", &format!("/-/config?key={key}&value={value}"), &[]), &[]);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
}

/// The nonce that is offered at a time.
fn offered(host: &mut Memory, time: u64) -> String {
    let mut request = request("GET", "/info/refs?service=git-receive-pack", &[]);
    request.time = time;
    let answer = String::from_utf8_lossy(&run(host, request, &[])).into_owned();
    let nonce = answer.split("push-cert=").nth(1).and_then(|rest| rest.split_whitespace().next());
    nonce.unwrap_or_default().to_string()
}

/// Pushes a new ref at a time, signed with this line in the head; the log's word on the nonce.
fn push(host: &mut Memory, time: u64, line: &str) -> String {
    let objects = small_commit(None, 1);
    let hex = objects[0].oid.to_hex();
    let zeros = [b'0'; 40];
    let name = format!(" refs/heads/at-{}", host.rows.len());
    let mut body = Vec::new();
    let mut add = |parts: &[&[u8]]| line::write(&mut body, parts);
    add(&[b"push-cert\0report-status\n"]);
    add(&[b"certificate version 0.1\n"]);
    add(&[line.as_bytes()]);
    add(&[b"\n"]);
    add(&[&zeros, b" ", &hex, name.as_bytes(), b"\n"]);
    add(&[b"-----BEGIN SSH SIGNATURE-----\n"]);
    add(&[b"push-cert-end\n"]);
    line::flush(&mut body);
    body.extend(pack(&objects));
    let media = "application/x-git-receive-pack-request";
    let mut request = request("POST", "/git-receive-pack", &[("content-type", media)]);
    request.time = time;
    let answer = run(host, request, &[&body]);
    assert!(answer.windows(9).any(|text| text == b"unpack ok"), "{}", answer.escape_ascii());
    let log = run(host, client::request("GET", "/-/log", &[]), &[]);
    let log = String::from_utf8_lossy(&log).into_owned();
    let last = log.rsplit("\npush ").next().unwrap_or_default();
    assert!(last.contains(&format!("cert {line}")), "{last}");
    let word = last.lines().find_map(|line| line.strip_prefix("nonce "));
    word.unwrap_or_default().to_string()
}

#[test]
fn a_nonce_is_worth_what_git_says() {
    let mut host = repository();
    assert_eq!(offered(&mut host, TIME), "", "without a seed");
    assert_eq!(push(&mut host, TIME, "nonce 1-2\n"), "UNSOLICITED");
    set(&mut host, "receive.certNonceSeed", "sesame");
    let nonce = offered(&mut host, TIME);
    assert_eq!(push(&mut host, TIME, &format!("nonce {nonce}\n")), "OK");
    assert_eq!(push(&mut host, TIME + 1, &format!("nonce {nonce}\n")), "SLOP");
    set(&mut host, "receive.certNonceSlop", "10");
    for (time, expect) in [(TIME + 10, "OK"), (TIME + 11, "SLOP"), (TIME - 10, "OK")] {
        assert_eq!(push(&mut host, time, &format!("nonce {nonce}\n")), expect, "{time}");
    }
    let other = nonce.replacen("17", "16", 1);
    for bad in [other.as_str(), &nonce[..nonce.len() - 1], "x", "0-0", "-", ""] {
        assert_eq!(push(&mut host, TIME, &format!("nonce {bad}\n")), "BAD", "{bad}");
    }
    assert_eq!(push(&mut host, TIME, "pusher ada\n"), "MISSING");
    set(&mut host, "receive.certNonceSeed", "other");
    assert_eq!(push(&mut host, TIME, &format!("nonce {nonce}\n")), "BAD", "of another seed");
}

#[test]
fn the_log_is_read_from_a_number_on() {
    let mut host = repository();
    for _ in 0..3 {
        push(&mut host, TIME, "nonce 1-2\n");
    }
    let mut numbers = |query: &str| -> Vec<String> {
        let log = run(&mut host, request("GET", &format!("/-/log{query}"), &[]), &[]);
        let log = String::from_utf8_lossy(&log).into_owned();
        log.lines().filter_map(|line| line.strip_prefix("push ")).map(str::to_string).collect()
    };
    assert_eq!(numbers(""), ["0", "1", "2"]);
    assert_eq!(numbers("?after=0"), ["1", "2"]);
    assert_eq!(numbers("?after=0&limit=1"), ["1"]);
    assert_eq!(numbers("?limit=0"), [""; 0]);
    assert_eq!(numbers("?after=2"), [""; 0]);
}
