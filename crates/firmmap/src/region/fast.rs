//! The fast ways: each does its operation if nothing is in the way, in as few instructions as it takes to know that, and otherwise is
//! `None`. The caller then goes the usual way, which finds out what it was, and reports it.

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::Ordering;

use super::{Region, SHORT, Word, memory};
use crate::{fault, memmem};

/// No page is smaller, and every one begins at a multiple of it.
const SMALLEST_PAGE: usize = 4096;

impl Region {
    /// Runs `access`, which only reads, and returns its result if there is no fault to report; otherwise the slow path finds out and
    /// reports it.
    #[inline(always)]
    fn try_guarded<R>(&self, access: impl FnOnce() -> R) -> Option<R> {
        let slot = self.fast_slot;
        let seen = slot.settled_count();
        let result = self.attempt(access);
        if slot.is_unchanged(seen) { result } else { None }
    }

    /// Runs `access`, which is `None` if it was abandoned; the caller looks whether the number of faults has changed.
    #[inline(always)]
    fn attempt<R>(&self, access: impl FnOnce() -> R) -> Option<R> {
        // On Windows an operation that can be abandoned costs a call.
        if cfg!(windows) && self.slot.is_none() { Some(access()) } else { fault::attempt(self.fast_slot, access) }
    }

    /// As [`try_guarded`](Self::try_guarded), for `access` that writes: an earlier fault is reported before anything changes.
    #[inline(always)]
    fn try_guarded_write<R>(&self, access: impl FnOnce() -> R) -> Option<R> {
        let Some(slot) = self.slot else { return Some(access()) };
        let seen = slot.settled()?;
        let result = fault::attempt(slot, access);
        if slot.is_unchanged(seen) { result } else { None }
    }

    /// Stores `value` at `index`, if that is in the map and [`try_guarded_write`](Self::try_guarded_write) succeeds. Callers have checked
    /// that the map is writable.
    #[inline(always)]
    pub(crate) fn try_store(&self, index: usize, value: u8) -> Option<()> {
        if index >= self.len() {
            return None;
        }
        let address = self.as_ptr().wrapping_add(index);
        // SAFETY: the byte is in the map, as was just checked; callers have checked that it is writable.
        self.try_guarded_write(|| unsafe { memory::store(address, value) })
    }

    /// Copies `bytes` to `start`, as [`try_store`](Self::try_store) stores one.
    #[inline(always)]
    pub(crate) fn try_write(&self, bytes: &[u8], start: usize) -> Option<()> {
        if bytes.len() > SHORT || bytes.len() > self.len().checked_sub(start)? {
            return None;
        }
        let address = self.as_ptr().wrapping_add(start);
        // SAFETY: the bytes are in the map, as was just checked; callers have checked that it is writable.
        self.try_guarded_write(|| unsafe { memory::copy_in(bytes, address) })
    }

    /// [`copy_within`](Self::copy_within) of few bytes to where none of them is, as [`try_store`](Self::try_store) stores one: so that it can
    /// be done again. They go through private memory here too.
    #[inline(always)]
    pub(crate) fn try_copy_within(&self, source: usize, target: usize, len: usize) -> Option<()> {
        const FEW: usize = 128;
        let last = self.len().checked_sub(len)?;
        if len > FEW || source > last || target > last || source.abs_diff(target) < len {
            return None;
        }
        let mut buffer = [MaybeUninit::uninit(); FEW];
        let buffer = &mut buffer[..len];
        let address = self.as_ptr().wrapping_add(source);
        // SAFETY: the bytes are in the map, as was just checked; the buffer is exclusively ours and as long.
        self.try_guarded_write(|| unsafe { memory::copy_out(address, buffer) }.len())?;
        // SAFETY: the copy has written all of it.
        let bytes = unsafe { memory::assume_init(buffer) };
        let address = self.as_ptr().wrapping_add(target);
        // SAFETY: as above; callers have checked that the map is writable.
        self.try_guarded_write(|| unsafe { memory::copy_in(bytes, address) })
    }

    /// Runs `search` on the bytes of `start..end`, if they are in the map and there is no fault. What holds for the search of
    /// [`search`](Self::search) holds for it. A fault that it meets is not reported, unless the bytes are lent out: the byte can be past
    /// the match, which the slow path then finds.
    #[inline(always)]
    pub(crate) fn try_search<R>(&self, start: usize, end: usize, search: impl FnOnce(&[u8]) -> Option<R>) -> Option<R> {
        if start > end || end > self.len() {
            return None;
        }
        let address = self.as_ptr().wrapping_add(start);
        // SAFETY: these bytes are in the map, as was just checked; the slice does not outlive the search.
        let access = || search(unsafe { memory::bytes(address, end - start) });
        let slot = self.fast_slot;
        // As in `try_guarded`.
        if cfg!(windows) && self.slot.is_none() {
            return access();
        }
        let seen = slot.settled()?;
        let result = fault::attempt(slot, access);
        if slot.is_unchanged(seen) {
            return result?;
        }
        if !self.lent.load(Ordering::Relaxed) {
            slot.dismiss();
        }
        None
    }

    /// The byte at `index`, if there is one that can be read and [`try_guarded`](Self::try_guarded) succeeds.
    #[inline(always)]
    pub(crate) fn try_load(&self, index: usize) -> Option<u8> {
        if index >= self.readable_len.load(Ordering::Acquire) {
            return None;
        }
        let address = self.as_ptr().wrapping_add(index);
        // SAFETY: the byte is in the map, as was just checked, and so in the mapping, which lives as long as `self`.
        self.try_guarded(|| unsafe { memory::load(address) })
    }

