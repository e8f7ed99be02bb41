//! Pools, of `concurrent.futures` and `multiprocessing`: a fault is the task's, whose result is just being handed over.
//!
//! From CPython 3.12 on a task that ends with an access (`return view[i]`) has returned before anything looks for the exception: it would be raised
//! in the first function of Python's that the pool then calls. That is the one that hands over the result, and the exception would end the
//! worker, or be dropped. So these functions are replaced by native ones, at whose beginning nothing is raised; they ask, and hand over the
//! exception.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::interpreter::{self, Kept};
use super::{Arguments, Module, Names, frames, is_own_waiting, late};
use crate::args::ArgParser;
use crate::sys::exception::PyResult;
use crate::sys::module::{native_method, new_function, set_method};
use crate::sys::objects::{Returned, attribute, boolean, call, call_method, call_with, new_tuple, none};

/// `_ask_before_results(Future)`: replaces two methods of `concurrent.futures.Future`, whose originals it has by other names.
pub(crate) fn ask_before_results<'py>(
    module: Module<'_, 'py>,
    args: Arguments<'_, 'py>,
    names: Names<'_, 'py>,
) -> Returned<'py> {
    let class = only(args, names, "future")?.cast_into::<PyType>()?;
    set_method(&class, native_method!(c"set_result", set_result, c"set_result($self, result)\n--\n\n"))?;
    set_method(&class, native_method!(c"set_exception", set_exception, c"set_exception($self, exception)\n--\n\n"))?;
    Ok(none(module.py()))
}

/// `_asking_sender(module)`: what takes the place of `_sendback_result` in `concurrent.futures.process`, which has the original by another name.
pub(crate) fn asking_sender<'py>(_: Module<'_, 'py>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    new_function(&only(args, names, "module")?, native_method!(c"_sendback_result", send_back, c""))
}

/// `_pool_finder(find)`: a `find_spec` that asks the function for pools, and finds no other module. All imports of the program call it.
pub(crate) fn pool_finder<'py>(_: Module<'_, 'py>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    new_function(&only(args, names, "find")?, native_method!(c"find_spec", find_spec, c""))
}

fn find_spec<'py>(find: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = find.py();
    let mut args = ArgParser::new(args, names, 3, 3)?;
    let (name, path, target) = (args.required("fullname")?, args.next("path")?, args.next("target")?);
    args.finish()?;
    let is_pool = matches!(
        name.cast::<PyString>().ok().and_then(|name| name.to_str().ok()),
        Some("concurrent.futures.process" | "concurrent.futures.thread" | "multiprocessing.pool")
    );
    let given = |object: Option<_>| object.unwrap_or_else(|| none(py));
    if is_pool { call(find, [name, given(path), given(target)]) } else { Ok(none(py)) }
}

/// `_asking_put(queue)`: its method `put` for a worker of `multiprocessing.pool`.
pub(crate) fn asking_put<'py>(_: Module<'_, 'py>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    new_function(&only(args, names, "queue")?, native_method!(c"put", put, c""))
}

/// The only argument.
fn only<'py>(args: Arguments<'_, 'py>, names: Names<'_, 'py>, name: &'static str) -> Returned<'py> {
    let mut args = ArgParser::new(args, names, 1, 1)?;
    let argument = args.required(name)?;
    args.finish()?;
    Ok(argument)
}

fn set_result<'py>(future: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let result = only(args, names, "result")?;
    set(future, |error| match error {
        None => call_method(future, c"_firmmap_set_result", [result]),
        Some(error) => call_method(future, c"_firmmap_set_exception", [error]),
    })
}

fn set_exception<'py>(future: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let exception = only(args, names, "exception")?;
    set(future, |error| {
        let exception = match error {
            None => exception,
            Some(error) => with_context(error, exception),
        };
        call_method(future, c"_firmmap_set_exception", [exception])
    })
}

/// Calls the function with the exception for a fault of the task. Others who set a result are told themselves.
fn set<'py>(
    future: &Bound<'py, PyAny>,
    original: impl FnOnce(Option<Bound<'py, PyAny>>) -> Returned<'py>,
) -> Returned<'py> {
    let py = future.py();
    let is_asked = is_own_waiting() && frames::is_pool_of_threads(py);
    original(if is_asked { own_error(py)? } else { None })
}

fn send_back<'py>(module: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = module.py();
    let original = attribute(module, c"_firmmap_sendback_result")?;
    let names = names.map_or_else(|| PyDict::new(py), Bound::clone);
    if let Some(error) = own_error(py)? {
        let error = match names.get_item("exception")? {
            Some(exception) => with_context(error, exception),
            None => error,
        };
        names.set_item("result", py.None())?;
        names.set_item("exception", error)?;
    }
    call_with(&original, args.clone(), names)
}

/// What is put there is `(job, index, (True, result))`, or `(False, exception)`.
fn put<'py>(queue: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = queue.py();
    let item = only(args, names, "obj")?;
    let (Some(error), Ok(task)) = (own_error(py)?, item.cast::<PyTuple>()) else {
        return call_method(queue, c"put", [item]);
    };
    let (job, index, result) = (task.get_item(0)?, task.get_item(1)?, task.get_item(2)?);
    let error = with_context(error, result.cast_into::<PyTuple>()?.get_item(1)?);
    let result = new_tuple(py, [boolean(py, false), error])?.into_any();
    call_method(queue, c"put", [new_tuple(py, [job, index, result])?.into_any()])
}

/// The exception for what this thread has met and was not told of. No Python code makes it: that would get the one that was requested.
fn own_error(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    let here = interpreter::current(py).filter(|_| is_own_waiting());
    let class = here.and_then(|here| Some((here, here.get(py, Kept::LateFault)?)));
    class.map(|(here, class)| late::taken(here, class)).transpose()
}

/// The exception of the task, if that has ended with one, is shown as what came before.
fn with_context<'py>(error: Bound<'py, PyAny>, before: Bound<'py, PyAny>) -> Bound<'py, PyAny> {
    // SAFETY: alive, as the reference to it is.
    if unsafe { ffi::PyExceptionInstance_Check(before.as_ptr()) } != 0 {
        // SAFETY: both are exceptions; the function takes the reference to the second over.
        unsafe { ffi::PyException_SetContext(error.as_ptr(), before.into_ptr()) };
    }
    error
}
