//! Who is calling: from HTTP's `Authorization` to what tokens allow. Knows no repository's content.

use crate::cell::{Cell, now};
use crate::names::Name;
use crate::tokens::{self, Grant, Scope};
use anyhow::Result;
use axum::http::{HeaderMap, StatusCode, header};

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
            return Ok(Ok(Grant { scope: Scope::Write, caller: String::new() }));
        }
        let Some(token) = token(headers) else {
            let text = "a token is needed: any user name, and the token as password".into();
            return Ok(Err(Refused { status: StatusCode::UNAUTHORIZED, text }));
        };
        let verdict = tokens::check(&cell.registry(), &token, name, now())?;
        Ok(verdict.map_err(|refusal| Refused {
            status: StatusCode::FORBIDDEN,
            text: refusal.text().into(),
        }))
    }
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
