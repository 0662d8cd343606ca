//! Commits, trees, tags: bytes to meaning. Knows no pack and no store.

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

/// What a commit says that a server needs.
pub struct Commit<'a> {
    pub tree: Oid,
    /// The `parent` lines, still as text: read them with `parents()`.
    pub parents: &'a [u8],
    /// Seconds, of the committer line; 0 if it cannot be read, as git has it.
    pub time: u64,
}

impl<'a> Commit<'a> {
    pub fn read(_content: &'a [u8], _format: Format) -> Result<Commit<'a>> {
        todo!()
    }
    pub fn parents(&self) -> impl Iterator<Item = Oid> + 'a {
        core::iter::empty()
    }
}

/// One entry of a tree.
pub struct Entry<'a> {
    pub mode: u32,
    pub name: &'a [u8],
    pub oid: Oid,
}

impl Entry<'_> {
    pub fn is_tree(&self) -> bool {
        self.mode & 0o170_000 == 0o040_000
    }
    /// A commit of another repository: never followed.
    pub fn is_submodule(&self) -> bool {
        self.mode & 0o170_000 == 0o160_000
    }
}

/// The entries of a tree, in order; ends after the first error.
pub fn entries<'a>(_content: &'a [u8], _format: Format) -> impl Iterator<Item = Result<Entry<'a>>> {
    core::iter::empty()
}

/// What a tag says that a server needs.
pub struct Tag<'a> {
    pub oid: Oid,
    pub kind: Kind,
    pub name: &'a [u8],
}

impl<'a> Tag<'a> {
    pub fn read(_content: &'a [u8], _format: Format) -> Result<Tag<'a>> {
        todo!()
    }
}
