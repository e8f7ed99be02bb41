//! [`Region`]: the bytes of one mapping. Operations on mapped bytes go through it, each guarded against faults.

mod memory;
mod word;

use std::io;
use std::mem::MaybeUninit;
use std::ops::Range;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

#[cfg(any(feature = "bytemuck", feature = "zerocopy"))]
pub(crate) use memory::value_bytes;
pub(crate) use memory::{append, as_uninit};
pub(crate) use word::Word;

use crate::access::{Access, FlushFlags, Protection};
use crate::advice::Advice;
use crate::fault::{self, Fault, Slot};
use crate::memmem;
use crate::range::Span;
use crate::sys::{self, FileLenChange, Mapping, Request, TrackedFile, page_size};

/// Mapped bytes, with the offset and the length that were requested; the offset need not be aligned.
///
/// Owns the mapping. A region of zero bytes owns none.
pub(crate) struct Region {
    mapping: Option<Mapping>,
    /// The address of the first byte, so that no operation has to compute it. Atomic only to be `Sync`: it changes only while nobody
    /// else has the region.
    first: AtomicPtr<u8>,
    /// The offset of the region in the mapping, which is due to alignment.
    start: usize,
    /// The length. While others use the region it only grows.
    len: AtomicUsize,
    /// The length of the mapping from `start` on: at least `len`. What lies past `len` may not be in the file.
    capacity: usize,
    /// The mapping's entry in the table of guarded mappings, if it is guarded.
    slot: Option<&'static Slot>,
    /// Whether the protection lets the bytes be read.
    readable: bool,
    /// For the fast paths, one check in place of two: the length if the bytes can be read, otherwise zero.
    readable_len: AtomicUsize,
    /// For the fast paths: `slot`, or [`fault::UNGUARDED`].
    fast_slot: &'static Slot,
    /// Whether a binding has lent the bytes out.
    lent: AtomicBool,
}

/// The number of bytes after which a copy or a search checks for a fault, and ends if there was one.
pub(crate) const STRIDE: usize = 1 << 20;
/// No page is smaller, and every one begins at a multiple of it.
const SMALLEST_PAGE: usize = 4096;
/// Copies up to this length are inlined: a call would be a good part of their cost.
const SHORT: usize = 4096;

impl Region {
    /// A region without bytes, which mmap(2) cannot create.
    pub(crate) fn empty() -> Self {
        Self {
            mapping: None,
            first: AtomicPtr::new(nowhere()),
            start: 0,
            len: AtomicUsize::new(0),
            capacity: 0,
            slot: None,
            readable: false,
            readable_len: AtomicUsize::new(0),
            fast_slot: &fault::UNGUARDED,
            lent: AtomicBool::new(false),
        }
    }

    /// Maps `request`, whose length includes the `start` bytes before the region and the spare capacity past `len`. `file` is the
    /// map's own descriptor.
    pub(crate) fn map(request: &Request<'_>, start: usize, len: usize, file: Option<&TrackedFile>) -> io::Result<Self> {
        let mut region = Self::empty();
        let mapping = region.mapping.insert(Mapping::new(request)?);
        region.slot = fault::register(&mapping.info(request, file, start));
        (region.start, region.capacity, *region.len.get_mut()) = (start, request.len - start, len);
        region.readable = is_readable(request.parameters.protection);
        region.place();
        region.prepare_fast_paths();
        Ok(region)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        // Whoever sees a length sees the bytes that were stored before.
        self.len.load(Ordering::Acquire)
    }

    /// The length up to which the region can grow without a new mapping.
    #[inline]
    pub(crate) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Extends the region within its capacity. The bytes are there already. Callers take turns.
    pub(crate) fn grow(&self, len: usize) {
        assert!(self.len() <= len && len <= self.capacity, "growth within the capacity");
        self.len.store(len, Ordering::Release);
        if self.readable {
            self.readable_len.store(len, Ordering::Release);
        }
    }

    /// Changes the length without a new mapping.
    pub(crate) fn set_len(&mut self, len: usize) {
        assert!(len <= self.capacity, "a length within the capacity");
        *self.len.get_mut() = len;
        self.prepare_fast_paths();
    }

