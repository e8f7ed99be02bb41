//! Substring search: a needle and a haystack in, an index out.
//!
//! The vector kernel (`kernel.rs`) finds candidates by a few bytes of the needle; the searcher (`searcher.rs`) chooses these bytes, and
//! chooses again when they lead to too many candidates. The fallback in linear time is memchr's Two-Way. A needle of one byte is found and
//! counted by memchr; all its matches one after another come from the kernel.
//!
//! This module knows only slices. A haystack may change during the search, as mapped files do: whatever was read, the needle fits into
//! the haystack at every index that is returned, and matches are in order and do not overlap.

mod kernel;
mod lines;
mod near;
mod rank;
mod searcher;
mod vector;

pub(crate) use lines::{LinesEnd, collect_lines, count_by_column, find_lines, has_at, has_zero};
pub(crate) use near::find_near;
use searcher::Searcher;
pub(crate) use searcher::find_each_byte;

#[cfg(target_arch = "x86_64")]
use crate::processor;

/// The direction of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forward,
    Reverse,
}

/// A search for one needle in a series of haystacks. What it learns from one is used for the next.
pub(crate) struct Finder<'n> {
    needle: &'n [u8],
    direction: Direction,
    searcher: Option<Searcher<'n>>,
}

impl<'n> Finder<'n> {
    /// Allocates nothing, and looks at no more than 64 bytes of the needle.
    #[inline]
    pub(crate) fn new(needle: &'n [u8], direction: Direction) -> Self {
        let searcher = (needle.len() >= 2).then(|| Searcher::new(needle, direction));
        Self { needle, direction, searcher }
    }

    /// The lowest index of the needle in the haystack, or in reverse the highest. An empty needle is found where the search starts.
    #[inline]
    pub(crate) fn find(&mut self, haystack: &[u8]) -> Option<usize> {
        let found = match (&mut self.searcher, self.needle, self.direction) {
            (Some(searcher), ..) => searcher.find(haystack),
            (None, &[byte], Direction::Forward) => memchr::memchr(byte, haystack),
            (None, &[byte], Direction::Reverse) => memchr::memrchr(byte, haystack),
            (None, _, Direction::Forward) => Some(0),
            (None, _, Direction::Reverse) => Some(haystack.len()),
        };
        found.filter(|&index| fits(index, self.needle.len(), haystack.len()))
    }

    /// Calls `found` with the index of each non-overlapping match, in order, for as long as it returns true. An empty needle is found
    /// before each byte and at the end.
    ///
    /// For forward finders.
    #[inline]
    pub(crate) fn find_each(&mut self, haystack: &[u8], mut found: impl FnMut(usize) -> bool) {
        debug_assert_eq!(self.direction, Direction::Forward);
        let len = self.needle.len();
        let mut least = 0;
        let mut checked = |index| {
            if index < least || !fits(index, len, haystack.len()) {
                return true;
            }
            least = index + len;
            found(index)
        };
        match (&mut self.searcher, self.needle) {
            (Some(searcher), _) => searcher.find_each(haystack, checked),
            (None, &[byte]) => find_each_byte(haystack, byte, checked),
            (None, _) => _ = (0..=haystack.len()).all(&mut checked),
        }
    }

    /// The number of non-overlapping matches, and the end of the last one.
    pub(crate) fn count(&mut self, haystack: &[u8]) -> (usize, usize) {
        if let &[byte] = self.needle {
            return (memchr::memchr_iter(byte, haystack).count(), 0);
        }
        let len = self.needle.len();
        let (mut count, mut end) = (0, 0);
        self.find_each(haystack, |index| {
            (count, end) = (count + 1, index + len);
            true
        });
        (count, end)
    }
}

/// Whether the needle fits in at that index. A haystack that changed during the search can have led to another one.
#[inline(always)]
fn fits(index: usize, needle_len: usize, haystack_len: usize) -> bool {
    index <= haystack_len && needle_len <= haystack_len - index
}

/// The lowest index of a byte that is expected soon: the first [`BLOCK`], if there are as many bytes, is searched inline. The index is in the
/// haystack, even if that has changed during the search.
#[inline]
pub(crate) fn find_byte(haystack: &[u8], byte: u8) -> Option<usize> {
    let Some((near, far)) = haystack.split_first_chunk() else { return find_byte_in_few(haystack, byte) };
    match find_byte_in_block(near, byte) {
        usize::MAX => find_byte_far(far, byte).map(|index| BLOCK + index),
        index => Some(index),
    }
}

#[inline(never)]
fn find_byte_in_few(haystack: &[u8], byte: u8) -> Option<usize> {
    let (near, rest) = haystack.split_at(haystack.len() & !15);
    match find_byte_in_vectors(near, byte) {
        usize::MAX => find_byte_far(rest, byte).map(|index| near.len() + index),
        index => Some(index),
    }
}

#[inline]
fn find_byte_far(haystack: &[u8], byte: u8) -> Option<usize> {
    memchr::memchr(byte, haystack).filter(|&index| index < haystack.len())
}

/// The number of bytes that [`find_byte`] searches inline.
pub(crate) const BLOCK: usize = 128;

/// The lowest index of the byte, or [`usize::MAX`], so that one comparison tells whether it is before some end.
#[inline(always)]
pub(crate) fn find_byte_in_block(block: &[u8; BLOCK], byte: u8) -> usize {
    #[cfg(target_arch = "x86_64")]
    if processor::has_avx2() {
        // SAFETY: the processor has AVX2, as was just checked.
        return unsafe { find_byte_by_avx2(block, byte) };
    }
    find_byte_in_vectors(block, byte)
}

