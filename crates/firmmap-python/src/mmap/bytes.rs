//! Bytes by index: items, slices, the sequence that iteration sees, copies inside the map.

use firmmap::MappedFile;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use super::{This, none};
use crate::args::{self, Args, Argument, Slice};
use crate::common::{self, DETACHED_COPY, Job, Mapped, Object, Returned, resolve_index, scatter};
use crate::errors::exception;
use crate::sys::buffer::new_bytes;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyIndexError, PyResult, PyTypeError, PyValueError};

pub(crate) fn subscript<'py>(this: This<'py>, key: Object<'_, 'py>) -> Returned<'py> {
    if Slice::is_slice(key) {
        this.check_open(this.py)?;
        return common::slice(this, Slice::unpack(key)?);
    }
    // Converting an exact int runs no Python code, so that the map need not be checked before.
    if let Some(index) = args::exact_int(key) {
        return this.item(index);
    }
    this.check_open(this.py)?;
    if !args::is_index(key) {
        return Err(PyTypeError::new_err("mmap indices must be integers"));
    }
    this.item(args::item_index(key)?)
}

impl<'py> This<'py> {
    #[inline]
    fn item(self, index: isize) -> Returned<'py> {
        let byte = match common::try_item(self, index) {
            Some(byte) => byte,
            None => self.open(self.py, |file| file.get(item(file, index)?).map_err(exception))?,
        };
        args::python_byte(self.py, byte)
    }
}

/// The position in the map that an index from Python names.
#[inline]
fn item(file: &MappedFile, index: isize) -> PyResult<usize> {
    resolve_index(file.len(), index).ok_or_else(|| PyIndexError::new_err("mmap index out of range"))
}

pub(crate) fn assign_subscript<'py>(
    this: This<'py>,
    key: Object<'_, 'py>,
    value: Option<Object<'_, 'py>>,
) -> PyResult<()> {
    let py = this.py;
    if Slice::is_slice(key) {
        this.check_writable()?;
        let slice = Slice::unpack(key)?;
        let value = value.ok_or_else(|| PyTypeError::new_err("mmap object doesn't support slice deletion"))?;
        return common::assign_slice(this, slice, value, assign_any_slice);
    }
    if common::try_assign_item(this, key, value).is_some() {
        return Ok(());
    }
    if let (Some(index), Some(value)) = (args::exact_int(key), value.and_then(args::exact_int)) {
        this.check_writable()?;
        let value = u8::try_from(value).map_err(|_| not_a_byte())?;
        return this.open(py, |file| file.set(item(file, index)?, value).map_err(exception));
    }
    this.check_writable()?;
    assign_item(this, key, value)
}

/// Assigns to a slice of a map that can be written to.
#[inline(never)]
fn assign_any_slice<'py>(this: This<'py>, slice: Slice, value: Object<'_, 'py>) -> PyResult<()> {
    let py = this.py;
    let value = Argument::new(value)?;
    let bytes = value.bytes();
    let job = this.open_map(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if bytes.len() != count {
            return Err(PyIndexError::new_err("mmap slice assignment is wrong size"));
        }
        if count > DETACHED_COPY {
            return Ok(Job::Large(file.to_arc(), (start, step)));
        }
        scatter(file, bytes, start, step).map(Job::Done).map_err(exception)
    })?;
    match job {
        Job::Done(()) => Ok(()),
        Job::Large(map, (start, step)) => detached(py, || scatter(&map, bytes, start, step)).map_err(exception),
    }
}

/// An assignment to one place, which anything that can stand for an integer names.
fn assign_item<'py>(this: This<'py>, key: Object<'_, 'py>, value: Option<Object<'_, 'py>>) -> PyResult<()> {
    let py = this.py;
    if !args::is_index(key) {
        return Err(PyTypeError::new_err("mmap indices must be integer"));
    }
    let index = args::item_index(key)?;
    let value = value.ok_or_else(|| PyTypeError::new_err("mmap doesn't support item deletion"))?;
    if !args::is_index(value) {
        return Err(PyTypeError::new_err("mmap item value must be an int"));
    }
    let value = u8::try_from(args::item_value(value)?).map_err(|_| not_a_byte())?;
    this.open(py, |file| file.set(item(file, index)?, value).map_err(exception))
}

#[cold]
fn not_a_byte() -> Exception {
    PyValueError::new_err("mmap item value must be in range(0, 256)")
}

/// What iteration, `reversed` and `in` see: bytes of length one, as with the standard class.
pub(crate) fn sequence_item(this: This<'_>, index: isize) -> Returned<'_> {
    let byte = this.open(this.py, |file| {
        let index = usize::try_from(index).ok().filter(|&index| index < file.len());
        let index = index.ok_or_else(|| PyIndexError::new_err("mmap index out of range"))?;
        file.get(index).map_err(exception)
    })?;
    new_bytes(this.py, &[byte])
}

pub(crate) fn sequence_assign(this: This<'_>, index: isize, value: Option<Object<'_, '_>>) -> PyResult<()> {
    this.open(this.py, |file| {
        let in_range = usize::try_from(index).is_ok_and(|index| index < file.len());
        if in_range { Ok(()) } else { Err(PyIndexError::new_err("mmap index out of range")) }
    })?;
    let value = value.ok_or_else(|| PyTypeError::new_err("mmap object doesn't support item deletion"))?;
    let byte = match value.cast::<PyBytes>() {
        Ok(bytes) if bytes.as_bytes().len() == 1 => bytes.as_bytes()[0],
        _ => return Err(PyIndexError::new_err("mmap assignment must be length-1 bytes()")),
    };
    this.check_writable()?;
    this.open(this.py, |file| file.set(index as usize, byte).map_err(exception))
}

pub(crate) fn move_bytes<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("move", 3, 3)?;
    let number = |index| args.get(index).map_or(Ok(0), args::ssize);
    let (target, source, count) = (number(0)?, number(1)?, number(2)?);
    this.open_map(py, |file| {
        this.check_writable()?;
        let len = file.len() as isize;
        if target < 0 || source < 0 || count < 0 || len - target < count || len - source < count {
            return Err(PyValueError::new_err("source, destination, or count out of range"));
        }
        let source = source as usize;
        file.copy_within(source..source + count as usize, target as usize).map_err(exception)
    })?;
    Ok(none(py))
}
