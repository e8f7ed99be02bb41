//! Growing and shrinking: writes past the end, `truncate`, `resize`.

use std::sync::Arc;

use super::{Open, This, error, none, unsupported};
use crate::args::{self, Args};
use crate::common::{DETACHED_COPY, Mapped, ResizeGuard, Returned};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyBufferError, PyOSError, PyResult, PyValueError};
use firmmap::{ErrorKind, Mode};
use pyo3::prelude::*;

/// Whether the map has been resized.
pub(super) enum Grown {
    Done,
    /// It will be by an append without the GIL: at that position, or at the end of a file that is opened for appending.
    Append(Arc<firmmap::Mmap>, Option<usize>),
    /// Other threads have references to the mapping, which has to move.
    Busy,
}

fn check_grows(mode: Mode, operation: &str) -> PyResult<()> {
    match mode {
        Mode::Read => Err(super::read_only(operation)),
        Mode::Copy => Err(unsupported(format!("{operation}: a copy-on-write map (mode 'c') keeps its length"))),
        _ => Ok(()),
    }
}

/// What is no regular file has a length of its own, and a write past it would be lost.
fn check_regular(open: &Open, operation: &str) -> PyResult<()> {
    if open.file.is_growable() {
        return Ok(());
    }
    if !open.file.keeps_file() {
        let message = format!("{operation}: the map keeps its length, as it was opened with keep_file=False");
        return Err(unsupported(message));
    }
    Err(unsupported(format!("{operation}: what is mapped is not a regular file, and keeps its length")))
}

/// Refuses, while views exist, what would move or shrink the map.
fn check_exports(open: &Open, len: usize) -> PyResult<()> {
    let capacity = open.file.capacity();
    if open.file.exports == 0 || (open.file.len()..=capacity).contains(&len) {
        return Ok(());
    }
    let (views, now) = (super::views::count(open.file.exports), open.file.len());
    if len < now {
        let message = format!(
            "{views} (memoryview, numpy arrays): its {now} bytes cannot become {len} before they are gone, as a map with views only grows"
        );
        return Err(PyBufferError::new_err(message));
    }
    let advice = if cfg!(windows) { "" } else { "; a map that is opened with a capacity grows under views" };
    Err(PyBufferError::new_err(format!(
        "{views} (memoryview, numpy arrays): its {now} bytes cannot become {len}, only up to its capacity of {capacity}{advice}"
    )))
}

/// Writes at the position, past the end, or at the end of a file that is only appended to, and moves the position.
pub(super) fn write(open: &mut Open, mode: Mode, bytes: &[u8]) -> PyResult<Grown> {
    check_grows(mode, "write past the end")?;
    check_regular(open, "write past the end")?;
    let is_large = bytes.len() > DETACHED_COPY;
    // Asking for the flag of a descriptor takes two system calls; a small write asks where it decides.
    let appends = (is_large || open.file.exports > 0) && open.file.appends();
    let position = if appends { append_position(open)? } else { open.file.position() };
    let end = position.checked_add(bytes.len()).filter(|&end| isize::try_from(end).is_ok());
    let end = end.ok_or_else(|| too_large(format!("{} bytes at position {position}", bytes.len())))?;
    // Inside of a map that is found to be longer than its file the file decides.
    if end > open.file.len() {
        check_exports(open, end)?;
    }
    if end <= open.file.capacity() && is_large && (appends || position == open.file.len()) {
        return Ok(Grown::Append(open.file.to_arc(), (!appends).then_some(position)));
    }
    // It grows the map, and takes all of the bytes or none.
    // While there is another reference, the map does not move.
    let _stays = (open.file.exports > 0).then(|| open.file.to_arc());
    grown(open.file.write_growing(bytes))
}

/// The end of the file as an index in the map, also of one that does not follow it.
fn append_position(open: &mut Open) -> PyResult<usize> {
    if open.file.follows() {
        return open.file.end().map_err(error);
    }
    end_of_file(open)
}

/// The end of the file as an index in the map, which does not change.
pub(super) fn end_of_file(open: &Open) -> PyResult<usize> {
    let len = open.file.file_len().map_err(error)?.saturating_sub(open.file.offset());
    usize::try_from(len).map_err(|_| too_large(format!("position {len}")))
}

/// As a plain file: an `OSError` with EFBIG.
fn too_large(what: String) -> Exception {
    PyOSError::new_err((FILE_TOO_LARGE, format!("File too large: {what}")))
}

const FILE_TOO_LARGE: i32 = 27;

fn grown<T>(result: firmmap::Result<T>) -> PyResult<Grown> {
    match result {
        Ok(_) => Ok(Grown::Done),
        Err(failed) if failed.kind() == ErrorKind::InUse => Ok(Grown::Busy),
        Err(failed) => Err(error(failed)),
    }
}

