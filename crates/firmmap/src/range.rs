//! Bounds and alignment of the ranges that callers give.

use std::ops::{Bound, RangeBounds};

use crate::error::{Detail, Error, Result};

/// A range that was checked against the length of a map: `start + len` does not overflow and is inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub start: usize,
    pub len: usize,
}

impl Span {
    pub(crate) fn end(self) -> usize {
        self.start + self.len
    }

    /// The same range, extended to start at a multiple of `alignment`, a power of two. An empty range stays empty.
    pub(crate) fn align_start(self, alignment: usize) -> Self {
        let start = self.start & !(alignment - 1);
        Self { start, len: if self.len == 0 { 0 } else { self.end() - start } }
    }

    /// The same range, `distance` bytes further on.
    pub(crate) fn shift(self, distance: usize) -> Self {
        Self { start: self.start + distance, len: self.len }
    }
}

/// The span of `bounds` in a map of `map_len` bytes, or [`OutOfRange`](crate::ErrorKind::OutOfRange).
#[inline]
pub(crate) fn checked(operation: &'static str, bounds: impl RangeBounds<usize>, map_len: usize) -> Result<Span> {
    let start = match bounds.start_bound() {
        Bound::Included(&start) => Some(start),
        Bound::Excluded(&start) => start.checked_add(1),
        Bound::Unbounded => Some(0),
    };
    let end = match bounds.end_bound() {
        Bound::Included(&end) => end.checked_add(1),
        Bound::Excluded(&end) => Some(end),
        Bound::Unbounded => Some(map_len),
    };
    match (start, end) {
        (Some(start), Some(end)) if start <= end && end <= map_len => Ok(Span { start, len: end - start }),
        _ => Err(out_of_range(operation, start.unwrap_or(usize::MAX), end.or(Some(usize::MAX)), map_len)),
    }
}

/// The span of `len` bytes from `start` in a map of `map_len` bytes, or `OutOfRange`.
#[inline]
pub(crate) fn checked_len(operation: &'static str, start: usize, len: usize, map_len: usize) -> Result<Span> {
    match start.checked_add(len) {
        Some(end) if end <= map_len => Ok(Span { start, len }),
        end => Err(out_of_range(operation, start, end.or(Some(usize::MAX)), map_len)),
    }
}

/// The span of the one byte at `index`, or `OutOfRange`.
#[inline]
pub(crate) fn checked_index(operation: &'static str, index: usize, map_len: usize) -> Result<Span> {
    if index < map_len { Ok(Span { start: index, len: 1 }) } else { Err(no_such_index(operation, index, map_len)) }
}

/// The error for an index past the end.
#[cold]
#[inline(never)]
pub(crate) fn no_such_index(operation: &'static str, index: usize, map_len: usize) -> Error {
    out_of_range(operation, index, None, map_len)
}

/// The error for `len` bytes from `start`, of which not all are there.
#[cold]
#[inline(never)]
pub(crate) fn outside(operation: &'static str, start: usize, len: usize, map_len: usize) -> Error {
    out_of_range(operation, start, Some(start.saturating_add(len)), map_len)
}

/// The part of `len` bytes from `start` that lies in a map of `map_len` bytes: the span of a read or write that may be short.
#[inline]
pub(crate) fn clipped(start: usize, len: usize, map_len: usize) -> Span {
    let start = start.min(map_len);
    Span { start, len: len.min(map_len - start) }
}

/// `value` rounded up to a multiple of `alignment`, a power of two; `None` if that is not addressable.
#[cfg(any(unix, test))]
pub(crate) fn round_up(value: usize, alignment: usize) -> Option<usize> {
    value.checked_add(alignment - 1).map(|sum| sum & !(alignment - 1))
}

/// Splits a file offset into what the system accepts, a multiple of `alignment` (a power of two), and the remainder.
fn split_offset(offset: u64, alignment: usize) -> (u64, usize) {
    let rest = offset & (alignment as u64 - 1);
    // `rest` is less than `alignment`, a usize.
    (offset - rest, rest as usize)
}

/// For a map of `len` bytes at `offset`: the offset that the system accepts, a multiple of `alignment`; the number of bytes before
/// the map's first; and the length with them.
pub(crate) fn aligned(offset: u64, len: usize, alignment: usize) -> Result<(u64, usize, usize)> {
    let (aligned, start) = split_offset(offset, alignment);
    let total = len.checked_add(start).filter(|&total| total <= isize::MAX as usize);
    Ok((aligned, start, total.ok_or_else(|| too_large("the length", len as u64))?))
}

/// The error for a length or offset that cannot be addressed.
pub(crate) fn too_large(what: &'static str, value: u64) -> Error {
    Detail::TooLarge { what, value, limit: isize::MAX as u64 }.into()
}

#[cold]
#[inline(never)]
fn out_of_range(operation: &'static str, start: usize, end: Option<usize>, len: usize) -> Error {
    Detail::OutOfRange { operation, start, end, len }.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_bound() {
        let len = 10;
        let span = |start, len| Some(Span { start, len });
        let go = |bounds: (Bound<usize>, Bound<usize>)| checked("test", bounds, len).ok();
        use Bound::{Excluded, Included, Unbounded};
        for (bounds, want) in [
            ((Unbounded, Unbounded), span(0, 10)),
            ((Included(3), Excluded(5)), span(3, 2)),
            ((Excluded(3), Included(5)), span(4, 2)),
            ((Included(10), Unbounded), span(10, 0)),
            ((Included(0), Excluded(10)), span(0, 10)),
            ((Included(0), Included(9)), span(0, 10)),
            ((Included(0), Included(10)), None),
            ((Included(11), Unbounded), None),
            ((Included(5), Excluded(4)), None),
            ((Excluded(usize::MAX), Unbounded), None),
            ((Unbounded, Included(usize::MAX)), None),
        ] {
            assert_eq!(go(bounds), want, "{bounds:?}");
        }
    }

    #[test]
    fn lengths_do_not_overflow() {
        assert!(checked_len("test", usize::MAX, 1, 10).is_err());
        assert!(checked_len("test", 1, usize::MAX, 10).is_err());
        assert_eq!(checked_len("test", 10, 0, 10).unwrap(), Span { start: 10, len: 0 });
        assert_eq!(clipped(usize::MAX, usize::MAX, 10), Span { start: 10, len: 0 });
        assert_eq!(clipped(4, 100, 10), Span { start: 4, len: 6 });
        assert_eq!(round_up(usize::MAX, 4096), None);
        assert_eq!(round_up(4097, 4096), Some(8192));
    }

    #[test]
    fn offsets_split_at_the_alignment() {
        assert_eq!(split_offset(0, 4096), (0, 0));
        assert_eq!(split_offset(4095, 4096), (0, 4095));
        assert_eq!(split_offset((1 << 40) + 5, 65536), (1 << 40, 5));
        assert_eq!(Span { start: 4100, len: 10 }.align_start(4096), Span { start: 4096, len: 14 });
        assert_eq!(Span { start: 4100, len: 0 }.align_start(4096), Span { start: 4096, len: 0 });
    }
}
