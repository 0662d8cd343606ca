//! The same pack, to `git index-pack` and to the engine.

use crate::client::{pack, small_commit};
use crate::fetching::ids;
use crate::whole::{seeded, structured};
use engine::error::{Error, Result};
use engine::hash::Oid;
use engine::memory::Memory;
use engine::store::Store;
use engine::store::import::Import;
use engine::store::log::Record;
use engine::store::push::{self, Push};
use engine::store::updates::{Looked, Update, Updates};
use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

type Ids = BTreeSet<Vec<u8>>;

thread_local! {
    /// A repository of git's with the seed's objects, each in a file of its own.
    static GIT: LazyCell<PathBuf> = const { LazyCell::new(git) };
}

fn git() -> PathBuf {
    let thread = format!("{:?}", std::thread::current().id());
    let number: String = thread.chars().filter(char::is_ascii_digit).collect();
    let name = format!("gitcell-fuzz-{}-{number}.git", std::process::id());
    let folder = std::env::temp_dir().join(name);
    drop(std::fs::remove_dir_all(&folder));
    std::fs::create_dir_all(&folder).expect("a temporary folder");
    assert!(run(&folder, &["init", "-q", "--bare"], b""));
    let mut tip: Option<Oid> = None;
    for number in 0..3 {
        let objects = small_commit(tip.as_ref(), number);
        assert!(run(&folder, &["unpack-objects", "-q"], &pack(&objects)));
        tip = Some(objects[0].oid);
    }
    folder
}

/// Whether git does it.
fn run(folder: &Path, arguments: &[&str], input: &[u8]) -> bool {
    let mut child = Command::new("git")
        .args(arguments)
        .current_dir(folder)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("git is installed");
    let mut stdin = child.stdin.take().expect("it is piped");
    // Git hangs up when it has seen enough.
    drop(stdin.write_all(input));
    drop(stdin);
    child.wait().expect("git ends").success()
}

/// The ids that git finds in a pack; those of bases that it adds are the seed's.
fn judged(input: &[u8]) -> Option<Ids> {
    GIT.with(|folder| {
        let packs = folder.join("objects/pack");
        let is_good = run(folder, &["index-pack", "--stdin", "--fix-thin"], input);
        let mut found = Ids::new();
        for file in std::fs::read_dir(&packs).expect("a folder") {
            let path = file.expect("readable").path();
            if path.extension().is_some_and(|ending| ending == "idx") {
                // Version 2 (gitformat-pack): 8 bytes, 256 counts of 4, then the ids.
                let index = std::fs::read(&path).expect("an index");
                let last = index[1028..1032].first_chunk().expect("four bytes");
                let count = u32::from_be_bytes(*last) as usize;
                found.extend(index[1032..1032 + 20 * count].chunks(20).map(<[u8]>::to_vec));
            }
            std::fs::remove_file(&path).expect("it is deleted");
        }
        is_good.then_some(found)
    })
}

fn ours(host: &mut Memory, input: &[u8], tip: Oid) -> Result<Ids> {
    let mut store = Store::open(host)?.expect("a repository");
    let mut import = Import::new(&mut store, 0);
    import.feed(&mut store, input)?;
    while !import.step(&mut store)? {}
    let mut updates = Updates::new(store.format());
    updates.push(&Update { name: b"refs/heads/new", old: None, new: Some(tip) })?;
    let looked = Looked::new(&mut store, Some(&mut import), &updates)?;
    let push = Push { updates: &updates, looked: &looked, is_done: &|_| true, is_forward: true };
    let record = Record { time: 1, caller: b"", options: &[], certificate: b"", nonce: b"" };
    push::commit(&mut store, Some(&import), &push, &record)?;
    Ok(ids(&mut store))
}

/// Git and the engine agree on whether it is a pack, and on what is in it. The engine asks for more
/// than `index-pack` does: what objects refer to must be there, and objects must be well formed.
pub fn differ(data: &[u8]) {
    let (mut host, tip) = seeded();
    let before = {
        let mut store = Store::open(&mut host).expect("readable").expect("a repository");
        ids(&mut store)
    };

    let input = structured(data);
    let theirs = judged(&input);
    let ours = ours(&mut host, &input, tip);
    let new = |ids: &Ids| ids.difference(&before).cloned().collect::<Ids>();
    match (&ours, &theirs) {
        (Ok(ours), Some(theirs)) => assert_eq!(new(ours), new(theirs)),
        (Ok(_), None) => panic!("git refuses what the engine takes"),
        (Err(Error::MissingObject), theirs) => assert!(theirs.is_some(), "git finds it malformed"),
        // Asked only of us.
        (Err(Error::BadObject | Error::Collision | Error::DeltaTooDeep | Error::TooLarge), _) => {}
        (Err(error), theirs) => assert!(theirs.is_none(), "git takes it: {}", error.text()),
    }
}
