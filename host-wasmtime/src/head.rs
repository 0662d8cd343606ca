//! The head of an engine's answer: RFC 3875, section 6.3, as `abi.wit` has it. Knows no meaning of
//! any header.

use anyhow::{Context, Result, ensure};

const HEAD_MAX: usize = 64 << 10;

/// A status and header lines in their order.
#[derive(Debug, PartialEq, Eq)]
pub struct Head {
    pub status: u16,
    pub headers: Vec<(String, String)>,
}

/// Reads the head at the start of `bytes` and says how many bytes it took. `None` asks for more.
pub fn read(bytes: &[u8]) -> Result<Option<(Head, usize)>> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        ensure!(bytes.len() < HEAD_MAX, "the engine's head does not end");
        return Ok(None);
    };
    let text = std::str::from_utf8(&bytes[..end]).context("the engine's head is no text")?;
    let mut head = Head { status: 200, headers: Vec::new() };
    for line in text.split("\r\n") {
        let (name, value) = line.split_once(':').context("the engine's head has a bad line")?;
        let value = value.trim_matches([' ', '\t']);
        if name.eq_ignore_ascii_case("status") {
            let digits = value.get(..3).context("the engine's status is too short")?;
            head.status = digits.parse().context("the engine's status is no number")?;
        } else {
            head.headers.push((name.to_string(), value.to_string()));
        }
    }
    Ok(Some((head, end + 4)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_head_or_asks_for_more() {
        let whole = b"Status: 404 Not Found\r\nContent-Type:text/plain\r\nA: b: c\r\n\r\nbody";
        for cut in 0..whole.len() - 4 {
            assert!(read(&whole[..cut]).expect("a good start").is_none(), "{cut}");
        }
        let (head, size) = read(whole).expect("a good head").expect("a whole one");
        assert_eq!(&whole[size..], b"body");
        let headers = [("Content-Type", "text/plain"), ("A", "b: c")];
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        assert_eq!(head, Head { status: 404, headers });
    }

    #[test]
    fn refuses_what_is_no_head() {
        let check = |bytes: &[u8], expect: bool| {
            assert_eq!(read(bytes).is_ok(), expect, "{:?}", String::from_utf8_lossy(bytes));
        };
        check(b"A: b\r\n\r\n", true);
        check(b"\r\n\r\n", false);
        check(b"Status: x\r\n\r\n", false);
        check(b"Status: 20x\r\n\r\n", false);
        check(b"no colon\r\n\r\n", false);
        check(&[b'a'; HEAD_MAX - 1], true);
        check(&[b'a'; HEAD_MAX], false);
    }
}
