//! Damage on the disk: a bit changes under a server in peace, and its scrub says where.

use super::Trip;
use crate::git::{git, run};
use crate::target::{Kind, binary, start_server};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// Connections are closed after ten idle seconds, and the scrub looks every five.
const PATIENCE: Duration = Duration::from_secs(60);
const CONTENT: &str = "what a bad disk does to this is not to stay unnoticed\n";

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn scrub(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind != Kind::Native {
        return Ok(None);
    }
    let words = ["--open", "--listen", "127.0.0.1:0", "--scrub-every", "1"];
    let (address, child) = start_server(trip.folder, &words[..3])?;
    let ended = Ended(child);
    trip.start("work", &format!("http://{address}/me/hurt.git"))?;
    trip.write("work", "file", CONTENT)?;
    trip.save("work", "second")?;
    for name in ["hurt", "whole"] {
        let url = format!("http://{address}/me/{name}.git");
        let words = ["-c", "pack.compression=0", "push", "--quiet", &url, "main"];
        run(git(&trip.path("work"), &words))?;
    }
    let file = file(trip, "hurt")?;
    drop(ended);
    let (_, child) = start_server(trip.folder, &words)?;
    let ended = Ended(child);
    wait_for("all are read", || said(trip, &["me/hurt", "me/whole"], "scrubbed"))?;
    drop(ended);
    change_a_bit(&file)?;
    let (_, child) = start_server(trip.folder, &words)?;
    let _ended = Ended(child);
    wait_for("the damage is told", || said(trip, &["me/hurt"], "scrub: damaged row p/"))?;
    let log = std::fs::read_to_string(trip.path("log"))?;
    let told: Vec<&str> = log.lines().filter(|line| line.contains("ERROR")).collect();
    ensure!(told.iter().all(|line| line.contains("me/hurt")), "{told:#?}");
    let mut fsck = Command::new(binary()?);
    let fsck =
        fsck.current_dir(trip.folder).args(["fsck", "me/hurt", "--data", "data"]).output()?;
    let found = String::from_utf8_lossy(&fsck.stdout);
    ensure!(!fsck.status.success(), "{found}");
    ensure!(found.contains("damage behind refs/heads/main"), "{found}");
    Ok(None)
}

/// The log has such a line of each of these repositories.
fn said(trip: &Trip<'_>, names: &[&str], what: &str) -> Result<bool> {
    let log = std::fs::read_to_string(trip.path("log"))?;
    let has = |name: &&str| log.lines().any(|line| line.contains(*name) && line.contains(what));
    Ok(names.iter().all(has))
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !is_so()? {
        ensure!(begin.elapsed() < PATIENCE, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// The database of a repository, once nobody has it open and all is in it.
fn file(trip: &Trip<'_>, name: &str) -> Result<PathBuf> {
    let folder = trip.path("data/repositories/me");
    let mut found = None;
    wait_for("the database is closed", || {
        let paths = std::fs::read_dir(&folder)?.map(|entry| Ok(entry?.path()));
        let mut paths = paths.collect::<Result<Vec<PathBuf>>>()?;
        let is_it = |path: &Path| {
            let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            file.starts_with(name) && !file.ends_with("-upkeep")
        };
        paths.retain(|path| is_it(path));
        found = paths.first().cloned();
        Ok(paths.len() == 1)
    })?;
    found.context("it has a file")
}

fn change_a_bit(file: &Path) -> Result<()> {
    use std::os::unix::fs::FileExt;
    let bytes = std::fs::read(file)?;
    let at = bytes.windows(CONTENT.len()).position(|window| window == CONTENT.as_bytes());
    let at = at.context("the content lies in the database as it is")?;
    let changed = [bytes[at] ^ 1];
    std::fs::OpenOptions::new().write(true).open(file)?.write_all_at(&changed, at as u64)?;
    Ok(())
}
