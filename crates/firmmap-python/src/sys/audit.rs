//! Audit events: PEP 578.
//!
//! `PySys_Audit` returns at once where there is no hook, without making objects of its arguments. It is in every CPython since 3.8, but
//! in the stable ABI only since 3.13; so it is looked up, and `sys.audit` takes its place where it is not found.

use std::ffi::c_int;
#[cfg(unix)]
use std::ffi::{c_char, c_longlong};
#[cfg(unix)]
use std::sync::OnceLock;

#[cfg(unix)]
use super::exception::Exception;
use super::exception::PyResult;
use pyo3::prelude::*;

#[cfg(unix)]
type Audit = unsafe extern "C" fn(event: *const c_char, format: *const c_char, ...) -> c_int;

/// Raises `mmap.__new__`.
pub(crate) fn mmap_new(py: Python<'_>, fileno: c_int, length: usize, access: c_int, offset: u64) -> PyResult<()> {
    // Both were checked to be what the format has room for.
    let (length, offset) = (length as isize, offset as i64);
    #[cfg(unix)]
    if let Some(audit) = function() {
        let (event, format) = (c"mmap.__new__".as_ptr(), c"iniL".as_ptr());
        // SAFETY: attached, as the token says; the arguments are what the format says.
        let result = unsafe { audit(event, format, fileno, length, access, c_longlong::from(offset)) };
        return if result < 0 { Err(Exception::fetch(py)) } else { Ok(()) };
    }
    py.import("sys")?.getattr("audit")?.call1(("mmap.__new__", fileno, length, access, offset))?;
    Ok(())
}

/// The function of this process's CPython.
#[cfg(unix)]
fn function() -> Option<Audit> {
    static FUNCTION: OnceLock<Option<Audit>> = OnceLock::new();
    *FUNCTION.get_or_init(|| {
        // SAFETY: the name is a C string.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"PySys_Audit".as_ptr()) };
        // SAFETY: CPython's function of that name has this type; null is `None`.
        unsafe { std::mem::transmute::<*mut std::ffi::c_void, Option<Audit>>(address) }
    })
}
