//! The work of the shortest calls, on a map that is ready for it (see [`super::map_lock`]): nothing that is called here can come back to
//! the state. Everything else goes through [`MapLock::with`](super::map_lock::MapLock::with), which marks it as in use, whatever its
//! closure captures.
//!
//! Each function returns a result, or `None` where the slow path has to be taken. Nothing has changed then, except that a write that met a
//! fault may have been made; the fault stays recorded.

use std::ops::Range;

use pyo3::Python;

use super::map_lock::Ready;
use super::search::Direction;
use super::shared_file::SharedFile;
use crate::common::{Mapped, resolve_index};
use crate::sys::buffer::NewBytes;

/// The length of the map, if it is ready.
#[inline(always)]
pub(crate) fn len<M: Mapped>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { map.state().try_file(py, Ready::Bytes, |file| Some(file.len())) }
}

#[inline(always)]
pub(crate) fn position<M: Mapped>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { map.state().try_file(py, Ready::Position, |file| Some(file.position())) }
}

/// Moves the position, which it returns, inside of the map. `whence` is as for `seek()`.
#[inline(always)]
pub(crate) fn seek<M: Mapped>(map: &M, py: Python<'_>, distance: isize, whence: isize) -> Option<usize> {
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
    unsafe { map.state().try_file(py, Ready::Position, seek) }
}

/// The byte that an index from Python names.
#[inline(always)]
pub(crate) fn item<M: Mapped>(map: &M, py: Python<'_>, index: isize) -> Option<u8> {
    // SAFETY: reads a mapped byte. A fault only requests an exception, which CPython raises later.
    unsafe { map.state().try_file(py, Ready::Bytes, |file| file.try_get(resolve_index(file.len(), index)?)) }
}

/// The byte at the position, which then moves past it.
#[inline(always)]
pub(crate) fn byte<M: Mapped>(map: &M, py: Python<'_>) -> Option<u8> {
    let read = |file: &mut SharedFile| {
        let position = file.position();
        let byte = file.try_get(position)?;
        file.set_position(position + 1);
        Some(byte)
    };
    // SAFETY: as in `item`; sets a number.
    unsafe { map.state().try_file(py, Ready::Position, read) }
}

/// The `count` bytes at the position, which then moves past them.
#[inline(always)]
pub(crate) fn read<'py, M: Mapped>(map: &M, py: Python<'py>, count: usize) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| {
        let position = file.position();
        if count > NEAR {
            return None;
        }
        let end = position.checked_add(count)?;
        let fit = |len| Some(position..end).filter(|_| M::LENGTH_IS_END || end < len);
        let bytes = file.try_read_range(fit, |count| NewBytes::try_new(py, count))?;
        file.set_position(end);
        Some(bytes)
    };
    // SAFETY: as in `byte`; a new bytes object runs no Python code, nor does its end.
    unsafe { map.state().try_file(py, Ready::Position, read) }
}

/// The longest line, or number of bytes, for which calls have a fast path: beyond this, the work costs more than the call.
const NEAR: usize = 1024;

/// The line at the position, which then moves past it, if it ends nearby; not the last one of a file that can become shorter.
#[inline(always)]
pub(crate) fn line<'py, M: Mapped>(map: &M, py: Python<'py>) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| {
        let start = file.position();
        let line = file.try_read_through(b'\n', start, NEAR, |count| NewBytes::try_new(py, count))?;
        let end = start + line.len();
        // Whether the file still reaches to the end of the map, or of zeros, is asked for afterwards.
        if !M::LENGTH_IS_END && (end >= file.len() || firmmap::Mmap::has_zero(line.written())) {
            return None;
        }
        file.set_position(end);
        Some(line)
    };
    // SAFETY: as in `read`.
    unsafe { map.state().try_file(py, Ready::Position, read) }
}

/// The bytes of the map where `fit` says for its length.
#[inline(always)]
pub(crate) fn slice<'py, M: Mapped>(
    map: &M,
    py: Python<'py>,
    fit: impl FnOnce(usize) -> Option<Range<usize>>,
) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| file.try_read_range(fit, |count| NewBytes::try_new(py, count));
    // SAFETY: as in `read`; `fit` gets a number and returns two.
    unsafe { map.state().try_file(py, Ready::Bytes, read) }
}

