//! File descriptors as Python has them: numbers of files that are the caller's.

#[cfg(unix)]
use super::detach::detached;
use super::exception::{PyOSError, PyResult};
#[cfg(windows)]
use super::number::python_int;
#[cfg(windows)]
use super::objects::{call_method, import};
use pyo3::prelude::*;

#[cfg(unix)]
pub(crate) type Source = std::os::fd::BorrowedFd<'static>;
#[cfg(windows)]
pub(crate) type Source = std::os::windows::io::BorrowedHandle<'static>;

/// The file behind `fileno`, for the system calls that follow at once. The number may be wrong: they then say so.
#[cfg(unix)]
pub(crate) fn borrow(_py: Python<'_>, fileno: i32) -> PyResult<Source> {
    if fileno < 0 {
        return Err(PyOSError::new_err((libc::EBADF, "Bad file descriptor")));
    }
    // SAFETY: used only in system calls before we return to Python; they check the number themselves.
    Ok(unsafe { std::os::fd::BorrowedFd::borrow_raw(fileno) })
}

/// The file behind `fileno`, for the system calls that follow at once.
///
/// A program on Windows can have several C libraries, each with descriptors of its own: so Python is asked, which knows its.
#[cfg(windows)]
pub(crate) fn borrow(py: Python<'_>, fileno: i32) -> PyResult<Source> {
    let descriptor = python_int(py, fileno as isize)?;
    let handle = call_method(&import(py, c"msvcrt")?, c"get_osfhandle", [descriptor]);
    // As an error of ours it can name the descriptor.
    let handle =
        handle.map_err(
            |error| {
                if error.is_os_error() { PyOSError::new_err((EBADF, "Bad file descriptor")) } else { error }
            },
        )?;
    let handle = handle.extract::<isize>()? as std::os::windows::io::RawHandle;
    // SAFETY: used only in system calls before we return to Python; they check the handle themselves.
    Ok(unsafe { std::os::windows::io::BorrowedHandle::borrow_raw(handle) })
}

/// The C library's number.
#[cfg(windows)]
const EBADF: i32 = 9;

/// A descriptor that the caller has handed over, to be closed with its map. Nothing is imported for that: the interpreter may be at its end.
pub(crate) struct HandedOver {
    number: i32,
    /// Device and inode: if somebody else has closed the descriptor, the number may be that of another file by then.
    #[cfg(unix)]
    file: (u64, u64),
    /// `os.close`, as the number is one of Python's C library.
    #[cfg(windows)]
    close: super::owned::Owned,
}

#[cfg(unix)]
impl HandedOver {
    pub(crate) fn new(_py: Python<'_>, number: i32) -> PyResult<Self> {
        match identity(number) {
            Some(file) => Ok(Self { number, file }),
            None => Err(PyOSError::new_err((libc::EBADF, "Bad file descriptor"))),
        }
    }

    /// Closes it; the system's error if it is not the file's any more.
    pub(crate) fn close(self, py: Python<'_>) -> PyResult<std::io::Result<()>> {
        let Self { number, file } = self;
        if identity(number) != Some(file) {
            return Ok(Err(std::io::Error::from_raw_os_error(libc::EBADF)));
        }
        let close = || {
            // SAFETY: it was handed over to be closed here.
            let failed = unsafe { libc::close(number) } == -1;
            let error = failed.then(std::io::Error::last_os_error);
            // The descriptor is closed also where the call was interrupted.
            error.filter(|error| error.kind() != std::io::ErrorKind::Interrupted)
        };
        Ok(detached(py, close).map_or(Ok(()), Err))
    }
}

/// Takes over a descriptor that was just opened, and that nobody else is going to close. Not one of those that stand for the standard streams.
#[cfg(unix)]
pub(crate) fn own(number: i32) -> Option<std::fs::File> {
    // SAFETY: the caller has opened it, and leaves it to us.
    (number > 2).then(|| unsafe { std::os::fd::FromRawFd::from_raw_fd(number) })
}

/// Python's C library has to close it.
#[cfg(windows)]
pub(crate) fn own(_number: i32) -> Option<std::fs::File> {
    None
}

/// Device and inode of an open file.
#[cfg(unix)]
fn identity(number: i32) -> Option<(u64, u64)> {
    let mut stat = std::mem::MaybeUninit::<libc::stat>::uninit();
    // SAFETY: the buffer is a `stat`; the system checks the number.
    if unsafe { libc::fstat(number, stat.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call has succeeded, so it has filled the buffer.
    let stat = unsafe { stat.assume_init() };
    // Their types differ from system to system.
    #[allow(clippy::unnecessary_cast)]
    Some((stat.st_dev as u64, stat.st_ino as u64))
}

#[cfg(windows)]
impl HandedOver {
    pub(crate) fn new(py: Python<'_>, number: i32) -> PyResult<Self> {
        let close = super::objects::attribute(&import(py, c"os")?, c"close")?;
        Ok(Self { number, close: close.into() })
    }

    pub(crate) fn close(self, py: Python<'_>) -> PyResult<std::io::Result<()>> {
        super::objects::call(self.close.bind(py), [python_int(py, self.number as isize)?]).map(|_| Ok(()))
    }
}

/// Whether a file is behind `fileno` now.
#[cfg(unix)]
pub(crate) fn is_open(fileno: i32) -> bool {
    // SAFETY: only asks; the system checks the number.
    unsafe { libc::fcntl(fileno, libc::F_GETFD) != -1 }
}

/// Whether a file is behind `fileno` now: the C library's, which [`borrow`] asks.
#[cfg(windows)]
pub(crate) fn is_open(_fileno: i32) -> bool {
    true
}

/// A file of our own, of the caller's.
pub(crate) fn duplicate(source: &Source) -> std::io::Result<std::fs::File> {
    source.try_clone_to_owned().map(std::fs::File::from)
}

/// How many bytes of addresses the process may have, if that is limited.
#[cfg(unix)]
pub(crate) fn address_limit() -> Option<u64> {
    // OpenBSD counts what is mapped as data.
    #[cfg(not(target_os = "openbsd"))]
    use libc::RLIMIT_AS as ADDRESSES;
    #[cfg(target_os = "openbsd")]
    use libc::RLIMIT_DATA as ADDRESSES;

    let mut limit = std::mem::MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the buffer is an `rlimit`.
    if unsafe { libc::getrlimit(ADDRESSES, limit.as_mut_ptr()) } != 0 {
        return None;
    }
    // SAFETY: the call has succeeded, so it has filled the buffer.
    let limit = unsafe { limit.assume_init() }.rlim_cur;
    #[allow(clippy::unnecessary_cast, reason = "the number has another type on some systems")]
    (limit != libc::RLIM_INFINITY).then_some(limit as u64)
}

/// How many bytes of addresses the process may have, if that is limited.
#[cfg(windows)]
pub(crate) fn address_limit() -> Option<u64> {
    None
}

/// The descriptor of a file of ours.
#[cfg(unix)]
pub(crate) fn number(file: &std::fs::File) -> Option<i32> {
    Some(std::os::fd::AsRawFd::as_raw_fd(file))
}

/// The descriptor of a file of ours. The system's handles have no numbers that the C library would know.
#[cfg(windows)]
pub(crate) fn number(_: &std::fs::File) -> Option<i32> {
    None
}
