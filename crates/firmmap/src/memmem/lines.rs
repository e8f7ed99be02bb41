//! Lines: where they end, and which of them contain a needle, in one pass over the bytes.
//!
//! The newlines of 64 bytes are the bits of one word, and the candidates for the needle (see `kernel.rs`) those of another one. From
//! newline to newline, the candidates before it are the ones of its line: the first that is a match decides, and the others are not
//! looked at. So a line takes a few instructions, where a search for the next match, one for the start of its line and one for its end
//! would each be set up anew.
//!
//! Nobody else changes the bytes meanwhile.

#![cfg_attr(
    not(any(target_arch = "x86_64", target_arch = "aarch64")),
    allow(unused, reason = "there are no vectors to scan with")
)]

use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::kernel::{Budget, CANDIDATE_COST, MAX_OFFSETS, is_equal};
use super::searcher::guess;
use super::vector::Vector;
use crate::processor;

/// The number of bytes of a block, whose bits fit into a word; a quarter of that where a byte has four bits.
const BLOCK: usize = 64;

/// Appends to `lines` what `line` makes of the index after each newline, in order. Goes on to the end of the bytes, or until there are
/// `most`, or a few more; returns how many bytes were searched. Fails where there is no memory.
#[inline]
pub(crate) fn collect_lines<T>(
    bytes: &[u8],
    lines: &mut Vec<T>,
    most: usize,
    mut line: impl FnMut(usize) -> T,
) -> Result<usize, TryReserveError> {
    if !processor::has_vectors() || bytes.len() < BLOCK {
        let mut searched = 0;
        while searched < bytes.len() && lines.len() < most {
            let Some(newline) = memchr::memchr(b'\n', &bytes[searched..]) else { return Ok(bytes.len()) };
            searched += newline + 1;
            lines.try_reserve(1)?;
            lines.push(line(searched));
        }
        return Ok(searched);
    }
    #[cfg(target_arch = "x86_64")]
    {
        if processor::has_avx2() {
            // SAFETY: the processor has AVX2, as was just checked, and there is a block.
            return unsafe { collect_avx2(bytes, lines, most, line) };
        }
        // SAFETY: every x86-64 processor has SSE2, and there is a block.
        unsafe { collect::<std::arch::x86_64::__m128i, T>(bytes, lines, most, line) }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: every aarch64 target of Rust's has NEON, and there is a block.
        unsafe { collect::<std::arch::aarch64::uint8x16_t, T>(bytes, lines, most, line) }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    unreachable!("there are no vectors")
}

/// Whether there is a zero among the bytes. Text has none, but for those of a file that was cut off: so all of them are looked at, without a
/// branch for each, which the compiler does with the vectors that it may use.
#[inline]
pub(crate) fn has_zero(bytes: &[u8]) -> bool {
    #[cfg(target_arch = "x86_64")]
    if bytes.len() >= BLOCK && processor::has_avx2() {
        // SAFETY: the processor has AVX2, as was just checked.
        return unsafe { has_zero_avx2(bytes) };
    }
    least(bytes) == 0
}

/// # Safety
///
/// - The processor has AVX2.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn has_zero_avx2(bytes: &[u8]) -> bool {
    least(bytes) == 0
}

#[inline(always)]
fn least(bytes: &[u8]) -> u8 {
    bytes.iter().fold(u8::MAX, |least, &byte| least.min(byte))
}

/// How [`find_lines`] ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinesEnd {
    /// All lines were found; the rest, after the last newline, has the needle or not.
    Rest { has_needle: bool },
    /// The lines before the rest were found. Other ways to search are better for the rest: too many candidates, too few bytes, or no
    /// vectors.
    Unsearched,
    /// `found` has returned false.
    Stopped,
}

