//! Type objects of our own: the memory of an instance, its receiver in Rust, and the entries that CPython calls.
//!
//! A class is a type `T` of ours (its body) and a list of slots.

use std::any::Any;
use std::ffi::{CStr, c_int, c_ulong, c_void};
use std::mem::offset_of;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::sync::OnceLock;

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple, PyType};
use pyo3::{Borrowed, ffi};

use super::exception::{Exception, PyResult};
use super::hang;
use super::number::{int_object, size_object};
use super::objects::{Object, none_object};
use super::owned::Owned;
use super::trampoline::{Args, borrowed, enter, enter_held};

/// What the instances of a class hold.
pub(crate) trait Body {
    /// Called when an instance is deallocated.
    fn finalize(&self, py: Python<'_>) {
        let _ = py;
    }

    /// The path of its file, for the `filename` of an `OSError`. Nothing may be locked.
    fn filename(&self, py: Python<'_>) -> Option<Owned> {
        let _ = py;
        None
    }
}

/// The body of a class whose instances hold another object, which may refer back to them: `tp_traverse` and `tp_clear` for the garbage
/// collector.
pub(crate) trait Traverse: Body {
    /// The object that it holds. Must neither take a reference nor wait for another thread; `None` if the state is in use, which keeps
    /// the object alive.
    fn referent(&self, py: Python<'_>) -> Option<RawRef>;

    /// Drops the reference to that object.
    fn clear(&self, py: Python<'_>);
}

/// The memory of an instance.
#[repr(C)]
struct Instance<T> {
    head: ffi::PyObject,
    weak_references: *mut ffi::PyObject,
    body: T,
}

/// What CPython's allocators promise on every system, in bytes.
const ALIGNMENT: usize = 8;

/// The receiver of a method call.
pub(crate) struct Receiver<'py, T> {
    pub py: Python<'py>,
    object: *mut ffi::PyObject,
    body: &'py T,
}

impl<T> Clone for Receiver<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Receiver<'_, T> {}

impl<'py, T> Receiver<'py, T> {
    /// # Safety
    ///
    /// - `object` is an instance of the class whose body is `T`, and alive for `'py`.
    #[inline]
    pub(crate) unsafe fn new(py: Python<'py>, object: *mut ffi::PyObject) -> Self {
        // SAFETY: the caller's promise; `allocate` has written the body before anybody saw the instance.
        let body = unsafe { &(*object.cast::<Instance<T>>()).body };
        Self { py, object, body }
    }

    pub(crate) fn object(self) -> Bound<'py, PyAny> {
        // SAFETY: `new` was promised an object that is alive.
        unsafe { Bound::from_borrowed_ptr(self.py, self.object) }
    }

    pub(crate) fn as_ptr(self) -> *mut ffi::PyObject {
        self.object
    }

    pub(crate) fn class(self) -> *mut ffi::PyTypeObject {
        // SAFETY: `new` was promised an object that is alive; every object has a type.
        unsafe { ffi::Py_TYPE(self.object) }
    }
}

impl<T: Body> Receiver<'_, T> {
    /// Adds the `filename` to an exception of ours. Nothing may be locked.
    #[cold]
    #[inline(never)]
    pub(crate) fn add_filename(self, exception: Exception) -> Exception {
        exception.with_filename(|| self.filename(self.py))
    }
}

impl<T> std::ops::Deref for Receiver<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        self.body
    }
}

/// A reference to an instance.
pub(crate) struct InstanceRef<T> {
    object: Owned,
    body: std::marker::PhantomData<T>,
}

impl<T> InstanceRef<T> {
    pub(crate) fn new(receiver: Receiver<'_, T>) -> Self {
        Self { object: receiver.object().into(), body: std::marker::PhantomData }
    }

    #[inline]
    pub(crate) fn receiver<'py>(&'py self, py: Python<'py>) -> Receiver<'py, T> {
        // SAFETY: it was made of a receiver.
        unsafe { Receiver::new(py, self.object.as_ptr()) }
    }

