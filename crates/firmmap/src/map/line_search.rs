//! [`LineSearch`]: the lines of a map that contain a needle, and lines from the last to the first. How they are found is in
//! [`LineCursor`].

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Range, RangeBounds};

use crate::error::{Error, Result};
use crate::map::Mmap;
use crate::map::line_cursor::{LineCursor, LineStep};
use crate::map::needles::Needles;
use crate::range::Span;

impl Mmap {
    /// Returns an iterator over the lines of `range` that contain any of `needles`, each with its newline; the last one may have none.
    ///
    /// The lines are found by the search, at its speed, and cut out around the matches; those between them are not split. A range without
    /// an end reaches to the present end of the map. A needle may end in a newline, and then is found at the ends of lines.
    ///
    /// Lines are read ahead up to the end of a page, or by 32 KiB where nearly every line has a needle: a change to the map or to its file
    /// may be missed in these.
    ///
    /// # Errors
    ///
    /// The iterator yields [`OutOfRange`](crate::ErrorKind::OutOfRange); [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that
    /// cannot be read; [`InvalidInput`](crate::ErrorKind::InvalidInput) for a needle with a newline before its end, which no line can
    /// have; and [`Fault`](crate::ErrorKind::Fault) where bytes are missing, after the lines before them. It ends after an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Needles};
    ///
    /// let map = MmapOptions::new().len(24).map_anonymous()?;
    /// map.write_all_at(b"all well\nERROR 5\nthe end", 0)?;
    /// let needles = Needles::new(["ERROR", "FATAL"])?;
    /// let mut lines = map.lines_containing(&needles, ..);
    /// assert_eq!(lines.next_line()?, Some(&b"ERROR 5\n"[..]));
    /// assert_eq!((lines.range(), lines.number()?), (9..17, 2));
    /// assert_eq!(lines.next_line()?, None);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn lines_containing<'a>(&'a self, needles: &'a Needles, range: impl RangeBounds<usize>) -> LineSearch<'a> {
        self.line_search(NeedlesRef::Lent(needles), range, false)
    }

    /// As [`lines_containing`](Self::lines_containing), from the last line to the first.
    ///
    /// # Errors
    ///
    /// As [`lines_containing`](Self::lines_containing); where bytes are missing, after the lines that follow them.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Needles};
    ///
    /// let map = MmapOptions::new().len(15).map_anonymous()?;
    /// map.write_all_at(b"up 1\ndown\nup 2\n", 0)?;
    /// let needles = Needles::new(["up"])?;
    /// let lines: Vec<_> = map.rlines_containing(&needles, ..).collect::<Result<_, _>>()?;
    /// assert_eq!(lines, [b"up 2\n", b"up 1\n"]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn rlines_containing<'a>(&'a self, needles: &'a Needles, range: impl RangeBounds<usize>) -> LineSearch<'a> {
        self.line_search(NeedlesRef::Lent(needles), range, true)
    }

    /// Returns an iterator over the lines of `range` from the last one to the first, each with its newline; the last one of the range
    /// may have none.
    ///
    /// # Errors
    ///
    /// As [`lines`](Self::lines); where bytes are missing, after the lines that follow them.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(14).map_anonymous()?;
    /// map.write_all_at(b"one\ntwo\nthree\n", 0)?;
    /// let tail: Vec<_> = map.rlines(..).take(2).collect::<Result<_, _>>()?;
    /// assert_eq!(tail, [&b"three\n"[..], b"two\n"]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn rlines(&self, range: impl RangeBounds<usize>) -> LineSearch<'_> {
        self.line_search(NeedlesRef::Owned(Needles::everywhere()), range, true)
    }

    fn line_search<'a>(
        &'a self,
        needles: NeedlesRef<'a>,
        range: impl RangeBounds<usize>,
        reverse: bool,
    ) -> LineSearch<'a> {
        let span = self.readable("lines", range).and_then(|span| needles.get().check_lines().map(|()| span));
        let (span, refused) = match span {
            Ok(span) => (span, None),
            Err(error) => (Span { start: 0, len: 0 }, Some(error)),
        };
        let cursor = LineCursor::new(span.start..span.end(), reverse);
        LineSearch { map: self, needles, cursor, range: span.start..span.start, refused, ended: false }
    }
}

