//! What needs no history: how soon a server that was just started answers, what a request costs
//! that does next to nothing, and whether many clones at once wait for each other.

use super::measure::by_hand;
use super::report::median;
use super::server::Server;
use super::shapes::Shape;
use crate::git::{git, run, run_with, text};
use crate::http::{Head, copy_body};
use crate::target::start_server;
use anyhow::{Context, Result, ensure};
use std::io::{BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::Child;
use std::time::{Duration, Instant};

const STARTS: usize = 5;
const WARM: usize = 30;
const ASKS: usize = 200;
const CLIENTS: usize = 8;
const CROWDS: usize = 5;
const LOOK: Duration = Duration::from_micros(500);

/// Seconds, but for `together`.
pub struct Starts {
    /// From the start of the native server, the module compiled by an earlier one, to the end of
    /// its first answer.
    pub first_answer: f64,
    pub native: Small,
    pub workers: Option<Small>,
    /// The most threads of the native server that were seen running, or ready to, while so many
    /// clients cloned one repository. Two of them may be the network's.
    pub together: usize,
}

/// An `ls-refs` of a repository with one branch, over a connection that is open: medians.
pub struct Small {
    pub wall: f64,
    /// Of the server's processes.
    pub cpu: f64,
    /// Of the thread that the instance ran in, its start included.
    pub engine: f64,
}

/// A server that ends with this.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `shape`: what is cloned by many.
pub fn measure(native: &Server, workers: Option<&Server>, shape: &Shape) -> Result<Starts> {
    let folder = native.target.folder.join("starts");
    let one = one_commit(&folder.join("one"))?;
    Ok(Starts {
        first_answer: first_answer(&folder, &one)?,
        native: small(native, &one)?,
        workers: workers.map(|server| small(server, &one)).transpose()?,
        together: together(native, shape)?,
    })
}

/// A repository of one small commit: its folder as text.
fn one_commit(folder: &Path) -> Result<String> {
    std::fs::create_dir_all(folder)?;
    run(git(folder, &["init", "--quiet", "--bare", "-b", "main"]))?;
    let stream = "commit refs/heads/main\ncommitter Ada <ada@example.org> 1700000000 +0000\n\
                  data 4\none\nM 100644 inline file\ndata 4\none\n";
    run_with(git(folder, &["fast-import", "--quiet"]), stream.as_bytes())?;
    Ok(folder.to_str().context("UTF-8")?.to_string())
}

fn first_answer(folder: &Path, one: &str) -> Result<f64> {
    let words = ["--open", "--listen", "127.0.0.1:0"];
    let path = "/all/one.git";
    let mut times = Vec::new();
    // The first one compiles the module.
    for at in 0..=STARTS {
        let begun = Instant::now();
        let (address, child) = start_server(folder, &words)?;
        let _running = Running(child);
        if at == 0 {
            let url = format!("http://{address}{path}");
            run(git(Path::new(one), &["push", "--quiet", &url, "main"]))?;
        } else {
            ls_refs(&mut connect(address)?, address, path)?;
            times.push(begun.elapsed().as_secs_f64());
        }
    }
    median(times).context("starts")
}

fn small(server: &Server, one: &str) -> Result<Small> {
    let path = server.target.create("one", "refs/heads/main")?;
    run(git(Path::new(one), &["push", "--quiet", &server.target.url(&path), "main"]))?;
    let address = server.target.address();
    let mut stream = connect(address)?;
    for _ in 0..WARM {
        ls_refs(&mut stream, address, &path)?;
    }
    let (mark, cpu) = (server.mark(&path, true)?, server.cpu()?);
    let asks = (0..ASKS).map(|_| Ok(ls_refs(&mut stream, address, &path)?.as_secs_f64()));
    let wall = median(asks.collect::<Result<_>>()?).context("requests")?;
    std::thread::sleep(Duration::from_millis(60));
    let cpu = server.cpu()?.saturating_sub(cpu);
    let engine = server.cost(&path, mark)?.map_or(Duration::ZERO, |cost| cost.engine);
    let each = |time: Duration| time.as_secs_f64() / ASKS as f64;
    Ok(Small { wall, cpu: each(cpu), engine: each(engine) })
}

fn connect(address: SocketAddr) -> Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    Ok(BufReader::new(stream))
}

/// One request over an open connection: how long it took.
fn ls_refs(stream: &mut BufReader<TcpStream>, address: SocketAddr, path: &str) -> Result<Duration> {
    let body = "0014command=ls-refs\n0017object-format=sha1\n00010009peel\n000csymrefs\n0000";
    let ask = format!(
        "POST {path}/git-upload-pack HTTP/1.1\r\nHost: {address}\r\nGit-Protocol: version=2\r\n\
         Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let begun = Instant::now();
    stream.get_mut().write_all(ask.as_bytes())?;
    let head = Head::read(stream)?.context("no answer")?;
    let mut answer = Vec::new();
    copy_body(&head, stream, false, &mut answer)?;
    let took = begun.elapsed();
    let text = String::from_utf8_lossy(&answer);
    ensure!(text.contains("refs/heads/main"), "{:?}: {text}", head.first);
    Ok(took)
}

fn together(server: &Server, shape: &Shape) -> Result<usize> {
    let path = server.target.create("crowd", "refs/heads/main")?;
    run(git(&shape.folder, &["push", "--quiet", &server.target.url(&path), "main"]))?;
    let want = [text(&shape.folder, &["rev-parse", "main"])?];
    let process = server.target.process().context("a process")?;
    let mut most = 0;
    for _ in 0..CROWDS {
        std::thread::scope(|scope| {
            let ask = || by_hand(server, &path, &want);
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
            while clients.iter().any(|client| !client.is_finished()) {
                most = most.max(running(process));
                std::thread::sleep(LOOK);
            }
            let mut ends = clients.into_iter().map(|client| client.join());
            ends.try_for_each(|end| end.expect("no thread panicked").map(drop))
        })?;
    }
    Ok(most)
}

/// How many threads of a process run, or wait for nothing but a core.
fn running(process: u32) -> usize {
    let threads = std::fs::read_dir(format!("/proc/{process}/task"));
    let is_running = |thread: &std::fs::DirEntry| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('R'))
    };
    threads.into_iter().flatten().flatten().filter(is_running).count()
}
