//! `lines()` of a part of the map, from the last line on, with their numbers, or only those that contain something: what the iterator then
//! does in place of reading ahead.

use std::ops::Range;
use std::sync::Arc;

use firmmap::{LineCursor, LineStep, Needles};
use pyo3::prelude::*;

use super::lines::Lines;
use super::search::{Bounds, needles};
use super::{Open, This, closed_error, error};
use crate::args::{self, Args};
use crate::common::{DETACHED_SEARCH, far_search};
use crate::sys::buffer::{new_bytes, try_new_bytes};
use crate::sys::exception::{PyResult, PyTypeError};
use crate::sys::objects::EmptyTuple;
use crate::sys::typeobject::Receiver;

const NAMES: [&str; 5] = ["start", "end", "containing", "reverse", "numbered"];

/// The arguments of `lines()`.
pub(super) struct Options {
    bounds: Bounds,
    needles: Needles,
    reverse: bool,
    numbered: bool,
}

impl Options {
    /// `None` where all lines are asked for, in order.
    pub(super) fn new(this: This<'_>, args: Args<'_>) -> PyResult<Option<Self>> {
        args.check_named("lines", 2, &NAMES)?;
        let bound = |index: usize| match (args.get(index), args.named(NAMES[index])) {
            (Some(_), Some(_)) => {
                let (name, place) = (NAMES[index], index + 1);
                let message = format!("argument for lines() given by name ('{name}') and position ({place})");
                Err(PyTypeError::new_err(message))
            }
            (placed, named) => Ok(placed.or(named).filter(|bound| !bound.is_none())),
        };
        let (start, end) = (bound(0)?, bound(1)?);
        let containing = args.named("containing").filter(|object| !object.is_none());
        let is_true = |name| args.named(name).map_or(Ok(false), |value| value.is_truthy());
        let (reverse, numbered) = (is_true("reverse")?, is_true("numbered")?);
        if start.is_none() && end.is_none() && containing.is_none() && !reverse && !numbered {
            return Ok(None);
        }
        let bounds = Bounds::new(start, end)?;
        let needles = match containing {
            Some(object) => needles(this.py, object)?,
            None => Needles::every_line(),
        };
        needles.check_for_lines().map_err(error)?;
        Ok(Some(Self { bounds, needles, reverse, numbered }))
    }

    /// Where the search begins; `None` if there is nothing to search.
    pub(super) fn begin(self, open: &mut Open) -> PyResult<Option<Search>> {
        let Self { bounds, needles, reverse, numbered } = self;
        let follows = bounds.end.is_none() && open.file.follows();
        if follows && reverse {
            open.file.follow_end().map_err(error)?;
        }
        let Some(range) = bounds.fit(open.file.len()) else { return Ok(None) };
        if follows && reverse {
            open.file.check_present(range.start, range.end).map_err(error)?;
        }
        Ok(Some(Search {
            cursor: LineCursor::new(range, reverse),
            needles: Arc::new(needles),
            numbered,
            reverse,
            is_checked: false,
            ready: 0,
            follows: follows && !reverse,
            changes: open.changes,
        }))
    }
}

/// The position of such an iterator.
pub(super) struct Search {
    cursor: LineCursor,
    /// Shared with the threads that search without the GIL.
    needles: Arc<Needles>,
    numbered: bool,
    reverse: bool,
    /// Whether what was found ahead is known to be in the file, up to the end of the range.
    is_checked: bool,
    /// How many of the lines that were found ahead can be given while nothing is changed: none through a map that has writable views, or with
    /// numbers, and the one at the end of the range once it is checked.
    ready: usize,
    /// Whether the range ends where the file does.
    follows: bool,
    /// The number of changes when lines were found ahead.
    changes: u64,
}

