//! [`FindIter`]: all places at which a needle is found.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::RangeBounds;

use crate::error::{Error, Result};
use crate::map::Mmap;
use crate::memmem::{Direction, Finder};
use crate::range::Span;

/// How many places are searched at a time; with a needle that is longer, as many as it has bytes.
const WINDOW: usize = 64 * 1024;
/// How many places are kept at a time.
const BATCH: usize = 256;

impl Mmap {
    /// The places in `range` at which `needle` is found whole, from the front, not overlapping: as many as
    /// [`count`](Self::count) counts. An empty needle is found before every byte and at the end.
    ///
    /// The map is searched as it is when a place is asked for, up to 64 KiB ahead, or the length of the needle.
    ///
    /// # Errors
    ///
    /// Each place can be one: [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied) on
    /// a map that cannot be read; [`Fault`](crate::ErrorKind::Fault) where bytes are missing. The places before
    /// them come first, and after it there are no more.
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

/// All places at which a needle is found, made by [`Mmap::find_iter`].
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
    /// What has not been searched yet.
    rest: Option<Span>,
    /// Places that were found, counted from `base`; those before `given` were given out.
    found: Vec<usize>,
    base: usize,
    given: usize,
    refused: Option<Error>,
}

impl FindIter<'_> {
    /// Searches on until there are places, or nothing more to search.
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
            // Places in the window and as much behind it as one of them can reach.
            let mut len = rest.len.min(WINDOW.max(needle_len) + needle_len);
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
                // Places before the missing byte are there.
                missing = Some(fault);
                len = fault.offset.saturating_sub(rest.start).min(len.saturating_sub(1));
                if len < needle_len.max(1) {
                    return Err(fault.into());
                }
            }
            let is_all = found.len() < BATCH;
            // Also if the bytes changed during the search, the matches are inside of the window and in order.
            let least = found.last().map_or(0, |last| last + needle_len.max(1));
            // What was searched to its end can only hold the start of a needle.
            let searched = if is_all { (len + 1).saturating_sub(needle_len.max(1)) } else { 1 };
            let done = least.max(searched);
            // An empty needle is found at the end as well, and that is the end.
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
