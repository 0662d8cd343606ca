//! What a token or a key is made with, and what binds its pushes beside their scope: which refs,
//! and whether history may be lost. The engine enforces that; here it is read, kept and handed on.

use crate::names::Bound;
use crate::tokens::Scope;
use anyhow::{Context, Result, ensure};
use std::fmt;

const PATTERNS_MAX: usize = 20;
const PATTERN_MAX: usize = 200;

/// What a token or a key is good for.
#[derive(clap::Args)]
pub struct Terms {
    /// What it allows: read (clone, fetch) or write (push, too)
    #[arg(long, default_value = "read")]
    pub scope: Scope,
    /// How long it is valid: 90s, 15m, 12h, 30d; without it, until it is taken away
    #[arg(long, value_name = "TIME", value_parser = seconds)]
    pub ttl: Option<u64>,
    /// The only repository that it opens, or NAMESPACE/*; without it, all of them
    #[arg(long, value_name = "NAMESPACE/NAME")]
    pub repo: Option<Bound>,
    #[command(flatten)]
    pub rules: Rules,
}

/// Limits of pushes; without any, it may do what its scope says.
#[derive(Clone, Debug, Default, PartialEq, Eq, clap::Args)]
pub struct Rules {
    /// A ref that may be pushed to, such as 'refs/heads/agent/*'; again for more; without it, all
    #[arg(long = "ref", value_name = "PATTERN", value_parser = pattern)]
    pub refs: Vec<String>,
    /// No forced pushes, and no refs deleted: history is only added to
    #[arg(long)]
    pub no_force: bool,
}

impl Rules {
    /// As `kept` wrote it.
    pub fn read(text: &str) -> Rules {
        let refs = text.split_whitespace().filter(|word| *word != NO_FORCE).map(String::from);
        Rules { refs: refs.collect(), no_force: text.split(' ').any(|word| word == NO_FORCE) }
    }

    /// As one text, for a database.
    pub fn kept(&self) -> String {
        let mut words: Vec<&str> = self.refs.iter().map(String::as_str).collect();
        words.extend(self.no_force.then_some(NO_FORCE));
        words.join(" ")
    }

    /// Limits that are none of a reader's, or too many, are a mistake.
    pub fn check(&self, writes: bool) -> Result<()> {
        let is_free = *self == Rules::default();
        ensure!(writes || is_free, "--ref and --no-force bind pushes: they need --scope write");
        ensure!(self.refs.len() <= PATTERNS_MAX, "at most {PATTERNS_MAX} patterns of refs");
        Ok(())
    }

    /// The lines that bind a caller (`abi.wit`), each begun by a line's end.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        let mut add = |key: &str, value: &str| lines.push_str(&format!("\ngitcell.{key}={value}"));
        if !self.refs.is_empty() {
            add("denyWrite", "*");
        }
        for pattern in &self.refs {
            add("denyWrite", &format!("!{pattern}"));
        }
        if self.no_force {
            add("denyForce", "*");
            add("denyDelete", "*");
        }
        lines
    }
}

/// Is no pattern: those start with `refs/`.
const NO_FORCE: &str = "no-force";

impl fmt::Display for Rules {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        if !self.refs.is_empty() {
            words.push(format!("only {}", self.refs.join(" ")));
        }
        words.extend(self.no_force.then(|| NO_FORCE.to_string()));
        out.write_str(&words.join(", "))
    }
}

/// Reads a pattern of refs: a whole name (and what is below it), or the start of names and `*`.
fn pattern(text: &str) -> Result<String> {
    let rest = text.strip_prefix("refs/").context("a pattern starts with refs/")?;
    let rest = rest.strip_suffix('*').unwrap_or(rest);
    ensure!(text.len() <= PATTERN_MAX, "a pattern has at most {PATTERN_MAX} characters");
    ensure!(
        rest.chars().all(|c| c.is_ascii_graphic() && !"*?[\\^~:".contains(c)),
        "a pattern is a ref's name, or its start with `*` at its end"
    );
    Ok(text.into())
}

/// Reads `90s`, `15m`, `12h`, `30d`; a number alone means seconds.
fn seconds(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &text[digits.len()..] {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return Err("a time is a number and one of s, m, h, d".into()),
    };
    let number: u64 = digits.parse().map_err(|_| "a time starts with a number".to_string())?;
    number.checked_mul(unit).filter(|time| *time > 0).ok_or("this time cannot be".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_the_start_of_a_ref() {
        let check = |text: &str, expect: bool| {
            assert_eq!(pattern(text).is_ok(), expect, "{text:?}");
        };
        check("refs/heads/agent/*", true);
        check("refs/heads/main", true);
        check("refs/*", true);
        for text in ["", "*", "heads/a", "!refs/a", "refs/a b", "refs/*/x", "refs/a\nb", "refs/é"]
        {
            check(text, false);
        }
        check(&format!("refs/{}", "a".repeat(PATTERN_MAX - 5)), true);
        check(&format!("refs/{}", "a".repeat(PATTERN_MAX - 4)), false);
    }

    #[test]
    fn rules_are_kept_and_become_lines() {
        let refs = vec!["refs/heads/a/*".to_string(), "refs/tags/v".to_string()];
        let rules = Rules { refs, no_force: true };
        assert_eq!(Rules::read(&rules.kept()), rules);
        assert_eq!(rules.to_string(), "only refs/heads/a/* refs/tags/v, no-force");
        assert_eq!(
            rules.lines(),
            "\ngitcell.denyWrite=*\ngitcell.denyWrite=!refs/heads/a/*\
             \ngitcell.denyWrite=!refs/tags/v\ngitcell.denyForce=*\ngitcell.denyDelete=*"
        );
        assert_eq!((Rules::read(""), Rules::default().lines()), (Rules::default(), String::new()));
        assert!(rules.check(false).is_err() && rules.check(true).is_ok());
    }

    #[test]
    fn reads_times() {
        let check = |text: &str, expect: Option<u64>| {
            assert_eq!(seconds(text).ok(), expect, "{text:?}");
        };
        check("90", Some(90));
        check("90s", Some(90));
        check("2h", Some(7200));
        check("30d", Some(2_592_000));
        for text in ["", "0", "d", "1w", "-1d", "1.5h", "99999999999999999d"] {
            check(text, None);
        }
    }
}
