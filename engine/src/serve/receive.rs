//! `git-receive-pack` (gitprotocol-pack, "Pushing Data To a Server"): commands, a pack, a report.
//! Which refs may move is said in `refs_check`.

use super::refs_check::{Refusal, check};
use super::{Lines, Progress, caps, certificate, write_error};
use crate::error::{Blame, Error, Result};
use crate::hash::{Format, Oid};
use crate::limits::{
    CERTIFICATE_MAX, CLAIMS_MAX, COMMANDS_MANY, OPTION_LEAST, OPTIONS_MAX, PART_SMALL, REASON_MAX,
    REPORT_MAX, STEPS_SILENT,
};
use crate::store::import::Import;
use crate::store::log::Record;
use crate::store::push::{self, Push};
use crate::store::updates::{Looked, Update, Updates};
use crate::store::{Key, Store};
use crate::wire::band::{Band, Frame, Writer};
use crate::wire::certificate::{parts, values};
use crate::wire::line::{self, Line};
use crate::wire::push::{Command, Wishes, command, status};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Who pushes, when, and how much the repository may hold.
pub struct Caller {
    /// Seconds since 1970.
    pub time: u64,
    pub name: Vec<u8>,
    pub size_max: u64,
    /// The body does not end with the pack: the answer may not wait for that.
    pub is_stream: bool,
}

pub struct Receive {
    caller: Caller,
    lines: Lines,
    commands: Updates,
    /// What was signed of all this; empty if nothing was.
    certificate: Vec<u8>,
    wishes: Wishes,
    options: Vec<Vec<u8>>,
    /// The client's history is cut.
    is_shallow: bool,
    state: State,
    steps: usize,
}

enum State {
    Commands,
    /// Commands, and what is said of them, in a text that was signed.
    Certificate,
    Options,
    /// The pack arrives; `None`: the next byte is its first.
    Pack(Option<Box<Import>>),
    /// The pack was refused; what follows of it is passed over.
    Refused(Vec<u8>),
    Steps(Box<Import>),
    Answer(Option<Box<Import>>),
    Report(Report),
    Done,
}

/// What is told of a push, a piece at a time: of 100,000 refs it is some MiB.
struct Report {
    unpack: Vec<u8>,
    refused: Vec<Refusal>,
    /// Commands that it was told of.
    told: usize,
}

impl Receive {
    pub fn new(caller: Caller) -> Receive {
        Receive {
            caller,
            lines: Lines::default(),
            commands: Updates::new(Format::Sha1),
            certificate: Vec::new(),
            wishes: Wishes::default(),
            options: Vec::new(),
            is_shallow: false,
            state: State::Commands,
            steps: 0,
        }
    }

    pub fn feed(&mut self, store: &mut Store, bytes: &[u8]) -> Result<Progress> {
        match self.state {
            State::Commands | State::Certificate | State::Options => {
                let mut lines = core::mem::take(&mut self.lines);
                lines.feed(bytes, &mut |line| {
                    self.on_line(store, line)?;
                    Ok(!matches!(self.state, State::Pack(_) | State::Answer(_) | State::Done))
                })?;
                let rest = match self.state {
                    State::Pack(_) => lines.take_rest(),
                    _ => Vec::new(),
                };
                self.lines = lines;
                if !rest.is_empty() {
                    return self.feed(store, &rest);
                }
            }
            State::Pack(_) => self.on_pack(store, bytes)?,
            _ => {}
        }
        Ok(self.progress())
    }

