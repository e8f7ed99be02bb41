//! [`Residency`]: which pages of a map are in memory.

use std::fmt;
use std::ops::{Range, RangeBounds};

use crate::error::{Detail, Error, Result};
use crate::map::Mmap;
use crate::range::{self, Span};
use crate::sys;

/// The number of columns of a picture.
const COLUMNS: usize = 64;
/// The number of runs that the debugging output names.
const RUNS: usize = 8;
/// From empty to full.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

impl Mmap {
    /// Returns which pages of `range`, extended to whole pages, are in memory now, so that touching them does not wait for a disk.
    ///
    /// For a file these are the pages in the system's cache, whoever has read them. It is a snapshot: others read files too, and the
    /// system reclaims pages when it needs memory.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange); [`Unsupported`](crate::ErrorKind::Unsupported) on some systems;
    /// [`Os`](crate::ErrorKind::Os).
    ///
    /// # Platform-specific behavior
    ///
    /// mincore(2). Linux answers for files that the process may write to or that its user owns, and reports all pages of others as
    /// present. OpenBSD and Windows are not supported.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("LICENSE-MIT")?;
    /// map.get(0)?;
    /// # #[cfg(target_os = "linux")] {
    /// let residency = map.residency(..)?;
    /// assert_eq!((residency.resident(), residency.total()), (1, 1));
    /// assert_eq!(residency.runs(), [0..map.len()]);
    /// assert_eq!(residency.to_string(), "|████████████████████████████████████████████████████████████████| 1 of 1 pages");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn residency(&self, range: impl RangeBounds<usize>) -> Result<Residency> {
        let span = range::checked("residency", range, self.len())?;
        self.region.check()?;
        let page = sys::page_size();
        let mut residency = Residency { span, page, resident: 0, total: 0, runs: Vec::new() };
        // Only a part of the first and the last page belongs to the range.
        let clipped = |start: isize| span.start.max(start.max(0) as usize).min(span.end());
        let mut has_memory = true;
        let result = self.region.residency(span, |start, pages| {
            let mut place = start;
            for pages in pages.chunk_by(|one, other| one & 1 == other & 1) {
                let next = place + (pages.len() * page) as isize;
                residency.total += pages.len();
                if pages[0] & 1 == 1 {
                    residency.resident += pages.len();
                    let (begin, end) = (clipped(place), clipped(next));
                    has_memory &= residency.runs.try_reserve(1).is_ok();
                    match residency.runs.last_mut() {
                        Some(last) if last.end == begin => last.end = end,
                        _ if has_memory => residency.runs.push(begin..end),
                        _ => {}
                    }
                }
                place = next;
            }
        });
        match result {
            Ok(()) if has_memory => Ok(residency),
            Ok(()) => Err(Error::os("listing the pages", std::io::ErrorKind::OutOfMemory.into())),
            Err(error) if error.kind() == std::io::ErrorKind::Unsupported => {
                Err(Detail::Unsupported { what: "asking which pages are in memory" }.into())
            }
            Err(error) => Err(Error::os("asking which pages are in memory", error)),
        }
    }
}

/// Which pages of a map are in memory, as found by [`Mmap::residency`].
///
/// `Display` draws the range as one line of blocks, the higher the more of it is in memory; `{:.32}` limits it to 32 columns.
/// `Debug` is one line as well.
///
/// # Examples
///
/// ```
/// # #[cfg(target_os = "linux")] {
/// use firmmap::MmapOptions;
/// let page = firmmap::page_size();
/// let map = MmapOptions::new().len(4 * page).map_anonymous()?;
/// map.set(0, 1)?;
/// map.set(3 * page, 1)?;
/// let residency = map.residency(..)?;
/// assert_eq!(residency.runs(), [0..page, 3 * page..4 * page]);
/// assert_eq!(format!("{residency:.4}"), "|█  █| 2 of 4 pages");
/// # }
/// # Ok::<(), firmmap::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Residency {
    span: Span,
    page: usize,
    resident: usize,
    total: usize,
    runs: Vec<Range<usize>>,
}

impl Residency {
    /// The number of pages in memory.
    ///
    /// # Examples
    ///
    /// See [`Residency`], here and below.
    #[must_use]
    pub fn resident(&self) -> usize {
        self.resident
    }

    /// The number of pages in the range.
    ///
    /// # Examples
    ///
    /// See [`Residency`].
    #[must_use]
    pub fn total(&self) -> usize {
        self.total
    }

    /// The size of a page, in bytes.
    ///
    /// # Examples
    ///
    /// See [`Residency`].
    #[must_use]
    pub fn page_size(&self) -> usize {
        self.page
    }

    /// The range that was asked about, as indices into the map.
    ///
    /// # Examples
    ///
    /// See [`Residency`].
    #[must_use]
    pub fn range(&self) -> Range<usize> {
        self.span.start..self.span.end()
    }

    /// The ranges in memory, in order, as indices into the map.
    ///
    /// # Examples
    ///
    /// See [`Residency`].
    #[must_use]
    pub fn runs(&self) -> &[Range<usize>] {
        &self.runs
    }

    /// The heights of the blocks of a picture with so many columns, from 0 to 8. Only an empty column is 0, and only a full one 8.
    fn heights(&self, columns: usize) -> Vec<usize> {
        let mut runs = self.runs.iter().peekable();
        let edge =
            |column: usize| self.span.start + (self.span.len as u128 * column as u128 / columns as u128) as usize;
        let mut heights = Vec::with_capacity(columns);
        for column in 0..columns {
            let (start, end) = (edge(column), edge(column + 1));
            let mut bytes = 0;
            while let Some(run) = runs.peek() {
                bytes += run.end.min(end).saturating_sub(run.start.max(start));
                if run.end > end {
                    break;
                }
                runs.next();
            }
            let full = BLOCKS.len() - 1;
            heights.push(match bytes {
                0 => 0,
                bytes if bytes == end - start => full,
                bytes => ((bytes as u128 * full as u128 / (end - start) as u128) as usize).clamp(1, full - 1),
            });
        }
        heights
    }
}

impl fmt::Display for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = f.precision().unwrap_or(COLUMNS).min(self.span.len);
        let picture: String = self.heights(columns).into_iter().map(|height| BLOCKS[height]).collect();
        write!(f, "|{picture}| {} of {} pages", self.resident, self.total)
    }
}

impl fmt::Debug for Residency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { resident, total, page, runs, .. } = self;
        write!(f, "Residency {{ resident: {resident}, total: {total}, page_size: {page}, runs: [")?;
        for (index, run) in runs.iter().take(RUNS).enumerate() {
            write!(f, "{}{run:?}", if index == 0 { "" } else { ", " })?;
        }
        match runs.len().saturating_sub(RUNS) {
            0 => f.write_str("] }"),
            more => write!(f, ", … {more} more] }}"),
        }
    }
}
