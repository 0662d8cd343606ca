//! v2 `fetch` (gitprotocol-v2, "fetch").

use super::sender::Sender;
use super::{Service, admits, write_error};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{HAVES_MAX, PATTERNS_MAX, READY_MAX, WANTS_MAX};
use crate::object::{self, Entry, Kind};
use crate::sort;
use crate::store::settings::{self, Key, Offer};
use crate::store::{Store, Target};
use crate::walk::{self, Ask, Cut, Deepen, Filter};
use crate::wire::band::{Band, Frame};
use crate::wire::line;
use alloc::boxed::Box;
use alloc::vec::Vec;

pub const ADVERTISE: &[u8] = b"=shallow wait-for-done";
pub const OFFERS: &[Offer] = &[
    (Key::AllowFilter, b" filter"),
    (Key::AllowRef, b" ref-in-want"),
    (Key::AllowSidebandAll, b" sideband-all"),
];

#[derive(Default)]
pub struct Fetch {
    pub wants: Vec<Oid>,
    /// Wants by name: what they hold, and a name.
    wanted: Vec<(Oid, Vec<u8>)>,
    /// Haves that the store has, in the order of asking.
    pub commons: Vec<Oid>,
    has_haves: bool,
    done: bool,
    wait_for_done: bool,
    /// Every line of the answer comes in a side-band.
    sideband_all: bool,
    pub thin: bool,
    pub no_progress: bool,
    pub include_tag: bool,
    pub ofs_delta: bool,
    pub shallow: Vec<Oid>,
    pub deepen: Deepen,
    pub filter: Option<Filter>,
}

