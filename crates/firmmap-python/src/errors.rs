//! The library's errors as Python's exceptions.

use firmmap::{Error, ErrorKind};

use crate::faults::{self, interpreter::MapFaultError};
use crate::sys::exception::{Exception, PyOSError, PyValueError};

/// The exception that the standard library raises in the same case, with its message where it has one.
#[cold]
#[inline(never)]
pub(crate) fn exception(error: Error) -> Exception {
    match error.kind() {
        ErrorKind::Fault => {
            faults::reported();
            MapFaultError::new_err(error.fault_offset())
        }
        ErrorKind::Os if error.space().is_some() => no_space(&error),
        ErrorKind::Os => system_error(&std::io::Error::from(error)),
        ErrorKind::OffsetBeyondEnd => PyValueError::new_err("mmap offset is greater than file size"),
        ErrorKind::LengthBeyondEnd => PyValueError::new_err("mmap length is greater than file size"),
        ErrorKind::TooLarge => PyValueError::new_err("mmap length is too large"),
        // The standard library lets the system refuse what has no length.
        ErrorKind::UnknownLength => os_error(INVALID_ARGUMENT),
        ErrorKind::NoFile => os_error(BAD_DESCRIPTOR),
        ErrorKind::StaleDescriptor => PyOSError::new_err((BAD_DESCRIPTOR, format!("Bad file descriptor: {error}"))),
        ErrorKind::AccessDenied => PyOSError::new_err((PERMISSION_DENIED, format!("Permission denied: {error}"))),
        _ => PyValueError::new_err(error.to_string()),
    }
}

/// ENOSPC, with the numbers of bytes that were needed and that are free.
fn no_space(error: &Error) -> Exception {
    let system = std::io::Error::from_raw_os_error(NO_SPACE);
    let (wanted, free) = error.space().unwrap_or_default();
    let message = format!("{}: {wanted} bytes were asked for, and {free} are free", message_of(&system));
    PyOSError::new_err((NO_SPACE, message))
}

/// ENOSPC: the same number on every system that says how much space it has.
const NO_SPACE: i32 = 28;

/// EINVAL, EBADF, EACCES: the same numbers on every system.
pub(crate) const INVALID_ARGUMENT: i32 = 22;
pub(crate) const BAD_DESCRIPTOR: i32 = 9;
pub(crate) const PERMISSION_DENIED: i32 = 13;
/// ENXIO.
pub(crate) const NO_SUCH_ADDRESS: i32 = 6;
/// ENODEV.
pub(crate) const NO_SUCH_DEVICE: i32 = 19;

/// What the system says of a length of zero.
pub(crate) fn no_length() -> Exception {
    const INVALID_PARAMETER: i32 = 87;
    refused(INVALID_ARGUMENT, INVALID_PARAMETER)
}

/// What the system says of an offset that is not aligned.
pub(crate) fn misaligned() -> Exception {
    const MAPPED_ALIGNMENT: i32 = 1132;
    refused(INVALID_ARGUMENT, MAPPED_ALIGNMENT)
}

/// The system's error as it would be on Unix or on Windows.
fn refused(unix: i32, windows: i32) -> Exception {
    if cfg!(windows) { system_error(&std::io::Error::from_raw_os_error(windows)) } else { os_error(unix) }
}

/// Whether the system has refused a wrong descriptor.
pub(crate) fn is_bad_descriptor(error: &std::io::Error) -> bool {
    const INVALID_HANDLE: i32 = 6;
    error.raw_os_error() == Some(if cfg!(windows) { INVALID_HANDLE } else { BAD_DESCRIPTOR })
}

/// An `OSError` with a C error number and its usual message. Does not call into Python: the exception is made later.
pub(crate) fn os_error(number: i32) -> Exception {
    let message = match number {
        // Windows has other numbers, with other messages.
        INVALID_ARGUMENT => "Invalid argument".to_owned(),
        BAD_DESCRIPTOR => "Bad file descriptor".to_owned(),
        _ => message_of(&std::io::Error::from_raw_os_error(number)),
    };
    PyOSError::new_err((number, message))
}

/// What the system has refused.
pub(crate) fn system_error(error: &std::io::Error) -> Exception {
    match error.raw_os_error() {
        #[cfg(windows)]
        Some(number) => PyOSError::new_err(crate::sys::exception::Arguments::windows(number, message_of(error))),
        #[cfg(not(windows))]
        Some(number) => os_error(number),
        // Not the system's: there was no memory for a copy.
        None if error.kind() == std::io::ErrorKind::OutOfMemory => Exception::no_memory(),
        None => PyOSError::new_err(error.to_string()),
    }
}

/// The system's message, as Python has it: without the number, and on Windows without the full stop.
fn message_of(error: &std::io::Error) -> String {
    let message = error.to_string();
    let message = message.rsplit_once(" (os error ").map_or(message.as_str(), |(message, _)| message);
    if cfg!(windows) { message.trim_end_matches(['.', ' ']).to_owned() } else { message.to_owned() }
}

#[cold]
#[inline(never)]
pub(crate) fn closed() -> Exception {
    PyValueError::new_err("mmap closed or invalid")
}