    /// The address of the first byte; dangling if there is none.
    #[inline]
    pub(crate) fn as_ptr(&self) -> *mut u8 {
        self.first.load(Ordering::Relaxed)
    }

    /// Computes the address of the first byte, after the mapping has changed.
    fn place(&mut self) {
        *self.first.get_mut() = match &self.mapping {
            // `start` is at most the mapping's length, so this stays within it or one past its end.
            Some(mapping) => mapping.base().wrapping_add(self.start),
            None => nowhere(),
        };
    }

    /// Sets what only the fast paths read, after anything that it depends on has changed.
    fn prepare_fast_paths(&mut self) {
        *self.readable_len.get_mut() = if self.readable { *self.len.get_mut() } else { 0 };
        self.fast_slot = self.slot.unwrap_or(&fault::UNGUARDED);
    }

    /// The address of `span`, which was checked to be within the mapping.
    #[inline(always)]
    fn at(&self, span: Span) -> *mut u8 {
        assert!(span.start <= self.capacity && span.len <= self.capacity - span.start, "span outside of the region");
        self.as_ptr().wrapping_add(span.start)
    }

    /// Runs `access` on the address of `span`, and fails if it met a page that could not be read or written, or if there is an earlier
    /// unreported fault.
    #[inline(always)]
    fn guarded<R>(&self, span: Span, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        self.guarded_part(span, span, access)
    }

    /// As [`guarded`](Self::guarded), for one part of an operation on `whole`: the fault is at the first missing byte of that.
    #[inline(always)]
    fn guarded_part<R>(&self, part: Span, whole: Span, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        let address = self.at(part);
        self.guard(part, whole, || access(address))
    }

    /// As [`guarded_part`](Self::guarded_part), of bytes that were checked to be there.
    #[inline(always)]
    fn guard<R>(&self, part: Span, whole: Span, access: impl FnOnce() -> R) -> Result<R, Fault> {
        self.guard_or(part, whole, access, Err)
    }

    /// As [`guard`](Self::guard), with `missed` for the fault that `access` itself has met.
    #[inline(always)]
    fn guard_or<R>(
        &self,
        part: Span,
        whole: Span,
        access: impl FnOnce() -> R,
        missed: impl FnOnce(Fault) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let Some(slot) = self.slot else { return Ok(access()) };
        // Not in a function that returns either result: the caller would have to tell them apart again.
        let seen = match slot.settled() {
            Some(seen) => seen,
            None => slot.enter_unsettled(part, whole)?,
        };
        let result = fault::attempt(slot, access);
        match slot.leave(seen, whole) {
            // Without a fault in this map it was in another one, whose memory is the operation's buffer.
            Ok(()) => result.ok_or(Fault { offset: part.start }),
            Err(fault) => missed(fault),
        }
    }

    /// Runs arbitrary code that uses the bytes of `span` directly.
    #[inline]
    pub(crate) fn scope<R>(&self, span: Span, access: impl FnOnce(*mut u8) -> R) -> Result<R, Fault> {
        let address = self.at(span);
        let Some(slot) = self.slot else { return Ok(access(address)) };
        let seen = slot.enter(span, span)?;
        let result = access(address);
        slot.leave(seen, span)?;
        Ok(result)
    }

    /// The number of faults: see [`Slot::count`].
    #[inline]
    pub(crate) fn fault_count(&self) -> u64 {
        // Without a guard the count stays 0.
        self.fast_slot.count()
    }

    /// Continues the count of a map that this one replaces.
    pub(crate) fn count_faults_from(&self, count: u64) {
        self.slot.inspect(|slot| slot.count_from(count));
    }

    /// Runs `access` on one part of `span` after another, with the part's distance from its start.
    #[inline]
    fn strides(&self, span: Span, mut access: impl FnMut(*mut u8, usize, usize)) -> Result<(), Fault> {
        if span.len <= STRIDE {
            return self.guarded(span, |address| access(address, 0, span.len));
        }
        self.many_strides(span, access)
    }

