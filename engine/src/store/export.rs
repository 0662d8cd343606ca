//! A pack on its way out: entries are copied as they are stored wherever that is right; the others
//! get another header, or are made whole.

use super::bits::Bits;
use super::stage::Source;
use super::{Place, Store, objects};
use crate::error::{Error, Result};
use crate::flate::Deflate;
use crate::hash::Hasher;
use crate::limits::JUMPS_MAX;
use crate::pack::entry::{self, Form, Header};
use crate::pack::index::{Base, Record};
use alloc::vec::Vec;

/// The objects to send.
pub enum Selection {
    /// All that the store has, each once: its packs, one after another.
    All,
    Set {
        send: Bits,
        /// Objects that the client has: deltas may lean on them. Empty for a pack that is not thin.
        has: Bits,
    },
}

pub struct Options {
    /// The client takes `OFS_DELTA` entries.
    pub ofs_delta: bool,
}

pub struct Export {
    selection: Selection,
    options: Options,
    count: u32,
    /// `None`: all packs are sent one after another, and the trailer of that is known.
    hasher: Option<Hasher>,
    written: u64,
    state: State,
    /// Where entries of a set were written, in the order of sending.
    jumps: Vec<Jump>,
    /// What `extend` found out about the entry after its run.
    ready: Option<Part>,
    /// Made when it is needed first.
    deflate: Option<Deflate>,
}

/// From a place on, entries were written so far behind where their pack has them.
struct Jump {
    place: Place,
    shift: i64,
}

enum State {
    Head,
    /// Entries go out from here on.
    Next(Place),
    /// Stored bytes go out; then entries from the place on.
    Run {
        run: Run,
        then: Place,
    },
    Done,
}

/// Stored bytes that go out as they are.
#[derive(Clone, Copy)]
struct Run {
    pack: u32,
    from: u64,
    to: u64,
}

/// What is to be done about one entry.
enum Part {
    /// It goes out as it is stored.
    AsStored(Run),
    /// These bytes go out, then the stored ones.
    Rewritten(Vec<u8>, Run),
}

impl Export {
    pub fn new(store: &mut Store, selection: Selection, options: Options) -> Result<Export> {
        let count = match &selection {
            Selection::All => store.counts().sum(),
            Selection::Set { send, .. } => send.count(),
        };
        // Without OFS_DELTA no pack can go out as it is.
        let selection = match selection {
            Selection::All if !options.ofs_delta => {
                Selection::Set { send: Bits::all(store), has: Bits::none() }
            }
            other => other,
        };
        let is_known = matches!(selection, Selection::All) && store.trailer().is_some();
        let hasher = (!is_known).then(|| Hasher::new(store.format));
        let (jumps, state, ready, deflate) = (Vec::new(), State::Head, None, None);
        let written = 0;
        Ok(Export { selection, options, count, hasher, written, state, jumps, ready, deflate })
    }

