//! Brings clients of other makers to this machine, into the target folder. Knows no server.

use crate::target_folder;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

/// Where a client comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    /// pip, in an environment of its own.
    Python,
    /// npm.
    Node,
    /// JGit from Debian's packages, for a Java that is here already.
    Jars,
    /// A second git of this machine, of another version than the first.
    OtherGit,
}

const PYTHON: &[&str] = &["pygit2==1.21.0", "dulwich==1.2.21", "gitpure==1.0.9"];
const NODE: &[&str] = &["isomorphic-git@1.44.11"];
const JARS: &[&str] = &[
    "jgit-cli",
    "libargs4j-java",
    "libcommons-codec-java",
    "libcommons-compress-java",
    "libcommons-logging-java",
    "libhttpclient-java",
    "libhttpcore-java",
    "libjavaewah-java",
    "libjgit-java",
    "libjsch-java",
    "libslf4j-java",
];

/// One installs, others wait.
static INSTALLING: Mutex<()> = Mutex::new(());

/// Where clients lie.
pub fn folder() -> PathBuf {
    let folder = target_folder().join("peers");
    folder.canonicalize().unwrap_or(folder)
}

/// Sees that a client is here; answers why it cannot be, if that is no fault of the suite.
pub fn install(tool: Tool) -> Result<Option<String>> {
    let _lock = INSTALLING.lock().expect("no thread panicked");
    std::fs::create_dir_all(folder())?;
    match tool {
        Tool::Python => python()?,
        Tool::Node => node()?,
        Tool::Jars => return jars(),
        Tool::OtherGit if other_git().is_none() => {
            return Ok(Some("there is one version of git here, no second one".into()));
        }
        Tool::OtherGit => {}
    }
    Ok(None)
}

fn python() -> Result<()> {
    once("python", &PYTHON.join(" "), || {
        step(Command::new("python3").args(["-m", "venv", "--clear", "venv"]), "python3-venv")?;
        let mut pip = Command::new(folder().join("venv/bin/pip"));
        step(pip.args(["install", "--quiet", "--disable-pip-version-check"]).args(PYTHON), "pip")
    })
}

fn node() -> Result<()> {
    once("node", &NODE.join(" "), || {
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--prefix", "npm"]).args(NODE);
        step(&mut npm, "npm")
    })
}

/// This is the one client that needs Debian, and a Java that nothing else here needs.
fn jars() -> Result<Option<String>> {
    if Command::new("java").arg("-version").output().is_err() {
        return Ok(Some("JGit needs java".into()));
    }
    let brought = once("jars", &JARS.join(" "), || {
        std::fs::create_dir_all(folder().join("debs"))?;
        let mut get = Command::new("apt-get");
        get.args(["download", "-q"]).args(JARS).current_dir(folder().join("debs"));
        step(&mut get, "apt-get download")?;
        for entry in std::fs::read_dir(folder().join("debs"))? {
            step(Command::new("dpkg").arg("-x").arg(entry?.path()).arg("jars"), "dpkg -x")?;
        }
        Ok(())
    });
    Ok(brought.err().map(|error| format!("JGit cannot be had: {error:#}")))
}

/// The first git on the path whose version is not that of plain `git`.
pub fn other_git() -> Option<PathBuf> {
    let version = |git: &Path| Command::new(git).arg("--version").output().ok().map(|o| o.stdout);
    let own = version(Path::new("git"))?;
    let path = std::env::var_os("PATH")?;
    let mut all = std::env::split_paths(&path).map(|folder| folder.join("git"));
    all.find(|git| version(git).is_some_and(|other| other != own))
}

/// Does what `make` does unless it was done for the same `wanted` before.
fn once(name: &str, wanted: &str, make: impl FnOnce() -> Result<()>) -> Result<()> {
    let mark = folder().join(format!("{name}.done"));
    if std::fs::read_to_string(&mark).is_ok_and(|done| done == wanted) {
        return Ok(());
    }
    make()?;
    Ok(std::fs::write(mark, wanted)?)
}

fn step(command: &mut Command, name: &str) -> Result<()> {
    if command.get_current_dir().is_none() {
        command.current_dir(folder());
    }
    let output = command.output().with_context(|| format!("{name} is not here"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.trim_end().lines().last().unwrap_or_default();
    bail!("{name} failed; it needs the network the first time: {last}")
}
