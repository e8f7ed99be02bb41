//! [`Mmap::split`]: a range cut into ranges of whole records.

use std::fmt;
use std::ops::{Range, RangeBounds};

use crate::error::{Detail, Result};
use crate::map::Mmap;
use crate::range::Span;

/// How many ranges [`Mmap::split`] makes.
///
/// # Examples
///
/// See [`Mmap::split`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parts {
    /// At most so many, about equal in length.
    Count(usize),
    /// As many as are needed for ranges of about so many bytes.
    Size(usize),
}

/// Where records end, for [`Mmap::split`].
///
/// # Examples
///
/// See [`Mmap::split`].
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Boundary<'a> {
    /// After these bytes: `b"\n"` for lines. Where they can overlap themselves, as in a run of newlines that `b"\n\n"` divides, they are
    /// those that [`Mmap::find_iter`] yields from the start of the range on.
    Bytes(&'a [u8]),
    /// After so many bytes, and so many again.
    Record(usize),
    /// Where the function says: given the map and a goal, it returns the first end of a record at the goal or after it; the end of the
    /// range if there is none.
    With(&'a dyn Fn(&Mmap, usize) -> Result<usize>),
}

impl fmt::Debug for Boundary<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => f.debug_tuple("Bytes").field(bytes).finish(),
            Self::Record(len) => f.debug_tuple("Record").field(len).finish(),
            Self::With(_) => f.write_str("With(..)"),
        }
    }
}

impl Mmap {
    /// Cuts `range` into ranges of whole records, for instance one for each thread.
    ///
    /// Each record is in exactly one of them; together they are `range`, in order, and none is empty. A record that is longer than a
    /// part is not cut: there are fewer ranges then. Each cut is at the first end of a record at or after an even division, so that no
    /// more than a few records are looked at. What cannot be told there cannot be a boundary: newlines inside the quotes of CSV look
    /// like those between its records.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange); [`InvalidInput`](crate::ErrorKind::InvalidInput) for zero parts, parts or records
    /// of zero bytes, a boundary of none, a range that is no whole number of records, or a function that does not return an index from
    /// the goal to the end; [`Fault`](crate::ErrorKind::Fault); what the function returns.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Boundary, MmapOptions, Parts};
    ///
    /// let map = MmapOptions::new().open("Cargo.toml")?;
    /// let parts = map.split(.., Parts::Count(4), Boundary::Bytes(b"\n"))?;
    /// let lines: usize = std::thread::scope(|scope| {
    ///     let count = |part| scope.spawn(|| map.count(b"\n", part));
    ///     let threads: Vec<_> = parts.into_iter().map(count).collect();
    ///     threads.into_iter().map(|thread| thread.join().unwrap()).sum::<Result<_, _>>()
    /// })?;
    /// assert_eq!(lines, map.count(b"\n", ..)?);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn split(
        &self,
        range: impl RangeBounds<usize>,
        parts: Parts,
        boundary: Boundary<'_>,
    ) -> Result<Vec<Range<usize>>> {
        let span = self.readable("split", range)?;
        let invalid = |what| Err(Detail::InvalidInput { what }.into());
        let count = match parts {
            Parts::Count(0) => return invalid("a map is split into at least 1 part"),
            Parts::Size(0) => return invalid("a part has at least 1 byte"),
            Parts::Count(count) => count,
            Parts::Size(size) => span.len.div_ceil(size),
        };
        match boundary {
            Boundary::Bytes([]) => return invalid("the boundary of records is empty"),
            Boundary::Record(0) => return invalid("a record has at least 1 byte"),
            Boundary::Record(size) if span.len % size != 0 => {
                return Err(Detail::PartialValue { operation: "split", len: span.len, size }.into());
            }
            _ => {}
        }
        self.check()?;
        let count = count.min(span.len);
        let mut ranges = Vec::new();
        let mut last = span.start;
        for part in 1..count {
            // Less than the length, which is a usize.
            let goal = span.start + (span.len as u128 * part as u128 / count as u128) as usize;
            if goal <= last {
                // In a record that is longer than a part.
                continue;
            }
            let cut = match boundary {
                Boundary::Bytes(bytes) => self.end_of_boundary(span, bytes, goal)?,
                Boundary::Record(size) => span.start + (goal - span.start).div_ceil(size) * size,
                Boundary::With(find) => find(self, goal)?,
            };
            if cut < goal || cut > span.end() {
                return Err(Detail::WrongCut { cut, goal, end: span.end() }.into());
            }
            if cut == span.end() {
                break;
            }
            ranges.push(last..cut);
            last = cut;
        }
        if last < span.end() {
            ranges.push(last..span.end());
        }
        Ok(ranges)
    }

    /// Where the first occurrence of `boundary` ends that ends at `goal` or after it, of those that a search from the start of `range` on
    /// yields; the end of the range if there is none.
    #[doc(hidden)]
    pub fn boundary_end(&self, boundary: &[u8], range: impl RangeBounds<usize>, goal: usize) -> Result<usize> {
        let span = self.readable("split", range)?;
        self.end_of_boundary(span, boundary, goal)
    }

    fn end_of_boundary(&self, span: Span, boundary: &[u8], goal: usize) -> Result<usize> {
        let len = boundary.len();
        if goal > span.end() {
            return Ok(span.end());
        }
        let from = match goal.checked_sub(len) {
            Some(from) if from > span.start => from,
            _ => span.start,
        };
        if !overlaps_itself(boundary) {
            let found = self.find(boundary, from..span.end())?;
            return Ok(found.map_or(span.end(), |index| index + len));
        }
        let from = self.undivided(span, boundary, from)?;
        for found in self.find_iter(boundary, from..span.end()) {
            let end = found? + len;
            if end >= goal {
                return Ok(end);
            }
        }
        Ok(span.end())
    }

    /// An index at or before `from` that no occurrence of `boundary` crosses: a search from there on yields what one from the start of the
    /// span yields after it.
    fn undivided(&self, span: Span, boundary: &[u8], from: usize) -> Result<usize> {
        /// How many occurrences that overlap each other are followed back.
        const STEPS: usize = 64;
        let reach = boundary.len() - 1;
        let mut distance = 0usize;
        loop {
            let mut index = from.saturating_sub(distance).max(span.start);
            for _ in 0..STEPS {
                let start = index.saturating_sub(reach).max(span.start);
                let end = index.saturating_add(reach).min(span.end());
                match self.find(boundary, start..end)? {
                    Some(found) if found < index => index = found,
                    _ => return Ok(index),
                }
            }
            // A long run: it ends somewhere, at the latest at the start of the span.
            distance = (distance * 4).max(4096);
        }
    }
}

/// Whether two occurrences can overlap: whether a beginning is also an end. By the failure function of Knuth, Morris and Pratt.
fn overlaps_itself(bytes: &[u8]) -> bool {
    let mut failure = vec![0; bytes.len()];
    let mut len = 0;
    for index in 1..bytes.len() {
        while len > 0 && bytes[index] != bytes[len] {
            len = failure[len - 1];
        }
        len += usize::from(bytes[index] == bytes[len]);
        failure[index] = len;
    }
    len > 0
}