impl Fetch {
    /// Reads an argument; false: it is not known; `None`: it was refused, in words.
    pub fn on_argument(
        &mut self,
        store: &mut Store,
        text: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<bool>> {
        let (word, rest) = settings::cut(text, b' ');
        match word {
            _ if word == b"want" => {
                let Some(oid) = self.on_want(store, rest, out)? else { return Ok(None) };
                self.wants.push(oid);
            }
            _ if word == b"want-ref" && store.is_set(Key::AllowRef) => {
                let head = store.head().to_vec();
                let name = if rest == b"HEAD" { &head } else { rest };
                let is_hidden = store.covers(Service::UploadPack.hidden(), rest);
                let found = store.find_ref(name)?.filter(|_| !is_hidden);
                let Some(Target::Direct { oid, .. }) = found else {
                    write_error(out, &[b"unknown ref ", rest]);
                    return Ok(None);
                };
                if self.wants.len() >= WANTS_MAX {
                    return Err(Error::TooLarge);
                }
                if store.find(&oid)?.is_none() {
                    // It was pushed since this request began.
                    store.reload()?;
                }
                self.wants.push(oid);
                self.wanted.push((oid, rest.to_vec()));
            }
            _ if word == b"have" => self.on_have(store, rest)?,
            _ if word == b"done" => self.done = true,
            _ if word == b"wait-for-done" => self.wait_for_done = true,
            _ if word == b"sideband-all" && store.is_set(Key::AllowSidebandAll) => {
                self.sideband_all = true
            }
            _ if word == b"thin-pack" => self.thin = true,
            _ if word == b"no-progress" => self.no_progress = true,
            _ if word == b"include-tag" => self.include_tag = true,
            _ if word == b"ofs-delta" => self.ofs_delta = true,
            _ => return self.on_bound(store, word, rest, out),
        }
        Ok(Some(true))
    }

    /// Reads a want; `None`: there is no such object, and the client was told.
    pub fn on_want(
        &mut self,
        store: &mut Store,
        digits: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<Oid>> {
        let oid = Oid::from_hex(store.format(), digits)?;
        if self.wants.len() >= WANTS_MAX {
            return Err(Error::TooLarge);
        }
        if store.find(&oid)?.is_none() {
            write_error(out, &[b"upload-pack: not our ref ", &oid.to_hex()]);
            return Ok(None);
        }
        Ok(Some(oid))
    }

    fn on_have(&mut self, store: &mut Store, digits: &[u8]) -> Result<()> {
        let oid = Oid::from_hex(store.format(), digits)?;
        self.has_haves = true;
        if self.commons.len() < HAVES_MAX && store.find(&oid)?.is_some() {
            self.commons.push(oid);
        }
        Ok(())
    }

    /// Reads what bounds the history or the objects: shallow, deepen, filter.
    pub fn on_bound(
        &mut self,
        store: &mut Store,
        word: &[u8],
        rest: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Option<bool>> {
        match word {
            _ if word == b"shallow" => {
                let oid = Oid::from_hex(store.format(), rest)?;
                if self.shallow.len() >= HAVES_MAX {
                    return Err(Error::TooLarge);
                }
                if store.find(&oid)?.is_some() {
                    self.shallow.push(oid);
                }
            }
            _ if word == b"deepen" => match u32::try_from(settings::number(rest)?) {
                Ok(count) if count > 0 => self.deepen.count = Some(count),
                _ => return Err(Error::BadRequest),
            },
            _ if word == b"deepen-relative" => self.deepen.relative = true,
            _ if word == b"deepen-since" => self.deepen.since = Some(settings::number(rest)?),
            _ if word == b"deepen-not" => match find_ref(store, rest)? {
                Some(oid) => self.deepen.not.push(oid),
                None => {
                    write_error(out, &[b"upload-pack: deepen-not is not a ref: ", rest]);
                    return Ok(None);
                }
            },
            _ if word == b"filter" && self.filter.is_some() => {
                write_error(out, &[b"upload-pack: multiple filter-specs cannot be combined"]);
                return Ok(None);
            }
            _ if word == b"filter" && store.is_set(Key::AllowFilter) => {
                match Filter::read(rest, &mut |name| blob(store, name)) {
                    Ok(filter) => self.filter = Some(filter),
                    Err(_) => {
                        write_error(out, &[b"upload-pack: invalid filter-spec '", rest, b"'"]);
                        return Ok(None);
                    }
                }
            }
            _ => return Ok(Some(false)),
        }
        Ok(Some(true))
    }

    pub fn answer(self, _store: &mut Store) -> Result<Answer> {
        Ok(Answer { ask: self, state: State::Check })
    }

    /// The search that this asks for.
    pub fn sender(&mut self, store: &mut Store, cut: Option<Cut>, frame: Frame) -> Result<Sender> {
        let ask = Ask {
            wants: core::mem::take(&mut self.wants),
            commons: core::mem::take(&mut self.commons),
            include_tag: self.include_tag,
            thin: self.thin,
            cut,
            filter: self.filter.take(),
        };
        Sender::new(store, ask, frame, self.ofs_delta, !self.no_progress)
    }

    /// Whether a ref is wanted twice: then the client was told.
    fn is_repeated(&self, out: &mut Vec<u8>) -> bool {
        let mut order = sort::numbers(self.wanted.len());
        let name = |at: u32| self.wanted.get(at as usize).map_or(&[][..], |(_, name)| name);
        sort::by(&mut order, &|a, b| name(a) < name(b));
        let twice = order.windows(2).find(|two| name(two[0]) == name(two[1]));
        twice.inspect(|two| write_error(out, &[b"duplicate want-ref ", name(two[0])])).is_some()
    }

    /// Where history is cut, if the client's is or shall be.
    pub fn cut(&self, store: &mut Store) -> Result<Option<Cut>> {
        if self.shallow.is_empty() && !self.deepen.is_set() {
            return Ok(None);
        }
        if self.deepen.count.is_some() && self.deepen.is_by_commits() {
            return Err(Error::BadRequest);
        }
        let hidden = Service::UploadPack.hidden();
        Cut::new(store, &self.wants, &self.shallow, &self.deepen, hidden).map(Some)
    }
}

/// The lines that tell a client where its history ends; `band` goes before each.
pub fn write_cut(cut: &Cut, band: &[u8], out: &mut Vec<u8>) {
    for oid in &cut.shallow {
        line::write(out, &[band, b"shallow ", &oid.to_hex()]);
    }
    for oid in &cut.unshallow {
        line::write(out, &[band, b"unshallow ", &oid.to_hex()]);
    }
}

pub struct Answer {
    ask: Fetch,
    state: State,
}

enum State {
    Check,
    Acknowledge,
    Pack,
    Send(Box<Sender>),
    Done,
}

impl Answer {
    /// True: the answer is complete.
    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        if let State::Send(sender) = &mut self.state {
            return sender.pump(store, out);
        }
        self.state = match core::mem::replace(&mut self.state, State::Done) {
            State::Check if self.ask.wants.is_empty() && !self.ask.wait_for_done => State::Done,
            State::Check if self.ask.is_repeated(out) => State::Done,
            State::Check if !admits(store, &self.ask.wants, out)? => State::Done,
            State::Check if self.ask.done || !self.ask.has_haves => State::Pack,
            State::Check => State::Acknowledge,
            State::Acknowledge => self.acknowledge(store, out)?,
            State::Pack => {
                if !self.ask.wanted.is_empty() {
                    line::write(out, &[self.band(), b"wanted-refs\n"]);
                    for (oid, name) in &self.ask.wanted {
                        line::write(out, &[self.band(), &oid.to_hex(), b" ", name, b"\n"]);
                    }
                    line::delim(out);
                }
                let cut = self.ask.cut(store)?;
                if let Some(cut) = &cut {
                    line::write(out, &[self.band(), b"shallow-info\n"]);
                    write_cut(cut, self.band(), out);
                    line::delim(out);
                }
                line::write(out, &[self.band(), b"packfile\n"]);
                State::Send(Box::new(self.ask.sender(store, cut, Frame::LARGE)?))
            }
            state => state,
        };
        Ok(matches!(self.state, State::Done))
    }

    fn acknowledge(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<State> {
        line::write(out, &[self.band(), b"acknowledgments\n"]);
        if self.ask.commons.is_empty() {
            line::write(out, &[self.band(), b"NAK\n"]);
        }
        unique(&mut self.ask.commons);
        for oid in &self.ask.commons {
            line::write(out, &[self.band(), b"ACK ", &oid.to_hex(), b"\n"]);
        }
        let Fetch { wants, commons, wait_for_done, .. } = &self.ask;
        if !wait_for_done && walk::is_ready(store, wants, commons, &mut READY_MAX.clone())? {
            line::write(out, &[self.band(), b"ready\n"]);
            line::delim(out);
            return Ok(State::Pack);
        }
        line::flush(out);
        Ok(State::Done)
    }

    /// What goes before each line.
    fn band(&self) -> &'static [u8] {
        if self.ask.sideband_all { &[Band::Data as u8] } else { &[] }
    }

    /// The request ends with an error.
    pub fn fail(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Send(sender) => sender.fail(text, out),
            _ if self.ask.sideband_all => line::write(out, &[&[Band::Error as u8], text]),
            _ => write_error(out, &[text]),
        }
    }

    /// `out` was sent and emptied.
    pub fn sent(&mut self) {
        if let State::Send(sender) = &mut self.state {
            sender.sent();
        }
    }
}

/// Leaves the first of those that are the same.
fn unique(oids: &mut Vec<Oid>) {
    let mut order = sort::numbers(oids.len());
    let at = |at: u32| oids.get(at as usize);
    // What is not before the other keeps its order.
    sort::by(&mut order, &|a, b| at(a) < at(b));
    let mut is_double = alloc::vec![false; oids.len()];
    for pair in order.windows(2) {
        if at(pair[0]) == at(pair[1])
            && let Some(is_double) = is_double.get_mut(pair[1] as usize)
        {
            *is_double = true;
        }
    }
    let mut doubles = is_double.into_iter();
    oids.retain(|_| doubles.next() == Some(false));
}

/// The content of the file that a client names: by its id, a ref, or `REVISION:PATH`.
fn blob(store: &mut Store, name: &[u8]) -> Result<Vec<u8>> {
    let (revision, path) = settings::cut(name, b':');
    let mut oid = match find_ref(store, revision)? {
        Some(oid) => oid,
        None => Oid::from_hex(store.format(), revision)?,
    };
    oid = store.peel(&oid)?.unwrap_or(oid);
    let mut parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty());
    loop {
        let place = store.find(&oid)?.ok_or(Error::BadRequest)?;
        let record = store.record(place)?;
        oid = match record.kind {
            Kind::Commit => store.commit(place)?.tree,
            Kind::Tree => {
                let (content, part) = (store.read(place)?.1, parts.next());
                let is_it = |entry: &Result<Entry>| match (entry, part) {
                    (Ok(entry), Some(part)) => entry.name == part,
                    _ => true,
                };
                let found = object::entries(&content, store.format()).find(is_it);
                found.filter(|_| part.is_some()).ok_or(Error::BadRequest)??.oid
            }
            Kind::Blob if parts.next().is_none() && record.size <= PATTERNS_MAX => {
                return Ok(store.read(place)?.1);
            }
            _ => return Err(Error::BadRequest),
        };
    }
}

/// What a ref holds that may be named in short, as git's own rules say (gitrevisions).
fn find_ref(store: &mut Store, name: &[u8]) -> Result<Option<Oid>> {
    let name = if name == b"HEAD" { store.head().to_vec() } else { name.to_vec() };
    for prefix in [&b""[..], b"refs/", b"refs/tags/", b"refs/heads/", b"refs/remotes/"] {
        let full = [prefix, name.as_slice()].concat();
        if let Some(Target::Direct { oid, .. }) = store.find_ref(&full)? {
            return Ok(Some(oid));
        }
    }
    Ok(None)
}