/// `truncate(size)`: the file's and the map's length. Without a size, the position.
pub(crate) fn truncate<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("truncate", 0, 1)?;
    this.check_open(py)?;
    check_grows(this.mode, "truncate")?;
    let size = args.get(0).filter(|size| !size.is_none());
    let size = size.map(|size| args::named_ssize("size", size)).transpose()?;
    args::python_int(py, set_len(this, size)? as isize)
}

/// `resize(newsize)`, for those who come from the class `mmap`.
pub(crate) fn resize_method<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("resize", 1, 1)?;
    this.check_open(py)?;
    check_grows(this.mode, "resize")?;
    let size = args.get(0).map_or(Ok(0), |size| args::named_ssize("size", size))?;
    set_len(this, Some(size))?;
    Ok(none(py))
}

enum ResizeStep {
    Done(usize),
    /// To that length, without the GIL.
    Grow(Arc<firmmap::Mmap>, usize),
    /// Other threads have references to the mapping, which has to move or shrink.
    Busy,
}

fn set_len(this: This<'_>, size: Option<isize>) -> PyResult<usize> {
    let py = this.py;
    let mut guard = None;
    loop {
        let done = this.open_now(py, |open| {
            let len = match size {
                Some(size) => {
                    usize::try_from(size).map_err(|_| PyValueError::new_err(format!("length {size} is negative")))?
                }
                None => {
                    // The descriptor's position is ours.
                    open.sync_from_descriptor()?;
                    open.file.position()
                }
            };
            check_regular(open, "truncate")?;
            check_exports(open, len)?;
            if open.file.is_extended() {
                return Ok(ResizeStep::Busy);
            }
            open.changes += 1;
            if len <= open.file.capacity() && len > open.file.len().saturating_add(DETACHED_COPY) {
                open.file.growing = true;
                return Ok(ResizeStep::Grow(open.file.to_arc(), len));
            }
            // While there is another reference, the map does not move. On Windows it would, even for the length that it has.
            let _stays = (open.file.exports > 0).then(|| open.file.to_arc());
            Ok(if matches!(grown(open.file.truncate(len))?, Grown::Done) {
                ResizeStep::Done(len)
            } else {
                ResizeStep::Busy
            })
        })?;
        match done {
            ResizeStep::Done(len) => return Ok(len),
            ResizeStep::Grow(map, len) => {
                let result = detached(py, || map.grow_exactly(len));
                this.state.with(py, |state| {
                    if let Some(open) = state {
                        open.file.growing = false;
                        open.changes += 1;
                        // Unless another thread has changed that meanwhile.
                        if result.is_ok() && open.file.len() == len {
                            open.file.note_end(len);
                        }
                    }
                });
                match result {
                    Ok(()) => return Ok(len),
                    // Another thread has made it longer than that, so that it becomes shorter now.
                    Err(failed) if failed.kind() == ErrorKind::InUse => {}
                    Err(failed) => return Err(error(failed)),
                }
            }
            ResizeStep::Busy => ResizeGuard::wait(&mut guard, &*this, py)?,
        }
    }
}

pub(crate) fn capacity(this: This<'_>) -> Returned<'_> {
    let capacity = this.open(this.py, |open| Ok(open.file.capacity()))?;
    args::python_int(this.py, capacity as isize)
}

impl Open {
    /// The end of the file, asked for anew, as an index in the map.
    pub(super) fn end(&mut self) -> PyResult<usize> {
        let before = self.file.len();
        let end = self.file.end().map_err(error)?;
        self.changes += u64::from(self.file.len() != before);
        Ok(end)
    }
}

/// Adapts the map to what others have appended to the file, or truncated.
pub(crate) fn refresh(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let mut guard = None;
    let refresh = |open: &mut Open| {
        // The length is known when a thread that changes it has finished.
        if open.file.is_extended() { Ok(Grown::Busy) } else { refresh_open(open) }
    };
    while !matches!(this.open_now(py, refresh)?, Grown::Done) {
        ResizeGuard::wait(&mut guard, &*this, py)?;
    }
    drop(guard);
    args::python_int(py, this.open(py, |open| Ok(open.file.len()))? as isize)
}

pub(super) fn refresh_open(open: &mut Open) -> PyResult<Grown> {
    open.changes += 1;
    // References of the parent process do not count.
    open.file.release_parent_references();
    // While there is another reference, the map neither moves nor shrinks.
    let _stays = (open.file.exports > 0).then(|| open.file.to_arc());
    let has_views = open.file.exports > 0;
    match open.file.refresh() {
        Err(failed) if failed.kind() == ErrorKind::BeyondCapacity && !has_views => Ok(Grown::Busy),
        result => grown(result),
    }
}
