//! A push's command is what it is made of.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::commands(data));
