//! Bytes of dist/engine.wasm by room, from the names in dist/engine.named.wasm; fails over a limit.
//! `size BYTES_MAX GZIP_MAX [TOP]`: also the TOP largest functions.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use wasmparser::{KnownCustom, Name, Parser, Payload, TypeRef};

const ROOMS: &[&str] = &[
    "limits", "error", "host", "memory", "hash", "flate", "object", "pack", "store", "walk",
    "wire", "serve", "query", "gc", "engine", "abi",
];

/// Where the bytes of the named module are.
#[derive(Default)]
struct Sizes {
    /// Each function's index, and bytes.
    functions: Vec<(u32, usize)>,
    names: BTreeMap<u32, String>,
    data: usize,
}

fn main() -> ExitCode {
    let numbers: Vec<usize> = std::env::args().skip(1).flat_map(|word| word.parse()).collect();
    let [bytes_max, gzip_max, ref top @ ..] = numbers[..] else {
        eprintln!("size BYTES_MAX GZIP_MAX [TOP]");
        return ExitCode::FAILURE;
    };
    let (Ok(named), Ok(module)) =
        (std::fs::read("dist/engine.named.wasm"), std::fs::read("dist/engine.wasm"))
    else {
        eprintln!("there is no dist/engine.wasm: run `make engine`");
        return ExitCode::FAILURE;
    };
    let sizes = measure(&named);
    show_rooms(&sizes, module.len());
    show_functions(&sizes, top.first().copied().unwrap_or(0));
    let fits = show_total("raw", module.len(), bytes_max);
    if show_total("gzipped", gzipped(&module), gzip_max) && fits {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

fn measure(bytes: &[u8]) -> Sizes {
    let (mut sizes, mut next) = (Sizes::default(), 0);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.expect("wasm-opt writes valid modules") {
            Payload::ImportSection(section) => {
                for import in section.into_imports() {
                    let import = import.expect("it is valid");
                    next += u32::from(matches!(import.ty, TypeRef::Func(_)));
                }
            }
            Payload::CodeSectionEntry(body) => {
                sizes.functions.push((next, body.range().len()));
                next += 1;
            }
            Payload::DataSection(section) => sizes.data = section.range().len(),
            Payload::CustomSection(section) => {
                let KnownCustom::Name(names) = section.as_known() else { continue };
                for subsection in names {
                    let Ok(Name::Function(map)) = subsection else { continue };
                    for naming in map.into_iter().flatten() {
                        let name = rustc_demangle::demangle(naming.name);
                        sizes.names.insert(naming.index, format!("{name:#}"));
                    }
                }
            }
            _ => {}
        }
    }
    sizes
}

impl Sizes {
    fn name(&self, function: u32) -> &str {
        self.names.get(&function).map_or("", String::as_str)
    }
}

/// The room that a function is of, or the crate if it is not the engine's own.
fn room(name: &str) -> &str {
    let path = name.trim_start_matches(['<', '&', '(', '[']).trim_start_matches("mut ");
    let mut parts =
        path.split("::").map(|part| part.trim_end_matches(|c: char| !c.is_alphanumeric()));
    match (parts.next(), parts.next()) {
        (Some("engine"), Some(room)) => {
            ROOMS.iter().find(|known| **known == room).unwrap_or(&"engine")
        }
        (Some("start" | "feed" | "pump" | "cabi_realloc"), None) => "abi",
        (Some("core" | "alloc"), Some(_)) => "core, alloc",
        _ => "compiler",
    }
}

fn show_rooms(sizes: &Sizes, total: usize) {
    let mut rooms: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for (function, bytes) in &sizes.functions {
        let room = rooms.entry(room(sizes.name(*function))).or_default();
        *room = (room.0 + bytes, room.1 + 1);
    }
    let code: usize = rooms.values().map(|room| room.0).sum();
    rooms.insert("data", (sizes.data, 0));
    rooms.insert("the rest", (total.saturating_sub(code + sizes.data), 0));
    let mut rooms: Vec<_> = rooms.into_iter().collect();
    rooms.sort_by_key(|(_, (bytes, _))| std::cmp::Reverse(*bytes));
    for (room, (bytes, functions)) in rooms {
        let functions =
            if functions > 0 { format!("{functions} functions") } else { String::new() };
        println!("{room:<12} {bytes:>8} {:>5.1} %  {functions}", percent(bytes, total));
    }
}

fn show_functions(sizes: &Sizes, top: usize) {
    let mut functions = sizes.functions.clone();
    functions.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    for (function, bytes) in functions.iter().take(top) {
        println!("  {bytes:>6}  {}", sizes.name(*function));
    }
}

/// Says how much of the limit is used, and whether it is kept.
fn show_total(what: &str, bytes: usize, bytes_max: usize) -> bool {
    let verdict = if bytes > bytes_max { ": TOO MUCH" } else { "" };
    println!("{what:<12} {bytes:>8} of {bytes_max}{verdict}");
    bytes <= bytes_max
}

fn percent(bytes: usize, total: usize) -> f64 {
    bytes as f64 * 100.0 / total as f64
}

fn gzipped(bytes: &[u8]) -> usize {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    writer.write_all(bytes).expect("a Vec takes all");
    writer.finish().expect("a Vec takes all").len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_function_is_counted_where_it_is_written() {
        for (name, expect) in [
            ("engine::store::import::Import::feed", "store"),
            ("<engine::abi::imports::Imports as engine::host::Host>::get", "abi"),
            ("<&mut engine::pack::Entry>::read", "pack"),
            ("engine::engine::Engine::pump", "engine"),
            ("alloc::raw_vec::RawVec<engine::host::Row>::grow", "core, alloc"),
            ("<alloc::vec::Vec<u8> as core::clone::Clone>::clone", "core, alloc"),
            ("memcpy", "compiler"),
            ("pump", "abi"),
        ] {
            assert_eq!(room(name), expect, "{name}");
        }
    }
}
