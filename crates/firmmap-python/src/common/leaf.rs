//! Short work on a map's state that does not mark it as in use: nothing that is called here can come back to it.
//!
//! Everything else goes through [`StateLock::try_with`](super::state_lock::StateLock::try_with), which marks it, whatever its closure captures.
//! Each function returns a result, or `None` with nothing changed (a fault stays recorded), where the slow path has to be taken.

use std::ops::Range;

use pyo3::Python;

use super::search::Direction;
use super::shared_file::SharedFile;
use crate::common::{Mapped, resolve_index};
use crate::sys::buffer::NewBytes;

/// A class whose state can be used in this way.
///
/// # Safety
///
/// - [`Mapped::try_file`], [`Mapped::try_file_at_position`], [`Mapped::is_closed`] and [`Mapped::wrote`] run no Python code and drop nothing.
pub(crate) unsafe trait Leaf: Mapped {}

/// # Safety
///
/// - `work` runs no Python code, and drops nothing of the state.
#[inline(always)]
unsafe fn unmarked<M: Leaf, R>(map: &M, py: Python<'_>, work: impl FnOnce(&mut SharedFile) -> Option<R>) -> Option<R> {
    // SAFETY: the caller's promise, and that of the class.
    unsafe { map.state().try_unmarked(py, |state| work(M::try_file(state)?))? }
}

/// As [`unmarked`], where the position is where the map says.
///
/// # Safety
///
/// - As for [`unmarked`].
#[inline(always)]
unsafe fn unmarked_at_position<M: Leaf, R>(
    map: &M,
    py: Python<'_>,
    work: impl FnOnce(&mut SharedFile) -> Option<R>,
) -> Option<R> {
    // SAFETY: the caller's promise, and that of the class.
    unsafe { map.state().try_unmarked(py, |state| work(M::try_file_at_position(state)?))? }
}

/// As [`unmarked`], for `work` that writes, and returns what it has written.
///
/// # Safety
///
/// - As for [`unmarked`].
#[inline(always)]
unsafe fn unmarked_write<M: Leaf>(
    map: &M,
    py: Python<'_>,
    work: impl FnOnce(&mut SharedFile) -> Option<Range<usize>>,
) -> Option<()> {
    let write = |state: &mut M::State| {
        let written = work(M::try_file(state)?)?;
        M::wrote(state, written);
        Some(())
    };
    if !map.is_writable() {
        return None;
    }
    // SAFETY: the caller's promise, and that of the class.
    unsafe { map.state().try_unmarked(py, write)? }
}

/// Whether the map is open, and no other thread has to be waited for.
#[inline(always)]
pub(crate) fn is_available<M: Leaf>(map: &M, py: Python<'_>) -> bool {
    // SAFETY: reads nothing more.
    unsafe { unmarked(map, py, |_| Some(())) }.is_some()
}

#[inline(always)]
pub(crate) fn len<M: Leaf>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { unmarked(map, py, |file| Some(file.len())) }
}

#[inline(always)]
pub(crate) fn position<M: Leaf>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { unmarked_at_position(map, py, |file| Some(file.position())) }
}

/// Whether the map is closed.
#[inline(always)]
pub(crate) fn is_closed<M: Leaf>(map: &M, py: Python<'_>) -> Option<bool> {
    // SAFETY: the promise of the class.
    unsafe { map.state().try_unmarked(py, |state| M::is_closed(state)) }
}

/// Moves the position, which it returns, inside of the map. `whence` is as for `seek()`.
#[inline(always)]
pub(crate) fn seek<M: Leaf>(map: &M, py: Python<'_>, distance: isize, whence: isize) -> Option<usize> {
    let seek = |file: &mut SharedFile| {
        let base = match whence {
            0 => 0,
            1 => file.position(),
            2 if M::LENGTH_IS_END => file.len(),
            _ => return None,
        };
        let target = base.checked_add_signed(distance).filter(|&target| target <= file.len())?;
        file.set_position(target);
        Some(target)
    };
    // SAFETY: reads and sets numbers.
    unsafe { unmarked_at_position(map, py, seek) }
}

/// The byte that an index from Python names.
#[inline(always)]
pub(crate) fn item<M: Leaf>(map: &M, py: Python<'_>, index: isize) -> Option<u8> {
    // SAFETY: reads a mapped byte. A fault only requests an exception, which CPython raises later.
    unsafe { unmarked(map, py, |file| file.try_get(resolve_index(file.len(), index)?)) }
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
    // SAFETY: as in `item`; sets a number.
    unsafe { unmarked_at_position(map, py, read) }
}