    pub(crate) fn raw(&self) -> RawRef {
        RawRef(self.object.as_ptr())
    }
}

/// A pointer to an object that another one holds.
pub(crate) struct RawRef(*mut ffi::PyObject);

/// A table that CPython reads. It is made once and lives as long as the process: the classes of all interpreters point to it.
pub(crate) struct Table<T>(OnceLock<Box<[T]>>);

// SAFETY: nobody writes to it after it was made, and what it points to is static.
unsafe impl<T> Sync for Table<T> {}

impl<T> Table<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    /// The table, which `make` makes and ends in the entry that CPython stops at.
    pub(crate) fn get(&self, make: impl FnOnce() -> Vec<T>) -> *mut c_void {
        self.0.get_or_init(|| make().into()).as_ptr().cast_mut().cast()
    }
}

static MEMBERS: Table<ffi::PyMemberDef> = Table::new();

fn members() -> Vec<ffi::PyMemberDef> {
    let weak_references = ffi::PyMemberDef {
        name: c"__weaklistoffset__".as_ptr(),
        type_code: ffi::Py_T_PYSSIZET,
        // What is before the body is where it is whatever the body is.
        offset: offset_of!(Instance<()>, weak_references) as isize,
        flags: ffi::Py_READONLY,
        doc: ptr::null(),
    };
    vec![weak_references, ffi::PyMemberDef::default()]
}

/// Makes a class of `module` of the given slots; those that free and refer weakly are added.
///
/// # Safety
///
/// - Every slot holds what its number asks for: a function with the right signature, whose receiver is an
///   instance of the class with the body `T`, or memory that lives as long as the process.
pub(crate) unsafe fn class<'py, T: Body>(
    module: &Bound<'py, PyModule>,
    name: &'static CStr,
    flags: c_ulong,
    slots: Vec<ffi::PyType_Slot>,
) -> PyResult<Bound<'py, PyType>> {
    const { assert!(offset_of!(Instance<T>, weak_references) == offset_of!(Instance<()>, weak_references)) };
    let mut slots = slots;
    slots.push(slot(ffi::Py_tp_dealloc, dealloc::<T> as *mut c_void));
    slots.push(slot(ffi::Py_tp_members, MEMBERS.get(members)));
    slots.push(ffi::PyType_Slot::default());
    let mut spec = ffi::PyType_Spec {
        name: name.as_ptr(),
        basicsize: size_of::<Instance<T>>() as c_int,
        itemsize: 0,
        flags: flags as _,
        slots: slots.as_mut_ptr(),
    };
    // SAFETY: the caller's promise; the slots end in a zero, and without bases the class has that of all classes.
    let class = unsafe { ffi::PyType_FromModuleAndSpec(module.as_ptr(), &mut spec, ptr::null_mut()) };
    // SAFETY: a new reference, or null with an exception set.
    let class = unsafe { Bound::from_owned_ptr_or_opt(module.py(), class) };
    Ok(class.ok_or_else(|| Exception::fetch(module.py()))?.cast_into::<PyType>()?)
}

/// Whether a class was made with that table of methods, which its subclasses were not.
pub(crate) fn has_methods(class: *mut ffi::PyTypeObject, methods: *mut c_void) -> bool {
    // SAFETY: the class is alive; the slot is one of a type.
    unsafe { ffi::PyType_GetSlot(class, ffi::Py_tp_methods) == methods }
}

pub(crate) fn slot(slot: c_int, pfunc: *mut c_void) -> ffi::PyType_Slot {
    ffi::PyType_Slot { slot, pfunc }
}