    /// Separate from [`strides`](Self::strides), so that short operations stay short where they are inlined.
    #[inline(never)]
    fn many_strides(&self, span: Span, mut access: impl FnMut(*mut u8, usize, usize)) -> Result<(), Fault> {
        let _busy = self.long_operation();
        let mut done = 0;
        while done < span.len {
            let len = (span.len - done).min(STRIDE);
            let part = Span { start: span.start + done, len };
            self.guarded_part(part, span, |address| access(address, done, len))?;
            done += len;
        }
        Ok(())
    }

    /// Marks a long operation as in progress, for other threads.
    pub(crate) fn long_operation(&self) -> impl Drop + use<> {
        self.slot.map_or_else(fault::Busy::none, fault::Busy::new)
    }

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
        let rest = self.readable_len.load(Ordering::Acquire).checked_sub(start)?;
        let address = self.as_ptr().wrapping_add(start);
        let slot = self.fast_slot;
        let seen = slot.settled_count();
        // A search looks at bytes past the one that it finds, and the next page may be missing.
        let is_in_page = address.addr() % SMALLEST_PAGE <= SMALLEST_PAGE - memmem::BLOCK;
        let found = if rest >= memmem::BLOCK && limit >= memmem::BLOCK && is_in_page {
            // SAFETY: these bytes are in the map, as was just checked; the slice does not outlive the search.
            self.attempt(|| memmem::find_byte_in_block(unsafe { memory::bytes(address, memmem::BLOCK) }, byte))?
        } else {
            None
        };
        let found = match found {
            Some(found) => found,
            None => self.try_find_far(byte, address, rest, limit)?,
        };
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

    /// The byte at `index`, or `None`.
    pub(crate) fn load(&self, index: usize) -> Option<Result<u8, Fault>> {
        // One check for both: an index in the map is in the mapping, which is never shorter.
        if index >= self.len() {
            return None;
        }
        let address = self.as_ptr().wrapping_add(index);
        let span = Span { start: index, len: 1 };
        // SAFETY: the byte is mapped, as was just checked, and the mapping lives as long as `self`.
        Some(self.guard(span, span, || unsafe { memory::load(address) }))
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

    /// The integer at `start`, in native byte order, or `None` if not all of it is in the map.
    pub(crate) fn load_word<W: Word>(&self, start: usize) -> Option<Result<W, Fault>> {
        if start.checked_add(size_of::<W>())? > self.len() {
            return None;
        }
        let base = self.as_ptr();
        let span = Span { start, len: size_of::<W>() };
        // SAFETY: the bytes are mapped, as was just checked, and the mapping lives as long as `self`.
        Some(self.guard(span, span, || unsafe { W::load(base, start) }))
    }

    /// Stores an integer at `start`, in native byte order; `None` if it does not fit into the map.
    #[inline(always)]
    pub(crate) fn store_word<W: Word>(&self, start: usize, word: W) -> Option<Result<(), Fault>> {
        if start.checked_add(size_of::<W>())? > self.len() {
            return None;
        }
        let address = self.as_ptr().wrapping_add(start);
        let span = Span { start, len: size_of::<W>() };
        // SAFETY: the bytes are mapped, as was just checked; callers have checked that the map is writable.
        Some(self.guard(span, span, || unsafe { word.store(address) }))
    }

    #[inline]
    pub(crate) fn store(&self, index: usize, value: u8) -> Result<(), Fault> {
        // SAFETY: as in `load`; callers have checked that the map is writable.
        self.guarded(Span { start: index, len: 1 }, |address| unsafe { memory::store(address, value) })
    }

    /// Copies the bytes from `start` into `buffer` and returns it as initialised.
    #[inline(always)]
    pub(crate) fn read<'a>(&self, start: usize, buffer: &'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], Fault> {
        if buffer.len() > SHORT {
            return self.read_strides(start, buffer);
        }
        let span = Span { start, len: buffer.len() };
        // SAFETY: `guarded` checked the source; the buffer is exclusively ours and as long.
        self.guarded(span, |source| unsafe { memory::copy_out(source, buffer) })
    }

