//! The program from outside, with a stand-in for the engine (`src/engine/echo.wat`) that says what
//! it was asked: HTTP, access and the process. What the real engine answers is `conformance`'s
//! matter.

mod access;
mod bodies;
mod faults;
mod process;
mod server;
mod slow;
mod slow_ssh;
mod ssh;
