//! Writing as to a file: `write`, `writelines`, `write_byte`.

use std::sync::Arc;

use firmmap::ErrorKind;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::growth::{self, Grown};
use super::{MappedFile, Open, This, error, none};
use crate::args::{self, Args, Argument};
use crate::common::{DETACHED_COPY, Mapped, ResizeGuard, Returned};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult};

/// How many bytes of a list `writelines()` writes at once.
const BUFFER_SIZE: usize = 256 * 1024;

pub(crate) fn write<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("write", 1, 1)?;
    let data = match args.get(0) {
        Some(object) => Argument::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    this.check_open(py)?;
    this.check_writable("write")?;
    write_all(&this, py, data.bytes())?;
    args::python_int(py, data.bytes().len() as isize)
}

enum WriteStep {
    Done,
    /// Inside the map, without the GIL.
    Large(Arc<firmmap::Mmap>, usize),
    /// Behind the end of the map, at the position or, without one, at the end of the file, without the GIL.
    Append(Arc<firmmap::Mmap>, Option<usize>),
    /// Other threads have references to the mapping, which has to move.
    Busy,
}

/// Writes all bytes at the position, and moves it past them; or nothing.
fn write_all(this: &MappedFile, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
    let mut guard = None;
    loop {
        let step = this.open_now(py, |open| {
            if bytes.is_empty() {
                return Ok(WriteStep::Done);
            }
            if open.file.is_extended() {
                return Ok(WriteStep::Busy);
            }
            // What was written through the descriptor must not be overwritten.
            open.sync_from_descriptor()?;
            let position = open.file.position();
            open.changes += 1;
            if open.file.is_write_inside(bytes.len()) {
                if bytes.len() > DETACHED_COPY {
                    // The position moves at once, so that another thread's write goes after this one.
                    open.file.note_write(position, bytes.len());
                    open.move_to(position + bytes.len());
                    return Ok(WriteStep::Large(open.file.to_arc(), position));
                }
                open.file.write_all_at(bytes, position).map_err(error)?;
                open.file.note_write(position, bytes.len());
                open.move_to(position + bytes.len());
                return Ok(WriteStep::Done);
            }
            match growth::write(open, this.mode, bytes)? {
                Grown::Done => {
                    open.sync_to_descriptor();
                    Ok(WriteStep::Done)
                }
                Grown::Append(map, position) => {
                    open.file.appending = true;
                    Ok(WriteStep::Append(map, position))
                }
                Grown::Busy => Ok(WriteStep::Busy),
            }
        })?;
        match step {
            WriteStep::Done => return Ok(()),
            WriteStep::Large(map, position) => {
                let result = detached(py, || map.write_all_at(bytes, position));
                note_again(this, py, position, bytes.len());
                drop(map);
                if let Err(failed) = result {
                    let failed = write_failed(this, py, failed);
                    this.move_back(py, position);
                    return Err(failed);
                }
                return Ok(());
            }
            WriteStep::Append(map, position) => {
                let result = detached(py, || match position {
                    Some(position) => map.write_growing_at(bytes, position).map(|()| position),
                    None => map.append(bytes),
                });
                let is_done: PyResult<_> = this.state.with(py, |state| {
                    // What is written is written, also if the map was closed meanwhile.
                    if let Some(open) = state {
                        open.file.appending = false;
                        open.changes += 1;
                    }
                    let start = match result {
                        // Others have made the file longer than the capacity meanwhile, and nothing is written: the map has to move.
                        Err(failed) if failed.kind() == ErrorKind::BeyondCapacity => return Ok(false),
                        result => result.map_err(error)?,
                    };
                    // Unless another thread has moved it meanwhile.
                    let is_here = |open: &&mut Open| position.is_none_or(|position| open.file.position() == position);
                    if let Some(open) = state.as_mut().filter(is_here) {
                        open.move_to(start + bytes.len());
                    }
                    Ok(true)
                });
                // Not before: without the reference the thread does not count as appending, and others would write at the old position.
                drop(map);
                if is_done? {
                    return Ok(());
                }
            }
            WriteStep::Busy => ResizeGuard::wait(&mut guard, this, py)?,
        }
    }
}

/// After a write that was noted before it was made without the GIL: a `flush()` of another thread may have been satisfied meanwhile with what
/// was not written yet.
pub(super) fn note_again(this: &MappedFile, py: Python<'_>, start: usize, len: usize) {
    this.state.with(py, |state| {
        if let Some(open) = state {
            // What was read ahead is discarded.
            open.changes += 1;
            open.file.note_write(start, len);
        }
    });
}

/// The error of a write that was noted before it was made.
pub(super) fn write_failed(this: &MappedFile, py: Python<'_>, failed: firmmap::Error) -> Exception {
    // That reports the missing bytes.
    if failed.kind() == ErrorKind::Fault {
        this.state.with(py, |state| state.as_mut().map(|open| open.file.forget_writes()));
    }
    error(failed)
}

/// Writes each line as `write` does, so that Python code that runs in between, other threads and other programs find it in the file.
///
/// Going through a list or a tuple of bytes runs no Python code: of these, as many lines are one write as fit into [`BUFFER_SIZE`].
pub(crate) fn writelines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("writelines", 1, 1)?;
    this.check_open(py)?;
    let Some(lines) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let mut iterator = lines.try_iter()?;
    let gathers = lines.is_exact_instance_of::<PyList>() || lines.is_exact_instance_of::<PyTuple>();
    let mut gathered = Vec::new();
    let result = loop {
        let added = match iterator.next().transpose() {
            // No lines can be written to any file.
            Ok(Some(_)) if !this.is_writable() => this.check_writable("writelines"),
            Ok(Some(line)) if gathers && line.is_exact_instance_of::<PyBytes>() => {
                Argument::new(line.as_borrowed()).and_then(|line| add(&this, py, &mut gathered, line.bytes()))
            }
            Ok(Some(line)) => write_gathered(&this, py, &mut gathered).and_then(|()| {
                let line = Argument::new(line.as_borrowed())?;
                write_all(&this, py, line.bytes())
            }),
            Ok(None) => break Ok(()),
            Err(failed) => Err(failed.into()),
        };
        if added.is_err() {
            break added;
        }
    };
    // The lines before a wrong one are written, as they are to a plain file.
    write_gathered(&this, py, &mut gathered).and(result).map(|()| none(py))
}

/// Adds a line to those that are written next.
fn add(this: &MappedFile, py: Python<'_>, gathered: &mut Vec<u8>, line: &[u8]) -> PyResult<()> {
    if gathered.len() + line.len() > BUFFER_SIZE {
        write_gathered(this, py, gathered)?;
    }
    if line.len() > BUFFER_SIZE {
        return write_all(this, py, line);
    }
    gathered.try_reserve(line.len())?;
    gathered.extend_from_slice(line);
    Ok(())
}

/// Writes what was gathered; what cannot be written is not tried again.
fn write_gathered(this: &MappedFile, py: Python<'_>, gathered: &mut Vec<u8>) -> PyResult<()> {
    // The file may be closed by then.
    if gathered.is_empty() {
        return Ok(());
    }
    let written = write_all(this, py, gathered);
    gathered.clear();
    written
}

pub(crate) fn write_byte<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("write_byte", 1, 1)?;
    this.check_open(py)?;
    this.check_writable("write_byte")?;
    let Some(object) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let byte = args::byte(object).map_err(|error| args::limited(error, "byte", object, 0, 255))?;
    write_all(&this, py, &[byte])?;
    Ok(none(py))
}
