//! The pack format in both directions: entries, deltas, index pages. Knows no row.

pub mod delta;
pub mod entry;
pub mod index;