    fn on_line(&mut self, store: &Store, line: Line<'_>) -> Result<()> {
        match (&self.state, line) {
            (State::Commands, Line::Data(_)) => {
                self.on_command(store, line.text().unwrap_or_default())
            }
            (State::Certificate, Line::Data(b"push-cert-end\n")) => {
                self.state = State::Commands;
                Ok(())
            }
            (State::Certificate, Line::Data(text)) => {
                self.certificate.extend_from_slice(text);
                match self.certificate.len() > CERTIFICATE_MAX {
                    true => Err(Error::TooLarge),
                    false => Ok(()),
                }
            }
            (State::Commands | State::Certificate, Line::Flush) => self.end_commands(store),
            (State::Options, Line::Data(_)) => {
                let cost = |text: &[u8]| text.len().max(OPTION_LEAST);
                let size = self.options.iter().map(|text| cost(text)).sum::<usize>();
                let text = line.text().unwrap_or_default();
                if size + cost(text) > OPTIONS_MAX || text.contains(&b'\n') {
                    return Err(Error::TooLarge);
                }
                self.options.push(text.to_vec());
                Ok(())
            }
            (State::Options, Line::Flush) => {
                self.end_lines();
                Ok(())
            }
            _ => Err(Error::BadRequest),
        }
    }

    /// All commands are here, or in the certificate.
    fn end_commands(&mut self, store: &Store) -> Result<()> {
        let text = core::mem::take(&mut self.certificate);
        if !text.is_empty() {
            if !self.commands.is_empty() {
                return Err(Error::BadRequest);
            }
            for line in parts(&text)?.1.split_inclusive(|byte| *byte == b'\n') {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                self.add(store, command(line, store.format())?.0)?;
            }
            self.certificate = text;
        }
        match self.wishes.options {
            // Who asks for nothing hears nothing.
            _ if self.commands.is_empty() => self.state = State::Done,
            true => self.state = State::Options,
            false => self.end_lines(),
        }
        Ok(())
    }

    fn end_lines(&mut self) {
        let has_pack = (0..self.commands.len()).any(|at| self.commands.has_new(at));
        self.state = if has_pack { State::Pack(None) } else { State::Answer(None) };
    }

    fn on_command(&mut self, store: &Store, text: &[u8]) -> Result<()> {
        if let Some(id) = text.strip_prefix(b"shallow ") {
            Oid::from_hex(store.format(), id)?;
            // A shallow clone may push what leans on nothing that the server lacks.
            self.is_shallow = true;
            return Ok(());
        }
        if let Some(list) = text.strip_prefix(b"push-cert")
            && let Some(0) | None = list.first()
        {
            self.state = State::Certificate;
            return self.on_capabilities(store, list.get(1..).unwrap_or_default());
        }
        let (command, list) = command(text, store.format())?;
        if let Some(list) = list.filter(|_| self.commands.is_empty()) {
            self.on_capabilities(store, list)?;
        }
        self.add(store, command)
    }

    fn add(&mut self, store: &Store, command: Command) -> Result<()> {
        if self.commands.is_empty() {
            self.commands = Updates::new(store.format());
        }
        let Command { old, new, name } = command;
        self.commands.push(&Update { name, old, new })
    }

    fn on_capabilities(&mut self, store: &Store, list: &[u8]) -> Result<()> {
        let format = caps::value(list, b"object-format");
        if format.is_some_and(|format| format != store.format().name().as_bytes()) {
            return Err(Error::BadRequest);
        }
        self.wishes = Wishes::read(list);
        self.wishes.atomic &= store.is_set(Key::AdvertiseAtomic);
        self.wishes.options &= store.is_set(Key::AdvertiseOptions);
        Ok(())
    }

