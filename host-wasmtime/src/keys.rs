//! Public keys of SSH: who they let in, by the same rules as tokens. They are kept in `gitcell.db`
//! by their fingerprints, so that a key that is removed is gone at once.

use crate::names::{Bound, Name};
use crate::tokens::{Grant, Kept, Refusal, Scope};
use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OptionalExtension};
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// A key as it is listed.
pub struct Key {
    pub fingerprint: String,
    pub scope: String,
    pub repository: Option<String>,
    pub note: String,
    pub created: u64,
    pub expires: Option<u64>,
}

/// What a key is called here, and by `ssh-keygen -l`.
pub fn fingerprint(key: &PublicKey) -> String {
    key.fingerprint(HashAlg::Sha256).to_string()
}

/// Reads a line of `id_ed25519.pub` or `authorized_keys`.
pub fn read(line: &str) -> Result<PublicKey> {
    let key = PublicKey::from_openssh(line.trim())
        .context("this is no public key: give the file that ends in .pub")?;
    ensure!(
        matches!(key.algorithm(), Algorithm::Ed25519 | Algorithm::Ecdsa { .. }),
        "keys of type {} are not taken: `ssh-keygen -t ed25519` makes one that is",
        key.algorithm()
    );
    Ok(key)
}

/// Lets a key in; one that is known already gets the new bounds.
pub fn add(
    connection: &Connection,
    key: &PublicKey,
    scope: Scope,
    repository: Option<&Bound>,
    note: &str,
    now: u64,
    age_max: Option<u64>,
) -> Result<String> {
    let fingerprint = fingerprint(key);
    let expires = age_max.map(|age| now.saturating_add(age));
    let repository = repository.map(Bound::to_string);
    connection
        .execute(
            "INSERT OR REPLACE INTO keys (fingerprint, scope, repository, note, created, expires) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            (&fingerprint, scope.name(), repository, note, now, expires),
        )
        .context("cannot keep the key")?;
    Ok(fingerprint)
}

/// All keys, oldest first.
pub fn list(connection: &Connection) -> Result<Vec<Key>> {
    let mut statement = connection.prepare(
        "SELECT fingerprint, scope, repository, note, created, expires FROM keys \
         ORDER BY created, fingerprint",
    )?;
    let keys = statement.query_map([], |row| {
        Ok(Key {
            fingerprint: row.get(0)?,
            scope: row.get(1)?,
            repository: row.get(2)?,
            note: row.get(3)?,
            created: row.get(4)?,
            expires: row.get(5)?,
        })
    })?;
    Ok(keys.collect::<rusqlite::Result<_>>()?)
}

/// Forgets a key.
pub fn remove(connection: &Connection, fingerprint: &str) -> Result<()> {
    let gone = connection.execute("DELETE FROM keys WHERE fingerprint = ?", [fingerprint])?;
    ensure!(gone == 1, "there is no key of this fingerprint: `gitcell key list` shows them");
    Ok(())
}

/// Whether a key may log in at all.
pub fn is_known(connection: &Connection, fingerprint: &str) -> Result<bool> {
    Ok(find(connection, fingerprint)?.is_some())
}

/// What a key allows in `repository`.
pub fn check(
    connection: &Connection,
    fingerprint: &str,
    repository: &Name,
    now: u64,
) -> Result<Result<Grant, Refusal>> {
    // Who pushes is told by what people compare: the start of the fingerprint.
    let id: String = fingerprint.trim_start_matches("SHA256:").chars().take(12).collect();
    let found = find(connection, fingerprint)?;
    Ok(found.map_or(Err(Refusal::Unknown), |kept| kept.judge(&id, repository, now)))
}

fn find(connection: &Connection, fingerprint: &str) -> Result<Option<Kept>> {
    let mut statement = connection.prepare_cached(
        "SELECT scope, repository, note, expires FROM keys WHERE fingerprint = ?",
    )?;
    let kept = statement.query_row([fingerprint], |row| {
        Ok(Kept {
            scope: row.get(0)?,
            repository: row.get(1)?,
            note: row.get(2)?,
            expires: row.get(3)?,
            is_revoked: false,
        })
    });
    Ok(kept.optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;

    const LINE: &str = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@here\n";

    #[test]
    fn a_key_opens_what_it_was_added_for_until_it_ends() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = registry::open(folder.path()).expect("open");
        let key = read(LINE).expect("a key");
        let bound = "a/*".parse().expect("a bound");
        let id = add(&db, &key, Scope::Write, Some(&bound), "ci", 1000, Some(10)).expect("add");
        let verdict = |name: &str, now| {
            let name = name.parse().expect("a name");
            check(&db, &id, &name, now).expect("check").map(|grant| grant.scope)
        };
        assert_eq!(verdict("a/demo", 1009), Ok(Scope::Write));
        assert_eq!(verdict("a/demo", 1010), Err(Refusal::Expired));
        assert_eq!(verdict("b/demo", 1009), Err(Refusal::Foreign));
        remove(&db, &id).expect("remove");
        assert_eq!(verdict("a/demo", 1009), Err(Refusal::Unknown));
        assert!(remove(&db, &id).is_err());
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for line in ["", "ssh-ed25519", "-----BEGIN OPENSSH PRIVATE KEY-----", &LINE[..60]] {
            assert!(read(line).is_err(), "{line:?}");
        }
    }
}