/// Calls `found` with each line that contains the needle, with its newline, in order, for as long as it returns true. Returns where the
/// rest begins, and what is known of it. Of the needle's bytes only the last may be a newline.
///
/// For lines that mostly have the needle: where few have it, [`Finder::find_each`](super::Finder::find_each) is faster.
#[inline]
pub(crate) fn find_lines(bytes: &[u8], needle: &[u8], found: impl FnMut(Range<usize>) -> bool) -> (usize, LinesEnd) {
    let positions = (bytes.len() + 1).saturating_sub(needle.len());
    if needle.is_empty() || !processor::has_vectors() || positions < BLOCK {
        return (0, LinesEnd::Unsearched);
    }
    let offsets = if needle.len() == 1 { [0; MAX_OFFSETS] } else { guess(needle).offsets };
    let search = LineSearch { bytes, needle, offsets, positions, found };
    #[cfg(target_arch = "x86_64")]
    {
        if processor::has_avx2() {
            // SAFETY: the processor has AVX2, as was just checked; there is a block of positions, and the offsets are in the needle.
            return unsafe { lines_avx2(search) };
        }
        // SAFETY: every x86-64 processor has SSE2, there is a block of positions, and the offsets are in the needle.
        unsafe { lines::<std::arch::x86_64::__m128i>(search) }
    }
    #[cfg(target_arch = "aarch64")]
    {
        // SAFETY: every aarch64 target of Rust's has NEON, there is a block of positions, and the offsets are in the needle.
        unsafe { lines::<std::arch::aarch64::uint8x16_t>(search) }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    (0, LinesEnd::Unsearched)
}

/// How many of `lines`, ranges of the bytes in their order, have the needle in that column, up to the first that has not. Lines of a log have their date
/// so: it takes one comparison for each.
pub(crate) fn count_by_column(bytes: &[u8], needle: &[u8], column: usize, lines: &[Range<usize>]) -> usize {
    let verifier = Verifier::new(bytes, needle);
    let reach = column + needle.len();
    if verifier.is_in_column(column, lines) {
        return lines.len();
    }
    let has_needle =
        |line: &Range<usize>| line.end.wrapping_sub(line.start) >= reach && verifier.is_match(line.start + column);
    lines.iter().position(|line| !has_needle(line)).unwrap_or(lines.len())
}

/// Whether the bytes have the needle at an index.
pub(crate) fn has_at(bytes: &[u8], needle: &[u8], index: usize) -> bool {
    bytes.get(index..).is_some_and(|rest| rest.starts_with(needle))
}

/// The arguments of a search for lines, checked.
struct LineSearch<'a, F> {
    bytes: &'a [u8],
    needle: &'a [u8],
    /// Of the bytes of the needle that are compared first: two.
    offsets: [usize; MAX_OFFSETS],
    /// The number of positions at which the needle fits in.
    positions: usize,
    found: F,
}

/// # Safety
///
/// - The processor has AVX2; there are [`BLOCK`] bytes.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn collect_avx2<T>(
    bytes: &[u8],
    lines: &mut Vec<T>,
    most: usize,
    line: impl FnMut(usize) -> T,
) -> Result<usize, TryReserveError> {
    // SAFETY: the caller's promise.
    unsafe { collect::<std::arch::x86_64::__m256i, T>(bytes, lines, most, line) }
}

/// # Safety
///
/// - The processor has AVX2; there are [`BLOCK`] positions, and the offsets are in the needle.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
unsafe fn lines_avx2<F: FnMut(Range<usize>) -> bool>(search: LineSearch<'_, F>) -> (usize, LinesEnd) {
    // SAFETY: the caller's promise.
    unsafe { lines::<std::arch::x86_64::__m256i>(search) }
}

/// The number of bytes whose bits fit into a word.
const fn block_len<V: Vector>() -> usize {
    BLOCK >> V::SHIFT
}

/// A bit for each of the [`block_len`] bytes from `start` on that is equal to all bytes of `wanted`.
///
/// # Safety
///
/// - The processor has the vector's instructions, and these bytes can be read.
#[inline(always)]
unsafe fn equal_bits<V: Vector>(start: *const u8, wanted: V) -> u64 {
    let (mut bits, mut done) = (0, 0);
    while done < block_len::<V>() {
        // SAFETY: the caller's promise.
        let bytes = unsafe { V::load(start.wrapping_add(done)) };
        // SAFETY: the caller's promise.
        let equal = unsafe { bytes.equal(wanted) };
        // SAFETY: the caller's promise.
        bits |= unsafe { equal.mask() } << (done << V::SHIFT);
        done += V::LEN;
    }
    bits
}

