//! zlib streams to bytes, into a window or into one buffer. Knows no format: that is the decoder's.

use super::adler::Adler;
use super::bits::Io;
use super::decoder::Decoder;
use super::fast;
use crate::error::{Error, Result};
use alloc::vec;
use alloc::vec::Vec;

/// What one call of `Inflate::run` did.
pub struct Step {
    pub taken: usize,
    pub made: usize,
    /// The stream has ended and its Adler-32 was right.
    pub done: bool,
}

/// How far back a match reaches (RFC 1951, 2).
const DISTANCE_MAX: usize = 32 << 10;
/// What is made before it is given away; the last `DISTANCE_MAX` of it are kept.
const WINDOW: usize = 64 << 10;

/// Inflates zlib streams, one after another; its tables and window are reused.
pub struct Inflate {
    decoder: Decoder,
    window: Vec<u8>,
    /// How much of the window was made, and how much of that was given away.
    made: usize,
    given: usize,
    adler: Adler,
}

impl Default for Inflate {
    fn default() -> Inflate {
        Inflate::new()
    }
}

impl Inflate {
    pub fn new() -> Inflate {
        Inflate {
            decoder: Decoder::new(),
            window: vec![0; WINDOW],
            made: 0,
            given: 0,
            adler: Adler::new(),
        }
    }

    /// Forgets the stream before; the next call of `run` starts a new one.
    pub fn reset(&mut self) {
        self.decoder.reset();
        self.made = 0;
        self.given = 0;
        self.adler = Adler::new();
    }

    /// Goes on with a stream: takes from `input`, writes to the start of `out`. Progress is always
    /// made unless both are exhausted: `taken == 0 && made == 0 && !done` asks for more input.
    pub fn run(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step> {
        let mut step = Step { taken: 0, made: 0, done: false };
        loop {
            step.made += self.give(out.get_mut(step.made..).unwrap_or_default());
            if self.given < self.made {
                return Ok(step);
            }
            if let Some(adler) = self.decoder.end() {
                step.done = adler == self.adler.value();
                return if step.done { Ok(step) } else { Err(Error::BadZlib) };
            }
            if self.made > WINDOW - DISTANCE_MAX / 2 {
                self.window.copy_within(self.made - DISTANCE_MAX..self.made, 0);
                self.made = DISTANCE_MAX;
                self.given = DISTANCE_MAX;
            }
            let mut io = Io { input, at: step.taken, out: &mut self.window, made: self.made };
            self.decoder.run(&mut io)?;
            let made = io.made;
            step.taken = io.at;
            self.adler.update(self.window.get(self.made..made).unwrap_or_default());
            if made == self.made && self.decoder.end().is_none() {
                return Ok(step);
            }
            self.made = made;
        }
    }

    /// Gives away what was made, as much as there is room for.
    fn give(&mut self, out: &mut [u8]) -> usize {
        let ready = self.window.get(self.given..self.made).unwrap_or_default();
        let size = ready.len().min(out.len());
        if let (Some(to), Some(from)) = (out.get_mut(..size), ready.get(..size)) {
            to.copy_from_slice(from);
        }
        self.given += size;
        size
    }

    /// Inflates the one whole stream at the start of `input`, whose content has `size` bytes,
    /// appending it to `out`, and says how many bytes the stream took. `None`: `input` ends before
    /// the stream does (`out` is as it was). A stream that makes more or less than `size` is
    /// `BadZlib`.
    pub fn whole(&mut self, input: &[u8], size: usize, out: &mut Vec<u8>) -> Result<Option<usize>> {
        self.reset();
        let room = size.checked_add(fast::ROOM).ok_or(Error::BadZlib)?;
        // A small object is made where no memory must be cleared for it.
        if let Some(window) = self.window.get_mut(..room) {
            let taken = self.decoder.whole(input, size, window)?;
            if taken.is_some() {
                out.extend_from_slice(self.window.get(..size).unwrap_or_default());
            }
            return Ok(taken);
        }
        let start = out.len();
        out.resize(start + room, 0);
        let taken = self.decoder.whole(input, size, out.get_mut(start..).unwrap_or_default());
        out.truncate(if matches!(taken, Ok(Some(_))) { start + size } else { start });
        taken
    }
}
