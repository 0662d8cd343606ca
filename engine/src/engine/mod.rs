//! One request: its route, then `feed` and `pump` until it is done. Knows no protocol.

pub use crate::serve::Progress;

use crate::error::{Blame, Error, Result};
use crate::gc::Upkeep;
use crate::host::Host;
use crate::limits::{EMIT_MAX, MERGE_MAX};
use crate::serve::admin::{Created, create};
use crate::serve::{
    Admin, Advert, Caller, Receive, Service, Session, Upload, V2, caps, write_error,
};
use crate::store::{Found, Store};
use alloc::vec::Vec;

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
    pub caller: Vec<u8>,
    pub access: Access,
    pub size_max: u64,
}

impl Request {
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
    /// Seconds since 1970.
    time: u64,
}

enum State {
    Session {
        session: Session,
        content_type: Vec<u8>,
    },
    /// What there was to answer is sent; packs are merged.
    Upkeep(Upkeep),
    Done,
}

/// A status with its sentence.
struct Refusal {
    status: &'static [u8],
    text: &'static [u8],
}

const EXISTS: Refusal =
    Refusal { status: b"409 Conflict", text: b"There is a repository already.\n" };
const BAD_BRANCH: Refusal =
    Refusal { status: b"400 Bad Request", text: b"That is no name for a branch.\n" };
const BAD_FORMAT: Refusal =
    Refusal { status: b"400 Bad Request", text: b"Object formats are sha1 and sha256.\n" };
const NOT_FOUND: Refusal = Refusal { status: b"404 Not Found", text: b"There is nothing here.\n" };
const NO_REPOSITORY: Refusal =
    Refusal { status: b"404 Not Found", text: b"There is no such repository.\n" };
const NO_READ: Refusal =
    Refusal { status: b"403 Forbidden", text: b"You may not read this repository.\n" };
const NO_WRITE: Refusal =
    Refusal { status: b"403 Forbidden", text: b"You may not push to this repository.\n" };
const NO_SERVICE: Refusal =
    Refusal { status: b"403 Forbidden", text: b"Only the smart HTTP protocol is served.\n" };
const BAD_TYPE: Refusal = Refusal {
    status: b"415 Unsupported Media Type",
    text: b"The content type does not fit the service.\n",
};

