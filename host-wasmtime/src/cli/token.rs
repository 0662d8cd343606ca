//! `gitcell token`.

use super::Common;
use crate::cell::now;
use crate::names::Bound;
use crate::registry;
use crate::rules::{Rules, Terms};
use crate::tokens::{self, Scope};
use anyhow::{Context, Result, ensure};
use clap::Subcommand;
use rusqlite::Connection;

#[derive(Subcommand)]
pub enum Token {
    /// Make a token; it is printed once and kept nowhere
    Create {
        #[command(flatten)]
        terms: Terms,
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
            Token::Create { terms, note } => {
                check(&db, &note, &terms)?;
                println!("{}", tokens::create(&db, &terms, &note, now())?);
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

/// A note may be logged, a bound is to a repository that there is, and rules bind who may push.
pub fn check(db: &Connection, note: &str, terms: &Terms) -> Result<()> {
    ensure!(
        note.chars().all(|c| c.is_ascii_graphic() || c == ' ') && note.len() <= 100,
        "a note has at most 100 printable ASCII characters"
    );
    terms.rules.check(terms.scope == Scope::Write)?;
    if let Some(name) = terms.repo.as_ref().and_then(Bound::name) {
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
    let bounds = bounds(repository, &token.rules);
    let text = format!(
        "{}  {:5}  {bounds}  {state}  made {made} ago  {}",
        token.id, token.scope, token.note
    );
    text.trim_end().into()
}

/// What a token or a key is good for, in words.
pub fn bounds(repository: &str, rules: &Rules) -> String {
    let rules = rules.to_string();
    if rules.is_empty() { repository.into() } else { format!("{repository} ({rules})") }
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
