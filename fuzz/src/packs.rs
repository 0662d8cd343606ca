//! The parts of a pack.

use crate::split;
use engine::hash::Format;
use engine::limits::HELD_MAX;
use engine::pack::delta::Delta;
use engine::pack::entry::{read, write};

/// A delta makes what its instructions say, step by step, or nothing.
pub fn delta(data: &[u8]) {
    let Some(([size], rest)) = split(data) else { return };
    let (base, delta) = rest.split_at(usize::from(size).min(rest.len()));
    let Ok(delta) = Delta::read(delta) else { return };
    let mut made = b"before".to_vec();
    let outcome = delta.apply(base, &mut made);
    let expect = simulate(&delta, base);
    assert_eq!(outcome.is_ok(), expect.is_some());
    if let Some(expect) = expect {
        assert_eq!(made, [b"before", &expect[..]].concat());
    }
}

/// The same by the letter of gitformat-pack.
fn simulate(delta: &Delta, base: &[u8]) -> Option<Vec<u8>> {
    if delta.base_size != base.len() as u64 || delta.size > HELD_MAX as u64 {
        return None;
    }
    let (mut made, mut bytes) = (Vec::new(), delta.instructions.iter().copied());
    while let Some(first) = bytes.next() {
        match first {
            0 => return None,
            1..=127 => {
                for _ in 0..first {
                    made.push(bytes.next()?);
                }
            }
            _ => {
                let mut number = [0; 8];
                for (bit, byte) in [0, 1, 2, 3].into_iter().chain([4, 5, 6]).zip(&mut number) {
                    if first >> bit & 1 == 1 {
                        *byte = bytes.next()?;
                    }
                }
                let offset = u32::from_le_bytes(*number.first_chunk()?) as usize;
                let size = usize::from(number[4]) | usize::from(number[5]) << 8;
                let size = size | usize::from(number[6]) << 16;
                let size = if size == 0 { 0x10000 } else { size };
                made.extend_from_slice(base.get(offset..offset + size)?);
            }
        }
        // Enough is enough: the rest cannot make it smaller.
        if made.len() as u64 > delta.size {
            return None;
        }
    }
    (made.len() as u64 == delta.size).then_some(made)
}

/// The header of an entry asks for more until it is whole, and written again it says the same.
pub fn entry(data: &[u8]) {
    for format in [Format::Sha1, Format::Sha256] {
        let Ok(Some((header, taken))) = read(data, format) else { continue };
        for cut in 0..taken {
            assert_eq!(read(&data[..cut], format), Ok(None), "cut at {cut}");
        }
        let mut written = Vec::new();
        write(&header, &mut written);
        assert!(written.len() <= taken);
        assert_eq!(read(&written, format), Ok(Some((header, written.len()))));
    }
}
