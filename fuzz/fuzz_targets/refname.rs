//! A ref's name is valid if no rule forbids it.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::refname(data));
