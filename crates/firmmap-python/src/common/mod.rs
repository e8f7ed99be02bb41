//! What the two classes, `mmap` and `MappedFile`, do in the same way: small work on a map is done while its state is
//! locked, large work after that, while other threads run.

#[allow(unsafe_code)]
pub(crate) mod leaf;
#[allow(unsafe_code)]
pub(crate) mod newlines;
#[allow(unsafe_code)]
pub(crate) mod shared_file;
#[allow(unsafe_code)]
pub(crate) mod state_lock;

use std::mem::MaybeUninit;
use std::ops::Range;
use std::sync::Arc;

use pyo3::prelude::*;

use crate::args::{self, Slice};
use crate::common::shared_file::File;
use crate::common::state_lock::Exclusive;
use crate::sys::buffer::NewBytes;
use crate::sys::detach::detached;
use crate::sys::exception::{Exception, PyResult};
use crate::sys::module;
pub(crate) use crate::sys::objects::{Object, Returned};
use crate::sys::typeobject::{Answer, Body, Receiver};
use leaf::Leaf;

/// The classes that a module holds, by their numbers there.
#[derive(Clone, Copy)]
pub(crate) enum Class {
    Mmap,
    MappedFile,
    LineIterator,
    MatchIterator,
    Residency,
}

const _: () = assert!((Class::Residency as usize) < module::CLASSES);

/// Searches of more bytes than this let other threads run.
pub(crate) const DETACHED_SEARCH: usize = 64 * 1024;
/// Copies of more bytes than this let other threads run.
pub(crate) const DETACHED_COPY: usize = 1024 * 1024;

