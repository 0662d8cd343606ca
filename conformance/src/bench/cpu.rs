//! CPU time of a server's processes: by a control group, exact, where one can be made (as root);
//! else from `/proc`, whose clock has steps of 10 ms. Knows no server.

use anyhow::{Context, Result};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Units of `/proc/PID/stat`: Linux shows hundredths of a second everywhere.
const TICK: Duration = Duration::from_millis(10);
/// The fields of `stat` behind the name: the parent's id, and the times of the process and of its
/// children that ended.
const PARENT: usize = 1;
const TIMES: std::ops::Range<usize> = 11..15;
/// Where groups are: of version 2, then of version 1.
const ROOTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/cpuacct"];

/// The clock of one process and all that descend from it.
pub enum Clock {
    Group(PathBuf),
    Family(u32),
    /// Of no process.
    Nothing,
}

impl Clock {
    pub fn of(process: Option<u32>) -> Result<Clock> {
        let Some(root) = process else { return Ok(Clock::Nothing) };
        for place in ROOTS.map(Path::new) {
            let group = place.join(format!("gitcell-bench-{root}"));
            let is_kind = ["cgroup.controllers", "cpuacct.usage"];
            if !is_kind.iter().any(|file| place.join(file).exists())
                || std::fs::create_dir(&group).is_err()
            {
                continue;
            }
            let add = |id: &u32| std::fs::write(group.join("cgroup.procs"), id.to_string());
            if family(root)?.0.iter().all(|id| add(id).is_ok()) && used(&group).is_some() {
                return Ok(Clock::Group(group));
            }
        }
        Ok(Clock::Family(root))
    }

    pub fn is_exact(&self) -> bool {
        matches!(self, Clock::Group(_))
    }

    /// The time so far, with that of processes that ended.
    pub fn read(&self) -> Result<Duration> {
        match self {
            Clock::Group(group) => used(group).context("the control group is gone"),
            Clock::Family(root) => Ok(TICK * family(*root)?.1),
            Clock::Nothing => Ok(Duration::ZERO),
        }
    }
}

impl Drop for Clock {
    /// The processes have ended by then, or the group stays.
    fn drop(&mut self) {
        if let Clock::Group(group) = self {
            let _ = std::fs::remove_dir(group);
        }
    }
}

/// A control group's time, of version 2 or 1.
fn used(group: &Path) -> Option<Duration> {
    if let Ok(text) = std::fs::read_to_string(group.join("cpuacct.usage")) {
        return text.trim().parse().ok().map(Duration::from_nanos);
    }
    let text = std::fs::read_to_string(group.join("cpu.stat")).ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("usage_usec "));
    lines.next()?.parse().ok().map(Duration::from_micros)
}

/// A process with its descendants, and their time in ticks.
fn family(root: u32) -> Result<(Vec<u32>, u32)> {
    let all = processes()?;
    let mut family = vec![root];
    let mut at = 0;
    let mut ticks = 0;
    while let Some(id) = family.get(at).copied() {
        ticks += all.get(&id).map_or(0, |(_, ticks)| *ticks);
        family.extend(all.iter().filter(|(_, (parent, _))| *parent == id).map(|(id, _)| *id));
        at += 1;
    }
    Ok((family, ticks))
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
