//! SHA-256 (FIPS 180-4, 6.2) of one block. Knows no stream.

/// The state before the first block.
pub const START: [u32; 8] = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// The first 32 bits of the fractional parts of the cube roots of the first 64 primes.
static ROUND: [u32; 64] = [
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
];

fn rotations(x: u32, a: u32, b: u32, c: u32) -> u32 {
    x.rotate_right(a) ^ x.rotate_right(b) ^ x.rotate_right(c)
}

/// The state after a block.
pub fn compress(state: &mut [u32; 8], block: &[u32; 16]) {
    let mut words = [0u32; 64];
    words[..16].copy_from_slice(block);
    for t in 16..64 {
        let (x, y) = (words[t - 15], words[t - 2]);
        let low = x.rotate_right(7) ^ x.rotate_right(18) ^ x >> 3;
        let high = y.rotate_right(17) ^ y.rotate_right(19) ^ y >> 10;
        words[t] = words[t - 16].wrapping_add(low).wrapping_add(words[t - 7]).wrapping_add(high);
    }
    let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = *state;
    // The registers change their names, not their places.
    macro_rules! step {
        ($t:expr, $k:expr, $w:expr, $a:ident, $b:ident, $c:ident, $d:ident,
            $e:ident, $f:ident, $g:ident, $h:ident) => {
            $h = $h
                .wrapping_add(rotations($e, 6, 11, 25))
                .wrapping_add($g ^ $e & ($f ^ $g))
                .wrapping_add($k[$t])
                .wrapping_add($w[$t]);
            $d = $d.wrapping_add($h);
            $h = $h.wrapping_add(rotations($a, 2, 13, 22)).wrapping_add($a & $b ^ $c & ($a ^ $b));
        };
    }
    for (k, w) in ROUND.as_chunks::<8>().0.iter().zip(words.as_chunks::<8>().0) {
        step!(0, k, w, a, b, c, d, e, f, g, h);
        step!(1, k, w, h, a, b, c, d, e, f, g);
        step!(2, k, w, g, h, a, b, c, d, e, f);
        step!(3, k, w, f, g, h, a, b, c, d, e);
        step!(4, k, w, e, f, g, h, a, b, c, d);
        step!(5, k, w, d, e, f, g, h, a, b, c);
        step!(6, k, w, c, d, e, f, g, h, a, b);
        step!(7, k, w, b, c, d, e, f, g, h, a);
    }
    for (old, new) in state.iter_mut().zip([a, b, c, d, e, f, g, h]) {
        *old = old.wrapping_add(new);
    }
}
