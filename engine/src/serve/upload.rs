//! `git-upload-pack` in protocol v0 and v1 (gitprotocol-pack, "Packfile Negotiation").

use super::fetch::{Fetch, write_cut};
use super::sender::Sender;
use super::{Lines, Progress, admits, write_error};
use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::{HAVES_MAX, READY_MAX};
use crate::store::{Store, settings};
use crate::walk::{self, Cut};
use crate::wire::band::Frame;
use crate::wire::caps;
use crate::wire::line::{self, Line};
use alloc::boxed::Box;
use alloc::vec::Vec;

pub struct Upload {
    lines: Lines,
    ask: Fetch,
    acks: Acks,
    frame: Frame,
    /// The pack may go out without a `done`.
    no_done: bool,
    can_filter: bool,
    cut: Option<Cut>,
    /// Haves of the round: some are common, some are not.
    round: Round,
    /// The last have that was common.
    last: Option<Oid>,
    was_ready: bool,
    /// How many common haves there were when readiness was looked at, and the answer.
    ready: (usize, bool),
    /// Commits that may still be looked at for it.
    patience: usize,
    /// One request holds all rounds.
    is_stream: bool,
    state: State,
}

/// How haves are acknowledged.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Acks {
    First,
    Multi,
    Detailed,
}

#[derive(Default)]
struct Round {
    has_common: bool,
    has_other: bool,
}

enum State {
    Wants,
    Haves,
    Send(Box<Sender>),
    Done,
}

impl Upload {
    pub fn new(is_stream: bool) -> Upload {
        Upload {
            lines: Lines::default(),
            ask: Fetch::default(),
            acks: Acks::First,
            frame: Frame::Bare,
            no_done: false,
            can_filter: false,
            cut: None,
            round: Round::default(),
            last: None,
            was_ready: false,
            ready: (0, false),
            patience: READY_MAX,
            is_stream,
            state: State::Wants,
        }
    }

    pub fn feed(&mut self, store: &mut Store, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        let mut lines = core::mem::take(&mut self.lines);
        lines.feed(bytes, &mut |line| {
            match self.state {
                State::Wants => self.on_want(store, line, out)?,
                State::Haves => self.on_have(store, line, out)?,
                State::Send(_) | State::Done => {}
            }
            Ok(matches!(self.state, State::Wants | State::Haves))
        })?;
        self.lines = lines;
        Ok(self.progress())
    }

    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<Progress> {
        match &mut self.state {
            State::Send(sender) => {
                if sender.pump(store, out)? {
                    self.state = State::Done;
                }
            }
            State::Wants if !self.lines.is_empty() || !self.ask.wants.is_empty() => {
                return Err(Error::CutShort);
            }
            // A round without `done` ends with the body.
            _ => self.state = State::Done,
        }
        Ok(self.progress())
    }

