//! The mapping itself: flushing, advice, length, name.

use std::sync::atomic::{AtomicBool, Ordering};

#[cfg(unix)]
use firmmap::Advice;
use firmmap::FlushFlags;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{This, none};
use crate::args::{self, Args};
use crate::common::{Returned, wait};
use crate::constants::{ACCESS_COPY, ACCESS_READ};
use crate::errors::{self, closed as closed_error, exception, os_error};
use crate::sys::detach::detached;
#[cfg(unix)]
use crate::sys::exception::PyOverflowError;
use crate::sys::exception::{PyBufferError, PyTypeError, PyValueError};
use crate::sys::objects::{class_name, shortened};

pub(crate) fn flush<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("flush", 0, 2)?;
    let offset = args.get(0).map_or(Ok(0), args::ssize)?;
    let size = args::optional_ssize(args.get(1))?;
    let mut flags = FlushFlags::SYNC;
    for (name, value) in args.by_name() {
        if name != "flags" {
            let name = shortened(name.as_borrowed());
            let message = format!("flush() got an unexpected keyword argument '{name}'");
            return Err(PyTypeError::new_err(message));
        }
        flags = FlushFlags::from_bits_retain(args::int(value)?);
    }
    let work = this.open(py, |file| {
        let len = file.len() as isize;
        let size = size.unwrap_or(len.saturating_sub(offset));
        if size < 0 || offset < 0 || len - offset < size {
            return Err(PyValueError::new_err("flush values out of range"));
        }
        if matches!(this.access, ACCESS_READ | ACCESS_COPY) {
            // There is nothing to write, but there may be an unreported fault.
            return file.check().map(|()| None).map_err(exception);
        }
        let (start, end) = (offset as usize, (offset + size) as usize);
        // Windows takes any offset, and starts with its page.
        if cfg!(unix) && start % firmmap::page_size() != 0 {
            return Ok(Some(None));
        }
        Ok(Some(Some((file.to_arc(), start..end))))
    })?;
    match work {
        None => {}
        Some(None) => return Err(os_error(errors::INVALID_ARGUMENT)),
        Some(Some((map, range))) => detached(py, || map.flush_with(range, flags)).map_err(exception)?,
    }
    Ok(none(py))
}

#[cfg(unix)]
pub(crate) fn madvise<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("madvise", 1, 3)?;
    let option = args.get(0).map_or(Ok(0), args::int)?;
    let start = args.get(1).map_or(Ok(0), args::ssize)?;
    let length = args::optional_ssize(args.get(2))?;
    let (map, start, end) = this.open(py, |file| {
        let len = file.len() as isize;
        let length = length.unwrap_or(len);
        if start < 0 || start >= len {
            return Err(PyValueError::new_err("madvise start out of bounds"));
        }
        if length < 0 {
            return Err(PyValueError::new_err("madvise length invalid"));
        }
        let end = start.checked_add(length).ok_or_else(|| PyOverflowError::new_err("madvise length too large"))?;
        Ok((file.to_arc(), start as usize, end.min(len) as usize))
    })?;
    if start % firmmap::page_size() != 0 {
        return Err(os_error(errors::INVALID_ARGUMENT));
    }
    detached(py, || map.advise_range(start..end, Advice::from_raw(option))).map_err(exception)?;
    Ok(none(py))
}

pub(crate) fn resize<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("resize", 1, 1)?;
    let size = args.get(0).map_or(Ok(0), args::ssize)?;
    let _guard = ResizeGuard(&this.resize_pending);
    loop {
        let done = this.state.with(py, |state| {
            let file = state.file.as_mut().ok_or_else(closed_error)?;
            if state.exports > 0 {
                return Err(PyBufferError::new_err("mmap can't resize with extant buffers exported."));
            }
            if !this.track_file {
                return Err(PyValueError::new_err("mmap can't resize with trackfd=False."));
            }
            if matches!(this.access, ACCESS_READ | ACCESS_COPY) {
                return Err(PyTypeError::new_err("mmap can't resize a readonly or copy-on-write memory map."));
            }
            let end = size.checked_add_unsigned(file.offset() as usize);
            if size < 0 || end.is_none() {
                return Err(PyValueError::new_err("new size out of range"));
            }
            if size == 0 {
                return Ok(Some(Err(errors::no_length())));
            }
            if file.is_shared() {
                return Ok(None);
            }
            Ok(Some(file.resize(size as usize).map_err(|error| match error.kind() {
                firmmap::ErrorKind::Unsupported => {
                    PyValueError::new_err("mmap: can't expand a shared anonymous mapping on Linux")
                }
                _ => exception(error),
            })))
        })?;
        match done {
            Some(result) => return result.map(|()| none(py)),
            // Other threads are searching or copying. They end soon, and new ones wait for this one.
            None => {
                this.resize_pending.store(true, Ordering::Relaxed);
                wait(py)?;
            }
        }
    }
}

/// A thread that wants to resize the map. Dropped, it is no longer pending; another one, if there is one, sets the flag again.
struct ResizeGuard<'a>(&'a AtomicBool);

impl Drop for ResizeGuard<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

pub(crate) fn set_name<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("set_name", 1, 1)?;
    let Some(object) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let Ok(name) = object.cast::<PyString>() else {
        let message = format!("set_name() argument must be str, not {}", class_name(object));
        return Err(PyTypeError::new_err(message));
    };
    let name = name.to_str()?;
    if name.contains('\0') {
        return Err(PyValueError::new_err("embedded null character"));
    }
    // The standard library puts 13 characters of its own in front, and the system takes 80 with the final zero.
    if name.len() > 66 {
        return Err(PyValueError::new_err("name is too long"));
    }
    let result = this.open(py, |file| {
        if !file.is_anonymous() {
            return Err(PyValueError::new_err("Cannot set annotation on non-anonymous mappings"));
        }
        Ok(file.set_name(&format!("firmmap:{name}")))
    })?;
    result.map_err(exception)?;
    Ok(none(py))
}

pub(crate) fn size(this: This<'_>) -> Returned<'_> {
    let result = this.open(this.py, |file| {
        if !this.track_file {
            return Ok(None);
        }
        Ok(Some(file.file_len()))
    })?;
    let len = result.ok_or_else(|| os_error(errors::BAD_DESCRIPTOR))?;
    args::python_uint(this.py, len.map_err(exception)?)
}
