//! Tells the source how the state lock is built (`state_mutex`), and refuses to be built for another Python than CPython.

use pyo3_build_config::PythonImplementation;

fn main() {
    let config = pyo3_build_config::get();
    println!("cargo::rustc-check-cfg=cfg(state_mutex)");
    // `--cfg firmmap_state_mutex` has the whole suite run with what is there for interpreters without the GIL.
    if config.target_abi().kind().is_free_threaded() || std::env::var_os("CARGO_CFG_FIRMMAP_STATE_MUTEX").is_some() {
        println!("cargo::rustc-cfg=state_mutex");
    }
    let implementation = config.implementation();
    if implementation != PythonImplementation::CPython {
        // `pip install` says it before anything is compiled: build_backend.py.
        println!(
            "cargo::error=firmmap needs CPython: {implementation} lacks functions of CPython's C interface that it calls"
        );
    }
}
