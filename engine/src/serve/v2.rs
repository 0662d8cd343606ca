//! Protocol v2: one command with its arguments (gitprotocol-v2). A command is a row, and a file.

use super::fetch::{self, Fetch};
use super::ls_refs::{self, LsRefs};
use super::object_info::Info;
use super::{Lines, Progress, write_error};
use crate::error::{Error, Result};
use crate::hash::Format;
use crate::store::Store;
use crate::store::settings::{self, Key, Offer};
use crate::wire::AGENT;
use crate::wire::line::{self, Line};
use alloc::vec::Vec;

/// A command as it is advertised and begun.
struct Command {
    name: &'static [u8],
    advertise: &'static [u8],
    offers: &'static [Offer],
    /// Without this setting it is no command.
    needs: Option<Key>,
    begin: fn() -> Ask,
}

const COMMANDS: &[Command] = &[
    Command {
        name: b"ls-refs",
        advertise: ls_refs::ADVERTISE,
        offers: &[],
        needs: None,
        begin: || Ask::LsRefs(LsRefs::default()),
    },
    Command {
        name: b"fetch",
        advertise: fetch::ADVERTISE,
        offers: fetch::OFFERS,
        needs: None,
        begin: || Ask::Fetch(Fetch::default()),
    },
    Command {
        name: b"object-info",
        advertise: b"",
        offers: &[],
        needs: Some(Key::AdvertiseInfo),
        begin: || Ask::Info(Info::default()),
    },
    Command {
        name: b"bundle-uri",
        advertise: b"",
        offers: &[],
        needs: Some(Key::AdvertiseBundles),
        begin: || Ask::Bundles,
    },
];

/// A command whose arguments are read.
enum Ask {
    LsRefs(LsRefs),
    Fetch(Fetch),
    Info(Info),
    Bundles,
}

pub struct V2 {
    lines: Lines,
    state: State,
}

enum State {
    /// Also whether the client said which format its ids have.
    Command(Option<Ask>, bool),
    Arguments(Ask),
    LsRefs(ls_refs::Answer),
    Fetch(fetch::Answer),
    Info(Info),
    Done,
}

/// The capability advertisement.
pub fn advertise(store: &Store, session_id: &[u8], out: &mut Vec<u8>) {
    line::write(out, &[b"version 2\n"]);
    line::write(out, &[b"agent=", AGENT, b"\n"]);
    for command in COMMANDS.iter().filter(|command| command.is_known(store)) {
        let mut words = [command.name, command.advertise].concat();
        store.offer(command.offers, &mut words);
        line::write(out, &[&words, b"\n"]);
    }
    line::write(out, &[b"server-option\n"]);
    line::write(out, &[b"object-format=", store.format().name().as_bytes(), b"\n"]);
    if !session_id.is_empty() && store.is_set(Key::AdvertiseSession) {
        line::write(out, &[b"session-id=", session_id, b"\n"]);
    }
    line::flush(out);
}

impl Command {
    fn is_known(&self, store: &Store) -> bool {
        self.needs.is_none_or(|key| store.is_set(key))
    }
}

impl V2 {
    pub fn new() -> V2 {
        V2 { lines: Lines::default(), state: State::Command(None, false) }
    }

    pub fn feed(&mut self, store: &mut Store, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        let mut lines = core::mem::take(&mut self.lines);
        lines.feed(bytes, &mut |line| {
            let state = core::mem::replace(&mut self.state, State::Done);
            self.state = state.on_line(store, line, out)?;
            Ok(matches!(self.state, State::Command(..) | State::Arguments(_)))
        })?;
        self.lines = lines;
        Ok(self.progress())
    }

    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<Progress> {
        let is_over = match &mut self.state {
            // A body without a command is an empty answer.
            State::Command(None, _) if self.lines.is_empty() => true,
            State::Command(..) | State::Arguments(_) => return Err(Error::CutShort),
            State::LsRefs(answer) => answer.pump(store, out)?,
            State::Fetch(answer) => answer.pump(store, out)?,
            State::Info(info) => info.pump(store, out)?,
            State::Done => true,
        };
        if is_over {
            self.state = State::Done;
        }
        Ok(self.progress())
    }

    pub fn sent(&mut self) {
        if let State::Fetch(answer) = &mut self.state {
            answer.sent();
        }
    }

