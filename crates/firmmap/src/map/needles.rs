//! [`Needles`]: one or several byte strings to search for, and the search for the first or the last of them.

use std::fmt;

use aho_corasick::{AhoCorasick, AhoCorasickKind, Input, MatchKind};

use crate::error::{Detail, Error, Result};
use crate::map::Mmap;
use crate::map::search_windows::Windows;
use crate::memmem::{self, Direction, Finder};
use crate::range::Span;

/// The number of positions that are searched at a time for several needles, in a copy; more for long ones.
const BLOCK: usize = 32 * 1024;
/// The number of bytes of needles up to which the automaton may be of any kind.
const SMALL: usize = 8 * 1024;
/// The same for the first block of a search in reverse.
const FIRST_BLOCK: usize = 2 * 1024;
/// About the memory that an automaton takes for each byte of its needles: as a table of transitions, and otherwise; and for itself.
const ROW: usize = 1024;
const STATE: usize = 64;
const LEAST: usize = 64 * 1024;

/// One or several byte strings that are searched for together.
///
/// One needle is searched for as by [`Mmap::find`]. Several are searched for by an Aho-Corasick automaton, which is built once, here; the
/// time of a search hardly depends on their number.
///
/// # Examples
///
/// ```
/// use firmmap::{MmapOptions, Needles};
///
/// let map = MmapOptions::new().open("Cargo.toml")?;
/// let needles = Needles::new(["repository", "license"])?;
/// let lines = map.lines_containing(&needles, ..).collect::<Result<Vec<_>, _>>()?;
/// assert!(lines.iter().any(|line| line.starts_with(b"license")));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Needles {
    kind: Kind,
    /// The length of the longest needle.
    longest: usize,
    /// Whether one of them has a newline before its end, so that no line can have it.
    spans_lines: bool,
}

#[derive(Clone)]
enum Kind {
    None,
    One(Vec<u8>),
    Several(AhoCorasick),
}

impl Needles {
    /// Prepares the search for any of `needles`. Without any, nothing is found.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for an empty needle among several, which is everywhere, and for more needles
    /// than an automaton can have; [`Os`](crate::ErrorKind::Os) without memory for it.
    ///
    /// # Examples
    ///
    /// See [`Needles`].
    pub fn new<I>(needles: I) -> Result<Self>
    where
        I: IntoIterator,
        I::Item: AsRef<[u8]>,
    {
        let needles: Vec<I::Item> = needles.into_iter().collect();
        let bytes = || needles.iter().map(AsRef::as_ref);
        let longest = bytes().map(<[u8]>::len).max().unwrap_or(0);
        let kind = match &needles[..] {
            [] => Kind::None,
            [needle] => Kind::One(needle.as_ref().to_vec()),
            _ if bytes().any(<[u8]>::is_empty) => {
                return Err(Detail::InvalidInput { what: "an empty needle among several is found everywhere" }.into());
            }
            _ => {
                // A table of transitions is the fastest, and the largest.
                let total = bytes().map(<[u8]>::len).sum::<usize>();
                let kind = (total > SMALL).then_some(AhoCorasickKind::ContiguousNFA);
                // The automaton's own allocations abort where there is no memory; this one is an error.
                let size = total.saturating_mul(if kind.is_none() { ROW } else { STATE }).saturating_add(LEAST);
                let reserved = Vec::<u8>::new().try_reserve_exact(size);
                reserved.map_err(|_| Error::os("building the search", std::io::ErrorKind::OutOfMemory.into()))?;
                let mut builder = AhoCorasick::builder();
                let automaton = builder.match_kind(MatchKind::LeftmostLongest).kind(kind).build(bytes());
                Kind::Several(automaton.map_err(|_| Detail::InvalidInput { what: "too many needles to search for" })?)
            }
        };
        let spans_lines = bytes().any(|needle| needle.split_last().is_some_and(|(_, rest)| rest.contains(&b'\n')));
        Ok(Self { kind, longest, spans_lines })
    }

    /// One empty needle, which every line has.
    pub(super) fn everywhere() -> Self {
        Self { kind: Kind::One(Vec::new()), longest: 0, spans_lines: false }
    }

    /// Whether this is one empty needle.
    pub(super) fn is_everywhere(&self) -> bool {
        matches!(&self.kind, Kind::One(needle) if needle.is_empty())
    }

    /// Refuses needles that no line can have.
    pub(super) fn check_lines(&self) -> Result<()> {
        let what = "a needle has a newline before its end, so that no line can contain it";
        if self.spans_lines { Err(Detail::InvalidInput { what }.into()) } else { Ok(()) }
    }

    /// The length of the longest needle.
    pub(super) fn longest(&self) -> usize {
        self.longest
    }

    /// The first match within `span`, as start and end; `is_near` if it is expected there soon. A missing byte is an error only if no match
    /// lies before it.
    pub(super) fn first(&self, map: &Mmap, span: Span, is_near: bool) -> Result<Option<(usize, usize)>> {
        match &self.kind {
            Kind::None => Ok(None),
            Kind::One(needle) => {
                let found = map.find(needle, span.start..span.end())?;
                Ok(found.map(|start| (start, start + needle.len())))
            }
            Kind::Several(automaton) => {
                let mut bytes = Vec::new();
                for window in self.windows(span, Direction::Forward, is_near) {
                    let missing = copy(map, &mut bytes, window)?;
                    if let Some(found) = automaton.find(&bytes) {
                        return Ok(Some((window.start + found.start(), window.start + found.end())));
                    }
                    if let Some(error) = missing {
                        return Err(error);
                    }
                }
                Ok(None)
            }
        }
    }

