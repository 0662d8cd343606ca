//! Words to compute with: one `u32`, or four side by side. Knows no hash function.

/// What SHA-1 needs of a word.
pub trait Word: Copy {
    fn splat(value: u32) -> Self;
    fn plus(self, other: Self) -> Self;
    fn xor(self, other: Self) -> Self;
    fn and(self, other: Self) -> Self;
    fn rotate<const BITS: u32>(self) -> Self;
}

impl Word for u32 {
    #[inline(always)]
    fn splat(value: u32) -> u32 {
        value
    }
    #[inline(always)]
    fn plus(self, other: u32) -> u32 {
        self.wrapping_add(other)
    }
    #[inline(always)]
    fn xor(self, other: u32) -> u32 {
        self ^ other
    }
    #[inline(always)]
    fn and(self, other: u32) -> u32 {
        self & other
    }
    #[inline(always)]
    fn rotate<const BITS: u32>(self) -> u32 {
        self.rotate_left(BITS)
    }
}

pub use four::Four;

/// The module's own vectors. The intrinsics are safe: the feature is on wherever this is compiled.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod four {
    use core::arch::wasm32::*;

    /// Four words.
    #[derive(Clone, Copy)]
    pub struct Four(v128);

    impl Four {
        #[inline(always)]
        pub fn new([a, b, c, d]: [u32; 4]) -> Four {
            Four(u32x4(a, b, c, d))
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
        pub fn or(self, other: Four) -> Four {
            Four(v128_or(self.0, other.0))
        }

        #[inline(always)]
        pub fn and_not(self, other: Four) -> Four {
            Four(v128_andnot(self.0, other.0))
        }

        /// All bits of each word become its highest.
        #[inline(always)]
        pub fn spread_sign(self) -> Four {
            Four(i32x4_shr(self.0, 31))
        }

        #[inline(always)]
        pub fn left<const BITS: u32>(self) -> Four {
            Four(i32x4_shl(self.0, BITS))
        }
    }

    impl super::Word for Four {
        #[inline(always)]
        fn splat(value: u32) -> Four {
            Four(u32x4_splat(value))
        }
        #[inline(always)]
        fn plus(self, other: Four) -> Four {
            Four(i32x4_add(self.0, other.0))
        }
        #[inline(always)]
        fn xor(self, other: Four) -> Four {
            Four(v128_xor(self.0, other.0))
        }
        #[inline(always)]
        fn and(self, other: Four) -> Four {
            Four(v128_and(self.0, other.0))
        }
        #[inline(always)]
        fn rotate<const BITS: u32>(self) -> Four {
            Four(v128_or(i32x4_shl(self.0, BITS), u32x4_shr(self.0, 32 - BITS)))
        }
    }
}

/// The same for every other machine; compilers make vectors of it where they can.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod four {
    use core::array::from_fn;

    /// Four words.
    #[derive(Clone, Copy)]
    pub struct Four([u32; 4]);

    impl Four {
        #[inline(always)]
        pub fn new(words: [u32; 4]) -> Four {
            Four(words)
        }

        #[inline(always)]
        pub fn words(self) -> [u32; 4] {
            self.0
        }

        #[inline(always)]
        pub fn or(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] | other.0[i]))
        }

        #[inline(always)]
        pub fn and_not(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] & !other.0[i]))
        }

        /// All bits of each word become its highest.
        #[inline(always)]
        pub fn spread_sign(self) -> Four {
            Four(from_fn(|i| (self.0[i] as i32 >> 31) as u32))
        }

        #[inline(always)]
        pub fn left<const BITS: u32>(self) -> Four {
            Four(from_fn(|i| self.0[i] << BITS))
        }
    }

    impl super::Word for Four {
        #[inline(always)]
        fn splat(value: u32) -> Four {
            Four([value; 4])
        }
        #[inline(always)]
        fn plus(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i].wrapping_add(other.0[i])))
        }
        #[inline(always)]
        fn xor(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] ^ other.0[i]))
        }
        #[inline(always)]
        fn and(self, other: Four) -> Four {
            Four(from_fn(|i| self.0[i] & other.0[i]))
        }
        #[inline(always)]
        fn rotate<const BITS: u32>(self) -> Four {
            Four(from_fn(|i| self.0[i].rotate_left(BITS)))
        }
    }
}
