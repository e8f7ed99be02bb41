//! New Python objects, made without PyO3's functions that panic where there is no memory; and strings of Python's for messages.

use std::ffi::CStr;
use std::sync::atomic::{AtomicU8, Ordering};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyList, PyString, PyTuple};
use pyo3::{Borrowed, ffi};

use super::exception::{Exception, PyResult};
use super::module::version;

/// An object that the caller of a method holds.
pub(crate) type Object<'a, 'py> = Borrowed<'a, 'py, PyAny>;
/// What a method returns.
pub(crate) type Returned<'py> = PyResult<Bound<'py, PyAny>>;

/// `None`.
#[inline]
pub(crate) fn none(py: Python<'_>) -> Bound<'_, PyAny> {
    // SAFETY: a new reference.
    unsafe { Bound::from_owned_ptr(py, none_object(py)) }
}

/// Whether references to small ints, `None` and the like are not counted: since CPython 3.12. Zero: not known yet.
static IMMORTALS: AtomicU8 = AtomicU8::new(0);

#[inline(always)]
pub(super) fn has_immortals(py: Python<'_>) -> bool {
    match IMMORTALS.load(Ordering::Relaxed) {
        0 => find_immortals(py),
        known => known == 2,
    }
}

#[cold]
#[inline(never)]
fn find_immortals(py: Python<'_>) -> bool {
    let found = version(py) >= (3, 12);
    IMMORTALS.store(if found { 2 } else { 1 }, Ordering::Relaxed);
    found
}

/// A new reference to `None`.
#[inline(always)]
pub(super) fn none_object(py: Python<'_>) -> *mut ffi::PyObject {
    // SAFETY: it is always there.
    let none = unsafe { ffi::Py_None() };
    if !has_immortals(py) {
        // SAFETY: attached, as the token says.
        unsafe { ffi::Py_INCREF(none) };
    }
    none
}

/// `True` or `False`.
pub(crate) fn boolean(py: Python<'_>, value: bool) -> Bound<'_, PyAny> {
    PyBool::new(py, value).to_owned().into_any()
}

/// A new string. PyO3's `PyString::new` panics where there is no memory.
pub(crate) fn new_string<'py>(py: Python<'py>, message: &str) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: reads as many bytes as there are.
    let string = unsafe { ffi::PyUnicode_FromStringAndSize(message.as_ptr().cast(), message.len() as isize) };
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

/// A tuple that is not filled yet. Making it can start the garbage collector, and with it Python code (up to CPython 3.11); filling it runs
/// none. Until then the collector does not know it: `gc.get_objects()` would give it to others, and then it could not be filled.
pub(crate) struct EmptyTuple<'py, const N: usize>(Bound<'py, PyAny>);

