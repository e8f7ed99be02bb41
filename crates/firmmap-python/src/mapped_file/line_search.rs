//! `lines()` of a part of the map, from the last line on, with their numbers, or only those that contain something: what the iterator then
//! does in place of reading ahead.

use std::sync::Arc;

use firmmap::{LineCursor, LineStep, Needles};
use pyo3::prelude::*;

use super::lines::Lines;
use super::search::{Bounds, needles};
use super::{Open, This, closed_error, error};
use crate::args::{self, Args};
use crate::common::DETACHED_SEARCH;
use crate::sys::buffer::{new_bytes, try_new_bytes};
use crate::sys::detach::detached;
use crate::sys::exception::{PyResult, PyTypeError};
use crate::sys::objects::new_tuple;
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
            follows: follows && !reverse,
            changes: open.changes,
            has_views: false,
        }))
    }
}

/// The position of such an iterator.
pub(super) struct Search {
    cursor: LineCursor,
    /// Shared with the threads that search without the GIL.
    needles: Arc<Needles>,
    numbered: bool,
    /// Whether the range ends where the file does.
    follows: bool,
    /// The number of changes when lines were found ahead.
    changes: u64,
    /// Whether writable views existed then: what was found ahead could be changed through them.
    has_views: bool,
}

impl Search {
    /// The next line, if it was found ahead.
    #[inline]
    pub(super) fn try_next<'py>(&mut self, py: Python<'py>, changes: u64) -> Option<Bound<'py, PyAny>> {
        if self.changes != changes || self.has_views || self.numbered {
            return None;
        }
        let (_, line) = self.cursor.line()?;
        let object = try_new_bytes(py, line)?;
        self.cursor.pass();
        Some(object)
    }

    /// The next step of the iterator, of which no more than a little is searched and counted. What was found just now, without the GIL, is
    /// `fresh`.
    fn step<'py>(
        &mut self,
        py: Python<'py>,
        open: &mut Open,
        ends_here: &mut bool,
        fresh: bool,
    ) -> PyResult<Step<'py>> {
        self.has_views = open.has_writable_views();
        if self.changes != open.changes || (self.has_views && !fresh) {
            self.cursor.forget();
            self.changes = open.changes;
        }
        if self.cursor.line().is_none() {
            match self.cursor.step(&open.file, &self.needles, DETACHED_SEARCH, *ends_here).map_err(error)? {
                LineStep::Found => {}
                LineStep::Far => return Ok(Step::Far(self.far(open))),
                LineStep::Cut | LineStep::Done if !*ends_here => {
                    self.follow(open, ends_here)?;
                    return Ok(Step::Again);
                }
                LineStep::Cut | LineStep::Done => return Ok(Step::End),
            }
        }
        let Some((index, line)) = self.cursor.line() else { return Ok(Step::Again) };
        let line = new_bytes(py, line)?;
        let number = if !self.numbered {
            None
        } else if self.cursor.distance(index) > DETACHED_SEARCH {
            return Ok(Step::FarNumber(self.far(open), index));
        } else {
            Some(self.cursor.number(&open.file, index).map_err(error)?)
        };
        self.cursor.pass();
        Ok(Step::Line(line, number))
    }

    /// The map has been searched to its end: that of the file may lie further on.
    fn follow(&mut self, open: &mut Open, ends_here: &mut bool) -> PyResult<()> {
        open.file.follow_end().map_err(error)?;
        let len = open.file.len();
        open.file.check_present(self.cursor.start(), len).map_err(error)?;
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

enum Step<'py> {
    Line(Bound<'py, PyAny>, Option<usize>),
    Far(Far),
    /// The lines before the one at an index are to be counted.
    FarNumber(Far, usize),
    Again,
    End,
}

/// A copy of the position, for work without the GIL.
struct Far {
    map: Arc<firmmap::Mmap>,
    cursor: LineCursor,
    needles: Arc<Needles>,
}

pub(super) fn next<'py>(lines: Receiver<'py, Lines>) -> PyResult<Option<Bound<'py, PyAny>>> {
    let py = lines.py;
    let mut ends_here = None;
    let mut fresh = false;
    loop {
        let step = lines.state.with(py, |cursor| {
            let (Some(file), Some(search)) = (&cursor.file, &mut cursor.search) else { return Ok(Step::End) };
            let ends_here = ends_here.get_or_insert(!search.follows);
            file.receiver(py).state.with(py, |state| {
                let open = state.as_mut().ok_or_else(closed_error)?;
                search.step(py, open, ends_here, fresh)
            })
        })?;
        let is_end = ends_here.unwrap_or(true);
        fresh = matches!(step, Step::Far(_) | Step::FarNumber(..));
        match step {
            Step::Line(line, None) => return Ok(Some(line)),
            Step::Line(line, Some(number)) => {
                let number = args::python_int(py, number as isize)?;
                return Ok(Some(new_tuple(py, [number, line])?.into_any()));
            }
            Step::Again => {}
            Step::Far(far) => {
                let (step, is_moved) = search_far(lines, far, is_end)?;
                if matches!(step, LineStep::Cut | LineStep::Done) {
                    if !is_end {
                        ends_here = Some(follow(lines)?);
                    } else if is_moved {
                        // A step with a limit does not get there by itself if a needle is longer than that.
                        return Ok(end(lines));
                    }
                }
            }
            Step::FarNumber(mut far, index) => {
                let counted = detached(py, || far.cursor.number(&far.map, index));
                let Far { map, cursor: copy, .. } = far;
                drop(map);
                counted.map_err(error)?;
                lines.state.with(py, |cursor| {
                    if let Some(search) = &mut cursor.search {
                        search.cursor.set_counted(&copy);
                    }
                });
            }
            Step::End => return Ok(end(lines)),
        }
    }
}

/// Exhausted for good, even if the file grows, as the iterator protocol demands.
fn end<'py>(lines: Receiver<'py, Lines>) -> Option<Bound<'py, PyAny>> {
    let file = lines.state.with(lines.py, |cursor| cursor.file.take());
    drop(file);
    None
}

/// Looks for what others have appended, and returns whether there is nothing.
fn follow(lines: Receiver<'_, Lines>) -> PyResult<bool> {
    let py = lines.py;
    lines.state.with(py, |cursor| {
        let (Some(file), Some(search)) = (&cursor.file, &mut cursor.search) else { return Ok(true) };
        file.receiver(py).state.with(py, |state| {
            let open = state.as_mut().ok_or_else(closed_error)?;
            let mut ends_here = false;
            search.follow(open, &mut ends_here)?;
            Ok(ends_here)
        })
    })
}

/// Searches with a copy of the position without the GIL, and moves the position to where it has led, unless another thread has moved it.
/// Returns what the search has come to, and whether the position was moved.
fn search_far(lines: Receiver<'_, Lines>, mut far: Far, ends_here: bool) -> PyResult<(LineStep, bool)> {
    let py = lines.py;
    let before = far.cursor.position();
    let result = detached(py, || far.cursor.step(&far.map, &far.needles, usize::MAX, ends_here));
    let Far { map, cursor: moved, .. } = far;
    drop(map);
    let result = result.map_err(error)?;
    let is_moved = lines.state.with(py, |cursor| {
        let search = cursor.search.as_mut().filter(|search| search.cursor.position() == before);
        search.map(|search| search.cursor = moved).is_some()
    });
    Ok((result, is_moved))
}
