//! `GET info/refs`: refs and capabilities (gitprotocol-http, gitprotocol-pack, gitprotocol-v2).

use super::{Progress, Service, certificate, v2};
use crate::error::Result;
use crate::hash::Oid;
use crate::store::settings::{Key, Offer};
use crate::store::{Store, Target};
use crate::wire::{AGENT, line};
use alloc::vec::Vec;

/// What upload-pack can do in protocol v0 and v1.
const UPLOAD: &[u8] =
    b"multi_ack thin-pack side-band side-band-64k ofs-delta shallow deepen-since \
deepen-not deepen-relative no-progress include-tag multi_ack_detailed no-done";
const UPLOAD_OFFERS: &[Offer] = &[
    (Key::AllowTip, b" allow-tip-sha1-in-want"),
    (Key::AllowReachable, b" allow-reachable-sha1-in-want"),
    (Key::AllowFilter, b" filter"),
];

/// What receive-pack can do.
const RECEIVE: &[u8] = b"report-status report-status-v2 delete-refs side-band-64k quiet ofs-delta";
const RECEIVE_OFFERS: &[Offer] =
    &[(Key::AdvertiseAtomic, b" atomic"), (Key::AdvertiseOptions, b" push-options")];

pub struct Advert {
    service: Service,
    version: u8,
    /// A client of HTTP is told the service first.
    is_stream: bool,
    /// What clients and logs call this request; may be empty.
    session_id: Vec<u8>,
    state: State,
    /// No line was written yet: the first one carries the capabilities.
    is_first: bool,
}

enum State {
    Start,
    /// Refs after this name are still to be written.
    Refs(Vec<u8>),
    Done,
}

impl Advert {
    pub fn new(service: Service, version: u8, is_stream: bool, session_id: Vec<u8>) -> Advert {
        let state = State::Start;
        Advert { service, version, is_stream, session_id, state, is_first: true }
    }

    pub fn pump(&mut self, store: &mut Store, out: &mut Vec<u8>) -> Result<Progress> {
        match core::mem::replace(&mut self.state, State::Done) {
            State::Start if self.version == 2 && self.service == Service::UploadPack => {
                v2::advertise(store, &self.session_id, out);
                return Ok(Progress::Done);
            }
            State::Start => {
                // receive-pack has no v2: it answers as in v0, but has no line for the service.
                if self.version < 2 && !self.is_stream {
                    line::write(out, &[b"# service=git-", self.service.name(), b"\n"]);
                    line::flush(out);
                }
                if self.version == 1 {
                    line::write(out, &[b"version 1\n"]);
                }
                let is_hidden = store.covers(self.service.hidden(), b"HEAD");
                if self.service == Service::UploadPack && !is_hidden {
                    let head = store.head().to_vec();
                    if let Some(Target::Direct { oid, .. }) = store.find_ref(&head)? {
                        self.write(store, &oid, b"HEAD", Some(&head), out);
                    }
                }
                self.state = State::Refs(Vec::new());
            }
            State::Refs(after) => {
                let refs = store.refs(b"", &after)?;
                if let Some(last) = refs.last() {
                    self.state = State::Refs(last.name.clone());
                } else {
                    self.end(store, out);
                }
                for found in &refs {
                    if store.covers(self.service.hidden(), &found.name) {
                        continue;
                    }
                    let Target::Direct { oid, peeled } = &found.target else { continue };
                    self.write(store, oid, &found.name, None, out);
                    if let (Some(peeled), Service::UploadPack) = (peeled, self.service) {
                        let name = [found.name.as_slice(), b"^{}"].concat();
                        self.write(store, peeled, &name, None, out);
                    }
                }
            }
            State::Done => {}
        }
        Ok(if matches!(self.state, State::Done) { Progress::Done } else { Progress::Busy })
    }

    fn write(
        &mut self,
        store: &Store,
        oid: &Oid,
        name: &[u8],
        head: Option<&[u8]>,
        out: &mut Vec<u8>,
    ) {
        let hex = oid.to_hex();
        if !core::mem::replace(&mut self.is_first, false) {
            return line::write(out, &[&hex, b" ", name, b"\n"]);
        }
        let format = store.format().name().as_bytes();
        let (list, offers) = match self.service {
            Service::UploadPack => (UPLOAD, UPLOAD_OFFERS),
            Service::ReceivePack => (RECEIVE, RECEIVE_OFFERS),
        };
        let mut list = list.to_vec();
        store.offer(offers, &mut list);
        if self.service == Service::ReceivePack
            && let Some(nonce) = certificate::nonce(store, store.time())
        {
            list.extend([b" push-cert=", nonce.as_slice()].concat());
        }
        if let Some(head) = head {
            line::append(&mut list, &[b" symref=HEAD:", head]);
        }
        line::append(&mut list, &[b" object-format=", format, b" agent=", AGENT]);
        if !self.session_id.is_empty() && store.is_set(Key::AdvertiseSession) {
            line::append(&mut list, &[b" session-id=", self.session_id.as_slice()]);
        }
        line::write(out, &[&hex, b" ", name, b"\0", &list, b"\n"]);
    }

    fn end(&mut self, store: &Store, out: &mut Vec<u8>) {
        if self.is_first {
            let zero = Oid::zero(store.format());
            self.write(store, &zero, b"capabilities^{}", None, out);
        }
        line::flush(out);
    }
}
