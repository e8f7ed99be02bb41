//! Numbers and slices from Python objects, converted and refused as the standard library does.

use std::ffi::{c_int, c_long};
use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::exception::{Exception, PyOverflowError, PyResult, PyTypeError};
use super::objects::{attribute, class_name, digits, has_immortals};
use pyo3::prelude::*;
use pyo3::types::PySlice;
use pyo3::{Borrowed, ffi};

/// A Python int. What is counted here fits an `isize`: a map has at most `isize::MAX` bytes.
#[inline]
pub(crate) fn python_int(py: Python<'_>, value: isize) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(py, int_object(py, value)) }.ok_or_else(|| Exception::fetch(py))
}

/// As [`python_int`]: a new reference, or null with an exception set.
#[inline(always)]
pub(super) fn int_object(py: Python<'_>, value: isize) -> *mut ffi::PyObject {
    match usize::try_from(value) {
        Ok(value) => size_object(py, value),
        // SAFETY: attached, as the token says.
        Err(_) => unsafe { ffi::PyLong_FromSsize_t(value) },
    }
}

/// As [`python_int`], for the length of a file.
pub(crate) fn python_uint(py: Python<'_>, value: u64) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: attached, as the token says.
    let object = unsafe { ffi::PyLong_FromUnsignedLongLong(value) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(py, object) }.ok_or_else(|| Exception::fetch(py))
}

/// Whether an object is an integer or can stand for one.
#[inline]
pub(crate) fn is_index(object: Borrowed<'_, '_, PyAny>) -> bool {
    // SAFETY: the object is alive while it is borrowed.
    unsafe { ffi::PyIndex_Check(object.as_ptr()) != 0 }
}

/// An address that no object has.
const NOWHERE: usize = usize::MAX - (256 << SMALL_INT);
/// The size of a small int, as a power of two.
const SMALL_INT: u32 = if size_of::<usize>() == 8 { 5 } else { 4 };
/// Where CPython has the ints of all bytes, which it keeps as long as the process, one after the other. The stable ABI does not say:
/// [`find_small_ints`] finds out. [`NOWHERE`] until then, and where it has them otherwise.
static SMALL_INTS: AtomicUsize = AtomicUsize::new(NOWHERE);
/// How many of them, from zero on, have references that are not counted: all since 3.12, and none before.
static IMMORTAL_INTS: AtomicUsize = AtomicUsize::new(0);

/// Finds the ints that CPython keeps, so that conversions of bytes need not call it.
pub(crate) fn find_small_ints(py: Python<'_>) -> PyResult<()> {
    let make = || (0..256).map(|value| python_int(py, value)).collect::<PyResult<Vec<_>>>();
    // Twice: what is not kept is not the same again.
    let (ints, again) = (make()?, make()?);
    let first = ints[0].as_ptr().expose_provenance();
    let is_there = |(index, int): (usize, &Bound<'_, PyAny>)| {
        int.as_ptr().addr() == first + (index << SMALL_INT) && int.is(&again[index])
    };
    if ints.iter().enumerate().all(is_there) {
        SMALL_INTS.store(first, Ordering::Relaxed);
        IMMORTAL_INTS.store(if has_immortals(py) { ints.len() } else { 0 }, Ordering::Relaxed);
    }
    Ok(())
}

/// The value, if it is one of these ints. All bytes are, where CPython has them so; elsewhere the slow path converts them.
#[inline(always)]
pub(crate) fn small_int(object: Borrowed<'_, '_, PyAny>) -> Option<u8> {
    let distance = object.as_ptr().addr().wrapping_sub(SMALL_INTS.load(Ordering::Relaxed));
    // No other object can be between them.
    (distance < 256 << SMALL_INT).then_some((distance >> SMALL_INT) as u8)
}

/// As [`python_int`], for what has no sign: a new reference, or null with an exception set.
#[inline(always)]
pub(super) fn size_object(_py: Python<'_>, value: usize) -> *mut ffi::PyObject {
    if value >= IMMORTAL_INTS.load(Ordering::Relaxed) {
        // SAFETY: attached, as the token says.
        return unsafe { ffi::PyLong_FromSize_t(value) };
    }
    std::ptr::with_exposed_provenance_mut(SMALL_INTS.load(Ordering::Relaxed) + (value << SMALL_INT))
}

