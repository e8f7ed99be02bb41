//! Faults as exceptions: `MapFaultError`, and how it reaches code that uses the memory of a map directly.

use firmmap::take_fault;
use pyo3::prelude::*;
use pyo3::types::PyType;

use crate::sys::interrupt;

pyo3::import_exception!(firmmap._faults, MapFaultError);

/// Connects the library's faults to the interpreter.
pub(crate) fn connect() {
    firmmap::on_fault(interrupt::request);
}

/// Raises the faults that nobody was told of, in the threads that met them. Runs in the main thread.
pub(crate) fn deliver(py: Python<'_>) -> PyResult<()> {
    while let Some(fault) = take_fault() {
        let here = py.import("threading")?.call_method0("get_ident")?.extract::<usize>()? == fault.thread;
        if here || !raise_there(py, fault.thread, fault.offset)? {
            return Err(MapFaultError::new_err((fault.offset,)));
        }
    }
    Ok(())
}

/// Raises in another thread, which may be none of Python's or gone.
fn raise_there(py: Python<'_>, thread: usize, offset: usize) -> PyResult<bool> {
    // Only a class can be raised in another thread, so the offset has to be in the class.
    let class = py.import("firmmap._faults")?.call_method1("fault_at", (offset,))?.cast_into::<PyType>()?;
    Ok(interrupt::raise_in_thread(thread, &class))
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
