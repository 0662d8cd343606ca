//! Who is let in, and to what.

use crate::server::Server;

const PATH: &str = "/demo/hello.git/info/refs";

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn the_first_start_prints_a_token_that_opens_the_repository_it_made() {
    let server = Server::start(&[]);
    let (_, rest) = server.greeting.split_once("Authorization: Bearer ").expect("a header");
    let (token, url) = rest.trim().split_once("' ").expect("a token in it");
    assert_eq!(url, format!("http://{}/demo/hello.git", server.address));
    assert_eq!(server.get(PATH, token).status, 200);
    assert!(!server.log().contains(token));
    let (_, folder) = server.stop();
    let server = Server::start_in(folder, &[]);
    assert!(!server.greeting.contains("gitcell_"), "{}", server.greeting);
}

#[test]
fn without_a_token_the_caller_is_asked_for_one() {
    let server = Server::start(&[]);
    for path in [PATH, "/git/demo/hello.git/x", "/no/such.git/info/refs"] {
        let answer = server.ask(&format!("GET {path}"), b"");
        assert_eq!(answer.status, 401);
        assert!(answer.head.contains("www-authenticate: basic realm=\"gitcell\""));
    }
}

#[test]
fn a_token_that_does_not_fit_is_refused_with_a_sentence() {
    let server = Server::start(&[]);
    assert!(server.gitcell(&["repo", "create", "demo/other"]).status.success());
    let check = |token: &str, path: &str, expect: &str| {
        let answer = server.get(path, token);
        assert_eq!(answer.status, 403);
        assert!(text(&answer.body).contains(expect), "{}", text(&answer.body));
        assert!(answer.head.contains("content-type: text/plain"));
    };
    check("gitcell_00000000_0000000000000000000000000000000000000000", PATH, "not known");
    let bound = server.token(&["--repo", "demo/other"]);
    check(&bound, PATH, "another repository");
    assert_eq!(server.get("/demo/other.git/info/refs", &bound).status, 200);
    let revoked = server.token(&[]);
    assert_eq!(server.get(PATH, &revoked).status, 200);
    assert!(server.gitcell(&["token", "revoke", &revoked]).status.success());
    check(&revoked, PATH, "revoked");
    let short = server.token(&["--ttl", "1s"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    check(&short, PATH, "expired");
}

#[test]
fn the_engine_hears_what_the_caller_may_do_and_no_secret() {
    let server = Server::start(&[]);
    let check = |token: &str, access: u32| {
        let head = format!(
            "GET /git/demo/hello.git/a/b?c=%20d\nAuthorization: Bearer {token}\nCookie: no\nGit-Protocol: version=2"
        );
        let body = server.ask(&head, b"").body;
        let (start, end) = (text(&body), &body[body.len() - 4..]);
        let expect = "GET|/a/b|c=%20d|host|localhost|git-protocol|version=2|";
        assert!(start.starts_with(expect), "{start}");
        assert!(!start.contains(token) && !start.to_lowercase().contains("cookie"), "{start}");
        assert!(start.contains(" ci|"), "{start}");
        assert_eq!(end, access.to_le_bytes());
    };
    check(&server.token(&["--note", "ci"]), 1);
    check(&server.token(&["--note", "ci", "--scope", "write"]), 3);
}

#[test]
fn what_the_host_keeps_for_itself_is_not_reached_from_outside() {
    let server = Server::start(&["--open"]);
    for path in ["/demo/hello.git/-/create", "/demo/hello.git/-/fsck", "/x", "/demo/hello.git"] {
        assert_eq!(server.ask(&format!("POST {path}"), b"").status, 404, "{path}");
    }
    assert_eq!(server.ask(&format!("DELETE {PATH}"), b"").status, 405);
    assert_eq!(server.ask("GET /", b"").status, 200);
}

#[test]
fn an_open_server_makes_a_repository_for_a_push_only() {
    let server = Server::start(&["--open"]);
    let check = |head: &str, expect: u16| {
        assert_eq!(server.ask(head, b"").status, expect, "{head}");
    };
    check("GET /a/b.git/info/refs?service=git-upload-pack", 404);
    check("GET /a/b.git/info/refs", 404);
    check("POST /a/b.git/git-upload-pack", 404);
    check("GET /a/b.git/info/refs?service=git-receive-pack", 200);
    check("GET /a/b.git/info/refs?service=git-upload-pack", 200);
    check("POST /a/c.git/git-receive-pack", 200);
    check("POST /A/c.git/git-receive-pack", 404);
    let closed = Server::start(&[]);
    let token = closed.token(&["--scope", "write"]);
    assert_eq!(closed.get("/a/b.git/info/refs?service=git-receive-pack", &token).status, 404);
}
