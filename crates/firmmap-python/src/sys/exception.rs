//! Exceptions: made, set and dropped here, through CPython's C interface alone.
//!
//! PyO3's `PyErr` is not used for this. It releases references through a pool wherever PyO3 has not counted the thread as attached, which
//! our calls do not make it do: objects would live on, and their destructors run at some later moment. And it panics where
//! there is no memory for the exception.

use std::borrow::Cow;
use std::ffi::c_int;
use std::fmt;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;

use pyo3::ffi;
use pyo3::prelude::*;

use super::owned::Owned;

pub(crate) type PyResult<T> = Result<T, Exception>;

/// An exception on its way to the caller in Python.
///
/// Until [`set`](Self::set) an exception of ours is only its class and arguments: it can be made while a map's state is locked. One that
/// Python code has raised holds a reference, which is released when it is dropped; that can run Python code.
pub(crate) struct Exception {
    /// `None` is a `MemoryError`, for which nothing needs to be allocated. An array, as slices are what can be allocated fallibly.
    state: Option<Box<[State; 1]>>,
    /// Not `Send`: it cannot get into work that runs without the GIL.
    attached: PhantomData<*mut ()>,
}

enum State {
    /// To be made.
    New { class: Class, arguments: Arguments },
    /// Raised by Python code, and taken out of the interpreter.
    Raised(Raised),
    /// Made by Python code, and not raised yet.
    Made(Owned),
}

