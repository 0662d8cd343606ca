//! Which repositories there are, and in which file: `gitcell.db` of the data folder, which holds
//! tokens and keys too. Safe beside other processes. Knows no row and no Git.

use crate::names::Name;
use anyhow::{Context, Result, ensure};
use rusqlite::{Connection, ErrorCode, OptionalExtension, TransactionBehavior};
use std::fs::{DirBuilder, File};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS repositories (
        namespace TEXT NOT NULL COLLATE NOCASE,
        name TEXT NOT NULL COLLATE NOCASE,
        file TEXT NOT NULL UNIQUE,
        created INTEGER NOT NULL,
        PRIMARY KEY (namespace, name)
    );
    CREATE TABLE IF NOT EXISTS tokens (
        id TEXT PRIMARY KEY,
        hash BLOB NOT NULL,
        scope TEXT NOT NULL,
        repository TEXT,
        note TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER,
        revoked INTEGER,
        rules TEXT NOT NULL DEFAULT ''
    );
    CREATE TABLE IF NOT EXISTS keys (
        fingerprint TEXT PRIMARY KEY,
        scope TEXT NOT NULL,
        repository TEXT,
        note TEXT NOT NULL,
        created INTEGER NOT NULL,
        expires INTEGER,
        rules TEXT NOT NULL DEFAULT ''
    );";
/// What later versions added.
const ADDED: &[(&str, &str)] = &[
    ("tokens", "rules TEXT NOT NULL DEFAULT ''"),
    ("keys", "rules TEXT NOT NULL DEFAULT ''"),
    // When all of its rows were read last.
    ("repositories", "scrubbed INTEGER"),
    // An import has begun to fill it.
    ("repositories", "importing INTEGER NOT NULL DEFAULT 0"),
];

/// Opens the data folder's own database, which is made if there is none.
pub fn open(data: &Path) -> Result<Connection> {
    make(data).with_context(|| format!("cannot create the data folder {}", data.display()))?;
    let path = data.join("gitcell.db");
    let context = || format!("cannot open {}", path.display());
    let mut connection = Connection::open(&path).with_context(context)?;
    connection.busy_timeout(Duration::from_secs(10))?;
    use_log(&connection).with_context(context)?;
    connection.pragma_update(None, "synchronous", "full")?;
    connection.execute_batch(SCHEMA).with_context(context)?;
    for (table, column) in ADDED {
        let name = column.split(' ').next().unwrap_or_default();
        // Asked so, a connection looks again at what another process may have changed.
        let is_there = |db: &Connection| db.prepare(&format!("SELECT {name} FROM {table}")).is_ok();
        if is_there(&connection) {
            continue;
        }
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if !is_there(&transaction) {
            transaction.execute_batch(&format!("ALTER TABLE {table} ADD COLUMN {column}"))?;
        }
        transaction.commit()?;
    }
    Ok(connection)
}

/// Two who make one database at once are in each other's way here, and SQLite does not wait.
fn use_log(connection: &Connection) -> rusqlite::Result<()> {
    let mut tries = 0..200;
    loop {
        let done = connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()));
        let code = done.as_ref().err().and_then(rusqlite::Error::sqlite_error_code);
        if code != Some(ErrorCode::DatabaseBusy) || tries.next().is_none() {
            return done;
        }
        sleep(Duration::from_millis(50));
    }
}

