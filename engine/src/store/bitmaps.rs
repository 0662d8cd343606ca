//! For some commits, all that they reach, as upkeep wrote it down. Holds for the packs that were
//! there then, as long as they are listed. Knows no walk.

use super::bits::Bits;
use super::keys::{self, Part};
use super::manifest::{CONDEMNED, Retired};
use super::sum::{seal, unseal};
use super::{Place, Store};
use crate::error::{Error, Result};
use crate::flate::Deflate;
use crate::host::Expect;
use crate::limits::{BITMAPS_FROM, CLAIMS_MAX, PAGE_MAX};
use crate::sort;
use alloc::vec::Vec;

/// Which commits have a bitmap.
#[derive(Default, Clone)]
pub struct Bitmaps {
    /// Their rows are this pack's.
    number: u32,
    /// The packs that they count by, and where the manifest lists each.
    packs: Vec<u32>,
    slots: Vec<u32>,
    /// The commits; the number of each is its page.
    commits: Vec<Place>,
    /// The row that says all this.
    row: Option<Vec<u8>>,
}

impl Bitmaps {
    /// The page of a commit's bitmap.
    pub fn find(&self, commit: Place) -> Option<u32> {
        self.commits.iter().position(|known| *known == commit).map(|page| page as u32)
    }

    pub fn is_empty(&self) -> bool {
        self.commits.is_empty()
    }

    /// Reads what the row `b` says; `None`: it is damaged, or speaks of packs that are gone.
    fn read(row: &[u8], numbers: &[u32]) -> Option<Bitmaps> {
        let (words, _) = unseal(keys::BITMAPS, row).ok()?.as_chunks::<4>();
        let mut words = words.iter().map(|word| u32::from_le_bytes(*word));
        let (number, count) = (words.next()?, words.next()?);
        let (mut packs, mut slots, mut commits) = (Vec::new(), Vec::new(), Vec::new());
        for pack in words.by_ref().take(count as usize) {
            packs.push(pack);
            slots.push(numbers.iter().position(|number| *number == pack)? as u32);
        }
        while let (Some(index), Some(position)) = (words.next(), words.next()) {
            commits.push(Place { pack: *slots.get(index as usize)?, position });
        }
        Some(Bitmaps { number, packs, slots, commits, row: None })
    }

    fn write(&self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut write = |word: u32| value.extend_from_slice(&word.to_le_bytes());
        write(self.number);
        write(self.packs.len() as u32);
        self.packs.iter().for_each(|pack| write(*pack));
        for commit in &self.commits {
            let index = self.slots.iter().position(|slot| *slot == commit.pack);
            write(index.map_or(u32::MAX, |index| index as u32));
            write(commit.position);
        }
        seal(keys::BITMAPS, &value)
    }
}

impl Store<'_> {
    /// The bitmaps that hold. A small repository has none, and is not asked.
    pub fn bitmaps(&mut self) -> Result<Bitmaps> {
        if self.counts().sum::<u32>() < BITMAPS_FROM {
            return Ok(Bitmaps::default());
        }
        let Some(row) = self.host.get(keys::BITMAPS) else {
            return Ok(Bitmaps::default());
        };
        let numbers = self.manifest.numbers();
        let value = unseal(keys::BITMAPS, &row).unwrap_or_default();
        let found = Bitmaps::read(value, &numbers).unwrap_or_default();
        Ok(Bitmaps { row: Some(row), ..found })
    }

    /// Whether the bitmaps leave out much of what is stored now.
    pub fn is_behind(&self, bitmaps: &Bitmaps) -> bool {
        let all: u32 = self.counts().sum();
        let count = |slot: &u32| self.pack(*slot).map_or(0, |pack| pack.count);
        let known: u32 = bitmaps.slots.iter().map(count).sum();
        all >= BITMAPS_FROM && all - known > known / 8
    }

    /// Adds all that a commit with a bitmap reaches to both sets. False: the bitmap is gone, since
    /// upkeep has written others, or it is damaged.
    pub fn join(
        &mut self,
        bitmaps: &Bitmaps,
        page: u32,
        to: &mut Bits,
        too: &mut Bits,
    ) -> Result<bool> {
        let key = keys::page(bitmaps.number, Part::Bitmap, page);
        let Some(row) = self.host.get(&key) else { return Ok(false) };
        let Ok(row) = unseal(&key, &row) else { return Ok(false) };
        let counts: Vec<u32> = self.counts().collect();
        let words = |slot: u32| counts.get(slot as usize).map_or(0, |count| count.div_ceil(64));
        let size: u32 = bitmaps.slots.iter().map(|slot| 8 * words(*slot)).sum();
        let mut bytes = Vec::new();
        self.inflate.whole(row, size as usize, &mut bytes)?.ok_or(Error::Corrupt)?;
        let mut rest = bytes.as_chunks::<8>().0;
        for slot in &bitmaps.slots {
            let (now, later) =
                rest.split_at_checked(words(*slot) as usize).ok_or(Error::Corrupt)?;
            to.join(*slot, now);
            too.join(*slot, now);
            rest = later;
        }
        Ok(true)
    }

    /// No bitmaps of the packs that are listed now; their rows will have a number of their own.
    pub fn new_bitmaps(&mut self) -> Result<Bitmaps> {
        let row = self.host.get(keys::BITMAPS);
        let number = self.claim_number()?;
        let packs = self.manifest.numbers();
        let slots = sort::numbers(packs.len());
        Ok(Bitmaps { number, packs, slots, commits: Vec::new(), row })
    }

    /// Writes down what a commit reaches. One that is too large for a row is left out.
    pub fn add_bitmap(&mut self, bitmaps: &mut Bitmaps, commit: Place, reached: &Bits) {
        let mut row = Vec::new();
        let mut deflate = Deflate::new();
        for slot in &bitmaps.slots {
            for word in reached.words(*slot) {
                deflate.write(&word.to_le_bytes(), &mut row);
            }
        }
        deflate.finish(&mut row);
        if row.len() <= PAGE_MAX {
            let page = bitmaps.commits.len() as u32;
            self.write_page(bitmaps.number, Part::Bitmap, page, &row);
            bitmaps.commits.push(commit);
        }
    }

    /// Makes these the bitmaps that hold, unless others were written meanwhile. The rows of those
    /// before are deleted later: who still reads them is not disturbed.
    pub fn publish(&mut self, bitmaps: &Bitmaps) -> Result<()> {
        let row = seal(keys::BITMAPS, &bitmaps.write());
        let old = bitmaps.row.as_deref().and_then(|row| unseal(keys::BITMAPS, row).ok());
        let old = old.and_then(<[u8]>::first_chunk);
        let old = old.map(|number| u32::from_le_bytes(*number));
        let rows = alloc::vec![(keys::BITMAPS.to_vec(), Some(row))];
        for _ in 0..CLAIMS_MAX {
            let mut manifest = self.manifest.clone();
            manifest.list(Some(bitmaps.number))?;
            let time = self.time;
            if let Some(number) = old {
                manifest.retired.push(Retired { number, more: 0, time, rows: CONDEMNED });
            }
            let expect = Expect { key: keys::BITMAPS, value: bitmaps.row.as_deref() };
            if self.commit_all(manifest, alloc::vec![expect], Vec::new(), &rows) {
                return Ok(());
            }
            if self.host.get(keys::BITMAPS) != bitmaps.row {
                return Ok(());
            }
            self.reload()?;
        }
        Err(Error::Busy)
    }
}
