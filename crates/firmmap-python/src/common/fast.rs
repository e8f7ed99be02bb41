//! Fast paths: `try_…` returns the result of a call that mostly needs no more than this, or `None` where the slow path has to be
//! taken. Where one returns `None`, nothing has changed, except that a write that met a fault may have been made.
//!
//! The arguments are exact ints and bytes objects, whose conversion runs no Python code and raises nothing. Converting a slice may do both;
//! after that the fast path returns the result in any case. The work is in [`leaf`].

use std::ffi::c_int;
use std::ops::Range;

use super::leaf;
use super::search::Direction;
use super::{DETACHED_COPY, Mapped, Object, clamp};
use crate::args::{self, Args, Slice};
use crate::sys::buffer::{NewBytes, exact_bytes};
use crate::sys::typeobject::{RawResult, Receiver, status};

#[inline(always)]
pub(crate) fn try_len<M: Mapped>(this: Receiver<'_, M>) -> Option<isize> {
    // A map has at most isize::MAX bytes.
    leaf::len(&*this, this.py).map(|len| len as isize)
}

#[inline(always)]
pub(crate) fn try_position<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let position = leaf::position(&*this, this.py)?;
    Some(RawResult::int(this.py, position as isize))
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
    Some(RawResult::int(this.py, position as isize))
}

/// `read_byte()`: the byte at the position.
#[inline(always)]
pub(crate) fn try_byte<M: Mapped>(this: Receiver<'_, M>) -> Option<RawResult<'_>> {
    let byte = leaf::byte(&*this, this.py)?;
    Some(RawResult::byte(this.py, byte))
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
    let byte = u8::try_from(args::exact_int(byte)?).ok()?;
    leaf::write(&*this, this.py, &[byte])?;
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
    Some(RawResult::int(this.py, bytes.len() as isize))
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

/// `m[i]`; apart, `m[i:j]`.
#[inline(always)]
pub(crate) fn try_subscript<'py, M: Mapped>(this: Receiver<'py, M>, key: Object<'_, 'py>) -> Option<RawResult<'py>> {
    match args::exact_int(key) {
        Some(index) => leaf::item(&*this, this.py, index).map(|byte| RawResult::byte(this.py, byte)),
        None => try_slice(this, key),
    }
}

/// `m[i:j]`.
#[inline(never)]
fn try_slice<'py, M: Mapped>(this: Receiver<'py, M>, key: Object<'_, 'py>) -> Option<RawResult<'py>> {
    let py = this.py;
    // A slice of a closed map is not converted.
    if !this.state().is_ready(py) {
        return None;
    }
    let slice = match Slice::unpack(key) {
        Ok(slice) => slice?,
        Err(error) => return Some(RawResult::from_result(py, Err(error))),
    };
    let finish = |bytes: NewBytes<'py>| RawResult::object(bytes.finish());
    // Not the whole slow path: converting the slice may have run Python code, which must not run twice.
    let slow = || RawResult::from_result(py, super::slice(this, slice).map_err(|error| this.add_filename(error)));
    Some(leaf::slice(&*this, py, |len| contiguous(slice, len)).map_or_else(slow, finish))
}

/// The bytes of a map that a slice names, one after another, if they are few enough to be copied with the GIL.
#[inline(always)]
fn contiguous(slice: Slice, len: usize) -> Option<Range<usize>> {
    let (start, step, count) = slice.fit(len);
    (step == 1 && count <= DETACHED_COPY).then(|| start..start + count)
}

/// `m[i] = b`; apart, `m[i:j] = …`.
#[inline(always)]
pub(crate) fn try_assign<'py, M: Mapped>(
    this: Receiver<'py, M>,
    key: Object<'_, 'py>,
    value: Option<Object<'_, 'py>>,
) -> Option<c_int> {
    let value = value?;
    let Some(index) = args::exact_int(key) else { return try_assign_slice(this, key, value) };
    let value = u8::try_from(args::exact_int(value)?).ok()?;
    leaf::set_item(&*this, this.py, index, value).map(|()| 0)
}

/// `m[i:j] = …` of a bytes object.
#[inline(never)]
fn try_assign_slice<'py, M: Mapped>(
    this: Receiver<'py, M>,
    key: Object<'_, 'py>,
    value: Object<'_, 'py>,
) -> Option<c_int> {
    let py = this.py;
    let bytes = exact_bytes(value)?;
    if !this.is_writable() || !this.state().is_ready(py) {
        return None;
    }
    let slice = match Slice::unpack(key) {
        Ok(slice) => slice?,
        Err(error) => return Some(status(py, Err(error))),
    };
    // As in `try_slice`.
    let slow = || status(py, M::assign_slice(this, slice, value).map_err(|error| this.add_filename(error)));
    Some(leaf::set_slice(&*this, py, bytes, |len| contiguous(slice, len)).map_or_else(slow, |()| 0))
}
