//! Writing as to a file: `write`, `writelines`, `write_byte`.

use std::ffi::CStr;
use std::sync::Arc;

use firmmap::ErrorKind;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyTuple};

use super::growth::{self, Grown};
use super::{MappedFile, Open, This, error, none};
use crate::args::{self, Args, Argument};
use crate::common::{DETACHED_COPY, Mapped, ResizeGuard, Returned};
use crate::faults::interpreter;
use crate::faults::thread;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult};
use crate::sys::objects::call_method;
use crate::sys::owned::Owned;
use crate::sys::typeobject::InstanceRef;

/// How many bytes `writelines()` gathers before it writes.
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

/// Gathers lines, so that each write is a large one.
///
/// Python code that runs in between finds this map as if each line had been written at once: what was gathered is lent to the map's
/// state meanwhile, and written before anything else is done with the map, and before a fork. From then on each line is written at once: such
/// code may as well look at the file in other ways. Who has the file open a second time sees lines a little later.
pub(crate) fn writelines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("writelines", 1, 1)?;
    this.check_open(py)?;
    this.check_writable("writelines")?;
    let Some(lines) = args.get(0) else { unreachable!("the number of arguments was checked") };
    let mut iterator = lines.try_iter()?;
    // Going through these runs no Python code.
    let is_builtin = lines.is_exact_instance_of::<PyList>() || lines.is_exact_instance_of::<PyTuple>();
    // What is done through a descriptor or views that the program has got already is not seen. Writes inside a map that does not grow are
    // copies, in any case.
    let at_once = !is_builtin
        && this.open(py, |open| {
            Ok(open.descriptor_position.is_some() || open.file.exports > 0 || !open.file.is_growable())
        })?;
    let mut gatherer = Gatherer { this, gathered: Gathered::default(), at_once, is_begun: is_builtin, is_known: false };
    let mut result = Ok(());
    loop {
        let line = if is_builtin { Ok(iterator.next()) } else { gatherer.lend(|| iterator.next()) };
        let added = match line.and_then(|line| Ok(line.transpose()?)) {
            Ok(Some(line)) => gatherer.add_object(line),
            Ok(None) => break,
            Err(failed) => Err(failed),
        };
        if added.is_err() {
            result = added;
            break;
        }
    }
    // The lines before a wrong one are written, as they are to a plain file.
    let rest = gatherer.write_rest();
    match (rest, result) {
        // Both are raised, the first as the cause of the second.
        (Err(failed), Err(first)) => Err(this.add_filename(failed).caused_by(py, first)),
        (rest, result) => rest.and(result).map(|()| none(py)),
    }
}

/// What `writelines()` has gathered.
#[derive(Default)]
pub(super) struct Gathered {
    bytes: Vec<u8>,
    /// The position, if the file ended there when the first line was added, or after what was written since: what others append meanwhile
    /// is not overwritten.
    end: Option<usize>,
}

impl Gathered {
    /// Writes what was gathered. After an error it is still there.
    fn write(&mut self, this: &MappedFile, py: Python<'_>) -> PyResult<()> {
        if self.bytes.is_empty() {
            return Ok(());
        }
        let bytes = std::mem::take(&mut self.bytes);
        let written = self.write_now(this, py, &bytes);
        self.bytes = bytes;
        if written.is_ok() {
            self.bytes.clear();
        }
        written
    }

    /// Writes at the position, or where the file ends.
    fn write_now(&mut self, this: &MappedFile, py: Python<'_>, bytes: &[u8]) -> PyResult<()> {
        let Some(end) = self.end else { return write_all(this, py, bytes) };
        let has_moved = this.open_now(py, |open| {
            let Some((_, now)) = open.end_at_position()?.filter(|&(position, now)| position == end && now > end) else {
                return Ok(false);
            };
            open.move_to(now);
            Ok(true)
        })?;
        let written = write_all(this, py, bytes);
        if written.is_ok() {
            self.end = Some(this.open_now(py, |open| Ok(open.file.position()))?);
        } else if has_moved {
            this.set_position(py, end)?;
        }
        written
    }
}

/// A call of `writelines()`.
struct Gatherer<'py> {
    this: This<'py>,
    gathered: Gathered,
    /// Whether nothing is gathered any more: Python code that ran in between has used the map.
    at_once: bool,
    /// Whether it was asked where the file ends.
    is_begun: bool,
    /// Whether the map is among those that are asked before a fork.
    is_known: bool,
}

