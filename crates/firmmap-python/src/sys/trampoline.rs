//! Trampolines: what CPython calls. Arguments in, a result or an exception out, never a panic.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::exception::{Exception, PyResult, PySystemError, PyTypeError};
use super::hang;
use super::objects::shortened;
use super::spelling::closest;
use pyo3::prelude::*;
use pyo3::types::PyString;
use pyo3::{Borrowed, ffi};

/// Runs `body` for CPython: its error becomes the current exception, its panic a `SystemError`, and the result `failed`. If the thread is
/// ended in Python code that `body` runs, it hangs.
///
/// # Safety
///
/// - The thread is attached to the interpreter, as it is in every function that CPython calls.
#[inline]
pub(crate) unsafe fn enter<'py, T>(failed: T, body: impl FnOnce(Python<'py>) -> PyResult<T>) -> T {
    let is_held = hang::hold();
    // SAFETY: the caller's promise.
    let result = unsafe { enter_held(failed, body) };
    hang::release(is_held);
    result
}

/// As [`enter`], for a caller that makes the thread hang by itself where it is ended in `body`.
///
/// # Safety
///
/// - As for [`enter`].
#[inline]
pub(crate) unsafe fn enter_held<'py, T>(failed: T, body: impl FnOnce(Python<'py>) -> PyResult<T>) -> T {
    // SAFETY: the caller's promise.
    let py = unsafe { Python::assume_attached() };
    match catch_unwind(AssertUnwindSafe(|| body(py))) {
        Ok(Ok(value)) => value,
        Ok(Err(error)) => {
            raise(py, error);
            failed
        }
        Err(panic) => {
            raise_panic(py, &*panic);
            failed
        }
    }
}

/// The one place where an exception of ours becomes CPython's. What the call has locked and held is released by now, so that Python code can
/// run. Out of line, so that calls that succeed set up nothing for it.
#[cold]
#[inline(never)]
pub(crate) fn raise(py: Python<'_>, exception: Exception) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| exception.set(py))) {
        raise_panic(py, &*panic);
    }
}

#[cold]
#[inline(never)]
fn raise_panic(py: Python<'_>, panic: &(dyn Any + Send)) {
    let message = panic.downcast_ref::<String>().map(String::as_str);
    let message = message.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("unknown");
    let exception = match message {
        // PyO3 panics so where CPython has no memory for a small object.
        "PyObject pointer is null" => Exception::no_memory(),
        _ => PySystemError::new_err(format!("error inside firmmap: {message}")),
    };
    // If this panics as well, the exception that was set before stays.
    let _ = catch_unwind(AssertUnwindSafe(|| exception.set(py)));
}

/// An object that CPython has passed. `Borrowed::from_ptr` would panic on null, and what can panic costs a fast path its shape.
///
/// # Safety
///
/// - `object` is alive for `'a`, and so not null.
#[inline(always)]
pub(crate) unsafe fn borrowed<'a, 'py>(py: Python<'py>, object: *mut ffi::PyObject) -> Borrowed<'a, 'py, PyAny> {
    // SAFETY: the caller's promise.
    unsafe { std::hint::assert_unchecked(!object.is_null()) };
    // SAFETY: the caller's promise.
    unsafe { Borrowed::from_ptr(py, object) }
}

/// The arguments of a call.
#[derive(Clone, Copy)]
pub(crate) struct Args<'py> {
    py: Python<'py>,
    values: &'py [*mut ffi::PyObject],
    /// The names of the last of `values`: a tuple, or null.
    names: *mut ffi::PyObject,
}

impl<'py> Args<'py> {
    /// # Safety
    ///
    /// - `values` points to `positional` objects and those that `names` names, all alive for `'py`.
    #[inline]
    pub(crate) unsafe fn new(
        py: Python<'py>,
        values: *mut *mut ffi::PyObject,
        positional: isize,
        names: *mut ffi::PyObject,
    ) -> Self {
        let mut len = positional as usize;
        if !names.is_null() {
            // SAFETY: the names are a tuple.
            len += unsafe { ffi::PyTuple_Size(names) } as usize;
        }
        let values = if len == 0 {
            &[]
        } else {
            // SAFETY: the caller's promise.
            unsafe { std::slice::from_raw_parts(values, len) }
        };
        Self { py, values, names }
    }

