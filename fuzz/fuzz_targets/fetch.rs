//! A fetch gets what the client lacks.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::fetch(data));
