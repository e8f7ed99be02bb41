//! The buffer protocol: the bytes of arguments, new bytes objects, and views of our own memory.

use std::borrow::Cow;
use std::ffi::c_int;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::exception::{Exception, PyResult};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use pyo3::{Borrowed, ffi};

/// The bytes of an argument, which is held while this value lives.
pub(crate) enum Argument<'a, 'py> {
    /// An exact bytes object, which the caller holds: its memory is where it is, and does not change.
    Bytes(Borrowed<'a, 'py, PyBytes>),
    /// The contiguous memory of another object.
    View(View<'py>),
}

/// A view of another object's memory, which is held while this value lives.
pub(crate) struct View<'py> {
    pub(super) buffer: Pin<Box<ffi::Py_buffer>>,
    _py: Python<'py>,
}

impl<'py> View<'py> {
    /// Asks `object` for its memory, as the flags say. This may run Python code.
    pub(super) fn new(object: Borrowed<'_, 'py, PyAny>, flags: c_int) -> PyResult<Self> {
        let py = object.py();
        let mut buffer = Box::pin(ffi::Py_buffer::new());
        // SAFETY: the object is alive while it is borrowed; the view stays where it is until it is released.
        match unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &mut *buffer, flags) } {
            0 => Ok(Self { buffer, _py: py }),
            _ => Err(Exception::fetch(py)),
        }
    }
}

impl<'a, 'py> Argument<'a, 'py> {
    /// Asks `object` for its bytes. This may run Python code.
    #[inline]
    pub(crate) fn new(object: Borrowed<'a, 'py, PyAny>) -> PyResult<Self> {
        if let Some(bytes) = exact(object) {
            return Ok(Self::Bytes(bytes));
        }
        View::new(object, ffi::PyBUF_SIMPLE).map(Self::View)
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes_of(*bytes),
            Self::View(View { buffer, .. }) if buffer.len == 0 => &[],
            // SAFETY: the exporter keeps `len` bytes at `buf` until the view is released. Another thread may write to
            // them, as it may with the standard library; copies and searches cope with that (`docs/safety.md`).
            Self::View(View { buffer, .. }) => unsafe {
                std::slice::from_raw_parts(buffer.buf.cast(), buffer.len as usize)
            },
        }
    }

    /// The bytes for work during which other threads run: they could change what is not a bytes object.
    pub(crate) fn constant(&self) -> PyResult<Cow<'_, [u8]>> {
        Ok(match self {
            Self::Bytes(bytes) => Cow::Borrowed(bytes_of(*bytes)),
            Self::View(_) => Cow::Owned(copy(self.bytes())?),
        })
    }
}

#[inline(always)]
fn exact<'a, 'py>(object: Borrowed<'a, 'py, PyAny>) -> Option<Borrowed<'a, 'py, PyBytes>> {
    // SAFETY: just checked.
    object.is_exact_instance_of::<PyBytes>().then(|| unsafe { object.cast_unchecked() })
}

/// What is in an exact bytes object.
#[inline(always)]
pub(crate) fn exact_bytes<'a>(object: Borrowed<'a, '_, PyAny>) -> Option<&'a [u8]> {
    exact(object).map(bytes_of)
}

/// A copy of what can be of any length.
pub(crate) fn copy(bytes: &[u8]) -> PyResult<Vec<u8>> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(bytes.len())?;
    copy.extend_from_slice(bytes);
    Ok(copy)
}

impl Drop for View<'_> {
    fn drop(&mut self) {
        // SAFETY: the view was filled by PyObject_GetBuffer and is released once, attached.
        unsafe { ffi::PyBuffer_Release(&mut *self.buffer) };
    }
}

/// Whether an object supports the buffer protocol.
pub(crate) fn is_exporter(object: Borrowed<'_, '_, PyAny>) -> bool {
    // SAFETY: the object is alive while it is borrowed.
    unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) != 0 }
}

/// A bytes object with a copy of `bytes`. Runs no Python code.
#[inline]
pub(crate) fn new_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: copies as many bytes as there are.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as isize) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(py, object) }.ok_or_else(|| Exception::fetch(py))
}

