//! The log of pushes: what a record says, and reading them one after another.

use super::keys;
use super::push::Update;
use super::{Store, decimal};
use crate::hash::{Format, Oid};
use crate::limits::SCAN_MAX;
use alloc::vec::Vec;

/// What the log keeps of a push besides its refs.
pub struct Record<'a> {
    /// Seconds since 1970.
    pub time: u64,
    pub caller: &'a [u8],
    pub options: &'a [Vec<u8>],
    /// What was signed, with its signature; empty if nothing was.
    pub certificate: &'a [u8],
    /// What the nonce in it was worth: `OK`, `SLOP`, `BAD`, `MISSING` or `UNSOLICITED`.
    pub nonce: &'a [u8],
}

/// The log record, as text: `time`, `caller`, `option` lines, for a signed push `nonce` and a
/// `cert` line for each line of the certificate, then a line for each ref: old id, new id, name; an
/// absent one is written as zeros.
pub(super) fn write<'a>(updates: impl Iterator<Item = &'a Update>, record: &Record) -> Vec<u8> {
    let mut log = Vec::new();
    let mut digits = [0; 20];
    let line = |log: &mut Vec<u8>, parts: &[&[u8]]| {
        parts.iter().for_each(|part| log.extend_from_slice(part));
        log.push(b'\n');
    };
    line(&mut log, &[b"time ", decimal(record.time, &mut digits)]);
    line(&mut log, &[b"caller ", record.caller]);
    for option in record.options {
        line(&mut log, &[b"option ", option]);
    }
    if !record.certificate.is_empty() {
        line(&mut log, &[b"nonce ", record.nonce]);
        let text = record.certificate.strip_suffix(b"\n").unwrap_or(record.certificate);
        text.split(|byte| *byte == b'\n').for_each(|text| line(&mut log, &[b"cert ", text]));
    }
    for update in updates {
        let format = update.old.or(update.new).map_or(Format::Sha1, |oid| oid.format());
        let hex = |oid: Option<Oid>| oid.unwrap_or(Oid::zero(format)).to_hex();
        line(&mut log, &[&hex(update.old), b" ", &hex(update.new), b" ", &update.name]);
    }
    log
}

/// Where a reader of the log is.
pub struct Reader {
    after: Vec<u8>,
    /// How many records are still wanted.
    left: u64,
}

impl Reader {
    /// Of at most `limit` records behind that of number `after`, or from the first.
    pub fn new(after: Option<u64>, limit: u64) -> Reader {
        let key = after.map(|number| keys::log(number, u32::MAX));
        Reader { after: key.unwrap_or_else(|| keys::LOG.to_vec()), left: limit }
    }

    /// Appends the next records, each behind a line `push NUMBER`. True: these were the last.
    pub fn step(&mut self, store: &mut Store, out: &mut Vec<u8>) -> bool {
        let rows = store.host.scan(keys::LOG, &self.after, SCAN_MAX);
        for row in &rows {
            let place = row.key.get(keys::LOG.len()..).unwrap_or_default();
            if let Some((number, page)) = place.split_first_chunk()
                && page == [0; 4]
            {
                if self.left == 0 {
                    return true;
                }
                self.left -= 1;
                let number = u64::from_be_bytes(*number);
                out.extend([b"push ", decimal(number, &mut [0; 20]), b"\n"].concat());
            }
            out.extend_from_slice(&row.value);
            self.after.clone_from(&row.key);
        }
        rows.is_empty()
    }
}
