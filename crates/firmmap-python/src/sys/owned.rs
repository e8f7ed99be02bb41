//! References that are given back at once.
//!
//! A `Py` that is dropped where PyO3 has not counted the thread as attached is given back later, at the next call that PyO3 itself takes
//! care of; our own entries are none. A map would stay open until then, with its descriptor, after its last user is gone.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use pyo3::ffi;
use pyo3::prelude::*;

/// A part of an instance's body: made, used and dropped by threads that are attached.
pub(crate) struct Owned(ManuallyDrop<Py<PyAny>>);

impl From<Bound<'_, PyAny>> for Owned {
    fn from(object: Bound<'_, PyAny>) -> Self {
        Self(ManuallyDrop::new(object.unbind()))
    }
}

impl Deref for Owned {
    type Target = Py<PyAny>;

    fn deref(&self) -> &Py<PyAny> {
        &self.0
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        // SAFETY: the reference is ours, and not used again. Bodies are dropped by CPython's call of `dealloc`, or before they
        // became part of an instance, in calls from Python: the thread is attached.
        unsafe { ffi::Py_DECREF(self.0.as_ptr()) };
    }
}
