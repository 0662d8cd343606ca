//! Whatever pack is pushed, the repository stays whole.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::import(data));
