//! Commits, trees and tags.

use crate::split;
use engine::error::Error;
use engine::hash::Format;
use engine::object::check::{STRICT, inspect};
use engine::object::{Commit, Entry, Kind, entries, references};

/// The check of an object gives the references that reading it gives, and fails where that fails.
pub fn objects(data: &[u8]) {
    let Some(([how], content)) = split(data) else { return };
    let format = if how & 4 == 0 { Format::Sha1 } else { Format::Sha256 };
    let Some(kind) = Kind::from_number(1 + (how & 3)) else { return };
    let (mut read, mut checked) = (Vec::new(), Vec::new());
    let outcome = references(kind, content, format, &mut |oid, kind| read.push((oid, kind)));
    let mut each = |oid, kind| checked.push((oid, kind));
    let mut errors = 0;
    let verdict =
        inspect(kind, content, format, &STRICT, &mut each, &mut |_, _| {}, &mut |finding| {
            errors += usize::from(finding.severity == engine::object::check::Severity::Error);
        });
    assert_eq!(verdict.err(), outcome.err());
    assert_eq!(checked, read);
    assert!(verdict.is_err() || verdict == Ok(errors == 0));
    match kind {
        Kind::Commit => commit(content, format, outcome.is_ok()),
        Kind::Tree => tree(content, format, outcome.is_ok()),
        _ => {}
    }
}

/// The parents are all that their lines are.
fn commit(content: &[u8], format: Format, is_good: bool) {
    let commit = Commit::read(content, format);
    assert_eq!(commit.is_ok(), is_good);
    if let Ok(commit) = commit {
        let parents = commit.parents.iter();
        let lines = parents.flat_map(|oid| [b"parent ", &oid.to_hex()[..], b"\n"].concat());
        let lines: Vec<u8> = lines.collect();
        // They follow the line of the tree.
        let tree = b"tree \n".len() + 2 * format.width();
        let text = content[tree..].to_ascii_lowercase();
        assert!(text.starts_with(&lines));
        assert_eq!(commit.size, content.len());
    }
}

/// The entries of a tree, written again, are read as the same.
fn tree(content: &[u8], format: Format, is_good: bool) {
    let read: Result<Vec<Entry>, Error> = entries(content, format).collect();
    assert_eq!(read.is_ok(), is_good);
    let Ok(read) = read else { return };
    let mut written = Vec::new();
    for entry in &read {
        written.extend_from_slice(format!("{:o} ", entry.mode).as_bytes());
        written.extend_from_slice(entry.name);
        written.push(0);
        written.extend_from_slice(entry.oid.as_bytes());
    }
    let parts = |entry: &Entry| (entry.mode, entry.name.to_vec(), entry.oid);
    let again = entries(&written, format).map(|entry| parts(&entry.expect("as it was written")));
    assert!(again.eq(read.iter().map(parts)));
}
