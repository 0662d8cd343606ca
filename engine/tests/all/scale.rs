//! What operations cost as a repository grows: by its objects, its pushes, its refs. Counts, which
//! no machine changes. `SCALE=1 make bench` runs the far sizes too, for the plots.

use crate::client::{
    Object, ask, blob, commit, fetch, later, ls_refs_body, object, pack, push, repository, request,
    run, small_commit, tree,
};
use engine::hash::Oid;
use engine::memory::{Cost, Memory};
use engine::object::Kind;
use std::fmt::Write;

const MAIN: &str = "refs/heads/main";
/// Objects of one push.
const PART: usize = 100_000;

/// The table, as it grows: what grows, how far it grew, and what an operation then costs.
struct Table(String);

impl Table {
    fn new() -> Table {
        Table(
            "by\tsize\toperation\thost calls\trows read\trows written\tbytes read\tscans\n".into(),
        )
    }

    fn measure(
        &mut self,
        by: &str,
        size: usize,
        operation: &str,
        host: &mut Memory,
        run: impl FnOnce(&mut Memory),
    ) {
        host.cost = Cost::default();
        run(host);
        host.output.clear();
        let cost = host.cost;
        let calls = cost.gets + cost.scans + cost.commits + cost.emits;
        let (read, written, bytes) = (cost.rows_read, cost.rows_written, cost.bytes_read);
        let scans = cost.scans;
        writeln!(self.0, "{by}\t{size}\t{operation}\t{calls}\t{read}\t{written}\t{bytes}\t{scans}")
            .expect("it takes all");
    }

    /// What must not grow with the repository.
    fn small(&mut self, by: &str, size: usize, host: &Memory, tip: Oid, number: usize) {
        let mut host = host.clone();
        let objects = small_commit(Some(&tip), number);
        let new = objects[0].oid;
        self.measure(by, size, "push of one small commit", &mut host, |host| {
            push(host, &[(MAIN, Some(tip), Some(new))], &pack(&objects));
        });
        self.measure(by, size, "fetch of it", &mut host, |host| drop(fetch(host, new, &[tip])));
        self.measure(by, size, "fetch with nothing new", &mut host, |host| {
            fetch(host, new, &[new]);
        });
    }
}

fn maintain(host: &mut Memory) {
    let answer = run(host, request("POST", "/-/maintain", &[]), &[]);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
    host.output.clear();
}

/// A commit of so many files, a hundred in a folder, a hundred folders in a folder.
fn part(number: usize, files: usize, parent: Option<&Oid>) -> Vec<Object> {
    let file = |at: usize| object(Kind::Blob, format!("file {number} {at}\n").into_bytes());
    let mut level: Vec<Object> = (0..files).map(file).collect();
    let mut all = Vec::new();
    let mut mode = "100644";
    while all.is_empty() || level.len() > 1 {
        let name = |(at, object): (usize, &Object)| (format!("{at:02}"), object.oid);
        let folder = |objects: &[Object]| {
            tree(mode, &objects.iter().enumerate().map(name).collect::<Vec<_>>())
        };
        let above: Vec<Object> = level.chunks(100).map(folder).collect();
        all.append(&mut level);
        (level, mode) = (above, "40000");
    }
    let top = level.remove(0);
    let tip = commit(&top.oid, parent.as_slice(), number);
    all.push(top);
    all.insert(0, tip);
    all
}

fn objects(table: &mut Table, sizes: &[usize]) {
    let (mut host, mut tip, mut count, mut parts) = (repository(), None, 0, 0);
    for size in sizes {
        while count < *size {
            let objects = part(parts, (size - count).min(PART), tip.as_ref());
            push(&mut host, &[(MAIN, tip, Some(objects[0].oid))], &pack(&objects));
            host.output.clear();
            (tip, count, parts) = (Some(objects[0].oid), count + objects.len(), parts + 1);
        }
        maintain(&mut host);
        table.small("objects", *size, &host, tip.expect("a push"), 0);
    }
}

fn pushes(table: &mut Table, sizes: &[usize]) {
    let (mut host, mut tip, mut count) = (repository(), None, 0);
    for size in sizes {
        while count < *size {
            let objects = small_commit(tip.as_ref(), count);
            push(&mut host, &[(MAIN, tip, Some(objects[0].oid))], &pack(&objects));
            host.output.clear();
            (tip, count) = (Some(objects[0].oid), count + 1);
            later(count as u64);
        }
        let tip = tip.expect("a push");
        table.small("pushes", *size, &host, tip, count);
        maintain(&mut host);
        table.measure("pushes", *size, "clone", &mut host, |host| drop(fetch(host, tip, &[])));
    }
    later(0);
}

fn refs(table: &mut Table, sizes: &[usize]) {
    let (mut host, mut count) = (repository(), 1);
    let file = blob(1, 100);
    let top = tree("100644", &[("file".into(), file.oid)]);
    let tip = commit(&top.oid, &[], 0);
    let oid = tip.oid;
    push(&mut host, &[(MAIN, None, Some(oid))], &pack(&[tip, top, file]));
    for size in sizes {
        let names: Vec<String> =
            (count..*size).map(|at| format!("refs/heads/topic/{at:06}")).collect();
        for names in names.chunks(10_000) {
            let changes: Vec<_> =
                names.iter().map(|name| (name.as_str(), None, Some(oid))).collect();
            push(&mut host, &changes, &pack(&[]));
        }
        count = *size;
        table.measure("refs", *size, "ls-refs", &mut host, |host| {
            ask(host, "upload-pack", &[&ls_refs_body()]);
        });
        table.small("refs", *size, &host, oid, 0);
    }
}

#[test]
fn costs_grow_no_faster_than_the_table_says() {
    let mut table = Table::new();
    objects(&mut table, &[1_000, 10_000]);
    pushes(&mut table, &[1, 10, 100, 1_000]);
    refs(&mut table, &[10, 100, 1_000, 10_000]);
    insta::assert_snapshot!("scale", table.0);
}

#[test]
#[ignore = "it takes a minute: SCALE=1 make bench"]
fn scale() {
    let mut table = Table::new();
    let path = std::env::var("SCALE_OUT").expect("SCALE_OUT names a file");
    let mut keep = |make: &dyn Fn(&mut Table)| {
        make(&mut table);
        std::fs::write(&path, &table.0).expect("it can be written");
    };
    keep(&|table| refs(table, &[10, 100, 1_000, 10_000, 100_000]));
    keep(&|table| pushes(table, &[1, 10, 100, 1_000, 10_000]));
    keep(&|table| objects(table, &[1_000, 10_000, 100_000]));
    keep(&|table| objects(table, &[1_000_000]));
}
