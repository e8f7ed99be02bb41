//! Fast paths: `try_…` returns the result of a call that mostly needs no more than this, or `None` where the slow path has to be
//! taken. Where one returns `None`, nothing has changed, except that a write that met a fault may have been made.
//!
//! The arguments are exact ints and bytes objects, whose conversion runs no Python code and raises nothing. Converting a slice may do both;
//! after that the fast path returns the result in any case. The work is in [`leaf`].

use std::ffi::c_int;
use std::ops::Range;

use pyo3::prelude::*;

use super::leaf;
use super::search::Direction;
use super::{DETACHED_COPY, Mapped, Object, clamp};
use crate::args::{self, Args, Slice};
use crate::sys::buffer::{NewBytes, exact_bytes};
use crate::sys::exception::PyResult;
use crate::sys::typeobject::{RawResult, Receiver};

#[inline(always)]
pub(crate) fn try_len<M: Mapped>(this: Receiver<'_, M>) -> Option<isize> {
    // A map has at most isize::MAX bytes.
    leaf::len(&*this, this.py).map(|len| len as isize)
}

#[inline(always)]
pub(crate) fn try_position<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let position = leaf::position(&*this, this.py)?;
    Some(RawResult::size(this.py, position))
}

/// Whether the map is closed, if it is not.
#[inline(always)]
pub(crate) fn try_closed<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    this.state().is_ready(this.py).then(|| RawResult::bool(this.py, false))
}

/// `seek()`, where the new position is inside of the map.
#[inline(always)]
pub(crate) fn try_seek<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    if args.len() > 2 {
        return None;
    }
    let distance = args::exact_int(args.get(0)?)?;
    let whence = args.get(1).map_or(Some(0), args::exact_int)?;
    let position = leaf::seek(&*this, this.py, distance, whence)?;
    Some(RawResult::size(this.py, position))
}

/// `read_byte()`: the byte at the position.
#[inline(always)]
pub(crate) fn try_byte<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let byte = leaf::byte(&*this, this.py)?;
    Some(RawResult::size(this.py, byte.into()))
}

/// `read(count)`, where there are as many.
#[inline(always)]
pub(crate) fn try_read<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    let count = usize::try_from(args::exact_int(args.only()?)?).ok()?;
    leaf::read(&*this, this.py, count).map(|bytes| RawResult::object(bytes.finish()))
}

/// `readline()`, for a line that ends nearby.
#[inline(always)]
pub(crate) fn try_line<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    leaf::line(&*this, this.py).map(|line| RawResult::object(line.finish()))
}

/// As [`try_line`], for a method that takes a limit: without one.
#[inline(always)]
pub(crate) fn try_line_with_args<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    if args.len() == 0 { try_line(this) } else { None }
}

/// `write_byte()`, inside of the map.
#[inline(always)]
pub(crate) fn try_write_byte<'py, M: Mapped>(this: Receiver<'py, M>, byte: Object<'_, 'py>) -> Option<RawResult<'py>> {
    leaf::write(&*this, this.py, &[args::small_int(byte)?])?;
    Some(RawResult::none(this.py))
}

#[inline(always)]
pub(crate) fn try_write_byte_with_args<'py, M: Mapped>(
    this: Receiver<'py, M>,
    args: Args<'py>,
) -> Option<RawResult<'py>> {
    try_write_byte(this, args.only()?)
}

/// `write()` of few bytes, inside of the map.
#[inline(always)]
pub(crate) fn try_write<'py, M: Mapped>(this: Receiver<'py, M>, data: Object<'_, 'py>) -> Option<RawResult<'py>> {
    let bytes = exact_bytes(data)?;
    leaf::write(&*this, this.py, bytes)?;
    Some(RawResult::size(this.py, bytes.len()))
}

#[inline(always)]
pub(crate) fn try_write_with_args<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    try_write(this, args.only()?)
}

/// `move()` of few bytes.
#[inline(always)]
pub(crate) fn try_move<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    if args.len() != 3 {
        return None;
    }
    let number = |index| usize::try_from(args::exact_int(args.get(index)?)?).ok();
    leaf::move_bytes(&*this, this.py, number(0)?, number(1)?, number(2)?)?;
    Some(RawResult::none(this.py))
}

#[inline(always)]
pub(crate) fn try_find<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    try_search(this, args, Direction::Forward)
}

#[inline(always)]
pub(crate) fn try_rfind<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>) -> Option<RawResult<'py>> {
    try_search(this, args, Direction::Backward)
}