/// A call of a class, or of a constructor of the class: a new instance whose body `make` makes of the arguments.
///
/// # Safety
///
/// - CPython calls, attached, with a live tuple, and a live dict or null.
/// - `class` is as for [`allocate`].
pub(crate) unsafe fn construct<T>(
    class: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    names: *mut ffi::PyObject,
    make: for<'py> fn(&Bound<'py, PyTuple>, Option<&Bound<'py, PyDict>>) -> PyResult<T>,
) -> *mut ffi::PyObject {
    let body = |py| {
        // SAFETY: the caller's promise.
        let args = unsafe { borrowed(py, args) };
        // SAFETY: the caller's promise.
        let args = unsafe { args.cast_unchecked() };
        // SAFETY: the caller's promise.
        let names = unsafe { Borrowed::from_ptr_or_opt(py, names) };
        // SAFETY: the caller's promise.
        let names = names.map(|names| unsafe { names.cast_unchecked::<PyDict>() });
        let body = make(&args, names.as_deref())?;
        // SAFETY: the caller's promise.
        unsafe { allocate(py, class, body) }
    };
    // SAFETY: the caller's promise.
    unsafe { enter(ptr::null_mut(), body) }
}

/// A new instance of `class`.
///
/// # Safety
///
/// - `class` was made by [`class`] for the body `T`, or is a subclass of such a one.
pub(crate) unsafe fn allocate<T>(
    py: Python<'_>,
    class: *mut ffi::PyTypeObject,
    body: T,
) -> PyResult<*mut ffi::PyObject> {
    const { assert!(align_of::<Instance<T>>() <= ALIGNMENT, "what needs more has to be in a box") };
    // SAFETY: the caller's promise; every type has an allocator.
    let object = unsafe { ffi::PyType_GenericAlloc(class, 0) };
    if object.is_null() {
        return Err(Exception::fetch(py));
    }
    // SAFETY: the allocator gives the class's basic size, in which there is room for an `Instance`.
    let place = unsafe { &raw mut (*object.cast::<Instance<T>>()).body };
    // SAFETY: it points into the new instance, which nobody has seen yet.
    unsafe { place.write(body) };
    Ok(object)
}

/// As [`allocate`], for an instance that is given to Python code.
///
/// # Safety
///
/// - As for [`allocate`].
pub(crate) unsafe fn new<'py, T>(class: &Bound<'py, PyType>, body: T) -> PyResult<Bound<'py, PyAny>> {
    let py = class.py();
    // SAFETY: the caller's promise.
    let object = unsafe { allocate(py, class.as_type_ptr(), body) }?;
    // SAFETY: a new reference.
    Ok(unsafe { Bound::from_owned_ptr(py, object) })
}

/// The slots of an iterator over what `T` holds, whose instances only we make.
///
/// # Safety
///
/// - As for [`class`]; `next` is the function of `tp_iternext`.
pub(crate) unsafe fn iterator_class<'py, T: Traverse>(
    module: &Bound<'py, PyModule>,
    name: &'static CStr,
    next: unsafe extern "C" fn(*mut ffi::PyObject) -> *mut ffi::PyObject,
) -> PyResult<Bound<'py, PyType>> {
    let slots = vec![
        slot(ffi::Py_tp_iter, ffi::PyObject_SelfIter as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_tp_traverse, traverse::<T> as *mut c_void),
        slot(ffi::Py_tp_clear, clear::<T> as *mut c_void),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_DISALLOW_INSTANTIATION | ffi::Py_TPFLAGS_HAVE_GC;
    // SAFETY: the caller's promise; the slots are for this body.
    unsafe { class::<T>(module, name, flags, slots) }
}

