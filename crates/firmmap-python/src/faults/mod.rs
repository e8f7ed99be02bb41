//! Faults as exceptions: `MapFaultError`, and how it reaches code that uses the memory of a map directly.

#[allow(unsafe_code)]
mod frames;
#[allow(unsafe_code)]
pub(crate) mod interpreter;
#[allow(unsafe_code)]
mod interrupt;
#[allow(unsafe_code)]
pub(crate) mod late;
#[allow(unsafe_code)]
pub(crate) mod pools;

use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use firmmap::fault::{UnreportedFault, take_fault_of, take_own_fault_if, taken_back, waiting_faults};
use pyo3::exceptions::PyException;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyModule, PyString, PyTuple, PyType};

use crate::args::{ArgParser, python_int};
use crate::sys::exception::{Exception, PyResult, PyTypeError};
use crate::sys::objects::{Returned, boolean, call, call_method, call_with, class_name, new_list, none};
use interpreter::{Interpreter, Kept};

type Module<'a, 'py> = &'a Bound<'py, PyModule>;
type Arguments<'a, 'py> = &'a Bound<'py, PyTuple>;
type Names<'a, 'py> = Option<&'a Bound<'py, PyDict>>;

/// Registers the interpreter, and keeps what is needed of its own modules.
pub(crate) fn register(py: Python<'_>) -> PyResult<()> {
    let here = interpreter::register(py)?;
    here.keep(Kept::UnsupportedOperation, class(py.import("io")?.getattr("UnsupportedOperation")?)?);
    let sys = py.import("sys")?;
    for (kept, name) in
        [(Kept::CurrentFrames, "_current_frames"), (Kept::GetTrace, "gettrace"), (Kept::GetProfile, "getprofile")]
    {
        here.keep(kept, sys.getattr(name)?);
    }
    Ok(())
}

/// Refuses what cannot be raised.
fn class(object: Bound<'_, PyAny>) -> PyResult<Bound<'_, PyAny>> {
    let is_exception =
        object.cast::<PyType>().is_ok_and(|class| class.is_subclass_of::<PyException>().unwrap_or(false));
    if is_exception { Ok(object) } else { Err(PyTypeError::new_err("a class of exceptions is needed")) }
}

/// `_keep_fault_classes(MapFaultError, _LateFault)` returns the classes that the interpreter has: those of the first import, so that
/// a fault is caught by whichever name of the class a program has.
pub(crate) fn keep_classes<'py>(
    module: Module<'_, 'py>,
    args: Arguments<'_, 'py>,
    names: Names<'_, 'py>,
) -> Returned<'py> {
    let py = module.py();
    let mut args = ArgParser::new(args, names, 2, 2)?;
    let given = (class(args.required("error")?)?, class(args.required("late")?)?);
    args.finish()?;
    let here = interpreter::register(py)?;
    late::add_methods(given.1.cast()?)?;
    here.keep(Kept::FaultError, given.0.clone());
    here.keep(Kept::LateFault, given.1.clone());
    let kept = |which, given| here.get(py, which).unwrap_or(given);
    Ok((kept(Kept::FaultError, given.0), kept(Kept::LateFault, given.1)).into_pyobject(py)?.into_any())
}

/// `_connect_faults(make_error, main)` connects the library's faults to the interpreter, and returns whether that is done for
/// the first time. `_faults.py` calls it, once everything that is used later exists: faults may be delivered while another exception is being raised, or
/// while the interpreter shuts down.
pub(crate) fn connect<'py>(module: Module<'_, 'py>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let py = module.py();
    let mut args = ArgParser::new(args, names, 2, 2)?;
    let make_error = args.required("make_error")?;
    let main = args.required("main")?.extract()?;
    args.finish()?;
    let here = interpreter::register(py)?;
    let is_first = here.get(py, Kept::MakeError).is_none();
    here.keep(Kept::MakeError, make_error);
    interrupt::connect(py, here, main);
    Ok(boolean(py, is_first))
}

