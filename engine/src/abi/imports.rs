//! The interface `host` of `abi.wit`, lowered: arguments are lent where they lie, what comes back
//! is taken over without a copy.

use crate::host::{Expect, Host, Row, Write};
use alloc::vec::Vec;
use core::ptr::null_mut;

mod raw {
    #[link(wasm_import_module = "gitcell:engine/host@0.1.0")]
    unsafe extern "C" {
        pub fn get(key: *const u8, key_len: usize, answer: *mut super::OptionList);
        pub fn scan(
            prefix: *const u8,
            prefix_len: usize,
            after: *const u8,
            after_len: usize,
            bytes_max: usize,
            answer: *mut super::List,
        );
        pub fn commit(
            expects: *const super::LentRow,
            expects_len: usize,
            writes: *const super::LentRow,
            writes_len: usize,
        ) -> i32;
        pub fn emit(bytes: *const u8, bytes_len: usize);
    }
}

/// A `list`: what it holds, and how many.
#[repr(C)]
pub struct List {
    pub first: *mut u8,
    pub len: usize,
}

/// An `option<list<u8>>`.
#[repr(C)]
pub struct OptionList {
    is_some: u8,
    list: List,
}

/// A record `row`.
#[repr(C)]
struct RawRow {
    key: List,
    value: List,
}

/// A record `expect` or `write`: a key, and an `option` of a value.
#[repr(C)]
pub struct LentRow {
    key: *const u8,
    key_len: usize,
    is_some: u8,
    value: *const u8,
    value_len: usize,
}

const _: () = assert!(size_of::<OptionList>() == 12 && size_of::<RawRow>() == 16);
const _: () = assert!(size_of::<LentRow>() == 20);

/// Takes over a list of bytes that the host has written.
///
/// # Safety
/// `first` comes from `cabi_realloc` with `len` bytes and alignment 1 (unless `len` is 0), all of
/// them are written, and nobody else owns them.
pub unsafe fn taken(first: *mut u8, len: usize) -> Vec<u8> {
    if len == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise; the capacity is exact because the host asked for `len` bytes.
    unsafe { Vec::from_raw_parts(first, len, len) }
}

/// Takes over a list of records, each by `one`.
///
/// # Safety
/// As for `taken`, with records of type `R` as the canonical ABI lays them out.
pub unsafe fn taken_records<R, T>(first: *mut u8, len: usize, one: fn(R) -> T) -> Vec<T> {
    if len == 0 {
        return Vec::new();
    }
    // SAFETY: the caller's promise; `R` has the size and alignment that the host asked for.
    let records = unsafe { Vec::from_raw_parts(first.cast::<R>(), len, len) };
    let mut taken = Vec::with_capacity(len);
    taken.extend(records.into_iter().map(one));
    taken
}

fn row(raw: RawRow) -> Row {
    // SAFETY: both lists are the host's answer, written as `abi.wit` says.
    unsafe {
        Row { key: taken(raw.key.first, raw.key.len), value: taken(raw.value.first, raw.value.len) }
    }
}

fn lent(key: &[u8], value: Option<&[u8]>) -> LentRow {
    let bytes = value.unwrap_or_default();
    LentRow {
        key: key.as_ptr(),
        key_len: key.len(),
        is_some: u8::from(value.is_some()),
        value: bytes.as_ptr(),
        value_len: bytes.len(),
    }
}

/// The host of this instance.
pub struct Imports;

impl Host for Imports {
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        let mut answer = OptionList { is_some: 0, list: List { first: null_mut(), len: 0 } };
        // SAFETY: the host writes the answer before it returns, and keeps nothing of it.
        unsafe {
            raw::get(key.as_ptr(), key.len(), &raw mut answer);
            (answer.is_some != 0).then(|| taken(answer.list.first, answer.list.len))
        }
    }

    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row> {
        let mut answer = List { first: null_mut(), len: 0 };
        // SAFETY: as for `get`.
        unsafe {
            raw::scan(
                prefix.as_ptr(),
                prefix.len(),
                after.as_ptr(),
                after.len(),
                bytes_max,
                &raw mut answer,
            );
            taken_records(answer.first, answer.len, row)
        }
    }

    fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> bool {
        let expects: Vec<LentRow> = expects.iter().map(|row| lent(row.key, row.value)).collect();
        let writes: Vec<LentRow> = writes.iter().map(|row| lent(row.key, row.value)).collect();
        // SAFETY: the host reads the rows before it returns and writes nothing.
        unsafe { raw::commit(expects.as_ptr(), expects.len(), writes.as_ptr(), writes.len()) != 0 }
    }

    fn emit(&mut self, bytes: &[u8]) {
        // SAFETY: the host copies `bytes` before it returns.
        unsafe { raw::emit(bytes.as_ptr(), bytes.len()) };
    }
}
