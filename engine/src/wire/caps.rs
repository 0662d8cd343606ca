//! Lists of capabilities: words between spaces, some with a value (gitprotocol-capabilities). And
//! what a request's head says in the same manner.

use alloc::vec::Vec;

/// Whether the list has the word.
pub fn has(list: &[u8], word: &[u8]) -> bool {
    words(list).any(|found| found == word)
}

/// The value of `key=value` in the list.
pub fn value<'a>(list: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    words(list).find_map(|word| word.strip_prefix(key)?.strip_prefix(b"="))
}

fn words(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| matches!(byte, b' ' | b'\n'))
}

/// The value of `key` in a query string, decoded.
pub fn query(text: &[u8], key: &[u8]) -> Option<Vec<u8>> {
    let mut pairs = text.split(|byte| *byte == b'&');
    pairs.find_map(|pair| pair.strip_prefix(key)?.strip_prefix(b"=")).map(decode)
}

/// Undoes percent-encoding; what is no encoding stays as it is (http-backend does the same).
fn decode(text: &[u8]) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    let (mut out, mut rest) = (Vec::with_capacity(text.len()), text);
    while let Some((first, others)) = rest.split_first() {
        let code = match others {
            [high, low, ..] if *first == b'%' => digit(high).zip(digit(low)),
            _ => None,
        };
        let (byte, size) = match code {
            Some((high, low)) => ((high << 4 | low) as u8, 3),
            None if *first == b'+' => (b' ', 1),
            None => (*first, 1),
        };
        out.push(byte);
        rest = rest.get(size..).unwrap_or_default();
    }
    out
}

/// The protocol version that a `Git-Protocol` header asks for: the highest `version=` that is
/// known.
pub fn version(header: &[u8]) -> u8 {
    let known = |part: &[u8]| match part.strip_prefix(b"version=") {
        Some(b"1") => 1,
        Some(b"2") => 2,
        _ => 0,
    };
    header.split(|byte| *byte == b':').map(known).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_values_queries_and_versions_are_found_whole() {
        let list = b" report-status side-band-64k object-format=sha1 agent=git/2.47\n";
        assert!(has(list, b"report-status") && !has(list, b"report") && !has(list, b"side-band"));
        assert_eq!(value(list, b"object-format"), Some(&b"sha1"[..]));
        assert_eq!(value(list, b"agent"), Some(&b"git/2.47"[..]));
        assert_eq!(value(list, b"format"), None);
        assert_eq!(
            query(b"a=1&service=git-upload-pack", b"service"),
            Some(b"git-upload-pack".to_vec())
        );
        assert_eq!(query(b"a=x%2Fy+z%2b%zz%2&b", b"a"), Some(b"x/y z+%zz%2".to_vec()));
        assert_eq!(query(b"xservice=1", b"service"), None);
        let versions = [(&b""[..], 0), (b"version=1", 1), (b"version=2:x", 2), (b"version=3", 0)];
        for (header, expect) in versions {
            assert_eq!(version(header), expect);
        }
        assert_eq!(version(b"version=1:version=2"), 2);
    }
}
