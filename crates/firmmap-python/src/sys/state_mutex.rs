//! [`StateMutex`]: state that one thread at a time may change, where there is no GIL.
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

    /// Runs `work` with the state. A thread that has to wait does so without the interpreter, as `detach` says until what it returns is
    /// dropped: whoever stops all threads does not wait for it.
    #[inline]
    pub(super) fn with<R, D>(&self, detach: impl FnOnce() -> D, work: impl FnOnce(&mut T) -> R) -> R {
        // A panic inside can leave some numbers changed and others not; no later use relies on more than each of them being valid.
        let mut state = match self.0.try_lock() {
            Ok(state) => state,
            Err(Poisoned(poisoned)) => poisoned.into_inner(),
            Err(WouldBlock) => {
                let _detached = detach();
                self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
            }
        };
        work(&mut state)
    }

    /// `None` where that would mean to wait: whoever has stopped all threads must not, as the one that has the state can be waiting to attach.
    pub(super) fn try_read<R>(&self, work: impl FnOnce(&T) -> R) -> Option<R> {
        self.0.try_lock().ok().map(|value| work(&value))
    }
}
