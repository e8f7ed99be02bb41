//! Lines: iteration, which moves the position, and `lines()`, which does not.
//!
//! Both copy the rest of a page into private memory and split it into lines there: one guarded access for all lines of
//! the page. Nothing is read ahead beyond the page, so that the fault of a missing page is raised at the same line as
//! without reading ahead. What was read ahead is discarded when something is written through the object, and nothing is
//! read ahead while writable views exist.

use std::cell::Cell;
use std::sync::Arc;

use pyo3::prelude::*;

use super::line_search::{self, Options, Search};
use super::{MappedFile, Open, This, closed_error, error, type_object};
use crate::args::Args;
use crate::common::shared_file::SharedFile;
use crate::common::{Mapped, Returned, advance, far_line, near_line};
use crate::sys::buffer::{new_bytes, try_new_bytes};
use crate::sys::exception::PyResult;
use crate::sys::owned::Owned;
use crate::sys::state_lock::StateLock;
use crate::sys::typeobject::{Body, InstanceRef, RawRef, Receiver, Traverse};

/// Lines that are longer than this many pages are searched for in the map itself.
const PAGES: usize = 4;

/// Bytes that were read ahead, and the lines in them.
#[derive(Default)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Their position in the map.
    start: usize,
    /// Where each of the lines ends, counted from the start of the block.
    ends: Vec<u32>,
    /// The next line, as an index of `ends`, and its position in the map.
    next: usize,
    position: usize,
    /// The number of changes when they were read.
    changes: u64,
}

impl Block {
    /// The line at `position`, if it is here, as an object, and the position after it; moves on to the next line.
    #[inline(always)]
    fn take<'py>(&mut self, py: Python<'py>, position: usize, changes: u64) -> Option<(Bound<'py, PyAny>, usize)> {
        if self.position != position || self.changes != changes {
            return None;
        }
        let end = *self.ends.get(self.next)? as usize;
        let line = self.bytes.get(position - self.start..end)?;
        // Without memory for it, the slow path raises the exception.
        let object = try_new_bytes(py, line)?;
        self.next += 1;
        self.position = self.start + end;
        Some((object, self.position))
    }

    /// Whether the block has the beginning of the line at `position`, and not its end.
    fn has_part(&self, position: usize, changes: u64) -> bool {
        self.position == position && self.changes == changes && position - self.start < self.bytes.len()
    }

    /// Whether the block reaches to where reads end.
    fn reaches(&self, end: usize) -> bool {
        self.start + self.bytes.len() >= end
    }

    /// Reads the map from `position` to the end of its page, and `more` pages. A line that the end of the map cuts off is not among
    /// its lines: it may have grown by the time it is returned.
    fn read(&mut self, source: &Source<'_>, position: usize, more: usize) -> PyResult<()> {
        let page = firmmap::page_size();
        let len = source.end;
        let to_border = page - (source.map.offset() as usize).wrapping_add(position) % page;
        let count = (to_border + more * page).min(len - position);
        self.ends.clear();
        self.bytes.try_reserve(count.saturating_sub(self.bytes.len()))?;
        self.bytes.resize(count, 0);
        source.map.read_exact_at(&mut self.bytes, position).map_err(error)?;
        if !source.is_end_known && (position + count == len || firmmap::Mmap::has_zero(&self.bytes)) {
            // Zeros in place of what others have cut off are no lines, nor a part of one.
            let end = source.map.end_in_file().map_err(error)?;
            self.bytes.truncate(end.saturating_sub(position));
            source.end_in_file.set(Some(end));
        }
        firmmap::Mmap::collect_line_ends(&self.bytes, &mut self.ends).inspect_err(|_| self.ends.clear())?;
        (self.start, self.next, self.position) = (position, 0, position);
        self.changes = source.changes;
        Ok(())
    }
}

/// What lines are read from.
struct Source<'a> {
    map: &'a firmmap::Mmap,
    /// Where reads end.
    end: usize,
    changes: u64,
    /// Whether writable views exist.
    has_writable_views: bool,
    /// Whether the end of the map is final: that of the file now, or that of a map with a length.
    is_end_known: bool,
    /// Where the file ends, if that was asked for.
    end_in_file: Cell<Option<usize>>,
}

impl<'a> Source<'a> {
    fn new(file: &'a SharedFile, changes: u64, has_writable_views: bool, is_end_known: bool) -> Self {
        let end_in_file = Cell::new(None);
        Self { map: file, end: file.read_end(), changes, has_writable_views, is_end_known, end_in_file }
    }
}

enum Line<'py> {
    Found(Bound<'py, PyAny>),
    /// No line, or, while the end is not known, perhaps not the whole line.
    End,
    /// No end of the line within the next pages.
    Far,
}

