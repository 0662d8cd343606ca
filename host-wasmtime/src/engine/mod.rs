//! The engine: its module, and one instance of it for each request, as the world of `abi.wit` says.
//! Knows no HTTP and no Git.

mod border;
pub mod module;

use crate::storage::{Cost, Rows};
use anyhow::{Context, Result, bail, ensure};
use border::{Call, Guest, push};
use rustix::time::{ClockId, clock_gettime};
use std::path::Path;
use std::time::Duration;
use wasmtime::{
    Extern, InstancePre, Linker, Module, ModuleExport, Store, TypedFunc, UpdateDeadline,
};

/// How often a running instance is asked for its CPU time.
const TICK: Duration = Duration::from_millis(50);
/// Linear memory that the module may declare as its maximum.
pub const MEMORY_MAX: u64 = 32 << 20;

/// `flags access`.
pub const READ: u32 = 1;
pub const WRITE: u32 = 2;
pub const ADMIN: u32 = 4;

/// `record request`.
#[derive(Clone, Default)]
pub struct Request {
    pub method: String,
    pub path: String,
    pub query: String,
    pub headers: Vec<(String, Vec<u8>)>,
    pub time: u64,
    pub id: String,
    pub caller: String,
    pub access: u32,
    pub size_max: u64,
}

/// `enum progress`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    Hungry,
    Busy,
    Done,
}

/// The compiled engine, ready to be started for each request.
pub struct Engine {
    instance: InstancePre<Call>,
    exports: [ModuleExport; 5],
}

const EXPORTS: [&str; 5] = ["memory", "cabi_realloc", "start", "feed", "pump"];

impl Engine {
    /// Compiles the module, or takes it from `cache`; up to `capacity` instances may live at once.
    pub fn load(wasm: &[u8], cache: &Path, capacity: u32) -> Result<Engine> {
        let wasmtime = module::runtime(capacity)?;
        let module = module::load(&wasmtime, wasm, cache)?;
        let exports = exports(&module)?;
        let mut linker = Linker::new(&wasmtime);
        border::link(&mut linker)?;
        let instance = linker.instantiate_pre(&module).map_err(anyhow::Error::from)?;
        let clock = wasmtime.weak();
        std::thread::spawn(move || {
            while let Some(engine) = clock.upgrade() {
                engine.increment_epoch();
                drop(engine);
                std::thread::sleep(TICK);
            }
        });
        Ok(Engine { instance, exports })
    }

    /// Begins a request on this thread, where it must stay: `cpu_max` is of the thread's clock.
    pub fn start(
        &self,
        request: &Request,
        rows: Rows,
        cpu_max: Duration,
    ) -> Result<(Session, Progress)> {
        let mut store = Store::new(self.instance.module().engine(), Call::new(rows));
        let cpu_end = cpu_time() + cpu_max;
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(move |_| {
            if cpu_time() > cpu_end {
                wasmtime::bail!("the request passed its limit of CPU time");
            }
            Ok(UpdateDeadline::Continue(1))
        });
        let instance = self.instance.instantiate(&mut store)?;
        let mut find = |index: usize| {
            let export = instance.get_module_export(&mut store, &self.exports[index]);
            export.context("an export is gone")
        };
        let memory = find(0)?.into_memory().context("not a memory")?;
        let functions = [find(1)?, find(2)?, find(3)?, find(4)?].map(Extern::into_func);
        let [Some(realloc), Some(start), Some(feed), Some(pump)] = functions else {
            bail!("an export is no function");
        };
        let guest = Guest { memory, realloc: realloc.typed(&store)? };
        let start = start.typed(&store)?;
        let session = Session { feed: feed.typed(&store)?, pump: pump.typed(&store)?, store };
        session.start(guest, &start, request)
    }
}

fn exports(module: &Module) -> Result<[ModuleExport; 5]> {
    let mut found = Vec::new();
    for name in EXPORTS {
        let export = module.get_export_index(name);
        found.push(export.with_context(|| format!("the engine has no export `{name}`"))?);
    }
    let memory = module.get_export("memory").and_then(|kind| kind.memory().cloned());
    let size_max = memory.and_then(|memory| Some(memory.maximum()? * memory.page_size()));
    ensure!(
        size_max.is_some_and(|size| size <= MEMORY_MAX),
        "the engine declares no maximum of memory, or more than {MEMORY_MAX} bytes"
    );
    found.try_into().ok().context("an export is missing")
}

/// CPU time of this thread.
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap_or(0), time.tv_nsec.try_into().unwrap_or(0))
}

/// One request in its instance. A call that fails has ended it: nothing may be called again.
pub struct Session {
    store: Store<Call>,
    feed: TypedFunc<(u32, u32), u32>,
    pump: TypedFunc<(), u32>,
}

type Start =
    TypedFunc<(u32, u32, u32, u32, u32, u32, u32, u32, u64, u32, u32, u32, u32, u32, u64), u32>;

impl Session {
    fn start(
        mut self,
        guest: Guest,
        start: &Start,
        request: &Request,
    ) -> Result<(Session, Progress)> {
        self.store.data_mut().guest = Some(guest.clone());
        let store = &mut self.store;
        let mut lower = |bytes: &[u8]| guest.lower(&mut *store, bytes);
        let (method, path) = (lower(request.method.as_bytes())?, lower(request.path.as_bytes())?);
        let query = lower(request.query.as_bytes())?;
        let mut list = Vec::new();
        for (name, value) in &request.headers {
            push(&mut list, lower(name.as_bytes())?);
            push(&mut list, lower(value)?);
        }
        let (id, caller) = (lower(request.id.as_bytes())?, lower(request.caller.as_bytes())?);
        let headers = guest.lower_records(&mut *store, &list, request.headers.len())?;
        let progress = start.call(
            &mut *store,
            (
                method.0,
                method.1,
                path.0,
                path.1,
                query.0,
                query.1,
                headers.0,
                headers.1,
                request.time,
                id.0,
                id.1,
                caller.0,
                caller.1,
                request.access,
                request.size_max,
            ),
        )?;
        Ok((self, lift_progress(progress)?))
    }

    /// The next bytes of the body. Only for a hungry engine.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<Progress> {
        let guest = self.store.data().guest()?;
        let bytes = guest.lower(&mut self.store, bytes)?;
        lift_progress(self.feed.call(&mut self.store, bytes)?)
    }

    /// One bounded piece of work; for a hungry engine: the body has ended.
    pub fn pump(&mut self) -> Result<Progress> {
        lift_progress(self.pump.call(&mut self.store, ())?)
    }

    /// What was emitted since the last call.
    pub fn take_output(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.store.data_mut().output)
    }

    /// What it cost its store so far.
    pub fn cost(&self) -> Cost {
        self.store.data().rows.as_ref().map(|rows| rows.cost).unwrap_or_default()
    }

    /// Bytes of linear memory: it only grows, so at the end this is the peak.
    pub fn memory(&self) -> usize {
        self.store.data().guest.as_ref().map_or(0, |guest| guest.memory.data_size(&self.store))
    }

    /// Ends the request and gives its rows back.
    pub fn finish(self) -> Option<Rows> {
        self.store.into_data().rows
    }
}

fn lift_progress(number: u32) -> Result<Progress> {
    Ok(match number {
        0 => Progress::Hungry,
        1 => Progress::Busy,
        2 => Progress::Done,
        _ => bail!("the engine answered {number}, which is no progress"),
    })
}

#[cfg(test)]
mod tests;
