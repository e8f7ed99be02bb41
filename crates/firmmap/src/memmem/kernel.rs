//! The vector kernel: compares a few bytes of the needle with many positions of the haystack at once.
//!
//! A position is a *candidate* when the haystack has the needle's bytes at a few chosen offsets, the *rare bytes*; only
//! candidates are compared with the whole needle. That is the "generic SIMD" algorithm (W. Muła, "SIMD-friendly algorithms for
//! substring searching", 2016, <http://0x80.pl/articles/simd-strfind.html>), which memchr's `packedpair` uses too. Here it takes
//! one, two or four offsets instead of always two, runs in both directions, and has a budget for candidates that are no match: when it
//! is spent, the caller chooses other offsets (`searcher.rs`).
//!
//! # No closure may touch a vector
//!
//! Everything that touches a [`Vector`] is `#[inline(always)]`, generic over it, and inlined into a function with `#[target_feature]`
//! ([`avx2`]). A closure does not inherit the features of a function that it is inlined into, so that each intrinsic in it becomes a
//! call, unless the optimiser happens to inline the closure first. With fat LTO it did; in the build of a dependent program it did not,
//! and the search was ten times slower. So there is no `map`, no `from_fn`, no iterator adapter over vectors here, and no array of
//! them. `make test-release-profile` builds a dependent program, looks for intrinsics that were not inlined, and counts instructions.

#![cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "there are no vectors to scan with")
)]

use super::vector::Vector;
use crate::processor;

/// The largest number of offsets that are compared.
pub(super) const MAX_OFFSETS: usize = 4;

/// The bytes of the needle that are compared first.
#[derive(Clone, Copy, Debug)]
pub(super) struct RareBytes {
    /// Offsets into the needle. Those beyond `used` repeat earlier ones.
    pub offsets: [usize; MAX_OFFSETS],
    /// The number of offsets in use: one, two, or else all.
    pub used: usize,
    /// What candidates may cost.
    pub budget: Budget,
}

/// What a scan may spend on candidates that are no match, as a number of bytes that could have been scanned instead.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// The initial budget.
    initial: usize,
    /// The increase for every eight bytes that were scanned.
    rate: usize,
}

impl Budget {
    /// For offsets that were chosen by trying them on the haystack: there are no better ones, and Two-Way takes as long as one candidate
    /// in eight bytes.
    pub const TUNED: Self = Self { initial: 16 * 1024, rate: CANDIDATE_COST };
    /// For offsets that were guessed. Learning better ones takes as long as a few hundred candidates.
    pub const GUESSED: Self = Self { initial: 16 * 1024, rate: 2 };
    /// For one offset, where two are known to suffice.
    pub const SINGLE: Self = Self { initial: 512, rate: 1 };

    #[inline(always)]
    pub(super) fn after(self, scanned: usize) -> usize {
        (scanned / 8).saturating_mul(self.rate).saturating_add(self.initial)
    }

    /// What is left after a scan of `scanned` bytes that has cost `spent`.
    pub(super) fn left(self, scanned: usize, spent: usize) -> Self {
        Self { initial: self.after(scanned).saturating_sub(spent).min(self.initial), ..self }
    }
}

/// The cost of a candidate that is no match: a mispredicted branch.
pub(super) const CANDIDATE_COST: usize = 64;
/// All candidates of one block of vectors are compared, even if the budget ends among them, up to this excess: comparing a long needle
/// is expensive.
const BLOCK_SLACK: usize = 16 * 1024;

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// The sink ended it with the match at this index.
    Found(usize),
    /// No further match. Candidates that were none have cost this much.
    NotFound(usize),
    /// Too many candidates. This many of the positions where a match could start are left: the last ones, or in reverse the first ones.
    /// In the others matches are ruled out, or were passed to the sink.
    TooManyCandidates(usize),
}

