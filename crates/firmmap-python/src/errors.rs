//! The library's errors as Python's exceptions.

use firmmap::{Error, ErrorKind};
use pyo3::exceptions::{PyOSError, PyValueError};
use pyo3::prelude::*;

use crate::faults::{self, MapFaultError};

/// The exception that the standard library raises in the same case, with its words where it has any.
pub(crate) fn exception(error: Error) -> PyErr {
    match error.kind() {
        ErrorKind::Fault => {
            faults::told();
            MapFaultError::new_err((error.fault_offset(),))
        }
        ErrorKind::Os => system_error(&std::io::Error::from(error)),
        ErrorKind::OffsetBeyondEnd => PyValueError::new_err("mmap offset is greater than file size"),
        ErrorKind::LengthBeyondEnd => PyValueError::new_err("mmap length is greater than file size"),
        ErrorKind::TooLarge => PyValueError::new_err("mmap length is too large"),
        // The standard library lets the system refuse what has no length.
        ErrorKind::UnknownLength => os_error(INVALID_ARGUMENT),
        ErrorKind::NoFile => os_error(BAD_DESCRIPTOR),
        ErrorKind::AccessDenied => PyOSError::new_err((PERMISSION_DENIED, format!("Permission denied: {error}"))),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// EINVAL, EBADF, EACCES: the same numbers on every system.
pub(crate) const INVALID_ARGUMENT: i32 = 22;
pub(crate) const BAD_DESCRIPTOR: i32 = 9;
const PERMISSION_DENIED: i32 = 13;

/// An `OSError` with a C error number and its usual words. Does not call into Python: the exception is made later.
pub(crate) fn os_error(number: i32) -> PyErr {
    let words = std::io::Error::from_raw_os_error(number).to_string();
    let suffix = format!(" (os error {number})");
    PyOSError::new_err((number, words.trim_end_matches(&suffix).to_owned()))
}

/// What the system has refused.
pub(crate) fn system_error(error: &std::io::Error) -> PyErr {
    match error.raw_os_error() {
        #[cfg(windows)]
        Some(number) => PyOSError::new_err((0, error.to_string(), None::<String>, number)),
        #[cfg(not(windows))]
        Some(number) => os_error(number),
        None => PyOSError::new_err(error.to_string()),
    }
}

pub(crate) fn closed() -> PyErr {
    PyValueError::new_err("mmap closed or invalid")
}
