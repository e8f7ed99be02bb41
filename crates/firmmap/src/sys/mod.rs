//! The border to the operating system: everything unsafe about mapping memory is in this folder.
//!
//! [`Region`] is the same on every system: it owns an `os::Mapping` and is the only code that
//! touches mapped bytes. Each backend (`unix.rs`, `windows.rs`) has the same items with the same signatures.

mod memory;

#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;

use std::io;
use std::mem::MaybeUninit;

pub use os::AsSource;
pub(crate) use os::{Source, duplicate, extend, file_info, granularity, page_size, source, sync_before_mapping};

use crate::access::{Access, FlushFlags, Protection};
use crate::advice::Advice;
use crate::range::Span;

/// What is to be mapped. `len` is not zero; `offset` is a multiple of [`granularity`].
pub(crate) struct Request<'a> {
    /// The file, or `None` for anonymous memory.
    pub source: Option<Source<'a>>,
    pub offset: u64,
    pub len: usize,
    #[cfg_attr(unix, allow(dead_code, reason = "flags and protection say it"))]
    pub access: Access,
    pub protection: Protection,
    /// The complete flags of mmap(2).
    #[cfg(unix)]
    pub flags: crate::access::MapFlags,
    /// The name of the mapping in the system's table of names.
    #[cfg(windows)]
    pub tag: Option<&'a str>,
}

/// What the system says of a file.
pub(crate) struct FileInfo {
    /// Bytes.
    pub len: u64,
    /// It is a regular file, so that `len` limits what can be mapped.
    pub regular: bool,
}

/// What resizing a map does to its file.
pub(crate) struct LenChange<'a> {
    /// `None` for anonymous memory.
    pub file: Option<&'a std::fs::File>,
    pub old: u64,
    pub new: u64,
}

impl LenChange<'_> {
    fn apply(&self) -> io::Result<()> {
        self.file.map_or(Ok(()), |file| file.set_len(self.new))
    }

    /// The change could be made, but not the new mapping.
    fn undo(&self) {
        // The first error is the one to report.
        let _ = self.file.map(|file| file.set_len(self.old));
    }
}

/// Mapped bytes, from the offset that was asked for, which need not be aligned, to the length that was asked for.
///
/// Owns the mapping. A region of zero bytes owns none.
pub(crate) struct Region {
    mapping: Option<os::Mapping>,
    /// Where the region starts in the mapping: what alignment has cost.
    start: usize,
    len: usize,
}

impl Region {
    /// A region without bytes: what the system calls do not offer.
    pub(crate) fn empty() -> Self {
        Self { mapping: None, start: 0, len: 0 }
    }

    /// Maps `request`, whose length includes the `start` bytes before the region.
    pub(crate) fn map(request: &Request<'_>, start: usize) -> io::Result<Self> {
        let mapping = os::Mapping::new(request)?;
        Ok(Self { mapping: Some(mapping), start, len: request.len - start })
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// The address of the first byte; dangling where there is none.
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        match &self.mapping {
            // `start` is at most the mapping's length, so this stays inside or one past the end.
            Some(mapping) => mapping.base().wrapping_add(self.start),
            None => std::ptr::dangling_mut(),
        }
    }

    /// The address of `span`: the one check that all reading and writing of mapped bytes passes.
    fn at(&self, span: Span) -> *mut u8 {
        assert!(span.start <= self.len && span.len <= self.len - span.start, "span outside of the region");
        self.as_ptr().wrapping_add(span.start)
    }

    pub(crate) fn load(&self, index: usize) -> u8 {
        // SAFETY: `at` checked that the byte is mapped, and the mapping lives as long as `self`.
        unsafe { memory::load(self.at(Span { start: index, len: 1 })) }
    }

    pub(crate) fn store(&self, index: usize, value: u8) {
        // SAFETY: as in `load`; callers have checked that the map is writable.
        unsafe { memory::store(self.at(Span { start: index, len: 1 }), value) }
    }

