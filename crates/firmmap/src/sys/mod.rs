//! The system calls. Each backend (`unix.rs`, `windows.rs`, `unsupported.rs`) has the same items with the same signatures, except for what
//! the fault handler of one system needs.

#![cfg_attr(not(any(unix, windows)), allow(dead_code, reason = "there is no backend that would use it"))]

#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
#[cfg(not(any(unix, windows)))]
#[path = "unsupported.rs"]
mod os;

#[cfg(unix)]
mod fork;
#[cfg(unix)]
#[path = "growth_unix.rs"]
mod growth;
#[cfg(not(unix))]
#[path = "growth_windows.rs"]
mod growth;
mod immutable;
mod mapped_path;
mod tracked_file;

use std::fs::File;
use std::io;
use std::ops::RangeInclusive;

#[cfg(unix)]
pub(crate) use fork::register as at_fork;
#[cfg(unix)]
pub(crate) use growth::check_len;
#[cfg(linux_kernel)]
pub(crate) use growth::evict;
pub(crate) use growth::{
    RESERVES, allocate, append_all, appending, check_shortens, check_space, device_len, extend, fill_holes, generation,
    has_append_flag, has_hidden_bytes, is_pseudo, punch, read_exact_at, seek_sparse, set_longer, shared_memory, touch,
    write_all_at, zero,
};
pub(crate) use immutable::why_mutable;
pub(crate) use mapped_path::mapped_path;
pub use os::AsSource;
#[cfg(unix)]
pub(crate) use os::is_private;
#[cfg(windows)]
pub(crate) use os::{COPY, check_writable, page_protection};
pub(crate) use os::{
    Mapping, SUPPORTED, Source, duplicate, file_info, granularity, knows_advice, page_size, resize, source,
    sync_before_mapping,
};
pub(crate) use tracked_file::{FileId, TrackedFile};

use crate::access::{Access, Protection};

/// What stays the same when a mapping is created again with another length: the arguments of mmap(2), except for the file, the offset and
/// the length.
#[derive(Clone, Debug)]
pub(crate) struct Parameters {
    pub protection: Protection,
    /// Changes stay in the mapping (copy-on-write).
    pub private: bool,
    /// What the offset must be a multiple of: the granularity of the file, or the system's.
    pub granularity: usize,
    /// The complete flags of mmap(2).
    #[cfg(unix)]
    pub flags: crate::access::MapFlags,
    /// The name of the mapping in the system's table of names.
    #[cfg(windows)]
    pub tag: Option<String>,
}

impl Parameters {
    /// The access that protection and flags amount to.
    pub(crate) fn access(&self) -> Access {
        match (self.protection.contains(Protection::WRITE), self.private) {
            (false, true) if cfg!(windows) => Access::Copy,
            (false, _) => Access::Read,
            (true, true) => Access::Copy,
            (true, false) => Access::Write,
        }
    }

    /// Whether a mapping can be longer than the part of it that is used, and than its file.
    pub(crate) fn reserves(&self) -> bool {
        // A mapping of huge pages extends its file, or takes pages away from other processes.
        #[cfg(linux_kernel)]
        let huge = self.flags.contains(crate::MapFlags::HUGETLB) || self.granularity > page_size();
        #[cfg(not(linux_kernel))]
        let huge = false;
        RESERVES && !huge
    }
}

/// What is to be mapped. `len` is not zero; `offset` is a multiple of the granularity.
pub(crate) struct Request<'a> {
    /// The file, or `None` for anonymous memory.
    pub source: Option<Source<'a>>,
    pub offset: u64,
    pub len: usize,
    pub parameters: &'a Parameters,
}

impl Request<'_> {
    /// Whether the mapping is writable and its changes stay in it.
    pub(crate) fn keeps_changes(&self) -> bool {
        let stay = self.parameters.private || self.source.is_none();
        stay && self.parameters.protection.contains(Protection::WRITE)
    }
}

/// The length of a file that is known to be regular.
pub(crate) fn file_len(file: &File) -> io::Result<u64> {
    file_info(source(file)).map(|info| info.len)
}

/// What the system reports about a file.
pub(crate) struct FileInfo {
    /// Bytes.
    pub len: u64,
    /// Whether it is a regular file, so that `len` limits what can be mapped.
    pub regular: bool,
    /// What the offset of a mapping must be a multiple of: [`granularity`], or more for a file of huge pages.
    pub granularity: usize,
    /// The identity of the file.
    pub id: FileId,
}

