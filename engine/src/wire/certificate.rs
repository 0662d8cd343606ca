//! A push certificate: what who pushes has signed (gitprotocol-pack, "Push Certificate"). What the
//! signature is worth is not judged here.

use crate::error::{Error, Result};

/// What begins the line that begins a signature, of any kind.
const SIGNATURE: &[u8] = b"-----BEGIN ";

/// Its head and its commands, as lines; the signature follows.
pub fn parts(text: &[u8]) -> Result<(&[u8], &[u8])> {
    let blank = text.windows(2).position(|pair| pair == b"\n\n").ok_or(Error::BadRequest)?;
    let mut end = text.len();
    let mut at = 0;
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(SIGNATURE) {
            end = at;
        }
        at += line.len();
    }
    Ok((&text[..=blank], text.get(blank + 2..end).unwrap_or_default()))
}

/// The values of a key of the head.
pub fn values<'a>(head: &'a [u8], key: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    head.split(|byte| *byte == b'\n')
        .filter_map(move |line| line.strip_prefix(key)?.strip_prefix(b" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_a_head_commands_and_a_signature() {
        let text = b"certificate version 0.1\nnonce 1-2\npush-option a\npush-option b c\n\n\
            1 2 x\n3 4 y\n-----BEGIN SSH SIGNATURE-----\nzz\n-----END SSH SIGNATURE-----\n";
        let Ok((head, commands)) = parts(text) else { panic!("it is whole") };
        assert_eq!(commands, b"1 2 x\n3 4 y\n");
        assert!(values(head, b"nonce").eq([b"1-2"]));
        assert!(values(head, b"push-option").eq([&b"a"[..], b"b c"]));
        assert!(values(head, b"push").next().is_none());
        assert_eq!(parts(b"nonce 1\n\n1 2 x"), Ok((&b"nonce 1\n"[..], &b"1 2 x"[..])));
        assert_eq!(parts(b"-----BEGIN X\n\n1 2 x\n"), Ok((&b"-----BEGIN X\n"[..], &b""[..])));
        assert_eq!(parts(b"nonce 1\n1 2 x\n"), Err(Error::BadRequest));
    }
}