impl<'h> Engine<'h> {
    /// Begins a request; it may be over at once.
    pub fn start(host: &'h mut dyn Host, request: Request) -> Option<Engine<'h>> {
        if request.access.admin && request.path == b"/-/create" {
            let mut out = Vec::new();
            match create(host, &request.query) {
                Created::Done => out.extend(head(b"201 Created", b"text/plain")),
                Created::Exists => refuse(&EXISTS, false, &mut out),
                Created::BadBranch => refuse(&BAD_BRANCH, false, &mut out),
                Created::BadFormat => refuse(&BAD_FORMAT, false, &mut out),
            }
            host.emit(&out);
            return None;
        }
        let refusal = match Found::look(host) {
            Ok(Some(found)) => match route(&request) {
                Ok(state) => {
                    let store = Store::new(host, found);
                    let (out, time) = (Vec::new(), request.time);
                    return Some(Engine { store, state, out, is_silent: true, time });
                }
                Err(refusal) => refusal,
            },
            Ok(None) => NO_REPOSITORY,
            Err(_) => CORRUPT,
        };
        let mut out = Vec::new();
        refuse(&refusal, request.method.as_slice() == b"HEAD", &mut out);
        host.emit(&out);
        None
    }

    /// What the engine waits for first.
    pub fn progress(&self) -> Progress {
        match &self.state {
            State::Session { session: Session::Advert(_) | Session::Admin(_), .. } => {
                Progress::Busy
            }
            State::Session { .. } => Progress::Hungry,
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

    /// Sends what there is to send, a good piece at a time.
    fn settle(&mut self, outcome: Result<Progress>) -> Progress {
        let progress = outcome.unwrap_or_else(|error| self.fail(error));
        let is_enough = self.out.len() >= EMIT_MAX / 4;
        if progress != Progress::Done && !is_enough {
            return progress;
        }
        if core::mem::replace(&mut self.is_silent, false) {
            let content_type = match &self.state {
                State::Session { content_type, .. } => content_type.as_slice(),
                State::Upkeep(_) | State::Done => b"",
            };
            if !content_type.is_empty() {
                let head = head(b"200 OK", content_type);
                self.store.emit(&head);
            }
        }
        for piece in self.out.chunks(EMIT_MAX) {
            self.store.emit(piece);
        }
        self.out.clear();
        if let State::Session { session, .. } = &mut self.state {
            session.sent();
        }
        if progress == Progress::Done {
            let size_max = match &self.state {
                State::Session { session: Session::Receive(_), .. } => Some(MERGE_MAX),
                State::Session { session: Session::Admin(Admin::Maintain), .. } => Some(u64::MAX),
                _ => None,
            };
            let upkeep = |size_max| State::Upkeep(Upkeep::new(self.time, size_max));
            self.state = size_max.map_or(State::Done, upkeep);
        }
        self.progress_after(progress)
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
        let is_ours = error.blame() == Blame::Store;
        if self.is_silent && is_ours {
            self.out.clear();
            refuse(&CORRUPT, false, &mut self.out);
            self.is_silent = false;
        } else {
            write_error(&mut self.out, &[error.text().as_bytes()]);
        }
        Progress::Done
    }
}

const CORRUPT: Refusal = Refusal {
    status: b"500 Internal Server Error",
    text: b"The repository's stored data is damaged.\n",
};

fn route(request: &Request) -> core::result::Result<State, Refusal> {
    let Access { read, write, admin } = request.access;
    if request.path.starts_with(b"/-/") {
        let found = Admin::new(&request.method, &request.path, &request.query);
        let found = found.filter(|_| admin).ok_or(NOT_FOUND)?;
        let content_type = found.content_type().to_vec();
        return Ok(State::Session { session: Session::Admin(found), content_type });
    }
    let name = match request.path.as_slice() {
        b"/info/refs" => caps::query(&request.query, b"service").unwrap_or_default(),
        path => path.get(1..).unwrap_or_default(),
    };
    let is_advert = request.path == b"/info/refs";
    let Some(service) = Service::from_name(name) else {
        return Err(if is_advert { NO_SERVICE } else { NOT_FOUND });
    };
    let method: &[u8] = if is_advert { b"GET" } else { b"POST" };
    if request.method != method && !(is_advert && request.method == b"HEAD") {
        return Err(if is_advert { ONLY_GET } else { ONLY_POST });
    }
    match service {
        Service::UploadPack if !read => return Err(NO_READ),
        Service::ReceivePack if !write => return Err(NO_WRITE),
        _ => {}
    }
    let kind: &[u8] = if is_advert { b"advertisement" } else { b"result" };
    let content_type = content_type(service, kind);
    let version = caps::version(request.header(b"git-protocol"));
    if is_advert {
        let session = Session::Advert(Advert::new(service, version));
        return Ok(State::Session { session, content_type });
    }
    if request.header(b"content-type") != self::content_type(service, b"request") {
        return Err(BAD_TYPE);
    }
    let session = match service {
        Service::UploadPack if version == 2 => Session::V2(V2::new()),
        Service::UploadPack => Session::Upload(Upload::new()),
        Service::ReceivePack => Session::Receive(Receive::new(Caller {
            time: request.time,
            name: request.caller.clone(),
            size_max: request.size_max,
        })),
    };
    Ok(State::Session { session, content_type })
}

const ONLY_GET: Refusal = Refusal {
    status: b"405 Method Not Allowed\r\nAllow: GET, HEAD",
    text: b"Only GET is answered here.\n",
};
const ONLY_POST: Refusal = Refusal {
    status: b"405 Method Not Allowed\r\nAllow: POST",
    text: b"Only POST is answered here.\n",
};

fn content_type(service: Service, kind: &[u8]) -> Vec<u8> {
    [b"application/x-git-", service.name(), b"-", kind].concat()
}

/// The head of a response, as CGI has it; nothing here may be kept by a cache (gitprotocol-http).
fn head(status: &[u8], content_type: &[u8]) -> Vec<u8> {
    [
        b"Status: ",
        status,
        b"\r\nExpires: Fri, 01 Jan 1980 00:00:00 GMT\r\nPragma: no-cache\r\n\
        Cache-Control: no-cache, max-age=0, must-revalidate\r\nContent-Type: ",
        content_type,
        b"\r\n\r\n",
    ]
    .concat()
}

fn refuse(refusal: &Refusal, is_head: bool, out: &mut Vec<u8>) {
    out.extend(head(refusal.status, b"text/plain"));
    if !is_head {
        out.extend_from_slice(refusal.text);
    }
}
