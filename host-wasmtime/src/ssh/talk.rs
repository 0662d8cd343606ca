//! One command over SSH: a conversation as a row of the engine's requests. The first one shows what
//! there is, each further one begins with what the client says next.

use crate::cell::now;
use crate::engine::{READ, Request, WRITE};
use crate::fault;
use crate::gate::Gate;
use crate::head::Head;
use crate::http::{Gone, Pace};
use crate::job::log;
use crate::keys;
use crate::names::Name;
use crate::run::{Body, Sink, run};
use crate::server::{CROWDED, FAILED, Server, absent};
use crate::tokens::{Grant, Scope};
use anyhow::{Result, bail, ensure};
use bytes::Bytes;
use russh::server::{Handle, Msg};
use russh::{Channel, ChannelMsg, ChannelReadHalf, ChannelWriteHalf, Disconnect};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::runtime;
use tokio::task::block_in_place;
use tokio::time::timeout;

/// The variable by which a client asks for a version of the protocol.
pub const PROTOCOL: &str = "GIT_PROTOCOL";
/// How long a client may think, or run its hooks, between two requests.
const IDLE: Duration = Duration::from_secs(3600);
/// A client may be silent in the middle of a request for longer than elsewhere: it may be packing.
pub const SLOWER: u32 = 5;
/// How long what a client still sends is read, so that it reads the answer.
const DRAIN: Duration = Duration::from_secs(10);
const STDERR: u32 = 1;
/// Characters of a refused command that are logged.
const LOGGED: usize = 200;
const READS: &str = "git-upload-pack";
const WRITES: &str = "git-receive-pack";
const HELLO: &str = "this is a Git server: use `git clone ssh://HOST/NAMESPACE/NAME.git`; \
                     it runs no other commands";

/// Answers one command, and ends its channel. `others`: held by each channel of its connection, and
/// by that.
pub async fn answer(
    server: Arc<Server>,
    session: Handle,
    others: Arc<()>,
    key: Option<String>,
    protocol: Vec<u8>,
    command: String,
    channel: Channel<Msg>,
) {
    let (reader, writer) = channel.split();
    let mut line =
        Line { reader, writer, runtime: runtime::Handle::current(), first: None, has_ended: false };
    let begin = Instant::now();
    let done = talk(&server, key, protocol, &command, &mut line).await;
    let Line { reader, writer, has_ended, .. } = line;
    let refusal = match done {
        Ok(refusal) => refusal,
        Err(error) if error.is::<Gone>() => {
            // A connection stands still while one of its channels is full: nothing more is taken.
            drop(reader);
            let _ = writer.exit_status(1).await;
            let _ = writer.close().await;
            // Beside other commands it stays; alone, it would be held for as long as it likes.
            if Arc::strong_count(&others) <= 2 {
                let text = error.to_string();
                let _ = session.disconnect(Disconnect::ByApplication, text, String::new()).await;
            }
            return;
        }
        Err(error) => {
            tracing::error!("an SSH command failed: {error:#}");
            Some(fault::find(&error).map_or(FAILED, |fault| fault.text).into())
        }
    };
    if let Some(text) = &refusal {
        let ms = begin.elapsed().as_millis() as u64;
        let text = text.trim_end();
        let command: String = command.chars().take(LOGGED).collect();
        tracing::info!(command, ms, "refused over SSH: {text}");
    }
    let is_heard = refusal.is_none() && !has_ended;
    // Beside what is told: a client may take that only once it has sent all it has.
    let hear = async move {
        if is_heard {
            let _ = timeout(DRAIN, drain(reader)).await;
        }
    };
    let _ = tokio::join!(hear, timeout(server.cell.limits.stall, tell(&writer, refusal)));
    let _ = writer.close().await;
}

/// Tells how a command has ended.
async fn tell(writer: &ChannelWriteHalf<Msg>, refusal: Option<String>) {
    let status = u32::from(refusal.is_some());
    if let Some(text) = refusal {
        let text = format!("gitcell: {}\n", text.trim_end());
        let _ = writer.extended_data_bytes(STDERR, text).await;
    }
    let _ = writer.eof().await;
    let _ = writer.exit_status(status).await;
}