/// `_faults_after_fork()`: this is a child process, and the calling thread its main thread.
pub(crate) fn after_fork(py: Python<'_>) -> Returned<'_> {
    interrupt::after_fork(py);
    Ok(none(py))
}

/// `_tell_faults()` raises the exception for what this thread has met and was not told of.
pub(crate) fn tell(py: Python<'_>) -> Returned<'_> {
    let own = own_faults();
    if own.is_empty() {
        return Ok(none(py));
    }
    let Some(here) = interpreter::current(py) else {
        return Err(interpreter::MapFaultError::new_err("the package is not imported"));
    };
    let error = make_error(py, here, &own, &[])?;
    interrupt::withdraw(is_own_waiting);
    error.map_or_else(|| Ok(none(py)), |error| Err(Exception::made(error)))
}

/// The exception for faults of this thread, which stay with their maps until it is made, and for others; `None` if all were reported in
/// the meantime. Python code makes it, which can end in another exception: that of a signal handler, or of the recursion limit. That one is
/// returned then, and the faults are told next.
fn make_error<'py>(
    py: Python<'py>,
    here: &Interpreter,
    own: &[UnreportedFault],
    others: &[usize],
) -> PyResult<Option<Bound<'py, PyAny>>> {
    let make = here.get(py, Kept::MakeError);
    let make = make.ok_or_else(|| interpreter::MapFaultError::new_err("the package is not imported"))?;
    let offsets = own.iter().map(|fault| fault.offset).chain(others.iter().copied());
    let made = list(py, offsets).and_then(|list| call(&make, [list]));
    match &made {
        Err(failed) if !failed.is_memory_error() => interrupt::request_again(here),
        // Where there is no memory, that is what the program is told: there would be none for the next attempt.
        _ => {
            let is_any_told = forget_told(own.iter().map(UnreportedFault::number));
            if !is_any_told && others.is_empty() && !is_own_waiting() {
                return made.map(|_| None);
            }
        }
    }
    made.map(Some)
}

/// Takes the faults of this thread that it is told of, by their numbers, and returns whether there was any. One that it has met meanwhile, in
/// a signal handler, stays.
fn forget_told(numbers: impl Iterator<Item = (usize, usize)> + Clone) -> bool {
    let mut is_any = false;
    while take_own_fault_if(|fault| numbers.clone().any(|number| number == fault.number())).is_some() {
        is_any = true;
    }
    is_any
}

/// `_call_renewing(function, name, args, kwargs)`: calls what installs handlers of signals, and makes the guard the first one again before any other
/// thread runs Python code. `name` is that of the function.
pub(crate) fn call_renewing<'py>(_: Module<'_, 'py>, args: Arguments<'_, 'py>, names: Names<'_, 'py>) -> Returned<'py> {
    let mut args = ArgParser::new(args, names, 4, 4)?;
    let (function, name) = (args.required("function")?, args.required("name")?);
    let (positional, named) = (args.required("args")?, args.required("kwargs")?);
    args.finish()?;
    let is = |other: &str| name.cast::<PyString>().is_ok_and(|name| name.to_str().is_ok_and(|name| name == other));
    let (enables, disables) = (is("enable"), is("disable"));
    let before = firmmap::fault::fault_handler();
    let result = call_with(&function, positional.cast_into()?, named.cast_into()?);
    let now = firmmap::fault::fault_handler();
    if enables && now != before {
        FAULTHANDLER.store(now, Ordering::Relaxed);
    } else if disables {
        // It has reinstalled the handler before its own, which may have been the guard. To the guard, its own was the previous one.
        firmmap::fault::forget_fault_handler(FAULTHANDLER.load(Ordering::Relaxed));
    }
    firmmap::fault::renew_fault_guard();
    result
}

/// The handler of the module `faulthandler`, once that has installed it.
static FAULTHANDLER: AtomicUsize = AtomicUsize::new(0);

/// The errno of a fault.
const EIO: isize = 5;

/// The message of a `MapFaultError`, with a place for where the byte is; and the note of one about a further fault, with a place for the offset.
const MESSAGE: &str = "the mapped byte{} is not there: its file was truncated, or its disk failed or is full";
const NOTE: &str = "The mapped byte at {}, perhaps of another map, was not there either.";

/// The words for `_faults.py`.
pub(crate) fn add_words(module: &Bound<'_, PyModule>) -> PyResult<()> {
    Ok(module.setattr("_FAULT_MESSAGE", MESSAGE).and_then(|()| module.setattr("_FAULT_NOTE", NOTE))?)
}

/// A list of numbers. PyO3's functions panic, or wait for themselves, where there is no memory.
fn list<'py>(py: Python<'py>, numbers: impl Iterator<Item = usize>) -> Returned<'py> {
    let list = new_list(py)?;
    for number in numbers {
        call_method(&list, c"append", [python_int(py, number as isize)?])?;
    }
    Ok(list.into_any())
}

/// What this thread is to be told of.
fn own_faults() -> Vec<UnreportedFault> {
    let mut faults = waiting_faults();
    faults.retain(UnreportedFault::is_own);
    faults
}

/// An operation has reported a fault to this thread: no second exception is needed for it.
pub(crate) fn reported() {
    let _ = taken_back();
    interrupt::withdraw(is_own_waiting);
}

/// Work on a map is over: a fault that it has met and does not report, as a search does whose match lies before the missing byte, is
/// no exception later.
#[inline(always)]
pub(crate) fn after_work(py: Python<'_>) {
    if interrupt::may_be_requested() {
        interrupt::withdraw_if_taken_back(py, is_own_waiting);
    }
}

