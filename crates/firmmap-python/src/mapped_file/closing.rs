//! Closing, `with`, and what happens to a file that goes without having been closed.

use pyo3::prelude::*;

use super::open::{self, Name};
use super::{MappedFile, This, type_object, unsupported};
use crate::args::Args;
use crate::common::{self, DETACHED_COPY, Mapped, Returned, unmap};
use crate::errors::{exception, system_error};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult, preserving, warn_resource};
use crate::sys::objects::{attribute, boolean, call_method, class_name, none};

pub(crate) fn closed(this: This<'_>) -> Returned<'_> {
    let closed = this.state.with(this.py, |state| state.is_none());
    Ok(boolean(this.py, closed))
}

pub(crate) fn closefd(this: This<'_>) -> Returned<'_> {
    Ok(boolean(this.py, this.closefd))
}

pub(crate) fn close(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let flushed = if has_own_flush(this) { call_method(&this.object(), c"flush", []).map(drop) } else { Ok(()) };
    let taken = this.state.with(py, |state| {
        let mut file = state.take()?.file;
        if file.exports == 0 {
            return Some(Ok(file));
        }
        // What was lost until now; the rest is told when the last view is gone.
        let settled = file.settle();
        this.left.with(py, |left| *left = Some(file));
        settled.err().map(Err)
    });
    let file = match taken.transpose() {
        Ok(file) => file,
        Err(lost) => {
            // All are tried, and the first error is the one to report.
            drop(this.close_descriptor(py));
            return flushed.and(Err(exception(lost)));
        }
    };
    let large = file.as_ref().is_some_and(|file| file.len() > DETACHED_COPY);
    let result = if large { detached(py, || unmap(file)) } else { unmap(file) };
    // All are tried, and the first error is the one to report.
    let closed = this.close_descriptor(py);
    flushed.and(result.map_err(exception)).and(closed).map(|()| none(py))
}

/// Whether it is an open file of a subclass with a `flush()` of its own: `close()` calls that first, as the classes of `io` do.
fn has_own_flush(this: This<'_>) -> bool {
    let class = this.object().get_type();
    let Ok(base) = type_object::sibling_class(this, common::Class::MappedFile) else { return false };
    if class.is(&base) || this.state.with(this.py, |state| state.is_none()) {
        return false;
    }
    match (attribute(&class, c"flush"), attribute(&base, c"flush")) {
        (Ok(own), Ok(ours)) => !own.is(&ours),
        _ => false,
    }
}

pub(crate) fn detach(_: This<'_>) -> Returned<'_> {
    Err(unsupported("detach: there is no raw file underneath".to_owned()))
}

pub(crate) fn enter(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(this.object())
}

/// As files do it: by the method, which a subclass may have made its own.
pub(crate) fn exit<'py>(this: This<'py>, _: Args<'py>) -> Returned<'py> {
    call_method(&this.object(), c"close", [])?;
    Ok(none(this.py))
}

/// What `__del__` does: as the classes of `io`, closes the file by the method, which a subclass may have made its own.
pub(crate) fn finalize(this: This<'_>) {
    let py = this.py;
    if this.state.with(py, |state| state.is_none()) {
        return;
    }
    this.warn_unclosed(py, &class_name(this.object().as_borrowed()), Some(&this.object()));
    preserving(py, || {
        if let Err(error) = call_method(&this.object(), c"close", []) {
            error.write_unraisable(py);
        }
    });
}

/// What the buffers and text files of `io` call when they go without having been closed: the warning is about them.
pub(crate) fn dealloc_warn<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("_dealloc_warn", 1, 1)?;
    let Some(source) = args.get(0) else { unreachable!("the number of arguments was checked") };
    if !matches!(this.name, Name::Anonymous) && this.state.with(py, |state| state.is_some()) {
        preserving(py, || {
            let message = source.repr().map(|source| format!("unclosed file {source}")).map_err(Exception::from);
            let warned = message.and_then(|message| warn_resource(py, &message, Some(&source)));
            if let Err(error) = warned {
                error.write_unraisable(py);
            }
        });
    }
    Ok(none(py))
}

impl MappedFile {
    /// Closes the descriptor that the caller has handed over, once.
    pub(super) fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
        let Some(descriptor) = self.closes.with(py, Option::take) else { return Ok(()) };
        let closed = descriptor.close(py)?;
        closed.map_err(|error| open::name_descriptor(py, system_error(&error), &self.name))
    }

    /// The `ResourceWarning` for a file that goes without having been closed. Memory without a file is none.
    pub(super) fn warn_unclosed(&self, py: Python<'_>, class: &str, source: Option<&Bound<'_, PyAny>>) {
        if matches!(self.name, Name::Anonymous) || self.state.with(py, |state| state.is_none()) {
            return;
        }
        preserving(py, || {
            let warned =
                self.describe(py, class).and_then(|file| warn_resource(py, &format!("unclosed file {file}"), source));
            if let Err(error) = warned {
                error.write_unraisable(py);
            }
        });
    }
}
