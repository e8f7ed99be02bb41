//! Control over pages: `flush`, `prefetch`, `evict`, `lock`, `unlock`, `protect`, `madvise`, `residency`.

use std::ops::Range;
use std::sync::Arc;

#[cfg(unix)]
use firmmap::Advice;
use firmmap::{FlushFlags, Protection};
use pyo3::prelude::*;

use super::residency::Residency;
use super::views::exported;
use super::{This, error, none};
use crate::args::{self, Args};
use crate::common::{Mapped, ResizeGuard, Returned};
#[cfg(unix)]
use crate::errors::INVALID_ARGUMENT;
use crate::sys::detach::detached as without_gil;
#[cfg(unix)]
use crate::sys::exception::PyOSError;
use crate::sys::exception::{PyResult, PyTypeError, PyValueError};
use crate::sys::objects::{class_name, shortened};

/// `start` and `length` of a range, which must lie in the map. `first` is the place of `start` among the arguments.
fn parse(args: Args<'_>, first: usize) -> PyResult<(isize, Option<isize>)> {
    let start = args.get(first).map_or(Ok(0), |start| args::named_ssize("start", start))?;
    let length = args.get(first + 1).filter(|length| !length.is_none());
    Ok((start, length.map(|length| args::named_ssize("length", length)).transpose()?))
}

fn check((start, length): (isize, Option<isize>), len: usize) -> PyResult<Range<usize>> {
    let range = (|| {
        let start = usize::try_from(start).ok()?;
        let end = match length {
            Some(length) => start.checked_add(usize::try_from(length).ok()?)?,
            None => len,
        };
        (start <= end && end <= len).then_some(start..end)
    })();
    range.ok_or_else(|| {
        let length = length.map_or(String::new(), |length| format!(" and length {length}"));
        PyValueError::new_err(format!("start {start}{length} is no range of the {len} mapped bytes"))
    })
}

/// Runs `work` on a range of the map, without the GIL.
fn detached<R: Send>(
    this: This<'_>,
    range: (isize, Option<isize>),
    work: impl FnOnce(&firmmap::Mmap, Range<usize>) -> firmmap::Result<R> + Send,
) -> PyResult<R> {
    let (map, range): (Arc<firmmap::Mmap>, _) =
        this.open(this.py, |open| Ok((open.file.to_arc(), check(range, open.file.len())?)))?;
    without_gil(this.py, || work(&map, range)).map_err(error)
}

pub(crate) fn flush<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("flush", 0, 2)?;
    let range = parse(args, 0)?;
    let mut flags = FlushFlags::SYNC;
    for (name, value) in args.by_name() {
        if name != "asynchronous" {
            let name = shortened(name.as_borrowed());
            return Err(PyTypeError::new_err(format!("flush() got an unexpected keyword argument '{name}'")));
        }
        flags = if value.is_truthy()? { FlushFlags::ASYNC } else { FlushFlags::SYNC };
    }
    // Writing the pages back clears what is past the end of the file.
    let settled = this.open_at_position(py, |open| Ok(open.file.settle().map_err(error)))?;
    detached(this, range, |map, range| map.flush_with(range, flags))?;
    settled.map(|()| none(py))
}

pub(crate) fn prefetch<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    this.check_open(this.py)?;
    args.check("prefetch", 0, 2)?;
    let range = parse(args, 0)?;
    detached(this, range, |map, range| map.prefetch(range))?;
    Ok(none(this.py))
}

pub(crate) fn evict<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    this.check_open(this.py)?;
    args.check("evict", 0, 2)?;
    let range = parse(args, 0)?;
    detached(this, range, |map, range| map.evict(range))?;
    Ok(none(this.py))
}

pub(crate) fn residency<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    this.check_open(this.py)?;
    args.check("residency", 0, 2)?;
    let range = parse(args, 0)?;
    let residency = detached(this, range, |map, range| map.residency(range))?;
    super::residency::new(this, Residency(residency))
}

#[cfg(unix)]
pub(crate) fn madvise<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    this.check_open(this.py)?;
    args.check("madvise", 1, 3)?;
    let option = args.get(0).map_or(Ok(0), |option| args::named_int("option", option))?;
    let range = parse(args, 1)?;
    let advised = detached(this, range, |map, range| Ok(map.advise_range(range, Advice::from_raw(option))))?;
    advised.map_err(|failed| match failed.os_error().and_then(std::io::Error::raw_os_error) {
        Some(number @ INVALID_ARGUMENT) => {
            let message = format!("Invalid argument: the system does not take advice {option} for this map");
            PyOSError::new_err((number, message))
        }
        _ => error(failed),
    })?;
    this.changed(this.py);
    Ok(none(this.py))
}

pub(crate) fn lock(this: This<'_>) -> Returned<'_> {
    detached(this, (0, None), |map, _| map.lock())?;
    Ok(none(this.py))
}

pub(crate) fn unlock(this: This<'_>) -> Returned<'_> {
    detached(this, (0, None), |map, _| map.unlock())?;
    Ok(none(this.py))
}

const PROTECTIONS: &str = "protection must be 0 (none) or a sum of PROT_READ (1), PROT_WRITE (2), PROT_EXEC (4)";

pub(crate) fn protect<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("protect", 1, 1)?;
    let Some(object) = args.get(0) else { unreachable!("the number of arguments was checked") };
    if !args::is_index(object) {
        let message = format!("{PROTECTIONS}, not {}", class_name(object));
        return Err(PyTypeError::new_err(message));
    }
    let number = args::named_int("protection", object)?;
    let protection = u32::try_from(number).ok().and_then(Protection::from_bits);
    let protection = protection.ok_or_else(|| PyValueError::new_err(format!("{PROTECTIONS}, not {number}")))?;
    let mut guard = None;
    loop {
        let done = this.open_now(py, |open| {
            // Accessing such a view could be a segmentation fault.
            if open.file.exports > 0 {
                return Err(exported("protect", open.file.exports));
            }
            if open.file.is_shared() {
                return Ok(false);
            }
            open.changes += 1;
            open.file.get_mut().and_then(|map| map.protect(protection)).map_err(error)?;
            Ok(true)
        })?;
        if done {
            return Ok(none(py));
        }
        ResizeGuard::wait(&mut guard, &*this, py)?;
    }
}