    /// A fault of the pack is told in the report, once all of it was sent.
    fn on_pack(&mut self, store: &mut Store, bytes: &[u8]) -> Result<()> {
        let State::Pack(import) = &mut self.state else { return Err(Error::BadRequest) };
        let is_many = self.commands.len() > COMMANDS_MANY;
        let import = import.get_or_insert_with(|| {
            let import = Import::new(store, self.caller.size_max);
            Box::new(if is_many { import.in_parts(PART_SMALL) } else { import })
        });
        if let Err(error) = import.feed(store, bytes) {
            let reason = import.explain(blamed(error)?);
            self.state = State::Refused(reason);
        }
        Ok(())
    }

    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<Progress> {
        match core::mem::replace(&mut self.state, State::Done) {
            // The probe that git sends before a large push, or nothing at all.
            State::Commands if self.commands.is_empty() && self.lines.is_empty() => {}
            State::Commands | State::Certificate | State::Options => {
                return Err(Error::CutShort);
            }
            State::Pack(Some(mut import)) if import.is_sealing() => {
                self.state = match import.step(store) {
                    Ok(_) => State::Pack(Some(import)),
                    Err(error) => State::Refused(import.explain(blamed(error)?)),
                };
            }
            State::Pack(Some(import)) => self.state = State::Steps(import),
            State::Pack(None) => self.end_unpack(Error::CutShort.text().as_bytes()),
            State::Refused(reason) => self.end_unpack(&reason),
            State::Steps(mut import) => match import.step(store) {
                Ok(true) => self.state = State::Answer(Some(import)),
                Ok(false) => {
                    self.tell(&import, out);
                    self.state = State::Steps(import);
                }
                Err(Error::MissingObject) => self.end_open(&import, out),
                Err(error) => self.end_unpack(&import.explain(blamed(error)?)),
            },
            State::Answer(import) => {
                self.answer(store, import, out)?;
            }
            State::Report(report) => self.tell_refs(report, out),
            State::Done => {}
        }
        Ok(self.progress())
    }

    fn progress(&self) -> Progress {
        match &self.state {
            State::Pack(Some(import)) if import.is_sealing() => Progress::Busy,
            State::Pack(Some(import)) if self.caller.is_stream && import.is_whole() => {
                Progress::Busy
            }
            State::Refused(_) if self.caller.is_stream => Progress::Busy,
            State::Steps(_) | State::Answer(_) | State::Report(_) => Progress::Busy,
            State::Done => Progress::Done,
            _ => Progress::Hungry,
        }
    }

    /// Now and then a word on how far it is: the client waits.
    fn tell(&mut self, import: &Import, out: &mut Vec<u8>) {
        self.steps += 1;
        if !self.steps.is_multiple_of(STEPS_SILENT) {
            return;
        }
        let mut writer = self.writer();
        if self.wishes.quiet {
            return writer.keep_alive(out);
        }
        let (mut all, mut made) = ([0; 20], [0; 20]);
        let (count, done) = import.counts();
        let made = crate::store::decimal(u64::from(done), &mut made);
        let all = crate::store::decimal(u64::from(count), &mut all);
        let parts = [&b"Resolving deltas: "[..], made, b"/", all, b"\r"];
        writer.message(out, Band::Progress, &parts);
    }

    fn writer(&self) -> Writer {
        Writer::new(if self.wishes.bands { Frame::LARGE } else { Frame::Bare })
    }

    /// The request ends with an error, told as clients expect it at this point.
    pub fn fail(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self.wishes.bands {
            true => self.writer().message(out, Band::Error, &[text]),
            false => write_error(out, &[text]),
        }
    }

    /// The pack could not be taken: no ref moves.
    fn end_unpack(&mut self, reason: &[u8]) {
        self.refuse(reason, &|_| b"unpacker error");
    }

    /// The pack refers to what neither it nor the store has.
    fn end_open(&mut self, import: &Import, out: &mut Vec<u8>) {
        let culprit = import.explain(Error::MissingObject);
        self.writer().message(out, Band::Progress, &[b"error: ", &culprit, b"\n"]);
        let is_shallow = self.is_shallow;
        let reason = |has_new: bool| match has_new {
            true if is_shallow => &b"shallow update not allowed"[..],
            true => b"missing necessary objects",
            false => b"not done: the push has missing objects",
        };
        self.refuse(b"ok", &reason);
    }

