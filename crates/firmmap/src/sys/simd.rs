//! The kernel of the substring search: looks with vector instructions at many places at once.
//!
//! A place is a candidate when the haystack has the needle's bytes at a few chosen offsets, the *probes*. That is the
//! generic SIMD method (W. Muła, "SIMD-friendly algorithms for substring searching", 2016), here for up to four probes, in
//! both directions, and with an account of what candidates cost that turn out to be none: if they are many, the
//! caller chooses other probes (`search/searcher.rs`).

#![cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(dead_code, reason = "there are no vectors that would be scanned with")
)]

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector::Vector;

/// How many probes there are at most.
pub(crate) const PROBES: usize = 4;

/// Which bytes of the needle are looked at first: offsets into it. Unused places repeat earlier ones.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probes {
    pub offsets: [usize; PROBES],
    /// How many of them are in use: one, two, or all where it is more.
    pub used: usize,
    /// They are the best that there are. Others are given up four times as soon.
    pub best: bool,
}

/// How a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scan {
    /// At this index, which is the first one, or backwards the last one.
    Found(usize),
    /// Not in the haystack.
    Absent,
    /// Too many places looked like it. Matches are ruled out in all but this many of the places where one could
    /// start: the last ones, or backwards the first ones.
    Crowded(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

/// What a scan may spend on candidates that are none, in bytes that could have been passed instead: this much, and
/// what it has passed, or a quarter of that while there may be better probes.
const CREDIT: usize = 4096;
/// What one such candidate costs, as a branch that was not foreseen.
const CANDIDATE: usize = 64;
/// What the candidates of one go may cost beside that: all of them, but not each the comparison of a long needle.
const GO: usize = 4 * CREDIT;

/// Looks for `needle`, of two bytes or more, with `probes` inside of it. `found` is called with each match, the next one or backwards
/// the one before. It says from which place on the next match may start (forward only), or `None`, which ends the scan: the result
/// then is `Found`.
///
/// Where there are no vector instructions that we know, the result is `Crowded` at once.
#[inline]
pub(crate) fn scan(
    haystack: &[u8],
    needle: &[u8],
    probes: &Probes,
    direction: Direction,
    found: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    assert!(probes.offsets.iter().all(|&offset| offset < needle.len()), "probes outside of the needle");
    let Some(last) = haystack.len().checked_sub(needle.len()) else { return Scan::Absent };
    let places = last + 1;
    if places < 16 {
        return scan_few(haystack, needle, places, direction, found);
    }
    #[cfg(test)]
    if tests::kernel() == Kernel::None {
        return Scan::Crowded(places);
    }
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{__m128i, __m256i};
        if places >= 32 && has_avx2() {
            // SAFETY: the processor has AVX2, as was just checked.
            return unsafe { avx2(haystack, needle, probes, direction, found) };
        }
        const { assert!(size_of::<__m128i>() == 16 && size_of::<__m256i>() == 32) };
        // SAFETY: every x86-64 processor has SSE2.
        unsafe { dispatch::<__m128i>(haystack, needle, probes, direction, found) }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: every aarch64 processor that Rust supports by default has NEON.
        unsafe { dispatch::<std::arch::aarch64::uint8x16_t>(haystack, needle, probes, direction, found) }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    Scan::Crowded(places)
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn has_avx2() -> bool {
    #[cfg(test)]
    if tests::kernel() != Kernel::Best {
        return false;
    }
    std::arch::is_x86_feature_detected!("avx2")
}

/// What tests leave of the processor, so that what is there for others is tried as well.
#[cfg(test)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kernel {
    Best,
    /// What every processor of its kind has.
    Basic,
    /// No vectors.
    None,
}

#[cfg(test)]
#[path = "simd_tests.rs"]
pub(crate) mod tests;

/// The first place of `byte`, which is expected soon: up to 128 bytes are looked at without a call.
#[inline]
pub(crate) fn find_byte(haystack: &[u8], byte: u8) -> Option<usize> {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::__m128i;
        // SAFETY: every x86-64 processor has SSE2.
        let wanted = unsafe { __m128i::splat(byte) };
        let near = haystack.len().min(128) & !15;
        let mut start = 0;
        while start < near {
            // SAFETY: 16 bytes from there are in the haystack: `near` is a multiple of 16.
            let bytes = unsafe { __m128i::load(haystack.as_ptr().wrapping_add(start)) };
            // SAFETY: as for the first.
            let equal = unsafe { bytes.equal(wanted) };
            // SAFETY: as for the first.
            let mask = unsafe { equal.mask() };
            if mask != 0 {
                return Some(start + mask.trailing_zeros() as usize);
            }
            start += 16;
        }
        memchr::memchr(byte, &haystack[start..]).map(|index| start + index)
    }
    #[cfg(not(target_arch = "x86_64"))]
    memchr::memchr(byte, haystack)
}