/// Reads what is said to its end, or until the channel is closed.
async fn drain(mut reader: ChannelReadHalf) {
    while !matches!(reader.wait().await, None | Some(ChannelMsg::Eof)) {}
}

/// Splits a command into its service and its repository, which the client may have quoted.
fn read(command: &str) -> Option<(&str, Result<Name>)> {
    let (service, path) = command.trim().split_once(' ')?;
    let path = path.trim().trim_matches(['\'', '"']).trim_matches('/');
    let name = path.parse().or_else(|error| match path.strip_prefix("git/") {
        Some(rest) => rest.parse(),
        None => Err(error),
    });
    [READS, WRITES].contains(&service).then_some((service, name))
}

/// The conversation; a sentence if it ended badly.
async fn talk(
    server: &Arc<Server>,
    key: Option<String>,
    protocol: Vec<u8>,
    command: &str,
    line: &mut Line,
) -> Result<Option<String>> {
    let Some((service, name)) = read(command) else { return Ok(Some(HELLO.into())) };
    let name = match name {
        Ok(name) => name,
        Err(error) => return Ok(Some(format!("{error:#}"))),
    };
    let mut is_first = true;
    loop {
        // At each request again: a key may be removed, or a repository deleted, meanwhile.
        let grant = match grant(server, key.as_deref(), &name)? {
            Ok(grant) => grant,
            Err(text) => return Ok(Some(text)),
        };
        let Some(place) = server.place().await else { return Ok(Some(CROWDED.into())) };
        let Some(file) = server.file(&name, service == WRITES).await? else {
            return Ok(Some(absent(&name)));
        };
        if service == WRITES
            && let Some(fault) = block_in_place(|| server.cell.unwritable(&file))?
        {
            return Ok(Some(fault.text.into()));
        }
        let ask = ask(server, service, is_first, &protocol, grant);
        let refusal = block_in_place(|| line.serve(server, &name, &file, &ask))?;
        if refusal.is_some() {
            return Ok(refusal);
        }
        drop(place);
        // In version 2 a client says what it wants, one after the other, for as long as it likes.
        let goes_on = service == READS && protocol.windows(9).any(|word| word == b"version=2");
        if !is_first && !goes_on {
            return Ok(None);
        }
        is_first = false;
        line.first = match timeout(IDLE, line.next()).await {
            Ok(Ok(Some(bytes))) => Some(bytes),
            _ => return Ok(None),
        };
    }
}

fn grant(server: &Server, key: Option<&str>, name: &Name) -> Result<Result<Grant, String>> {
    match key {
        _ if server.gate == Gate::Open => {
            Ok(Ok(Grant { scope: Scope::Write, caller: String::new() }))
        }
        Some(key) => {
            let verdict = keys::check(&server.cell.names(), key, name, now())?;
            Ok(verdict.map_err(|refusal| refusal.text().replace("token", "key")))
        }
        None => bail!("nobody is in without a key"),
    }
}

fn ask(server: &Server, service: &str, is_first: bool, protocol: &[u8], grant: Grant) -> Request {
    let header = ("git-protocol".to_string(), protocol.to_vec());
    Request {
        method: "STREAM".into(),
        path: if is_first { "/info/refs".into() } else { format!("/{service}") },
        query: if is_first { format!("service={service}") } else { String::new() },
        headers: if protocol.is_empty() { Vec::new() } else { vec![header] },
        time: now(),
        id: server.next_id(),
        caller: grant.caller,
        access: if grant.scope == Scope::Write { READ | WRITE } else { READ },
        size_max: server.cell.limits.size_max,
    }
}

/// The two ends of a channel, as a request's thread uses them.
struct Line {
    reader: ChannelReadHalf,
    writer: ChannelWriteHalf<Msg>,
    runtime: runtime::Handle,
    /// Bytes that were read before the request began.
    first: Option<Bytes>,
    /// The client says no more.
    has_ended: bool,
}

