//! HTTP/1.1 by hand, both sides: cases send odd requests, and see all of an answer. Knows no git.

use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub struct Head {
    /// The first line, in words.
    pub first: Vec<String>,
    pub headers: Vec<(String, String)>,
}

impl Head {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(own, _)| own.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Reads lines up to the empty one; nothing if the stream ended before the first.
    pub fn read(stream: &mut impl BufRead) -> Result<Option<Head>> {
        let mut head = Head::default();
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        head.first = line.split_whitespace().map(str::to_string).collect();
        head.headers = read_headers(stream)?;
        Ok(Some(head))
    }
}

/// Header lines up to the empty one.
pub fn read_headers(stream: &mut impl BufRead) -> Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            bail!("the head was cut short");
        }
        let line = line.trim_end();
        if line.is_empty() {
            return Ok(headers);
        }
        let (name, value) = line.split_once(':').with_context(|| format!("header {line:?}"))?;
        headers.push((name.to_string(), value.trim().to_string()));
    }
}

/// Copies a body to `out` as its head frames it; `open_ended`: without a length it ends with the
/// stream.
pub fn copy_body(
    head: &Head,
    stream: &mut impl BufRead,
    open_ended: bool,
    out: &mut dyn Write,
) -> Result<()> {
    if head.header("transfer-encoding").is_some_and(|value| value.contains("chunked")) {
        return copy_chunks(stream, out);
    }
    let length = match head.header("content-length") {
        Some(length) => length.parse()?,
        None if open_ended => u64::MAX,
        None => 0,
    };
    let copied = std::io::copy(&mut stream.take(length), out)?;
    if length != u64::MAX && copied < length {
        bail!("the body was cut short: {copied} of {length} bytes");
    }
    Ok(())
}

fn copy_chunks(stream: &mut impl BufRead, out: &mut dyn Write) -> Result<()> {
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let size = u64::from_str_radix(line.trim(), 16).context("the body was cut short")?;
        if std::io::copy(&mut stream.take(size), out)? < size {
            bail!("the body was cut short in a chunk");
        }
        line.clear();
        stream.read_line(&mut line)?;
        if size == 0 {
            return Ok(());
        }
    }
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: Head,
    pub body: Vec<u8>,
}

/// Sends one request on a connection of its own and reads the whole answer.
pub fn send(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(String, String)],
    body: &[u8],
) -> Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let is_chunked = headers.iter().any(|(_, value)| value == "chunked");
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {value}\r\n"));
    }
    if method == "POST" && !is_chunked {
        bytes.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    bytes.push_str("\r\n");
    let mut bytes = bytes.into_bytes();
    if is_chunked {
        for chunk in body.chunks(7) {
            bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
            bytes.extend(chunk);
            bytes.extend(b"\r\n");
        }
        bytes.extend(b"0\r\n\r\n");
    } else {
        bytes.extend(body);
    }
    // A server may answer and close before it has read everything.
    let _ = stream.write_all(&bytes);
    read_answer(&mut BufReader::new(stream), method)
}

fn read_answer(stream: &mut impl BufRead, method: &str) -> Result<Answer> {
    loop {
        let head = Head::read(stream)?.context("the server closed without an answer")?;
        let status = head.first.get(1).and_then(|word| word.parse().ok());
        let status: u16 = status.with_context(|| format!("status line {:?}", head.first))?;
        if status == 100 {
            continue;
        }
        let mut body = Vec::new();
        if status != 304 && status != 204 && method != "HEAD" {
            copy_body(&head, stream, true, &mut body)?;
        }
        return Ok(Answer { status, head, body });
    }
}