/// # Safety
///
/// - The processor has the vector's instructions; there are [`BLOCK`] bytes.
#[inline(always)]
unsafe fn collect<V: Vector, T>(
    bytes: &[u8],
    lines: &mut Vec<T>,
    most: usize,
    mut line: impl FnMut(usize) -> T,
) -> Result<usize, TryReserveError> {
    // SAFETY: the caller's promise.
    let newline = unsafe { V::splat(b'\n') };
    let mut done = 0;
    while done < bytes.len() && lines.len() < most {
        // For all lines of a block: none of them is then a matter of capacity.
        if lines.capacity() - lines.len() < BLOCK {
            reserve_block(lines)?;
        }
        // The last block overlaps bytes that are done.
        let again = (done + block_len::<V>()).saturating_sub(bytes.len());
        let block = done - again;
        // SAFETY: the block ends where the bytes do, or before that.
        let all = unsafe { equal_bits(bytes.as_ptr().wrapping_add(block), newline) };
        let mut bits = all & u64::MAX << (again << V::SHIFT);
        let (free, mut count) = (lines.spare_capacity_mut().as_mut_ptr(), 0);
        while bits != 0 {
            let found = line(block + (bits.trailing_zeros() >> V::SHIFT) as usize + 1);
            let place = free.wrapping_add(count);
            // SAFETY: a block has at most as many lines as there is room for.
            unsafe { place.write(MaybeUninit::new(found)) };
            count += 1;
            bits &= bits - 1;
        }
        let len = lines.len() + count;
        // SAFETY: these were just written.
        unsafe { lines.set_len(len) };
        done = block + block_len::<V>();
    }
    Ok(done)
}

#[cold]
#[inline(never)]
fn reserve_block<T>(lines: &mut Vec<T>) -> Result<(), TryReserveError> {
    lines.try_reserve(BLOCK)
}

/// # Safety
///
/// - The processor has the vector's instructions; there are [`BLOCK`] positions, and the offsets are in the needle.
#[inline(always)]
unsafe fn lines<V: Vector>(search: LineSearch<'_, impl FnMut(Range<usize>) -> bool>) -> (usize, LinesEnd) {
    let LineSearch { bytes, needle, offsets: [first, second, ..], positions, mut found } = search;
    // SAFETY: the caller's promise.
    let newline = unsafe { V::splat(b'\n') };
    // SAFETY: the caller's promise.
    let first_byte = unsafe { V::splat(needle[first]) };
    // SAFETY: the caller's promise.
    let second_byte = unsafe { V::splat(needle[second]) };
    let mut verifier = Verifier::new(bytes, needle);
    // Where the line begins that is not ended yet, and whether it has the needle.
    let (mut start, mut has_needle) = (0, false);
    let mut done = 0;
    while done < positions {
        // The last block overlaps positions that are done.
        let again = (done + block_len::<V>()).saturating_sub(positions);
        let block = done - again;
        let address = bytes.as_ptr().wrapping_add(block);
        let fresh = u64::MAX << (again << V::SHIFT);
        // SAFETY: these are positions, and so bytes.
        let mut newlines = unsafe { equal_bits(address, newline) } & fresh;
        // SAFETY: the needle fits in at these positions.
        let mut candidates = unsafe { equal_bits(address.wrapping_add(first), first_byte) } & fresh;
        // SAFETY: as above.
        candidates &= unsafe { equal_bits(address.wrapping_add(second), second_byte) };
        while newlines != 0 {
            // The bits through that of the first newline.
            let line = newlines ^ (newlines - 1);
            if !has_needle {
                match verifier.verify::<V>(candidates & line, block) {
                    Verified::Match => has_needle = true,
                    Verified::NoMatch => {}
                    Verified::TooManyCandidates => return (start, LinesEnd::Unsearched),
                }
            }
            let next = block + (newlines.trailing_zeros() >> V::SHIFT) as usize + 1;
            if has_needle && !found(start..next) {
                return (next, LinesEnd::Stopped);
            }
            (start, has_needle) = (next, false);
            candidates &= !line;
            newlines &= newlines - 1;
        }
        if !has_needle {
            match verifier.verify::<V>(candidates, block) {
                Verified::Match => has_needle = true,
                Verified::NoMatch => {}
                Verified::TooManyCandidates => return (start, LinesEnd::Unsearched),
            }
        }
        done = block + block_len::<V>();
    }
    // No further match begins.
    if has_needle && let Some(newline) = memchr::memchr(b'\n', &bytes[positions..]) {
        let next = positions + newline + 1;
        let end = if found(start..next) { LinesEnd::Rest { has_needle: false } } else { LinesEnd::Stopped };
        return (next, end);
    }
    (start, LinesEnd::Rest { has_needle })
}

/// What is known of some candidates.
enum Verified {
    /// One of them is a match.
    Match,
    NoMatch,
    TooManyCandidates,
}

/// Compares candidates with the needle, without vectors.
struct Verifier<'a> {
    bytes: &'a [u8],
    needle: &'a [u8],
    /// The first eight bytes of the needle, and a mask of those that it has.
    head: u64,
    mask: u64,
    /// At how many positions there are eight bytes.
    heads: usize,
    /// The cost of candidates that were no match.
    spent: usize,
}

