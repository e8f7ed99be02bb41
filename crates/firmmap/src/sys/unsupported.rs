//! A system that cannot map memory (WebAssembly): every type exists, and no map can be created.

use std::fs::File;
use std::io;

use super::{FileInfo, FileLenChange, MappingInfo, Request, TrackedFile};
use crate::access::{Access, FlushFlags, Protection};
use crate::advice::Advice;
use crate::range::Span;

/// What a map could be created from.
pub trait AsSource {
    /// The file.
    fn as_source(&self) -> &File;
}

impl AsSource for File {
    fn as_source(&self) -> &File {
        self
    }
}

impl<F: AsSource + ?Sized> AsSource for &F {
    fn as_source(&self) -> &File {
        (**self).as_source()
    }
}

/// A file of the caller's.
pub(crate) type Source<'a> = &'a File;

/// Nothing can be mapped; checked before a mapping is created.
pub(crate) const SUPPORTED: bool = false;

/// The unit of memory in WebAssembly.
pub(crate) fn page_size() -> usize {
    65536
}

/// As [`page_size`].
pub(crate) fn granularity() -> usize {
    page_size()
}

fn unsupported<T>() -> io::Result<T> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Not asked for.
pub(crate) fn file_info(_source: Source<'_>) -> io::Result<FileInfo> {
    unsupported()
}

/// No map grows.
pub(crate) fn lengthen(_file: &File, _to: u64) -> io::Result<()> {
    unsupported()
}

/// No map grows.
pub(crate) fn append(_file: &File, _bytes: &[u8]) -> io::Result<usize> {
    unsupported()
}

/// The file to map.
pub(crate) fn source<F: AsSource>(file: &F) -> Source<'_> {
    file.as_source()
}

/// A handle of our own for the same file.
pub(crate) fn duplicate(source: Source<'_>) -> io::Result<File> {
    source.try_clone()
}

/// Nothing to do.
pub(crate) fn sync_before_mapping(_source: Source<'_>) {}

/// There is none, so that its methods are never called.
pub(crate) enum Mapping {}

impl Mapping {
    pub(crate) fn new(_request: &Request<'_>) -> io::Result<Self> {
        unsupported()
    }

    pub(crate) fn base(&self) -> *mut u8 {
        match *self {}
    }

    pub(crate) fn info(&self, _request: &Request<'_>, _file: Option<&TrackedFile>, _start: usize) -> MappingInfo {
        match *self {}
    }

    pub(crate) fn moved(&self, _info: &MappingInfo, _start: usize) -> MappingInfo {
        match *self {}
    }

    pub(crate) fn change_len(&mut self, _len: usize, _may_move: bool) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn flush(&self, _span: Span, _flags: FlushFlags, _file: Option<&TrackedFile>) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn advise(&self, _span: Span, _advice: Advice) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn lock(&self, _span: Span) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn unlock(&self, _span: Span) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn protect(&mut self, _protection: Protection, _access: Access) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn residency(&self, _span: Span, _pages: &mut [u8]) -> io::Result<()> {
        match *self {}
    }

    pub(crate) fn set_name(&self, _name: &std::ffi::CStr) -> io::Result<()> {
        match *self {}
    }
}

/// There is nothing to advise.
pub(crate) fn knows_advice(_advice: Advice) -> bool {
    false
}

/// Never called, as there are no maps.
pub(crate) fn resize(
    _mapping: &mut Option<Mapping>,
    _request: Option<&Request<'_>>,
    _change: &FileLenChange<'_>,
) -> io::Result<()> {
    unsupported()
}
