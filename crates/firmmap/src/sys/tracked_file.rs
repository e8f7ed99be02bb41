//! [`TrackedFile`]: a map's own descriptor, which is used only while it is still open on the map's file.
//!
//! A descriptor is a number, and any code in the process can close it: libraries that start daemons close all of them. The next file that
//! is opened then gets the number. So the file's identity is recorded when the map is created, and compared before the descriptor is
//! used. The identity cannot be reused meanwhile, because a mapping keeps the inode alive.

use std::fs::{File, Metadata};
use std::io::{self, Seek};
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use super::{FileInfo, file_info, os, source};
use crate::error::{Detail, Error};

/// The identity of a file: device and inode. On Windows always the same, because code there does not close handles that it has not opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct FileId {
    pub device: u64,
    pub inode: u64,
}

impl FileId {
    /// That of the file which the metadata are of.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        {
            use std::os::unix::fs::MetadataExt;
            Self { device: metadata.dev(), inode: metadata.ino() }
        }
        #[cfg(not(unix))]
        {
            let _ = metadata;
            Self::default()
        }
    }
}

/// A map's own descriptor. It is handed out by [`get`](Self::get) and [`with_len`](Self::with_len), which compare first, once for each
/// operation.
pub(crate) struct TrackedFile {
    file: ManuallyDrop<File>,
    id: FileId,
    /// Keeps the inode alive where the map has no bytes, and so no mapping.
    pinned: OnceLock<Box<os::Mapping>>,
}

impl TrackedFile {
    /// `info` is what the system has just said of `file`.
    pub(crate) fn new(file: File, info: &FileInfo) -> Self {
        Self { file: ManuallyDrop::new(file), id: info.id, pinned: OnceLock::new() }
    }

    /// The file and what the system says of it now.
    fn checked(&self) -> io::Result<(&File, FileInfo)> {
        let info = file_info(source(&*self.file))?;
        if info.id == self.id {
            Ok((&self.file, info))
        } else {
            Err(io::Error::other(Error::from(Detail::StaleDescriptor)))
        }
    }

    /// The file, if the descriptor is still open on it.
    pub(crate) fn get(&self) -> io::Result<&File> {
        self.checked().map(|(file, _)| file)
    }

    /// As [`get`](Self::get), with the file's length now, in the same system call.
    pub(crate) fn with_len(&self) -> io::Result<(&File, u64)> {
        self.checked().map(|(file, info)| (file, info.len))
    }

    /// The file, for a call that has just opened it, or has just [compared](Self::with_len).
    pub(crate) fn fresh(&self) -> &File {
        &self.file
    }

    /// The position of the descriptor, or that of whatever file has the number now: it is only read.
    pub(crate) fn unchecked_position(&self) -> Option<u64> {
        (&*self.file).stream_position().ok()
    }

    /// Keeps `mapping`, one of the file's.
    pub(super) fn pin(&self, mapping: os::Mapping) {
        // One of them will do.
        let _ = self.pinned.set(Box::new(mapping));
    }

    /// Gives up what [`pin`](Self::pin) has kept: the map has a mapping of its own again.
    pub(crate) fn unpin(&mut self) {
        self.pinned.take();
    }

    /// The descriptor for the handler of faults, which compares for itself.
    #[cfg(unix)]
    pub(crate) fn unchecked(&self) -> (std::os::fd::RawFd, FileId) {
        (std::os::fd::AsRawFd::as_raw_fd(&*self.file), self.id)
    }
}

impl Drop for TrackedFile {
    fn drop(&mut self) {
        // A descriptor that is left open is better than one of somebody else's that is closed.
        if self.get().is_ok() {
            // SAFETY: this is the end of `self`, so that nobody uses the file any more.
            unsafe { ManuallyDrop::drop(&mut self.file) };
        }
    }
}
