//! The border: the interface `host` of `abi.wit` by the canonical ABI, by hand. The only file that
//! sees linear memory. Knows no request.

use crate::storage::{Change, Rows};
use anyhow::{Context, Result, bail, ensure};
use wasmtime::{Caller, Linker, Memory, TypedFunc};

const HOST: &str = "gitcell:engine/host@0.1.0";

/// A list as it crosses: where it begins and how many elements it has.
pub type Pair = (u32, u32);

/// Gives the engine the calls that it imports. A call that fails is a trap.
pub fn link(linker: &mut Linker<Call>) -> Result<()> {
    let trap = wasmtime::Error::from_anyhow;
    linker.func_wrap(HOST, "get", move |call: Caller<'_, Call>, key, size, out| {
        get(call, (key, size), out).map_err(trap)
    })?;
    linker.func_wrap(HOST, "scan", move |call: Caller<'_, Call>, a, b, c, d, max, out| {
        scan(call, (a, b), (c, d), max, out).map_err(trap)
    })?;
    linker.func_wrap(HOST, "commit", move |call: Caller<'_, Call>, a, b, c, d| {
        commit(call, (a, b), (c, d)).map_err(trap)
    })?;
    linker.func_wrap(HOST, "emit", move |call: Caller<'_, Call>, at, size| {
        emit(call, (at, size)).map_err(trap)
    })?;
    Ok(())
}

/// What an instance's host calls work on.
pub struct Call {
    pub guest: Option<Guest>,
    /// Gone while a call is using it, and for ever once that call has failed.
    pub rows: Option<Rows>,
    pub output: Vec<u8>,
}

impl Call {
    pub fn new(rows: Rows) -> Call {
        Call { guest: None, rows: Some(rows), output: Vec::new() }
    }

    pub fn guest(&self) -> Result<Guest> {
        self.guest.clone().context("the engine calls its host before it was started")
    }
}

/// How to write into an instance's memory.
#[derive(Clone)]
pub struct Guest {
    pub memory: Memory,
    pub realloc: TypedFunc<(u32, u32, u32, u32), u32>,
}

impl Guest {
    /// Room for `size` bytes, which the guest owns from now on.
    fn room(&self, mut store: impl wasmtime::AsContextMut, align: u32, size: u32) -> Result<u32> {
        let at = self.realloc.call(&mut store, (0, 0, align, size))?;
        ensure!(at.is_multiple_of(align), "the engine's allocator misaligned");
        Ok(at)
    }

    /// Copies a `list<u8>` in.
    pub fn lower(&self, mut store: impl wasmtime::AsContextMut, bytes: &[u8]) -> Result<Pair> {
        let size = u32::try_from(bytes.len())?;
        let at = self.room(&mut store, 1, size)?;
        self.memory.write(&mut store, at as usize, bytes)?;
        Ok((at, size))
    }

    /// Copies a list of `count` records of pointers in, whose words are in `words`.
    pub fn lower_records(
        &self,
        mut store: impl wasmtime::AsContextMut,
        words: &[u8],
        count: usize,
    ) -> Result<Pair> {
        let at = self.room(&mut store, 4, u32::try_from(words.len())?)?;
        self.memory.write(&mut store, at as usize, words)?;
        Ok((at, u32::try_from(count)?))
    }

    /// Writes what a call returns where the guest wants it.
    fn answer(
        &self,
        mut store: impl wasmtime::AsContextMut,
        out: u32,
        words: &[u32],
    ) -> Result<()> {
        ensure!(out.is_multiple_of(4), "the engine misaligned a result");
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        Ok(self.memory.write(&mut store, out as usize, &bytes)?)
    }
}

/// Appends a pair to a record's words.
pub fn push(words: &mut Vec<u8>, pair: Pair) {
    words.extend_from_slice(&pair.0.to_le_bytes());
    words.extend_from_slice(&pair.1.to_le_bytes());
}

/// The bytes that a guest's pointer and size name.
fn lift(memory: &[u8], (at, size): Pair) -> Result<&[u8]> {
    let rest = memory.get(at as usize..).and_then(|rest| rest.get(..size as usize));
    rest.context("the engine named bytes outside its memory")
}

fn word(bytes: &[u8], index: usize) -> u32 {
    let at = 4 * index;
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A `list<expect>` or `list<write>`: records of a key and an optional value.
fn lift_changes(memory: &[u8], (at, count): Pair) -> Result<Vec<Change<'_>>> {
    const SIZE: u32 = 20;
    ensure!(at.is_multiple_of(4), "the engine misaligned a list");
    let size = count.checked_mul(SIZE).context("the engine named bytes outside its memory")?;
    let records = lift(memory, (at, size))?;
    let mut changes = Vec::with_capacity(count as usize);
    for record in records.chunks_exact(SIZE as usize) {
        let key = lift(memory, (word(record, 0), word(record, 1)))?;
        let value = match record[8] {
            0 => None,
            1 => Some(lift(memory, (word(record, 3), word(record, 4)))?),
            _ => bail!("the engine wrote an option that is none"),
        };
        changes.push((key, value));
    }
    Ok(changes)
}

/// Takes the rows out of the call, so that a row may be copied in while it is read.
fn begin(caller: &mut Caller<'_, Call>) -> Result<(Guest, Rows)> {
    let guest = caller.data().guest()?;
    Ok((guest, caller.data_mut().rows.take().context("an earlier call failed")?))
}

fn get(mut caller: Caller<'_, Call>, key: Pair, out: u32) -> Result<()> {
    let (guest, mut rows) = begin(&mut caller)?;
    let key = lift(guest.memory.data(&caller), key)?.to_vec();
    let found = rows.get(&key, |value| guest.lower(&mut caller, value))?;
    caller.data_mut().rows = Some(rows);
    let (at, size) = found.unwrap_or_default();
    guest.answer(&mut caller, out, &[u32::from(found.is_some()), at, size])
}

fn scan(
    mut caller: Caller<'_, Call>,
    prefix: Pair,
    after: Pair,
    bytes_max: u32,
    out: u32,
) -> Result<()> {
    let (guest, mut rows) = begin(&mut caller)?;
    let memory = guest.memory.data(&caller);
    let (prefix, after) = (lift(memory, prefix)?.to_vec(), lift(memory, after)?.to_vec());
    let (mut list, mut count) = (Vec::new(), 0);
    rows.scan(&prefix, &after, bytes_max as usize, |key, value| {
        push(&mut list, guest.lower(&mut caller, key)?);
        push(&mut list, guest.lower(&mut caller, value)?);
        count += 1;
        Ok(())
    })?;
    caller.data_mut().rows = Some(rows);
    let (at, count) = guest.lower_records(&mut caller, &list, count)?;
    guest.answer(&mut caller, out, &[at, count])
}

fn commit(mut caller: Caller<'_, Call>, expects: Pair, writes: Pair) -> Result<u32> {
    let (guest, mut rows) = begin(&mut caller)?;
    let memory = guest.memory.data(&caller);
    let done = rows.commit(&lift_changes(memory, expects)?, &lift_changes(memory, writes)?)?;
    caller.data_mut().rows = Some(rows);
    Ok(u32::from(done))
}

fn emit(mut caller: Caller<'_, Call>, bytes: Pair) -> Result<()> {
    let memory = caller.data().guest()?.memory;
    let (memory, call) = memory.data_and_store_mut(&mut caller);
    call.output.extend_from_slice(lift(memory, bytes)?);
    Ok(())
}
