//! Shared handles of a mapping, which threads hold while they work on it without the GIL; and what fork(2) leaves of those of the
//! parent's other threads.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

use firmmap::Protection;

use super::DETACHED_COPY;
use crate::sys::exception::{Exception, PyResult};

/// A mapped file that knows in which process references to its mapping were taken.
pub(crate) struct SharedFile {
    file: firmmap::MappedFile,
    /// The [`fork_generation`](firmmap::fork_generation) in which the last one was taken; zero if none was. Not a process id: in a PID namespace of
    /// its own, a child can have that of its parent.
    generation: u32,
    /// Whether the map grows with what others append to the file.
    follows: bool,
    /// How many views (`Py_buffer`) exist.
    pub(crate) exports: usize,
    /// Whether a thread is appending without the GIL: other writes at the position, and resizes, wait for it.
    pub(crate) appending: bool,
    /// Whether a thread is making the map longer without the GIL: they wait for that as well. Who reads goes on.
    pub(crate) growing: bool,
    /// How many threads wait to resize or move the map: they go before any other use of it.
    pub(crate) pending_writers: usize,
    /// Mappings that were replaced by longer ones, kept for the views that still show them.
    retired: Vec<Arc<firmmap::Mmap>>,
}

impl SharedFile {
    pub(crate) fn new(file: firmmap::MappedFile) -> Self {
        Self {
            file,
            generation: 0,
            follows: false,
            exports: 0,
            appending: false,
            growing: false,
            pending_writers: 0,
            retired: Vec::new(),
        }
    }

    /// One that follows the end of its file, unless it was made with a length.
    pub(crate) fn following(file: firmmap::MappedFile) -> Self {
        Self { follows: file.follows_end(), ..Self::new(file) }
    }

    #[inline]
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Extends the map by what other programs have appended, and returns whether there was anything.
    pub(crate) fn follow_end(&mut self) -> firmmap::Result<bool> {
        if !self.follows {
            return Ok(false);
        }
        if self.is_appended_to() {
            // What a thread of this process is appending becomes part of the map when it is done.
            let end = self.file.end_in_file()?;
            self.file.note_end(end);
            return Ok(false);
        }
        self.keep_views(firmmap::MappedFile::follow_end)
    }

    /// Before a read of up to `count` bytes at the position, where nothing is left of the map, or so much that it is read without the GIL:
    /// extends the map, and refuses bytes that others have cut off.
    pub(crate) fn follow_end_before(&mut self, count: Option<usize>) -> firmmap::Result<()> {
        let remaining = self.file.remaining();
        if remaining == 0 && count != Some(0) {
            self.follow_end()?;
        } else if remaining > DETACHED_COPY && count.is_none_or(|count| count >= remaining) {
            let start = self.file.position();
            self.follow_end_after(start, start + remaining)?;
        }
        Ok(())
    }

    /// Has `copy` copy up to `count` bytes at the position: it gets where they begin and how many they are. Where they reach the end of
    /// the map, the length of the file is asked for: afterwards, so that they are no zeros in place of bytes that others cut off meanwhile.
    /// What others have appended is copied as well, in a second try.
    pub(crate) fn copy_at_position<T>(
        &mut self,
        count: Option<usize>,
        error: impl Fn(firmmap::Error) -> Exception,
        mut copy: impl FnMut(&firmmap::Mmap, usize, usize) -> PyResult<T>,
    ) -> PyResult<(T, usize)> {
        let mut may_grow = true;
        loop {
            let (position, remaining) = (self.file.position(), self.file.remaining());
            let len = count.map_or(remaining, |count| count.min(remaining));
            let copied = copy(&self.file, position, len)?;
            if len > 0 && len == remaining && self.follows {
                let has_grown = self.follow_end_after(position, position + len).map_err(&error)?;
                if has_grown && may_grow && count != Some(len) {
                    may_grow = false;
                    continue;
                }
            }
            return Ok((copied, len));
        }
    }

    /// After bytes from `start` to `end` were used: returns whether others have appended something, and refuses what they have cut off.
    pub(crate) fn follow_end_after(&mut self, start: usize, end: usize) -> firmmap::Result<bool> {
        let has_grown = self.follow_end()?;
        self.file.check_present(start, end)?;
        Ok(has_grown)
    }

    /// What was written, before it is flushed: see [`firmmap::MappedFile::settle`].
    pub(crate) fn settle(&mut self) -> firmmap::Result<()> {
        let settled = self.file.settle();
        if self.exports > 0 && self.file.access() == firmmap::Access::Write {
            self.file.keep_views();
        }
        settled
    }

