//! `gitcell key`.

use super::Common;
use super::token::{age, bounds, check, state};
use crate::cell::now;
use crate::keys;
use crate::registry;
use crate::rules::Terms;
use anyhow::{Context, Result};
use clap::Subcommand;
use std::io::Read;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Key {
    /// Let a public key in (ed25519, ecdsa, or RSA of 2048 bits and more), at once
    Add {
        /// The public key's file, such as ~/.ssh/id_ed25519.pub; - reads it from standard input
        file: PathBuf,
        #[command(flatten)]
        terms: Terms,
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
            Key::Add { file, terms, note } => {
                let key = keys::read(&text(&file)?)?;
                let note = note.unwrap_or_else(|| key.comment().as_str_lossy().into());
                check(&db, &note, &terms)?;
                println!("{}", keys::add(&db, &key, &terms, &note, now())?);
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
    let (bounds, keys::Key { fingerprint, scope, note, .. }) =
        (bounds(repository, &key.rules), key);
    let text = format!("{fingerprint}  {scope:5}  {bounds}  {state}  made {made} ago  {note}");
    text.trim_end().into()
}
