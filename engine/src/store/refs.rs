//! Refs as rows. Knows no object.

use super::manifest::Manifest;
use super::stage::Rows;
use super::sum::{SUM_SIZE, seal, unseal};
use super::{Store, keys};
use crate::error::{Error, Result};
use crate::hash::{Format, Oid};
use crate::limits::{CLAIMS_MAX, KEY_MAX, SCAN_MAX};
use alloc::vec::Vec;

/// What a ref holds.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Target {
    /// An object and, if that is an annotated tag, what it leads to in the end.
    Direct { oid: Oid, peeled: Option<Oid> },
    /// The name of another ref.
    Symbolic(Vec<u8>),
}

/// Hears the name of a ref, what it holds, and what that peels to; false: it has heard enough.
pub type Each<'e> = dyn FnMut(&mut Store, &[u8], &Oid, Option<&Oid>) -> Result<bool> + 'e;

pub struct Ref {
    pub name: Vec<u8>,
    pub target: Target,
}

impl Target {
    /// The row of the ref with this key.
    pub(super) fn write(&self, key: &[u8]) -> Vec<u8> {
        let value = match self {
            Target::Direct { oid, peeled: None } => [b"o", oid.as_bytes()].concat(),
            Target::Direct { oid, peeled: Some(peeled) } => {
                [b"p", oid.as_bytes(), peeled.as_bytes()].concat()
            }
            Target::Symbolic(name) => [b"ref: ", name.as_slice()].concat(),
        };
        seal(key, &value)
    }

    pub(super) fn read(key: &[u8], row: &[u8], format: Format) -> Result<Target> {
        let value = unseal(key, row)?;
        let id = |at| value.get(at..).and_then(|bytes| Oid::from_bytes(format, bytes));
        if let Some(name) = value.strip_prefix(b"ref: ") {
            return Ok(Target::Symbolic(name.to_vec()));
        }
        let peeled = match value.first() {
            Some(b'o') => None,
            Some(b'p') => Some(id(1 + format.width()).ok_or(Error::Corrupt)?),
            _ => return Err(Error::Corrupt),
        };
        Ok(Target::Direct { oid: id(1).ok_or(Error::Corrupt)?, peeled })
    }
}

impl Store<'_> {
    /// The branch that `HEAD` names, which may not exist.
    pub fn head(&self) -> &[u8] {
        &self.manifest.head
    }

    /// Makes `HEAD` name another branch.
    pub fn set_head(&mut self, branch: &[u8]) -> Result<()> {
        self.change(&|manifest| manifest.head = branch.to_vec())
    }

    /// Changes the manifest alone, again if another request was first.
    pub(super) fn change(&mut self, make: &dyn Fn(&mut Manifest)) -> Result<()> {
        for _ in 0..CLAIMS_MAX {
            let mut manifest = self.manifest.clone();
            make(&mut manifest);
            if self.commit_manifest(manifest, &Rows::new()) {
                return Ok(());
            }
            self.reload()?;
        }
        Err(Error::Busy)
    }

    /// One ref by its full name (`refs/…`).
    pub fn find_ref(&mut self, name: &[u8]) -> Result<Option<Target>> {
        let key = keys::reference(name);
        let row = self.host.get(&key);
        row.map(|row| Target::read(&key, &row, self.format)).transpose()
    }

    /// Whether what `refs` answered is known to be the last: there was room for another ref.
    pub fn is_end(refs: &[Ref]) -> bool {
        let row_max = KEY_MAX + 1 + 2 * 32 + SUM_SIZE;
        let sizes = refs.iter().map(|found| found.name.len() + row_max - KEY_MAX + 2);
        sizes.sum::<usize>() + row_max < SCAN_MAX
    }

    /// The next refs in name order after `after` (empty: from the start) whose names start with
    /// `prefix`, a bounded number; empty at the end. `HEAD` is not among them.
    pub fn refs(&mut self, prefix: &[u8], after: &[u8]) -> Result<Vec<Ref>> {
        let mut refs = Vec::new();
        for (name, target) in self.refs_found(prefix, after) {
            refs.push(Ref { name, target: target? });
        }
        Ok(refs)
    }

    /// Tells what all refs hold whose names start with `prefix`, until `each` answers false; those
    /// that name others are passed over.
    pub fn each_ref(&mut self, prefix: &[u8], each: &mut Each<'_>) -> Result<()> {
        let mut after = Vec::new();
        loop {
            let refs = self.refs(prefix, &after)?;
            let Some(last) = refs.last() else { return Ok(()) };
            after.clone_from(&last.name);
            for Ref { name, target } in &refs {
                if let Target::Direct { oid, peeled } = target
                    && !each(self, name, oid, peeled.as_ref())?
                {
                    return Ok(());
                }
            }
        }
    }

    /// The same, with those that cannot be read.
    pub fn refs_found(&mut self, prefix: &[u8], after: &[u8]) -> Vec<(Vec<u8>, Result<Target>)> {
        let (prefix, after) = (keys::reference(prefix), keys::reference(after));
        let mut found = Vec::new();
        for row in self.host.scan(&prefix, &after, SCAN_MAX) {
            let target = Target::read(&row.key, &row.value, self.format);
            found.push((row.key.get(keys::REFS.len()..).unwrap_or_default().to_vec(), target));
        }
        found
    }
}
