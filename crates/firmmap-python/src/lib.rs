//! The Python package `firmmap`: converts arguments, calls the library, converts results.
//!
//! From top to bottom, `use` goes downwards only: `mmap` and `mapped_file` are the classes; `errors` makes exceptions of the library's
//! errors, and `faults` of its faults; `common` is what both classes do; `args` and `sys` are CPython's C interface.

mod args;
mod common;
mod constants;
mod errors;
mod faults;
mod mapped_file;
mod mmap;
#[allow(unsafe_code)]
mod sys;

use std::ffi::CStr;

use pyo3::exceptions::PyOSError;
use pyo3::ffi;
use pyo3::prelude::*;

use sys::module::{Description, function, init, noargs_function};

/// What CPython calls to import the module.
///
/// # Safety
///
/// - The thread is attached to an interpreter.
#[allow(unsafe_code)]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn PyInit__firmmap() -> *mut ffi::PyObject {
    let (name, doc) = (c"_firmmap", c"The native half of the package.");
    // SAFETY: the caller's promise.
    unsafe { init(Description { name, doc, functions, fill }) }
}

/// Fills a new module; its functions are there already. CPython calls it for each import in each interpreter.
fn fill(module: &Bound<'_, PyModule>) -> sys::exception::PyResult<()> {
    let py = module.py();
    sys::exception::prepare(py);
    sys::buffer::find_data(py)?;
    faults::register(py)?;
    faults::add_words(module)?;
    args::find_small_ints(py)?;
    args::find_slice_parts(py)?;
    module.setattr("mmap", mmap::type_object::create(module)?)?;
    module.setattr("MappedFile", mapped_file::type_object::create(module)?)?;
    module.setattr("Residency", mapped_file::residency::create(module)?)?;
    module.setattr("error", py.get_type::<PyOSError>())?;
    module.setattr("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(constants::add(module)?)
}

#[allow(unsafe_code)]
fn functions() -> Vec<ffi::PyMethodDef> {
    use mapped_file::{docs, new};
    const PRIVATE: &CStr = c"";
    vec![
        function!(c"open", new::open, docs::OPEN),
        function!(c"anonymous", new::anonymous, docs::ANONYMOUS),
        noargs_function!(c"fault_guard", faults::fault_guard, faults::FAULT_GUARD),
        function!(c"set_fault_guard", faults::set_fault_guard, faults::SET_FAULT_GUARD),
        noargs_function!(c"renew_fault_guard", faults::renew_fault_guard, faults::RENEW_FAULT_GUARD),
        function!(c"_keep_fault_classes", faults::keep_classes, PRIVATE),
        function!(c"_connect_faults", faults::connect, PRIVATE),
        function!(c"_ask_before_results", faults::pools::ask_before_results, PRIVATE),
        function!(c"_asking_sender", faults::pools::asking_sender, PRIVATE),
        function!(c"_asking_put", faults::pools::asking_put, PRIVATE),
        function!(c"_pool_finder", faults::pools::pool_finder, PRIVATE),
        noargs_function!(c"_tell_faults", faults::tell, PRIVATE),
        noargs_function!(c"_faults_after_fork", faults::after_fork, PRIVATE),
        function!(c"_make_late_fault", faults::late::make, PRIVATE),
        function!(c"_call_renewing", faults::call_renewing, PRIVATE),
        ffi::PyMethodDef::zeroed(),
    ]
}
