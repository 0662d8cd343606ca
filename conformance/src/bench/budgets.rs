//! The budgets, as data: what an operation may take, divided by what git takes, and what it may
//! count. A budget is changed here and nowhere else.

use super::operations::{
    BLOBLESS, CLONE, FETCH, FIRST_BYTE, KEPT_UP, LS_REMOTE, NOTHING_NEW, ONE_BRANCH, PUSH, PUSHES,
    SHALLOW, SMALL_PUSH,
};
use super::report::Row;
use super::shapes::Class;

const MIB: u64 = 1 << 20;
/// Linear memory that no request may exceed.
pub const MEMORY_MAX: u64 = 32 * MIB;
/// What an operation on workers may take, divided by what it takes on the native host.
pub const WORKERS: f64 = 2.0;

/// What an operation may take, divided by git's.
pub struct Ratio {
    pub operation: &'static str,
    pub what: &'static str,
    is_for: fn(&Row) -> bool,
    pub wall: Option<f64>,
    pub cpu: Option<f64>,
}

/// What an operation may count on any host.
pub struct Count {
    pub operation: &'static str,
    pub what: &'static str,
    is_for: fn(&Row) -> bool,
    pub rows_written: fn(&Row) -> u64,
    pub rows_read: fn(&Row) -> u64,
}

const fn ratio(
    operation: &'static str,
    what: &'static str,
    is_for: fn(&Row) -> bool,
    wall: Option<f64>,
    cpu: Option<f64>,
) -> Ratio {
    Ratio { operation, what, is_for, wall, cpu }
}

pub const RATIOS: &[Ratio] = &[
    ratio(PUSH, "push, files in one commit", files, Some(0.9), Some(1.0)),
    ratio(PUSH, "push, a history", history, Some(1.2), Some(1.3)),
    ratio(CLONE, "clone, files in one commit", files, Some(0.8), Some(0.3)),
    ratio(CLONE, "clone, a history, git without bitmaps", history, Some(0.8), Some(0.15)),
    ratio(KEPT_UP, "the same, git with fresh bitmaps", history, Some(0.95), Some(0.6)),
    ratio(FIRST_BYTE, "first byte of a clone of a history", history, Some(0.1), None),
    ratio(SHALLOW, SHALLOW, any, Some(0.9), Some(0.4)),
    ratio(BLOBLESS, BLOBLESS, any, Some(0.9), Some(0.4)),
    ratio(ONE_BRANCH, ONE_BRANCH, any, Some(0.9), Some(0.4)),
    ratio(NOTHING_NEW, NOTHING_NEW, any, Some(0.7), Some(0.4)),
    ratio(LS_REMOTE, "ls-remote, 10,000 refs", many_refs, Some(0.7), Some(0.4)),
    ratio(FETCH, FETCH, any, Some(0.7), Some(0.4)),
    ratio(SMALL_PUSH, SMALL_PUSH, any, Some(0.5), Some(0.5)),
    ratio(PUSHES, PUSHES, any, Some(0.6), Some(0.6)),
];

pub const COUNTS: &[Count] = &[
    Count {
        operation: SMALL_PUSH,
        what: "push of one small commit: 12 and each other ref",
        is_for: any,
        rows_written: |_| 6,
        rows_read: |row| 12 + row.refs,
    },
    Count {
        operation: PUSH,
        what: "push of 5,000 files: written, the pack's MiB and 20; read, 20",
        is_for: |row| row.class == Class::Files && row.objects > 5000,
        rows_written: |row| mebibytes(row) + 20,
        rows_read: |_| 20,
    },
    Count {
        operation: CLONE,
        what: "clone, append-only: the pack's MiB, 20, and each other ref",
        is_for: any,
        rows_written: |_| 0,
        rows_read: |row| mebibytes(row) + 20 + row.refs,
    },
    Count {
        operation: NOTHING_NEW,
        what: NOTHING_NEW,
        is_for: |row| row.class != Class::Refs,
        rows_written: |_| 0,
        rows_read: |_| 6,
    },
];

fn any(_: &Row) -> bool {
    true
}

fn files(row: &Row) -> bool {
    row.class == Class::Files
}

fn history(row: &Row) -> bool {
    row.class == Class::History
}

fn many_refs(row: &Row) -> bool {
    row.class == Class::Refs && row.history.starts_with("10,000")
}

fn mebibytes(row: &Row) -> u64 {
    row.pack.div_ceil(MIB)
}

impl Ratio {
    pub fn is_for(&self, row: &Row) -> bool {
        row.operation == self.operation && (self.is_for)(row)
    }
}

impl Count {
    pub fn is_for(&self, row: &Row) -> bool {
        row.operation == self.operation && (self.is_for)(row)
    }
}

/// The budget of a row.
pub fn of(row: &Row) -> Option<&'static Ratio> {
    RATIOS.iter().find(|budget| budget.is_for(row))
}
