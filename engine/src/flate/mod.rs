//! zlib stub.
use crate::error::{Error, Result};
use alloc::boxed::Box;
use alloc::vec::Vec;
use miniz_oxide::inflate::stream::{InflateState, inflate};
use miniz_oxide::{DataFormat, MZError, MZFlush, MZStatus};

pub struct Step {
    pub taken: usize,
    pub made: usize,
    pub done: bool,
}
pub struct Inflate(Box<InflateState>);
impl Inflate {
    pub fn new() -> Inflate {
        Inflate(InflateState::new_boxed(DataFormat::Zlib))
    }
    pub fn reset(&mut self) {
        self.0.reset(DataFormat::Zlib);
    }
    pub fn run(&mut self, input: &[u8], out: &mut [u8]) -> Result<Step> {
        let r = inflate(&mut self.0, input, out, MZFlush::None);
        match r.status {
            Ok(MZStatus::StreamEnd) => {
                Ok(Step { taken: r.bytes_consumed, made: r.bytes_written, done: true })
            }
            Ok(_) | Err(MZError::Buf) => {
                Ok(Step { taken: r.bytes_consumed, made: r.bytes_written, done: false })
            }
            _ => Err(Error::BadZlib),
        }
    }
    pub fn whole(&mut self, input: &[u8], size: usize, out: &mut Vec<u8>) -> Result<Option<usize>> {
        self.reset();
        let start = out.len();
        out.resize(start + size + 1, 0);
        let mut taken = 0;
        let mut made = 0;
        loop {
            let s = self.run(&input[taken..], &mut out[start + made..])?;
            taken += s.taken;
            made += s.made;
            if s.done {
                out.truncate(start + made);
                return if made == size {
                    Ok(Some(taken))
                } else {
                    out.truncate(start);
                    Err(Error::BadZlib)
                };
            }
            if made > size {
                return Err(Error::BadZlib);
            }
            if s.taken == 0 && s.made == 0 {
                out.truncate(start);
                return Ok(None);
            }
        }
    }
}
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
