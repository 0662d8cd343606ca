//! The log of pushes: what a record says, and reading them one after another.

use super::keys;
use super::updates::Update;
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

/// How the log record begins, as text: `time`, `caller`, `option` lines, for a signed push `nonce`
/// and a `cert` line for each line of the certificate.
pub(super) fn head(record: &Record) -> Vec<u8> {
    let mut log = Vec::new();
    write(&mut log, &[b"time ", decimal(record.time, &mut [0; 20])]);
    write(&mut log, &[b"caller ", record.caller]);
    for option in record.options {
        write(&mut log, &[b"option ", option]);
    }
    if !record.certificate.is_empty() {
        write(&mut log, &[b"nonce ", record.nonce]);
        let text = record.certificate.strip_suffix(b"\n").unwrap_or(record.certificate);
        text.split(|byte| *byte == b'\n').for_each(|text| write(&mut log, &[b"cert ", text]));
    }
    log
}

/// Then there is a line for each ref: old id, new id, name; an absent one is written as zeros.
pub(super) fn line(log: &mut Vec<u8>, update: &Update) {
    let format = update.old.or(update.new).map_or(Format::Sha1, |oid| oid.format());
    let hex = |oid: Option<Oid>| oid.unwrap_or(Oid::zero(format)).to_hex();
    write(log, &[&hex(update.old), b" ", &hex(update.new), b" ", update.name]);
}

fn write(log: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| log.extend_from_slice(part));
    log.push(b'\n');
}

/// Where a reader of the log is.
pub struct Reader {
    after: Vec<u8>,
    /// The record that is being read.
    number: Option<u64>,
    /// How many records are still wanted.
    left: u64,
}

impl Reader {
    /// Of at most `limit` records behind that of number `after`, or from the first.
    pub fn new(after: Option<u64>, limit: u64) -> Reader {
        let key = after.map(|number| keys::log(number, u32::MAX));
        Reader { after: key.unwrap_or_else(|| keys::LOG.to_vec()), number: None, left: limit }
    }

    /// Appends the next records, each behind a line `push NUMBER`. True: these were the last.
    pub fn step(&mut self, store: &mut Store, out: &mut Vec<u8>) -> bool {
        let rows = store.host.scan(keys::LOG, &self.after, SCAN_MAX);
        for row in &rows {
            let place = row.key.get(keys::LOG.len()..).unwrap_or_default();
            let Some((number, page)) = place.split_first_chunk() else { continue };
            let number = u64::from_be_bytes(*number);
            if page == [0; 4] {
                if self.left == 0 {
                    return true;
                }
                self.left -= 1;
                self.number = Some(number);
                out.extend([b"push ", decimal(number, &mut [0; 20]), b"\n"].concat());
            }
            // Rows without their first are what a push left that was not taken.
            if self.number == Some(number) {
                out.extend_from_slice(&row.value);
            }
            self.after.clone_from(&row.key);
        }
        rows.is_empty()
    }
}
