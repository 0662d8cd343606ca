//! The command line: what there is to say, and which file does it.

mod export;
mod fsck;
mod import;
mod key;
mod maintain;
mod progress;
mod replay;
mod repo;
mod serve;
mod token;

use crate::cell::{Cell, Limits};
use crate::engine::{Engine, module};
use anyhow::Result;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;
use tracing::level_filters::LevelFilter;

/// A Git server in one Wasm module.
///
/// Stock `git` clones from it and pushes to it over HTTP and SSH; all data is in one folder.
#[derive(Parser)]
#[command(name = "gitcell", version, arg_required_else_help = true, after_help = SESSION)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

const SESSION: &str = "\
A first session:
  gitcell serve                          # prints a token and a line that clones with it
  gitcell repo create alice/notes        # in another terminal, while it serves
  gitcell token create --scope write --repo alice/notes --ttl 30d
  git clone http://git@127.0.0.1:8080/alice/notes.git

Repositories are at /NAMESPACE/NAME.git and at /git/NAMESPACE/NAME.git. git asks for a user name,
which may be any, and for a password, which is a token; programs send it as the header
`Authorization: Bearer TOKEN`. Tokens travel as they are: beyond this
machine, put a TLS proxy in front of the server, or serve SSH:

  gitcell key add ~/.ssh/id_ed25519.pub --scope write
  gitcell serve --ssh 127.0.0.1:2222
  git clone ssh://git@127.0.0.1:2222/alice/notes.git

Every command works on the data folder itself, whether a server is running on it or not.
GITCELL_LOG=debug|info|warn|error|off sets how much is logged.";

#[derive(Args)]
struct Common {
    /// The folder that holds all repositories and tokens; it is made if there is none
    #[arg(long, global = true, default_value = "data", value_name = "DIR", env = "GITCELL_DATA")]
    data: PathBuf,
    /// Run this engine module instead of the one built in
    #[arg(long, global = true, value_name = "FILE")]
    engine: Option<PathBuf>,
}

impl Common {
    /// Only the engine, compiled anew: no data folder is touched.
    fn engine(&self) -> Result<Engine> {
        let cache = tempfile::tempdir()?;
        Engine::load(&module::bytes(self.engine.as_deref())?, cache.path(), 2)
    }

    fn open(&self) -> Result<Cell> {
        Cell::open(&self.data, self.engine.as_deref(), Limits::default())
    }
}

#[derive(Subcommand)]
enum Command {
    /// Serve the repositories over HTTP and, if wanted, SSH
    Serve(serve::Serve),
    /// Create, list and delete repositories, and set their default branch
    #[command(subcommand)]
    Repo(repo::Repo),
    /// Create, list and revoke the tokens that let people in
    #[command(subcommand)]
    Token(token::Token),
    /// Add, list and remove the public keys that let people in over SSH
    #[command(subcommand)]
    Key(key::Key),
    /// Check that everything stored in a repository is whole and linked
    Fsck(fsck::Fsck),
    /// Do all upkeep of repositories now; a server does it by itself when they are left in peace
    Maintain(maintain::Maintain),
    /// Bring a repository from elsewhere in: all branches, tags and other refs
    Import(import::Import),
    /// Write a repository as a bundle, a file that `git clone` takes
    Export(export::Export),
    /// Run recorded requests through the engine and compare
    #[command(hide = true)]
    Replay(replay::Replay),
}

/// Does what the command line says.
pub fn run() -> Result<()> {
    let cli = Cli::parse();
    let level = std::env::var("GITCELL_LOG").ok().and_then(|level| level.parse().ok());
    let quiet = if matches!(cli.command, Command::Serve(_)) {
        LevelFilter::INFO
    } else {
        LevelFilter::WARN
    };
    tracing_subscriber::fmt()
        .with_max_level(level.unwrap_or(quiet))
        .with_target(false)
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
        .with_writer(std::io::stderr)
        // A line that cannot be written would be told there, too, and end what it is about.
        .log_internal_errors(false)
        .init();
    match cli.command {
        Command::Serve(command) => command.run(&cli.common),
        Command::Repo(command) => command.run(&cli.common),
        Command::Token(command) => command.run(&cli.common),
        Command::Key(command) => command.run(&cli.common),
        Command::Fsck(command) => command.run(&cli.common),
        Command::Maintain(command) => command.run(&cli.common),
        Command::Import(command) => command.run(&cli.common),
        Command::Export(command) => command.run(&cli.common),
        Command::Replay(command) => command.run(&cli.common),
    }
}
