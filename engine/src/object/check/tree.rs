//! The entries of a tree: their order, names and modes. Knows no line.

use super::names::{self, ATTRIBUTES, IGNORE, MAILMAP, MODULES};
use super::{Check, Fault, File};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::PATHNAME_MAX;
use crate::object::{Entry, Kind, entries};
use alloc::vec::Vec;
use core::cmp::Ordering;

/// A set of faults, told once each.
#[derive(Default)]
struct Found(u64);

impl Found {
    fn add(&mut self, fault: Fault, is_so: bool) {
        self.0 |= u64::from(is_so) << fault as u64;
    }

    fn has(&self, fault: Fault) -> bool {
        self.0 >> fault as u64 & 1 == 1
    }
}

/// In the order in which git tells them.
const TOLD: [Fault; 10] = [
    Fault::NullSha1,
    Fault::FullPathname,
    Fault::HasDot,
    Fault::HasDotdot,
    Fault::HasDotgit,
    Fault::ZeroPaddedFilemode,
    Fault::BadFilemode,
    Fault::DuplicateEntries,
    Fault::TreeNotSorted,
    Fault::LargePathname,
];

impl Check<'_> {
    /// Tells what is wrong, and gives what the entries refer to. One fault hides no other.
    pub(super) fn tree(
        &mut self,
        content: &[u8],
        each: &mut dyn FnMut(Oid, Kind),
        file: &mut dyn FnMut(Oid, File),
    ) -> Result<()> {
        let mut found = Found::default();
        let mut order = Order::default();
        let mut entries = entries(content, self.format);
        loop {
            let is_padded = entries.rest().starts_with(b"0");
            let Some(entry) = entries.next() else { break };
            let Ok(entry) = entry else {
                _ = self.fault(Fault::BadTree);
                return Err(Error::BadObject);
            };
            found.add(Fault::ZeroPaddedFilemode, is_padded);
            if entry.is_tree() {
                each(entry.oid, Kind::Tree);
            } else if !entry.is_submodule() {
                each(entry.oid, Kind::Blob);
            }
            self.name(&entry, &mut found, file);
            found.add(Fault::NullSha1, entry.oid.is_zero());
            found.add(Fault::BadFilemode, !is_usual(entry.mode));
            order.check(entry, &mut found);
        }
        for fault in TOLD {
            if found.has(fault) {
                _ = self.fault(fault);
            }
        }
        Ok(())
    }

    fn name(&mut self, entry: &Entry, found: &mut Found, file: &mut dyn FnMut(Oid, File)) {
        let name = entry.name;
        found.add(Fault::LargePathname, name.len() > PATHNAME_MAX);
        if names::is_suspect(name) {
            found.add(Fault::HasDot, name == b".");
            found.add(Fault::HasDotdot, name == b"..");
            found.add(Fault::HasDotgit, names::is_dotgit(name));
            if entry.is_link() {
                self.link(name);
            } else if MODULES.is(name) {
                file(entry.oid, File::Modules);
            } else if ATTRIBUTES.is(name) {
                file(entry.oid, File::Attributes);
            }
        }
        let mut rest = name;
        while let Some(at) = rest.iter().position(|byte| matches!(byte, b'/' | b'\\')) {
            let is_slash = rest.get(at) == Some(&b'/');
            rest = rest.get(at + 1..).unwrap_or_default();
            found.add(Fault::FullPathname, is_slash);
            if is_slash {
                continue;
            }
            // NTFS takes it for a path.
            found.add(Fault::HasDotgit, names::is_ntfs_dotgit(rest));
            if MODULES.is_ntfs(rest) {
                match entry.is_link() {
                    true => _ = self.fault(Fault::GitmodulesSymlink),
                    false => file(entry.oid, File::Modules),
                }
            }
        }
    }

    /// Git follows no link where it looks for these.
    fn link(&mut self, name: &[u8]) {
        for (special, fault) in [
            (MODULES, Fault::GitmodulesSymlink),
            (ATTRIBUTES, Fault::GitattributesSymlink),
            (IGNORE, Fault::GitignoreSymlink),
            (MAILMAP, Fault::MailmapSymlink),
        ] {
            if special.is(name) {
                _ = self.fault(fault);
            }
        }
    }
}

fn is_usual(mode: u32) -> bool {
    // 100664 was written in git's first days.
    matches!(mode, 0o100_644 | 0o100_755 | 0o40_000 | 0o120_000 | 0o160_000 | 0o100_664)
}

/// Whether entries follow each other as they should.
#[derive(Default)]
struct Order<'a> {
    before: Option<Entry<'a>>,
    /// Files whose names a folder further down could have: `a`, then `a.b`, then the folder `a`.
    /// Each name starts with the one before it.
    files: Vec<&'a [u8]>,
}

impl<'a> Order<'a> {
    fn check(&mut self, entry: Entry<'a>, found: &mut Found) {
        let (name, is_tree) = (entry.name, entry.is_tree());
        let Some(before) = self.before.replace(entry) else { return };
        let size = before.name.len().min(name.len());
        match before.name.get(..size).cmp(&name.get(..size)) {
            Ordering::Less => return,
            Ordering::Greater => return found.add(Fault::TreeNotSorted, true),
            Ordering::Equal => {}
        }
        // One name starts the other: a folder's goes on with a slash, a file's has ended.
        let at = |name: &[u8], is_tree| match name.get(size) {
            None if is_tree => b'/',
            byte => byte.copied().unwrap_or(0),
        };
        let (one, other) = (at(before.name, before.is_tree()), at(name, is_tree));
        if before.name.len() == name.len() {
            return found.add(Fault::DuplicateEntries, true);
        }
        if one == 0 && is_before_slash(other) {
            while self.files.pop_if(|file| !before.name.starts_with(file)).is_some() {}
            self.files.push(before.name);
        } else if other == b'/' && is_before_slash(one) && self.is_taken(name) {
            return found.add(Fault::DuplicateEntries, true);
        }
        found.add(Fault::TreeNotSorted, one >= other);
    }

    /// Whether a file before this folder has its name.
    fn is_taken(&mut self, name: &[u8]) -> bool {
        while let Some(file) = self.files.pop() {
            match name.strip_prefix(file) {
                Some([]) => return true,
                Some([byte, ..]) if is_before_slash(*byte) => {
                    self.files.push(file);
                    return false;
                }
                _ => {}
            }
        }
        false
    }
}

fn is_before_slash(byte: u8) -> bool {
    0 < byte && byte < b'/'
}
