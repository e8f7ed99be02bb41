//! The Python package `firmmap`: converts arguments, calls the library, converts results.

mod args;
mod constants;
mod create;
mod docs;
mod errors;
mod faults;
mod mapped;
mod mapped_file;
mod mmap;
#[allow(unsafe_code)]
mod sys;

use pyo3::exceptions::PyOSError;
use pyo3::prelude::*;

/// The native half of the package.
#[pymodule(gil_used = false)]
fn _firmmap(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("mmap", sys::class::class(py)?)?;
    module.add("MappedFile", sys::mapped_file::class(py)?)?;
    module.add_class::<mapped_file::residency::Residency>()?;
    module.add_function(wrap_pyfunction!(mapped_file::open::open, module)?)?;
    module.add_function(wrap_pyfunction!(mapped_file::open::anonymous, module)?)?;
    module.add("error", py.get_type::<PyOSError>())?;
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_function(wrap_pyfunction!(faults::connect, module)?)?;
    module.add_function(wrap_pyfunction!(faults::after_fork, module)?)?;
    module.add_function(wrap_pyfunction!(faults::claim, module)?)?;
    module.add_function(wrap_pyfunction!(faults::handler, module)?)?;
    module.add_function(wrap_pyfunction!(faults::forget_handler, module)?)?;
    module.add_function(wrap_pyfunction!(faults::fault_guard, module)?)?;
    module.add_function(wrap_pyfunction!(faults::set_fault_guard, module)?)?;
    module.add_function(wrap_pyfunction!(faults::renew_fault_guard, module)?)?;
    constants::add(module)
}
