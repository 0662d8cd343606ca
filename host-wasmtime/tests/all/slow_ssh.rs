//! Clients of SSH that are slow, silent or gone, by the machine's own `ssh`; where there is none,
//! nothing is tested.

use crate::server::Server;
use crate::slow::{SECOND, files, recovers};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread::{JoinHandle, sleep};
use std::time::Instant;

/// One request at a time, and two seconds of patience: five times as long for who may be packing.
struct Place {
    server: Server,
    port: u16,
    /// Sockets that it holds in peace.
    before: usize,
}

/// A client with its command begun: the stand-in answers what it is told, and waits for more.
struct Client(Child);

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Place {
    fn new(words: &[&str]) -> Option<Place> {
        if Command::new("ssh").arg("-V").output().is_err() {
            eprintln!("skipped: this machine has no ssh (openssh-client)");
            return None;
        }
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = free.local_addr().expect("it").port();
        drop(free);
        let ssh = format!("127.0.0.1:{port}");
        let server = [&["--ssh", &ssh, "--capacity", "1", "--stall", "2"], words].concat();
        let server = Server::start(&server);
        let before = files(&server);
        Some(Place { server, port, before })
    }

    fn connect(&self) -> TcpStream {
        TcpStream::connect(("127.0.0.1", self.port)).expect("connect")
    }

    fn ssh(&self) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "/dev/null", "-o", "StrictHostKeyChecking=no", "-p"]);
        ssh.arg(self.port.to_string()).args(["-o", "UserKnownHostsFile=/dev/null"]);
        ssh
    }

    /// One whose request runs: its first bytes have come back.
    fn begin(&self) -> Client {
        let mut ssh = self.ssh();
        ssh.args(["git@127.0.0.1", "git-receive-pack '/demo/hello.git'"]);
        let pipes = ssh.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut client = Client(pipes.spawn().expect("ssh"));
        let mut some = [0; 10];
        client.0.stdout.as_mut().expect("its output").read_exact(&mut some).expect("an answer");
        assert_eq!(&some[..7], b"STREAM|");
        client
    }

    /// The only place is free again within `seconds`, and nothing of the client is left.
    fn recovers(&self, seconds: u32) {
        let begin = Instant::now();
        while self.server.ask("GET /demo/hello.git/x", b"").status != 200 {
            assert!(begin.elapsed() < seconds * SECOND, "{}", self.server.log());
        }
        recovers(&self.server, self.before);
    }
}

impl Client {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().expect("kill").success());
    }

    fn send(&mut self, bytes: &[u8]) {
        let input = self.0.stdin.as_mut().expect("its input");
        input.write_all(bytes).and_then(|()| input.flush()).expect("send");
    }

    /// Sends so much that comes back as it is; how much is taken depends on who reads it.
    fn flood(&mut self) -> JoinHandle<()> {
        let mut input = self.0.stdin.take().expect("its input");
        std::thread::spawn(move || {
            // It may be cut on the way.
            let _ = input.write_all(&vec![b'A'; 24 << 20]);
        })
    }
}

/// How long it takes until a connection that goes on sending is cut.
fn until_cut(mut stream: TcpStream, piece: &[u8]) -> u64 {
    let begin = Instant::now();
    stream.set_read_timeout(Some(SECOND / 10)).expect("a timeout");
    let mut some = [0; 1000];
    while stream.write_all(piece).is_ok() && !matches!(stream.read(&mut some), Ok(0)) {
        assert!(begin.elapsed() < 40 * SECOND, "it may go on for ever");
        sleep(SECOND / 10);
    }
    begin.elapsed().as_secs()
}

#[test]
fn ssh_that_never_says_who_it_is_is_cut() {
    let Some(place) = Place::new(&["--open"]) else { return };
    let mut streams: Vec<TcpStream> = (0..100).map(|_| place.connect()).collect();
    for (number, stream) in streams.iter_mut().enumerate() {
        // Some say nothing at all, some not even a whole line.
        stream.write_all(&b"SSH-2.0-x"[..number % 10]).expect("send");
    }
    drop(place.begin());
    let dripping = streams.pop().expect("a stream");
    assert!(until_cut(dripping, b"a") < 20, "in its first line");
    let mut ignored = place.connect();
    ignored.write_all(b"SSH-2.0-x\r\n").expect("send");
    // SSH_MSG_IGNORE (RFC 4253, 11.2) with nothing in it, before any key exchange.
    let ignore = [0, 0, 0, 12, 6, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(until_cut(ignored, &ignore) < 20, "in words that say nothing");
    place.recovers(20);
    drop(streams);
}

#[test]
fn ssh_that_does_not_authenticate_is_cut() {
    let Some(place) = Place::new(&[]) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let key = folder.path().join("key");
    let mut make = Command::new("ssh-keygen");
    make.args(["-q", "-t", "ed25519", "-N", "secret", "-f"]).arg(&key);
    assert!(make.status().expect("ssh-keygen").success());
    let public = key.with_extension("pub").display().to_string();
    assert!(place.server.gitcell(&["key", "add", &public]).status.success());
    // The key is known, and now somebody is asked for its passphrase, and does not answer.
    let asker = folder.path().join("ask");
    std::fs::write(&asker, "#!/bin/sh\ntouch \"$0.asked\"\nexec sleep 30\n").expect("write");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&asker, mode).expect("its mode");
    let mut ssh = place.ssh();
    ssh.env("SSH_ASKPASS", &asker).env("SSH_ASKPASS_REQUIRE", "force").env("DISPLAY", ":0");
    ssh.arg("-i").arg(&key).args(["-o", "IdentitiesOnly=yes", "git@127.0.0.1", "x"]);
    let pipes = ssh.stdin(Stdio::null()).stderr(Stdio::null());
    let mut client = Client(pipes.spawn().expect("ssh"));
    let begin = Instant::now();
    while !folder.path().join("ask.asked").exists() {
        assert!(begin.elapsed() < 10 * SECOND, "nobody is asked");
        sleep(SECOND / 10);
    }
    assert_eq!(files(&place.server), place.before + 1);
    let begin = Instant::now();
    while files(&place.server) > place.before {
        assert!(begin.elapsed() < 20 * SECOND, "it may be silent for ever");
        sleep(SECOND / 10);
    }
    client.0.kill().expect("kill");
}

