//! Four words side by side. Knows no hash function.

pub use imp::Four;

/// The module's own vectors. The intrinsics are safe where the feature is on.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod imp {
    use crate::hash::sha1::Word;
    use core::arch::wasm32::*;

    #[derive(Clone, Copy)]
    pub struct Four(v128);

    impl Four {
        #[inline(always)]
        pub fn new([a, b, c, d]: [u32; 4]) -> Four {
            Four(u32x4(a, b, c, d))
        }

        /// Four words, each written with its highest byte first.
        #[inline(always)]
        pub fn read(bytes: &[u8; 16]) -> Four {
            let all = u128::from_le_bytes(*bytes);
            let bytes = u64x2(all as u64, (all >> 64) as u64);
            Four(u8x16_shuffle::<3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12>(
                bytes, bytes,
            ))
        }

        /// The same with another word in one place.
        pub fn with(self, at: usize, word: u32) -> Four {
            let mut words = self.words();
            words[at] = word;
            Four::new(words)
        }

        #[inline(always)]
        pub fn words(self) -> [u32; 4] {
            [
                u32x4_extract_lane::<0>(self.0),
                u32x4_extract_lane::<1>(self.0),
                u32x4_extract_lane::<2>(self.0),
                u32x4_extract_lane::<3>(self.0),
            ]
        }

        #[inline(always)]
        pub fn and_not(self, other: Four) -> Four {
            Four(v128_andnot(self.0, other.0))
        }

        #[inline(always)]
        pub fn or(self, other: Four) -> Four {
            Four(v128_or(self.0, other.0))
        }

        #[inline(always)]
        pub fn left<const BITS: u32>(self) -> Four {
            Four(i32x4_shl(self.0, BITS))
        }

        /// All bits of each word become its highest.
        #[inline(always)]
        pub fn spread_sign(self) -> Four {
            Four(i32x4_shr(self.0, 31))
        }

        /// The words of four fours: the first of each, the second of each, and so on.
        #[inline(always)]
        pub fn transpose([a, b, c, d]: [Four; 4]) -> [Four; 4] {
            let low = u32x4_shuffle::<0, 4, 1, 5>(a.0, b.0);
            let high = u32x4_shuffle::<2, 6, 3, 7>(a.0, b.0);
            let next_low = u32x4_shuffle::<0, 4, 1, 5>(c.0, d.0);
            let next_high = u32x4_shuffle::<2, 6, 3, 7>(c.0, d.0);
            [
                Four(u64x2_shuffle::<0, 2>(low, next_low)),
                Four(u64x2_shuffle::<1, 3>(low, next_low)),
                Four(u64x2_shuffle::<0, 2>(high, next_high)),
                Four(u64x2_shuffle::<1, 3>(high, next_high)),
            ]
        }

        /// The words `AT..AT + 4` of these and the next four.
        #[inline(always)]
        pub fn slide<const AT: usize>(self, next: Four) -> Four {
            Four(match AT {
                1 => u32x4_shuffle::<1, 2, 3, 4>(self.0, next.0),
                2 => u32x4_shuffle::<2, 3, 4, 5>(self.0, next.0),
                3 => u32x4_shuffle::<3, 4, 5, 6>(self.0, next.0),
                _ => self.0,
            })
        }
    }

    impl Word for Four {
        #[inline(always)]
        fn of(word: u32) -> Four {
            Four(u32x4_splat(word))
        }

        #[inline(always)]
        fn plus(self, other: Four) -> Four {
            Four(u32x4_add(self.0, other.0))
        }

        #[inline(always)]
        fn and(self, other: Four) -> Four {
            Four(v128_and(self.0, other.0))
        }

        #[inline(always)]
        fn xor(self, other: Four) -> Four {
            Four(v128_xor(self.0, other.0))
        }

        #[inline(always)]
        fn rotate<const LEFT: u32>(self) -> Four {
            Four(v128_or(i32x4_shl(self.0, LEFT), u32x4_shr(self.0, 32 - LEFT)))
        }
    }
}

/// The same for every other machine.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod imp {
    use crate::hash::sha1::Word;
    use core::array::from_fn;

    #[derive(Clone, Copy)]
    pub struct Four([u32; 4]);

    impl Four {
        pub fn new(words: [u32; 4]) -> Four {
            Four(words)
        }

        pub fn read(bytes: &[u8; 16]) -> Four {
            let (words, _) = bytes.as_chunks::<4>();
            Four(from_fn(|i| u32::from_be_bytes(words[i])))
        }

        pub fn with(mut self, at: usize, word: u32) -> Four {
            self.0[at] = word;
            self
        }

        pub fn words(self) -> [u32; 4] {
            self.0
        }

        pub fn and_not(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] & !other.0[i]))
        }

        pub fn or(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] | other.0[i]))
        }

        pub fn left<const BITS: u32>(self) -> Four {
            Four(from_fn(|i| self.0[i] << BITS))
        }

        pub fn spread_sign(self) -> Four {
            Four(from_fn(|i| (self.0[i] as i32 >> 31) as u32))
        }

        pub fn transpose(fours: [Four; 4]) -> [Four; 4] {
            from_fn(|i| Four(fours.map(|four| four.0[i])))
        }

        pub fn slide<const AT: usize>(self, next: Four) -> Four {
            Four(from_fn(|i| if i + AT < 4 { self.0[i + AT] } else { next.0[i + AT - 4] }))
        }
    }
    impl Word for Four {
        fn of(word: u32) -> Four {
            Four([word; 4])
        }

        fn plus(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i].wrapping_add(other.0[i])))
        }

        fn and(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] & other.0[i]))
        }

        fn xor(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] ^ other.0[i]))
        }

        fn rotate<const LEFT: u32>(self) -> Four {
            Four(self.0.map(|word| word.rotate_left(LEFT)))
        }
    }
}
