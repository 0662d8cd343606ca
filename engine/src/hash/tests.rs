//! Known values, and agreement with another implementation.

use super::*;
use std::vec::Vec;

fn id(format: Format, bytes: &[u8]) -> Vec<u8> {
    let mut hasher = Hasher::received(format);
    hasher.update(bytes);
    hasher.finish().expect("no attack").to_hex().to_vec()
}

/// Bytes that look random, the same at each run.
fn noise(size: usize, seed: u64) -> Vec<u8> {
    let mut x = seed | 1;
    let mut next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    (0..size).map(|_| next()).collect()
}

#[test]
fn hmac_is_as_the_rfcs_have_it() {
    let of =
        |format, key: &[u8], text: &[u8]| hmac(format, key, text).map(|oid| oid.to_hex().to_vec());
    let what = b"what do ya want for nothing?";
    let short = of(Format::Sha1, b"Jefe", what);
    assert_eq!(short.as_deref(), Ok(&b"effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"[..]));
    let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
    let long = of(Format::Sha1, &[0xaa; 80], text);
    assert_eq!(long.as_deref(), Ok(&b"aa4ae5e15272d00e95705637ce8a3b55ed402112"[..]));
    let other = of(Format::Sha256, b"Jefe", what);
    let expect = b"5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    assert_eq!(other.as_deref(), Ok(&expect[..]));
}

#[test]
fn known_vectors() {
    // FIPS 180-4's examples, and an empty tree as git names it.
    let check = |format, bytes: &[u8], hex: &str| assert_eq!(id(format, bytes), hex.as_bytes());
    check(Format::Sha1, b"", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
    check(Format::Sha1, b"abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    check(Format::Sha1, &[b'a'; 1_000_000], "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    check(Format::Sha256, b"", empty);
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    check(Format::Sha256, b"abc", abc);
    let million = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
    check(Format::Sha256, &[b'a'; 1_000_000], million);
    let oid = object_id(Format::Sha1, "tree", b"").expect("no attack");
    assert_eq!(&*oid.to_hex(), b"4b825dc642cb6eb9a060e54bf8d69288fbee4904");
}

#[test]
fn agrees_with_another_sha1_at_every_size() {
    let bytes = noise(300, 1);
    for size in 0..bytes.len() {
        let other = sha1_smol::Sha1::from(&bytes[..size]).digest().bytes();
        let mut hasher = Hasher::received(Format::Sha1);
        hasher.update(&bytes[..size / 3]);
        hasher.update(&bytes[size / 3..size]);
        assert_eq!(hasher.finish().expect("no attack").as_bytes(), other, "{size} bytes");
    }
}

#[test]
fn cuts_do_not_matter() {
    let bytes = noise(200, 2);
    for format in [Format::Sha1, Format::Sha256] {
        for cut in 0..=bytes.len() {
            let mut hasher = Hasher::new(format);
            hasher.update(&bytes[..cut]);
            hasher.update(&bytes[cut..]);
            assert_eq!(hasher.finish().expect("ok").to_hex().to_vec(), id(format, &bytes));
        }
    }
}

#[test]
fn headers_are_written_as_git_does() {
    let check = |size, text: &[u8]| assert_eq!(Header::new("commit", size).as_bytes(), text);
    check(0, b"commit 0\0");
    check(10, b"commit 10\0");
    check(u64::MAX, b"commit 18446744073709551615\0");
}

/// The first 320 bytes of the two files of "The first collision for full SHA-1" (CRYPTO 2017).
pub const SHATTERED: [&[u8; 320]; 2] =
    [include_bytes!("tests/shattered-1"), include_bytes!("tests/shattered-2")];

#[test]
fn finds_a_published_collision() {
    for file in SHATTERED {
        let mut hasher = Hasher::received(Format::Sha1);
        hasher.update(file);
        assert_eq!(hasher.finish().err(), Some(Error::Collision));
    }
    let [one, other] = SHATTERED.map(|file| {
        let mut hasher = Hasher::new(Format::Sha1);
        hasher.update(file);
        hasher.finish().expect("detection is off").as_bytes().to_vec()
    });
    assert_eq!(one, other);
}

#[test]
fn messages_side_by_side_have_the_ids_that_they_have_alone() {
    for format in [Format::Sha1, Format::Sha256] {
        let size = |i: usize| if i % 50 == 49 { 40 * i } else { i % 200 };
        let alone: Vec<Vec<u8>> = (0..500).map(|i| noise(size(i), i as u64)).collect();
        let end = |part: &Vec<u8>| [part, End::new(part.len() as u64).as_bytes()].concat();
        let whole: Vec<Vec<u8>> = alone.iter().map(end).collect();
        for count in [0, 1, 3, 4, 5, 500] {
            let messages: Vec<&[u8]> = whole[..count].iter().map(Vec::as_slice).collect();
            let mut told = 0;
            ids(format, &messages, &mut |index, oid| {
                assert_eq!(oid.expect("no attack").to_hex().to_vec(), id(format, &alone[index]));
                told += 1;
            });
            assert_eq!(told, count);
        }
    }
}
