//! Matches that are near: found, or ruled out, with nothing set up for them.
//!
//! The first and the last byte of the needle are compared with 16 positions at a time, which every processor of the architecture can do.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::__m128i as Block;

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::uint8x16_t as Block;

use super::Direction;
use super::kernel::is_equal;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::vector::Vector;

/// The number of positions that are tried, and the length of the longest needle.
const NEAR: usize = 512;
/// The number of candidates that may turn out to be none.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
const CANDIDATES: u32 = 8;

/// As [`Finder::find`](super::Finder::find), if that is soon known; `None` where it takes a search.
#[inline(always)]
pub(crate) fn find_near(haystack: &[u8], needle: &[u8], direction: Direction) -> Option<Option<usize>> {
    let is_reverse = direction == Direction::Reverse;
    if needle.is_empty() {
        return Some(Some(if is_reverse { haystack.len() } else { 0 }));
    }
    let Some(last) = haystack.len().checked_sub(needle.len()) else { return Some(None) };
    if needle.len() > NEAR {
        return None;
    }
    let positions = last + 1;
    if positions < 16 {
        return Some(find_few(haystack, needle, positions, is_reverse));
    }
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    {
        const { assert!(Block::LEN == 16) };
        // SAFETY: every such processor has these vectors; there are 16 positions, and the needle is not empty.
        let found = unsafe { find_in_blocks(haystack, needle, positions, is_reverse) }?;
        // What was read may have changed meanwhile.
        Some(found.filter(|&index| super::fits(index, needle.len(), haystack.len())))
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    None
}

/// For fewer positions than a vector has bytes.
#[inline(never)]
fn find_few(haystack: &[u8], needle: &[u8], positions: usize, is_reverse: bool) -> Option<usize> {
    let is_match = |&position: &usize| {
        let window = &haystack[position..position + needle.len()];
        window[0] == needle[0] && is_equal(window, needle)
    };
    if is_reverse { (0..positions).rev().find(is_match) } else { (0..positions).find(is_match) }
}

/// # Safety
///
/// - The processor has the vectors; the needle is not empty, and it fits in at `positions`, at least 16, positions.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
#[inline(always)]
unsafe fn find_in_blocks(haystack: &[u8], needle: &[u8], positions: usize, is_reverse: bool) -> Option<Option<usize>> {
    let last = needle.len() - 1;
    // SAFETY: the caller's promise.
    let heads = unsafe { Block::splat(needle[0]) };
    // SAFETY: the caller's promise.
    let tails = unsafe { Block::splat(needle[last]) };
    let (mut done, mut candidates) = (0, 0);
    while done < positions.min(NEAR) {
        // The last block has some positions for the second time; they were no match.
        let skipped = done.min(positions - Block::LEN);
        let block = if is_reverse { positions - Block::LEN - skipped } else { skipped };
        let address = haystack.as_ptr().wrapping_add(block);
        // SAFETY: a block of positions, and so of bytes, is in the haystack.
        let first_bytes = unsafe { Block::load(address) };
        // SAFETY: at each of these positions the whole needle fits.
        let last_bytes = unsafe { Block::load(address.wrapping_add(last)) };
        // SAFETY: the caller's promise.
        let first_equal = unsafe { first_bytes.equal(heads) };
        // SAFETY: the caller's promise.
        let last_equal = unsafe { last_bytes.equal(tails) };
        // SAFETY: the caller's promise.
        let both = unsafe { first_equal.and(last_equal) };
        // SAFETY: the caller's promise.
        let mut mask = unsafe { both.mask() };
        while mask != 0 {
            let bit = if is_reverse { mask.ilog2() } else { mask.trailing_zeros() };
            let position = block + (bit >> Block::SHIFT) as usize;
            // SAFETY: the needle fits in at every position.
            let window = unsafe { haystack.get_unchecked(position..position + needle.len()) };
            if is_equal(window, needle) {
                return Some(Some(position));
            }
            candidates += 1;
            if candidates > CANDIDATES {
                return None;
            }
            mask ^= 1 << bit;
        }
        done += Block::LEN;
    }
    if done < positions { None } else { Some(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around the borders of blocks and of what is near, of few different bytes, with needles that are in there, nearly are, or
    /// are longer than what is near.
    #[test]
    fn answers_are_those_of_the_obvious_search() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as usize % below
        };
        let mut answers = 0;
        for len in (0..40).chain(500..560).chain(1020..1045) {
            for needle_len in (0..20).chain([63, 64, 65, 500, 511, 512, 513]) {
                for case in 0..6 {
                    let letters = 1 + case % 3;
                    let haystack: Vec<u8> = (0..len).map(|_| b'a' + random(letters) as u8).collect();
                    let mut needle: Vec<u8> = (0..needle_len).map(|_| b'a' + random(letters) as u8).collect();
                    if needle_len <= len && case < 4 {
                        let start = random(len - needle_len + 1);
                        needle.copy_from_slice(&haystack[start..start + needle_len]);
                    }
                    if let (3, Some(middle)) = (case, needle.get_mut(needle_len / 2)) {
                        *middle = b'z';
                    }
                    let places = || {
                        (0..(len + 1).saturating_sub(needle_len))
                            .filter(|&place| haystack[place..].starts_with(&needle))
                    };
                    for (direction, expected) in
                        [(Direction::Forward, places().next()), (Direction::Reverse, places().next_back())]
                    {
                        let found = find_near(&haystack, &needle, direction);
                        answers += usize::from(found.is_some());
                        assert!(found.is_none_or(|found| found == expected), "{direction:?}, {haystack:?}, {needle:?}");
                    }
                }
            }
        }
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            assert!(answers > 20_000, "{answers}");
        }
    }
}
