//! What binds one caller and what is set for all, as the host sees it.

use crate::client::tree;
use crate::client::{self, Change, blob, pack, push_body, repository, request, run, small_commit};
use engine::error::{Error, Result};
use engine::hash::Oid;
use engine::memory::{Cost, Memory};
use engine::store::Store;
use engine::store::import::Import;

const MAIN: &str = "refs/heads/main";
const AGENT: &str = "gitcell.denyWrite=refs\ngitcell.denyWrite=!refs/heads/agent\n\
    gitcell.denyForce=refs\ntransfer.hideRefs=refs/heads/secret\n";

/// Sets a key through the admin's route.
fn set(host: &mut Memory, key: &str, value: &str) {
    let path = format!("/-/config?key={key}&value={value}&add=true");
    let answer = run(host, request("PUT", &path, &[]), &[]);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
}

/// Pushes as a caller that these rules bind; gives the report.
fn push_as(host: &mut Memory, rules: &str, changes: &[Change], pack: &[u8]) -> String {
    let media = "application/x-git-receive-pack-request";
    let mut request = request("POST", "/git-receive-pack", &[("content-type", media)]);
    request.caller = format!("bot\n{rules}").into_bytes();
    let answer = run(host, request, &[&push_body(changes, pack)]);
    String::from_utf8_lossy(&answer).into_owned()
}

fn filled() -> (Memory, Oid, Oid) {
    let mut host = repository();
    let first = small_commit(None, 1);
    client::push(&mut host, &[(MAIN, None, Some(first[0].oid))], &pack(&first));
    let second = small_commit(Some(&first[0].oid), 2);
    client::push(&mut host, &[("refs/heads/two", None, Some(second[0].oid))], &pack(&second));
    (host, first[0].oid, second[0].oid)
}

#[test]
fn rules_bind_the_caller_and_nobody_else() {
    let (mut host, first, second) = filled();
    let new = |name| [(name, None, Some(second))];
    let forward = [(MAIN, Some(first), Some(second))];
    let report = push_as(&mut host, AGENT, &forward, &pack(&[]));
    assert!(report.contains("ng refs/heads/main this ref is not to be written"), "{report}");
    let report = push_as(&mut host, AGENT, &new("refs/heads/secret"), &pack(&[]));
    assert!(report.contains("ng refs/heads/secret deny updating a hidden ref"), "{report}");
    let report = push_as(&mut host, AGENT, &new("refs/heads/agent/one"), &pack(&[]));
    assert!(report.contains("ok refs/heads/agent/one"), "{report}");
    let back = [("refs/heads/agent/one", Some(second), Some(first))];
    let report = push_as(&mut host, AGENT, &back, &pack(&[]));
    assert!(report.contains("ng refs/heads/agent/one non-fast-forward"), "{report}");
    let report = push_as(&mut host, "", &back, &pack(&[]));
    assert!(report.contains("ok refs/heads/agent/one"), "{report}");
    let log = host.rows.values().filter(|row| row.windows(11).any(|text| text == b"caller bot\n"));
    assert_eq!(log.count(), 2, "the log has the name alone");
}

#[test]
fn a_caller_s_exception_lifts_no_rule_of_the_repository() {
    let (mut host, first, second) = filled();
    set(&mut host, "gitcell.denyWrite", MAIN);
    let change = [(MAIN, Some(first), Some(second))];
    let report = push_as(&mut host, "gitcell.denyWrite=!refs\n", &change, &pack(&[]));
    assert!(report.contains("ng refs/heads/main this ref is not to be written"), "{report}");
}

#[test]
fn settings_cost_no_call() {
    let cost = |settings: &[(&str, &str)]| {
        let (mut host, first, second) = filled();
        settings.iter().for_each(|(key, value)| set(&mut host, key, value));
        host.cost = Cost::default();
        client::fetch(&mut host, second, &[first]);
        let third = small_commit(Some(&second), 3);
        client::push(&mut host, &[("refs/heads/x", None, Some(third[0].oid))], &pack(&third));
        [host.cost.gets, host.cost.scans, host.cost.commits, host.cost.rows_read]
    };
    let some = [
        ("gitcell.denyDelete", "refs"),
        ("transfer.hideRefs", "refs/pull"),
        ("receive.fsck.hasDot", "ignore"),
        ("receive.denyDeletes", "true"),
    ];
    assert_eq!(cost(&some), cost(&[]));
}

