//! The process: limits, failures, its end, and commands beside it.

use crate::server::{Server, gitcell, send};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

const POST: &str = "POST /demo/hello.git/x";

#[test]
fn a_request_that_dies_is_cut_and_hurts_no_other() {
    let server = Server::start(&["--open", "--cpu-max", "1"]);
    for body in ["t", "l", "o"] {
        let answer = server.ask(POST, body.as_bytes());
        assert!(!answer.is_whole, "{body}");
    }
    assert!(server.ask(POST, b"A").is_whole);
    let log = server.log();
    assert!(log.contains("unreachable") && log.contains("limit of CPU time"), "{log}");
}

#[test]
fn one_line_is_logged_for_a_request() {
    let server = Server::start(&["--open"]);
    let before = server.log().lines().count();
    assert!(server.ask("GET /demo/hello.git/abc", b"").is_whole);
    assert_eq!(server.ask("GET /none/hello.git/abc", b"").status, 404);
    // A line is written once its request is over, which its client may know first.
    let begin = Instant::now();
    while server.log().lines().count() < before + 2 {
        assert!(begin.elapsed() < Duration::from_secs(10), "{}", server.log());
    }
    std::thread::sleep(Duration::from_millis(100));
    let log = server.log();
    assert_eq!(log.lines().count(), before + 2, "{log}");
    let line = log.lines().find(|line| line.contains("/abc") && line.contains("demo/hello"));
    assert!(line.is_some_and(|line| line.contains("200")), "{log}");
}

#[test]
fn above_its_capacity_the_server_asks_to_come_back() {
    let server = Server::start(&["--open", "--capacity", "1"]);
    let mut first = server.connect();
    send(&mut first, &format!("{POST}\nContent-Length: 2"), b"");
    first.write_all(b"A").expect("send");
    let mut some = [0; 1];
    first.read_exact(&mut some).expect("it runs");
    let answer = server.ask(POST, b"");
    assert_eq!(answer.status, 503);
    assert!(answer.head.contains("retry-after: "), "{}", answer.head);
    first.write_all(b"B").expect("send");
    assert!(server.ask(POST, b"").is_whole);
}

#[test]
fn a_stopped_server_ends_what_runs_and_takes_nothing_new() {
    let ssh = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it");
    let mut server = Server::start(&["--open", "--ssh", &ssh.to_string()]);
    let mut running = server.connect();
    send(&mut running, &format!("{POST}\nContent-Length: 2"), b"");
    running.write_all(b"A").expect("send");
    let mut some = [0; 1];
    running.read_exact(&mut some).expect("it runs");
    drop(TcpStream::connect(ssh).expect("it listens"));
    server.signal();
    let begin = Instant::now();
    while TcpStream::connect(&server.address).is_ok() || TcpStream::connect(ssh).is_ok() {
        assert!(begin.elapsed() < Duration::from_secs(10), "it still listens");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(server.child.try_wait().expect("wait").is_none(), "it did not wait");
    running.write_all(b"B").expect("send");
    let mut rest = Vec::new();
    running.read_to_end(&mut rest).expect("the answer");
    assert!(rest.ends_with(b"0\r\n\r\n"));
    assert!(server.child.wait().expect("wait").success());
}

#[test]
fn an_open_server_listens_on_loopback_only() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let serve = ["serve", "--open", "--listen", "0.0.0.0:0"];
    let output = gitcell(folder.path()).args(serve).output().expect("run");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("loopback only"));
}

#[test]
fn repositories_come_and_go_beside_a_running_server() {
    let server = Server::start(&["--open"]);
    let run = |arguments: &[&str], expect: Result<&str, &str>| {
        let output = server.gitcell(arguments);
        let (out, err) = (&output.stdout, &output.stderr);
        let said = String::from_utf8_lossy(if expect.is_ok() { out } else { err });
        assert_eq!(output.status.success(), expect.is_ok(), "{arguments:?}: {output:?}");
        let (Ok(part) | Err(part)) = expect;
        assert!(said.contains(part), "{arguments:?}: {said}");
    };
    let get = |expect: u16| assert_eq!(server.ask("GET /me/a.git/x", b"").status, expect);
    get(404);
    run(&["repo", "create", "me/a"], Ok("created me/a"));
    get(200);
    run(&["repo", "create", "me/a"], Err("exists already"));
    run(&["repo", "create", "Me/b"], Err("only by case"));
    run(&["repo", "create", "me/..b"], Err("letters, digits"));
    run(&["repo", "list"], Ok("me/a"));
    run(&["repo", "delete", "me/a"], Ok("deleted"));
    get(404);
    run(&["repo", "delete", "me/a"], Err("no repository me/a"));
    run(&["repo", "create", "me/a"], Ok("created"));
    get(200);
    run(&["token", "create", "--repo", "me/none"], Err("no repository me/none"));
    let mut late = server.connect();
    send(&mut late, "POST /me/a.git/x\nContent-Length: 2", b"");
    late.write_all(b"A").expect("send");
    let mut some = [0; 1];
    late.read_exact(&mut some).expect("it runs");
    run(&["repo", "delete", "me/a"], Ok("deleted"));
    late.write_all(b"B").expect("send");
    let mut rest = Vec::new();
    late.set_read_timeout(Some(Duration::from_secs(1))).expect("a timeout");
    let _ = late.read_to_end(&mut rest);
    assert!(rest.ends_with(b"0\r\n\r\n"));
}

