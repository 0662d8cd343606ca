//! `gitcell`: a Git server in one Wasm module, its native host. Parses the command and calls it.

mod cell;
mod cli;
mod engine;
mod fault;
mod gate;
mod head;
mod heap;
mod http;
mod job;
mod keys;
mod listen;
mod names;
mod registry;
mod rules;
mod run;
mod scrub;
mod server;
mod ssh;
mod storage;
mod tokens;
mod upkeep;

use std::process::ExitCode;

fn main() -> ExitCode {
    heap::limit();
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("gitcell: {error:#}");
            ExitCode::FAILURE
        }
    }
}