#[test]
fn an_administrator_hears_what_is_wrong() {
    let mut host = repository();
    let check = |host: &mut Memory, path: &str, expect: &str| {
        let answer = run(host, request("PUT", path, &[]), &[]);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        assert!(answer.contains("Status: 400") && answer.trim_end().ends_with(expect), "{answer}");
    };
    check(&mut host, "/-/config?key=core.bare&value=1", "there is no setting of that name");
    check(&mut host, "/-/config?value=1", "there is no setting of that name");
    let path = "/-/config?key=receive.denyDeletes&value=perhaps";
    check(&mut host, path, "that is no value of this setting");
    set(&mut host, "receive.denydeletes", "on");
    let shown = |host: &mut Memory, path: &str| run(host, request("GET", path, &[]), &[]);
    assert!(shown(&mut host, "/-/config").ends_with(b"\r\n\r\nreceive.denyDeletes=true\n"));
    let path = "/-/config?key=receive.DENYDELETES";
    assert!(shown(&mut host, path).ends_with(b"\r\n\r\ntrue\n"));
}

/// What a pack is refused for that is taken in parts of so many objects.
fn refusal(host: &mut Memory, pack: &[u8], objects: u32) -> Option<String> {
    let mut store = Store::open(host).expect("readable").expect("a repository");
    let mut import = Import::new(&mut store, 0).in_parts(objects);
    let outcome = taken(&mut store, &mut import, pack);
    outcome.err().map(|error| String::from_utf8(import.explain(error)).expect("text"))
}

fn taken(store: &mut Store, import: &mut Import, pack: &[u8]) -> Result<()> {
    import.feed(store, pack)?;
    while !import.step(store)? {}
    Ok(())
}

#[test]
fn a_path_is_refused_in_whichever_part_of_a_pack_it_is() {
    let commit = small_commit(None, 1);
    let whole = pack(&commit);
    for objects in [1, 2, 3, 100] {
        let check = |key: &str, value: &str, expect: Option<(usize, &str)>| {
            let mut host = repository();
            set(&mut host, key, value);
            let hex = |at: usize| String::from_utf8(commit[at].oid.to_hex().to_vec()).expect("hex");
            let expect = expect.map(|(at, text)| format!("tree {}: {text}", hex(at)));
            assert_eq!(refusal(&mut host, &whole, objects), expect, "{value} by {objects}");
            let mut store = Store::open(&mut host).expect("readable").expect("a repository");
            let mut again = Import::again(&mut store).in_parts(objects);
            assert_eq!(taken(&mut store, &mut again, &whole), Ok(()), "it was let in once");
        };
        let forbid = "gitcell.forbidPath";
        check(forbid, "folder/file", Some((2, "the path 'folder/file' is forbidden")));
        check(forbid, "folder/", Some((1, "the path 'folder' is forbidden")));
        check(forbid, "/file", None);
        check("gitcell.maxTreeDepth", "1", Some((2, "the path 'folder/file' is too deep")));
        check("gitcell.maxTreeDepth", "2", None);
    }
}

#[test]
fn a_tree_at_too_many_paths_is_refused() {
    let mut objects = vec![blob(1, 10)];
    objects.push(tree("100644", &[("file".into(), objects[0].oid)]));
    for _ in 0..12 {
        let inner = objects.last().expect("one").oid;
        let names = |name: u8| (char::from(b'a' + name).to_string(), inner);
        objects.push(tree("40000", &(0..10).map(names).collect::<Vec<_>>()));
    }
    let top = objects.last().expect("one").oid;
    objects.push(client::commit(&top, &[], 1));
    let whole = pack(&objects);
    let mut host = repository();
    assert_eq!(refusal(&mut host, &whole, 100), None);
    set(&mut host, "gitcell.forbidPath", "*.pem");
    let refusal = refusal(&mut host, &whole, 100);
    assert_eq!(refusal.as_deref(), Some(Error::TooLarge.text()));
}
