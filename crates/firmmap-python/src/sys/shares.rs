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
}

impl File {
    pub(crate) fn new(file: firmmap::MappedFile) -> Self {
        Self { file, generation: 0 }
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