/// `find()` and `rfind()`, where it is soon known whether there is a match.
#[inline(always)]
fn try_search<'py, M: Mapped>(this: Receiver<'py, M>, args: Args<'py>, direction: Direction) -> Option<RawResult<'py>> {
    if args.len() > 3 {
        return None;
    }
    let needle = exact_bytes(args.get(0)?)?;
    let bound = |index| args.get(index).map_or(Some(None), |bound| args::exact_int(bound).map(Some));
    let (start, end) = (bound(1)?, bound(2)?);
    let fit = |position: usize, len: usize| {
        let default = if M::SEARCHES_FROM_POSITION { position } else { 0 };
        let start = start.map_or(default, |start| clamp(start, len));
        (start, end.map_or(len, |end| clamp(end, len)).min(len))
    };
    let found = leaf::find(&*this, this.py, needle, direction, fit)?;
    Some(RawResult::int(this.py, found.map_or(-1, |index| index as isize)))
}

/// `m[i]` of a small int: without a call, nothing has to be saved for what comes after it.
#[inline(always)]
pub(crate) fn try_small_item<'py, M: Mapped>(this: Receiver<'py, M>, key: Object<'_, 'py>) -> Option<RawResult<'py>> {
    let byte = leaf::item(&*this, this.py, args::small_int(key)?.into())?;
    Some(RawResult::size(this.py, byte.into()))
}

/// `m[i]`, once the index is converted.
#[inline(always)]
pub(crate) fn try_item<M: Mapped>(this: Receiver<'_, M>, index: isize) -> Option<u8> {
    leaf::item(&*this, this.py, index)
}

/// `m[i:j]`, once the slice is converted.
#[inline(always)]
pub(super) fn try_slice<'py, M: Mapped>(this: Receiver<'py, M>, slice: Slice) -> Option<Bound<'py, PyAny>> {
    leaf::slice(&*this, this.py, |len| few(slice.contiguous(len)?)).map(NewBytes::finish)
}

/// `m[i:j:step]`, as [`try_slice`].
#[inline(always)]
pub(super) fn try_stepped_slice<'py, M: Mapped>(this: Receiver<'py, M>, slice: Slice) -> Option<Bound<'py, PyAny>> {
    let fit = |len| Some(slice.fit(len)).filter(|&(_, _, count)| is_few(count));
    leaf::stepped_slice(&*this, this.py, fit).map(NewBytes::finish)
}

/// The range, if there is something in it, and so little that it can be copied with the GIL.
#[inline(always)]
fn few(range: Range<usize>) -> Option<Range<usize>> {
    is_few(range.end - range.start).then_some(range)
}

#[inline(always)]
fn is_few(count: usize) -> bool {
    // Zero becomes the largest number.
    count.wrapping_sub(1) < DETACHED_COPY
}

/// `m[i] = b` of small ints, as [`try_small_item`].
#[inline(always)]
pub(crate) fn try_assign_small_item<'py, M: Mapped>(
    this: Receiver<'py, M>,
    key: Object<'_, 'py>,
    value: Option<Object<'_, 'py>>,
) -> Option<c_int> {
    let (index, value) = (args::small_int(key)?, args::small_int(value?)?);
    leaf::set_item(&*this, this.py, index.into(), value).map(|()| 0)
}

/// `m[i] = b` of ints.
#[inline(always)]
pub(crate) fn try_assign_item<'py, M: Mapped>(
    this: Receiver<'py, M>,
    key: Object<'_, 'py>,
    value: Option<Object<'_, 'py>>,
) -> Option<()> {
    let (index, value) = (args::exact_int(key)?, args::small_int(value?)?);
    leaf::set_item(&*this, this.py, index, value)
}

/// `m[i:j] = …` on a map that can be written to, once the slice is converted: by the fast path for bytes objects, or else by `any`.
#[inline(always)]
pub(crate) fn assign_slice<'value, 'py, M: Mapped>(
    this: Receiver<'py, M>,
    slice: Slice,
    value: Object<'value, 'py>,
    any: impl FnOnce(Receiver<'py, M>, Slice, Object<'value, 'py>) -> PyResult<()>,
) -> PyResult<()> {
    let write = |bytes| leaf::set_slice(&*this, this.py, bytes, |len| few(slice.contiguous(len)?));
    match exact_bytes(value).and_then(write) {
        Some(()) => Ok(()),
        None => any(this, slice, value),
    }
}
