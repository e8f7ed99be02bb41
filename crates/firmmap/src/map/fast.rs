//! Fast paths for callers to whom a nanosecond matters: the Python class, whose calls cost as much as the standard library's.
//!
//! Each `try_…` returns a result, or `None`, and the operation that it stands in for then finds out why: an index outside of the map, a
//! protection, a fault. Nothing has changed then; but a write that met a fault may have been made, and is made again. So no error has
//! to be carried along. They are hidden because nobody else needs them: where Rust calls Rust, the compiler turns [`Mmap::get`] into
//! the same code. Also here is what only that class asks about the descriptor.

use std::collections::TryReserveError;
use std::mem::MaybeUninit;
use std::ops::Range;

use crate::access::Protection;
use crate::map::Mmap;
use crate::memmem::{self, Direction};

#[doc(hidden)]
impl Mmap {
    /// Marks an operation of this thread that others have to wait for, and which reports the faults that it meets: nobody else is told of
    /// them meanwhile.
    pub fn long_operation(&self) -> impl Drop + use<> {
        self.region.long_operation()
    }

    /// [`get`](Self::get), if it succeeds.
    #[inline(always)]
    pub fn try_get(&self, index: usize) -> Option<u8> {
        self.region.try_load(index)
    }

    /// Copies the bytes where `fit` says for the length of the map into memory that `make` allocates for them, if they can be read. Not of
    /// an empty map.
    #[inline(always)]
    pub fn try_read_range<B: AsMut<[MaybeUninit<u8>]>>(
        &self,
        fit: impl FnOnce(usize) -> Option<Range<usize>>,
        make: impl FnOnce(usize) -> Option<B>,
    ) -> Option<B> {
        self.region.try_read_range(fit, make)
    }

    /// As [`try_read_range`](Self::try_read_range), with bytes that are a step apart: `fit` returns the first, the step and the count.
    #[inline(always)]
    pub fn try_read_strided<B: AsMut<[MaybeUninit<u8>]>>(
        &self,
        fit: impl FnOnce(usize) -> Option<(usize, isize, usize)>,
        make: impl FnOnce(usize) -> Option<B>,
    ) -> Option<B> {
        self.region.try_read_strided(fit, make)
    }

    #[inline(always)]
    fn is_writable(&self) -> bool {
        self.origin.parameters.protection.contains(Protection::WRITE)
    }

    /// [`set`](Self::set), if it succeeds.
    #[inline(always)]
    pub fn try_set(&self, index: usize, value: u8) -> Option<()> {
        if self.is_writable() { self.region.try_store(index, value) } else { None }
    }

    /// [`write_all_at`](Self::write_all_at) of few bytes, if it succeeds.
    #[inline(always)]
    pub fn try_write_all(&self, bytes: &[u8], start: usize) -> Option<()> {
        if self.is_writable() { self.region.try_write(bytes, start) } else { None }
    }

    /// [`copy_within`](Self::copy_within) of `len` bytes, few, to where none of them is, if it succeeds.
    #[inline(always)]
    pub fn try_copy_within(&self, source: usize, target: usize, len: usize) -> Option<()> {
        if self.is_readable() && self.is_writable() { self.region.try_copy_within(source, target, len) } else { None }
    }

    /// [`find`](Self::find) in `start..end`, if it succeeds and soon knows whether there is a match.
    #[inline(always)]
    pub fn try_find(&self, needle: &[u8], start: usize, end: usize) -> Option<Option<usize>> {
        self.try_search(needle, start, end, Direction::Forward)
    }

    /// [`rfind`](Self::rfind), as [`try_find`](Self::try_find).
    #[inline(always)]
    pub fn try_rfind(&self, needle: &[u8], start: usize, end: usize) -> Option<Option<usize>> {
        self.try_search(needle, start, end, Direction::Reverse)
    }

    #[inline(always)]
    fn try_search(&self, needle: &[u8], start: usize, end: usize, direction: Direction) -> Option<Option<usize>> {
        if !self.is_readable() {
            return None;
        }
        let found = self.region.try_search(start, end, |haystack| memmem::find_near(haystack, needle, direction))?;
        Some(found.map(|index| start + index))
    }

    /// Where the map's descriptor stands, in one system call. Should the number have become another file's, it is the position of that one;
    /// [`tracked_file`](Self::tracked_file) can tell.
    pub fn descriptor_position(&self) -> Option<u64> {
        self.file.as_ref()?.unchecked_position()
    }

    /// The name of the memory.
    #[cfg(windows)]
    pub fn tag(&self) -> Option<&str> {
        self.origin.parameters.tag.as_deref()
    }

    /// Whether [`check`](Self::check) has nothing to report.
    #[inline]
    pub fn is_settled(&self) -> bool {
        self.region.is_settled()
    }

    /// Notes whether somebody else uses the bytes directly, and finds out about zeros from operations only: then a search that meets a
    /// missing byte fails, also if its match lies before that.
    pub fn set_lent(&self, lent: bool) {
        self.region.set_lent(lent);
    }

    /// Appends the index after each newline of `bytes` to `ends`, in order. For fewer than 4 GiB that nobody else changes.
    #[inline]
    pub fn collect_line_ends(bytes: &[u8], ends: &mut Vec<u32>) -> std::result::Result<(), TryReserveError> {
        memmem::collect_lines(bytes, ends, usize::MAX, |end| end as u32).map(drop)
    }

    /// Whether there is a zero among the bytes.
    #[inline]
    #[must_use]
    pub fn has_zero(bytes: &[u8]) -> bool {
        memmem::has_zero(bytes)
    }

    /// Whether the map keeps its file.
    pub fn keeps_file(&self) -> bool {
        self.file.is_some()
    }

    /// Copies the bytes from `start` through the first `byte` into memory that `make` allocates for them, if `byte` is among the
    /// first `limit`.
    #[inline(always)]
    pub fn try_read_through<B: AsMut<[MaybeUninit<u8>]>>(
        &self,
        byte: u8,
        start: usize,
        limit: usize,
        make: impl FnOnce(usize) -> Option<B>,
    ) -> Option<B> {
        self.region.try_read_through(byte, start, limit, make)
    }
}
