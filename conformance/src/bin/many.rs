//! `many [COUNT]...`: so many repositories on one native server (10, 100, 1,000 and 10,000). Each
//! is made by a push and then listed twice, one after another, by a server that was started afresh.
//! Prints what the server holds and how soon it answers; fails if an answer is wrong.

use anyhow::{Context, Result, ensure};
use conformance::git::{git, run, text};
use conformance::http::send;
use conformance::target::start_server;
use conformance::target_folder;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const MAKERS: usize = 4;
/// Repositories that are listed between two looks at the server.
const LOOK: usize = 50;
/// Idle connections are closed after ten seconds, at the next sweep.
const PEACE: Duration = Duration::from_secs(25);

/// A server, ended in peace when this goes.
struct Server {
    address: SocketAddr,
    child: Child,
}

impl Server {
    fn start(folder: &Path) -> Result<Server> {
        let (address, child) = start_server(folder, &["--open", "--listen", "127.0.0.1:0"])?;
        Ok(Server { address, child })
    }

    /// Resident memory in MiB, and open files.
    fn held(&self) -> Result<(u64, usize)> {
        let own = format!("/proc/{}", self.child.id());
        let status = std::fs::read_to_string(format!("{own}/status"))?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).context("VmRSS")?;
        let kib: u64 = line.split_whitespace().nth(1).context("a number")?.parse()?;
        Ok((kib / 1024, std::fs::read_dir(format!("{own}/fd"))?.count()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
    }
}

fn path(number: usize) -> String {
    format!("/many/repository-{number}.git")
}

/// The body of a push of one commit, and its id.
fn first_push(folder: &Path) -> Result<(Vec<u8>, String)> {
    std::fs::create_dir_all(folder)?;
    run(git(folder, &["init", "--quiet"]))?;
    std::fs::write(folder.join("file"), "one of many\n")?;
    run(git(folder, &["add", "file"]))?;
    run(git(folder, &["commit", "--quiet", "-m", "first"]))?;
    let oid = text(folder, &["rev-parse", "HEAD"])?;
    std::fs::write(folder.join("tips"), format!("{oid}\n"))?;
    let mut pack = git(folder, &["pack-objects", "--revs", "--stdout", "--quiet"]);
    pack.stdin(Stdio::from(std::fs::File::open(folder.join("tips"))?));
    let command = format!("{} {oid} refs/heads/main\0report-status", "0".repeat(40));
    let mut body = format!("{:04x}{command}0000", command.len() + 4).into_bytes();
    body.extend(run(pack)?);
    Ok((body, oid))
}

/// Makes the repositories of these numbers, each by a first push.
fn make(address: SocketAddr, from: usize, to: usize, body: &[u8]) -> Result<()> {
    let kind = "application/x-git-receive-pack-request";
    let headers = [("Content-Type".to_string(), kind.to_string())];
    let part = |first: usize| -> Result<()> {
        for number in (first..to).step_by(MAKERS) {
            let path = format!("{}/git-receive-pack", path(number));
            let answer = send(address, "POST", &path, &headers, body)?;
            let text = String::from_utf8_lossy(&answer.body);
            ensure!(text.contains("ok refs/heads/main"), "{path}: {} {text}", answer.status);
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let makers: Vec<_> =
            (0..MAKERS).map(|maker| scope.spawn(move || part(from + maker))).collect();
        makers.into_iter().try_for_each(|maker| maker.join().expect("no thread panicked"))
    })
}

/// Lists a repository's refs: the time from the connection to the first byte of the answer.
fn list(address: SocketAddr, number: usize, oid: &str) -> Result<Duration> {
    let begin = Instant::now();
    let mut stream = TcpStream::connect(address)?;
    let ask = format!(
        "GET {}/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: {address}\r\n\
         Connection: close\r\n\r\n",
        path(number)
    );
    stream.write_all(ask.as_bytes())?;
    let mut answer = vec![0];
    stream.read_exact(&mut answer)?;
    let time = begin.elapsed();
    stream.read_to_end(&mut answer)?;
    let text = String::from_utf8_lossy(&answer);
    ensure!(text.contains(&format!("{oid} refs/heads/main")), "repository {number}: {text}");
    Ok(time)
}

/// What listing all of them showed: times, and the most that the server held.
fn list_all(server: &Server, count: usize, oid: &str) -> Result<(Vec<Duration>, u64, usize)> {
    let (mut times, mut memory, mut files) = (Vec::new(), 0, 0);
    for number in 0..count {
        times.push(list(server.address, number, oid)?);
        if number % LOOK == LOOK - 1 || number + 1 == count {
            let (own, open) = server.held()?;
            (memory, files) = (memory.max(own), files.max(open));
        }
    }
    times.sort();
    Ok((times, memory, files))
}

fn shown(times: &[Duration]) -> String {
    let at = |part: usize| times[(times.len() - 1) * part / 100].as_secs_f64() * 1000.0;
    format!("{:.1} / {:.1}", at(50), at(99))
}

fn measure(folder: &Path, count: usize, oid: &str) -> Result<()> {
    let server = Server::start(folder)?;
    let (idle, _) = server.held()?;
    let (first, memory, files) = list_all(&server, count, oid)?;
    let (again, memory_again, files_again) = list_all(&server, count, oid)?;
    std::thread::sleep(PEACE);
    let (left, open) = server.held()?;
    let (memory, files) = (memory.max(memory_again), files.max(files_again));
    println!(
        "| {count} | {} | {} | {idle} / {memory} / {left} | {files} / {open} |",
        shown(&first),
        shown(&again)
    );
    Ok(())
}

fn main() -> Result<()> {
    let counts = std::env::args().skip(1).map(|word| word.parse().context("a count"));
    let mut counts = counts.collect::<Result<Vec<usize>>>()?;
    if counts.is_empty() {
        counts = vec![10, 100, 1_000, 10_000];
    }
    let scratch = target_folder().join(format!("conformance/many-{}", std::process::id()));
    let (body, oid) = first_push(&scratch.join("work"))?;
    println!(
        "| repositories | first byte, p50 / p99, ms | again | memory at start, at most, \
         in peace, MiB | open files at most, in peace |\n|---|---|---|---|---|"
    );
    let mut made = 0;
    for count in counts {
        let server = Server::start(&scratch)?;
        let begin = Instant::now();
        make(server.address, made, count, &body)?;
        eprintln!("{} made in {:.1} s", count - made, begin.elapsed().as_secs_f32());
        made = count;
        drop(server);
        measure(&scratch, count, &oid)?;
    }
    std::fs::remove_dir_all(&scratch)?;
    Ok(())
}
