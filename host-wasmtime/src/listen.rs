//! Connections of HTTP: who says no request for long is cut, and who takes no byte of an answer, as
//! over SSH too. Knows no route.

use crate::server::{Server, handle};
use axum::body::Body;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::future::Future;
use std::io::{Error, ErrorKind, IoSlice, Result};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{Sleep, sleep};

/// Connections at once; others wait to be taken.
const CONNECTIONS_MAX: usize = 10_000;
/// Bytes of a request's head: anybody may send one.
const HEAD_MAX: usize = 64 << 10;
/// How long a request's head may take, and how long a connection may wait for the next one.
const HEAD: Duration = Duration::from_secs(30);
/// After a connection could not be taken: too many files may be open.
const PAUSE: Duration = Duration::from_millis(200);

/// Takes connections until `stop`, then lets what runs come to its end.
pub async fn listen(listener: TcpListener, server: Arc<Server>, stop: impl Future<Output = ()>) {
    let (stopping, _) = watch::channel(false);
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut stop = pin!(stop);
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (listener.accept().await, place)
        };
        let (taken, place) = tokio::select! {
            taken = next => taken,
            () = &mut stop => break,
        };
        match taken {
            Ok((stream, _)) => {
                let _ = stream.set_nodelay(true);
                let talk = talk(stream, Arc::clone(&server), stopping.subscribe());
                tokio::spawn(async move {
                    talk.await;
                    drop(place);
                });
            }
            Err(error) => {
                tracing::warn!("cannot take a connection: {error}");
                sleep(PAUSE).await;
            }
        }
    }
    drop(listener);
    let _ = stopping.send(true);
    stopping.closed().await;
}

/// One connection, to its end.
async fn talk(stream: TcpStream, server: Arc<Server>, mut stopping: watch::Receiver<bool>) {
    let stall = server.cell.limits.stall;
    let io = TokioIo::new(Patient { stream, stall, end: None, heard: None });
    let service = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let answer = handle(Arc::clone(&server), request.map(Body::new));
        async { Ok::<_, Infallible>(answer.await) }
    });
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD.min(stall));
    builder.max_header_size(HEAD_MAX);
    let mut connection = pin!(builder.serve_connection(io, service));
    loop {
        tokio::select! {
            done = &mut connection => {
                if let Err(error) = done {
                    tracing::debug!("a connection was cut: {error}");
                }
                break;
            }
            Ok(()) = stopping.changed() => connection.as_mut().graceful_shutdown(),
        }
    }
}

/// A stream whose writes fail once the other side has taken nothing for `stall`.
pub struct Patient {
    stream: TcpStream,
    stall: Duration,
    /// When the patience with a write that waits ends.
    end: Option<Pin<Box<Sleep>>>,
    /// When nothing more is read, unless the flag is set by then.
    heard: Option<(Pin<Box<Sleep>>, Arc<AtomicBool>)>,
}

impl Patient {
    /// Its reads fail once `login` is over, unless the client `is_in` by then, whatever it sends.
    pub fn new(
        stream: TcpStream,
        stall: Duration,
        login: Duration,
        is_in: Arc<AtomicBool>,
    ) -> Patient {
        Patient { stream, stall, end: None, heard: Some((Box::pin(sleep(login)), is_in)) }
    }

    fn wait<T>(&mut self, context: &mut Context<'_>, poll: Poll<Result<T>>) -> Poll<Result<T>> {
        if poll.is_ready() {
            self.end = None;
            return poll;
        }
        let stall = self.stall;
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(stall)));
        ready!(end.as_mut().poll(context));
        Poll::Ready(Err(Error::from(ErrorKind::TimedOut)))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        if let Some((end, is_in)) = &mut self.heard {
            if is_in.load(Ordering::Relaxed) {
                self.heard = None;
            } else if end.as_mut().poll(context).is_ready() {
                return Poll::Ready(Err(Error::from(ErrorKind::TimedOut)));
            }
        }
        Pin::new(&mut self.stream).poll_read(context, bytes)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wait(context, poll)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.wait(context, poll)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        // Who is told that this is the end may not go on for ever.
        let stall = self.stall;
        self.heard.get_or_insert_with(|| (Box::pin(sleep(stall)), Arc::default()));
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