/// The bytes of the map that are a step apart, where `fit` says for its length: the first, the step and the count.
#[inline(always)]
pub(crate) fn stepped_slice<'py, M: Mapped>(
    map: &M,
    py: Python<'py>,
    fit: impl FnOnce(usize) -> Option<(usize, isize, usize)>,
) -> Option<NewBytes<'py>> {
    let read = |file: &mut SharedFile| file.try_read_strided(fit, |count| NewBytes::try_new(py, count));
    // SAFETY: as in `slice`.
    unsafe { map.state().try_file(py, Ready::Bytes, read) }
}

/// Counts a view of the map, and returns the first byte's address and the length.
#[inline(always)]
pub(crate) fn view<M: Mapped>(map: &M, py: Python<'_>) -> Option<(*mut u8, usize)> {
    let count = |file: &mut SharedFile| {
        if !file.is_accessible() || !file.is_settled() {
            return None;
        }
        file.count_view();
        Some((file.as_mut_ptr(), file.len()))
    };
    // SAFETY: reads and sets numbers.
    unsafe { map.state().try_file(py, Ready::Bytes, count) }
}

/// Counts one view less, if no mapping was left to the views.
#[inline(always)]
pub(crate) fn release<M: Mapped>(map: &M, py: Python<'_>) -> Option<()> {
    // SAFETY: reads and sets numbers, as there is no mapping to be dropped.
    unsafe { map.state().try_file(py, Ready::Bytes, SharedFile::try_release) }
}

/// Sets the byte that an index from Python names.
#[inline(always)]
pub(crate) fn set_item<M: Mapped>(map: &M, py: Python<'_>, index: isize, value: u8) -> Option<()> {
    if !map.is_writable() {
        return None;
    }
    let write = |file: &mut SharedFile| {
        let index = resolve_index(file.len(), index)?;
        file.try_set(index, value)?;
        Some(index..index + 1)
    };
    // SAFETY: stores a mapped byte. A fault only requests an exception, which CPython raises later.
    unsafe { map.state().try_write(py, Ready::Bytes, write) }
}

/// Copies `bytes` into the map, to where `fit` says for its length.
#[inline(always)]
pub(crate) fn set_slice<M: Mapped>(
    map: &M,
    py: Python<'_>,
    bytes: &[u8],
    fit: impl FnOnce(usize) -> Option<Range<usize>>,
) -> Option<()> {
    let write = |file: &mut SharedFile| {
        let range = fit(file.len()).filter(|range| range.len() == bytes.len())?;
        file.try_write_all(bytes, range.start)?;
        Some(range)
    };
    // SAFETY: as in `set_item`; `fit` gets a number and returns two.
    unsafe { map.state().try_write(py, Ready::Bytes, write) }
}

/// Writes at the position, inside of the map, and moves it past that.
#[inline(always)]
pub(crate) fn write<M: Mapped>(map: &M, py: Python<'_>, bytes: &[u8]) -> Option<()> {
    if !map.is_writable() {
        return None;
    }
    let write = |file: &mut SharedFile| {
        if !M::LENGTH_IS_END && (file.appending || !file.is_write_inside(bytes.len())) {
            return None;
        }
        let position = file.position();
        match bytes {
            &[byte] => file.try_set(position, byte)?,
            _ => file.try_write_all(bytes, position)?,
        }
        file.set_position(position + bytes.len());
        Some(position..position + bytes.len())
    };
    // SAFETY: stores mapped bytes and sets numbers. A fault only requests an exception, which CPython raises later.
    unsafe { map.state().try_write(py, Ready::Position, write) }
}

/// Copies `count` bytes inside of the map.
#[inline(always)]
pub(crate) fn move_bytes<M: Mapped>(map: &M, py: Python<'_>, target: usize, source: usize, count: usize) -> Option<()> {
    if !map.is_writable() {
        return None;
    }
    let write = |file: &mut SharedFile| {
        file.try_copy_within(source, target, count)?;
        Some(target..target + count)
    };
    // SAFETY: copies mapped bytes. A fault only requests an exception.
    unsafe { map.state().try_write(py, Ready::Bytes, write) }
}

/// Searches where `fit` says for the position and the length, if it is soon known whether there is a match.
#[inline(always)]
pub(crate) fn find<M: Mapped>(
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
    unsafe { map.state().try_file(py, Ready::Bytes, search) }
}
