//! What went wrong with a database, told to a client: a status and a sentence. Knows no request.

use rusqlite::ErrorCode;
use rustix::fs::statvfs;
use std::path::Path;

/// A failure of the disk or of what lies on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub status: u16,
    pub text: &'static str,
}

const fn fault(status: u16, text: &'static str) -> Fault {
    Fault { status, text }
}

/// A push is not let begin, or failed at a row.
pub const FULL: Fault =
    fault(507, "the server's disk is full: nothing was changed; try again once it has room");
pub const READ_ONLY: Fault =
    fault(503, "the server cannot write to this repository now: nothing was changed");
const DISK: Fault =
    fault(503, "the server's disk failed at this request: nothing was changed; try again later");
const BUSY: Fault = fault(503, "the repository is busy: nothing was changed; try again later");
const CLOSED: Fault = fault(503, "the server cannot open this repository's file now");
const DAMAGED: Fault =
    fault(500, "this repository's file is damaged: it takes its keeper to bring it back");

/// The fault that an error came from, if it was one.
pub fn find(error: &anyhow::Error) -> Option<Fault> {
    let error = error.chain().find_map(|cause| cause.downcast_ref::<rusqlite::Error>())?;
    Some(match error.sqlite_error_code()? {
        ErrorCode::DiskFull => FULL,
        ErrorCode::ReadOnly | ErrorCode::PermissionDenied => READ_ONLY,
        ErrorCode::SystemIoFailure => DISK,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => BUSY,
        ErrorCode::CannotOpen => CLOSED,
        ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase => DAMAGED,
        _ => return None,
    })
}

/// Whether the disk under `folder` has more than `reserve` bytes left. Who cannot be asked is not
/// doubted: a write will tell.
pub fn has_room(folder: &Path, reserve: u64) -> bool {
    statvfs(folder).map_or(true, |disk| disk.f_bavail.saturating_mul(disk.f_frsize) >= reserve)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Rows;
    use std::sync::Arc;

    /// A commit fails once `break_it` was run, as `expect` says, changes nothing and is good again
    /// after `mend`.
    fn check(break_it: &str, mend: &str, expect: Fault) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("rows.db");
        Rows::create(&path).expect("create");
        let mut rows = Rows::open(&path, Arc::default()).expect("open");
        let large = vec![7; 1 << 20];
        assert!(rows.commit(&[], &[(b"old", Some(b"1"))]).expect("commit"));
        let writes = [(&b"old"[..], None), (b"a", Some(&large[..])), (b"b", Some(&large))];
        rows.connection().execute_batch(break_it).expect("break");
        for _ in 0..3 {
            let error = rows.commit(&[], &writes).expect_err("a fault");
            assert_eq!(find(&error), Some(expect), "{break_it}: {error:#}");
            let mut other = Rows::open(&path, Arc::default()).expect("open");
            for rows in [&mut rows, &mut other] {
                assert_eq!(
                    rows.get(b"old", |value| Ok(value.to_vec())).expect("get").as_deref(),
                    Some(&b"1"[..])
                );
                assert!(rows.get(b"a", |_| Ok(())).expect("get").is_none(), "{break_it}");
            }
        }
        rows.connection().execute_batch(mend).expect("mend");
        assert!(rows.commit(&[], &writes).expect("commit"), "{break_it}");
        assert!(rows.get(b"b", |_| Ok(())).expect("get").is_some());
    }

    #[test]
    fn a_full_disk_and_a_read_only_file_are_told_and_change_nothing() {
        check("PRAGMA max_page_count = 70", "PRAGMA max_page_count = 4294967294", FULL);
        check("PRAGMA query_only = on", "PRAGMA query_only = off", READ_ONLY);
    }

    #[test]
    fn other_errors_are_no_faults_of_a_disk() {
        assert_eq!(find(&anyhow::anyhow!("something else")), None);
        let missing = rusqlite::Error::QueryReturnedNoRows;
        assert_eq!(find(&anyhow::Error::new(missing).context("a reason")), None);
    }
}
