//! The smallest HTTP server that real git can talk to: the engine on a host in memory.

use crate::client::{request, run};
use engine::memory::Memory;
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

pub type Shared = Arc<Mutex<Memory>>;

/// Serves one repository on a port of its own, for as long as the process lives.
pub fn serve(host: Shared) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}/r.git", listener.local_addr().expect("an address"));
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let host = host.clone();
            std::thread::spawn(move || answer(stream, &host));
        }
    });
    url
}

fn answer(mut stream: TcpStream, host: &Shared) {
    let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).unwrap_or(0) == 0 {
            return;
        }
        let mut words = line.split_whitespace().map(str::to_owned);
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a header");
            let Some((name, value)) = line.trim().split_once(": ") else { break };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let mut body = read_body(&mut reader, &headers);
        if headers.get("content-encoding").is_some_and(|how| how == "gzip") {
            let raw = &body[10..body.len() - 8];
            body = miniz_oxide::inflate::decompress_to_vec(raw).expect("deflated");
        }
        let list: Vec<(&str, &str)> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let path = path.strip_prefix("/r.git").unwrap_or(&path);
        let pieces: Vec<&[u8]> = body.chunks(5000).collect();
        let output = {
            let mut host = host.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            run(&mut host, request(&method, path, &list), &pieces)
        };
        let end = output.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&output[..end]).replace("Status:", "HTTP/1.1");
        let size = output.len() - end - 4;
        let head = format!("{head}\r\nContent-Length: {size}\r\n\r\n");
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&output[end + 4..])).ok();
    }
}

fn read_body(reader: &mut impl BufRead, headers: &HashMap<String, String>) -> Vec<u8> {
    let mut body = Vec::new();
    if let Some(size) = headers.get("content-length") {
        body.resize(size.parse().expect("a number"), 0);
        reader.read_exact(&mut body).expect("a body");
    } else if headers.contains_key("transfer-encoding") {
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).expect("a size");
            let size = usize::from_str_radix(line.trim(), 16).expect("hex");
            let mut chunk = vec![0; size + 2];
            reader.read_exact(&mut chunk).expect("a chunk");
            if size == 0 {
                break;
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
    body
}
