//! What is kept where: refs, packs, the log of pushes. The only room that names keys.

pub mod bitmaps;
pub mod bits;
pub mod check;
pub mod export;
pub mod import;
mod keys;
pub mod log;
mod manifest;
pub mod merge;
mod objects;
mod packs;
pub mod paths;
pub mod push;
mod refs;
pub mod replace;
mod ring;
mod rows;
pub mod settings;
mod stage;
mod sum;
pub mod updates;

pub use objects::Place;
pub use refs::{Ref, Target};
pub use settings::Key;

use crate::error::{Error, Result};
use crate::flate::Inflate;
use crate::hash::{Format, Hasher};
use crate::host::{Expect, Host, Write};
use crate::limits::{INDEX_CACHE_MAX, RING_MAX, ROWS_CACHE_MAX};
use crate::object::Kind;
use alloc::vec::Vec;
use manifest::{Manifest, Pack};
use paths::Paths;
use ring::Ring;
use rows::Rows;

/// One repository during one request. Wraps the host; rooms above see no row.
pub struct Store<'h> {
    host: &'h mut dyn Host,
    /// Seconds since 1970.
    time: u64,
    /// A text that nobody can guess.
    secret: Vec<u8>,
    format: Format,
    manifest: Manifest,
    /// The manifest's row as it was read: what the next commit expects.
    manifest_row: Vec<u8>,
    /// Settings that bind who is calling.
    rules: Vec<u8>,
    index_rows: Rows,
    data_rows: Rows,
    /// Packs of the push under way that no manifest lists yet: their slots follow those that one
    /// does.
    parts: Vec<Pack>,
    /// Pages of indexes that were found as they were written, in order: a walk reads some many
    /// times.
    sound: Vec<u64>,
    /// The sums of pages of data that were read and not yet compared with them.
    sums: Vec<(u64, [u8; sum::SUM_SIZE])>,
    contents: Ring,
    inflate: Inflate,
    is_overtaken: bool,
}

/// What says that there is a repository.
pub struct Found {
    manifest: Manifest,
    row: Vec<u8>,
}

impl Found {
    /// Looks for a repository; a host that has none can still be used.
    pub fn look(host: &mut dyn Host) -> Result<Option<Found>> {
        let Some(row) = host.get(keys::MANIFEST) else {
            return Ok(None);
        };
        Ok(Some(Found { manifest: Manifest::read(&row)?, row }))
    }
}

impl<'h> Store<'h> {
    /// The repository that these rows hold; `None`: none was created here.
    pub fn open(host: &'h mut dyn Host) -> Result<Option<Store<'h>>> {
        let found = Found::look(host)?;
        Ok(found.map(|found| Store::new(host, found)))
    }

    /// The repository that was found in these rows.
    pub fn new(host: &'h mut dyn Host, found: Found) -> Store<'h> {
        Store {
            host,
            time: 0,
            secret: Vec::new(),
            format: found.manifest.format,
            manifest: found.manifest,
            manifest_row: found.row,
            rules: Vec::new(),
            index_rows: Rows::new(INDEX_CACHE_MAX),
            data_rows: Rows::new(ROWS_CACHE_MAX),
            parts: Vec::new(),
            sound: Vec::new(),
            sums: Vec::new(),
            contents: Ring::new(RING_MAX),
            inflate: Inflate::new(),
            is_overtaken: false,
        }
    }

    /// Creates it: a repository without refs whose `HEAD` names the branch `head`
    /// (`refs/heads/main`). False: there is one already.
    pub fn create(host: &mut dyn Host, format: Format, head: &[u8]) -> bool {
        let manifest = Manifest::new(format, head).write();
        let expect = Expect { key: keys::MANIFEST, value: None };
        host.commit(&[expect], &[Write { key: keys::MANIFEST, value: Some(&manifest) }])
    }

    /// The same at a time, in seconds since 1970.
    pub fn at(self, time: u64) -> Store<'h> {
        Store { time, ..self }
    }

    /// The same for a request of this id, which nobody can guess.
    pub fn of(self, id: &[u8]) -> Store<'h> {
        Store { secret: id.to_vec(), ..self }
    }

    /// Which trees were seen at which paths: none yet.
    pub fn paths(&self) -> Paths {
        Paths::new(&self.secret)
    }

    /// Seconds since 1970.
    pub fn time(&self) -> u64 {
        self.time
    }

    pub fn format(&self) -> Format {
        self.format
    }

    /// Response bytes; only the room `engine` calls this.
    pub fn emit(&mut self, bytes: &[u8]) {
        self.host.emit(bytes);
    }

    /// Reads the manifest again: after a commit that expected an older one, or so that it knows
    /// what refs lead to that were read before.
    pub fn reload(&mut self) -> Result<()> {
        self.manifest_row = self.host.get(keys::MANIFEST).ok_or(Error::Corrupt)?;
        let manifest = Manifest::read(&self.manifest_row)?;
        self.adopt(manifest);
        Ok(())
    }

    /// A push is over, whether it was taken or not.
    pub fn forget_parts(&mut self) {
        self.parts = Vec::new();
    }

    /// Goes on with another manifest. Contents are known by slots of the one before.
    fn adopt(&mut self, manifest: Manifest) {
        if manifest.packs != self.manifest.packs {
            self.contents = Ring::new(RING_MAX);
        }
        self.manifest = manifest;
    }
}

/// The decimal digits of a number.
pub fn decimal(number: u64, digits: &mut [u8; 20]) -> &[u8] {
    let mut at = digits.len();
    let mut rest = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            return &digits[at..];
        }
    }
}

/// The header under which an object is hashed: `blob 12\0`.
fn hash_header(hasher: &mut Hasher, kind: Kind, size: u64) {
    hasher.update(kind.name().as_bytes());
    hasher.update(b" ");
    hasher.update(decimal(size, &mut [0; 20]));
    hasher.update(b"\0");
}