/// Whether this thread is still to be told of a fault.
fn is_own_waiting() -> bool {
    waiting_faults().iter().any(UnreportedFault::is_own)
}

/// Whether [`after_release`] may have something to do.
#[inline(always)]
pub(crate) fn is_any_deferred() -> bool {
    interrupt::has_deferred()
}

/// A view was released: if this thread has faulted in it while it was detached, an exception is requested now.
#[inline]
pub(crate) fn after_release(py: Python<'_>) {
    if is_any_deferred() {
        interrupt::request_if_deferred(py, is_own_waiting);
    }
}

/// Raises exceptions for unreported faults, in the faulting threads, and returns the one for this thread. Runs in the main thread.
fn deliver(py: Python<'_>) -> PyResult<Option<Bound<'_, PyAny>>> {
    // Without the Python half of the package there are no exceptions to raise, and at the end of the interpreter no thread to raise them in:
    // the faults stay with their maps.
    let Some(interpreter) = interpreter::current(py) else { return Ok(None) };
    if interpreter.get(py, Kept::MakeError).is_none() {
        return Ok(None);
    }
    // Where there are others, only what it was called for: their threads can be in an operation that is about to report its fault.
    let called = interrupt::take_called();
    let are_others = interrupt::has_several();
    let mut others = interpreter.untold.with(py, std::mem::take);
    for fault in waiting_faults() {
        // In the child of fork(2), a thread of the parent, which is told there. Here it stays with its map.
        if fault.is_own() || fault.is_of_parent() {
            continue;
        }
        let lives = fault.thread_lives();
        // To a thread that runs another interpreter it is reported there; and one may just be making its exception.
        let key = fault.thread_key();
        if lives && (interrupt::is_elsewhere(interpreter, key) || interrupt::is_deferred(interpreter, key)) {
            continue;
        }
        if are_others && lives && !called.contains(&key) {
            continue;
        }
        // Nor can be told then what a thread is doing: `sys._current_frames()` makes frame objects for those of other interpreters too, out
        // of memory that is not theirs.
        let reachable = lives && !are_others && !frames::has_moved_on(py, interpreter, fault.thread).unwrap_or(true);
        // An operation without the GIL, or a thread that has run meanwhile, may have reported it in the meantime.
        if !waiting_faults().iter().any(|other| other.is_of_same_thread(&fault)) {
            continue;
        }
        // The fault stays with its map until it has been reported to the thread.
        if reachable && interrupt::raise_in_thread(interpreter, fault.thread, key) {
            continue;
        }
        // If there is no memory for it, it stays as well.
        if others.try_reserve(1).is_ok() {
            others.extend(take_fault_of(&fault).filter(|fault| !fault.reported).map(|fault| fault.offset));
        }
    }
    let own = own_faults();
    if own.is_empty() && others.is_empty() {
        return Ok(None);
    }
    make_error(py, interpreter, &own, &others).inspect_err(|_| {
        interpreter.untold.with(py, |untold| *untold = others);
    })
}

pub(crate) const FAULT_GUARD: &CStr = c"fault_guard()
--

Return whether the guard against faults is on.";

pub(crate) const SET_FAULT_GUARD: &CStr = c"set_fault_guard(on)
--

Switch the guard against faults on or off for the process.

It is on unless the environment has FIRMMAP_FAULT_GUARD=0. Without it, touching
the missing bytes of a truncated file ends the process. Maps that are created
while it is off stay unguarded.";

pub(crate) const RENEW_FAULT_GUARD: &CStr = c"renew_fault_guard()
--

Make the guard the first handler of its signal (SIGBUS) again.

faulthandler.enable(), faulthandler.disable() and signal.signal() do this by themselves once the package
is imported, new maps every few milliseconds.";

/// `firmmap.set_fault_guard()`.
pub(crate) fn set_fault_guard<'py>(
    module: Module<'_, 'py>,
    args: Arguments<'_, 'py>,
    names: Names<'_, 'py>,
) -> Returned<'py> {
    let mut args = ArgParser::new(args, names, 1, 1)?;
    let on = args.required("on")?;
    args.finish()?;
    let Ok(on) = on.cast::<PyBool>() else {
        return Err(PyTypeError::new_err(format!("on must be a bool, not {}", class_name(on.as_borrowed()))));
    };
    firmmap::fault::set_fault_guard(on.is_true());
    Ok(none(module.py()))
}

/// `firmmap.fault_guard()`.
pub(crate) fn fault_guard(py: Python<'_>) -> Returned<'_> {
    Ok(boolean(py, firmmap::fault::fault_guard()))
}

/// `firmmap.renew_fault_guard()`.
pub(crate) fn renew_fault_guard(py: Python<'_>) -> Returned<'_> {
    firmmap::fault::renew_fault_guard();
    Ok(none(py))
}
