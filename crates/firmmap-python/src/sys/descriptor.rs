//! File descriptors as Python knows them: numbers that belong to somebody else.

use std::io;

#[cfg(unix)]
pub(crate) type Source = std::os::fd::BorrowedFd<'static>;
#[cfg(windows)]
pub(crate) type Source = std::os::windows::io::BorrowedHandle<'static>;

/// The file behind `fileno`, for the system calls that follow at once. The number may be wrong: they then say so.
#[cfg(unix)]
pub(crate) fn borrow(fileno: i32) -> io::Result<Source> {
    if fileno < 0 {
        return Err(io::Error::from_raw_os_error(libc::EBADF));
    }
    // SAFETY: used only in system calls before we return to Python; they check the number themselves.
    Ok(unsafe { std::os::fd::BorrowedFd::borrow_raw(fileno) })
}

/// The file behind `fileno`, for the system calls that follow at once.
#[cfg(windows)]
pub(crate) fn borrow(fileno: i32) -> io::Result<Source> {
    // SAFETY: the C library checks the number.
    let handle = unsafe { libc::get_osfhandle(fileno) };
    if handle == -1 {
        return Err(io::Error::from_raw_os_error(6));
    }
    // SAFETY: used only in system calls before we return to Python; they check the handle themselves.
    Ok(unsafe { std::os::windows::io::BorrowedHandle::borrow_raw(handle as _) })
}
