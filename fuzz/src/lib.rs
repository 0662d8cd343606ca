//! Properties of the engine that hold for all bytes. Each is a function; `fuzz_targets` has a line
//! for each, and `cargo test` replays the corpus.

#[allow(dead_code)]
#[path = "../../engine/tests/all/client.rs"]
mod client;
mod differ;
mod fetching;
mod flate;
mod hash;
mod model;
mod objects;
mod packs;
mod text;
mod whole;
mod wire;

pub use differ::differ;
pub use fetching::fetch;
pub use flate::{deflate, inflate};
pub use hash::collision;
pub use model::model;
pub use objects::objects;
pub use packs::{delta, entry};
pub use text::{caps, commands, filter};
pub use whole::{cuts, import, requests};
pub use wire::{line, refname};

/// A property, which panics where it does not hold.
pub type Property = fn(&[u8]);

/// All of them, by the names of their targets and of their folders in the corpus.
pub const TARGETS: &[(&str, Property)] = &[
    ("caps", caps),
    ("collision", collision),
    ("commands", commands),
    ("cuts", cuts),
    ("deflate", deflate),
    ("delta", delta),
    ("differ", differ),
    ("entry", entry),
    ("fetch", fetch),
    ("filter", filter),
    ("import", import),
    ("inflate", inflate),
    ("line", line),
    ("model", model),
    ("objects", objects),
    ("refname", refname),
    ("requests", requests),
];

/// The first bytes of the input, which say how, and the rest, which says what.
fn split<const N: usize>(data: &[u8]) -> Option<([u8; N], &[u8])> {
    let (how, what) = data.split_first_chunk::<N>()?;
    Some((*how, what))
}