/// As [`python_int`], for a byte.
#[inline]
pub(crate) fn python_byte(py: Python<'_>, value: u8) -> PyResult<Bound<'_, PyAny>> {
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(py, size_object(py, value.into())) }.ok_or_else(|| Exception::fetch(py))
}

/// The value of an exact int that fits: the conversion runs no Python code and raises nothing.
#[inline]
pub(crate) fn exact_int(object: Borrowed<'_, '_, PyAny>) -> Option<isize> {
    if let Some(value) = small_int(object) {
        return Some(value.into());
    }
    // SAFETY: the object is alive while it is borrowed.
    if unsafe { ffi::PyLong_CheckExact(object.as_ptr()) } == 0 {
        return None;
    }
    // SAFETY: it is an int.
    let value = unsafe { ffi::PyLong_AsSsize_t(object.as_ptr()) };
    // SAFETY: attached, as there is an object.
    if value == -1 && !unsafe { ffi::PyErr_Occurred() }.is_null() {
        Exception::clear(object.py());
        return None;
    }
    Some(value)
}

/// An integer for `m[…]`: too large ones are an `IndexError`.
#[inline]
pub(crate) fn item_index(object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    // SAFETY: the interpreter has set its exception types before any of our code runs.
    as_ssize(object, unsafe { ffi::PyExc_IndexError })
}

/// An integer that is to be stored in a byte: too large ones are a `TypeError`.
pub(crate) fn item_value(object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    // SAFETY: as in `item_index`.
    as_ssize(object, unsafe { ffi::PyExc_TypeError })
}

/// An integer that counts bytes, where `None` was ruled out: too large ones are an `OverflowError`.
pub(crate) fn count(object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    // SAFETY: as in `item_index`.
    as_ssize(object, unsafe { ffi::PyExc_OverflowError })
}

/// An integer, clipped to the range of `isize`.
pub(crate) fn clipped(object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    as_ssize(object, std::ptr::null_mut())
}

#[inline]
fn as_ssize(object: Borrowed<'_, '_, PyAny>, too_large: *mut ffi::PyObject) -> PyResult<isize> {
    if let Some(value) = exact_int(object) {
        return Ok(value);
    }
    // SAFETY: the object is alive while it is borrowed, the exception type always.
    checked(object.py(), unsafe { ffi::PyNumber_AsSsize_t(object.as_ptr(), too_large) })
}

/// The standard library's format `n`: an integer of the size of an address.
#[inline]
pub(crate) fn ssize(object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    exact_int(object).map_or_else(|| indexed(object), Ok)
}

/// As [`ssize`], for what has a name: where it does not fit, the message has the limits.
#[inline]
pub(crate) fn named_ssize(what: &str, object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    exact_int(object).map_or_else(
        || {
            check_index(what, object)?;
            indexed(object).map_err(|error| limited(error, what, object, isize::MIN, isize::MAX))
        },
        Ok,
    )
}

/// As [`int`], for what has a name: where it does not fit, the message has the limits.
pub(crate) fn named_int(what: &str, object: Borrowed<'_, '_, PyAny>) -> PyResult<c_int> {
    check_index(what, object)?;
    int(object).map_err(|error| limited(error, what, object, c_int::MIN as isize, c_int::MAX as isize))
}

/// Refuses what is no integer, in CPython's words and with the name of the argument.
fn check_index(what: &str, object: Borrowed<'_, '_, PyAny>) -> PyResult<()> {
    if is_index(object) {
        return Ok(());
    }
    let class = class_name(object);
    Err(PyTypeError::new_err(format!("{what}: '{class}' object cannot be interpreted as an integer")))
}

/// Puts the limits into the message of an `OverflowError`.
#[cold]
#[inline(never)]
pub(crate) fn limited(
    error: Exception,
    what: &str,
    object: Borrowed<'_, '_, PyAny>,
    least: isize,
    most: isize,
) -> Exception {
    if !error.is_overflow(object.py()) {
        return error;
    }
    PyOverflowError::new_err(format!("{what} {} is not in the range {least} to {most}", digits(object)))
}

