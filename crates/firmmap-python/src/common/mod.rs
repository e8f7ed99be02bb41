//! What the two classes, `mmap` and `MappedFile`, do in the same way. Small work on a map is done while its state is locked; for large work
//! a reference to the mapping is taken there, and the work is done without the GIL.

#[allow(unsafe_code)]
pub(crate) mod leaf;
#[allow(unsafe_code)]
pub(crate) mod map_lock;
#[allow(unsafe_code)]
pub(crate) mod shared_file;

mod fast;
mod lines;
mod pending;
mod read;
mod search;

use std::sync::Arc;

use pyo3::prelude::*;

pub(crate) use fast::*;
pub(crate) use lines::*;
use map_lock::{MapLock, MapState};
pub(crate) use pending::{ResizeGuard, wait_for_writers};
pub(crate) use read::*;
pub(crate) use search::*;
use shared_file::SharedFile;

use crate::sys::exception::{Exception, PyResult};
use crate::sys::module;
pub(crate) use crate::sys::objects::{Object, Returned};
use crate::sys::typeobject::Body;

/// The classes that the module holds, by their numbers there.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    Mmap,
    MappedFile,
    LineIterator,
    MatchIterator,
    Residency,
}

const _: () = assert!((Class::Residency as usize) < module::CLASSES);

/// Searches of more bytes than this are done without the GIL.
pub(crate) const DETACHED_SEARCH: usize = 64 * 1024;
/// Copies of more bytes than this are done without the GIL.
pub(crate) const DETACHED_COPY: usize = 1024 * 1024;

/// An instance of one of the classes.
pub(crate) trait Mapped: Body {
    /// Runs `work` on the map, or raises if it is closed. Pending writers, which want to resize or move it, go
    /// first. `work` must not call into Python.
    fn open_map<R>(&self, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> PyResult<R>) -> PyResult<R>;

    /// As [`open_map`](Self::open_map), for work that uses or moves the position.
    #[inline]
    fn open_at_position<R>(&self, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> PyResult<R>) -> PyResult<R> {
        self.open_map(py, work)
    }

    /// Raises if the map is closed.
    #[inline(always)]
    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        if self.state().is_ready(py) { Ok(()) } else { self.wait_or_fail(py) }
    }

    /// As [`check_open`](Self::check_open), once nothing is pending.
    #[cold]
    #[inline(never)]
    fn wait_or_fail(&self, py: Python<'_>) -> PyResult<()> {
        self.open_map(py, |_| Ok(()))
    }

    /// The state of an instance, open or closed.
    type State: MapState;

    fn state(&self) -> &MapLock<Self::State>;

    /// Whether `find` and `rfind` begin at the position where they are given no start; otherwise at the first byte.
    const SEARCHES_FROM_POSITION: bool;
    /// Whether the map ends where it did when it was made, and not where its file ends now; so nothing is ever appended to it.
    const LENGTH_IS_END: bool;

    /// Whether the class lets its map be written to; the map itself may refuse it all the same.
    fn is_writable(&self) -> bool;

    /// Moves the position back after large work that has failed. Whatever is wrong with the map by now (another thread has closed it),
    /// what failed is the error to report.
    fn move_back(&self, py: Python<'_>, position: usize);

    /// The exception that this class raises for an error of the library.
    fn error(error: firmmap::Error) -> Exception;
}

/// The result of small work, or what large work needs once the state is unlocked.
pub(crate) enum Job<R, S> {
    Done(R),
    Large(Arc<firmmap::Mmap>, S),
}

/// Unmaps what was taken out of the state.
pub(crate) fn unmap(mut file: Option<SharedFile>) -> firmmap::Result<()> {
    file.as_mut().map_or(Ok(()), SharedFile::unmap)
}

/// The position that an index from Python names in a map of `len` bytes: negative ones count from the end.
#[inline]
pub(crate) fn resolve_index(len: usize, index: isize) -> Option<usize> {
    let len = len as isize;
    let index = if index < 0 { index + len } else { index };
    (0..len).contains(&index).then_some(index as usize)
}

/// `Vec::push`, which where there is no memory is an exception.
#[inline(always)]
pub(crate) fn try_push<T>(items: &mut Vec<T>, item: T) -> PyResult<()> {
    if items.len() == items.capacity() {
        items.try_reserve(16)?;
    }
    items.push(item);
    Ok(())
}

/// A bound of a search: negative ones count from the end, and stop at zero.
#[inline]
pub(crate) fn clamp(bound: isize, len: usize) -> usize {
    if bound < 0 { len.saturating_add_signed(bound) } else { bound as usize }
}