#[doc(hidden)]
impl Needles {
    /// One empty needle, which every line has.
    #[must_use]
    pub fn every_line() -> Self {
        Self::everywhere()
    }

    /// Refuses needles that no line can have.
    pub fn check_for_lines(&self) -> Result<()> {
        self.check_lines()
    }
}

/// The caller's needles, or the one that every line has.
enum NeedlesRef<'a> {
    Lent(&'a Needles),
    Owned(Needles),
}

impl NeedlesRef<'_> {
    fn get(&self) -> &Needles {
        match self {
            Self::Lent(needles) => needles,
            Self::Owned(needles) => needles,
        }
    }
}

/// An iterator over lines, returned by [`Mmap::lines_containing`], [`Mmap::rlines_containing`] and [`Mmap::rlines`].
///
/// As an [`Iterator`] it yields each line as a `Vec`; [`next_line`](Self::next_line) lends it, without an allocation.
///
/// # Examples
///
/// See [`Mmap::lines_containing`].
#[must_use = "lines are searched when they are asked for"]
pub struct LineSearch<'a> {
    map: &'a Mmap,
    needles: NeedlesRef<'a>,
    cursor: LineCursor,
    /// The line that was yielded last.
    range: Range<usize>,
    /// The error in place of all lines.
    refused: Option<Error>,
    ended: bool,
}

impl LineSearch<'_> {
    /// Returns the next line, lent until the next call; `None` at the end and after an error.
    ///
    /// # Errors
    ///
    /// As [`Mmap::lines_containing`] says.
    ///
    /// # Examples
    ///
    /// See [`Mmap::lines_containing`].
    #[inline]
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        if self.cursor.line().is_none() && !self.advance()? {
            return Ok(None);
        }
        let line = self.cursor.take_line();
        Ok(line.map(|(start, line)| {
            self.range = start..start + line.len();
            line
        }))
    }

    /// Finds the next lines, and returns whether there are any.
    #[inline(never)]
    fn advance(&mut self) -> Result<bool> {
        if let Some(error) = self.refused.take() {
            self.ended = true;
            return Err(error);
        }
        while !self.ended {
            match self.cursor.step(self.map, self.needles.get(), usize::MAX, true) {
                Ok(LineStep::Found) => return Ok(true),
                // Others have changed the bytes meanwhile.
                Ok(LineStep::Far) => {}
                Ok(LineStep::Cut | LineStep::Done) => self.ended = true,
                Err(error) => {
                    self.ended = true;
                    return Err(error);
                }
            }
        }
        Ok(false)
    }

    /// Returns where in the map the line is that was yielded last.
    ///
    /// # Examples
    ///
    /// See [`Mmap::lines_containing`].
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.range.clone()
    }

    /// Returns the number of the line that was yielded last: 1 for the first line of the map, also where the range begins later.
    ///
    /// The lines between it and the one whose number was asked for last are counted then.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault).
    ///
    /// # Examples
    ///
    /// See [`Mmap::lines_containing`].
    pub fn number(&mut self) -> Result<usize> {
        self.cursor.number(self.map, self.range.start)
    }
}

impl Iterator for LineSearch<'_> {
    type Item = Result<Vec<u8>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        self.next_line().map(|line| line.map(<[u8]>::to_vec)).transpose()
    }
}

impl FusedIterator for LineSearch<'_> {}

impl fmt::Debug for LineSearch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LineSearch").field("cursor", &self.cursor).finish_non_exhaustive()
    }
}
