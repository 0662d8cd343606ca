//! Commits, trees, tags: bytes to meaning. Knows no pack and no store.

use crate::error::{Error, Result};
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
    pub fn read(content: &'a [u8], format: Format) -> Result<Commit<'a>> {
        let w = 2 * format.width();
        let tree = Oid::from_hex(format, content.get(5..5 + w).ok_or(Error::BadObject)?)?;
        let mut rest = &content[6 + w..];
        let start = rest;
        while rest.starts_with(b"parent ") {
            rest = &rest[8 + w..];
        }
        let parents = &start[..start.len() - rest.len()];
        let mut time = 0;
        for line in rest.split(|b| *b == b'\n') {
            if line.starts_with(b"committer ") {
                let mut it = line.rsplit(|b| *b == b' ');
                it.next();
                for d in it.next().unwrap_or_default() {
                    time = time * 10 + u64::from(d - b'0');
                }
                break;
            }
        }
        Ok(Commit { tree, parents, time })
    }
    pub fn parents(&self) -> impl Iterator<Item = Oid> + 'a {
        self.parents
            .split(|b| *b == b'\n')
            .filter(|l| !l.is_empty())
            .filter_map(|l| Oid::from_hex(Format::Sha1, &l[7..]).ok())
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
pub fn entries<'a>(content: &'a [u8], format: Format) -> impl Iterator<Item = Result<Entry<'a>>> {
    let mut rest = content;
    core::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let sp = rest.iter().position(|b| *b == b' ')?;
        let nul = rest.iter().position(|b| *b == 0)?;
        let mode = rest[..sp].iter().fold(0, |m, d| m * 8 + u32::from(d - b'0'));
        let name = &rest[sp + 1..nul];
        let oid = Oid::from_bytes(format, &rest[nul + 1..])?;
        rest = &rest[nul + 1 + format.width()..];
        Some(Ok(Entry { mode, name, oid }))
    })
}
pub fn references(
    kind: Kind,
    content: &[u8],
    format: Format,
    each: &mut dyn FnMut(Oid, Kind),
) -> Result<()> {
    match kind {
        Kind::Commit => {
            let c = Commit::read(content, format)?;
            each(c.tree, Kind::Tree);
            c.parents().for_each(|p| each(p, Kind::Commit));
        }
        Kind::Tree => {
            for e in entries(content, format) {
                let e = e?;
                if !e.is_submodule() {
                    each(e.oid, if e.is_tree() { Kind::Tree } else { Kind::Blob });
                }
            }
        }
        Kind::Tag => {
            let t = Tag::read(content, format)?;
            each(t.oid, t.kind);
        }
        Kind::Blob => {}
    }
    Ok(())
}

/// What a tag says that a server needs.
pub struct Tag<'a> {
    pub oid: Oid,
    pub kind: Kind,
    pub name: &'a [u8],
}

impl<'a> Tag<'a> {
    pub fn read(content: &'a [u8], format: Format) -> Result<Tag<'a>> {
        let w = 2 * format.width();
        let oid = Oid::from_hex(format, &content[7..7 + w])?;
        let k = &content[8 + w + 5..];
        let kind = match k[0] {
            b'c' => Kind::Commit,
            b'b' => Kind::Blob,
            _ => {
                if k[1] == b'r' {
                    Kind::Tree
                } else {
                    Kind::Tag
                }
            }
        };
        Ok(Tag { oid, kind, name: b"" })
    }
}
