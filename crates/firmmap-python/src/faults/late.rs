//! `_LateFault`: the class that CPython is asked to raise in a thread, and of which it makes the exception then.

use firmmap::fault::UnreportedFault;
use pyo3::exceptions::PyOSError;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyType};

use super::frames::{self, Place};
use super::interpreter::{self, Interpreter, Kept};
use super::interrupt::{self, Untraced};
use super::{Arguments, EIO, MESSAGE, Module, NOTE, Names, forget_told, is_own_waiting, list, make_error, own_faults};
use crate::args::{ArgParser, python_int};
use crate::sys::exception::{Exception, PyResult};
use crate::sys::module::{native_method, set_method};
use crate::sys::objects::{Returned, attribute, call, call_method, new_list, new_string, none, set_attribute};

/// `_LateFault.__new__`: the exception for the faults of this thread, which CPython makes of the class where one was requested. They stay with
/// their maps until [`made`] is called for it: without memory for it, or at the recursion limit, the thread is told when it releases a view,
/// or by its next operation on the map.
///
/// No Python code runs: it could be traced by a function that meets a fault itself, which would be told of in the same way, and so on; a signal
/// handler could raise in it, and other threads could run. But where nobody would get the exception, the program shows it.
pub(crate) fn make<'py>(module: Module<'_, 'py>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = module.py();
    let mut args = ArgParser::new(args, names, 1, 1)?;
    let class = args.required("cls")?;
    args.finish()?;
    let place = frames::place_of_requested(py);
    let is_dropped = matches!(place, Place::Entered | Place::Cleared | Place::Afterwards | Place::Dropped)
        || frames::has_handed_over(py);
    make_of(class, is_dropped)
}

/// The exception for the faults of this thread, which is raised nowhere: whoever takes it is told.
pub(super) fn taken<'py>(here: &Interpreter, class: Bound<'py, PyAny>) -> Returned<'py> {
    interrupt::take_over(here);
    let error = make_of(class, false)?;
    made(&error)?;
    set_attribute(&error, c"_untold", new_list(error.py())?.into_any())?;
    Ok(error)
}

fn make_of(class: Bound<'_, PyAny>, is_dropped: bool) -> Returned<'_> {
    let py = class.py();
    let own = own_faults();
    interrupt::begin_claim(py, !own.is_empty());
    interrupt::count_made(py);
    let shown_by = interpreter::current(py).filter(|_| is_dropped && !own.is_empty());
    if let Some(here) = shown_by {
        let _untraced = Untraced::new(py);
        if let Some(error) = make_error(py, here, &own, &[])? {
            Exception::made(error).write_unraisable(py);
        }
    }
    let offsets = |from: usize| own.iter().skip(from).map(|fault| fault.offset);
    let first = offsets(0).next();
    let place = first.map_or_else(String::new, |offset| format!(" at {offset}"));
    let message = new_string(py, &MESSAGE.replace("{}", &place))?;
    let new = attribute(py.get_type::<PyOSError>().as_any(), c"__new__")?;
    let error = call(&new, [class, python_int(py, EIO)?, message])?;
    set_attribute(&error, c"offset", first.map_or_else(|| Ok(none(py)), |offset| python_int(py, offset as isize))?)?;
    for offset in offsets(1) {
        call_method(&error, c"add_note", [new_string(py, &NOTE.replace("{}", &offset.to_string()))?])?;
    }
    set_attribute(&error, c"_untold", list(py, offsets(if is_dropped { own.len() } else { 0 }))?)?;
    let numbers = own.iter().map(UnreportedFault::number).flat_map(|(record, latest)| [record, latest]);
    set_attribute(&error, c"_numbers", list(py, numbers)?)?;
    Ok(error)
}

/// `_LateFault.__init__`: the exception is made, and raised.
fn made<'py>(error: &Bound<'py, PyAny>) -> Returned<'py> {
    let py = error.py();
    // A list, or somebody has put something else there.
    let numbers = attribute(error, c"_numbers")?.cast_into_exact::<PyList>()?;
    let numbers = numbers.iter().map(|number| number.extract()).collect::<Result<Vec<usize>, _>>()?;
    set_attribute(error, c"_numbers", new_list(py)?.into_any())?;
    forget_told(numbers.chunks_exact(2).map(|pair| (pair[0], pair[1])));
    interrupt::end_claim(py, is_own_waiting);
    Ok(none(py))
}

/// `_LateFault.__del__` shows the faults of an exception that no code of Python's has seen. Up to CPython 3.11 it can be C code that makes it of
/// the class, and then clears it; from 3.15 on it is also raised where C code asks for signals.
fn finalized<'py>(error: &Bound<'py, PyAny>) -> Returned<'py> {
    let py = error.py();
    interrupt::finalized(py);
    // SAFETY: attached, as the object says, which is an exception: the descriptor has checked its class.
    let traceback = unsafe { ffi::PyException_GetTraceback(error.as_ptr()) };
    // SAFETY: a new reference, or null.
    let traceback = unsafe { Bound::from_owned_ptr_or_opt(py, traceback) };
    let is_some = |name| attribute(error, name).and_then(|list| Ok(list.is_truthy()?)).unwrap_or(false);
    // One that was not made is told in another way.
    if traceback.is_none() && is_some(c"_untold") && !is_some(c"_numbers") {
        let _untraced = Untraced::new(py);
        if let Some(make) = interpreter::current(py).and_then(|here| here.get(py, Kept::MakeError)) {
            let shown = attribute(error, c"_untold").and_then(|offsets| call(&make, [offsets]));
            shown.map_or_else(|failed| failed, Exception::made).write_unraisable(py);
        }
    }
    Ok(none(py))
}

/// What the class has beside `__new__`.
pub(super) fn add_methods(class: &Bound<'_, PyType>) -> PyResult<()> {
    set_method(class, native_method!(c"__init__", made))?;
    set_method(class, native_method!(c"__del__", finalized))
}
