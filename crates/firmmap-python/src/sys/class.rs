//! The class `mmap`: its type object, its slots, its methods, its memory.

use std::ffi::{CStr, c_int, c_void};
use std::mem::offset_of;
use std::ptr;

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;
use pyo3::{Borrowed, ffi};

use super::buffer;
use super::call::{Args, enter};
use crate::mmap::{self, Mmap};
use crate::{create, docs};

/// The memory of an instance.
#[repr(C)]
struct Instance {
    head: ffi::PyObject,
    weak_references: *mut ffi::PyObject,
    body: Mmap,
}

/// The receiver of a method call.
#[derive(Clone, Copy)]
pub(crate) struct This<'py> {
    pub py: Python<'py>,
    object: Borrowed<'py, 'py, PyAny>,
    body: &'py Mmap,
}

impl<'py> This<'py> {
    /// # Safety
    ///
    /// - `object` is an instance of our class and alive for `'py`.
    #[inline]
    unsafe fn new(py: Python<'py>, object: *mut ffi::PyObject) -> Self {
        let instance = object.cast::<Instance>();
        // SAFETY: the caller's promise; `allocate` has written the body before anybody saw the instance.
        let body = unsafe { &(*instance).body };
        // SAFETY: the caller's promise.
        Self { py, object: unsafe { Borrowed::from_ptr(py, object) }, body }
    }

    pub(crate) fn object(self) -> Bound<'py, PyAny> {
        self.object.to_owned()
    }
}

impl std::ops::Deref for This<'_> {
    type Target = Mmap;

    #[inline]
    fn deref(&self) -> &Mmap {
        self.body
    }
}

static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();

/// The class.
pub(crate) fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
    CLASS.get_or_try_init(py, || create(py).map(Bound::unbind)).map(|class| class.bind(py))
}

/// Whether `class` is ours and not a subclass.
pub(crate) fn is_exact(class: &Bound<'_, PyType>) -> bool {
    CLASS.get(class.py()).is_some_and(|ours| ours.as_ptr() == class.as_ptr())
}

fn create(py: Python<'_>) -> PyResult<Bound<'_, PyType>> {
    let slot = |slot: c_int, pfunc: *mut c_void| ffi::PyType_Slot { slot, pfunc };
    let methods: Box<[ffi::PyMethodDef]> = methods().into();
    let members: Box<[ffi::PyMemberDef]> = Box::new([
        ffi::PyMemberDef {
            name: c"__weaklistoffset__".as_ptr(),
            type_code: ffi::Py_T_PYSSIZET,
            offset: offset_of!(Instance, weak_references) as isize,
            flags: ffi::Py_READONLY,
            doc: ptr::null(),
        },
        ffi::PyMemberDef::default(),
    ]);
    let properties: Box<[ffi::PyGetSetDef]> = Box::new([
        ffi::PyGetSetDef {
            name: c"closed".as_ptr(),
            get: Some(closed),
            set: None,
            doc: docs::CLOSED.as_ptr(),
            closure: ptr::null_mut(),
        },
        ffi::PyGetSetDef::default(),
    ]);
    // The type lives as long as the process, and so does what it points to.
    let mut slots = [
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_dealloc, dealloc as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_doc, docs::CLASS.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_methods, Box::leak(methods).as_mut_ptr().cast()),
        slot(ffi::Py_tp_members, Box::leak(members).as_mut_ptr().cast()),
        slot(ffi::Py_tp_getset, Box::leak(properties).as_mut_ptr().cast()),
        slot(ffi::Py_sq_length, length as *mut c_void),
        slot(ffi::Py_sq_item, sequence_item as *mut c_void),
        slot(ffi::Py_sq_ass_item, sequence_assign as *mut c_void),
        slot(ffi::Py_mp_length, length as *mut c_void),
        slot(ffi::Py_mp_subscript, subscript as *mut c_void),
        slot(ffi::Py_mp_ass_subscript, assign_subscript as *mut c_void),
        slot(ffi::Py_bf_getbuffer, get_buffer as *mut c_void),
        slot(ffi::Py_bf_releasebuffer, release_buffer as *mut c_void),
        ffi::PyType_Slot::default(),
    ];
    let mut spec = ffi::PyType_Spec {
        // The name in the words of exceptions, as programs that import us in place of the standard module know it.
        name: c"mmap.mmap".as_ptr(),
        basicsize: size_of::<Instance>() as c_int,
        itemsize: 0,
        flags: (ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE) as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the slots have the types that their numbers ask for, and end in a zero.
    let class = unsafe { ffi::PyType_FromSpec(&mut spec) };
    // SAFETY: a new reference, or null with an exception set.
    let class = unsafe { Bound::from_owned_ptr_or_err(py, class) }?.cast_into::<PyType>()?;
    // Where the class is to be found: by pickle, by help().
    class.setattr("__module__", "firmmap")?;
    Ok(class)
}

/// A `PyMethodDef` for a function that takes `This` and `Args`.
macro_rules! method {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(
            this: *mut ffi::PyObject,
            values: *mut *mut ffi::PyObject,
            count: isize,
        ) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class, and while attached.
            unsafe { call(this, values, count, ptr::null_mut(), $function) }
        }
        def($name, ffi::PyMethodDefPointer { PyCFunctionFast: entry }, ffi::METH_FASTCALL, $doc)
    }};
}

