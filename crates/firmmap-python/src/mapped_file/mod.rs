//! The class `MappedFile`: a mapped file that is both a binary file and a byte array. `firmmap.open()` and `firmmap.anonymous()` return
//! one; the slots and tables through which CPython calls it are in [`type_object`].
//!
//! As in [`crate::mmap`], every method converts all of its arguments before it uses the map, and what accesses the map is one closure,
//! passed to [`MappedFile::open`], from which Python must not be called. Where `docs/behaviour.md` is silent, the methods of a file do what
//! those of `open(path, "r+b")` do, and the methods of a byte array do what those of `bytearray` do.

mod bytes;
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
mod write;

use std::sync::Arc;

use firmmap::{Mode, Protection};
use pyo3::prelude::*;

use crate::args::Args;
use crate::common::map_lock::MapLock;
use crate::common::shared_file::SharedFile;
use crate::common::state_lock::StateLock;
use crate::common::{self, DETACHED_COPY, Mapped, Returned, unmap};
use crate::errors::exception;
use crate::faults::{self, interpreter::UnsupportedOperation};
use crate::sys::buffer::Export;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyBufferError, PyResult, PyValueError, preserving, warn_resource};
use crate::sys::objects::{attribute, boolean, call_method, class_name, import, new_string, none};
use crate::sys::owned::Owned;
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
    closes: StateLock<Option<i32>>,
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
    /// What `writelines()` has buffered while its iterator runs, and the thread that it runs in.
    buffered: Vec<u8>,
    buffering_thread: Option<usize>,
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
            buffered: Vec::new(),
            buffering_thread: None,
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
            Some(open) if open.file.pending.is_free() => Ok(work(open)),
            Some(_) => Err(work),
            None => Ok(Err(closed_error())),
        });
        match done {
            Ok(result) => result,
            Err(work) => {
                self.finish_pending(py)?;
                self.open_now(py, work)
            }
        }
    }

    /// As [`open`](Self::open), for work that uses or moves the position: that of the descriptor, once `fileno()` was called.
    #[inline]
    fn open_at_position<R>(&self, py: Python<'_>, work: impl FnOnce(&mut Open) -> PyResult<R>) -> PyResult<R> {
        self.open(py, |open| open.at_position(work))
    }

    /// Does what is pending: writes what `writelines()` has buffered in this thread, and waits for pending writers.
    #[cold]
    fn finish_pending(&self, py: Python<'_>) -> PyResult<()> {
        write::write_buffered(self, py)?;
        let writers = self.open_now(py, |open| Ok(open.file.pending.writers()))?;
        if writers == 0 { Ok(()) } else { common::wait_for_writers(self, py) }
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

    fn set_position(&self, py: Python<'_>, position: usize) -> PyResult<()> {
        self.open_at_position(py, |open| {
            open.file.set_position(position);
            Ok(())
        })
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
    write::write_buffered(&this, py)?;
    new_string(py, &this.describe(py, &class_name(this.object().as_borrowed()))?)
}

impl MappedFile {
    /// What `repr()` gives.
    fn describe(&self, py: Python<'_>, class: &str) -> PyResult<String> {
        let name = self.name.repr(py)?;
        let mode = self.mode.as_str();
        let numbers = self.state.with(py, |state| state.as_ref().map(|open| (open.file.len(), open.file.position())));
        Ok(match numbers {
            Some((length, position)) => {
                format!("<firmmap.{class} {name} mode='{mode}' length={length} position={position}>")
            }
            None => format!("<firmmap.{class} {name} mode='{mode}' closed>"),
        })
    }

    /// Closes the descriptor that the caller has handed over, once.
    fn close_descriptor(&self, py: Python<'_>) -> PyResult<()> {
        let Some(descriptor) = self.closes.with(py, Option::take) else { return Ok(()) };
        call_method(&import(py, c"os")?, c"close", [crate::args::python_int(py, descriptor as isize)?]).map(drop)
    }

    /// The `ResourceWarning` for a file that goes without having been closed. Memory without a file is none.
    fn warn_unclosed(&self, py: Python<'_>, class: &str, source: Option<&Bound<'_, PyAny>>) {
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

pub(crate) fn closed(this: This<'_>) -> Returned<'_> {
    let closed = this.state.with(this.py, |state| state.is_none());
    Ok(boolean(this.py, closed))
}

pub(crate) fn close(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    write::write_all_buffered(&this, py)?;
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
        Err(lost) => return flushed.and(Err(exception(lost))),
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

pub(crate) fn closefd(this: This<'_>) -> Returned<'_> {
    Ok(boolean(this.py, this.closefd))
}

#[cold]
fn exported(operation: &str, exports: usize) -> Exception {
    let message = format!("{operation} is not possible while {} (memoryview, numpy arrays)", views(exports));
    PyBufferError::new_err(message)
}

/// The beginning of a message about views.
fn views(count: usize) -> String {
    if count == 1 { "1 view of the map exists".to_owned() } else { format!("{count} views of the map exist") }
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

#[inline]
pub(crate) fn len(this: This<'_>) -> PyResult<isize> {
    // A map has at most isize::MAX bytes.
    this.open(this.py, |open| Ok(open.file.len() as isize))
}

/// A file is true, also an empty or closed one: programs ask `if file:` for whether they were given one.
pub(crate) fn truth(_: This<'_>) -> PyResult<i32> {
    Ok(1)
}

/// Counts a view, which keeps the memory mapped, and returns what it shows.
pub(crate) fn export(this: This<'_>) -> PyResult<Export> {
    this.open(this.py, |open| {
        if !open.file.protection().intersects(Protection::READ | Protection::WRITE) {
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
        Some(open) => (Some(open.file.release()), None),
        None => this.left.with(py, |left| {
            let retired = left.as_mut().map(SharedFile::release);
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
