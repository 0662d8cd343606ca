//! SHA-1 and its attacks, as another implementation sees them.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz::collision(data));
