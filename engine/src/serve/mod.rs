//! Answers to git clients: a file a command. Each session takes bytes cut anywhere, appends its
//! answer to `out`, and says what it waits for.

pub mod admin;
mod advert;
mod audit;
mod certificate;
mod fetch;
mod ls_refs;
mod object_info;
mod receive;
mod refs_check;
mod sender;
mod upload;
mod v2;

pub use crate::wire::caps;
pub use admin::Admin;
pub use advert::Advert;
pub use receive::{Caller, Receive};
pub use upload::Upload;
pub use v2::V2;

use crate::error::{Error, Result};
use crate::hash::Oid;
use crate::limits::LINES_MAX;
use crate::store::{Key, Store};
use crate::walk;
use crate::wire::line::{self, Line};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// What a session waits for: more of the request's body, another pump, or nothing.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Progress {
    Hungry,
    Busy,
    Done,
}

/// The two services of smart HTTP.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Service {
    UploadPack,
    ReceivePack,
}

impl Service {
    /// The name behind `git-`.
    pub fn name(self) -> &'static [u8] {
        match self {
            Service::UploadPack => b"upload-pack",
            Service::ReceivePack => b"receive-pack",
        }
    }

    /// The settings that say which refs it does not show.
    pub fn hidden(self) -> &'static [Key] {
        match self {
            Service::UploadPack => &[Key::HideAll, Key::HideUpload],
            Service::ReceivePack => &[Key::HideAll, Key::HideReceive],
        }
    }

    pub fn from_name(name: &[u8]) -> Option<Service> {
        let both = [Service::UploadPack, Service::ReceivePack];
        both.into_iter().find(|service| name.strip_prefix(b"git-") == Some(service.name()))
    }
}

/// One request of a git client.
pub enum Session {
    Advert(Advert),
    V2(V2),
    Upload(Upload),
    Receive(Box<Receive>),
    Admin(Admin),
}

impl Session {
    /// The next bytes of the body.
    pub fn feed(&mut self, store: &mut Store, bytes: &[u8], out: &mut Vec<u8>) -> Result<Progress> {
        match self {
            Session::Advert(_) | Session::Admin(_) => Ok(Progress::Busy),
            Session::V2(v2) => v2.feed(store, bytes, out),
            Session::Upload(upload) => upload.feed(store, bytes, out),
            Session::Receive(receive) => receive.feed(store, bytes),
        }
    }

    /// One bounded piece of work; for a hungry session: the body has ended.
    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<Progress> {
        match self {
            Session::Advert(advert) => advert.pump(store, out),
            Session::V2(v2) => v2.pump(store, out),
            Session::Upload(upload) => upload.pump(store, out),
            Session::Receive(receive) => receive.pump(store, out),
            Session::Admin(admin) => admin.pump(store, out),
        }
    }

    /// The request ends with an error after all.
    pub fn fail(&mut self, text: &[u8], out: &mut Vec<u8>) {
        match self {
            Session::V2(v2) => v2.fail(text, out),
            Session::Upload(upload) => upload.fail(text, out),
            Session::Receive(receive) => receive.fail(text, out),
            Session::Advert(_) => write_error(out, &[text]),
            Session::Admin(_) => line::append(out, &[b"error: ", text, b"\n"]),
        }
    }

    /// `out` was sent and emptied.
    pub fn sent(&mut self) {
        match self {
            Session::V2(v2) => v2.sent(),
            Session::Upload(upload) => upload.sent(),
            Session::Advert(_) | Session::Receive(_) | Session::Admin(_) => {}
        }
    }
}

/// Cuts a body into lines.
#[derive(Default)]
struct Lines {
    rest: Vec<u8>,
    count: usize,
}

impl Lines {
    /// Hands out whole lines until `each` answers false; what follows is kept.
    fn feed(&mut self, bytes: &[u8], each: &mut dyn FnMut(Line<'_>) -> Result<bool>) -> Result<()> {
        let mut rest = core::mem::take(&mut self.rest);
        rest.extend_from_slice(bytes);
        let mut at = 0;
        while let Some((line, size)) = line::read(rest.get(at..).unwrap_or_default())? {
            at += size;
            self.count += 1;
            if self.count > LINES_MAX {
                return Err(Error::TooLarge);
            }
            if !each(line)? {
                break;
            }
        }
        rest.drain(..at);
        self.rest = rest;
        Ok(())
    }

    /// Whether no part of a line is left.
    fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What followed the last line.
    fn take_rest(&mut self) -> Vec<u8> {
        core::mem::take(&mut self.rest)
    }
}

/// An `ERR` line: what clients show as `fatal: remote error`.
fn write_error(out: &mut Vec<u8>, parts: &[&[u8]]) {
    line::write(out, &[b"ERR ", &parts.concat()]);
}

/// Checks that refs lead to all wants; if not, writes what git writes and answers false.
fn admits(store: &mut Store, wants: &[Oid], out: &mut Vec<u8>) -> Result<bool> {
    if store.is_set(Key::AllowAny) {
        return Ok(true);
    }
    let shows = store.is_set(Key::AllowTip) || store.is_set(Key::AllowReachable);
    let hidden = if shows { &[] } else { Service::UploadPack.hidden() };
    let Some(oid) = walk::first_unreachable(store, wants, hidden)? else { return Ok(true) };
    write_error(out, &[b"upload-pack: not our ref ", &oid.to_hex()]);
    Ok(false)
}