/// Makes the data folder, if there is none, and the way to it durable: what lies there is no more
/// durable than that.
fn make(data: &Path) -> Result<()> {
    if data.is_dir() {
        return Ok(());
    }
    // Repositories may be private: the folder is its owner's alone.
    DirBuilder::new().recursive(true).mode(0o700).create(data)?;
    for folder in data.canonicalize()?.ancestors().skip(1) {
        // One that may not be read is none that was just made.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(())
}

/// The file of a repository, if there is one of exactly this name.
pub fn find(connection: &Connection, name: &Name) -> Result<Option<String>> {
    let mut statement = connection.prepare_cached(
        "SELECT namespace, name, file FROM repositories WHERE namespace = ?1 AND name = ?2",
    )?;
    let found: Option<(String, String, String)> = statement
        .query_row((&name.namespace, &name.name), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    Ok(found
        .filter(|(namespace, short, _)| *namespace == name.namespace && *short == name.name)
        .map(|(_, _, file)| file))
}

/// A name that is taken, or differs from a taken one only by case, is refused: file systems and
/// people confuse such names.
pub fn check_free(connection: &Connection, name: &Name) -> Result<()> {
    let taken: Option<String> = connection
        .query_row(
            "SELECT namespace || '/' || name FROM repositories \
             WHERE namespace = ?1 AND (name = ?2 OR namespace <> ?1 COLLATE BINARY) LIMIT 1",
            (&name.namespace, &name.name),
            |row| row.get(0),
        )
        .optional()?;
    match taken {
        None => Ok(()),
        Some(taken) => {
            ensure!(taken != name.to_string(), "{name} exists already");
            anyhow::bail!("{name} differs only by case from {taken}, which exists already")
        }
    }
}

/// Makes a repository known. Fails if the name is no longer free. `importing`: it is not to be
/// taken for whole before `set_imported`.
pub fn insert(
    connection: &mut Connection,
    name: &Name,
    file: &str,
    time: u64,
    importing: bool,
) -> Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    check_free(&transaction, name)?;
    transaction.execute(
        "INSERT INTO repositories (namespace, name, file, created, importing) \
         VALUES (?1, ?2, ?3, ?4, ?5)",
        (&name.namespace, &name.name, file, time, importing),
    )?;
    Ok(transaction.commit()?)
}

/// Whether an import has begun to fill the repository in this file, and has not ended.
pub fn is_importing(connection: &Connection, file: &str) -> Result<bool> {
    let sql = "SELECT importing FROM repositories WHERE file = ?";
    let found: Option<bool> = connection.query_row(sql, [file], |row| row.get(0)).optional()?;
    Ok(found == Some(true))
}

/// All of what was imported is in the repository in this file.
pub fn set_imported(connection: &Connection, file: &str) -> Result<()> {
    let sql = "UPDATE repositories SET importing = 0 WHERE file = ?";
    let changed = connection.execute(sql, [file])?;
    ensure!(changed == 1, "the repository was deleted while it was filled: import it again");
    Ok(())
}

/// Forgets a repository and gives the file that is no longer needed.
pub fn remove(connection: &Connection, name: &Name) -> Result<Option<String>> {
    let Some(file) = find(connection, name)? else {
        return Ok(None);
    };
    let gone = connection.execute("DELETE FROM repositories WHERE file = ?", [&file])?;
    Ok((gone == 1).then_some(file))
}

/// The repository whose rows were last read, or made, the longest time ago, if that is not after
/// `before`; and its file.
pub fn stale(connection: &Connection, before: u64) -> Result<Option<(Name, String)>> {
    let mut statement = connection.prepare_cached(
        "SELECT namespace, name, file FROM repositories \
         WHERE COALESCE(scrubbed, created) <= ?1 ORDER BY COALESCE(scrubbed, created) LIMIT 1",
    )?;
    let found = statement.query_row([before], |row| {
        Ok((Name { namespace: row.get(0)?, name: row.get(1)? }, row.get(2)?))
    });
    Ok(found.optional()?)
}

/// All rows of the repository in this file were read.
pub fn set_scrubbed(connection: &Connection, file: &str, time: u64) -> Result<()> {
    connection.execute("UPDATE repositories SET scrubbed = ?2 WHERE file = ?1", (file, time))?;
    Ok(())
}

/// All names in order.
pub fn list(connection: &Connection) -> Result<Vec<Name>> {
    let mut statement =
        connection.prepare("SELECT namespace, name FROM repositories ORDER BY namespace, name")?;
    let names =
        statement.query_map([], |row| Ok(Name { namespace: row.get(0)?, name: row.get(1)? }))?;
    Ok(names.collect::<rusqlite::Result<_>>()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_only_by_case_are_refused_and_not_found() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut registry = open(folder.path()).expect("open");
        let name = |text: &str| text.parse::<Name>().expect("a name");
        insert(&mut registry, &name("Alice/demo"), "1", 0, false).expect("insert");
        let mut check = |text: &str, expect: bool| {
            let done = insert(&mut registry, &name(text), text, 0, false);
            assert_eq!(done.is_ok(), expect, "{text}: {done:?}");
        };
        check("Alice/demo", false);
        check("Alice/Demo", false);
        check("alice/other", false);
        check("Alice/other", true);
        assert_eq!(find(&registry, &name("Alice/demo")).expect("find").as_deref(), Some("1"));
        assert_eq!(find(&registry, &name("alice/demo")).expect("find"), None);
        assert_eq!(remove(&registry, &name("Alice/demo")).expect("remove").as_deref(), Some("1"));
        assert_eq!(list(&registry).expect("list"), [name("Alice/other")]);
    }

    #[test]
    fn what_was_deleted_meanwhile_was_not_imported() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut registry = open(folder.path()).expect("open");
        let name: Name = "a/one".parse().expect("a name");
        insert(&mut registry, &name, "1", 0, true).expect("insert");
        assert!(is_importing(&registry, "1").expect("asked"));
        set_imported(&registry, "1").expect("it is there");
        assert!(!is_importing(&registry, "1").expect("asked"));
        remove(&registry, &name).expect("remove");
        assert!(set_imported(&registry, "1").is_err());
    }

    #[test]
    fn the_repository_that_was_read_longest_ago_is_the_next() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut registry = open(folder.path()).expect("open");
        for (name, time) in [("a/one", 5), ("a/two", 3)] {
            let name = name.parse::<Name>().expect("a name");
            insert(&mut registry, &name, &name.name, time, false).expect("insert");
        }
        let check = |before: u64, expect: Option<&str>| {
            let found = stale(&registry, before).expect("stale");
            assert_eq!(found.map(|(_, file)| file).as_deref(), expect, "{before}");
        };
        check(2, None);
        check(9, Some("two"));
        set_scrubbed(&registry, "two", 6).expect("set");
        check(9, Some("one"));
        set_scrubbed(&registry, "one", 7).expect("set");
        check(5, None);
        check(6, Some("two"));
    }

    #[test]
    fn many_may_open_a_new_folder_at_once() {
        for round in 0..20 {
            let folder = tempfile::tempdir().expect("a temporary folder");
            std::thread::scope(|scope| {
                let all = [(); 8].map(|()| scope.spawn(|| open(folder.path()).map(drop)));
                for one in all {
                    let done = one.join().expect("no panic");
                    assert!(done.is_ok(), "{round}: {:#}", done.expect_err("why"));
                }
            });
        }
    }
}
