//! zlib streams, compared with zlib itself, which git uses.

use crate::split;
use engine::flate::{Deflate, Inflate};
use flate2::{Decompress, FlushDecompress, Status};
use miniz_oxide::deflate::compress_to_vec_zlib;

/// Larger outputs are not compared.
const CONTENT_MAX: usize = 1 << 20;

/// Whatever is inflated, at once or in pieces of any size, becomes what zlib makes of it, or is
/// refused by both.
pub fn inflate(data: &[u8]) {
    let Some(([input_piece, output_piece], data)) = split(data) else { return };
    let expect = by_zlib(data);
    let (input_piece, output_piece) = (usize::from(input_piece) + 1, usize::from(output_piece) + 1);
    let found = in_pieces(data, input_piece, output_piece);
    if found.as_ref().is_some_and(|found| found.len() > CONTENT_MAX) {
        return;
    }
    assert_eq!(found, expect, "in pieces");
    let Some(expect) = expect else { return };
    let mut whole = Vec::new();
    let taken = Inflate::new().whole(data, expect.len(), &mut whole);
    assert_eq!(whole, expect, "at once");
    let taken = taken.expect("it is good").expect("it is all there");
    let mut cut = Vec::new();
    let asked = Inflate::new().whole(&data[..taken - 1], expect.len(), &mut cut);
    assert_eq!(asked, Ok(None), "one byte too few");
    assert!(Inflate::new().whole(data, expect.len() + 1, &mut Vec::new()).is_err());
    if let Some(less) = expect.len().checked_sub(1) {
        assert!(Inflate::new().whole(data, less, &mut Vec::new()).is_err());
    }
}

/// What zlib makes of a stream, unless it is damaged, cut short or too large.
fn by_zlib(data: &[u8]) -> Option<Vec<u8>> {
    let mut content = Vec::with_capacity(CONTENT_MAX);
    let status = Decompress::new(true).decompress_vec(data, &mut content, FlushDecompress::Finish);
    matches!(status, Ok(Status::StreamEnd)).then_some(content)
}

/// The content, or nothing if it is damaged or cut short.
fn in_pieces(data: &[u8], input_piece: usize, output_piece: usize) -> Option<Vec<u8>> {
    let (mut inflate, mut content) = (Inflate::new(), Vec::new());
    let (mut rest, mut space) = (data, vec![0; output_piece]);
    loop {
        let (piece, _) = rest.split_at(input_piece.min(rest.len()));
        let step = inflate.run(piece, &mut space).ok()?;
        rest = &rest[step.taken..];
        content.extend_from_slice(&space[..step.made]);
        if step.done || content.len() > CONTENT_MAX {
            return Some(content);
        }
        if step.taken + step.made == 0 {
            return None;
        }
    }
}

/// What is deflated inflates to the same, whichever implementation does which.
pub fn deflate(data: &[u8]) {
    let Some(([level, output_piece], content)) = split(data) else { return };
    let theirs = compress_to_vec_zlib(content, level % 11);
    let found = in_pieces(&theirs, 100, usize::from(output_piece) + 1);
    assert_eq!(found.as_deref(), Some(content), "theirs");
    let (mut ours, mut deflate) = (Vec::new(), Deflate::new());
    for piece in content.chunks(usize::from(level) + 1) {
        deflate.write(piece, &mut ours);
    }
    deflate.finish(&mut ours);
    let found = by_zlib(&ours);
    assert_eq!(found.as_deref(), Some(content), "ours");
}
