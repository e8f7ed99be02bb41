//! The class `mmap`: an instance's state. The other files have the methods; the slots and tables through which CPython calls them are in
//! [`type_object`].
//!
//! Every method converts all of its arguments before it uses the map, because a conversion can run Python code that closes or resizes the
//! map (C15); some first refuse a map that is closed already, where the standard library does. What accesses the map is one closure, passed
//! to [`Mmap::open`], from which Python must not be called. Work on many bytes takes a reference to the mapping and releases the GIL.

mod bytes;
mod closing;
mod docs;
mod file;
mod growth;
mod new;
mod pages;
mod search;
#[allow(unsafe_code)]
pub(crate) mod type_object;
mod views;

use firmmap::MappedFile;
use pyo3::prelude::*;

#[cfg(windows)]
use crate::args;
use crate::common::map_lock::MapLock;
use crate::common::shared_file::SharedFile;
use crate::common::{self, Mapped, Returned};
use crate::constants::{ACCESS_COPY, ACCESS_READ, ACCESS_WRITE};
use crate::errors::{closed as closed_error, exception};
use crate::sys::exception::{Exception, PyResult, PyTypeError};
#[cfg(windows)]
use crate::sys::objects::attribute;
use crate::sys::objects::{new_string, none, shortened};
use crate::sys::typeobject::{Body, Receiver};
use type_object::is_exact;

/// The receiver of a method call.
pub(crate) type This<'py> = Receiver<'py, Mmap>;

/// What an instance holds.
pub(crate) struct Mmap {
    /// `None` when closed.
    state: MapLock<Option<SharedFile>>,
    /// One of the `ACCESS_*` numbers.
    access: i32,
    /// The argument `trackfd`: whether a duplicate of the file's descriptor is kept.
    track_file: bool,
    /// Whether it was made as memory without a file; also known when it is closed.
    anonymous: bool,
}

impl Mmap {
    pub(crate) fn new(file: MappedFile, access: i32, track_file: bool) -> Self {
        let anonymous = file.is_anonymous();
        Self { state: MapLock::new(Some(SharedFile::new(file))), access, track_file, anonymous }
    }

    /// Runs `work` on the map, or raises if it is closed. `work` must not call into Python.
    #[inline]
    fn open<R>(&self, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> PyResult<R>) -> PyResult<R> {
        self.state.with(py, |state| match state {
            Some(file) => work(file),
            None => Err(closed_error()),
        })
    }

    fn check_writable(&self) -> PyResult<()> {
        if !self.is_writable() {
            return Err(PyTypeError::new_err("mmap can't modify a readonly memory map."));
        }
        Ok(())
    }
}

impl Mapped for Mmap {
    #[inline]
    fn open_map<R>(&self, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> PyResult<R>) -> PyResult<R> {
        let done = self.state.with(py, |state| match state {
            Some(file) if file.pending_writers == 0 => Ok(work(file)),
            Some(_) => Err(work),
            None => Ok(Err(closed_error())),
        });
        match done {
            Ok(result) => result,
            Err(work) => {
                common::wait_for_writers(self, py)?;
                self.open(py, work)
            }
        }
    }

    type State = Option<SharedFile>;

    #[inline(always)]
    fn state(&self) -> &MapLock<Option<SharedFile>> {
        &self.state
    }

    const SEARCHES_FROM_POSITION: bool = true;
    const LENGTH_IS_END: bool = true;

    #[inline(always)]
    fn is_writable(&self) -> bool {
        self.access != ACCESS_READ
    }

    fn move_back(&self, py: Python<'_>, position: usize) {
        self.state.with(py, |state| {
            if let Some(file) = state {
                file.set_position(position);
            }
        });
    }

    fn error(error: firmmap::Error) -> Exception {
        exception(error)
    }
}

impl Body for Mmap {
    /// Unmaps what was not closed. A last unreported fault is reported as other errors in finalizers are.
    fn finalize(&self, py: Python<'_>) {
        let mut taken = None;
        self.state.with(py, |state| {
            if state.is_some() {
                taken = state.take();
            }
        });
        if let Some(Err(error)) = taken.as_mut().map(SharedFile::unmap) {
            exception(error).write_unraisable(py);
        }
    }
}

pub(crate) fn repr(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let class = this.object().get_type();
    // The name that the standard class shows.
    let name = if is_exact(&class) { "mmap.mmap".to_owned() } else { shortened(class.name()?.as_borrowed()) };
    let numbers = this.state.with(py, |state| {
        let file = state.as_ref()?;
        Some((file.len(), file.position(), file.offset()))
    });
    let message = match numbers {
        None => format!("<{name} closed=True>"),
        Some((length, pos, offset)) => {
            let access = match this.access {
                ACCESS_READ => "ACCESS_READ",
                ACCESS_WRITE => "ACCESS_WRITE",
                ACCESS_COPY => "ACCESS_COPY",
                _ => "ACCESS_DEFAULT",
            };
            format!("<{name} closed=False, access={access}, length={length}, pos={pos}, offset={offset}>")
        }
    };
    new_string(py, &message)
}

/// The bytes of the object and of the name that it keeps, as the standard class has it on Windows.
#[cfg(windows)]
pub(crate) fn sizeof(this: This<'_>) -> Returned<'_> {
    let size = attribute(&this.object().get_type(), c"__basicsize__")?.extract::<isize>()?;
    let tag = this.state.with(this.py, |state| {
        // In the system's characters, with a zero at the end.
        let tag = state.as_ref().and_then(|file| file.tag());
        tag.map_or(0, |tag| size_of::<u16>() * (tag.encode_utf16().count() + 1))
    });
    args::python_int(this.py, size + tag as isize)
}

pub(crate) fn len(this: This<'_>) -> PyResult<isize> {
    this.open(this.py, |file| Ok(file.len() as isize))
}
