//! Real git against the engine in memory: what a person does in a day.

use crate::client::{request, run};
use crate::git::{Git, history};
use crate::server::{Shared, serve};
use engine::memory::Memory;
use std::sync::{Arc, Mutex};

/// The hash functions that repositories are made with.
const FORMATS: [&str; 2] = ["sha1", "sha256"];

fn server(format: &str) -> (Shared, String) {
    let mut host = Memory::default();
    let path = format!("/-/create?object-format={format}");
    let answer = run(&mut host, request("POST", &path, &[]), &[]);
    assert!(answer.starts_with(b"Status: 201"), "{}", String::from_utf8_lossy(&answer));
    let host = Arc::new(Mutex::new(host));
    (host.clone(), serve(host))
}

fn fsck(host: &Shared) -> String {
    let mut host = host.lock().expect("the server did not panic");
    let answer = run(&mut host, request("GET", "/-/fsck", &[]), &[]);
    String::from_utf8(answer).expect("text")
}

fn source(name: &str) -> Git {
    let git = Git::new(name);
    git.run(&["fast-import", "--quiet", "--done"], &history(60));
    git
}

#[test]
fn a_day_of_pushes_and_fetches_in_every_protocol_version() {
    for (format, version) in FORMATS.iter().flat_map(|format| ["0", "1", "2"].map(|n| (format, n)))
    {
        let config = format!("protocol.version={version}");
        let (host, url) = server(format);
        let git = source(&format!("day-{version}-{format}"));
        let client = Git::new(&format!("client-{version}-{format}"));
        let at = |git: &Git, arguments: &[&str]| {
            git.run(&[&["-c", &config], arguments].concat(), b"");
        };
        at(&client, &["fetch", "-q", &url, "+refs/*:refs/*"]);
        at(&git, &["push", "-q", &url, "main~20:refs/heads/main"]);
        at(&client, &["fetch", "-q", &url, "+refs/*:refs/*"]);
        at(&git, &["push", "-q", &url, "main", "side", "v1"]);
        at(&client, &["fetch", "-q", &url, "+refs/*:refs/*"]);
        at(&git, &["push", "-q", "--force", &url, "main~5:main", ":side"]);
        at(&git, &["push", "-q", "--atomic", &url, "main:refs/heads/other", "v1:refs/tags/v2"]);
        at(&client, &["fetch", "-q", "--prune", &url, "+refs/*:refs/*"]);
        let refs = client.text(&["for-each-ref", "--format=%(objectname) %(refname)"]);
        let listed = client.text(&["ls-remote", "--refs", &url]).replace('\t', " ");
        assert_eq!(refs, listed, "version {version}");
        assert!(fsck(&host).ends_with("\nok\n"), "{}", fsck(&host));
        client.run(&["fsck", "--full", "--strict"], b"");
        let fresh = Git::new(&format!("fresh-{version}-{format}"));
        at(&fresh, &["fetch", "-q", &url, "refs/heads/main:refs/heads/main"]);
        assert!(fresh.objects(&["main"]) == git.objects(&["main~5"]));
        fresh.run(&["fsck", "--full", "--strict"], b"");
    }
}

#[test]
fn shallow_and_partial_clones_get_what_they_ask_for() {
    FORMATS.iter().for_each(|format| bounded_clones(format));
}

fn bounded_clones(format: &str) {
    let (_, url) = server(format);
    let git = source(&format!("shallow-{format}"));
    git.run(&["push", "-q", &url, "main", "side", "v1"], b"");
    for version in ["0", "2"] {
        let config = format!("protocol.version={version}");
        let client = Git::new(&format!("shallow-{version}-{format}"));
        let fetch = |arguments: &[&str]| {
            let all = [&["-c", &config, "fetch", "-q"], arguments, &[&url, "main"]].concat();
            client.run(&all, b"");
            client.run(&["fsck", "--full"], b"");
            client.text(&["rev-list", "--count", "FETCH_HEAD"])
        };
        assert_eq!(fetch(&["--depth=1"]), "1");
        let three = git.text(&["rev-list", "--count", "main", "--not", "main~3^@"]);
        assert_eq!((fetch(&["--depth=4"]), three.as_str()), (three.clone(), "4"));
        fetch(&["--deepen=2"]);
        let since = git.text(&["log", "-1", "--format=%ct", "main~10"]);
        let count = git.text(&["rev-list", "--count", &format!("--since={since}"), "main"]);
        assert_eq!(fetch(&[&format!("--shallow-since={since}")]), count);
        assert_eq!(fetch(&["--unshallow"]), git.text(&["rev-list", "--count", "main"]));
        let partial = Git::new(&format!("partial-{version}-{format}"));
        partial.run(&["remote", "add", "origin", &url], b"");
        let command = ["-c", &config, "fetch", "-q", "--filter=blob:none", "origin", "main"];
        partial.run(&command, b"");
        let path = git.text(&["ls-tree", "-r", "--name-only", "main"]);
        let path = format!("FETCH_HEAD:{}", path.lines().next().expect("a file"));
        let content = partial.run(&["-c", &config, "cat-file", "blob", &path], b"");
        assert_eq!(
            content,
            git.run(&["cat-file", "blob", &path.replace("FETCH_HEAD", "main")], b"")
        );
    }
}

#[test]
fn a_client_of_another_hash_function_hears_why_not() {
    for (ours, other) in [("sha1", "sha256"), ("sha256", "sha1")] {
        let (_, url) = server(ours);
        source(&format!("here-{ours}")).run(&["push", "-q", &url, "main"], b"");
        let client = source(&format!("there-{other}"));
        for version in ["0", "1", "2"] {
            let config = format!("protocol.version={version}");
            let check = |arguments: &[&str], expect: &str| {
                let words = [&["-c", &config], arguments].concat();
                let said = client.try_run(&words, b"").err();
                let has = said.as_ref().is_some_and(|said| said.contains(expect));
                assert!(has, "{ours} v{version} {arguments:?}: {said:?}");
            };
            let fetching = match version {
                "2" => format!("mismatched algorithms: client {other}; server {ours}"),
                _ => "Server does not support this repository's object format".into(),
            };
            check(&["fetch", &url, "main"], &fetching);
            let pushing = "the receiving end does not support this repository's hash algorithm";
            check(&["push", &url, "main:new"], pushing);
        }
    }
}