/// How bytes are appended to a file in such a way that its maps show them.
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(unix), allow(dead_code, reason = "there bytes are always copied"))]
pub(crate) enum Appending {
    /// By a write at their offset.
    AtOffset,
    /// By a write for which the system chooses the offset, the end of the file (`O_APPEND`).
    AtEnd,
    /// Through a map, after the file was extended.
    Copied,
}

/// What [`seek_sparse`] looks for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sparse {
    Data,
    Hole,
}

/// What [`seek_sparse`] has found.
pub(crate) enum Found {
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")),
        allow(dead_code, reason = "the others do not know their holes")
    )]
    At(u64),
    /// There is no more data, or the file ends before.
    #[cfg_attr(
        not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")),
        allow(dead_code, reason = "the others do not know their holes")
    )]
    Nothing,
}

/// A write that failed, after so many bytes were written. The error is one of our own of kind `Unsupported` if the bytes must be copied
/// into a map instead.
pub(crate) struct WriteError {
    pub written: usize,
    pub error: io::Error,
}

impl WriteError {
    pub(crate) fn must_copy(&self) -> bool {
        self.written == 0 && self.error.kind() == io::ErrorKind::Unsupported && self.error.raw_os_error().is_none()
    }
}

/// What the handler needs to know of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MappingInfo {
    /// Address of the mapping, and its length in whole pages.
    pub start: usize,
    pub len: usize,
    /// The mapping's file, or -1.
    pub fd: i32,
    /// The identity of that file.
    pub file_id: FileId,
    pub file_offset: u64,
    /// The arguments of mmap(2).
    pub protection: i32,
    pub flags: i32,
    /// The size of its pages.
    pub page_size: usize,
    /// The address of the map's first byte, to be subtracted from an address to get an index.
    pub origin: usize,
}

/// What resizing a map does to its file, whose descriptor was compared when its length `old` was asked for.
pub(crate) struct FileLenChange<'a> {
    /// `None` for anonymous memory.
    pub file: Option<&'a TrackedFile>,
    pub old: u64,
    pub new: u64,
    pub how: FileResize,
}

/// What happens to a file when its map gets another length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileResize {
    /// The file is unchanged.
    Keep,
    /// Its length changes; no space is allocated on the disk.
    Length,
    /// Its length changes; if it grows, it is by a hole.
    Holes,
    /// Its length changes; if it grows, space is allocated on the disk.
    Allocate,
}

impl FileLenChange<'_> {
    pub(crate) fn apply(&self) -> io::Result<()> {
        match (self.file.map(TrackedFile::fresh), self.how) {
            (None, _) | (_, FileResize::Keep) => Ok(()),
            (Some(file), FileResize::Holes) if self.new > self.old => set_longer(file, self.new),
            (Some(file), FileResize::Allocate) if self.new > self.old => allocate(file, self.old, self.new),
            (Some(file), _) => file.set_len(self.new),
        }
    }

    /// Why the file could not be changed either, after the new mapping has failed. That is the error to report: it is about the file, and what
    /// the standard library of Python reports, which changes the file first.
    #[cfg(unix)]
    pub(crate) fn refusal(&self) -> Option<io::Error> {
        let Some(Ok(file)) = self.file.filter(|_| self.new > self.old).map(TrackedFile::get) else { return None };
        match self.how {
            FileResize::Keep => Ok(()),
            FileResize::Length | FileResize::Holes => check_len(file, self.new),
            FileResize::Allocate => check_space(file, self.old, self.new).and_then(|()| check_len(file, self.new)),
        }
        .err()
    }

    /// Undoes the change, after the new mapping has failed.
    pub(crate) fn undo(&self) {
        if let (Some(Ok(file)), true) = (self.file.map(TrackedFile::get), self.how != FileResize::Keep) {
            restore_len(file, self.old, self.new..=self.new);
        }
    }
}

/// Restores the length `old` of a file after a failed operation, if its present length is one of `ours`, which the operation can have left:
/// any other is due to somebody else.
pub(crate) fn restore_len(file: &File, old: u64, ours: RangeInclusive<u64>) {
    if file_len(file).is_ok_and(|now| ours.contains(&now)) {
        // The first error is the one to report.
        let _ = file.set_len(old);
    }
}

/// Maps `request` to find out whether that is allowed. `file` keeps the mapping, and so the inode.
pub(crate) fn pin(request: &Request<'_>, file: Option<&TrackedFile>) -> io::Result<()> {
    let mapping = os::Mapping::new(request)?;
    if let Some(file) = file {
        file.pin(mapping);
    }
    Ok(())
}
