//! Pools, of `concurrent.futures` and `multiprocessing`: a fault is the task's, whose result is just being handed over.
//!
//! From CPython 3.12 on a task that ends with an access (`return view[i]`) has returned before anything looks for the exception: it would be raised
//! in the first function of Python's that the pool then calls. That is the one that hands over the result, and the exception would end the
//! worker, or be dropped. So these functions are replaced by native ones, at whose beginning nothing is raised; they ask, and hand over the
//! exception.

use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple, PyType};

use super::interpreter::{self, Interpreter, Kept};
use super::{Arguments, Module, Names, frames, is_own_waiting, late};
use crate::args::ArgParser;
use crate::sys::exception::{PyResult, PyRuntimeError};
use crate::sys::module::{native_method, new_function, set_method};
use crate::sys::objects::{Returned, attribute, boolean, call, call_method, call_with, new_tuple, none, set_attribute};

/// `_ask_before_results(Future)`: replaces the methods of `concurrent.futures.Future`, once for each interpreter.
pub(crate) fn ask_before_results<'py>(
    module: Module<'_, 'py>,
    args: Arguments<'_, 'py>,
    names: Names<'_, 'py>,
) -> Returned<'py> {
    let py = module.py();
    let class = only(args, names, "future")?.cast_into::<PyType>()?;
    let here = interpreter::register(py)?;
    if here.get(py, Kept::SetResult).is_none() {
        here.keep(Kept::SetResult, attribute(&class, c"set_result")?);
        here.keep(Kept::SetException, attribute(&class, c"set_exception")?);
        set_method(&class, native_method!(c"set_result", set_result, c"set_result($self, result)\n--\n\n"))?;
        set_method(
            &class,
            native_method!(c"set_exception", set_exception, c"set_exception($self, exception)\n--\n\n"),
        )?;
    }
    Ok(none(py))
}

/// `_ask_before_sending(module)`: replaces the function of `concurrent.futures.process`, once for each interpreter.
pub(crate) fn ask_before_sending<'py>(
    module: Module<'_, 'py>,
    args: Arguments<'_, 'py>,
    names: Names<'_, 'py>,
) -> Returned<'py> {
    let py = module.py();
    let process = only(args, names, "module")?;
    let here = interpreter::register(py)?;
    if here.get(py, Kept::SendBack).is_none() {
        here.keep(Kept::SendBack, attribute(&process, c"_sendback_result")?);
        let function = new_function(&process, native_method!(c"_sendback_result", send_back, c""))?;
        set_attribute(&process, c"_sendback_result", function)?;
    }
    Ok(none(py))
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
    set(future, args, names, "result", Kept::SetResult)
}

fn set_exception<'py>(future: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    set(future, args, names, "exception", Kept::SetException)
}

fn set<'py>(
    future: &Bound<'py, PyAny>,
    args: Arguments<'_, 'py>,
    names: Names<'_, 'py>,
    name: &'static str,
    which: Kept,
) -> Returned<'py> {
    let py = future.py();
    let given = only(args, names, name)?;
    let (here, original) = original(py, which)?;
    // Others who set a result are told themselves.
    let is_asked = is_own_waiting() && frames::is_pool_of_threads(py);
    let error = if is_asked { own_error(py, here)? } else { None };
    let Some(error) = error else { return call(&original, [future.clone(), given]) };
    if matches!(which, Kept::SetException) {
        set_context(&error, given);
    }
    call(&self::original(py, Kept::SetException)?.1, [future.clone(), error])
}

fn send_back<'py>(module: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = module.py();
    let (here, original) = original(py, Kept::SendBack)?;
    let names = names.map_or_else(|| PyDict::new(py), Bound::clone);
    if let Some(error) = own_error(py, here)? {
        if let Some(exception) = names.get_item("exception")? {
            set_context(&error, exception);
        }
        names.set_item("result", py.None())?;
        names.set_item("exception", error)?;
    }
    call_with(&original, args.clone(), names)
}

/// What is put there is `(job, index, (True, result))`, or `(False, exception)`.
fn put<'py>(queue: &Bound<'py, PyAny>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = queue.py();
    let item = only(args, names, "obj")?;
    let error = interpreter::current(py).map_or(Ok(None), |here| own_error(py, here))?;
    let (Some(error), Ok(task)) = (error, item.cast::<PyTuple>()) else { return call_method(queue, c"put", [item]) };
    let (job, index, result) = (task.get_item(0)?, task.get_item(1)?, task.get_item(2)?);
    set_context(&error, result.cast_into::<PyTuple>()?.get_item(1)?);
    let result = new_tuple(py, [boolean(py, false), error])?.into_any();
    call_method(queue, c"put", [new_tuple(py, [job, index, result])?.into_any()])
}

/// The function in whose place one of these is.
fn original<'py>(py: Python<'py>, which: Kept) -> PyResult<(&'static Interpreter, Bound<'py, PyAny>)> {
    let found = interpreter::current(py).and_then(|here| Some((here, here.get(py, which)?)));
    found.ok_or_else(|| PyRuntimeError::new_err("a result cannot be set while the interpreter is being torn down"))
}

/// The exception for what this thread has met and was not told of. No Python code makes it: that would get the one that was requested.
fn own_error<'py>(py: Python<'py>, here: &Interpreter) -> PyResult<Option<Bound<'py, PyAny>>> {
    let class = here.get(py, Kept::LateFault).filter(|_| is_own_waiting());
    class.map(|class| late::taken(here, class)).transpose()
}

/// The exception of the task, if that has ended with one, is shown as what came before.
fn set_context<'py>(error: &Bound<'py, PyAny>, before: Bound<'py, PyAny>) {
    // SAFETY: alive, as the reference to it is.
    if unsafe { ffi::PyExceptionInstance_Check(before.as_ptr()) } != 0 {
        // SAFETY: both are exceptions; the function takes the reference to the second over.
        unsafe { ffi::PyException_SetContext(error.as_ptr(), before.into_ptr()) };
    }
}