/// Scans `haystack` for a non-empty `needle`.
///
/// `sink` is called with each match, in the order of the scan. It returns the position from which on the next match may start (forward
/// only), or `None` to end the scan as `Found`.
///
/// Without vectors, the result is `TooManyCandidates` at once; [`processor::has_vectors`] tells.
#[inline(always)]
pub(super) fn scan<const REVERSE: bool>(
    haystack: &[u8],
    needle: &[u8],
    rare: &RareBytes,
    sink: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    // The kernels rely on this.
    assert!(rare.offsets.iter().all(|&offset| offset < needle.len()), "offsets inside of the needle");
    let Some(last) = haystack.len().checked_sub(needle.len()) else { return Scan::NotFound(0) };
    let positions = last + 1;
    if positions < 16 {
        return scan_few::<REVERSE>(haystack, needle, positions, sink);
    }
    if !processor::has_vectors() {
        return Scan::TooManyCandidates(positions);
    }
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m128i, __m256i};
        const { assert!(__m128i::LEN == 16 && __m256i::LEN == 32) };
        if positions >= 32 && processor::has_avx2() {
            // SAFETY: the processor has AVX2, as was just checked.
            return unsafe { avx2::<REVERSE>(haystack, needle, rare, sink) };
        }
        // SAFETY: every x86-64 processor has SSE2, there are 16 positions, and the offsets are in the needle.
        unsafe { scan_with::<__m128i, REVERSE>(haystack, needle, rare, sink) }
    }
    #[cfg(target_arch = "aarch64")]
    {
        const { assert!(std::arch::aarch64::uint8x16_t::LEN == 16) };
        // SAFETY: every aarch64 target of Rust's has NEON, there are 16 positions, and the offsets are in the needle.
        unsafe { scan_with::<std::arch::aarch64::uint8x16_t, REVERSE>(haystack, needle, rare, sink) }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Scan::TooManyCandidates(positions)
}

#[cfg(test)]
#[path = "kernel_tests.rs"]
mod tests;

/// For fewer positions than a vector has bytes.
fn scan_few<const REVERSE: bool>(
    haystack: &[u8],
    needle: &[u8],
    positions: usize,
    mut sink: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    let mut floor = 0;
    for number in 0..positions {
        let position = if REVERSE { positions - 1 - number } else { number };
        let window = &haystack[position..position + needle.len()];
        if position >= floor && window[0] == needle[0] && is_equal(window, needle) {
            match sink(position) {
                Some(next) if !REVERSE => floor = next,
                Some(_) => {}
                None => return Scan::Found(position),
            }
        }
    }
    Scan::NotFound(0)
}

/// Whether two non-empty slices of the same length are equal. Up to 16 bytes are compared inline, by two overlapping loads.
#[inline(always)]
pub(super) fn is_equal(left: &[u8], right: &[u8]) -> bool {
    #[inline(always)]
    fn ends<const N: usize>(left: &[u8], right: &[u8]) -> bool {
        left.first_chunk::<N>() == right.first_chunk::<N>() && left.last_chunk::<N>() == right.last_chunk::<N>()
    }
    match left.len() {
        1 => left[0] == right[0],
        2..4 => ends::<2>(left, right),
        4..8 => ends::<4>(left, right),
        8..=16 => ends::<8>(left, right),
        _ => left.first_chunk::<8>() == right.first_chunk::<8>() && left[8..] == right[8..],
    }
}

/// # Safety
///
/// - The processor has AVX2, there are at least 32 positions, and the offsets are in the needle.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2<const REVERSE: bool>(
    haystack: &[u8],
    needle: &[u8],
    rare: &RareBytes,
    sink: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    // SAFETY: the caller's promise.
    unsafe { scan_with::<std::arch::x86_64::__m256i, REVERSE>(haystack, needle, rare, sink) }
}

/// # Safety
///
/// - The processor has the vector's instructions, there are at least `V::LEN` positions, and the offsets are in the needle.
#[inline(always)]
unsafe fn scan_with<V: Vector, const REVERSE: bool>(
    haystack: &[u8],
    needle: &[u8],
    rare: &RareBytes,
    sink: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    match rare.used {
        // SAFETY: the caller's promise.
        1 => unsafe { scan_offsets::<V, 1, REVERSE>(haystack, needle, rare, sink) },
        // SAFETY: the caller's promise.
        2 => unsafe { scan_offsets::<V, 2, REVERSE>(haystack, needle, rare, sink) },
        // SAFETY: the caller's promise.
        _ => unsafe { scan_offsets::<V, MAX_OFFSETS, REVERSE>(haystack, needle, rare, sink) },
    }
}

