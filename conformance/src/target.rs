//! What cases run against: a server, reached by its URL, and how its repositories are filled.

use crate::cgi;
use crate::fixture::Fixture;
use crate::git::{git, run};
use crate::http::send;
use crate::workers;
use anyhow::{Context, Result, bail, ensure};
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, ToSocketAddrs};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// `git http-backend`.
    Git,
    /// The binary `gitcell`; `GITCELL_ENGINE` names another module than the one within.
    Native,
    /// The same module in workerd; `WORKERS_URL` names one that runs already, open to everybody.
    Workers,
}

impl Kind {
    pub fn parse(word: &str) -> Result<Kind> {
        match word {
            "git" => Ok(Kind::Git),
            "native" => Ok(Kind::Native),
            "workers" => Ok(Kind::Workers),
            _ => bail!("a target is git, native or workers, not {word}"),
        }
    }
}

pub struct Target {
    pub kind: Kind,
    pub folder: PathBuf,
    address: Mutex<SocketAddr>,
    server: Mutex<Option<Child>>,
    made: AtomicUsize,
}

impl Target {
    pub fn start(kind: Kind, folder: &Path) -> Result<Target> {
        let folder = folder.join(format!("{kind:?}").to_lowercase());
        std::fs::create_dir_all(folder.join("all"))?;
        let (address, server) = match kind {
            Kind::Git => {
                crate::git::write_settings(&folder.join("gitconfig"))?;
                (cgi::serve(&folder)?, None)
            }
            Kind::Native => start_native(&folder, "127.0.0.1:0")?,
            Kind::Workers => start_workers(&folder)?,
        };
        Ok(Target {
            kind,
            folder,
            address: Mutex::new(address),
            server: Mutex::new(server),
            made: AtomicUsize::new(0),
        })
    }

    /// A server that runs already, in a process group of its own; ended with this.
    pub fn around(kind: Kind, folder: PathBuf, address: SocketAddr, server: Child) -> Target {
        let (address, server) = (Mutex::new(address), Mutex::new(Some(server)));
        Target { kind, folder, address, server, made: AtomicUsize::new(0) }
    }

    pub fn address(&self) -> SocketAddr {
        *self.address.lock().expect("no thread panicked")
    }

    /// The server's process, if it was started here.
    pub fn process(&self) -> Option<u32> {
        let server = self.server.lock().expect("no thread panicked");
        server.as_ref().map(Child::id)
    }

    /// A repository with what the fixture serves: its path on the server.
    pub fn fill(&self, fixture: &Fixture) -> Result<String> {
        let path = self.create(&fixture.name, &fixture.head()?)?;
        if self.kind == Kind::Git {
            let to = self.folder.join(&path[1..]);
            std::fs::remove_dir_all(&to)?;
            let mut copy = Command::new("cp");
            copy.current_dir(&self.folder).arg("-r").arg(&fixture.served).arg(to);
            run(copy)?;
        } else if !fixture.is_empty()? {
            self.push(fixture, &path)?;
        }
        Ok(path)
    }

    /// HEAD follows the first branch that is pushed, so that one goes first.
    fn push(&self, fixture: &Fixture, path: &str) -> Result<()> {
        let (url, head) = (self.url(path), fixture.head()?);
        let branches = ["for-each-ref", "--count=1", "--format=%(refname)", "refs/heads"];
        let first = crate::git::text(&fixture.served, &branches)?;
        if !first.is_empty() && first != head {
            run(git(&fixture.served, &["push", "--quiet", &url, &head]))?;
        }
        run(git(&fixture.served, &["push", "--quiet", "--mirror", &url]))?;
        Ok(())
    }

