//! The class `mmap`: what each method does. The constructor is in [`crate::create`]; how CPython comes here is in [`crate::sys::class`].
//!
//! Every method converts all of its arguments first and looks at the map after that, because a conversion can run
//! Python code that closes or resizes the map (C15). What touches the map is one closure under [`Mmap::open`], from
//! which Python cannot be called. Work on many bytes holds the map and lets go of the GIL.

use std::ops::Range;
use std::sync::Arc;

use firmmap::{Advice, FlushFlags, MappedFile};
use pyo3::exceptions::{PyBufferError, PyIndexError, PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyBytes, PyString};
use pyo3::{Borrowed, IntoPyObjectExt};

use crate::args::{self, Args, Argument, Slice};
use crate::constants::{ACCESS_COPY, ACCESS_READ, ACCESS_WRITE};
use crate::errors::{self, closed as closed_error, exception, os_error};
use crate::sys::buffer::{Export, NewBytes};
use crate::sys::call::unraisable;
use crate::sys::cell::Exclusive;
use crate::sys::class::{This, is_exact};

/// Searches of more bytes than this let other threads run.
const DETACHED_SEARCH: usize = 64 * 1024;
/// Copies of more bytes than this let other threads run.
const DETACHED_COPY: usize = 1024 * 1024;

type Object<'a, 'py> = Borrowed<'a, 'py, PyAny>;
type Returned<'py> = PyResult<Bound<'py, PyAny>>;

/// What an instance is made of.
pub(crate) struct Mmap {
    state: Exclusive<State>,
    /// One of the `ACCESS_*` numbers.
    access: i32,
    /// Whether the file's descriptor was to be kept.
    track_file: bool,
}

struct State {
    /// `None` when closed.
    file: Option<MappedFile>,
    /// Views that others hold.
    exports: usize,
}

impl Mmap {
    pub(crate) fn new(file: MappedFile, access: i32, track_file: bool) -> Self {
        Self { state: Exclusive::new(State { file: Some(file), exports: 0 }), access, track_file }
    }

    /// Runs `work` on the map, or raises if it is closed. `work` must not call into Python.
    #[inline]
    fn open<R>(&self, py: Python<'_>, work: impl FnOnce(&mut MappedFile) -> PyResult<R>) -> PyResult<R> {
        self.state.with(py, |state| match &mut state.file {
            Some(file) => work(file),
            None => Err(closed_error()),
        })
    }

    fn check_open(&self, py: Python<'_>) -> PyResult<()> {
        self.open(py, |_| Ok(()))
    }

    /// The end of an object that was not closed. A last fault is reported as other errors in finalizers are.
    pub(crate) fn finalize(&self, py: Python<'_>) {
        if let Err(error) = unmap(self.state.with(py, |state| state.file.take())) {
            unraisable(py, exception(error));
        }
    }

    fn set_position(&self, py: Python<'_>, position: usize) -> PyResult<()> {
        self.open(py, |file| {
            file.set_position(position);
            Ok(())
        })
    }

    fn check_writable(&self) -> PyResult<()> {
        if self.access == ACCESS_READ {
            return Err(PyTypeError::new_err("mmap can't modify a readonly memory map."));
        }
        Ok(())
    }
}

/// Work on the map that was set up while the state was locked: small work is done there, large work later.
enum Job<R, S> {
    Done(R),
    Large(Arc<firmmap::Mmap>, S),
}

