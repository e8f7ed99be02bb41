//! Looks at a map's state that do not mark it as in use: nothing in here can come back to it, so that nobody would see the mark.
//!
//! All else goes through [`Exclusive::try_with`](super::state_lock::Exclusive::try_with), which marks it, whatever its closure captures.

use pyo3::Python;

use super::shared_file::File;
use crate::common::Mapped;

/// A class whose state can be looked at in this way.
///
/// # Safety
///
/// - [`Mapped::at_hand`] and [`Mapped::is_closed`] only look at the state that they are given: they run no Python code and drop nothing.
pub(crate) unsafe trait Leaf: Mapped {}

/// # Safety
///
/// - `read` runs no Python code and drops nothing.
#[inline(always)]
unsafe fn look<M: Leaf, R>(map: &M, py: Python<'_>, read: impl FnOnce(&mut File) -> Option<R>) -> Option<R> {
    // SAFETY: the caller's promise, and that of the class.
    unsafe { map.state().try_unmarked(py, |state| read(M::at_hand(state)?))? }
}

/// Whether the map is open, and nobody else is to go first.
#[inline(always)]
pub(crate) fn is_at_hand<M: Leaf>(map: &M, py: Python<'_>) -> bool {
    // SAFETY: looks at nothing more.
    unsafe { look(map, py, |_| Some(())) }.is_some()
}

#[inline(always)]
pub(crate) fn len<M: Leaf>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { look(map, py, |file| Some(file.len())) }
}

#[inline(always)]
pub(crate) fn position<M: Leaf>(map: &M, py: Python<'_>) -> Option<usize> {
    // SAFETY: reads a number.
    unsafe { look(map, py, |file| Some(file.position())) }
}

/// The byte at the position, which then is behind it.
#[inline(always)]
pub(crate) fn byte<M: Leaf>(map: &M, py: Python<'_>) -> Option<u8> {
    let read = |file: &mut File| {
        let position = file.position();
        let byte = file.quick_get(position)?;
        file.set_position(position + 1);
        Some(byte)
    };
    // SAFETY: reads a mapped byte and two numbers. A fault on the way only makes requests, which are served later.
    unsafe { look(map, py, read) }
}

/// Whether the map is closed, where that can be said.
#[inline(always)]
pub(crate) fn is_closed<M: Leaf>(map: &M, py: Python<'_>) -> Option<bool> {
    // SAFETY: the promise of the class.
    unsafe { map.state().try_unmarked(py, |state| M::is_closed(state)) }
}
