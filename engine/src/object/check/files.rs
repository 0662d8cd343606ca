//! What is in the files that git itself reads: `.gitmodules` and `.gitattributes`. Knows no tree.

use super::{Check, Fault, Finding, Severities};
use crate::hash::Format;
use crate::limits::ATTRIBUTES_LINE_MAX;
use alloc::vec::Vec;
use core::mem::take;

/// The files that are looked into; both may be one object. The numbers are bits.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum File {
    Modules = 1,
    Attributes = 2,
}

/// What an object is that trees have under such a name.
pub enum Content<'a> {
    /// No blob.
    Other,
    /// A blob that is too large to be read.
    Large,
    Blob(&'a [u8]),
}

/// Tells what is wrong with an object under such a name. True: there is no error.
pub fn inspect_file(
    file: File,
    content: &Content,
    severities: &Severities,
    tell: &mut dyn FnMut(&Finding),
) -> bool {
    // Nothing in a file is an id, so their format does not matter.
    let mut check = Check { format: Format::Sha1, severities, tell, is_good: true };
    let fault = match (content, file) {
        (Content::Other, File::Modules) => Fault::GitmodulesBlob,
        (Content::Other, File::Attributes) => Fault::GitattributesBlob,
        (Content::Large, File::Modules) => Fault::GitmodulesLarge,
        (Content::Large, File::Attributes) => Fault::GitattributesLarge,
        (Content::Blob(text), File::Modules) if check.modules(text).is_none() => {
            Fault::GitmodulesParse
        }
        (Content::Blob(text), File::Attributes) if has_long_line(text) => {
            Fault::GitattributesLineLength
        }
        _ => return check.is_good,
    };
    _ = check.fault(fault);
    check.is_good
}

fn has_long_line(text: &[u8]) -> bool {
    let mut size = 0;
    for byte in text {
        match byte {
            // Git reads a text: a NUL ends it.
            0 => return false,
            b'\n' => size = 0,
            _ => size += 1,
        }
        if size == ATTRIBUTES_LINE_MAX {
            return true;
        }
    }
    false
}

impl Check<'_> {
    /// Reads a file of settings, more leniently than git; `None`: something in it has no end.
    fn modules(&mut self, text: &[u8]) -> Option<()> {
        // A submodule's name, and whether that is still to be told: once, not for each line.
        let (mut rest, mut module) = (text, None);
        while let Some((first, after)) = rest.split_first() {
            match first {
                b'[' => {
                    rest = after;
                    let name = module_of(&word(&mut rest, b']')?);
                    module = name.map(|name| (is_bad_name(&name), name));
                }
                b'#' | b';' => _ = word(&mut rest, b'\n')?,
                _ if first.is_ascii_alphabetic() => {
                    let is_end = |byte: &u8| matches!(byte, b'=' | b'\n');
                    let end = rest.iter().position(is_end).unwrap_or(rest.len());
                    let (key, value) = rest.split_at(end);
                    rest = value;
                    if let Some(value) = value.strip_prefix(b"=") {
                        rest = value;
                        let value = word(&mut rest, b'\n')?;
                        if let Some((is_bad, name)) = &mut module {
                            if take(is_bad) {
                                _ = self.fault_at(Fault::GitmodulesName, name);
                            }
                            self.module(key.trim_ascii(), &value);
                        }
                    }
                }
                _ => rest = after,
            }
        }
        Some(())
    }

    fn module(&mut self, key: &[u8], value: &[u8]) {
        let is = |name: &[u8]| key.eq_ignore_ascii_case(name);
        if is(b"url") && is_bad_url(value) {
            _ = self.fault_at(Fault::GitmodulesUrl, value);
        }
        if is(b"path") && value.starts_with(b"-") {
            _ = self.fault_at(Fault::GitmodulesPath, value);
        }
        if is(b"update") && value.starts_with(b"!") {
            _ = self.fault_at(Fault::GitmodulesUpdate, value);
        }
    }
}

/// The submodule that a section's head names: `submodule "name"` or `submodule.name`.
fn module_of(head: &[u8]) -> Option<Vec<u8>> {
    const SECTION: &[u8] = b"submodule";
    let (section, name) = head.split_at_checked(SECTION.len())?;
    let is_module = section.eq_ignore_ascii_case(SECTION);
    let name = name.strip_prefix(b".").unwrap_or(name.trim_ascii_start());
    (is_module && head.len() > SECTION.len()).then(|| name.to_vec())
}

/// Whether a submodule of this name could lie outside of git's folder for submodules.
fn is_bad_name(name: &[u8]) -> bool {
    name.is_empty() || name.split(|byte| is_slash(*byte)).any(|part| part == b"..")
}

/// Takes what is before `end`, without quotes, escapes, comments and spaces around it.
fn word(rest: &mut &[u8], end: u8) -> Option<Vec<u8>> {
    let (mut word, mut size, mut is_quoted, mut is_comment) = (Vec::new(), 0, false, false);
    while let Some((byte, after)) = rest.split_first() {
        *rest = after;
        match *byte {
            byte if byte == end && !is_quoted => {
                word.truncate(size);
                return Some(word);
            }
            _ if is_comment => continue,
            b'\n' => return None,
            b'#' | b';' if !is_quoted && end == b'\n' => is_comment = true,
            b'"' => {
                is_quoted = !is_quoted;
                size = word.len();
            }
            b'\\' => {
                let (byte, after) = rest.split_first()?;
                *rest = after;
                match byte {
                    b'\n' => continue,
                    b'n' if end == b'\n' => word.push(b'\n'),
                    byte => word.push(*byte),
                }
                size = word.len();
            }
            byte if is_quoted || !byte.is_ascii_whitespace() => {
                word.push(byte);
                size = word.len();
            }
            byte if size > 0 => word.push(byte),
            _ => {}
        }
    }
    word.truncate(size);
    (end == b'\n' && !is_quoted).then_some(word)
}

