//! One pack takes the place of all, without what nothing needs any more. Knows no walk.

use super::Store;
use super::import::Import;
use super::keys;
use super::settings::cut;
use super::stage::Rows;
use crate::error::Result;
use crate::hash::Oid;
use crate::limits::{LOG_MAX, WANTS_MAX};
use alloc::vec::Vec;

/// The repository as it was when the new pack was begun.
pub struct Before {
    packs: Vec<u32>,
    next_log: u64,
}

impl Store<'_> {
    pub fn before(&self) -> Before {
        Before { packs: self.manifest.numbers(), next_log: self.manifest.next_log }
    }

    /// Since when the refs may not reach everything, in seconds since 1970; 0: they do.
    pub fn loose_since(&self) -> u64 {
        self.manifest.loose_since
    }

    /// What refs held before pushes since a time (seconds since 1970), as the log says. `None`:
    /// there were too many.
    pub fn olds(&mut self, since: u64) -> Option<Vec<Oid>> {
        let (mut olds, mut number) = (Vec::new(), self.manifest.next_log);
        while number > 0 {
            number -= 1;
            if self.manifest.next_log - number > LOG_MAX {
                return None;
            }
            let (mut page, mut text) = (0, Vec::new());
            while let Some(row) = self.host.get(&keys::log(number, page)) {
                text.extend_from_slice(&row);
                let time = text.strip_prefix(b"time ").unwrap_or_default();
                if page == 0 && number_of(cut(time, b'\n').0) < since {
                    return Some(olds);
                }
                let (lines, rest) = match text.iter().rposition(|byte| *byte == b'\n') {
                    Some(end) => text.split_at(end),
                    None => (&[][..], text.as_slice()),
                };
                let width = 2 * self.format.width();
                for line in lines.split(|byte| *byte == b'\n') {
                    let digits = line.get(..width).unwrap_or_default();
                    match Oid::from_hex(self.format, digits) {
                        Ok(oid) if !oid.is_zero() => olds.push(oid),
                        _ => {}
                    }
                }
                if olds.len() > WANTS_MAX {
                    return None;
                }
                text = rest.to_vec();
                page += 1;
            }
        }
        Some(olds)
    }

    /// Makes the pack the only one, if nothing was pushed since `before` and the pack refers to
    /// nothing outside of it; without one, the packs stay as they are. `loose_since`: 0 if the refs
    /// reach all of it.
    pub fn replace(
        &mut self,
        before: &Before,
        import: Option<&Import>,
        loose_since: u64,
    ) -> Result<bool> {
        let mut manifest = self.manifest.clone();
        let is_same = manifest.numbers() == before.packs && manifest.next_log == before.next_log;
        if !is_same || import.is_some_and(|import| !import.is_closed()) {
            return Ok(false);
        }
        manifest.loose_since = loose_since;
        let mut pages = Rows::new();
        if let Some(import) = import {
            manifest.retire(0..manifest.packs.len(), self.time);
            pages = import.list(self, &mut manifest)?;
        }
        let is_done = self.commit_manifest(manifest, &pages);
        self.forget_parts();
        Ok(is_done)
    }
}

fn number_of(digits: &[u8]) -> u64 {
    let digits = digits.iter().filter(|digit| digit.is_ascii_digit());
    digits.fold(0u64, |sum, digit| sum.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')))
}