/// Shows the garbage collector what an instance holds: its class and one object.
unsafe extern "C" fn traverse<T: Traverse>(this: *mut ffi::PyObject, visit: ffi::visitproc, arg: *mut c_void) -> c_int {
    let held = || {
        // SAFETY: CPython calls this while attached.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: CPython calls a slot with an instance of its class.
        unsafe { Receiver::<T>::new(py, this) }.referent(py)
    };
    // What panics here leaves the object where it is.
    let held = catch_unwind(AssertUnwindSafe(held)).ok().flatten();
    // SAFETY: every object has a type.
    let class = unsafe { ffi::Py_TYPE(this) };
    // SAFETY: an instance of a heap type owns a reference to it, and CPython has given the function.
    let result = unsafe { visit(class.cast(), arg) };
    match held {
        // SAFETY: the instance owns a reference to it, and CPython has given the function.
        Some(RawRef(object)) if result == 0 => unsafe { visit(object, arg) },
        _ => result,
    }
}

unsafe extern "C" fn clear<T: Traverse>(this: *mut ffi::PyObject) -> c_int {
    let body = |this: Receiver<'_, T>| {
        this.clear(this.py);
        Ok(0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { number(this, body) }
}

unsafe extern "C" fn dealloc<T: Body>(this: *mut ffi::PyObject) {
    // Until the end: that of the class can be followed by Python code too.
    let is_held = hang::hold();
    let instance = this.cast::<Instance<T>>();
    // SAFETY: every object has a type.
    let class = unsafe { ffi::Py_TYPE(this) };
    // SAFETY: a type, which is alive as long as its instance.
    if unsafe { ffi::PyType_GetFlags(class) } & ffi::Py_TPFLAGS_HAVE_GC != 0 {
        // The garbage collector must not see it while it is taken apart. (An instance of a subclass is untracked by now.)
        // SAFETY: instances of such a class are the garbage collector's objects.
        unsafe { ffi::PyObject_GC_UnTrack(this.cast()) };
    }
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
        // SAFETY: the body was written by `allocate`, and is dropped once: nobody has the instance any more.
        unsafe { ptr::drop_in_place(body) };
        Ok(())
    };
    // SAFETY: CPython calls this while attached.
    unsafe { enter_held((), body) };
    // SAFETY: the class is alive as long as its instance.
    let free = unsafe { ffi::PyType_GetSlot(class, ffi::Py_tp_free) };
    // SAFETY: every type has a function that frees its instances, and this is its type.
    let free = unsafe { std::mem::transmute::<*mut c_void, ffi::freefunc>(free) };
    // SAFETY: the last use of the instance.
    unsafe { free(this.cast()) };
    // SAFETY: an instance of a heap type owns a reference to it.
    unsafe { ffi::Py_DECREF(class.cast()) };
    hang::release(is_held);
}

pub(crate) fn def(
    name: &'static CStr,
    entry: ffi::PyMethodDefPointer,
    flags: c_int,
    doc: &'static CStr,
) -> ffi::PyMethodDef {
    ffi::PyMethodDef { ml_name: name.as_ptr(), ml_meth: entry, ml_flags: flags, ml_doc: doc.as_ptr() }
}

/// # Safety
///
/// - `this` is an instance of the class whose body is `T`, and the thread is attached.
#[inline]
pub(crate) unsafe fn object<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |py| {
        // SAFETY: the caller's promise.
        let receiver = unsafe { Receiver::new(py, this) };
        body(receiver).map(Bound::into_ptr).map_err(|exception| receiver.add_filename(exception))
    };
    // SAFETY: the caller's promise.
    unsafe { enter(ptr::null_mut(), body) }
}

/// The result of a fast path, as CPython wants it: a new reference, or null with an exception set.
pub(crate) struct RawResult<'py>(*mut ffi::PyObject, std::marker::PhantomData<Python<'py>>);

impl<'py> RawResult<'py> {
    #[inline(always)]
    pub(crate) fn object(object: Bound<'py, PyAny>) -> Self {
        Self(object.into_ptr(), std::marker::PhantomData)
    }

    #[inline(always)]
    pub(crate) fn int(py: Python<'py>, value: isize) -> Self {
        Self(int_object(py, value), std::marker::PhantomData)
    }

    #[inline(always)]
    pub(crate) fn size(py: Python<'py>, value: usize) -> Self {
        Self(size_object(py, value), std::marker::PhantomData)
    }

