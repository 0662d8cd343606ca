//! Protocol bytes.

use engine::wire::line::{Line, read, write};
use engine::wire::refname::is_valid;

/// A line asks for more until it is whole, and written again it is the same.
pub fn line(data: &[u8]) {
    let mut rest = data;
    while let Ok(Some((line, taken))) = read(rest) {
        for cut in [0, 1, 3, 4, taken / 2, taken - 1] {
            let is_asking = read(&rest[..cut.min(taken - 1)]) == Ok(None);
            assert!(is_asking, "cut at {cut}");
        }
        if let Line::Data(text) = line {
            let mut written = Vec::new();
            write(&mut written, &[text]);
            assert_eq!(written.to_ascii_lowercase(), rest[..taken].to_ascii_lowercase());
        }
        rest = &rest[taken..];
    }
}

/// A ref's name is valid if none of the rules of git-check-ref-format, each by itself, forbids it.
pub fn refname(data: &[u8]) {
    let contains = |bytes: &[u8]| data.windows(bytes.len()).any(|found| found == bytes);
    let forbidden = [
        // 1: no component begins with a dot or ends with `.lock`.
        contains(b"/.") || data.starts_with(b"."),
        contains(b".lock/") || data.ends_with(b".lock"),
        // 2 and 3: at least one slash, no two dots.
        !contains(b"/"),
        contains(b".."),
        // 4 and 5: no control characters, space, tilde, caret, colon; no pattern.
        data.iter().any(|byte| *byte < 0o40 || *byte == 0o177 || b" ~^:?*[".contains(byte)),
        // 6: no slash at the beginning or the end, no two of them.
        data.starts_with(b"/") || data.ends_with(b"/") || contains(b"//"),
        // 7 to 10.
        data.ends_with(b"."),
        contains(b"@{"),
        data == b"@",
        contains(b"\\"),
        // The server's own: below `refs/`, and short enough to be a key.
        !data.starts_with(b"refs/"),
        data.len() > 500,
    ];
    let is_forbidden = forbidden.contains(&true);
    assert_eq!(is_valid(data), !is_forbidden, "{}", data.escape_ascii());
}
