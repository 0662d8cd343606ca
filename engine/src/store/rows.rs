//! Immutable rows that were read lately. Lives as long as one request; knows no content.

use alloc::rc::Rc;
use alloc::vec::Vec;

/// Keeps at most `bytes_max` bytes of rows, the ones used last; at least one.
pub struct Rows {
    names: Vec<u64>,
    rows: Vec<(Rc<Vec<u8>>, u32)>,
    bytes: usize,
    bytes_max: usize,
    clock: u32,
}

impl Rows {
    pub fn new(bytes_max: usize) -> Rows {
        Rows { names: Vec::new(), rows: Vec::new(), bytes: 0, bytes_max, clock: 0 }
    }

    /// Keeps at most so many bytes from now on, more than before or fewer.
    pub fn resize(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max;
        self.make_room(0);
    }

    pub fn find(&mut self, name: u64) -> Option<Rc<Vec<u8>>> {
        let at = self.names.iter().position(|kept| *kept == name)?;
        let (row, used) = self.rows.get_mut(at)?;
        self.clock = self.clock.wrapping_add(1);
        *used = self.clock;
        Some(row.clone())
    }

    pub fn keep(&mut self, name: u64, row: Vec<u8>) -> Rc<Vec<u8>> {
        while !self.rows.is_empty() && self.bytes + row.len() > self.bytes_max {
            self.drop_oldest();
        }
        self.bytes += row.len();
        self.clock = self.clock.wrapping_add(1);
        let row = Rc::new(row);
        self.names.push(name);
        self.rows.push((row.clone(), self.clock));
        row
    }

    /// Makes room for a row before it is fetched, so that both are never held.
    pub fn make_room(&mut self, size: usize) {
        while !self.rows.is_empty() && self.bytes + size > self.bytes_max {
            self.drop_oldest();
        }
    }

    fn drop_oldest(&mut self) {
        let oldest = self.rows.iter().enumerate().min_by_key(|(_, (_, used))| *used);
        if let Some((at, _)) = oldest {
            self.names.swap_remove(at);
            self.bytes -= self.rows.swap_remove(at).0.len();
        }
    }
}
