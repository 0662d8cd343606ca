//! What a thousand small pushes take in the store once upkeep has run, beside what `git gc` makes
//! of the same pushes. Bytes, which no machine changes.

use crate::client::{blob, push, repository, request, run};
use crate::git::Git;
use engine::hash::{Format, Oid};
use engine::limits::GRACE_SECONDS;
use engine::memory::Memory;
use std::fmt::Write;

const MAIN: &str = "refs/heads/main";
const PUSHES: usize = 1_000;

/// A small project: 200 files in 20 folders, of which each commit edits a few lines.
fn seeded(git: &Git) {
    let mut files: Vec<Vec<String>> = (0..200)
        .map(|file| {
            let text = blob(file, 1_000 + 40 * file as usize).content;
            String::from_utf8(text).expect("text").lines().map(str::to_owned).collect()
        })
        .collect();
    let (mut out, mut state) = (String::new(), 1u32);
    let mut below = |end: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % end
    };
    for number in 0..PUSHES {
        let date = 1_600_000_000 + 60 * number;
        writeln!(out, "commit {MAIN}\ncommitter A U Thor <author@example.com> {date} +0000")
            .expect("it takes all");
        writeln!(out, "data <<END\nchange {number}\nEND").expect("it takes all");
        let changed: Vec<usize> = match number {
            0 => (0..files.len()).collect(),
            _ => (0..1 + below(3)).map(|_| below(files.len())).collect(),
        };
        for file in changed {
            for edit in 0..=below(4) {
                let line = below(files[file].len());
                files[file][line] = format!("value = store.entry({number}, {edit}, {line});");
            }
            let path = format!("folder{}/file{file}.rs", file % 20);
            writeln!(out, "M 100644 inline {path}\ndata <<END\n{}\nEND", files[file].join("\n"))
                .expect("it takes all");
        }
    }
    git.run(&["fast-import", "--quiet"], out.as_bytes());
}

fn maintain(host: &mut Memory, after: u64) {
    let mut ask = request("POST", "/-/maintain", &[]);
    ask.time += after;
    let answer = run(host, ask, &[]);
    assert!(answer.starts_with(b"Status: 200"), "{}", answer.escape_ascii());
}

/// The first commits of a history, each pushed by itself to us and to git, as git's client does by
/// whom they were just committed: from loose objects, so that no old delta is used again. Then all
/// upkeep. A line of the table.
fn line(name: &str, from: &Git) -> String {
    let commits = from.text(&["rev-list", "--first-parent", "--reverse", "main"]);
    let commits: Vec<&str> = commits.lines().take(PUSHES).collect();
    let git = Git::new("client");
    git.run(&["unpack-objects", "-q"], &from.pack(&commits[commits.len() - 1..], &[]));
    let (mut host, theirs, mut old) = (repository(), Git::new("theirs"), None::<&str>);
    for commit in &commits {
        let not = old.map(|old| format!("^{old}"));
        let ends = [Some(*commit), not.as_deref()].into_iter().flatten().collect::<Vec<_>>();
        let pack = git.pack(&ends, &["--thin", "--delta-base-offset"]);
        let oid = |hex: &str| Oid::from_hex(Format::Sha1, hex.as_bytes()).expect("an id");
        push(&mut host, &[(MAIN, old.map(oid), Some(oid(commit)))], &pack);
        theirs.run(&["unpack-objects", "-q"], &pack);
        old = Some(commit);
    }
    let tip = old.expect("a history");
    theirs.run(&["update-ref", MAIN, tip], b"");
    theirs.run(&["gc", "-q", "--prune=now"], b"");
    maintain(&mut host, 0);
    // Those who still read what was merged have ended.
    maintain(&mut host, 2 * GRACE_SECONDS);
    let count = git.objects(&[tip]).len();
    let sum = |is_own: &dyn Fn(&[u8]) -> bool| -> usize {
        let own = host.rows.iter().filter(|(key, _)| is_own(key));
        own.map(|(key, value)| key.len() + value.len()).sum()
    };
    let part = |kinds: &[u8]| sum(&|key| key.starts_with(b"p/") && kinds.contains(&key[6]));
    let (entries, indexes, all) = (part(b"d"), part(b"ei"), sum(&|_| true));
    let log = sum(&|key| key.starts_with(b"l/"));
    let rest = all - entries - indexes - log;
    let (pack, objects) = (theirs.bytes(".pack"), theirs.bytes(""));
    let pushes = commits.len();
    let ratio = all as f64 / objects as f64;
    format!(
        "{name}\t{pushes}\t{count}\t{pack}\t{objects}\t{entries}\t{indexes}\t{log}\t{rest}\t{all}\t\
         {ratio:.2}\n"
    )
}

/// `REPO` names a repository whose history is replayed, too.
#[test]
#[ignore = "it takes a minute: SCALE=1 make bench"]
fn storage() {
    let path = std::env::var("STORAGE_OUT").expect("STORAGE_OUT names a file");
    let mut table = String::from(
        "history\tpushes\tobjects\tgit: pack\tgit: all\tours: entries\tindexes\tlog\t\
         bitmaps, refs, list of packs\tours: all\tratio\n",
    );
    let git = Git::new("seeded");
    seeded(&git);
    table.push_str(&line("seeded", &git));
    if let Some(path) = std::env::var("REPO").ok().filter(|path| !path.is_empty()) {
        let git = Git::new("real");
        git.run(&["fetch", "-q", "--no-tags", &path, "HEAD:main"], b"");
        let names = path.split(['/', '+']).rev();
        let name = names.into_iter().find(|name| !["", "repo", ".git"].contains(name));
        table.push_str(&line(name.unwrap_or_default(), &git));
    }
    std::fs::write(path, table).expect("it can be written");
}
