//! Searching the mapped bytes: [`Mmap::find`], [`Mmap::rfind`].
//!
//! Searches run on the mapped bytes, without copying them out first, one window after another: after each, it is known whether
//! all of its bytes were there. The search of a window is in `memmem/`.

use std::ops::RangeBounds;

use crate::error::Result;
use crate::fault::Fault;
use crate::map::Mmap;
use crate::map::search_windows::Windows;
use crate::memmem::{self, Direction, Finder};
use crate::range::Span;
use crate::region::STRIDE;

impl Mmap {
    /// Returns the lowest index at which `needle` lies within `range`.
    ///
    /// An empty needle is found at the start of the range. The time is linear in the length of the range; no memory is allocated.
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
        self.find_in(span, needle, Direction::Forward)
    }

    /// Returns the lowest index of `byte` in `range`: [`find`](Self::find) for one byte that is expected soon, with less to set
    /// up.
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
            return self.find_in(span, &[byte], Direction::Forward);
        }
        let search = |haystack: &[u8]| memmem::find_byte(haystack, byte);
        let found = self.region.search_forward(span, span, search, search)?;
        Ok(found.map(|index| span.start + index))
    }

    /// Returns the highest index at which `needle` lies within `range`.
    ///
    /// An empty needle is found at the end of the range. The time is linear in the length of the range; no memory is allocated.
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
        self.find_in(span, needle, Direction::Reverse)
    }

    /// Counts the non-overlapping occurrences of `needle` in `range`.
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
        self.count_in(span, needle)
    }

    /// [`find`](Self::find) and [`rfind`](Self::rfind). Not generic, so that there is one copy, compiled with this crate.
    fn find_in(&self, span: Span, needle: &[u8], direction: Direction) -> Result<Option<usize>> {
        if needle.is_empty() || needle.len() > span.len {
            self.check()?;
            let end = if direction == Direction::Forward { span.start } else { span.end() };
            return Ok(needle.is_empty().then_some(end));
        }
        let mut finder = Finder::new(needle, direction);
        let mut busy = None;
        for window in Windows::new(span, needle.len(), direction) {
            let search = |haystack: &[u8]| finder.find(haystack);
            // What the finder has learned may be half of it where a fault has ended the search.
            let again = |haystack: &[u8]| Finder::new(needle, direction).find(haystack);
            let found = match direction {
                Direction::Forward => self.region.search_forward(window, span, search, again),
                Direction::Reverse => self.region.search_part(window, span, search),
            };
            if let Some(index) = found.map_err(|fault| self.first_missing(span.start, window.start, fault))? {
                return Ok(Some(window.start + index));
            }
            if busy.is_none() && span.len > STRIDE {
                busy = Some(self.region.long_operation());
            }
        }
        Ok(None)
    }

    /// The fault of a reverse search whose range begins at `start`, and which had come down to `searched`: the first missing byte of
    /// the range. If the map keeps its file, the fault names it already. Otherwise it is found by bisection, since everything past
    /// the new end of the file is missing.
    #[cold]
    pub(super) fn first_missing(&self, start: usize, searched: usize, fault: Fault) -> Fault {
        if self.file.is_some() || self.origin.anonymous {
            return fault;
        }
        let (mut present, mut missing) = (start, fault.offset.min(searched));
        let mut first = fault;
        while present < missing {
            let middle = present + (missing - present) / 2;
            if let Some(Err(fault)) = self.region.load(middle) {
                (first, missing) = (fault, middle);
            } else {
                present = middle + 1;
            }
        }
        first
    }

    fn count_in(&self, span: Span, needle: &[u8]) -> Result<usize> {
        if needle.is_empty() {
            return Ok(span.len + 1);
        }
        let mut finder = Finder::new(needle, Direction::Forward);
        let _busy = (span.len > STRIDE).then(|| self.region.long_operation());
        let mut windows = Windows::new(span, needle.len(), Direction::Forward);
        let mut count = 0;
        while let Some(window) = windows.next() {
            let (found, end) = self.region.search_part(window, span, |haystack| finder.count(haystack))?;
            count += found;
            // The last match may reach into the next window.
            windows.skip_to(window.start + end.min(window.len));
        }
        Ok(count)
    }
}