/// An instance of one of the classes.
pub(crate) trait Mapped: Body {
    /// Runs `work` on the map, or raises if it is closed. Threads that want to move or resize it go first. `work` must not call
    /// into Python.
    fn open_map<R>(&self, py: Python<'_>, work: impl FnOnce(&mut File) -> PyResult<R>) -> PyResult<R>;

    /// The short way: runs `work` on the map, if that is [`at_hand`](Self::at_hand). `work` must not call into Python;
    /// where it gives nothing, nothing has changed.
    #[inline(always)]
    fn ready_map<R>(&self, py: Python<'_>, work: impl FnOnce(&mut File) -> Option<R>) -> Option<R> {
        self.state().try_with(py, |state| work(Self::at_hand(state)?))?
    }

    /// What an instance holds while it is open, and when it is closed.
    type State;

    fn state(&self) -> &Exclusive<Self::State>;

    /// The map, if it is open and nobody else is to go first. Only looks at the state (see [`Leaf`]).
    fn at_hand(state: &mut Self::State) -> Option<&mut File>;

    /// Whether the map is closed. Only looks at the state (see [`Leaf`]).
    fn is_closed(state: &Self::State) -> bool;

    fn set_position(&self, py: Python<'_>, position: usize) -> PyResult<()>;

    /// The class's words for the library's errors.
    fn error(error: firmmap::Error) -> Exception;
}

/// Work on the map that was set up while the state was locked: small work is done there, large work later.
pub(crate) enum Job<R, S> {
    Done(R),
    Large(Arc<firmmap::Mmap>, S),
}

/// Lets other threads be done with what they do with the map.
pub(crate) fn wait(py: Python<'_>) -> PyResult<()> {
    detached(py, || std::thread::sleep(std::time::Duration::from_micros(200)));
    Ok(py.check_signals()?)
}

/// Lets those go first who want to move the map, who would never get to it between the work of other threads. Whether there are
/// none any more: it waits only so long, as after fork(2) nobody may be there who ends the waiting.
pub(crate) fn give_way(py: Python<'_>, is_over: impl Fn() -> PyResult<bool>) -> PyResult<bool> {
    for _ in 0..500 {
        wait(py)?;
        if is_over()? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Ends a mapping.
pub(crate) fn unmap(file: Option<File>) -> firmmap::Result<()> {
    file.map_or(Ok(()), File::unmap)
}

#[inline(always)]
pub(crate) fn ready_len<M: Leaf>(this: Receiver<'_, M>) -> Option<isize> {
    // A map has at most isize::MAX bytes.
    leaf::len(&*this, this.py).map(|len| len as isize)
}

#[inline(always)]
pub(crate) fn ready_position<M: Leaf>(this: Receiver<'_, M>) -> Option<Answer<'_>> {
    let position = leaf::position(&*this, this.py)?;
    Some(Answer::int(this.py, position as isize))
}

/// The byte at the position.
#[inline(always)]
pub(crate) fn ready_byte<M: Leaf>(this: Receiver<'_, M>) -> Option<Answer<'_>> {
    let byte = leaf::byte(&*this, this.py)?;
    Some(Answer::byte(this.py, byte))
}

#[inline(always)]
pub(crate) fn ready_closed<M: Leaf>(this: Receiver<'_, M>) -> Option<Answer<'_>> {
    leaf::is_closed(&*this, this.py).map(|closed| Answer::bool(this.py, closed))
}

/// How far a line reaches that is given at once: searching further costs more than the way to it.
const NEAR: usize = 1024;

/// A line that ends nearby.
#[inline(always)]
pub(crate) fn ready_line<M: Mapped>(this: Receiver<'_, M>) -> Option<Answer<'_>> {
    let py = this.py;
    let line = this.ready_map(py, |file| {
        let start = file.position();
        let line = file.quick_read_through(b'\n', start, NEAR, |count| NewBytes::new(py, count).ok())?;
        file.set_position(start + line.len());
        Some(line)
    })?;
    Some(Answer::object(line.finish()))
}

/// An item, or a slice.
#[inline(always)]
pub(crate) fn ready_subscript<'py, M: Leaf>(this: Receiver<'py, M>, key: Object<'_, 'py>) -> Option<Answer<'py>> {
    let py = this.py;
    if let Some(index) = args::plain(key) {
        let byte = this.ready_map(py, |file| file.quick_get(place(file.len(), index)?))?;
        return Some(Answer::byte(py, byte));
    }
    // A slice of a closed map is not converted.
    if !leaf::is_at_hand(&*this, py) {
        return None;
    }
    let slice = match Slice::unpack(key) {
        Ok(slice) => slice?,
        Err(error) => return Some(Answer::of(py, Err(error))),
    };
    let bytes = this.ready_map(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if step != 1 || count > DETACHED_COPY {
            return None;
        }
        let mut bytes = NewBytes::new(py, count).ok()?;
        file.quick_read(start, bytes.memory())?;
        Some(bytes)
    });
    // Not the longer way from its start: converting the slice may have run Python code.
    let answer = |bytes: NewBytes<'py>| Answer::object(bytes.finish());
    Some(bytes.map_or_else(|| Answer::of(py, self::slice(this, slice).map_err(|error| this.name_in(error))), answer))
}

/// The place in a map of `len` bytes that an index from Python names.
#[inline]
pub(crate) fn place(len: usize, index: isize) -> Option<usize> {
    let len = len as isize;
    let index = if index < 0 { index + len } else { index };
    (0..len).contains(&index).then_some(index as usize)
}

/// A bound of a slice: negative ones count from the end; those behind it stay there.
#[inline]
pub(crate) fn clamp(bound: isize, len: usize) -> usize {
    if bound < 0 { len.saturating_add_signed(bound) } else { bound as usize }
}

/// The bytes of a slice.
pub(crate) fn slice<'py, M: Mapped>(this: Receiver<'py, M>, slice: Slice) -> Returned<'py> {
    let py = this.py;
    let job = this.open_map(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if count > DETACHED_COPY {
            return Ok(Job::Large(file.share(), (start, step, count)));
        }
        let mut bytes = NewBytes::new(py, count)?;
        gather(file, start, step, bytes.memory()).map_err(M::error)?;
        Ok(Job::Done(bytes))
    })?;
    let bytes = match job {
        Job::Done(bytes) => bytes,
        Job::Large(map, (start, step, count)) => large::<M>(py, count, |memory| gather(&map, start, step, memory))?,
    };
    Ok(bytes.finish())
}

/// As many bytes as `copy` writes, while other threads run.
fn large<'py, M: Mapped>(
    py: Python<'py>,
    count: usize,
    copy: impl FnOnce(&mut [MaybeUninit<u8>]) -> firmmap::Result<()> + Send,
) -> PyResult<NewBytes<'py>> {
    let mut bytes = NewBytes::new(py, count)?;
    let memory = bytes.memory();
    detached(py, || copy(memory)).map_err(M::error)?;
    Ok(bytes)
}