#[test]
fn who_maintains_waits_for_another_who_does() {
    let server = Server::start(&["--open"]);
    let mut path = server.file("demo", "hello").into_os_string();
    path.push("-upkeep");
    std::fs::write(&path, "4242\n").expect("write");
    let turn = std::fs::File::open(&path).expect("open");
    turn.lock().expect("lock");
    let mut maintain = server.command(&["maintain", "demo/hello"]);
    let mut maintain = maintain.stderr(std::process::Stdio::piped()).spawn().expect("run");
    let mut said = String::new();
    let mut out = std::io::BufReader::new(maintain.stderr.take().expect("its words"));
    std::io::BufRead::read_line(&mut out, &mut said).expect("a line");
    assert!(said.contains("demo/hello: another process 4242 maintains it"), "{said}");
    assert!(maintain.try_wait().expect("wait").is_none(), "it did not wait");
    drop(turn);
    assert!(maintain.wait().expect("wait").success());
}

#[test]
fn an_import_that_fails_says_why_and_leaves_nothing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let git = |arguments: &[&str]| {
        let mut git = std::process::Command::new("git");
        git.current_dir(folder.path()).args(["-c", "user.name=x", "-c", "user.email=x"]);
        assert!(git.args(arguments).status().expect("git").success(), "{arguments:?}");
    };
    git(&["init", "--quiet", "source"]);
    git(&["-C", "source", "commit", "--quiet", "--allow-empty", "--message", "one"]);
    let check = |source: &str, expect: &str| {
        let source = folder.path().join(source);
        let mut import = gitcell(folder.path());
        let output = import.arg("import").arg(source).arg("a/b").output().expect("run");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expect), "{output:?}");
        let list = gitcell(folder.path()).args(["repo", "list"]).output().expect("run");
        assert!(list.status.success() && list.stdout.is_empty(), "{list:?}");
    };
    check("none", "cannot clone");
    check("data", "no git repository");
    // The stand-in answers no push.
    check("source", "git says: ");
}

#[test]
fn an_import_tells_no_password_and_leaves_another_alone() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let run = |words: &[&str]| {
        let output = gitcell(folder.path()).args(words).output().expect("run");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    // Nobody listens at this port.
    let (is_done, said) = run(&["import", "http://me:secret@127.0.0.1:1/x", "a/b"]);
    assert!(!is_done && said.contains("cannot clone http://127.0.0.1:1/x"), "{said}");
    assert!(!said.contains("secret"), "{said}");
    assert!(run(&["repo", "create", "a/b"]).0);
    let data = folder.path().join("data");
    let db = rusqlite::Connection::open(data.join("gitcell.db")).expect("open");
    db.execute_batch("UPDATE repositories SET importing = 1").expect("write");
    let file: String =
        db.query_row("SELECT file FROM repositories", [], |row| row.get(0)).expect("a file");
    let path = data.join("repositories").join(file + "-import");
    std::fs::write(&path, "4242\n").expect("write");
    let turn = std::fs::File::open(&path).expect("open");
    turn.lock().expect("lock");
    let (is_done, said) = run(&["import", "none", "a/b"]);
    assert!(!is_done && said.contains("another process 4242"), "{said}");
}

#[test]
fn a_log_that_takes_no_line_costs_no_answer() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let server = Server::start_as(folder, &[], |command| {
        command.stderr(full);
    });
    for _ in 0..3 {
        assert_eq!(server.ask("GET /demo/hello.git/x", b"").status, 401);
    }
}

#[test]
fn a_greeting_that_nobody_takes_ends_no_server() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let full = std::fs::File::options().write(true).open("/dev/full").expect("a full device");
    let address = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it");
    let mut serve = gitcell(folder.path());
    serve.args(["serve", "--listen", &address.to_string()]).stdout(full).stderr(Stdio::null());
    let mut serve = serve.spawn().expect("run");
    let is_answered = || {
        let mut stream = TcpStream::connect(address).ok()?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).ok()?;
        (!answer.is_empty()).then_some(())
    };
    let begin = Instant::now();
    while is_answered().is_none() {
        assert!(serve.try_wait().expect("wait").is_none(), "it ended");
        assert!(begin.elapsed() < Duration::from_secs(20), "it does not serve");
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = serve.kill();
    let _ = serve.wait();
}

#[test]
fn no_time_and_endless_time_are_no_limits_of_a_request() {
    for seconds in ["0", "18446744073709551615"] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut serve = gitcell(folder.path());
        serve.args(["serve", "--listen", "127.0.0.1:0", "--cpu-max", seconds]);
        let mut serve = serve.stderr(Stdio::null()).stdout(Stdio::null()).spawn().expect("run");
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(5) && serve.try_wait().expect("wait").is_none()
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = serve.kill();
        assert_eq!(serve.wait().expect("wait").code(), Some(2), "{seconds}");
    }
}
