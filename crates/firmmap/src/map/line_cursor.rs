//! [`LineCursor`]: the position of a search for lines. It finds a block of lines at a time, and can be moved on by whoever has the map.
//!
//! The search finds the first needle, in place; the line around it is cut out, and the rest of its page is copied and searched for more
//! with it: so lines without a needle cost no more than the search. Where nearly every line has one, the next block is copied and searched
//! whole: so a line costs no more than one comparison beside what it costs to find its end.

use std::fmt;
use std::ops::Range;

use crate::error::{Error, Result};
use crate::map::Mmap;
use crate::map::needles::{self, Needles};
use crate::map::search_windows;
use crate::memmem::{self, Direction, Finder, LinesEnd};
use crate::processor;
use crate::range::Span;

/// The rest of a page that is no block of its own.
const SHORT: usize = 512;

/// How many bytes a block has at most, if not a page, where nearly every line has a needle: so many that it does not matter what a block costs
/// beside its lines, and about as many as the first-level cache holds.
const DENSE: usize = 32 * 1024;

/// What a step of a [`LineCursor`] has come to.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineStep {
    /// There are lines to take.
    Found,
    /// Nothing within the limit.
    Far,
    /// A line that the end of the range cuts off, while that may not be the end of the file.
    Cut,
    /// No more lines.
    Done,
}

/// The position of a search for lines, and the lines that it has found ahead. Hidden: the Python class, whose map is locked anew for each
/// step, has no use for an iterator that borrows it.
#[doc(hidden)]
#[derive(Default)]
pub struct LineCursor {
    reverse: bool,
    /// Whether a step finds one line, as what is found ahead would be dropped.
    one_by_one: bool,
    /// What is left of the range. Forward, `start` is where a line begins; in reverse, `end`.
    start: usize,
    end: usize,
    /// How far there is no needle: forward, none begins before it; in reverse, none reaches past it.
    searched: usize,
    /// A copy of the map from `base` on, and the lines in it, in the order in which they are yielded.
    bytes: Vec<u8>,
    base: usize,
    lines: Vec<Range<usize>>,
    given: usize,
    /// Where the next block is expected, as an address, when blocks are dense: it comes into the cache as lines are taken of this one.
    next_block: usize,
    /// Where the last line that was taken before those in `lines` ends, or begins in reverse.
    taken: usize,
    /// Whether most of the last block was lines with a needle: then the next one is copied without looking for the first needle in place,
    /// and both are searched for at once, needles and newlines.
    dense: bool,
    /// The column in which the last line of that block had its needle.
    column: Option<usize>,
    /// Where lines were counted last, and how many lines begin before it.
    counted: usize,
    before: usize,
}

impl LineCursor {
    /// For the lines of a range.
    #[must_use]
    pub fn new(range: Range<usize>, reverse: bool) -> Self {
        let Range { start, end } = range;
        let begin = if reverse { end } else { start };
        Self { reverse, start, end, searched: begin, taken: begin, ..Self::default() }
    }

    /// Whether to find one line at a time: for maps whose bytes change between steps.
    pub fn set_one_by_one(&mut self, one_by_one: bool) {
        self.one_by_one = one_by_one;
    }

    /// The next line that was found ahead, and where it is in the map.
    #[inline]
    #[must_use]
    pub fn line(&self) -> Option<(usize, &[u8])> {
        let line = self.lines.get(self.given)?;
        processor::prefetch(self.next_block.wrapping_add(line.start));
        Some((self.base + line.start, &self.bytes[line.clone()]))
    }

    /// Takes the line that [`line`](Self::line) shows.
    #[inline]
    pub fn pass(&mut self) {
        self.given += 1;
    }

    /// How many lines were found ahead.
    #[must_use]
    pub fn found(&self) -> usize {
        self.lines.len()
    }

    /// How many of them were taken.
    #[inline]
    #[must_use]
    pub fn given(&self) -> usize {
        self.given
    }

    /// Whether the last of the lines that were found ahead ends where the range does.
    #[must_use]
    pub fn reaches_end(&self) -> bool {
        self.lines.last().is_some_and(|line| self.base + line.end == self.end)
    }

    /// Takes the next line that was found ahead.
    #[inline]
    pub(super) fn take_line(&mut self) -> Option<(usize, &[u8])> {
        let line = self.lines.get(self.given)?.clone();
        processor::prefetch(self.next_block.wrapping_add(line.start));
        self.given += 1;
        Some((self.base + line.start, &self.bytes[line]))
    }

