//! Statuses and heads: what is answered before any protocol begins.

use crate::client::{repository, request, run};
use engine::engine::{Access, Request};

/// The status and the rest of an answer.
fn answer(request: Request) -> (String, String) {
    let answer = run(&mut repository(), request, &[]);
    let text = String::from_utf8(answer).expect("text");
    let (head, rest) = text.split_once("\r\n").expect("a head");
    (head.trim_start_matches("Status: ")[..3].to_owned(), rest.to_owned())
}

fn check(method: &str, path: &str, expect: &str) {
    let (status, rest) = answer(request(method, path, &[]));
    assert_eq!(status, expect, "{method} {path}: {rest}");
}

#[test]
fn each_request_gets_the_status_that_fits() {
    check("GET", "/info/refs?service=git-upload-pack", "200");
    check("GET", "/info/refs?a=b&service=git%2dreceive-pack", "200");
    check("HEAD", "/info/refs?service=git-upload-pack", "200");
    check("POST", "/info/refs?service=git-upload-pack", "405");
    check("GET", "/info/refs", "403");
    check("GET", "/info/refs?service=git-upload-archive", "403");
    check("GET", "/git-upload-pack", "405");
    check("POST", "/git-upload-pack", "415");
    check("GET", "/objects/info/packs", "404");
    check("GET", "/-/nothing", "404");
}

#[test]
fn names_of_branches_are_decoded_and_checked() {
    for (branch, expect) in
        [("main", "200"), ("a%2Fb", "200"), ("a%20b", "400"), ("a+b", "400"), ("a%2Bb", "200")]
    {
        check("POST", &format!("/-/head?branch={branch}"), expect);
    }
    for branch in ["", "bad..name", "%2fx", "x.lock", "-x", "%zz", "a%00b"] {
        let expect = if branch == "%zz" { "200" } else { "400" };
        check("POST", &format!("/-/head?branch={branch}"), expect);
    }
    let mut host = engine::memory::Memory::default();
    for (query, expect) in [
        ("default-branch=a%20b", "400"),
        ("object-format=md5", "400"),
        ("default-branch=a%2Fb&object-format=sha256", "201"),
        ("", "409"),
    ] {
        let request = request("POST", &format!("/-/create?{query}"), &[]);
        let answer = run(&mut host, request, &[]);
        assert!(answer.starts_with(format!("Status: {expect}").as_bytes()), "{query}");
    }
}

#[test]
fn nobody_does_what_they_may_not() {
    let check = |method, path, access, expect| {
        let (status, rest) = answer(Request { access, ..request(method, path, &[]) });
        assert_eq!(status, expect, "{method} {path}: {rest}");
    };
    let nothing = Access::default();
    let reader = Access { read: true, ..nothing };
    let writer = Access { write: true, ..reader };
    check("GET", "/info/refs?service=git-upload-pack", nothing, "403");
    check("GET", "/info/refs?service=git-upload-pack", reader, "200");
    check("GET", "/info/refs?service=git-receive-pack", reader, "403");
    check("POST", "/git-receive-pack", reader, "403");
    check("GET", "/info/refs?service=git-receive-pack", writer, "200");
    check("POST", "/-/head?branch=x", writer, "404");
    check("GET", "/-/bundle", writer, "404");
    check("POST", "/-/create", writer, "404");
}

#[test]
fn a_session_has_the_id_of_its_request() {
    for service in ["upload", "receive"] {
        let path = format!("/info/refs?service=git-{service}-pack");
        let (_, rest) = answer(request("GET", &path, &[("git-protocol", "version=2")]));
        assert!(rest.contains("session-id=request\n"), "{rest}");
        let without = Request { id: Vec::new(), ..request("GET", &path, &[]) };
        let (_, rest) = answer(without);
        assert!(!rest.contains("session-id"), "{rest}");
    }
}