#[inline]
fn gather(map: &firmmap::Mmap, start: usize, step: isize, memory: &mut [MaybeUninit<u8>]) -> firmmap::Result<()> {
    match step {
        _ if memory.is_empty() => Ok(()),
        1 => map.read_uninit_at(memory, start).map(drop),
        _ => map.read_strided_uninit_at(memory, start, step).map(drop),
    }
}

pub(crate) fn scatter(map: &firmmap::Mmap, bytes: &[u8], start: usize, step: isize) -> firmmap::Result<()> {
    if step == 1 { map.write_all_at(bytes, start) } else { map.write_strided_at(bytes, start, step) }
}

/// Takes that many bytes, or as many as there are, and moves the position behind them.
#[inline]
pub(crate) fn take<M: Mapped>(this: Receiver<'_, M>, count: Option<usize>) -> Returned<'_> {
    let py = this.py;
    let job = this.open_map(py, |file| {
        if count.is_none_or(|count| count > file.remaining()) {
            file.follow_end().map_err(M::error)?;
        }
        let (position, remaining) = (file.position(), file.remaining());
        let count = count.map_or(remaining, |count| count.min(remaining));
        if count > DETACHED_COPY {
            // The position moves at once, so that another thread's read starts behind this one.
            file.set_position(position + count);
            return Ok(Job::Large(file.share(), (position, count)));
        }
        let mut bytes = NewBytes::new(py, count)?;
        if count > 0 {
            file.read_uninit_at(bytes.memory(), position).map_err(M::error)?;
            file.set_position(position + count);
        }
        Ok(Job::Done(bytes))
    })?;
    let (map, position, count) = match job {
        Job::Done(bytes) => return Ok(bytes.finish()),
        Job::Large(map, (position, count)) => (map, position, count),
    };
    let result = large::<M>(py, count, |memory| map.read_uninit_at(memory, position).map(drop));
    drop(map);
    if result.is_err() {
        this.set_position(py, position)?;
    }
    result.map(NewBytes::finish)
}

/// The bytes through the next newline, but not more than `limit`; moves the position behind them.
#[inline]
pub(crate) fn take_line<M: Mapped>(this: Receiver<'_, M>, limit: Option<usize>) -> Returned<'_> {
    let py = this.py;
    let line = this.open_map(py, |file| {
        let mut line = line_at::<M>(py, file, limit)?;
        if file.follows()
            && let Some((bytes, false)) = &line
            && limit.is_none_or(|limit| bytes.len() < limit)
            && file.follow_end().map_err(M::error)?
        {
            line = line_at::<M>(py, file, limit)?;
        }
        if let Some((bytes, _)) = &line
            && bytes.len() > 0
        {
            let behind = file.position() + bytes.len();
            file.set_position(behind);
        }
        Ok(line.map(|(bytes, _)| bytes))
    })?;
    match line {
        Some(line) => Ok(line.finish()),
        None => take_far_line(this, limit),
    }
}

/// The line at the position, if it ends soon, and whether it ends in a newline.
#[inline]
fn line_at<'py, M: Mapped>(
    py: Python<'py>,
    file: &File,
    limit: Option<usize>,
) -> PyResult<Option<(NewBytes<'py>, bool)>> {
    // After a resize the position can be behind the end.
    let (start, remaining) = (file.position(), file.remaining());
    let most = limit.map_or(remaining, |limit| limit.min(remaining));
    if most == 0 {
        return NewBytes::new(py, 0).map(|none| Some((none, false)));
    }
    near_line::<M>(py, file, start, most)
}

/// As [`take_line`], for one that takes time to be found, while other threads run.
#[cold]
fn take_far_line<M: Mapped>(this: Receiver<'_, M>, limit: Option<usize>) -> Returned<'_> {
    let py = this.py;
    loop {
        let (map, position) = this.open_map(py, |file| Ok((file.share(), file.position())))?;
        let start = position.min(map.len());
        let end = limit.map_or(map.len(), |limit| start.saturating_add(limit).min(map.len()));
        let (bytes, ended) = far_line::<M>(py, &map, start, end)?;
        drop(map);
        let is_limited = limit.is_some_and(|limit| bytes.len() >= limit);
        if !ended && !is_limited && this.open_map(py, |file| file.follow_end().map_err(M::error))? {
            continue;
        }
        if pass(this, position, bytes.len())? {
            return Ok(bytes.finish());
        }
    }
}

/// Moves the position behind `count` bytes that were read there while other threads ran, unless one of them has moved it:
/// then the bytes are another's.
pub(crate) fn pass<M: Mapped>(this: Receiver<'_, M>, position: usize, count: usize) -> PyResult<bool> {
    this.open_map(this.py, |file| {
        let is_there = file.position() == position;
        if is_there && count > 0 {
            file.set_position(position + count);
        }
        Ok(is_there)
    })
}

/// The line from `start` on, of at most `most` bytes, if it ends soon; and whether it ends in a newline.
#[inline]
pub(crate) fn near_line<'py, M: Mapped>(
    py: Python<'py>,
    map: &firmmap::Mmap,
    start: usize,
    most: usize,
) -> PyResult<Option<(NewBytes<'py>, bool)>> {
    let near = most.min(DETACHED_SEARCH);
    let newline = map.find_byte(b'\n', start..start + near).map_err(M::error)?;
    let count = match newline {
        Some(newline) => newline + 1 - start,
        None if near == most => near,
        None => return Ok(None),
    };
    let mut bytes = NewBytes::new(py, count)?;
    map.read_uninit_at(bytes.memory(), start).map_err(M::error)?;
    Ok(Some((bytes, newline.is_some())))
}

/// The line from `start` on, as far as it is before `end`, while other threads run; and whether it ends in a newline.
pub(crate) fn far_line<'py, M: Mapped>(
    py: Python<'py>,
    map: &firmmap::Mmap,
    start: usize,
    end: usize,
) -> PyResult<(NewBytes<'py>, bool)> {
    let end = end.max(start);
    let newline = detached(py, || map.find(b"\n", start..end)).map_err(M::error)?;
    let count = newline.map_or(end, |newline| newline + 1) - start;
    let bytes = large::<M>(py, count, |memory| map.read_uninit_at(memory, start).map(drop))?;
    Ok((bytes, newline.is_some()))
}

/// Where a search begins.
#[derive(Clone, Copy)]
pub(crate) enum Direction {
    Forward,
    Backward,
}

impl Direction {
    #[inline]
    pub(crate) fn search(
        self,
        map: &firmmap::Mmap,
        needle: &[u8],
        range: Range<usize>,
    ) -> firmmap::Result<Option<usize>> {
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

    /// Searches what is near; what is far stays to be done.
    #[inline]
    pub(crate) fn begin(
        self,
        file: &mut File,
        needle: &[u8],
        range: Range<usize>,
    ) -> firmmap::Result<Job<Option<usize>, Range<usize>>> {
        let (near, far) = self.divide(range, needle.len());
        let found = self.search(file, needle, near)?;
        Ok(match far.filter(|_| found.is_none()) {
            Some(far) => Job::Large(file.share(), far),
            None => Job::Done(found),
        })
    }
}
