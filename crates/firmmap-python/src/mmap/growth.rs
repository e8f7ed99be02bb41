//! Growing and shrinking: `resize`.

use super::{This, none};
use crate::args;
use crate::common::{Object, ResizeGuard, Returned};
use crate::constants::{ACCESS_COPY, ACCESS_READ};
use crate::errors::{self, closed as closed_error, exception};
use crate::sys::exception::{PyBufferError, PyTypeError, PyValueError};

pub(crate) fn resize<'py>(this: This<'py>, size: Object<'_, 'py>) -> Returned<'py> {
    let py = this.py;
    let size = args::ssize(size)?;
    let mut guard = None;
    loop {
        let done = this.state.with(py, |state| {
            let file = state.as_mut().ok_or_else(closed_error)?;
            if file.exports > 0 {
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
                    PyValueError::new_err("mmap: can't expand a shared anonymous mapping")
                }
                _ => exception(error),
            })))
        })?;
        match done {
            Some(result) => return result.map(|()| none(py)),
            // Other threads are searching or copying. They end soon, and new ones wait for this one.
            None => ResizeGuard::wait(&mut guard, &*this, py)?,
        }
    }
}
