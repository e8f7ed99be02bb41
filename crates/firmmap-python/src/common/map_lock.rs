//! [`MapLock`]: the state of a map, and beside it what the shortest calls want to know of it, in one byte.
//!
//! That byte is worked out anew whenever the state is left, and says no as long as it is in use. So a call that finds it saying yes
//! neither has to ask whether the state is in use, nor what is in it. Without the GIL there is no such byte, as another thread could
//! change the state meanwhile: the lock is taken, and the state itself is asked.

use std::ops::Range;

use pyo3::Python;

use super::shared_file::SharedFile;
use crate::faults;
use crate::sys::state_lock::StateLock;

/// What a map is ready for at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Ready {
    /// Nothing: it is closed, or something has to be done before.
    No,
    /// Work on its bytes.
    Bytes,
    /// Also what uses or moves its position.
    Position,
}

/// The state of a map.
///
/// # Safety
///
/// - The methods run no Python code and drop nothing.
/// - There is a file where the state is ready for something.
pub(crate) unsafe trait MapState {
    fn ready(&self) -> Ready;

    /// The map, if it is open.
    fn file(&mut self) -> Option<&mut SharedFile>;

    /// Notes that these bytes were written, for what has to know of it. Does not change what the state is ready for.
    fn wrote(&mut self, written: Range<usize>);
}

pub(crate) struct MapLock<T> {
    #[cfg(not(state_mutex))]
    ready: std::cell::Cell<Ready>,
    state: StateLock<T>,
}

// SAFETY: the byte is used with the GIL only, as a token says each time.
#[cfg(not(state_mutex))]
unsafe impl<T: Send> Sync for MapLock<T> {}

impl<T: MapState> MapLock<T> {
    pub(crate) fn new(state: T) -> Self {
        Self {
            #[cfg(not(state_mutex))]
            ready: std::cell::Cell::new(state.ready()),
            state: StateLock::new(state),
        }
    }

    /// As [`StateLock::with`]. What `work` has met and does not report is forgotten: see [`faults::after_work`].
    #[inline(always)]
    pub(crate) fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> R {
        let result = self.state.with(py, |state| self.renew_after(state, work));
        faults::after_work(py);
        result
    }

    /// As [`StateLock::try_with`].
    #[inline(always)]
    pub(crate) fn try_with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut T) -> R) -> Option<R> {
        let result = self.state.try_with(py, |state| self.renew_after(state, work));
        faults::after_work(py);
        result
    }

    /// The state is ours. After a panic it is ready for nothing, until the next `work`.
    #[inline(always)]
    #[cfg(not(state_mutex))]
    fn renew_after<R>(&self, state: &mut T, work: impl FnOnce(&mut T) -> R) -> R {
        self.ready.set(Ready::No);
        let result = work(state);
        self.ready.set(state.ready());
        result
    }

    #[inline(always)]
    #[cfg(state_mutex)]
    fn renew_after<R>(&self, state: &mut T, work: impl FnOnce(&mut T) -> R) -> R {
        work(state)
    }

    /// Whether the map is ready for something.
    #[inline(always)]
    pub(crate) fn is_ready(&self, py: Python<'_>) -> bool {
        // SAFETY: nothing is done.
        unsafe { self.try_file(py, Ready::Bytes, |_| Some(())) }.is_some()
    }

    /// Runs `work` on the map, if it is ready for what is `wanted`. Neither marks the state as in use nor looks at it again afterwards.
    ///
    /// # Safety
    ///
    /// - `work` cannot come back here: it runs no Python code, and drops nothing of the map's. It changes no more than bytes, the position
    ///   and the number of views.
    #[inline(always)]
    pub(super) unsafe fn try_file<R>(
        &self,
        py: Python<'_>,
        wanted: Ready,
        work: impl FnOnce(&mut SharedFile) -> Option<R>,
    ) -> Option<R> {
        // SAFETY: the caller's promise, and that of the trait.
        unsafe { self.try_state(py, wanted, |state| work(Self::file(state)?)) }
    }

    /// As [`try_file`](Self::try_file), for `work` that writes, and returns where.
    ///
    /// # Safety
    ///
    /// - As for [`try_file`](Self::try_file).
    #[inline(always)]
    pub(super) unsafe fn try_write(
        &self,
        py: Python<'_>,
        wanted: Ready,
        work: impl FnOnce(&mut SharedFile) -> Option<Range<usize>>,
    ) -> Option<()> {
        let write = |state: &mut T| {
            let written = work(Self::file(state)?)?;
            state.wrote(written);
            Some(())
        };
        // SAFETY: the caller's promise, and that of the trait.
        unsafe { self.try_state(py, wanted, write) }
    }

    /// What `work` reads in the state, if the map is ready for work on its bytes. As with [`try_file`](Self::try_file), nothing is marked.
    ///
    /// # Safety
    ///
    /// - `work` cannot come back here: it runs no Python code, and drops nothing of the map's.
    #[inline(always)]
    pub(crate) unsafe fn try_read<R>(&self, py: Python<'_>, work: impl FnOnce(&T) -> Option<R>) -> Option<R> {
        // SAFETY: the caller's promise.
        unsafe { self.try_state(py, Ready::Bytes, |state| work(state)) }
    }

    /// The map of a state that is ready.
    #[inline(always)]
    fn file(state: &mut T) -> Option<&mut SharedFile> {
        let file = state.file();
        // SAFETY: the promise of the trait.
        unsafe { std::hint::assert_unchecked(file.is_some()) };
        file
    }

    /// # Safety
    ///
    /// - As for [`try_file`](Self::try_file).
    #[inline(always)]
    #[cfg(not(state_mutex))]
    unsafe fn try_state<R>(&self, _py: Python<'_>, wanted: Ready, work: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        if self.ready.get() < wanted {
            return None;
        }
        // SAFETY: the token says that we hold the GIL, the byte that no caller of ours has the state, and our caller that nothing which
        // `work` calls will have it.
        work(unsafe { &mut *self.state.get() })
    }

    /// # Safety
    ///
    /// - As for [`try_file`](Self::try_file).
    #[inline]
    #[cfg(state_mutex)]
    unsafe fn try_state<R>(&self, py: Python<'_>, wanted: Ready, work: impl FnOnce(&mut T) -> Option<R>) -> Option<R> {
        self.state.try_with(py, |state| if state.ready() < wanted { None } else { work(state) })?
    }
}
