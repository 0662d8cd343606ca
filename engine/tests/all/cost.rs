//! What each operation costs its host: calls, rows and bytes. Rows are what a host bills.
//! `INSTA_UPDATE=always cargo test -p engine cost` writes a table that changed for a reason.

use crate::client::{self, Change, fetch, large_commit, pack, push, repository, small_commit};
use engine::hash::Oid;
use engine::memory::{Cost, Memory};
use engine::wire::line;
use std::fmt::Write;

const MAIN: &str = "refs/heads/main";

/// The table, as it grows.
struct Table(String);

impl Table {
    fn new() -> Table {
        let mut table = Table(String::new());
        let rows = "rows read  budget  written  budget";
        let bytes = "bytes read    written       sent";
        writeln!(table.0, "{:<43}   get   scan commit   emit  {rows}  {bytes}", "")
            .expect("it takes all");
        table
    }

    /// Measures an operation. `budget`: rows read and written that it may take.
    fn measure<T>(
        &mut self,
        name: &str,
        budget: Option<(usize, usize)>,
        host: &mut Memory,
        operation: impl FnOnce(&mut Memory) -> T,
    ) -> T {
        host.cost = Cost::default();
        let outcome = operation(host);
        let cost = host.cost;
        let (read, written) = budget.unzip();
        let show = |budget: Option<usize>| budget.map_or("-".into(), |budget| budget.to_string());
        writeln!(
            self.0,
            "{name:<43} {:>5}  {:>5}  {:>5}  {:>5}  {:>9}  {:>6}  {:>7}  {:>6}  {:>10} {:>10} {:>10}",
            cost.gets,
            cost.scans,
            cost.commits,
            cost.emits,
            cost.rows_read,
            show(read),
            cost.rows_written,
            show(written),
            cost.bytes_read,
            cost.bytes_written,
            cost.bytes_sent,
        )
        .expect("it takes all");
        let is_kept = read.is_none_or(|read| cost.rows_read <= read)
            && written.is_none_or(|written| cost.rows_written <= written);
        assert!(is_kept, "{name} is over its budget:\n{}", self.0);
        outcome
    }
}

/// Pushes one small commit onto `tip`, gives the new tip.
fn push_small(host: &mut Memory, tip: Option<Oid>, number: usize) -> Oid {
    let objects = small_commit(tip.as_ref(), number);
    push(host, &[(MAIN, tip, Some(objects[0].oid))], &pack(&objects));
    objects[0].oid
}

fn small(table: &mut Table) {
    let mut host = repository();
    let first = table.measure("push of a first commit", Some((12, 6)), &mut host, |host| {
        push_small(host, None, 1)
    });
    let second = table.measure("push of one small commit", Some((12, 6)), &mut host, |host| {
        push_small(host, Some(first), 2)
    });
    table.measure("fetch of one commit", None, &mut host, |host| fetch(host, second, &[first]));
    table.measure("fetch with nothing new", Some((6, 0)), &mut host, |host| {
        fetch(host, second, &[second])
    });
    let new: Change = ("refs/heads/other", None, Some(first));
    table.measure("push of a new ref to an old commit", None, &mut host, |host| {
        push(host, &[new], &pack(&[]));
    });
    table.measure("push that deletes a ref", None, &mut host, |host| {
        push(host, &[(new.0, new.2, None)], b"");
    });
}

fn large(table: &mut Table) {
    let mut host = repository();
    let objects = large_commit(5_000, 7_800);
    let tip = objects[0].oid;
    let sent = pack(&objects);
    let budget = sent.len() / (1 << 20) + 20;
    table.measure("push of 5,000 files, 39 MB", Some((20, budget)), &mut host, |host| {
        push(host, &[(MAIN, None, Some(tip))], &sent);
    });
    let answer = table.measure("clone of 5,000 files", Some((budget, 0)), &mut host, |host| {
        fetch(host, tip, &[])
    });
    assert!(answer.len() > sent.len());
    let new = table.measure(
        "push of one small commit on top of them",
        Some((12, 6)),
        &mut host,
        |host| push_small(host, Some(tip), 1),
    );
    push(&mut host, &[("refs/heads/side", None, Some(tip))], &pack(&[]));
    table.measure(
        "clone of their branch, another behind it",
        Some((budget, 0)),
        &mut host,
        |host| fetch(host, new, &[]),
    );
}

fn many(table: &mut Table) {
    let mut host = repository();
    let mut tips: Vec<Oid> = Vec::new();
    table.measure("1,000 pushes of one small commit", None, &mut host, |host| {
        for number in 0..1_000 {
            tips.push(push_small(host, tips.last().copied(), number));
        }
    });
    let [.., old, tip] = tips[..] else { panic!("a thousand") };
    let eleventh = tips[tips.len() - 11];
    let bytes: usize = host.rows.values().map(Vec::len).sum();
    let budget = Some((bytes / (1 << 20) + 40, 0));
    table.measure("clone of them", budget, &mut host, |host| fetch(host, tip, &[]));
    table.measure("fetch of the last of them", None, &mut host, |host| fetch(host, tip, &[old]));
    table.measure("fetch of the last ten of them", None, &mut host, |host| {
        fetch(host, tip, &[eleventh])
    });
    table.measure("fetch with nothing new, after them", Some((6, 0)), &mut host, |host| {
        fetch(host, tip, &[tip])
    });
    for (name, option) in [
        ("clone --depth=1 of them", b"deepen 1".as_slice()),
        ("clone --filter=blob:none of them", b"filter blob:none"),
    ] {
        table.measure(name, budget, &mut host, |host| {
            client::ask(host, "upload-pack", &[&clone_body(tip, option)])
        });
    }
    table.measure("one more push", Some((12, 6)), &mut host, |host| {
        push_small(host, Some(tip), 1_000)
    });
}

/// A clone's body with one more option.
fn clone_body(tip: Oid, option: &[u8]) -> Vec<u8> {
    const END: &[u8] = b"0009done\n0000";
    let mut body = client::fetch_body(&[tip], &[]);
    body.truncate(body.len() - END.len());
    line::write(&mut body, &[option]);
    body.extend_from_slice(END);
    body
}

fn refs(table: &mut Table) {
    let mut host = repository();
    let tip = push_small(&mut host, None, 1);
    let names: Vec<String> = (0..10_000).map(|n| format!("refs/heads/topic/{n:05}")).collect();
    let changes: Vec<Change> = names.iter().map(|name| (name.as_str(), None, Some(tip))).collect();
    table.measure("push of 10,000 new refs", None, &mut host, |host| {
        push(host, &changes, &pack(&[]));
    });
    let rows = host.rows.len();
    table.measure("ls-refs of 10,000 refs", Some((rows + 4, 0)), &mut host, |host| {
        client::ask(host, "upload-pack", &[&client::ls_refs_body()])
    });
    let mebibytes = host.cost.bytes_read.div_ceil(1 << 20);
    assert!(host.cost.scans <= mebibytes * 4 + 4, "{} scans", host.cost.scans);
    // Every push is shown every ref first: so the protocol has it.
    let budget = Some((rows + 12, 6));
    table.measure("push of one small commit beside 10,000 refs", budget, &mut host, |host| {
        push_small(host, Some(tip), 2)
    });
}

#[test]
fn each_operation_costs_what_the_table_says() {
    let mut table = Table::new();
    small(&mut table);
    large(&mut table);
    many(&mut table);
    refs(&mut table);
    insta::assert_snapshot!("cost", table.0);
}
