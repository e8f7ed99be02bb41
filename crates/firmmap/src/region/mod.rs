//! [`Region`]: the bytes of one mapping. Operations on mapped bytes go through it, each guarded against faults: they are in
//! `operations.rs`, their fast ways in `fast.rs`.

mod fast;
mod memory;
mod operations;
mod pages;
mod word;

use std::io;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

#[cfg(any(feature = "bytemuck", feature = "zerocopy"))]
pub(crate) use memory::value_bytes;
pub(crate) use memory::{append, as_uninit};
pub(crate) use word::Word;

use crate::access::Protection;
use crate::fault::{self, Fault, Slot};
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
    #[inline(always)]
    pub(crate) fn map(request: &Request<'_>, start: usize, len: usize, file: Option<&TrackedFile>) -> io::Result<Self> {
        #[cfg(target_arch = "x86_64")]
        crate::processor::detect();
        let mapping = Mapping::new(request)?;
        let slot = fault::register(&mapping.info(request, file, start));
        let readable = is_readable(request.parameters.protection);
        Ok(Self {
            // `start` is less than the mapping's length.
            first: AtomicPtr::new(mapping.base().wrapping_add(start)),
            mapping: Some(mapping),
            start,
            len: AtomicUsize::new(len),
            capacity: request.len - start,
            slot,
            readable,
            readable_len: AtomicUsize::new(if readable { len } else { 0 }),
            fast_slot: slot.unwrap_or(&fault::UNGUARDED),
            lent: AtomicBool::new(false),
        })
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

    /// Notes whether somebody else uses the bytes directly.
    pub(crate) fn set_lent(&self, lent: bool) {
        self.lent.store(lent, Ordering::Relaxed);
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

    /// Whether reading a page that cannot be read is an error and not the end of the process.
    pub(crate) fn is_guarded(&self) -> bool {
        self.slot.is_some() && fault::fault_guard()
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