    /// Where the last line that was taken ends, or begins in reverse: from there an error lets the search begin again.
    fn taken(&self) -> usize {
        match self.given.checked_sub(1).and_then(|last| self.lines.get(last)) {
            Some(line) if self.reverse => self.base + line.start,
            Some(line) => self.base + line.end,
            None => self.taken,
        }
    }

    /// Drops the lines that were found ahead.
    fn clear_lines(&mut self) {
        self.taken = self.taken();
        self.lines.clear();
        self.given = 0;
    }

    /// Goes back to the last line that was taken: what was passed over since, as it had no needle, may have been missing already, and be
    /// there again.
    #[cold]
    pub fn go_back(&mut self) {
        self.clear_lines();
        *(if self.reverse { &mut self.end } else { &mut self.start }) = self.taken;
        self.searched = self.taken;
    }

    /// Takes back what was found ahead and not taken.
    pub fn forget(&mut self) {
        if let Some(line) = self.lines.get(self.given) {
            let next = if self.reverse { self.base + line.end } else { self.base + line.start };
            *(if self.reverse { &mut self.end } else { &mut self.start }) = next;
            self.searched = next;
        }
        self.clear_lines();
    }

    /// A copy of the position, without what was found ahead.
    #[must_use]
    pub fn to_search(&self) -> Self {
        let &Self { reverse, one_by_one, start, end, searched, counted, before, .. } = self;
        Self { reverse, one_by_one, start, end, searched, taken: self.taken(), counted, before, ..Self::default() }
    }

    /// Where lines were counted last, and how many begin before it.
    #[must_use]
    pub fn counted(&self) -> (usize, usize) {
        (self.counted, self.before)
    }

    /// Takes over what a copy has counted, or what was counted before.
    pub fn set_counted(&mut self, counted: (usize, usize)) {
        (self.counted, self.before) = counted;
    }

    /// What identifies the position, for whoever works on a copy.
    #[must_use]
    pub fn position(&self) -> (usize, usize, usize, usize) {
        (self.start, self.end, self.searched, self.given)
    }

    /// What was searched, or is still to be, since the last line was taken.
    #[must_use]
    pub fn untaken(&self) -> Range<usize> {
        if self.reverse { self.start.min(self.end)..self.taken() } else { self.taken()..self.end }
    }

    /// In reverse: whether all that was searched since the last line was taken has been copied, and has no zeros, so that none of it can be
    /// missing from the file.
    #[must_use]
    pub fn is_without_zeros(&self) -> bool {
        self.base + self.bytes.len() >= self.taken() && !memmem::has_zero(&self.bytes)
    }

    /// The end of what is left of the range.
    #[must_use]
    pub fn end(&self) -> usize {
        self.end
    }

    /// Changes the end of the range of a forward search, to where the file ends now.
    pub fn set_end(&mut self, end: usize) {
        self.end = end.max(self.start);
        self.searched = self.searched.min(self.end);
    }

    /// To where [`number`](Self::number) has to count in the map for the line that begins at `index`: the rest is in the copy of its page,
    /// which a file that has been cut off since does not change.
    #[must_use]
    pub fn uncounted(&self, index: usize) -> usize {
        let copied = self.base..self.base + self.bytes.len();
        if self.lines.is_empty() || !copied.contains(&index) {
            return index;
        }
        self.counted.clamp(copied.start, copied.end)
    }

    /// Counts the lines that begin before `index`, in the map.
    pub fn count_to(&mut self, map: &Mmap, index: usize) -> Result<()> {
        self.before = if index >= self.counted {
            self.before + map.count(b"\n", self.counted..index)?
        } else {
            // Others may have changed bytes since.
            self.before.saturating_sub(map.count(b"\n", index..self.counted)?)
        };
        self.counted = index;
        Ok(())
    }

    /// The number of the line that begins at `index`, from 1 on: counted from the last one that was asked for.
    pub fn number(&mut self, map: &Mmap, index: usize) -> Result<usize> {
        let border = self.uncounted(index);
        if border != self.counted {
            self.count_to(map, border)?;
        }
        if index != border {
            let between = index.min(border) - self.base..index.max(border) - self.base;
            let count = memchr::memchr_iter(b'\n', &self.bytes[between]).count();
            self.before = if index > border { self.before + count } else { self.before.saturating_sub(count) };
            self.counted = index;
        }
        Ok(self.before + 1)
    }

