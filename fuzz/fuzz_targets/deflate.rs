//! What is deflated inflates to the same.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::deflate(data));