/// Gives a class that CPython or the interpreter keeps.
pub(crate) type Class = fn(Python<'_>) -> *mut ffi::PyObject;

/// What an exception is made of.
pub(crate) enum Arguments {
    Message(Cow<'static, str>),
    /// `errno`, `strerror`, and where there are some `filename` and `winerror`.
    System {
        number: c_int,
        message: Cow<'static, str>,
        filename: Option<Owned>,
        winerror: Option<c_int>,
    },
    /// The place of a fault, and its file.
    Offset {
        offset: Option<usize>,
        filename: Option<Owned>,
    },
}

/// An exception as CPython hands it out: class, value and traceback, of which the last two can be null.
struct Raised([*mut ffi::PyObject; 3]);

impl Exception {
    fn new(class: Class, arguments: Arguments) -> Self {
        Self::boxed(State::New { class, arguments })
    }

    /// One of a class that is not built in.
    ///
    /// # Safety
    ///
    /// - `class` returns a class of exceptions that the interpreter keeps alive.
    #[cold]
    #[inline(never)]
    pub(crate) unsafe fn of_class(class: Class, arguments: impl Into<Arguments>) -> Self {
        Self::new(class, arguments.into())
    }

    fn boxed(state: State) -> Self {
        let mut place = Vec::new();
        let state = place.try_reserve_exact(1).ok().and_then(|()| {
            place.push(state);
            place.into_boxed_slice().try_into().ok()
        });
        Self { state, attached: PhantomData }
    }

    /// A `MemoryError`.
    #[cold]
    pub(crate) fn no_memory() -> Self {
        Self { state: None, attached: PhantomData }
    }

    /// One that Python code has made, and that is to be raised for the first time.
    pub(crate) fn made(exception: Bound<'_, PyAny>) -> Self {
        Self::boxed(State::Made(exception.into()))
    }

    /// The exception that a call into CPython has set.
    #[cold]
    #[inline(never)]
    #[allow(deprecated, reason = "what replaces the function is newer than CPython 3.11")]
    pub(crate) fn fetch(_py: Python<'_>) -> Self {
        let [mut class, mut value, mut traceback] = [ptr::null_mut(); 3];
        // SAFETY: attached, as the token says; fills the three pointers.
        unsafe { ffi::PyErr_Fetch(&mut class, &mut value, &mut traceback) };
        let raised = Raised([class, value, traceback]);
        if class.is_null() {
            return PySystemError::new_err("a call into CPython failed without an exception");
        }
        Self::boxed(State::Raised(raised))
    }

    /// Makes it the current exception of the thread. Nothing may be locked: this can run Python code.
    #[cold]
    #[inline(never)]
    #[allow(deprecated, reason = "what replaces the function is newer than CPython 3.11")]
    pub(crate) fn set(self, py: Python<'_>) {
        super::state_lock::check_none_owned();
        match self.state.map(|state| *state) {
            None => {
                // SAFETY: attached, as the token says.
                unsafe { ffi::PyErr_NoMemory() };
            }
            Some([State::Raised(raised)]) => {
                let [class, value, traceback] = raised.into_raw();
                // SAFETY: attached; takes the three references over.
                unsafe { ffi::PyErr_Restore(class, value, traceback) };
            }
            // With the exception that is being handled as its context.
            Some([State::Made(exception)]) => {
                let class = exception.bind(py).get_type();
                // SAFETY: attached; an exception and its class, both alive.
                unsafe { ffi::PyErr_SetObject(class.as_ptr(), exception.as_ptr()) };
            }
            // What fails in here has set another exception.
            Some([State::New { class, arguments }]) => drop(make(py, class, arguments)),
        }
    }

    /// Drops the exception that a call into CPython has set.
    pub(crate) fn clear(_py: Python<'_>) {
        // SAFETY: attached, as the token says.
        unsafe { ffi::PyErr_Clear() };
    }

    /// Whether it is an `OverflowError`.
    pub(crate) fn is_overflow(&self, py: Python<'_>) -> bool {
        let class = match self.state.as_deref() {
            Some([State::Raised(Raised([class, ..]))]) => *class,
            Some([State::New { class, .. }]) => class(py),
            _ => return false,
        };
        // SAFETY: attached, as the token says; both are classes that are alive.
        unsafe { ffi::PyErr_GivenExceptionMatches(class, overflow_error(py)) != 0 }
    }

    /// Whether it is a `MemoryError`.
    pub(crate) fn is_memory_error(&self) -> bool {
        // SAFETY: the interpreter has set its exception classes before any of our code runs, and keeps them.
        self.state.is_none() || self.was_raised_as(unsafe { ffi::PyExc_MemoryError })
    }

    /// Whether Python code has raised a `FileNotFoundError`.
    pub(crate) fn is_file_not_found(&self) -> bool {
        // SAFETY: the interpreter has set its exception classes before any of our code runs, and keeps them.
        self.was_raised_as(unsafe { ffi::PyExc_FileNotFoundError })
    }

    /// Whether Python code has raised a `FileExistsError`.
    pub(crate) fn is_file_exists(&self) -> bool {
        // SAFETY: the interpreter has set its exception classes before any of our code runs, and keeps them.
        self.was_raised_as(unsafe { ffi::PyExc_FileExistsError })
    }

    /// Whether Python code has raised a `TypeError`.
    pub(crate) fn is_type_error(&self) -> bool {
        // SAFETY: the interpreter has set its exception classes before any of our code runs, and keeps them.
        self.was_raised_as(unsafe { ffi::PyExc_TypeError })
    }

    /// Whether Python code has raised an `OSError`.
    #[cfg(windows)]
    pub(crate) fn is_os_error(&self) -> bool {
        // SAFETY: the interpreter has set its exception classes before any of our code runs, and keeps them.
        self.was_raised_as(unsafe { ffi::PyExc_OSError })
    }

    fn was_raised_as(&self, wanted: *mut ffi::PyObject) -> bool {
        let Some([State::Raised(Raised([class, ..]))]) = self.state.as_deref() else { return false };
        // SAFETY: both are classes that are alive, and the thread is attached as this type is not `Send`.
        unsafe { ffi::PyErr_GivenExceptionMatches(*class, wanted) != 0 }
    }

    /// Names the file in an `OSError` of ours that has a number and names none yet. One that Python code has raised stays as it is.
    #[cold]
    #[inline(never)]
    pub(crate) fn with_filename(mut self, name: impl FnOnce() -> Option<Owned>) -> Self {
        if let Some(
            [
                State::New {
                    arguments:
                        Arguments::System { filename: filename @ None, .. }
                        | Arguments::Offset { filename: filename @ None, .. },
                    ..
                },
            ],
        ) = self.state.as_deref_mut()
        {
            *filename = name();
        }
        self
    }

    /// The same with a `__cause__`. Nothing may be locked: this can run Python code.
    #[allow(deprecated, reason = "what replaces the functions is newer than CPython 3.11")]
    pub(crate) fn caused_by(self, py: Python<'_>, cause: Self) -> Self {
        let made = |exception: Self| {
            exception.set(py);
            let [mut class, mut value, mut traceback] = [ptr::null_mut(); 3];
            // SAFETY: attached, as the token says; fills the three pointers.
            unsafe { ffi::PyErr_Fetch(&mut class, &mut value, &mut traceback) };
            // SAFETY: attached; makes an instance where there is none yet, and keeps the references ours.
            unsafe { ffi::PyErr_NormalizeException(&mut class, &mut value, &mut traceback) };
            if !traceback.is_null() {
                // SAFETY: an exception and a traceback, both alive.
                unsafe { ffi::PyException_SetTraceback(value, traceback) };
            }
            Raised([class, value, traceback])
        };
        let (cause, effect) = (made(cause), made(self));
        let (Raised([_, cause, _]), Raised([_, value, _])) = (&cause, &effect);
        // SAFETY: the object is alive; the function takes a reference over.
        unsafe { ffi::Py_IncRef(*cause) };
        // SAFETY: two exceptions that are alive.
        unsafe { ffi::PyException_SetCause(*value, *cause) };
        Self::boxed(State::Raised(effect))
    }

    /// Reports it where none can be raised, and keeps an exception that is just being raised.
    pub(crate) fn write_unraisable(self, py: Python<'_>) {
        preserving(py, || {
            self.set(py);
            // SAFETY: attached; no object is named.
            unsafe { ffi::PyErr_WriteUnraisable(ptr::null_mut()) };
        });
    }
}

/// Runs `work`, which may run Python code, and keeps the exception that is just being raised.
#[allow(deprecated, reason = "what replaces the functions is newer than CPython 3.11")]
pub(crate) fn preserving<R>(_py: Python<'_>, work: impl FnOnce() -> R) -> R {
    let [mut class, mut value, mut traceback] = [ptr::null_mut(); 3];
    // SAFETY: attached, as the token says; fetches the exception that is being raised, if there is one.
    unsafe { ffi::PyErr_Fetch(&mut class, &mut value, &mut traceback) };
    let result = work();
    // SAFETY: attached; restores what was fetched.
    unsafe { ffi::PyErr_Restore(class, value, traceback) };
    result
}

/// A `ResourceWarning` about `source`, if that may be referred to. An error where the program makes errors of warnings.
pub(crate) fn warn_resource(py: Python<'_>, message: &str, source: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
    let message = new_string(py, message).ok_or_else(|| Exception::fetch(py))?;
    let source = source.map_or(ptr::null_mut(), Bound::as_ptr);
    // SAFETY: attached; the source is alive or null, and the format is for one string.
    let result = unsafe { ffi::PyErr_ResourceWarning(source, 1, c"%U".as_ptr(), message.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(Exception::fetch(py)) }
}

impl Raised {
    fn into_raw(self) -> [*mut ffi::PyObject; 3] {
        let raw = self.0;
        std::mem::forget(self);
        raw
    }
}

impl Drop for Raised {
    fn drop(&mut self) {
        for object in self.0 {
            // SAFETY: a reference of ours, or null; the thread is attached, as an `Exception` is not `Send`.
            unsafe { ffi::Py_XDECREF(object) };
        }
    }
}

/// Makes an exception and sets it. `None` where another one is set in its place.
fn make(py: Python<'_>, class: Class, arguments: Arguments) -> Option<()> {
    // SAFETY: the class is kept.
    let class = unsafe { Owned::from_borrowed(py, class(py)) };
    let arguments = match arguments {
        Arguments::Message(message) => new_tuple(py, [new_string(py, &message)?])?,
        Arguments::Offset { offset, filename } => {
            // A map has at most `isize::MAX` bytes.
            let offset = offset.map_or_else(|| Some(none(py)), |offset| new_int(py, offset as i64))?;
            new_tuple(py, [offset, filename.unwrap_or_else(|| none(py))])?
        }
        Arguments::System { number, message, filename, winerror } => {
            let number = new_int(py, number.into())?;
            let message = new_string(py, &message)?;
            match (filename, winerror) {
                (None, None) => new_tuple(py, [number, message])?,
                (Some(filename), None) => new_tuple(py, [number, message, filename])?,
                (filename, Some(winerror)) => {
                    let winerror = new_int(py, winerror.into())?;
                    new_tuple(py, [number, message, filename.unwrap_or_else(|| none(py)), winerror, none(py)])?
                }
            }
        }
    };
    // Not by PyErr_SetObject(), which leaves it to the interpreter: up to CPython 3.11 that ends the process where it has no memory for it.
    // SAFETY: attached; a class and a tuple, both alive.
    let value = unsafe { ffi::PyObject_CallObject(class.as_ptr(), arguments.as_ptr()) };
    // SAFETY: a new reference, or null.
    let value = unsafe { Owned::from_new(py, value) }?;
    // SAFETY: attached; an exception and its class, both alive.
    unsafe { ffi::PyErr_SetObject(class.as_ptr(), value.as_ptr()) };
    Some(())
}

fn new_string(py: Python<'_>, message: &str) -> Option<Owned> {
    // SAFETY: reads as many bytes as there are.
    let string = unsafe { ffi::PyUnicode_FromStringAndSize(message.as_ptr().cast(), message.len() as isize) };
    // SAFETY: a new reference, or null.
    unsafe { Owned::from_new(py, string) }
}

fn new_int(py: Python<'_>, value: i64) -> Option<Owned> {
    // SAFETY: attached, as the token says.
    let number = unsafe { ffi::PyLong_FromLongLong(value) };
    // SAFETY: a new reference, or null.
    unsafe { Owned::from_new(py, number) }
}

fn none(py: Python<'_>) -> Owned {
    py.None().into_bound(py).into()
}

fn new_tuple<const N: usize>(py: Python<'_>, items: [Owned; N]) -> Option<Owned> {
    // SAFETY: attached, as the token says.
    let tuple = unsafe { ffi::PyTuple_New(N as isize) };
    // SAFETY: a new reference, or null.
    let tuple = unsafe { Owned::from_new(py, tuple) }?;
    for (index, item) in items.into_iter().enumerate() {
        // SAFETY: the tuple is new and has a place for each; the function takes the reference over.
        unsafe { ffi::PyTuple_SetItem(tuple.as_ptr(), index as isize, item.into_ptr()) };
    }
    Some(tuple)
}

impl Arguments {
    /// Of the system's own number, from which CPython tells the C library's.
    #[cfg(windows)]
    pub(crate) fn windows(winerror: c_int, message: String) -> Self {
        Self::System { number: 0, message: message.into(), filename: None, winerror: Some(winerror) }
    }
}

impl From<&'static str> for Arguments {
    fn from(message: &'static str) -> Self {
        Self::Message(message.into())
    }
}

impl From<Option<usize>> for Arguments {
    fn from(offset: Option<usize>) -> Self {
        Self::Offset { offset, filename: None }
    }
}

impl From<String> for Arguments {
    fn from(message: String) -> Self {
        Self::Message(message.into())
    }
}

impl<W: Into<Cow<'static, str>>> From<(c_int, W)> for Arguments {
    fn from((number, message): (c_int, W)) -> Self {
        Self::System { number, message: message.into(), filename: None, winerror: None }
    }
}

impl<W: Into<Cow<'static, str>>> From<(c_int, W, Option<Bound<'_, PyAny>>)> for Arguments {
    fn from((number, message, filename): (c_int, W, Option<Bound<'_, PyAny>>)) -> Self {
        Self::System { number, message: message.into(), filename: filename.map(Owned::from), winerror: None }
    }
}

/// What a call of PyO3's has raised.
impl From<PyErr> for Exception {
    #[cold]
    #[inline(never)]
    #[expect(clippy::disallowed_methods, reason = "the way out of PyO3's errors")]
    fn from(error: PyErr) -> Self {
        // SAFETY: whoever has called Python is attached. Other threads get no `PyErr`: those without the GIL call nothing of PyO3's.
        let py = unsafe { Python::assume_attached() };
        // It was fetched, so that nothing has to be made. If it has to, there may be no memory for that.
        match catch_unwind(AssertUnwindSafe(|| error.restore(py))) {
            Ok(()) => Self::fetch(py),
            Err(_) => Self::no_memory(),
        }
    }
}

impl From<pyo3::CastError<'_, '_>> for Exception {
    fn from(error: pyo3::CastError<'_, '_>) -> Self {
        PyTypeError::new_err(error.to_string())
    }
}

impl From<pyo3::CastIntoError<'_>> for Exception {
    fn from(error: pyo3::CastIntoError<'_>) -> Self {
        PyTypeError::new_err(error.to_string())
    }
}

