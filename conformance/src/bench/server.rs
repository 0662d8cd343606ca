//! A server in a process of its own, so that its CPU time is known apart from its clients'.

use super::cpu::Clock;
use super::nginx;
use crate::http::send;
use crate::target::{Kind, Target};
use anyhow::{Result, ensure};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::time::Duration;

/// How often an object of workerd sends its counts, and some more.
const BATCH: Duration = Duration::from_millis(1200);

/// After how long a host's own upkeep begins, and some more.
const PEACE: Duration = Duration::from_secs(15);

/// What the requests of one operation cost a host, as it counted.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cost {
    /// Calls of the host by the engine; the native host alone counts them.
    pub calls: Option<u64>,
    pub rows_read: u64,
    pub rows_written: u64,
    pub bytes_sent: u64,
    /// The largest linear memory of one request; 0: not counted.
    pub memory: u64,
    /// CPU time of the threads that the engine ran in.
    pub engine: Duration,
}

/// Where a host's counts stood before an operation.
pub enum Mark {
    /// So long was its log.
    Log(u64),
    Counts(Cost),
    Nothing,
}

pub struct Server {
    pub target: Target,
    clock: Clock,
    /// Servers in groups of their own, which no interrupt reaches, live as long as this is open.
    _pipe: Option<ChildStdin>,
}

impl Server {
    pub fn start(kind: Kind, scratch: &Path) -> Result<Server> {
        if kind != Kind::Git {
            let target = Target::start(kind, scratch)?;
            let clock = Clock::of(target.process())?;
            let pipe = match (kind, target.process()) {
                (Kind::Workers, Some(group)) => Some(watch(group)?),
                _ => None,
            };
            return Ok(Server { target, clock, _pipe: pipe });
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

    /// Waits until it does nothing any more, its own upkeep included, which begins `PEACE` after a
    /// push.
    pub fn rest(&self) -> Result<()> {
        std::thread::sleep(PEACE);
        loop {
            let before = self.cpu()?;
            std::thread::sleep(BATCH);
            if self.cpu()?.saturating_sub(before) < BATCH / 20 {
                return Ok(());
            }
        }
    }

    pub fn has_exact_clock(&self) -> bool {
        self.clock.is_exact()
    }

    /// Where its counts stand; to wait for those of workerd takes a second.
    pub fn mark(&self, path: &str, with_wait: bool) -> Result<Mark> {
        Ok(match self.target.kind {
            Kind::Native => Mark::Log(std::fs::metadata(self.log()).map_or(0, |log| log.len())),
            Kind::Workers if with_wait => Mark::Counts(self.counts(path)?),
            _ => Mark::Nothing,
        })
    }

    /// What the requests since then cost.
    pub fn cost(&self, path: &str, mark: Mark) -> Result<Option<Cost>> {
        Ok(match mark {
            Mark::Log(from) => Some(self.logged(from)?),
            Mark::Counts(before) => {
                let after = self.counts(path)?;
                Some(Cost {
                    rows_read: after.rows_read - before.rows_read,
                    rows_written: after.rows_written - before.rows_written,
                    bytes_sent: after.bytes_sent - before.bytes_sent,
                    engine: after.engine.saturating_sub(before.engine),
                    ..Cost::default()
                })
            }
            Mark::Nothing => None,
        })
    }

    fn log(&self) -> PathBuf {
        self.target.folder.join("log")
    }

    /// What the log says of the requests since it ended at `from`.
    fn logged(&self, from: u64) -> Result<Cost> {
        let mut file = std::fs::File::open(self.log())?;
        file.seek(SeekFrom::Start(from))?;
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut cost = Cost { calls: Some(0), ..Cost::default() };
        for line in text.lines() {
            cost.calls = cost.calls.map(|calls| calls + field(line, "calls="));
            cost.rows_read += field(line, "rows_read=");
            cost.rows_written += field(line, "rows_written=");
            cost.bytes_sent += field(line, "bytes=");
            cost.engine += Duration::from_micros(field(line, "cpu_us="));
            cost.memory = cost.memory.max(field(line, "memory="));
        }
        Ok(cost)
    }

    /// What workerd's `/metrics` has of a repository.
    fn counts(&self, path: &str) -> Result<Cost> {
        std::thread::sleep(BATCH);
        let name = path.trim_start_matches('/').trim_end_matches(".git");
        let ask = format!("/metrics?repository={name}");
        let answer = send(self.target.address(), "GET", &ask, &[], b"")?;
        ensure!(answer.status == 200, "{ask}: {}", answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        let value = |name: &str| -> f64 {
            let mut lines = text.lines().filter(|line| line.starts_with(&format!("{name}{{")));
            let line = lines.next().and_then(|line| line.rsplit_once(' '));
            line.and_then(|(_, value)| value.parse().ok()).unwrap_or(0.0)
        };
        Ok(Cost {
            rows_read: value("gitcell_rows_read_total") as u64,
            rows_written: value("gitcell_rows_written_total") as u64,
            bytes_sent: value("gitcell_bytes_out_total") as u64,
            engine: Duration::from_secs_f64(value("gitcell_cpu_seconds_total")),
            ..Cost::default()
        })
    }
}

/// Ends a process group when what is answered is closed, by an interrupt too.
fn watch(group: u32) -> Result<ChildStdin> {
    let mut watcher = Command::new("sh");
    watcher.arg("-c").arg(format!("read word; kill -KILL -- -{group} 2>/dev/null"));
    let mut child = watcher.stdin(Stdio::piped()).process_group(0).spawn()?;
    Ok(child.stdin.take().expect("it is piped"))
}

fn field(line: &str, name: &str) -> u64 {
    let mut words = line.split(' ').filter_map(|word| word.strip_prefix(name));
    words.next().and_then(|number| number.parse().ok()).unwrap_or(0)
}
