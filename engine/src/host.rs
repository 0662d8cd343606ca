//! The host as the engine sees it: an ordered table of rows and one output call. `abi.wit` is the
//! contract.

use alloc::vec::Vec;

/// What one key holds.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub struct Row {
    pub key: Vec<u8>,
    pub value: Vec<u8>,
}

/// A row as it must still be for a commit to apply; `None`: the row must be absent.
pub struct Expect<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// A row as it shall be; `None`: deleted.
pub struct Write<'a> {
    pub key: &'a [u8],
    pub value: Option<&'a [u8]>,
}

/// A call returns or the request dies. The store is safe either way: a commit is all or nothing.
pub trait Host {
    /// One row.
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>>;
    /// The next rows after `after` whose keys start with `prefix`, until `bytes_max` is reached; at
    /// least one, if there is one.
    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row>;
    /// If every expected row still holds, applies all writes and answers true; else changes
    /// nothing.
    fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> bool;
    /// The next bytes of the response: a CGI head first, then the body.
    fn emit(&mut self, bytes: &[u8]);
}
