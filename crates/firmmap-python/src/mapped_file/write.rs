//! Writing as to a file: `write`, `writelines`, `write_byte`.

use std::sync::Arc;

use firmmap::ErrorKind;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::growth::{self, Grown};
use super::{MappedFile, Open, This, error, none};
use crate::args::{self, Args, Argument};
use crate::common::{DETACHED_COPY, Mapped, ResizeGuard, Returned};
use crate::faults::thread;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult};
use crate::sys::typeobject::InstanceRef;

/// How many bytes `writelines()` buffers before it writes.
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
            if open.file.is_appended_to() {
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
                drop(map);
                this.changed(py);
                if let Err(failed) = result {
                    let failed = write_failed(this, py, failed);
                    this.set_position(py, position)?;
                    return Err(failed);
                }
                return Ok(());
            }
            WriteStep::Append(map, position) => {
                let result = detached(py, || match position {
                    Some(position) => map.write_growing_at(bytes, position).map(|()| position),
                    None => map.append(bytes),
                });
                drop(map);
                let is_done = this.open_now(py, |open| {
                    open.file.appending = false;
                    open.changes += 1;
                    let start = match result {
                        // Others have made the file longer than the capacity meanwhile, and nothing is written: the map has to move.
                        Err(failed) if failed.kind() == ErrorKind::BeyondCapacity => return Ok(false),
                        result => result.map_err(error)?,
                    };
                    // Unless another thread has moved it meanwhile.
                    if position.is_none_or(|position| open.file.position() == position) {
                        open.move_to(start + bytes.len());
                    }
                    Ok(true)
                })?;
                if is_done {
                    return Ok(());
                }
            }
            WriteStep::Busy => ResizeGuard::wait(&mut guard, this, py)?,
        }
    }
}

/// The error of a write that was noted before it was made.
pub(super) fn write_failed(this: &MappedFile, py: Python<'_>, failed: firmmap::Error) -> Exception {
    // That reports the missing bytes.
    if failed.kind() == ErrorKind::Fault {
        this.state.with(py, |state| state.as_mut().map(|open| open.file.forget_writes()));
    }
    error(failed)
}

/// Buffers lines, so that each write is a large one.
///
/// Python code that runs in between finds this map as if each line had been written at once: the buffer is lent to the map's
/// state meanwhile, and written before anything else is done with the map. Who has the file open a second time does not see them yet.
pub(crate) fn writelines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("writelines", 1, 1)?;
    this.check_open(py)?;
    this.check_writable("writelines")?;
    let Some(lines) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let mut iterator = lines.try_iter()?;
    // Going through these runs no Python code.
    let is_builtin = lines.is_exact_instance_of::<PyList>() || lines.is_exact_instance_of::<PyTuple>();
    let mut buffered = Vec::new();
    let mut result = Ok(());
    loop {
        let line = if is_builtin { Ok(iterator.next()) } else { lend(this, &mut buffered, || iterator.next()) };
        let added = match line.and_then(|line| Ok(line.transpose()?)) {
            Ok(Some(line)) => buffer(this, &mut buffered, line),
            Ok(None) => break,
            Err(failed) => Err(failed),
        };
        if added.is_err() {
            result = added;
            break;
        }
    }
    // The lines before a wrong one are written, as they are to a plain file.
    let rest = if buffered.is_empty() { Ok(()) } else { write_all(&this, py, &buffered) };
    match (rest, result) {
        // Both are raised, the first as the cause of the second.
        (Err(failed), Err(first)) => Err(failed.caused_by(py, first)),
        (rest, result) => rest.and(result).map(|()| none(py)),
    }
}

fn buffer<'py>(this: This<'py>, buffered: &mut Vec<u8>, line: Bound<'py, PyAny>) -> PyResult<()> {
    if line.is_exact_instance_of::<PyBytes>() {
        return add(this, buffered, Argument::new(line.as_borrowed())?.bytes());
    }
    // Getting at its bytes, and releasing them, may run Python code.
    let bytes = lend(this, buffered, || Argument::new(line.as_borrowed()))??;
    let added = add(this, buffered, bytes.bytes());
    lend(this, buffered, || drop(bytes))?;
    lend(this, buffered, || drop(line))?;
    added
}