pub(crate) fn repr(this: This<'_>) -> Returned<'_> {
    let py = this.py;
    let class = this.object().get_type();
    // The standard library's own name, so that nobody can tell.
    let name = if is_exact(&class) { "mmap.mmap".to_owned() } else { class.name()?.to_string() };
    let numbers =
        this.state.with(py, |state| state.file.as_ref().map(|file| (file.len(), file.position(), file.offset())));
    let words = match numbers {
        None => format!("<{name} closed=True>"),
        Some((length, pos, offset)) => {
            let access = match this.access {
                ACCESS_READ => "ACCESS_READ",
                ACCESS_WRITE => "ACCESS_WRITE",
                ACCESS_COPY => "ACCESS_COPY",
                _ => "ACCESS_DEFAULT",
            };
            format!("<{name} closed=False, access={access}, length={length}, pos={pos}, offset={offset}>")
        }
    };
    Ok(PyString::new(py, &words).into_any())
}

pub(crate) fn closed(this: This<'_>) -> Returned<'_> {
    let closed = this.state.with(this.py, |state| state.file.is_none());
    Ok(PyBool::new(this.py, closed).to_owned().into_any())
}

pub(crate) fn close(this: This<'_>) -> Returned<'_> {
    let taken = this.state.with(this.py, |state| {
        if state.exports > 0 {
            return Err(PyBufferError::new_err("cannot close exported pointers exist"));
        }
        Ok(state.file.take())
    })?;
    let large = taken.as_ref().is_some_and(|file| file.len() > DETACHED_COPY);
    let result = if large { this.py.detach(|| unmap(taken)) } else { unmap(taken) };
    result.map(|()| none(this.py)).map_err(exception)
}

/// Ends a mapping, and reports a last fault. Searches that are under way in other threads hold the map; then it is for
/// them to unmap and to report.
fn unmap(file: Option<MappedFile>) -> firmmap::Result<()> {
    file.and_then(|file| file.into_map().ok()).map_or(Ok(()), firmmap::Mmap::close)
}

pub(crate) fn enter(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(this.object())
}

pub(crate) fn exit<'py>(this: This<'py>, _: Args<'py>) -> Returned<'py> {
    close(this)
}

#[inline]
pub(crate) fn len(this: This<'_>) -> PyResult<isize> {
    // A map has at most isize::MAX bytes.
    this.open(this.py, |file| Ok(file.len() as isize))
}

#[inline]
pub(crate) fn subscript<'py>(this: This<'py>, key: Object<'_, 'py>) -> Returned<'py> {
    let py = this.py;
    // A plain int needs no look at the map before it is converted.
    if let Some(index) = args::plain(key) {
        return this.item(index);
    }
    this.check_open(py)?;
    if args::is_index(key) {
        return this.item(args::item_index(key)?);
    }
    let slice = Slice::unpack(key)?.ok_or_else(|| PyTypeError::new_err("mmap indices must be integers"))?;
    let job = this.open(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if count > DETACHED_COPY {
            return Ok(Job::Large(file.share(), (start, step, count)));
        }
        let mut bytes = NewBytes::new(py, count)?;
        copy_out(file, start, step, &mut bytes)?;
        Ok(Job::Done(bytes))
    })?;
    let bytes = match job {
        Job::Done(bytes) => bytes,
        Job::Large(map, (start, step, count)) => {
            let mut bytes = NewBytes::new(py, count)?;
            let memory = bytes.memory();
            py.detach(|| gather(&map, start, step, memory)).map_err(exception)?;
            bytes
        }
    };
    Ok(bytes.finish())
}

impl<'py> This<'py> {
    #[inline]
    fn item(self, index: isize) -> Returned<'py> {
        let byte = self.open(self.py, |file| file.get(item(file, index)?).map_err(exception))?;
        byte.into_bound_py_any(self.py)
    }
}

/// The place in the map that an index from Python names.
#[inline]
fn item(file: &MappedFile, index: isize) -> PyResult<usize> {
    let len = file.len() as isize;
    let index = if index < 0 { index + len } else { index };
    if (0..len).contains(&index) { Ok(index as usize) } else { Err(PyIndexError::new_err("mmap index out of range")) }
}

#[inline]
fn copy_out(map: &firmmap::Mmap, start: usize, step: isize, bytes: &mut NewBytes<'_>) -> PyResult<()> {
    gather(map, start, step, bytes.memory()).map_err(exception)
}

#[inline]
fn gather(
    map: &firmmap::Mmap,
    start: usize,
    step: isize,
    memory: &mut [std::mem::MaybeUninit<u8>],
) -> firmmap::Result<()> {
    match step {
        _ if memory.is_empty() => Ok(()),
        1 => map.read_uninit_at(memory, start).map(drop),
        _ => map.read_strided_uninit_at(memory, start, step).map(drop),
    }
}

