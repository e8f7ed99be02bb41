//! Growing and shrinking: writes past the end, `truncate`, `resize`.

use std::io::Write;
use std::sync::Arc;

use super::{Open, This, error, none, unsupported};
use crate::args::{self, Args};
use crate::errors::system_error;
use crate::mapped::{DETACHED_COPY, Returned, wait};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyBufferError, PyOSError, PyResult, PyValueError};
use firmmap::{ErrorKind, Mode};

/// Whether the map has grown.
pub(super) enum Grown {
    Done,
    /// It will, by this, while other threads run.
    Append(Arc<firmmap::Mmap>),
    /// Others are using the map, which has to move.
    Busy,
}

/// The wish to move the map: others are let to it only when this is dropped.
pub(super) struct Turn<'py>(This<'py>);

impl<'py> Turn<'py> {
    /// Gives others the time to be done.
    pub(super) fn wait(turn: &mut Option<Self>, this: This<'py>) -> PyResult<()> {
        let is_new = turn.is_none();
        this.open_now(this.py, |open| {
            // Of those who are using it, some may be in the parent of this process.
            open.file.forget_strays();
            // Those who have waited for it too long may have forgotten the wish.
            open.movers = (open.movers + usize::from(is_new)).max(1);
            Ok(())
        })?;
        // One only: its end takes the wish back.
        if is_new {
            *turn = Some(Self(this));
        }
        wait(this.py)
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.state.with(self.0.py, |state| {
            if let Some(open) = state {
                open.movers = open.movers.saturating_sub(1);
            }
        });
    }
}

fn check_grows(mode: Mode, operation: &str) -> PyResult<()> {
    match mode {
        Mode::Read => Err(unsupported(format!("{operation}: the file is mapped with mode 'r', which does not write"))),
        Mode::Copy => Err(unsupported(format!("{operation}: a copy-on-write map (mode 'c') keeps its length"))),
        _ => Ok(()),
    }
}

/// What is no regular file has a length of its own, and a write past it would be lost.
fn check_regular(open: &Open, operation: &str) -> PyResult<()> {
    if open.file.is_growable() {
        return Ok(());
    }
    Err(unsupported(format!("{operation}: what is mapped is not a regular file, and keeps its length")))
}

/// What is refused while views of the map exist, as it would move or make it shorter.
fn check_exports(open: &Open, len: usize) -> PyResult<()> {
    let capacity = open.file.capacity();
    if open.exports == 0 || (open.file.len()..=capacity).contains(&len) {
        return Ok(());
    }
    let (views, now) = (super::views(open.exports), open.file.len());
    Err(PyBufferError::new_err(format!(
        "{views} (memoryview, numpy arrays): its {now} bytes cannot become {len}, only up to its capacity of {capacity}"
    )))
}

/// Writes at the position, past the end, and moves the position.
pub(super) fn write(open: &mut Open, mode: Mode, bytes: &[u8]) -> PyResult<Grown> {
    check_grows(mode, "write past the end")?;
    check_regular(open, "write past the end")?;
    let position = open.file.position();
    let end = position.checked_add(bytes.len()).filter(|&end| isize::try_from(end).is_ok());
    let end = end.ok_or_else(|| too_large(format!("{} bytes at position {position}", bytes.len())))?;
    check_exports(open, end)?;
    if end <= open.file.capacity() && position == open.file.len() && bytes.len() > DETACHED_COPY {
        return Ok(Grown::Append(open.file.share()));
    }
    // It grows the map, and takes all of the bytes or none.
    match open.file.write(bytes).map_err(std::io::Error::downcast::<firmmap::Error>) {
        Ok(_) => Ok(Grown::Done),
        Err(Ok(failed)) => grown(Err::<(), _>(failed)),
        Err(Err(system)) => Err(system_error(&system)),
    }
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
    this.check_open(py)?;
    args.check("truncate", 0, 1)?;
    check_grows(this.mode, "truncate")?;
    let size = args::optional_ssize(args.get(0))?;
    args::python_int(py, set_len(this, size)? as isize)
}

/// `resize(newsize)`, for those who come from the class `mmap`.
pub(crate) fn resize_method<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("resize", 1, 1)?;
    check_grows(this.mode, "resize")?;
    let size = args.get(0).map_or(Ok(0), args::ssize)?;
    set_len(this, Some(size))?;
    Ok(none(py))
}

enum Step {
    Done(usize),
    /// To that length, while other threads run; then it may be cut off exactly.
    Grow(Arc<firmmap::Mmap>, usize),
    /// Others are using the map, which has to move or become shorter.
    Busy,
}

fn set_len(this: This<'_>, size: Option<isize>) -> PyResult<usize> {
    let py = this.py;
    let mut turn = None;
    loop {
        let done = this.open_now(py, |open| {
            let len = match size {
                None => open.file.position(),
                Some(size) => {
                    usize::try_from(size).map_err(|_| PyValueError::new_err(format!("length {size} is negative")))?
                }
            };
            check_regular(open, "truncate")?;
            check_exports(open, len)?;
            if open.is_appended_to() {
                return Ok(Step::Busy);
            }
            open.changes += 1;
            if len <= open.file.capacity() && len > open.file.len().saturating_add(DETACHED_COPY) {
                return Ok(Step::Grow(open.file.share(), len));
            }
            // While somebody else has a share, the map does not move. On Windows it would, also for the length that it has.
            let _stays = (open.exports > 0).then(|| open.file.share());
            Ok(if matches!(grown(open.file.truncate(len))?, Grown::Done) { Step::Done(len) } else { Step::Busy })
        })?;
        match done {
            Step::Done(len) => return Ok(len),
            Step::Grow(map, len) => detached(py, || map.grow(len)).map_err(error)?,
            Step::Busy => Turn::wait(&mut turn, this)?,
        }
    }
}

pub(crate) fn capacity(this: This<'_>) -> Returned<'_> {
    let capacity = this.open(this.py, |open| Ok(open.file.capacity()))?;
    args::python_int(this.py, capacity as isize)
}

/// Takes in what others have appended to the file, or cut off from it.
pub(crate) fn refresh(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let mut turn = None;
    while !matches!(this.open_now(py, refresh_open)?, Grown::Done) {
        Turn::wait(&mut turn, this)?;
    }
    drop(turn);
    args::python_int(py, this.open(py, |open| Ok(open.file.len()))? as isize)
}

pub(super) fn refresh_open(open: &mut Open) -> PyResult<Grown> {
    open.changes += 1;
    // Those of threads that are not in this process do not count.
    open.file.forget_strays();
    // While somebody else has a share, the map neither moves nor becomes shorter.
    let _stays = (open.exports > 0).then(|| open.file.share());
    let is_lent = open.exports > 0;
    match open.file.refresh() {
        Err(failed) if failed.kind() == ErrorKind::BeyondCapacity && !is_lent => Ok(Grown::Busy),
        result => grown(result),
    }
}
