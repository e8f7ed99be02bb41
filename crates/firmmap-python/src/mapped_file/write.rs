//! Writing as to a file: `write`, `writelines`, `write_byte`.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::growth::{self, Grown, Turn};
use super::{MappedFile, Open, This, error, none};
use crate::args::{self, Args, Argument};
use crate::common::{DETACHED_COPY, Mapped, Returned};
use crate::sys::detach::detached;
use crate::sys::exception::PyResult;
use crate::sys::typeobject::Held;

/// How much `writelines()` gathers before it writes.
const GATHERED: usize = 256 * 1024;

pub(crate) fn write<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("write", 1, 1)?;
    this.check_writable("write")?;
    let data = match args.get(0) {
        Some(object) => Argument::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    write_all(&this, py, data.bytes())?;
    args::python_int(py, data.bytes().len() as isize)
}

enum Step {
    Done,
    /// Inside of the map, while other threads run.
    Large(Arc<firmmap::Mmap>, usize),
    /// Behind the end of the map, at the position or, without one, at the end of the file, while other threads run.
    Append(Arc<firmmap::Mmap>, Option<usize>),
    /// Others are using the map, which has to move.
    Busy,
}

/// Writes all bytes at the position, and moves it behind them; or nothing.
fn write_all(this: &MappedFile, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
    let mut turn = None;
    loop {
        let step = this.open_now(py, |open| {
            if bytes.is_empty() {
                return Ok(Step::Done);
            }
            if open.file.is_appended_to() {
                return Ok(Step::Busy);
            }
            // What was written with the descriptor is not written over.
            if open.handed_out.is_some() {
                open.take_in()?;
            }
            let position = open.file.position();
            open.changes += 1;
            if open.file.is_write_inside(bytes.len()) {
                if bytes.len() > DETACHED_COPY {
                    // The position moves at once, so that another thread's write goes behind this one.
                    open.move_to(position + bytes.len());
                    return Ok(Step::Large(open.file.share(), position));
                }
                open.file.write_all_at(bytes, position).map_err(error)?;
                open.move_to(position + bytes.len());
                return Ok(Step::Done);
            }
            match growth::write(open, this.mode, bytes)? {
                Grown::Done => {
                    open.follow();
                    Ok(Step::Done)
                }
                Grown::Append(map, position) => {
                    open.file.appending = true;
                    Ok(Step::Append(map, position))
                }
                Grown::Busy => Ok(Step::Busy),
            }
        })?;
        match step {
            Step::Done => return Ok(()),
            Step::Large(map, position) => {
                let result = detached(py, || map.write_all_at(bytes, position));
                drop(map);
                this.changed(py);
                if let Err(failed) = result {
                    this.set_position(py, position)?;
                    return Err(error(failed));
                }
                return Ok(());
            }
            Step::Append(map, position) => {
                let result = detached(py, || match position {
                    Some(position) => map.write_growing_at(bytes, position).map(|()| position),
                    None => map.append(bytes),
                });
                drop(map);
                return this.open_now(py, |open| {
                    open.file.appending = false;
                    open.changes += 1;
                    let start = result.map_err(error)?;
                    // Unless another thread has moved it meanwhile.
                    if position.is_none_or(|position| open.file.position() == position) {
                        open.move_to(start + bytes.len());
                    }
                    Ok(())
                });
            }
            Step::Busy => Turn::wait(&mut turn, this, py)?,
        }
    }
}

/// Gathers lines into large pieces, each of which is one write.
///
/// Whatever Python code runs in between finds the file as if each line had been written at once: what is gathered is lent to the map's
/// state meanwhile, and written before anything else is done with it.
pub(crate) fn writelines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("writelines", 1, 1)?;
    this.check_writable("writelines")?;
    let Some(lines) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let mut iterator = lines.try_iter()?;
    // Going through these runs no Python code.
    let is_plain = lines.is_exact_instance_of::<PyList>() || lines.is_exact_instance_of::<PyTuple>();
    let mut gathered = Vec::new();
    let mut result = Ok(());
    loop {
        let line = if is_plain { Ok(iterator.next()) } else { lend(this, &mut gathered, || iterator.next()) };
        let added = match line.and_then(|line| Ok(line.transpose()?)) {
            Ok(Some(line)) => gather(this, &mut gathered, line),
            Ok(None) => break,
            Err(failed) => Err(failed),
        };
        if added.is_err() {
            result = added;
            break;
        }
    }
    // The lines before a wrong one are written, as they are to a plain file.
    let rest = if gathered.is_empty() { Ok(()) } else { write_all(&this, py, &gathered) };
    match (rest, result) {
        // Neither hides the other.
        (Err(failed), Err(first)) => Err(failed.caused_by(py, first)),
        (rest, result) => rest.and(result).map(|()| none(py)),
    }
}

