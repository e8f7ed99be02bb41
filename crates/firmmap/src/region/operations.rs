//! Reading, writing, moving and searching mapped bytes.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use super::{Region, SHORT, STRIDE, Word, memory};
use crate::fault::Fault;
use crate::range::Span;

impl Region {
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
