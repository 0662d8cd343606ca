//! `gitcell key`.

use super::Common;
use super::token::{age, check, seconds, state};
use crate::cell::now;
use crate::keys;
use crate::names::Bound;
use crate::registry;
use crate::tokens::Scope;
use anyhow::{Context, Result};
use clap::Subcommand;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Key {
    /// Let a public key in (ed25519 or ecdsa), at once
    Add {
        /// The public key's file, such as ~/.ssh/id_ed25519.pub; - reads it from standard input
        file: PathBuf,
        /// What it allows: read (clone, fetch) or write (push, too)
        #[arg(long, default_value = "read")]
        scope: Scope,
        /// How long it is valid: 90s, 15m, 12h, 30d; without it, until it is removed
        #[arg(long, value_name = "TIME", value_parser = seconds)]
        ttl: Option<u64>,
        /// The only repository that it opens, or NAMESPACE/*; without it, all of them
        #[arg(long, value_name = "NAMESPACE/NAME")]
        repo: Option<Bound>,
        /// What it is for: shown in lists, and recorded with pushes; without it, the key's comment
        #[arg(long, value_name = "TEXT")]
        note: Option<String>,
    },
    /// List all keys: their fingerprints and what they allow
    List,
    /// Remove a key, named by its fingerprint
    Remove { fingerprint: String },
}

impl Key {
    pub fn run(self, common: &Common) -> Result<()> {
        let db = registry::open(&common.data)?;
        match self {
            Key::Add { file, scope, ttl, repo, note } => {
                let key = keys::read(&text(&file)?)?;
                let note = note.unwrap_or_else(|| key.comment().as_str_lossy().into());
                check(&db, &note, repo.as_ref())?;
                println!("{}", keys::add(&db, &key, scope, repo.as_ref(), &note, now(), ttl)?);
            }
            Key::List => {
                for key in keys::list(&db)? {
                    println!("{}", line(&key, now()));
                }
            }
            Key::Remove { fingerprint } => {
                keys::remove(&db, &fingerprint)?;
                println!("removed");
            }
        }
        Ok(())
    }
}

fn text(file: &Path) -> Result<String> {
    let mut text = String::new();
    let context = || format!("cannot read {}", file.display());
    if file == Path::new("-") {
        std::io::stdin().read_to_string(&mut text).with_context(context)?;
    } else {
        text = std::fs::read_to_string(file).with_context(context)?;
    }
    Ok(text)
}

fn line(key: &keys::Key, now: u64) -> String {
    let repository = key.repository.as_deref().unwrap_or("all repositories");
    let (state, made) = (state(key.expires, now), age(now.saturating_sub(key.created)));
    let keys::Key { fingerprint, scope, note, .. } = key;
    let text = format!("{fingerprint}  {scope:5}  {repository}  {state}  made {made} ago  {note}");
    text.trim_end().into()
}