/// The `count` bytes at the position, which then moves behind them.
#[inline(always)]
pub(crate) fn read<'py, M: Leaf>(map: &M, py: Python<'py>, count: usize) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| {
        let position = file.position();
        if count > NEAR || count > file.len().checked_sub(position)? {
            return None;
        }
        let mut bytes = NewBytes::try_new(py, count)?;
        file.try_read(position, bytes.memory())?;
        file.set_position(position + count);
        Some(bytes)
    };
    // SAFETY: as in `byte`; a new bytes object runs no Python code, nor does its end.
    unsafe { unmarked_at_position(map, py, read) }
}

/// The longest line, or number of bytes, for which calls have a fast path: beyond this, the work costs more than the call.
const NEAR: usize = 1024;

/// The line at the position, which then moves behind it, if it ends nearby.
#[inline(always)]
pub(crate) fn line<'py, M: Leaf>(map: &M, py: Python<'py>) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| {
        let start = file.position();
        let line = file.try_read_through(b'\n', start, NEAR, |count| NewBytes::try_new(py, count))?;
        file.set_position(start + line.len());
        Some(line)
    };
    // SAFETY: as in `read`.
    unsafe { unmarked_at_position(map, py, read) }
}

/// The `count` bytes of the map from `start` on.
#[inline(always)]
pub(crate) fn slice<'py, M: Leaf>(
    map: &M,
    py: Python<'py>,
    fit: impl FnOnce(usize) -> Option<Range<usize>>,
) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| {
        let range = fit(file.len())?;
        let mut bytes = NewBytes::try_new(py, range.len())?;
        file.try_read(range.start, bytes.memory())?;
        Some(bytes)
    };
    // SAFETY: as in `read`; `fit` gets a number and returns two.
    unsafe { unmarked(map, py, read) }
}

/// Sets the byte that an index from Python names.
#[inline(always)]
pub(crate) fn set_item<M: Leaf>(map: &M, py: Python<'_>, index: isize, value: u8) -> Option<()> {
    let write = |file: &mut SharedFile| {
        let index = resolve_index(file.len(), index)?;
        file.try_set(index, value)?;
        Some(index..index + 1)
    };
    // SAFETY: stores a mapped byte. A fault only requests an exception, which CPython raises later.
    unsafe { unmarked_write(map, py, write) }
}

/// Writes at the position, inside of the map, and moves it behind that.
#[inline(always)]
pub(crate) fn write<M: Leaf>(map: &M, py: Python<'_>, bytes: &[u8]) -> Option<()> {
    let write = |state: &mut M::State| {
        let file = M::try_file_at_position(state)?;
        if file.appending || !file.is_write_inside(bytes.len()) {
            return None;
        }
        let position = file.position();
        match bytes {
            &[byte] => file.try_set(position, byte)?,
            _ => file.try_write_all(bytes, position)?,
        }
        file.set_position(position + bytes.len());
        M::wrote(state, position..position + bytes.len());
        Some(())
    };
    if !map.is_writable() {
        return None;
    }
    // SAFETY: stores mapped bytes and sets numbers, and the promise of the class. A fault only requests an exception.
    unsafe { map.state().try_unmarked(py, write)? }
}

/// Copies `count` bytes inside of the map.
#[inline(always)]
pub(crate) fn move_bytes<M: Leaf>(map: &M, py: Python<'_>, target: usize, source: usize, count: usize) -> Option<()> {
    let write = |file: &mut SharedFile| {
        file.try_copy_within(source, target, count)?;
        Some(target..target + count)
    };
    // SAFETY: copies mapped bytes. A fault only requests an exception.
    unsafe { unmarked_write(map, py, write) }
}

/// Searches where `fit` says for the position and the length, if it is soon known whether there is a match.
#[inline(always)]
pub(crate) fn find<M: Leaf>(
    map: &M,
    py: Python<'_>,
    needle: &[u8],
    direction: Direction,
    fit: impl FnOnce(usize, usize) -> (usize, usize),
) -> Option<Option<usize>> {
    let search = |file: &mut SharedFile| {
        let (start, end) = fit(file.position(), file.len());
        match direction {
            Direction::Forward => file.try_find(needle, start, end),
            Direction::Backward => file.try_rfind(needle, start, end),
        }
    };
    // SAFETY: reads mapped bytes; `fit` gets numbers and returns others.
    unsafe { unmarked(map, py, search) }
}
