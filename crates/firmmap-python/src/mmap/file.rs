//! What a file has: reading and writing at a position.

use firmmap::MappedFile;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBool;

use super::items::copy_out;
use super::{DETACHED_COPY, DETACHED_SEARCH, Job, Returned, none};
use crate::args::{self, Args, Argument};
use crate::errors::exception;
use crate::sys::buffer::NewBytes;
use crate::sys::class::This;
use crate::sys::native::Answer;

pub(crate) fn read<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("read", 0, 1)?;
    let count = args::optional_count(args.get(0))?;
    read_with(this, |file| {
        let remaining = file.remaining();
        let count = count.and_then(|count| usize::try_from(count).ok());
        Ok(Some(count.unwrap_or(remaining).min(remaining)))
    })
}

/// Reads as many bytes as `count` says, and moves the position behind them; `None` if that is yet to be found out.
#[inline]
fn read_with<'py>(this: This<'py>, count: impl FnOnce(&MappedFile) -> PyResult<Option<usize>>) -> Returned<'py> {
    let py = this.py;
    this.give_way(py)?;
    let job = this.open(py, |file| {
        let position = file.position();
        let count = match count(file)? {
            Some(count) if count <= DETACHED_COPY => count,
            count => {
                // The position moves at once, so that another thread's read starts behind this one.
                file.set_position(position + count.unwrap_or(0));
                return Ok(Job::Large(this.share(py, file), (position, count)));
            }
        };
        let mut bytes = NewBytes::new(py, count)?;
        if count > 0 {
            copy_out(file, position, 1, &mut bytes)?;
            file.set_position(position + count);
        }
        Ok(Job::Done(bytes))
    })?;
    let (map, position, count) = match job {
        Job::Done(bytes) => return Ok(bytes.finish()),
        Job::Large(map, (position, count)) => (map, position, count),
    };
    let result = (|| {
        let count = match count {
            Some(count) => count,
            None => py.detach(|| line_len(&map, position)).map_err(exception)?,
        };
        let mut bytes = NewBytes::new(py, count)?;
        let memory = bytes.memory();
        py.detach(|| map.read_uninit_at(memory, position).map(drop)).map_err(exception)?;
        Ok(bytes)
    })();
    match (&result, count) {
        (Err(_), Some(_)) => this.set_position(py, position)?,
        (Ok(bytes), None) => this.set_position(py, position + bytes.len())?,
        _ => {}
    }
    result.map(NewBytes::finish)
}

fn line_len(map: &firmmap::Mmap, position: usize) -> firmmap::Result<usize> {
    Ok(map.find(b"\n", position..)?.map_or(map.len(), |index| index + 1) - position)
}

/// A line that ends nearby.
#[inline]
pub(crate) fn ready_line(this: This<'_>) -> Option<Answer<'_>> {
    let py = this.py;
    let line = this.ready(py, |file| {
        let start = file.position();
        let line = file.quick_read_through(b'\n', start, NEAR, |count| NewBytes::new(py, count).ok())?;
        file.set_position(start + line.len());
        Some(line)
    })?;
    Some(Answer::object(line.finish()))
}

/// How far a line reaches that is given at once: searching further costs more than the way to it.
const NEAR: usize = 1024;

pub(crate) fn readline(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let line = this.open(py, |file| {
        let start = file.position();
        let near = file.remaining().min(DETACHED_SEARCH);
        // After a resize the position can be behind the end.
        let count = match near {
            0 => 0,
            _ => match file.find_byte(b'\n', start..start + near).map_err(exception)? {
                Some(newline) => newline + 1 - start,
                None if near == file.remaining() => near,
                None => return Ok(None),
            },
        };
        let mut bytes = NewBytes::new(py, count)?;
        if count > 0 {
            copy_out(file, start, 1, &mut bytes)?;
            file.set_position(start + count);
        }
        Ok(Some(bytes))
    })?;
    match line {
        Some(line) => Ok(line.finish()),
        None => read_with(this, |_| Ok(None)),
    }
}

#[inline]
pub(crate) fn ready_byte(this: This<'_>) -> Option<Answer<'_>> {
    let byte = this.ready(this.py, |file| {
        let position = file.position();
        let byte = file.quick_get(position)?;
        file.set_position(position + 1);
        Some(byte)
    })?;
    Some(Answer::byte(this.py, byte))
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

pub(crate) fn write_byte<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("write_byte", 1, 1)?;
    let byte = args.get(0).map_or(Ok(0), args::byte)?;
    this.check_open(py)?;
    this.check_writable()?;
    this.open(py, |file| {
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

pub(crate) fn write<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("write", 1, 1)?;
    let data = match args.get(0) {
        Some(object) => Argument::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    let bytes = data.bytes();
    this.check_open(py)?;
    this.check_writable()?;
    let job = this.open(py, |file| {
        let position = file.position();
        if position > file.len() || bytes.len() > file.remaining() {
            return Err(PyValueError::new_err("data out of range"));
        }
        if bytes.len() > DETACHED_COPY {
            file.set_position(position + bytes.len());
            return Ok(Job::Large(this.share(py, file), position));
        }
        if !bytes.is_empty() {
            file.write_all_at(bytes, position).map_err(exception)?;
            file.set_position(position + bytes.len());
        }
        Ok(Job::Done(()))
    })?;
    if let Job::Large(map, position) = job
        && let Err(error) = py.detach(|| map.write_all_at(bytes, position))
    {
        this.set_position(py, position)?;
        return Err(exception(error));
    }
    args::python_int(py, bytes.len() as isize)
}

pub(crate) fn seek<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("seek", 1, 2)?;
    let distance = args.get(0).map_or(Ok(0), args::ssize)?;
    let whence = args.get(1).map_or(Ok(0), args::int)?;
    let position = this.open(py, |file| {
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

#[inline]
pub(crate) fn ready_position(this: This<'_>) -> Option<Answer<'_>> {
    let position = this.state.try_with(this.py, |state| state.file.as_ref().map(MappedFile::position))??;
    Some(Answer::int(this.py, position as isize))
}

pub(crate) fn tell(this: This<'_>) -> Returned<'_> {
    args::python_int(this.py, this.open(this.py, |file| Ok(file.position()))? as isize)
}
