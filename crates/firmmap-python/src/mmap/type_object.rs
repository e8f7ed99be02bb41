//! The class `mmap`: its type object, its slots, its methods.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr;

use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{Borrowed, ffi};

use super::{Mmap, This, bytes, closing, docs, file, growth, new as constructor, pages, search, views};
use crate::common::map_lock::{MapState, Ready};
use crate::common::shared_file::SharedFile;
use crate::common::{self, Class};
use crate::mmap as class;
use crate::sys::buffer;
use crate::sys::exception::PyResult;
use crate::sys::module;
use crate::sys::trampoline::borrowed;
use crate::sys::typeobject::{
    self, Table, fast_method, fast_noargs_method, fast_one_method, fast_property, keyword_method, method,
    noargs_method, object, one_method, slot,
};

// SAFETY: they look at the state, of which there is a file where they say so.
unsafe impl MapState for Option<SharedFile> {
    #[inline(always)]
    fn ready(&self) -> Ready {
        match self {
            Some(file) if file.pending_writers == 0 => Ready::Position,
            _ => Ready::No,
        }
    }

    #[inline(always)]
    fn file(&mut self) -> Option<&mut SharedFile> {
        self.as_mut()
    }

    /// Nobody has to know: what is written is in the map.
    #[inline(always)]
    fn wrote(&mut self, _: Range<usize>) {}
}

static METHODS: Table<ffi::PyMethodDef> = Table::new();
static PROPERTIES: Table<ffi::PyGetSetDef> = Table::new();

/// Whether `class` is ours and not a subclass.
pub(crate) fn is_exact(class: &Bound<'_, PyType>) -> bool {
    typeobject::has_methods(class.as_type_ptr(), METHODS.get(methods))
}

/// Makes the class of a module.
pub(crate) fn create<'py>(module: &Bound<'py, PyModule>) -> PyResult<Bound<'py, PyType>> {
    let slots = vec![
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_doc, docs::CLASS.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_methods, METHODS.get(methods)),
        slot(ffi::Py_tp_getset, PROPERTIES.get(properties)),
        slot(ffi::Py_sq_length, length as *mut c_void),
        slot(ffi::Py_sq_item, sequence_item as *mut c_void),
        slot(ffi::Py_sq_ass_item, sequence_assign as *mut c_void),
        slot(ffi::Py_mp_length, length as *mut c_void),
        slot(ffi::Py_mp_subscript, subscript as *mut c_void),
        slot(ffi::Py_mp_ass_subscript, assign_subscript as *mut c_void),
        slot(ffi::Py_bf_getbuffer, get_buffer as *mut c_void),
        slot(ffi::Py_bf_releasebuffer, release_buffer as *mut c_void),
    ];
    // The name in messages, as programs know it that import this class in place of the standard one.
    let name = c"mmap.mmap";
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE;
    // SAFETY: the slots are for this body.
    let class = unsafe { typeobject::class::<Mmap>(module, name, flags, slots) }?;
    // Where pickle and help() find the class.
    class.setattr("__module__", "firmmap")?;
    module::hold(module, Class::Mmap as usize, class.clone())?;
    Ok(class)
}

fn properties() -> Vec<ffi::PyGetSetDef> {
    vec![fast_property!(c"closed", common::try_closed, closing::closed, docs::CLOSED), ffi::PyGetSetDef::default()]
}

fn methods() -> Vec<ffi::PyMethodDef> {
    vec![
        noargs_method!(c"close", closing::close, docs::CLOSE),
        fast_method!(c"find", common::try_find, search::find, docs::FIND),
        fast_method!(c"rfind", common::try_rfind, search::rfind, docs::RFIND),
        keyword_method!(c"flush", pages::flush, docs::FLUSH),
        #[cfg(unix)]
        method!(c"madvise", pages::madvise, docs::MADVISE),
        fast_method!(c"move", common::try_move, bytes::move_bytes, docs::MOVE),
        fast_method!(c"read", common::try_read, file::read, docs::READ),
        fast_noargs_method!(c"read_byte", common::try_byte, file::read_byte, docs::READ_BYTE),
        fast_noargs_method!(c"readline", common::try_line, file::readline, docs::READLINE),
        one_method!(c"resize", growth::resize, docs::RESIZE),
        fast_method!(c"seek", common::try_seek, file::seek, docs::SEEK),
        noargs_method!(c"seekable", file::seekable, docs::SEEKABLE),
        one_method!(c"set_name", pages::set_name, docs::SET_NAME),
        noargs_method!(c"size", pages::size, docs::SIZE),
        fast_noargs_method!(c"tell", common::try_position, file::tell, docs::TELL),
        fast_one_method!(c"write", common::try_write, file::write, docs::WRITE),
        fast_one_method!(c"write_byte", common::try_write_byte, file::write_byte, docs::WRITE_BYTE),
        noargs_method!(c"__enter__", closing::enter, docs::ENTER),
        method!(c"__exit__", closing::exit, docs::EXIT),
        #[cfg(windows)]
        noargs_method!(c"__sizeof__", class::sizeof, docs::SIZEOF),
        ffi::PyMethodDef::zeroed(),
    ]
}

