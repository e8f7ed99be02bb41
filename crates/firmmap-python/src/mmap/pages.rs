//! The mapping itself: flushing, advice, name, the size of its file.

#[cfg(unix)]
use firmmap::Advice;
use firmmap::FlushFlags;
use pyo3::prelude::*;
use pyo3::types::PyString;

use super::{This, none};
use crate::args::{self, Args};
use crate::common::{Mapped, Object, Returned};
use crate::constants::{ACCESS_COPY, ACCESS_READ};
#[cfg(unix)]
use crate::errors::closed as closed_error;
use crate::errors::{self, exception, os_error};
use crate::sys::detach::detached;
#[cfg(unix)]
use crate::sys::exception::PyOverflowError;
use crate::sys::exception::{PyResult, PyTypeError, PyValueError};
use crate::sys::objects::{attribute, class_name, import};

pub(crate) fn flush<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check_named("flush", 2, &["flags"])?;
    let offset = args.get(0).map_or(Ok(0), args::ssize)?;
    // -1, the default, and None mean everything from the offset on.
    let size = args::optional_ssize(args.get(1))?.filter(|&size| size != -1);
    let flags = match args.named("flags").map_or(Ok(0), args::c_int)? {
        0 => FlushFlags::SYNC,
        flags => FlushFlags::from_bits_retain(flags),
    };
    let work = this.open_map(py, |file| {
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
        let is_misaligned = cfg!(unix) && start % firmmap::page_size() != 0;
        if is_misaligned || are_refused(flags) {
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

/// Whether Linux refuses the flags. The library does not ask it about a private map, of which there is nothing to write; the standard library
/// does.
fn are_refused(flags: FlushFlags) -> bool {
    let both = FlushFlags::SYNC | FlushFlags::ASYNC;
    let is_unknown = flags.bits() & !(both | FlushFlags::INVALIDATE).bits() != 0;
    cfg!(any(target_os = "linux", target_os = "android")) && (flags.contains(both) || is_unknown)
}

#[cfg(unix)]
pub(crate) fn madvise<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("madvise", 1, 3)?;
    let option = args.get(0).map_or(Ok(0), args::c_int)?;
    let start = args.get(1).map_or(Ok(0), args::ssize)?;
    // The standard library looks at the map before it converts the length, too.
    this.check_open(py)?;
    let length = args::optional_ssize(args.get(2))?;
    if start < 0 {
        return Err(PyValueError::new_err("madvise start out of bounds"));
    }
    let (map, start, end) = this.state.with(py, |state| {
        let Some(file) = state else {
            let is_wrong = length.is_some_and(|length| length < 0);
            return Err(if is_wrong { PyValueError::new_err("madvise length invalid") } else { closed_error() });
        };
        let len = file.len() as isize;
        let length = length.unwrap_or(len);
        if start >= len {
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

pub(crate) fn set_name<'py>(this: This<'py>, name: Object<'_, 'py>) -> Returned<'py> {
    let py = this.py;
    let Ok(name) = name.cast::<PyString>() else {
        let class = if name.is_none() { "None".to_owned() } else { class_name(name) };
        return Err(PyTypeError::new_err(format!("set_name() argument must be str, not {class}")));
    };
    let name = name.to_str()?;
    if name.contains('\0') {
        return Err(PyValueError::new_err("embedded null character"));
    }
    // The standard library puts 13 characters of its own in front, and the system takes 80 with the final zero.
    if name.len() > 66 {
        return Err(PyValueError::new_err("name is too long"));
    }
    if !this.anonymous {
        return Err(PyValueError::new_err("Cannot set annotation on non-anonymous mappings"));
    }
    match this.open(py, |file| Ok(file.set_name(&format!("firmmap:{name}"))))? {
        // Elsewhere the standard library does not even ask the system.
        Err(error) if is_development_mode(py)? => Err(exception(error)),
        _ => Ok(none(py)),
    }
}

/// Whether the interpreter is a debug build, or was started with `-X dev`.
fn is_development_mode(py: Python<'_>) -> PyResult<bool> {
    let sys = import(py, c"sys")?;
    let flag = attribute(&attribute(&sys, c"flags")?, c"dev_mode")?;
    Ok(flag.is_truthy()? || attribute(&sys, c"gettotalrefcount").is_ok())
}

pub(crate) fn size(this: This<'_>) -> Returned<'_> {
    let len = this.open(this.py, |file| {
        if !this.track_file {
            return Err(PyValueError::new_err("can't get size with trackfd=False"));
        }
        file.file_len().map_err(exception)
    })?;
    args::python_uint(this.py, len)
}
