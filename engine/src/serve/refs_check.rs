//! Which of a push's commands may be done; refusals in git's own words (receive-pack).

use super::Service;
use crate::error::Result;
use crate::hash::Oid;
use crate::object::Kind;
use crate::sort;
use crate::store::import::Import;
use crate::store::push::Update;
use crate::store::{Key, Store, Target};
use crate::walk;
use crate::wire::push::Command;
use crate::wire::refname;
use alloc::vec;
use alloc::vec::Vec;

/// For each command why it is refused; and those that are not, with their places.
pub struct Checked {
    pub refused: Vec<Option<&'static [u8]>>,
    pub updates: Vec<(usize, Update)>,
}

const FAILED: &[u8] = b"failed to update ref";
const HEADS: &[u8] = b"refs/heads/";

pub fn check(
    store: &mut Store,
    import: Option<&mut Import>,
    commands: &[Command],
) -> Result<Checked> {
    let mut import = import;
    let mut refused = conflicts(commands);
    let mut updates = Vec::new();
    let mut folders = Folders { parent: Vec::new(), is_free: true };
    for (at, command) in commands.iter().enumerate() {
        let Some(slot) = refused.get_mut(at) else { break };
        if slot.is_none() {
            *slot = refusal(store, import.as_deref_mut(), command)?;
        }
        if slot.is_none() && command.new.is_some() && command.old.is_none() {
            *slot = folders.refusal(store, commands, &command.name)?;
        }
        let is_nothing = command.old.is_none() && command.new.is_none();
        if slot.is_some() || is_nothing {
            continue;
        }
        let Command { old, new, name } = command;
        if new.is_none() && store.find_ref(name)?.is_none() {
            // git warns of the deletion of a ref that is not there and goes on, unless the client
            // knew what it held.
            if let Some(old) = old
                && store.kind(old)?.is_some()
            {
                *slot = Some(FAILED);
            }
            continue;
        }
        let forward = is_forward(store, import.as_deref_mut(), command)?;
        updates.push((at, Update { name: name.clone(), old: *old, new: *new, forward }));
    }
    Ok(Checked { refused, updates })
}

/// What is wrong with a command by itself.
fn refusal(
    store: &mut Store,
    import: Option<&mut Import>,
    command: &Command,
) -> Result<Option<&'static [u8]>> {
    let name = command.name.as_slice();
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
    let mut import = import;
    let kind = match &mut import {
        Some(import) => import.kind(store, new)?,
        None => store.kind(new)?,
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
fn denial(store: &Store, command: &Command) -> Option<&'static [u8]> {
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
    let found = refusals.iter().find(|(key, _)| store.covers(&[*key], &command.name));
    found.map(|(_, text)| *text)
}

/// Commands that cannot be done beside another one: a ref named twice, or one that is another's
/// folder.
fn conflicts(commands: &[Command]) -> Vec<Option<&'static [u8]>> {
    let mut refused = vec![None; commands.len()];
    let mut order = sort::numbers(commands.len());
    let name = |at: u32| commands.get(at as usize).map_or(&[][..], |command| &command.name);
    sort::by(&mut order, &|a, b| name(a) < name(b));
    for pair in order.windows(2) {
        if name(pair[0]) == name(pair[1]) {
            refused[pair[1] as usize] = Some(FAILED);
        }
    }
    for (at, command) in commands.iter().enumerate().filter(|(_, command)| command.new.is_some()) {
        for (end, _) in command.name.iter().enumerate().filter(|(_, byte)| **byte == b'/') {
            let folder = &command.name[..end];
            let found = order.partition_point(|at| name(*at) < folder);
            let other = order.get(found).filter(|at| name(**at) == folder);
            let other = other.and_then(|at| commands.get(*at as usize));
            if other.is_some_and(|other| other.new.is_some()) {
                refused[at] = Some(FAILED);
            }
        }
    }
    refused
}

/// Refs as files and folders: `refs/heads/a` and `refs/heads/a/b` cannot both be.
struct Folders {
    /// The folder that was looked at last, and whether no ref is in its way.
    parent: Vec<u8>,
    is_free: bool,
}

impl Folders {
    fn refusal(
        &mut self,
        store: &mut Store,
        commands: &[Command],
        name: &[u8],
    ) -> Result<Option<&'static [u8]>> {
        let is_deleted = |name: &[u8]| {
            commands.len() < 1000
                && commands.iter().any(|command| command.new.is_none() && command.name == name)
        };
        let end = name.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
        let parent = &name[..end];
        if self.parent != parent {
            self.is_free = true;
            let mut rest = parent;
            // Each folder above it, but the first.
            while rest.contains(&b'/') {
                self.is_free &= is_deleted(rest) || store.find_ref(rest)?.is_none();
                let end = rest.iter().rposition(|byte| *byte == b'/').unwrap_or(0);
                rest = &rest[..end];
            }
            self.parent = parent.to_vec();
        }
        let inside = [name, b"/"].concat();
        let children = store.refs(&inside, b"")?;
        let is_file = children.iter().all(|child| is_deleted(&child.name));
        Ok((!self.is_free || !is_file).then_some(FAILED))
    }
}

/// Whether what a ref held stays reachable when the command is done. False is always safe.
fn is_forward(store: &mut Store, import: Option<&mut Import>, command: &Command) -> Result<bool> {
    let Some(old) = &command.old else { return Ok(true) };
    if store.kind(old)? != Some(Kind::Commit) {
        return Ok(false);
    }
    let Some(new) = &command.new else {
        let head = store.head().to_vec();
        return match store.find_ref(&head)? {
            Some(Target::Direct { oid, .. }) => walk::is_ancestor(store, old, &[oid]),
            _ => Ok(false),
        };
    };
    if store.kind(new)?.is_some() {
        return walk::is_ancestor(store, old, &[*new]);
    }
    const EDGE_MAX: usize = 8;
    let mut edge: Vec<Oid> = import.map_or(Vec::new(), |import| import.edge());
    if !edge.contains(old) {
        edge.truncate(EDGE_MAX);
    }
    walk::is_ancestor(store, old, &edge)
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
    Ok(store.kind(old)? == Some(Kind::Commit) && walk::is_ancestor(store, old, &edge)?)
}
