//! Lists of path patterns, as gitignore has them: for sparse filters, and paths that are forbidden.
//! Of brackets it knows sets and ranges, no named classes.

/// Whether the last line that fits a path takes it, or `!` leaves it out; `None`: none fits.
pub fn find(lines: &[u8], path: &[u8], is_folder: bool) -> Option<bool> {
    lines.rsplit(|byte| *byte == b'\n').find_map(|line| {
        let line = trim(line.strip_suffix(b"\r").unwrap_or(line));
        if line.is_empty() || line.starts_with(b"#") {
            return None;
        }
        let pattern = line.strip_prefix(b"!").unwrap_or(line);
        fits(pattern, path, is_folder).then_some(pattern.len() == line.len())
    })
}

/// Without the spaces at its end, but one behind a backslash.
fn trim(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let Some(rest) = line.strip_suffix(b" ")
        && !rest.ends_with(b"\\")
    {
        line = rest;
    }
    line
}

fn fits(pattern: &[u8], path: &[u8], is_folder: bool) -> bool {
    let pattern = match pattern.strip_suffix(b"/") {
        Some(_) if !is_folder => return false,
        Some(pattern) => pattern,
        None => pattern,
    };
    if !pattern.contains(&b'/') {
        let name = path.rsplit(|byte| *byte == b'/').next().unwrap_or_default();
        return name_fits(pattern, name);
    }
    path_fits(pattern.strip_prefix(b"/").unwrap_or(pattern), path)
}

/// The first part of a path, and the rest behind a slash.
fn split(path: &[u8]) -> (&[u8], Option<&[u8]>) {
    match path.iter().position(|byte| *byte == b'/') {
        Some(at) => (&path[..at], path.get(at + 1..)),
        None => (path, None),
    }
}

/// Part by part; `**` is any number of parts, at the end at least one.
fn path_fits(pattern: &[u8], path: &[u8]) -> bool {
    let (mut pattern, mut path) = (Some(pattern), Some(path));
    // Where to try again: what follows `**`, with a part more in it.
    let mut again = None;
    loop {
        if let Some((b"**", rest)) = pattern.map(split) {
            if rest.is_none() {
                return path.is_some();
            }
            again = rest.zip(path);
            pattern = rest;
            continue;
        }
        if let (Some(left), Some(right)) = (pattern, path) {
            let ((part, more), (name, rest)) = (split(left), split(right));
            if name_fits(part, name) {
                (pattern, path) = (more, rest);
                continue;
            }
        } else if pattern.is_none() && path.is_none() {
            return true;
        }
        let Some((behind, Some(shorter))) = again.map(|(behind, path)| (behind, split(path).1))
        else {
            return false;
        };
        again = Some((behind, shorter));
        (pattern, path) = (Some(behind), Some(shorter));
    }
}

/// One part of a path: `*`, `?`, `[a-z]`, and `\` before what is meant as it is.
fn name_fits(pattern: &[u8], name: &[u8]) -> bool {
    let (mut pattern, mut name) = (pattern, name);
    let mut again: Option<(&[u8], &[u8])> = None;
    loop {
        if let Some(rest) = pattern.strip_prefix(b"*") {
            again = Some((rest, name));
            pattern = rest;
            continue;
        }
        let next = name.split_first();
        match next {
            None if pattern.is_empty() => return true,
            Some((byte, rest)) if let Some(after) = one(pattern, *byte) => {
                (pattern, name) = (after, rest);
                continue;
            }
            _ => {}
        }
        let Some((behind, [_, shorter @ ..])) = again else { return false };
        again = Some((behind, shorter));
        (pattern, name) = (behind, shorter);
    }
}

/// What follows the first item of a pattern, if a byte fits it.
fn one(pattern: &[u8], byte: u8) -> Option<&[u8]> {
    match pattern {
        [b'?', rest @ ..] => Some(rest),
        [b'\\', wanted, rest @ ..] => (*wanted == byte).then_some(rest),
        [b'[', set @ ..] => {
            let (is_not, mut set) = match set {
                [b'!' | b'^', set @ ..] => (true, set),
                _ => (false, set),
            };
            let mut is_in = false;
            let mut is_first = true;
            loop {
                let (low, rest) = match set {
                    [b']', rest @ ..] if !is_first => return (is_in != is_not).then_some(rest),
                    [b'\\', low, rest @ ..] | [low, rest @ ..] => (*low, rest),
                    [] => return None,
                };
                is_first = false;
                let (high, rest) = match rest {
                    [b'-', b'\\', high, rest @ ..] => (*high, rest),
                    [b'-', high, rest @ ..] if *high != b']' => (*high, rest),
                    _ => (low, rest),
                };
                is_in |= (low..=high).contains(&byte);
                set = rest;
            }
        }
        [wanted, rest @ ..] => (*wanted == byte).then_some(rest),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(lines: &str, path: &str, expect: Option<bool>) {
        let (path, is_folder) = match path.strip_suffix('/') {
            Some(path) => (path, true),
            None => (path, false),
        };
        assert_eq!(find(lines.as_bytes(), path.as_bytes(), is_folder), expect, "{lines} {path}");
    }

    #[test]
    fn the_last_line_that_fits_decides() {
        check("", "a", None);
        check("# a\n\na\n", "a", Some(true));
        check("a\n!a\n", "a", Some(false));
        check("!a\r\na", "a", Some(true));
        check("\\#a\n\\!b\n", "#a", Some(true));
        check("\\#a\n\\!b\n", "!b", Some(true));
        check("a  \n", "a", Some(true));
        check("a\\ \n", "a ", Some(true));
    }

    #[test]
    fn a_slash_within_binds_a_pattern_to_the_top() {
        check("b", "a/b", Some(true));
        check("/b", "a/b", None);
        check("/b", "b", Some(true));
        check("a/b", "a/b", Some(true));
        check("a/b", "x/a/b", None);
        check("b/", "a/b/", Some(true));
        check("b/", "a/b", None);
        check("/a/", "a/", Some(true));
        check("a", "a/b", None);
    }

    #[test]
    fn stars_stand_for_parts_of_names_or_for_folders() {
        for (pattern, fit, other) in [
            ("*.o", "a/b.o", "a/b.oo"),
            ("/a*/c", "abc/c", "ab/x/c"),
            ("/*", "a", "a/b"),
            ("a/*/c", "a/b/c", "a/b/b/c"),
            ("**/c", "c", "a/d"),
            ("**/b/c", "x/b/b/c", "x/b/c/d"),
            ("a/**", "a/b/c", "a"),
            ("a/**/z", "a/z", "a/b/zz"),
            ("a/**/b/**/c", "a/b/x/b/c", "a/b/x/b"),
            ("/a**z", "abz", "a/z"),
            ("x*y*z", "xaybyz", "xaybzy"),
            ("a?c", "abc", "ac"),
            ("*", "a", ""),
        ] {
            check(pattern, fit, Some(true));
            if !other.is_empty() {
                check(pattern, other, None);
            }
        }
    }

    #[test]
    fn brackets_are_sets_and_ranges() {
        for (pattern, fit, other) in [
            ("[a-c]", "b", "d"),
            ("[!a-c]x", "dx", "ax"),
            ("[^a]", "b", "a"),
            ("[]-]", "-", "a"),
            ("[]a]", "]", "b"),
            ("[a\\]b]", "]", "\\"),
            ("a[x-]", "a-", "ay"),
        ] {
            check(pattern, fit, Some(true));
            check(pattern, other, None);
        }
        check("[a", "a", None);
        check("a\\", "a", None);
    }
}
