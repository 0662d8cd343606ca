//! Who is let in over SSH, by the machine's own `ssh`; where there is none, nothing is tested.

use crate::server::Server;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `command` on the server with the key `name`, which is made if there is none.
fn ssh(folder: &Path, port: u16, name: &str, command: &str) -> Output {
    let key = folder.join(name);
    if !key.exists() {
        let mut make = Command::new("ssh-keygen");
        make.args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"]).arg(&key);
        assert!(make.status().expect("ssh-keygen").success());
    }
    let mut ssh = Command::new("ssh");
    ssh.args(["-F", "/dev/null", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes"]);
    ssh.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-n"]);
    ssh.arg("-i").arg(key).args(["-p", &port.to_string(), "git@127.0.0.1", command]);
    ssh.output().expect("ssh")
}

#[test]
fn a_key_opens_what_it_was_added_for_until_it_is_removed() {
    if Command::new("ssh").arg("-V").output().is_err() {
        return eprintln!("skipped: this machine has no ssh (openssh-client)");
    }
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("it").port();
    let server = Server::start(&["--ssh", &format!("127.0.0.1:{port}")]);
    let folder = tempfile::tempdir().expect("a temporary folder");
    let check = |key: &str, command: &str, expect: &str| {
        let output = ssh(folder.path(), port, key, command);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && said.contains(expect), "{command}: {output:?}");
    };
    check("mine", "git-upload-pack '/demo/hello.git'", "Permission denied");
    let file = folder.path().join("mine.pub").display().to_string();
    let added = server.gitcell(&["key", "add", &file, "--repo", "demo/*"]);
    assert!(added.status.success(), "{added:?}");
    check("mine", "git-upload-pack '/other/hello.git'", "for another repository");
    check("mine", "git-upload-pack '/demo/none.git'", "gitcell repo create demo/none");
    check("mine", "ls", "it runs no other commands");
    check("other", "git-upload-pack '/demo/hello.git'", "Permission denied");
    let id = String::from_utf8(added.stdout).expect("text");
    assert!(server.gitcell(&["key", "remove", id.trim()]).status.success());
    check("mine", "git-upload-pack '/demo/hello.git'", "Permission denied");
}
