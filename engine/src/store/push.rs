//! The end of a push: one commit, all or nothing.

use super::import::Import;
use super::log::{self, Record};
use super::stage::Rows;
use super::updates::{Looked, Updates};
use super::{Store, keys};
use crate::error::{Error, Result};
use crate::host::Write;
use crate::limits::{PACKS_MAX, RING_OUTSIDE, ROW_MAX};
use crate::sort;
use alloc::vec::Vec;

/// What is to be done of a push.
pub struct Push<'a> {
    pub updates: &'a Updates,
    pub looked: &'a Looked,
    /// Which of the updates, by place. What they update is as they say.
    pub is_done: &'a dyn Fn(usize) -> bool,
    /// All that these refs held stays reachable from refs. False is always safe, and makes clones
    /// slower until upkeep has run.
    pub is_forward: bool,
}

impl Push<'_> {
    fn places(&self) -> impl Iterator<Item = usize> {
        (0..self.updates.len()).filter(|at| (self.is_done)(*at))
    }
}

/// Makes the pack (if any) and these ref updates visible in one commit, with the log record.
/// False: nothing was changed, since another push was first; what was looked up is to be looked up
/// again. `HEAD` follows the first branch pushed into a repository without branches.
pub fn commit(
    store: &mut Store,
    import: Option<&Import>,
    push: &Push,
    record: &Record,
) -> Result<bool> {
    if let Some(import) = import {
        import.look_again(store)?;
    }
    // What was cached makes room for what is to be written.
    store.index_rows.resize(RING_OUTSIDE);
    store.data_rows.resize(RING_OUTSIDE);
    let Some(logs) = log_rows(store, push, record)? else { return Ok(false) };
    let mut manifest = store.manifest.clone();
    let mut rows = Rows::new();
    if let Some(import) = import.filter(|import| import.counts().0 > 0) {
        rows = import.list(store, &mut manifest)?;
        if manifest.packs.len() > PACKS_MAX {
            return Err(Error::RepositoryFull);
        }
        let mut tips = Vec::new();
        for new in push.places().filter_map(|at| push.updates.get(at).new) {
            if tips.last() != Some(&new) {
                tips.push(new);
            }
        }
        sort::values(&mut tips);
        if !import.is_tight(&tips) {
            manifest.loosen(record.time);
        }
    }
    if !push.is_forward {
        manifest.loosen(record.time);
    }
    manifest.next_log = logs.number + 1;
    rows.extend(logs.rows);
    if let Some(branch) = followed(store, push) {
        manifest.head = branch;
    }
    let mut writes = Vec::with_capacity(push.updates.len() + rows.len() + 1);
    for at in push.places() {
        let row = push.looked.rows.get(at).map(Vec::as_slice).filter(|row| !row.is_empty());
        writes.push(Write { key: push.updates.key(at), value: row });
    }
    let is_done = store.commit_all(manifest, Vec::new(), writes, &rows);
    match is_done {
        true => store.forget_parts(),
        false => store.reload()?,
    }
    Ok(is_done)
}

/// The record's rows that are to be written with the refs.
struct Logs {
    number: u64,
    rows: Rows,
}

/// The record of a push. Of a long one all rows but the first and the last are written at once:
/// without the first there is no record. `None`: another push was first.
fn log_rows(store: &mut Store, push: &Push, record: &Record) -> Result<Option<Logs>> {
    let (number, mut page, mut rows) = (store.manifest.next_log, 0, Rows::new());
    let mut text = log::head(record);
    for at in push.places() {
        log::line(&mut text, &push.updates.get(at));
        while text.len() > ROW_MAX {
            let rest = text.split_off(ROW_MAX);
            rows.push((keys::log(number, page), Some(core::mem::replace(&mut text, rest))));
            page += 1;
        }
        if rows.len() > 1 {
            if store.manifest.next_log == number {
                // Nobody else writes under this number from now on.
                let mut manifest = store.manifest.clone();
                manifest.next_log += 1;
                if !store.commit_manifest(manifest, &Rows::new()) {
                    store.reload()?;
                    return Ok(None);
                }
            }
            store.write_rows(rows.get(1..).unwrap_or_default());
            rows.truncate(1);
        }
    }
    rows.push((keys::log(number, page), Some(text)));
    Ok(Some(Logs { number, rows }))
}

/// The branch that `HEAD` follows: the first one pushed into a repository that has none.
fn followed(store: &mut Store, push: &Push) -> Option<Vec<u8>> {
    let mut first = None;
    for at in push.places() {
        let name = push.updates.name(at);
        if push.looked.is_there(at) || name == store.manifest.head {
            return None;
        }
        if first.is_none() && name.starts_with(b"refs/heads/") {
            first = Some(name);
        }
    }
    let prefix = keys::reference(b"refs/heads/");
    let has_branches = first.is_some() && !store.host.scan(&prefix, &prefix, 1).is_empty();
    first.filter(|_| !has_branches).map(<[u8]>::to_vec)
}
