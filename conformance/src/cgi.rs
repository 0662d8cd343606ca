//! `git http-backend` behind a small server of our own: the side that every case must pass on
//! first.

use crate::git::isolate;
use crate::http::{Head, copy_body, read_headers};
use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Serves all repositories under `root` until the program ends.
pub fn serve(root: &Path) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let root = root.to_path_buf();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let root = root.clone();
            // A client that leaves ends its connection's thread, no more.
            std::thread::spawn(move || connection(stream, root));
        }
    });
    Ok(address)
}

fn connection(stream: TcpStream, root: PathBuf) -> Result<()> {
    stream.set_nodelay(true)?;
    let mut out = stream.try_clone()?;
    let mut input = BufReader::new(stream);
    while let Some(head) = Head::read(&mut input)? {
        let is_last = head.header("connection") == Some("close");
        if head.header("expect").is_some() {
            out.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
        }
        exchange(&head, &mut input, &mut out, &root)?;
        if is_last {
            return Ok(());
        }
    }
    Ok(())
}

fn exchange(
    head: &Head,
    input: &mut (impl BufRead + Send),
    out: &mut TcpStream,
    root: &Path,
) -> Result<()> {
    let mut child = backend(head, root)?.spawn().context("git http-backend")?;
    let mut stdin = child.stdin.take().expect("it is piped");
    let mut answer = BufReader::new(child.stdout.take().expect("it is piped"));
    let fed = std::thread::scope(|scope| {
        let feeder = scope.spawn(move || {
            // A backend that refused reads no further; the rest is read all the same.
            let mut sink = Lenient(Some(&mut stdin));
            copy_body(head, input, false, &mut sink)
        });
        respond(&mut answer, out, head.first[0] == "HEAD")?;
        feeder.join().expect("the feeder does not panic")
    });
    // Without this a client that left keeps its backend waiting for more.
    if fed.is_err() {
        let _ = child.kill();
    }
    child.wait()?;
    fed
}

fn backend(head: &Head, root: &Path) -> Result<Command> {
    let target = head.first.get(1).context("a request line")?;
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let mut command = Command::new("git");
    command.arg("http-backend").current_dir(root);
    isolate(&mut command);
    // A repository's own settings are stronger than a file, not than the environment.
    command.env_remove("GIT_CONFIG_COUNT").env("GIT_CONFIG_GLOBAL", root.join("gitconfig"));
    command.env("REQUEST_METHOD", &head.first[0]).env("PATH_INFO", path).env("QUERY_STRING", query);
    command.env("GIT_PROJECT_ROOT", root).env("GIT_HTTP_EXPORT_ALL", "1");
    command.env("REMOTE_ADDR", "127.0.0.1").env("SERVER_PROTOCOL", "HTTP/1.1");
    for (name, value) in &head.headers {
        let name = name.to_uppercase().replace('-', "_");
        match name.as_str() {
            "CONTENT_TYPE" | "CONTENT_LENGTH" => command.env(name, value),
            _ => command.env(format!("HTTP_{name}"), value),
        };
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    Ok(command)
}

/// From CGI to HTTP: the status line, then the body in chunks.
fn respond(answer: &mut impl BufRead, out: &mut TcpStream, is_head: bool) -> Result<()> {
    let headers = read_headers(answer).unwrap_or_else(|_| vec![("Status".into(), "500".into())]);
    let status = headers.iter().find(|(name, _)| name == "Status");
    let status = status.map_or("200 OK", |(_, value)| value);
    let mut head = format!("HTTP/1.1 {status}\r\nTransfer-Encoding: chunked\r\n");
    for (name, value) in headers.iter().filter(|(name, _)| name != "Status") {
        if !name.eq_ignore_ascii_case("content-length") {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
    }
    out.write_all(format!("{head}\r\n").as_bytes())?;
    if is_head {
        std::io::copy(answer, &mut std::io::sink())?;
        return Ok(());
    }
    loop {
        let chunk = answer.fill_buf()?;
        let size = chunk.len();
        let mut framed = format!("{size:x}\r\n").into_bytes();
        framed.extend(chunk);
        framed.extend(b"\r\n");
        out.write_all(&framed)?;
        answer.consume(size);
        if size == 0 {
            return Ok(());
        }
    }
}

/// Takes everything, also after the reader behind it went away.
struct Lenient<'a, W: Write>(Option<&'a mut W>);

impl<W: Write> Write for Lenient<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if let Some(inner) = &mut self.0
            && inner.write_all(bytes).is_err()
        {
            self.0 = None;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
