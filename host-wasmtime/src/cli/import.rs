//! `gitcell import`: the user's `git` reads the other repository and pushes it to a server of this
//! process's own, on loopback, for as long as it takes. So the host needs to know nothing of Git.

use super::{Common, progress, serve};
use crate::cell::{Cell, Limits, now};
use crate::gate::Gate;
use crate::names::Name;
use crate::server::Server;
use crate::tokens::{self, Scope};
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use tokio::net::TcpListener;

#[derive(Args)]
pub struct Import {
    /// What to import: the URL or path of a repository, or a bundle file; anything that git clones
    source: String,
    /// NAMESPACE/NAME of the new repository
    name: Name,
}

impl Import {
    pub fn run(self, common: &Common) -> Result<()> {
        let cell = Cell::open(&common.data, common.engine.as_deref(), Limits::default())?;
        crate::registry::check_free(&cell.registry(), &self.name)?;
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mirror = self.mirror(folder.path())?;
        let format = ask(&mirror, &["rev-parse", "--show-object-format"])?;
        let head = ask(&mirror, &["symbolic-ref", "--short", "HEAD"]).unwrap_or("main".into());
        cell.create(&self.name, &format, &head)?;
        let cell = Arc::new(cell);
        if let Err(error) = self.push(&cell, &mirror) {
            let _ = cell.delete(&self.name);
            return Err(error.context("nothing was imported"));
        }
        let refs = ask(&mirror, &["for-each-ref", "--format=%(refname)"])?;
        println!("imported {} refs into {}", refs.lines().count(), self.name);
        Ok(())
    }

    /// A bare repository with all that is to be imported: the source itself, if it is at hand.
    fn mirror(&self, folder: &Path) -> Result<PathBuf> {
        let path = Path::new(&self.source);
        if path.is_dir() {
            let path = path.canonicalize()?;
            ask(&path, &["rev-parse", "--git-dir"])
                .with_context(|| format!("{} is no git repository", path.display()))?;
            return Ok(path);
        }
        let mirror = folder.join("mirror.git");
        let mut git = Command::new("git");
        git.args(["clone", "--mirror", "--progress", "--", &self.source]).arg(&mirror);
        shown(git).with_context(|| format!("cannot clone {}", self.source))?;
        Ok(mirror)
    }

    fn push(&self, cell: &Arc<Cell>, mirror: &Path) -> Result<()> {
        let token = {
            let (name, hour) = (Some(&self.name), Some(86_400));
            tokens::create(&cell.registry(), Scope::Write, name, "import", now(), hour)?
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
            let url = format!("http://{}/{}.git", listener.local_addr()?, self.name);
            let server = Server::new(Arc::clone(cell), Gate::Tokens)?;
            tokio::spawn(serve::serve(listener, server, std::future::pending()));
            let git = push_all(mirror, &url, &token);
            tokio::task::spawn_blocking(move || shown(git)).await?
        });
        tokens::revoke(&cell.registry(), &token, now())?;
        done.context("cannot push into the new repository")
    }
}

/// `git push` of every ref. The token goes by the environment, where `ps` does not show it.
fn push_all(mirror: &Path, url: &str, token: &str) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(mirror).args(["push", "--progress", "--no-verify", url, "refs/*:refs/*"]);
    git.env("GIT_CONFIG_COUNT", "2")
        .env("GIT_CONFIG_KEY_0", "http.extraHeader")
        .env("GIT_CONFIG_VALUE_0", format!("Authorization: Bearer {token}"))
        .env("GIT_CONFIG_KEY_1", "http.proxy")
        .env("GIT_CONFIG_VALUE_1", "")
        .env("GIT_TERMINAL_PROMPT", "0");
    git
}

/// Runs git with its progress as a bar; what else it said is the error, if it fails.
fn shown(mut git: Command) -> Result<()> {
    let mut child = git
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run git")?;
    let said = child.stderr.take().map(progress::follow).unwrap_or_default();
    ensure!(child.wait()?.success(), "git says: {}", said.trim_end());
    Ok(())
}

/// One short answer of git about a repository.
fn ask(repository: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new("git")
        .arg("-C")
        .arg(repository)
        .args(arguments)
        .output()
        .context("cannot run git")?;
    if !output.status.success() {
        bail!("git says: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8(output.stdout)?.trim_end().into())
}
