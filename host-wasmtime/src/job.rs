//! One request at work: its thread, its bodies on the way in and out, and its line in the log.

use crate::cell::Cell;
use crate::engine::Request;
use crate::fault::{self, Fault};
use crate::http::{self, Damaged, Gone, Outgoing, Unzipped};
use crate::names::Name;
use crate::run::{Report, run};
use crate::server::{Answer, FAILED, no};
use anyhow::{Context, Result};
use axum::body::{Body, HttpBody};
use axum::http::StatusCode;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;

/// One request in its thread, and its place among those that run.
pub struct Job {
    pub cell: Arc<Cell>,
    pub name: Name,
    pub file: String,
    pub ask: Request,
    pub is_zipped: bool,
    pub begin: Instant,
    pub _place: OwnedSemaphorePermit,
}

impl Job {
    /// Runs it in a thread of its own; answers once the head is known. `patient`: the client waits
    /// to be told before it sends its body.
    pub async fn start(self, body: Body, patient: bool) -> Result<Answer> {
        let (outgoing, response) = http::answer(self.cell.limits.stall);
        let has_body = !body.is_end_stream();
        let incoming = http::carry(body, patient && has_body, self.cell.limits.stall);
        let work = tokio::task::spawn_blocking(move || self.run(incoming, outgoing));
        match response.await {
            Ok(begun) => http::response(begun).map(Ok).context("the engine's head is bad"),
            Err(_) => {
                work.await?;
                Ok(no(StatusCode::INTERNAL_SERVER_ERROR, FAILED))
            }
        }
    }

    fn run(self, incoming: http::Incoming, mut outgoing: Outgoing) {
        let mut plain;
        let mut unzipped;
        let body: &mut dyn crate::run::Body = if self.is_zipped {
            unzipped = Unzipped::new(incoming);
            &mut unzipped
        } else {
            plain = incoming;
            &mut plain
        };
        let done = run(&self.cell, &self.file, &self.ask, body, &mut outgoing)
            .and_then(|report| outgoing.end().map(|()| report));
        if done.as_ref().is_ok_and(|report| report.cost.rows_written > 0) {
            self.cell.changed.note(&self.file);
        }
        // Too late if the head is out: then the answer is cut.
        if let Err(error) = &done {
            if error.is::<Damaged>() {
                let _ = outgoing.refuse(400, &error.to_string());
            } else if error.is::<Gone>() {
                let _ = outgoing.refuse(408, &error.to_string());
            } else if let Some(Fault { status, text }) = fault::find(error) {
                let _ = outgoing.refuse(status, text);
            }
        }
        let outcome = (outgoing.status, outgoing.bytes);
        log(&self.ask, &self.name, self.begin, outcome, done);
    }
}

/// The line in the log of a request that has ended; the pair: its status and its answer's bytes.
pub fn log(
    ask: &Request,
    name: &Name,
    begin: Instant,
    (status, bytes): (u16, u64),
    done: Result<Report>,
) {
    let Request { id, method, path, caller, .. } = ask;
    // The lines behind it are rules.
    let caller = caller.lines().next().unwrap_or_default();
    let ms = begin.elapsed().as_millis() as u64;
    match done {
        Ok(Report { cost, cpu, memory }) => tracing::info!(
            id,
            repository = %name,
            method,
            path,
            caller,
            status,
            bytes,
            ms,
            cpu_us = cpu.as_micros() as u64,
            memory,
            calls = cost.calls,
            rows_read = cost.rows_read,
            rows_written = cost.rows_written,
        ),
        Err(error) if error.is::<Gone>() => {
            tracing::info!(
                id, repository = %name, method, path, caller, status, bytes, ms, "{error}"
            );
        }
        Err(error) => tracing::error!(
            id,
            repository = %name,
            method,
            path,
            caller,
            status,
            bytes,
            ms,
            "the request died: {error:#}"
        ),
    }
}
