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

/// Fills a new module; its functions are there already. CPython calls it for each import in each interpreter.
fn fill(module: &Bound<'_, PyModule>) -> sys::exception::PyResult<()> {
    let py = module.py();
    faults::register(py)?;
    module.setattr("mmap", sys::class::create(module)?)?;
    module.setattr("MappedFile", sys::mapped_file::create(module)?)?;
    module.setattr("Residency", sys::residency::create(module)?)?;
    module.setattr("error", py.get_type::<PyOSError>())?;
    module.setattr("__version__", env!("CARGO_PKG_VERSION"))?;
    Ok(constants::add(module)?)
}