impl<'py> Gatherer<'py> {
    fn add_object(&mut self, line: Bound<'py, PyAny>) -> PyResult<()> {
        if line.is_exact_instance_of::<PyBytes>() {
            return self.add(Argument::new(line.as_borrowed())?.bytes());
        }
        // Getting at its bytes, and releasing them, may run Python code.
        let bytes = self.lend(|| Argument::new(line.as_borrowed()))??;
        let added = self.add(bytes.bytes());
        self.lend(|| drop(bytes))?;
        self.lend(|| drop(line))?;
        added
    }

    fn add(&mut self, bytes: &[u8]) -> PyResult<()> {
        let (this, py) = (self.this, self.this.py);
        if self.at_once {
            return write_all(&this, py, bytes);
        }
        if !std::mem::replace(&mut self.is_begun, true) {
            let end = this.open_now(py, Open::end_at_position)?.filter(|(position, end)| position == end);
            self.gathered.end = end.map(|(_, end)| end);
        }
        if self.gathered.bytes.len() + bytes.len() > BUFFER_SIZE {
            self.write_gathered()?;
        }
        if bytes.len() > BUFFER_SIZE {
            return self.gathered.write_now(&this, py, bytes);
        }
        self.gathered.bytes.try_reserve(bytes.len())?;
        self.gathered.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what was gathered; what cannot be written is not tried again.
    fn write_gathered(&mut self) -> PyResult<()> {
        self.gathered.write(&self.this, self.this.py).inspect_err(|_| self.gathered.bytes.clear())
    }

    /// Runs `work`, which may run Python code, while the map's state has what was gathered.
    fn lend<R>(&mut self, work: impl FnOnce() -> R) -> PyResult<R> {
        if self.at_once {
            return Ok(work());
        }
        self.make_known()?;
        let Self { this, gathered, .. } = self;
        let (py, me) = (this.py, thread());
        let is_lent = this.state.with(py, |state| match state {
            Some(open) if !open.file.pending.has_gathered() => {
                open.lend_gathered(gathered, me);
                true
            }
            _ => false,
        });
        if !is_lent {
            // What another thread has gathered is there, or the file is closed.
            self.write_rest()?;
            return Ok(work());
        }
        let result = work();
        let is_back = this.state.with(py, |state| {
            let ours = |open: &&mut Open| open.file.pending.has_gathered() && open.gathering_thread == Some(me);
            state.as_mut().filter(ours).map(|open| *gathered = open.take_gathered()).is_some()
        });
        self.at_once = !is_back;
        Ok(result)
    }

    /// Writes what was gathered, and gathers no more.
    fn write_rest(&mut self) -> PyResult<()> {
        self.at_once = true;
        self.write_gathered()
    }

    /// Has the map asked before a fork.
    fn make_known(&mut self) -> PyResult<()> {
        let py = self.this.py;
        let Some(here) = interpreter::current(py).filter(|_| !self.is_known) else { return Ok(()) };
        let map = Owned::from(self.this.object());
        here.gathering.with(py, |maps| maps.try_reserve(1).map(|()| maps.push(map)))?;
        self.is_known = true;
        Ok(())
    }
}

impl Drop for Gatherer<'_> {
    fn drop(&mut self) {
        let (this, py) = (self.this, self.this.py);
        let Some(here) = interpreter::current(py).filter(|_| self.is_known) else { return };
        let map = here.gathering.with(py, |maps| {
            let index = maps.iter().rposition(|map| map.as_ptr() == this.as_ptr())?;
            Some(maps.swap_remove(index))
        });
        drop(map);
    }
}

/// Writes what `writelines()` has gathered in this thread, before anything else is done.
pub(super) fn write_gathered(this: &MappedFile, py: Python<'_>) -> PyResult<()> {
    let me = thread();
    write_gathered_if(this, py, |open| open.gathering_thread == Some(me))
}

/// Writes what `writelines()` has gathered in any thread, before the map is closed.
pub(super) fn write_all_gathered(this: &MappedFile, py: Python<'_>) -> PyResult<()> {
    write_gathered_if(this, py, |_| true)
}

