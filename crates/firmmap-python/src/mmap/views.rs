//! The buffer protocol: views of the bytes, which keep the map open.

use super::This;
use crate::common::leaf;
use crate::common::shared_file::SharedFile;
use crate::constants::ACCESS_READ;
use crate::errors::exception;
use crate::faults;
use crate::sys::buffer::Export;
use crate::sys::exception::{PyBufferError, PyResult};

/// Counts a view, which keeps the memory mapped, and returns what it shows.
pub(crate) fn export(this: This<'_>) -> PyResult<Export> {
    let readonly = this.access == ACCESS_READ;
    if let Some((start, len)) = leaf::view(&*this, this.py) {
        return Ok(Export { start, len, readonly });
    }
    this.open(this.py, |file| {
        if !file.is_accessible() {
            return Err(PyBufferError::new_err("mmap is not readable"));
        }
        file.check().map_err(exception)?;
        file.count_view();
        Ok(Export { start: file.as_mut_ptr(), len: file.len(), readonly })
    })
}

/// Counts one view less.
pub(crate) fn release(this: This<'_>) {
    if leaf::release(&*this, this.py).is_none() {
        // No mapping of this class is replaced while views exist, so that there is none to be dropped.
        this.state.with(this.py, |state| state.as_mut().and_then(SharedFile::release));
    }
    faults::after_release(this.py);
}
