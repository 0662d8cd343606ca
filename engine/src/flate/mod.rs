//! zlib (RFC 1950, RFC 1951) as streams and as whole buffers. Knows no object.

use crate::error::Result;
use alloc::vec::Vec;

/// What one call of `Inflate::run` did.
pub struct Step {
    pub taken: usize,
    pub made: usize,
    /// The stream has ended and its Adler-32 was right.
    pub done: bool,
}

/// Inflates zlib streams, one after another; its tables and window are reused.
pub struct Inflate {}

impl Inflate {
    pub fn new() -> Inflate {
        todo!()
    }

    /// Forgets the stream before; the next call of `run` starts a new one.
    pub fn reset(&mut self) {
        todo!()
    }

    /// Goes on with a stream: takes from `input`, writes to the start of `out`. Progress is always made
    /// unless both are exhausted: `taken == 0 && made == 0 && !done` asks for more input.
    pub fn run(&mut self, _input: &[u8], _out: &mut [u8]) -> Result<Step> {
        todo!()
    }

    /// Inflates the one whole stream at the start of `input`, whose content has `size` bytes, appending it to `out`,
    /// and says how many bytes the stream took. `None`: `input` ends before the stream does (`out` is as it was).
    /// A stream that makes more or less than `size` is `BadZlib`. The fast path: no window, tables reused.
    pub fn whole(
        &mut self,
        _input: &[u8],
        _size: usize,
        _out: &mut Vec<u8>,
    ) -> Result<Option<usize>> {
        todo!()
    }
}

/// Deflates one stream.
pub struct Deflate {}

impl Deflate {
    pub fn new() -> Deflate {
        todo!()
    }
    /// Takes all of `input`; appends what is ready to `out`.
    pub fn write(&mut self, _input: &[u8], _out: &mut Vec<u8>) {
        todo!()
    }
    /// Appends the end of the stream to `out`, and is ready for another.
    pub fn finish(&mut self, _out: &mut Vec<u8>) {
        todo!()
    }
}
