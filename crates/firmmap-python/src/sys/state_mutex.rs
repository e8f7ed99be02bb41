//! [`StateMutex`]: state that one thread at a time may change, where there is no GIL.
//!
//! Whoever has it is attached to the interpreter, and stays so until it has given it back: the work runs no Python code and does not detach. So a
//! thread that waits for it may stay attached too, as it waits for a few steps of a thread that is running; and whoever has stopped all
//! threads (a collection of garbage, a fork, the end of the program) finds it free. A thread that detached to wait could come to own it while
//! the world is stopped, and a child would find it locked for ever.
//!
//! `models/` checks this file as it is: with `--cfg loom` its mutex is one that loom sees.

#[cfg(loom)]
use crate::mutex::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;
use std::sync::TryLockError::{Poisoned, WouldBlock};

pub(super) struct StateMutex<T>(Mutex<T>);

impl<T> StateMutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    /// Runs `work` with the state, on a thread that is attached. `work` does not detach.
    #[inline]
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut T) -> R) -> R {
        // A panic inside can leave some numbers changed and others not; no later use relies on more than each of them being valid.
        let mut state = self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        #[cfg(all(debug_assertions, not(loom)))]
        let _owned = owned::Owned::new();
        work(&mut state)
    }

    /// `None` if the state is in use. Where all other threads are stopped, it is in use only by this thread, further up.
    pub(super) fn try_read<R>(&self, work: impl FnOnce(&T) -> R) -> Option<R> {
        match self.0.try_lock() {
            Ok(state) => Some(work(&state)),
            Err(Poisoned(poisoned)) => Some(work(&poisoned.into_inner())),
            Err(WouldBlock) => None,
        }
    }
}

/// How many states this thread has: `make test-state-mutex` runs the suite with this.
#[cfg(all(debug_assertions, not(loom)))]
pub(super) mod owned {
    use std::cell::Cell;

    thread_local! {
        static OWNED: Cell<usize> = const { Cell::new(0) };
    }

    pub(super) struct Owned;

    impl Owned {
        pub(super) fn new() -> Self {
            OWNED.set(OWNED.get() + 1);
            Self
        }
    }

    impl Drop for Owned {
        fn drop(&mut self) {
            OWNED.set(OWNED.get() - 1);
        }
    }

    /// # Panics
    ///
    /// If this thread has any.
    pub(in crate::sys) fn check_none() {
        assert_eq!(OWNED.get(), 0, "the thread detaches or raises while it has the state of an object");
    }
}