impl<'py, const N: usize> EmptyTuple<'py, N> {
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        // SAFETY: attached, as the token says.
        let tuple = unsafe { ffi::PyTuple_New(N as isize) };
        // SAFETY: a new reference, or null with an exception set.
        let tuple = unsafe { Bound::from_owned_ptr_or_opt(py, tuple) }.ok_or_else(|| Exception::fetch(py))?;
        // There is one tuple without items, which is everybody's.
        if N > 0 {
            // SAFETY: a new tuple, which the collector knows.
            unsafe { ffi::PyObject_GC_UnTrack(tuple.as_ptr().cast()) };
        }
        Ok(Self(tuple))
    }

    pub(crate) fn fill(self, items: [Bound<'py, PyAny>; N]) -> Bound<'py, PyTuple> {
        for (index, item) in items.into_iter().enumerate() {
            // SAFETY: the tuple is new and has a place for each; the function takes the reference over.
            unsafe { ffi::PyTuple_SetItem(self.0.as_ptr(), index as isize, item.into_ptr()) };
        }
        if N > 0 {
            // SAFETY: a tuple that the collector does not know since `new`; all of its items are there.
            unsafe { ffi::PyObject_GC_Track(self.0.as_ptr().cast()) };
        }
        // SAFETY: it was made as a tuple.
        unsafe { self.0.cast_into_unchecked() }
    }
}

/// A new tuple.
pub(crate) fn new_tuple<'py, const N: usize>(
    py: Python<'py>,
    items: [Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyTuple>> {
    Ok(EmptyTuple::new(py)?.fill(items))
}

/// Imports a module.
pub(crate) fn import<'py>(py: Python<'py>, name: &CStr) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: attached, as the token says; the name ends in a zero byte.
    let module = unsafe { ffi::PyImport_ImportModule(name.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(py, module) }.ok_or_else(|| Exception::fetch(py))
}

/// An attribute of an object.
pub(crate) fn attribute<'py>(object: &Bound<'py, PyAny>, name: &CStr) -> PyResult<Bound<'py, PyAny>> {
    // Interned: CPython's cache of attributes keeps the names that it was asked for.
    // SAFETY: attached, as the object says; the name ends in a zero byte.
    let name = unsafe { ffi::PyUnicode_InternFromString(name.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    let name = unsafe { Bound::<PyAny>::from_owned_ptr_or_opt(object.py(), name) };
    let name = name.ok_or_else(|| Exception::fetch(object.py()))?;
    // SAFETY: both are alive.
    let value = unsafe { ffi::PyObject_GetAttr(object.as_ptr(), name.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(object.py(), value) }.ok_or_else(|| Exception::fetch(object.py()))
}

/// Calls an attribute of an object.
pub(crate) fn call_method<'py, const N: usize>(
    object: &Bound<'py, PyAny>,
    name: &CStr,
    arguments: [Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    call(&attribute(object, name)?, arguments)
}

/// Sets an attribute.
pub(crate) fn set_attribute(object: &Bound<'_, PyAny>, name: &CStr, value: Bound<'_, PyAny>) -> PyResult<()> {
    // SAFETY: both are alive; the name ends in a zero byte.
    match unsafe { ffi::PyObject_SetAttrString(object.as_ptr(), name.as_ptr(), value.as_ptr()) } {
        0 => Ok(()),
        _ => Err(Exception::fetch(object.py())),
    }
}

/// Calls an object.
pub(crate) fn call<'py, const N: usize>(
    function: &Bound<'py, PyAny>,
    arguments: [Bound<'py, PyAny>; N],
) -> PyResult<Bound<'py, PyAny>> {
    let arguments = new_tuple(function.py(), arguments)?;
    // SAFETY: both are alive.
    let result = unsafe { ffi::PyObject_CallObject(function.as_ptr(), arguments.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(function.py(), result) }.ok_or_else(|| Exception::fetch(function.py()))
}

/// Calls an object with these arguments.
pub(crate) fn call_with<'py>(
    function: &Bound<'py, PyAny>,
    positional: Bound<'py, PyTuple>,
    named: Bound<'py, PyDict>,
) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: all are alive.
    let result = unsafe { ffi::PyObject_Call(function.as_ptr(), positional.as_ptr(), named.as_ptr()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(function.py(), result) }.ok_or_else(|| Exception::fetch(function.py()))
}

/// Longer strings than this are cut in messages, as CPython cuts them.
const LONGEST: usize = 200;

/// A string of the caller's for a message.
pub(crate) fn shortened(string: Borrowed<'_, '_, PyString>) -> String {
    let all = string.to_str().map_err(Exception::from).unwrap_or("?");
    let end = all.char_indices().nth(LONGEST).map_or(all.len(), |(end, _)| end);
    all[..end].to_owned()
}

/// The name of an object's class for a message.
pub(crate) fn class_name(object: Borrowed<'_, '_, PyAny>) -> String {
    let name = object.get_type().name().map_err(Exception::from);
    name.map_or_else(|_| "object".to_owned(), |name| shortened(name.as_borrowed()))
}

/// An integer for a message, or where it is from. Runs no Python code.
pub(crate) fn digits(object: Borrowed<'_, '_, PyAny>) -> String {
    let py = object.py();
    // SAFETY: the object is alive while it is borrowed.
    if unsafe { ffi::PyLong_Check(object.as_ptr()) } == 0 {
        return format!("from {}.__index__()", class_name(object));
    }
    // SAFETY: the object is alive while it is borrowed, and is an int.
    let string = unsafe { ffi::PyNumber_ToBase(object.as_ptr(), 10) };
    // SAFETY: a new reference, or null with an exception set.
    match unsafe { Bound::from_owned_ptr_or_opt(py, string) }.map(Bound::cast_into::<PyString>) {
        Some(Ok(string)) => shortened(string.as_borrowed()),
        _ => {
            Exception::clear(py);
            "of thousands of digits".to_owned()
        }
    }
}
