//! zlib (RFC 1950, RFC 1951) as streams and as whole buffers. Knows no object.

mod adler;
mod bits;
mod block;
mod code;
mod decoder;
mod deflate;
mod fast;
mod inflate;
mod table;
#[cfg(test)]
mod tests;

pub use adler::Adler;
pub use deflate::Deflate;
pub use inflate::{Inflate, Step};
