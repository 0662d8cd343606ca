//! Who is calling: from HTTP's `Authorization` to what tokens allow. Knows no repository's content.

use crate::cell::{Cell, now};
use crate::names::Name;
use crate::tokens::{self, Grant, Scope};
use anyhow::Result;
use axum::http::{HeaderMap, StatusCode, header};
use std::net::IpAddr;

/// How callers are let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// By token.
    Tokens,
    /// Everybody, to everything: on loopback only.
    Open,
}

/// What to answer a caller who is not let in.
#[derive(Debug, PartialEq, Eq)]
pub struct Refused {
    pub status: StatusCode,
    pub text: String,
}

impl Gate {
    pub fn check(
        self,
        cell: &Cell,
        headers: &HeaderMap,
        name: &Name,
    ) -> Result<Result<Grant, Refused>> {
        if self == Gate::Open {
            if is_of_a_page(headers) {
                let text = "an open server answers git on this machine, and no web page: \
                            call it localhost or 127.0.0.1"
                    .into();
                return Ok(Err(Refused { status: StatusCode::FORBIDDEN, text }));
            }
            return Ok(Ok(Grant { scope: Scope::Write, caller: String::new() }));
        }
        let Some(token) = token(headers) else {
            let text = "a token is needed: any user name, and the token as password".into();
            return Ok(Err(Refused { status: StatusCode::UNAUTHORIZED, text }));
        };
        let verdict = tokens::check(&cell.names(), &token, name, now())?;
        Ok(verdict.map_err(|refusal| Refused {
            status: StatusCode::FORBIDDEN,
            text: refusal.text().into(),
        }))
    }
}

/// Whether a page of another site may have had the browser on this machine ask: browsers say so,
/// but where the site gave its own name this machine's address.
fn is_of_a_page(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).map(|value| value.to_str().unwrap_or("?"));
    let host = text("host").unwrap_or("localhost");
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    let is_here = match address {
        Ok(address) => address.is_loopback(),
        Err(_) => name.eq_ignore_ascii_case("localhost"),
    };
    !is_here || text("sec-fetch-site").is_some_and(|site| site != "none")
}

/// The token of a request: a Bearer's, or a Basic password; a user name without password is one
/// too.
fn token(headers: &HeaderMap) -> Option<String> {
    let text = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, rest) = text.split_once(' ')?;
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(rest.trim().into());
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let pair = String::from_utf8(base64(rest.trim())?).ok()?;
    let (user, password) = pair.split_once(':')?;
    Some(if password.is_empty() { user } else { password }.into())
}

/// Decodes base64 (RFC 4648), with or without its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_open_server_answers_no_page_of_another_site() {
        let check = |host: &str, site: Option<&str>, expect: bool| {
            let mut headers = HeaderMap::new();
            headers.insert("host", host.parse().expect("a header"));
            if let Some(site) = site {
                headers.insert("sec-fetch-site", site.parse().expect("a header"));
            }
            assert_eq!(is_of_a_page(&headers), expect, "{host} {site:?}");
        };
        for host in ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]:8080"] {
            check(host, None, false);
            check(host, Some("none"), false);
            check(host, Some("cross-site"), true);
            check(host, Some("same-origin"), true);
        }
        for host in ["example.com:8080", "localhost.example.com", "10.0.0.1", "[::2]", "", "?"] {
            check(host, None, true);
        }
        assert!(!is_of_a_page(&HeaderMap::new()), "HTTP/1.0");
    }

    #[test]
    fn finds_the_token_in_each_form() {
        let check = |value: Option<&str>, expect: Option<&str>| {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().expect("a header"));
            }
            assert_eq!(token(&headers).as_deref(), expect, "{value:?}");
        };
        check(None, None);
        check(Some("Bearer t-1"), Some("t-1"));
        check(Some("bearer  t-1"), Some("t-1"));
        check(Some("Basic Z2l0OnQtMQ=="), Some("t-1"));
        check(Some("basic Z2l0OnQtMQ"), Some("t-1"));
        check(Some("Basic dC0xOg=="), Some("t-1"));
        check(Some("Basic Z2l0OmE6Yg=="), Some("a:b"));
        check(Some("Basic Z2l0"), None);
        check(Some("Basic ?"), None);
        check(Some("Digest x"), None);
        check(Some("Basic"), None);
    }
}