/// The line at `position`, which then moves past it.
#[inline(never)]
fn cut<'py>(py: Python<'py>, source: &Source<'_>, block: &mut Block, position: &mut usize) -> PyResult<Line<'py>> {
    if *position >= source.end {
        source.map.check().map_err(error)?;
        return Ok(Line::End);
    }
    if source.has_writable_views {
        // Reading ahead would return what was there before a change through a view.
        let Some((line, ended)) = near_line::<MappedFile>(py, source.map, *position, source.end - *position)? else {
            return Ok(Line::Far);
        };
        if !ended && !source.is_end_known {
            return Ok(Line::End);
        }
        *position += line.len();
        return Ok(Line::Found(line.finish()));
    }
    let known = usize::from(block.has_part(*position, source.changes));
    for more in known..PAGES {
        block.read(source, *position, more)?;
        if let Some(&end) = block.ends.first() {
            let line = new_bytes(py, &block.bytes[..end as usize])?;
            *position += end as usize;
            (block.next, block.position) = (1, *position);
            return Ok(Line::Found(line));
        }
        // Where the file has become shorter, whoever asks for its end next says so.
        if block.reaches(source.end_in_file.get().unwrap_or(source.end).min(source.end)) {
            if !source.is_end_known {
                return Ok(Line::End);
            }
            *position += block.bytes.len();
            block.position = *position;
            return new_bytes(py, &block.bytes).map(Line::Found);
        }
    }
    Ok(Line::Far)
}

/// As [`cut`], for a map that follows the end of its file too: at its end the length of the file is asked for.
fn cut_to_end<'py>(
    py: Python<'py>,
    file: &mut SharedFile,
    changes: u64,
    has_writable_views: bool,
    block: &mut Block,
    position: &mut usize,
) -> PyResult<Line<'py>> {
    let is_end_known = !file.follows();
    let source = Source::new(file, changes, has_writable_views, is_end_known);
    let line = cut(py, &source, block, position);
    if let Some(end) = source.end_in_file.get() {
        // What is written next may have to go there.
        file.note_end(end);
    }
    let line = line?;
    if is_end_known || !matches!(line, Line::End) {
        return Ok(line);
    }
    file.follow_end().map_err(error)?;
    file.check_present(*position, file.read_end()).map_err(error)?;
    let start = *position;
    let line = cut(py, &Source::new(file, changes, has_writable_views, true), block, position)?;
    if matches!(line, Line::Found(_)) {
        // It was read once more, and others may have cut it off since.
        file.follow_end_after(start, *position).inspect_err(|_| *position = start).map_err(error)?;
    }
    Ok(line)
}

impl Open {
    pub(super) fn has_writable_views(&self) -> bool {
        self.file.exports > 0 && self.file.access() != firmmap::Access::Read
    }

    /// The line at the position, if it was read ahead, and moves the position past it.
    #[inline(always)]
    fn take_line<'py>(&mut self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let (line, position) = self.block.take(py, self.file.position(), self.changes)?;
        self.file.set_position(position);
        Some(line)
    }
}

/// `next(m)`: the line at the position, if it was read ahead, and nobody has the descriptor, with which the position could be moved.
#[inline(always)]
pub(crate) fn try_next(this: This<'_>) -> Option<Bound<'_, PyAny>> {
    this.state.try_with(this.py, |state| {
        let open = state.as_mut().filter(|open| open.descriptor_position.is_none())?;
        open.take_line(this.py)
    })?
}

/// `next(m)`: the line at the position.
pub(crate) fn next(this: This<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let py = this.py;
    loop {
        if let Some(line) = try_next(this) {
            return Ok(Some(line));
        }
        let (line, map) = this.open_at_position(py, |open| {
            if let Some(line) = open.take_line(py) {
                return Ok((Line::Found(line), None));
            }
            let has_writable_views = open.has_writable_views();
            let mut position = open.file.position();
            let line =
                cut_to_end(py, &mut open.file, open.changes, has_writable_views, &mut open.block, &mut position)?;
            let map = matches!(line, Line::Far).then(|| (open.file.to_arc(), position, open.file.read_end()));
            open.file.set_position(position);
            Ok((line, map))
        })?;
        let (map, position, end) = match (line, map) {
            (Line::Found(line), _) => return Ok(Some(line)),
            (_, Some(far)) => far,
            _ => return Ok(None),
        };
        let (bytes, ended) = far_line::<MappedFile>(py, &map, position, end)?;
        drop(map);
        let len = bytes.len();
        if !ended && this.open(py, |open| open.file.follow_end_after(position, position + len).map_err(error))? {
            continue;
        }
        if advance(this, position, bytes.len())? {
            return Ok(Some(bytes.finish()));
        }
    }
}

pub(crate) fn iter(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(this.object())
}

/// The iterator that `lines()` returns.
pub(crate) struct Lines {
    pub(super) state: StateLock<Cursor>,
}

pub(super) struct Cursor {
    /// The file; `None` once exhausted.
    pub(super) file: Option<InstanceRef<MappedFile>>,
    position: usize,
    block: Block,
    /// In place of position and block, where not all lines are yielded in order.
    pub(super) search: Option<Search>,
}

impl Body for Lines {
    fn filename(&self, py: Python<'_>) -> Option<Owned> {
        let held = self.state.with(py, |cursor| cursor.file.as_ref().map(|file| InstanceRef::new(file.receiver(py))));
        super::filename_of(py, held)
    }
}

impl Traverse for Lines {
    fn referent(&self, py: Python<'_>) -> Option<RawRef> {
        self.state.try_read(py, |cursor| cursor.file.as_ref().map(InstanceRef::raw))?
    }

    fn clear(&self, py: Python<'_>) {
        let file = self.state.with(py, |cursor| cursor.file.take());
        drop(file);
    }
}

/// `m.lines()`.
pub(crate) fn lines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    let options = Options::new(this, args)?;
    let (mut file, mut search) = (Some(InstanceRef::new(this)), None);
    if let Some(options) = options {
        search = this.open(py, |open| options.begin(open))?;
        file = file.filter(|_| search.is_some());
    }
    let cursor = Cursor { file, position: 0, block: Block::default(), search };
    type_object::new_lines(this, Lines { state: StateLock::new(cursor) })
}

