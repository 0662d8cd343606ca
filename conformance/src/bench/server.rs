//! A server in a process of its own, so that its CPU time is known apart from its clients'.

use crate::cgi;
use crate::target::{Kind, Target};
use anyhow::{Context, Result};
use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// The word that makes the bench program serve as git's side.
pub const SERVE: &str = "serve-git";
/// Units of `/proc/PID/stat`: Linux shows hundredths of a second everywhere.
const TICK: Duration = Duration::from_millis(10);
/// The fields of `stat` behind the name: the parent's id, and the times of the process and of its
/// children that ended.
const PARENT: usize = 1;
const TIMES: std::ops::Range<usize> = 11..15;

/// What the requests of one operation cost the native host, of its own log.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    pub calls: u64,
    pub rows_read: u64,
    pub rows_written: u64,
    pub bytes_sent: u64,
    /// The largest linear memory of one request.
    pub memory: u64,
    /// CPU time of the threads that the engine ran in.
    pub engine: Duration,
}

pub struct Server {
    pub target: Target,
}

impl Server {
    pub fn start(kind: Kind, scratch: &Path) -> Result<Server> {
        let target = match kind {
            Kind::Git => start_git(scratch)?,
            _ => Target::start(kind, scratch)?,
        };
        Ok(Server { target })
    }

    /// CPU time of the server's processes so far, those that ended included.
    pub fn cpu(&self) -> Result<Duration> {
        let Some(root) = self.target.process() else {
            return Ok(Duration::ZERO);
        };
        let all = processes()?;
        let mut family = vec![root];
        let mut at = 0;
        let mut ticks = 0;
        while let Some(id) = family.get(at).copied() {
            ticks += all.get(&id).map_or(0, |(_, ticks)| *ticks);
            family.extend(all.iter().filter(|(_, (parent, _))| *parent == id).map(|(id, _)| *id));
            at += 1;
        }
        Ok(TICK * ticks)
    }

    /// Where the native host's log ends.
    pub fn log_end(&self) -> u64 {
        std::fs::metadata(self.target.folder.join("log")).map_or(0, |log| log.len())
    }

    /// What the log says of the requests since it ended at `from`; nothing of other servers.
    pub fn cost(&self, from: u64) -> Result<Option<Cost>> {
        if self.target.kind != Kind::Native {
            return Ok(None);
        }
        let mut file = std::fs::File::open(self.target.folder.join("log"))?;
        file.seek(SeekFrom::Start(from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut cost = Cost::default();
        for line in text.lines() {
            cost.calls += field(line, "calls=");
            cost.rows_read += field(line, "rows_read=");
            cost.rows_written += field(line, "rows_written=");
            cost.bytes_sent += field(line, "bytes=");
            cost.engine += Duration::from_micros(field(line, "cpu_us="));
            cost.memory = cost.memory.max(field(line, "memory="));
        }
        Ok(Some(cost))
    }
}

fn field(line: &str, name: &str) -> u64 {
    let mut words = line.split(' ').filter_map(|word| word.strip_prefix(name));
    words.next().and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// All processes: whose child each is, and its time in ticks.
fn processes() -> Result<HashMap<u32, (u32, u32)>> {
    let mut all = HashMap::new();
    for entry in std::fs::read_dir("/proc").context("CPU times are read from /proc")? {
        let name = entry?.file_name();
        let Some(id) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else {
            continue;
        };
        // It may have ended meanwhile.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{id}/stat")) else {
            continue;
        };
        let rest = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        let fields: Vec<&str> = rest.split_whitespace().collect();
        let number =
            |at: usize| fields.get(at).and_then(|field| field.parse::<u32>().ok()).unwrap_or(0);
        all.insert(id, (number(PARENT), TIMES.map(number).sum()));
    }
    Ok(all)
}

/// This program again, as `git http-backend` behind the server of `cgi`.
fn start_git(scratch: &Path) -> Result<Target> {
    let folder = scratch.join("git");
    std::fs::create_dir_all(folder.join("all"))?;
    crate::git::write_settings(&folder.join("gitconfig"))?;
    let mut command = Command::new(std::env::current_exe()?);
    command.arg(SERVE).arg(&folder).stdin(Stdio::null()).stdout(Stdio::piped());
    let mut child = command.spawn().context("this program as git's server")?;
    let mut line = String::new();
    BufReader::new(child.stdout.take().expect("it is piped")).read_line(&mut line)?;
    let address = line.trim().parse().context("git's server printed no address")?;
    Ok(Target::around(Kind::Git, folder, address, child))
}

/// What that program does: serves until it is ended.
pub fn serve(folder: &str) -> Result<()> {
    println!("{}", cgi::serve(Path::new(folder))?);
    loop {
        std::thread::park();
    }
}
