//! The class `mmap`: what an instance is, its end, its views; in the other files what each method does. How CPython comes here is in
//! [`type_object`].
//!
//! Every method converts all of its arguments first and looks at the map after that, because a conversion can run
//! Python code that closes or resizes the map (C15). What touches the map is one closure under [`Mmap::open`], from
//! which Python cannot be called. Work on many bytes holds the map and lets go of the GIL.

mod bytes;
mod docs;
mod file;
mod new;
mod pages;
mod search;
#[allow(unsafe_code)]
pub(crate) mod type_object;

use std::sync::atomic::{AtomicBool, Ordering};

use firmmap::MappedFile;
use pyo3::prelude::*;
use pyo3::types::PyBool;

pub(crate) use bytes::*;
pub(crate) use file::*;
pub(crate) use pages::*;
pub(crate) use search::*;

use crate::args::Args;
use crate::common::leaf;
use crate::common::shared_file::File;
use crate::common::state_lock::Exclusive;
use crate::common::{self, DETACHED_COPY, Mapped, Returned, unmap};
use crate::constants::{ACCESS_COPY, ACCESS_READ, ACCESS_WRITE};
use crate::errors::{closed as closed_error, exception};
use crate::faults;
use crate::sys::buffer::Export;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyBufferError, PyResult, PyTypeError};
use crate::sys::objects::{new_string, shortened};
use crate::sys::typeobject::{Body, Receiver};
use type_object::is_exact;

/// The receiver of a method call.
pub(crate) type This<'py> = Receiver<'py, Mmap>;

/// What an instance is made of.
pub(crate) struct Mmap {
    state: Exclusive<State>,
    /// One of the `ACCESS_*` numbers.
    access: i32,
    /// Whether the file's descriptor was to be kept.
    track_file: bool,
    /// Whether a thread waits to resize the map.
    resizing: AtomicBool,
}

pub(crate) struct State {
    /// `None` when closed.
    file: Option<File>,
    /// Views that others hold.
    exports: usize,
}

impl Mmap {
    pub(crate) fn new(file: MappedFile, access: i32, track_file: bool) -> Self {
        let state = Exclusive::new(State { file: Some(File::new(file)), exports: 0 });
        Self { state, access, track_file, resizing: AtomicBool::new(false) }
    }

    /// Runs `work` on the map, or raises if it is closed. `work` must not call into Python.
    #[inline]
    fn open<R>(&self, py: Python<'_>, work: impl FnOnce(&mut File) -> PyResult<R>) -> PyResult<R> {
        self.state.with(py, |state| match &mut state.file {
            Some(file) => work(file),
            None => Err(closed_error()),
        })
    }

    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        self.give_way(py)?;
        if leaf::is_at_hand(self, py) { Ok(()) } else { self.open(py, |_| Ok(())) }
    }

    /// Before work that may take a share of the map: waits for a thread that wants to resize it, which would never find it
    /// without shares if others took them in turns.
    #[inline]
    fn give_way(&self, py: Python<'_>) -> PyResult<()> {
        if self.resizing.load(Ordering::Relaxed) { self.let_others_resize(py) } else { Ok(()) }
    }

    #[cold]
    fn let_others_resize(&self, py: Python<'_>) -> PyResult<()> {
        if !common::give_way(py, || Ok(!self.resizing.load(Ordering::Relaxed)))? {
            // A thread that is still there says so again.
            self.resizing.store(false, Ordering::Relaxed);
        }
        Ok(())
    }

    fn check_writable(&self) -> PyResult<()> {
        if self.access == ACCESS_READ {
            return Err(PyTypeError::new_err("mmap can't modify a readonly memory map."));
        }
        Ok(())
    }
}

impl Mapped for Mmap {
    #[inline]
    fn open_map<R>(&self, py: Python<'_>, work: impl FnOnce(&mut File) -> PyResult<R>) -> PyResult<R> {
        self.give_way(py)?;
        self.open(py, work)
    }

    type State = State;

    #[inline(always)]
    fn state(&self) -> &Exclusive<State> {
        &self.state
    }

    #[inline(always)]
    fn at_hand(state: &mut State) -> Option<&mut File> {
        state.file.as_mut()
    }

    #[inline(always)]
    fn is_closed(state: &State) -> bool {
        state.file.is_none()
    }

    fn set_position(&self, py: Python<'_>, position: usize) -> PyResult<()> {
        self.open(py, |file| {
            file.set_position(position);
            Ok(())
        })
    }

    fn error(error: firmmap::Error) -> Exception {
        exception(error)
    }
}

impl Body for Mmap {
    /// The end of an object that was not closed. A last fault is reported as other errors in finalizers are.
    fn finalize(&self, py: Python<'_>) {
        if let Err(error) = unmap(self.state.with(py, |state| state.file.take())) {
            exception(error).write_unraisable(py);
        }
    }
}

pub(crate) fn repr(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let class = this.object().get_type();
    // The name that the standard class shows.
    let name = if is_exact(&class) { "mmap.mmap".to_owned() } else { shortened(class.name()?.as_borrowed()) };
    let numbers =
        this.state.with(py, |state| state.file.as_ref().map(|file| (file.len(), file.position(), file.offset())));
    let words = match numbers {
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
    new_string(py, &words)
}

pub(crate) fn closed(this: This<'_>) -> Returned<'_> {
    let closed = this.state.with(this.py, |state| state.file.is_none());
    Ok(PyBool::new(this.py, closed).to_owned().into_any())
}

pub(crate) fn close(this: This<'_>) -> Returned<'_> {
    let taken = this.state.with(this.py, |state| {
        if state.exports > 0 {
            return Err(PyBufferError::new_err("cannot close exported pointers exist"));
        }
        Ok(state.file.take())
    })?;
    let large = taken.as_ref().is_some_and(|file| file.len() > DETACHED_COPY);
    let result = if large { detached(this.py, || unmap(taken)) } else { unmap(taken) };
    result.map(|()| none(this.py)).map_err(exception)
}

pub(crate) fn enter(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(this.object())
}

pub(crate) fn exit<'py>(this: This<'py>, _: Args<'py>) -> Returned<'py> {
    close(this)
}

pub(crate) fn len(this: This<'_>) -> PyResult<isize> {
    this.open(this.py, |file| Ok(file.len() as isize))
}

/// Counts a view, so that the memory stays, and says what it shows.
pub(crate) fn export(this: This<'_>) -> PyResult<Export> {
    this.state.with(this.py, |state| {
        let file = state.file.as_ref().ok_or_else(closed_error)?;
        use firmmap::Protection;
        if !file.protection().intersects(Protection::READ | Protection::WRITE) {
            return Err(PyBufferError::new_err("mmap is not readable"));
        }
        file.check().map_err(exception)?;
        state.exports += 1;
        Ok(Export { start: file.as_mut_ptr(), len: file.len(), readonly: this.access == ACCESS_READ })
    })
}

/// Counts a view less.
pub(crate) fn release(this: This<'_>) {
    this.state.with(this.py, |state| state.exports = state.exports.saturating_sub(1));
    faults::after_release(this.py);
}

#[inline]
fn none(py: Python<'_>) -> Bound<'_, PyAny> {
    py.None().into_bound(py)
}
