//! v2 `ls-refs` (gitprotocol-v2, "ls-refs").

use super::Service;
use crate::error::Result;
use crate::hash::Oid;
use crate::limits::PREFIXES_MAX;
use crate::sort;
use crate::store::{Ref, Store, Target};
use crate::wire::line;
use alloc::vec;
use alloc::vec::Vec;

pub const ADVERTISE: &[u8] = b"=unborn";

#[derive(Default)]
pub struct LsRefs {
    peel: bool,
    symrefs: bool,
    unborn: bool,
    prefixes: Vec<Vec<u8>>,
    prefixes_count: usize,
}

impl LsRefs {
    /// Reads an argument; false: it is not known.
    pub fn on_argument(&mut self, text: &[u8]) -> bool {
        match text {
            _ if text == b"peel" => self.peel = true,
            _ if text == b"symrefs" => self.symrefs = true,
            _ if text == b"unborn" => self.unborn = true,
            _ => {
                let Some(prefix) = text.strip_prefix(b"ref-prefix ") else { return false };
                self.prefixes_count += 1;
                if self.prefixes_count <= PREFIXES_MAX {
                    self.prefixes.push(prefix.to_vec());
                }
            }
        }
        true
    }

    pub fn answer(mut self) -> Answer {
        // Too many prefixes are as none: the client takes what it asked for.
        if self.prefixes.is_empty() || self.prefixes_count > PREFIXES_MAX {
            self.prefixes = vec![Vec::new()];
        }
        let mut order = sort::numbers(self.prefixes.len());
        let at = |at: u32| self.prefixes.get(at as usize);
        sort::by(&mut order, &|a, b| at(a) < at(b));
        let mut prefixes: Vec<Vec<u8>> = Vec::new();
        for prefix in order.into_iter().filter_map(at) {
            // What an earlier one covers is not asked for again.
            if !prefixes.last().is_some_and(|last| prefix.starts_with(last)) {
                prefixes.push(prefix.clone());
            }
        }
        prefixes.reverse();
        Answer { ask: self, prefixes, after: None }
    }
}

pub struct Answer {
    ask: LsRefs,
    /// The next prefix is last.
    prefixes: Vec<Vec<u8>>,
    /// Refs after this name are still to be written; `None`: `HEAD` is.
    after: Option<Vec<u8>>,
}

impl Answer {
    /// True: the answer is complete.
    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        let Some(after) = &self.after else {
            self.write_head(store, out)?;
            self.after = Some(Vec::new());
            return Ok(false);
        };
        let Some(prefix) = self.prefixes.last() else {
            line::flush(out);
            return Ok(true);
        };
        let refs = store.refs(prefix, after)?;
        match refs.last() {
            Some(last) if !Store::is_end(&refs) => self.after = Some(last.name.clone()),
            _ => {
                self.prefixes.pop();
                self.after = Some(Vec::new());
            }
        }
        for Ref { name, target } in &refs {
            if store.covers(Service::UploadPack.hidden(), name) {
                continue;
            }
            match target {
                Target::Direct { oid, peeled } => self.write(oid, name, &[], peeled.as_ref(), out),
                Target::Symbolic(_) => {}
            }
        }
        Ok(false)
    }

    fn write_head(&self, store: &mut Store, out: &mut Vec<u8>) -> Result<()> {
        let is_hidden = store.covers(Service::UploadPack.hidden(), b"HEAD");
        if is_hidden || !self.prefixes.iter().any(|prefix| b"HEAD".starts_with(prefix)) {
            return Ok(());
        }
        let head = store.head().to_vec();
        let symref = [b" symref-target:", head.as_slice()].concat();
        match store.find_ref(&head)? {
            Some(Target::Direct { oid, peeled }) => {
                let symref = if self.ask.symrefs { symref.as_slice() } else { b"" };
                self.write(&oid, b"HEAD", symref, peeled.as_ref(), out);
            }
            // Without its target there is nothing to tell.
            _ if self.ask.unborn && self.ask.symrefs => {
                line::write(out, &[b"unborn HEAD", &symref, b"\n"]);
            }
            _ => {}
        }
        Ok(())
    }

    fn write(
        &self,
        oid: &Oid,
        name: &[u8],
        symref: &[u8],
        peeled: Option<&Oid>,
        out: &mut Vec<u8>,
    ) {
        let hex = oid.to_hex();
        match peeled.filter(|_| self.ask.peel) {
            Some(peeled) => {
                let peeled = peeled.to_hex();
                line::write(out, &[&hex, b" ", name, symref, b" peeled:", &peeled, b"\n"]);
            }
            None => line::write(out, &[&hex, b" ", name, symref, b"\n"]),
        }
    }
}