    fn named_count(&self) -> usize {
        // SAFETY: the names are a tuple where there are any.
        if self.names.is_null() { 0 } else { unsafe { ffi::PyTuple_Size(self.names) as usize } }
    }

    /// How many arguments were given by position.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.values.len() - self.named_count()
    }

    /// The argument of a call with one.
    #[inline(always)]
    pub(crate) fn only(&self) -> Option<Borrowed<'py, 'py, PyAny>> {
        if self.len() == 1 { self.get(0) } else { None }
    }

    /// The argument at a position.
    #[inline]
    pub(crate) fn get(&self, index: usize) -> Option<Borrowed<'py, 'py, PyAny>> {
        // SAFETY: `new` was promised live objects.
        (index < self.len()).then(|| unsafe { borrowed(self.py, self.values[index]) })
    }

    /// The argument that was given by a name.
    pub(crate) fn named(&self, name: &str) -> Option<Borrowed<'py, 'py, PyAny>> {
        self.by_name().find_map(|(given, value)| (given == name).then_some(value))
    }

    /// The arguments that were given by name.
    pub(crate) fn by_name(&self) -> impl Iterator<Item = (Bound<'py, PyString>, Borrowed<'py, 'py, PyAny>)> + '_ {
        let positional = self.len();
        (0..self.named_count()).map(move |index| {
            // SAFETY: the names are a tuple with that many items.
            let name = unsafe { ffi::PyTuple_GetItem(self.names, index as isize) };
            // SAFETY: the tuple keeps its items alive.
            let name = unsafe { Borrowed::from_ptr(self.py, name) };
            // SAFETY: names are strings.
            let name = unsafe { name.cast_unchecked::<PyString>() };
            // SAFETY: `new` was promised live objects.
            (name.to_owned(), unsafe { Borrowed::from_ptr(self.py, self.values[positional + index]) })
        })
    }

    /// Refuses a wrong number of arguments, with the standard library's message.
    #[inline]
    pub(crate) fn check(&self, function: &str, min: usize, max: usize) -> PyResult<()> {
        let given = self.len();
        if (min..=max).contains(&given) { Ok(()) } else { Err(wrong_count(function, min, max, given)) }
    }

    /// Refuses more than `positional` arguments without a name, and names other than `known`, with the standard library's messages.
    #[inline]
    pub(crate) fn check_named(&self, function: &str, positional: usize, known: &[&str]) -> PyResult<()> {
        if self.len() <= positional && self.names.is_null() {
            Ok(())
        } else {
            self.check_names(function, positional, known)
        }
    }

    #[cold]
    fn check_names(&self, function: &str, positional: usize, known: &[&str]) -> PyResult<()> {
        let (most, given) = (positional + known.len(), self.values.len());
        if given > most {
            let plural = plural(most);
            let message = format!("{function}() takes at most {most} argument{plural} ({given} given)");
            return Err(PyTypeError::new_err(message));
        }
        if self.len() > positional {
            let (plural, given) = (plural(positional), self.len());
            let message =
                format!("{function}() takes at most {positional} positional argument{plural} ({given} given)");
            return Err(PyTypeError::new_err(message));
        }
        for (name, _) in self.by_name() {
            if !known.iter().any(|known| name == *known) {
                return Err(unexpected_name(&format!("{function}()"), name.as_borrowed(), known));
            }
        }
        Ok(())
    }
}

#[cold]
fn wrong_count(function: &str, min: usize, max: usize, given: usize) -> Exception {
    let (bound, limit) = match given {
        _ if min == max => ("", min),
        _ if given < min => ("at least ", min),
        _ => ("at most ", max),
    };
    let plural = plural(limit);
    PyTypeError::new_err(format!("{function} expected {bound}{limit} argument{plural}, got {given}"))
}

/// The exception for an argument by a name that `function` ("this function") does not have.
#[cold]
pub(crate) fn unexpected_name(function: &str, name: Borrowed<'_, '_, PyString>, known: &[&str]) -> Exception {
    let name = shortened(name);
    let hint = closest(&name, known).map_or_else(String::new, |known| format!(". Did you mean '{known}'?"));
    PyTypeError::new_err(format!("{function} got an unexpected keyword argument '{name}'{hint}"))
}

fn plural(count: usize) -> &'static str {
    if count == 1 { "" } else { "s" }
}
