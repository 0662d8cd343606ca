//! HTTP: which repository and who, then the engine's answer. Of Git it knows nothing but the
//! endings of URLs.

use crate::cell::{Cell, now};
use crate::engine::{READ, Request as Ask, WRITE};
use crate::fault::{self, Fault};
use crate::gate::{Gate, Refused};
use crate::http;
use crate::job::Job;
use crate::names::{Name, route};
use crate::tokens::{self, Grant, Scope};
use anyhow::Result;
use axum::body::Body;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::block_in_place;

/// How long a request waits for a free place before it is sent away.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: HeaderValue = HeaderValue::from_static(http::RETRY);
pub const CROWDED: &str = "too many requests at once: try again later";
pub const FAILED: &str = "the server failed at this request; its log says why";
const REALM: HeaderValue = HeaderValue::from_static("Basic realm=\"gitcell\"");
const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST");
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");
/// What an engine is not told: who authenticates, and what concerns one connection only.
const PRIVATE: &[&str] = &[
    "authorization",
    "connection",
    "cookie",
    "expect",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

pub struct Server {
    pub cell: Arc<Cell>,
    pub gate: Gate,
    places: Arc<Semaphore>,
    /// Random at each start, so that no two requests ever have one id, and that nobody guesses one.
    start: String,
    count: AtomicU64,
}

impl Server {
    pub fn new(cell: Arc<Cell>, gate: Gate) -> Result<Server> {
        let places = Arc::new(Semaphore::new(cell.limits.capacity as usize));
        let start = tokens::random::<16>()?;
        Ok(Server { cell, gate, places, start, count: AtomicU64::new(0) })
    }

    /// A place among the requests that run, if one gets free in time.
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let place = Arc::clone(&self.places).acquire_owned();
        tokio::time::timeout(PATIENCE, place).await.ok()?.ok()
    }

    /// Waits until no request runs, and lets none begin.
    pub async fn quiet(&self) {
        if let Ok(places) = self.places.acquire_many(self.cell.limits.capacity).await {
            places.forget();
        }
    }

    pub fn next_id(&self) -> String {
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        tokens::digest(&format!("{}-{count}", self.start))
    }
}

