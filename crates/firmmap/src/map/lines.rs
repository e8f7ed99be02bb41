//! [`Lines`]: the lines of a map.

use std::fmt;
use std::iter::FusedIterator;
use std::ops::{Range, RangeBounds};

use crate::error::{Error, Result};
use crate::fault::Fault;
use crate::map::Mmap;
use crate::map::line_cursor::no_memory_for_lines;
use crate::memmem::{self, has_zero};
use crate::range::{self, Span};

/// The number of bytes that are copied out of the map at a time: few enough for the first-level cache.
const BLOCK: usize = 16 * 1024;
/// About how many line ends are found at a time: a search of its own for each line would cost its setup every time.
const ENDS: usize = 512;

impl Mmap {
    /// Returns an iterator over the lines of `range`, each with its newline; the last one may have none.
    ///
    /// Lines are read ahead by up to 16 KiB, as through a buffered reader: a change to the map or to its file may be missed in the
    /// lines that were read ahead. A range without an end reaches to the present end of the map.
    ///
    /// With [`BufRead`](std::io::BufRead) in scope, write `Mmap::lines(&file, ..)` for a [`MappedFile`](crate::MappedFile): the
    /// trait has a method of the same name.
    ///
    /// # Errors
    ///
    /// The iterator yields [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map
    /// that cannot be read, and [`Fault`](crate::ErrorKind::Fault) where bytes of a line are missing, after the lines before it. It
    /// ends after an error; to continue once the bytes are back, ask for the lines from [`position`](Lines::position) on.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(8).map_anonymous()?;
    /// map.write_all_at(b"one\ntwo.", 0)?;
    /// let lines: Vec<_> = map.lines(..).collect::<Result<_, _>>()?;
    /// assert_eq!(lines, [b"one\n", b"two."]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn lines(&self, range: impl RangeBounds<usize>) -> Lines<'_> {
        let span = self.readable("lines", range);
        let (span, refused) = match span {
            Ok(span) => (span, None),
            Err(error) => (Span { start: 0, len: 0 }, Some(error)),
        };
        Lines {
            map: self,
            position: span.start,
            end: span.end(),
            buffer: Vec::new(),
            used: 0,
            ends: Vec::new(),
            given: 0,
            scanned: 0,
            fault: None,
            refused,
        }
    }
}

impl Mmap {
    /// Where the line is that the byte at `index` belongs to, with its newline if it has one: from a match to its line.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read,
    /// [`Fault`](crate::ErrorKind::Fault).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(14).map_anonymous()?;
    /// map.write_all_at(b"one\ntwo\nthree.", 0)?;
    /// let index = map.find(b"wo", ..)?.expect("it is there");
    /// assert_eq!(map.to_vec(map.line_at(index)?)?, b"two\n");
    /// assert_eq!(map.line_at(13)?, 8..14);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn line_at(&self, index: usize) -> Result<Range<usize>> {
        if index >= self.len() {
            return Err(range::no_such_index("line", index, self.len()));
        }
        let start = self.rfind(b"\n", ..index)?.map_or(0, |newline| newline + 1);
        Ok(start..self.line_end_from(index)?)
    }

    /// Where the line ends that goes on at `index`, which is in the map or its end: after its newline, or at the end of the map.
    pub(crate) fn line_end_from(&self, index: usize) -> Result<usize> {
        // A match is often near the end of its line, and a line is often short.
        let end = self.len();
        Ok(self.find_byte(b'\n', index..end)?.map_or(end, |newline| newline + 1))
    }
}

/// An iterator over the lines of a map, returned by [`Mmap::lines`].
///
/// As an [`Iterator`] it yields each line as a `Vec`; [`next_line`](Self::next_line) lends it, without an allocation.
///
/// # Examples
///
/// ```
/// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
/// let mut lines = map.lines(..);
/// let mut longest = 0;
/// while let Some(line) = lines.next_line()? {
///     longest = longest.max(line.len());
/// }
/// assert!(longest > "[package]\n".len());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use = "lines are read when they are asked for"]
pub struct Lines<'a> {
    map: &'a Mmap,
    /// The index in the map at which the next line starts.
    position: usize,
    end: usize,
    /// Bytes of the map. From `used` on they are those at `position`.
    buffer: Vec<u8>,
    used: usize,
    /// Where lines end in the buffer, of which those before `given` were yielded.
    ends: Vec<usize>,
    given: usize,
    /// The number of bytes of the buffer that were searched for line ends.
    scanned: usize,
    /// The fault that follows the bytes in the buffer, if one is known.
    fault: Option<Fault>,
    /// The error in place of all lines.
    refused: Option<Error>,
}

