//! Protocol bytes to messages and back. Knows no store and no policy.

pub mod band;
pub mod caps;
pub mod certificate;
pub mod line;
pub mod push;
pub mod refname;

/// What this server calls itself.
pub const AGENT: &[u8] = b"gitcell/0.1";