    /// The request ends with an error, told as clients expect it at this point.
    pub fn fail(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Send(sender) => sender.fail(text, out),
            _ => write_error(out, &[text]),
        }
    }

    pub fn sent(&mut self) {
        if let State::Send(sender) = &mut self.state {
            sender.sent();
        }
    }

    fn progress(&self) -> Progress {
        match self.state {
            State::Wants | State::Haves => Progress::Hungry,
            State::Send(_) => Progress::Busy,
            State::Done => Progress::Done,
        }
    }

    fn on_want(&mut self, store: &mut Store, line: Line<'_>, out: &mut Vec<u8>) -> Result<()> {
        let Some(text) = line.text() else {
            return self.end_wants(store, line, out);
        };
        let Some(rest) = text.strip_prefix(b"want ") else {
            let (word, rest) = settings::cut(text, b' ');
            if word == b"filter" && !self.can_filter {
                write_error(out, &[b"upload-pack: filtering capability not negotiated"]);
                self.state = State::Done;
                return Ok(());
            }
            match self.ask.on_bound(store, word, rest, out)? {
                Some(true) => {}
                Some(false) => {
                    let text = [
                        b"upload-pack: protocol error, expected to get object ID, not '",
                        text,
                        b"'",
                    ];
                    write_error(out, &[&text.concat()]);
                    self.state = State::Done;
                }
                None => self.state = State::Done,
            }
            return Ok(());
        };
        let digits = 2 * store.format().width();
        let (id, list) = rest.split_at_checked(digits).ok_or(Error::BadOid)?;
        let Some(oid) = self.ask.on_want(store, id, out)? else {
            self.state = State::Done;
            return Ok(());
        };
        if self.ask.wants.is_empty() {
            self.on_list(list);
        }
        self.ask.wants.push(oid);
        Ok(())
    }

    fn on_list(&mut self, list: &[u8]) {
        let has = |word| caps::has(list, word);
        if has(b"multi_ack_detailed") {
            self.acks = Acks::Detailed;
        } else if has(b"multi_ack") {
            self.acks = Acks::Multi;
        }
        if has(b"side-band-64k") {
            self.frame = Frame::LARGE;
        } else if has(b"side-band") {
            self.frame = Frame::SMALL;
        }
        self.no_done = has(b"no-done");
        self.can_filter = has(b"filter");
        self.ask.thin = has(b"thin-pack");
        self.ask.ofs_delta = has(b"ofs-delta");
        self.ask.no_progress = has(b"no-progress");
        self.ask.include_tag = has(b"include-tag");
        self.ask.deepen.relative |= has(b"deepen-relative");
    }

    fn end_wants(&mut self, store: &mut Store, line: Line<'_>, out: &mut Vec<u8>) -> Result<()> {
        if line != Line::Flush {
            return Err(Error::BadRequest);
        }
        if self.ask.wants.is_empty() || !admits(store, &self.ask.wants, out)? {
            self.state = State::Done;
            return Ok(());
        }
        self.cut = self.ask.cut(store)?;
        if let Some(cut) = self.cut.as_ref().filter(|_| self.ask.deepen.is_set()) {
            write_cut(cut, b"", out);
            line::flush(out);
        }
        self.state = State::Haves;
        Ok(())
    }

    fn on_have(&mut self, store: &mut Store, line: Line<'_>, out: &mut Vec<u8>) -> Result<()> {
        let Some(text) = line.text() else {
            return self.end_round(store, out);
        };
        if text == b"done" {
            match self.last {
                None => line::write(out, &[b"NAK\n"]),
                Some(last) if self.acks != Acks::First => ack(out, &last, b""),
                Some(_) => {}
            }
            return self.send(store);
        }
        let Some(digits) = text.strip_prefix(b"have ") else {
            write_error(out, &[b"upload-pack: expected SHA1 list, got '", text, b"'"]);
            self.state = State::Done;
            return Ok(());
        };
        let oid = Oid::from_hex(store.format(), digits)?;
        if store.find(&oid)?.is_some() {
            self.round.has_common = true;
            match self.acks {
                Acks::Detailed => ack(out, &oid, b" common"),
                Acks::Multi => ack(out, &oid, b" continue"),
                Acks::First if self.last.is_none() => ack(out, &oid, b""),
                Acks::First => {}
            }
            self.last = Some(oid);
            if self.ask.commons.len() < HAVES_MAX {
                self.ask.commons.push(oid);
            }
            return Ok(());
        }
        self.round.has_other = true;
        if self.acks != Acks::First && self.is_ready(store)? {
            self.was_ready |= self.acks == Acks::Detailed;
            let word: &[u8] = if self.acks == Acks::Detailed { b" ready" } else { b" continue" };
            ack(out, &oid, word);
        }
        Ok(())
    }

    fn end_round(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<()> {
        let Round { has_common, has_other } = core::mem::take(&mut self.round);
        if let (Acks::Detailed, true, false, Some(last)) =
            (self.acks, has_common, has_other, self.last)
            && self.is_ready(store)?
        {
            self.was_ready = true;
            ack(out, &last, b" ready");
        }
        if self.last.is_none() || self.acks != Acks::First {
            line::write(out, &[b"NAK\n"]);
        }
        if let (true, true, Some(last)) = (self.no_done, self.was_ready, self.last) {
            ack(out, &last, b"");
            return self.send(store);
        }
        // HTTP has no state: the next round is another request.
        if !self.is_stream {
            self.state = State::Done;
        }
        Ok(())
    }

    fn is_ready(&mut self, store: &mut Store) -> Result<bool> {
        let count = self.ask.commons.len();
        if !self.ready.1 && self.ready.0 != count {
            let Fetch { wants, commons, .. } = &self.ask;
            self.ready = (count, walk::is_ready(store, wants, commons, &mut self.patience)?);
        }
        Ok(self.ready.1)
    }

    fn send(&mut self, store: &mut Store) -> Result<()> {
        let cut = self.cut.take();
        self.state = State::Send(Box::new(self.ask.sender(store, cut, self.frame)?));
        Ok(())
    }
}

fn ack(out: &mut Vec<u8>, oid: &Oid, word: &[u8]) {
    line::write(out, &[b"ACK ", &oid.to_hex(), word, b"\n"]);
}
