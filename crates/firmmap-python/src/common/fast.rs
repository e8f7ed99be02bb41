//! Fast paths: `try_…` returns the result of a call that mostly needs no more than this, or `None` where the slow path has to be
//! taken. Where one returns `None`, nothing has changed.

use super::leaf::{self, Leaf};
use super::{DETACHED_COPY, Mapped, Object, resolve_index};
use crate::args::{self, Slice};
use crate::sys::buffer::NewBytes;
use crate::sys::typeobject::{RawResult, Receiver};

#[inline(always)]
pub(crate) fn try_len<M: Leaf>(this: Receiver<'_, M>) -> Option<isize> {
    // A map has at most isize::MAX bytes.
    leaf::len(&*this, this.py).map(|len| len as isize)
}

#[inline(always)]
pub(crate) fn try_position<M: Leaf>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let position = leaf::position(&*this, this.py)?;
    Some(RawResult::int(this.py, position as isize))
}

/// `read_byte()`: the byte at the position.
#[inline(always)]
pub(crate) fn try_byte<M: Leaf>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let byte = leaf::byte(&*this, this.py)?;
    Some(RawResult::byte(this.py, byte))
}

#[inline(always)]
pub(crate) fn try_closed<M: Leaf>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    leaf::is_closed(&*this, this.py).map(|closed| RawResult::bool(this.py, closed))
}

/// The longest line that the fast path returns: beyond this, searching costs more than the call.
const NEAR: usize = 1024;

/// `readline()`, for a line that ends nearby.
#[inline(always)]
pub(crate) fn try_line<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let py = this.py;
    let line = this.state().try_with(py, |state| {
        let file = M::try_file_at_position(state)?;
        let start = file.position();
        let line = file.try_read_through(b'\n', start, NEAR, |count| NewBytes::new(py, count).ok())?;
        file.set_position(start + line.len());
        Some(line)
    })??;
    Some(RawResult::object(line.finish()))
}

/// `m[i]` and `m[i:j]`.
#[inline(always)]
pub(crate) fn try_subscript<'py, M: Leaf>(this: Receiver<'py, M>, key: Object<'_, 'py>) -> Option<RawResult<'py>> {
    let py = this.py;
    if let Some(index) = args::exact_int(key) {
        let byte = this.try_map(py, |file| file.try_get(resolve_index(file.len(), index)?))?;
        return Some(RawResult::byte(py, byte));
    }
    // A slice of a closed map is not converted.
    if !leaf::is_available(&*this, py) {
        return None;
    }
    let slice = match Slice::unpack(key) {
        Ok(slice) => slice?,
        Err(error) => return Some(RawResult::from_result(py, Err(error))),
    };
    let bytes = this.try_map(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if step != 1 || count > DETACHED_COPY {
            return None;
        }
        let mut bytes = NewBytes::new(py, count).ok()?;
        file.try_read(start, bytes.memory())?;
        Some(bytes)
    });
    // Not the whole slow path: converting the slice may have run Python code, which must not run twice.
    let finish = |bytes: NewBytes<'py>| RawResult::object(bytes.finish());
    Some(bytes.map_or_else(
        || RawResult::from_result(py, super::slice(this, slice).map_err(|error| this.add_filename(error))),
        finish,
    ))
}
