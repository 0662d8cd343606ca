//! Rows: one repository's ordered table in a SQLite database, as `abi.wit` promises it. Knows no
//! Git.
//!
//! Each read is a transaction of its own: however long a request lasts, its reads keep no log from
//! being written back.
//!
//! The table has rowids: with large values beside small ones, `WITHOUT ROWID` made a read of one
//! row ten times slower. Pages of 16 KiB halve the cost of a 1 MiB value. A memory map would save a
//! tenth more, but a clone would then hold its whole repository, and a bad disk would end the
//! program.

use anyhow::{Context, Result, bail, ensure};
use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Bounds of `abi.wit`: an engine that passes them has broken the contract.
pub const KEY_MAX: usize = 512;
pub const VALUE_MAX: usize = 1 << 20;

/// How long a commit waits for another process's.
const BUSY: Duration = Duration::from_secs(30);
const PAGE_SIZE: u32 = 16 << 10;
/// After moving so many bytes a connection gives back the pages that SQLite keeps of them.
const KEPT: u64 = 512 << 10;
/// What a log that grew in one large commit is cut back to.
const LOG_SIZE: u32 = 64 << 20;

/// A key and what it holds, or shall hold; no value: absent.
pub type Change<'a> = (&'a [u8], Option<&'a [u8]>);

/// What a request cost its store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cost {
    pub calls: u32,
    pub rows_read: u32,
    pub rows_written: u32,
    pub bytes_read: u64,
    pub bytes_written: u64,
}

/// One connection to one repository's rows.
pub struct Rows {
    connection: Connection,
    /// Writers of this process queue here, fairly; SQLite's own queue only sleeps and tries again.
    writers: Arc<Mutex<()>>,
    /// Bytes of pages that were moved since `rest`.
    moved: u64,
    pub cost: Cost,
}

impl Rows {
    /// Makes an empty table in a new file.
    pub fn create(path: &Path) -> Result<()> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("cannot create {}", path.display()))?;
        connection.pragma_update(None, "page_size", PAGE_SIZE)?;
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection
            .execute_batch("CREATE TABLE rows (key BLOB PRIMARY KEY, value BLOB NOT NULL)")?;
        Ok(())
    }

    /// Opens an existing table.
    pub fn open(path: &Path, writers: Arc<Mutex<()>>) -> Result<Rows> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)
            .with_context(|| format!("cannot open {}", path.display()))?;
        connection.busy_timeout(BUSY)?;
        connection.pragma_update(None, "synchronous", "full")?;
        connection.pragma_update_and_check(None, "journal_size_limit", LOG_SIZE, |_| Ok(()))?;
        Ok(Rows { connection, writers, moved: 0, cost: Cost::default() })
    }

    /// SQLite opens what it may not write for reading alone, and does not say so.
    pub fn is_read_only(&self) -> Result<bool> {
        Ok(self.connection.is_readonly(rusqlite::MAIN_DB)?)
    }

    /// Shows what `key` holds to `found`, without a copy.
    pub fn get<T>(
        &mut self,
        key: &[u8],
        found: impl FnOnce(&[u8]) -> Result<T>,
    ) -> Result<Option<T>> {
        self.cost.calls += 1;
        let mut statement =
            self.connection.prepare_cached("SELECT value FROM rows WHERE key = ?")?;
        let mut rows = statement.query([key])?;
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let value = row.get_ref(0)?.as_blob()?;
        self.cost.rows_read += 1;
        self.cost.bytes_read += value.len() as u64;
        found(value).map(Some)
    }

    /// Shows the next rows in key order after `after` whose keys start with `prefix`, until
    /// `bytes_max` would be passed; at least one, if there is one.
    pub fn scan(
        &mut self,
        prefix: &[u8],
        after: &[u8],
        bytes_max: usize,
        mut found: impl FnMut(&[u8], &[u8]) -> Result<()>,
    ) -> Result<()> {
        self.cost.calls += 1;
        let sql = "SELECT key, value FROM rows WHERE key >= ?1 AND (key < ?2 OR ?2 IS NULL) \
                   ORDER BY key";
        let mut statement = self.connection.prepare_cached(sql)?;
        let mut rows = statement.query((lower(prefix, after), upper(prefix)))?;
        let mut bytes = 0;
        let mut is_first = true;
        while let Some(row) = rows.next()? {
            let (key, value) = (row.get_ref(0)?.as_blob()?, row.get_ref(1)?.as_blob()?);
            bytes += key.len() + value.len();
            if bytes > bytes_max && !is_first {
                break;
            }
            is_first = false;
            self.cost.rows_read += 1;
            self.cost.bytes_read += (key.len() + value.len()) as u64;
            found(key, value)?;
        }
        Ok(())
    }

    /// If every expected row still holds, applies all writes and answers true once they are
    /// durable; else changes nothing and answers false.
    pub fn commit(&mut self, expects: &[Change], writes: &[Change]) -> Result<bool> {
        self.cost.calls += 1;
        let turn = Arc::clone(&self.writers);
        let _turn = turn.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .context("cannot begin a commit")?;
        for (key, value) in expects {
            if !holds(&transaction, key, *value)? {
                return Ok(false);
            }
        }
        for (key, value) in writes {
            write(&transaction, key, *value)?;
            self.cost.rows_written += 1;
            self.cost.bytes_written += value.map_or(0, <[u8]>::len) as u64;
        }
        transaction.commit().context("cannot make a commit durable")?;
        Ok(true)
    }

    /// Commits are no longer made durable: for rows that are thrown away.
    pub fn forget(&self) -> Result<()> {
        Ok(self.connection.pragma_update(None, "synchronous", "off")?)
    }

    /// For tests, which make it fail.
    #[cfg(test)]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// The costs since the last call.
    pub fn take_cost(&mut self) -> Cost {
        let cost = std::mem::take(&mut self.cost);
        let rows = u64::from(cost.rows_read) + u64::from(cost.rows_written);
        self.moved += cost.bytes_read + cost.bytes_written + rows * u64::from(PAGE_SIZE);
        cost
    }

    /// No request uses it for a while: what SQLite keeps after a large one is given back. A small
    /// one leaves its few pages to the next.
    pub fn rest(&mut self) {
        if self.moved > KEPT {
            self.moved = 0;
            // Memory that stays is no failure.
            let _ = self.connection.execute_batch("PRAGMA shrink_memory");
        }
    }
}

