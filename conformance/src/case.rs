//! Reads a case: a text in git's own notation. Knows its lines, not what they lead to.
//!
//! ```text
//! # What is claimed.
//! repo FIXTURE
//! set KEY VALUE                  a setting of the repository; again: beside the first
//! POST /git-upload-pack          begins an exchange; headers follow. `//x`: outside the repository
//! Git-Protocol: version=2
//! > command=fetch                a pkt-line with a line feed; 0000, 0001 and 0002 are themselves
//! >- text                        a pkt-line without one
//! >= text                        bytes as they are
//! >pack WORDS REVISIONS          a pack made by git: see `pack::make`
//! = 200                          the status; 200 if none is given
//! = Content-Type: x              a header; `= !Name`: it is absent
//! < text                         a line of the answer; ` ...` at its end: at least these words
//! < ...                          any lines
//! <1 text, <3 text               a line within that side-band
//! <2                             something was told in band 2, which is skipped else
//! <2 text                        these words were, or stand in the report
//! <quiet                         nothing was
//! <pack WORDS REVISIONS          a pack with just these objects: see `pack::check`
//! unordered                      the lines of the answer may come in any order
//! then REF REVISION              what ls-remote shows afterwards; `none`: no such ref
//! pending: REASON                only git is held to it so far
//! deviation: REASON              what gitcell answers instead, and why
//! ```
//!
//! `{main~1}` is an object's id, `{0}` is 40 zeros, `{x*9}` repeats; `\0`, `\n`, `\xff`, `\\` are
//! bytes.

use anyhow::{Context, Result, bail};

#[derive(Debug)]
pub struct Case {
    /// `area/name`.
    pub name: String,
    pub claim: String,
    pub fixture: String,
    pub settings: Vec<(String, String)>,
    pub exchanges: Vec<Exchange>,
    pub pending: Option<String>,
}

#[derive(Debug, Default)]
pub struct Exchange {
    pub method: String,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<Send>,
    pub expected: Expected,
    pub deviation: Option<Expected>,
}

#[derive(Debug)]
pub enum Send {
    Line(String),
    Bare(String),
    Raw(String),
    Pack(String),
}

#[derive(Debug, Default)]
pub struct Expected {
    pub status: Option<u16>,
    pub headers: Vec<String>,
    pub lines: Vec<String>,
    pub is_unordered: bool,
    pub refs: Vec<(String, String)>,
}

impl Case {
    pub fn parse(name: &str, text: &str) -> Result<Case> {
        let mut case = Case {
            name: name.to_string(),
            claim: String::new(),
            fixture: String::new(),
            settings: Vec::new(),
            exchanges: Vec::new(),
            pending: None,
        };
        for (at, line) in text.lines().enumerate() {
            case.line(line).with_context(|| format!("{name}.case, line {}: {line}", at + 1))?;
        }
        if case.claim.is_empty() || case.fixture.is_empty() || case.exchanges.is_empty() {
            bail!("{name}.case lacks its claim, its repo or its request");
        }
        Ok(case)
    }

    /// Whether it may change its repository, and so needs one of its own.
    pub fn writes(&self) -> bool {
        !self.settings.is_empty()
            || self.exchanges.iter().any(|exchange| exchange.path.starts_with("/git-receive-pack"))
    }

    fn line(&mut self, line: &str) -> Result<()> {
        if let Some(claim) = line.strip_prefix('#') {
            self.claim.push_str(claim);
            return Ok(());
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "" => {}
            "repo" => self.fixture = rest.to_string(),
            "pending:" => self.pending = Some(rest.to_string()),
            "set" if self.exchanges.is_empty() => {
                let (key, value) = rest.split_once(' ').context("set KEY VALUE")?;
                self.settings.push((key.to_string(), value.to_string()));
            }
            "GET" | "POST" | "PUT" | "HEAD" | "DELETE" | "OPTIONS" => {
                self.exchanges.push(Exchange {
                    method: word.to_string(),
                    path: rest.to_string(),
                    ..Exchange::default()
                })
            }
            _ => {
                let exchange = self.exchanges.last_mut().context("it comes before a request")?;
                exchange.line(word, rest, line)?;
            }
        }
        Ok(())
    }
}

impl Exchange {
    fn line(&mut self, word: &str, rest: &str, line: &str) -> Result<()> {
        match word {
            ">" if ["0000", "0001", "0002"].contains(&rest) => {
                self.body.push(Send::Raw(rest.into()))
            }
            ">" => self.body.push(Send::Line(rest.into())),
            ">-" => self.body.push(Send::Bare(rest.into())),
            ">=" => self.body.push(Send::Raw(rest.into())),
            ">pack" => self.body.push(Send::Pack(rest.into())),
            "deviation:" => self.deviation = Some(Expected::default()),
            "=" | "<" | "unordered" | "then" => self.expect(word, rest)?,
            _ if word.starts_with('<') => self.current().lines.push(line.to_string()),
            _ if word.ends_with(':') => {
                self.headers.push((word.trim_end_matches(':').into(), rest.into()));
            }
            _ => bail!("it is no line of a case"),
        }
        Ok(())
    }

    fn current(&mut self) -> &mut Expected {
        self.deviation.as_mut().unwrap_or(&mut self.expected)
    }

    fn expect(&mut self, word: &str, rest: &str) -> Result<()> {
        let expected = self.current();
        match (word, rest.parse()) {
            ("=", Ok(status)) => expected.status = Some(status),
            ("=", Err(_)) => expected.headers.push(rest.to_string()),
            ("unordered", _) => expected.is_unordered = true,
            ("then", _) => {
                let (name, revision) = rest.split_once(' ').context("then REF REVISION")?;
                expected.refs.push((name.to_string(), revision.to_string()));
            }
            _ => expected.lines.push(format!("< {rest}")),
        }
        Ok(())
    }
}

/// Replaces `{revision}` by what `oid` says, and `{x*9}` by nine of x.
pub fn fill(text: &str, oid: &dyn Fn(&str) -> Result<String>) -> Result<String> {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        // `main^{tree}` has braces of its own, and `v1^{}` is what it is.
        let end = after.find('}').context("a brace is not closed")?;
        let end = if after[..end].contains("^{") { end + 1 } else { end };
        filled.push_str(before);
        filled.push_str(&value(&after[..end], oid)?);
        rest = &after[end + 1..];
    }
    Ok(filled + rest)
}

fn value(inner: &str, oid: &dyn Fn(&str) -> Result<String>) -> Result<String> {
    match inner.split_once('*') {
        _ if inner.is_empty() => Ok("{}".to_string()),
        _ if inner == "0" => Ok("0".repeat(40)),
        Some((unit, count)) => Ok(unit.repeat(count.parse()?)),
        None => oid(inner),
    }
}

/// Undoes `\0`, `\n`, `\r`, `\t`, `\\` and `\xff`.
pub fn unescape(text: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        bytes.push(match rest.next() {
            Some(b'0') => 0,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'\\') => b'\\',
            Some(b'x') => {
                let digits: String = rest.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16)?
            }
            _ => bail!("an escape that is not known"),
        });
    }
    Ok(bytes)
}

/// Shows bytes so that `unescape` reads them back.
pub fn escape(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for letter in chunk.valid().chars() {
            match letter {
                '\0' => shown.push_str("\\0"),
                '\n' => shown.push_str("\\n"),
                '\r' => shown.push_str("\\r"),
                '\\' => shown.push_str("\\\\"),
                letter if letter.is_control() && letter.is_ascii() => {
                    shown.push_str(&format!("\\x{:02x}", u32::from(letter)));
                }
                letter => shown.push(letter),
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}