/// As [`new_bytes`], for a fast path: `None`, and no exception, without memory for it.
#[inline(always)]
pub(crate) fn try_new_bytes<'py>(py: Python<'py>, bytes: &[u8]) -> Option<Bound<'py, PyAny>> {
    #[cold]
    #[inline(never)]
    fn forget(py: Python<'_>) {
        Exception::clear(py);
    }
    // SAFETY: copies as many bytes as there are.
    let object = unsafe { ffi::PyBytes_FromStringAndSize(bytes.as_ptr().cast(), bytes.len() as isize) };
    // SAFETY: a new reference, or null with an exception set.
    let object = unsafe { Bound::from_owned_ptr_or_opt(py, object) };
    if object.is_none() {
        forget(py);
    }
    object
}

/// Clears the exception: it is made again when nothing is locked.
#[cold]
#[inline(never)]
fn no_memory(py: Python<'_>) -> Exception {
    Exception::clear(py);
    Exception::no_memory()
}

/// A bytes object whose memory has not been written yet.
pub(crate) struct NewBytes<'py> {
    object: Bound<'py, PyBytes>,
    start: *mut MaybeUninit<u8>,
    len: usize,
}

/// Where the bytes are in a bytes object: as far from its start as in every other one, which the stable ABI does not say but
/// [`find_data`] measures, before anything else is done here; a call less for each object.
static DATA_OFFSET: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Finds where bytes objects have their bytes, when the module is made.
pub(crate) fn find_data(py: Python<'_>) -> PyResult<()> {
    let object = new_bytes(py, b"any")?;
    // SAFETY: it is a bytes object.
    let start = unsafe { ffi::PyBytes_AsString(object.as_ptr()) };
    DATA_OFFSET.store(start.addr() - object.as_ptr().addr(), Ordering::Relaxed);
    Ok(())
}

/// The memory of a bytes object.
#[inline]
fn data_of(object: &Bound<'_, PyBytes>) -> *mut MaybeUninit<u8> {
    let offset = DATA_OFFSET.load(Ordering::Relaxed);
    debug_assert_ne!(offset, usize::MAX, "measured when the module was made");
    object.as_ptr().wrapping_byte_add(offset).cast()
}

/// What is in a bytes object.
#[inline]
fn bytes_of<'a>(object: Borrowed<'a, '_, PyBytes>) -> &'a [u8] {
    // SAFETY: it is a bytes object, whose length is in its head.
    let len = unsafe { ffi::Py_SIZE(object.as_ptr()) };
    // SAFETY: the object has that many bytes there, and they never change.
    unsafe { std::slice::from_raw_parts(data_of(&object).cast(), len as usize) }
}

impl AsMut<[MaybeUninit<u8>]> for NewBytes<'_> {
    #[inline]
    fn as_mut(&mut self) -> &mut [MaybeUninit<u8>] {
        self.memory()
    }
}

impl<'py> NewBytes<'py> {
    /// Allocates `len` bytes. Runs no Python code.
    #[inline]
    pub(crate) fn new(py: Python<'py>, len: usize) -> PyResult<Self> {
        let mut bytes = Self::allocate(py, len)?;
        if len >= HUGE {
            advise_huge(bytes.memory());
        }
        Ok(bytes)
    }

    #[inline(always)]
    fn allocate(py: Python<'py>, len: usize) -> PyResult<Self> {
        // SAFETY: without a source the bytes are left for us to write, as nobody else has the object yet.
        let object = unsafe { ffi::PyBytes_FromStringAndSize(std::ptr::null(), len as isize) };
        // SAFETY: a new reference, or null with an exception set.
        let object = unsafe { Bound::from_owned_ptr_or_opt(py, object) }.ok_or_else(|| no_memory(py))?;
        // SAFETY: the call above returns bytes objects.
        let object = unsafe { object.cast_into_unchecked() };
        let start = data_of(&object);
        Ok(Self { object, start, len })
    }

    /// As [`new`](Self::new), for a fast path: `None`, and no exception, without memory for it.
    #[inline(always)]
    pub(crate) fn try_new(py: Python<'py>, len: usize) -> Option<Self> {
        Self::allocate(py, len).ok()
    }

    /// The memory, to be written in full before [`finish`](Self::finish).
    #[inline]
    pub(crate) fn memory(&mut self) -> &mut [MaybeUninit<u8>] {
        // SAFETY: the object's own memory, which nobody else has seen yet.
        unsafe { std::slice::from_raw_parts_mut(self.start, self.len) }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// What was written, after all of the memory was.
    #[inline]
    pub(crate) fn written(&self) -> &[u8] {
        // SAFETY: the object's own memory, written as said above, which nobody else has seen yet.
        unsafe { std::slice::from_raw_parts(self.start.cast(), self.len) }
    }

    /// The object, after all of its memory was written.
    #[inline]
    pub(crate) fn finish(self) -> Bound<'py, PyAny> {
        self.object.into_any()
    }
}

