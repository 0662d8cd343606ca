//! The engine from outside, one binary.

mod check;
mod git;
mod journeys;
mod server;
mod store;
