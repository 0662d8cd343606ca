//! A server in a process of its own, so that its CPU time is known apart from its clients'.

use super::cpu::Clock;
use super::nginx;
use crate::target::{Kind, Target};
use anyhow::Result;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;
use std::process::ChildStdin;
use std::time::Duration;

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
    clock: Clock,
    /// Git's side lives as long as this is open.
    _pipe: Option<ChildStdin>,
}

impl Server {
    pub fn start(kind: Kind, scratch: &Path) -> Result<Server> {
        if kind != Kind::Git {
            let target = Target::start(kind, scratch)?;
            let clock = Clock::of(target.process())?;
            return Ok(Server { target, clock, _pipe: None });
        }
        let folder = scratch.join("git");
        let mut child = nginx::start(&folder)?;
        // All that it starts is to be counted.
        let clock = Clock::of(Some(child.id()))?;
        let (address, pipe) = nginx::begin(&mut child)?;
        let target = Target::around(Kind::Git, folder, address, child);
        Ok(Server { target, clock, _pipe: Some(pipe) })
    }

    /// CPU time of the server's processes so far, those that ended included.
    pub fn cpu(&self) -> Result<Duration> {
        self.clock.read()
    }

    pub fn has_exact_clock(&self) -> bool {
        self.clock.is_exact()
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
