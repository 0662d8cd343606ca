//! zlib (RFC 1950, RFC 1951) as streams and as whole buffers. Knows no object.

mod adler;
mod bits;
mod decoder;
mod fast;
mod inflate;
mod table;
#[cfg(test)]
mod tests;

pub use inflate::{Inflate, Step};

use alloc::vec::Vec;
pub struct Deflate(Vec<u8>);
impl Deflate {
    pub fn new() -> Deflate {
        Deflate(Vec::new())
    }
    pub fn write(&mut self, input: &[u8], _out: &mut Vec<u8>) {
        self.0.extend_from_slice(input);
    }
    pub fn finish(&mut self, out: &mut Vec<u8>) {
        out.extend(miniz_oxide::deflate::compress_to_vec_zlib(&self.0, 1));
        self.0.clear();
    }
}
