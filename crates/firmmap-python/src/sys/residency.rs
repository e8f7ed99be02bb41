//! The class `Residency`: its type object and slots.

use std::ffi::{c_int, c_void};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyNotImplemented, PyType};
use pyo3::{Borrowed, ffi};

use super::exception::PyResult;
use super::mapped_file::class_beside;
use super::module::{self, Class};
use super::native::{self, Receiver, Table, property, slot};
use crate::mapped::Returned;
use crate::mapped_file::{self, docs, residency};

type This<'py> = Receiver<'py, residency::Residency>;

static PROPERTIES: Table<ffi::PyGetSetDef> = Table::new();

/// A new instance, of the class beside that of the file.
pub(crate) fn new<'py>(file: mapped_file::This<'py>, body: residency::Residency) -> PyResult<Bound<'py, PyAny>> {
    let class = class_beside(file, Class::Residency)?;
    // SAFETY: the class was made for this body.
    unsafe { native::new(&class, body) }
}

/// Makes the class of a module.
pub(crate) fn create<'py>(module: &Bound<'py, PyModule>) -> PyResult<Bound<'py, PyType>> {
    let slots = vec![
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_str, str as *mut c_void),
        // Without a hash beside it, which makes instances unhashable.
        slot(ffi::Py_tp_richcompare, compare as *mut c_void),
        slot(ffi::Py_tp_doc, docs::RESIDENCY_CLASS.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, PROPERTIES.get(properties)),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    // SAFETY: the slots are for this body.
    let class = unsafe { native::class::<residency::Residency>(module, c"firmmap.Residency", flags, slots) }?;
    module::hold(module, Class::Residency, class.clone())?;
    Ok(class)
}

fn properties() -> Vec<ffi::PyGetSetDef> {
    vec![
        property!(c"resident", residency::resident, c"How many of the pages are in memory."),
        property!(c"total", residency::total, c"How many pages the range has."),
        property!(c"page_size", residency::page_size, c"The size of a page in bytes."),
        property!(c"runs", residency::runs, c"The bytes that are in memory: a list of ranges of indices in the map."),
        ffi::PyGetSetDef::default(),
    ]
}

unsafe extern "C" fn repr(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { native::object(this, residency::repr) }
}

unsafe extern "C" fn str(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { native::object(this, residency::str) }
}

unsafe extern "C" fn compare(
    this: *mut ffi::PyObject,
    other: *mut ffi::PyObject,
    operation: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object.
    let other = |py| unsafe { Borrowed::from_ptr(py, other) };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { native::object(this, |this| compared(this, other(this.py), operation)) }
}

fn compared<'py>(this: This<'py>, other: Borrowed<'_, 'py, PyAny>, operation: c_int) -> Returned<'py> {
    let py = this.py;
    if other.get_type_ptr() != this.class() {
        return Ok(PyNotImplemented::get(py).to_owned().into_any());
    }
    // SAFETY: an object of the receiver's class, which has no subclasses, has the body that the class was made for.
    let other = unsafe { This::new(py, other.as_ptr()) };
    Ok(match operation {
        ffi::Py_EQ => PyBool::new(py, *this == *other).to_owned().into_any(),
        ffi::Py_NE => PyBool::new(py, *this != *other).to_owned().into_any(),
        _ => PyNotImplemented::get(py).to_owned().into_any(),
    })
}
