//! The class `MappedFile`: a mapped file that is both a binary file and a byte array. `firmmap.open()` and `firmmap.anonymous()` return
//! one; the slots and tables through which CPython calls it are in [`type_object`].
//!
//! As in [`crate::mmap`], every method converts all of its arguments before it uses the map, and what accesses the map is one closure,
//! passed to [`MappedFile::open`], from which Python must not be called. Where `docs/behaviour.md` is silent, the methods of a file do what
//! those of `open(path, "r+b")` do, and the methods of a byte array do what those of `bytearray` do.

mod bytes;
mod closing;
mod descriptor;
mod dlpack;
pub(crate) mod docs;
mod file;
mod growth;
mod line_search;
mod lines;
pub(crate) mod new;
mod open;
mod pages;
mod pickle;
#[allow(unsafe_code)]
pub(crate) mod residency;
mod search;
#[allow(unsafe_code)]
pub(crate) mod type_object;
mod views;
mod write;

use std::fmt::Write;

use firmmap::Mode;
use pyo3::prelude::*;

use crate::common::map_lock::MapLock;
use crate::common::shared_file::SharedFile;
use crate::common::{self, Mapped, Returned, unmap};
use crate::errors::exception;
use crate::faults::interpreter::UnsupportedOperation;
use crate::sys::descriptor::HandedOver;
use crate::sys::exception::{Exception, PyBufferError, PyResult, PyValueError};
use crate::sys::objects::{boolean, class_name, new_string, none};
use crate::sys::owned::Owned;
use crate::sys::state_lock::StateLock;
use crate::sys::typeobject::{Body, InstanceRef, Receiver};
use lines::Block;
use open::Name;

pub(crate) type This<'py> = Receiver<'py, MappedFile>;

/// What an instance holds.
pub(crate) struct MappedFile {
    /// `None` when closed.
    state: MapLock<Option<Open>>,
    /// What `close()` has left to the views that existed: the last of them unmaps it. Locked after the state.
    left: StateLock<Option<SharedFile>>,
    mode: Mode,
    name: Name,
    /// What `name` was set to.
    renamed: StateLock<Option<Owned>>,
    /// The argument `capacity`.
    capacity: Option<usize>,
    /// The caller's descriptor, which `close()` is to close.
    closes: StateLock<Option<HandedOver>>,
    /// The argument `closefd`.
    closefd: bool,
    /// Further arguments, for the pickle.
    flags: Flags,
}

/// Arguments of `open()` that are true or false, and that a pickle has to give to it again.
#[derive(Clone, Copy)]
struct Flags {
    sparse: bool,
    keep_file: bool,
    load: bool,
}

impl Default for Flags {
    fn default() -> Self {
        Self { sparse: false, keep_file: true, load: false }
    }
}

/// The state of an open map.
pub(crate) struct Open {
    file: SharedFile,
    /// Counts changes made through this object: bytes that were read ahead before one are not used after it.
    changes: u64,
    /// What iteration has read ahead.
    block: Block,
    /// The position of the descriptor when it was last set or read, once `fileno()` has returned it.
    descriptor_position: Option<u64>,
    /// Whether the map reached to the end of the file at that time: then it grows with what is appended through the descriptor.
    grows_with_file: bool,
}

impl MappedFile {
    fn new(file: firmmap::MappedFile, mode: Mode, name: Name, capacity: Option<usize>) -> Self {
        let block = Block::default();
        let open = Open {
            file: SharedFile::following(file),
            changes: 0,
            block,
            descriptor_position: None,
            grows_with_file: false,
        };
        let closefd = !matches!(name, Name::Descriptor(_));
        Self {
            state: MapLock::new(Some(open)),
            left: StateLock::new(None),
            mode,
            name,
            renamed: StateLock::new(None),
            capacity,
            closes: StateLock::new(None),
            closefd,
            flags: Flags::default(),
        }
    }

    /// Runs `work` on what is open, or raises if it is closed. `work` must not call into Python.
    #[inline]
    fn open<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Open) -> PyResult<R>) -> PyResult<R> {
        let done = self.state.with(py, |state| match state {
            Some(open) if open.file.pending_writers == 0 => Ok(work(open)),
            Some(_) => Err(work),
            None => Ok(Err(closed_error())),
        });
        match done {
            Ok(result) => result,
            Err(work) => {
                common::wait_for_writers(self, py)?;
                self.open_now(py, work)
            }
        }
    }

    /// As [`open`](Self::open), for work that uses or moves the position: that of the descriptor, once `fileno()` was called.
    #[inline]
    fn open_at_position<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Open) -> PyResult<R>) -> PyResult<R> {
        self.open(py, |open| open.at_position(work))
    }

    /// As [`open`](Self::open), without waiting for pending writers.
    fn open_now<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Open) -> PyResult<R>) -> PyResult<R> {
        self.state.with(py, |state| match state {
            Some(open) => work(open),
            None => Err(closed_error()),
        })
    }

    /// Refuses a method of a file that the mode does not allow.
    fn check_writable(&self, operation: &str) -> PyResult<()> {
        if self.is_writable() {
            return Ok(());
        }
        Err(read_only(operation))
    }

    /// Discards what was read ahead.
    fn changed(&self, py: Python<'_>) {
        self.state.with(py, |state| {
            if let Some(open) = state {
                open.changes += 1;
            }
        });
    }
}

