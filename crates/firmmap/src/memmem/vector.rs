//! Vectors of bytes: the instructions of the processors that the kernel supports, behind one trait.
//!
//! Every function is `#[inline(always)]` and is only called where its instructions are enabled; see `kernel.rs`.

#![cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "there are no vectors to scan with")
)]

/// A vector of bytes.
pub(super) trait Vector: Copy {
    /// The number of bytes.
    const LEN: usize;
    /// The distance between the bits of a mask, as a power of two.
    const SHIFT: u32;

    /// # Safety
    ///
    /// - The processor has the vector's instructions.
    unsafe fn splat(byte: u8) -> Self;
    /// # Safety
    ///
    /// - As `splat`, and `LEN` bytes can be read at `address`.
    unsafe fn load(address: *const u8) -> Self;
    /// Bytes that are all ones where the two are equal, else zero.
    ///
    /// # Safety
    ///
    /// - As `splat`.
    unsafe fn equal(self, other: Self) -> Self;
    /// # Safety
    ///
    /// - As `splat`.
    unsafe fn and(self, other: Self) -> Self;
    /// # Safety
    ///
    /// - As `splat`.
    unsafe fn or(self, other: Self) -> Self;
    /// One bit for each byte that is not zero, at `index << SHIFT` or before the next byte's bit. The vector must be a result of `equal`,
    /// `and` or `or`.
    ///
    /// # Safety
    ///
    /// - As `splat`.
    unsafe fn mask(self) -> u64;
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::Vector;

    impl Vector for __m128i {
        const LEN: usize = 16;
        const SHIFT: u32 = 0;

        #[inline(always)]
        unsafe fn splat(byte: u8) -> Self {
            // SAFETY: every x86-64 processor has SSE2.
            unsafe { _mm_set1_epi8(byte as i8) }
        }
        #[inline(always)]
        unsafe fn load(address: *const u8) -> Self {
            // SAFETY: the caller's promise.
            unsafe { _mm_loadu_si128(address.cast()) }
        }
        #[inline(always)]
        unsafe fn equal(self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { _mm_cmpeq_epi8(self, other) }
        }
        #[inline(always)]
        unsafe fn and(self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { _mm_and_si128(self, other) }
        }
        #[inline(always)]
        unsafe fn or(self, other: Self) -> Self {
            // SAFETY: as in `splat`.
            unsafe { _mm_or_si128(self, other) }
        }
        #[inline(always)]
        unsafe fn mask(self) -> u64 {
            // SAFETY: as in `splat`.
            u64::from(unsafe { _mm_movemask_epi8(self) } as u32)
        }
    }

    impl Vector for __m256i {
        const LEN: usize = 32;
        const SHIFT: u32 = 0;

        #[inline(always)]
        unsafe fn splat(byte: u8) -> Self {
            // SAFETY: the caller's promise.
            unsafe { _mm256_set1_epi8(byte as i8) }
        }
        #[inline(always)]
        unsafe fn load(address: *const u8) -> Self {
            // SAFETY: the caller's promise.
            unsafe { _mm256_loadu_si256(address.cast()) }
        }
        #[inline(always)]
        unsafe fn equal(self, other: Self) -> Self {
            // SAFETY: the caller's promise.
            unsafe { _mm256_cmpeq_epi8(self, other) }
        }
        #[inline(always)]
        unsafe fn and(self, other: Self) -> Self {
            // SAFETY: the caller's promise.
            unsafe { _mm256_and_si256(self, other) }
        }
        #[inline(always)]
        unsafe fn or(self, other: Self) -> Self {
            // SAFETY: the caller's promise.
            unsafe { _mm256_or_si256(self, other) }
        }
        #[inline(always)]
        unsafe fn mask(self) -> u64 {
            // SAFETY: the caller's promise.
            u64::from(unsafe { _mm256_movemask_epi8(self) } as u32)
        }
    }
}

#[cfg(target_arch = "aarch64")]
mod neon {
    use std::arch::aarch64::*;

    use super::Vector;

    impl Vector for uint8x16_t {
        const LEN: usize = 16;
        // Each byte becomes four bits, the cheapest mask on this processor, as in memchr (D. Kutenin, "Porting x86 vector bitmask
        // optimizations to Arm NEON", 2022).
        const SHIFT: u32 = 2;

        #[inline(always)]
        unsafe fn splat(byte: u8) -> Self {
            // SAFETY: the caller's promise.
            unsafe { vdupq_n_u8(byte) }
        }
        #[inline(always)]
        unsafe fn load(address: *const u8) -> Self {
            // SAFETY: the caller's promise.
            unsafe { vld1q_u8(address) }
        }
        #[inline(always)]
        unsafe fn equal(self, other: Self) -> Self {
            // SAFETY: the caller's promise.
            unsafe { vceqq_u8(self, other) }
        }
        #[inline(always)]
        unsafe fn and(self, other: Self) -> Self {
            // SAFETY: the caller's promise.
            unsafe { vandq_u8(self, other) }
        }
        #[inline(always)]
        unsafe fn or(self, other: Self) -> Self {
            // SAFETY: the caller's promise.
            unsafe { vorrq_u8(self, other) }
        }
        #[inline(always)]
        unsafe fn mask(self) -> u64 {
            // SAFETY: the caller's promise.
            let wide = unsafe { vreinterpretq_u16_u8(self) };
            // SAFETY: the caller's promise.
            let narrow = unsafe { vshrn_n_u16::<4>(wide) };
            // SAFETY: the caller's promise.
            let word = unsafe { vreinterpret_u64_u8(narrow) };
            // SAFETY: the caller's promise.
            let nibbles = unsafe { vget_lane_u64::<0>(word) };
            nibbles & 0x8888_8888_8888_8888
        }
    }
}
