//! Tells the source which CPython it is built for (`Py_GIL_DISABLED`), and refuses to be built for another Python.

use pyo3_build_config::PythonImplementation;

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    let implementation = pyo3_build_config::get().implementation();
    if implementation != PythonImplementation::CPython {
        // `pip install` says it before anything is compiled: build_backend.py.
        println!(
            "cargo::error=firmmap needs CPython: {implementation} lacks functions of CPython's C interface that it calls"
        );
    }
}
