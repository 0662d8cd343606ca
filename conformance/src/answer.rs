//! The body of an answer, as the lines that a case is written in. Knows the framing, no command.

use crate::case::escape;

/// What an answer says, in order, and the pack that it carries.
#[derive(Debug, Default)]
pub struct Lines {
    /// `< text`, `<1 text`, `<3 text`, `<pack`.
    pub lines: Vec<String>,
    pub pack: Option<Vec<u8>>,
    /// What was told in band 2.
    pub progress: Vec<u8>,
    /// Band 1, as long as it is not known where it ends.
    band: Vec<u8>,
}

impl Lines {
    pub fn read(mut body: &[u8]) -> Lines {
        let mut lines = Lines::default();
        while !body.is_empty() {
            let Some((line, rest)) = take(body) else {
                lines.end_band();
                lines.rest(body);
                return lines;
            };
            body = rest;
            lines.line(line);
        }
        lines.end_band();
        lines
    }

    fn line(&mut self, line: Line<'_>) {
        match line {
            Line::Mark(mark) => {
                self.end_band();
                self.lines.push(format!("< {mark}"));
            }
            Line::Text([1, rest @ ..]) => self.band_one(rest),
            Line::Text([2, rest @ ..]) => self.progress.extend(rest),
            Line::Text([3, rest @ ..]) => self.lines.push(shown("<3", rest)),
            Line::Text(text) => self.lines.push(shown("<", text)),
        }
    }

    /// Band 1 holds a pack, pkt-lines of its own, or (sideband-all) plain lines.
    fn band_one(&mut self, bytes: &[u8]) {
        let is_plain = self.band.is_empty() && !bytes.starts_with(b"PACK") && take(bytes).is_none();
        if is_plain && bytes.ends_with(b"\n") {
            self.lines.push(shown("<1", bytes));
        } else {
            self.band.extend(bytes);
        }
    }

    fn end_band(&mut self) {
        let band = std::mem::take(&mut self.band);
        if band.starts_with(b"PACK") {
            return self.rest(&band);
        }
        let mut rest = &band[..];
        while let Some((line, after)) = take(rest) {
            match line {
                Line::Mark(mark) => self.lines.push(format!("<1 {mark}")),
                Line::Text(text) => self.lines.push(shown("<1", text)),
            }
            rest = after;
        }
        if !rest.is_empty() {
            self.lines.push(shown("<1 unframed:", rest));
        }
    }

    fn rest(&mut self, bytes: &[u8]) {
        if bytes.starts_with(b"PACK") {
            self.lines.push("<pack".to_string());
            self.pack = Some(bytes.to_vec());
        } else {
            self.lines.push(shown("< unframed:", bytes));
        }
    }
}

fn shown(prefix: &str, text: &[u8]) -> String {
    let text = text.strip_suffix(b"\n").unwrap_or(text);
    format!("{prefix} {}", escape(text)).trim_end().to_string()
}

enum Line<'a> {
    Mark(&'a str),
    Text(&'a [u8]),
}

fn take(bytes: &[u8]) -> Option<(Line<'_>, &[u8])> {
    let digits = std::str::from_utf8(bytes.get(..4)?).ok()?;
    if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    match usize::from_str_radix(digits, 16).ok()? {
        0..=2 => Some((Line::Mark(digits), &bytes[4..])),
        size => Some((Line::Text(bytes.get(4..size)?), &bytes[size..])),
    }
}
