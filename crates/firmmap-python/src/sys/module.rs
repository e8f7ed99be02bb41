//! The extension's module: its definition for multi-phase initialisation (PEP 489), and the state of each of its instances.
//!
//! It is not made with `#[pymodule]`, which can be imported in one interpreter of a process only. No static here holds an object:
//! each import makes a module with classes of its own, which its state holds.

use std::ffi::{CStr, c_int, c_void};
use std::ptr;
use std::sync::OnceLock;

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};

use super::exception::{Exception, PyResult, PyRuntimeError};
use super::hang;
use super::objects::{Returned, set_attribute};
use super::trampoline::enter;
use super::typeobject::{Receiver, Table, has_methods};

/// How many classes a module can hold. Each has a number, below this.
pub(crate) const CLASSES: usize = 8;

/// What a module is made of.
pub(crate) struct Description {
    pub name: &'static CStr,
    pub doc: &'static CStr,
    pub functions: fn() -> Vec<ffi::PyMethodDef>,
    /// Fills a new module; its functions are there already. CPython calls it for each import in each interpreter.
    pub fill: fn(&Bound<'_, PyModule>) -> PyResult<()>,
}

/// What CPython allocates for each module, filled with zeros.
#[repr(C)]
struct State {
    classes: [*mut ffi::PyObject; CLASSES],
}

/// Has the module hold a class.
pub(crate) fn hold(module: &Bound<'_, PyModule>, which: usize, class: Bound<'_, PyType>) -> PyResult<()> {
    // SAFETY: the module is alive, and of our definition.
    let state = unsafe { ffi::PyModule_GetState(module.as_ptr()) }.cast::<State>();
    // SAFETY: null, or the module's state, which nobody else uses while the module is being filled.
    let Some(state) = (unsafe { state.as_mut() }) else { return Err(Exception::fetch(module.py())) };
    state.classes[which] = class.into_ptr();
    Ok(())
}

/// A class of the module.
pub(crate) fn class<'py>(module: &Bound<'py, PyModule>, which: usize) -> PyResult<Bound<'py, PyType>> {
    // SAFETY: the module is alive, and of our definition.
    let state = unsafe { ffi::PyModule_GetState(module.as_ptr()) };
    // SAFETY: it is that module's state.
    unsafe { held(module.py(), state, which) }
}

/// A class of the module that the receiver's class was made for. That class is the receiver's own or one of its bases: the one with
/// the table of methods.
pub(crate) fn sibling_class<'py, T>(
    receiver: Receiver<'py, T>,
    methods: *mut c_void,
    which: usize,
) -> PyResult<Bound<'py, PyType>> {
    let mut class = receiver.class();
    while !has_methods(class, methods) {
        // SAFETY: the class is alive; the slot is one of a type.
        let base = unsafe { ffi::PyType_GetSlot(class, ffi::Py_tp_base) };
        if base.is_null() {
            return Err(torn_down());
        }
        class = base.cast();
    }
    // SAFETY: the class is alive, and was made for a module of our definition.
    let state = unsafe { ffi::PyType_GetModuleState(class) };
    // SAFETY: it is that module's state.
    unsafe { held(receiver.py, state, which) }
}

/// # Safety
///
/// - `state` is the state of a module of our definition, or null with an exception set.
unsafe fn held(py: Python<'_>, state: *mut c_void, which: usize) -> PyResult<Bound<'_, PyType>> {
    // SAFETY: the caller's promise; only `exec` and `clear` write to it, during which nobody calls here.
    let Some(state) = (unsafe { state.cast::<State>().as_ref() }) else { return Err(Exception::fetch(py)) };
    let class = state.classes[which];
    // SAFETY: the module holds a class, or null before it was filled and after it was cleared.
    let class = unsafe { Bound::from_borrowed_ptr_or_opt(py, class) };
    Ok(class.ok_or_else(torn_down)?.cast_into::<PyType>()?)
}

#[cold]
fn torn_down() -> Exception {
    PyRuntimeError::new_err("the module firmmap is being torn down")
}

/// What the extension's `PyInit_` function returns: the definition of its module.
///
/// # Safety
///
/// - The thread is attached, as it is where CPython calls that function.
pub(crate) unsafe fn init(description: Description) -> *mut ffi::PyObject {
    let make = |py: Python<'_>| {
        let definition = DEFINITION.get_or_init(|| Definition::new(py, description)).definition;
        // SAFETY: the definition is complete, and lives as long as the process.
        Ok(unsafe { ffi::PyModuleDef_Init(definition) })
    };
    // SAFETY: the caller's promise.
    unsafe { enter(ptr::null_mut(), make) }
}

static DEFINITION: OnceLock<Definition> = OnceLock::new();
static FUNCTIONS: Table<ffi::PyMethodDef> = Table::new();
static SLOTS: Table<ffi::PyModuleDef_Slot> = Table::new();