impl Mapped for MappedFile {
    #[inline]
    fn open_map<R>(&self, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> PyResult<R>) -> PyResult<R> {
        self.open(py, |open| work(&mut open.file))
    }

    fn open_at_position<R>(&self, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> PyResult<R>) -> PyResult<R> {
        self.open_at_position(py, |open| work(&mut open.file))
    }

    const SEARCHES_FROM_POSITION: bool = false;
    const LENGTH_IS_END: bool = false;

    #[inline(always)]
    fn is_writable(&self) -> bool {
        self.mode != Mode::Read
    }

    type State = Option<Open>;

    #[inline(always)]
    fn state(&self) -> &MapLock<Option<Open>> {
        &self.state
    }

    fn move_back(&self, py: Python<'_>, position: usize) {
        let _ = self.open_now(py, |open| {
            open.at_position(|open| {
                open.file.set_position(position);
                Ok(())
            })
        });
    }

    fn error(failed: firmmap::Error) -> Exception {
        error(failed)
    }
}

/// The path of the file that an iterator goes over.
fn filename_of(py: Python<'_>, held: Option<InstanceRef<MappedFile>>) -> Option<Owned> {
    held.and_then(|file| file.receiver(py).filename(py))
}

impl Open {
    /// Moves the position, and that of the descriptor with it.
    fn move_to(&mut self, position: usize) {
        self.file.set_position(position);
        self.sync_to_descriptor();
    }
}

impl Body for MappedFile {
    /// A last fault is reported as other errors in finalizers are.
    fn finalize(&self, py: Python<'_>) {
        // Nobody may get a reference to the object any more, so that the warning does not have it as its source.
        self.warn_unclosed(py, "MappedFile", None);
        if let Err(error) = unmap(self.state.with(py, Option::take).map(|open| open.file)) {
            exception(error).with_filename(|| self.filename(py)).write_unraisable(py);
        }
        if let Err(error) = self.close_descriptor(py) {
            error.write_unraisable(py);
        }
    }

    fn filename(&self, py: Python<'_>) -> Option<Owned> {
        self.name.filename(py)
    }
}

#[cold]
fn closed_error() -> Exception {
    PyValueError::new_err("I/O operation on closed file")
}

#[cold]
fn unsupported(message: String) -> Exception {
    UnsupportedOperation::new_err(message)
}

#[cold]
fn read_only(operation: &str) -> Exception {
    unsupported(format!("{operation}: the file is mapped with mode 'r', which does not write; open it with 'r+'"))
}

/// The library's errors: some with their own messages, which have the numbers, the others as the class `mmap` raises them.
fn error(error: firmmap::Error) -> Exception {
    use firmmap::ErrorKind;
    match error.kind() {
        ErrorKind::OffsetBeyondEnd | ErrorKind::LengthBeyondEnd | ErrorKind::TooLarge | ErrorKind::UnknownLength => {
            PyValueError::new_err(error.to_string())
        }
        ErrorKind::AccessDenied | ErrorKind::NotResizable | ErrorKind::NoFile | ErrorKind::Unsupported => {
            unsupported(error.to_string())
        }
        ErrorKind::InUse | ErrorKind::BeyondCapacity => PyBufferError::new_err(error.to_string()),
        _ => exception(error),
    }
}

pub(crate) fn repr(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    new_string(py, &this.describe(py, &class_name(this.object().as_borrowed()))?)
}

impl MappedFile {
    /// What `repr()` gives.
    fn describe(&self, py: Python<'_>, class: &str) -> PyResult<String> {
        let name = self.name.repr(py)?;
        let name = name.as_ref().map_or(Ok("anonymous"), |name| name.to_str())?;
        let mode = self.mode.as_str();
        let numbers = self.state.with(py, |state| state.as_ref().map(|open| (open.file.len(), open.file.position())));
        let mut text = String::new();
        text.try_reserve(class.len() + name.len() + 128)?;
        let written = match numbers {
            Some((length, position)) => {
                write!(text, "<firmmap.{class} {name} mode='{mode}' length={length} position={position}>")
            }
            None => write!(text, "<firmmap.{class} {name} mode='{mode}' closed>"),
        };
        debug_assert!(written.is_ok(), "a string takes everything");
        Ok(text)
    }
}

#[inline]
pub(crate) fn len(this: This<'_>) -> PyResult<isize> {
    // A map has at most isize::MAX bytes.
    this.open(this.py, |open| Ok(open.file.len() as isize))
}

/// A file is true, also an empty or closed one: programs ask `if file:` for whether they were given one.
pub(crate) fn truth(_: This<'_>) -> PyResult<i32> {
    Ok(1)
}
