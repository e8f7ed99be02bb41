//! Closing, and `with`.

use pyo3::types::PyBool;

use super::This;
use crate::args::Args;
use crate::common::{DETACHED_COPY, Mapped, Returned};
use crate::errors::exception;
use crate::sys::detach::detached;
use crate::sys::exception::PyBufferError;
use crate::sys::objects::none;

pub(crate) fn closed(this: This<'_>) -> Returned<'_> {
    let closed = this.state.with(this.py, |state| state.is_none());
    Ok(PyBool::new(this.py, closed).to_owned().into_any())
}

pub(crate) fn close(this: This<'_>) -> Returned<'_> {
    let mut taken = None;
    let is_exported = this.state.with(this.py, |state| {
        let is_exported = state.as_ref().is_some_and(|file| file.exports > 0);
        if !is_exported {
            taken = state.take();
        }
        is_exported
    });
    if is_exported {
        return Err(PyBufferError::new_err("cannot close exported pointers exist"));
    }
    let result = match &mut taken {
        Some(file) if file.len() > DETACHED_COPY => detached(this.py, || file.unmap()),
        Some(file) => file.unmap(),
        None => Ok(()),
    };
    result.map(|()| none(this.py)).map_err(exception)
}

pub(crate) fn enter(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(this.object())
}

pub(crate) fn exit<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    args.check("__exit__", 3, 3)?;
    close(this)
}