    fn answer(
        &mut self,
        store: &mut Store,
        import: Option<Box<Import>>,
        out: &mut Vec<u8>,
    ) -> Result<()> {
        let mut import = import;
        if let Some(import) = import.as_ref().filter(|import| !import.warnings().is_empty()) {
            self.writer().message(out, Band::Progress, &[import.warnings()]);
        }
        let (head, _) = parts(&self.certificate).unwrap_or_default();
        let is_signed = !self.certificate.is_empty();
        if is_signed && !values(head, b"push-option").eq(self.options.iter().map(Vec::as_slice)) {
            self.refuse(b"ok", &|_| b"inconsistent push options");
            return Ok(());
        }
        let (mut refused, mut is_over) = (Vec::new(), false);
        for _ in 0..CLAIMS_MAX {
            if is_over {
                break;
            }
            (refused, is_over) = self.attempt(store, import.as_deref_mut())?;
        }
        let reason = if is_over { b"atomic push failure" } else { Error::Busy.text().as_bytes() };
        if !is_over || self.wishes.atomic && refused.iter().any(Option::is_some) {
            refused.iter_mut().for_each(|slot| _ = slot.get_or_insert(reason));
        }
        self.report(b"ok", refused);
        Ok(())
    }

    /// Tries to do what may be done; answers for each command why it is refused, and false if
    /// another push was first.
    fn attempt(
        &self,
        store: &mut Store,
        import: Option<&mut Import>,
    ) -> Result<(Vec<Refusal>, bool)> {
        let mut import = import;
        let updates = &self.commands;
        let looked = Looked::new(store, import.as_deref_mut(), updates)?;
        let checked = check(store, import.as_deref_mut(), updates, &looked)?;
        let is_done = &|at| checked.is_done(at);
        let is_stopped = self.wishes.atomic && checked.has_refused();
        if is_stopped || !(0..updates.len()).any(is_done) {
            return Ok((checked.refused, true));
        }
        let Caller { time, name, .. } = &self.caller;
        let (head, _) = parts(&self.certificate).unwrap_or_default();
        let nonce = certificate::status(store, head, *time);
        let (options, certificate) = (&self.options, &self.certificate);
        let record = Record { time: *time, caller: name, options, certificate, nonce };
        let push = Push { updates, looked: &looked, is_done, is_forward: checked.is_forward };
        let outcome = push::commit(store, import.as_deref(), &push, &record);
        let mut refused = checked.refused;
        match outcome {
            Ok(is_over) => Ok((refused, is_over)),
            Err(error) => {
                let text = blamed(error)?.text().as_bytes();
                refused.iter_mut().for_each(|slot| _ = slot.get_or_insert(text));
                Ok((refused, true))
            }
        }
    }

    fn report(&mut self, unpack: &[u8], refused: Vec<Refusal>) {
        let unpack = unpack.get(..REASON_MAX).unwrap_or(unpack).to_vec();
        self.state = State::Report(Report { unpack, refused, told: 0 });
    }

    fn tell_refs(&mut self, report: Report, out: &mut Vec<u8>) {
        let (mut report, mut text) = (report, Vec::new());
        if report.told == 0 {
            line::write(&mut text, &[b"unpack ", &report.unpack, b"\n"]);
        }
        while let Some(refusal) = report.refused.get(report.told)
            && text.len() < REPORT_MAX
        {
            status(&mut text, self.commands.name(report.told), *refusal);
            report.told += 1;
        }
        let is_over = report.told == report.refused.len();
        if is_over {
            line::flush(&mut text);
        }
        let mut writer = self.writer();
        if self.wishes.report {
            writer.data(out, &text);
        }
        match is_over {
            true => writer.end(out),
            false => self.state = State::Report(report),
        }
    }

    /// Refuses each command for a reason.
    fn refuse(&mut self, unpack: &[u8], reason: &dyn Fn(bool) -> &'static [u8]) {
        let mut refused = Vec::new();
        for at in 0..self.commands.len() {
            refused.push(Some(reason(self.commands.has_new(at))));
        }
        self.report(unpack, refused);
    }
}

/// A fault of the peer goes into the report; one of ours ends the request.
fn blamed(error: Error) -> Result<Error> {
    match (error, error.blame()) {
        (Error::Busy, _) | (_, Blame::Peer) => Ok(error),
        _ => Err(error),
    }
}
