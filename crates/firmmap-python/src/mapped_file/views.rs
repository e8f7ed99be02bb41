//! The buffer protocol: views of the bytes, which outlive the file.

use std::sync::Arc;

use super::This;
use crate::common::shared_file::SharedFile;
use crate::common::unmap;
use crate::errors::exception;
use crate::faults;
use crate::sys::buffer::Export;
use crate::sys::exception::{Exception, PyBufferError, PyResult};
use crate::sys::typeobject::Body;

/// Counts a view, which keeps the memory mapped, and returns what it shows.
pub(crate) fn export(this: This<'_>) -> PyResult<Export> {
    this.open(this.py, |open| {
        if !open.file.is_accessible() {
            return Err(PyBufferError::new_err("the map is protected: its pages cannot be read"));
        }
        open.file.check().map_err(exception)?;
        open.file.count_view();
        // What was read ahead before can be changed through the view from now on.
        open.changes += 1;
        let readonly = open.file.access() == firmmap::Access::Read;
        if !readonly {
            open.file.note_view();
        }
        Ok(Export { start: open.file.as_mut_ptr(), len: open.file.len(), readonly })
    })
}

/// Counts one view less. The last one of a closed file unmaps it.
pub(crate) fn release(this: This<'_>) {
    let py = this.py;
    let (retired, last) = this.state.with(py, |state| match state {
        Some(open) => (open.file.release(), None),
        None => this.left.with(py, |left| {
            let retired = left.as_mut().and_then(SharedFile::release);
            (retired, left.take_if(|file| file.exports == 0))
        }),
    });
    if let Err(error) = unmap(last) {
        exception(error).with_filename(|| this.filename(py)).write_unraisable(py);
    }
    for map in retired.into_iter().flatten() {
        if let Some(Err(error)) = Arc::into_inner(map).map(firmmap::Mmap::close) {
            exception(error).with_filename(|| this.filename(this.py)).write_unraisable(this.py);
        }
    }
    faults::after_release(this.py);
}

#[cold]
pub(super) fn exported(operation: &str, exports: usize) -> Exception {
    let message = format!("{operation} is not possible while {} (memoryview, numpy arrays)", count(exports));
    PyBufferError::new_err(message)
}

/// The beginning of a message about views.
pub(super) fn count(count: usize) -> String {
    if count == 1 { "1 view of the map exists".to_owned() } else { format!("{count} views of the map exist") }
}