fn write_gathered_if(this: &MappedFile, py: Python<'_>, is_wanted: impl Fn(&Open) -> bool) -> PyResult<()> {
    take_gathered_if(this, py, is_wanted).map_or(Ok(()), |mut gathered| gathered.write(this, py))
}

fn take_gathered_if(this: &MappedFile, py: Python<'_>, is_wanted: impl Fn(&Open) -> bool) -> Option<Gathered> {
    this.state.with(py, |state| {
        let open = state.as_mut().filter(|open| open.file.pending.has_gathered() && is_wanted(open))?;
        Some(open.take_gathered())
    })
}

/// [`write_gathered`] to the file of an iterator.
pub(super) fn write_gathered_for(
    py: Python<'_>,
    held: impl FnOnce() -> Option<InstanceRef<MappedFile>>,
) -> PyResult<()> {
    held().map_or(Ok(()), |file| write_gathered(&file.receiver(py), py))
}

/// `_write_gathered()`, of the module: what `writelines()` has gathered in this thread, before a fork, after which two processes would have it.
pub(crate) fn write_gathered_of_all(py: Python<'_>) -> Returned<'_> {
    call_all(py, c"_write_gathered")
}

/// `_write_all_gathered()`, of the module: in any thread, at the end of the program, where daemon threads and greenlets do not go on.
pub(crate) fn write_all_gathered_of_all(py: Python<'_>) -> Returned<'_> {
    call_all(py, c"_write_all_gathered")
}

/// Calls a method of each map in which lines are gathered, also after one has failed; then raises the first error.
fn call_all<'py>(py: Python<'py>, method: &CStr) -> Returned<'py> {
    let Some(here) = interpreter::current(py) else { return Ok(none(py)) };
    let (mut index, mut result) = (0, Ok(()));
    while let Some(map) = here.gathering.with(py, |maps| maps.get(index).map(|map| map.bind(py).clone())) {
        result = result.and(call_method(&map, method, []).map(drop));
        index += 1;
    }
    result.map(|()| none(py))
}

/// `_write_all_gathered()`, of a map.
pub(crate) fn write_at_exit(this: This<'_>) -> Returned<'_> {
    write_all_gathered(&this, this.py)?;
    Ok(none(this.py))
}

/// `_write_gathered()`, of a map. After an error it is still gathered: CPython drops exceptions of what is called before a fork, and the
/// call of `writelines()` has to raise it.
pub(crate) fn write_before_fork(this: This<'_>) -> Returned<'_> {
    let (py, me) = (this.py, thread());
    let Some(mut gathered) = take_gathered_if(&this, py, |open| open.gathering_thread == Some(me)) else {
        return Ok(none(py));
    };
    gathered.write(&this, py).inspect_err(|_| {
        this.state.with(py, |state| {
            if let Some(open) = state.as_mut().filter(|open| !open.file.pending.has_gathered()) {
                open.lend_gathered(&mut gathered, me);
            }
        });
    })?;
    Ok(none(py))
}

impl Open {
    /// The position, and where the file ends now, if that can change.
    fn end_at_position(&mut self) -> PyResult<Option<(usize, usize)>> {
        if !self.file.is_growable() || self.file.access() != firmmap::Access::Write || self.file.is_anonymous() {
            return Ok(None);
        }
        self.sync_from_descriptor()?;
        let end = growth::end_of_file(self)?;
        Ok(Some((self.file.position(), end)))
    }

    fn lend_gathered(&mut self, gathered: &mut Gathered, thread: usize) {
        std::mem::swap(gathered, &mut self.gathered);
        self.gathering_thread = Some(thread);
        self.gathering_process = firmmap::fork_generation();
        // Lines that were read ahead are not returned while this is pending.
        self.changes += 1;
        self.file.pending.set_gathered(true);
    }

    /// Takes what `writelines()` has gathered. Nothing of what it had when this process was forked without a call of our hook, or by another
    /// thread: the parent writes that to the file or the memory, and this process goes on after it; but a private map does not show it.
    fn take_gathered(&mut self) -> Gathered {
        self.file.pending.set_gathered(false);
        let gathered = std::mem::take(&mut self.gathered);
        let is_private = self.file.access() == firmmap::Access::Copy;
        if is_private || self.gathering_process == firmmap::fork_generation() {
            return gathered;
        }
        let behind = self.file.position() + gathered.bytes.len();
        self.file.set_position(behind);
        Gathered::default()
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