    /// Looks for the next lines, through no more than about `limit` bytes. After an error the search begins again after the last line that
    /// was taken.
    ///
    /// With `ends_here` false, the last line is not found before it has a newline.
    pub fn step(&mut self, map: &Mmap, needles: &Needles, limit: usize, ends_here: bool) -> Result<LineStep> {
        self.clear_lines();
        // The file may have become shorter.
        self.end = self.end.min(map.len());
        self.searched = self.searched.min(self.end);
        self.start = self.start.min(self.end);
        self.dense &= !self.one_by_one;
        let step = if self.reverse {
            self.step_back(map, needles, limit).map_err(|error| self.first_fault(map, error))
        } else {
            self.step_forward(map, needles, limit, ends_here)
        };
        match step {
            Ok(LineStep::Found) => {}
            Ok(_) => self.lines.clear(),
            Err(_) => self.go_back(),
        }
        step
    }

    /// A fault that a search from the end has met, as one at the first missing byte of what is left of the range.
    #[cold]
    fn first_fault(&self, map: &Mmap, error: Error) -> Error {
        let Some(offset) = error.fault_offset().filter(|&offset| offset < map.len()) else { return error };
        let (part, whole) = (span(offset, offset + 1), span(self.start, offset + 1));
        match map.region.search_part(part, whole, |bytes| memchr::memchr(b'\n', bytes)) {
            Err(fault) => map.first_missing(whole.start, offset, fault).into(),
            // It has come back meanwhile.
            Ok(_) => error,
        }
    }

    fn step_forward(&mut self, map: &Mmap, needles: &Needles, limit: usize, ends_here: bool) -> Result<LineStep> {
        let near = self.end.min(self.searched.saturating_add(limit));
        let is_guess = self.dense && self.searched < near;
        let found = if needles.is_everywhere() || is_guess {
            (self.searched < near).then_some((self.searched, self.searched))
        } else {
            needles.first(map, span(self.searched, near), self.one_by_one)?
        };
        let Some((first, behind)) = found else {
            if self.searched < near {
                // Zeros have no needle, and may be there in place of bytes that have.
                map.check_end_of_read(self.searched, near, map.try_get(near - 1) == Some(0))?;
            }
            self.searched = self.searched.max(search_windows::after(near, needles.longest()));
            return Ok(if near == self.end { LineStep::Done } else { LineStep::Far });
        };
        self.searched = first;
        let Some(start) = line_start(map, self.start, first, limit)? else { return Ok(LineStep::Far) };
        let block_end = if self.one_by_one {
            match line_end(map, first, self.end, limit, ends_here)? {
                Ok(end) => end,
                Err(step) => return Ok(step),
            }
        } else {
            // The rest of the page, or at least the needle; where that is about a line, with the next page.
            let mut block_end = needles::page_end(map, first);
            if block_end - first < SHORT {
                block_end = needles::page_end(map, block_end);
            }
            if is_guess {
                block_end = block_end.max(needles::page_start(map, first.saturating_add(DENSE)));
            }
            block_end.max(behind).min(self.end)
        };
        let missing = needles::copy_lines(map, &mut self.bytes, span(start, block_end))?;
        self.base = start;
        let copied = self.bytes.len();
        let missing = match missing {
            Some(error) if start + copied <= first => return Err(error),
            missing => missing,
        };
        let Found { mut next, cut, are_all } = self.find_lines(needles, first - start, 0)?;
        if cut {
            let is_at_end = start + copied == self.end && missing.is_none();
            if is_at_end && ends_here {
                push(&mut self.lines, next..copied)?;
                next = copied;
            } else if self.lines.is_empty() {
                // A line that is longer than the block.
                if let Some(error) = missing {
                    return Err(error);
                }
                if is_at_end {
                    return Ok(LineStep::Cut);
                }
                let unread = start + copied;
                let end = match line_end(map, unread, self.end, limit, ends_here)? {
                    Ok(end) => end,
                    Err(step) => return Ok(step),
                };
                if let Some(error) = map.append_present(&mut self.bytes, span(unread, end), memmem::has_zero)? {
                    return Err(error);
                }
                let line = next;
                next = self.bytes.len();
                push(&mut self.lines, line..next)?;
            }
        }
        // Where no line with a needle is left in the block, the search goes on after it.
        let unsearched = search_windows::after(copied, needles.longest());
        self.start = start + next;
        self.searched = if cut { self.start } else { start + next.max(unsearched) };
        self.set_dense(needles, copied, are_all);
        self.expect_block(map, start + copied);
        if self.lines.is_empty() && is_guess {
            return self.step_forward(map, needles, limit, ends_here);
        }
        // Whoever changed the bytes meanwhile may have taken the needle away.
        Ok(if self.lines.is_empty() { LineStep::Far } else { LineStep::Found })
    }

