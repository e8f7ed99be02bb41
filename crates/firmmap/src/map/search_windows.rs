//! [`Windows`]: the parts of a range that are searched one after another, and what of it is left after each.
//!
//! A match across the border of two of them must be whole in one: so each is longer than the positions at which a match is looked
//! for in it, by the rest of the longest needle.

use std::ops::Range;

use crate::memmem::Direction;
use crate::range::Span;
use crate::region::STRIDE;

/// The number of positions in the first window: few, because the finder adapts between windows, and matches are often near.
const FIRST_WINDOW: usize = 8 * 1024;

/// The first position that is not searched where all of the bytes before `end` were: a longer needle could begin there.
#[inline]
pub(super) fn after(end: usize, needle_len: usize) -> usize {
    end.saturating_sub(needle_len.saturating_sub(1))
}

/// The same for a reverse search that has come down to `start`: the end of what is left.
#[inline]
pub(super) fn before(start: usize, needle_len: usize) -> usize {
    start + needle_len.saturating_sub(1)
}

/// The windows of a range that are searched one after another: each has a number of positions at which the needle could start, and
/// after the last of them the rest of the needle's length.
pub(super) struct Windows {
    /// The rest of the range.
    start: usize,
    end: usize,
    /// The length of the needle.
    needle_len: usize,
    /// The largest number of positions in the next window, and in those after it.
    positions: usize,
    later_positions: usize,
    direction: Direction,
}

impl Windows {
    /// Windows for a search in place.
    #[inline]
    pub(super) fn new(span: Span, needle_len: usize, direction: Direction) -> Self {
        // The needle fits in.
        let (start, end) = (span.start, span.end());
        Self { start, end, needle_len, positions: FIRST_WINDOW, later_positions: STRIDE, direction }
    }

    /// Windows of so many positions. Of several needles, `needle_len` is the length of the longest one.
    #[inline]
    pub(super) fn of(span: Span, needle_len: usize, direction: Direction, positions: usize) -> Self {
        // Where the longest one does not fit in, a shorter one may.
        let needle_len = needle_len.min(span.len);
        Self { start: span.start, end: span.end(), needle_len, positions, later_positions: positions, direction }
    }

    /// The same with more positions in all windows but the first.
    #[inline]
    pub(super) fn growing(self, later_positions: usize) -> Self {
        Self { later_positions, ..self }
    }

    /// Skips positions before `start`, for windows that go forward.
    #[inline]
    pub(super) fn skip_to(&mut self, start: usize) {
        self.start = self.start.max(start);
    }
}

impl Iterator for Windows {
    type Item = Span;

    #[inline]
    fn next(&mut self) -> Option<Span> {
        let left = after(self.end, self.needle_len).saturating_sub(self.start);
        if left == 0 {
            return None;
        }
        // What is searched twice must not be the longer part.
        let positions = left.min(self.positions.max(self.needle_len));
        self.positions = self.later_positions;
        let len = before(positions, self.needle_len);
        let start = if self.direction == Direction::Forward { self.start } else { self.end - len };
        match self.direction {
            Direction::Forward => self.start += positions,
            Direction::Reverse => self.end -= positions,
        }
        Some(Span { start, len })
    }
}

/// Divides a range into the first window, of so many positions, and the range that is left; `None` if that is nothing. Hidden: the
/// Python package searches the second one without the GIL.
#[doc(hidden)]
#[must_use]
pub fn divide(
    range: Range<usize>,
    needle_len: usize,
    positions: usize,
    reverse: bool,
) -> (Range<usize>, Option<Range<usize>>) {
    let direction = if reverse { Direction::Reverse } else { Direction::Forward };
    let span = Span { start: range.start, len: range.len() };
    let mut windows = Windows::of(span, needle_len, direction, positions);
    let Some(first) = windows.next() else { return (range, None) };
    let rest = windows.start..windows.end;
    (first.start..first.end(), (rest.len() >= needle_len.max(1)).then_some(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every position is in one window, and a needle that starts there is whole in it.
    #[test]
    fn windows_have_every_position_once() {
        let lens = [0, 1, 2, 100, FIRST_WINDOW, FIRST_WINDOW + 1, FIRST_WINDOW + STRIDE + 7, 3 * STRIDE];
        for len in lens {
            for needle_len in [1, 2, 7, FIRST_WINDOW, FIRST_WINDOW + 2, STRIDE, STRIDE + 3] {
                let span = Span { start: 11, len };
                let needle_len = needle_len.min(len).max(1);
                let end = span.end().saturating_sub(needle_len - 1).max(11);
                for windows in [Windows::new, |span, len, direction| Windows::of(span, len, direction, 1000)] {
                    let mut next = 11;
                    for window in windows(span, needle_len, Direction::Forward) {
                        assert!(window.start == next && window.end() <= span.end() && window.len >= needle_len);
                        next = after(window.end(), needle_len);
                    }
                    assert_eq!(next, end, "{len}, {needle_len}");
                    for window in windows(span, needle_len, Direction::Reverse) {
                        assert!(window.end() == before(next, needle_len) && window.start >= 11);
                        assert!(window.len >= needle_len);
                        next = window.start;
                    }
                    assert_eq!(next, 11, "{len}, {needle_len}");
                }
            }
        }
    }

    /// A range whose longest needle does not fit in is one window.
    #[test]
    fn what_is_shorter_than_the_longest_needle_is_searched() {
        let span = Span { start: 3, len: 5 };
        for direction in [Direction::Forward, Direction::Reverse] {
            let windows: Vec<Span> = Windows::of(span, 9, direction, 2).collect();
            assert_eq!(windows, [span]);
        }
    }

    #[test]
    fn two_parts_have_every_position_once() {
        for len in [0, 1, 9, 10, 11, 19, 20, 21, 100] {
            for needle_len in [0, 1, 2, 10, 30, 99, 100] {
                for reverse in [false, true] {
                    let (first, rest) = divide(7..7 + len, needle_len, 10, reverse);
                    let positions = |part: &Range<usize>| part.start..after(part.end, needle_len).max(part.start);
                    let mut all: Vec<usize> = positions(&first).collect();
                    all.extend(rest.iter().flat_map(positions));
                    all.sort_unstable();
                    assert!(all.into_iter().eq(positions(&(7..7 + len))), "{len}, {needle_len}, {reverse}");
                }
            }
        }
    }
}
