//! Reads everything that is stored and says what is wrong with it, a bounded step at a time.

use super::bits::Bits;
use super::stage::Source;
use super::sum::unseal;
use super::{Place, Store, keys};
use crate::error::{Error, Result};
use crate::hash::{Hasher, Oid};
use crate::limits::{HELD_MAX, SCAN_MAX, STEP_MAX};
use crate::object::Kind;
use crate::object::check::{Content, File, Finding, Severities, inspect, inspect_file};
use crate::pack::entry::Form;
use crate::pack::index::{Base, Record};
use alloc::vec::Vec;

/// What is wrong with an object.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Problem {
    /// Its bytes cannot be read, or are not those of its id.
    Damaged(Oid),
    /// It refers to an object that is not stored, or is of another type.
    Broken { from: Oid, to: Oid },
    /// A pack's index cannot be read here; the rest of the pack is passed over.
    Unreadable(Place),
}

/// What is wrong with an object by git's rules.
pub type Tell<'t> = dyn FnMut(Kind, &Oid, &Finding) + 't;

/// Where all that goes which is found.
struct Found<'f> {
    severities: Severities,
    report: &'f mut dyn FnMut(Problem),
    tell: &'f mut Tell<'f>,
    /// Files that are to be looked into.
    files: Vec<(Oid, File)>,
}

pub struct Check {
    at: Place,
    /// Files that were looked into, of each kind.
    files: [Bits; 2],
    /// Objects that were found whole.
    pub count: u64,
}

impl Check {
    pub fn new() -> Check {
        let (at, files) = (Place { pack: 0, position: 0 }, [Bits::none(), Bits::none()]);
        Check { at, files, count: 0 }
    }

    /// Reads some objects. True: all were read.
    pub fn step(
        &mut self,
        store: &mut Store,
        report: &mut dyn FnMut(Problem),
        tell: &mut Tell<'_>,
    ) -> Result<bool> {
        let (severities, files) = (store.severities_stored(), Vec::new());
        let mut found = Found { severities, report, tell, files };
        let mut work = 0;
        if self.at == (Place { pack: 0, position: 0 }) {
            self.files = [Bits::new(store), Bits::new(store)];
        }
        while work < STEP_MAX {
            let Ok(pack) = store.pack(self.at.pack) else { return Ok(true) };
            if self.at.position == pack.count {
                self.at = Place { pack: self.at.pack + 1, position: 0 };
                continue;
            }
            match store.oid(self.at) {
                Err(_) => {
                    (found.report)(Problem::Unreadable(self.at));
                    self.at = Place { pack: self.at.pack + 1, position: 0 };
                }
                Ok(oid) => {
                    work += self.check_one(store, oid, &mut found);
                    self.at.position += 1;
                }
            }
        }
        Ok(false)
    }

    fn check_one(&mut self, store: &mut Store, oid: Oid, found: &mut Found) -> usize {
        let outcome = store.check(self.at, oid, found);
        for (oid, file) in core::mem::take(&mut found.files) {
            // One that cannot be read is told by itself.
            _ = self.check_file(store, &oid, file, found);
        }
        match outcome {
            Ok(size) => {
                self.count += 1;
                size + 256
            }
            Err(_) => {
                (found.report)(Problem::Damaged(oid));
                256
            }
        }
    }

    /// Looks into a file that git reads, once.
    fn check_file(
        &mut self,
        store: &mut Store,
        oid: &Oid,
        file: File,
        found: &mut Found,
    ) -> Result<()> {
        let place = store.place(oid)?;
        let files = self.files.get_mut(usize::from(file == File::Modules));
        if !files.is_some_and(|files| files.add(place)) {
            return Ok(());
        }
        let Record { kind, size, .. } = store.record(place)?;
        let text = match kind {
            Kind::Blob if size <= HELD_MAX as u64 => Some(store.read(place)?.1),
            _ => None,
        };
        let content = match &text {
            Some(text) => Content::Blob(text),
            None if kind == Kind::Blob => Content::Large,
            None => Content::Other,
        };
        let tell = &mut |finding: &Finding| (found.tell)(kind, oid, finding);
        inspect_file(file, &content, &found.severities, tell);
        Ok(())
    }
}

impl Default for Check {
    fn default() -> Check {
        Check::new()
    }
}

impl Store<'_> {
    /// Reads the next rows behind the key `after`, which goes on to the last of them, and tells the
    /// keys of those that are not as they were written. True: there are no more.
    pub fn check_rows(&mut self, after: &mut Vec<u8>, report: &mut dyn FnMut(&[u8])) -> bool {
        let rows = self.host.scan(b"", after, SCAN_MAX);
        for row in &rows {
            // Records of the log have no sum.
            if !row.key.starts_with(keys::LOG) && unseal(&row.key, &row.value).is_err() {
                report(&row.key);
            }
            after.clone_from(&row.key);
        }
        rows.is_empty()
    }

    /// Checks one object; answers its size.
    fn check(&mut self, place: Place, oid: Oid, found: &mut Found) -> Result<usize> {
        let record = self.record(place)?;
        self.check_header(place, &record)?;
        if record.size > HELD_MAX as u64 {
            let is = self.hash_stream(place, record.kind, record.size, record.offset)?;
            return if is == oid { Ok(STEP_MAX) } else { Err(Error::Corrupt) };
        }
        let ((kind, content), format) = (self.read(place)?, self.format);
        let mut hasher = Hasher::new(self.format);
        super::hash_header(&mut hasher, kind, content.len() as u64);
        hasher.update(&content);
        if hasher.finish()? != oid || content.len() as u64 != record.size {
            return Err(Error::Corrupt);
        }
        let (mut failed, Found { severities, report, tell, files }) = (None, found);
        let mut each = |to, kind| match self.kind(&to) {
            Ok(Some(is)) if is == kind => {}
            Ok(_) => report(Problem::Broken { from: oid, to }),
            Err(error) => failed = Some(error),
        };
        let mut file = |oid, file| files.push((oid, file));
        let mut tell = |finding: &Finding| tell(kind, &oid, finding);
        inspect(kind, &content, format, severities, &mut each, &mut file, &mut tell)?;
        failed.map_or(Ok(content.len()), Err)
    }

    /// The entry's own header says what the index says: copies of it lead readers elsewhere if not.
    fn check_header(&mut self, place: Place, record: &Record) -> Result<()> {
        let source = Source::Pack(self.pack(place.pack)?.number);
        let (header, _) = self.header(source, record.offset)?;
        let is_right = match (header.form, record.base) {
            (Form::Whole(kind), Base::None) => kind == record.kind && header.size == record.size,
            (Form::OfsDelta(distance), Base::Inside(position)) => {
                let base = self.record(Place { position, ..place })?;
                record.offset.checked_sub(distance) == Some(base.offset)
            }
            (Form::RefDelta(oid), Base::Inside(position)) => {
                self.oid(Place { position, ..place })? == oid
            }
            (Form::RefDelta(oid), Base::Outside) => self.find(&oid)?.is_some(),
            _ => false,
        };
        if is_right { Ok(()) } else { Err(Error::Corrupt) }
    }

    fn hash_stream(&mut self, place: Place, kind: Kind, size: u64, offset: u64) -> Result<Oid> {
        let source = Source::Pack(self.pack(place.pack)?.number);
        let (_, at) = self.header(source, offset)?;
        let mut hasher = Hasher::new(self.format);
        super::hash_header(&mut hasher, kind, size);
        self.inflate_from(source, at, &mut |_, bytes| {
            hasher.update(bytes);
            Ok(())
        })?;
        hasher.finish()
    }
}