struct Definition {
    definition: *mut ffi::PyModuleDef,
    fill: fn(&Bound<'_, PyModule>) -> PyResult<()>,
}

// SAFETY: only CPython uses what it points to, which is made for use by all interpreters.
unsafe impl Send for Definition {}
// SAFETY: only CPython uses what it points to, which is made for use by all interpreters.
unsafe impl Sync for Definition {}

impl Definition {
    fn new(py: Python<'_>, description: Description) -> Self {
        let version = version(py);
        hang::prepare(version);
        let Description { name, doc, functions, fill } = description;
        let definition = Box::into_raw(Box::new(ffi::PyModuleDef {
            m_base: ffi::PyModuleDef_HEAD_INIT,
            m_name: name.as_ptr(),
            m_doc: doc.as_ptr(),
            m_size: size_of::<State>() as isize,
            m_methods: FUNCTIONS.get(functions).cast(),
            m_slots: SLOTS.get(|| slots(version)).cast(),
            m_traverse: Some(traverse),
            m_clear: Some(clear),
            m_free: Some(free),
        }));
        Self { definition, fill }
    }
}

/// The version of CPython that runs us.
pub(crate) fn version(py: Python<'_>) -> (u32, u32) {
    let _ = py;
    let mut numbers = Python::version_str().split('.').map(|number| number.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// The slots that a version of CPython knows: it refuses the others.
fn slots(version: (u32, u32)) -> Vec<ffi::PyModuleDef_Slot> {
    // Not among the names of the stable ABI of 3.11: `Py_mod_multiple_interpreters` with
    // `Py_MOD_PER_INTERPRETER_GIL_SUPPORTED`, and `Py_mod_gil` with `Py_MOD_GIL_NOT_USED`.
    const MULTIPLE_INTERPRETERS: (c_int, usize) = (3, 2);
    const GIL: (c_int, usize) = (4, 1);
    let slot = |(slot, value)| ffi::PyModuleDef_Slot { slot, value: ptr::without_provenance_mut(value) };
    let mut slots = vec![ffi::PyModuleDef_Slot { slot: ffi::Py_mod_exec, value: exec as *mut c_void }];
    if version >= (3, 12) {
        slots.push(slot(MULTIPLE_INTERPRETERS));
    }
    if version >= (3, 13) {
        slots.push(slot(GIL));
    }
    slots.push(ffi::PyModuleDef_Slot::default());
    slots
}

unsafe extern "C" fn exec(module: *mut ffi::PyObject) -> c_int {
    let body = |py| {
        // SAFETY: CPython passes the live module that it has made.
        let module = unsafe { Bound::from_borrowed_ptr(py, module) }.cast_into::<PyModule>()?;
        // It is there, as CPython has the module from it.
        let definition = DEFINITION.get().ok_or_else(torn_down)?;
        (definition.fill)(&module).map(|()| 0)
    };
    // SAFETY: CPython calls this while attached.
    unsafe { enter(-1, body) }
}

unsafe extern "C" fn traverse(module: *mut ffi::PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    // SAFETY: CPython passes a live module of our definition.
    let state = unsafe { ffi::PyModule_GetState(module) }.cast::<State>();
    // SAFETY: null, or the module's state.
    let Some(state) = (unsafe { state.as_ref() }) else { return 0 };
    for &class in state.classes.iter().filter(|class| !class.is_null()) {
        // SAFETY: the module owns a reference to the class, and CPython has given the function.
        match unsafe { visit(class, arg) } {
            0 => {}
            stopped => return stopped,
        }
    }
    0
}

unsafe extern "C" fn clear(module: *mut ffi::PyObject) -> c_int {
    // SAFETY: CPython passes a live module of our definition.
    let state = unsafe { ffi::PyModule_GetState(module) }.cast::<State>();
    // SAFETY: null, or the module's state.
    let Some(state) = (unsafe { state.as_mut() }) else { return 0 };
    // The last reference to a class can be followed by Python code: what it finds here is nothing.
    let classes = std::mem::replace(&mut state.classes, [ptr::null_mut(); CLASSES]);
    let is_held = hang::hold();
    for class in classes {
        // SAFETY: the reference was the module's, or is null.
        unsafe { ffi::Py_XDECREF(class) };
    }
    hang::release(is_held);
    0
}

unsafe extern "C" fn free(module: *mut c_void) {
    // SAFETY: CPython passes a module of our definition, whose state is still there.
    unsafe { clear(module.cast()) };
}

/// Runs a function or method that takes arguments, with what it is called for: the module that has the function, or the instance.
///
/// # Safety
///
/// - The arguments are those of a call with `METH_VARARGS | METH_KEYWORDS`, and the thread is attached.
pub(crate) unsafe fn call<'py, T: pyo3::PyTypeCheck>(
    this: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    names: *mut ffi::PyObject,
    body: impl FnOnce(&Bound<'py, T>, &Bound<'py, PyTuple>, Option<&Bound<'py, PyDict>>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |py: Python<'py>| {
        // SAFETY: the caller's promise: a live object.
        let this = unsafe { Bound::from_borrowed_ptr(py, this) }.cast_into::<T>()?;
        // SAFETY: the caller's promise: a live tuple.
        let args = unsafe { Bound::from_borrowed_ptr(py, args) }.cast_into::<PyTuple>()?;
        // SAFETY: the caller's promise: a live dict, or null.
        let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, names) };
        let names = names.map(Bound::cast_into::<PyDict>).transpose()?;
        body(&this, &args, names.as_ref()).map(Bound::into_ptr)
    };
    // SAFETY: the caller's promise.
    unsafe { enter(ptr::null_mut(), body) }
}

/// The entry of what CPython calls with `METH_VARARGS | METH_KEYWORDS`.
macro_rules! entry_with_arguments {
    ($function:path) => {{
        unsafe extern "C" fn entry(
            this: *mut ffi::PyObject,
            args: *mut ffi::PyObject,
            names: *mut ffi::PyObject,
        ) -> *mut ffi::PyObject {
            // SAFETY: CPython calls this as the flags say, and while attached.
            unsafe { $crate::sys::module::call(this, args, names, $function) }
        }
        ffi::PyMethodDefPointer { PyCFunctionWithKeywords: entry }
    }};
}

/// A function of the module that takes the module, a tuple and perhaps a dict.
macro_rules! function {
    ($name:literal, $function:path, $doc:expr) => {{
        let entry = $crate::sys::module::entry_with_arguments!($function);
        $crate::sys::typeobject::def($name, entry, ffi::METH_VARARGS | ffi::METH_KEYWORDS, $doc)
    }};
}

/// As `function!`, for one without arguments.
macro_rules! noargs_function {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(_: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: CPython calls this while attached.
            unsafe { $crate::sys::trampoline::enter(std::ptr::null_mut(), |py| $function(py).map(Bound::into_ptr)) }
        }
        $crate::sys::typeobject::def($name, ffi::PyMethodDefPointer { PyCFunction: entry }, ffi::METH_NOARGS, $doc)
    }};
}

