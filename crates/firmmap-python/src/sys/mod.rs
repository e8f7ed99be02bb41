//! CPython's C interface in general: type objects, calls, exceptions, buffers, numbers. Nothing here knows the classes of this package.
//!
//! The classes are made with `PyType_FromModuleAndSpec` and not with `#[pyclass]`, for three reasons: `PySequence_GetItem` has to give
//! bytes where `m[i]` gives an int (so that iteration does what the standard class does), the messages of argument errors
//! are the standard library's, and a call costs no more than one into C.

mod allocator;
pub(crate) mod audit;
pub(crate) mod buffer;
pub(crate) mod descriptor;
pub(crate) mod detach;
pub(crate) mod exception;
#[cfg(not(all(
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
#[path = "hang_elsewhere.rs"]
mod hang;
#[cfg(all(
    target_os = "linux",
    target_env = "gnu",
    target_pointer_width = "64",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "hang_glibc.rs"]
mod hang;
pub(crate) mod module;
pub(crate) mod number;
pub(crate) mod objects;
pub(crate) mod owned;
pub(crate) mod spelling;
pub(crate) mod state_lock;
#[cfg(state_mutex)]
mod state_mutex;
pub(crate) mod target;
pub(crate) mod trampoline;
pub(crate) mod typeobject;
