//! The lines of a commit and of a tag that git could read: so the first ones are as they must be.
//! Knows no tree.

use super::{Check, Fault};
use core::ops::ControlFlow;

impl Check<'_> {
    pub(super) fn commit(&mut self, content: &[u8]) -> ControlFlow<()> {
        self.header(content)?;
        let mut rest = split(content).1;
        while let Some(line) = rest.strip_prefix(b"parent ") {
            // The reader has read all that are long enough to be one.
            let (id, lines) = split(line);
            if id.len() != 2 * self.format.width() {
                self.fault(Fault::BadParentSha1)?;
            }
            rest = lines;
        }
        let mut authors = 0;
        while let Some(line) = rest.strip_prefix(b"author ") {
            rest = self.ident(line)?;
            authors += 1;
        }
        match authors {
            0 => self.fault(Fault::MissingAuthor)?,
            1 => {}
            _ => self.fault(Fault::MultipleAuthors)?,
        }
        let Some(line) = rest.strip_prefix(b"committer ") else {
            return self.fault(Fault::MissingCommitter);
        };
        self.ident(line)?;
        if content.contains(&0) {
            return self.fault(Fault::NulInCommit);
        }
        ControlFlow::Continue(())
    }

    pub(super) fn tag(&mut self, content: &[u8]) -> ControlFlow<()> {
        self.header(content)?;
        let lines = split(split(content).1).1;
        let (name, rest) = split(lines.strip_prefix(b"tag ").unwrap_or_default());
        if !is_ref_part(name) {
            self.fault_at(Fault::BadTagName, name)?;
        }
        let rest = match rest.strip_prefix(b"tagger ") {
            Some(line) => self.ident(line)?,
            None => {
                self.fault(Fault::MissingTaggerEntry)?;
                rest
            }
        };
        let rest = after_signature(rest);
        if !rest.is_empty() && !rest.starts_with(b"\n") {
            return self.fault(Fault::ExtraHeaderEntry);
        }
        ControlFlow::Continue(())
    }

    /// Header lines hold no NUL, and end in an empty line or with the object: so each has its end.
    fn header(&mut self, content: &[u8]) -> ControlFlow<()> {
        let mut last = 0;
        for (at, byte) in content.iter().enumerate() {
            match byte {
                0 => return self.fault_at(Fault::NulInHeader, digits(at, &mut [0; 20])),
                b'\n' if last == b'\n' => return ControlFlow::Continue(()),
                _ => last = *byte,
            }
        }
        match last {
            b'\n' => ControlFlow::Continue(()),
            _ => self.fault(Fault::UnterminatedHeader),
        }
    }

    /// Checks who and when; gives the next lines.
    fn ident<'a>(&mut self, line: &'a [u8]) -> ControlFlow<(), &'a [u8]> {
        let (ident, rest) = split(line);
        if let Err(fault) = person(ident).and_then(date) {
            self.fault(fault)?;
        }
        ControlFlow::Continue(rest)
    }
}

/// A line, and what follows its end. Within the header every line has one.
fn split(bytes: &[u8]) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| *byte == b'\n').unwrap_or(bytes.len());
    let (line, rest) = bytes.split_at_checked(end).unwrap_or((bytes, b""));
    (line, rest.get(1..).unwrap_or_default())
}

/// Reads `name <email>`, gives what follows.
fn person(ident: &[u8]) -> Result<&[u8], Fault> {
    let is_end = |byte: &u8| matches!(byte, b'<' | b'>');
    let at = ident.iter().position(is_end).ok_or(Fault::MissingEmail)?;
    let (name, email) = ident.split_at_checked(at).ok_or(Fault::MissingEmail)?;
    let email = email.strip_prefix(b"<").ok_or(Fault::BadName)?;
    match name.last() {
        None => return Err(Fault::MissingNameBeforeEmail),
        Some(b' ') => {}
        Some(_) => return Err(Fault::MissingSpaceBeforeEmail),
    }
    let end = email.iter().position(is_end).ok_or(Fault::BadEmail)?;
    email.get(end..).and_then(|rest| rest.strip_prefix(b">")).ok_or(Fault::BadEmail)
}

/// Reads ` seconds +zone` to its end.
fn date(rest: &[u8]) -> Result<(), Fault> {
    let mut rest = rest.strip_prefix(b" ").ok_or(Fault::MissingSpaceBeforeDate)?;
    // One space is right; git takes more.
    while let [b' ' | b'\t', more @ ..] = rest {
        rest = more;
    }
    match rest {
        [b'0', b' ', ..] => {}
        [b'0', ..] => return Err(Fault::ZeroPaddedDate),
        [b'1'..=b'9', ..] => {}
        _ => return Err(Fault::BadDate),
    }
    let mut seconds = 0i64;
    while let [digit @ b'0'..=b'9', more @ ..] = rest {
        let sum = seconds.checked_mul(10).and_then(|sum| sum.checked_add(i64::from(digit - b'0')));
        seconds = sum.ok_or(Fault::BadDateOverflow)?;
        rest = more;
    }
    let zone = rest.strip_prefix(b" ").ok_or(Fault::BadDate)?;
    match zone {
        [b'+' | b'-', digits @ ..]
            if digits.len() == 4 && digits.iter().all(u8::is_ascii_digit) =>
        {
            Ok(())
        }
        _ => Err(Fault::BadTimezone),
    }
}

/// Skips the signature of a tag that is signed for the other format too.
fn after_signature(lines: &[u8]) -> &[u8] {
    if !lines.starts_with(b"gpgsig ") && !lines.starts_with(b"gpgsig-sha256 ") {
        return lines;
    }
    let mut rest = split(lines).1;
    while rest.starts_with(b" ") {
        rest = split(rest).1;
    }
    rest
}

/// Whether `refs/tags/<name>` is the name of a ref (git-check-ref-format).
fn is_ref_part(name: &[u8]) -> bool {
    let is_bad = |byte: &u8| {
        matches!(byte, 0..=b' ' | b'~' | b'^' | b':' | b'?' | b'*' | b'[' | b'\\' | 127)
    };
    let has = |pair: &[u8]| name.windows(2).any(|found| found == pair);
    let is_component = |component: &[u8]| {
        !component.is_empty() && !component.starts_with(b".") && !component.ends_with(b".lock")
    };
    !name.iter().any(is_bad)
        && !has(b"..")
        && !has(b"@{")
        && !name.ends_with(b".")
        && name.split(|byte| *byte == b'/').all(is_component)
}

/// The number in decimal digits.
fn digits(mut number: usize, space: &mut [u8; 20]) -> &[u8] {
    let mut count = 0;
    for digit in space.iter_mut().rev() {
        *digit = b'0' + (number % 10) as u8;
        number /= 10;
        count += 1;
        if number == 0 {
            break;
        }
    }
    space.get(space.len() - count..).unwrap_or_default()
}
