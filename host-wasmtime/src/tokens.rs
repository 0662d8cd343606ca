//! Who may do what: tokens with a scope, an end and, if wanted, one repository. Only their SHA-256
//! is kept, in `gitcell.db`; a token itself is seen once, by whoever made it. Knows no HTTP.

use crate::names::{Bound, Name};
use crate::rules::{Rules, Terms};
use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OptionalExtension};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const PREFIX: &str = "gitcell_";
const ID_BYTES: usize = 4;
const SECRET_BYTES: usize = 20;

/// What a token allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Scope {
    Read,
    Write,
}

impl Scope {
    pub fn name(self) -> &'static str {
        match self {
            Scope::Read => "read",
            Scope::Write => "write",
        }
    }
}

/// A token as it is listed.
pub struct Token {
    pub id: String,
    pub scope: String,
    pub repository: Option<String>,
    pub rules: Rules,
    pub note: String,
    pub created: u64,
    pub expires: Option<u64>,
    pub revoked: bool,
}

/// What a caller may do in one repository.
#[derive(Debug, PartialEq, Eq)]
pub struct Grant {
    pub scope: Scope,
    /// For the log of pushes: the token's id and note, never the token. Further lines bind what may
    /// be pushed (`abi.wit`).
    pub caller: String,
}

/// Why a token does not open a repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    Unknown,
    Expired,
    Revoked,
    Foreign,
}

impl Refusal {
    pub fn text(self) -> &'static str {
        match self {
            Refusal::Unknown => "this token is not known here",
            Refusal::Expired => "this token has expired",
            Refusal::Revoked => "this token was revoked",
            Refusal::Foreign => "this token is for another repository",
        }
    }
}

/// Makes a token and gives its text, which is kept nowhere.
pub fn create(connection: &Connection, terms: &Terms, note: &str, now: u64) -> Result<String> {
    let (id, secret) = (random::<ID_BYTES>()?, random::<SECRET_BYTES>()?);
    let text = format!("{PREFIX}{id}_{secret}");
    let expires = terms.ttl.map(|age| now.saturating_add(age));
    let (scope, rules) = (terms.scope.name(), terms.rules.kept());
    let repository = terms.repo.as_ref().map(Bound::to_string);
    connection
        .execute(
            "INSERT INTO tokens (id, hash, scope, repository, note, created, expires, rules) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            (&id, hash(&text), scope, repository, note, now, expires, rules),
        )
        .context("cannot keep the token")?;
    Ok(text)
}

/// All tokens, oldest first.
pub fn list(connection: &Connection) -> Result<Vec<Token>> {
    let mut statement = connection.prepare(
        "SELECT id, scope, repository, note, created, expires, revoked IS NOT NULL, rules \
         FROM tokens ORDER BY created, id",
    )?;
    let tokens = statement.query_map([], |row| {
        Ok(Token {
            id: row.get(0)?,
            scope: row.get(1)?,
            repository: row.get(2)?,
            note: row.get(3)?,
            created: row.get(4)?,
            expires: row.get(5)?,
            revoked: row.get(6)?,
            rules: Rules::read(&row.get::<_, String>(7)?),
        })
    })?;
    Ok(tokens.collect::<rusqlite::Result<_>>()?)
}

/// Ends a token, named by its id or its whole text.
pub fn revoke(connection: &Connection, token: &str, now: u64) -> Result<()> {
    let id = id_of(token).unwrap_or(token);
    let changed = connection
        .execute("UPDATE tokens SET revoked = ?2 WHERE id = ?1 AND revoked IS NULL", (id, now))?;
    ensure!(changed == 1, "there is no token of this id that is still valid");
    Ok(())
}

/// What `token` allows in `repository`.
pub fn check(
    connection: &Connection,
    token: &str,
    repository: &Name,
    now: u64,
) -> Result<Result<Grant, Refusal>> {
    let Some(id) = id_of(token) else {
        return Ok(Err(Refusal::Unknown));
    };
    let found = connection
        .prepare_cached(
            "SELECT hash, scope, repository, note, expires, revoked, rules FROM tokens WHERE id = ?",
        )?
        .query_row([id], |row| {
            let hash: [u8; 32] = row.get(0)?;
            let kept = Kept {
                scope: row.get(1)?,
                repository: row.get(2)?,
                note: row.get(3)?,
                expires: row.get(4)?,
                is_revoked: row.get::<_, Option<u64>>(5)?.is_some(),
                rules: Rules::read(&row.get::<_, String>(6)?),
            };
            Ok((hash, kept))
        })
        .optional()?;
    Ok(match found {
        Some((kept_hash, kept)) if bool::from(kept_hash.ct_eq(&hash(token))) => {
            kept.judge(id, repository, now)
        }
        _ => Err(Refusal::Unknown),
    })
}

