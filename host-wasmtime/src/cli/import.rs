//! `gitcell import`: the user's `git` reads the other repository and pushes it to a server of this
//! process's own, on loopback, for as long as it takes. So the host needs to know nothing of Git.
//! An import that was killed is taken up again by the next one of the same name.

use super::{Common, progress, serve};
use crate::cell::{Cell, Limits, now};
use crate::gate::Gate;
use crate::names::{Bound, Name};
use crate::registry;
use crate::rules::{Rules, Terms};
use crate::server::Server;
use crate::tokens::{self, Scope};
use crate::upkeep::Turn;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

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
        let mut begun = self.begun(&cell)?;
        let take = |file: &str| match Turn::take(&cell.import_turn(file))? {
            Ok(turn) => Ok(turn),
            Err(who) => bail!("{who} imports into {} now: wait for its end", self.name),
        };
        let mut turn = begun.as_deref().map(take).transpose()?;
        if turn.is_some() {
            // Another may have come to its end since it was asked.
            begun = self.begun(&cell)?;
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        // An interrupt reaches git, too: that ends, and what was begun is then cleared away here.
        let mut interrupt = runtime.block_on(async { signal(SignalKind::interrupt()) })?;
        runtime.spawn(async move {
            interrupt.recv().await;
            INTERRUPTED.store(true, Ordering::Relaxed);
        });
        let folder = tempfile::tempdir().context("cannot make a temporary folder")?;
        let mirror = self.mirror(folder.path())?;
        let format = ask(&mirror, &["rev-parse", "--show-object-format"])?;
        let head = ask(&mirror, &["symbolic-ref", "--short", "HEAD"]).ok();
        let refs = ask(&mirror, &["for-each-ref", "--format=%(refname)"])?;
        let is_new = begun.is_none();
        let file = match begun {
            Some(file) => file,
            None => {
                let branch = head.as_deref().unwrap_or("main");
                let file = cell.create_for_import(&self.name, &format, branch)?;
                turn = Some(take(&file)?);
                file
            }
        };
        let cell = Arc::new(cell);
        let source = Source { path: mirror, head };
        if let Err(error) = self.fill(&runtime, &cell, source, refs.is_empty()) {
            // What another import began may be that one's still.
            ensure!(is_new, "{} is not whole yet: {error:#}", self.name);
            let _ = cell.delete(&self.name);
            return Err(error.context("nothing was imported"));
        }
        registry::set_imported(&cell.registry(), &file)?;
        drop(turn);
        let _ = std::fs::remove_file(cell.import_turn(&file));
        println!("imported {} refs into {}", refs.lines().count(), self.name);
        Ok(())
    }

    /// The file that an import of this name began to fill and did not end with.
    fn begun(&self, cell: &Cell) -> Result<Option<String>> {
        let file = cell.find(&self.name)?;
        let registry = cell.registry();
        if let Some(file) = file
            && registry::is_importing(&registry, &file)?
        {
            return Ok(Some(file));
        }
        registry::check_free(&registry, &self.name)?;
        Ok(None)
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
        shown(git).with_context(|| format!("cannot clone {}", shown_url(&self.source)))?;
        Ok(mirror)
    }

    /// Serves the new repository for as long as git pushes into it.
    fn fill(
        &self,
        runtime: &Runtime,
        cell: &Arc<Cell>,
        source: Source,
        is_empty: bool,
    ) -> Result<()> {
        if is_empty {
            return Ok(());
        }
        let token = {
            let (repo, ttl) = (Some(Bound::from(&self.name)), Some(86_400));
            let terms = Terms { scope: Scope::Write, ttl, repo, rules: Rules::default() };
            tokens::create(&cell.registry(), &terms, "import", now())?
        };
        let done = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot listen")?;
            let url = format!("http://{}/{}.git", listener.local_addr()?, self.name);
            let server = Arc::new(Server::new(Arc::clone(cell), Gate::Tokens)?);
            tokio::spawn(serve::serve(listener, server, std::future::pending()));
            let target = Target { url, token: token.clone() };
            tokio::task::spawn_blocking(move || source.push_all(&target)).await?
        });
        tokens::revoke(&cell.registry(), &token, now())?;
        done.context("cannot push into the new repository")
    }
}

/// Where git pushes to.
struct Target {
    url: String,
    token: String,
}

/// A repository on this machine, and the branch that its HEAD names.
struct Source {
    path: PathBuf,
    head: Option<String>,
}

impl Source {
    /// Pushes every ref. A history with too many objects for one push goes in parts.
    fn push_all(&self, target: &Target) -> Result<()> {
        // Forced: an import that died may have brought what is no longer there.
        const ALL: &str = "+refs/*:refs/*";
        let Err(error) = self.push(target, ALL) else {
            return Ok(());
        };
        let Some(head) = self.head.as_ref().filter(|_| is_too_large(&error)) else {
            return Err(error);
        };
        let commits = ask(&self.path, &["rev-list", "--first-parent", "--reverse", "HEAD"])?;
        let commits: Vec<&str> = commits.lines().collect();
        let (mut done, mut step) = (0, commits.len().div_ceil(2));
        while done < commits.len() {
            let next = (done + step).min(commits.len());
            match self.push(target, &format!("{}:refs/heads/{head}", commits[next - 1])) {
                Ok(()) => done = next,
                Err(error) if is_too_large(&error) && step > 1 => step = step.div_ceil(2),
                Err(error) => return Err(error),
            }
        }
        self.push(target, ALL)
    }

    /// `git push`. The token goes by the environment, where `ps` does not show it.
    fn push(&self, target: &Target, what: &str) -> Result<()> {
        let mut git = Command::new("git");
        git.arg("-C").arg(&self.path);
        git.args(["push", "--progress", "--no-verify", "--prune", &target.url, what]);
        git.env("GIT_CONFIG_COUNT", "2")
            .env("GIT_CONFIG_KEY_0", "http.extraHeader")
            .env("GIT_CONFIG_VALUE_0", format!("Authorization: Bearer {}", target.token))
            .env("GIT_CONFIG_KEY_1", "http.proxy")
            .env("GIT_CONFIG_VALUE_1", "")
            .env("GIT_TERMINAL_PROMPT", "0");
        shown(git)
    }
}

/// A URL without the name and password that may be in it.
fn shown_url(source: &str) -> String {
    let Some((scheme, rest)) = source.split_once("://") else { return source.into() };
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    format!("{scheme}://{host}{path}")
}

fn is_too_large(error: &anyhow::Error) -> bool {
    error.to_string().contains("too many objects")
}

/// Runs git with its progress as a bar; what else it said is the error, if it fails.
fn shown(mut git: Command) -> Result<()> {
    ensure!(!INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    let mut child = git
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run git")?;
    let said = child.stderr.take().map(progress::follow).unwrap_or_default();
    let is_done = child.wait()?.success();
    ensure!(is_done || !INTERRUPTED.load(Ordering::Relaxed), "interrupted");
    ensure!(is_done, "git says: {}", said.trim_end());
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
