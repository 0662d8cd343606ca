//! The engine from outside, one binary.

mod bitmaps;
mod check;
mod client;
mod corrupt;
mod cost;
mod crash;
mod git;
mod hostile;
mod http;
mod journeys;
mod limits;
mod parts;
mod patience;
mod policy;
mod race;
mod rewrite;
mod scale;
mod server;
mod signed;
mod storage;
mod store;
mod stream;
mod trailer;
mod walks;
mod whole;