/// As `method!`, for one that takes no arguments.
macro_rules! plain_method {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class, and while attached.
            unsafe { object(this, |this| $function(this)) }
        }
        def($name, ffi::PyMethodDefPointer { PyCFunction: entry }, ffi::METH_NOARGS, $doc)
    }};
}

/// As `method!`, for one that takes arguments by name too.
macro_rules! keyword_method {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(
            this: *mut ffi::PyObject,
            values: *const *mut ffi::PyObject,
            count: isize,
            names: *mut ffi::PyObject,
        ) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class, and while attached.
            unsafe { call(this, values.cast_mut(), count, names, $function) }
        }
        let entry = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: entry };
        def($name, entry, ffi::METH_FASTCALL | ffi::METH_KEYWORDS, $doc)
    }};
}

fn methods() -> Vec<ffi::PyMethodDef> {
    vec![
        plain_method!(c"close", mmap::close, docs::CLOSE),
        method!(c"find", mmap::find, docs::FIND),
        method!(c"rfind", mmap::rfind, docs::RFIND),
        keyword_method!(c"flush", mmap::flush, docs::FLUSH),
        #[cfg(unix)]
        method!(c"madvise", mmap::madvise, docs::MADVISE),
        method!(c"move", mmap::move_bytes, docs::MOVE),
        method!(c"read", mmap::read, docs::READ),
        plain_method!(c"read_byte", mmap::read_byte, docs::READ_BYTE),
        plain_method!(c"readline", mmap::readline, docs::READLINE),
        method!(c"resize", mmap::resize, docs::RESIZE),
        method!(c"seek", mmap::seek, docs::SEEK),
        plain_method!(c"seekable", mmap::seekable, docs::SEEKABLE),
        method!(c"set_name", mmap::set_name, docs::SET_NAME),
        plain_method!(c"size", mmap::size, docs::SIZE),
        plain_method!(c"tell", mmap::tell, docs::TELL),
        method!(c"write", mmap::write, docs::WRITE),
        method!(c"write_byte", mmap::write_byte, docs::WRITE_BYTE),
        plain_method!(c"__enter__", mmap::enter, docs::ENTER),
        method!(c"__exit__", mmap::exit, docs::EXIT),
        ffi::PyMethodDef::zeroed(),
    ]
}

fn def(name: &'static CStr, entry: ffi::PyMethodDefPointer, flags: c_int, doc: &'static CStr) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: entry, ml_flags: flags, ml_doc: doc.as_ptr() }
}

