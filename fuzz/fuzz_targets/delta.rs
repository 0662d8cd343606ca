//! A delta makes what its instructions say.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::delta(data));