/// Where there are fewer places than a vector has bytes.
fn scan_few(
    haystack: &[u8],
    needle: &[u8],
    places: usize,
    direction: Direction,
    mut found: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    // Backwards, every match may be the last.
    let mut floor = 0;
    let ends = |&place: &usize| {
        if place < floor || !haystack[place..].starts_with(needle) {
            return false;
        }
        match found(place) {
            Some(next) if direction == Direction::Forward => floor = next,
            Some(_) => {}
            None => return true,
        }
        false
    };
    let last = match direction {
        Direction::Forward => (0..places).find(ends),
        Direction::Backward => (0..places).rev().find(ends),
    };
    last.map_or(Scan::Absent, Scan::Found)
}

/// # Safety
///
/// - The processor has AVX2, and there are at least 32 places.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn avx2(
    haystack: &[u8],
    needle: &[u8],
    probes: &Probes,
    direction: Direction,
    found: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    // SAFETY: the caller's promise.
    unsafe { dispatch::<std::arch::x86_64::__m256i>(haystack, needle, probes, direction, found) }
}

/// # Safety
///
/// - The processor has the vector's instructions, the probes are in the needle, and there are at least `V::LEN` places.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn dispatch<V: Vector>(
    haystack: &[u8],
    needle: &[u8],
    probes: &Probes,
    direction: Direction,
    found: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    match (direction, probes.used) {
        // SAFETY: the caller's promise.
        (Direction::Forward, 1) => unsafe { run::<V, 1, false>(haystack, needle, probes, found) },
        // SAFETY: the caller's promise.
        (Direction::Forward, 2) => unsafe { run::<V, 2, false>(haystack, needle, probes, found) },
        // SAFETY: the caller's promise.
        (Direction::Forward, _) => unsafe { run::<V, PROBES, false>(haystack, needle, probes, found) },
        // SAFETY: the caller's promise.
        (Direction::Backward, 1) => unsafe { run::<V, 1, true>(haystack, needle, probes, found) },
        // SAFETY: the caller's promise.
        (Direction::Backward, 2) => unsafe { run::<V, 2, true>(haystack, needle, probes, found) },
        // SAFETY: the caller's promise.
        (Direction::Backward, _) => unsafe { run::<V, PROBES, true>(haystack, needle, probes, found) },
    }
}

/// The needle's bytes at the probes, and where to look for them: what a scan takes along.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
struct Probed<'a, V, const N: usize> {
    haystack: &'a [u8],
    needle: &'a [u8],
    offsets: [usize; N],
    bytes: [V; N],
    /// Where the next match may start.
    floor: usize,
    /// What was spent on candidates that were none.
    spent: usize,
}

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
impl<V: Vector, const N: usize> Probed<'_, V, N> {
    /// Which of the `V::LEN` places from `place` on have the needle's bytes at the probes.
    ///
    /// # Safety
    ///
    /// - The processor has the vector's instructions, and the needle could start at all of these places.
    #[inline(always)]
    unsafe fn candidates(&self, place: usize) -> V {
        let start = self.haystack.as_ptr().wrapping_add(place);
        // SAFETY: place + V::LEN - 1 + needle.len() <= haystack.len(), and offsets are smaller than needle.len().
        let first = unsafe { V::load(start.wrapping_add(self.offsets[0])) };
        // SAFETY: the caller's promise.
        let mut all = unsafe { first.equal(self.bytes[0]) };
        for probe in 1..N {
            // SAFETY: as above.
            let bytes = unsafe { V::load(start.wrapping_add(self.offsets[probe])) };
            // SAFETY: the caller's promise.
            let equal = unsafe { bytes.equal(self.bytes[probe]) };
            // SAFETY: the caller's promise.
            all = unsafe { all.and(equal) };
        }
        all
    }

    /// Looks closer at candidates, up to the match that ends the scan, or to the one that costs more than the `budget`: so
    /// a long needle is not compared again and again before it is noticed.
    #[inline(always)]
    fn check<const BACKWARD: bool>(
        &mut self,
        mut mask: u64,
        place: usize,
        budget: usize,
        found: &mut impl FnMut(usize) -> Option<usize>,
    ) -> Option<Scan> {
        while mask != 0 {
            let bit = if BACKWARD { mask.ilog2() } else { mask.trailing_zeros() } >> V::SHIFT;
            let candidate = place + bit as usize;
            if BACKWARD || candidate >= self.floor {
                if self.is_match(candidate) {
                    match found(candidate) {
                        Some(next) => self.floor = next,
                        None => return Some(Scan::Found(candidate)),
                    }
                } else if self.spent > budget {
                    let behind = self.haystack.len() - self.needle.len() - candidate;
                    return Some(Scan::Crowded(if BACKWARD { candidate } else { behind }));
                }
            }
            mask &= !(((1u64 << (1 << V::SHIFT)) - 1) << (bit << V::SHIFT));
        }
        None
    }

    #[inline(always)]
    fn is_match(&mut self, candidate: usize) -> bool {
        let found = &self.haystack[candidate..candidate + self.needle.len()];
        // Mostly the first bytes tell; the rest costs a call.
        if found.len() > 8 {
            let (head, tail) = found.split_at(8);
            let (wanted_head, wanted_tail) = self.needle.split_at(8);
            if head == wanted_head {
                self.spent += self.needle.len() / 8;
                if tail == wanted_tail {
                    return true;
                }
            }
        } else if found.iter().eq(self.needle) {
            return true;
        }
        self.spent += CANDIDATE;
        false
    }
}

