//! Texts that clients send: capabilities, queries, versions, filters, commands of a push.

use engine::error::Error;
use engine::hash::Format;
use engine::walk::Filter;
use engine::wire::push::{Wishes, command};
use engine::wire::{caps, line};

/// Words are found in a list, and values in a query, as a slow reading of it finds them.
pub fn caps(data: &[u8]) {
    let Some(at) = data.iter().position(|byte| *byte == 0) else { return };
    let (key, list) = (&data[..at], &data[at + 1..]);
    let mut padded = [b" ", list, b" "].concat();
    padded.iter_mut().filter(|byte| **byte == b'\n').for_each(|byte| *byte = b' ');
    let around = |text: &[u8]| [b" ", text, b" "].concat();
    let is_word = !key.iter().any(|byte| b" \n".contains(byte));
    let is_there = is_word && padded.windows(key.len() + 2).any(|found| found == around(key));
    assert_eq!(caps::has(list, key), is_there);
    if let Some(value) = caps::value(list, key) {
        let pair = [key, b"=", value].concat();
        assert!(caps::has(list, &pair), "{}", pair.escape_ascii());
    }
    if let Some(value) = caps::query(list, key) {
        assert!(value.len() <= list.len());
        let plain = [key, b"=", &value].concat();
        let is_plain = !value.iter().any(|byte| b"%+& ".contains(byte));
        let is_encoded = list.iter().any(|byte| b"%+".contains(byte));
        assert!(is_encoded || !is_plain || list.split(|byte| *byte == b'&').any(|p| p == plain));
    }
    assert!(caps::version(list) <= 2);
    assert_eq!(
        caps::version(list) == 2,
        list.split(|byte| *byte == b':').any(|p| p == b"version=2")
    );
}

/// A filter means the same combined with itself, and whatever stands beside it takes no object back
/// in.
pub fn filter(data: &[u8]) {
    let read = |text: &[u8]| Filter::read(text, &mut |_| Err(Error::BadRequest));
    let Ok(filter) = read(data) else { return };
    let encoded: String = data.iter().map(|byte| format!("%{byte:02x}")).collect();
    // Deeply nested ones are refused: one level more may be one too many.
    let Ok(twice) = read(format!("combine:{encoded}+{encoded}").as_bytes()) else {
        assert!(data.starts_with(b"combine:"));
        return;
    };
    assert_eq!(twice, filter);
    let narrow = read(format!("combine:{encoded}+blob:none").as_bytes()).expect("as above");
    assert!(narrow.takes_no_blob());
    for depth in 0..4 {
        assert!(!narrow.enters(depth) || filter.enters(depth));
    }
}

/// A push's command is what it is made of, and no other text is read as it.
pub fn commands(data: &[u8]) {
    for format in [Format::Sha1, Format::Sha256] {
        let Ok((read, list)) = command(data, format) else { continue };
        let hex = |oid: Option<engine::hash::Oid>| {
            oid.unwrap_or(engine::hash::Oid::zero(format)).to_hex().to_vec()
        };
        let mut again = [&hex(read.old), b" ".as_slice(), &hex(read.new), b" ", read.name].concat();
        if let Some(list) = list {
            again.push(0);
            again.extend_from_slice(list);
            let wishes = Wishes::read(list);
            assert!(!wishes.atomic || caps::has(list, b"atomic"));
        }
        assert_eq!(again.to_ascii_lowercase(), data.to_ascii_lowercase());
        let mut framed = Vec::new();
        line::write(&mut framed, &[data]);
        assert!(framed.len() <= engine::limits::LINE_MAX);
    }
}
