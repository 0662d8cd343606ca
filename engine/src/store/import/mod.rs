//! A pack on its way in: read, hashed and checked as it arrives, its entries staged as they are.
//! Nothing is visible before `push::commit`. Files: `entries` and `ids` know what came, `resolve`
//! makes objects of it, `large` those that are never held, `name` computes ids, `close` finishes,
//! `parts` divides what is too much at once.

mod close;
mod entries;
mod ids;
mod large;
mod name;
mod parts;
mod policy;
mod resolve;

use super::ring::Ring;
use super::stage::Stage;
use super::{Key, Store, hash_header};
use crate::error::{Error, Result};
use crate::flate::Inflate;
use crate::hash::{Format, Hasher, Oid};
use crate::limits::{
    COUNT_LARGE, DELTA_MAX, EACH_MAX, HELD_MAX, INDEX_IMPORT_MAX, OBJECTS_MAX, PART_OBJECTS,
    RING_MAX, RING_OUTSIDE, RING_SMALL, ROWS_IMPORT_MAX, ROWS_RESOLVE_MAX, WHOLE_MAX,
};
use crate::object::check::Severities;
use crate::object::{Kind, check};
use crate::pack::entry::{self, Form, Header};
use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;
use entries::Entries;
use ids::Ids;
use policy::Policy;

pub struct Import {
    format: Format,
    /// Bytes that may still be stored.
    room: u64,
    /// Bytes of entries that may come; 0: any number.
    input_max: u64,
    severities: Severities,
    policy: Policy,
    /// What was received and not yet read.
    input: Vec<u8>,
    /// Where `input` starts in the pack's entries, as sent.
    sent: u64,
    checksum: Option<Hasher>,
    state: State,
    count: u32,
    entries: Entries,
    ids: Ids,
    stage: Stage,
    /// Contents, by position.
    contents: Ring,
    /// Objects without an id yet, whose contents are all in the ring.
    waiting: name::Waiting,
    inflate: Inflate,
    /// Deltas whose base was not at hand when they arrived.
    pending: Vec<u32>,
    culprit: Option<Oid>,
    /// What is wrong with it, in git's words, if those are known.
    fault: Vec<u8>,
    /// What git would warn of, as lines.
    warnings: Vec<u8>,
    /// Objects of this pack that the store had already.
    has_doubles: bool,
    /// Rows that were used for large bases.
    spill_pages: u32,
    trailer: Option<Oid>,
    /// Bytes that deltas made, or asked for.
    made: u64,
    /// An entry is not stored as it was sent.
    is_rewritten: bool,
    /// Bytes of the largest object or delta.
    largest: u64,
    /// Numbers of the packs that the store had when this began.
    packs: Vec<u32>,
    /// Objects that a part has at most.
    part_max: u32,
    /// What was stored of the pack so far, if it is taken in parts; their objects and bytes.
    parts: Vec<parts::Part>,
    stored: u32,
    stored_size: u64,
    /// Where the first entry was sent of the part that is being received.
    part_sent: u64,
    /// What it refers to outside of it.
    open: parts::Open,
    /// Objects of the parts that nothing in the pack refers to.
    roots: Vec<Oid>,
    /// The pack refers to what was stored before.
    leans: bool,
}

/// Where the pack is.
enum State {
    Header,
    Entry,
    /// An entry that is read piece by piece.
    Pieces(Pieces),
    Trailer,
    /// All bytes are here; deltas remain.
    Received,
    /// The deltas that remain, in the order in which they are made.
    Resolving {
        order: Vec<u32>,
        next: usize,
    },
    /// Every object is known; what they refer to is looked up.
    Closing(close::Closing),
    /// What the parts refer to is looked up: so many ids of this part were.
    Settling {
        part: usize,
        at: usize,
    },
    /// Its paths are looked at.
    Looking(Box<policy::Look>),
    /// It may be made visible: the first eight bytes of the first id of each page.
    Done(Vec<u64>),
}

/// An entry that is too large to be inflated at once, or not all there yet.
struct Pieces {
    header: Header,
    /// Where the entry was sent.
    sent: u64,
    made: u64,
    sink: Sink,
    piece: Vec<u8>,
}

/// Where the pieces go.
enum Sink {
    /// A whole object that is held; its entry is staged as it comes.
    Object { content: Vec<u8>, staged: u64 },
    /// A whole object that is only hashed; its entry is staged as it comes.
    Stream { hasher: Hasher, staged: u64 },
    /// A delta: what it makes decides whether its entry is staged.
    Delta { content: Vec<u8>, raw: Vec<u8> },
}