fn gather<'py>(this: This<'py>, gathered: &mut Vec<u8>, line: Bound<'py, PyAny>) -> PyResult<()> {
    if line.is_exact_instance_of::<PyBytes>() {
        return add(this, gathered, Argument::new(line.as_borrowed())?.bytes());
    }
    // To get at its bytes, and to be done with it, may run Python code.
    let bytes = lend(this, gathered, || Argument::new(line.as_borrowed()))??;
    let added = add(this, gathered, bytes.bytes());
    lend(this, gathered, || drop(bytes))?;
    lend(this, gathered, || drop(line))?;
    added
}

fn add(this: This<'_>, gathered: &mut Vec<u8>, bytes: &[u8]) -> PyResult<()> {
    if gathered.len() + bytes.len() > GATHERED && !gathered.is_empty() {
        write_all(&this, this.py, gathered)?;
        gathered.clear();
    }
    if bytes.len() > GATHERED {
        return write_all(&this, this.py, bytes);
    }
    gathered.try_reserve(bytes.len())?;
    gathered.extend_from_slice(bytes);
    Ok(())
}

/// Runs `work`, which may run Python code, while the map's state has what is gathered.
fn lend<R>(this: This<'_>, gathered: &mut Vec<u8>, work: impl FnOnce() -> R) -> PyResult<R> {
    let py = this.py;
    if gathered.is_empty() {
        return Ok(work());
    }
    let me = std::thread::current().id();
    let is_lent = this.state.with(py, |state| match state {
        Some(open) if !open.gate.has_gathered() => {
            std::mem::swap(gathered, &mut open.gathered);
            open.gatherer = Some(me);
            // What was read ahead is not given out past the gate.
            open.changes += 1;
            open.gate.set_gathered(true);
            true
        }
        _ => false,
    });
    if !is_lent {
        // Another thread's are there, or the file is closed.
        write_all(&this, py, gathered)?;
        gathered.clear();
        return Ok(work());
    }
    let result = work();
    this.state.with(py, |state| {
        if let Some(open) = state
            && open.gate.has_gathered()
            && open.gatherer == Some(me)
        {
            std::mem::swap(gathered, &mut open.gathered);
            open.gate.set_gathered(false);
        }
    });
    Ok(result)
}

/// Writes what `writelines()` has gathered in this thread, before anything else is done.
pub(super) fn write_gathered(this: &MappedFile, py: Python<'_>) -> PyResult<()> {
    let me = std::thread::current().id();
    write_gathered_if(this, py, |open| open.gatherer == Some(me))
}

/// Writes what `writelines()` has gathered in whichever thread, before the end.
pub(super) fn write_all_gathered(this: &MappedFile, py: Python<'_>) -> PyResult<()> {
    write_gathered_if(this, py, |_| true)
}

fn write_gathered_if(this: &MappedFile, py: Python<'_>, is_wanted: impl Fn(&Open) -> bool) -> PyResult<()> {
    let gathered = this.state.with(py, |state| {
        let open = state.as_mut().filter(|open| open.gate.has_gathered() && is_wanted(open))?;
        open.gate.set_gathered(false);
        Some(std::mem::take(&mut open.gathered))
    });
    gathered.map_or(Ok(()), |gathered| write_all(this, py, &gathered))
}

/// [`write_gathered`] to the file of an iterator.
pub(super) fn write_gathered_for(py: Python<'_>, held: impl FnOnce() -> Option<Held<MappedFile>>) -> PyResult<()> {
    held().map_or(Ok(()), |file| write_gathered(&file.receiver(py), py))
}

pub(crate) fn write_byte<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("write_byte", 1, 1)?;
    this.check_writable("write_byte")?;
    let Some(object) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let byte = args::byte(object).map_err(|error| args::limited(error, "byte", object, 0, 255))?;
    write_all(&this, py, &[byte])?;
    Ok(none(py))
}
