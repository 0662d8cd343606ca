//! Adler-32 (RFC 1950, 8.2). Knows no stream.

const MODULUS: u32 = 65_521;
/// Bytes that are summed side by side.
const LANES: usize = 16;
/// So many rows of lanes cannot overflow the sums: 255 * 4096 * 4095 / 2 < 2^32.
const ROWS: usize = 4096;

#[derive(Clone, Copy)]
pub struct Adler {
    sum: u32,
    sum_of_sums: u32,
}

impl Adler {
    pub fn new() -> Adler {
        Adler { sum: 1, sum_of_sums: 0 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        for bytes in bytes.chunks(ROWS * LANES) {
            self.update_some(bytes);
        }
    }

    fn update_some(&mut self, bytes: &[u8]) {
        let (rows, rest) = bytes.as_chunks::<LANES>();
        let mut sums = [0u32; LANES];
        let mut sums_of_sums = [0u32; LANES];
        for row in rows {
            for i in 0..LANES {
                sums_of_sums[i] += sums[i];
                sums[i] += u32::from(row[i]);
            }
        }
        // A byte counts in `sum_of_sums` as often as there are bytes from it to the end.
        let mut total = u64::from(self.sum) * (rows.len() * LANES) as u64;
        total += u64::from(self.sum_of_sums);
        for i in 0..LANES {
            total += u64::from(sums_of_sums[i]) * LANES as u64;
            total += u64::from(sums[i]) * (LANES - i) as u64;
            self.sum += sums[i] % MODULUS;
        }
        self.sum %= MODULUS;
        self.sum_of_sums = (total % u64::from(MODULUS)) as u32;
        for byte in rest {
            self.sum += u32::from(*byte);
            self.sum_of_sums += self.sum;
        }
        self.sum %= MODULUS;
        self.sum_of_sums %= MODULUS;
    }

    pub fn value(&self) -> u32 {
        self.sum_of_sums << 16 | self.sum
    }
}
