//! v2 `fetch` (gitprotocol-v2, "fetch").

use super::sender::Sender;
use super::{admits, write_error};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{HAVES_MAX, WANTS_MAX};
use crate::store::{Store, Target};
use crate::walk::{self, Ask, Cut, Deepen, Filter};
use crate::wire::band::Frame;
use crate::wire::line;
use alloc::vec::Vec;

pub const ADVERTISE: &[u8] = b"=shallow wait-for-done filter";

#[derive(Default)]
pub struct Fetch {
    pub wants: Vec<Oid>,
    /// Haves that the store has, in the order of asking.
    pub commons: Vec<Oid>,
    has_haves: bool,
    done: bool,
    wait_for_done: bool,
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
        let (word, rest) = match text.iter().position(|byte| *byte == b' ') {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &b""[..]),
        };
        match word {
            b"want" => {
                let Some(oid) = self.on_want(store, rest, out)? else { return Ok(None) };
                self.wants.push(oid);
            }
            b"have" => self.on_have(store, rest)?,
            b"done" => self.done = true,
            b"wait-for-done" => self.wait_for_done = true,
            b"thin-pack" => self.thin = true,
            b"no-progress" => self.no_progress = true,
            b"include-tag" => self.include_tag = true,
            b"ofs-delta" => self.ofs_delta = true,
            _ => return Ok(self.on_bound(store, word, rest, out)?),
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
            b"shallow" => {
                let oid = Oid::from_hex(store.format(), rest)?;
                if self.shallow.len() >= HAVES_MAX {
                    return Err(Error::TooLarge);
                }
                if store.find(&oid)?.is_some() {
                    self.shallow.push(oid);
                }
            }
            b"deepen" => match u32::try_from(number(rest)?) {
                Ok(count) if count > 0 => self.deepen.count = Some(count),
                _ => return Err(Error::BadRequest),
            },
            b"deepen-relative" => self.deepen.relative = true,
            b"deepen-since" => self.deepen.since = Some(number(rest)?),
            b"deepen-not" => match find_ref(store, rest)? {
                Some(oid) => self.deepen.not.push(oid),
                None => {
                    write_error(out, &[b"upload-pack: deepen-not is not a ref: ", rest]);
                    return Ok(None);
                }
            },
            b"filter" => match Filter::read(rest) {
                Ok(filter) => self.filter = Some(filter),
                Err(_) => {
                    write_error(out, &[b"upload-pack: invalid filter-spec '", rest, b"'"]);
                    return Ok(None);
                }
            },
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

    /// Where history is cut, if the client's is or shall be.
    pub fn cut(&self, store: &mut Store) -> Result<Option<Cut>> {
        if self.shallow.is_empty() && !self.deepen.is_set() {
            return Ok(None);
        }
        Cut::new(store, &self.wants, &self.shallow, &self.deepen).map(Some)
    }
}

/// The lines that tell a client where its history ends.
pub fn write_cut(cut: &Cut, out: &mut Vec<u8>) {
    for oid in &cut.shallow {
        line::write(out, &[b"shallow ", &oid.to_hex()]);
    }
    for oid in &cut.unshallow {
        line::write(out, &[b"unshallow ", &oid.to_hex()]);
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
    Send(Sender),
    Done,
}

impl Answer {
    /// True: the answer is complete.
    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<bool> {
        self.state = match core::mem::replace(&mut self.state, State::Done) {
            State::Check if self.ask.wants.is_empty() && !self.ask.wait_for_done => State::Done,
            State::Check if !admits(store, &self.ask.wants, out)? => State::Done,
            State::Check if self.ask.done || !self.ask.has_haves => State::Pack,
            State::Check => State::Acknowledge,
            State::Acknowledge => self.acknowledge(store, out)?,
            State::Pack => {
                let cut = self.ask.cut(store)?;
                if let Some(cut) = cut.as_ref().filter(|_| self.ask.deepen.is_set()) {
                    line::write(out, &[b"shallow-info\n"]);
                    write_cut(cut, out);
                    line::delim(out);
                }
                line::write(out, &[b"packfile\n"]);
                State::Send(self.ask.sender(store, cut, Frame::LARGE)?)
            }
            State::Send(mut sender) => match sender.pump(store, out)? {
                true => State::Done,
                false => State::Send(sender),
            },
            State::Done => State::Done,
        };
        Ok(matches!(self.state, State::Done))
    }

    fn acknowledge(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<State> {
        line::write(out, &[b"acknowledgments\n"]);
        if self.ask.commons.is_empty() {
            line::write(out, &[b"NAK\n"]);
        }
        for oid in &self.ask.commons {
            line::write(out, &[b"ACK ", &oid.to_hex(), b"\n"]);
        }
        if !self.ask.wait_for_done && walk::is_ready(store, &self.ask.wants, &self.ask.commons)? {
            line::write(out, &[b"ready\n"]);
            line::delim(out);
            return Ok(State::Pack);
        }
        line::flush(out);
        Ok(State::Done)
    }

    /// `out` was sent and emptied.
    pub fn sent(&mut self) {
        if let State::Send(sender) = &mut self.state {
            sender.sent();
        }
    }
}

fn number(digits: &[u8]) -> Result<u64> {
    let mut value = 0u64;
    for digit in digits {
        let digit = digit.checked_sub(b'0').filter(|digit| *digit < 10).ok_or(Error::BadRequest)?;
        let next = value.checked_mul(10).and_then(|value| value.checked_add(u64::from(digit)));
        value = next.ok_or(Error::BadRequest)?;
    }
    if digits.is_empty() { Err(Error::BadRequest) } else { Ok(value) }
}

/// What a ref holds that may be named in short, as git's own rules say (gitrevisions).
fn find_ref(store: &mut Store, name: &[u8]) -> Result<Option<Oid>> {
    for prefix in [&b""[..], b"refs/", b"refs/tags/", b"refs/heads/", b"refs/remotes/"] {
        let full = [prefix, name].concat();
        if let Some(Target::Direct { oid, .. }) = store.find_ref(&full)? {
            return Ok(Some(oid));
        }
    }
    Ok(None)
}
