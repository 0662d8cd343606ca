//! Pushes that are signed: what was signed is kept as it was, and whoever reads it can verify it.

use super::Trip;
use crate::git::{git, run, run_with};
use crate::target::Kind;
use anyhow::{Context, Result, ensure};
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

/// What makes git's own server keep the same log: it hands certificates to hooks alone.
const HOOK: &str = "#!/bin/sh
{
    echo push
    test \"$GIT_PUSH_OPTION_COUNT\" && echo \"option $GIT_PUSH_OPTION_0\"
    test \"$GIT_PUSH_CERT\" && echo \"nonce $GIT_PUSH_CERT_NONCE_STATUS\"
    test \"$GIT_PUSH_CERT\" && git cat-file blob $GIT_PUSH_CERT | sed 's/^/cert /'
    cat
} >>pushes
";

pub fn signed(trip: &Trip<'_>) -> Result<Option<String>> {
    let path = trip.target.create("signed", "refs/heads/main")?;
    let set = |key: &str, value: &str| trip.target.set(&path, &[(key.into(), value.into())]);
    set("receive.certNonceSeed", "sesame")?;
    set("receive.certNonceSlop", "3600")?;
    let own = trip.target.folder.join(&path[1..]);
    if trip.target.kind == Kind::Git {
        let hook = own.join("hooks/post-receive");
        std::fs::create_dir_all(own.join("hooks"))?;
        std::fs::write(&hook, HOOK)?;
        std::fs::set_permissions(&hook, std::fs::Permissions::from_mode(0o755))?;
    }
    trip.start("ada", &trip.target.url(&path))?;
    keygen(trip, &["-q", "-t", "ed25519", "-N", "", "-C", "ada", "-f", "key"], b"")?;
    let public = std::fs::read_to_string(trip.path("key.pub"))?;
    std::fs::write(trip.path("allowed"), format!("ada@example.org {public}"))?;
    trip.git("ada", "config gpg.format ssh")?;
    trip.git("ada", &format!("config user.signingKey {}", trip.path("key").display()))?;
    trip.git("ada", "push --quiet --signed --push-option=one origin main")?;
    trip.write("ada", "two", "two")?;
    trip.save("ada", "two")?;
    trip.git("ada", "push --quiet --signed --atomic origin main main:side")?;
    trip.git("ada", "push --quiet origin :side")?;
    let log = match trip.target.kind {
        Kind::Git => std::fs::read_to_string(own.join("pushes"))?,
        _ => trip.target.log(&path, None)?,
    };
    let pushes: Vec<&str> = log.split_inclusive('\n').collect();
    let pushes: Vec<&[&str]> =
        pushes.split(|line| line.starts_with("push")).filter(|push| !push.is_empty()).collect();
    let [first, second, third] = pushes[..] else { anyhow::bail!("three pushes:\n{log}") };
    ensure!(first.contains(&"option one\n"), "{log}");
    for (push, moved) in [(first, 1), (second, 2)] {
        ensure!(push.contains(&"nonce OK\n"), "{log}");
        ensure!(push.iter().filter(|line| line.contains(" refs/heads/")).count() == 2 * moved);
        let lines = push.iter().filter_map(|line| line.strip_prefix("cert "));
        let certificate: String = lines.collect();
        verify(trip, &certificate).with_context(|| certificate.clone())?;
        let other = certificate.replace("refs/heads/main", "refs/heads/mine");
        ensure!(verify(trip, &other).is_err(), "what was not signed is verified");
    }
    ensure!(!third.concat().contains("cert "), "{log}");
    if trip.target.kind != Kind::Git {
        let number = |push: &str| Some(push.strip_prefix("push ")?.parse::<u64>().ok());
        let numbers: Vec<u64> = log.lines().filter_map(number).flatten().collect();
        let part = trip.target.log(&path, Some((numbers[0], 1)))?;
        ensure!(part.lines().filter_map(number).flatten().eq([numbers[1]]), "{part}");
        ensure!(part.ends_with(&second.concat()), "{part}");
    }
    run(git(trip.folder, &["clone", "--quiet", &trip.target.url(&path), "end"]))?;
    Ok(None)
}

/// Who has the key has signed what stands before the signature.
fn verify(trip: &Trip<'_>, certificate: &str) -> Result<()> {
    let (text, signature) = certificate.split_once("-----BEGIN").context("it has no signature")?;
    std::fs::write(trip.path("signature"), format!("-----BEGIN{signature}"))?;
    let words = ["-Y", "verify", "-f", "allowed", "-I", "ada@example.org", "-n", "git"];
    keygen(trip, &[&words[..], &["-s", "signature"]].concat(), text.as_bytes())
}

fn keygen(trip: &Trip<'_>, words: &[&str], input: &[u8]) -> Result<()> {
    let mut command = Command::new("ssh-keygen");
    command.args(words).current_dir(trip.folder);
    run_with(command, input).map(drop)
}