fn indexed(object: Borrowed<'_, '_, PyAny>) -> PyResult<isize> {
    let py = object.py();
    // SAFETY: the object is alive while it is borrowed.
    let number = unsafe { ffi::PyNumber_Index(object.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    let number = unsafe { Bound::from_owned_ptr_or_opt(py, number) }.ok_or_else(|| Exception::fetch(py))?;
    // SAFETY: PyNumber_Index has returned an int.
    checked(py, unsafe { ffi::PyLong_AsSsize_t(number.as_ptr()) })
}

/// The format `i`: a C int.
pub(crate) fn int(object: Borrowed<'_, '_, PyAny>) -> PyResult<c_int> {
    let value = long(object)?;
    value.try_into().map_err(|_| {
        PyOverflowError::new_err(if value < 0 {
            "signed integer is less than minimum"
        } else {
            "signed integer is greater than maximum"
        })
    })
}

/// A C int, as the methods of the standard library take it.
pub(crate) fn c_int(object: Borrowed<'_, '_, PyAny>) -> PyResult<c_int> {
    let too_large = || PyOverflowError::new_err("Python int too large to convert to C int");
    match long(object) {
        Ok(value) => value.try_into().map_err(|_| too_large()),
        Err(error) => Err(if error.is_overflow(object.py()) { too_large() } else { error }),
    }
}

/// The format `b`: a byte.
pub(crate) fn byte(object: Borrowed<'_, '_, PyAny>) -> PyResult<u8> {
    let value = long(object)?;
    value.try_into().map_err(|_| {
        PyOverflowError::new_err(if value < 0 {
            "unsigned byte integer is less than minimum"
        } else {
            "unsigned byte integer is greater than maximum"
        })
    })
}

/// A file offset.
pub(crate) fn offset(object: Borrowed<'_, '_, PyAny>) -> PyResult<i64> {
    #[cfg(all(unix, target_pointer_width = "64"))]
    return long(object);
    #[cfg(not(all(unix, target_pointer_width = "64")))]
    // SAFETY: the object is alive while it is borrowed.
    return checked(object.py(), unsafe { ffi::PyLong_AsLongLong(object.as_ptr()) });
}

fn long(object: Borrowed<'_, '_, PyAny>) -> PyResult<c_long> {
    // SAFETY: the object is alive while it is borrowed.
    checked(object.py(), unsafe { ffi::PyLong_AsLong(object.as_ptr()) })
}

/// The result of a conversion, whose -1 may stand for an exception.
#[inline]
fn checked<T: PartialEq + From<i8>>(py: Python<'_>, value: T) -> PyResult<T> {
    // SAFETY: attached, as the token says.
    let is_error = value == T::from(-1) && !unsafe { ffi::PyErr_Occurred() }.is_null();
    if is_error { Err(Exception::fetch(py)) } else { Ok(value) }
}

/// Where slices have their start, their stop and their step: one after the other, this far from the start of the object. The stable ABI
/// does not say: [`find_slice_parts`] finds out. `usize::MAX` until then, and where they are otherwise.
static SLICE_PARTS: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Finds the parts of slices, so that most are converted without calls.
pub(crate) fn find_slice_parts(py: Python<'_>) -> PyResult<()> {
    const PART: usize = size_of::<*mut ffi::PyObject>();
    let parts = [python_int(py, 1 << 20)?, python_int(py, 1 << 21)?, python_int(py, 1 << 22)?];
    let [start, stop, step] = parts.each_ref().map(Bound::as_ptr);
    // SAFETY: live objects.
    let slice = unsafe { ffi::PySlice_New(start, stop, step) };
    // SAFETY: a new reference, or null with an exception set.
    let slice = unsafe { Bound::from_owned_ptr_or_opt(py, slice) }.ok_or_else(|| Exception::fetch(py))?;
    let size: usize = attribute(slice.get_type().as_any(), c"__basicsize__")?.extract()?;
    // SAFETY: the object has so many bytes, of which the last words are these; nobody else has it.
    let words = unsafe { std::slice::from_raw_parts(slice.as_ptr().cast::<*mut ffi::PyObject>(), size / PART) };
    if let Some(first) = words.windows(3).position(|three| three == [start, stop, step]) {
        SLICE_PARTS.store(first * PART, Ordering::Relaxed);
    }
    Ok(())
}

/// The three numbers of a slice, before they are fitted to a length.
#[derive(Clone, Copy)]
pub(crate) struct Slice {
    start: isize,
    stop: isize,
    step: isize,
}

impl Slice {
    #[inline(always)]
    pub(crate) fn is_slice(object: Borrowed<'_, '_, PyAny>) -> bool {
        // The class has no subclasses.
        object.is_exact_instance_of::<PySlice>()
    }

    /// Converts the numbers of a slice, which may run `__index__` methods.
    #[inline]
    pub(crate) fn unpack(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        Self::of_ints(object).map_or_else(|| Self::of_any(object), Ok)
    }

    /// The numbers of a slice of ints whose step is none or a small one.
    #[inline(always)]
    fn of_ints(object: Borrowed<'_, '_, PyAny>) -> Option<Self> {
        let first = SLICE_PARTS.load(Ordering::Relaxed);
        if first == usize::MAX {
            return None;
        }
        let parts = object.as_ptr().wrapping_byte_add(first).cast::<*mut ffi::PyObject>();
        let part = |index| {
            // SAFETY: a slice has three there, which it never changes.
            let part = unsafe { parts.wrapping_add(index).read() };
            // SAFETY: the slice holds it.
            unsafe { Borrowed::from_ptr(object.py(), part) }
        };
        let bound = |part: Borrowed<'_, '_, PyAny>, none| if part.is_none() { Some(none) } else { exact_int(part) };
        let step = if part(2).is_none() { 1 } else { small_int(part(2)).filter(|&step| step > 0)? };
        Some(Self { start: bound(part(0), 0)?, stop: bound(part(1), isize::MAX)?, step: step.into() })
    }

    #[inline(never)]
    fn of_any(object: Borrowed<'_, '_, PyAny>) -> PyResult<Self> {
        let [mut start, mut stop, mut step] = [const { MaybeUninit::<isize>::uninit() }; 3];
        let (first, second, third) = (start.as_mut_ptr(), stop.as_mut_ptr(), step.as_mut_ptr());
        // SAFETY: the object is a slice; the call fills the three numbers, or fails.
        if unsafe { ffi::PySlice_Unpack(object.as_ptr(), first, second, third) } < 0 {
            return Err(Exception::fetch(object.py()));
        }
        // SAFETY: the call has filled it.
        let start = unsafe { start.assume_init() };
        // SAFETY: the call has filled it.
        let stop = unsafe { stop.assume_init() };
        // SAFETY: the call has filled it.
        let step = unsafe { step.assume_init() };
        Ok(Self { start, stop, step })
    }

    /// Whether the places follow one another.
    #[inline(always)]
    pub(crate) fn is_contiguous(self) -> bool {
        self.step == 1
    }

    /// The places that the slice names in `len` bytes, if they follow one another.
    #[inline(always)]
    pub(crate) fn contiguous(self, len: usize) -> Option<Range<usize>> {
        if !self.is_contiguous() {
            return None;
        }
        let place = |bound: isize| match usize::try_from(bound) {
            Ok(bound) => bound.min(len),
            Err(_) => len.saturating_add_signed(bound),
        };
        let start = place(self.start);
        Some(start..place(self.stop).max(start))
    }

    /// Start, step and count of the places that the slice names in `len` bytes.
    #[inline]
    pub(crate) fn fit(self, len: usize) -> (usize, isize, usize) {
        if let Some(range) = self.contiguous(len) {
            return (range.start, 1, range.len());
        }
        let (mut start, mut stop) = (self.start, self.stop);
        // SAFETY: only changes the two numbers. A map has no more than isize::MAX bytes.
        let count = unsafe { ffi::PySlice_AdjustIndices(len as isize, &mut start, &mut stop, self.step) };
        // The start of an empty slice with a negative step can be -1.
        (start.max(0) as usize, self.step, count as usize)
    }
}
