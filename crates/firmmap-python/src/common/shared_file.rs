//! Shares of maps, which threads hold while they work on a map and others run; and what fork(2) leaves of them.

use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::sync::Arc;

/// A mapped file that knows in which process its shares were taken.
pub(crate) struct File {
    file: firmmap::MappedFile,
    /// The [`fork_generation`](firmmap::fork_generation) of the last one; zero if there was none. Not a process id, which is no identity: with a
    /// namespace of its own a child can have that of its parent.
    generation: u32,
    /// Whether what others append to the file belongs to the map.
    follows: bool,
    /// Views that others hold.
    pub(crate) exports: usize,
    /// Whether a thread is appending while others run: the bytes between the position and their end are its own.
    pub(crate) appending: bool,
    /// Mappings in whose place others are, as they were too short: there for the views that are left of them.
    retired: Vec<Arc<firmmap::Mmap>>,
}

impl File {
    pub(crate) fn new(file: firmmap::MappedFile) -> Self {
        Self { file, generation: 0, follows: false, exports: 0, appending: false, retired: Vec::new() }
    }

    /// One that goes on with its file, unless it was made with a length.
    pub(crate) fn following(file: firmmap::MappedFile) -> Self {
        Self { follows: file.follows_end(), ..Self::new(file) }
    }

    #[inline]
    pub(crate) fn follows(&self) -> bool {
        self.follows
    }

    /// Takes in what other programs have appended, and says whether there was anything.
    pub(crate) fn follow_end(&mut self) -> firmmap::Result<bool> {
        // What a thread of ours is appending comes into the map when it is done.
        if !self.follows || self.is_appended_to() {
            return Ok(false);
        }
        self.keep_views(firmmap::MappedFile::follow_end)
    }

    /// Where the file ends now.
    pub(crate) fn end(&mut self) -> firmmap::Result<usize> {
        self.keep_views(firmmap::MappedFile::end)
    }

    /// Runs `work`, which may put another mapping in the place of this one; views keep what they show.
    fn keep_views<R>(
        &mut self,
        work: impl FnOnce(&mut firmmap::MappedFile) -> firmmap::Result<R>,
    ) -> firmmap::Result<R> {
        self.forget_strays();
        // While somebody else has a share, a map neither moves nor becomes shorter.
        let before = (self.exports > 0).then(|| self.file.share());
        let result = work(&mut self.file);
        if let Some(before) = before.filter(|before| !std::ptr::eq(&raw const **before, &raw const *self.file)) {
            self.retired.push(before);
        }
        result
    }

    /// Counts a view less. The mappings that only the views had are to be dropped by the caller.
    pub(crate) fn release(&mut self) -> Vec<Arc<firmmap::Mmap>> {
        self.exports = self.exports.saturating_sub(1);
        if self.exports == 0 { std::mem::take(&mut self.retired) } else { Vec::new() }
    }

    /// Whether another thread is appending. It has a share: if there is none, it was a thread of the parent of this process.
    pub(crate) fn is_appended_to(&mut self) -> bool {
        self.appending = self.appending && self.is_shared();
        self.appending
    }

    /// A share. It must be gone before Python code runs again: there fork(2) may be called.
    pub(crate) fn share(&mut self) -> Arc<firmmap::Mmap> {
        self.forget_strays();
        self.generation = firmmap::fork_generation();
        self.file.share()
    }

    /// Whether there are shares, in this process.
    pub(crate) fn is_shared(&mut self) -> bool {
        self.forget_strays();
        self.file.is_shared()
    }

    /// Ends the mapping, and reports a last fault. Searches that are under way in other threads hold the map; then it is for
    /// them to unmap and to report.
    pub(crate) fn unmap(mut self) -> firmmap::Result<()> {
        self.forget_strays();
        self.file.into_map().map_or(Ok(()), firmmap::Mmap::close)
    }

    /// Takes back the shares of threads that only the parent of this process has: nobody else would, and the map could never
    /// be moved or unmapped.
    pub(crate) fn forget_strays(&mut self) {
        if self.generation == 0 || !self.file.is_shared() || self.generation == firmmap::fork_generation() {
            return;
        }
        let map = Arc::into_raw(self.file.share());
        // One is that of `file`, and one is `map`.
        let strays = {
            // SAFETY: it comes from `into_raw`, and is given back below.
            let map = ManuallyDrop::new(unsafe { Arc::from_raw(map) });
            Arc::strong_count(&map).saturating_sub(2)
        };
        for _ in 0..strays {
            // SAFETY: all shares but those two were taken in the parent, as this process takes none before it comes here. Their
            // threads are not in this process; that which called fork(2) had none, as it ran Python code.
            unsafe { Arc::decrement_strong_count(map) };
        }
        // SAFETY: it comes from `into_raw`, and is given back once.
        drop(unsafe { Arc::from_raw(map) });
    }
}

impl Deref for File {
    type Target = firmmap::MappedFile;

    #[inline]
    fn deref(&self) -> &firmmap::MappedFile {
        &self.file
    }
}

impl DerefMut for File {
    #[inline]
    fn deref_mut(&mut self) -> &mut firmmap::MappedFile {
        &mut self.file
    }
}
