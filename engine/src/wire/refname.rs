//! Which names a ref may have (git-check-ref-format).

use crate::limits::REFNAME_MAX;

/// Whether this is a well-formed name under `refs/`.
pub fn is_valid(name: &[u8]) -> bool {
    name.starts_with(b"refs/") && name.len() <= REFNAME_MAX && is_well_formed(name)
}

/// Whether this is what follows `refs/heads/` in a branch's name.
pub fn is_branch(name: &[u8]) -> bool {
    let full = [b"refs/heads/".as_slice(), name].concat();
    !name.starts_with(b"-") && name != b"HEAD" && is_valid(&full)
}

/// The rules of `git check-ref-format`.
fn is_well_formed(name: &[u8]) -> bool {
    let is_bad =
        |byte: &u8| matches!(byte, 0..=32 | 127 | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\');
    let has = |two: &[u8]| name.windows(2).any(|found| found == two);
    !name.iter().any(is_bad)
        && !has(b"..")
        && !has(b"@{")
        && !name.ends_with(b".")
        && name.split(|byte| *byte == b'/').all(is_component)
}

fn is_component(part: &[u8]) -> bool {
    !part.is_empty() && !part.starts_with(b".") && !part.ends_with(b".lock")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_what_git_takes() {
        for name in [
            "refs/heads/main",
            "refs/x",
            "refs/heads/@",
            "refs/heads/ä",
            "refs/a/b@",
            "refs/heads/-x",
        ] {
            assert!(is_valid(name.as_bytes()), "{name}");
        }
        let bad = [
            "HEAD",
            "refs/",
            "refs",
            "refs/heads/",
            "refs/heads//x",
            "refs/.x",
            "refs/x.",
            "refs/x.lock",
        ];
        let worse =
            ["refs/x.lock/y", "refs/a..b", "refs/a b", "refs/a~", "refs/a^", "refs/a:b", "refs/a?"];
        let worst =
            ["refs/a*", "refs/a[", "refs/a\\b", "refs/a@{b", "refs/a\x7f", "refs/a\n", "/refs/a"];
        for name in bad.into_iter().chain(worse).chain(worst) {
            assert!(!is_valid(name.as_bytes()), "{name}");
        }
        let long = "refs/".repeat(101);
        assert!(!is_valid(long.trim_end_matches('/').as_bytes()));
        assert!(
            is_branch(b"main") && !is_branch(b"-x") && !is_branch(b"a b") && !is_branch(b"HEAD")
        );
    }
}