/// The answer to a request, whatever it is.
pub async fn handle(server: Arc<Server>, request: Request<Body>) -> Response<Body> {
    let begin = Instant::now();
    let id = server.next_id();
    let (parts, body) = request.into_parts();
    let (method, path) = (parts.method.clone(), parts.uri.path().to_string());
    let answer = answer(&server, parts, body, &id, begin).await.unwrap_or_else(|error| {
        tracing::error!(id, "{method} {path}: {error:#}");
        sorry(&error)
    });
    let mut response = answer.unwrap_or_else(|Refused { status, text }| {
        let ms = begin.elapsed().as_millis() as u64;
        tracing::info!(id, %method, path, status = status.as_u16(), ms, "{text}");
        refusal(status, &text)
    });
    if let Ok(value) = id.parse() {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// A short answer of the host's own.
fn refusal(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{text}\n")));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, TEXT);
    response.headers_mut().insert(header::CACHE_CONTROL, NO_CACHE);
    match status {
        StatusCode::UNAUTHORIZED => response.headers_mut().insert(header::WWW_AUTHENTICATE, REALM),
        StatusCode::METHOD_NOT_ALLOWED => response.headers_mut().insert(header::ALLOW, METHODS),
        StatusCode::SERVICE_UNAVAILABLE => {
            response.headers_mut().insert(header::RETRY_AFTER, RETRY)
        }
        _ => None,
    };
    response
}

/// The engine's answer, or why there is none.
pub type Answer = Result<Response<Body>, Refused>;

pub fn no(status: StatusCode, text: &str) -> Answer {
    Err(Refused { status, text: text.into() })
}

/// What a client is told of our own failure.
fn sorry(error: &anyhow::Error) -> Answer {
    let failed = (StatusCode::INTERNAL_SERVER_ERROR, FAILED);
    let fault = fault::find(error);
    let (status, text) = fault.map_or(failed, |Fault { status, text }| {
        (StatusCode::from_u16(status).unwrap_or(failed.0), text)
    });
    no(status, text)
}

async fn answer(
    server: &Arc<Server>,
    parts: Parts,
    body: Body,
    id: &str,
    begin: Instant,
) -> Result<Answer> {
    let Some((name, inside)) = route(parts.uri.path()) else {
        if parts.uri.path() == "/" {
            return Ok(no(StatusCode::OK, "gitcell: repositories are at /NAMESPACE/NAME.git"));
        }
        return Ok(no(StatusCode::NOT_FOUND, "no repository: their URLs are /NAMESPACE/NAME.git"));
    };
    let grant = match server.gate.check(&server.cell, &parts.headers, &name)? {
        Ok(grant) => grant,
        Err(refused) => return Ok(Err(refused)),
    };
    if ![Method::GET, Method::HEAD, Method::POST].contains(&parts.method) {
        return Ok(no(StatusCode::METHOD_NOT_ALLOWED, "only GET, HEAD and POST are answered"));
    }
    // What creates and settles repositories is reached by the commands of this program alone.
    if inside.starts_with("/-/") {
        return Ok(no(StatusCode::NOT_FOUND, "there is nothing at this path"));
    }
    let is_zipped = match encoding(&parts.headers) {
        Some("" | "identity") | None => false,
        Some("gzip" | "x-gzip") => true,
        Some(_) => return Ok(no(StatusCode::UNSUPPORTED_MEDIA_TYPE, "only gzip is decoded")),
    };
    let Some(place) = server.place().await else {
        return Ok(no(StatusCode::SERVICE_UNAVAILABLE, CROWDED));
    };
    let is_push = inside == "/git-receive-pack"
        || inside == "/info/refs" && parts.uri.query() == Some("service=git-receive-pack");
    let file = match server.file(&name, is_push).await {
        Ok(Some(file)) => file,
        Ok(None) => {
            return Ok(no(StatusCode::NOT_FOUND, &absent(&name)));
        }
        Err(error) if fault::find(&error).is_some() => return Err(error),
        Err(error) => return Ok(no(StatusCode::NOT_FOUND, &format!("{error:#}"))),
    };
    // It opens the file, which may have to wait.
    if is_push
        && let Some(Fault { status, text }) = block_in_place(|| server.cell.unwritable(&file))?
    {
        return Ok(no(StatusCode::from_u16(status)?, text));
    }
    let ask = ask(server, &parts, inside, id, grant, is_zipped);
    let patient = parts.headers.contains_key(header::EXPECT);
    let cell = Arc::clone(&server.cell);
    let job = Job { cell, name, file, ask, is_zipped, begin, _place: place };
    job.start(body, patient).await
}

/// What is told of a repository that there is not.
pub fn absent(name: &Name) -> String {
    format!("no repository {name}: `gitcell repo create {name}` makes one")
}

fn encoding(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::CONTENT_ENCODING).map(|value| value.to_str().unwrap_or("?"))
}

impl Server {
    /// The repository's file; an open server makes one for a first push.
    pub async fn file(self: &Arc<Self>, name: &Name, is_push: bool) -> Result<Option<String>> {
        let found = self.cell.find(name)?;
        if found.is_some() || self.gate != Gate::Open || !is_push {
            return Ok(found);
        }
        let (server, name) = (Arc::clone(self), name.clone());
        let make = move || match server.cell.create(&name, "sha1", "main") {
            Ok(file) => Ok(Some(file)),
            // Another request may have been first.
            Err(error) => server.cell.find(&name)?.map(Some).ok_or(error),
        };
        tokio::task::spawn_blocking(make).await?
    }
}

fn ask(
    server: &Server,
    parts: &Parts,
    inside: &str,
    id: &str,
    grant: Grant,
    is_zipped: bool,
) -> Ask {
    let is_told = |name: &str| {
        // The length is the packed body's.
        !PRIVATE.contains(&name)
            && name != "content-encoding"
            && !(is_zipped && name == "content-length")
    };
    let headers = parts.headers.iter().filter(|(name, _)| is_told(name.as_str()));
    Ask {
        method: if parts.method == Method::POST { "POST" } else { "GET" }.into(),
        path: inside.into(),
        query: parts.uri.query().unwrap_or_default().into(),
        headers: headers
            .map(|(name, value)| (name.to_string(), value.as_bytes().to_vec()))
            .collect(),
        time: now(),
        id: id.into(),
        caller: grant.caller,
        access: if grant.scope == Scope::Write { READ | WRITE } else { READ },
        size_max: server.cell.limits.size_max,
    }
}
