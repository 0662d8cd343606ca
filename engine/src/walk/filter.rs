//! Which objects a partial clone leaves out: the filter specifications of `git rev-list --filter`.
//! An object that was asked for by its id is never left out.

use crate::error::{Error, Result};
use crate::object::{Kind, pattern};
use crate::pack::index::Record;
use crate::store::settings::size;
use alloc::vec::Vec;

/// What is left out; every part must let an object through.
#[derive(Clone, Default, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Filter {
    /// Blobs of at least so many bytes are left out.
    blob_limit: Option<u64>,
    /// Trees and blobs so far below a commit's tree, or farther, are left out.
    tree_depth: Option<u64>,
    /// Objects of other types are left out; a second type leaves out everything.
    kind: Option<Kind>,
    is_empty: bool,
    /// Blobs whose paths these lines do not choose are left out.
    sparse: Option<Vec<u8>>,
}

/// Reads the file that a client names, of patterns of paths.
pub type Lists<'a> = dyn FnMut(&[u8]) -> Result<Vec<u8>> + 'a;

impl Filter {
    /// Reads a specification; parts of `combine:` are separated by `+` and percent-encoded.
    /// `BadRequest` for one that is not known.
    pub fn read(text: &[u8], lists: &mut Lists<'_>) -> Result<Filter> {
        let mut filter = Filter::default();
        filter.add(text, lists, 0)?;
        Ok(filter)
    }

    fn add(&mut self, text: &[u8], lists: &mut Lists<'_>, depth: usize) -> Result<()> {
        const NESTED_MAX: usize = 4;
        if let Some(parts) = text.strip_prefix(b"combine:") {
            if depth == NESTED_MAX {
                return Err(Error::BadRequest);
            }
            for part in parts.split(|byte| *byte == b'+') {
                self.add(&decode(part)?, lists, depth + 1)?;
            }
        } else if text == b"blob:none" {
            self.blob_limit = Some(0);
        } else if let Some(limit) = text.strip_prefix(b"blob:limit=") {
            let limit = size(limit)?;
            self.blob_limit = Some(self.blob_limit.map_or(limit, |other| other.min(limit)));
        } else if let Some(depth) = text.strip_prefix(b"tree:") {
            let depth = size(depth)?;
            self.tree_depth = Some(self.tree_depth.map_or(depth, |other| other.min(depth)));
        } else if let Some(name) = text.strip_prefix(b"object:type=") {
            let kinds = [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag];
            let kind = kinds.into_iter().find(|kind| kind.name().as_bytes() == name);
            let kind = kind.ok_or(Error::BadRequest)?;
            self.is_empty |= self.kind.is_some_and(|other| other != kind);
            self.kind = Some(kind);
        } else if let Some(name) = text.strip_prefix(b"sparse:oid=")
            && self.sparse.is_none()
        {
            self.sparse = Some(lists(name)?);
        } else {
            return Err(Error::BadRequest);
        }
        Ok(())
    }

    /// Whether an object of this type is sent.
    pub fn takes(&self, kind: Kind) -> bool {
        !self.is_empty && self.kind.is_none_or(|only| only == kind)
    }

    /// Whether this blob, so deep below a commit's tree, is sent.
    pub fn takes_blob(&self, record: &Record, depth: u64) -> bool {
        self.takes(Kind::Blob)
            && self.blob_limit.is_none_or(|limit| record.size < limit)
            && self.tree_depth.is_none_or(|limit| depth < limit)
    }

    /// Whether no blob is sent, whatever its size: then none needs to be looked up.
    pub fn takes_no_blob(&self) -> bool {
        !self.takes(Kind::Blob) || self.blob_limit == Some(0)
    }

    /// Whether a tree so deep is looked into: some of what it holds may be sent.
    pub fn enters(&self, depth: u64) -> bool {
        !self.is_empty
            && self.tree_depth.is_none_or(|limit| depth < limit)
            && matches!(self.kind, None | Some(Kind::Tree | Kind::Blob))
    }

    /// Whether type and size alone decide.
    pub fn is_by_record(&self) -> bool {
        self.tree_depth.is_none_or(|depth| depth == 0) && self.sparse.is_none()
    }

    /// Whether it goes by paths.
    pub fn is_sparse(&self) -> bool {
        self.sparse.is_some()
    }

    /// Whether files at this path, or in this folder, are sent; where nothing says so, as those of
    /// the folder around it.
    pub fn chooses(&self, path: &[u8], is_folder: bool, around: bool) -> bool {
        let lines = self.sparse.as_deref().unwrap_or_default();
        pattern::find(lines, path, is_folder).unwrap_or(around)
    }

    /// Whether what a tree holds depends on where it is.
    pub fn counts_depth(&self) -> bool {
        self.tree_depth.is_some()
    }
}

/// Undoes percent-encoding.
fn decode(text: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            out.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_first_chunk::<2>().ok_or(Error::BadRequest)?;
        let digit = |digit: u8| char::from(digit).to_digit(16).ok_or(Error::BadRequest);
        out.push((digit(digits[0])? << 4 | digit(digits[1])?) as u8);
        rest = after;
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Filter> {
        Filter::read(text.as_bytes(), &mut |name| match name {
            b"list" => Ok(b"/a\n".to_vec()),
            _ => Err(Error::BadRequest),
        })
    }

    #[test]
    fn reads_what_git_writes() {
        let filter = |blob_limit, tree_depth, kind, is_empty| {
            Ok(Filter { blob_limit, tree_depth, kind, is_empty, sparse: None })
        };
        let check = |text: &str, expect| assert_eq!(read(text), expect, "{text}");
        check("blob:none", filter(Some(0), None, None, false));
        check("blob:limit=1", filter(Some(1), None, None, false));
        check("blob:limit=3k", filter(Some(3 << 10), None, None, false));
        check("tree:2", filter(None, Some(2), None, false));
        check("object:type=tag", filter(None, None, Some(Kind::Tag), false));
        check("combine:tree:3+blob:limit=1m", filter(Some(1 << 20), Some(3), None, false));
        check(
            "combine:tree%3A3+combine:tree:1%2Bblob%3anone",
            filter(Some(0), Some(1), None, false),
        );
        let two = "combine:object:type=tag+object:type=blob";
        check(two, filter(None, None, Some(Kind::Blob), true));
        let sparse = Some(b"/a\n".to_vec());
        check("sparse:oid=list", Ok(Filter { sparse, ..Filter::default() }));
    }

    #[test]
    fn refuses_what_it_does_not_know() {
        let texts = ["", "blob", "blob:limit=", "blob:limit=x", "blob:limit=99999999999999999999"];
        let more = [
            "tree:",
            "tree:-1",
            "object:type=bolb",
            "combine:",
            "combine:%",
            "combine:%4",
            "sparse:x",
            "sparse:oid=other",
            "combine:sparse:oid=list+sparse:oid=list",
        ];
        for text in texts.into_iter().chain(more) {
            assert_eq!(read(text), Err(Error::BadRequest), "{text}");
        }
        let nested = "combine:".repeat(5) + "blob:none";
        assert_eq!(read(&nested), Err(Error::BadRequest));
    }
}
