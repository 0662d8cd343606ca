//! Names that some file systems take for git's own files. Knows no tree.
//!
//! HFS+ ignores some code points; NTFS ignores case, spaces and dots at the end and what follows a
//! colon, and has short names of eight characters.

/// A file whose name means something to git.
pub struct Special {
    /// Behind the dot.
    long: &'static [u8],
    /// How NTFS starts the short name where the usual ones are taken.
    short: &'static [u8; 6],
}

pub const MODULES: Special = Special { long: b"gitmodules", short: b"gi7eba" };
pub const ATTRIBUTES: Special = Special { long: b"gitattributes", short: b"gi7d29" };
pub const IGNORE: Special = Special { long: b"gitignore", short: b"gi250a" };
pub const MAILMAP: Special = Special { long: b"mailmap", short: b"maba30" };

/// Whether a name could be one of those below, by how it starts: few are.
pub fn is_suspect(name: &[u8]) -> bool {
    // The last two start what HFS+ ignores; `~` starts an NTFS short name, `g` and `m` do too.
    matches!(name, [b'.' | b'~' | b'g' | b'G' | b'm' | b'M' | 0xe2 | 0xef, ..])
}

/// Whether a file system takes this name for `.git`.
pub fn is_dotgit(name: &[u8]) -> bool {
    is_hfs(name, b"git") || is_ntfs_dotgit(name)
}

/// The same on NTFS alone.
pub fn is_ntfs_dotgit(name: &[u8]) -> bool {
    let rest = skip(name, b".git").or_else(|| skip(name, b"git~1"));
    rest.is_some_and(|rest| is_ignored(rest, b"\\/:"))
}

impl Special {
    /// Whether a file system takes this name for this file's.
    pub fn is(&self, name: &[u8]) -> bool {
        is_hfs(name, self.long) || self.is_ntfs(name)
    }

    pub fn is_ntfs(&self, name: &[u8]) -> bool {
        let long = name.strip_prefix(b".").and_then(|name| skip(name, self.long));
        let rest = long.or_else(|| self.skip_usual_short(name)).or_else(|| self.skip_short(name));
        rest.is_some_and(|rest| is_ignored(rest, b":"))
    }

    /// `gitmod~1` to `gitmod~4`.
    fn skip_usual_short<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        match skip(name, self.long.get(..6)?)? {
            [b'~', b'1'..=b'4', rest @ ..] => Some(rest),
            _ => None,
        }
    }

    /// As much of `gi7eba` as leaves room for `~` and a number, eight characters in all.
    fn skip_short<'a>(&self, name: &'a [u8]) -> Option<&'a [u8]> {
        let (name, rest) = name.split_at_checked(8)?;
        let tilde = name.iter().position(|byte| *byte == b'~')?;
        let (start, number) = name.split_at_checked(tilde)?;
        let is_start = start.eq_ignore_ascii_case(self.short.get(..tilde)?);
        let digits = number.strip_prefix(b"~")?;
        let is_number = digits.iter().all(u8::is_ascii_digit) && !digits.starts_with(b"0");
        (is_start && is_number).then_some(rest)
    }
}

/// What follows the prefix, in whatever case it is.
fn skip<'a>(name: &'a [u8], prefix: &[u8]) -> Option<&'a [u8]> {
    let (start, rest) = name.split_at_checked(prefix.len())?;
    start.eq_ignore_ascii_case(prefix).then_some(rest)
}

/// Whether NTFS ignores the end of a name: spaces and dots, and all that follows one of `ends`.
fn is_ignored(rest: &[u8], ends: &[u8]) -> bool {
    let other = rest.iter().find(|byte| !matches!(byte, b' ' | b'.'));
    other.is_none_or(|byte| ends.contains(byte))
}

/// Whether HFS+ takes this name for a dot and `long`.
fn is_hfs(name: &[u8], long: &[u8]) -> bool {
    let mut rest = name;
    let is_same = next(&mut rest) == u32::from(b'.')
        && long.iter().all(|letter| lower(next(&mut rest)) == u32::from(*letter));
    is_same && matches!(next(&mut rest), 0 | 0x2f)
}

fn lower(point: u32) -> u32 {
    u8::try_from(point).map_or(point, |byte| u32::from(byte.to_ascii_lowercase()))
}

/// The next code point that HFS+ does not ignore; 0 at the end, or where there is none.
fn next(rest: &mut &[u8]) -> u32 {
    loop {
        let Some((point, size)) = decode(rest) else {
            *rest = &[];
            return 0;
        };
        *rest = rest.get(size..).unwrap_or_default();
        if !matches!(point, 0x200c..=0x200f | 0x202a..=0x202e | 0x206a..=0x206f | 0xfeff) {
            return point;
        }
    }
}

/// The code point that the bytes start with, and its bytes (RFC 3629; U+FFFE and U+FFFF are none).
fn decode(bytes: &[u8]) -> Option<(u32, usize)> {
    let first = u32::from(*bytes.first()?);
    let (size, start, least) = match first {
        0..0x80 => return Some((first, 1)),
        0xc0..0xe0 => (2, first & 0x1f, 0x80),
        0xe0..0xf0 => (3, first & 0x0f, 0x800),
        0xf0..0xf8 => (4, first & 0x07, 0x1_0000),
        _ => return None,
    };
    let mut point = start;
    for byte in bytes.get(1..size)? {
        point = match byte {
            0x80..0xc0 => point << 6 | u32::from(byte & 0x3f),
            _ => return None,
        };
    }
    let is_one =
        (least..=0x10_ffff).contains(&point) && !matches!(point, 0xd800..0xe000 | 0xfffe | 0xffff);
    is_one.then_some((point, size))
}
