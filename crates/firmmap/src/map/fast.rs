//! Fast paths for callers to whom a nanosecond matters: the Python class, whose calls cost as much as the standard library's.
//!
//! Each returns a result, or `None` without having changed anything; the operation that it stands in for then finds out why: an
//! index outside of the map, a protection, a fault. So no error has to be carried along. They are hidden because nobody else needs
//! them: where Rust calls Rust, the compiler turns [`Mmap::get`] into the same code.

use std::mem::MaybeUninit;

use crate::map::Mmap;

#[doc(hidden)]
impl Mmap {
    /// [`get`](Self::get), if it succeeds.
    #[inline(always)]
    pub fn try_get(&self, index: usize) -> Option<u8> {
        self.region.try_load(index)
    }

    /// [`read_uninit_at`](Self::read_uninit_at), if it succeeds.
    #[inline(always)]
    pub fn try_read(&self, start: usize, buffer: &mut [MaybeUninit<u8>]) -> Option<()> {
        if self.is_readable() { self.region.try_read(start, buffer) } else { None }
    }

    /// Where the map's descriptor stands, in one system call. Should the number have become another file's, it is the position of that one;
    /// [`tracked_file`](Self::tracked_file) can tell.
    pub fn descriptor_position(&self) -> Option<u64> {
        self.file.as_ref()?.unchecked_position()
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
        if self.is_readable() { self.region.try_read_through(byte, start, limit, make) } else { None }
    }
}