    /// Finds the lines of the block that have a needle, none of which is before `first`. A line begins at `next`.
    fn find_lines(&mut self, needles: &Needles, mut first: usize, next: usize) -> Result<Found> {
        let mut found = Found { next, cut: false, are_all: false };
        let (bytes, lines) = (&self.bytes[..], &mut self.lines);
        if needles.is_everywhere() {
            found.next = collect_lines(bytes, next, lines)?;
            found.cut = found.next < bytes.len();
            found.are_all = true;
            return Ok(found);
        }
        let mut result = Ok(());
        if let Some(needle) = needles.one().filter(|_| self.dense) {
            if let Some(column) = self.column {
                let rest = collect_lines(bytes, next, lines)?;
                let count = memmem::count_by_column(bytes, needle, column, lines);
                found.are_all = count == lines.len();
                lines.truncate(count);
                found.next = if found.are_all { rest } else { lines.last().map_or(next, |line| line.end) };
                found.cut = found.are_all && memmem::has_at(bytes, needle, rest + column);
                if found.cut || found.next == bytes.len() {
                    return Ok(found);
                }
            }
            let base = found.next;
            let (rest, end) = memmem::find_lines(&bytes[base..], needle, |line| {
                push_or_stop(lines, base + line.start..base + line.end, &mut result)
            });
            found.next = base + rest;
            match end {
                LinesEnd::Rest { has_needle } => {
                    found.cut = has_needle;
                    return Ok(found);
                }
                LinesEnd::Stopped => return result.map(|()| found),
                LinesEnd::Unsearched => first = first.max(found.next),
            }
        }
        // Takes the line around a match, and returns where the next one begins; `None` where it has no end.
        let mut take = |index: usize| {
            if index < found.next {
                // In a line that was found already.
                return Some(found.next);
            }
            // The line may have moved on from the last one.
            let start = memchr::memrchr(b'\n', &bytes[found.next..index]);
            let start = start.map_or(found.next, |newline| found.next + newline + 1);
            match memmem::find_byte(&bytes[index..], b'\n') {
                Some(newline) => {
                    found.next = index + newline + 1;
                    push_or_stop(lines, start..found.next, &mut result).then_some(found.next)
                }
                None => {
                    (found.next, found.cut) = (start, true);
                    None
                }
            }
        };
        match needles.one() {
            Some(needle) => {
                Finder::new(needle, Direction::Forward)
                    .find_each(&bytes[first..], |index| take(first + index).is_some());
            }
            None => {
                let mut rest = Some(first);
                while let Some(index) = rest.and_then(|start| needles.any_of_several(bytes, start)) {
                    rest = take(index);
                }
            }
        }
        result.map(|()| found)
    }

    /// Remembers whether nearly all of a block of `len` bytes is lines that were found, and in which column. Where all were found as they were
    /// expected, nothing changes.
    fn set_dense(&mut self, needles: &Needles, len: usize, are_all: bool) {
        if self.one_by_one || (are_all && !self.lines.is_empty()) {
            return;
        }
        let found: usize = self.lines.iter().map(|line| line.end - line.start).sum();
        self.dense = found >= len / 2 && found > 0;
        let column = self.column.take();
        let Some(needle) = needles.one().filter(|_| self.dense && !needles.is_everywhere()) else { return };
        let Some(line) = self.lines.last().map(|line| &self.bytes[line.clone()]) else { return };
        let still = column.filter(|&column| line.get(column..).is_some_and(|rest| rest.starts_with(needle)));
        self.column = still.or_else(|| Finder::new(needle, Direction::Forward).find(line));
    }

    /// Notes where the next block is expected in the map.
    fn expect_block(&mut self, map: &Mmap, start: usize) {
        let block = if self.dense { map.as_ptr().wrapping_add(start) } else { self.bytes.as_ptr() };
        self.next_block = block.addr();
    }

