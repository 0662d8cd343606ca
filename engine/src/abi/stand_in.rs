//! Stands where the room `engine` will: answers with the body that it is sent.

use crate::host::Host;
use alloc::vec::Vec;

#[allow(dead_code)]
pub struct Header {
    pub name: Vec<u8>,
    pub value: Vec<u8>,
}

#[allow(dead_code)]
pub struct Request {
    pub method: Vec<u8>,
    pub path: Vec<u8>,
    pub query: Vec<u8>,
    pub headers: Vec<Header>,
    pub time: u64,
    pub id: Vec<u8>,
    pub caller: Vec<u8>,
    pub access: u8,
    pub size_max: u64,
}

#[allow(dead_code)]
pub enum Progress {
    Hungry,
    Busy,
    Done,
}

pub struct Engine<'h> {
    host: &'h mut dyn Host,
    request: Request,
}

impl<'h> Engine<'h> {
    pub fn new(host: &'h mut dyn Host, request: Request) -> Engine<'h> {
        Engine { host, request }
    }
    pub fn start(&mut self) -> Progress {
        self.host.emit(b"Status: 200\r\nContent-Type: text/plain\r\n\r\n");
        self.host.emit(&self.request.path);
        if self.host.get(b"key").is_some() {
            let rows = self.host.scan(b"r/", b"", 100);
            for row in rows {
                self.host.emit(&row.key);
            }
        }
        Progress::Hungry
    }
    pub fn feed(&mut self, bytes: &[u8]) -> Progress {
        let write = crate::host::Write { key: b"key", value: Some(bytes) };
        self.host.commit(&[], &[write]);
        self.host.emit(bytes);
        Progress::Hungry
    }
    pub fn pump(&mut self) -> Progress {
        Progress::Done
    }
}
