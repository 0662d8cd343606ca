//! Which of a push's commands may be done; refusals in git's own words (receive-pack).

use super::Service;
use crate::error::Result;
use crate::hash::Oid;
use crate::limits::FORWARDS_MAX;
use crate::object::Kind;
use crate::store::import::Import;
use crate::store::updates::{Looked, Update, Updates};
use crate::store::{Key, Store, Target};
use crate::walk;
use crate::wire::refname;
use alloc::vec;
use alloc::vec::Vec;

/// Why a command is refused.
pub type Refusal = Option<&'static [u8]>;

/// What may be done of a push, and how it is refused.
pub struct Checked {
    /// For each command why it is refused.
    pub refused: Vec<Refusal>,
    /// Commands, in order, that are not refused, but for which there is nothing to do.
    idle: Vec<usize>,
    /// All that the refs held stays reachable.
    pub is_forward: bool,
}

impl Checked {
    /// Whether a command is to be done.
    pub fn is_done(&self, at: usize) -> bool {
        self.refused.get(at) == Some(&None) && self.idle.binary_search(&at).is_err()
    }

    pub fn has_refused(&self) -> bool {
        self.refused.iter().any(Option::is_some)
    }
}

const FAILED: &[u8] = b"failed to update ref";
const HEADS: &[u8] = b"refs/heads/";

pub fn check(
    store: &mut Store,
    import: Option<&mut Import>,
    commands: &Updates,
    looked: &Looked,
) -> Result<Checked> {
    let mut import = import;
    let count = commands.len();
    let mut checked = Checked { refused: vec![None; count], idle: Vec::new(), is_forward: true };
    for at in 0..count {
        let command = commands.get(at);
        let mut refusal = match looked.is_in_conflict(at) {
            true => Some(FAILED),
            false => refusal(store, import.as_deref_mut(), &command, looked.kind(at))?,
        };
        let is_deletion = command.new.is_none();
        if refusal.is_none() && is_deletion && (command.old.is_none() || !looked.is_there(at)) {
            // git warns of the deletion of a ref that is not there and goes on, unless the client
            // knew what it held.
            match command.old {
                Some(old) if store.kind(&old)?.is_some() => refusal = Some(FAILED),
                _ => checked.idle.push(at),
            }
        } else if refusal.is_none() {
            let is_new = command.new.is_some() && command.old.is_none();
            let is_possible =
                looked.is_as_seen(at, command.old.as_ref()) && !(is_new && looked.is_blocked(at));
            refusal = (!is_possible).then_some(FAILED);
        }
        if let Some(slot) = checked.refused.get_mut(at) {
            *slot = refusal;
        }
    }
    checked.is_forward = is_forward(store, import, commands, &checked)?;
    Ok(checked)
}

/// What is wrong with a command by itself.
fn refusal(
    store: &mut Store,
    import: Option<&mut Import>,
    command: &Update,
    kind: Option<Kind>,
) -> Result<Refusal> {
    let name = command.name;
    let has_levels = name.get(5..).is_some_and(|rest| rest.contains(&b'/'));
    if !refname::is_valid(name) || (command.new.is_some() && !has_levels) {
        return Ok(Some(b"funny refname"));
    }
    if store.covers(Service::ReceivePack.hidden(), name) {
        return Ok(Some(match command.new {
            Some(_) => b"deny updating a hidden ref",
            None => b"deny deleting a hidden ref",
        }));
    }
    if let Some(denial) = denial(store, command) {
        return Ok(Some(denial));
    }
    let Some(new) = &command.new else {
        if command.old.is_none() {
            return Ok(None);
        }
        let is_denied = store.is_set(Key::DenyDeletes) && name.starts_with(HEADS);
        let is_head = store.head() == name;
        return Ok(match is_denied {
            true => Some(b"deletion prohibited"),
            false => is_head.then_some(b"deletion of the current branch prohibited"),
        });
    };
    Ok(match kind {
        None => Some(b"missing necessary objects"),
        Some(kind) if kind != Kind::Commit && name.starts_with(HEADS) => Some(FAILED),
        Some(_) => match &command.old {
            Some(old)
                if (store.covers(&[Key::DenyRefForce], name)
                    || store.is_set(Key::DenyForce) && name.starts_with(HEADS))
                    && !is_fast_forward(store, import, old, new)? =>
            {
                Some(b"non-fast-forward")
            }
            _ => None,
        },
    })
}

/// What the repository's policy, or the caller's, has against a command.
fn denial(store: &Store, command: &Update) -> Refusal {
    if store.is_set(Key::ReadOnly) {
        return Some(b"the repository is read-only");
    }
    let (key, text): (Key, &[u8]) = match (command.old, command.new) {
        (None, _) => (Key::DenyRefCreate, b"creation of this ref is prohibited"),
        (_, None) => (Key::DenyRefDelete, b"deletion of this ref is prohibited"),
        _ => (Key::DenyRefWrite, b""),
    };
    let refusals: [(Key, &'static [u8]); 2] =
        [(Key::DenyRefWrite, b"this ref is not to be written"), (key, text)];
    let found = refusals.iter().find(|(key, _)| store.covers(&[*key], command.name));
    found.map(|(_, text)| *text)
}

/// Whether what these refs held stays reachable when the push is done. False is always safe.
fn is_forward(
    store: &mut Store,
    import: Option<&mut Import>,
    commands: &Updates,
    checked: &Checked,
) -> Result<bool> {
    const EDGE_MAX: usize = 8;
    let head = store.head().to_vec();
    let (mut olds, mut news, mut is_head_kept) = (Vec::new(), Vec::new(), true);
    for at in (0..commands.len()).filter(|at| checked.is_done(*at)) {
        let Update { name, old, new } = commands.get(at);
        is_head_kept &= name != head;
        let Some(old) = old else { continue };
        if olds.len() >= FORWARDS_MAX {
            return Ok(false);
        }
        olds.push(old);
        if let Some(new) = new
            && store.find(&new)?.is_some()
        {
            news.push(new);
        }
    }
    if olds.is_empty() {
        return Ok(true);
    }
    if is_head_kept && let Some(Target::Direct { oid, .. }) = store.find_ref(&head)? {
        news.push(oid);
    }
    let mut edge = import.map_or(Vec::new(), |import| import.edge());
    if !olds.iter().all(|old| edge.contains(old)) {
        edge.truncate(EDGE_MAX);
    }
    news.append(&mut edge);
    walk::are_ancestors(store, &olds, &news)
}

/// Whether a branch keeps all of its history: said for certain, as long as that is not too long.
fn is_fast_forward(
    store: &mut Store,
    import: Option<&mut Import>,
    old: &Oid,
    new: &Oid,
) -> Result<bool> {
    let edge = match import {
        Some(import) => import.edge_of(store, new)?,
        None => vec![*new],
    };
    walk::are_ancestors(store, &[*old], &edge)
}
