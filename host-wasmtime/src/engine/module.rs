//! The engine's module: embedded or from a file, compiled once and kept on disk. Knows no request.

use super::MEMORY_MAX;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::path::{Path, PathBuf};
use wasmtime::{Config, Module, OptLevel, PoolingAllocationConfig};

const EMBEDDED: Option<&[u8]> = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));
/// Memory of an ended instance that stays mapped for the next; the rest is given back.
const WARM: usize = 1 << 20;

/// The module's bytes: those of `path`, else the ones built into this program.
pub fn bytes(path: Option<&Path>) -> Result<Cow<'static, [u8]>> {
    if let Some(path) = path {
        let read = std::fs::read(path);
        return Ok(read.with_context(|| format!("cannot read {}", path.display()))?.into());
    }
    let embedded = EMBEDDED.context(
        "this program was built without the engine: run `make engine` and build again, \
         or name a module with --engine",
    )?;
    Ok(embedded.into())
}

/// A wasmtime whose instances come from a pool of `capacity` places, made by copy-on-write.
pub fn runtime(capacity: u32) -> Result<wasmtime::Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_core_instances(capacity)
        .total_memories(capacity)
        .total_tables(capacity)
        .max_memory_size(MEMORY_MAX as usize)
        .linear_memory_keep_resident(WARM);
    let mut config = Config::new();
    config
        .allocation_strategy(pool)
        .cranelift_opt_level(OptLevel::Speed)
        .epoch_interruption(true)
        .memory_init_cow(true);
    Ok(wasmtime::Engine::new(&config)?)
}

/// Compiles the module, or takes what an earlier start compiled.
pub fn load(wasmtime: &wasmtime::Engine, wasm: &[u8], cache: &Path) -> Result<Module> {
    let path = cache.join(cache_name(wasm));
    if path.exists() {
        // SAFETY: the file was written below, into a folder of our own; wasmtime checks that it is
        // of its version and configuration.
        if let Ok(module) = unsafe { Module::deserialize_file(wasmtime, &path) } {
            return Ok(module);
        }
    }
    let module = Module::new(wasmtime, wasm)
        .map_err(anyhow::Error::from)
        .context("the engine is no module that can be run")?;
    if let Err(error) = keep(&module, &path) {
        tracing::warn!("cannot keep the compiled engine: {error:#}");
    }
    Ok(module)
}

fn keep(module: &Module, path: &Path) -> Result<()> {
    let folder = path.parent().context("a cache has a folder")?;
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, &module.serialize()?)?;
    // What a power cut left of it would be run all the same.
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// Names the module and this program, whose wasmtime may be another's.
fn cache_name(wasm: &[u8]) -> PathBuf {
    let digest = Sha256::digest(wasm);
    let hash: String = digest[..12].iter().map(|byte| format!("{byte:02x}")).collect();
    format!("engine-{hash}-{}-{}.cwasm", std::env::consts::ARCH, env!("CARGO_PKG_VERSION")).into()
}