fn is_slash(byte: u8) -> bool {
    matches!(byte, b'/' | b'\\')
}

/// Whether git could be misled by a submodule's address: to take it for an option, to send more
/// than one line, or to go to another host than it names.
fn is_bad_url(url: &[u8]) -> bool {
    let is_line = |code: &[u8]| code.eq_ignore_ascii_case(b"%0a");
    let has_line = url.contains(&b'\n') || url.windows(3).any(is_line);
    let (mut rest, mut climbs) = (url, false);
    loop {
        rest = match rest {
            [b'.', b'.', slash, rest @ ..] if is_slash(*slash) => {
                climbs = true;
                rest
            }
            [b'.', slash, rest @ ..] if is_slash(*slash) => rest,
            _ => break,
        }
    }
    if rest.len() < url.len() || url.starts_with(b"git://") {
        return has_line || climbs && matches!(rest.first(), Some(b':' | b'/'));
    }
    let Some(rest) = url.strip_prefix(b"http").or_else(|| url.strip_prefix(b"ftp")) else {
        return url.starts_with(b"-");
    };
    let rest = rest.strip_prefix(b"s").unwrap_or(rest);
    if !rest.starts_with(b"::") && !rest.starts_with(b"://") {
        return false;
    }
    let start = rest.windows(3).position(|mark| mark == b"://").map_or(rest.len(), |at| at + 3);
    let place = rest.get(start..).unwrap_or_default();
    let end = place.iter().position(|byte| matches!(byte, b'/' | b'?' | b'#'));
    let place = place.get(..end.unwrap_or(place.len())).unwrap_or_default();
    let user = place.iter().rposition(|byte| *byte == b'@').map_or(0, |at| at + 1);
    has_line || matches!(place.get(user), None | Some(b':'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::object::check::STRICT;
    use std::string::String;

    /// What is told of such a file.
    fn check(text: &[u8], expect: &[&str]) {
        let mut told = Vec::new();
        let mut tell = |found: &Finding| {
            let detail = String::from_utf8_lossy(found.detail).into_owned();
            told.push(String::from(found.rule.name) + " " + &detail);
        };
        let is_good = inspect_file(File::Modules, &Content::Blob(text), &STRICT, &mut tell);
        assert_eq!(told, expect, "{}", text.escape_ascii());
        assert_eq!(is_good, !expect.iter().any(|found| !found.contains("Parse")));
    }

    #[test]
    fn names_and_values_are_read_as_git_reads_them() {
        check(b"[submodule \"a/b\"]\n\tpath = a\n\turl = ../b.git # -\n[core]\n\tpath = -x\n", &[]);
        check(b"[SubModule  \"a\"]\npath = \"-x y\" ; z\r\n", &["gitmodulesPath -x y"]);
        check(b"[submodule.a] path=-\\\nx", &["gitmodulesPath -x"]);
        check(b"[submodule \"\\.\\./a\"]\nUpdate=none", &["gitmodulesName ../a"]);
        check(b"[submodule \"a\\\\..\"]\nurl=x", &["gitmodulesName a\\.."]);
        check(b"[submodule \"\"]\nbranch = x\nshallow\n", &["gitmodulesName "]);
        check(b"[submodule \"a\"]\nupdate = !x\n", &["gitmodulesUpdate !x"]);
        check(b"[submodule \"a\"]\npath = \"x\n", &["gitmodulesParse "]);
        check(b"[submodule \"a\nb\"]\n", &["gitmodulesParse "]);
        check(b"[submodule \"a\"", &["gitmodulesParse "]);
    }

    #[test]
    fn an_address_is_of_one_line_and_of_one_host() {
        let good = ["../../x", "./-x", "https://h/x", "http://u:p@h:1/x", "git@h:x", "http-x", ""];
        for url in good.iter().chain(&["https::http://h", "ssh://h/x%0a", "../x:y", "https:x"]) {
            assert!(!is_bad_url(url.as_bytes()), "{url}");
        }
        let bad = ["-x", "../x%0ay", "git://h/x%0A", "https://h/%0a", "../:x", "../..//h/x"];
        for url in
            bad.iter().chain(&["https:///x", "http://:1/x", "ftps::x", "https::///", "http://u@/"])
        {
            assert!(is_bad_url(url.as_bytes()), "{url}");
        }
    }

    #[test]
    fn a_line_of_attributes_has_a_limit() {
        let line = |size: usize| [&b"a\n".repeat(9), &b"a".repeat(size)[..], b"\n"].concat();
        assert!(!has_long_line(&line(ATTRIBUTES_LINE_MAX - 1)));
        assert!(has_long_line(&line(ATTRIBUTES_LINE_MAX)));
        assert!(!has_long_line(&[b"\0", &line(ATTRIBUTES_LINE_MAX)[..]].concat()));
    }
}