/// The needle's bytes at the offsets, each in all lanes of a vector. `N` of them are compared.
///
/// Fields and no arrays: an index into an array of vectors keeps them in memory unless the loop around it is unrolled first, and
/// with `opt-level = 2` it was not.
struct Splats<V, const N: usize> {
    offsets: [usize; MAX_OFFSETS],
    first: V,
    second: V,
    third: V,
    fourth: V,
}

impl<V: Vector, const N: usize> Splats<V, N> {
    /// # Safety
    ///
    /// - The processor has the vector's instructions.
    #[inline(always)]
    unsafe fn new(needle: &[u8], rare: &RareBytes) -> Self {
        let offsets = rare.offsets;
        // SAFETY: the caller's promise.
        let first = unsafe { V::splat(needle[offsets[0]]) };
        // SAFETY: the caller's promise.
        let second = unsafe { V::splat(needle[offsets[1]]) };
        // SAFETY: the caller's promise.
        let third = unsafe { V::splat(needle[offsets[2]]) };
        // SAFETY: the caller's promise.
        let fourth = unsafe { V::splat(needle[offsets[3]]) };
        Self { offsets, first, second, third, fourth }
    }

    /// Which of the `V::LEN` positions from `start` on have the needle's bytes at the offsets.
    ///
    /// # Safety
    ///
    /// - The processor has the vector's instructions, and the offsets are smaller than the needle's length.
    /// - The needle fits in at all of these positions.
    #[inline(always)]
    unsafe fn candidates(&self, start: *const u8) -> V {
        // SAFETY: the caller's promise.
        let mut all = unsafe { Self::equal(start, self.offsets[0], self.first) };
        if N > 1 {
            // SAFETY: the caller's promise.
            let equal = unsafe { Self::equal(start, self.offsets[1], self.second) };
            // SAFETY: the caller's promise.
            all = unsafe { all.and(equal) };
        }
        if N > 2 {
            // SAFETY: the caller's promise.
            let equal = unsafe { Self::equal(start, self.offsets[2], self.third) };
            // SAFETY: the caller's promise.
            all = unsafe { all.and(equal) };
            // SAFETY: the caller's promise.
            let equal = unsafe { Self::equal(start, self.offsets[3], self.fourth) };
            // SAFETY: the caller's promise.
            all = unsafe { all.and(equal) };
        }
        all
    }

    /// Which of the positions from `start` on have the byte of `splat` at the offset.
    ///
    /// # Safety
    ///
    /// - As [`candidates`](Self::candidates).
    #[inline(always)]
    unsafe fn equal(start: *const u8, offset: usize, splat: V) -> V {
        // SAFETY: the offset is smaller than the needle's length, so these bytes are in the haystack.
        let bytes = unsafe { V::load(start.wrapping_add(offset)) };
        // SAFETY: the caller's promise.
        unsafe { bytes.equal(splat) }
    }
}

/// Compares candidates with the needle, without vectors.
struct Verifier<'a, S> {
    haystack: &'a [u8],
    needle: &'a [u8],
    /// The offsets cover the whole needle, so that a candidate is a match.
    is_exact: bool,
    sink: S,
    /// The lowest position at which the next match may start.
    floor: usize,
    /// The cost of candidates that were no match.
    spent: usize,
}

