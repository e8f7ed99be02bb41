//! [`Exclusive`]: state that one thread at a time may change.
//!
//! With the GIL, whoever runs here is alone already, and a flag guards against calling back into itself. Without the
//! GIL it is a mutex.

use pyo3::Python;

/// State behind the GIL, or behind a mutex where there is none.
pub(crate) struct Exclusive<T>(Inner<T>);

#[cfg(not(Py_GIL_DISABLED))]
struct Inner<T> {
    busy: std::cell::Cell<bool>,
    value: std::cell::UnsafeCell<T>,
}

#[cfg(Py_GIL_DISABLED)]
type Inner<T> = std::sync::Mutex<T>;

// SAFETY: `with` needs the GIL, so that only one thread at a time gets at the value.
#[cfg(not(Py_GIL_DISABLED))]
unsafe impl<T: Send> Sync for Exclusive<T> {}

impl<T> Exclusive<T> {
    pub(crate) fn new(value: T) -> Self {
        #[cfg(not(Py_GIL_DISABLED))]
        return Self(Inner { busy: std::cell::Cell::new(false), value: std::cell::UnsafeCell::new(value) });
        #[cfg(Py_GIL_DISABLED)]
        return Self(Inner::new(value));
    }

    /// Runs `work` with the state. `work` must not call into Python: that could come back here.
    ///
    /// # Panics
    ///
    /// If it did.
    #[inline(always)]
    #[cfg(not(Py_GIL_DISABLED))]
    pub(crate) fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        self.try_with(py, work).expect("a map was used from inside its own operation")
    }

    /// As [`with`](Self::with), but `None` where that would panic: for those who can go another way.
    #[inline(always)]
    #[cfg(not(Py_GIL_DISABLED))]
    pub(crate) fn try_with<R>(&self, _py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        struct Busy<'a>(&'a std::cell::Cell<bool>);
        impl Drop for Busy<'_> {
            fn drop(&mut self) {
                self.0.set(false);
            }
        }
        if self.0.busy.get() {
            return None;
        }
        self.0.busy.set(true);
        let _busy = Busy(&self.0.busy);
        // SAFETY: the token says that we hold the GIL, and the flag that nobody below us on this stack is in here.
        Some(work(unsafe { &mut *self.0.value.get() }))
    }

    /// As [`try_with`](Self::try_with), without marking the state as in use, which two instructions do.
    ///
    /// # Safety
    ///
    /// - `work` cannot come back here: it runs no Python code, and drops nothing.
    #[inline(always)]
    #[cfg(not(Py_GIL_DISABLED))]
    pub(super) unsafe fn try_unmarked<R>(&self, _py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        // SAFETY: the token says that we hold the GIL, the flag that nobody below us on this stack is in here, and the caller that
        // nobody above us will be.
        (!self.0.busy.get()).then(|| work(unsafe { &mut *self.0.value.get() }))
    }

    /// As [`try_with`](Self::try_with): there is no mark.
    ///
    /// # Safety
    ///
    /// - None: the other one has some.
    #[inline]
    #[cfg(Py_GIL_DISABLED)]
    pub(super) unsafe fn try_unmarked<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        self.try_with(py, work)
    }

    /// As [`try_with`](Self::try_with), for the garbage collector, in which nobody can be waited for.
    pub(crate) fn look<R>(&self, py: Python<'_>, work: impl FnOnce(&T) -> R) -> Option<R> {
        #[cfg(not(Py_GIL_DISABLED))]
        return self.try_with(py, |value| work(value));
        #[cfg(Py_GIL_DISABLED)]
        {
            let _ = py;
            self.0.try_lock().ok().map(|value| work(&value))
        }
    }

    /// As [`with`](Self::with), which cannot panic here.
    #[inline]
    #[cfg(Py_GIL_DISABLED)]
    pub(crate) fn try_with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(self.with(py, work))
    }

    /// Runs `work` with the state. `work` must not call into Python: that could come back here.
    #[inline]
    #[cfg(Py_GIL_DISABLED)]
    pub(crate) fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        use crate::sys::detach::Detached;
        use std::sync::TryLockError::{Poisoned, WouldBlock};
        // A panic inside leaves nothing half done: every change of the state is one assignment.
        let mut state = match self.0.try_lock() {
            Ok(state) => state,
            Err(Poisoned(poisoned)) => poisoned.into_inner(),
            Err(WouldBlock) => {
                let _detached = Detached::new(py);
                self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
            }
        };
        work(&mut state)
    }
}
