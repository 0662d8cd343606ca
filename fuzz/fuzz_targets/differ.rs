//! Git and the engine agree on packs.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::differ(data));