pub(crate) fn assign_subscript<'py>(
    this: This<'py>,
    key: Object<'_, 'py>,
    value: Option<Object<'_, 'py>>,
) -> PyResult<()> {
    let py = this.py;
    // Two plain ints need no look at the map before they are converted.
    if let (Some(index), Some(value)) = (args::plain(key), value.and_then(args::plain)) {
        return this.open(py, |file| {
            this.check_writable()?;
            let index = item(file, index)?;
            let value = u8::try_from(value).map_err(|_| not_a_byte())?;
            file.set(index, value).map_err(exception)
        });
    }
    this.check_open(py)?;
    this.check_writable()?;
    if args::is_index(key) {
        let index = args::item_index(key)?;
        // Twice: before the value is converted, as the standard library does, and after, as it should.
        this.open(py, |file| item(file, index))?;
        let value = value.ok_or_else(|| PyTypeError::new_err("mmap doesn't support item deletion"))?;
        if !args::is_index(value) {
            return Err(PyTypeError::new_err("mmap item value must be an int"));
        }
        let value = u8::try_from(args::item_value(value)?).map_err(|_| not_a_byte())?;
        return this.open(py, |file| file.set(item(file, index)?, value).map_err(exception));
    }
    let slice = Slice::unpack(key)?.ok_or_else(|| PyTypeError::new_err("mmap indices must be integer"))?;
    let value = value.ok_or_else(|| PyTypeError::new_err("mmap object doesn't support slice deletion"))?;
    let value = Argument::new(value)?;
    let bytes = value.bytes();
    let job = this.open(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if bytes.len() != count {
            return Err(PyIndexError::new_err("mmap slice assignment is wrong size"));
        }
        if count > DETACHED_COPY {
            return Ok(Job::Large(file.share(), (start, step)));
        }
        scatter(file, bytes, start, step).map(Job::Done).map_err(exception)
    })?;
    match job {
        Job::Done(()) => Ok(()),
        Job::Large(map, (start, step)) => py.detach(|| scatter(&map, bytes, start, step)).map_err(exception),
    }
}

#[cold]
fn not_a_byte() -> PyErr {
    PyValueError::new_err("mmap item value must be in range(0, 256)")
}

fn scatter(map: &firmmap::Mmap, bytes: &[u8], start: usize, step: isize) -> firmmap::Result<()> {
    if step == 1 { map.write_all_at(bytes, start) } else { map.write_strided_at(bytes, start, step) }
}

