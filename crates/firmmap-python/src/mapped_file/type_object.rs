//! The class `MappedFile` and its two iterators: their type objects, slots and methods.

use std::ffi::{c_int, c_void};
use std::ops::Range;
use std::ptr;

use pyo3::prelude::*;
use pyo3::types::PyType;
use pyo3::{Borrowed, ffi};

use super::lines::{self, Lines};
use super::search::{self, Matches};
use super::{
    MappedFile, Open, This, bytes, closing, descriptor, dlpack, docs, file, growth, new as constructor, pages, pickle,
    views, write,
};

use crate::common::map_lock::{MapState, Ready};
use crate::common::shared_file::SharedFile;
use crate::common::{self, Class};
use crate::mapped_file as class;
use crate::sys::buffer;
use crate::sys::exception::PyResult;
use crate::sys::module;
use crate::sys::trampoline::borrowed;
use crate::sys::typeobject::{
    self, Table, fast_method, fast_noargs_method, fast_property, keyword_method, method, noargs_method, property, slot,
};

// SAFETY: they look at fields of the state, and set numbers in it.
unsafe impl MapState for Option<Open> {
    #[inline(always)]
    fn ready(&self) -> Ready {
        match self {
            // Once `fileno()` was called, others can have moved the position. And a read may have to end before the map does.
            Some(open)
                if open.file.pending_writers == 0 && open.descriptor_position.is_none() && !open.file.ends_short() =>
            {
                Ready::Position
            }
            Some(open) if open.file.pending_writers == 0 => Ready::Bytes,
            _ => Ready::No,
        }
    }

    #[inline(always)]
    fn file(&mut self) -> Option<&mut SharedFile> {
        self.as_mut().map(|open| &mut open.file)
    }

    #[inline(always)]
    fn wrote(&mut self, written: Range<usize>) {
        if let Some(open) = self {
            open.changes += 1;
            open.file.note_write(written.start, written.len());
        }
    }
}

/// The count of changes of a map that is ready, for iterators, which ask for it each time.
#[inline(always)]
pub(super) fn changes(file: This<'_>) -> Option<u64> {
    // SAFETY: a number is read.
    unsafe { file.state.try_read(file.py, |state| state.as_ref().map(|open| open.changes)) }
}

static METHODS: Table<ffi::PyMethodDef> = Table::new();
static PROPERTIES: Table<ffi::PyGetSetDef> = Table::new();

/// A new instance of the module's class.
pub(crate) fn new_file<'py>(module: &Bound<'py, PyModule>, body: MappedFile) -> PyResult<Bound<'py, PyAny>> {
    let class = module::class(module, Class::MappedFile as usize)?;
    // SAFETY: the class was made for this body.
    unsafe { typeobject::new(&class, body) }
}

/// The iterator of `lines()`.
pub(crate) fn new_lines<'py>(file: This<'py>, body: Lines) -> PyResult<Bound<'py, PyAny>> {
    let class = sibling_class(file, Class::LineIterator)?;
    // SAFETY: the class was made for this body.
    unsafe { typeobject::new(&class, body) }
}

/// The iterator of `find_all()`.
pub(crate) fn new_matches<'py>(file: This<'py>, body: Matches) -> PyResult<Bound<'py, PyAny>> {
    let class = sibling_class(file, Class::MatchIterator)?;
    // SAFETY: the class was made for this body.
    unsafe { typeobject::new(&class, body) }
}

/// Another class of the module that a file's class belongs to.
pub(super) fn sibling_class<'py>(file: This<'py>, which: Class) -> PyResult<Bound<'py, PyType>> {
    module::sibling_class(file, METHODS.get(methods), which as usize)
}

/// Makes the class of a module, and those of its iterators.
pub(crate) fn create<'py>(module: &Bound<'py, PyModule>) -> PyResult<Bound<'py, PyType>> {
    // SAFETY: the function is for this body.
    let lines = unsafe { typeobject::iterator_class::<Lines>(module, c"firmmap.LineIterator", next_line) }?;
    module::hold(module, Class::LineIterator as usize, lines)?;
    // SAFETY: the function is for this body.
    let matches = unsafe { typeobject::iterator_class::<Matches>(module, c"firmmap.MatchIterator", next_match) }?;
    module::hold(module, Class::MatchIterator as usize, matches)?;
    let slots = vec![
        slot(ffi::Py_tp_new, new as *mut c_void),
        slot(ffi::Py_tp_repr, repr as *mut c_void),
        slot(ffi::Py_tp_doc, docs::CLASS.as_ptr() as *mut c_void),
        slot(ffi::Py_tp_methods, METHODS.get(methods)),
        slot(ffi::Py_tp_getset, PROPERTIES.get(properties)),
        slot(ffi::Py_tp_iter, iter as *mut c_void),
        slot(ffi::Py_tp_iternext, next as *mut c_void),
        slot(ffi::Py_nb_bool, truth as *mut c_void),
        slot(ffi::Py_tp_finalize, finalize as *mut c_void),
        slot(ffi::Py_sq_length, length as *mut c_void),
        slot(ffi::Py_sq_item, sequence_item as *mut c_void),
        slot(ffi::Py_sq_ass_item, sequence_assign as *mut c_void),
        slot(ffi::Py_sq_contains, contains as *mut c_void),
        slot(ffi::Py_mp_length, length as *mut c_void),
        slot(ffi::Py_mp_subscript, subscript as *mut c_void),
        slot(ffi::Py_mp_ass_subscript, assign_subscript as *mut c_void),
        slot(ffi::Py_bf_getbuffer, get_buffer as *mut c_void),
        slot(ffi::Py_bf_releasebuffer, release_buffer as *mut c_void),
    ];
    let flags = ffi::Py_TPFLAGS_DEFAULT | ffi::Py_TPFLAGS_BASETYPE;
    // SAFETY: the slots are for this body.
    let class = unsafe { typeobject::class::<MappedFile>(module, c"firmmap.MappedFile", flags, slots) }?;
    module::hold(module, Class::MappedFile as usize, class.clone())?;
    Ok(class)
}

