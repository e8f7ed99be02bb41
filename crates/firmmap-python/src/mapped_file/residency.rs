//! The class `Residency`: which pages of a map are in memory.

use std::ffi::{c_int, c_void};

use pyo3::prelude::*;
use pyo3::types::{PyBool, PyNotImplemented, PyRange, PyType};
use pyo3::{Borrowed, ffi};

use super::docs;
use super::type_object::sibling_class;
use crate::common::{Class, Returned};
use crate::sys::exception::PyResult;
use crate::sys::module;
use crate::sys::objects::{call, new_list, new_string};
use crate::sys::typeobject::{self, Body, Receiver, Table, property, slot};

/// How many runs `repr` shows.
const RUNS: usize = 8;

/// What an instance holds.
#[derive(PartialEq)]
pub(crate) struct Residency(pub(super) firmmap::Residency);

type This<'py> = Receiver<'py, Residency>;

impl Body for Residency {}

pub(crate) fn resident(this: This<'_>) -> Returned<'_> {
    number(this, this.0.resident())
}

pub(crate) fn total(this: This<'_>) -> Returned<'_> {
    number(this, this.0.total())
}

pub(crate) fn page_size(this: This<'_>) -> Returned<'_> {
    number(this, this.0.page_size())
}

fn number(this: This<'_>, value: usize) -> Returned<'_> {
    crate::args::python_int(this.py, value as isize)
}

pub(crate) fn runs(this: This<'_>) -> Returned<'_> {
    let runs = new_list(this.py)?;
    // `PyRange::new` panics where there is no memory.
    let range = this.py.get_type::<PyRange>().into_any();
    for run in this.0.runs() {
        runs.append(call(&range, [number(this, run.start)?, number(this, run.end)?])?)?;
    }
    Ok(runs.into_any())
}

pub(crate) fn repr(this: This<'_>) -> Returned<'_> {
    let runs = this.0.runs();
    let mut shown: Vec<_> = runs.iter().take(RUNS).map(|run| format!("range({}, {})", run.start, run.end)).collect();
    if runs.len() > RUNS {
        shown.push(format!("… {} more", runs.len() - RUNS));
    }
    let (resident, total, page) = (this.0.resident(), this.0.total(), this.0.page_size());
    let runs = shown.join(", ");
    let message = format!("Residency(resident={resident}, total={total}, page_size={page}, runs=[{runs}])");
    new_string(this.py, &message)
}

pub(crate) fn str(this: This<'_>) -> Returned<'_> {
    new_string(this.py, &this.0.to_string())
}

static PROPERTIES: Table<ffi::PyGetSetDef> = Table::new();

/// A new instance, of the class beside that of the file.
pub(crate) fn new<'py>(file: super::This<'py>, body: Residency) -> PyResult<Bound<'py, PyAny>> {
    let class = sibling_class(file, Class::Residency)?;
    // SAFETY: the class was made for this body.
    unsafe { typeobject::new(&class, body) }
}

/// Makes the class of a module.
pub(crate) fn create<'py>(module: &Bound<'py, PyModule>) -> PyResult<Bound<'py, PyType>> {
    let slots = vec![
        slot(ffi::Py_tp_repr, repr_slot as *mut c_void),
        slot(ffi::Py_tp_str, str_slot as *mut c_void),
        // Without a hash beside it, which makes instances unhashable.
        slot(ffi::Py_tp_richcompare, compare_slot as *mut c_void),
        slot(ffi::Py_tp_doc, docs::RESIDENCY_CLASS.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_getset, PROPERTIES.get(properties)),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION;
    // SAFETY: the slots are for this body.
    let class = unsafe { typeobject::class::<Residency>(module, c"firmmap.Residency", flags, slots) }?;
    module::hold(module, Class::Residency as usize, class.clone())?;
    Ok(class)
}

fn properties() -> Vec<ffi::PyGetSetDef> {
    vec![
        property!(c"resident", resident, c"How many of the pages are in memory."),
        property!(c"total", total, c"How many pages the range has."),
        property!(c"page_size", page_size, c"The size of a page in bytes."),
        property!(c"runs", runs, c"The bytes that are in memory: a list of ranges of indices in the map."),
        ffi::PyGetSetDef::default(),
    ]
}

unsafe extern "C" fn repr_slot(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::object(this, repr) }
}

unsafe extern "C" fn str_slot(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::object(this, str) }
}

unsafe extern "C" fn compare_slot(
    this: *mut ffi::PyObject,
    other: *mut ffi::PyObject,
    operation: c_int,
) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live object.
    let other = |py| unsafe { Borrowed::from_ptr(py, other) };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::object(this, |this| compare(this, other(this.py), operation)) }
}

fn compare<'py>(this: This<'py>, other: Borrowed<'_, 'py, PyAny>, operation: c_int) -> Returned<'py> {
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
