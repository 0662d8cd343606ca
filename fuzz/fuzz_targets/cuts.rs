//! How a request is cut into pieces does not matter.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::cuts(data));
