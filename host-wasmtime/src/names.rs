//! Names of repositories: `NAMESPACE/NAME`. Knows no store and no server.

use anyhow::{Error, Result, bail, ensure};
use std::fmt;
use std::str::FromStr;

const PART_MAX: usize = 100;

/// The name of a repository; its parts are valid.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name {
    pub namespace: String,
    pub name: String,
}

impl Name {
    pub fn new(namespace: &str, name: &str) -> Result<Name> {
        check("namespace", namespace)?;
        check("name", name)?;
        Ok(Name { namespace: namespace.into(), name: name.into() })
    }
}

impl FromStr for Name {
    type Err = Error;

    /// Reads `NAMESPACE/NAME`; a `.git` at its end is allowed, as people paste it.
    fn from_str(text: &str) -> Result<Name> {
        let Some((namespace, name)) = text.split_once('/') else {
            bail!("a repository is named NAMESPACE/NAME");
        };
        Name::new(namespace, name.strip_suffix(".git").unwrap_or(name))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.namespace, self.name)
    }
}

/// What a token or a key is for: one repository, or `NAMESPACE/*`, all of a namespace.
#[derive(Clone, Debug)]
pub struct Bound(String);

impl Bound {
    pub fn covers(&self, name: &Name) -> bool {
        match self.0.strip_suffix("/*") {
            Some(namespace) => namespace == name.namespace,
            None => self.0 == name.to_string(),
        }
    }

    /// As it was kept, once it was read by `from_str`.
    pub fn kept(text: String) -> Bound {
        Bound(text)
    }

    /// The one repository, if it is no namespace.
    pub fn name(&self) -> Option<Name> {
        self.0.parse().ok()
    }
}

impl From<&Name> for Bound {
    fn from(name: &Name) -> Bound {
        Bound(name.to_string())
    }
}

impl FromStr for Bound {
    type Err = Error;

    fn from_str(text: &str) -> Result<Bound> {
        if let Some(namespace) = text.strip_suffix("/*") {
            check("namespace", namespace)?;
            return Ok(Bound(text.into()));
        }
        Ok(Bound(text.parse::<Name>()?.to_string()))
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

fn check(what: &str, part: &str) -> Result<()> {
    ensure!(!part.is_empty(), "the {what} is empty");
    ensure!(part.len() <= PART_MAX, "the {what} is longer than {PART_MAX} characters");
    ensure!(
        part.starts_with(|first: char| first.is_ascii_alphanumeric())
            && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)),
        "the {what} `{}` is not made of letters, digits, `.`, `_` and `-`, a letter or digit first",
        // It may be a stranger's, and is logged.
        part.escape_debug()
    );
    let lower = part.to_ascii_lowercase();
    ensure!(
        !part.contains("..") && !lower.ends_with(".git") && !lower.ends_with(".lock"),
        "the {what} `{part}` contains `..` or ends in `.git` or `.lock`"
    );
    Ok(())
}

/// Splits a URL's path into a repository and the path inside it: `/NAMESPACE/NAME.git/…`, also
/// after `/git`. `None`: no repository's URL.
pub fn route(path: &str) -> Option<(Name, &str)> {
    let rest = path.strip_prefix('/')?;
    read(rest).or_else(|| read(rest.strip_prefix("git/")?))
}

fn read(path: &str) -> Option<(Name, &str)> {
    let (namespace, rest) = path.split_once('/')?;
    let (name, inside) = rest.split_at(rest.find('/')?);
    Some((Name::new(namespace, name.strip_suffix(".git")?).ok()?, inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_plain_names_and_refuses_the_rest() {
        let check = |text: &str, expect: bool| {
            assert_eq!(text.parse::<Name>().is_ok(), expect, "{text:?}");
        };
        check("a/b", true);
        check("a/b.git", true);
        check("A-1._/0.b_c-", true);
        check(&format!("{}/b", "a".repeat(PART_MAX)), true);
        check(&format!("{}/b", "a".repeat(PART_MAX + 1)), false);
        for text in ["", "a", "a/", "/b", "a/b/c", ".a/b", "a/-b", "a/b..c", "a b/c", "ä/b"] {
            check(text, false);
        }
        for text in ["a.git/b", "a/b.git.git", "a/b.lock", "a/B.LOCK", "a/b.Git", "../b", "a/.."] {
            check(text, false);
        }
        let told = "a/b\n\u{1b}[2J".parse::<Name>().expect_err("no name").to_string();
        assert!(!told.contains(char::is_control), "{told:?}");
    }

    #[test]
    fn a_bound_covers_its_repository_or_namespace() {
        let check = |bound: &str, name: &str, expect: bool| {
            let bound: Bound = bound.parse().expect("a bound");
            assert_eq!(bound.covers(&name.parse().expect("a name")), expect, "{bound} {name}");
        };
        check("a/b", "a/b", true);
        check("a/b.git", "a/b", true);
        check("a/b", "a/c", false);
        check("a/*", "a/c", true);
        check("a/*", "ab/c", false);
        for text in ["*", "*/*", "/*", "a", "a/b*", "a/b/*"] {
            assert!(text.parse::<Bound>().is_err(), "{text}");
        }
    }

    #[test]
    fn routes_both_forms_of_a_url() {
        let check = |path: &str, expect: Option<(&str, &str)>| {
            let found = route(path).map(|(name, inside)| (name.to_string(), inside));
            assert_eq!(found.as_ref().map(|(name, inside)| (&**name, *inside)), expect, "{path:?}");
        };
        check("/a/b.git/info/refs", Some(("a/b", "/info/refs")));
        check("/git/a/b.git/info/refs", Some(("a/b", "/info/refs")));
        check("/git/b.git/info/refs", Some(("git/b", "/info/refs")));
        check("/git/git/b.git/x", Some(("git/b", "/x")));
        for path in
            ["", "/", "/a/b.git", "/a/b/info/refs", "/x/a/b.git/info", "/a/.git/x", "//b.git/x"]
        {
            check(path, None);
        }
    }
}