impl<'a> Verifier<'a> {
    #[inline(always)]
    fn new(bytes: &'a [u8], needle: &'a [u8]) -> Self {
        let (mut head, mut mask) = ([0; 8], [0; 8]);
        let len = needle.len().min(8);
        head[..len].copy_from_slice(&needle[..len]);
        mask[..len].fill(u8::MAX);
        let (head, mask) = (u64::from_ne_bytes(head), u64::from_ne_bytes(mask));
        Self { bytes, needle, head, mask, heads: bytes.len().saturating_sub(7), spent: 0 }
    }

    /// Whether one of the candidates is a match, of which the bits are those of the positions from `block` on.
    #[inline(always)]
    fn verify<V: Vector>(&mut self, mut candidates: u64, block: usize) -> Verified {
        while candidates != 0 {
            if self.is_match(block + (candidates.trailing_zeros() >> V::SHIFT) as usize) {
                return Verified::Match;
            }
            self.spent += CANDIDATE_COST + self.needle.len() / 8;
            if self.spent > Budget::GUESSED.after(block) {
                return Verified::TooManyCandidates;
            }
            candidates &= candidates - 1;
        }
        Verified::NoMatch
    }

    #[inline(always)]
    fn is_match(&self, position: usize) -> bool {
        if position >= self.heads {
            return self.is_match_to_its_end(position);
        }
        let head = self.bytes.as_ptr().wrapping_add(position).cast::<u64>();
        // SAFETY: from there on there are eight bytes.
        let head = unsafe { head.read_unaligned() };
        (head ^ self.head) & self.mask == 0 && (self.needle.len() <= 8 || self.is_match_to_its_end(position))
    }

    /// Whether each of the lines, which are in their order, is seen to have the needle in that column, without a branch for each; false also
    /// where the needle is long, or the last line ends with the bytes.
    fn is_in_column(&self, column: usize, lines: &[Range<usize>]) -> bool {
        let (Some(last), true) = (self.heads.checked_sub(1), self.needle.len() <= 8) else { return false };
        let reach = column + self.needle.len();
        let (mut differences, mut lacking) = (0, 0);
        for line in lines {
            let position = line.start.wrapping_add(column).min(last);
            let head = self.bytes.as_ptr().wrapping_add(position).cast::<u64>();
            // SAFETY: from there on there are eight bytes.
            differences |= unsafe { head.read_unaligned() } ^ self.head;
            lacking |= line.end.wrapping_sub(line.start).wrapping_sub(reach);
        }
        differences & self.mask == 0
            && lacking as isize >= 0
            && lines.last().is_none_or(|line| line.start + column <= last)
    }