    /// The last match within `span`. Where bytes are missing, it is an error only if no match follows them.
    pub(super) fn last(&self, map: &Mmap, span: Span) -> Result<Option<(usize, usize)>> {
        match &self.kind {
            Kind::None => Ok(None),
            Kind::One(needle) => {
                let found = last(map, span, needle)?;
                Ok(found.map(|start| (start, start + needle.len())))
            }
            Kind::Several(automaton) => {
                let mut bytes = Vec::new();
                for mut part in self.windows(span, Direction::Reverse, true) {
                    let missing = match copy(map, &mut bytes, part) {
                        Ok(None) => None,
                        Ok(Some(error)) | Err(error) => {
                            // What follows the missing page.
                            match behind_fault(map, &error, part) {
                                Some(rest) if copy(map, &mut bytes, rest)?.is_none() => part = rest,
                                _ => return Err(error),
                            }
                            Some(error)
                        }
                    };
                    if let Some(found) = automaton.find_iter(&bytes).last() {
                        return Ok(Some((part.start + found.start(), part.start + found.end())));
                    }
                    if let Some(error) = missing {
                        return Err(error);
                    }
                }
                Ok(None)
            }
        }
    }

    /// Calls `found` with start and end of each match in bytes that nobody else changes, in order, for as long as it returns true.
    pub(super) fn find_each(&self, bytes: &[u8], mut found: impl FnMut(usize, usize) -> bool) {
        match &self.kind {
            Kind::None => {}
            Kind::One(needle) => {
                let len = needle.len();
                Finder::new(needle, Direction::Forward).find_each(bytes, |start| found(start, start + len));
            }
            Kind::Several(automaton) => {
                _ = automaton.find_iter(bytes).all(|place| found(place.start(), place.end()));
            }
        }
    }

    /// The needle, if it is only one.
    pub(super) fn one(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::One(needle) => Some(needle),
            Kind::None | Kind::Several(_) => None,
        }
    }

    /// Where a match of one of several needles begins: in the first line that has any, if no needle has a newline before its end.
    pub(super) fn any_of_several(&self, bytes: &[u8], start: usize) -> Option<usize> {
        let Kind::Several(automaton) = &self.kind else { return None };
        // The first one to end: its line is not after that of the first one to begin, and longer ones do not matter.
        automaton.find(Input::new(bytes).range(start..).earliest(true)).map(|found| found.start())
    }

    /// The blocks of a range. Where a match is near, as each is copied, and in reverse searched to its end, the first one is smaller.
    pub(super) fn windows(&self, span: Span, direction: Direction, is_near: bool) -> Windows {
        let positions = BLOCK.max(self.longest.saturating_mul(3));
        let first = if is_near { FIRST_BLOCK } else { positions };
        Windows::of(span, self.longest, direction, first).growing(positions)
    }
}

impl fmt::Debug for Needles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = match &self.kind {
            Kind::None => 0,
            Kind::One(_) => 1,
            Kind::Several(automaton) => automaton.patterns_len(),
        };
        f.debug_struct("Needles").field("count", &count).field("longest", &self.longest).finish_non_exhaustive()
    }
}

/// The highest index of one needle in `span`; bytes that are missing before it do not matter.
pub(super) fn last(map: &Mmap, span: Span, needle: &[u8]) -> Result<Option<usize>> {
    let found = map.rfind(needle, span.start..span.end());
    let Err(error) = found else { return found };
    let Some(rest) = behind_fault(map, &error, span) else { return Err(error) };
    match map.rfind(needle, rest.start..rest.end()) {
        Ok(Some(index)) => Ok(Some(index)),
        _ => Err(error),
    }
}

/// The part of `span` after all of its missing pages, if `error` is about one of them. Found page by page from the end, as a
/// truncated file misses the last one too.
fn behind_fault(map: &Mmap, error: &Error, span: Span) -> Option<Span> {
    error.fault_offset()?;
    let mut start = span.end();
    while start > span.start {
        // One byte stands for its page.
        let first = page_start(map, start - 1).max(span.start);
        if map.get(first).is_err() {
            break;
        }
        start = first;
    }
    (start < span.end()).then(|| Span { start, len: span.end() - start })
}

/// Where the page begins that the byte at `index` is in, as an index; 0 for a page that begins before the map.
pub(super) fn page_start(map: &Mmap, index: usize) -> usize {
    index.saturating_sub((map.offset() as usize).wrapping_add(index) % crate::page_size())
}

/// Where that page ends.
pub(super) fn page_end(map: &Mmap, index: usize) -> usize {
    let page = crate::page_size();
    index.saturating_add(page - (map.offset() as usize).wrapping_add(index) % page)
}

/// Copies `span` into `bytes`, or as much as lies before the first missing byte, whose error is returned then. An error if that is
/// nothing.
pub(super) fn copy(map: &Mmap, bytes: &mut Vec<u8>, span: Span) -> Result<Option<Error>> {
    bytes.clear();
    map.append_present(bytes, span, |bytes| bytes.last() == Some(&0))
}

/// As [`copy`], of lines: of those that have zeros the file is asked afterwards.
pub(super) fn copy_lines(map: &Mmap, bytes: &mut Vec<u8>, span: Span) -> Result<Option<Error>> {
    bytes.clear();
    map.append_present(bytes, span, memmem::has_zero)
}
