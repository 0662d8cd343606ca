//! side-band-64k: packets of one band, assembled in place (gitprotocol-pack, "side-band").

use super::line;
use crate::limits::LINE_MAX;
use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Band {
    Data = 1,
    Progress = 2,
    Error = 3,
}

/// How bytes of a pack or report are sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Frame {
    /// As they are: no bands.
    Bare,
    /// In packets of at most so many bytes, all told: 1000 for `side-band`.
    Packets { size_max: usize },
}

impl Frame {
    pub const LARGE: Frame = Frame::Packets { size_max: LINE_MAX };
    pub const SMALL: Frame = Frame::Packets { size_max: 1000 };
}

/// Appends bytes of one band; a packet that is open at the end of `out` is filled first.
pub struct Writer {
    frame: Frame,
    /// Where the last packet of data starts in `out`, while it may grow.
    open: Option<usize>,
}

impl Writer {
    pub fn new(frame: Frame) -> Writer {
        Writer { frame, open: None }
    }

    /// `out` was emptied, or something else was appended.
    pub fn close(&mut self) {
        self.open = None;
    }

    /// Appends bytes of the pack or report.
    pub fn data(&mut self, out: &mut Vec<u8>, bytes: &[u8]) {
        let Frame::Packets { size_max } = self.frame else {
            return out.extend_from_slice(bytes);
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let start = match self.open.filter(|start| out.len() - start < size_max) {
                Some(start) => start,
                None => {
                    out.extend_from_slice(b"0000\x01");
                    out.len() - 5
                }
            };
            let room = size_max - (out.len() - start);
            let (now, later) = rest.split_at_checked(room).unwrap_or((rest, &[]));
            out.extend_from_slice(now);
            let size = line::digits(out.len() - start);
            out[start..start + 4].copy_from_slice(&size);
            self.open = Some(start);
            rest = later;
        }
    }

    /// Appends a packet without data, where there are bands: a long silence is not to be taken
    /// for a death.
    pub fn keep_alive(&mut self, out: &mut Vec<u8>) {
        self.close();
        if self.frame != Frame::Bare {
            line::write(out, &[&[Band::Data as u8]]);
        }
    }

    /// Appends a message for people, where there are bands.
    pub fn message(&mut self, out: &mut Vec<u8>, band: Band, parts: &[&[u8]]) {
        self.close();
        if self.frame != Frame::Bare {
            let text = parts.concat();
            let text = text.get(..900).unwrap_or(&text);
            line::write(out, &[&[band as u8], text]);
        }
    }

    /// Appends the end of the stream.
    pub fn end(&mut self, out: &mut Vec<u8>) {
        self.close();
        if self.frame != Frame::Bare {
            line::flush(out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::line::{Line, read};
    use super::*;

    #[test]
    fn packets_are_filled_and_never_too_large() {
        for (frame, size_max) in [(Frame::LARGE, LINE_MAX), (Frame::SMALL, 1000)] {
            for chunk in [1, 999, 1000, 65_515, 70_000] {
                let data: Vec<u8> = (0..150_000u32).map(|n| n as u8).collect();
                let (mut out, mut writer) = (Vec::new(), Writer::new(frame));
                data.chunks(chunk).for_each(|bytes| writer.data(&mut out, bytes));
                writer.end(&mut out);
                let (mut at, mut back) = (0, Vec::new());
                while let Ok(Some((Line::Data(packet), size))) = read(&out[at..]) {
                    assert!(size == size_max || back.len() + packet.len() > data.len());
                    assert_eq!(packet[0], 1);
                    back.extend_from_slice(&packet[1..]);
                    at += size;
                }
                assert_eq!((&out[at..], back == data), (&b"0000"[..], true));
            }
        }
    }
}
