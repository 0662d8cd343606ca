//! A server of a test's own, and requests written by hand.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub struct Server {
    pub child: Child,
    pub address: String,
    /// What the server printed at its start.
    pub greeting: String,
    folder: TempDir,
}

pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
    /// The body ended as HTTP says, not by a cut connection.
    pub is_whole: bool,
}

/// `gitcell` on the data folder inside `folder`, with the stand-in as its engine.
pub fn gitcell(folder: &Path) -> Command {
    let engine = folder.join("echo.wasm");
    if !engine.exists() {
        let wasm = wat::parse_str(include_str!("../../src/engine/echo.wat")).expect("a module");
        std::fs::write(&engine, wasm).expect("write");
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_gitcell"));
    command.arg("--data").arg(folder.join("data")).arg("--engine").arg(engine);
    command.env("GITCELL_LOG", "info");
    command
}

impl Server {
    pub fn start(arguments: &[&str]) -> Server {
        Server::start_in(tempfile::tempdir().expect("a temporary folder"), arguments)
    }

    pub fn start_in(folder: TempDir, arguments: &[&str]) -> Server {
        Server::start_as(folder, arguments, |_| {})
    }

    /// `change`: what its process is to be besides.
    pub fn start_as(
        folder: TempDir,
        arguments: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Server {
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let mut command = gitcell(folder.path());
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(arguments);
        change(command.stdout(Stdio::piped()).stderr(log));
        let mut child = command.spawn().expect("start");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        let mut greeting = String::new();
        while !greeting.contains("git clone") {
            assert!(out.read_line(&mut greeting).expect("read") > 0, "it ended: {greeting}");
        }
        let (_, rest) = greeting.split_once("serves on http://").expect("an address");
        let address = rest.lines().next().expect("a line").to_string();
        Server { child, address, greeting, folder }
    }

    /// Runs another command on the same data folder.
    pub fn gitcell(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().expect("run")
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = gitcell(self.folder.path());
        command.args(arguments);
        command
    }

    /// The file of a repository.
    pub fn file(&self, namespace: &str, name: &str) -> PathBuf {
        let folder = self.folder.path().join("data/repositories").join(namespace);
        let files = folder.read_dir().expect("a folder").map(|entry| entry.expect("a file").path());
        let is_it = |path: &PathBuf| {
            let text = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            text.starts_with(&format!("{name}~")) && text.ends_with(".db")
        };
        files.into_iter().find(is_it).expect("a repository")
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).expect("the log")
    }

    pub fn token(&self, arguments: &[&str]) -> String {
        let output = self.gitcell(&[&["token", "create"], arguments].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text").trim().into()
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(&self.address).expect("connect");
        stream.set_read_timeout(Some(Duration::from_secs(20))).expect("a timeout");
        stream
    }

    /// Sends a request and reads the answer. `head`: the request line and headers, a line each.
    pub fn ask(&self, head: &str, body: &[u8]) -> Answer {
        let mut stream = self.connect();
        send(&mut stream, head, body);
        read(&mut stream)
    }

    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(&format!("GET {path}\nAuthorization: Bearer {token}"), b"")
    }

    /// Ends the server by a signal and gives back the folder.
    pub fn stop(mut self) -> (bool, TempDir) {
        self.signal();
        let is_good = self.child.wait().expect("wait").success();
        let folder = std::mem::replace(&mut self.folder, tempfile::tempdir().expect("a folder"));
        (is_good, folder)
    }

    pub fn signal(&self) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(id).status().expect("kill").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn send(stream: &mut TcpStream, head: &str, body: &[u8]) {
    let mut lines = head.lines();
    let mut text =
        format!("{} HTTP/1.1\r\nHost: localhost\r\n", lines.next().expect("a request line"));
    for line in lines {
        text.push_str(&format!("{line}\r\n"));
    }
    if !body.is_empty() {
        text.push_str(&format!("Content-Length: {}\r\n", body.len()));
    }
    stream.write_all(format!("{text}\r\n").as_bytes()).expect("send");
    stream.write_all(body).expect("send");
}

pub fn read(stream: &mut TcpStream) -> Answer {
    let mut from = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        let Ok(1..) = from.read_line(&mut head) else {
            // Cut before the head was out.
            return Answer { status: 0, head, body: Vec::new(), is_whole: false };
        };
    }
    let status = head[9..12].parse().expect("a status");
    let head = head.to_ascii_lowercase();
    let mut body = Vec::new();
    let is_whole = match head.split_once("content-length: ") {
        Some((_, rest)) => {
            let size = rest.lines().next().and_then(|size| size.parse().ok()).expect("a length");
            from.take(size).read_to_end(&mut body).is_ok_and(|read| read as u64 == size)
        }
        None => chunks(&mut from, &mut body),
    };
    Answer { status, head, body, is_whole }
}

fn chunks(from: &mut impl BufRead, body: &mut Vec<u8>) -> bool {
    loop {
        let mut line = String::new();
        let Ok(1..) = from.read_line(&mut line) else {
            return false;
        };
        let size = u64::from_str_radix(line.trim(), 16).expect("a chunk's size");
        let read = from.by_ref().take(size).read_to_end(body).unwrap_or(0) as u64;
        if read < size || from.read_line(&mut line).is_err() {
            return false;
        }
        if size == 0 {
            return true;
        }
    }
}
