//! Adler-32 (RFC 1950, 8.2). Knows no stream.

const MODULUS: u64 = 65_521;
/// Bytes that are summed side by side.
const ROW: usize = 16;
/// So many rows do not overflow 32 bits: 4 * 255 * 2048 * 2047 / 2 < 2^32.
const ROWS: usize = 2048;

#[derive(Clone, Copy)]
pub struct Adler {
    sum: u32,
    sum_of_sums: u32,
}

/// What rows add: their bytes; for each row, the bytes of the rows before it; and their bytes, each
/// as often as it has bytes from it to the end of its row.
struct Sums {
    bytes: u64,
    before: u64,
    weighted: u64,
}

impl Adler {
    pub fn new() -> Adler {
        Adler { sum: 1, sum_of_sums: 0 }
    }

    pub fn update(&mut self, bytes: &[u8]) {
        let (rows, rest) = bytes.as_chunks::<ROW>();
        for rows in rows.chunks(ROWS) {
            let sums = sums(rows);
            let size = (rows.len() * ROW) as u64;
            let total = u64::from(self.sum_of_sums) + size * u64::from(self.sum);
            let total = total + ROW as u64 * sums.before + sums.weighted;
            self.sum_of_sums = (total % MODULUS) as u32;
            self.sum = ((u64::from(self.sum) + sums.bytes) % MODULUS) as u32;
        }
        for byte in rest {
            self.sum += u32::from(*byte);
            self.sum_of_sums += self.sum;
        }
        self.sum %= MODULUS as u32;
        self.sum_of_sums %= MODULUS as u32;
    }

    pub fn value(&self) -> u32 {
        self.sum_of_sums << 16 | self.sum
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
fn sums(rows: &[[u8; ROW]]) -> Sums {
    use core::arch::wasm32::*;
    let (high, low) = (i16x8(16, 15, 14, 13, 12, 11, 10, 9), i16x8(8, 7, 6, 5, 4, 3, 2, 1));
    let (mut bytes, mut before, mut weighted) = (u32x4_splat(0), u32x4_splat(0), u32x4_splat(0));
    for row in rows {
        let row = u128::from_le_bytes(*row);
        let row = u64x2(row as u64, (row >> 64) as u64);
        before = i32x4_add(before, bytes);
        bytes = i32x4_add(bytes, u32x4_extadd_pairwise_u16x8(u16x8_extadd_pairwise_u8x16(row)));
        weighted = i32x4_add(weighted, i32x4_dot_i16x8(u16x8_extend_low_u8x16(row), high));
        weighted = i32x4_add(weighted, i32x4_dot_i16x8(u16x8_extend_high_u8x16(row), low));
    }
    let total = |lanes| {
        let halves = i64x2_add(u64x2_extend_low_u32x4(lanes), u64x2_extend_high_u32x4(lanes));
        u64x2_extract_lane::<0>(halves) + u64x2_extract_lane::<1>(halves)
    };
    Sums { bytes: total(bytes), before: total(before), weighted: total(weighted) }
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn sums(rows: &[[u8; ROW]]) -> Sums {
    let mut sums = Sums { bytes: 0, before: 0, weighted: 0 };
    for row in rows {
        sums.before += sums.bytes;
        for (at, byte) in row.iter().enumerate() {
            sums.bytes += u64::from(*byte);
            sums.weighted += (ROW - at) as u64 * u64::from(*byte);
        }
    }
    sums
}
