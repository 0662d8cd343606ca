//! An annotated tag: what it points to. Knows no other object.

use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::object::Kind;

/// What a tag says that a server needs.
pub struct Tag<'a> {
    pub oid: Oid,
    pub kind: Kind,
    pub name: &'a [u8],
}

impl<'a> Tag<'a> {
    /// As lenient as git: what follows the name may be anything.
    pub fn read(content: &'a [u8], format: Format) -> Result<Tag<'a>> {
        if content.len() < 2 * format.width() + 24 {
            return Err(Error::BadObject);
        }
        Tag::parse(content, format).ok_or(Error::BadObject)
    }

    fn parse(content: &'a [u8], format: Format) -> Option<Tag<'a>> {
        let (digits, rest) =
            content.strip_prefix(b"object ")?.split_at_checked(2 * format.width())?;
        let oid = Oid::from_hex(format, digits).ok()?;
        let (kind, rest) = line(rest.strip_prefix(b"\ntype ")?)?;
        let (name, _) = line(rest.strip_prefix(b"tag ")?)?;
        Some(Tag { oid, kind: Kind::from_name(kind)?, name })
    }
}

fn line(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    const ID: &str = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

    fn check(content: &str, expect: Result<(Kind, &str)>) {
        let tag = Tag::read(content.as_bytes(), Format::Sha1);
        let found = tag.map(|tag| (tag.kind, core::str::from_utf8(tag.name).expect("text")));
        assert_eq!(found, expect, "{content:?}");
    }

    #[test]
    fn reads_what_it_points_to() {
        for kind in [Kind::Commit, Kind::Tree, Kind::Blob, Kind::Tag] {
            let text = format!("object {ID}\ntype {}\ntag v 1\nwhatever", kind.name());
            check(&text, Ok((kind, "v 1")));
        }
        let text = format!("object {ID}\ntype blob\ntag name\n");
        let tag = Tag::read(text.as_bytes(), Format::Sha1).expect("it is one");
        assert_eq!(&tag.oid.to_hex()[..], ID.as_bytes());
    }

    #[test]
    fn refuses_what_git_cannot_read() {
        let bad = Err(Error::BadObject);
        check(&format!("object {ID}\ntype blob\ntag n\n"), Ok((Kind::Blob, "n")));
        // One byte less than git's shortest.
        check(&format!("object {ID}\ntype tree\ntag \n"), bad);
        check(&format!("object {ID}\ntype tree\ntag \n\n"), Ok((Kind::Tree, "")));
        check(&format!("object {ID}\ntype commit\ntag \n"), Ok((Kind::Commit, "")));
        check(&format!("object {ID}\ntype blob\ntag name"), bad);
        check(&format!("object {ID}\ntype blog\ntag name\n"), bad);
        check(&format!("object {ID}\ntype blob \ntag name\n"), bad);
        check(&format!("object {ID}\ntag name\ntype blob\n"), bad);
        check(&format!("object {ID}0\ntype blob\ntag name\n"), bad);
        check(&format!("object {}g\ntype blob\ntag name\n", &ID[1..]), bad);
        check(&format!("Object {ID}\ntype blob\ntag name\n"), bad);
    }
}