impl<S: FnMut(usize) -> Option<usize>> Verifier<'_, S> {
    /// Compares the candidates in a mask of the positions from `start` on, up to a match that ends the scan, or until the cost exceeds the
    /// `limit`: so that a long needle is not compared again and again before that is noticed.
    #[inline(always)]
    fn verify<V: Vector, const REVERSE: bool>(&mut self, mut mask: u64, start: usize, limit: usize) -> Option<Scan> {
        while mask != 0 {
            let bit = if REVERSE { mask.ilog2() } else { mask.trailing_zeros() };
            let candidate = start + (bit >> V::SHIFT) as usize;
            if REVERSE || candidate >= self.floor {
                if self.is_exact || self.is_match(candidate) {
                    match (self.sink)(candidate) {
                        Some(next) => self.floor = next,
                        None => return Some(Scan::Found(candidate)),
                    }
                } else if self.spent > limit {
                    let behind = self.haystack.len() - self.needle.len() - candidate;
                    return Some(Scan::TooManyCandidates(if REVERSE { candidate } else { behind }));
                }
            }
            // One bit for each byte.
            mask = if REVERSE { mask ^ (1 << bit) } else { mask & (mask - 1) };
        }
        None
    }

    /// [`verify`](Self::verify) of two masks, that of the lower positions first, or in reverse last.
    #[inline(always)]
    fn verify_pair<V: Vector, const REVERSE: bool>(
        &mut self,
        low: (u64, usize),
        high: (u64, usize),
        limit: usize,
    ) -> Option<Scan> {
        let (near, far) = if REVERSE { (high, low) } else { (low, high) };
        let ended = self.verify::<V, REVERSE>(near.0, near.1, limit);
        if ended.is_some() { ended } else { self.verify::<V, REVERSE>(far.0, far.1, limit) }
    }

    #[inline(always)]
    fn is_match(&mut self, candidate: usize) -> bool {
        let window = &self.haystack[candidate..candidate + self.needle.len()];
        if window.len() <= 16 {
            if is_equal(window, self.needle) {
                return true;
            }
        } else if window.first_chunk::<8>() == self.needle.first_chunk::<8>() {
            // Usually the first bytes decide; comparing the rest costs a call.
            self.spent += CANDIDATE_COST + self.needle.len() / 8;
            if window[8..] == self.needle[8..] {
                return true;
            }
        }
        self.spent += CANDIDATE_COST;
        false
    }
}

/// Goes on to the next four vectors of positions that have a candidate, and returns their masks; or, if none have, to the last few
/// positions, with masks of zero. (No `Option`: with one the code is longer.)
///
/// There is no call in the loop, so that all vectors stay in registers. When candidates were compared in the same loop, each turn spilled
/// vectors to the stack, and where a spill lay across two pages, a search took two to four times as long.
///
/// # Safety
///
/// - As [`scan_with`], and `4 * V::LEN` positions are not done.
#[inline(always)]
unsafe fn next_candidates<V: Vector, const N: usize, const REVERSE: bool>(
    haystack: &[u8],
    needle: &[u8],
    rare: &RareBytes,
    positions: usize,
    done: &mut usize,
) -> [u64; 4] {
    let base = haystack.as_ptr();
    // SAFETY: the caller's promise.
    let splats = unsafe { Splats::<V, N>::new(needle, rare) };
    let mut now = *done;
    loop {
        let start = if REVERSE { positions - now - 4 * V::LEN } else { now };
        let address = base.wrapping_add(start);
        // SAFETY: V::LEN of the positions where the needle could start are there.
        let first = unsafe { splats.candidates(address) };
        // SAFETY: as many again, of the four times as many that were asked for.
        let second = unsafe { splats.candidates(address.wrapping_add(V::LEN)) };
        // SAFETY: as many again, for the third time.
        let third = unsafe { splats.candidates(address.wrapping_add(2 * V::LEN)) };
        // SAFETY: as many again, for the fourth time.
        let fourth = unsafe { splats.candidates(address.wrapping_add(3 * V::LEN)) };
        // SAFETY: the caller's promise.
        let low = unsafe { first.or(second) };
        // SAFETY: the caller's promise.
        let high = unsafe { third.or(fourth) };
        // SAFETY: the caller's promise.
        let any = unsafe { low.or(high) };
        // SAFETY: the caller's promise.
        if unsafe { any.mask() } != 0 {
            // SAFETY: the caller's promise.
            let first = unsafe { first.mask() };
            // SAFETY: the caller's promise.
            let second = unsafe { second.mask() };
            // SAFETY: the caller's promise.
            let third = unsafe { third.mask() };
            // SAFETY: the caller's promise.
            let fourth = unsafe { fourth.mask() };
            *done = now;
            return [first, second, third, fourth];
        }
        now += 4 * V::LEN;
        if positions - now < 4 * V::LEN {
            *done = now;
            return [0; 4];
        }
    }
}

