//! A data folder at work: the engine, the repositories by name, and their open connections. What
//! creates and changes repositories does so by the engine's own routes. Knows no HTTP server.

use crate::engine::{ADMIN, Engine, READ, Request, WRITE, module};
use crate::fault::{self, Fault};
use crate::head::Head;
use crate::heap;
use crate::names::Name;
use crate::run::{Empty, Sink, run};
use crate::storage::Rows;
use crate::upkeep::Changed;
use crate::{registry, tokens};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use rusqlite::Connection;
use rustix::process::{Resource, getrlimit};
use std::collections::HashMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Instances beside those of requests: two of the upkeep's, and the scrub's.
const OWN: u32 = 3;
/// Idle connections that one repository keeps, and all together.
const IDLE_MAX: usize = 8;
const IDLE_ALL: usize = 512;
/// Files that a connection holds open: database, log and the log's index.
const FILES: u64 = 3;
/// What the name of the file ends with that who maintains a repository has locked.
const UPKEEP: &str = "-upkeep";
/// The same of who imports into it.
const IMPORT: &str = "-import";
/// How long a connection stays open without a request.
const IDLE_AGE: Duration = Duration::from_secs(10);

/// What one request may use.
#[derive(Clone, Copy)]
pub struct Limits {
    /// Requests at once.
    pub capacity: u32,
    pub cpu_max: Duration,
    /// Bytes of packs in one repository; 0: no limit.
    pub size_max: u64,
    /// Bytes of disk that pushes leave free.
    pub reserve: u64,
    /// How long a client may send nothing, or take nothing.
    pub stall: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        let (cpu_max, stall) = (Duration::from_secs(3600), Duration::from_secs(120));
        Limits { capacity: 4, cpu_max, size_max: 0, reserve: 0, stall }
    }
}

pub struct Cell {
    pub engine: Engine,
    pub limits: Limits,
    data: PathBuf,
    registry: Mutex<Connection>,
    /// The same to whom only reads: who writes may have to wait for another process, or the disk.
    names: Mutex<Connection>,
    open: Mutex<Open>,
    /// Idle connections that are kept, of all repositories.
    idle_max: usize,
    /// Repositories that wait for upkeep.
    pub changed: Changed,
}

/// Repositories with connections.
#[derive(Default)]
struct Open {
    pools: HashMap<String, Pool>,
    idle: usize,
    /// A request ended since the last sweep.
    was_used: bool,
}

/// The connections of one repository that no request uses.
#[derive(Default)]
struct Pool {
    writers: Arc<Mutex<()>>,
    idle: Vec<(Rows, Instant)>,
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |age| age.as_secs())
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Idle connections take no more than a third of the files that the process may open: the others
/// are for clients and for requests that run.
fn idle_max(files: Option<u64>) -> usize {
    files.map_or(IDLE_ALL, |files| IDLE_ALL.min((files / (3 * FILES)) as usize))
}

impl Cell {
    /// Opens the data folder and loads the engine (the one built in, if no path is given).
    pub fn open(data: &Path, engine: Option<&Path>, limits: Limits) -> Result<Cell> {
        let (registry, names) = (registry::open(data)?, registry::open(data)?.into());
        let wasm = module::bytes(engine)?;
        let engine = Engine::load(&wasm, &data.join("cache"), limits.capacity + OWN)?;
        let (open, changed, registry) = (Mutex::default(), Changed::default(), registry.into());
        let idle_max = idle_max(getrlimit(Resource::Nofile).current);
        Ok(Cell { engine, limits, data: data.into(), registry, names, open, idle_max, changed })
    }

