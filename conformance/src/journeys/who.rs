//! Who may do what, by the table `who-may.txt`: callers times requests, on a server that asks for
//! tokens. The Worker's own tests ask the same table.

use super::Trip;
use crate::git::run;
use crate::http::{Answer, send};
use crate::target::{Kind, binary, start_server};
use anyhow::{Context, Result, ensure};
use std::net::SocketAddr;
use std::process::{Child, Command};
use std::time::Duration;

const TABLE: &str = include_str!("../../who-may.txt");
/// Those who may not know whether there is a repository.
const STRANGERS: &[&str] = &["none", "wrong", "expired", "revoked", "other", "else"];
const WRONG: &str = "gitcell_00000000_0000000000000000000000000000000000000000";

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub fn may(trip: &Trip<'_>) -> Result<Option<String>> {
    if trip.target.kind != Kind::Native {
        return Ok(None);
    }
    let (address, child) = start_server(trip.folder, &["--listen", "127.0.0.1:0"])?;
    let _ended = Ended(child);
    for name in ["me/project", "me/other", "else/where"] {
        gitcell(trip, &format!("repo create {name}"))?;
    }
    let mut lines = TABLE.lines().skip_while(|line| !line.starts_with("request"));
    let names: Vec<&str> = lines.next().context("a head")?.split_whitespace().skip(1).collect();
    let tokens: Vec<String> = names.iter().map(|name| token(trip, name)).collect::<Result<_>>()?;
    std::thread::sleep(Duration::from_secs(2));
    let mut wrong = Vec::new();
    for line in lines {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [method, path, cells @ ..] = words.as_slice() else { continue };
        ensure!(cells.len() == names.len(), "cells are missing: {line}");
        for ((name, token), cell) in names.iter().zip(&tokens).zip(cells) {
            let answer = ask(address, method, &inside("me/project", path), token)?;
            let absent = ask(address, method, &inside("me/absent", path), token)?;
            let expected = cell.split_once('/').map_or(*cell, |(native, _)| native);
            if answer.status.to_string() != expected {
                wrong.push(format!("{name}: {method} {path}: {}, not {expected}", answer.status));
            }
            let is_same = answer.status == absent.status && answer.body == absent.body;
            if STRANGERS.contains(name) && !is_same {
                wrong.push(format!("{name}: {method} {path} tells that there is a repository"));
            }
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    escapes(address, &tokens[names.iter().position(|name| *name == "write").context("write")?])?;
    let log = std::fs::read_to_string(trip.path("log"))?;
    let told = tokens.iter().filter(|token| !token.is_empty() && log.contains(*token));
    ensure!(told.count() == 0, "a token is in the log");
    Ok(None)
}

/// The whole path; what begins with `~` is of no repository.
fn inside(name: &str, path: &str) -> String {
    path.strip_prefix('~').map_or_else(|| format!("/{name}.git{path}"), str::to_string)
}

/// Names that lead, or might lead, to another place than they say.
fn escapes(address: SocketAddr, token: &str) -> Result<()> {
    let (long, longer) = ("a".repeat(101), "a".repeat(5000));
    let names = [
        "me/../me/project",
        "me/%2e%2e/me/project",
        "me%2fproject",
        "./me/project",
        "me//project",
        "me/%70roject",
        "ME/project",
        "me/Project",
        "me/pr\u{f6}ject",
        "me/project%00",
        "me/.project",
        "me/project.git",
        "../data/me/project",
        &format!("me/{long}"),
        &format!("{longer}/project"),
    ];
    for name in names {
        let path = format!("/{name}.git/info/refs?service=git-upload-pack");
        let answer = ask(address, "GET", &path, token)?;
        ensure!([400, 403, 404].contains(&answer.status), "{path}: {}", answer.status);
    }
    Ok(())
}

fn gitcell(trip: &Trip<'_>, words: &str) -> Result<String> {
    let mut command = Command::new(binary()?);
    command.current_dir(trip.folder).args(words.split_whitespace()).args(["--data", "data"]);
    let said = run(command).with_context(|| words.to_string())?;
    Ok(String::from_utf8_lossy(&said).trim().to_string())
}

/// A caller's token; nothing for who has none.
fn token(trip: &Trip<'_>, name: &str) -> Result<String> {
    let bounds = match name {
        "none" => return Ok(String::new()),
        "wrong" => return Ok(WRONG.into()),
        "read" | "revoked" => "--repo me/project",
        "write" => "--scope write --repo me/project",
        "expired" => "--scope write --repo me/project --ttl 1s",
        "other" => "--scope write --repo me/other",
        "else" => "--scope write --repo else/*",
        "admin" => "--scope write",
        _ => "--scope write --repo me/project --ref refs/heads/agent/* --no-force",
    };
    let token = gitcell(trip, &format!("token create {bounds}"))?;
    if name == "revoked" {
        gitcell(trip, &format!("token revoke {token}"))?;
    }
    Ok(token)
}

fn ask(address: SocketAddr, method: &str, path: &str, token: &str) -> Result<Answer> {
    let mut headers = Vec::new();
    if !token.is_empty() {
        headers.push(("Authorization".to_string(), format!("Bearer {token}")));
    }
    let mut body: &[u8] = b"";
    if let Some((_, service)) = path.split_once(".git/git-").filter(|_| method == "POST") {
        let kind = format!("application/x-git-{service}-request");
        headers.push(("Content-Type".into(), kind));
        body = b"0000";
    }
    send(address, method, path, &headers, body).with_context(|| format!("{method} {path}"))
}
