//! A host in memory, for tests: counts calls, rows and bytes, and dies at call N. Knows no Git.

use crate::host::{Expect, Host, Row, Write};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What a request cost its host.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cost {
    pub gets: usize,
    pub scans: usize,
    pub commits: usize,
    pub emits: usize,
    pub rows_read: usize,
    pub rows_written: usize,
    pub bytes_read: usize,
    pub bytes_written: usize,
    pub bytes_sent: usize,
}

#[derive(Clone, Default)]
pub struct Memory {
    pub rows: BTreeMap<Vec<u8>, Vec<u8>>,
    pub output: Vec<u8>,
    pub cost: Cost,
    /// Calls until this host dies (panics), as a crash would.
    pub calls_left: Option<usize>,
}

impl Memory {
    fn call(&mut self) {
        if let Some(left) = &mut self.calls_left {
            assert!(*left > 0, "the host dies here");
            *left -= 1;
        }
    }
}

impl Host for Memory {
    fn get(&mut self, key: &[u8]) -> Option<Vec<u8>> {
        self.call();
        self.cost.gets += 1;
        let value = self.rows.get(key).cloned();
        self.cost.rows_read += usize::from(value.is_some());
        self.cost.bytes_read += value.as_ref().map_or(0, Vec::len);
        value
    }

    fn scan(&mut self, prefix: &[u8], after: &[u8], bytes_max: usize) -> Vec<Row> {
        self.call();
        self.cost.scans += 1;
        let mut rows = Vec::new();
        let mut bytes = 0;
        let from = if after < prefix { prefix } else { after };
        for (key, value) in self.rows.range(from.to_vec()..) {
            if !key.starts_with(prefix) {
                break;
            }
            if key.as_slice() <= after {
                continue;
            }
            bytes += key.len() + value.len();
            if !rows.is_empty() && bytes > bytes_max {
                break;
            }
            self.cost.rows_read += 1;
            self.cost.bytes_read += key.len() + value.len();
            rows.push(Row { key: key.clone(), value: value.clone() });
        }
        rows
    }

    fn commit(&mut self, expects: &[Expect], writes: &[Write]) -> bool {
        self.call();
        self.cost.commits += 1;
        if expects.iter().any(|row| self.rows.get(row.key).map(Vec::as_slice) != row.value) {
            return false;
        }
        for row in writes {
            self.cost.rows_written += 1;
            match row.value {
                Some(value) => {
                    assert!(
                        value.len() <= crate::limits::ROW_MAX
                            && row.key.len() <= crate::limits::KEY_MAX
                    );
                    self.cost.bytes_written += value.len();
                    self.rows.insert(row.key.to_vec(), value.to_vec());
                }
                None => drop(self.rows.remove(row.key)),
            }
        }
        true
    }

    fn emit(&mut self, bytes: &[u8]) {
        self.call();
        self.cost.emits += 1;
        self.cost.bytes_sent += bytes.len();
        self.output.extend_from_slice(bytes);
    }
}