fn holds(connection: &Connection, key: &[u8], expect: Option<&[u8]>) -> Result<bool> {
    let mut statement = connection.prepare_cached("SELECT value = ?2 FROM rows WHERE key = ?1")?;
    let same: Option<Option<bool>> =
        statement.query_row((key, expect), |row| row.get(0)).optional()?;
    Ok(match (same, expect) {
        (None, None) => true,
        (Some(same), Some(_)) => same == Some(true),
        _ => false,
    })
}

fn write(connection: &Connection, key: &[u8], value: Option<&[u8]>) -> Result<()> {
    ensure!(key.len() <= KEY_MAX, "the engine wrote a key of {} bytes", key.len());
    match value {
        Some(value) if value.len() > VALUE_MAX => {
            bail!("the engine wrote a value of {} bytes", value.len())
        }
        Some(value) => connection
            .prepare_cached(
                "INSERT INTO rows (key, value) VALUES (?1, ?2) \
                 ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            )?
            .execute((key, value))?,
        None => connection.prepare_cached("DELETE FROM rows WHERE key = ?")?.execute([key])?,
    };
    Ok(())
}

/// The first key that a scan may meet: the one right after `after`, or the prefix itself.
fn lower(prefix: &[u8], after: &[u8]) -> Vec<u8> {
    if after < prefix {
        return prefix.to_vec();
    }
    [after, &[0]].concat()
}

/// The first key after all that start with `prefix`; `None`: there is no such key.
fn upper(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != 0xff)?;
    let mut key = prefix[..=last].to_vec();
    key[last] += 1;
    Some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A store of its own for a test, in a folder that goes with it.
    fn rows() -> (tempfile::TempDir, Rows) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.db");
        Rows::create(&path).expect("create");
        let rows = Rows::open(&path, Arc::default()).expect("open");
        (folder, rows)
    }

    fn put(rows: &mut Rows, pairs: &[(&[u8], &[u8])]) {
        let writes: Vec<Change> = pairs.iter().map(|(key, value)| (*key, Some(*value))).collect();
        assert!(rows.commit(&[], &writes).expect("commit"));
    }

    fn keys(rows: &mut Rows, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Vec<u8>> {
        let mut keys = Vec::new();
        let each = |key: &[u8], _: &[u8]| {
            keys.push(key.to_vec());
            Ok(())
        };
        rows.scan(prefix, after, bytes_max, each).expect("scan");
        keys
    }

    fn value(rows: &mut Rows, key: &[u8]) -> Option<Vec<u8>> {
        rows.get(key, |value| Ok(value.to_vec())).expect("get")
    }

    #[test]
    fn scans_in_byte_order_within_the_prefix_and_after_the_key() {
        let (_folder, mut rows) = rows();
        put(&mut rows, &[(b"b", b"-"), (b"a/\xff", b"-"), (b"a/", b"-"), (b"a0", b"-")]);
        put(&mut rows, &[(b"\xff", b"-"), (b"\xff\xff", b"-"), (b"a/\x00", b"-")]);
        let mut check = |prefix: &[u8], after: &[u8], expect: &[&[u8]]| {
            assert_eq!(keys(&mut rows, prefix, after, 999), expect, "{prefix:?} after {after:?}");
        };
        check(b"a/", b"", &[b"a/", b"a/\x00", b"a/\xff"]);
        check(b"a/", b"a/", &[b"a/\x00", b"a/\xff"]);
        check(b"a/", b"a/\x01", &[b"a/\xff"]);
        check(b"a/", b"b", &[]);
        check(b"\xff", b"", &[b"\xff", b"\xff\xff"]);
        check(b"", b"b", &[b"\xff", b"\xff\xff"]);
        check(b"c", b"", &[]);
    }

    #[test]
    fn scan_stops_before_it_passes_the_bound_but_gives_one_row() {
        let (_folder, mut rows) = rows();
        put(&mut rows, &[(b"a", b"123"), (b"b", b"123"), (b"c", b"123")]);
        for (bytes_max, expect) in [(0, 1), (7, 1), (8, 2), (11, 2), (12, 3)] {
            assert_eq!(keys(&mut rows, b"", b"", bytes_max).len(), expect, "{bytes_max}");
        }
    }

    #[test]
    fn a_commit_applies_all_or_nothing() {
        let (_folder, mut rows) = rows();
        put(&mut rows, &[(b"old", b"1"), (b"empty", b"")]);
        let mut check = |expects: &[Change], expect: bool| {
            let done = rows.commit(expects, &[(b"new", Some(b"2")), (b"old", None)]);
            assert_eq!(done.expect("commit"), expect, "{expects:?}");
            assert_eq!(value(&mut rows, b"new").is_some(), expect, "{expects:?}");
            assert_eq!(value(&mut rows, b"old").is_none(), expect, "{expects:?}");
        };
        check(&[(b"old", Some(b"0"))], false);
        check(&[(b"old", None)], false);
        check(&[(b"absent", Some(b""))], false);
        check(&[(b"old", Some(b"1")), (b"empty", None)], false);
        check(&[(b"old", Some(b"1")), (b"empty", Some(b"")), (b"absent", None)], true);
    }

    #[test]
    fn refuses_what_the_contract_forbids() {
        let (_folder, mut rows) = rows();
        let (key, large) = ([b'k'; KEY_MAX + 1], vec![0; VALUE_MAX + 1]);
        assert!(rows.commit(&[], &[(&key[1..], Some(&large[1..]))]).is_ok());
        assert!(rows.commit(&[], &[(b"a", Some(b"1")), (&key, Some(b""))]).is_err());
        assert!(rows.commit(&[], &[(b"a", Some(b"1")), (b"b", Some(&large))]).is_err());
        assert_eq!(value(&mut rows, b"a"), None);
    }

    #[test]
    fn a_reader_sees_rows_while_another_connection_writes() {
        let (folder, mut reader) = rows();
        put(&mut reader, &[(b"a", b"1"), (b"b", b"1")]);
        let path = folder.path().join("rows.db");
        let mut writer = Rows::open(&path, Arc::default()).expect("open");
        let each = |_: &[u8], _: &[u8]| {
            put(&mut writer, &[(b"b", b"2")]);
            Ok(())
        };
        reader.scan(b"", b"", 999, each).expect("scan");
        assert_eq!(value(&mut reader, b"b"), Some(b"2".to_vec()));
    }

    #[test]
    fn between_two_calls_nothing_keeps_the_log_from_being_written_back() {
        let (folder, mut reader) = rows();
        put(&mut reader, &[(b"a", b"1"), (b"b", b"1")]);
        let mut writer = Rows::open(&folder.path().join("rows.db"), Arc::default()).expect("open");
        // A request that goes on: the scrub of a large repository, a slow clone.
        assert_eq!(keys(&mut reader, b"", b"", 0).len(), 1);
        assert!(value(&mut reader, b"b").is_some());
        put(&mut writer, &[(b"b", b"2")]);
        writer.connection.busy_timeout(Duration::from_secs(1)).expect("patience");
        let busy = writer
            .connection
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, bool>(0));
        assert!(!busy.expect("checkpoint"), "a reader holds the log");
        let log = folder.path().join("rows.db-wal");
        assert_eq!(log.metadata().expect("the log").len(), 0);
    }
}