    /// The request ends with an error, told as clients expect it at this point.
    pub fn fail(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match &mut self.state {
            State::Fetch(answer) => answer.fail(text, out),
            _ => write_error(out, &[text]),
        }
    }

    fn progress(&self) -> Progress {
        match self.state {
            State::Command(..) | State::Arguments(_) => Progress::Hungry,
            State::LsRefs(_) | State::Fetch(_) | State::Info(_) => Progress::Busy,
            State::Done => Progress::Done,
        }
    }
}

impl State {
    /// Every change of state that a line can cause.
    fn on_line(self, store: &mut Store, line: Line<'_>, out: &mut Vec<u8>) -> Result<State> {
        Ok(match (self, line) {
            (State::Command(None, _), Line::Flush) => State::Done,
            (State::Command(ask, is_said), Line::Data(_)) => {
                let text = line.text().unwrap_or_default();
                let is_said = is_said || text.starts_with(b"object-format");
                match on_capability(store, text, ask.is_some(), out)? {
                    Some(found) => State::Command(found.or(ask), is_said),
                    None => State::Done,
                }
            }
            // Who says nothing speaks SHA-1.
            (State::Command(Some(_), false), _) if store.format() != Format::Sha1 => {
                write_mismatch(store, Format::Sha1.name().as_bytes(), out);
                State::Done
            }
            (State::Command(Some(ask), _), Line::Delim) => State::Arguments(ask),
            (State::Command(Some(ask), _) | State::Arguments(ask), Line::Flush) => {
                ask.answer(store, out)?
            }
            (State::Command(None, _), Line::Delim) => {
                write_error(out, &[b"no command requested"]);
                State::Done
            }
            (State::Arguments(mut ask), Line::Data(_)) => {
                let text = line.text().unwrap_or_default();
                let is_known = match &mut ask {
                    Ask::LsRefs(ask) => Some(ask.on_argument(text)),
                    Ask::Fetch(ask) => ask.on_argument(store, text, out)?,
                    Ask::Info(ask) => ask.on_argument(store, text, out)?,
                    Ask::Bundles => Some(false),
                };
                let Some(is_known) = is_known else { return Ok(State::Done) };
                if !is_known {
                    write_error(out, &[b"unexpected line: '", text, b"'"]);
                    return Ok(State::Done);
                }
                State::Arguments(ask)
            }
            _ => return Err(Error::BadRequest),
        })
    }
}

fn write_mismatch(store: &Store, theirs: &[u8], out: &mut Vec<u8>) {
    let ours = store.format().name().as_bytes();
    write_error(out, &[b"mismatched object format: server ", ours, b"; client ", theirs]);
}

/// Reads a line before the arguments. `None`: it was refused, in words.
fn on_capability(
    store: &Store,
    text: &[u8],
    has_command: bool,
    out: &mut Vec<u8>,
) -> Result<Option<Option<Ask>>> {
    let (key, value) = settings::cut(text, b'=');
    match key {
        _ if key == b"command" && has_command => {
            write_error(
                out,
                &[b"command '", value, b"' requested after already requesting another"],
            );
        }
        _ if key == b"command" => match COMMANDS.iter().find(|command| command.name == value) {
            Some(command) if command.is_known(store) => return Ok(Some(Some((command.begin)()))),
            _ => write_error(out, &[b"invalid command '", value, b"'"]),
        },
        _ if key == b"object-format" && value != store.format().name().as_bytes() => {
            write_mismatch(store, value, out);
        }
        _ if [&b"agent"[..], b"session-id", b"server-option", b"object-format"].contains(&key) => {
            return Ok(Some(None));
        }
        _ => write_error(out, &[b"unknown capability '", text, b"'"]),
    }
    Ok(None)
}

impl Ask {
    fn answer(self, store: &mut Store, out: &mut Vec<u8>) -> Result<State> {
        Ok(match self {
            Ask::LsRefs(ask) => State::LsRefs(ask.answer()),
            Ask::Fetch(ask) => State::Fetch(ask.answer(store)?),
            Ask::Info(info) => State::Info(info),
            Ask::Bundles => {
                store.bundles(&mut |setting| line::write(out, &[setting]));
                line::flush(out);
                State::Done
            }
        })
    }
}

impl Default for V2 {
    fn default() -> V2 {
        V2::new()
    }
}