#[test]
fn an_ssh_body_that_drips_or_stops_gives_its_place_back() {
    let Some(place) = Place::new(&["--open"]) else { return };
    let mut stopping = place.begin();
    stopping.send(&[b'A'; 100]);
    place.recovers(20);
    drop(stopping);
    let mut dripping = place.begin();
    let begin = Instant::now();
    while dripping.0.try_wait().expect("wait").is_none() {
        assert!(begin.elapsed() < 30 * SECOND, "it may drip for ever");
        let input = dripping.0.stdin.as_mut().expect("its input");
        let _ = input.write_all(b"A").and_then(|()| input.flush());
        sleep(SECOND / 10);
    }
    place.recovers(5);
}

#[test]
fn ssh_that_takes_no_answer_is_cut() {
    let Some(place) = Place::new(&["--open"]) else { return };
    // Its window fills: it says itself that it takes no more.
    let mut client = place.begin();
    let sending = client.flood();
    place.recovers(20);
    drop(client);
    sending.join().expect("sent");
}

#[test]
fn ssh_that_vanishes_leaves_nothing() {
    let Some(place) = Place::new(&["--open"]) else { return };
    // Stopped, it takes nothing from its socket, answers nothing, and closes nothing: as who lost
    // the network. Once while it is listened to, once while it is spoken to, once in peace.
    let mut silent = place.begin();
    silent.send(&[b'A'; 100]);
    silent.signal("-STOP");
    place.recovers(20);
    drop(silent);
    let mut deaf = place.begin();
    let sending = deaf.flood();
    let output = deaf.0.stdout.as_mut().expect("its output");
    output.read_exact(&mut vec![0; 4 << 20]).expect("some of it");
    deaf.signal("-STOP");
    place.recovers(20);
    drop(deaf);
    sending.join().expect("sent");
    for round in 0..10 {
        let mut client = place.begin();
        client.send(&vec![b'A'; 1000 << (round % 5)]);
        drop(client);
    }
    place.recovers(5);
}

#[test]
fn ssh_that_says_no_command_is_cut_off_whatever_it_sends() {
    let Some(place) = Place::new(&["--open"]) else { return };
    let mut ssh = place.ssh();
    // A subsystem is no command: what follows is for nobody.
    ssh.args(["-s", "git@127.0.0.1", "none"]);
    let pipes = ssh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut client = Client(pipes.spawn().expect("ssh"));
    let sending = client.flood();
    sleep(SECOND * 3);
    drop(client);
    sending.join().expect("sent");
    place.recovers(10);
}

#[test]
fn ssh_has_a_bound_of_commands_in_one_connection() {
    let Some(place) = Place::new(&["--open"]) else { return };
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("s");
    // Who is refused there has no other way.
    let shared = |words: &[&str]| {
        let mut ssh = place.ssh();
        ssh.arg("-S").arg(&path).args(words);
        ssh.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        Client(ssh.spawn().expect("ssh"))
    };
    let _first = shared(&["-M", "-N", "git@127.0.0.1"]);
    let begin = Instant::now();
    while !path.exists() {
        assert!(begin.elapsed() < 10 * SECOND, "no connection");
        sleep(SECOND / 10);
    }
    let run = || {
        let command = "git-receive-pack '/demo/hello.git'";
        shared(&["-o", "ProxyCommand=false", "git@127.0.0.1", command])
    };
    let running: Vec<Client> = (0..16).map(|_| run()).collect();
    sleep(SECOND);
    let mut said = String::new();
    let mut one_more = run();
    one_more.0.stderr.take().expect("its words").read_to_string(&mut said).expect("text");
    assert!(said.contains("refused by peer"), "{said}");
    drop(running);
    let begin = Instant::now();
    while place.server.ask("GET /demo/hello.git/x", b"").status != 200 {
        assert!(begin.elapsed() < 20 * SECOND, "{}", place.server.log());
    }
    let mut next = run();
    sleep(SECOND);
    assert!(next.0.try_wait().expect("wait").is_none(), "no place was given back");
}

/// A client that takes any server for the right one.
struct Trusting;

impl russh::client::Handler for Trusting {
    type Error = russh::Error;

    async fn check_server_key(
        &mut self,
        _key: &russh::keys::PublicKeyOrCertificate,
    ) -> Result<bool, russh::Error> {
        Ok(true)
    }
}

#[test]
fn ssh_that_hears_nothing_and_goes_on_sending_is_cut() {
    let Some(place) = Place::new(&["--open"]) else { return };
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    // Without a window it cannot be told that it is refused.
    let config = russh::client::Config { window_size: 0, ..Default::default() };
    runtime.block_on(async {
        let address = ("127.0.0.1", place.port);
        let connect = russh::client::connect(config.into(), address, Trusting);
        let mut session = connect.await.expect("connect");
        assert!(session.authenticate_none("git").await.expect("asked").success());
        let channel = session.channel_open_session().await.expect("a channel");
        channel.exec(true, "none").await.expect("sent");
        for _ in 0..300 {
            channel.data(&b"A"[..]).await.expect("sent");
        }
        tokio::time::sleep(SECOND).await;
    });
    drop(runtime);
    place.recovers(20);
}
