//! [`StateLock`]: state that one thread at a time may change.
//!
//! With the GIL, the thread that runs here is the only one, and a flag guards against reentrance. Without the GIL it is a mutex.

use pyo3::Python;

/// State behind the GIL, or behind a mutex where there is none.
pub(crate) struct StateLock<T>(Inner<T>);

#[cfg(not(state_mutex))]
struct Inner<T> {
    busy: std::cell::Cell<bool>,
    value: std::cell::UnsafeCell<T>,
}

#[cfg(state_mutex)]
type Inner<T> = super::state_mutex::StateMutex<T>;

// SAFETY: `with` needs the GIL, so that only one thread at a time gets at the value.
#[cfg(not(state_mutex))]
unsafe impl<T: Send> Sync for StateLock<T> {}

impl<T> StateLock<T> {
    pub(crate) fn new(value: T) -> Self {
        #[cfg(not(state_mutex))]
        return Self(Inner { busy: std::cell::Cell::new(false), value: std::cell::UnsafeCell::new(value) });
        #[cfg(state_mutex)]
        return Self(Inner::new(value));
    }

    /// Runs `work` with the state. `work` must not call into Python, which could come back here.
    ///
    /// # Panics
    ///
    /// If `work` has come back here.
    #[inline(always)]
    #[cfg(not(state_mutex))]
    pub(crate) fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        self.try_with(py, work).expect("a map was used from inside its own operation")
    }

    /// As [`with`](Self::with), but `None` where that would panic.
    #[inline(always)]
    #[cfg(not(state_mutex))]
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
        // SAFETY: the token says that we hold the GIL, and the flag that no caller of ours is in here.
        Some(work(unsafe { &mut *self.0.value.get() }))
    }

    /// Where the state is, for [`MapLock`](crate::common::map_lock::MapLock), which knows when nobody has it.
    #[inline(always)]
    #[cfg(not(state_mutex))]
    pub(crate) fn get(&self) -> *mut T {
        self.0.value.get()
    }

    /// As [`try_with`](Self::try_with), for the garbage collector: while it looks at objects no other thread is in here, and `None` says, each
    /// time of that collection, that its own thread is.
    pub(crate) fn try_read<R>(&self, py: Python<'_>, work: impl FnOnce(&T) -> R) -> Option<R> {
        #[cfg(not(state_mutex))]
        return self.try_with(py, |value| work(value));
        #[cfg(state_mutex)]
        {
            let _ = py;
            self.0.try_read(work)
        }
    }

    /// As [`with`](Self::with), which cannot panic here.
    #[inline]
    #[cfg(state_mutex)]
    pub(crate) fn try_with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        Some(self.with(py, work))
    }

    /// Runs `work` with the state. `work` must not call into Python, which could come back here or detach.
    #[inline]
    #[cfg(state_mutex)]
    pub(crate) fn with<R>(&self, _py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        self.0.with(work)
    }
}

/// That this thread has the state of no object, as it is about to detach or to run Python code: a check of debug builds, with the mutex.
#[inline(always)]
pub(super) fn check_none_owned() {
    #[cfg(all(state_mutex, debug_assertions))]
    super::state_mutex::owned::check_none();
}
