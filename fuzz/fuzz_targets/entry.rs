//! The header of an entry, written again, says the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::entry(data));
