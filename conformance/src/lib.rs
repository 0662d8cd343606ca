//! The outside view: cases as text and journeys of real git, against git's own server first and
//! then against a target. Never links the engine.

pub mod answer;
pub mod bench;
pub mod case;
pub mod cgi;
pub mod fixture;
pub mod git;
pub mod http;
pub mod journeys;
pub mod made;
pub mod pack;
pub mod peers;
pub mod record;
pub mod run;
pub mod target;
pub mod workers;

use std::path::PathBuf;

/// Where cargo builds.
pub fn target_folder() -> PathBuf {
    let own = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    own.unwrap_or_else(|| PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target")))
}
