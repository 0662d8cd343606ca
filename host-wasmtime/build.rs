//! Embeds the engine. Without one the host still builds, and says at its start what to do.

use std::path::Path;

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo sets it");
    let engine = Path::new(&folder).join("../dist/engine.wasm");
    println!("cargo:rerun-if-changed={}", engine.display());
    let text = match engine.canonicalize() {
        Ok(path) => format!("Some(include_bytes!({path:?}))"),
        Err(_) => {
            println!(
                "cargo:warning=dist/engine.wasm is missing: run `make engine`, then build again"
            );
            "None".to_string()
        }
    };
    let out = std::env::var("OUT_DIR").expect("cargo sets it");
    std::fs::write(Path::new(&out).join("embedded.rs"), text).expect("OUT_DIR is writable");
}