/// A method for a class of Python's, which takes the instance and, where it has a signature, a tuple and perhaps a dict: see [`set_method`].
macro_rules! native_method {
    ($name:literal, $function:path) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            let call = |py| {
                // SAFETY: the instance for which CPython calls this, and holds.
                let this = unsafe { Bound::from_borrowed_ptr(py, this) };
                $function(&this).map(Bound::into_ptr)
            };
            // SAFETY: CPython calls this while attached.
            unsafe { $crate::sys::trampoline::enter(std::ptr::null_mut(), call) }
        }
        const ENTRY: ffi::PyMethodDefPointer = ffi::PyMethodDefPointer { PyCFunction: entry };
        $crate::sys::module::native_method!(@define $name, ENTRY, ffi::METH_NOARGS, c"")
    }};
    ($name:literal, $function:path, $signature:literal) => {{
        const ENTRY: ffi::PyMethodDefPointer = $crate::sys::module::entry_with_arguments!($function);
        $crate::sys::module::native_method!(@define $name, ENTRY, ffi::METH_VARARGS | ffi::METH_KEYWORDS, $signature)
    }};
    (@define $name:literal, $entry:expr, $flags:expr, $signature:literal) => {{
        static METHOD: $crate::sys::module::NativeMethod = $crate::sys::module::NativeMethod(ffi::PyMethodDef {
            ml_name: $name.as_ptr(),
            ml_meth: $entry,
            ml_flags: $flags,
            ml_doc: $signature.as_ptr(),
        });
        &METHOD
    }};
}

/// What a native method is made of.
pub(crate) struct NativeMethod(pub(crate) ffi::PyMethodDef);

// SAFETY: pointers to statics, which nobody changes.
unsafe impl Sync for NativeMethod {}

/// Gives a class of Python's a method that is none: no function of the program's traces it, and no signal handler interrupts it.
pub(crate) fn set_method(class: &Bound<'_, PyType>, method: &'static NativeMethod) -> PyResult<()> {
    let definition = std::ptr::from_ref(&method.0).cast_mut();
    // SAFETY: a class, and a definition that lives for ever, which CPython does not change.
    let descriptor = unsafe { ffi::PyDescr_NewMethod(class.as_ptr().cast(), definition) };
    // SAFETY: a new reference, or null with an exception set.
    let descriptor = unsafe { Bound::from_owned_ptr_or_opt(class.py(), descriptor) };
    let descriptor = descriptor.ok_or_else(|| Exception::fetch(class.py()))?;
    // SAFETY: a string that ends in a zero byte.
    let name = unsafe { CStr::from_ptr(method.0.ml_name) };
    set_attribute(class.as_any(), name, descriptor)
}

/// A function that is none of Python's, as [`set_method`], for an object that it is called with.
pub(crate) fn new_function<'py>(object: &Bound<'py, PyAny>, function: &'static NativeMethod) -> Returned<'py> {
    let definition = std::ptr::from_ref(&function.0).cast_mut();
    // SAFETY: a live object, and a definition that lives for ever, which CPython does not change.
    let function = unsafe { ffi::PyCFunction_NewEx(definition, object.as_ptr(), std::ptr::null_mut()) };
    // SAFETY: a new reference, or null with an exception set.
    unsafe { Bound::from_owned_ptr_or_opt(object.py(), function) }.ok_or_else(|| Exception::fetch(object.py()))
}

pub(crate) use {entry_with_arguments, function, native_method, noargs_function};