/// 0 for CPython, -1 with an exception.
///
/// # Safety
///
/// As [`object`].
#[inline]
unsafe fn status<'py>(this: *mut ffi::PyObject, body: impl FnOnce(This<'py>) -> PyResult<()>) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { typeobject::number(this, |this: This<'py>| body(this).map(|()| 0)) }
}

unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with the arguments of the call; the class is ours or a subclass, as it has checked.
    unsafe { typeobject::construct(class, args, names, constructor::new) }
}

unsafe extern "C" fn repr(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { object(this, class::repr) }
}

unsafe extern "C" fn length(this: *mut ffi::PyObject) -> isize {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::fast_number(this, common::try_len, class::len) }
}

unsafe extern "C" fn sequence_item(this: *mut ffi::PyObject, index: isize) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { object(this, |this| bytes::sequence_item(this, index)) }
}

unsafe extern "C" fn sequence_assign(this: *mut ffi::PyObject, index: isize, value: *mut ffi::PyObject) -> c_int {
    let body = |this: This<'_>| {
        // SAFETY: CPython passes a live object, or null for a deletion.
        bytes::sequence_assign(this, index, unsafe { Borrowed::from_ptr_or_opt(this.py, value) })
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { status(this, body) }
}

unsafe extern "C" fn subscript(this: *mut ffi::PyObject, key: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython passes a live key.
    let key = move |py| unsafe { borrowed(py, key) };
    let fast = |this| common::try_small_item(this, key(this.py));
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::fast_object(this, fast, move |this| bytes::subscript(this, key(this.py))) }
}

unsafe extern "C" fn assign_subscript(
    this: *mut ffi::PyObject,
    key: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
) -> c_int {
    // SAFETY: CPython passes a live key.
    let key = move |py| unsafe { borrowed(py, key) };
    // SAFETY: CPython passes a live object, or null for a deletion.
    let value = move |py| unsafe { Borrowed::from_ptr_or_opt(py, value) };
    let fast = |this| common::try_assign_small_item(this, key(this.py), value(this.py));
    let slow = move |this| bytes::assign_subscript(this, key(this.py), value(this.py)).map(|()| 0);
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::fast_number(this, fast, slow) }
}

unsafe extern "C" fn get_buffer(this: *mut ffi::PyObject, view: *mut ffi::Py_buffer, flags: c_int) -> c_int {
    let fast = |this| match flags {
        // What memoryview asks for, apart: nothing depends on the flags then.
        // SAFETY: CPython wants this buffer filled.
        ffi::PyBUF_FULL_RO => unsafe { try_fill(this, view, ffi::PyBUF_FULL_RO) },
        // SAFETY: as above.
        _ => unsafe { try_fill(this, view, flags) },
    };
    let slow = move |this: This<'_>| {
        // SAFETY: as above; without an owner it is one that was not filled.
        unsafe { (*view).obj = ptr::null_mut() };
        let export = views::export(this)?;
        // SAFETY: as above.
        let result = unsafe { buffer::fill(this.as_ptr(), view, &export, flags) };
        result.inspect_err(|_| views::release(this)).map(|()| 0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::fast_number(this, fast, slow) }
}

/// # Safety
///
/// - CPython wants the buffer filled.
#[inline(always)]
unsafe fn try_fill(this: This<'_>, view: *mut ffi::Py_buffer, flags: c_int) -> Option<c_int> {
    if !buffer::is_granted(flags, views::is_readonly(this)) {
        return None;
    }
    let export = views::try_export(this)?;
    // SAFETY: the caller's promise; counting it as exported has made the memory stay.
    unsafe { buffer::fill_granted(this.as_ptr(), view, &export, flags) };
    Some(0)
}

unsafe extern "C" fn release_buffer(this: *mut ffi::PyObject, _: *mut ffi::Py_buffer) {
    let fast = |this| views::try_release(this).map(|()| 0);
    let slow = |this: This<'_>| {
        views::release(this);
        Ok(0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    let _: c_int = unsafe { typeobject::fast_number(this, fast, slow) };
}