fn properties() -> Vec<ffi::PyGetSetDef> {
    vec![
        fast_property!(c"closed", common::try_closed, closing::closed, docs::CLOSED),
        ffi::PyGetSetDef { set: Some(set_name), ..property!(c"name", constructor::name, docs::NAME) },
        property!(c"mode", constructor::mode, docs::MODE),
        property!(c"offset", constructor::offset, docs::OFFSET),
        property!(c"capacity", growth::capacity, docs::CAPACITY),
        property!(c"closefd", closing::closefd, docs::CLOSEFD),
        property!(c"_blksize", constructor::block_size, docs::BLOCK_SIZE),
        ffi::PyGetSetDef::default(),
    ]
}

fn methods() -> Vec<ffi::PyMethodDef> {
    vec![
        noargs_method!(c"close", closing::close, docs::CLOSE),
        method!(c"_dealloc_warn", closing::dealloc_warn, docs::DEALLOC_WARN),
        noargs_method!(c"detach", closing::detach, docs::DETACH),
        noargs_method!(c"fileno", descriptor::fileno, docs::FILENO),
        noargs_method!(c"isatty", descriptor::isatty, docs::ISATTY),
        noargs_method!(c"readable", file::readable, docs::READABLE),
        noargs_method!(c"writable", file::writable, docs::WRITABLE),
        noargs_method!(c"seekable", file::seekable, docs::SEEKABLE),
        fast_method!(c"read", common::try_read, file::read, docs::READ),
        method!(c"read1", file::read1, docs::READ1),
        method!(c"readinto", file::readinto, docs::READINTO),
        method!(c"readinto1", file::readinto1, docs::READINTO1),
        fast_method!(c"readline", common::try_line_with_args, file::readline, docs::READLINE),
        method!(c"readlines", file::readlines, docs::READLINES),
        method!(c"peek", file::peek, docs::PEEK),
        fast_noargs_method!(c"read_byte", common::try_byte, file::read_byte, docs::READ_BYTE),
        fast_method!(c"seek", common::try_seek, file::seek, docs::SEEK),
        fast_noargs_method!(c"tell", common::try_position, file::tell, docs::TELL),
        noargs_method!(c"size", file::size, docs::SIZE),
        fast_method!(c"write", common::try_write_with_args, write::write, docs::WRITE),
        method!(c"writelines", write::writelines, docs::WRITELINES),
        fast_method!(c"write_byte", common::try_write_byte_with_args, write::write_byte, docs::WRITE_BYTE),
        method!(c"truncate", growth::truncate, docs::TRUNCATE),
        method!(c"resize", growth::resize_method, docs::RESIZE),
        noargs_method!(c"refresh", growth::refresh, docs::REFRESH),
        keyword_method!(c"flush", pages::flush, docs::FLUSH),
        method!(c"prefetch", pages::prefetch, docs::PREFETCH),
        method!(c"evict", pages::evict, docs::EVICT),
        noargs_method!(c"lock", pages::lock, docs::LOCK),
        noargs_method!(c"unlock", pages::unlock, docs::UNLOCK),
        method!(c"protect", pages::protect, docs::PROTECT),
        method!(c"residency", pages::residency, docs::RESIDENCY),
        #[cfg(unix)]
        method!(c"madvise", pages::madvise, docs::MADVISE),
        fast_method!(c"move", common::try_move, bytes::move_bytes, docs::MOVE),
        fast_method!(c"find", common::try_find, search::find, docs::FIND),
        fast_method!(c"rfind", common::try_rfind, search::rfind, docs::RFIND),
        method!(c"index", search::index, docs::INDEX),
        method!(c"rindex", search::rindex, docs::RINDEX),
        method!(c"count", search::count, docs::COUNT),
        method!(c"startswith", search::startswith, docs::STARTSWITH),
        method!(c"endswith", search::endswith, docs::ENDSWITH),
        method!(c"find_all", search::find_all, docs::FIND_ALL),
        method!(c"_boundary_end", search::boundary_end, docs::BOUNDARY_END),
        keyword_method!(c"lines", lines::lines, docs::LINES),
        noargs_method!(c"__reduce__", pickle::reduce, docs::REDUCE),
        keyword_method!(c"__dlpack__", dlpack::dlpack, docs::DLPACK),
        noargs_method!(c"__dlpack_device__", dlpack::device, docs::DLPACK_DEVICE),
        noargs_method!(c"readall", file::readall, docs::READALL),
        typeobject::def(
            c"anonymous",
            ffi::PyMethodDefPointer { PyCFunctionWithKeywords: anonymous },
            ffi::METH_VARARGS | ffi::METH_KEYWORDS | ffi::METH_CLASS,
            docs::ANONYMOUS_OF_CLASS,
        ),
        noargs_method!(c"__enter__", closing::enter, docs::ENTER),
        method!(c"__exit__", closing::exit, docs::EXIT),
        ffi::PyMethodDef::zeroed(),
    ]
}