    fn read_strides<'a>(&self, start: usize, buffer: &'a mut [MaybeUninit<u8>]) -> Result<&'a mut [u8], Fault> {
        self.strides(Span { start, len: buffer.len() }, |source, done, len| {
            // SAFETY: `strides` checked the source; the buffer is exclusively ours and as long.
            unsafe { memory::copy_out(source, &mut buffer[done..done + len]) };
        })?;
        // SAFETY: the strides have covered all of it.
        Ok(unsafe { memory::assume_init(buffer) })
    }

    /// Copies every `step`th byte from `start` on into `buffer`, and returns it as initialised.
    pub(crate) fn read_strided<'a>(
        &self,
        start: usize,
        step: isize,
        buffer: &'a mut [MaybeUninit<u8>],
    ) -> Result<&'a mut [u8], Fault> {
        self.guarded(strided(start, step, buffer.len()), |lowest| {
            let address = first(lowest, step, buffer.len());
            // SAFETY: `guarded` checked the range that the steps stay in.
            unsafe { memory::copy_strided_out(address, step, buffer) };
        })?;
        // SAFETY: the loop has written every byte.
        Ok(unsafe { memory::assume_init(buffer) })
    }

    /// Copies `bytes` to every `step`th index from `start` on.
    pub(crate) fn write_strided(&self, bytes: &[u8], start: usize, step: isize) -> Result<(), Fault> {
        self.guarded(strided(start, step, bytes.len()), |lowest| {
            let mut address = first(lowest, step, bytes.len());
            for &byte in bytes {
                // SAFETY: `guarded` checked the range that the steps stay in; callers, that the map is writable.
                unsafe { memory::store(address, byte) };
                address = address.wrapping_offset(step);
            }
        })
    }

    /// Copies `bytes` to `start`.
    #[inline(always)]
    pub(crate) fn write(&self, bytes: &[u8], start: usize) -> Result<(), Fault> {
        if bytes.len() > SHORT {
            return self.write_strides(bytes, start);
        }
        // SAFETY: `guarded` checked the target; callers have checked that the map is writable.
        self.guarded(Span { start, len: bytes.len() }, |target| unsafe { memory::copy_in(bytes, target) })
    }

    fn write_strides(&self, bytes: &[u8], start: usize) -> Result<(), Fault> {
        let distance = bytes.as_ptr().addr().wrapping_sub(self.as_ptr().addr());
        if bytes.len() > STRIDE && distance < self.capacity {
            // A view of this very region: no stride may be overwritten before it is copied.
            return self.copy_within(Span { start: distance, len: bytes.len() }, start);
        }
        self.strides(Span { start, len: bytes.len() }, |target, done, len| {
            // SAFETY: `strides` checked the target; callers have checked that the map is writable.
            unsafe { memory::copy_in(&bytes[done..done + len], target) }
        })
    }

    /// Copies `source` to `target`, which may overlap. What could not be read must not be written; so each piece goes through private
    /// memory, small enough to stay in the cache.
    pub(crate) fn copy_within(&self, source: Span, target: usize) -> Result<(), Fault> {
        const SMALL: usize = 1024;
        const PIECE: usize = 128 * 1024;
        if source.len <= SMALL {
            return self.copy_pieces(source, target, &mut [MaybeUninit::uninit(); SMALL]);
        }
        let _busy = (source.len > STRIDE).then(|| self.long_operation());
        self.copy_pieces(source, target, Box::new_uninit_slice(source.len.min(PIECE)).as_mut())
    }

    fn copy_pieces(&self, source: Span, target: usize, buffer: &mut [MaybeUninit<u8>]) -> Result<(), Fault> {
        let whole = Span { start: target, len: source.len };
        let mut done = 0;
        while done < source.len {
            let len = (source.len - done).min(buffer.len());
            // From the end at which no piece is overwritten before it is copied.
            let distance = if target <= source.start { done } else { source.len - done - len };
            let buffer = &mut buffer[..len];
            let part = Span { start: source.start + distance, len };
            // SAFETY: `guarded_part` checked the source; the buffer is exclusively ours and as long.
            let bytes = self.guarded_part(part, source, |source| unsafe { memory::copy_out(source, buffer) })?;
            let part = Span { start: target + distance, len };
            // SAFETY: `guarded_part` checked the target; callers have checked that the map is writable.
            self.guarded_part(part, whole, |target| unsafe { memory::copy_in(bytes, target) })?;
            done += len;
        }
        if source.len == 0 { self.check() } else { Ok(()) }
    }

    /// Fills `span` with `value`.
    pub(crate) fn fill(&self, span: Span, value: u8) -> Result<(), Fault> {
        // SAFETY: `strides` checked the span; callers have checked that the map is writable.
        self.strides(span, |target, _, len| unsafe { memory::fill(target, value, len) })
    }

    /// Runs `search` on the mapped bytes of `span`, without copying them.
    ///
    /// Other processes and threads may change the bytes during the search. `search` must be a pure search whose result is either
    /// validated against `span` or harmless when wrong; `docs/safety.md` has the whole argument.
    #[inline]
    pub(crate) fn search<R>(&self, span: Span, search: impl FnOnce(&[u8]) -> R) -> Result<R, Fault> {
        self.search_part(span, span, search)
    }

    /// As [`search`](Self::search), for one part of a search of `whole`.
    #[inline]
    pub(crate) fn search_part<R>(&self, part: Span, whole: Span, search: impl FnOnce(&[u8]) -> R) -> Result<R, Fault> {
        // SAFETY: `guarded_part` checked the part; the slice does not outlive this call.
        self.guarded_part(part, whole, |start| search(unsafe { memory::bytes(start, part.len) }))
    }

    /// As [`search_part`](Self::search_part), of a search for the first match, which looks at bytes past that too: if they are missing,
    /// only what is before them is searched, by `again`, and a match there is the result.
    #[inline]
    pub(crate) fn search_forward<R>(
        &self,
        part: Span,
        whole: Span,
        search: impl FnOnce(&[u8]) -> Option<R>,
        again: impl FnMut(&[u8]) -> Option<R>,
    ) -> Result<Option<R>, Fault> {
        let address = self.at(part);
        // SAFETY: `at` has checked the part; the slice does not outlive this call.
        let access = || search(unsafe { memory::bytes(address, part.len) });
        self.guard_or(part, whole, access, |fault| {
            // Who uses the bytes directly may have read the zeros, without a fault of its own: then somebody has to be told.
            if self.lent.load(Ordering::Relaxed) { Err(fault) } else { self.search_before(fault, part, again) }
        })
    }

    /// Notes whether somebody else uses the bytes directly.
    pub(crate) fn set_lent(&self, lent: bool) {
        self.lent.store(lent, Ordering::Relaxed);
    }

    /// The search of a part that has met a fault, in what is there before it.
    #[cold]
    #[inline(never)]
    fn search_before<R>(
        &self,
        mut fault: Fault,
        part: Span,
        mut search: impl FnMut(&[u8]) -> Option<R>,
    ) -> Result<Option<R>, Fault> {
        loop {
            let len = fault.offset.saturating_sub(part.start).min(part.len);
            match self.search(Span { start: part.start, len }, &mut search) {
                Ok(None) => return Err(fault),
                Ok(found) => return Ok(found),
                // A search may skip pages, so that the first fault was not the first missing byte.
                Err(nearer) if nearer.offset < fault.offset => fault = nearer,
                Err(other) => return Err(other),
            }
        }
    }

    /// Reports an unreported fault, first this thread's own; or pages that cannot be restored.
    #[inline]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        let (all, none) = (Span { start: 0, len: self.capacity }, Span { start: 0, len: 0 });
        self.slot.map_or(Ok(()), |slot| slot.enter(all, none).map(drop))
    }

    /// Whether [`check`](Self::check) has nothing to report and nothing to restore.
    #[inline]
    pub(crate) fn is_settled(&self) -> bool {
        self.slot.is_none_or(|slot| slot.settled().is_some())
    }

    /// Reads a byte of every page up to `len`; fails if one of them cannot be read.
    #[cfg(windows)]
    pub(crate) fn touch(&self, len: usize) -> Result<(), Fault> {
        (0..len).step_by(page_size()).try_for_each(|index| self.load(index).transpose().map(drop))
    }

    /// Changes the length to `len`, the mapping to `request`, which is `None` for no mapping, and the file as `change` says.
    pub(crate) fn resize(
        &mut self,
        request: Option<&Request<'_>>,
        start: usize,
        len: usize,
        change: &FileLenChange<'_>,
    ) -> io::Result<()> {
        let old_len = self.len();
        // Its addresses may be reused as soon as the mapping has moved.
        if let Some(slot) = self.slot {
            slot.suspend();
            fault::withdraw(slot);
        }
        let result = sys::resize(&mut self.mapping, request, change);
        match (&result, &self.mapping) {
            (Ok(()), _) => {
                self.start = start;
                self.capacity = request.map_or(0, |request| request.len - start);
                *self.len.get_mut() = len;
            }
            // The mapping had to end first, and could not be created again.
            (Err(_), None) => (self.capacity, *self.len.get_mut()) = (0, 0),
            (Err(_), Some(_)) => {}
        }
        self.place();
        if let (Some(mapping), Some(request)) = (&self.mapping, request) {
            let info = mapping.info(request, change.file, self.start);
            match self.slot {
                Some(slot) => fault::renew(slot, &info),
                None => self.slot = fault::register(&info),
            }
            self.readable = is_readable(request.parameters.protection);
            if result.is_ok() && len < old_len && request.keeps_changes() {
                self.clear_tail();
            }
        }
        self.prepare_fast_paths();
        result
    }

    /// Changes the length of the mapping to `total` bytes, and that of the region to `len`: mremap(2). The mapping moves only if
    /// `may_move`. With `clears`, the bytes past the new end become zeros, for the case that the region grows again.
    ///
    /// An error of our own of kind [`Unsupported`](io::ErrorKind::Unsupported) where there is no such call.
    pub(crate) fn remap(&mut self, total: usize, len: usize, may_move: bool, clears: bool) -> io::Result<()> {
        let old_len = self.len();
        let Some(mapping) = &mut self.mapping else { return Err(io::ErrorKind::Unsupported.into()) };
        let slot = self.slot.map(|slot| (slot, slot.mapping()));
        if let Some((slot, _)) = slot {
            // Its addresses may be reused as soon as the mapping has moved.
            slot.suspend();
            fault::withdraw(slot);
        }
        let result = mapping.change_len(total, may_move);
        if result.is_ok() {
            self.capacity = total - self.start;
            *self.len.get_mut() = len;
        }
        if let Some((slot, info)) = slot {
            fault::renew(slot, &mapping.moved(&info, self.start));
        }
        self.place();
        self.prepare_fast_paths();
        if result.is_ok() && len < old_len && clears {
            self.clear_tail();
        }
        result
    }

    /// Zeroes the rest of the last page, whose bytes would otherwise come back when the mapping grows again. In a shared map of a file
    /// the system does that; a page of a private map that nobody has written to shows it, and stays the file's.
    fn clear_tail(&mut self) {
        let used = self.start + self.len();
        let rest = used.next_multiple_of(page_size()) - used;
        let tail = self.as_ptr().wrapping_add(self.len());
        // SAFETY: mappings are whole pages.
        let is_clear = (0..rest).all(|i| unsafe { memory::load(tail.wrapping_add(i)) } == 0);
        if !is_clear {
            // SAFETY: mappings are whole pages, and `&mut self` says that nobody else is using this one.
            unsafe { memory::fill(tail, 0, rest) };
        }
    }

    /// Unmaps the bytes, and reports an unreported fault.
    pub(crate) fn close(&mut self) -> Result<(), Fault> {
        self.unmap().map_or(Ok(()), |(fault, _)| Err(fault))
    }

    /// Unmaps the bytes. Returns an unreported fault and the number of all faults, if there is one.
    #[inline]
    fn unmap(&mut self) -> Option<(Fault, u64)> {
        let fault = self.slot.take().and_then(|slot| {
            let fault = slot.end().map(|fault| (fault, slot.count()));
            fault::release(slot);
            fault
        });
        self.mapping = None;
        (self.capacity, *self.len.get_mut()) = (0, 0);
        self.place();
        self.prepare_fast_paths();
        fault
    }

    /// Calls `operation` with `span` as the system requires it: aligned to a page at its start.
    fn with_pages(&self, span: Span, operation: impl FnOnce(&Mapping, Span) -> io::Result<()>) -> io::Result<()> {
        match &self.mapping {
            Some(mapping) => operation(mapping, span.shift(self.start).align_start(page_size())),
            None => Ok(()),
        }
    }

    pub(crate) fn flush(&self, span: Span, flags: FlushFlags, file: Option<&TrackedFile>) -> io::Result<()> {
        self.with_pages(span, |mapping, span| mapping.flush(span, flags, file))
    }

    pub(crate) fn advise(&self, span: Span, advice: Advice) -> io::Result<()> {
        self.with_pages(span, |mapping, span| mapping.advise(span, advice))
    }

    /// Finds which pages of `span` are in memory, and calls `tell` for one piece of the map after another: with the index of its first
    /// page, which can lie before the region, and an odd number for each page in memory.
    pub(crate) fn residency(&self, span: Span, mut tell: impl FnMut(isize, &[u8])) -> io::Result<()> {
        const PIECE: usize = 16 * 1024;
        let page = page_size();
        self.with_pages(span, |mapping, span| {
            let mut pages = vec![0; span.len.div_ceil(page).min(PIECE)];
            let mut done = 0;
            while done < span.len {
                let part = Span { start: span.start + done, len: (span.len - done).min(PIECE * page) };
                let pages = &mut pages[..part.len.div_ceil(page)];
                mapping.residency(part, pages)?;
                tell(part.start as isize - self.start as isize, pages);
                done += part.len;
            }
            Ok(())
        })
    }

    /// Whether reading a page that cannot be read is an error and not the end of the process.
    pub(crate) fn is_guarded(&self) -> bool {
        self.slot.is_some() && fault::fault_guard()
    }

    pub(crate) fn lock(&self) -> io::Result<()> {
        self.with_pages(self.whole(), Mapping::lock)
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        // The whole capacity: a map that has moved has taken its lock along, and a map may have shrunk.
        self.with_pages(Span { start: 0, len: self.capacity }, Mapping::unlock)
    }

    pub(crate) fn protect(&mut self, protection: Protection, access: Access) -> io::Result<()> {
        let Some(mapping) = &mut self.mapping else { return Ok(()) };
        mapping.protect(protection, access)?;
        self.slot.inspect(|slot| slot.set_protection(protection.bits() as i32));
        self.readable = is_readable(protection);
        self.prepare_fast_paths();
        Ok(())
    }

    pub(crate) fn set_name(&self, name: &std::ffi::CStr) -> io::Result<()> {
        match &self.mapping {
            Some(mapping) => mapping.set_name(name),
            None => Ok(()),
        }
    }

    fn whole(&self) -> Span {
        Span { start: 0, len: self.len() }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Of a map that was closed, nothing is left to be done.
        if self.mapping.is_none() && self.slot.is_none() {
            return;
        }
        if let Some((fault, count)) = self.unmap() {
            fault::dropped(fault.offset, count);
        }
    }
}

/// Whether pages can be read: writable ones can, on every supported processor.
pub(crate) fn is_readable(protection: Protection) -> bool {
    protection.intersects(Protection::READ.union(Protection::WRITE))
}

/// The address of an empty map: a multiple of the page size, as for every mapping.
fn nowhere() -> *mut u8 {
    ptr::without_provenance_mut(page_size())
}

/// The range that contains `count` indices which are `step` apart. The caller has checked that it is in the map.
fn strided(start: usize, step: isize, count: usize) -> Span {
    match span_len(step, count) {
        0 => Span { start: 0, len: 0 },
        len => Span { start: if step < 0 { start + 1 - len } else { start }, len },
    }
}

/// The length from the lowest to the highest of `count` indices which are `step` apart.
fn span_len(step: isize, count: usize) -> usize {
    if count == 0 { 0 } else { (count - 1) * step.unsigned_abs() + 1 }
}

/// The first address, in a range that starts at `lowest`.
fn first(lowest: *mut u8, step: isize, count: usize) -> *mut u8 {
    if step < 0 { lowest.wrapping_add(span_len(step, count).saturating_sub(1)) } else { lowest }
}
