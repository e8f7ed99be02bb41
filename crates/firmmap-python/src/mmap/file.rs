//! What a file has: reading and writing at a position.

use pyo3::types::PyBool;

use super::{This, none};
use crate::args::{self, Args, Argument};
use crate::common::{self, DETACHED_COPY, Job, Mapped, Object, Returned};
use crate::errors::exception;
use crate::sys::detach::detached;
use crate::sys::exception::PyValueError;

pub(crate) fn read<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    args.check("read", 0, 1)?;
    let count = args::optional_count(args.get(0))?;
    let count = count.and_then(|count| usize::try_from(count).ok());
    common::read_bytes(this, count)
}

pub(crate) fn readline(this: This<'_>) -> Returned<'_> {
    common::read_line(this, None)
}

pub(crate) fn read_byte(this: This<'_>) -> Returned<'_> {
    let byte = this.open(this.py, |file| {
        let position = file.position();
        if position >= file.len() {
            return Err(PyValueError::new_err("read byte out of range"));
        }
        let byte = file.get(position).map_err(exception)?;
        file.set_position(position + 1);
        Ok(byte)
    })?;
    args::python_int(this.py, byte.into())
}

pub(crate) fn write_byte<'py>(this: This<'py>, byte: Object<'_, 'py>) -> Returned<'py> {
    let py = this.py;
    let byte = args::byte(byte)?;
    this.open_map(py, |file| {
        this.check_writable()?;
        let position = file.position();
        if position >= file.len() {
            return Err(PyValueError::new_err("write byte out of range"));
        }
        file.set(position, byte).map_err(exception)?;
        file.set_position(position + 1);
        Ok(())
    })?;
    Ok(none(py))
}

pub(crate) fn write<'py>(this: This<'py>, data: Object<'_, 'py>) -> Returned<'py> {
    let py = this.py;
    let data = Argument::new(data)?;
    let bytes = data.bytes();
    let job = this.open_map(py, |file| {
        this.check_writable()?;
        let position = file.position();
        if position > file.len() || bytes.len() > file.remaining() {
            return Err(PyValueError::new_err("data out of range"));
        }
        if bytes.len() > DETACHED_COPY {
            file.set_position(position + bytes.len());
            return Ok(Job::Large(file.to_arc(), position));
        }
        if !bytes.is_empty() {
            file.write_all_at(bytes, position).map_err(exception)?;
            file.set_position(position + bytes.len());
        }
        Ok(Job::Done(()))
    })?;
    if let Job::Large(map, position) = job {
        if let Err(error) = detached(py, || map.write_all_at(bytes, position)) {
            this.move_back(py, position);
            return Err(exception(error));
        }
    }
    args::python_int(py, bytes.len() as isize)
}

pub(crate) fn seek<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("seek", 1, 2)?;
    let distance = args.get(0).map_or(Ok(0), args::ssize)?;
    let whence = args.get(1).map_or(Ok(0), args::c_int)?;
    let position = this.open_map(py, |file| {
        let base = match whence {
            0 => 0,
            1 => file.position(),
            2 => file.len(),
            _ => return Err(PyValueError::new_err("unknown seek type")),
        };
        let target = base.checked_add_signed(distance).filter(|&target| target <= file.len());
        let target = target.ok_or_else(|| PyValueError::new_err("seek out of range"))?;
        file.set_position(target);
        Ok(target)
    })?;
    args::python_int(py, position as isize)
}

pub(crate) fn seekable(this: This<'_>) -> Returned<'_> {
    Ok(PyBool::new(this.py, true).to_owned().into_any())
}

pub(crate) fn tell(this: This<'_>) -> Returned<'_> {
    args::python_int(this.py, this.open(this.py, |file| Ok(file.position()))? as isize)
}
