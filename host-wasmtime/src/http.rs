//! Bodies of HTTP on the way between the network's tasks and a request's thread: bounded channels,
//! so that a slow side slows the other. Knows no engine.

use crate::head::Head;
use crate::run;
use anyhow::{Context as _, Result, bail};
use axum::body::{Body, Bytes, HttpBody};
use axum::http::{Response, StatusCode};
use flate2::read::MultiGzDecoder;
use http_body::Frame;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// Pieces that may wait in a channel.
const QUEUE: usize = 4;
/// A client that sends fewer bytes than this while it is waited for too long is as good as silent.
const FLOW: usize = 4 << 10;
/// How long the rest of a body is read that nobody wants, so that the client reads the answer.
const DRAIN: Duration = Duration::from_secs(60);
/// After how many seconds one that was sent away may try again.
pub const RETRY: &str = "10";
const UNZIP: usize = 64 << 10;

/// A request's body as its thread reads it.
pub struct Incoming {
    /// Bytes, an end (`None`), or nothing more: the client has gone.
    pieces: mpsc::Receiver<Option<Bytes>>,
    wanted: Arc<Notify>,
}

/// Starts to carry a body to a thread. It is not read before it is wanted: `Expect: 100-continue`
/// is answered only then. `patient`: the client waits for that.
pub fn carry(body: Body, patient: bool, stall: Duration) -> Incoming {
    let (sender, pieces) = mpsc::channel(QUEUE);
    let wanted = Arc::new(Notify::new());
    let start = Arc::clone(&wanted);
    tokio::spawn(async move {
        let mut body = body;
        let is_wanted = tokio::select! {
            () = start.notified() => true,
            () = sender.closed() => false,
        };
        if (is_wanted || !patient) && forward(&mut body, sender, stall).await {
            // Nobody wants the rest: it is read all the same, or the client might miss the answer.
            let _ =
                timeout(DRAIN, async { while let Some(Ok(_)) = frame(&mut body).await {} }).await;
        }
    });
    Incoming { pieces, wanted }
}

async fn frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await
}

/// False: the client is gone, or as good as gone.
async fn forward(body: &mut Body, sender: mpsc::Sender<Option<Bytes>>, stall: Duration) -> bool {
    let mut pace = Pace::new(stall);
    loop {
        let piece = match pace.wait(frame(body)).await {
            Ok(Some(Ok(frame))) => match frame.into_data() {
                Ok(bytes) => Some(bytes),
                Err(_) => continue,
            },
            Ok(None) => None,
            // Without an end, so that a cut body is not taken for a whole one.
            Ok(Some(Err(_))) | Err(_) => return false,
        };
        pace.moved(piece.as_ref().map_or(0, Bytes::len));
        let is_end = piece.is_none();
        if sender.send(piece).await.is_err() || is_end {
            return true;
        }
    }
}

/// The patience with a client who is waited for: it begins anew when `FLOW` bytes have come.
pub struct Pace {
    stall: Duration,
    waited: Duration,
    moved: usize,
}

impl Pace {
    pub fn new(stall: Duration) -> Pace {
        Pace { stall, waited: Duration::ZERO, moved: 0 }
    }

    /// Waits for what comes, or until the patience ends.
    pub async fn wait<T>(&mut self, next: impl Future<Output = T>) -> Result<T, Elapsed> {
        let begin = Instant::now();
        let next = timeout(self.stall.saturating_sub(self.waited), next).await;
        self.waited += begin.elapsed();
        next
    }

    /// So many bytes have come.
    pub fn moved(&mut self, size: usize) {
        self.moved += size;
        if self.moved >= FLOW {
            (self.waited, self.moved) = (Duration::ZERO, 0);
        }
    }
}

impl Incoming {
    fn receive(&mut self) -> Result<Option<Bytes>, Gone> {
        self.wanted.notify_one();
        self.pieces
            .blocking_recv()
            .ok_or(Gone("went away, or stalled, in the middle of its request"))
    }
}

impl run::Body for Incoming {
    fn next(&mut self) -> Result<Option<Bytes>> {
        Ok(self.receive()?)
    }
}

/// The client went away, or stalled: nobody's failure.
#[derive(Debug)]
pub struct Gone(pub &'static str);

impl std::error::Error for Gone {}

impl std::fmt::Display for Gone {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "the client {}", self.0)
    }
}

/// The body is not what its `Content-Encoding` says: the client's fault.
#[derive(Debug)]
pub struct Damaged;

impl std::error::Error for Damaged {}

impl std::fmt::Display for Damaged {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("the gzipped body is damaged")
    }
}

/// A gzipped body, unpacked as it comes.
pub struct Unzipped(MultiGzDecoder<Pieces>);

