//! The end of a push: one commit, all or nothing.

use super::import::Import;
use super::keys;
use super::log::{self, Record};
use super::stage::Rows;
use super::{Store, Target};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::host::{Expect, Write};
use crate::limits::{CLAIMS_MAX, PACKS_MAX, ROW_MAX};
use crate::sort;
use alloc::vec::Vec;

/// One ref as the client saw it and wants it; `None`: absent.
#[derive(Clone)]
pub struct Update {
    pub name: Vec<u8>,
    pub old: Option<Oid>,
    pub new: Option<Oid>,
    /// The old object stays reachable from refs: a fast-forward, or it was absent. False is always
    /// safe, and makes clones slower until upkeep has run.
    pub forward: bool,
}

/// What one update changes.
struct Change<'a> {
    update: &'a Update,
    key: Vec<u8>,
    /// The row as it is, and as it shall be.
    old: Option<Vec<u8>>,
    new: Option<Vec<u8>>,
}

/// Makes the pack (if any) and these ref updates visible in one commit, with the log record.
/// Answers which updates were not applied because the ref no longer was `old` (by index); with
/// `atomic`, any of those means that nothing was changed. `HEAD` follows the first branch pushed
/// into a repository without branches.
pub fn commit(
    store: &mut Store,
    mut import: Option<&mut Import>,
    updates: &[Update],
    atomic: bool,
    record: &Record,
) -> Result<Vec<usize>> {
    let mut targets = Vec::with_capacity(updates.len());
    for update in updates {
        targets.push(target(store, import.as_deref_mut(), update.new.as_ref())?);
    }
    let packs = store.manifest.numbers();
    for _ in 0..CLAIMS_MAX {
        look_again(store, &packs, import.as_deref(), updates)?;
        let mut refused = Vec::new();
        let mut changes = Vec::new();
        for (at, (update, new)) in updates.iter().zip(&targets).enumerate() {
            match change(store, update, new.as_ref())? {
                Some(change) => changes.push(change),
                None => refused.push(at),
            }
        }
        if changes.is_empty() || (atomic && !refused.is_empty()) {
            return Ok(refused);
        }
        if try_commit(store, import.as_deref(), &changes, record)? {
            return Ok(refused);
        }
        store.reload()?;
    }
    Err(Error::Busy)
}

/// What the updates name, and what the pack leans on, may be gone with packs that are gone.
fn look_again(
    store: &mut Store,
    packs: &[u32],
    import: Option<&Import>,
    updates: &[Update],
) -> Result<()> {
    if let Some(import) = import {
        return import.look_again(store);
    }
    if store.manifest.has_all(packs) {
        return Ok(());
    }
    for oid in updates.iter().filter_map(|update| update.new.as_ref()) {
        store.find(oid)?.ok_or(Error::MissingObject)?;
    }
    Ok(())
}

/// What a ref will hold.
fn target(
    store: &mut Store,
    import: Option<&mut Import>,
    new: Option<&Oid>,
) -> Result<Option<Target>> {
    let Some(oid) = new else { return Ok(None) };
    let peeled = match import {
        Some(import) => import.peel(store, oid)?,
        None => store.peel(oid)?,
    };
    Ok(Some(Target::Direct { oid: *oid, peeled }))
}

/// `None`: the ref is no longer what the client saw.
fn change<'a>(
    store: &mut Store,
    update: &'a Update,
    new: Option<&Target>,
) -> Result<Option<Change<'a>>> {
    let key = keys::reference(&update.name);
    let old = store.host.get(&key);
    let is = match &old {
        Some(row) => match Target::read(&key, row, store.format)? {
            Target::Direct { oid, .. } => Some(oid),
            Target::Symbolic(_) => return Ok(None),
        },
        None => None,
    };
    if is != update.old {
        return Ok(None);
    }
    let new = new.map(|target| target.write(&key));
    Ok(Some(Change { update, key, old, new }))
}

fn try_commit(
    store: &mut Store,
    import: Option<&Import>,
    changes: &[Change],
    record: &Record,
) -> Result<bool> {
    let mut manifest = store.manifest.clone();
    let mut pages = Rows::new();
    let mut tips = Vec::new();
    for change in changes {
        if let Some(tip) = change.update.new {
            tips.push(tip);
        }
    }
    sort::values(&mut tips);
    if let Some(import) = import.filter(|import| import.counts().0 > 0) {
        pages = import.list(store, &mut manifest)?;
        if manifest.packs.len() > PACKS_MAX {
            return Err(Error::RepositoryFull);
        }
        if !import.is_tight(&tips) {
            manifest.loosen(record.time);
        }
    }
    if !changes.iter().all(|change| change.update.forward) {
        manifest.loosen(record.time);
    }
    let log = log::write(changes.iter().map(|change| change.update), record);
    let mut logs = Vec::new();
    for row in log.chunks(ROW_MAX) {
        logs.push((keys::log(manifest.next_log, logs.len() as u32), row));
    }
    manifest.next_log += 1;
    if let Some(branch) = followed(store, changes) {
        manifest.head = branch.to_vec();
    }

    let mut expects: Vec<Expect> = Vec::new();
    let mut writes: Vec<Write> = Vec::new();
    for change in changes {
        expects.push(Expect { key: &change.key, value: change.old.as_deref() });
        writes.push(Write { key: &change.key, value: change.new.as_deref() });
    }
    for (key, row) in &logs {
        writes.push(Write { key, value: Some(row) });
    }
    let is_done = store.commit_all(manifest, expects, writes, &pages);
    if is_done {
        store.forget_parts();
    }
    Ok(is_done)
}

/// The branch that `HEAD` follows: the first one pushed into a repository that has none.
fn followed<'a>(store: &mut Store, changes: &'a [Change]) -> Option<&'a [u8]> {
    let is_branch = |change: &&Change| {
        change.update.name.starts_with(b"refs/heads/") && change.update.new.is_some()
    };
    let first = changes.iter().find(is_branch)?;
    let is_named = changes.iter().any(|change| change.update.name == store.manifest.head);
    if is_named || !changes.iter().all(|change| change.old.is_none()) {
        return None;
    }
    let prefix = keys::reference(b"refs/heads/");
    let has_branches = !store.host.scan(&prefix, &prefix, 1).is_empty();
    (!has_branches).then_some(&first.update.name)
}
