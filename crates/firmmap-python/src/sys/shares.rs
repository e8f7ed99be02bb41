//! Shares of maps, which threads hold while they work on a map and others run; and what fork(2) leaves of them.

use std::sync::Arc;

/// Counts for whom shares of a map were taken.
#[derive(Default)]
pub(crate) struct Shares {
    /// The process in which the last one was taken; zero if there was none.
    process: u32,
}

impl Shares {
    /// A share of `file`. It must be gone before Python code runs again: there fork(2) may be called.
    pub(crate) fn take(&mut self, file: &firmmap::MappedFile) -> Arc<firmmap::Mmap> {
        self.settle(file);
        file.share()
    }

    /// Whether there are shares, in this process.
    pub(crate) fn exist(&mut self, file: &firmmap::MappedFile) -> bool {
        file.is_shared() && {
            self.settle(file);
            file.is_shared()
        }
    }

    /// Takes back the shares of threads that only the parent of this process has: nobody else would, and the map could never
    /// be moved or unmapped.
    fn settle(&mut self, file: &firmmap::MappedFile) {
        let here = std::process::id();
        let before = std::mem::replace(&mut self.process, here);
        if before == 0 || before == here {
            return;
        }
        let map = Arc::into_raw(file.share());
        // One is that of `file`, and one is `map`.
        let strays = {
            // SAFETY: it comes from `into_raw`, and is given back below.
            let map = std::mem::ManuallyDrop::new(unsafe { Arc::from_raw(map) });
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