/// # Safety
///
/// - `this` is an instance of our class, and the thread is attached.
#[inline]
unsafe fn object<'py>(
    this: *mut ffi::PyObject,
    body: impl FnOnce(This<'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |py| {
        // SAFETY: the caller's promise.
        body(unsafe { This::new(py, this) }).map(Bound::into_ptr)
    };
    // SAFETY: the caller's promise.
    unsafe { enter(ptr::null_mut(), body) }
}

/// [`object`], with an operand that CPython passes.
///
/// # Safety
///
/// - As [`object`], and `operand` is a live object.
#[inline]
unsafe fn binary<'py>(
    this: *mut ffi::PyObject,
    operand: *mut ffi::PyObject,
    body: impl FnOnce(This<'py>, Borrowed<'py, 'py, PyAny>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |this: This<'py>| {
        // SAFETY: the caller's promise.
        body(this, unsafe { Borrowed::from_ptr(this.py, operand) })
    };
    // SAFETY: the caller's promise.
    unsafe { object(this, body) }
}

/// # Safety
///
/// - `this` is an instance of our class, `values`, `count` and `names` are as for METH_FASTCALL | METH_KEYWORDS, and the
///   thread is attached.
#[inline]
unsafe fn call<'py>(
    this: *mut ffi::PyObject,
    values: *mut *mut ffi::PyObject,
    count: isize,
    names: *mut ffi::PyObject,
    body: impl FnOnce(This<'py>, Args<'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |this: This<'py>| {
        // SAFETY: the caller's promise.
        body(this, unsafe { Args::new(this.py, values, count, names) })
    };
    // SAFETY: the caller's promise.
    unsafe { object(this, body) }
}

/// # Safety
///
/// As [`object`].
#[inline]
unsafe fn status<'py>(this: *mut ffi::PyObject, body: impl FnOnce(This<'py>) -> PyResult<()>) -> c_int {
    let body = |py| {
        // SAFETY: the caller's promise.
        body(unsafe { This::new(py, this) }).map(|()| 0)
    };
    // SAFETY: the caller's promise.
    unsafe { enter(-1, body) }
}

unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    let body = |py| {
        // SAFETY: CPython passes a live tuple.
        let args = unsafe { Bound::from_borrowed_ptr(py, args) };
        // SAFETY: CPython passes a live dict, or null.
        let names = unsafe { Bound::from_borrowed_ptr_or_opt(py, names) };
        let names = names.map(Bound::cast_into).transpose()?;
        let body = create::new(&args.cast_into()?, names.as_ref())?;
        // SAFETY: the class is ours or a subclass, as CPython has checked.
        unsafe { allocate(py, class, body) }
    };
    // SAFETY: CPython calls this while attached.
    unsafe { enter(ptr::null_mut(), body) }
}

/// # Safety
///
/// - `class` is our class or a subclass of it.
unsafe fn allocate(py: Python<'_>, class: *mut ffi::PyTypeObject, body: Mmap) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: the caller's promise; every type has an allocator.
    let object = unsafe { ffi::PyType_GenericAlloc(class, 0) };
    if object.is_null() {
        return Err(PyErr::fetch(py));
    }
    let instance = object.cast::<Instance>();
    // SAFETY: the allocator gives the class's basic size, in which there is room for an `Instance`.
    let place = unsafe { &raw mut (*instance).body };
    // SAFETY: as above; nobody has seen the instance yet.
    unsafe { place.write(body) };
    Ok(object)
}

