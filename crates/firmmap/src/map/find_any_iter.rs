//! [`FindAnyIter`]: all matches of any of several needles.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Range, RangeBounds};

use crate::error::{Error, Result};
use crate::map::Mmap;
use crate::map::needles::{Needles, copy};
use crate::map::search_windows;
use crate::memmem::Direction;
use crate::range::Span;

/// The number of matches that are kept at a time.
const BATCH: usize = 256;

impl Mmap {
    /// Returns an iterator over the non-overlapping matches of any of `needles` in `range`, in order. Of matches that begin at the same byte
    /// it yields the longest.
    ///
    /// The search is lazy, and looks ahead: by up to 32 KiB and the length of the longest needle, or by four times that.
    ///
    /// # Errors
    ///
    /// As [`find_iter`](Self::find_iter). The iterator ends after an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Needles};
    ///
    /// let map = MmapOptions::new().len(11).map_anonymous()?;
    /// map.write_all_at(b"banana bans", 0)?;
    /// let needles = Needles::new(["ban", "bans", "an"])?;
    /// let places: Vec<_> = map.find_any_iter(&needles, ..).collect::<Result<_, _>>()?;
    /// assert_eq!(places, [0..3, 3..5, 7..11]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn find_any_iter<'a>(&'a self, needles: &'a Needles, range: impl RangeBounds<usize>) -> FindAnyIter<'a> {
        let (span, refused) = match self.readable("find", range) {
            Ok(span) => (span, None),
            Err(error) => (Span { start: 0, len: 0 }, Some(error)),
        };
        FindAnyIter { map: self, needles, cursor: FindAnyCursor::new(span.start, span.end()), refused }
    }
}

/// The position of a search for all places of some needles, and those that it has found ahead. Hidden, as
/// [`LineCursor`](crate::LineCursor) is.
#[doc(hidden)]
#[derive(Default)]
pub struct FindAnyCursor {
    /// Start and end of the part that has not been searched yet.
    rest: Option<(usize, usize)>,
    /// Matches; those before `given` were yielded.
    found: Vec<Range<usize>>,
    given: usize,
    /// Where the search goes on after the last match that was taken: from there an error lets it begin again.
    taken: usize,
    /// Whether a step finds no more than one, as what is found ahead would be dropped.
    one_by_one: bool,
    bytes: Vec<u8>,
}

impl FindAnyCursor {
    /// For the places in a range.
    #[must_use]
    pub fn new(start: usize, end: usize) -> Self {
        Self { rest: Some((start, end)), taken: start, ..Self::default() }
    }

    /// Whether to find one place at a time: for maps whose bytes change between steps.
    pub fn set_one_by_one(&mut self, one_by_one: bool) {
        self.one_by_one = one_by_one;
    }

    /// The next place that was found ahead.
    #[inline]
    #[must_use]
    pub fn place(&self) -> Option<&Range<usize>> {
        self.found.get(self.given)
    }

    /// Takes the place that [`place`](Self::place) shows.
    #[inline]
    pub fn pass(&mut self) {
        if let Some(place) = self.found.get(self.given) {
            // An empty needle is found before each byte.
            self.taken = place.end.max(place.start + 1);
            self.given += 1;
        }
    }

    /// Goes back to the last place that was taken, as [`LineCursor::go_back`](crate::LineCursor::go_back) does.
    #[cold]
    pub fn go_back(&mut self, end: usize) {
        self.rest = Some((self.taken, end));
        self.found.clear();
        self.given = 0;
    }

    /// Takes back what was found ahead and not taken.
    pub fn forget(&mut self, end: usize) {
        if let Some(place) = self.found.get(self.given) {
            self.rest = Some((place.start, end));
        }
        self.found.clear();
        self.given = 0;
    }

    /// A copy of the position, without what was found ahead.
    #[must_use]
    pub fn to_search(&self) -> Self {
        Self { rest: self.rest, taken: self.taken, one_by_one: self.one_by_one, ..Self::default() }
    }

    /// What identifies the position, for whoever works on a copy.
    #[must_use]
    pub fn position(&self) -> (Option<(usize, usize)>, usize) {
        (self.rest, self.given)
    }

    /// Whether nothing is left to search.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.rest.is_none()
    }

    /// Continues the search until there are places to take, or nothing is left to search, or so many blocks were searched. After an error
    /// the search begins again after the last place that was taken.
    pub fn step(&mut self, map: &Mmap, needles: &Needles, blocks: usize) -> Result<()> {
        let end = self.rest.map_or(0, |(_, end)| end);
        self.step_on(map, needles, blocks).inspect_err(|_| self.go_back(end))
    }

    fn step_on(&mut self, map: &Mmap, needles: &Needles, blocks: usize) -> Result<()> {
        self.found.clear();
        self.given = 0;
        let most = if self.one_by_one { 1 } else { BATCH };
        let reserved = self.found.try_reserve(most);
        reserved.map_err(|_| Error::os("listing the places", std::io::ErrorKind::OutOfMemory.into()))?;
        for _ in 0..blocks {
            let Some((start, end)) = self.rest.filter(|_| self.found.is_empty()) else { break };
            // The map may have become shorter.
            let end = end.min(map.len());
            if start > end {
                self.rest = None;
                break;
            }
            let rest = Span { start, len: end - start };
            let block = needles.windows(rest, Direction::Forward, self.one_by_one).next().unwrap_or(rest);
            let missing = copy(map, &mut self.bytes, block)?;
            let len = self.bytes.len();
            // A match that begins after these could be a longer one, of which the block has only a part.
            let is_last = start + len == end || missing.is_some();
            let whole = if is_last { len + 1 } else { search_windows::after(len, needles.longest()) };
            let (found, mut searched) = (&mut self.found, whole);
            let mut behind = 0;
            needles.find_each(&self.bytes, |from, to| {
                if from >= whole {
                    return false;
                }
                found.push(start + from..start + to);
                let is_full = found.len() == most;
                // An empty needle is found before each byte.
                behind = to.max(from + 1);
                searched = if is_full { behind } else { whole.max(to) };
                !is_full
            });
            let mut next = start + searched;
            if let Some(error) = missing {
                if self.found.is_empty() {
                    return Err(error);
                }
                // What is missing is an error once these have been taken; or there again, with matches that begin before it.
                next = next.min(start + behind.max(search_windows::after(len, needles.longest())));
            }
            let has_more = next < end || (next == end && needles.longest() == 0);
            self.rest = has_more.then_some((next, end));
        }
        Ok(())
    }
}

/// An iterator over the places of several needles, returned by [`Mmap::find_any_iter`].
///
/// # Examples
///
/// See [`Mmap::find_any_iter`].
#[must_use = "places are searched when they are asked for"]
pub struct FindAnyIter<'a> {
    map: &'a Mmap,
    needles: &'a Needles,
    cursor: FindAnyCursor,
    refused: Option<Error>,
}

impl Iterator for FindAnyIter<'_> {
    type Item = Result<Range<usize>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if let Some(error) = self.refused.take() {
            return Some(Err(error));
        }
        if self.cursor.place().is_none() {
            if let Err(error) = self.cursor.step(self.map, self.needles, usize::MAX) {
                self.cursor.rest = None;
                return Some(Err(error));
            }
        }
        let place = self.cursor.place()?.clone();
        self.cursor.pass();
        Some(Ok(place))
    }
}

impl FusedIterator for FindAnyIter<'_> {}

impl fmt::Debug for FindAnyIter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FindAnyIter")
            .field("needles", self.needles)
            .field("rest", &self.cursor.rest)
            .finish_non_exhaustive()
    }
}
