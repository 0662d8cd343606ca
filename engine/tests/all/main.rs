//! The engine from outside, one binary.

mod git;
mod store;
