//! The engine from outside, one binary.

mod check;
mod client;
mod cost;
mod git;
mod http;
mod journeys;
mod server;
mod store;
mod whole;