    /// Copies the bytes where `fit` says for the length (zero, where they cannot be read) into memory that `make` allocates for them, if
    /// nothing is missing, as for [`try_guarded`](Self::try_guarded).
    #[inline(always)]
    pub(crate) fn try_read_range<B: AsMut<[MaybeUninit<u8>]>>(
        &self,
        fit: impl FnOnce(usize) -> Option<Range<usize>>,
        make: impl FnOnce(usize) -> Option<B>,
    ) -> Option<B> {
        let len = self.readable_len.load(Ordering::Acquire);
        let range = fit(len).filter(|range| range.start <= range.end && range.end <= len)?;
        let count = range.end - range.start;
        let mut target = make(count)?;
        let memory = target.as_mut();
        if memory.len() != count {
            return None;
        }
        let address = self.as_ptr().wrapping_add(range.start);
        // SAFETY: the bytes are in the map, as was just checked; the memory is exclusively ours and as long.
        self.try_guarded(|| unsafe { memory::copy_out(address, memory) }.len())?;
        Some(target)
    }

    /// As [`try_read_range`](Self::try_read_range), with every `step`th of `count` bytes, where `fit` says start, step and count.
    #[inline(always)]
    pub(crate) fn try_read_strided<B: AsMut<[MaybeUninit<u8>]>>(
        &self,
        fit: impl FnOnce(usize) -> Option<(usize, isize, usize)>,
        make: impl FnOnce(usize) -> Option<B>,
    ) -> Option<B> {
        let len = self.readable_len.load(Ordering::Acquire);
        let (start, step, count) = fit(len)?;
        let distance = isize::try_from(count.checked_sub(1)?).ok()?.checked_mul(step)?;
        if start >= len || start.checked_add_signed(distance)? >= len {
            return None;
        }
        let mut target = make(count)?;
        let memory = target.as_mut();
        if memory.len() != count {
            return None;
        }
        let address = self.as_ptr().wrapping_add(start);
        // SAFETY: the first and the last of the bytes are in the map, as was just checked, and the others between them.
        self.try_guarded(|| unsafe { memory::copy_strided_out(address, step, memory) })?;
        Some(target)
    }

    /// Copies the bytes from `start` through the first `byte` into memory that `make` allocates for them, if they can be read, `byte` is
    /// among the first `limit`, and there was no fault, as for [`try_guarded`](Self::try_guarded).
    #[inline(always)]
    pub(crate) fn try_read_through<B: AsMut<[MaybeUninit<u8>]>>(
        &self,
        byte: u8,
        start: usize,
        limit: usize,
        make: impl FnOnce(usize) -> Option<B>,
    ) -> Option<B> {
        let len = self.readable_len.load(Ordering::Acquire);
        if start >= len {
            return None;
        }
        let rest = len - start;
        let address = self.as_ptr().wrapping_add(start);
        let slot = self.fast_slot;
        let seen = slot.settled_count();
        // A search looks at bytes past the one that it finds, and the next page may be missing, or not mapped.
        let is_in_page = address.addr() % SMALLEST_PAGE <= SMALLEST_PAGE - memmem::BLOCK;
        let near = if is_in_page {
            // SAFETY: the first of these bytes is in the map, as was just checked, and the others are in its page, which is mapped as a
            // whole; the array does not outlive the search.
            self.attempt(|| memmem::find_byte_in_block(unsafe { memory::block(address) }, byte))?
        } else {
            usize::MAX
        };
        let is_near = near < rest && (limit >= memmem::BLOCK || near < limit);
        let found = if is_near { near } else { self.try_find_far(byte, address, rest, limit)? };
        let count = found + 1;
        let mut target = make(count)?;
        let memory = target.as_mut();
        if memory.len() != count {
            return None;
        }
        // SAFETY: as above; the memory is exclusively ours and as long.
        self.attempt(|| unsafe { memory::copy_out(address, memory) }.len())?;
        // One look for both: what was found in zeros is of no use either.
        slot.is_unchanged(seen).then_some(target)
    }

    /// The search of [`try_read_through`](Self::try_read_through), page by page. From `address` on, `len` bytes are in the map.
    #[inline(never)]
    fn try_find_far(&self, byte: u8, address: *const u8, len: usize, limit: usize) -> Option<usize> {
        let (mut done, end) = (0, len.min(limit));
        while done < end {
            let start = address.wrapping_add(done);
            let part = (end - done).min(SMALLEST_PAGE - start.addr() % SMALLEST_PAGE);
            // SAFETY: these bytes are in the map, as the caller has checked; the slice does not outlive the search.
            let found = self.try_guarded(|| memmem::find_byte(unsafe { memory::bytes(start, part) }, byte))?;
            if let Some(found) = found {
                return Some(done + found);
            }
            done += part;
        }
        None
    }

    /// The integer at `start`, if it is in the map, can be read, and [`try_guarded`](Self::try_guarded) succeeds.
    #[inline(always)]
    pub(crate) fn try_load_word<W: Word>(&self, start: usize) -> Option<W> {
        if self.readable_len.load(Ordering::Acquire).checked_sub(start)? < size_of::<W>() {
            return None;
        }
        let base = self.as_ptr();
        // SAFETY: the bytes are in the map, as was just checked, and so in the mapping, which lives as long as `self`.
        self.try_guarded(|| unsafe { W::load(base, start) })
    }
}
