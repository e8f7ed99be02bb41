//! The buffer protocol: views of the bytes, which keep the map open.

use super::This;
use crate::common::leaf;
use crate::common::shared_file::SharedFile;
use crate::constants::ACCESS_READ;
use crate::errors::exception;
use crate::faults;
use crate::sys::buffer::Export;
use crate::sys::exception::{PyBufferError, PyResult};

/// Whether views cannot be written to.
#[inline(always)]
pub(crate) fn is_readonly(this: This<'_>) -> bool {
    this.access == ACCESS_READ
}

/// As [`export`], on a map that is ready for it.
#[inline(always)]
pub(crate) fn try_export(this: This<'_>) -> Option<Export> {
    let (start, len) = leaf::view(&*this, this.py)?;
    Some(Export { start, len, readonly: is_readonly(this) })
}

/// Counts a view, which keeps the memory mapped, and returns what it shows.
pub(crate) fn export(this: This<'_>) -> PyResult<Export> {
    let readonly = is_readonly(this);
    this.open(this.py, |file| {
        if !file.is_accessible() {
            return Err(PyBufferError::new_err("mmap is not readable"));
        }
        file.check().map_err(exception)?;
        file.count_view();
        Ok(Export { start: file.as_mut_ptr(), len: file.len(), readonly })
    })
}

/// As [`release`], on a map that is ready for it, where no thread is to be told of a fault afterwards.
#[inline(always)]
pub(crate) fn try_release(this: This<'_>) -> Option<()> {
    if faults::is_any_deferred() { None } else { leaf::release(&*this, this.py) }
}

/// Counts one view less. Out of line, so that what [`try_release`] can do sets up nothing for it.
#[cold]
#[inline(never)]
pub(crate) fn release(this: This<'_>) {
    // No mapping of this class is replaced while views exist, so that there is none to be dropped.
    this.state.with(this.py, |state| state.as_mut().and_then(SharedFile::release));
    faults::after_release(this.py);
}