    #[inline(always)]
    pub(crate) fn none(py: Python<'py>) -> Self {
        Self(none_object(py), std::marker::PhantomData)
    }

    #[inline(always)]
    pub(crate) fn bool(_py: Python<'py>, value: bool) -> Self {
        // SAFETY: attached, as the token says.
        Self(unsafe { ffi::PyBool_FromLong(value.into()) }, std::marker::PhantomData)
    }
}

/// Out of line, so that fast paths save no registers for it.
#[cold]
#[inline(never)]
fn forget<R>(_panic: Box<dyn Any + Send>) -> Option<R> {
    None
}

/// Takes the fast path, `fast`, or where that returns `None` the slow path, `body`.
///
/// # Safety
///
/// As [`object`].
#[inline(always)]
unsafe fn fast_or_slow<'py, T: Body + 'py, R>(
    this: *mut ffi::PyObject,
    failed: R,
    fast: impl FnOnce(Receiver<'py, T>) -> Option<R>,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<R>,
) -> R {
    let fast = || {
        // SAFETY: the caller's promise.
        let py = unsafe { Python::assume_attached() };
        // SAFETY: the caller's promise.
        fast(unsafe { Receiver::new(py, this) })
    };
    // What panics on the fast path panics on the slow one too, where it becomes an exception.
    match catch_unwind(AssertUnwindSafe(fast)).unwrap_or_else(forget) {
        Some(value) => value,
        // SAFETY: the caller's promise.
        None => unsafe { slow_path(this, failed, body) },
    }
}

/// As [`object`], with a fast path.
///
/// # Safety
///
/// As [`object`].
#[inline(always)]
pub(crate) unsafe fn fast_object<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    fast: impl FnOnce(Receiver<'py, T>) -> Option<RawResult<'py>>,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let fast = |this| fast(this).map(|answer| answer.0);
    // SAFETY: the caller's promise.
    unsafe { fast_or_slow(this, ptr::null_mut(), fast, move |this| body(this).map(Bound::into_ptr)) }
}

/// As [`fast_object`], with arguments.
///
/// # Safety
///
/// As [`call`].
#[inline(always)]
pub(crate) unsafe fn fast_call<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    values: *mut *mut ffi::PyObject,
    count: isize,
    fast: impl FnOnce(Receiver<'py, T>, Args<'py>) -> Option<RawResult<'py>>,
    body: impl FnOnce(Receiver<'py, T>, Args<'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    let args = move |py| unsafe { Args::new(py, values, count, ptr::null_mut()) };
    // SAFETY: the caller's promise.
    unsafe { fast_object(this, |this| fast(this, args(this.py)), move |this| body(this, args(this.py))) }
}

/// As [`fast_object`], with one argument.
///
/// # Safety
///
/// As [`call_with`].
#[inline(always)]
pub(crate) unsafe fn fast_call_with<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    argument: *mut ffi::PyObject,
    fast: impl FnOnce(Receiver<'py, T>, Object<'py, 'py>) -> Option<RawResult<'py>>,
    body: impl FnOnce(Receiver<'py, T>, Object<'py, 'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    // SAFETY: the caller's promise.
    let argument = move |py| unsafe { borrowed(py, argument) };
    // SAFETY: the caller's promise.
    unsafe { fast_object(this, |this| fast(this, argument(this.py)), move |this| body(this, argument(this.py))) }
}

/// As [`number`], with a fast path.
///
/// # Safety
///
/// As [`object`].
#[inline(always)]
pub(crate) unsafe fn fast_number<'py, T: Body + 'py, N: From<i8>>(
    this: *mut ffi::PyObject,
    fast: impl FnOnce(Receiver<'py, T>) -> Option<N>,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<N>,
) -> N {
    // SAFETY: the caller's promise.
    unsafe { fast_or_slow(this, N::from(-1), fast, body) }
}

/// The next value of an iterator: none is null without an exception.
///
/// # Safety
///
/// As [`object`].
#[inline(always)]
pub(crate) unsafe fn next<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    fast: impl FnOnce(Receiver<'py, T>) -> Option<Bound<'py, PyAny>>,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<Option<Bound<'py, PyAny>>>,
) -> *mut ffi::PyObject {
    let fast = |this| fast(this).map(Bound::into_ptr);
    let body = move |this| Ok(body(this)?.map_or(ptr::null_mut(), Bound::into_ptr));
    // SAFETY: the caller's promise.
    unsafe { fast_or_slow(this, ptr::null_mut(), fast, body) }
}

/// Out of line and of C's calling convention, which does not unwind: so the fast path sets up nothing for it, and ends in a jump here.
/// For that, `body` holds the arguments themselves, not references to them.
///
/// # Safety
///
/// As [`object`].
#[inline(never)]
unsafe extern "C" fn slow_path<'py, T: Body + 'py, R>(
    this: *mut ffi::PyObject,
    failed: R,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<R>,
) -> R {
    let body = |py| {
        // SAFETY: the caller's promise.
        let receiver = unsafe { Receiver::new(py, this) };
        body(receiver).map_err(|exception| receiver.add_filename(exception))
    };
    // SAFETY: the caller's promise.
    unsafe { enter(failed, body) }
}

/// A number for CPython, -1 with an exception.
///
/// # Safety
///
/// As [`object`].
#[inline]
pub(crate) unsafe fn number<'py, T: Body + 'py, N: From<i8>>(
    this: *mut ffi::PyObject,
    body: impl FnOnce(Receiver<'py, T>) -> PyResult<N>,
) -> N {
    let body = |py| {
        // SAFETY: the caller's promise.
        let receiver = unsafe { Receiver::new(py, this) };
        body(receiver).map_err(|exception| receiver.add_filename(exception))
    };
    // SAFETY: the caller's promise.
    unsafe { enter(N::from(-1), body) }
}

/// # Safety
///
/// - `this` is an instance of the class whose body is `T`, `values`, `count` and `names` are as for METH_FASTCALL |
///   METH_KEYWORDS, and the thread is attached.
#[inline]
pub(crate) unsafe fn call<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    values: *mut *mut ffi::PyObject,
    count: isize,
    names: *mut ffi::PyObject,
    body: impl FnOnce(Receiver<'py, T>, Args<'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |this: Receiver<'py, T>| {
        // SAFETY: the caller's promise.
        body(this, unsafe { Args::new(this.py, values, count, names) })
    };
    // SAFETY: the caller's promise.
    unsafe { object(this, body) }
}

/// # Safety
///
/// - `this` is an instance of the class whose body is `T`, `argument` is alive, and the thread is attached.
#[inline]
pub(crate) unsafe fn call_with<'py, T: Body + 'py>(
    this: *mut ffi::PyObject,
    argument: *mut ffi::PyObject,
    body: impl FnOnce(Receiver<'py, T>, Object<'py, 'py>) -> PyResult<Bound<'py, PyAny>>,
) -> *mut ffi::PyObject {
    let body = |this: Receiver<'py, T>| {
        // SAFETY: the caller's promise.
        body(this, unsafe { borrowed(this.py, argument) })
    };
    // SAFETY: the caller's promise.
    unsafe { object(this, body) }
}

/// A `PyMethodDef` for a function that takes the receiver and `Args`.
macro_rules! method {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(
            this: *mut ffi::PyObject,
            values: *mut *mut ffi::PyObject,
            count: isize,
        ) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class, and while attached.
            unsafe { $crate::sys::typeobject::call(this, values, count, ptr::null_mut(), $function) }
        }
        $crate::sys::typeobject::def(
            $name,
            ffi::PyMethodDefPointer { PyCFunctionFast: entry },
            ffi::METH_FASTCALL,
            $doc,
        )
    }};
}