/// What iteration, `reversed` and `in` see: bytes of length one, as with the standard class.
pub(crate) fn sequence_item(this: This<'_>, index: isize) -> Returned<'_> {
    let byte = this.open(this.py, |file| {
        let index = usize::try_from(index).ok().filter(|&index| index < file.len());
        let index = index.ok_or_else(|| PyIndexError::new_err("mmap index out of range"))?;
        file.get(index).map_err(exception)
    })?;
    Ok(PyBytes::new(this.py, &[byte]).into_any())
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

pub(crate) fn find<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    search(this, args, "find", Direction::Forward)
}

pub(crate) fn rfind<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    search(this, args, "rfind", Direction::Backward)
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

impl Direction {
    #[inline]
    fn search(self, map: &firmmap::Mmap, needle: &[u8], range: Range<usize>) -> firmmap::Result<Option<usize>> {
        match self {
            Self::Forward => map.find(needle, range),
            Self::Backward => map.rfind(needle, range),
        }
    }

    /// Divides a range into what is searched at once, and what is searched after that while other threads run. The two
    /// share what a match across their border needs.
    #[inline]
    fn divide(self, Range { start, end }: Range<usize>, needle: usize) -> (Range<usize>, Option<Range<usize>>) {
        let near = DETACHED_SEARCH.max(needle.saturating_mul(2));
        if end - start <= near {
            return (start..end, None);
        }
        let shared = needle.saturating_sub(1);
        match self {
            Self::Forward => (start..start + near, Some(start + near - shared..end)),
            Self::Backward => (end - near..end, Some(start..end - near + shared)),
        }
    }
}

#[inline]
fn search<'py>(this: This<'py>, args: Args<'py>, name: &str, direction: Direction) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check(name, 1, 3)?;
    let needle = match args.get(0) {
        Some(object) => Argument::new(object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    let start = args::optional_ssize(args.get(1))?;
    let end = args::optional_ssize(args.get(2))?;
    let job = this.open(py, |file| {
        let len = file.len();
        let start = start.map_or(file.position(), |start| clamp(start, len));
        let end = end.map_or(len, |end| clamp(end, len)).min(len);
        if start > end {
            return Ok(Job::Done(None));
        }
        let (near, far) = direction.divide(start..end, needle.bytes().len());
        let found = direction.search(file, needle.bytes(), near).map_err(exception)?;
        match far.filter(|_| found.is_none()) {
            Some(far) => Ok(Job::Large(file.share(), far)),
            None => Ok(Job::Done(found)),
        }
    })?;
    let found = match job {
        Job::Done(found) => found,
        Job::Large(map, range) => {
            let needle = needle.constant();
            py.detach(|| direction.search(&map, &needle, range)).map_err(exception)?
        }
    };
    found.map_or(-1, |index| index as isize).into_bound_py_any(py)
}

/// A bound of a slice: negative ones count from the end; those behind it stay there.
#[inline]
fn clamp(bound: isize, len: usize) -> usize {
    if bound < 0 { len.saturating_add_signed(bound) } else { bound as usize }
}

pub(crate) fn flush<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("flush", 0, 2)?;
    let offset = args.get(0).map_or(Ok(0), args::ssize)?;
    let size = args::optional_ssize(args.get(1))?;
    let mut flags = FlushFlags::SYNC;
    for (name, value) in args.by_name() {
        if name != "flags" {
            let words = format!("flush() got an unexpected keyword argument '{name}'");
            return Err(PyTypeError::new_err(words));
        }
        flags = FlushFlags::from_bits_retain(args::int(value)?);
    }
    let work = this.open(py, |file| {
        let len = file.len() as isize;
        let size = size.unwrap_or(len.saturating_sub(offset));
        if size < 0 || offset < 0 || len - offset < size {
            return Err(PyValueError::new_err("flush values out of range"));
        }
        if matches!(this.access, ACCESS_READ | ACCESS_COPY) {
            // There is nothing to write, but there may be something to tell.
            return file.check().map(|()| None).map_err(exception);
        }
        let (start, end) = (offset as usize, (offset + size) as usize);
        if !start.is_multiple_of(firmmap::page_size()) {
            return Ok(Some(None));
        }
        Ok(Some(Some((file.share(), start..end))))
    })?;
    match work {
        None => {}
        Some(None) => return Err(os_error(errors::INVALID_ARGUMENT)),
        Some(Some((map, range))) => py.detach(|| map.flush_with(range, flags)).map_err(exception)?,
    }
    Ok(none(py))
}

pub(crate) fn madvise<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("madvise", 1, 3)?;
    let option = args.get(0).map_or(Ok(0), args::int)?;
    let start = args.get(1).map_or(Ok(0), args::ssize)?;
    let length = args::optional_ssize(args.get(2))?;
    let (map, start, end) = this.open(py, |file| {
        let len = file.len() as isize;
        let length = length.unwrap_or(len);
        if start < 0 || start >= len {
            return Err(PyValueError::new_err("madvise start out of bounds"));
        }
        if length < 0 {
            return Err(PyValueError::new_err("madvise length invalid"));
        }
        let end = start.checked_add(length).ok_or_else(|| PyOverflowError::new_err("madvise length too large"))?;
        Ok((file.share(), start as usize, end.min(len) as usize))
    })?;
    if !start.is_multiple_of(firmmap::page_size()) {
        return Err(os_error(errors::INVALID_ARGUMENT));
    }
    py.detach(|| map.advise_range(start..end, Advice::from_raw(option))).map_err(exception)?;
    Ok(none(py))
}

