//! v2 `object-info` (gitprotocol-v2, "object-info"): sizes without contents.

use super::write_error;
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{CLOSE_STEP, WANTS_MAX};
use crate::store::{Store, decimal};
use crate::wire::line;
use alloc::vec::Vec;

#[derive(Default)]
pub struct Info {
    size: bool,
    oids: Vec<Oid>,
    next: usize,
}

impl Info {
    /// Reads an argument; `None`: it was refused, in words.
    pub fn on_argument(
        &mut self,
        store: &Store,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<bool>> {
        if text == b"size" {
            self.size = true;
        } else if let Some(digits) = text.strip_prefix(b"oid ") {
            let Ok(oid) = Oid::from_hex(store.format(), digits) else {
                let reason = b"object-info: protocol error, expected to get oid, not '";
                write_error(out, &[reason, digits, b"'"]);
                return Ok(None);
            };
            if self.oids.len() >= WANTS_MAX {
                return Err(Error::TooLarge);
            }
            self.oids.push(oid);
        } else {
            write_error(out, &[b"object-info: unexpected line: '", text, b"'"]);
            return Ok(None);
        }
        Ok(Some(true))
    }

    /// True: the answer is complete.
    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        if self.size && self.next == 0 && !self.oids.is_empty() {
            line::write(out, &[b"size"]);
        }
        for oid in self.oids.iter().skip(self.next).take(CLOSE_STEP) {
            let mut digits = [0; 20];
            let size = match store.find(oid)?.filter(|_| self.size) {
                Some(place) => decimal(store.record(place)?.size, &mut digits),
                None => b"",
            };
            let space: &[u8] = if self.size { b" " } else { b"" };
            line::write(out, &[&oid.to_hex(), space, size]);
        }
        self.next += CLOSE_STEP;
        let is_over = self.next >= self.oids.len();
        if is_over {
            line::flush(out);
        }
        Ok(is_over)
    }
}