/// As `method!`, for one that takes no arguments.
macro_rules! noargs_method {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class, and while attached.
            unsafe { $crate::sys::typeobject::object(this, |this| $function(this)) }
        }
        $crate::sys::typeobject::def($name, ffi::PyMethodDefPointer { PyCFunction: entry }, ffi::METH_NOARGS, $doc)
    }};
}

/// As `method!`, for one that takes one argument.
macro_rules! one_method {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, argument: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class and a live object, and while attached.
            unsafe { $crate::sys::typeobject::call_with(this, argument, $function) }
        }
        $crate::sys::typeobject::def($name, ffi::PyMethodDefPointer { PyCFunction: entry }, ffi::METH_O, $doc)
    }};
}

/// As `noargs_method!`, with a fast path.
macro_rules! fast_noargs_method {
    ($name:literal, $fast:path, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, _: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class, and while attached.
            unsafe { $crate::sys::typeobject::fast_object(this, |this| $fast(this), |this| $function(this)) }
        }
        $crate::sys::typeobject::def($name, ffi::PyMethodDefPointer { PyCFunction: entry }, ffi::METH_NOARGS, $doc)
    }};
}

/// As `one_method!`, with a fast path.
macro_rules! fast_one_method {
    ($name:literal, $fast:path, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, argument: *mut ffi::PyObject) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class and a live object, and while attached.
            unsafe { $crate::sys::typeobject::fast_call_with(this, argument, $fast, $function) }
        }
        $crate::sys::typeobject::def($name, ffi::PyMethodDefPointer { PyCFunction: entry }, ffi::METH_O, $doc)
    }};
}