    /// The data folder's own database, for reading alone.
    pub fn names(&self) -> MutexGuard<'_, Connection> {
        lock(&self.names)
    }

    /// The data folder's own database.
    pub fn registry(&self) -> MutexGuard<'_, Connection> {
        lock(&self.registry)
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// The file of a repository.
    pub fn find(&self, name: &Name) -> Result<Option<String>> {
        registry::find(&self.names(), name)
    }

    /// Creates a repository. It becomes known once its engine has made it; of two at once, one
    /// wins.
    pub fn create(&self, name: &Name, format: &str, branch: &str) -> Result<String> {
        self.make(name, format, branch, false)
    }

    /// The same for an import, which says when it is whole.
    pub fn create_for_import(&self, name: &Name, format: &str, branch: &str) -> Result<String> {
        self.make(name, format, branch, true)
    }

    fn make(&self, name: &Name, format: &str, branch: &str, importing: bool) -> Result<String> {
        registry::check_free(&self.registry(), name)?;
        // Never a path that was used before: who still has an old file open harms no new one.
        let file = format!("{}/{}~{}.db", name.namespace, name.name, tokens::random::<6>()?);
        let path = self.path(&file);
        let folder = path.parent().context("a file has a folder")?;
        std::fs::create_dir_all(folder)?;
        let make = || {
            Rows::create(&path)?;
            // The rows are durable from here on, by themselves; so must be the way to them.
            for folder in folder.ancestors().take(3) {
                std::fs::File::open(folder)?.sync_all()?;
            }
            let (format, branch) = (encode(format), encode(branch));
            let query = format!("object-format={format}&default-branch={branch}");
            self.ask(&file, "POST", "/-/create", &query)?;
            registry::insert(&mut self.registry(), name, &file, now(), importing)
        };
        if let Err(error) = make() {
            self.erase(&file);
            return Err(error.context(format!("cannot create {name}")));
        }
        Ok(file)
    }

    /// Deletes a repository; requests that are running in it end as if it were still there.
    pub fn delete(&self, name: &Name) -> Result<()> {
        let file = registry::remove(&self.registry(), name)?;
        self.erase(&file.with_context(|| format!("there is no repository {name}"))?);
        Ok(())
    }

    fn erase(&self, file: &str) {
        let mut open = lock(&self.open);
        let pool = open.pools.remove(file);
        open.idle -= pool.map_or(0, |pool| pool.idle.len());
        drop(open);
        let path = self.path(file);
        for end in ["", "-wal", "-shm", UPKEEP, IMPORT] {
            let name = beside(&path, end);
            match std::fs::remove_file(&name) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    tracing::warn!("cannot remove {}: {error}", name.display());
                }
                _ => {}
            }
        }
    }

    /// The file that who maintains a repository has locked.
    pub fn turn(&self, file: &str) -> PathBuf {
        beside(&self.path(file), UPKEEP)
    }

    /// The file that who imports into a repository has locked.
    pub fn import_turn(&self, file: &str) -> PathBuf {
        beside(&self.path(file), IMPORT)
    }

    /// Whether the file of a repository was not deleted.
    pub fn is_there(&self, file: &str) -> bool {
        self.path(file).exists()
    }

    fn path(&self, file: &str) -> PathBuf {
        self.data.join("repositories").join(file)
    }

    /// A connection to a repository's rows.
    pub fn rows(&self, file: &str) -> Result<Rows> {
        let writers = {
            let mut open = lock(&self.open);
            let Open { pools, idle, .. } = &mut *open;
            let pool = pools.entry(file.to_string()).or_default();
            if let Some((rows, _)) = pool.idle.pop() {
                *idle -= 1;
                return Ok(rows);
            }
            Arc::clone(&pool.writers)
        };
        Rows::open(&self.path(file), writers)
    }

    /// Why nothing can be written to a repository, if that is known: a push hears it before it
    /// sends its objects.
    pub fn unwritable(&self, file: &str) -> Result<Option<Fault>> {
        if !fault::has_room(&self.data, self.limits.reserve) {
            return Ok(Some(fault::FULL));
        }
        let rows = self.rows(file)?;
        let is_read_only = rows.is_read_only()?;
        self.give_back(file, rows);
        Ok(is_read_only.then_some(fault::READ_ONLY))
    }

    /// Keeps a connection for the next request.
    pub fn give_back(&self, file: &str, mut rows: Rows) {
        // One that can only read would go on so when the file may be written again.
        if rows.is_read_only().unwrap_or(true) {
            return;
        }
        rows.rest();
        let mut open = lock(&self.open);
        open.was_used = true;
        let Open { pools, idle, .. } = &mut *open;
        // A repository that was deleted meanwhile has no pool any more.
        let pool = pools.get_mut(file).filter(|pool| pool.idle.len() < IDLE_MAX);
        if let Some(pool) = pool.filter(|_| *idle < self.idle_max) {
            pool.idle.push((rows, Instant::now()));
            *idle += 1;
        }
    }

    /// Closes connections that were idle for long, and gives free memory back to the system. To be
    /// called now and then.
    pub fn sweep(&self) {
        let mut old = Vec::new();
        let mut open = lock(&self.open);
        open.pools.retain(|_, pool| {
            old.extend(pool.idle.extract_if(.., |(_, since)| since.elapsed() > IDLE_AGE));
            !pool.idle.is_empty() || Arc::strong_count(&pool.writers) > 1
        });
        open.idle -= old.len();
        let has_freed = std::mem::take(&mut open.was_used) || !old.is_empty();
        drop(open);
        // Closed here, not under the lock: the last one writes its log back.
        drop(old);
        if has_freed {
            heap::trim();
        }
    }

    /// A request of the administrator's.
    pub fn request(&self, method: &str, path: &str, query: &str) -> Result<Request> {
        Ok(Request {
            method: method.into(),
            path: path.into(),
            query: query.into(),
            time: now(),
            id: tokens::random::<8>()?,
            access: READ | WRITE | ADMIN,
            size_max: self.limits.size_max,
            ..Request::default()
        })
    }

    /// Asks the engine as the administrator. An answer other than 2xx is an error with its text.
    pub fn ask(&self, file: &str, method: &str, path: &str, query: &str) -> Result<String> {
        let mut text = Vec::new();
        self.ask_into(file, method, path, query, &mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// The same for answers of any size.
    pub fn ask_into(
        &self,
        file: &str,
        method: &str,
        path: &str,
        query: &str,
        out: &mut dyn Write,
    ) -> Result<()> {
        let request = self.request(method, path, query)?;
        let mut collect = Collect { out, status: 0, refusal: Vec::new() };
        run(self, file, &request, &mut Empty, &mut collect)?;
        if !(200..300).contains(&collect.status) {
            let text = String::from_utf8_lossy(&collect.refusal);
            bail!("{} (the engine answered {})", text.trim_end(), collect.status);
        }
        Ok(())
    }
}

/// Writes a good answer out and keeps the text of another.
struct Collect<'o> {
    out: &'o mut dyn Write,
    status: u16,
    refusal: Vec<u8>,
}

impl Sink for Collect<'_> {
    fn head(&mut self, head: Head) -> Result<()> {
        self.status = head.status;
        Ok(())
    }

    fn bytes(&mut self, bytes: Bytes) -> Result<()> {
        if (200..300).contains(&self.status) {
            return Ok(self.out.write_all(&bytes)?);
        }
        ensure!(self.refusal.len() < 64 << 10, "the engine's refusal does not end");
        self.refusal.extend_from_slice(&bytes);
        Ok(())
    }
}

/// The file that belongs to another and has its name, and an ending.
fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

/// Percent-encodes a value of a query.
pub fn encode(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'/' => {
                out.push(byte.into());
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_connections_leave_files_to_others() {
        for (files, expect) in [(None, 512), (Some(20_000), 512), (Some(1024), 113), (Some(8), 0)] {
            assert_eq!(idle_max(files), expect, "{files:?}");
        }
    }
}
