//! The engine from outside, one binary.

mod check;
mod client;
mod cost;
mod git;
mod journeys;
mod server;
mod store;
mod whole;