/// As `method!`, with a fast path.
macro_rules! fast_method {
    ($name:literal, $fast:path, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(
            this: *mut ffi::PyObject,
            values: *mut *mut ffi::PyObject,
            count: isize,
        ) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a method with an instance of its class and its arguments, and while attached.
            unsafe { $crate::sys::typeobject::fast_call(this, values, count, $fast, $function) }
        }
        let entry = ffi::PyMethodDefPointer { PyCFunctionFast: entry };
        $crate::sys::typeobject::def($name, entry, ffi::METH_FASTCALL, $doc)
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
            unsafe { $crate::sys::typeobject::call(this, values.cast_mut(), count, names, $function) }
        }
        let entry = ffi::PyMethodDefPointer { PyCFunctionFastWithKeywords: entry };
        $crate::sys::typeobject::def($name, entry, ffi::METH_FASTCALL | ffi::METH_KEYWORDS, $doc)
    }};
}

/// The entry of a property that can only be read.
pub(crate) fn getter(name: &'static CStr, get: ffi::getter, doc: &'static CStr) -> ffi::PyGetSetDef {
    let (name, doc) = (name.as_ptr(), doc.as_ptr());
    ffi::PyGetSetDef { name, get: Some(get), set: None, doc, closure: ptr::null_mut() }
}

/// A property that can only be read.
macro_rules! property {
    ($name:literal, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a getter with an instance of its class, and while attached.
            unsafe { $crate::sys::typeobject::object(this, |this| $function(this)) }
        }
        $crate::sys::typeobject::getter($name, entry, $doc)
    }};
}

/// As `property!`, with a fast path.
macro_rules! fast_property {
    ($name:literal, $fast:path, $function:path, $doc:expr) => {{
        unsafe extern "C" fn entry(this: *mut ffi::PyObject, _: *mut c_void) -> *mut ffi::PyObject {
            // SAFETY: CPython calls a getter with an instance of its class, and while attached.
            unsafe { $crate::sys::typeobject::fast_object(this, |this| $fast(this), |this| $function(this)) }
        }
        $crate::sys::typeobject::getter($name, entry, $doc)
    }};
}

pub(crate) use {
    fast_method, fast_noargs_method, fast_one_method, fast_property, keyword_method, method, noargs_method, one_method,
    property,
};
