//! The bytes as items: `m[i]`, `m[i:j]`, assignment to both, `move()`.

use super::write::{note_again, write_failed};
use super::{Open, This, error, none};
use crate::args::{self, Args, Argument, Slice};
use crate::common::{self, DETACHED_COPY, Job, Mapped, Object, Returned, scatter};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyIndexError, PyResult, PyTypeError, PyValueError};
use crate::sys::objects::class_name;

#[inline]
pub(crate) fn subscript<'py>(this: This<'py>, key: Object<'_, 'py>) -> Returned<'py> {
    let py = this.py;
    if Slice::is_slice(key) {
        this.check_open(py)?;
        return common::slice(this, Slice::unpack(key)?);
    }
    // Converting an exact int runs no Python code, so that the map need not be checked before.
    if let Some(index) = args::exact_int(key) {
        return item(this, index);
    }
    this.check_open(py)?;
    if !args::is_index(key) {
        return Err(wrong_key(key));
    }
    item(this, args::item_index(key)?)
}

#[inline]
fn item(this: This<'_>, index: isize) -> Returned<'_> {
    let byte = match common::try_item(this, index) {
        Some(byte) => byte,
        None => this.open(this.py, |open| open.file.get(place(&open.file, index)?).map_err(error))?,
    };
    args::python_byte(this.py, byte)
}

/// `PySequence_GetItem`, as the sequence protocol of C has it. Negative indices had the length added once.
pub(crate) fn sequence_item(this: This<'_>, index: isize) -> Returned<'_> {
    let byte = this.open(this.py, |open| {
        let len = open.file.len();
        let place = usize::try_from(index).ok().filter(|&place| place < len);
        open.file.get(place.ok_or_else(|| out_of_range(index, len))?).map_err(error)
    })?;
    args::python_int(this.py, byte.into())
}

pub(crate) fn sequence_assign(this: This<'_>, index: isize, value: Option<Object<'_, '_>>) -> PyResult<()> {
    this.check_open(this.py)?;
    check_assignable(this)?;
    let byte = byte(value.ok_or_else(undeletable)?)?;
    this.open(this.py, |open| {
        let len = open.file.len();
        let place = usize::try_from(index).ok().filter(|&place| place < len);
        set(open, place.ok_or_else(|| out_of_range(index, len))?, byte)
    })
}

/// The position in the map that an index from Python names.
#[inline]
fn place(map: &firmmap::Mmap, index: isize) -> PyResult<usize> {
    common::resolve_index(map.len(), index).ok_or_else(|| out_of_range(index, map.len()))
}

#[cold]
fn out_of_range(index: isize, len: usize) -> Exception {
    PyIndexError::new_err(format!("index {index} is out of range for {len} mapped bytes"))
}

#[cold]
fn wrong_key(key: Object<'_, '_>) -> Exception {
    PyTypeError::new_err(format!("indices must be integers or slices, not {}", class_name(key)))
}

pub(crate) fn assign_subscript<'py>(
    this: This<'py>,
    key: Object<'_, 'py>,
    value: Option<Object<'_, 'py>>,
) -> PyResult<()> {
    let py = this.py;
    let is_slice = Slice::is_slice(key);
    if !is_slice && common::try_assign_item(this, key, value).is_some() {
        return Ok(());
    }
    this.check_open(py)?;
    check_assignable(this)?;
    let value = value.ok_or_else(undeletable)?;
    if is_slice {
        return common::assign_slice(this, Slice::unpack(key)?, value, assign_any_slice);
    }
    if args::is_index(key) {
        let index = args::item_index(key)?;
        let byte = byte(value)?;
        return this.open(py, |open| {
            let place = place(&open.file, index)?;
            set(open, place, byte)
        });
    }
    Err(wrong_key(key))
}

/// Assigns to a slice of a map that can be written to.
#[inline(never)]
fn assign_any_slice<'py>(this: This<'py>, slice: Slice, value: Object<'_, 'py>) -> PyResult<()> {
    let py = this.py;
    let value = Argument::new(value)?;
    let bytes = value.bytes();
    let job = this.open(py, |open| {
        let (start, step, count) = slice.fit(open.file.len());
        if bytes.len() != count {
            let given = bytes.len();
            let message = format!("cannot assign {given} bytes to a slice of {count}: a map's slice keeps its length");
            return Err(PyValueError::new_err(message));
        }
        open.changes += 1;
        if count == 0 {
            return Ok(Job::Done(()));
        }
        let last = start.wrapping_add_signed(step.wrapping_mul(count as isize - 1));
        let (first, len) = (start.min(last), start.abs_diff(last) + 1);
        // Copied byte by byte, a view of this very map would be overwritten before it is read.
        let distance = (bytes.as_ptr() as usize).wrapping_sub(open.file.as_ptr() as usize);
        let copy = if step != 1 && distance < open.file.len() {
            Some(open.file.to_vec(distance..distance + count).map_err(error)?)
        } else {
            None
        };
        if count > DETACHED_COPY && copy.is_none() {
            open.file.note_write(first, len);
            return Ok(Job::Large(open.file.to_arc(), (start, step, first, len)));
        }
        scatter(&open.file, copy.as_deref().unwrap_or(bytes), start, step).map_err(error)?;
        open.file.note_write(first, len);
        Ok(Job::Done(()))
    })?;
    if let Job::Large(map, (start, step, first, len)) = job {
        let result = detached(py, || scatter(&map, bytes, start, step));
        note_again(&this, py, first, len);
        drop(map);
        result.map_err(|failed| write_failed(&this, py, failed))?;
    }
    Ok(())
}

/// The value of an item, as a bytearray takes it.
fn byte(value: Object<'_, '_>) -> PyResult<u8> {
    if !args::is_index(value) {
        let message = format!("'{}' object cannot be interpreted as an integer", class_name(value));
        return Err(PyTypeError::new_err(message));
    }
    let number = args::clipped(value)?;
    u8::try_from(number).map_err(|_| PyValueError::new_err("byte must be in range(0, 256)"))
}

fn set(open: &mut Open, place: usize, byte: u8) -> PyResult<()> {
    open.changes += 1;
    open.file.set(place, byte).map_err(error)?;
    open.file.note_write(place, 1);
    Ok(())
}

#[cold]
fn undeletable() -> Exception {
    PyTypeError::new_err("mapped bytes can be changed, not deleted")
}

/// As with bytes, what cannot be assigned to is a `TypeError`.
fn check_assignable(this: This<'_>) -> PyResult<()> {
    if this.is_writable() {
        return Ok(());
    }
    Err(PyTypeError::new_err(
        "the map has mode 'r': its bytes cannot be changed; open it with 'r+', or 'c' to change them in memory only",
    ))
}

pub(crate) fn move_bytes<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("move", 3, 3)?;
    let number = |index, what| args.get(index).map_or(Ok(0), |number| args::named_ssize(what, number));
    let (target, source, count) = (number(0, "destination")?, number(1, "source")?, number(2, "count")?);
    this.open(py, |open| {
        check_assignable(this)?;
        let numbers = (usize::try_from(target), usize::try_from(source), usize::try_from(count));
        let (Ok(target), Ok(source), Ok(count)) = numbers else {
            let message = format!("move of {count} bytes from {source} to {target}: no number may be negative");
            return Err(PyValueError::new_err(message));
        };
        open.changes += 1;
        // Three numbers that each fit in an isize have a sum that fits in a usize.
        open.file.copy_within(source..source + count, target).map_err(error)?;
        open.file.note_write(target, count);
        Ok(())
    })?;
    Ok(none(py))
}