unsafe extern "C" fn dealloc(this: *mut ffi::PyObject) {
    let instance = this.cast::<Instance>();
    let body = |py: Python<'_>| {
        // SAFETY: nobody else has the instance any more.
        if !unsafe { (*instance).weak_references }.is_null() {
            // SAFETY: the instance is still whole.
            unsafe { ffi::PyObject_ClearWeakRefs(this) };
        }
        // SAFETY: the instance is still whole.
        let body = unsafe { &raw mut (*instance).body };
        // SAFETY: the body was written by `allocate`.
        unsafe { &*body }.finalize(py);
        // SAFETY: as above; it is dropped once.
        unsafe { ptr::drop_in_place(body) };
        Ok(())
    };
    // SAFETY: CPython calls this while attached.
    unsafe { enter((), body) };
    // SAFETY: the instance is still whole but for its body.
    let class = unsafe { ffi::Py_TYPE(this) };
    // SAFETY: the class is alive as long as its instance.
    let free = unsafe { ffi::PyType_GetSlot(class, ffi::Py_tp_free) };
    // SAFETY: every type has a function that frees its instances, and this is its type.
    let free = unsafe { std::mem::transmute::<*mut c_void, ffi::freefunc>(free) };
    // SAFETY: the last use of the instance.
    unsafe { free(this.cast()) };
    // SAFETY: an instance of a heap type owns a reference to it.
    unsafe { ffi::Py_DECREF(class.cast()) };
}

unsafe extern "C" fn repr(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { object(this, mmap::repr) }
}

unsafe extern "C" fn closed(this: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a getter with an instance of its class, and while attached.
    unsafe { object(this, mmap::closed) }
}

unsafe extern "C" fn length(this: *mut ffi::PyObject) -> isize {
    let body = |py| {
        // SAFETY: CPython calls a slot with an instance of its class.
        mmap::len(unsafe { This::new(py, this) })
    };
    // SAFETY: CPython calls a slot while attached.
    unsafe { enter(-1, body) }
}

unsafe extern "C" fn sequence_item(this: *mut ffi::PyObject, index: isize) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { object(this, |this| mmap::sequence_item(this, index)) }
}

unsafe extern "C" fn sequence_assign(this: *mut ffi::PyObject, index: isize, value: *mut ffi::PyObject) -> c_int {
    let body = |this: This<'_>| {
        // SAFETY: CPython passes a live object, or null for a deletion.
        mmap::sequence_assign(this, index, unsafe { Borrowed::from_ptr_or_opt(this.py, value) })
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { status(this, body) }
}

unsafe extern "C" fn subscript(this: *mut ffi::PyObject, key: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class and a live key, and while attached.
    unsafe { binary(this, key, mmap::subscript) }
}

unsafe extern "C" fn assign_subscript(
    this: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    let body = |this: This<'_>| {
        // SAFETY: CPython passes a live object.
        let key = unsafe { Borrowed::from_ptr(this.py, key) };
        // SAFETY: CPython passes a live object, or null for a deletion.
        mmap::assign_subscript(this, key, unsafe { Borrowed::from_ptr_or_opt(this.py, value) })
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { status(this, body) }
}

unsafe extern "C" fn get_buffer(this: *mut ffi::PyObject, view: *mut ffi::Py_buffer, flags: c_int) -> c_int {
    // SAFETY: CPython passes a buffer; without an owner it is one that was not filled.
    unsafe { (*view).obj = ptr::null_mut() };
    let body = |this: This<'_>| {
        let export = mmap::export(this)?;
        // SAFETY: CPython wants this buffer filled; counting it as exported has made the memory stay.
        let result = unsafe { buffer::fill(this.object.as_ptr(), view, &export, flags) };
        result.inspect_err(|_| mmap::release(this))
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { status(this, body) }
}

unsafe extern "C" fn release_buffer(this: *mut ffi::PyObject, _: *mut ffi::Py_buffer) {
    let body = |py| {
        // SAFETY: CPython calls a slot with an instance of its class.
        mmap::release(unsafe { This::new(py, this) });
        Ok(())
    };
    // SAFETY: CPython calls a slot while attached.
    unsafe { enter((), body) };
}
