//! The wasm border: `abi.wit` lowered by hand as the canonical ABI has it, and the allocator. All
//! `unsafe` of the engine is here; `conformance` proves that the module is what `abi.wit` says.
#![allow(unsafe_code)]

mod heap;

#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(target_arch = "wasm32")]
mod exports;
#[cfg(target_arch = "wasm32")]
mod imports;