impl Search {
    /// The next line, if it was found ahead.
    #[inline]
    pub(super) fn try_next<'py>(&mut self, py: Python<'py>, changes: u64) -> Option<Bound<'py, PyAny>> {
        if self.changes != changes || self.cursor.given() >= self.ready {
            return None;
        }
        let (_, line) = self.cursor.line()?;
        let object = try_new_bytes(py, line)?;
        self.cursor.pass();
        Some(object)
    }

    /// The next step of the iterator, of which no more than a little is searched and counted. In the first one for a line, `is_first`, what was
    /// searched ahead before does not count if it may have changed; later ones go on, whatever others write meanwhile. A line and its number
    /// go into `pair`.
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        open: &mut Open,
        ends_here: &mut bool,
        is_first: bool,
        pair: &mut Option<EmptyTuple<'py, 2>>,
    ) -> PyResult<Step<'py>> {
        self.ready = 0;
        let has_views = open.has_writable_views();
        let has_changed = self.changes != open.changes;
        if is_first {
            // What would be found ahead is likely to change as well.
            self.cursor.set_one_by_one(has_changed || has_views);
        }
        if is_first && (has_changed || has_views) {
            self.cursor.go_back();
        } else if has_changed {
            self.cursor.forget();
        }
        self.changes = open.changes;
        if self.cursor.line().is_none() {
            match self.cursor.step(&open.file, &self.needles, DETACHED_SEARCH, *ends_here).map_err(error)? {
                LineStep::Found => {}
                LineStep::Far => return Ok(Step::Far(self.far(open))),
                LineStep::Cut | LineStep::Done if !*ends_here => {
                    self.follow(open, ends_here)?;
                    return Ok(Step::Again);
                }
                LineStep::Cut | LineStep::Done => {
                    self.check_searched(open)?;
                    return Ok(Step::End);
                }
            }
            self.is_checked = false;
        }
        let Some((index, line)) = self.cursor.line() else { return Ok(Step::Again) };
        let (line, len) = (new_bytes(py, line)?, line.len());
        if !self.is_checked && (self.reverse || index + len == self.cursor.end()) {
            self.check_searched(open)?;
        }
        let number = if !self.numbered {
            None
        } else {
            let border = self.cursor.uncounted(index);
            if self.cursor.counted().0.abs_diff(border) > DETACHED_SEARCH {
                return Ok(Step::FarNumber(self.far(open), border));
            }
            Some(self.number(open, index, border)?)
        };
        let line = match number {
            None => line,
            Some(number) => {
                let number = args::python_int(py, number as isize)?;
                let Some(pair) = pair.take() else { return Ok(Step::Again) };
                pair.fill([number, line]).into_any()
            }
        };
        self.cursor.pass();
        if !has_views && !self.numbered {
            self.ready = self.cursor.found() - usize::from(!self.is_checked && self.cursor.reaches_end());
        }
        Ok(Step::Line(line))
    }

    /// The number of the line that begins at `index`, for which the map is counted up to `border`.
    fn number(&mut self, open: &mut Open, index: usize, border: usize) -> PyResult<usize> {
        let before = self.cursor.counted();
        let number = self.cursor.number(&open.file, index).map_err(error)?;
        check_counted(open, before.0, border).inspect_err(|_| self.cursor.set_counted(before))?;
        Ok(number)
    }

    /// Refuses zeros in place of what others have cut off within the last page of the file, in what was searched since the last line was
    /// taken.
    fn check_searched(&mut self, open: &mut Open) -> PyResult<()> {
        if self.follows {
            // This is done when the end of the file is looked for.
            self.is_checked = true;
            return Ok(());
        }
        if self.reverse && self.cursor.line().is_some() && self.cursor.is_without_zeros() {
            self.is_checked = true;
            return Ok(());
        }
        let Range { start, end } = self.cursor.untaken();
        check_present(open, start, end).inspect_err(|_| self.cursor.go_back())?;
        self.is_checked = true;
        Ok(())
    }

    /// The map has been searched to its end: that of the file may lie further on.
    fn follow(&mut self, open: &mut Open, ends_here: &mut bool) -> PyResult<()> {
        open.file.follow_end().map_err(error)?;
        let len = open.file.len();
        let present = open.file.check_present(self.cursor.untaken().start, len).map_err(error);
        present.inspect_err(|_| self.cursor.go_back())?;
        // The map may also have followed its file, or have grown, since the search began.
        if len > self.cursor.end() {
            self.cursor.set_end(len);
        } else {
            *ends_here = true;
        }
        Ok(())
    }

    fn far(&self, open: &mut Open) -> Far {
        Far { map: open.file.to_arc(), cursor: self.cursor.to_search(), needles: Arc::clone(&self.needles) }
    }
}

/// Refuses zeros in place of bytes that others have cut off.
fn check_present(open: &mut Open, start: usize, end: usize) -> PyResult<()> {
    open.file.follow_end_after(start, end).map(drop).map_err(error)
}

/// As [`check_present`], for bytes from one place to another in which lines were counted.
fn check_counted(open: &mut Open, from: usize, to: usize) -> PyResult<()> {
    if from == to { Ok(()) } else { check_present(open, from.min(to), from.max(to)) }
}

enum Step<'py> {
    Line(Bound<'py, PyAny>),
    Far(Far),
    /// The lines up to an index are to be counted.
    FarNumber(Far, usize),
    Again,
    End,
}

/// What identifies a position.
type Place = (usize, usize, usize, usize);

/// A copy of the position, for work without the GIL.
struct Far {
    map: Arc<firmmap::Mmap>,
    cursor: LineCursor,
    needles: Arc<Needles>,
}

