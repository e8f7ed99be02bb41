//! Writing as to a file: `write`, `writelines`, `write_byte`.

use std::sync::Arc;

use pyo3::prelude::*;

use super::growth::{self, Grown, Turn};
use super::{This, error, none};
use crate::args::{self, Args, Argument};
use crate::mapped::{DETACHED_COPY, Mapped, Returned};
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult};

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
    write_all(this, data.bytes())?;
    args::python_int(py, data.bytes().len() as isize)
}

enum Step {
    Done,
    /// Inside of the map, while other threads run.
    Large(Arc<firmmap::Mmap>, usize),
    /// At the end of the map, while other threads run.
    Append(Arc<firmmap::Mmap>, usize),
    /// Others are using the map, which has to move.
    Busy,
}

/// Writes all bytes at the position, and moves it behind them; or nothing.
fn write_all(this: This<'_>, bytes: &[u8]) -> PyResult<()> {
    let py = this.py;
    let mut turn = None;
    loop {
        let step = this.open_now(py, |open| {
            if bytes.is_empty() {
                return Ok(Step::Done);
            }
            if open.is_appended_to() {
                return Ok(Step::Busy);
            }
            // What was written with the descriptor is not written over.
            if open.handed_out.is_some() {
                open.take_in()?;
            }
            let position = open.file.position();
            open.changes += 1;
            if position <= open.file.len() && bytes.len() <= open.file.remaining() {
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
                Grown::Append(map) => {
                    open.appending = true;
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
                let result = detached(py, || map.append(bytes));
                drop(map);
                return this.open_now(py, |open| {
                    open.appending = false;
                    open.changes += 1;
                    let start = result.map_err(error)?;
                    // Unless another thread has moved it meanwhile.
                    if open.file.position() == position {
                        open.move_to(start + bytes.len());
                    }
                    Ok(())
                });
            }
            Step::Busy => Turn::wait(&mut turn, this)?,
        }
    }
}

/// Gathers lines into large pieces, each of which is one write.
pub(crate) fn writelines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("writelines", 1, 1)?;
    this.check_writable("writelines")?;
    let Some(lines) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let mut gathered = Vec::new();
    let mut result = Ok(());
    for line in lines.try_iter()? {
        let added = line.map_err(Exception::from).and_then(|line| {
            let line = Argument::new(line.as_borrowed())?;
            let bytes = line.bytes();
            if gathered.len() + bytes.len() > GATHERED {
                write_all(this, &gathered)?;
                gathered.clear();
            }
            if bytes.len() > GATHERED {
                return write_all(this, bytes);
            }
            gathered.try_reserve(bytes.len())?;
            gathered.extend_from_slice(bytes);
            Ok(())
        });
        if added.is_err() {
            result = added;
            break;
        }
    }
    // The lines before a wrong one are written, as they are to a plain file.
    let rest = write_all(this, &gathered);
    match (rest, result) {
        // Neither hides the other.
        (Err(failed), Err(first)) => Err(failed.caused_by(py, first)),
        (rest, result) => rest.and(result).map(|()| none(py)),
    }
}

pub(crate) fn write_byte<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("write_byte", 1, 1)?;
    this.check_writable("write_byte")?;
    let byte = args.get(0).map_or(Ok(0), args::byte)?;
    write_all(this, &[byte])?;
    Ok(none(py))
}
