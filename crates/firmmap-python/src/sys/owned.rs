//! References that are released at once.
//!
//! A `Py` that is dropped where PyO3 has not counted the thread as attached is released later, at the next call that goes through PyO3's
//! own trampolines, which ours do not. A map would stay open until then, with its descriptor, after its last user is gone.

use std::mem::ManuallyDrop;
use std::ops::Deref;

use pyo3::ffi;
use pyo3::prelude::*;

/// A reference that is made, used and dropped by threads that are attached.
pub(crate) struct Owned(ManuallyDrop<Py<PyAny>>);

impl Owned {
    /// What a function of CPython's has returned: a new reference, or null with an exception set.
    ///
    /// # Safety
    ///
    /// - That is what `object` is.
    pub(crate) unsafe fn from_new(py: Python<'_>, object: *mut ffi::PyObject) -> Option<Self> {
        // SAFETY: the caller's promise.
        unsafe { Bound::from_owned_ptr_or_opt(py, object) }.map(Self::from)
    }

    /// A new reference to an object that is alive.
    ///
    /// # Safety
    ///
    /// - `object` is alive.
    pub(crate) unsafe fn from_borrowed(py: Python<'_>, object: *mut ffi::PyObject) -> Self {
        // SAFETY: the caller's promise.
        unsafe { Bound::from_borrowed_ptr(py, object) }.into()
    }

    /// The reference, which is the caller's now.
    pub(crate) fn into_ptr(self) -> *mut ffi::PyObject {
        let object = self.0.as_ptr();
        std::mem::forget(self);
        object
    }
}

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
        // became part of an instance, in calls from Python; exceptions are not `Send`: the thread is attached.
        unsafe { ffi::Py_DECREF(self.0.as_ptr()) };
    }
}
