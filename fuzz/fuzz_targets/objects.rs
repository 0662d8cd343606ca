//! The check of an object reads what reading it reads.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::objects(data));
