//! zlib in both directions: against another implementation, cut, damaged, and refused.

use super::*;
use crate::error::Error;
use alloc::vec::Vec;
use miniz_oxide::deflate::compress_to_vec_zlib;
use std::vec;

/// A generator of numbers, the same at each run.
struct Noise(u64);

impl Noise {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 20) as usize % limit
    }

    fn bytes(&mut self, size: usize) -> Vec<u8> {
        (0..size).map(|_| self.below(256) as u8).collect()
    }
}

/// Text like source: few words, often repeated.
fn source(size: usize, seed: u64) -> Vec<u8> {
    let mut noise = Noise(seed);
    let words: [&[u8]; 12] = [
        b"let ",
        b"mut ",
        b"self.",
        b" = ",
        b"\n        ",
        b"return ",
        b"fn ",
        b"(",
        b") {\n",
        b"}\n",
        b";\n",
        b"if ",
    ];
    let mut text = Vec::new();
    while text.len() < size {
        match noise.below(words.len() + 4) {
            n if n < words.len() => text.extend_from_slice(words[n]),
            n => {
                for _ in 0..n {
                    text.push(b'a' + noise.below(26) as u8);
                }
            }
        }
    }
    text.truncate(size);
    text
}

/// Contents of many kinds.
fn contents() -> Vec<Vec<u8>> {
    let mut noise = Noise(7);
    let mut all: Vec<Vec<u8>> = (0..40).map(|size| source(size, 1 + size as u64)).collect();
    all.extend([
        vec![0; 100_000],
        b"ab".repeat(300),
        b"0123456789abcdefg".repeat(90),
        source(3_000, 5),
        source(200_000, 6),
        noise.bytes(70_000),
        [noise.bytes(40_000), source(40_000, 8), vec![b' '; 40_000]].concat(),
    ]);
    all
}

fn whole(stream: &[u8], size: usize) -> Result<Option<(usize, Vec<u8>)>, Error> {
    let mut out = b"before".to_vec();
    let taken = Inflate::new().whole(stream, size, &mut out);
    assert_eq!(&out[..6], b"before");
    if !matches!(taken, Ok(Some(_))) {
        assert_eq!(out.len(), 6, "nothing is appended");
    }
    Ok(taken?.map(|taken| (taken, out.split_off(6))))
}

/// Inflates a stream given in pieces, to pieces.
fn run(stream: &[u8], piece: usize, room: usize) -> Result<(usize, Vec<u8>), Error> {
    let (mut inflate, mut made, mut at) = (Inflate::new(), Vec::new(), 0);
    loop {
        let mut out = vec![0; room];
        let end = (at + piece).min(stream.len());
        let step = inflate.run(&stream[at..end], &mut out)?;
        at += step.taken;
        made.extend_from_slice(&out[..step.made]);
        if step.done {
            return Ok((at, made));
        }
        if step.taken == 0 && step.made == 0 {
            if at == stream.len() {
                return Err(Error::CutShort);
            }
            assert_eq!(at, end, "input is left, and nothing was done");
        }
    }
}

#[test]
fn inflates_what_another_deflated() {
    for content in contents() {
        for level in [0, 1, 6, 9] {
            let mut stream = compress_to_vec_zlib(&content, level);
            let size = stream.len();
            let expect = (size, content.clone());
            stream.extend_from_slice(&[0xff; 20]);
            assert_eq!(whole(&stream, content.len()), Ok(Some(expect.clone())));
            assert_eq!(whole(&stream[..size], content.len()), Ok(Some(expect.clone())));
            assert!(run(&stream, 1 << 20, 1 << 16) == Ok(expect.clone()));
            assert!(run(&stream, 777, 999) == Ok(expect));
        }
    }
}

#[test]
fn cuts_do_not_matter() {
    for level in [0, 1, 9] {
        let content = source(400, 3);
        let stream = compress_to_vec_zlib(&content, level);
        for piece in 1..=stream.len() {
            assert_eq!(run(&stream, piece, 1 + piece % 50), Ok((stream.len(), content.clone())));
        }
        for cut in 0..stream.len() {
            assert_eq!(whole(&stream[..cut], content.len()), Ok(None), "cut at {cut}");
            assert_eq!(run(&stream[..cut], 7, 50), Err(Error::CutShort), "cut at {cut}");
        }
    }
}

#[test]
fn size_must_be_right() {
    for content in [source(100, 9), source(100_000, 9)] {
        let stream = compress_to_vec_zlib(&content, 6);
        for size in [0, content.len() - 1, content.len() + 1, content.len() + 70_000] {
            assert_eq!(whole(&stream, size), Err(Error::BadZlib));
        }
    }
}