fn add(this: This<'_>, buffered: &mut Vec<u8>, bytes: &[u8]) -> PyResult<()> {
    if buffered.len() + bytes.len() > BUFFER_SIZE && !buffered.is_empty() {
        write_all(&this, this.py, buffered)?;
        buffered.clear();
    }
    if bytes.len() > BUFFER_SIZE {
        return write_all(&this, this.py, bytes);
    }
    buffered.try_reserve(bytes.len())?;
    buffered.extend_from_slice(bytes);
    Ok(())
}

/// Runs `work`, which may run Python code, while the map's state has the buffer.
fn lend<R>(this: This<'_>, buffered: &mut Vec<u8>, work: impl FnOnce() -> R) -> PyResult<R> {
    let py = this.py;
    if buffered.is_empty() {
        return Ok(work());
    }
    let me = thread();
    let is_lent = this.state.with(py, |state| match state {
        Some(open) if !open.file.pending.has_buffered() => {
            std::mem::swap(buffered, &mut open.buffered);
            open.buffering_thread = Some(me);
            open.buffering_process = firmmap::fork_generation();
            // Lines that were read ahead are not returned while this is pending.
            open.changes += 1;
            open.file.pending.set_buffered(true);
            true
        }
        _ => false,
    });
    if !is_lent {
        // Another thread's buffer is there, or the file is closed.
        write_all(&this, py, buffered)?;
        buffered.clear();
        return Ok(work());
    }
    let result = work();
    this.state.with(py, |state| {
        let ours = |open: &&mut Open| open.file.pending.has_buffered() && open.buffering_thread == Some(me);
        if let Some(open) = state.as_mut().filter(ours) {
            *buffered = open.take_buffered();
        }
    });
    Ok(result)
}

/// Writes what `writelines()` has buffered in this thread, before anything else is done.
pub(super) fn write_buffered(this: &MappedFile, py: Python<'_>) -> PyResult<()> {
    let me = thread();
    write_buffered_if(this, py, |open| open.buffering_thread == Some(me))
}

/// Writes what `writelines()` has buffered in any thread, before the map is closed.
pub(super) fn write_all_buffered(this: &MappedFile, py: Python<'_>) -> PyResult<()> {
    write_buffered_if(this, py, |_| true)
}

fn write_buffered_if(this: &MappedFile, py: Python<'_>, is_wanted: impl Fn(&Open) -> bool) -> PyResult<()> {
    let buffered = this.state.with(py, |state| {
        let open = state.as_mut().filter(|open| open.file.pending.has_buffered() && is_wanted(open))?;
        Some(open.take_buffered()).filter(|buffered| !buffered.is_empty())
    });
    buffered.map_or(Ok(()), |buffered| write_all(this, py, &buffered))
}

/// [`write_buffered`] to the file of an iterator.
pub(super) fn write_buffered_for(
    py: Python<'_>,
    held: impl FnOnce() -> Option<InstanceRef<MappedFile>>,
) -> PyResult<()> {
    held().map_or(Ok(()), |file| write_buffered(&file.receiver(py), py))
}

impl Open {
    /// Takes what `writelines()` has buffered. Nothing of what it had when this process was forked by its iterator, or by another thread: the
    /// parent writes that to the file, and this process goes on after it; but a private map does not show it.
    fn take_buffered(&mut self) -> Vec<u8> {
        self.file.pending.set_buffered(false);
        let buffered = std::mem::take(&mut self.buffered);
        let is_shared = self.file.access() == firmmap::Access::Write && !self.file.is_anonymous();
        if !is_shared || self.buffering_process == firmmap::fork_generation() {
            return buffered;
        }
        let behind = self.file.position() + buffered.len();
        self.file.set_position(behind);
        Vec::new()
    }
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
