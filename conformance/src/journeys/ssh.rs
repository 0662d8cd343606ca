//! Stock git over the machine's own `ssh`, to a server that asks for keys. Only the native host
//! speaks SSH; where there is no `ssh`, the journey is skipped.

use super::{Trip, same};
use crate::git::{git, refusal, run, start, text};
use crate::target::{Kind, binary, start_server};
use anyhow::{Context, Result, ensure};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command};

/// A server of this journey's own, with tokens and keys.
struct House<'t> {
    trip: &'t Trip<'t>,
    port: u16,
    child: Child,
}

impl Drop for House<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn ssh(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind != Kind::Native {
        return Ok(None);
    }
    for tool in ["ssh", "ssh-keygen"] {
        // Both answer, if not with what they are asked.
        if start(Command::new(tool).arg("-?")).and_then(|mut child| Ok(child.wait()?)).is_err() {
            return Ok(Some(format!("this machine has no {tool} (openssh-client)")));
        }
    }
    let house = House::open(trip)?;
    house.gitcell("repo create me/project")?;
    house.key("writer", "ed25519", "--scope write --repo me/project")?;
    house.key("reader", "ed25519", "")?;
    house.key("elder", "rsa", "--scope write")?;
    house.make_key("stranger", "ed25519")?;
    filled(&house).context("a first push")?;
    cloned(&house).context("clones")?;
    forced(&house).context("a forced push")?;
    bound(&house).context("a key bound to refs")?;
    refused(&house).context("keys")?;
    house.clone_as("writer", "--mirror", "end")?;
    same(&trip.path("ada"), &trip.path("end"))?;
    Ok(None)
}

impl<'t> House<'t> {
    fn open(trip: &'t Trip<'t>) -> Result<House<'t>> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let address = format!("127.0.0.1:{port}");
        let (_, child) =
            start_server(trip.folder, &["--listen", "127.0.0.1:0", "--ssh", &address])?;
        Ok(House { trip, port, child })
    }

    fn gitcell(&self, words: &str) -> Result<String> {
        let mut command = Command::new(binary()?);
        command.current_dir(self.trip.folder).args(words.split_whitespace());
        let said = run({
            command.args(["--data", "data"]);
            command
        })
        .with_context(|| words.to_string())?;
        Ok(String::from_utf8_lossy(&said).trim().to_string())
    }

    fn make_key(&self, name: &str, kind: &str) -> Result<PathBuf> {
        let path = self.trip.path(name);
        let mut command = Command::new("ssh-keygen");
        command.args(["-q", "-t", kind, "-N", "", "-C", name, "-f"]).arg(&path);
        run(command)?;
        Ok(path)
    }

    /// A key that the server lets in: its fingerprint.
    fn key(&self, name: &str, kind: &str, bounds: &str) -> Result<String> {
        let path = self.make_key(name, kind)?;
        self.gitcell(&format!("key add {}.pub {bounds}", path.display()))
    }

    fn url(&self) -> String {
        format!("ssh://git@127.0.0.1:{}/me/project.git", self.port)
    }

    /// git's setting by which `ssh` has this key, and no other.
    fn with_key(&self, key: &str) -> String {
        let key = self.trip.path(key);
        format!(
            "core.sshCommand=ssh -F /dev/null -i {} -o IdentitiesOnly=yes -o BatchMode=yes \
             -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR",
            key.display()
        )
    }

    /// `git WORDS` with a key, in a folder of this journey.
    fn git(&self, key: &str, folder: &str, words: &str) -> Result<String> {
        let setting = self.with_key(key);
        let words: Vec<&str> = ["-c", &setting].into_iter().chain(words.split(' ')).collect();
        text(&self.trip.path(folder), &words)
    }

    fn clone_as(&self, key: &str, words: &str, name: &str) -> Result<()> {
        let url = self.url();
        let words: Vec<&str> = words.split_whitespace().collect();
        let setting = self.with_key(key);
        let words = [&["-c", &setting, "clone", "--quiet"], &words[..], &[&url, name]].concat();
        run(git(self.trip.folder, &words)).with_context(|| name.to_string())?;
        Ok(())
    }

    /// What git says of a refused `ls-remote`, or push if `pushes`.
    fn refusal(&self, key: &str, pushes: bool) -> Result<String> {
        let setting = self.with_key(key);
        let words: &[&str] = match pushes {
            true => &["-c", &setting, "push", "origin", "main:refs/heads/not-to-be"],
            false => &["-c", &setting, "ls-remote", "origin"],
        };
        refusal(&self.trip.path("ada"), words).with_context(|| format!("as {key}"))
    }
}

fn filled(house: &House<'_>) -> Result<()> {
    let trip = house.trip;
    trip.start("ada", &house.url())?;
    // So that only what was pushed is compared.
    trip.git("ada", "config --unset-all remote.origin.fetch")?;
    for round in ["one", "two", "three"] {
        let lines: String = (0..2000).map(|line| format!("{round} {line}\n")).collect();
        trip.write("ada", "folder/file", &lines)?;
        trip.save("ada", round)?;
    }
    trip.git("ada", "tag -a -m first v1 HEAD~1")?;
    house.git("writer", "ada", "push --quiet origin main v1 main~2:refs/heads/old")?;
    trip.git("ada", "branch old main~2")?;
    trip.write("ada", "by-rsa", "signed with SHA-2\n")?;
    trip.save("ada", "by-rsa")?;
    house.git("elder", "ada", "push --quiet origin main")?;
    Ok(())
}

