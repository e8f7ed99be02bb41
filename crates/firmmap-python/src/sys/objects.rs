//! New Python objects, made without PyO3's functions that panic where there is no memory; and Python's strings for the words of exceptions.

use pyo3::prelude::*;
use pyo3::types::{PyList, PyString};
use pyo3::{Borrowed, ffi};

use super::exception::{Exception, PyResult};

/// A new string. PyO3's `PyString::new` panics where there is no memory.
pub(crate) fn new_string<'py>(py: Python<'py>, words: &str) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: reads as many bytes as there are.
    let string = unsafe { ffi::PyUnicode_FromStringAndSize(words.as_ptr().cast(), words.len() as isize) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(py, string) }.ok_or_else(|| Exception::fetch(py))
}

/// A new list without items.
pub(crate) fn new_list(py: Python<'_>) -> PyResult<Bound<'_, PyList>> {
    // SAFETY: attached, as the token says.
    let list = unsafe { ffi::PyList_New(0) };
    // SAFETY: a new reference, or null with an exception set.
    let list = unsafe { Bound::from_owned_ptr_or_opt(py, list) }.ok_or_else(|| Exception::fetch(py))?;
    Ok(list.cast_into::<PyList>()?)
}

/// Longer strings than this are cut in the words of exceptions, as CPython cuts them.
const LONGEST: usize = 200;

/// A string of the caller's for the words of an exception.
pub(crate) fn shortened(string: Borrowed<'_, '_, PyString>) -> String {
    let all = string.to_str().map_err(Exception::from).unwrap_or("?");
    let end = all.char_indices().nth(LONGEST).map_or(all.len(), |(end, _)| end);
    all[..end].to_owned()
}

/// The name of an object's class for the words of an exception.
pub(crate) fn class_name(object: Borrowed<'_, '_, PyAny>) -> String {
    let name = object.get_type().name().map_err(Exception::from);
    name.map_or_else(|_| "object".to_owned(), |name| shortened(name.as_borrowed()))
}

/// An integer for the words of an exception: what of its digits can be shown.
pub(crate) fn digits(object: Borrowed<'_, '_, PyAny>) -> String {
    let py = object.py();
    // SAFETY: the object is alive while it is borrowed.
    let number = unsafe { ffi::PyNumber_Index(object.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    let number = unsafe { Bound::from_owned_ptr_or_opt(py, number) };
    let string = number.and_then(|number| {
        // SAFETY: the object is alive.
        let string = unsafe { ffi::PyObject_Str(number.as_ptr()) };
        // SAFETY: a new reference, or null with an exception set.
        unsafe { Bound::from_owned_ptr_or_opt(py, string) }
    });
    match string.map(Bound::cast_into::<PyString>) {
        Some(Ok(string)) => shortened(string.as_borrowed()),
        _ => {
            Exception::clear(py);
            "a number of thousands of digits".to_owned()
        }
    }
}
