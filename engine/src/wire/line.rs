//! pkt-line: four hex digits of length, then that many bytes (gitprotocol-common). Knows no
//! message.

use crate::error::{Error, Result};
use crate::limits::LINE_MAX;
use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_arch = "wasm32"), derive(Debug))]
pub enum Line<'a> {
    Data(&'a [u8]),
    Flush,
    Delim,
    ResponseEnd,
}

impl<'a> Line<'a> {
    /// The text of a line, without the newline that it may end with.
    pub fn text(self) -> Option<&'a [u8]> {
        match self {
            Line::Data(data) => Some(data.strip_suffix(b"\n").unwrap_or(data)),
            _ => None,
        }
    }
}

/// Reads the first line of `bytes` and says how many bytes it took.
pub fn read(bytes: &[u8]) -> Result<Option<(Line<'_>, usize)>> {
    let Some(digits) = bytes.first_chunk::<4>() else {
        return Ok(None);
    };
    let mut size = 0;
    for digit in digits {
        size = size << 4 | char::from(*digit).to_digit(16).ok_or(Error::BadLine)? as usize;
    }
    match size {
        0 => Ok(Some((Line::Flush, 4))),
        1 => Ok(Some((Line::Delim, 4))),
        2 => Ok(Some((Line::ResponseEnd, 4))),
        3 => Err(Error::BadLine),
        _ if size > LINE_MAX => Err(Error::BadLine),
        _ => Ok(bytes.get(4..size).map(|data| (Line::Data(data), size))),
    }
}

/// Four hex digits.
pub fn digits(size: usize) -> [u8; 4] {
    [12, 8, 4, 0].map(|shift| b"0123456789abcdef"[size >> shift & 15])
}

/// Appends a line made of parts; what does not fit in one is cut off.
pub fn write(out: &mut Vec<u8>, parts: &[&[u8]]) {
    let start = out.len();
    out.extend_from_slice(b"0000");
    append(out, parts);
    out.truncate(start + LINE_MAX);
    let size = digits(out.len() - start);
    out[start..start + 4].copy_from_slice(&size);
}

/// Appends parts as they are.
pub fn append(out: &mut Vec<u8>, parts: &[&[u8]]) {
    parts.iter().for_each(|part| out.extend_from_slice(part));
}

pub fn flush(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0000");
}

pub fn delim(out: &mut Vec<u8>) {
    out.extend_from_slice(b"0001");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &str, expect: Result<Option<(Line<'_>, usize)>>) {
        assert_eq!(read(bytes.as_bytes()), expect, "{bytes:?}");
    }

    #[test]
    fn reads_one_line_or_asks_for_more() {
        check("000", Ok(None));
        check("0006a", Ok(None));
        check("0006a\nrest", Ok(Some((Line::Data(b"a\n"), 6))));
        check("0004", Ok(Some((Line::Data(b""), 4))));
        check("0000", Ok(Some((Line::Flush, 4))));
        check("0001x", Ok(Some((Line::Delim, 4))));
        check("0002", Ok(Some((Line::ResponseEnd, 4))));
    }

    #[test]
    fn refuses_lengths_that_no_line_has() {
        check("0003", Err(Error::BadLine));
        check("00g0", Err(Error::BadLine));
        check("fff1", Err(Error::BadLine));
        check("fff0", Ok(None));
    }

    #[test]
    fn what_is_written_is_read() {
        for size in [0, 1, 1000, LINE_MAX - 4, LINE_MAX] {
            let mut out = b"x".to_vec();
            let data = alloc::vec![b'a'; size];
            write(&mut out, &[&data]);
            let kept = size.min(LINE_MAX - 4);
            assert_eq!(read(&out[1..]), Ok(Some((Line::Data(&data[..kept]), kept + 4))));
        }
    }
}