/// A mask of all places of a vector.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const fn full<V: Vector>() -> u64 {
    u64::MAX >> (64 - (V::LEN << V::SHIFT))
}

/// # Safety
///
/// - As [`dispatch`].
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn run<V: Vector, const N: usize, const BACKWARD: bool>(
    haystack: &[u8],
    needle: &[u8],
    probes: &Probes,
    mut found: impl FnMut(usize) -> Option<usize>,
) -> Scan {
    let places = haystack.len() - needle.len() + 1;
    let offsets: [usize; N] = std::array::from_fn(|probe| probes.offsets[probe]);
    // SAFETY: the caller's promise.
    let bytes = offsets.map(|offset| unsafe { V::splat(needle[offset]) });
    let mut probed = Probed::<V, N> { haystack, needle, offsets, bytes, floor: 0, spent: 0 };
    let patience = if probes.best { 0 } else { 2 };
    // How many places are done, from the one end or the other.
    let mut done = 0;
    let at = |done: usize, len: usize| if BACKWARD { places - done - len } else { done };
    // Four vectors at a time, with one branch.
    while places - done >= 4 * V::LEN {
        let start = at(done, 4 * V::LEN);
        // SAFETY: all of these places are among those where the needle could start.
        let vectors = [0, 1, 2, 3].map(|part| unsafe { probed.candidates(start + part * V::LEN) });
        // SAFETY: the caller's promise.
        let low = unsafe { vectors[0].or(vectors[1]) };
        // SAFETY: the caller's promise.
        let high = unsafe { vectors[2].or(vectors[3]) };
        // SAFETY: the caller's promise.
        let any = unsafe { low.or(high) };
        // SAFETY: the caller's promise.
        if unsafe { any.mask() } != 0 {
            let credit = (done >> patience) + CREDIT;
            for number in 0..4 {
                let part = if BACKWARD { 3 - number } else { number };
                // SAFETY: the caller's promise.
                let mask = unsafe { vectors[part].mask() };
                if let Some(ended) = probed.check::<BACKWARD>(mask, start + part * V::LEN, credit + GO, &mut found) {
                    return ended;
                }
            }
            if probed.spent > credit {
                return Scan::Crowded(places - done - 4 * V::LEN);
            }
        }
        done += 4 * V::LEN;
    }
    while done < places {
        // The last vector would look at some places again.
        let again = (done + V::LEN).saturating_sub(places);
        let start = at(done - again, V::LEN);
        // SAFETY: all of these places are among those where the needle could start.
        let vector = unsafe { probed.candidates(start) };
        // SAFETY: the caller's promise.
        let all = unsafe { vector.mask() };
        let bits = (again << V::SHIFT) as u32;
        let mask = if BACKWARD { (all << bits & full::<V>()) >> bits } else { all >> bits << bits };
        let credit = (done >> patience) + CREDIT;
        if let Some(ended) = probed.check::<BACKWARD>(mask, start, credit + GO, &mut found) {
            return ended;
        }
        done += V::LEN;
    }
    Scan::Absent
}