#[test]
fn takes_many_streams_one_after_another() {
    let mut inflate = Inflate::new();
    let mut stream = Vec::new();
    for content in contents() {
        stream.extend(compress_to_vec_zlib(&content, 6));
    }
    let mut at = 0;
    for content in contents() {
        let mut out = Vec::new();
        at += inflate.whole(&stream[at..], content.len(), &mut out).unwrap().unwrap();
        assert!(out == content);
    }
    assert_eq!(at, stream.len());
}

/// The stream of a raw deflate stream, given as text of bits: fields of the specification in their
/// order, Huffman codes from their first bit.
fn stream_of(bits: &str, content: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let bits: Vec<u8> = bits.bytes().filter(|bit| *bit != b' ').map(|bit| bit - b'0').collect();
    for byte in bits.chunks(8) {
        stream.push(byte.iter().enumerate().map(|(at, bit)| bit << at).sum());
    }
    let mut adler = adler::Adler::new();
    adler.update(content);
    stream.extend(adler.value().to_be_bytes());
    stream
}

#[test]
fn refuses_what_is_not_zlib() {
    let good = compress_to_vec_zlib(b"content", 6);
    let refused = |at: usize, byte: u8| {
        let mut stream = good.clone();
        stream[at] = byte;
        assert_eq!(whole(&stream, 7), Err(Error::BadZlib));
        assert_eq!(run(&stream, 100, 100), Err(Error::BadZlib));
    };
    refused(0, 0x79);
    refused(0, 0x88);
    refused(1, good[1] ^ 1);
    // A preset dictionary, with its check bits right.
    refused(1, 0x20 + (31 - (0x7820 % 31) as u8) % 31);
    for (at, byte) in good.iter().enumerate().skip(good.len() - 4) {
        refused(at, byte ^ 1);
    }
}

#[test]
fn refuses_bad_blocks() {
    let check = |bits: &str, content: &[u8], is_good: bool| {
        let mut stream = stream_of(bits, content);
        let expect =
            if is_good { Ok(Some((stream.len(), content.to_vec()))) } else { Err(Error::BadZlib) };
        for _ in 0..2 {
            assert_eq!(whole(&stream, content.len()), expect, "{bits}");
            // Once more where the fast loop has enough input.
            stream.extend_from_slice(&[0; 32]);
            if let Ok(Some(_)) = expect {
                break;
            }
        }
    };
    // Fixed codes: "a" (0x61: 10010001), end.
    check("1 10 10010001 0000000", b"a", true);
    // A match of three (257), distance one: "aaaa". Distance two: too far back.
    check("1 10 10010001 0000001 00000 0000000", b"aaaa", true);
    check("1 10 10010001 0000001 00001 0000000", b"aaaa", false);
    // Symbols that do not exist: a length (286), a distance (30).
    check("1 10 10010001 11000110 00000 0000000", b"aaaa", false);
    check("1 10 10010001 0000001 11110 0000000", b"aaaa", false);
    // The third kind of block does not exist; a stored block's size is said twice.
    check("1 11 0000000", b"", false);
    check("1 00 00000 1000000000000000 0111111111111111 10000110", b"a", true);
    check("1 00 00000 1000000000000000 0111111111111110 10000110", b"a", false);
}

/// A dynamic block's head: one code length code for each of 0, 1, 2 and 18, of two bits.
fn dynamic(literals: &str, distances: &str, rest: &str) -> std::string::String {
    // 257 literals and lengths, 1 or 2 distances, 18 lengths of code lengths: up to that of 1.
    let lengths = "000 000 010 010 000 000 000 000 000 000 000 000 000 000 000 010 000 010";
    std::format!(
        "1 01 00000 {} 0111 {lengths} {literals} {distances} {rest}",
        if distances.len() > 2 { "10000" } else { "00000" }
    )
}

