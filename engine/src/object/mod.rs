//! Commits, trees, tags: bytes to meaning. Knows no pack and no store. Files: `commit`, `tree` and
//! `tag` read what a server needs, as leniently as git reads it; `check` says what is wrong.

pub mod check;
mod commit;
pub mod pattern;
mod tag;
mod tree;

pub use commit::Commit;
pub use tag::Tag;
pub use tree::{Entries, Entry, entries};

use crate::error::Result;
use crate::hash::{Format, Oid};

/// The type of an object; the numbers are those of pack entries (gitformat-pack).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
#[repr(u8)]
pub enum Kind {
    Commit = 1,
    Tree = 2,
    Blob = 3,
    Tag = 4,
}

impl Kind {
    pub const fn name(self) -> &'static str {
        match self {
            Kind::Commit => "commit",
            Kind::Tree => "tree",
            Kind::Blob => "blob",
            Kind::Tag => "tag",
        }
    }

    pub fn from_name(name: &[u8]) -> Option<Kind> {
        let mut all = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag].into_iter();
        all.find(|kind| kind.name().as_bytes() == name)
    }

    pub const fn from_number(number: u8) -> Option<Kind> {
        match number {
            1 => Some(Kind::Commit),
            2 => Some(Kind::Tree),
            3 => Some(Kind::Blob),
            4 => Some(Kind::Tag),
            _ => None,
        }
    }
}

/// Gives every object that this one refers to, with the kind that it must be. Commits of other
/// repositories (submodule links) are left out.
pub fn references(
    kind: Kind,
    content: &[u8],
    format: Format,
    each: &mut dyn FnMut(Oid, Kind),
) -> Result<()> {
    match kind {
        Kind::Commit => {
            let commit = Commit::read(content, format)?;
            each(commit.tree, Kind::Tree);
            commit.parents.into_iter().for_each(|parent| each(parent, Kind::Commit));
        }
        Kind::Tree => {
            for entry in entries(content, format) {
                let entry = entry?;
                if entry.is_tree() {
                    each(entry.oid, Kind::Tree);
                } else if !entry.is_submodule() {
                    each(entry.oid, Kind::Blob);
                }
            }
        }
        Kind::Tag => {
            let tag = Tag::read(content, format)?;
            each(tag.oid, tag.kind);
        }
        Kind::Blob => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Error;
    use alloc::vec::Vec;

    fn check(kind: Kind, content: &[u8], expect: Result<&[(u8, Kind)]>) {
        let mut found = Vec::new();
        let outcome = references(kind, content, Format::Sha1, &mut |oid, kind| {
            found.push((oid.as_bytes()[0], kind));
        });
        assert_eq!(outcome.map(|()| found.as_slice()), expect, "{}", kind.name());
    }

    #[test]
    fn names_and_numbers_lead_back() {
        for kind in [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag] {
            assert_eq!(Kind::from_name(kind.name().as_bytes()), Some(kind));
            assert_eq!(Kind::from_number(kind as u8), Some(kind));
        }
        assert_eq!(Kind::from_name(b"Blob"), None);
        assert_eq!(Kind::from_name(b"blob "), None);
        assert_eq!(Kind::from_number(0), None);
        assert_eq!(Kind::from_number(5), None);
    }

    #[test]
    fn every_reference_has_its_kind() {
        let [tree, one, two] = ["01", "02", "03"].map(|pair| pair.repeat(20));
        let commit = alloc::format!("tree {tree}\nparent {one}\nparent {two}\n\n");
        let expect = [(1, Kind::Tree), (2, Kind::Commit), (3, Kind::Commit)];
        check(Kind::Commit, commit.as_bytes(), Ok(&expect));
        let tag = alloc::format!("object {one}\ntype tree\ntag name\ntagger ");
        check(Kind::Tag, tag.as_bytes(), Ok(&[(2, Kind::Tree)]));
        check(Kind::Blob, b"tree", Ok(&[]));
    }

    #[test]
    fn submodule_links_are_left_out() {
        let mut tree = Vec::new();
        for (number, mode) in ["40000", "160000", "100644", "120000"].iter().enumerate() {
            tree.extend_from_slice(mode.as_bytes());
            tree.extend_from_slice(b" name\0");
            tree.extend_from_slice(&[number as u8; 20]);
        }
        check(Kind::Tree, &tree, Ok(&[(0, Kind::Tree), (2, Kind::Blob), (3, Kind::Blob)]));
        check(Kind::Tree, &tree[1..tree.len() - 1], Err(Error::BadObject));
        check(Kind::Commit, b"", Err(Error::BadObject));
        check(Kind::Tag, b"", Err(Error::BadObject));
    }
}