const HEADER_SIZE: usize = 12;

impl Import {
    /// `size_max`: bytes that the repository's packs may hold together; 0: no limit.
    pub fn new(store: &mut Store, size_max: u64) -> Import {
        let room = if size_max == 0 { u64::MAX } else { size_max };
        store.data_rows.resize(ROWS_IMPORT_MAX);
        store.index_rows.resize(INDEX_IMPORT_MAX);
        store.contents = Ring::new(RING_OUTSIDE);
        Import {
            format: store.format,
            room: room.saturating_sub(store.manifest.size()),
            input_max: store.number(Key::InputMax),
            severities: store.severities(),
            policy: Policy::of(store),
            input: Vec::new(),
            sent: 0,
            checksum: Some(Hasher::new(store.format)),
            state: State::Header,
            count: 0,
            entries: Entries::new(0),
            ids: Ids::new(store.format, 0),
            stage: Stage::new(),
            contents: Ring::new(RING_MAX),
            waiting: name::Waiting::default(),
            inflate: Inflate::new(),
            pending: Vec::new(),
            culprit: None,
            fault: Vec::new(),
            warnings: Vec::new(),
            has_doubles: false,
            spill_pages: 0,
            trailer: None,
            made: 0,
            is_rewritten: false,
            largest: 0,
            packs: store.manifest.numbers(),
            part_max: PART_OBJECTS as u32,
            parts: Vec::new(),
            stored: 0,
            stored_size: 0,
            part_sent: 0,
            open: parts::Open::default(),
            roots: Vec::new(),
            leans: false,
        }
    }

    /// Of objects that the store has: they were let in once.
    pub fn again(store: &mut Store) -> Import {
        let mut import = Import::new(store, 0);
        import.input_max = 0;
        import.policy = Policy::default();
        import.severities = [check::Severity::Ignore; check::RULES.len()];
        import
    }

    /// The same in parts of at most so many objects.
    pub fn in_parts(self, objects: u32) -> Import {
        Import { part_max: objects, ..self }
    }

    /// The next bytes of the pack, cut anywhere, as long as it `is_sealing` no part.
    /// Bytes after its trailer are an error (`BadPack`).
    pub fn feed(&mut self, store: &mut Store, bytes: &[u8]) -> Result<()> {
        let mut input = core::mem::take(&mut self.input);
        input.extend_from_slice(bytes);
        let mut at = 0;
        while !self.is_sealing()
            && let Some(taken) = self.advance(store, input.get(at..).unwrap_or_default())?
        {
            at += taken;
        }
        input.drain(..at);
        self.input = input;
        Ok(())
    }

    /// Reads one thing at the start of `input`, and says how many bytes it took; `None` asks for
    /// more.
    fn advance(&mut self, store: &mut Store, input: &[u8]) -> Result<Option<usize>> {
        let (is_over, is_full) = (self.taken() == self.count, self.is_full());
        let taken = match &mut self.state {
            State::Header => self.read_header(input)?,
            State::Entry if is_over => {
                self.state = State::Trailer;
                return Ok(Some(0));
            }
            State::Entry if is_full => {
                self.state = State::Received;
                return Ok(Some(0));
            }
            State::Entry => self.read_entry(store, input)?,
            State::Pieces(_) => self.read_piece(store, input)?,
            State::Trailer => return self.read_trailer(input),
            _ if input.is_empty() => return Ok(None),
            _ => return Err(Error::BadPack),
        };
        if let Some(taken) = taken {
            let bytes = input.get(..taken).unwrap_or_default();
            self.checksum.iter_mut().for_each(|hasher| hasher.update(bytes));
            if self.stored_size + self.stage.size() > self.room {
                return Err(Error::RepositoryFull);
            }
            if self.input_max > 0 && self.sent > self.input_max {
                return Err(Error::InputTooLarge);
            }
        }
        Ok(taken)
    }

    fn read_header(&mut self, input: &[u8]) -> Result<Option<usize>> {
        let Some(header) = input.first_chunk::<HEADER_SIZE>() else {
            return Ok(None);
        };
        let word = |at: usize| u32::from_be_bytes([0, 1, 2, 3].map(|byte| header[at + byte]));
        if header[..4] != *b"PACK" || !matches!(word(4), 2 | 3) {
            return Err(Error::BadPack);
        }
        self.count = word(8);
        if self.count as usize > OBJECTS_MAX {
            return Err(Error::TooManyObjects);
        }
        self.begin_part();
        Ok(Some(HEADER_SIZE))
    }

