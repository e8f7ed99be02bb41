//! What a map can be made of: [`MmapAsRawDesc`].

use std::fs::File;
use std::io;
#[cfg(unix)]
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
#[cfg(windows)]
use std::os::windows::io::{AsRawHandle, BorrowedHandle, RawHandle};

/// The file of an [`MmapAsRawDesc`].
#[cfg(not(any(unix, windows)))]
pub struct MmapRawDescriptor<'a>(&'a File);

/// The descriptor of an [`MmapAsRawDesc`].
#[cfg(unix)]
pub struct MmapRawDescriptor(RawFd);

/// The handle of an [`MmapAsRawDesc`].
#[cfg(windows)]
pub struct MmapRawDescriptor(RawHandle);

/// What a map can be made of: a reference to a file or to whatever else has a descriptor, or a raw descriptor, on Windows a handle.
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::{Mmap, MmapAsRawDesc};
/// fn first<F: MmapAsRawDesc>(file: F) -> std::io::Result<u8> {
///     // SAFETY: nobody edits this file while the test runs.
///     Ok(unsafe { Mmap::map(file)? }[0])
/// }
/// assert_eq!(first(&std::fs::File::open("Cargo.toml")?)?, b'[');
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait MmapAsRawDesc {
    /// The descriptor.
    #[cfg(any(unix, windows))]
    fn as_raw_desc(&self) -> MmapRawDescriptor;

    /// The file.
    #[cfg(not(any(unix, windows)))]
    fn as_raw_desc(&self) -> MmapRawDescriptor<'_>;
}

#[cfg(not(any(unix, windows)))]
impl MmapAsRawDesc for &File {
    fn as_raw_desc(&self) -> MmapRawDescriptor<'_> {
        MmapRawDescriptor(self)
    }
}

#[cfg(unix)]
impl MmapAsRawDesc for RawFd {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(*self)
    }
}

#[cfg(unix)]
impl<T: AsRawFd> MmapAsRawDesc for &T {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(self.as_raw_fd())
    }
}

#[cfg(windows)]
impl MmapAsRawDesc for RawHandle {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(*self)
    }
}

#[cfg(windows)]
impl<T: AsRawHandle> MmapAsRawDesc for &T {
    fn as_raw_desc(&self) -> MmapRawDescriptor {
        MmapRawDescriptor(self.as_raw_handle())
    }
}

#[cfg(unix)]
impl MmapRawDescriptor {
    /// The descriptor for the length of a call; an error for a number that is none.
    pub(crate) fn borrow(&self) -> io::Result<BorrowedFd<'_>> {
        /// `EBADF`, which has this number on every Unix.
        const BAD_DESCRIPTOR: i32 = 9;
        if self.0 < 0 {
            return Err(io::Error::from_raw_os_error(BAD_DESCRIPTOR));
        }
        // SAFETY: whoever has given the number has it open during the call; a number that is not open is an error of the system.
        Ok(unsafe { BorrowedFd::borrow_raw(self.0) })
    }
}

#[cfg(any(unix, windows))]
impl MmapRawDescriptor {
    /// A descriptor of our own for the file that the number is of now.
    pub(crate) fn duplicate(&self) -> io::Result<File> {
        self.borrow()?.try_clone_to_owned().map(File::from)
    }
}

#[cfg(windows)]
impl MmapRawDescriptor {
    /// The handle for the length of a call.
    pub(crate) fn borrow(&self) -> io::Result<BorrowedHandle<'_>> {
        // SAFETY: whoever has given the handle has it open during the call.
        Ok(unsafe { BorrowedHandle::borrow_raw(self.0) })
    }
}

#[cfg(not(any(unix, windows)))]
impl MmapRawDescriptor<'_> {
    /// The file.
    pub(crate) fn borrow(&self) -> io::Result<&File> {
        Ok(self.0)
    }

    /// Another one for it.
    pub(crate) fn duplicate(&self) -> io::Result<File> {
        self.0.try_clone()
    }
}
