//! Public keys of SSH: who they let in, by the same rules as tokens. They are kept in `gitcell.db`
//! by their fingerprints, so that a key that is removed is gone at once.

use crate::names::{Bound, Name};
use crate::rules::{Rules, Terms};
use crate::tokens::{Grant, Kept, Refusal};
use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, OptionalExtension};
use russh::keys::ssh_key::public::KeyData;
use russh::keys::{Algorithm, HashAlg, PublicKey};

/// Bits of an RSA key; fewer are no longer safe.
const RSA_MIN: u32 = 2048;

/// A key as it is listed.
pub struct Key {
    pub fingerprint: String,
    pub scope: String,
    pub repository: Option<String>,
    pub rules: Rules,
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
    let is_taken = match key.key_data() {
        KeyData::Rsa(rsa) => rsa.key_size() >= RSA_MIN,
        _ => matches!(key.algorithm(), Algorithm::Ed25519 | Algorithm::Ecdsa { .. }),
    };
    ensure!(
        is_taken,
        "keys of type {} are not taken, nor RSA ones of less than {RSA_MIN} bits: \
         `ssh-keygen -t ed25519` makes one that is",
        key.algorithm()
    );
    Ok(key)
}

/// Lets a key in; one that is known already gets the new bounds.
pub fn add(
    connection: &Connection,
    key: &PublicKey,
    terms: &Terms,
    note: &str,
    now: u64,
) -> Result<String> {
    let fingerprint = fingerprint(key);
    let expires = terms.ttl.map(|age| now.saturating_add(age));
    let repository = terms.repo.as_ref().map(Bound::to_string);
    let (scope, rules) = (terms.scope.name(), terms.rules.kept());
    connection
        .execute(
            "INSERT OR REPLACE INTO keys \
             (fingerprint, scope, repository, note, created, expires, rules) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            (&fingerprint, scope, repository, note, now, expires, rules),
        )
        .context("cannot keep the key")?;
    Ok(fingerprint)
}

/// All keys, oldest first.
pub fn list(connection: &Connection) -> Result<Vec<Key>> {
    let mut statement = connection.prepare(
        "SELECT fingerprint, scope, repository, note, created, expires, rules FROM keys \
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
            rules: Rules::read(&row.get::<_, String>(6)?),
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
        "SELECT scope, repository, note, expires, rules FROM keys WHERE fingerprint = ?",
    )?;
    let kept = statement.query_row([fingerprint], |row| {
        Ok(Kept {
            scope: row.get(0)?,
            repository: row.get(1)?,
            note: row.get(2)?,
            expires: row.get(3)?,
            is_revoked: false,
            rules: Rules::read(&row.get::<_, String>(4)?),
        })
    });
    Ok(kept.optional()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry;
    use crate::tokens::Scope;

    const LINE: &str = "ssh-ed25519 \
        AAAAC3NzaC1lZDI1NTE5AAAAIJdD7y3aLq454yWBdwLWbieU1ebz9/cu7/QEXn9OIeZJ me@here\n";

    #[test]
    fn a_key_opens_what_it_was_added_for_until_it_ends() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let db = registry::open(folder.path()).expect("open");
        let key = read(LINE).expect("a key");
        let repo = Some("a/*".parse().expect("a bound"));
        let terms = Terms { scope: Scope::Write, ttl: Some(10), repo, rules: Rules::default() };
        let id = add(&db, &key, &terms, "ci", 1000).expect("add");
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