/// What is kept of a token or a key.
pub struct Kept {
    pub scope: String,
    pub repository: Option<String>,
    pub note: String,
    pub expires: Option<u64>,
    pub is_revoked: bool,
    pub rules: Rules,
}

impl Kept {
    /// Of a token whose hash was right: what it says of itself may be told.
    pub fn judge(self, id: &str, repository: &Name, now: u64) -> Result<Grant, Refusal> {
        if self.is_revoked {
            return Err(Refusal::Revoked);
        }
        if self.expires.is_some_and(|end| end <= now) {
            return Err(Refusal::Expired);
        }
        let bound = self.repository.map(Bound::kept);
        if bound.is_some_and(|bound| !bound.covers(repository)) {
            return Err(Refusal::Foreign);
        }
        let scope = if self.scope == Scope::Write.name() { Scope::Write } else { Scope::Read };
        let who = format!("{id} {}", self.note);
        let caller = who.trim_end().to_string() + &self.rules.lines();
        Ok(Grant { scope, caller })
    }
}

fn id_of(token: &str) -> Option<&str> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    (id.len() == 2 * ID_BYTES && secret.len() == 2 * SECRET_BYTES).then_some(id)
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token).into()
}

/// The start of a text's hash, in hexadecimal digits.
pub fn digest(text: &str) -> String {
    hex(&hash(text)[..12])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// That many random bytes in hexadecimal digits.
pub fn random<const BYTES: usize>() -> Result<String> {
    let mut bytes = [0; BYTES];
    getrandom::fill(&mut bytes).context("the system gives no random bytes")?;
    Ok(hex(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    #[test]
    fn a_token_opens_what_it_was_made_for_until_it_ends() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = registry::open(folder.path()).expect("open");
        let demo: Bound = "a/demo".parse().expect("a name");
        let make = |scope, repository, age| {
            let terms = Terms { scope, ttl: age, repo: repository, rules: Rules::default() };
            create(&db, &terms, "ci", 1000).expect("create")
        };
        let check = |token: &str, repository: &str, now, expect: Result<Scope, Refusal>| {
            let name = repository.parse().expect("a name");
            let verdict = check(&db, token, &name, now).expect("check");
            assert_eq!(verdict.map(|grant| grant.scope), expect, "{token} {repository} {now}");
        };
        let (all, bound) = (make(Scope::Write, None, None), make(Scope::Read, Some(demo), None));
        let short = make(Scope::Read, None, Some(10));
        check(&all, "a/demo", 9999, Ok(Scope::Write));
        check(&bound, "a/demo", 9999, Ok(Scope::Read));
        check(&bound, "a/other", 9999, Err(Refusal::Foreign));
        check(&short, "a/demo", 1009, Ok(Scope::Read));
        check(&short, "a/demo", 1010, Err(Refusal::Expired));
        revoke(&db, &all, 1000).expect("revoke");
        check(&all, "a/demo", 1000, Err(Refusal::Revoked));
        assert!(revoke(&db, &all, 1000).is_err());
    }

    #[test]
    fn a_changed_token_is_not_known_and_none_is_kept() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = registry::open(folder.path()).expect("open");
        let demo: Name = "a/demo".parse().expect("a name");
        let terms = Terms { scope: Scope::Read, ttl: None, repo: None, rules: Rules::default() };
        let token = create(&db, &terms, "", 0).expect("create");
        let unknown = |text: &str| {
            let verdict = check(&db, text, &demo, 0).expect("check");
            assert_eq!(verdict, Err(Refusal::Unknown), "{text:?}");
        };
        for text in ["", "x", PREFIX, &token[1..], "gitcell_00000000_", "gitcell_é_é"] {
            unknown(text);
        }
        for (at, is) in token.char_indices() {
            let other = if is == '0' { "1" } else { "0" };
            unknown(&[&token[..at], other, &token[at + 1..]].concat());
        }
        assert!(check(&db, &token, &demo, 0).expect("check").is_ok());
        drop(db);
        for file in std::fs::read_dir(folder.path()).expect("the folder") {
            let bytes = std::fs::read(file.expect("a file").path()).expect("its bytes");
            let secret = &token.as_bytes()[PREFIX.len() + 2 * ID_BYTES + 1..];
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
}
