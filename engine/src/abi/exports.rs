//! The exports of `abi.wit`: one instance answers one request, so the request is the module's
//! state.

use super::imports::{Imports, List, taken, taken_records};
use crate::engine::{Access, Engine, Header, Progress, Request};
use alloc::boxed::Box;
use core::cell::UnsafeCell;

struct Answering(UnsafeCell<Option<Engine<'static>>>);

// SAFETY: the module has one thread.
unsafe impl Sync for Answering {}

static ANSWERING: Answering = Answering(UnsafeCell::new(None));

/// The request that `start` has begun.
fn answering() -> &'static mut Engine<'static> {
    // SAFETY: one thread, and the host calls no export while another runs, so this is the only
    // reference.
    match unsafe { &mut *ANSWERING.0.get() } {
        Some(engine) => engine,
        None => core::arch::wasm32::unreachable(),
    }
}

fn header(raw: [List; 2]) -> Header {
    let [name, value] = raw;
    // SAFETY: both lists are the host's, written as `abi.wit` says.
    unsafe { Header { name: taken(name.first, name.len), value: taken(value.first, value.len) } }
}

#[unsafe(no_mangle)]
extern "C" fn start(
    method: *mut u8,
    method_len: usize,
    path: *mut u8,
    path_len: usize,
    query: *mut u8,
    query_len: usize,
    headers: *mut u8,
    headers_len: usize,
    time: u64,
    id: *mut u8,
    id_len: usize,
    caller: *mut u8,
    caller_len: usize,
    access: u32,
    size_max: u64,
) -> u32 {
    // SAFETY: the lists are the host's arguments, written as `abi.wit` says and given away.
    let request = unsafe {
        Request {
            method: taken(method, method_len),
            path: taken(path, path_len),
            query: taken(query, query_len),
            headers: taken_records(headers, headers_len, header),
            time,
            id: taken(id, id_len),
            caller: taken(caller, caller_len),
            access: Access {
                read: access & 1 != 0,
                write: access & 2 != 0,
                admin: access & 4 != 0,
            },
            size_max,
        }
    };
    let engine = Engine::start(Box::leak(Box::new(Imports)), request);
    let progress = engine.as_ref().map_or(Progress::Done, Engine::progress);
    // SAFETY: one thread, and nothing refers to a request before this call.
    unsafe { *ANSWERING.0.get() = engine };
    progress as u32
}

#[unsafe(no_mangle)]
extern "C" fn feed(bytes: *mut u8, len: usize) -> u32 {
    // SAFETY: the list is the host's argument, written as `abi.wit` says and given away.
    let bytes = unsafe { taken(bytes, len) };
    answering().feed(&bytes) as u32
}

#[unsafe(no_mangle)]
extern "C" fn pump() -> u32 {
    answering().pump() as u32
}