/// From this size on, the memory of new bytes objects is asked to be of huge pages: setting up small ones costs more than
/// copying into them.
const HUGE: usize = 4 << 20;

/// madvise(2) with `MADV_HUGEPAGE`, for the whole pages of `memory`.
#[cold]
fn advise_huge(memory: &mut [MaybeUninit<u8>]) {
    #[cfg(target_os = "linux")]
    {
        let page = firmmap::page_size();
        let start = memory.as_mut_ptr().cast::<u8>();
        let skip = start.align_offset(page);
        let len = memory.len().saturating_sub(skip) & !(page - 1);
        // Only advice: a kernel without huge pages refuses it, and nothing is lost.
        // SAFETY: whole pages inside of memory that is ours; the advice does not change them.
        unsafe { libc::madvise(start.wrapping_add(skip).cast(), len, libc::MADV_HUGEPAGE) };
    }
    #[cfg(not(target_os = "linux"))]
    let _ = memory;
}

/// What a view of our own memory shows.
pub(crate) struct Export {
    pub start: *mut u8,
    pub len: usize,
    pub readonly: bool,
}

/// Whether [`fill_granted`] can fill a view in. CPython refuses one to write to what is read-only, and flags that are not for views,
/// [`ffi::PyBUF_READ`] and larger; among which are the rarer ones for views with indirections.
#[inline(always)]
pub(crate) fn is_granted(flags: c_int, readonly: bool) -> bool {
    let is_request = flags == ffi::PyBUF_FULL_RO || (0..ffi::PyBUF_READ).contains(&flags);
    is_request && !(readonly && flags & ffi::PyBUF_WRITABLE != 0)
}

/// As [`fill`], of a view that [`is_granted`], without a call: what `PyBuffer_FillInfo` does, by the table in
/// <https://docs.python.org/3/c-api/buffer.html>.
///
/// # Safety
///
/// As [`fill`].
#[inline(always)]
pub(crate) unsafe fn fill_granted(
    object: *mut ffi::PyObject,
    view: *mut ffi::Py_buffer,
    export: &Export,
    flags: c_int,
) {
    let has = |wanted| flags & wanted == wanted;
    // SAFETY: the view is there.
    let len = unsafe { &raw mut (*view).len };
    // SAFETY: the view is there.
    let itemsize = unsafe { &raw mut (*view).itemsize };
    let filled = ffi::Py_buffer {
        buf: export.start.cast(),
        obj: object,
        len: export.len as isize,
        itemsize: 1,
        readonly: c_int::from(export.readonly),
        ndim: 1,
        format: if has(ffi::PyBUF_FORMAT) { c"B".as_ptr().cast_mut() } else { ptr::null_mut() },
        shape: if has(ffi::PyBUF_ND) { len } else { ptr::null_mut() },
        strides: if has(ffi::PyBUF_STRIDES) { itemsize } else { ptr::null_mut() },
        suboffsets: ptr::null_mut(),
        internal: ptr::null_mut(),
    };
    // SAFETY: the view is there, and nobody else has it yet.
    unsafe { view.write(filled) };
    // SAFETY: the object is alive; the view holds it until it is released.
    unsafe { ffi::Py_INCREF(object) };
}

/// Fills in a view, whose owner is `object`, or refuses it with CPython's words.
///
/// # Safety
///
/// - `object` is a live Python object and `view` a buffer that CPython wants filled; the thread is attached;
/// - the memory of `export` stays until the view is released.
pub(crate) unsafe fn fill(
    object: *mut ffi::PyObject,
    view: *mut ffi::Py_buffer,
    export: &Export,
    flags: c_int,
) -> PyResult<()> {
    let (start, len, readonly) = (export.start.cast(), export.len as isize, c_int::from(export.readonly));
    // SAFETY: the caller's promise.
    if unsafe { ffi::PyBuffer_FillInfo(view, object, start, len, readonly, flags) } < 0 {
        // SAFETY: our caller is attached, as CPython has called it.
        return Err(Exception::fetch(unsafe { Python::assume_attached() }));
    }
    Ok(())
}