pub(crate) fn move_bytes<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("move", 3, 3)?;
    let number = |index| args.get(index).map_or(Ok(0), args::ssize);
    let (target, source, count) = (number(0)?, number(1)?, number(2)?);
    this.check_open(py)?;
    this.check_writable()?;
    this.open(py, |file| {
        let len = file.len() as isize;
        if target < 0 || source < 0 || count < 0 || len - target < count || len - source < count {
            return Err(PyValueError::new_err("source, destination, or count out of range"));
        }
        let source = source as usize;
        file.copy_within(source..source + count as usize, target as usize).map_err(exception)
    })?;
    Ok(none(py))
}

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
    let job = this.open(py, |file| {
        let position = file.position();
        let count = match count(file)? {
            Some(count) if count <= DETACHED_COPY => count,
            count => {
                // The position moves at once, so that another thread's read starts behind this one.
                file.set_position(position + count.unwrap_or(0));
                return Ok(Job::Large(file.share(), (position, count)));
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

pub(crate) fn readline(this: This<'_>) -> Returned<'_> {
    read_with(this, |file| {
        let (position, remaining) = (file.position(), file.remaining());
        if remaining == 0 {
            return Ok(Some(0));
        }
        let near = remaining.min(DETACHED_SEARCH);
        match file.find(b"\n", position..position + near).map_err(exception)? {
            Some(index) => Ok(Some(index + 1 - position)),
            None if near == remaining => Ok(Some(remaining)),
            None => Ok(None),
        }
    })
}

#[inline]
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
    byte.into_bound_py_any(this.py)
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
            return Ok(Job::Large(file.share(), position));
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
    bytes.len().into_bound_py_any(py)
}

pub(crate) fn resize<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("resize", 1, 1)?;
    let size = args.get(0).map_or(Ok(0), args::ssize)?;
    loop {
        let done = this.state.with(py, |state| {
            let file = state.file.as_mut().ok_or_else(closed_error)?;
            if state.exports > 0 {
                return Err(PyBufferError::new_err("mmap can't resize with extant buffers exported."));
            }
            if !this.track_file {
                return Err(PyValueError::new_err("mmap can't resize with trackfd=False."));
            }
            if matches!(this.access, ACCESS_READ | ACCESS_COPY) {
                return Err(PyTypeError::new_err("mmap can't resize a readonly or copy-on-write memory map."));
            }
            let end = size.checked_add_unsigned(file.offset() as usize);
            if size < 0 || end.is_none() {
                return Err(PyValueError::new_err("new size out of range"));
            }
            if size == 0 {
                return Ok(Some(Err(os_error(errors::INVALID_ARGUMENT))));
            }
            if file.is_shared() {
                return Ok(None);
            }
            Ok(Some(file.resize(size as usize).map_err(|error| match error.kind() {
                firmmap::ErrorKind::Unsupported => {
                    PyValueError::new_err("mmap: can't expand a shared anonymous mapping on Linux")
                }
                _ => exception(error),
            })))
        })?;
        match done {
            Some(result) => return result.map(|()| none(py)),
            // Searches and copies in other threads are using the map. They end soon, and new ones wait for the GIL.
            None => {
                py.detach(|| std::thread::sleep(std::time::Duration::from_micros(200)));
                py.check_signals()?;
            }
        }
    }
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
    position.into_bound_py_any(py)
}

pub(crate) fn seekable(this: This<'_>) -> Returned<'_> {
    Ok(PyBool::new(this.py, true).to_owned().into_any())
}

pub(crate) fn set_name<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    args.check("set_name", 1, 1)?;
    let name = match args.get(0).map(|name| (name, name.cast::<PyString>())) {
        Some((_, Ok(name))) => name.to_str()?.to_owned(),
        Some((other, Err(_))) => {
            let class = other.get_type();
            let words = format!("set_name() argument must be str, not {}", class.name()?);
            return Err(PyTypeError::new_err(words));
        }
        None => unreachable!("the number of arguments was checked"),
    };
    if name.contains('\0') {
        return Err(PyValueError::new_err("embedded null character"));
    }
    // The standard library puts 13 characters of its own in front, and the system takes 80 with the final zero.
    if name.len() > 66 {
        return Err(PyValueError::new_err("name is too long"));
    }
    let result = this.open(py, |file| {
        if !file.is_anonymous() {
            return Err(PyValueError::new_err("Cannot set annotation on non-anonymous mappings"));
        }
        Ok(file.set_name(&format!("firmmap:{name}")))
    })?;
    result.map_err(exception)?;
    Ok(none(py))
}

pub(crate) fn size(this: This<'_>) -> Returned<'_> {
    let result = this.open(this.py, |file| {
        if !this.track_file {
            return Ok(None);
        }
        Ok(Some(file.file_len()))
    })?;
    let len = result.ok_or_else(|| os_error(errors::BAD_DESCRIPTOR))?;
    len.map_err(exception)?.into_bound_py_any(this.py)
}

#[inline]
pub(crate) fn tell(this: This<'_>) -> Returned<'_> {
    this.open(this.py, |file| Ok(file.position()))?.into_bound_py_any(this.py)
}

/// Counts a view, so that the memory stays, and says what it shows.
pub(crate) fn export(this: This<'_>) -> PyResult<Export> {
    this.state.with(this.py, |state| {
        let file = state.file.as_ref().ok_or_else(closed_error)?;
        use firmmap::Protection;
        if !file.protection().intersects(Protection::READ | Protection::WRITE) {
            return Err(PyBufferError::new_err("mmap is not readable"));
        }
        file.check().map_err(exception)?;
        state.exports += 1;
        Ok(Export { start: file.as_mut_ptr(), len: file.len(), readonly: this.access == ACCESS_READ })
    })
}

/// Counts a view less.
pub(crate) fn release(this: This<'_>) {
    this.state.with(this.py, |state| state.exports = state.exports.saturating_sub(1));
}

#[inline]
fn none(py: Python<'_>) -> Bound<'_, PyAny> {
    py.None().into_bound(py)
}