enum LineStep<'py> {
    Done(Bound<'py, PyAny>),
    /// Exhausted for good, even if the file grows, as the iterator protocol demands: the file that was held.
    End(Option<InstanceRef<MappedFile>>),
    /// From that position on, to where reads end.
    Far(Arc<firmmap::Mmap>, usize, usize),
}

/// The next line, if it was read ahead.
#[inline(always)]
pub(crate) fn try_next_line(lines: Receiver<'_, Lines>) -> Option<Bound<'_, PyAny>> {
    let py = lines.py;
    // The state of the iterator is locked before that of its map, everywhere.
    lines.state.try_with(py, |cursor| {
        let Cursor { file: Some(file), position, block, search } = cursor else { return None };
        let changes = type_object::changes(file.receiver(py))?;
        if let Some(search) = search {
            return search.try_next(py, changes);
        }
        let (line, behind) = block.take(py, *position, changes)?;
        *position = behind;
        Some(line)
    })?
}

/// Extends the map of an iterator by what others have appended after a line that goes on at its end, and returns whether there was
/// anything.
fn follow(lines: Receiver<'_, Lines>, start: usize, end: usize) -> PyResult<bool> {
    let py = lines.py;
    lines.state.with(py, |cursor| match &cursor.file {
        Some(file) => file.receiver(py).state.with(py, |state| match state {
            Some(open) => open.file.follow_end_after(start, end).map_err(error),
            None => Err(closed_error()),
        }),
        None => Ok(false),
    })
}

pub(crate) fn next_line(lines: Receiver<'_, Lines>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let py = lines.py;
    if lines.state.with(py, |cursor| cursor.search.is_some()) {
        return line_search::next(lines);
    }
    loop {
        let step = lines.state.with(py, |cursor| -> PyResult<LineStep<'_>> {
            let Cursor { file: Some(file), block, position, .. } = cursor else { return Ok(LineStep::End(None)) };
            let step = file.receiver(py).state.with(py, |state| -> PyResult<_> {
                let open = state.as_mut().ok_or_else(closed_error)?;
                let has_writable_views = open.has_writable_views();
                Ok(Some(match cut_to_end(py, &mut open.file, open.changes, has_writable_views, block, position)? {
                    Line::Found(line) => LineStep::Done(line),
                    Line::End => return Ok(None),
                    Line::Far => LineStep::Far(open.file.to_arc(), *position, open.file.read_end()),
                }))
            })?;
            Ok(step.unwrap_or_else(|| LineStep::End(cursor.file.take())))
        })?;
        let (map, position, end) = match step {
            LineStep::Done(line) => return Ok(Some(line)),
            LineStep::End(_held) => return Ok(None),
            LineStep::Far(map, position, end) => (map, position, end),
        };
        let (bytes, ended) = far_line::<MappedFile>(py, &map, position, end)?;
        drop(map);
        if !ended && follow(lines, position, position + bytes.len())? {
            continue;
        }
        let is_ours = lines.state.with(py, |cursor| {
            let is_there = cursor.position == position;
            if is_there {
                cursor.position = position + bytes.len();
            }
            is_there
        });
        // Otherwise another thread has returned this line, and the next one is looked for.
        if is_ours {
            return Ok(Some(bytes.finish()));
        }
    }
}