impl Line {
    /// What the client sends next; `None`: it has ended.
    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.reader.wait().await {
                Some(ChannelMsg::Data { data }) => return Ok(Some(data)),
                Some(ChannelMsg::Eof) => {
                    self.has_ended = true;
                    return Ok(None);
                }
                Some(_) => {}
                None => bail!(Gone("went away in the middle of its request")),
            }
        }
    }

    /// One request, on this thread; a sentence if the engine refused it, `Gone` if the client did
    /// not hear it out.
    fn serve(
        &mut self,
        server: &Server,
        name: &Name,
        file: &str,
        ask: &Request,
    ) -> Result<Option<String>> {
        let begin = Instant::now();
        let (writer, runtime) = (&self.writer, &self.runtime);
        let (reader, first, has_ended) = (&mut self.reader, self.first.take(), &mut self.has_ended);
        let stall = server.cell.limits.stall;
        let pace = Pace::new(SLOWER * stall);
        let mut said = Said { reader, first, has_ended, runtime, pace };
        let mut heard = Heard { writer, runtime, stall, status: 0, bytes: 0, refusal: Vec::new() };
        let done = run(&server.cell, file, ask, &mut said, &mut heard);
        if done.as_ref().is_ok_and(|report| report.cost.rows_written > 0) {
            server.cell.changed.note(file);
        }
        let error = done.as_ref().err();
        let gone = error.and_then(|error| error.downcast_ref::<Gone>()).map(|gone| gone.0);
        let failed = error.map(|error| fault::find(error).map_or(FAILED, |fault| fault.text));
        log(ask, name, begin, (heard.status, heard.bytes), done);
        if let Some(text) = gone {
            bail!(Gone(text));
        }
        Ok(match failed {
            Some(text) => Some(text.into()),
            None if heard.status < 300 => None,
            None => Some(String::from_utf8_lossy(&heard.refusal).into_owned()),
        })
    }
}

/// What the client says during a request.
struct Said<'l> {
    reader: &'l mut ChannelReadHalf,
    first: Option<Bytes>,
    has_ended: &'l mut bool,
    runtime: &'l runtime::Handle,
    pace: Pace,
}

impl Body for Said<'_> {
    fn next(&mut self) -> Result<Option<Bytes>> {
        if let Some(bytes) = self.first.take() {
            return Ok(Some(bytes));
        }
        loop {
            match self.runtime.block_on(self.pace.wait(self.reader.wait())) {
                Ok(Some(ChannelMsg::Data { data })) => {
                    self.pace.moved(data.len());
                    return Ok(Some(data));
                }
                Ok(Some(ChannelMsg::Eof)) => {
                    *self.has_ended = true;
                    return Ok(None);
                }
                Ok(Some(_)) => {}
                _ => bail!(Gone("went away in the middle of its request")),
            }
        }
    }
}

/// What it hears.
struct Heard<'l> {
    writer: &'l ChannelWriteHalf<Msg>,
    runtime: &'l runtime::Handle,
    /// How long it may take nothing.
    stall: Duration,
    status: u16,
    bytes: u64,
    refusal: Vec<u8>,
}

impl Sink for Heard<'_> {
    fn head(&mut self, head: Head) -> Result<()> {
        self.status = head.status;
        Ok(())
    }

    fn bytes(&mut self, bytes: Bytes) -> Result<()> {
        if self.status >= 300 {
            ensure!(self.refusal.len() < 64 << 10, "the engine's refusal does not end");
            self.refusal.extend_from_slice(&bytes);
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        match self.runtime.block_on(timeout(self.stall, self.writer.data_bytes(bytes))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => bail!(Gone("went away in the middle of the answer")),
            Err(_) => bail!(Gone("took nothing for long")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_clients_of_git_send() {
        let check = |command: &str, expect: Option<Option<&str>>| {
            let name = read(command).map(|(_, name)| name.ok().map(|name| name.to_string()));
            assert_eq!(name, expect.map(|name| name.map(String::from)), "{command:?}");
        };
        check("git-upload-pack '/a/b.git'", Some(Some("a/b")));
        check("git-receive-pack 'a/b'", Some(Some("a/b")));
        check("git-upload-pack /git/a/b.git/", Some(Some("a/b")));
        check("git-upload-pack \"a/b.git\"", Some(Some("a/b")));
        check("git-upload-pack '/a/../b.git'", Some(None));
        check("git-upload-pack '/a/b'\\''c.git'", Some(None));
        check("git-upload-pack ''", Some(None));
        for other in ["", "ls", "git-upload-pack", "git-upload-archive '/a/b.git'", "sh -c x"] {
            check(other, None);
        }
    }
}
