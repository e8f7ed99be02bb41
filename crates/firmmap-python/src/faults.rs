//! Faults as exceptions: `MapFaultError`, and how it reaches code that uses the memory of a map directly.

use firmmap::{take_fault_of, waiting_faults};
use pyo3::PyTypeInfo;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyType};

use crate::sys::interrupt;

pyo3::import_exception!(firmmap._faults, MapFaultError);

/// `_faults.py`'s function that makes an exception for several faults.
static MAKE_ERROR: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// Names of modules in which threads wait for work, and hand over what they have done.
static MACHINERY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
/// `sys._current_frames`.
static CURRENT_FRAMES: PyOnceLock<Py<PyAny>> = PyOnceLock::new();

/// Connects the library's faults to the interpreter. `_faults.py` calls it, once all that is used later is there: later
/// can be while another exception is on its way, or while the interpreter shuts down.
#[pyfunction(name = "_connect_faults")]
pub(crate) fn connect<'py>(
    late: Bound<'py, PyType>,
    make_error: Bound<'py, PyAny>,
    machinery: Bound<'py, PyAny>,
    main: usize,
) -> PyResult<()> {
    let py = late.py();
    let _ = MapFaultError::type_object(py);
    let _ = MAKE_ERROR.set(py, make_error.unbind());
    let _ = MACHINERY.set(py, machinery.unbind());
    CURRENT_FRAMES.import(py, "sys", "_current_frames")?;
    interrupt::connect(late, main);
    Ok(())
}

/// Tells the library's Python half that it is in a child process.
#[pyfunction(name = "_faults_after_fork")]
pub(crate) fn after_fork() {
    interrupt::after_fork();
}

/// The signal handler that would be called now.
#[pyfunction(name = "_fault_handler")]
pub(crate) fn handler() -> usize {
    firmmap::fault_handler()
}

/// Takes a handler that was switched off out of the chain.
#[pyfunction(name = "_forget_fault_handler")]
pub(crate) fn forget_handler(handler: usize) {
    firmmap::forget_fault_handler(handler);
}

/// Where the faults were that this thread is just being told of.
#[pyfunction(name = "_claim_faults")]
pub(crate) fn claim() -> Vec<usize> {
    interrupt::was_raised();
    own_faults()
}

fn own_faults() -> Vec<usize> {
    let here = interrupt::thread();
    std::iter::from_fn(|| take_fault_of(here)).map(|fault| fault.offset).collect()
}

/// An operation has told this thread of a fault: it need not be told a second time.
pub(crate) fn told() {
    interrupt::retract(is_waiting);
}

fn is_waiting(thread: usize) -> bool {
    waiting_faults().iter().any(|fault| fault.thread == thread)
}

/// Raises the faults that their threads were not told of, in these threads. Runs in the main thread.
pub(crate) fn deliver(py: Python<'_>) -> PyResult<()> {
    let here = interrupt::thread();
    let mut offsets = own_faults();
    for fault in waiting_faults().into_iter().filter(|fault| fault.thread != here) {
        let reachable = fault.thread_lives() && !has_moved_on(py, fault.thread).unwrap_or(true);
        // An operation without the GIL may have told the thread in the meantime.
        if !is_waiting(fault.thread) {
            continue;
        }
        // The fault stays with its map until the thread has been told.
        if reachable && interrupt::raise_in_thread(fault.thread) {
            continue;
        }
        offsets.extend(take_fault_of(fault.thread).filter(|fault| !fault.told).map(|fault| fault.offset));
    }
    match MAKE_ERROR.get(py) {
        Some(make_error) if !offsets.is_empty() => Err(PyErr::from_value(make_error.bind(py).call1((offsets,))?)),
        _ => Ok(()),
    }
}

/// Whether another thread has left what it was doing: it waits for work, or hands over what it has done. An exception would
/// end the loop of a worker of a pool, say, and lose its next task. Runs no Python code, in which other threads and other
/// signals could have their turn.
fn has_moved_on(py: Python<'_>, thread: usize) -> PyResult<bool> {
    let (Some(current_frames), Some(machinery)) = (CURRENT_FRAMES.get(py), MACHINERY.get(py)) else { return Ok(true) };
    let frames = current_frames.bind(py).call0()?.cast_into::<PyDict>()?;
    let Some(frame) = frames.get_item(thread)? else { return Ok(true) };
    let globals = frame.getattr("f_globals")?.cast_into::<PyDict>()?;
    let Some(module) = globals.get_item("__name__")? else { return Ok(false) };
    machinery.bind(py).contains(module)
}

/// Switch the guard against faults on or off for the process.
///
/// It is on unless the environment has FIRMMAP_FAULT_GUARD=0. Without it a map whose file is truncated
/// ends the process when the missing bytes are touched. Maps made while it is off stay without it.
#[pyfunction]
pub(crate) fn set_fault_guard(on: bool) {
    firmmap::set_fault_guard(on);
}

/// Return whether the guard against faults is on.
#[pyfunction]
pub(crate) fn fault_guard() -> bool {
    firmmap::fault_guard()
}

/// Make the guard the first handler of its signal (SIGBUS) again, after another one was installed.
///
/// faulthandler.enable(), faulthandler.disable() and signal.signal() do this by themselves once the package
/// is imported, new maps every few milliseconds.
#[pyfunction]
pub(crate) fn renew_fault_guard() {
    firmmap::renew_fault_guard();
}
