//! A pack's data on its way into rows: nothing points to them until the push commits.

use super::Store;
use super::keys::{self, Part};
use super::manifest::{CLAIMED, Manifest, Retired};
use super::sum::seal;
use crate::error::{Error, Result};
use crate::host::{Expect, Write};
use crate::limits::{CLAIMS_MAX, PAGE_MAX, RETIRED_MAX, STAGED_SECONDS};
use alloc::rc::Rc;
use alloc::vec::Vec;

/// Bytes that were staged: whole rows are with the host, the last one is still here.
pub struct Stage {
    /// The pack's number, once a row had to be written.
    number: Option<u32>,
    row: Rc<Vec<u8>>,
    rows_written: u32,
    /// Rows of the pack's index that are not written yet.
    index: Vec<(Part, u32, Vec<u8>)>,
}

impl Stage {
    pub fn new() -> Stage {
        Stage { number: None, row: Rc::new(Vec::new()), rows_written: 0, index: Vec::new() }
    }

    pub fn size(&self) -> u64 {
        u64::from(self.rows_written) * PAGE_MAX as u64 + self.row.len() as u64
    }

    pub fn number(&self) -> Option<u32> {
        self.number
    }

    /// Takes a row of the index; a large index does not wait for the final commit.
    pub fn add_index(
        &mut self,
        store: &mut Store,
        part: Part,
        page: u32,
        row: Vec<u8>,
    ) -> Result<()> {
        const ROWS_MAX: usize = 16;
        self.index.push((part, page, row));
        if self.index.len() == ROWS_MAX {
            let number = self.claim(store)?;
            let mut rows = Rows::new();
            self.add_pages(number, &mut rows);
            store.write_rows(&rows);
            self.index.clear();
        }
        Ok(())
    }

    /// Adds to the one row of a small index.
    pub fn join_index(&mut self, records: &[u8]) {
        if let Some((_, _, row)) = self.index.first_mut() {
            row.extend_from_slice(records);
        }
    }

    /// The rows that the final commit writes.
    pub fn pages(&self, number: u32) -> Rows {
        let mut rows = Rows::new();
        if !self.row.is_empty() {
            rows.push(sealed(number, Part::Data, self.rows_written, &self.row));
        }
        self.add_pages(number, &mut rows);
        rows
    }

    /// The index rows that are held.
    fn add_pages(&self, number: u32, rows: &mut Rows) {
        for (part, page, row) in &self.index {
            rows.push(sealed(number, *part, *page, row));
        }
    }

    pub fn push(&mut self, store: &mut Store, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // Nobody holds the row here: readers drop theirs at once.
            let row = Rc::make_mut(&mut self.row);
            let room = PAGE_MAX - row.len();
            let (now, later) = bytes.split_at_checked(room).unwrap_or((bytes, &[]));
            if row.len() + now.len() > row.capacity() {
                let size = (2 * (row.len() + now.len())).clamp(1 << 12, PAGE_MAX);
                row.reserve_exact(size - row.len());
            }
            row.extend_from_slice(now);
            bytes = later;
            if row.len() == PAGE_MAX {
                self.flush(store)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, store: &mut Store) -> Result<()> {
        let number = self.claim(store)?;
        store.write_page(number, Part::Data, self.rows_written, &self.row);
        self.rows_written += 1;
        Rc::make_mut(&mut self.row).clear();
        Ok(())
    }

    /// The number under which rows are staged: no other push has it.
    pub fn claim(&mut self, store: &mut Store) -> Result<u32> {
        if let Some(number) = self.number {
            return Ok(number);
        }
        let number = store.claim_number()?;
        self.number = Some(number);
        Ok(number)
    }

    /// One row of what was staged.
    pub fn page(&self, store: &mut Store, page: u32) -> Result<Rc<Vec<u8>>> {
        if page == self.rows_written {
            return Ok(self.row.clone());
        }
        store.data_page(self.number.ok_or(Error::Corrupt)?, Part::Data, page)
    }
}

/// Rows to write; `None`: to delete. One list that all who commit fill.
pub type Rows = Vec<(Vec<u8>, Option<Vec<u8>>)>;

/// A page as it is stored.
fn sealed(number: u32, part: Part, page: u32, value: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
    let key = keys::page(number, part, page);
    (key.to_vec(), Some(seal(&key, value)))
}

/// Where a pack's data is read from.
#[derive(Clone, Copy)]
pub enum Source<'a> {
    /// The pack of this number.
    Pack(u32),
    Stage(&'a Stage),
}

impl Source<'_> {
    pub fn page(self, store: &mut Store, page: u32) -> Result<Rc<Vec<u8>>> {
        match self {
            Source::Pack(number) => store.data_page(number, Part::Data, page),
            Source::Stage(stage) => stage.page(store, page),
        }
    }
}

impl Store<'_> {
    /// Writes a page of a pack that nothing points to yet.
    pub(super) fn write_page(&mut self, number: u32, part: Part, page: u32, value: &[u8]) {
        self.write_rows(&[sealed(number, part, page, value)]);
    }

    /// Writes or deletes rows that nothing points to.
    pub(super) fn write_rows(&mut self, rows: &[(Vec<u8>, Option<Vec<u8>>)]) {
        let mut writes = Vec::new();
        add_writes(rows, &mut writes);
        let is_done = self.host.commit(&[], &writes);
        assert!(is_done, "a commit that expects nothing cannot fail");
    }

    /// Takes the next pack number out of the manifest, and notes there when its rows may be deleted
    /// if the pack is not listed by then.
    pub(super) fn claim_number(&mut self) -> Result<u32> {
        for _ in 0..CLAIMS_MAX {
            let mut claimed = self.manifest.clone();
            if claimed.retired.len() >= RETIRED_MAX {
                return Err(Error::Busy);
            }
            let number = claimed.list(None)?;
            let time = self.time + STAGED_SECONDS;
            claimed.retired.push(Retired { number, more: 0, time, rows: CLAIMED });
            if self.commit_manifest(claimed, &Rows::new()) {
                return Ok(number);
            }
            self.reload()?;
        }
        Err(Error::Busy)
    }

    /// Commits a new manifest with other rows, if the manifest is still as this request knows it.
    pub(super) fn commit_manifest(&mut self, manifest: Manifest, rows: &Rows) -> bool {
        self.commit_all(manifest, Vec::new(), Vec::new(), rows)
    }

    /// The same with more rows, and where others are to be as they were. Refs need not be named
    /// there: every push changes the manifest.
    pub(super) fn commit_all(
        &mut self,
        manifest: Manifest,
        expects: Vec<Expect>,
        writes: Vec<Write>,
        rows: &Rows,
    ) -> bool {
        let (mut expects, mut writes) = (expects, writes);
        add_writes(rows, &mut writes);
        let row = manifest.write();
        let before = core::mem::take(&mut self.manifest_row);
        expects.push(Expect { key: keys::MANIFEST, value: Some(&before) });
        writes.push(Write { key: keys::MANIFEST, value: Some(&row) });
        let is_done = self.host.commit(&expects, &writes);
        self.manifest_row = if is_done { row } else { before };
        if is_done {
            self.adopt(manifest);
        }
        is_done
    }
}

fn add_writes<'a>(rows: &'a [(Vec<u8>, Option<Vec<u8>>)], writes: &mut Vec<Write<'a>>) {
    for (key, value) in rows {
        writes.push(Write { key, value: value.as_deref() });
    }
}
