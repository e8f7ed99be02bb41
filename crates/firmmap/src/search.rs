//! Searching the mapped bytes: [`Mmap::find`], [`Mmap::rfind`].
//!
//! The searches run where the bytes are, without copying them out first. The kernels are the `memchr` crate's; what is
//! ours is the search from the end, and that no answer is given which could not be right.

use std::ops::RangeBounds;

use memchr::memmem;

use crate::error::Result;
use crate::mmap::Mmap;
use crate::range::Span;
use crate::sys::STRIDE;

/// How far [`rfind`] looks back at a time: large enough that setting out is cheap, small enough for the cache.
const BLOCK: usize = 64 * 1024;

impl Mmap {
    /// The lowest index in `range` at which `needle` is found whole.
    ///
    /// An empty needle is found at the start of the range. Time grows linearly with the range, memory does not.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange); [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that
    /// cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(9).map_anonymous()?;
    /// map.write_all_at(b"banana", 0)?;
    /// assert_eq!(map.find(b"an", ..)?, Some(1));
    /// assert_eq!(map.find(b"an", 2..)?, Some(3));
    /// assert_eq!(map.find(b"an", 4..)?, None);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn find(&self, needle: &[u8], range: impl RangeBounds<usize>) -> Result<Option<usize>> {
        let span = self.readable("find", range)?;
        if needle.len() > span.len {
            return self.check().map(|()| None);
        }
        let region = &self.region;
        if span.len <= STRIDE {
            let found = region.search(span, |haystack| find(haystack, needle))?;
            return Ok(plausible(found, needle.len(), span.len).map(|index| span.start + index));
        }
        let _busy = region.long_operation();
        let finder = memmem::Finder::new(needle);
        let mut start = span.start;
        loop {
            // Matches that start in this stride.
            let window = Span { start, len: (STRIDE + needle.len().saturating_sub(1)).min(span.end() - start) };
            let found = region.search(window, |haystack| match needle {
                &[byte] => memchr::memchr(byte, haystack),
                _ => finder.find(haystack),
            })?;
            match plausible(found, needle.len(), window.len) {
                Some(index) => return Ok(Some(start + index)),
                None if window.end() == span.end() => return Ok(None),
                None => start += STRIDE,
            }
        }
    }

    /// The highest index in `range` at which `needle` is found whole.
    ///
    /// An empty needle is found at the end of the range. Time grows linearly with the range, memory does not.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(9).map_anonymous()?;
    /// map.write_all_at(b"banana", 0)?;
    /// assert_eq!(map.rfind(b"an", ..)?, Some(3));
    /// assert_eq!(map.rfind(b"an", ..4)?, Some(1));
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn rfind(&self, needle: &[u8], range: impl RangeBounds<usize>) -> Result<Option<usize>> {
        let span = self.readable("rfind", range)?;
        if needle.len() > span.len {
            return self.check().map(|()| None);
        }
        let region = &self.region;
        let _busy = (span.len > STRIDE).then(|| region.long_operation());
        let mut end = span.end();
        loop {
            // Matches that start in this stride; all that start behind it have been ruled out.
            let start = end.saturating_sub(STRIDE).max(span.start);
            let window_end = (end + needle.len().saturating_sub(1)).min(span.end());
            let window = Span { start, len: window_end - start };
            let found = region.search(window, |haystack| rfind(haystack, needle))?;
            match plausible(found, needle.len(), window.len) {
                Some(index) => return Ok(Some(start + index)),
                None if start == span.start => return Ok(None),
                None => end = start,
            }
        }
    }

    /// How often `needle` occurs in `range`, counting occurrences that do not overlap.
    ///
    /// An empty needle is found before every byte and at the end.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(9).map_anonymous()?;
    /// map.write_all_at(b"banana", 0)?;
    /// assert_eq!(map.count(b"an", ..)?, 2);
    /// assert_eq!(map.count(b"ana", ..)?, 1);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn count(&self, needle: &[u8], range: impl RangeBounds<usize>) -> Result<usize> {
        let span = self.readable("count", range)?;
        if needle.is_empty() {
            return Ok(span.len + 1);
        }
        let region = &self.region;
        let _busy = (span.len > STRIDE).then(|| region.long_operation());
        let finder = memmem::Finder::new(needle);
        let (mut start, mut count) = (span.start, 0);
        while start < span.end() {
            // Matches that start in this stride. The last one may reach into the next, which then starts behind it.
            let window = Span { start, len: (STRIDE + needle.len() - 1).min(span.end() - start) };
            let (found, end) = region.search(window, |haystack| match needle {
                &[byte] => (memchr::memchr_iter(byte, haystack).count(), 0),
                _ => finder.find_iter(haystack).fold((0, 0), |(count, _), index| (count + 1, index + needle.len())),
            })?;
            count += found;
            start += STRIDE.max(end.min(window.len));
        }
        Ok(count)
    }
}

/// A position that a search of `haystack_len` bytes can give, also if the bytes changed under it.
fn plausible(found: Option<usize>, needle_len: usize, haystack_len: usize) -> Option<usize> {
    found.filter(|&index| index <= haystack_len && needle_len <= haystack_len - index)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => Some(0),
        &[byte] => memchr::memchr(byte, haystack),
        _ => memmem::find(haystack, needle),
    }
}

/// Looks block by block from the end, each with the forward search, which is many times faster than a backward one. Only
/// the block that holds a match is searched backwards.
fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    match needle {
        [] => return Some(haystack.len()),
        &[byte] => return memchr::memrchr(byte, haystack),
        _ if needle.len() > haystack.len() => return None,
        _ => {}
    }
    // Something near the end is found soonest without setting out a forward search.
    let block = BLOCK.max(needle.len() * 4);
    let near = haystack.len().saturating_sub(needle.len() + 1024);
    if let Some(index) = memmem::rfind(&haystack[near..], needle) {
        return Some(near + index);
    }
    let finder = memmem::Finder::new(needle);
    // All matches that start at `end` or later have been ruled out.
    let mut end = near;
    while end > 0 {
        let start = end.saturating_sub(block);
        let window = &haystack[start..(end + needle.len() - 1).min(haystack.len())];
        if let Some(first) = finder.find(window) {
            let last = memmem::rfind(window.get(first..)?, needle);
            return Some(start + first + last.unwrap_or(0));
        }
        end = start;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
            prop_assert_eq!(find(&haystack, &needle), naive_find(&haystack, &needle));
            prop_assert_eq!(rfind(&haystack, &needle), naive_rfind(&haystack, &needle));
        }
    }

    #[test]
    fn matches_across_every_block_border() {
        let mut haystack = vec![b'.'; 3 * BLOCK + 2000];
        for border in [BLOCK, 2 * BLOCK, 3 * BLOCK, 976, 1024, haystack.len() - 1024 - 4, haystack.len() - BLOCK] {
            for at in border - 5..border + 5 {
                haystack[at..at + 4].copy_from_slice(b"abab");
                assert_eq!(rfind(&haystack, b"abab"), Some(at));
                assert_eq!(rfind(&haystack, b"ab"), Some(at + 2));
                haystack[at..at + 4].fill(b'.');
            }
        }
    }

    #[test]
    fn no_answer_that_cannot_be() {
        assert_eq!(plausible(Some(7), 3, 10), Some(7));
        assert_eq!(plausible(Some(8), 3, 10), None);
        assert_eq!(plausible(Some(usize::MAX), 3, 10), None);
    }
}