/// A mask of all positions of a vector.
const fn all_bits<V: Vector>() -> u64 {
    u64::MAX >> (64 - (V::LEN << V::SHIFT))
}

/// # Safety
///
/// - As [`scan_with`].
#[inline(always)]
unsafe fn scan_offsets<V: Vector, const N: usize, const REVERSE: bool>(
    haystack: &[u8],
    needle: &[u8],
    rare: &RareBytes,
    sink: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    let positions = haystack.len() - needle.len() + 1;
    let base = haystack.as_ptr();
    let is_exact = needle.len() == 1 || (N == 2 && needle.len() == 2 && rare.offsets[0] != rare.offsets[1]);
    let mut verifier = Verifier { haystack, needle, is_exact, sink, floor: 0, spent: 0 };
    // The number of positions that are done, from either end.
    let mut done = 0;
    // Four vectors at a time, with one branch. Each `start` leaves V::LEN positions from there on, and so from the three others.
    while positions - done >= 4 * V::LEN {
        // SAFETY: the caller's promise, and four times V::LEN of the positions are left.
        let masks = unsafe { next_candidates::<V, N, REVERSE>(haystack, needle, rare, positions, &mut done) };
        let [first, second, third, fourth] = masks;
        if first | second | third | fourth == 0 {
            break;
        }
        let start = if REVERSE { positions - done - 4 * V::LEN } else { done };
        let limit = rare.budget.after(done);
        // The masks are merged into as few words as possible: where matches are frequent, the unpredictable ends of the loops
        // over their bits dominate.
        let most = limit.saturating_add(BLOCK_SLACK);
        let ended = match V::LEN << V::SHIFT {
            16 => {
                let word = first | second << 16 | third << 32 | fourth << 48;
                verifier.verify::<V, REVERSE>(word, start, most)
            }
            32 => verifier.verify_pair::<V, REVERSE>(
                (first | second << 32, start),
                (third | fourth << 32, start + 2 * V::LEN),
                most,
            ),
            _ => {
                let low = ((first, start), (second, start + V::LEN));
                let high = ((third, start + 2 * V::LEN), (fourth, start + 3 * V::LEN));
                let (near, far) = if REVERSE { (high, low) } else { (low, high) };
                let ended = verifier.verify_pair::<V, REVERSE>(near.0, near.1, most);
                if ended.is_some() { ended } else { verifier.verify_pair::<V, REVERSE>(far.0, far.1, most) }
            }
        };
        if let Some(ended) = ended {
            return ended;
        }
        if verifier.spent > limit {
            return Scan::TooManyCandidates(positions - done - 4 * V::LEN);
        }
        done += 4 * V::LEN;
    }
    // SAFETY: the caller's promise.
    let splats = unsafe { Splats::<V, N>::new(needle, rare) };
    while done < positions {
        // The last vector overlaps positions that are done.
        let again = (done + V::LEN).saturating_sub(positions);
        let start = if REVERSE { positions + again - done - V::LEN } else { done - again };
        // SAFETY: `start` is at most `positions - V::LEN`, as `done - again` is at most that.
        let vector = unsafe { splats.candidates(base.wrapping_add(start)) };
        // SAFETY: the caller's promise.
        let all = unsafe { vector.mask() };
        let bits = (again << V::SHIFT) as u32;
        let mask = if REVERSE { (all << bits & all_bits::<V>()) >> bits } else { all >> bits << bits };
        let limit = rare.budget.after(done);
        if let Some(ended) = verifier.verify::<V, REVERSE>(mask, start, limit.saturating_add(BLOCK_SLACK)) {
            return ended;
        }
        done += V::LEN;
    }
    Scan::NotFound(verifier.spent)
}
