//! Capabilities and queries are found as a slow reading finds them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::caps(data));
