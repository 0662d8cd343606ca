//! What an operation took: run by stock git, or, for a first byte, by hand.

use super::server::{Cost, Server};
use crate::git::start;
use anyhow::{Context, Result, ensure};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long a host may take to write the last line of its log.
const SETTLE: Duration = Duration::from_millis(60);

/// What is timed. Its figures are divided by how many it does.
pub enum Job {
    OneByOne(Vec<Command>),
    /// One after another; the figures are of all together.
    InRow(Vec<Command>),
    /// All at once; the figures are of all together.
    AtOnce(Vec<Command>),
    /// A clone's request by hand, up to the first byte of its pack: the path and the wanted ids.
    FirstByte(String, Vec<String>),
}

/// One side's figures of one round.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sample {
    pub wall: f64,
    pub cpu: f64,
    pub cost: Option<Cost>,
}

/// `with_cost`: also what the host counted, where that takes a wait.
pub fn measure(server: &Server, path: &str, job: Job, with_cost: bool) -> Result<Sample> {
    let (mark, cpu) = (server.mark(path, with_cost)?, server.cpu()?);
    let begun = Instant::now();
    let (count, wall) = match job {
        Job::OneByOne(commands) => (commands.len(), in_row(commands)?),
        Job::InRow(commands) => (1, in_row(commands)?),
        Job::AtOnce(mut commands) => {
            let children = commands.iter_mut().map(start).collect::<Result<Vec<_>>>()?;
            for mut child in children {
                ensure!(child.wait()?.success(), "one of many commands failed");
            }
            (1, begun.elapsed())
        }
        Job::FirstByte(path, wants) => (1, by_hand(server, &path, &wants)?),
    };
    std::thread::sleep(SETTLE);
    let cpu = server.cpu()?.saturating_sub(cpu);
    let cost = server.cost(path, mark)?.map(|cost| divide(cost, count as u64));
    let share = |time: Duration| time.as_secs_f64() / count as f64;
    Ok(Sample { wall: share(wall), cpu: share(cpu), cost })
}

fn in_row(commands: Vec<Command>) -> Result<Duration> {
    let begun = Instant::now();
    for mut command in commands {
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        let output = command.spawn()?.wait_with_output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{}: {said}", output.status);
    }
    Ok(begun.elapsed())
}

fn divide(cost: Cost, count: u64) -> Cost {
    Cost {
        calls: cost.calls.map(|calls| calls / count),
        rows_read: cost.rows_read / count,
        rows_written: cost.rows_written / count,
        bytes_sent: cost.bytes_sent / count,
        memory: cost.memory,
        engine: cost.engine / count as u32,
    }
}

/// A clone by hand, read to its end: from the request to the first byte of the pack.
pub fn by_hand(server: &Server, path: &str, wants: &[String]) -> Result<Duration> {
    let wants: String = wants.iter().map(|want| format!("0032want {want}\n")).collect();
    let body = format!(
        "0011command=fetch0016object-format=sha10001000fno-progress000dofs-delta\
         {wants}0009done\n0000"
    );
    let head = format!(
        "POST {path}/git-upload-pack HTTP/1.1\r\nHost: {}\r\nGit-Protocol: version=2\r\n\
         Content-Type: application/x-git-upload-pack-request\r\nContent-Length: {}\r\n\
         Connection: close\r\n\r\n",
        server.target.address(),
        body.len()
    );
    let mut stream = TcpStream::connect(server.target.address())?;
    stream.set_nodelay(true)?;
    let begun = Instant::now();
    stream.write_all((head + &body).as_bytes())?;
    let (mut seen, mut first) = (Vec::new(), None);
    let mut bytes = vec![0; 64 << 10];
    loop {
        let size = stream.read(&mut bytes)?;
        if size == 0 {
            break;
        }
        if first.is_none() {
            seen.extend_from_slice(&bytes[..size]);
            if seen.windows(4).any(|window| window == b"PACK") {
                first = Some(begun.elapsed());
            }
        }
    }
    let text = || String::from_utf8_lossy(&seen[..seen.len().min(300)]).into_owned();
    first.with_context(|| format!("no pack came: {}", text()))
}