unsafe extern "C" fn new(
    class: *mut ffi::PyTypeObject,
    args: *mut ffi::PyObject,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with the arguments of the call; the class is ours or a subclass, as it has checked.
    unsafe { typeobject::construct(class, args, names, constructor::new) }
}

unsafe extern "C" fn anonymous(
    class: *mut ffi::PyObject,
    args: *mut ffi::PyObject,
    names: *mut ffi::PyObject,
) -> *mut ffi::PyObject {
    // SAFETY: CPython calls this with the arguments of the call; the class is ours or a subclass, as a method of the class is called on it.
    unsafe { typeobject::construct(class.cast(), args, names, constructor::anonymous_of_class) }
}

unsafe extern "C" fn set_name(this: *mut ffi::PyObject, value: *mut ffi::PyObject, _: *mut c_void) -> c_int {
    let body = |this: This<'_>| {
        // SAFETY: CPython passes a live object, or null for a deletion.
        constructor::set_name(this, unsafe { Borrowed::from_ptr_or_opt(this.py, value) }).map(|()| 0)
    };
    // SAFETY: CPython calls a setter with an instance of its class, and while attached.
    unsafe { typeobject::number(this, body) }
}

unsafe extern "C" fn repr(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::object(this, class::repr) }
}

unsafe extern "C" fn iter(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::object(this, lines::iter) }
}

unsafe extern "C" fn next(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::next(this, lines::try_next, lines::next) }
}

unsafe extern "C" fn next_line(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::next(this, lines::try_next_line, lines::next_line) }
}

unsafe extern "C" fn next_match(this: *mut ffi::PyObject) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::next(this, search::try_next_match, search::next_match) }
}

unsafe extern "C" fn truth(this: *mut ffi::PyObject) -> c_int {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::number(this, class::truth) }
}

unsafe extern "C" fn length(this: *mut ffi::PyObject) -> isize {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::fast_number(this, common::try_len, class::len) }
}

unsafe extern "C" fn sequence_item(this: *mut ffi::PyObject, index: isize) -> *mut ffi::PyObject {
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::object(this, |this| bytes::sequence_item(this, index)) }
}

unsafe extern "C" fn sequence_assign(this: *mut ffi::PyObject, index: isize, value: *mut ffi::PyObject) -> c_int {
    let body = |this: This<'_>| {
        // SAFETY: CPython passes a live object, or null for a deletion.
        bytes::sequence_assign(this, index, unsafe { Borrowed::from_ptr_or_opt(this.py, value) }).map(|()| 0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::number(this, body) }
}

/// Called for instances of subclasses, before they are taken apart; for those of the class itself `dealloc` does all.
unsafe extern "C" fn finalize(this: *mut ffi::PyObject) {
    let body = |this: This<'_>| {
        closing::finalize(this);
        Ok(0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    let _: c_int = unsafe { typeobject::number(this, body) };
}

unsafe extern "C" fn contains(this: *mut ffi::PyObject, object: *mut ffi::PyObject) -> c_int {
    let body = |this: This<'_>| {
        // SAFETY: CPython passes a live object.
        search::contains(this, unsafe { Borrowed::from_ptr(this.py, object) })
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::number(this, body) }
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
    // SAFETY: CPython passes a buffer; without an owner it is one that was not filled.
    unsafe { (*view).obj = ptr::null_mut() };
    let body = |this: This<'_>| {
        let export = views::export(this)?;
        // SAFETY: CPython wants this buffer filled; counting it as exported has made the memory stay.
        let result = unsafe { buffer::fill(this.as_ptr(), view, &export, flags) };
        result.inspect_err(|_| views::release(this)).map(|()| 0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    unsafe { typeobject::number(this, body) }
}

unsafe extern "C" fn release_buffer(this: *mut ffi::PyObject, _: *mut ffi::Py_buffer) {
    let body = |this: This<'_>| {
        views::release(this);
        Ok(0)
    };
    // SAFETY: CPython calls a slot with an instance of its class, and while attached.
    let _: c_int = unsafe { typeobject::number(this, body) };
}