    /// An empty repository whose HEAD is the branch `head`: its path on the server. Its ids are of
    /// SHA-256 if its name says so.
    pub fn create(&self, name: &str, head: &str) -> Result<String> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let branch = head.trim_start_matches("refs/heads/");
        let format = if name.contains("sha256") { "sha256" } else { "sha1" };
        match self.kind {
            Kind::Git => {
                let path = format!("/all/{name}-{number}.git");
                let folder = &path[1..];
                let format = format!("--object-format={format}");
                let words = ["init", "--quiet", "--bare", &format, "-b", branch, folder];
                run(git(&self.folder, &words))?;
                Ok(path)
            }
            Kind::Native => {
                let own = format!("all/{name}-{number}");
                let mut command = Command::new(binary()?);
                command.args(["repo", "create", &own, "--object-format", format]);
                command.args(["--default-branch", branch, "--data"]);
                command.arg(self.folder.join("data")).current_dir(&self.folder);
                run(command).context("gitcell repo create")?;
                Ok(format!("/{own}.git"))
            }
            // A run's own names: the server keeps what earlier runs made.
            Kind::Workers => {
                let path = format!("/all/{name}-{}-{number}.git", std::process::id());
                let create =
                    format!("{path}/-/create?object-format={format}&default-branch={branch}");
                let answer = send(self.address(), "POST", &create, &[], b"")?;
                ensure!(answer.status == 201, "{create}: {}", answer.status);
                Ok(path)
            }
        }
    }

    /// Settings of the repository at `path`, each beside those of the same name.
    pub fn set(&self, path: &str, settings: &[(String, String)]) -> Result<()> {
        let name = path.trim_start_matches('/');
        for (key, value) in settings {
            if self.kind == Kind::Workers {
                let word = |text: &str| -> String {
                    text.bytes().map(|byte| format!("%{byte:02x}")).collect()
                };
                let query = format!("key={}&value={}&add=true", word(key), word(value));
                let ask = format!("{path}/-/config?{query}");
                let answer = send(self.address(), "POST", &ask, &[], b"")?;
                ensure!(answer.status == 200, "{ask}: {}", answer.status);
                continue;
            }
            let mut command =
                Command::new(if self.kind == Kind::Git { PathBuf::from("git") } else { binary()? });
            command.current_dir(&self.folder);
            match self.kind {
                Kind::Git => command.args(["-C", name, "config", "--add", key, value]),
                _ => command
                    .args(["repo", "config", name.trim_end_matches(".git"), key, value, "--add"])
                    .args(["--data", "data"]),
            };
            run(command).with_context(|| format!("set {key} {value}"))?;
        }
        Ok(())
    }

    /// Does the upkeep of the repository at `path` now, as our hosts do some time after a change.
    pub fn maintain(&self, path: &str) -> Result<()> {
        let name = path.trim_start_matches('/').trim_end_matches(".git");
        match self.kind {
            Kind::Git => bail!("git's own server has no such thing"),
            Kind::Native => {
                let mut command = Command::new(binary()?);
                command.current_dir(&self.folder).args(["maintain", name, "--data", "data"]);
                run(command).context("gitcell maintain")?;
            }
            Kind::Workers => {
                let ask = format!("{path}/-/maintain?thorough=1");
                let answer = send(self.address(), "POST", &ask, &[], b"")?;
                ensure!(answer.status == 200, "{ask}: {}", answer.status);
            }
        }
        Ok(())
    }

    /// The log of the repository at `path`: all of it, or so many pushes behind a number.
    pub fn log(&self, path: &str, part: Option<(u64, u64)>) -> Result<String> {
        let (after, limit) = part.unzip();
        if self.kind == Kind::Workers {
            let part = part.map(|(after, limit)| format!("?after={after}&limit={limit}"));
            let ask = format!("{path}/-/log{}", part.unwrap_or_default());
            let answer = send(self.address(), "GET", &ask, &[], b"")?;
            ensure!(answer.status == 200, "{ask}: {}", answer.status);
            return Ok(String::from_utf8(answer.body)?);
        }
        let mut command = Command::new(binary()?);
        let name = path.trim_start_matches('/').trim_end_matches(".git");
        command.args(["repo", "log", name, "--data", "data"]).current_dir(&self.folder);
        for (word, number) in [("--after", after), ("--limit", limit)] {
            if let Some(number) = number {
                command.arg(word).arg(number.to_string());
            }
        }
        Ok(String::from_utf8(run(command).context("gitcell repo log")?)?)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address())
    }

    /// Ends the server at once, as a power cut does, and starts it again on the same data.
    pub fn crash(&self) -> Result<()> {
        let mut server = self.server.lock().expect("no thread panicked");
        let mut running = server.take().context("only a server that was started here is killed")?;
        self.kill(&mut running)?;
        let (address, started) = match self.kind {
            Kind::Workers => workers::start(&self.folder)?,
            _ => start_native(&self.folder, "127.0.0.1:0")?,
        };
        *self.address.lock().expect("no thread panicked") = address;
        *server = started;
        Ok(())
    }

    fn kill(&self, server: &mut Child) -> Result<()> {
        if self.kind != Kind::Native {
            return workers::stop(server);
        }
        server.kill()?;
        server.wait()?;
        Ok(())
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        let server = self.server.get_mut().map(Option::take);
        if let Ok(Some(mut server)) = server {
            let _ = self.kill(&mut server);
        }
    }
}

/// The release build, or what `GITCELL` names.
pub fn binary() -> Result<PathBuf> {
    let built = crate::target_folder().join("release/gitcell");
    let path = std::env::var_os("GITCELL").map_or(built, PathBuf::from);
    path.canonicalize().with_context(|| {
        format!("{} is not there: cargo build --release --package gitcell", path.display())
    })
}

fn start_native(folder: &Path, listen: &str) -> Result<(SocketAddr, Option<Child>)> {
    let (address, child) = start_server(folder, &["--open", "--listen", listen])?;
    Ok((address, Some(child)))
}

/// `gitcell serve WORDS` with its data and its log in `folder`: where it listens.
pub fn start_server(folder: &Path, words: &[&str]) -> Result<(SocketAddr, Child)> {
    let mut command = Command::new(binary()?);
    command.arg("serve").args(words).arg("--data").arg(folder.join("data"));
    if let Some(engine) = std::env::var_os("GITCELL_ENGINE") {
        command.arg("--engine").arg(engine);
    }
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log"))?;
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(log);
    let mut child = command.spawn().context("gitcell serve")?;
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    let first = lines.next().context("gitcell serve printed nothing: see its log")??;
    let address = first.split("http://").nth(1).context("gitcell serve printed no address")?;
    let address = address.trim().parse()?;
    // What it prints later must not fill the pipe.
    std::thread::spawn(move || lines.for_each(drop));
    Ok((address, child))
}

fn start_workers(folder: &Path) -> Result<(SocketAddr, Option<Child>)> {
    let Ok(url) = std::env::var("WORKERS_URL") else {
        return workers::start(folder);
    };
    let place = url.trim_start_matches("http://").trim_end_matches('/');
    let address = place.to_socket_addrs()?.next().with_context(|| format!("{url} is nowhere"))?;
    Ok((address, None))
}
