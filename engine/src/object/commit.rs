//! A commit: what a server needs of it. Knows no other object.

use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use alloc::vec::Vec;

/// What a commit says that a server needs.
pub struct Commit {
    pub tree: Oid,
    pub parents: Vec<Oid>,
    /// Seconds, of the committer line; 0 if it cannot be read, as git has it.
    pub time: u64,
    /// Bytes of it all.
    pub size: usize,
}

impl Commit {
    /// As lenient as git: what follows the parents may be anything.
    pub fn read(content: &[u8], format: Format) -> Result<Commit> {
        let (tree, mut rest) = id_line(content, b"tree ", format)?;
        let mut parents = Vec::new();
        // Where the content ends within a parent line, git sees no parent.
        while rest.starts_with(b"parent ") && rest.len() >= line_size(format) {
            let (parent, after) = id_line(rest, b"parent ", format)?;
            parents.push(parent);
            rest = after;
        }
        Ok(Commit { tree, parents, time: time(rest).unwrap_or(0), size: content.len() })
    }
}

/// Bytes of a `parent` line.
const fn line_size(format: Format) -> usize {
    b"parent \n".len() + 2 * format.width()
}

/// The id of a line `<name><id>`, and what follows it; git wants something to follow.
fn id_line<'a>(content: &'a [u8], name: &[u8], format: Format) -> Result<(Oid, &'a [u8])> {
    let behind = content.strip_prefix(name).unwrap_or_default();
    let (digits, rest) = behind.split_at_checked(2 * format.width()).unwrap_or_default();
    match (Oid::from_hex(format, digits), rest) {
        (Ok(oid), [b'\n', rest @ ..]) if !rest.is_empty() => Ok((oid, rest)),
        _ => Err(Error::BadObject),
    }
}

/// The committer's time, from what follows the parents: the number behind the last `>` of the line
/// after the author's, whatever stands before it.
fn time(rest: &[u8]) -> Option<u64> {
    if !rest.starts_with(b"author") {
        return None;
    }
    let (_, committer) = split_line(rest)?;
    if !committer.starts_with(b"committer") {
        return None;
    }
    let (line, _) = split_line(committer)?;
    let date = line.iter().rposition(|byte| *byte == b'>')? + 1;
    let mut date = line.get(date..)?;
    while let [b' ' | b'\t' | b'\r', rest @ ..] = date {
        date = rest;
    }
    match date.strip_prefix(b"-") {
        // Times before 1970 are as late as can be, so that nothing is cut off because of them.
        Some(date) => Some(number(date).wrapping_neg()),
        None => Some(number(date)),
    }
}

fn split_line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

/// The number that these bytes start with; 0 if they do not.
fn number(bytes: &[u8]) -> u64 {
    let digits = bytes.iter().take_while(|byte| byte.is_ascii_digit());
    digits.fold(0, |number: u64, digit| {
        number.saturating_mul(10).saturating_add(u64::from(digit - b'0'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::String;

    const TREE: &str = "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n";

    fn parent(digit: char) -> String {
        format!("parent {}\n", String::from_iter([digit; 40]))
    }

    fn check(content: &str, expect: Result<(usize, u64)>) {
        let commit = Commit::read(content.as_bytes(), Format::Sha1);
        let found = commit.map(|commit| (commit.parents.len(), commit.time));
        assert_eq!(found, expect, "{content:?}");
    }

    #[test]
    fn reads_tree_parents_and_time() {
        let (one, two) = (parent('a'), parent('B'));
        let text = format!("{TREE}{one}{two}author A <a> 1 +0000\ncommitter C <c> 12 -0100\n\nm");
        let commit = Commit::read(text.as_bytes(), Format::Sha1).expect("it is one");
        assert_eq!(&commit.tree.to_hex()[..], &TREE.as_bytes()[5..45]);
        let parents: Vec<u8> = commit.parents.iter().map(|oid| oid.as_bytes()[19]).collect();
        assert_eq!(parents, [0xaa, 0xbb]);
        assert_eq!(commit.time, 12);
    }

    #[test]
    fn reads_sha256() {
        let line = format!("{:064x}\n", 7);
        let text = format!("tree {line}parent {line}parent {line}author");
        let commit = Commit::read(text.as_bytes(), Format::Sha256).expect("it is one");
        assert_eq!(commit.parents.iter().map(|oid| oid.as_bytes()[31]).sum::<u8>(), 14);
        assert!(Commit::read(text.as_bytes(), Format::Sha1).is_err());
    }

    #[test]
    fn wants_a_tree_and_something_after_it() {
        let bad = Err(Error::BadObject);
        check("", bad);
        check(TREE, bad);
        check(&format!("{TREE}\n"), Ok((0, 0)));
        check(&format!("Tree{}\n", &TREE[4..]), bad);
        check(&format!("{}0\n\n", TREE.trim_end()), bad);
        check(&format!("{}\n", TREE.replace('e', "g")), bad);
    }

    #[test]
    fn refuses_what_only_resembles_a_parent() {
        let (bad, one) = (Err(Error::BadObject), parent('a'));
        check(&format!("{TREE}{one}"), bad);
        check(&format!("{TREE}{one}\n"), Ok((1, 0)));
        check(&format!("{TREE}{}\n\n", parent('g')), bad);
        check(&format!("{TREE}{}a\n\n", one.trim_end()), bad);
        // Too short to be one.
        check(&format!("{TREE}parent "), Ok((0, 0)));
        check(&format!("{TREE}{}", one.trim_end()), Ok((0, 0)));
    }

    #[test]
    fn makes_the_best_of_a_damaged_time() {
        let line = |text: &str| format!("{TREE}author A <a> 1 +0000\ncommitter {text}\n");
        check(&line("C <c> 123foo456 +0000"), Ok((0, 123)));
        check(&line("C <c>9"), Ok((0, 9)));
        check(&line("C <c> > \t 9"), Ok((0, 9)));
        check(&line("C <c> x"), Ok((0, 0)));
        check(&line("C c 7 +0000"), Ok((0, 0)));
        check(&line("C <c> 99999999999999999999"), Ok((0, u64::MAX)));
        check(&line("C <c> -1"), Ok((0, u64::MAX)));
        check(line("C <c> 7").trim_end(), Ok((0, 0)));
        check(&format!("{TREE}committer C <c> 7 +0000\n"), Ok((0, 0)));
        check(&format!("{TREE}author A <a> 1 +0000\nauthor B\ncommitter C <c> 7\n"), Ok((0, 0)));
    }
}
