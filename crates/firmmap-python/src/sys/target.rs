//! Writable memory of other objects: the argument of `readinto`.

use std::mem::MaybeUninit;

use super::buffer::View;
use super::exception::{PyResult, PyTypeError};
use super::objects::class_name;
use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};

/// The contiguous, writable memory of another object, which is held while this value lives.
pub(crate) struct Target<'py>(View<'py>);

impl<'py> Target<'py> {
    /// Asks `object` for its memory. This may run Python code.
    pub(crate) fn new(function: &str, object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        View::new(object, ffi::PyBUF_WRITABLE).map(Self).map_err(|cause| {
            let class = class_name(object);
            let message = format!("{function}() argument must be read-write bytes-like object, not {class}");
            PyTypeError::new_err(message).caused_by(object.py(), cause)
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.0.buffer.len as usize
    }

    /// Whether the memory lies in what `len` bytes from `start` are.
    pub(crate) fn overlaps(&self, start: *const u8, len: usize) -> bool {
        let (ours, theirs) = (self.0.buffer.buf as usize, start as usize);
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
        unsafe { std::slice::from_raw_parts_mut(self.0.buffer.buf.cast(), len) }
    }

    /// Copies `bytes` into the memory, of which they may be a part.
    pub(crate) fn fill(&mut self, bytes: &[u8]) {
        let len = bytes.len().min(self.len());
        // SAFETY: both sides have `len` bytes.
        unsafe { std::ptr::copy(bytes.as_ptr(), self.0.buffer.buf.cast::<u8>(), len) };
    }
}
