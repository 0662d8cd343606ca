//! Inflating agrees with another implementation.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::inflate(data));
