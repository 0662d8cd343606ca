//! One request: its route, then `feed` and `pump` until it is done. Knows no protocol.

mod route;

pub use crate::serve::Progress;

use crate::error::{Blame, Error, Result};
use crate::gc::Upkeep;
use crate::host::Host;
use crate::limits::{EMIT_MAX, MERGE_MAX, PUMPS_MAX};
use crate::serve::admin::{Created, create};
use crate::serve::{Admin, Session};
use crate::store::settings::cut;
use crate::store::{Found, Store};
use alloc::boxed::Box;
use alloc::vec::Vec;
use route::{Refusal, head, refuse, route};

/// A header of the request; its name in lower case.
pub struct Header {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

/// What the caller may do in this repository.
#[derive(Clone, Copy, Default)]
pub struct Access {
    pub read: bool,
    pub write: bool,
    /// Creation and settings.
    pub admin: bool,
}

/// A request as `abi.wit` has it.
pub struct Request {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub query: Vec<u8>,
    pub headers: Vec<Header>,
    pub time: u64,
    pub id: Vec<u8>,
    /// Who is calling, then lines of what binds them.
    pub caller: Vec<u8>,
    pub access: Access,
    pub size_max: u64,
}

impl Request {
    /// The client reads the answer while it sends: not HTTP.
    fn is_stream(&self) -> bool {
        self.method == b"STREAM"
    }

    fn header(&self, name: &[u8]) -> &[u8] {
        let found = self.headers.iter().find(|header| header.name == name);
        found.map_or(&[], |header| &header.value)
    }
}

pub struct Engine<'h> {
    store: Store<'h>,
    state: State,
    out: Vec<u8>,
    /// Nothing was sent yet: another status may still be.
    is_silent: bool,
    /// How many calls `out` has waited for more.
    waited: usize,
    /// Seconds since 1970.
    time: u64,
    /// The client sends more only when it was answered.
    is_stream: bool,
}

enum State {
    Session {
        session: Box<Session>,
        content_type: Vec<u8>,
    },
    /// What there was to answer is sent; packs are merged.
    Upkeep(Upkeep),
    Done,
}

impl<'h> Engine<'h> {
    /// Begins a request; it may be over at once.
    pub fn start(host: &'h mut dyn Host, request: Request) -> Option<Engine<'h>> {
        if request.access.admin && request.path == b"/-/create" && request.method == b"POST" {
            let mut out = Vec::new();
            match create(host, &request.query) {
                Created::Done => out.extend_from_slice(&head(b"201 Created", b"text/plain")),
                Created::Exists => refuse(&Refusal::EXISTS, false, &mut out),
                Created::BadBranch => refuse(&Refusal::BAD_BRANCH, false, &mut out),
                Created::BadFormat => refuse(&Refusal::BAD_FORMAT, false, &mut out),
            }
            host.emit(&out);
            return None;
        }
        let refusal = match Found::look(host) {
            Ok(Some(found)) => match route(&request) {
                Ok((session, content_type)) => {
                    let state = State::Session { session: Box::new(session), content_type };
                    let mut store = Store::new(host, found).at(request.time).of(&request.id);
                    store.bind(cut(&request.caller, b'\n').1);
                    let (out, time, is_stream) = (Vec::new(), request.time, request.is_stream());
                    let (is_silent, waited) = (true, 0);
                    return Some(Engine { store, state, out, is_silent, waited, time, is_stream });
                }
                Err(refusal) => refusal,
            },
            Ok(None) => Refusal::NO_REPOSITORY,
            Err(error) => Refusal::of(error),
        };
        let mut out = Vec::new();
        refuse(&refusal, request.method.as_slice() == b"HEAD", &mut out);
        host.emit(&out);
        None
    }

    /// What the engine waits for first.
    pub fn progress(&self) -> Progress {
        match &self.state {
            State::Session { session, .. } => match **session {
                Session::Advert(_) | Session::Admin(_) => Progress::Busy,
                _ => Progress::Hungry,
            },
            State::Upkeep(_) => Progress::Busy,
            State::Done => Progress::Done,
        }
    }

    /// The next bytes of the body, cut anywhere.
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        let State::Session { session, .. } = &mut self.state else { return self.progress() };
        let outcome = session.feed(&mut self.store, bytes, &mut self.out);
        self.settle(outcome)
    }

    /// One bounded piece of work. To pump a hungry engine is to say that the body has ended.
    pub fn pump(&mut self) -> Progress {
        match &mut self.state {
            State::Session { session, .. } => {
                let outcome = session.pump(&mut self.store, &mut self.out);
                self.settle(outcome)
            }
            State::Upkeep(upkeep) => {
                // The answer is out, whatever becomes of this.
                if !matches!(upkeep.step(&mut self.store), Ok(false)) {
                    self.state = State::Done;
                }
                self.progress()
            }
            State::Done => Progress::Done,
        }
    }

    /// Sends what there is to send: a good piece at a time, or what has waited for long.
    fn settle(&mut self, outcome: Result<Progress>) -> Progress {
        let outcome = match self.store.is_overtaken() {
            true => {
                // Whatever was made of it: a check must not call it damage.
                self.out.clear();
                Err(Error::Overtaken)
            }
            false => outcome,
        };
        let progress = outcome.unwrap_or_else(|error| self.fail(error));
        self.waited += usize::from(!self.out.is_empty());
        let is_enough = self.out.len() >= EMIT_MAX / 4 || self.waited > PUMPS_MAX;
        let is_awaited = self.is_stream && progress == Progress::Hungry && !self.out.is_empty();
        if progress != Progress::Done && !is_enough && !is_awaited {
            return progress;
        }
        self.send();
        if progress == Progress::Done {
            self.store.forget_parts();
            let upkeep = match &self.state {
                State::Session { session, .. } => upkeep_after(session, self.time),
                _ => None,
            };
            self.state = upkeep.map_or(State::Done, State::Upkeep);
        }
        self.progress_after(progress)
    }

    fn send(&mut self) {
        let State::Session { session, content_type } = &mut self.state else { return };
        if core::mem::replace(&mut self.is_silent, false) {
            self.out = [head(b"200 OK", content_type).as_slice(), &self.out].concat();
        }
        for piece in self.out.chunks(EMIT_MAX) {
            self.store.emit(piece);
        }
        self.out.clear();
        self.waited = 0;
        session.sent();
    }

    fn progress_after(&self, progress: Progress) -> Progress {
        match self.state {
            State::Session { .. } => progress,
            _ => self.progress(),
        }
    }

    /// The request ends with an error: as a status, if nothing was sent yet and it is ours; else in
    /// words that git shows.
    fn fail(&mut self, error: Error) -> Progress {
        let State::Session { session, .. } = &mut self.state else { return Progress::Done };
        let is_admin = matches!(**session, Session::Admin(_));
        if self.is_silent && (is_admin || error.blame() == Blame::Store) {
            self.out.clear();
            refuse(&Refusal::of(error), false, &mut self.out);
            self.is_silent = false;
        } else {
            session.fail(error.text().as_bytes(), &mut self.out);
        }
        Progress::Done
    }
}

/// The upkeep after a session, if any.
fn upkeep_after(session: &Session, time: u64) -> Option<Upkeep> {
    match session {
        Session::Receive(_) => Some(Upkeep::new(time, MERGE_MAX)),
        Session::Admin(Admin::Maintain(age, is_thorough)) => {
            Some(Upkeep::whole(time, *age, *is_thorough))
        }
        _ => None,
    }
}
