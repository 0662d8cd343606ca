//! Which session answers a request, and the head of its response. What is refused here is refused
//! by status. Knows no protocol.

use super::{Access, Request};
use crate::error::Error;
use crate::serve::{Admin, Advert, Caller, Receive, Service, Session, Upload, V2, caps};
use crate::store::settings::cut;
use alloc::boxed::Box;
use alloc::vec::Vec;

/// A status with its sentence.
pub struct Refusal {
    status: &'static [u8],
    text: &'static [u8],
}

impl Refusal {
    /// What is answered to an error, if nothing was sent yet.
    pub fn of(error: Error) -> Refusal {
        let status: &[u8] = match error {
            Error::Corrupt => b"500 Internal Server Error",
            Error::Busy | Error::Overtaken => b"503 Service Unavailable\r\nRetry-After: 10",
            _ => b"400 Bad Request",
        };
        Refusal { status, text: error.text().as_bytes() }
    }

    pub const EXISTS: Refusal =
        Refusal { status: b"409 Conflict", text: b"There is a repository already." };
    pub const BAD_BRANCH: Refusal =
        Refusal { status: b"400 Bad Request", text: b"That is no name for a branch." };
    pub const BAD_FORMAT: Refusal =
        Refusal { status: b"400 Bad Request", text: b"Object formats are sha1 and sha256." };
    pub const NOT_FOUND: Refusal =
        Refusal { status: b"404 Not Found", text: b"There is nothing here." };
    pub const NO_REPOSITORY: Refusal =
        Refusal { status: b"404 Not Found", text: b"There is no such repository." };
    pub const NO_READ: Refusal =
        Refusal { status: b"403 Forbidden", text: b"You may not read this repository." };
    pub const NO_WRITE: Refusal =
        Refusal { status: b"403 Forbidden", text: b"You may not push to this repository." };
    pub const NO_SERVICE: Refusal =
        Refusal { status: b"403 Forbidden", text: b"Only the smart HTTP protocol is served." };
    pub const BAD_TYPE: Refusal = Refusal {
        status: b"415 Unsupported Media Type",
        text: b"The content type does not fit the service.",
    };
    pub const ONLY_GET: Refusal = Refusal {
        status: b"405 Method Not Allowed\r\nAllow: GET, HEAD",
        text: b"Only GET is answered here.",
    };
    pub const ONLY_POST: Refusal = Refusal {
        status: b"405 Method Not Allowed\r\nAllow: POST",
        text: b"Only POST is answered here.",
    };
}

/// The session that answers a request, and the content type of its answer.
pub fn route(request: &Request) -> Result<(Session, Vec<u8>), Refusal> {
    let Access { read, write, admin } = request.access;
    if request.path.starts_with(b"/-/") {
        if !admin {
            return Err(Refusal::NOT_FOUND);
        }
        let found = Admin::new(&request.method, &request.path, &request.query);
        let found = found.ok_or(Refusal::NOT_FOUND)?;
        let content_type = found.content_type().to_vec();
        return Ok((Session::Admin(found), content_type));
    }
    let is_advert = request.path == b"/info/refs";
    let name = match request.path.get(1..) {
        _ if is_advert => caps::query(&request.query, b"service").unwrap_or_default(),
        name => name.unwrap_or_default().to_vec(),
    };
    let Some(service) = Service::from_name(&name) else {
        return Err(if is_advert { Refusal::NO_SERVICE } else { Refusal::NOT_FOUND });
    };
    let method: &[u8] = if is_advert { b"GET" } else { b"POST" };
    let is_stream = request.is_stream();
    if request.method != method && !is_stream && !(is_advert && request.method == b"HEAD") {
        return Err(if is_advert { Refusal::ONLY_GET } else { Refusal::ONLY_POST });
    }
    match service {
        Service::UploadPack if !read => return Err(Refusal::NO_READ),
        Service::ReceivePack if !write => return Err(Refusal::NO_WRITE),
        _ => {}
    }
    let kind: &[u8] = if is_advert { b"advertisement" } else { b"result" };
    let content_type = content_type(service, kind);
    let version = caps::version(request.header(b"git-protocol"));
    if is_advert {
        let session = Session::Advert(Advert::new(service, version, is_stream, request.id.clone()));
        return Ok((session, content_type));
    }
    let expected = self::content_type(service, b"request");
    if !is_stream && request.header(b"content-type") != expected {
        return Err(Refusal::BAD_TYPE);
    }
    let session = match service {
        Service::UploadPack if version == 2 => Session::V2(V2::new()),
        Service::UploadPack => Session::Upload(Upload::new(is_stream)),
        Service::ReceivePack => Session::Receive(Box::new(Receive::new(Caller {
            time: request.time,
            name: cut(&request.caller, b'\n').0.to_vec(),
            size_max: request.size_max,
            is_stream,
        }))),
    };
    Ok((session, content_type))
}

fn content_type(service: Service, kind: &[u8]) -> Vec<u8> {
    [b"application/x-git-", service.name(), b"-", kind].concat()
}

/// The head of a response, as CGI has it; nothing here may be kept by a cache (gitprotocol-http).
pub fn head(status: &[u8], content_type: &[u8]) -> Vec<u8> {
    [
        b"Status: ",
        status,
        b"\r\nExpires: Fri, 01 Jan 1980 00:00:00 GMT\r\nPragma: no-cache\r\n\
        Cache-Control: no-cache, max-age=0, must-revalidate\r\nContent-Type: ",
        content_type,
        b"\r\n\r\n",
    ]
    .concat()
}

/// Appends a refusal as a whole response.
pub fn refuse(refusal: &Refusal, is_head: bool, out: &mut Vec<u8>) {
    out.extend_from_slice(&head(refusal.status, b"text/plain"));
    if !is_head {
        out.extend_from_slice(refusal.text);
        out.push(b'\n');
    }
}