#[test]
fn codes_are_refused_as_zlib_does() {
    let check = |bits: &str, content: &[u8], is_good: bool| {
        let stream = stream_of(bits, content);
        assert_eq!(whole(&stream, content.len()).is_ok(), is_good, "{bits}");
        let peer = miniz_oxide::inflate::decompress_to_vec_zlib(&stream);
        if is_good {
            assert_eq!(peer.unwrap(), content);
        }
    };
    // The codes of lengths: 0 is 00, 1 is 01, 2 is 10, 18 (with seven bits: 11 to 138 zeros) is 11.
    let zeros = |count: usize| {
        let bits: std::string::String =
            (0..7).map(|bit| if (count - 11) >> bit & 1 == 0 { '0' } else { '1' }).collect();
        std::format!("11 {bits}")
    };
    let (z97, z138, z20) = (zeros(97), zeros(138), zeros(20));
    // 97 zeros, "a" and end have one bit each; no distance.
    let two = std::format!("{z97} 01 {z138} {z20} 01");
    check(&dynamic(&two, "00", "0 0 1"), b"aa", true);
    // Over-subscribed: "a", "b" and end have one bit each.
    let three = std::format!("{z97} 01 01 {z138} {} 01", zeros(19));
    check(&dynamic(&three, "00", "0 0 1"), b"aa", false);
    // Incomplete: "a" and end have two bits each.
    let short = std::format!("{z97} 10 {z138} {z20} 10");
    check(&dynamic(&short, "00", "00 00 01"), b"aa", false);
    // Incomplete, but one code of one bit: end, and nothing else.
    let only = std::format!("{z138} {} 01", zeros(118));
    check(&dynamic(&only, "00", "0"), b"", true);
    check(&dynamic(&only, "00", "1"), b"", false);
    // No end.
    let endless = std::format!("{z97} 01 01 {z138} {} 00", zeros(19));
    check(&dynamic(&endless, "00", "0 0 1"), b"aa", false);
    // More lengths than there are codes.
    check(&dynamic(&std::format!("{z97} 01 {z138} {z138}"), "00", "0 0 1"), b"aa", false);
}

#[test]
fn damage_is_found_or_harmless() {
    let mut noise = Noise(11);
    for content in [source(900, 4), b"abc".repeat(50), noise.bytes(300), source(5_000, 2)] {
        for level in [1, 6] {
            let good = compress_to_vec_zlib(&content, level);
            for _ in 0..1_500 {
                let mut stream = good.clone();
                for _ in 0..=noise.below(3) {
                    let at = noise.below(stream.len());
                    stream[at] ^= 1 << noise.below(8);
                }
                let ours = whole(&stream, content.len());
                let streamed = run(&stream, 50, 100);
                let peer = miniz_oxide::inflate::decompress_to_vec_zlib(&stream);
                match &ours {
                    Ok(Some((taken, made))) => {
                        assert_eq!(peer.as_ref().ok(), Some(made));
                        assert_eq!(streamed, Ok((*taken, made.clone())));
                    }
                    _ => assert!(
                        peer.is_err_and(|error| error.output.len() <= 1 << 20)
                            || streamed.is_err()
                            || streamed.is_ok_and(|(_, made)| made.len() != content.len())
                    ),
                }
            }
        }
    }
}

fn deflate(content: &[u8], piece: usize) -> Vec<u8> {
    let (mut deflate, mut out) = (Deflate::new(), Vec::new());
    content.chunks(piece).for_each(|piece| deflate.write(piece, &mut out));
    deflate.finish(&mut out);
    out
}

#[test]
fn another_inflates_what_was_deflated() {
    for content in contents() {
        let stream = deflate(&content, 1 << 20);
        let made = miniz_oxide::inflate::decompress_to_vec_zlib(&stream);
        assert!(made.is_ok_and(|made| made == content), "{} bytes", content.len());
        assert!(whole(&stream, content.len()) == Ok(Some((stream.len(), content.clone()))));
        // Cuts do not matter.
        assert!(deflate(&content, 1000) == stream);
        if content.len() < 5_000 {
            assert!(deflate(&content, 1) == stream);
        }
        // Little more than the content, at worst; less than another's fastest, or little more.
        assert!(stream.len() <= content.len() + content.len() / 2048 + 16);
        let peer = compress_to_vec_zlib(&content, 1).len();
        assert!(stream.len() <= peer + peer / 20 + 8, "{} for {peer}", stream.len());
    }
}

#[test]
fn deflates_many_streams_one_after_another() {
    let (mut one, mut out) = (Deflate::new(), Vec::new());
    for content in contents() {
        out.clear();
        one.write(&content, &mut out);
        one.finish(&mut out);
        assert!(out == deflate(&content, 1 << 20), "{} bytes", content.len());
    }
}

#[test]
fn codes_keep_to_their_limit() {
    // Fibonacci's numbers make the deepest tree.
    let mut uses = [0u16; 22];
    (uses[0], uses[1]) = (1, 1);
    for symbol in 2..uses.len() {
        uses[symbol] = uses[symbol - 1] + uses[symbol - 2];
    }
    for limit in [5, 7, 15] {
        let mut codes = [code::NONE; 22];
        code::make(&uses, limit, &mut codes);
        let space: usize = codes.iter().map(|code| 1 << (15 - code.length)).sum();
        assert_eq!(space, 1 << 15, "complete");
        assert!(codes.iter().all(|code| (1..=limit).contains(&usize::from(code.length))));
    }
}