    /// The end of the file, asked for anew, as an index in the map.
    pub(crate) fn end(&mut self) -> firmmap::Result<usize> {
        self.keep_views(firmmap::MappedFile::end)
    }

    /// Runs `work`, which may replace the mapping; existing views keep the old one.
    fn keep_views<R>(
        &mut self,
        work: impl FnOnce(&mut firmmap::MappedFile) -> firmmap::Result<R>,
    ) -> firmmap::Result<R> {
        self.release_parent_references();
        // While there is another reference, a mapping neither moves nor shrinks.
        let before = (self.exports > 0).then(|| self.file.share());
        let result = work(&mut self.file);
        if let Some(before) = before.filter(|before| !std::ptr::eq(&raw const **before, &raw const *self.file)) {
            self.retired.push(before);
        }
        result
    }

    /// Counts one view more.
    pub(crate) fn count_view(&mut self) {
        self.exports += 1;
        self.file.set_lent(true);
    }

    /// Whether the bytes can be read or written.
    #[inline]
    pub(crate) fn is_accessible(&self) -> bool {
        self.protection().intersects(Protection::READ | Protection::WRITE)
    }

    /// Counts one view less, if that leaves nothing to be dropped.
    #[inline]
    pub(crate) fn try_release(&mut self) -> Option<()> {
        if !self.retired.is_empty() {
            return None;
        }
        self.count_release();
        Some(())
    }

    /// Counts one view less. The caller drops the mappings returned, if any, which only views have used.
    pub(crate) fn release(&mut self) -> Option<Vec<Arc<firmmap::Mmap>>> {
        self.count_release();
        (self.exports == 0 && !self.retired.is_empty()).then(|| std::mem::take(&mut self.retired))
    }

    #[inline]
    fn count_release(&mut self) {
        // There is one: CPython releases what it was given.
        if let Some(left) = self.exports.checked_sub(1) {
            self.exports = left;
            self.file.set_lent(left > 0);
        }
    }

    /// Whether another thread is appending. Such a thread has a reference: if there is none, it was a thread of the parent process.
    pub(crate) fn is_appended_to(&mut self) -> bool {
        self.appending = self.appending && self.is_shared();
        self.appending
    }

    /// Whether another thread is appending or making the map longer.
    pub(crate) fn is_extended(&mut self) -> bool {
        self.growing = self.growing && self.is_shared();
        self.is_appended_to() || self.growing
    }

    /// A reference to the mapping. It must be dropped before Python code runs again, as that may call fork(2).
    #[expect(clippy::wrong_self_convention, reason = "it records the process")]
    pub(crate) fn to_arc(&mut self) -> Arc<firmmap::Mmap> {
        self.release_parent_references();
        self.generation = firmmap::fork_generation();
        self.file.share()
    }

    /// Whether another thread of this process has a reference.
    pub(crate) fn is_shared(&mut self) -> bool {
        self.release_parent_references();
        self.file.is_shared()
    }

    /// Unmaps, and reports a last unreported fault. If other threads are still using the mapping, the last of them unmaps it.
    pub(crate) fn unmap(&mut self) -> firmmap::Result<()> {
        self.release_parent_references();
        let settled = self.file.settle();
        self.file.unmap().and(settled)
    }

    /// Drops the references of the parent process: those that were held, at fork(2), by threads that this process does not have. Nobody
    /// else would drop them, and the map could never be moved or unmapped.
    pub(crate) fn release_parent_references(&mut self) {
        if self.generation == 0 || !self.file.is_shared() || self.generation == firmmap::fork_generation() {
            return;
        }
        let map = Arc::into_raw(self.file.share());
        // All but that of `file` and `map` itself.
        let parent_references = {
            // SAFETY: it comes from `into_raw`, and is dropped below.
            let map = ManuallyDrop::new(unsafe { Arc::from_raw(map) });
            Arc::strong_count(&map).saturating_sub(2)
        };
        for _ in 0..parent_references {
            // SAFETY: all references but those two were taken in the parent, as this process takes none before it comes here. Their
            // threads do not exist in this process; the one that called fork(2) had none, as it ran Python code.
            unsafe { Arc::decrement_strong_count(map) };
        }
        // SAFETY: it comes from `into_raw`, and is dropped once.
        drop(unsafe { Arc::from_raw(map) });
    }
}

impl Deref for SharedFile {
    type Target = firmmap::MappedFile;

    #[inline]
    fn deref(&self) -> &firmmap::MappedFile {
        &self.file
    }
}

impl DerefMut for SharedFile {
    #[inline]
    fn deref_mut(&mut self) -> &mut firmmap::MappedFile {
        &mut self.file
    }
}
