//! What a request was, what it was answered and what it left, as a file that `gitcell replay` runs
//! through the module: if `GITCELL_RECORD` names a folder. Each fact is there once: a request that
//! was recorded before is not again.

use engine::engine::Request;
use engine::memory::Memory;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

pub struct Record(PathBuf, Vec<u8>);

impl Record {
    /// The rows before, the request and its body in pieces.
    pub fn begin(host: &Memory, request: &Request, body: &[&[u8]]) -> Option<Record> {
        let folder = PathBuf::from(std::env::var_os("GITCELL_RECORD")?);
        // A host that dies is not the module's.
        if host.calls_left.is_some() {
            return None;
        }
        let Request { method, path, query, headers, time, id, caller, access, size_max } = request;
        // Hosts know these as text: what is none does not come that far.
        let names = headers.iter().map(|header| &header.name);
        if [method, path, query, id, caller].into_iter().chain(names).any(|text| !is_text(text)) {
            return None;
        }
        let mut out = Vec::new();
        rows(&mut out, host);
        for text in [method, path, query, id, caller] {
            bytes(&mut out, text);
        }
        out.extend(time.to_le_bytes());
        out.extend(size_max.to_le_bytes());
        out.extend([access.read, access.write, access.admin].map(u8::from));
        number(&mut out, headers.len());
        for header in headers {
            bytes(&mut out, &header.name);
            bytes(&mut out, &header.value);
        }
        number(&mut out, body.len());
        body.iter().for_each(|piece| bytes(&mut out, piece));
        let mut hasher = DefaultHasher::new();
        out.hash(&mut hasher);
        let path = folder.join(format!("{:016x}", hasher.finish()));
        (!path.exists()).then_some(Record(path, out))
    }

    /// The answer and the rows after.
    pub fn end(mut self, host: &Memory) {
        bytes(&mut self.1, &host.output);
        rows(&mut self.1, host);
        std::fs::write(&self.0, &self.1).expect("the folder can be written");
    }
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok()
}

fn number(out: &mut Vec<u8>, number: usize) {
    out.extend((number as u32).to_le_bytes());
}

fn bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    number(out, bytes.len());
    out.extend(bytes);
}

fn rows(out: &mut Vec<u8>, host: &Memory) {
    number(out, host.rows.len());
    for (key, value) in &host.rows {
        bytes(out, key);
        bytes(out, value);
    }
}