    #[inline(never)]
    fn is_match_to_its_end(&self, position: usize) -> bool {
        is_equal(&self.bytes[position..position + self.needle.len()], self.needle)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processor::tests::with_each_kernel;

    fn naive(bytes: &[u8], needle: &[u8]) -> Vec<Range<usize>> {
        let mut start = 0;
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').map(|line| {
            start += line.len();
            start - line.len()..start
        });
        lines.filter(|line| bytes[line.clone()].windows(needle.len()).any(|window| window == needle)).collect()
    }

    fn check(bytes: &[u8], needle: &[u8]) -> usize {
        let expected = naive(bytes, needle);
        let mut searched = 0;
        with_each_kernel(|| {
            let mut lines = Vec::new();
            let (rest, end) = find_lines(bytes, needle, |line| {
                lines.push(line);
                true
            });
            match end {
                LinesEnd::Rest { has_needle } => {
                    searched += 1;
                    if has_needle {
                        lines.push(rest..bytes.len());
                    }
                    assert_eq!(lines, expected, "{needle:?}");
                }
                LinesEnd::Unsearched => {
                    assert!(rest == 0 || bytes[rest - 1] == b'\n');
                    lines.extend(
                        naive(&bytes[rest..], needle).into_iter().map(|line| line.start + rest..line.end + rest),
                    );
                    assert_eq!(lines, expected, "{needle:?}, from {rest} on");
                }
                LinesEnd::Stopped => panic!("stopped by nobody"),
            }
            if let Some(line) = expected.first().filter(|line| bytes[line.end - 1] == b'\n') {
                let stopped = find_lines(bytes, needle, |found| {
                    assert_eq!(found, *line);
                    false
                });
                assert!(matches!(stopped.1, LinesEnd::Unsearched) || stopped == (line.end, LinesEnd::Stopped));
            }
        });
        searched
    }

    fn ends(bytes: &[u8], most: usize) -> (Vec<usize>, usize) {
        let mut ends = Vec::new();
        let searched = collect_lines(bytes, &mut ends, most, |end| end).unwrap();
        (ends, searched)
    }

    proptest! {
        #[test]
        fn by_column_are_those_that_have_it_there(
            lines in prop::collection::vec(("[ab]{0,3}", "[a-c]{0,90}"), 0..60),
            needle in "[ab]{1,3}|[a-b]{9,12}",
            column in 0usize..4,
            is_long: bool,
        ) {
            let line = |(before, after): &(String, String)| {
                let before = if is_long { &"bbbb"[..column] } else { before };
                format!("{before}{needle}{after}\n")
            };
            let text: String = lines.iter().map(line).collect();
            let mut begin = 0;
            let ranges = text.split_inclusive('\n').map(|line| {
                begin += line.len();
                begin - line.len()..begin
            });
            let ranges: Vec<_> = ranges.collect();
            let has = |line: &&Range<usize>| has_at(&text.as_bytes()[..line.end], needle.as_bytes(), line.start + column);
            let expected = ranges.iter().take_while(has).count();
            assert_eq!(count_by_column(text.as_bytes(), needle.as_bytes(), column, &ranges), expected);
        }

        #[test]
        fn are_those_of_the_naive_search(
            bytes in prop_oneof![
                prop::collection::vec(prop::sample::select(&b"ab\n"[..]), 0..500),
                prop::collection::vec(prop::sample::select(&b"abcdefghijklmnopqrstuvwxyz\n"[..]), 0..5000),
            ],
            needle in prop::collection::vec(prop::sample::select(&b"abc"[..]), 0..5),
            ends_line: bool,
        ) {
            let mut needle = needle;
            if ends_line || needle.is_empty() {
                needle.push(b'\n');
            }
            check(&bytes, &needle);
        }

        #[test]
        fn zeros_are_those_of_memchr(bytes in prop::collection::vec(0u8..100, 0..200)) {
            with_each_kernel(|| assert_eq!(has_zero(&bytes), bytes.contains(&0)));
        }

        #[test]
        fn ends_are_those_of_memchr(bytes in prop::collection::vec(prop::sample::select(&b"abcd\n"[..]), 0..400), limit in 1usize..200) {
            let expected: Vec<usize> = memchr::memchr_iter(b'\n', &bytes).map(|index| index + 1).collect();
            with_each_kernel(|| {
                assert_eq!(ends(&bytes, usize::MAX), (expected.clone(), bytes.len()));
                // And in parts.
                let (mut all, mut done) = (Vec::new(), 0);
                while done < bytes.len() {
                    let (some, searched) = ends(&bytes[done..], limit);
                    assert!(some.len() < limit + BLOCK && (some.len() >= limit || done + searched == bytes.len()));
                    all.extend(some.into_iter().map(|end| done + end));
                    done += searched;
                }
                assert_eq!(all, expected);
            });
        }
    }

    /// A needle at every place of a line, and lines of every length around those of blocks.
    #[test]
    fn needles_at_every_place() {
        let mut searched = 0;
        for len in (1..70).chain(126..133) {
            let line = [vec![b'.'; len - 1], b"\n".to_vec()].concat();
            let text = line.repeat(400_usize.div_ceil(len));
            for needle in [&b"x"[..], b"xy", b"x\n", b"abcdefghijklmnopqrstuvwxyz", b"\n"] {
                for place in (0..text.len() - needle.len()).step_by(31) {
                    let mut text = text.clone();
                    text[place..place + needle.len()].copy_from_slice(needle);
                    searched += check(&text, needle);
                }
            }
        }
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) {
            assert!(searched > 5_000, "{searched}");
        }
    }

    /// Candidates that are no match are given up before their cost grows with the product of the lengths.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] // Elsewhere nothing is searched here.
    #[test]
    fn too_many_candidates() {
        let line = [&vec![b'a'; 5000][..], b"\n"].concat();
        let needle = [&vec![b'a'; 1000][..], b"b", &vec![b'a'; 1000]].concat();
        let (rest, end) = find_lines(&line.repeat(3), &needle, |line| panic!("{line:?}"));
        assert_eq!((rest, end), (0, LinesEnd::Unsearched));
    }
}
