//! `gitcell token`.

use super::Common;
use crate::cell::now;
use crate::names::Bound;
use crate::registry;
use crate::tokens::{self, Scope};
use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use rusqlite::Connection;

#[derive(Subcommand)]
pub enum Token {
    /// Make a token; it is printed once and kept nowhere
    Create {
        /// What it allows: read (clone, fetch) or write (push, too)
        #[arg(long, default_value = "read")]
        scope: Scope,
        /// How long it is valid: 90s, 15m, 12h, 30d; without it, until it is revoked
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        ttl: Option<u64>,
        /// The only repository that it opens, or NAMESPACE/*; without it, all of them
        #[arg(long, value_name = "NAMESPACE/NAME")]
        repo: Option<Bound>,
        /// What it is for: shown in lists, and recorded with pushes
        #[arg(long, default_value = "", value_name = "TEXT")]
        note: String,
    },
    /// List all tokens: their ids and what they allow, never the tokens
    List,
    /// End a token, named by its id (or its whole text)
    Revoke { token: String },
}

impl Token {
    pub fn run(self, common: &Common) -> Result<()> {
        let db = registry::open(&common.data)?;
        match self {
            Token::Create { scope, ttl, repo, note } => {
                check(&db, &note, repo.as_ref())?;
                println!("{}", tokens::create(&db, scope, repo.as_ref(), &note, now(), ttl)?);
            }
            Token::List => {
                for token in tokens::list(&db)? {
                    println!("{}", line(&token, now()));
                }
            }
            Token::Revoke { token } => {
                tokens::revoke(&db, &token, now())?;
                println!("revoked");
            }
        }
        Ok(())
    }
}

/// A note may be logged, and a bound is to a repository that there is.
pub fn check(db: &Connection, note: &str, repo: Option<&Bound>) -> Result<()> {
    ensure!(
        note.chars().all(|c| c.is_ascii_graphic() || c == ' ') && note.len() <= 100,
        "a note has at most 100 printable ASCII characters"
    );
    if let Some(name) = repo.and_then(Bound::name) {
        registry::find(db, &name)?.with_context(|| {
            format!("there is no repository {name}: `gitcell repo create {name}` makes one")
        })?;
    }
    Ok(())
}

fn line(token: &tokens::Token, now: u64) -> String {
    let state = if token.revoked { "revoked".into() } else { state(token.expires, now) };
    let repository = token.repository.as_deref().unwrap_or("all repositories");
    let made = age(now.saturating_sub(token.created));
    let text = format!(
        "{}  {:5}  {repository}  {state}  made {made} ago  {}",
        token.id, token.scope, token.note
    );
    text.trim_end().into()
}

/// Whether something is valid, and for how long.
pub fn state(expires: Option<u64>, now: u64) -> String {
    match expires {
        Some(end) if end <= now => "expired".into(),
        Some(end) => format!("ends in {}", age(end - now)),
        None => "valid".into(),
    }
}

pub fn age(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds}s"),
        120..7200 => format!("{}m", seconds / 60),
        7200..172_800 => format!("{}h", seconds / 3600),
        _ => format!("{}d", seconds / 86_400),
    }
}

/// Reads `90s`, `15m`, `12h`, `30d`; a number alone means seconds.
pub fn seconds(text: &str) -> Result<u64, String> {
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