    fn read_entry(&mut self, store: &mut Store, input: &[u8]) -> Result<Option<usize>> {
        let Some((header, head)) = entry::read(input, self.format)? else {
            return Ok(None);
        };
        self.largest = self.largest.max(header.size);
        let rest = input.get(head..).unwrap_or_default();
        let mut content = Vec::new();
        let taken = match header.size {
            0..=WHOLE_MAX => self.inflate.whole(rest, header.size as usize, &mut content)?,
            _ => None,
        };
        // What is not all there is not begun anew whenever some more of it has come.
        let Some(taken) = taken else {
            self.begin_pieces(store, header)?;
            self.sent += head as u64;
            return Ok(Some(head));
        };
        let raw = rest.get(..taken).unwrap_or_default();
        let sent = self.sent;
        self.sent += (head + taken) as u64;
        match header.form {
            Form::Whole(kind) => {
                let staged = self.begin_entry(store, &header, sent)?;
                self.stage.push(store, raw)?;
                self.add_whole(staged, kind, header.size, &content)?;
            }
            _ => self.add_delta(store, &header, sent, &content, raw)?,
        }
        Ok(Some(head + taken))
    }

    /// Stages the header of an entry; answers where.
    fn begin_entry(&mut self, store: &mut Store, header: &Header, sent: u64) -> Result<u64> {
        let staged = self.stage.size();
        let mut bytes = Vec::new();
        entry::write(header, &mut bytes);
        self.stage.push(store, &bytes)?;
        self.entries.note_shift(sent, staged);
        Ok(staged)
    }

    fn begin_pieces(&mut self, store: &mut Store, header: Header) -> Result<()> {
        let sent = self.sent;
        let is_held = header.size <= HELD_MAX as u64;
        let size = header.size.min(HELD_MAX as u64) as usize;
        let sink = match header.form {
            Form::Whole(_) if is_held => {
                let staged = self.begin_entry(store, &header, sent)?;
                Sink::Object { content: Vec::with_capacity(size), staged }
            }
            Form::Whole(Kind::Blob) => {
                let staged = self.begin_entry(store, &header, sent)?;
                let mut hasher = Hasher::received(self.format);
                hash_header(&mut hasher, Kind::Blob, header.size);
                Sink::Stream { hasher, staged }
            }
            Form::Whole(_) => return Err(Error::TooLarge),
            _ if header.size > DELTA_MAX as u64 => return Err(Error::TooLarge),
            _ => Sink::Delta { content: Vec::with_capacity(size), raw: Vec::new() },
        };
        self.inflate.reset();
        let piece = vec![0; header.size.clamp(1, WHOLE_MAX) as usize];
        self.state = State::Pieces(Pieces { header, sent, made: 0, sink, piece });
        Ok(())
    }

    fn read_piece(&mut self, store: &mut Store, input: &[u8]) -> Result<Option<usize>> {
        let State::Pieces(pieces) = &mut self.state else {
            return Err(Error::Corrupt);
        };
        let step = self.inflate.run(input, &mut pieces.piece)?;
        let raw = input.get(..step.taken).unwrap_or_default();
        let made = pieces.piece.get(..step.made).unwrap_or_default();
        pieces.made += made.len() as u64;
        if pieces.made > pieces.header.size {
            return Err(Error::BadZlib);
        }
        match &mut pieces.sink {
            Sink::Object { content, .. } => {
                content.extend_from_slice(made);
                self.stage.push(store, raw)?;
            }
            Sink::Stream { hasher, .. } => {
                hasher.update(made);
                self.stage.push(store, raw)?;
            }
            Sink::Delta { content, raw: kept } => {
                content.extend_from_slice(made);
                kept.extend_from_slice(raw);
            }
        }
        self.sent += step.taken as u64;
        if step.done {
            self.end_pieces(store)?;
        } else if step.taken == 0 && step.made == 0 {
            return Ok(None);
        }
        Ok(Some(step.taken))
    }