fn cloned(house: &House<'_>) -> Result<()> {
    let trip = house.trip;
    for version in ["0", "1", "2"] {
        let (words, name) =
            (format!("--mirror -c protocol.version={version}"), format!("v{version}"));
        house.clone_as("reader", &words, &name)?;
        same(&trip.path("ada"), &trip.path(&name))?;
        let shallow = format!("shallow-v{version}");
        house.clone_as("reader", &format!("--depth=1 -c protocol.version={version}"), &shallow)?;
        ensure!(trip.git(&shallow, "rev-list --count HEAD")? == "1", "it is not shallow");
        house.git("reader", &shallow, "fetch --quiet --deepen=1 origin")?;
        house.git("reader", &shallow, "fetch --quiet --unshallow origin")?;
        ensure!(trip.git(&shallow, "rev-list --count HEAD")? == "5", "it is shallow");
        trip.git(&shallow, "fsck --full")?;
    }
    house.clone_as("reader", "--filter=blob:none --no-checkout", "lazy")?;
    let missing = trip.git("lazy", "rev-list --objects --missing=print HEAD")?;
    ensure!(missing.lines().any(|line| line.starts_with('?')), "it is not partial");
    house.git("reader", "lazy", "checkout --quiet main")?;
    ensure!(std::fs::read(trip.path("lazy").join("README"))? == b"hello\n");
    Ok(())
}

fn forced(house: &House<'_>) -> Result<()> {
    let trip = house.trip;
    trip.git("ada", "commit --quiet --amend -m amended")?;
    let setting = house.with_key("writer");
    let said = refusal(&trip.path("ada"), &["-c", &setting, "push", "origin", "main"])?;
    ensure!(said.contains("non-fast-forward") || said.contains("fetch first"), "{said}");
    house.git("writer", "ada", "push --quiet --force origin main")?;
    house.git("writer", "ada", "push --quiet origin :old")?;
    trip.git("ada", "branch -D old")?;
    house.git("reader", "v2", "fetch --quiet --prune origin")?;
    same(&trip.path("ada"), &trip.path("v2"))
}

/// A key that pushes to some refs, and never takes anything away.
fn bound(house: &House<'_>) -> Result<()> {
    let bounds = "--scope write --ref refs/heads/agent/* --no-force";
    house.key("agent", "ed25519", bounds)?;
    let list = house.gitcell("key list")?;
    ensure!(list.contains("(only refs/heads/agent/*, no-force)"), "{list}");
    let setting = house.with_key("agent");
    let check = |words: &[&str], expect: &str| {
        let words = [&["-c", &setting, "push", "origin"], words].concat();
        let said = refusal(&house.trip.path("ada"), &words)?;
        ensure!(said.contains(expect), "{words:?}: {said}");
        Ok(())
    };
    check(&["main:refs/heads/new"], "this ref is not to be written")?;
    check(&["+main~1:refs/heads/main"], "this ref is not to be written")?;
    house.git("agent", "ada", "push --quiet origin main:refs/heads/agent/one")?;
    check(&["+main~1:refs/heads/agent/one"], "non-fast-forward")?;
    check(&[":refs/heads/agent/one"], "deletion of this ref is prohibited")?;
    // One of two is done, none of two that belong together.
    let two = ["main:refs/heads/agent/two", "main:refs/heads/other"];
    check(&[&["--atomic"], &two[..]].concat(), "this ref is not to be written")?;
    ensure!(!house.git("agent", "ada", "ls-remote origin")?.contains("agent/two"));
    check(&two, "this ref is not to be written")?;
    ensure!(house.git("agent", "ada", "ls-remote origin")?.contains("agent/two"));
    house.git(
        "writer",
        "ada",
        "push --quiet origin :refs/heads/agent/one :refs/heads/agent/two",
    )?;
    Ok(())
}

/// Who is not let in, from the moment on that it is said.
fn refused(house: &House<'_>) -> Result<()> {
    let check = |key: &str, pushes: bool, expect: &str| {
        let said = house.refusal(key, pushes)?;
        ensure!(said.contains(expect), "{key}: {said}");
        Ok(())
    };
    check("stranger", false, "Permission denied")?;
    check("reader", true, "may not push")?;
    let elsewhere = house.key("elsewhere", "ed25519", "--scope write --repo other/*")?;
    check("elsewhere", false, "for another repository")?;
    house.gitcell(&format!("key remove {elsewhere}"))?;
    check("elsewhere", false, "Permission denied")?;
    let list = house.gitcell("key list")?;
    let line = list.lines().find(|line| line.ends_with(" reader")).context("the reader's line")?;
    let id = line.split(' ').next().unwrap_or_default().to_string();
    house.git("reader", "ada", "ls-remote --quiet origin")?;
    house.gitcell(&format!("key remove {id}"))?;
    check("reader", false, "Permission denied")
}