impl Unzipped {
    pub fn new(body: Incoming) -> Unzipped {
        Unzipped(MultiGzDecoder::new(Pieces { body, rest: Bytes::new() }))
    }
}

impl run::Body for Unzipped {
    fn next(&mut self) -> Result<Option<Bytes>> {
        let mut bytes = vec![0; UNZIP];
        let size = self.0.read(&mut bytes).map_err(|error| match error.downcast::<Gone>() {
            Ok(gone) => anyhow::Error::new(gone),
            Err(_) => anyhow::Error::new(Damaged),
        })?;
        bytes.truncate(size);
        Ok((size > 0).then(|| bytes.into()))
    }
}

/// A body as `Read`.
struct Pieces {
    body: Incoming,
    rest: Bytes,
}

impl Read for Pieces {
    fn read(&mut self, out: &mut [u8]) -> std::io::Result<usize> {
        while self.rest.is_empty() {
            let next = self.body.receive().map_err(std::io::Error::other)?;
            match next {
                Some(bytes) => self.rest = bytes,
                None => return Ok(0),
            }
        }
        let size = out.len().min(self.rest.len());
        out[..size].copy_from_slice(&self.rest.split_to(size));
        Ok(size)
    }
}

/// A head, and the bytes that will follow it.
pub type Begun = (Head, mpsc::Receiver<Option<Bytes>>);

/// An answer as its thread writes it.
pub struct Outgoing {
    head: Option<oneshot::Sender<Begun>>,
    pieces: Option<mpsc::Sender<Option<Bytes>>>,
    runtime: Handle,
    stall: Duration,
    pub status: u16,
    pub bytes: u64,
}

/// An answer's two ends: the thread's, and what becomes the response once its head is known.
pub fn answer(stall: Duration) -> (Outgoing, oneshot::Receiver<Begun>) {
    let (head, response) = oneshot::channel();
    let runtime = Handle::current();
    (Outgoing { head: Some(head), pieces: None, runtime, stall, status: 0, bytes: 0 }, response)
}

impl Outgoing {
    /// The answer is whole. Without this call the client sees it cut.
    pub fn end(&mut self) -> Result<()> {
        self.send(None)
    }

    /// Answers instead of the engine, if that has not begun to.
    pub fn refuse(&mut self, status: u16, text: &str) -> Result<()> {
        let mut headers = vec![("Content-Type".into(), "text/plain; charset=utf-8".into())];
        if status == 503 {
            headers.push(("Retry-After".into(), RETRY.into()));
        }
        run::Sink::head(self, Head { status, headers })?;
        run::Sink::bytes(self, format!("{text}\n").into())?;
        self.end()
    }

    fn send(&mut self, piece: Option<Bytes>) -> Result<()> {
        let pieces = self.pieces.as_ref().context("bytes before the head")?;
        let piece = match pieces.try_send(piece) {
            Ok(()) => return Ok(()),
            Err(mpsc::error::TrySendError::Full(piece)) => piece,
            Err(_) => bail!(Gone("went away in the middle of the answer")),
        };
        match self.runtime.block_on(timeout(self.stall, pieces.send(piece))) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => bail!(Gone("went away in the middle of the answer")),
            Err(_) => bail!(Gone("took nothing for long")),
        }
    }
}

impl run::Sink for Outgoing {
    fn head(&mut self, head: Head) -> Result<()> {
        let (sender, pieces) = mpsc::channel(QUEUE);
        self.pieces = Some(sender);
        self.status = head.status;
        let waiting = self.head.take().context("a second head")?;
        Ok(waiting.send((head, pieces)).map_err(|_| Gone("went away before the answer"))?)
    }

    fn bytes(&mut self, bytes: Bytes) -> Result<()> {
        self.bytes += bytes.len() as u64;
        self.send(Some(bytes))
    }
}

/// The response whose head is known and whose bytes still come.
pub fn response((head, pieces): Begun) -> Result<Response<Body>> {
    let mut response = Response::new(Body::new(Rest(pieces)));
    *response.status_mut() = StatusCode::from_u16(head.status)?;
    for (name, value) in head.headers {
        let name: axum::http::HeaderName = name.parse()?;
        response.headers_mut().append(name, value.parse()?);
    }
    Ok(response)
}

/// The bytes of an answer; without its end mark, an error that cuts the connection.
struct Rest(mpsc::Receiver<Option<Bytes>>);

impl HttpBody for Rest {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(context).map(|piece| match piece {
            Some(Some(bytes)) => Some(Ok(Frame::data(bytes))),
            Some(None) => None,
            None => Some(Err(std::io::Error::other("the request died"))),
        })
    }
}