    fn end_pieces(&mut self, store: &mut Store) -> Result<()> {
        let State::Pieces(pieces) = core::mem::replace(&mut self.state, State::Entry) else {
            return Err(Error::Corrupt);
        };
        let Pieces { header, sent, made, sink, .. } = pieces;
        if made != header.size {
            return Err(Error::BadZlib);
        }
        match (sink, header.form) {
            (Sink::Object { content, staged }, Form::Whole(kind)) => {
                self.add_whole(staged, kind, header.size, &content)
            }
            (Sink::Stream { hasher, staged }, Form::Whole(kind)) => {
                self.add_streamed(staged, kind, header.size, hasher)
            }
            (Sink::Delta { content, raw }, _) => {
                self.add_delta(store, &header, sent, &content, &raw)
            }
            _ => Err(Error::Corrupt),
        }
    }

    fn read_trailer(&mut self, input: &[u8]) -> Result<Option<usize>> {
        let Some(trailer) = Oid::from_bytes(self.format, input) else {
            return Ok(None);
        };
        let checksum = self.checksum.take().ok_or(Error::Corrupt)?.finish()?;
        if checksum != trailer {
            return Err(Error::PackChecksum);
        }
        // What became of the last entry shows only here.
        self.entries.note_shift(self.sent, self.stage.size());
        let is_as_sent = !self.is_rewritten && self.entries.is_unshifted();
        self.trailer = is_as_sent.then_some(trailer);
        self.state = State::Received;
        Ok(Some(self.format.width()))
    }

    /// Whether the pack's last byte was read.
    pub fn is_whole(&self) -> bool {
        matches!(self.state, State::Received) && self.taken() == self.count
    }

    /// After the last byte, or while it is sealing: one bounded step of what remains (deltas,
    /// connectivity). True: all is done. `CutShort` if the pack is not complete.
    pub fn step(&mut self, store: &mut Store) -> Result<bool> {
        match &mut self.state {
            State::Received => {
                self.name_waiting()?;
                if self.count as usize > COUNT_LARGE {
                    // Their memory is needed to put the deltas in order.
                    self.contents = Ring::new(RING_SMALL);
                } else if self.largest <= EACH_MAX {
                    // There is memory for more rows, so that bases which are inflated once more
                    // are not fetched again for each family.
                    store.data_rows.resize(ROWS_RESOLVE_MAX);
                }
                let order = self.family_order();
                self.state = State::Resolving { order, next: 0 };
            }
            State::Resolving { .. } => self.resolve_some(store)?,
            State::Closing(_) => {
                self.close_some(store)?;
                if matches!(self.state, State::Entry) {
                    self.feed(store, &[])?;
                }
            }
            State::Settling { .. } => self.settle_some(store)?,
            State::Looking(_) => self.look_some(store)?,
            State::Done(_) => return Ok(true),
            _ => return Err(Error::CutShort),
        }
        Ok(matches!(self.state, State::Done(_)))
    }

    /// Objects named by the pack's header, and those made so far.
    pub fn counts(&self) -> (u32, u32) {
        (self.count, self.taken() - self.pending.len() as u32)
    }

    /// The type of an object in this pack or in the store. Complete once `step` said true.
    pub fn kind(&mut self, store: &mut Store, oid: &Oid) -> Result<Option<Kind>> {
        match self.position(oid) {
            Some(position) => Ok(self.entries.get(position)?.kind),
            None => store.kind(oid),
        }
    }

    /// Commits that the pack's objects refer to, and that are not in it.
    pub fn edge(&self) -> Vec<Oid> {
        let numbers = 0..self.ids.len() as u32;
        let is_edge = |number: &u32| {
            self.ids.kind(*number) == Some(Kind::Commit) && self.ids.position(*number).is_none()
        };
        let mut edge = Vec::new();
        for number in numbers.filter(is_edge) {
            edge.push(self.ids.oid(number));
        }
        edge
    }

    /// Where this pack has an object.
    fn position(&self, oid: &Oid) -> Option<u32> {
        self.ids.find(oid).and_then(|number| self.ids.position(number))
    }

    /// What is to be told though nothing is refused for it, as lines.
    pub fn warnings(&self) -> &[u8] {
        &self.warnings
    }

    /// What went wrong, in words that name the object, if it is about one.
    pub fn explain(&self, error: Error) -> Vec<u8> {
        let text = error.text().as_bytes();
        match self.culprit {
            Some(_) if !self.fault.is_empty() => self.fault.clone(),
            Some(oid) => [text, b": ", &oid.to_hex()].concat(),
            None => text.to_vec(),
        }
    }
}