pub(super) fn next<'py>(lines: Receiver<'py, Lines>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = lines.py;
    let is_numbered = lines.state.with(py, |cursor| cursor.search.as_ref().is_some_and(|search| search.numbered));
    // Made before anything is locked, as it can run Python code; and without memory for it, the line stays the next one.
    let mut pair = if is_numbered { Some(EmptyTuple::new(py)?) } else { None };
    let mut ends_here = None;
    let mut is_first = true;
    loop {
        let step = |search: &mut Search, open: &mut Open| {
            let ends_here = ends_here.get_or_insert(!search.follows);
            search.step(py, open, ends_here, is_first, &mut pair)
        };
        let step = with_search_or_end(lines, step, |step| matches!(step, Step::End))?.unwrap_or(Step::End);
        let is_end = ends_here.unwrap_or(true);
        is_first = false;
        match step {
            Step::Line(line) => return Ok(Some(line)),
            Step::Again => {}
            Step::Far(far) => {
                let (step, moved_to) = search_far(lines, far, is_end)?;
                if matches!(step, LineStep::Cut | LineStep::Done) {
                    if !is_end {
                        ends_here = Some(follow(lines)?);
                    } else if moved_to.is_some() {
                        // A step with a limit does not get there by itself if a needle is longer than that.
                        let check = |search: &mut Search, open: &mut Open| {
                            // Without the GIL, another thread may have gone on from there.
                            let is_there = Some(search.cursor.position()) == moved_to;
                            if is_there { search.check_searched(open).map(|()| true) } else { Ok(false) }
                        };
                        if with_search_or_end(lines, check, |&is_there| is_there)?.unwrap_or(true) {
                            return Ok(None);
                        }
                    }
                }
            }
            Step::FarNumber(mut far, border) => {
                let before = far.cursor.counted().0;
                let counted = far_search(py, &far.map, |map| far.cursor.count_to(map, border));
                let Far { map, cursor: copy, .. } = far;
                drop(map);
                counted.map_err(error)?;
                with_search(lines, |search, open| {
                    check_counted(open, before, border)?;
                    search.cursor.set_counted(copy.counted());
                    Ok(())
                })?;
            }
            Step::End => return Ok(None),
        }
    }
}

/// Runs `work` on the position and its file; `None` if another thread has ended the iterator.
fn with_search<R>(
    lines: Receiver<'_, Lines>,
    work: impl FnOnce(&mut Search, &mut Open) -> PyResult<R>,
) -> PyResult<Option<R>> {
    with_search_or_end(lines, work, |_| false)
}

/// As [`with_search`]. Where the result is the end, the iterator is exhausted for good, even if the file grows, as the iterator protocol
/// demands; no other thread gets at it between the two.
fn with_search_or_end<R>(
    lines: Receiver<'_, Lines>,
    work: impl FnOnce(&mut Search, &mut Open) -> PyResult<R>,
    is_end: impl FnOnce(&R) -> bool,
) -> PyResult<Option<R>> {
    let py = lines.py;
    let (result, held) = lines.state.with(py, |cursor| -> PyResult<_> {
        let (Some(file), Some(search)) = (&cursor.file, &mut cursor.search) else { return Ok((None, None)) };
        let result = file.receiver(py).state.with(py, |state| {
            let open = state.as_mut().ok_or_else(closed_error)?;
            work(search, open)
        })?;
        let held = if is_end(&result) { cursor.file.take() } else { None };
        Ok((Some(result), held))
    })?;
    drop(held);
    Ok(result)
}

/// Looks for what others have appended, and returns whether there is nothing.
fn follow(lines: Receiver<'_, Lines>) -> PyResult<bool> {
    let followed = with_search(lines, |search, open| {
        let mut ends_here = false;
        search.follow(open, &mut ends_here)?;
        Ok(ends_here)
    })?;
    Ok(followed.unwrap_or(true))
}

/// Searches with a copy of the position without the GIL, and moves the position to where it has led, unless another thread has moved it;
/// after an error too, as that leads back. Returns what the search has come to, and the position that it was moved to, if it was.
fn search_far(lines: Receiver<'_, Lines>, mut far: Far, ends_here: bool) -> PyResult<(LineStep, Option<Place>)> {
    let py = lines.py;
    let before = far.cursor.position();
    let result = far_search(py, &far.map, |map| far.cursor.step(map, &far.needles, usize::MAX, ends_here));
    let Far { map, cursor: moved, .. } = far;
    drop(map);
    let moved_to = lines.state.with(py, |cursor| {
        let search = cursor.search.as_mut().filter(|search| search.cursor.position() == before)?;
        (search.cursor, search.is_checked, search.ready) = (moved, false, 0);
        Some(search.cursor.position())
    });
    Ok((result.map_err(error)?, moved_to))
}
