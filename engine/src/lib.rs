//! The Git server: request bytes in, response bytes out, and an ordered byte store that it reads
//! and atomically changes. No clock, randomness, thread, async, Cargo feature or formatter.
#![no_std]
#![deny(unsafe_code)]
// A request has one state, held by value; what is new is not a default.
#![allow(clippy::large_enum_variant, clippy::new_without_default)]

extern crate alloc;
#[cfg(any(test, not(target_arch = "wasm32")))]
extern crate std;

#[cfg(any(test, target_arch = "wasm32"))]
mod abi;
pub mod engine;
pub mod error;
pub mod flate;
pub mod gc;
pub mod hash;
pub mod host;
pub mod limits;
#[cfg(not(target_arch = "wasm32"))]
pub mod memory;
pub mod object;
pub mod pack;
pub mod serve;
mod sort;
pub mod store;
pub mod walk;
pub mod wire;