    /// Objects in the pack.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Writes about `size` more bytes of pack through `sink`. True: the trailer was written.
    pub fn pump(
        &mut self,
        store: &mut Store,
        size: usize,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<bool> {
        let end = self.written + size as u64;
        while self.written < end {
            match core::mem::replace(&mut self.state, State::Done) {
                State::Head => {
                    let count = self.count.to_be_bytes();
                    self.write(&[b"PACK\0\0\0\x02", count.as_slice()].concat(), sink);
                    self.state = State::Next(Place { pack: 0, position: 0 });
                }
                State::Next(place) => self.next(store, place, sink)?,
                State::Run { run, then } => {
                    let run = self.copy(store, run, end, sink)?;
                    self.state = if run.from < run.to {
                        State::Run { run, then }
                    } else {
                        State::Next(then)
                    };
                }
                State::Done => return Ok(true),
            }
        }
        Ok(matches!(self.state, State::Done))
    }

    fn write(&mut self, bytes: &[u8], sink: &mut dyn FnMut(&[u8])) {
        self.hasher.iter_mut().for_each(|hasher| hasher.update(bytes));
        self.written += bytes.len() as u64;
        sink(bytes);
    }

    /// Copies stored bytes, a row's worth at most; answers what is left of the run.
    fn copy(
        &mut self,
        store: &mut Store,
        run: Run,
        end: u64,
        sink: &mut dyn FnMut(&[u8]),
    ) -> Result<Run> {
        let (page, at) = objects::split(run.from);
        let row = store.whole_page(run.pack, page)?;
        let size = (run.to - run.from).min(end.saturating_sub(self.written).max(1));
        let bytes = row.get(at..).unwrap_or_default();
        let bytes = bytes.get(..size as usize).unwrap_or(bytes);
        if bytes.is_empty() {
            return Err(Error::Corrupt);
        }
        self.write(bytes, sink);
        Ok(Run { from: run.from + bytes.len() as u64, ..run })
    }

    /// Goes on at a place: begins the next run, or ends the pack.
    fn next(&mut self, store: &mut Store, at: Place, sink: &mut dyn FnMut(&[u8])) -> Result<()> {
        let next = match &self.selection {
            Selection::All => {
                let Some(pack) = store.manifest.packs.get(at.pack as usize) else {
                    return self.end(store, sink);
                };
                let run = Run { pack: pack.number, from: 0, to: pack.size };
                let then = Place { pack: at.pack + 1, position: 0 };
                self.state = State::Run { run, then };
                return Ok(());
            }
            Selection::Set { send, .. } => send.next(at),
        };
        let Some(place) = next else {
            return self.end(store, sink);
        };
        let part = match self.ready.take() {
            Some(part) => part,
            None => self.part(store, place, self.written)?,
        };
        self.jump(place, self.written as i64 - store.record(place)?.offset as i64);
        let (run, then) = match part {
            Part::Rewritten(head, run) => {
                self.write(&head, sink);
                (run, Place { position: place.position + 1, ..place })
            }
            Part::AsStored(run) => self.extend(store, run, place)?,
        };
        self.state = if run.from < run.to { State::Run { run, then } } else { State::Next(then) };
        Ok(())
    }

    /// Adds the entries that follow at once and go out as they are stored.
    fn extend(&mut self, store: &mut Store, run: Run, place: Place) -> Result<(Run, Place)> {
        const ENTRIES_MAX: u32 = 1000;
        let mut run = run;
        let mut at = Place { position: place.position + 1, ..place };
        while at.position - place.position < ENTRIES_MAX && self.sends(at) {
            match self.part(store, at, self.written + (run.to - run.from))? {
                Part::AsStored(more) if more.from == run.to => run.to = more.to,
                part => {
                    self.ready = Some(part);
                    break;
                }
            }
            at.position += 1;
        }
        Ok((run, at))
    }

    fn sends(&self, place: Place) -> bool {
        matches!(&self.selection, Selection::Set { send, .. } if send.has(place))
    }

    fn has(&self, place: Place) -> bool {
        matches!(&self.selection, Selection::Set { has, .. } if has.has(place))
    }

    /// What is to be done about the entry at a place; `here` is where it is to be written.
    fn part(&mut self, store: &mut Store, place: Place, here: u64) -> Result<Part> {
        let record = store.record(place)?;
        let run = run_of(store, place, &record)?;
        match record.base {
            Base::None => Ok(Part::AsStored(run)),
            Base::Inside(position) => {
                let base = Place { position, ..place };
                let shift = match self.options.ofs_delta && self.sends(base) {
                    true => self.shift(base),
                    false => None,
                };
                if let Some(shift) = shift {
                    if shift == here as i64 - record.offset as i64 {
                        return Ok(Part::AsStored(run));
                    }
                    let sent = store.record(base)?.offset.checked_add_signed(shift);
                    let distance = sent.and_then(|sent| here.checked_sub(sent));
                    return rewrite(store, run, Form::OfsDelta(distance.ok_or(Error::Corrupt)?));
                }
                if self.sends(base) || self.has(base) {
                    let oid = store.oid(base)?;
                    return rewrite(store, run, Form::RefDelta(oid));
                }
                whole(store, &mut self.deflate, place, &record, run)
            }
            Base::Outside => {
                let oid = store.outside_base(place)?;
                let base = store.place(&oid)?;
                if self.sends(base) || self.has(base) {
                    return Ok(Part::AsStored(run));
                }
                whole(store, &mut self.deflate, place, &record, run)
            }
        }
    }

    /// Notes where an entry is written.
    fn jump(&mut self, place: Place, shift: i64) {
        let last = self.jumps.last();
        if last.is_some_and(|last| last.shift == shift && last.place.pack == place.pack) {
            return;
        }
        if self.jumps.len() == JUMPS_MAX {
            self.jumps.drain(..JUMPS_MAX / 2);
        }
        self.jumps.push(Jump { place, shift });
    }

    /// How far behind its place in the pack an entry was written; `None`: that was forgotten.
    fn shift(&self, place: Place) -> Option<i64> {
        let after = self.jumps.partition_point(|jump| jump.place <= place);
        self.jumps.get(after.checked_sub(1)?).map(|jump| jump.shift)
    }

    fn end(&mut self, store: &mut Store, sink: &mut dyn FnMut(&[u8])) -> Result<()> {
        self.state = State::Done;
        let Some(hasher) = self.hasher.take() else {
            let trailer = store.trailer().ok_or(Error::Corrupt)?.to_vec();
            self.write(&trailer, sink);
            return Ok(());
        };
        let trailer = hasher.finish()?;
        self.write(trailer.as_bytes(), sink);
        Ok(())
    }
}

/// The stored bytes of an entry.
fn run_of(store: &mut Store, place: Place, record: &Record) -> Result<Run> {
    let pack = store.pack(place.pack)?;
    let (number, count, size) = (pack.number, pack.count, pack.size);
    let next = Place { position: place.position + 1, ..place };
    let to = if next.position < count { store.record(next)?.offset } else { size };
    Ok(Run { pack: number, from: record.offset, to })
}

/// The entry with another header.
fn rewrite(store: &mut Store, run: Run, form: Form) -> Result<Part> {
    let (header, from) = store.header(Source::Pack(run.pack), run.from)?;
    let mut head = Vec::new();
    entry::write(&Header { form, ..header }, &mut head);
    Ok(Part::Rewritten(head, Run { from, ..run }))
}

/// The object made whole: neither its base nor a delta to it goes out.
fn whole(
    store: &mut Store,
    deflate: &mut Option<Deflate>,
    place: Place,
    record: &Record,
    run: Run,
) -> Result<Part> {
    let (kind, content) = store.read(place)?;
    let mut bytes = Vec::new();
    entry::write(&Header { form: Form::Whole(kind), size: record.size }, &mut bytes);
    let deflate = deflate.get_or_insert_with(Deflate::new);
    deflate.write(&content, &mut bytes);
    deflate.finish(&mut bytes);
    Ok(Part::Rewritten(bytes, Run { from: run.to, ..run }))
}
