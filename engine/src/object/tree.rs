//! A tree: its entries, one at a time and copying nothing. Knows no other object.

use crate::error::{Error, Result};
use crate::hash::{Format, Oid};

const TYPE: u32 = 0o170_000;
const TREE: u32 = 0o040_000;
const FILE: u32 = 0o100_000;
const LINK: u32 = 0o120_000;

/// One entry of a tree.
pub struct Entry<'a> {
    /// As it is written; git looks at no more than 16 bits.
    pub mode: u32,
    pub name: &'a [u8],
    pub oid: Oid,
}

impl Entry<'_> {
    pub fn is_tree(&self) -> bool {
        self.mode & TYPE == TREE
    }

    pub fn is_link(&self) -> bool {
        self.mode & TYPE == LINK
    }

    /// A commit of another repository: never followed. Git takes every type that it does not know
    /// for one.
    pub fn is_submodule(&self) -> bool {
        !matches!(self.mode & TYPE, TREE | FILE | LINK)
    }
}

/// The entries of a tree, in order; ends after the first error.
pub fn entries(content: &[u8], format: Format) -> Entries<'_> {
    Entries { rest: content, format }
}

pub struct Entries<'a> {
    rest: &'a [u8],
    format: Format,
}

impl<'a> Entries<'a> {
    /// What was not read yet.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    fn read(&self) -> Option<(Entry<'a>, &'a [u8])> {
        let (mode, rest) = mode(self.rest)?;
        let end = rest.iter().position(|byte| *byte == 0)?;
        let (name, rest) = rest.split_at_checked(end)?;
        let (raw, rest) = rest.get(1..)?.split_at_checked(self.format.width())?;
        let oid = Oid::from_bytes(self.format, raw)?;
        (!name.is_empty()).then_some((Entry { mode, name, oid }, rest))
    }
}

impl<'a> Iterator for Entries<'a> {
    type Item = Result<Entry<'a>>;

    fn next(&mut self) -> Option<Result<Entry<'a>>> {
        if self.rest.is_empty() {
            return None;
        }
        let Some((entry, rest)) = self.read() else {
            self.rest = &[];
            return Some(Err(Error::BadObject));
        };
        self.rest = rest;
        Some(Ok(entry))
    }
}

/// The octal digits that end in a space, and what follows the space.
fn mode(bytes: &[u8]) -> Option<(u32, &[u8])> {
    let mut mode = 0;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'0'..=b'7' => mode = (mode << 3 | u32::from(byte - b'0')) & 0xffff,
            b' ' if at > 0 => return Some((mode, bytes.get(at + 1..)?)),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const ID: &[u8] = &[1; 20];

    fn check(parts: &[&[u8]], expect: Result<&[(u32, &[u8])]>) {
        let content = parts.concat();
        let all = entries(&content, Format::Sha1).collect::<Result<Vec<Entry>>>();
        let all = all.map(|all| all.iter().map(|entry| (entry.mode, entry.name)).collect());
        assert_eq!(all, expect.map(<[_]>::to_vec), "{content:?}");
    }

    #[test]
    fn reads_entries() {
        check(&[], Ok(&[]));
        let expect: &[(u32, &[u8])] = &[(0o100_644, b"a"), (0o40_000, b"b c")];
        check(&[b"100644 a\0", ID, b"40000 b c\0", ID], Ok(expect));
        let content = [b"100644 a\0", &[7; 32][..]].concat();
        let mut all = entries(&content, Format::Sha256);
        assert!(
            all.next()
                .is_some_and(|entry| entry.is_ok_and(|entry| entry.oid.as_bytes() == [7; 32]))
        );
        assert!(all.next().is_none());
    }

    #[test]
    fn takes_modes_as_git_does() {
        check(&[b"0100644 a\0", ID], Ok(&[(0o100_644, b"a")]));
        check(&[b"0 a\0", ID], Ok(&[(0, b"a")]));
        check(&[b"7100644 a\0", ID], Ok(&[(0o100_644, b"a")]));
        let bad = Err(Error::BadObject);
        check(&[b" a\0", ID], bad);
        check(&[b"100648 a\0", ID], bad);
        check(&[b"-100644 a\0", ID], bad);
        check(&[b"100644"], bad);
        check(&[b"100644\0a\0", ID], bad);
    }

    #[test]
    fn refuses_what_is_cut_short_and_ends_there() {
        let bad = Err(Error::BadObject);
        check(&[b"100644 a\0", &ID[1..]], bad);
        check(&[b"100644 a\0", ID, b"1"], bad);
        check(&[b"100644 a"], bad);
        check(&[b"100644 \0", ID], bad);
        let mut all = entries(b"100644 a", Format::Sha1);
        assert!(all.next().is_some_and(|entry| entry.is_err()));
        assert!(all.next().is_none());
    }

    #[test]
    fn a_mode_says_what_an_entry_is() {
        let check = |mode, expect: [bool; 3]| {
            let entry = Entry { mode, name: b"", oid: Oid::zero(Format::Sha1) };
            assert_eq!(
                [entry.is_tree(), entry.is_link(), entry.is_submodule()],
                expect,
                "{mode:o}"
            );
        };
        check(0o40_000, [true, false, false]);
        check(0o40_755, [true, false, false]);
        check(0o100_644, [false; 3]);
        check(0o100_777, [false; 3]);
        check(0o120_000, [false, true, false]);
        check(0o160_000, [false, false, true]);
        check(0, [false, false, true]);
        check(0o60_000, [false, false, true]);
    }
}
