//! Searching the mapped bytes: [`Mmap::find`], [`Mmap::rfind`].
//!
//! The searches run where the bytes are, without copying them out first. For one byte the kernel is the `memchr` crate's;
//! for more it is ours ([`Searcher`]), the same in both directions.

mod searcher;

use std::ops::RangeBounds;

use searcher::Searcher;

use crate::error::Result;
use crate::mmap::Mmap;
use crate::range::Span;
use crate::sys::STRIDE;
use crate::sys::simd::{self, Direction};

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
        let mut search = Search::new(needle, Direction::Forward);
        if span.len <= STRIDE {
            let found = region.search(span, |haystack| search.find(haystack))?;
            return Ok(plausible(found, needle.len(), span.len).map(|index| span.start + index));
        }
        let _busy = region.long_operation();
        let stride = stride_for(needle);
        let mut start = span.start;
        loop {
            // Matches that start in this stride.
            let window = Span { start, len: (stride + needle.len().saturating_sub(1)).min(span.end() - start) };
            let found = region.search_part(window, span, |haystack| search.find(haystack))?;
            match plausible(found, needle.len(), window.len) {
                Some(index) => return Ok(Some(start + index)),
                None if window.end() == span.end() => return Ok(None),
                None => start += stride,
            }
        }
    }

    /// The lowest index in `range` that has `byte`: [`find`](Self::find) for one byte
    /// that is expected soon, with less to set up.
    ///
    /// # Errors
    ///
    /// As [`find`](Self::find).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(9).map_anonymous()?;
    /// map.write_all_at(b"banana\n", 0)?;
    /// assert_eq!(map.find_byte(b'\n', ..)?, Some(6));
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn find_byte(&self, byte: u8, range: impl RangeBounds<usize>) -> Result<Option<usize>> {
        let span = self.readable("find", range)?;
        if span.len > STRIDE {
            return self.find(&[byte], span.start..span.end());
        }
        let found = self.region.search(span, |haystack| simd::find_byte(haystack, byte))?;
        Ok(plausible(found, 1, span.len).map(|index| span.start + index))
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
        let stride = stride_for(needle);
        let mut search = Search::new(needle, Direction::Backward);
        let mut end = span.end();
        loop {
            // Matches that start in this stride; all that start behind it have been ruled out.
            let start = end.saturating_sub(stride).max(span.start);
            let window_end = (end + needle.len().saturating_sub(1)).min(span.end());
            let window = Span { start, len: window_end - start };
            let found = region.search_part(window, span, |haystack| search.find(haystack))?;
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
        let stride = stride_for(needle);
        let mut search = Search::new(needle, Direction::Forward);
        let (mut start, mut count) = (span.start, 0);
        while start < span.end() {
            // Matches that start in this stride. The last one may reach into the next, which then starts behind it.
            let window = Span { start, len: (stride + needle.len() - 1).min(span.end() - start) };
            let (found, end) = region.search_part(window, span, |haystack| search.count(haystack, needle.len()))?;
            count += found;
            start += stride.max(end.min(window.len));
        }
        Ok(count)
    }
}

/// How many places are searched at a time. Behind them all of the needle is looked at once more, so that time stays linear
/// only if it is not the longer part.
fn stride_for(needle: &[u8]) -> usize {
    STRIDE.max(needle.len())
}

/// A position that a search of `haystack_len` bytes can give, also if the bytes changed under it.
fn plausible(found: Option<usize>, needle_len: usize, haystack_len: usize) -> Option<usize> {
    found.filter(|&index| index <= haystack_len && needle_len <= haystack_len - index)
}

/// A search by the kernel that suits the needle.
pub(crate) enum Search<'a> {
    Nothing(Direction),
    Byte(u8, Direction),
    Bytes(Searcher<'a>),
}

impl<'a> Search<'a> {
    #[inline]
    pub(crate) fn new(needle: &'a [u8], direction: Direction) -> Self {
        match needle {
            [] => Self::Nothing(direction),
            &[byte] => Self::Byte(byte, direction),
            _ => Self::Bytes(Searcher::new(needle, direction)),
        }
    }

    #[inline]
    fn find(&mut self, haystack: &[u8]) -> Option<usize> {
        match self {
            Self::Nothing(Direction::Forward) => Some(0),
            Self::Nothing(Direction::Backward) => Some(haystack.len()),
            Self::Byte(byte, Direction::Forward) => memchr::memchr(*byte, haystack),
            Self::Byte(byte, Direction::Backward) => memchr::memrchr(*byte, haystack),
            Self::Bytes(searcher) => searcher.find(haystack),
        }
    }

    /// Puts the first places that do not overlap, at most `limit`, behind those that are in `places`.
    pub(crate) fn collect(&mut self, haystack: &[u8], limit: usize, places: &mut Vec<usize>) {
        match self {
            Self::Nothing(_) => places.extend((0..=haystack.len()).take(limit)),
            Self::Byte(byte, _) => places.extend(memchr::memchr_iter(*byte, haystack).take(limit)),
            Self::Bytes(searcher) => {
                let mut left = limit;
                searcher.each(haystack, |place| {
                    places.push(place);
                    left -= 1;
                    left > 0
                });
            }
        }
    }

    /// How many matches there are that do not overlap, and where the last one, of `needle_len` bytes, ends.
    fn count(&mut self, haystack: &[u8], needle_len: usize) -> (usize, usize) {
        match self {
            Self::Nothing(_) => (haystack.len() + 1, haystack.len()),
            Self::Byte(byte, _) => (memchr::memchr_iter(*byte, haystack).count(), 0),
            Self::Bytes(searcher) => {
                let (mut count, mut end) = (0, 0);
                searcher.each(haystack, |place| {
                    (count, end) = (count + 1, place + needle_len);
                    true
                });
                (count, end)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::simd::tests::with_each_kernel;
    use proptest::prelude::*;

    fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        Search::new(needle, Direction::Forward).find(haystack)
    }

    fn rfind(haystack: &[u8], needle: &[u8]) -> Option<usize> {
        Search::new(needle, Direction::Backward).find(haystack)
    }

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
            with_each_kernel(|| {
                assert_eq!(find(&haystack, &needle), first);
                assert_eq!(rfind(&haystack, &needle), last);
            });
        }
    }

    #[test]
    fn no_answer_that_cannot_be() {
        assert_eq!(plausible(Some(7), 3, 10), Some(7));
        assert_eq!(plausible(Some(8), 3, 10), None);
        assert_eq!(plausible(Some(usize::MAX), 3, 10), None);
    }
}
