//! [`FindIter`]: all matches of a needle.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::RangeBounds;

use crate::error::{Error, Result};
use crate::map::Mmap;
use crate::map::search_windows::{self, Windows};
use crate::memmem::{Direction, Finder};
use crate::range::Span;

/// The number of positions that are searched at a time.
const WINDOW: usize = 64 * 1024;
/// The number of matches that are kept at a time.
const BATCH: usize = 256;

impl Mmap {
    /// Returns an iterator over the indices of the non-overlapping occurrences of `needle` in `range`, in order: as many as
    /// [`count`](Self::count) counts. An empty needle is found before every byte and at the end.
    ///
    /// The search is lazy, and looks ahead by up to 64 KiB, or by the length of a longer needle.
    ///
    /// # Errors
    ///
    /// The iterator yields [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map
    /// that cannot be read, and [`Fault`](crate::ErrorKind::Fault) where bytes are missing, after the matches before them. It ends
    /// after an error.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(9).map_anonymous()?;
    /// map.write_all_at(b"banana", 0)?;
    /// let places: Vec<_> = map.find_iter(b"an", ..).collect::<Result<_, _>>()?;
    /// assert_eq!(places, [1, 3]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn find_iter<'a>(&'a self, needle: &'a [u8], range: impl RangeBounds<usize>) -> FindIter<'a> {
        let (span, refused) = match self.readable("find", range) {
            Ok(span) => (span, None),
            Err(error) => (Span { start: 0, len: 0 }, Some(error)),
        };
        FindIter {
            map: self,
            needle,
            finder: Finder::new(needle, Direction::Forward),
            rest: Some(span),
            found: Vec::new(),
            base: 0,
            given: 0,
            refused,
        }
    }
}

/// An iterator over the matches of a needle, returned by [`Mmap::find_iter`].
///
/// # Examples
///
/// ```
/// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
/// assert_eq!(map.find_iter(b"\n", ..).count(), map.count(b"\n", ..)?);
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "places are searched when they are asked for"]
pub struct FindIter<'a> {
    map: &'a Mmap,
    needle: &'a [u8],
    finder: Finder<'a>,
    /// The part that has not been searched yet.
    rest: Option<Span>,
    /// Matches, relative to `base`; those before `given` were yielded.
    found: Vec<usize>,
    base: usize,
    given: usize,
    refused: Option<Error>,
}

impl FindIter<'_> {
    /// Continues the search until there are matches, or nothing is left to search.
    fn search(&mut self) -> Result<()> {
        self.found.clear();
        self.found.reserve(BATCH);
        self.given = 0;
        let needle_len = self.needle.len();
        while let Some(rest) = self.rest {
            if needle_len > rest.len {
                self.map.check()?;
                self.rest = None;
                break;
            }
            let window = Windows::of(rest, needle_len, Direction::Forward, WINDOW).next();
            // An empty needle is found in no byte as well.
            let mut len = window.map_or(rest.len, |window| window.len);
            let mut missing = None;
            let found = &mut self.found;
            while let Err(fault) = self.map.region.search(Span { start: rest.start, len }, |haystack| {
                found.clear();
                self.finder.find_each(haystack, |index| {
                    found.push(index);
                    found.len() < BATCH
                });
            }) {
                found.clear();
                // What the finder has learned may be half of it where a fault has ended the search.
                self.finder = Finder::new(self.needle, Direction::Forward);
                // The bytes before the missing one are there.
                missing = Some(fault);
                len = fault.offset.saturating_sub(rest.start).min(len.saturating_sub(1));
                if len < needle_len.max(1) {
                    return Err(fault.into());
                }
            }
            let is_all = found.len() < BATCH;
            // Even if the bytes changed during the search, the matches lie in the window and in order.
            let least = found.last().map_or(0, |last| last + needle_len.max(1));
            let searched = if is_all { search_windows::after(len, needle_len) } else { 1 };
            let done = least.max(searched);
            // An empty needle is found at the end as well; then the iterator is done.
            self.rest = (done <= rest.len).then(|| Span { start: rest.start + done, len: rest.len - done });
            self.base = rest.start;
            match missing {
                _ if !found.is_empty() => break,
                Some(fault) => return Err(fault.into()),
                None => {}
            }
        }
        Ok(())
    }
}

impl Iterator for FindIter<'_> {
    type Item = Result<usize>;

    #[inline]
    fn next(&mut self) -> Option<Result<usize>> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error));
        }
        if self.given == self.found.len() {
            if let Err(error) = self.search() {
                self.rest = None;
                self.found.clear();
                return Some(Err(error));
            }
        }
        let place = self.found.get(self.given)?;
        self.given += 1;
        Some(Ok(self.base + place))
    }
}

impl FusedIterator for FindIter<'_> {}

impl fmt::Debug for FindIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindIter").field("needle", &self.needle).field("rest", &self.rest).finish_non_exhaustive()
    }
}