    /// Copies the bytes from `start` into `buffer` and returns it as initialised.
    pub(crate) fn read<'a>(&self, start: usize, buffer: &'a mut [MaybeUninit<u8>]) -> &'a mut [u8] {
        let source = self.at(Span { start, len: buffer.len() });
        // SAFETY: `at` checked the source; the buffer is exclusively ours and as long.
        unsafe { memory::copy_out(source, buffer) }
    }

    /// Copies every `step`th byte, from `start` on, into `buffer` and returns it as initialised.
    pub(crate) fn read_strided<'a>(
        &self,
        start: usize,
        step: isize,
        buffer: &'a mut [MaybeUninit<u8>],
    ) -> &'a mut [u8] {
        let mut index = start;
        for byte in &mut *buffer {
            byte.write(self.load(index));
            index = index.wrapping_add_signed(step);
        }
        // SAFETY: the loop has written every byte.
        unsafe { buffer.assume_init_mut() }
    }

    /// Copies `bytes` to `start`.
    pub(crate) fn write(&self, bytes: &[u8], start: usize) {
        let target = self.at(Span { start, len: bytes.len() });
        // SAFETY: `at` checked the target; callers have checked that the map is writable.
        unsafe { memory::copy_in(bytes, target) }
    }

    /// Copies `source` to `target`, which may overlap.
    pub(crate) fn copy_within(&self, source: Span, target: usize) {
        let to = self.at(Span { start: target, len: source.len });
        // SAFETY: `at` checked both; callers have checked that the map is writable.
        unsafe { memory::copy(self.at(source), to, source.len) }
    }

    /// Fills `span` with `value`.
    pub(crate) fn fill(&self, span: Span, value: u8) {
        // SAFETY: `at` checked the span; callers have checked that the map is writable.
        unsafe { memory::fill(self.at(span), value, span.len) }
    }

    /// Runs `search` over the bytes of `span` where they are.
    ///
    /// Other processes and threads may change the bytes during the search. `search` must be a pure search whose
    /// result is either checked against `span` or harmless when wrong; `docs/safety.md` has the whole argument.
    pub(crate) fn search<R>(&self, span: Span, search: impl FnOnce(&[u8]) -> R) -> R {
        let start = self.at(span);
        // SAFETY: `at` checked the span; the slice does not outlive this call.
        search(unsafe { memory::bytes(start, span.len) })
    }

    /// Changes the length to that of `request`, which is `None` for zero bytes, and the file's with it.
    pub(crate) fn resize(
        &mut self,
        request: Option<&Request<'_>>,
        start: usize,
        change: &LenChange<'_>,
    ) -> io::Result<()> {
        let result = os::resize(&mut self.mapping, request, change);
        match (&result, &self.mapping) {
            (Ok(()), _) => {
                self.start = start;
                self.len = request.map_or(0, |request| request.len - start);
            }
            // What had to be unmapped first could not be mapped again.
            (Err(_), None) => self.len = 0,
            (Err(_), Some(_)) => {}
        }
        result
    }

    /// Calls `operation` with the system's view of `span`: page aligned at its start.
    fn with_pages(&self, span: Span, operation: impl FnOnce(&os::Mapping, Span) -> io::Result<()>) -> io::Result<()> {
        match &self.mapping {
            Some(mapping) => operation(mapping, span.shift(self.start).align_start(page_size())),
            None => Ok(()),
        }
    }

    pub(crate) fn flush(&self, span: Span, flags: FlushFlags, file: Option<&std::fs::File>) -> io::Result<()> {
        self.with_pages(span, |mapping, span| mapping.flush(span, flags, file))
    }

    pub(crate) fn advise(&self, span: Span, advice: Advice) -> io::Result<()> {
        self.with_pages(span, |mapping, span| mapping.advise(span, advice))
    }

    pub(crate) fn lock(&self) -> io::Result<()> {
        self.with_pages(self.whole(), os::Mapping::lock)
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        self.with_pages(self.whole(), os::Mapping::unlock)
    }

    pub(crate) fn protect(&mut self, protection: Protection, access: Access) -> io::Result<()> {
        match &mut self.mapping {
            Some(mapping) => mapping.protect(protection, access),
            None => Ok(()),
        }
    }

    pub(crate) fn set_name(&self, name: &std::ffi::CStr) -> io::Result<()> {
        match &self.mapping {
            Some(mapping) => mapping.set_name(name),
            None => Ok(()),
        }
    }

    fn whole(&self) -> Span {
        Span { start: 0, len: self.len }
    }
}
