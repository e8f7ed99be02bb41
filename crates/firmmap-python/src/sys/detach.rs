//! Work without the GIL: the one place that releases it.
//!
//! Not PyO3's `Python::detach`, which at its end releases the references that were dropped elsewhere. Their destructors would run
//! while the caller holds a reference to a mapping or a lock: one that forks would leave a child that frees what is in use, and one
//! that resizes the map would wait for its own thread. Here nothing runs but `work`.
//!
//! A thread that is ended where it wants the GIL back (see `hang_glibc.rs`) hangs: in a call by the trampoline it never gets here, and
//! where that cannot be arranged, PyO3's `PyEval_RestoreThread` stops it before it comes to frames of ours.

use pyo3::ffi;
use pyo3::prelude::*;

/// Takes the GIL again when it is dropped, in a panic too.
struct Detached(*mut ffi::PyThreadState);

impl Detached {
    /// Releases the GIL. Until the value is dropped the thread must not touch Python, `py` or not.
    fn new(_py: Python<'_>) -> Self {
        super::state_lock::check_none_owned();
        // SAFETY: attached, as the token says.
        Self(unsafe { ffi::PyEval_SaveThread() })
    }
}

impl Drop for Detached {
    fn drop(&mut self) {
        // SAFETY: the state is that of this thread: the value is not `Send`.
        unsafe { ffi::PyEval_RestoreThread(self.0) };
    }
}

/// Runs `work` without the GIL. As neither it nor its result may hold anything that belongs to one thread, it has no token and
/// no reference to a Python object whose count it could change.
#[inline]
pub(crate) fn detached<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> R {
    let detached = Detached::new(py);
    let result = work();
    drop(detached);
    // No exception was requested for a fault that was met here and taken back, and no later one is to be withdrawn for it.
    let _ = firmmap::fault::taken_back();
    result
}