    fn step_back(&mut self, map: &Mmap, needles: &Needles, limit: usize) -> Result<LineStep> {
        let near = self.start.max(self.searched.saturating_sub(limit));
        let found = if needles.is_everywhere() {
            (near < self.searched).then(|| (self.searched - 1, self.searched))
        } else {
            needles.last(map, span(near, self.searched))?
        };
        let Some((last, behind)) = found else {
            self.searched = self.searched.min(search_windows::before(near, needles.longest()));
            return Ok(if near == self.start { LineStep::Done } else { LineStep::Far });
        };
        self.searched = behind;
        let Some(start) = line_start(map, self.start, last, limit)? else { return Ok(LineStep::Far) };
        let end = match line_end(map, last, self.end, limit, true)? {
            Ok(end) => end,
            Err(step) => return Ok(step),
        };
        // The page in which the line begins; only the line where the rest of that is missing.
        let mut base = if self.one_by_one { start } else { needles::page_start(map, start).max(self.start) };
        if needles::copy_lines(map, &mut self.bytes, span(base, end)).is_ok_and(|missing| missing.is_none()) {
            self.base = base;
        } else {
            base = start;
            self.base = start;
            if let Some(error) = needles::copy_lines(map, &mut self.bytes, span(start, end))? {
                return Err(error);
            }
        }
        // The first line of the block may have begun before it.
        let whole = if base == self.start || base == start {
            0
        } else {
            memmem::find_byte(&self.bytes, b'\n').map_or(start - base, |newline| (newline + 1).min(start - base))
        };
        let found = self.find_lines(needles, whole, whole)?;
        if found.cut {
            let end = self.bytes.len();
            push(&mut self.lines, found.next..end)?;
        }
        self.set_dense(needles, self.bytes.len() - whole, found.are_all);
        self.expect_block(map, base.wrapping_sub(self.bytes.len()));
        self.lines.reverse();
        self.end = base + whole;
        self.searched = self.end;
        Ok(if self.lines.is_empty() { LineStep::Far } else { LineStep::Found })
    }
}

/// What was found in a block beside lines.
struct Found {
    /// Where the next line begins.
    next: usize,
    /// Whether the block ends in the middle of that line, which has a needle.
    cut: bool,
    /// Whether each line has a needle, and in the column in which it was expected.
    are_all: bool,
}

impl fmt::Debug for LineCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { reverse, start, end, .. } = self;
        f.debug_struct("LineCursor")
            .field("reverse", reverse)
            .field("start", start)
            .field("end", end)
            .finish_non_exhaustive()
    }
}

fn span(start: usize, end: usize) -> Span {
    Span { start, len: end.saturating_sub(start) }
}

/// Where the line begins that the byte at `index` is in, or that begins there; `None` if that is more than `limit` bytes before. A line
/// begins at `least`.
fn line_start(map: &Mmap, least: usize, index: usize, limit: usize) -> Result<Option<usize>> {
    let near = least.max(index.saturating_sub(limit));
    Ok(match needles::last(map, span(near, index), b"\n")? {
        Some(newline) => Some(newline + 1),
        None => (near == least).then_some(least),
    })
}

/// Where the line ends that goes on at `index`: after its newline, or with `ends_here` at `end`. Otherwise the step that ends there, because
/// the newline is more than `limit` bytes on, or not there yet.
fn line_end(
    map: &Mmap,
    index: usize,
    end: usize,
    limit: usize,
    ends_here: bool,
) -> Result<std::result::Result<usize, LineStep>> {
    let near = end.min(index.saturating_add(limit));
    Ok(match map.find(b"\n", index..near)? {
        Some(newline) => Ok(newline + 1),
        None if near < end => Err(LineStep::Far),
        None if ends_here => Ok(end),
        None => Err(LineStep::Cut),
    })
}

/// Appends all lines of the bytes from `start` on that have a newline, and returns where the last one ends.
fn collect_lines(bytes: &[u8], start: usize, lines: &mut Vec<Range<usize>>) -> Result<usize> {
    let mut next = start;
    let line = move |end| std::mem::replace(&mut next, start + end)..start + end;
    memmem::collect_lines(&bytes[start..], lines, usize::MAX, line).map_err(|_| no_memory_for_lines())?;
    Ok(lines.last().map_or(start, |line| line.end))
}

#[inline(always)]
fn push(lines: &mut Vec<Range<usize>>, line: Range<usize>) -> Result<()> {
    if lines.len() == lines.capacity() {
        reserve_lines(lines)?;
    }
    lines.push(line);
    Ok(())
}

/// [`push`] for a search that is stopped by an error. A result that is assigned for each line would be dropped for each.
#[inline(always)]
fn push_or_stop(lines: &mut Vec<Range<usize>>, line: Range<usize>, result: &mut Result<()>) -> bool {
    match push(lines, line) {
        Ok(()) => true,
        Err(error) => {
            *result = Err(error);
            false
        }
    }
}

#[cold]
#[inline(never)]
fn reserve_lines(lines: &mut Vec<Range<usize>>) -> Result<()> {
    lines.try_reserve(16).map_err(|_| no_memory_for_lines())
}

#[cold]
pub(super) fn no_memory_for_lines() -> Error {
    Error::os("listing the lines", std::io::ErrorKind::OutOfMemory.into())
}
