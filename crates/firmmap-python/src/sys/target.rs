//! Memory that others lend us to write to: the argument of `readinto`.

use std::mem::MaybeUninit;
use std::pin::Pin;

use super::exception::{Exception, PyResult, PyTypeError};
use super::objects::class_name;
use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};

/// The contiguous, writable memory of another object, which is held while this value lives.
pub(crate) struct Target<'py> {
    buffer: Pin<Box<ffi::Py_buffer>>,
    py: Python<'py>,
}

impl<'py> Target<'py> {
    /// Asks `object` for its memory. This may run Python code.
    pub(crate) fn new(function: &str, object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        let py = object.py();
        let mut buffer = Box::pin(ffi::Py_buffer::new());
        // SAFETY: the object is alive while it is borrowed; the view stays where it is until it is released.
        match unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &mut *buffer, ffi::PyBUF_WRITABLE) } {
            0 => Ok(Self { buffer, py }),
            _ => {
                let cause = Exception::fetch(py);
                let class = class_name(object);
                let words = format!("{function}() argument must be read-write bytes-like object, not {class}");
                Err(PyTypeError::new_err(words).caused_by(py, cause))
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.buffer.len as usize
    }

    /// Whether the memory lies in what `len` bytes from `start` are.
    pub(crate) fn overlaps(&self, start: *const u8, len: usize) -> bool {
        let (ours, theirs) = (self.buffer.buf as usize, start as usize);
        ours < theirs.saturating_add(len) && theirs < ours.saturating_add(self.len())
    }

    /// The first `len` bytes of the memory, which must not overlap with what is copied into it.
    pub(crate) fn memory(&mut self, len: usize) -> &mut [MaybeUninit<u8>] {
        let len = len.min(self.len());
        if len == 0 {
            return &mut [];
        }
        // SAFETY: the exporter keeps the memory until the view is released, and lets it be written to. Another thread may
        // use it meanwhile, as it may with a plain file's `readinto`; the bytes that it gets are old or new.
        unsafe { std::slice::from_raw_parts_mut(self.buffer.buf.cast(), len) }
    }

    /// Copies `bytes` into the memory, of which they may be a part.
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(self.len());
        // SAFETY: both sides have `len` bytes.
        unsafe { std::ptr::copy(bytes.as_ptr(), self.buffer.buf.cast::<u8>(), len) };
    }
}

impl Drop for Target<'_> {
    fn drop(&mut self) {
        let _attached = self.py;
        // SAFETY: the view was filled by PyObject_GetBuffer and is released once, attached.
        unsafe { ffi::PyBuffer_Release(&mut *self.buffer) };
    }
}
