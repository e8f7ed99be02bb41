//! From a signal handler to an exception: CPython is asked to call us back in the main thread, at its next bytecode that
//! looks for such requests (a call, a jump back).

use std::ffi::{c_int, c_long, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::call::enter;

/// A request is waiting to be served.
static REQUESTED: AtomicBool = AtomicBool::new(false);

/// Requests a call of `deliver`. Runs in a signal handler, of a thread that was touching mapped memory.
///
/// `Py_AddPendingCall` takes CPython's lock of the list of requests. That is allowed here though it is not in every
/// signal handler: the fault was raised by a load or a store of mapped bytes, and nobody does that while holding the
/// lock. If the list is full nothing is lost: the fault stays with its map, whose next operation reports it.
pub(crate) fn request() {
    if REQUESTED.swap(true, Ordering::AcqRel) {
        return;
    }
    // SAFETY: any thread may call this, attached or not; see above for the signal handler.
    if unsafe { ffi::Py_AddPendingCall(Some(serve), ptr::null_mut()) } != 0 {
        REQUESTED.store(false, Ordering::Release);
    }
}

extern "C" fn serve(_: *mut c_void) -> c_int {
    REQUESTED.store(false, Ordering::Release);
    // SAFETY: CPython calls this while attached.
    unsafe { enter(-1, |py| crate::faults::deliver(py).map(|()| 0)) }
}

/// Has `exception` raised in another thread, at its next bytecode. `false` if Python knows no such thread.
pub(crate) fn raise_in_thread(thread: usize, exception: &Bound<'_, PyType>) -> bool {
    // SAFETY: attached; the exception is a class.
    unsafe { ffi::PyThreadState_SetAsyncExc(thread as c_long, exception.as_ptr()) > 0 }
}