/// As [`find_byte_in_block`]. In assembly: a function whose instructions are enabled for it alone could not be inlined.
///
/// # Safety
///
/// - The processor has AVX2 and BMI1.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn find_byte_by_avx2(block: &[u8; BLOCK], byte: u8) -> usize {
    use std::arch::x86_64::__m128i;

    use vector::Vector;
    // SAFETY: every x86-64 processor has SSE2.
    let wanted = unsafe { __m128i::splat(byte) };
    let found;
    // SAFETY: reads the bytes of the block, with instructions that the processor has, as the caller promises.
    unsafe {
        processor::avx2_asm!(
            [
                "vpbroadcastb ymm0, xmm0",
                "vpcmpeqb ymm1, ymm0, [{block}]",
                "vpmovmskb {found:e}, ymm1",
                "tzcnt {found:e}, {found:e}",
                "jnc 5f",
                "vpcmpeqb ymm1, ymm0, [{block} + 32]",
                "vpmovmskb {found:e}, ymm1",
                "tzcnt {found:e}, {found:e}",
                "jnc 2f",
                "vpcmpeqb ymm1, ymm0, [{block} + 64]",
                "vpmovmskb {found:e}, ymm1",
                "tzcnt {found:e}, {found:e}",
                "jnc 3f",
                "vpcmpeqb ymm1, ymm0, [{block} + 96]",
                "vpmovmskb {found:e}, ymm1",
                "tzcnt {found:e}, {found:e}",
                "jnc 4f",
                "mov {found}, -1",
                "jmp 5f",
                "4:",
                "add {found:e}, 96",
                "jmp 5f",
                "3:",
                "add {found:e}, 64",
                "jmp 5f",
                "2:",
                "add {found:e}, 32",
                "5:",
            ],
            [block = in(reg) block, found = out(reg) found, inout("xmm0") wanted => _],
            readonly
        );
    }
    found
}

/// As [`find_byte_in_block`], in a whole number of vectors of 16 bytes.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
fn find_byte_in_vectors(bytes: &[u8], byte: u8) -> usize {
    use std::arch::x86_64::__m128i;

    use vector::Vector;
    // SAFETY: every x86-64 processor has SSE2.
    let wanted = unsafe { __m128i::splat(byte) };
    for start in (0..bytes.len() & !15).step_by(16) {
        // SAFETY: 16 bytes from there are in the slice.
        let bytes = unsafe { __m128i::load(bytes.as_ptr().wrapping_add(start)) };
        // SAFETY: every x86-64 processor has SSE2.
        let equal = unsafe { bytes.equal(wanted) };
        // SAFETY: every x86-64 processor has SSE2.
        let mask = unsafe { equal.mask() };
        if mask != 0 {
            return start + mask.trailing_zeros() as usize;
        }
    }
    usize::MAX
}

#[cfg(not(target_arch = "x86_64"))]
#[inline(always)]
fn find_byte_in_vectors(bytes: &[u8], byte: u8) -> usize {
    find_byte_far(bytes, byte).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processor::tests::with_each_kernel;

    fn naive_find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        (0..=haystack.len().checked_sub(needle.len())?).find(|&index| haystack[index..].starts_with(needle))
    }

    fn naive_rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        (0..=haystack.len().checked_sub(needle.len())?).rev().find(|&index| haystack[index..].starts_with(needle))
    }

    /// A haystack of few different bytes, longer than some blocks, and a needle that often occurs in it.
    fn cases() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let haystack = prop_oneof![
            prop::collection::vec(0u8..3, 0..300),
            (1usize..6, 0usize..200_000).prop_map(|(period, len)| (0..len).map(|i| (i % period) as u8).collect()),
            (0usize..200_000, 0usize..200_000).prop_map(|(len, at)| {
                let mut bytes = vec![0; len];
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = 1;
                }
                bytes
            }),
        ];
        (haystack, prop::collection::vec(0u8..3, 0..20), any::<prop::sample::Index>(), any::<bool>()).prop_map(
            |(haystack, needle, at, inside)| {
                let at = at.index(haystack.len() + 1);
                let part = haystack[at..haystack.len().min(at + needle.len())].to_vec();
                (haystack, if inside { part } else { needle })
            },
        )
    }

    proptest! {
        #[test]
        fn agree_with_the_naive_search((haystack, needle) in cases()) {
            let (first, last) = (naive_find(&haystack, &needle), naive_rfind(&haystack, &needle));
            let step = needle.len().max(1);
            let mut all = Vec::new();
            let mut next = first;
            while let Some(index) = next {
                all.push(index);
                next = haystack.get(index + step..).and_then(|rest| naive_find(rest, &needle)).map(|place| index + step + place);
            }
            with_each_kernel(|| {
                assert_eq!(Finder::new(&needle, Direction::Forward).find(&haystack), first);
                assert_eq!(Finder::new(&needle, Direction::Reverse).find(&haystack), last);
                assert!(find_near(&haystack, &needle, Direction::Forward).is_none_or(|found| found == first));
                assert!(find_near(&haystack, &needle, Direction::Reverse).is_none_or(|found| found == last));
                let mut found = Vec::new();
                Finder::new(&needle, Direction::Forward).find_each(&haystack, |index| { found.push(index); true });
                assert_eq!(found, all);
                assert_eq!(Finder::new(&needle, Direction::Forward).count(&haystack).0, all.len());
                if let &[byte] = &needle[..] {
                    assert_eq!(find_byte(&haystack, byte), first);
                }
            });
        }
    }

    #[test]
    fn no_index_at_which_the_needle_does_not_fit() {
        assert!(fits(7, 3, 10) && fits(10, 0, 10));
        assert!(!fits(8, 3, 10) && !fits(11, 0, 10) && !fits(usize::MAX, 3, 10));
    }
}