impl From<std::convert::Infallible> for Exception {
    fn from(never: std::convert::Infallible) -> Self {
        match never {}
    }
}

impl From<std::collections::TryReserveError> for Exception {
    fn from(_: std::collections::TryReserveError) -> Self {
        Self::no_memory()
    }
}

impl fmt::Debug for Exception {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state.as_deref() {
            None => formatter.write_str("MemoryError"),
            Some([State::New { arguments: Arguments::Message(message), .. }]) => formatter.write_str(message),
            Some(_) => formatter.write_str("an exception"),
        }
    }
}

macro_rules! builtin {
    ($($class:ident = $name:ident / $object:ident;)*) => {$(
        /// The class of that name, as what makes exceptions of it.
        pub(crate) struct $class;

        fn $name(_: Python<'_>) -> *mut ffi::PyObject {
            // SAFETY: the interpreter has set its exception classes before any of our code runs, and keeps them.
            unsafe { ffi::$object }
        }

        impl $class {
            #[cold]
            #[inline(never)]
            pub(crate) fn new_err(arguments: impl Into<Arguments>) -> Exception {
                Exception::new($name, arguments.into())
            }
        }
    )*};
}

builtin! {
    PyBufferError = buffer_error / PyExc_BufferError;
    PyIndexError = index_error / PyExc_IndexError;
    PyOSError = os_error / PyExc_OSError;
    PyOverflowError = overflow_error / PyExc_OverflowError;
    PyRuntimeError = runtime_error / PyExc_RuntimeError;
    PySystemError = system_error / PyExc_SystemError;
    PyTypeError = type_error / PyExc_TypeError;
    PyValueError = value_error / PyExc_ValueError;
}

/// Has PyO3 fetch an exception. What it needs for that it makes with the first one: if there is no memory for it then, it waits for itself.
#[allow(clippy::disallowed_methods, reason = "it is PyO3's own that is needed")]
pub(crate) fn prepare(py: Python<'_>) {
    PyOSError::new_err("").set(py);
    drop(pyo3::PyErr::take(py));
}
