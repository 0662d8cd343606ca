//! The pack format in both directions: entries, deltas, index pages. Knows no row.
