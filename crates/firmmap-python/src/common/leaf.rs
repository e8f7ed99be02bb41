//! Reads of a map's state that do not mark it as in use: nothing that they call can come back to it.
//!
//! Everything else goes through [`StateLock::try_with`](super::state_lock::StateLock::try_with), which marks it, whatever its closure captures.

use pyo3::Python;

use super::shared_file::SharedFile;
use crate::common::Mapped;

/// A class whose state can be read in this way.
///
/// # Safety
///
/// - [`Mapped::try_file`], [`Mapped::try_file_at_position`] and [`Mapped::is_closed`] only read the state that they are given: they run no
///   Python code and drop nothing.
pub(crate) unsafe trait Leaf: Mapped {}

/// # Safety
///
/// - `read` runs no Python code and drops nothing.
#[inline(always)]
unsafe fn read_unmarked<M: Leaf, R>(
    map: &M,
    py: Python<'_>,
    read: impl FnOnce(&mut SharedFile) -> Option<R>,
) -> Option<R> {
    // SAFETY: the caller's promise, and that of the class.
    unsafe { map.state().try_unmarked(py, |state| read(M::try_file(state)?))? }
}

/// As [`read_unmarked`], where the position is where the map says.
///
/// # Safety
///
/// - As for [`read_unmarked`].
#[inline(always)]
unsafe fn read_at_position<M: Leaf, R>(
    map: &M,
    py: Python<'_>,
    read: impl FnOnce(&mut SharedFile) -> Option<R>,
) -> Option<R> {
    // SAFETY: the caller's promise, and that of the class.
    unsafe { map.state().try_unmarked(py, |state| read(M::try_file_at_position(state)?))? }
}

/// Whether the map is open, and no other thread has to be waited for.
#[inline(always)]
pub(crate) fn is_available<M: Leaf>(map: &M, py: Python<'_>) -> bool {
    // SAFETY: reads nothing more.
    unsafe { read_unmarked(map, py, |_| Some(())) }.is_some()
}

#[inline(always)]
pub(crate) fn len<M: Leaf>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { read_unmarked(map, py, |file| Some(file.len())) }
}

#[inline(always)]
pub(crate) fn position<M: Leaf>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { read_at_position(map, py, |file| Some(file.position())) }
}

/// The byte at the position, which then moves behind it.
#[inline(always)]
pub(crate) fn byte<M: Leaf>(map: &M, py: Python<'_>) -> Option<u8> {
    let read = |file: &mut SharedFile| {
        let position = file.position();
        let byte = file.try_get(position)?;
        file.set_position(position + 1);
        Some(byte)
    };
    // SAFETY: reads a mapped byte and two numbers. A fault only requests an exception, which CPython raises later.
    unsafe { read_at_position(map, py, read) }
}

/// Whether the map is closed.
#[inline(always)]
pub(crate) fn is_closed<M: Leaf>(map: &M, py: Python<'_>) -> Option<bool> {
    // SAFETY: the promise of the class.
    unsafe { map.state().try_unmarked(py, |state| M::is_closed(state)) }
}