impl Lines<'_> {
    /// Returns the index in the map at which the next line starts.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("LICENSE-MIT")?;
    /// let mut lines = map.lines(..);
    /// assert_eq!(lines.next_line()?, Some(&b"MIT License\n"[..]));
    /// assert_eq!(lines.position(), 12);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Returns the next line, lent until the next call; `None` at the end and after an error.
    ///
    /// # Errors
    ///
    /// As [`Mmap::lines`] says.
    ///
    /// # Examples
    ///
    /// See [`Lines`].
    #[inline]
    pub fn next_line(&mut self) -> Result<Option<&[u8]>> {
        let line = self.advance()?;
        Ok(line.map(|line| &self.buffer[line]))
    }

    /// Finds the next line in the buffer, and takes it.
    #[inline]
    fn advance(&mut self) -> Result<Option<Range<usize>>> {
        let Some(&end) = self.ends.get(self.given) else {
            return self.search_on().inspect_err(|_| self.end = self.position);
        };
        self.given += 1;
        Ok(Some(self.give(end)))
    }

    /// [`advance`](Self::advance) where no line end is known yet. After an error the buffer is empty.
    fn search_on(&mut self) -> Result<Option<Range<usize>>> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        loop {
            if self.scanned < self.buffer.len() {
                self.find_ends()?;
                if !self.ends.is_empty() {
                    return self.advance();
                }
            }
            let unread = self.position + (self.buffer.len() - self.used);
            if unread == self.end {
                let rest = self.buffer.len();
                return Ok((rest > self.used).then(|| self.give(rest)));
            }
            self.fill(unread)?;
        }
    }

    /// Finds the next line ends.
    fn find_ends(&mut self) -> Result<()> {
        self.ends.clear();
        self.given = 0;
        let start = self.scanned;
        let searched = memmem::collect_lines(&self.buffer[start..], &mut self.ends, ENDS, |end| start + end);
        self.scanned += searched.map_err(|_| no_memory_for_lines()).inspect_err(|_| self.forget())?;
        Ok(())
    }

    /// Takes the bytes of the buffer up to `end`.
    #[inline]
    fn give(&mut self, end: usize) -> Range<usize> {
        let start = std::mem::replace(&mut self.used, end);
        self.position += end - start;
        start..end
    }

    /// Empties the buffer.
    fn forget(&mut self) {
        self.buffer.clear();
        self.ends.clear();
        self.scanned = 0;
    }

    /// Reads more bytes, those from `unread` on, and appends them to the rest of the buffer.
    fn fill(&mut self, unread: usize) -> Result<()> {
        self.buffer.drain(..self.used);
        self.used = 0;
        // All of it was searched, and all line ends were yielded.
        self.scanned = self.buffer.len();
        if let Some(fault) = self.fault.take() {
            // The part of the line that was read is dropped: before a missing page there can be zeros that are not the file's.
            self.forget();
            return Err(fault.into());
        }
        // The steps grow with a line that is longer than a block.
        let len = BLOCK.max(self.buffer.len()).min(self.end - unread);
        let read = self.map.append_present(&mut self.buffer, Span { start: unread, len }, has_zero);
        let missing = read.inspect_err(|_| self.forget())?;
        self.fault = missing.and_then(|error| error.fault_offset()).map(|offset| Fault { offset });
        Ok(())
    }
}

impl Iterator for Lines<'_> {
    type Item = Result<Vec<u8>>;

    #[inline]
    fn next(&mut self) -> Option<Result<Vec<u8>>> {
        self.next_line().map(|line| line.map(<[u8]>::to_vec)).transpose()
    }
}

impl FusedIterator for Lines<'_> {}

impl fmt::Debug for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lines").field("position", &self.position).field("end", &self.end).finish_non_exhaustive()
    }
}
