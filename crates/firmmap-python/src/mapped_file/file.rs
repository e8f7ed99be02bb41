//! Reading as from a file: `read`, `readinto`, `readline` and the like, `peek`, `seek`, `tell`.

use pyo3::prelude::*;

use super::{MappedFile, Open, This, boolean, error};
use crate::args::{self, Args};
use crate::common::{self, DETACHED_COPY, Job, Mapped, ResizeGuard, Returned, bytes_at};
use crate::errors::{INVALID_ARGUMENT, NO_SUCH_ADDRESS, os_error};
use crate::sys::detach::detached;
use crate::sys::exception::{PyOSError, PyResult, PyValueError};
use crate::sys::objects::new_list;
use crate::sys::target::Target;

/// How many bytes `peek()` returns without an argument, if there are as many: `io.DEFAULT_BUFFER_SIZE`.
const PEEK: usize = 8192;

/// A number of bytes: `None`, a negative one, and nothing at all, mean all of them.
fn limit(args: Args<'_>, function: &str) -> PyResult<Option<usize>> {
    args.check(function, 0, 1)?;
    let count = args.get(0).map_or(Ok(None), |object| {
        let count = args::optional_count(Some(object));
        count.map_err(|error| args::limited(error, "count", object, isize::MIN, isize::MAX))
    })?;
    Ok(count.and_then(|count| usize::try_from(count).ok()))
}

pub(crate) fn read<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let count = limit(args, "read")?;
    common::read_bytes(this, count)
}

pub(crate) fn readall(this: This<'_>) -> Returned<'_> {
    common::read_bytes(this, None)
}

pub(crate) fn read1<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let count = limit(args, "read1")?;
    common::read_bytes(this, count)
}

pub(crate) fn readline<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let limit = limit(args, "readline")?;
    common::read_line(this, limit)
}

pub(crate) fn readlines<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    this.check_open(py)?;
    let hint = limit(args, "readlines")?.filter(|&hint| hint > 0);
    let lines = new_list(py)?;
    let start = this.open_at_position(py, |open| Ok(open.file.position()))?;
    let mut total = 0;
    let mut read = || {
        while let Some(line) = super::lines::next(this)? {
            total += line.len()?;
            lines.append(line)?;
            if hint.is_some_and(|hint| total > hint) {
                break;
            }
        }
        Ok(())
    };
    if let Err(exception) = read() {
        // Not if others have moved it meanwhile. The first exception is the one to raise.
        let _ = this.open_at_position(py, |open| {
            if open.file.position() == start + total {
                open.file.set_position(start);
            }
            Ok(())
        });
        return Err(exception);
    }
    Ok(lines.into_any())
}

pub(crate) fn readinto<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    fill(this, args, "readinto")
}

pub(crate) fn readinto1<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    fill(this, args, "readinto1")
}

fn fill<'py>(this: This<'py>, args: Args<'py>, function: &str) -> Returned<'py> {
    let py = this.py;
    args.check(function, 1, 1)?;
    let mut target = match args.get(0) {
        Some(object) => Target::new(function, object)?,
        None => unreachable!("the number of arguments was checked"),
    };
    let job = this.open_at_position(py, |open| {
        let wanted = Some(target.len());
        open.file.follow_end_before(wanted).map_err(error)?;
        let (position, remaining) = (open.file.position(), open.file.remaining());
        let count = remaining.min(target.len());
        if count > DETACHED_COPY {
            open.file.set_position(position + count);
            let is_at_end = count == remaining && open.file.follows();
            return Ok(Job::Large(open.file.to_arc(), (position, count, is_at_end)));
        }
        let ((), count) = open.file.copy_at_position(wanted, error, |map, position, count| {
            if count > 0 { copy(map, position, count, &mut target).map_err(error) } else { Ok(()) }
        })?;
        if count > 0 {
            open.file.set_position(position + count);
        }
        Ok(Job::Done(count))
    })?;
    let count = match job {
        Job::Done(count) => count,
        Job::Large(map, (position, count, is_at_end)) => {
            let result = copy_detached(py, &map, position, count, &mut target);
            let result =
                result.and_then(|()| if is_at_end { map.check_in_file(position, position + count) } else { Ok(()) });
            drop(map);
            if let Err(failed) = result {
                this.move_back(py, position);
                return Err(error(failed));
            }
            count
        }
    };
    // The view may be of this very map: then it is one that was written to.
    this.changed(py);
    args::python_int(py, count as isize)
}

fn copy(map: &firmmap::Mmap, position: usize, count: usize, target: &mut Target<'_>) -> firmmap::Result<()> {
    if target.overlaps(map.as_ptr(), map.len()) {
        target.fill(&map.to_vec(position..position + count)?);
        return Ok(());
    }
    map.read_uninit_at(target.memory(count), position).map(drop)
}

fn copy_detached(
    py: Python<'_>,
    map: &firmmap::Mmap,
    position: usize,
    count: usize,
    target: &mut Target<'_>,
) -> firmmap::Result<()> {
    if target.overlaps(map.as_ptr(), map.len()) {
        return copy(map, position, count, target);
    }
    let memory = target.memory(count);
    detached(py, || map.read_uninit_at(memory, position).map(drop))
}

pub(crate) fn peek<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    let wanted = limit(args, "peek")?.filter(|&count| count > 0);
    let count = wanted.unwrap_or(PEEK);
    let bytes = this.open_at_position(py, |open| {
        if open.file.remaining() == 0 {
            open.file.follow_end().map_err(error)?;
        }
        let copy = |map: &firmmap::Mmap, position, len| bytes_at::<MappedFile>(py, map, position, len);
        let (bytes, _) = open.file.copy_at_position(Some(count), error, copy)?;
        Ok(bytes)
    })?;
    Ok(bytes.finish())
}

pub(crate) fn read_byte(this: This<'_>) -> Returned<'_> {
    let byte = this.open_at_position(this.py, |open| {
        let position = open.file.position();
        if position >= open.file.len() {
            open.file.follow_end().map_err(error)?;
        }
        if position >= open.file.len() {
            return Err(PyValueError::new_err(format!("read_byte at {position}: the end of the map")));
        }
        let byte = open.file.get(position).map_err(error)?;
        open.file.set_position(position + 1);
        Ok(byte)
    })?;
    args::python_int(this.py, byte.into())
}

pub(crate) fn seek<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    let py = this.py;
    args.check("seek", 1, 2)?;
    let whence = args.get(1).map_or(Ok(0), |whence| args::named_int("whence", whence))?;
    this.check_open(py)?;
    let distance = args.get(0).map_or(Ok(0), |distance| args::named_ssize("position", distance))?;
    if let Some(kind) = SparseSeek::new(whence) {
        return seek_sparse(this, distance, kind);
    }
    let mut guard = None;
    let seek = |open: &mut Open| {
        // The end is not known before a thread that moves it has finished.
        if whence == 2 && open.file.is_extended() {
            return Ok(None);
        }
        // Where the position was does not matter to what counts from the start.
        if whence != 0 {
            open.sync_from_descriptor()?;
        }
        let base = match whence {
            0 => 0,
            1 => open.file.position(),
            2 => open.end()?,
            _ => return Err(PyValueError::new_err(format!("whence {whence} is not {WHENCES}"))),
        };
        let target = base.checked_add_signed(distance).filter(|&target| isize::try_from(target).is_ok());
        let target = target.ok_or_else(|| {
            let message = format!("Invalid argument: {distance} from {base} is not a position in a file");
            PyOSError::new_err((INVALID_ARGUMENT, message))
        })?;
        open.seek_to(target)?;
        Ok(Some(target))
    };
    let mut sought = this.open(py, seek)?;
    while sought.is_none() {
        ResizeGuard::wait(&mut guard, &*this, py)?;
        sought = this.open_now(py, seek)?;
    }
    args::python_int(py, sought.unwrap_or_default() as isize)
}

/// What `seek()` takes as its second argument.
const WHENCES: &str = if HAS_SPARSE_SEEK { "0, 1, 2, os.SEEK_DATA or os.SEEK_HOLE" } else { "0, 1 or 2" };

const HAS_SPARSE_SEEK: bool =
    cfg!(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"));

/// `os.SEEK_DATA` and `os.SEEK_HOLE`.
#[derive(Clone, Copy)]
enum SparseSeek {
    Data,
    Hole,
}

impl SparseSeek {
    fn new(whence: i32) -> Option<Self> {
        // The two numbers are the other way round there.
        let (data, hole) = if cfg!(target_vendor = "apple") { (4, 3) } else { (3, 4) };
        match whence {
            _ if !HAS_SPARSE_SEEK => None,
            _ if whence == data => Some(Self::Data),
            _ if whence == hole => Some(Self::Hole),
            _ => None,
        }
    }
}

/// Moves the position to the next byte that is not in a hole of the file, or is in one.
fn seek_sparse(this: This<'_>, distance: isize, kind: SparseSeek) -> Returned<'_> {
    let position = this.open_at_position(this.py, |open| {
        let start = usize::try_from(distance).map_err(|_| os_error(NO_SUCH_ADDRESS))?;
        let found = match kind {
            SparseSeek::Data => open.file.next_data(start),
            SparseSeek::Hole => open.file.next_hole(start),
        };
        let found = found.map_err(error)?.ok_or_else(|| os_error(NO_SUCH_ADDRESS))?;
        open.file.set_position(found);
        Ok(found)
    })?;
    args::python_int(this.py, position as isize)
}

#[inline]
pub(crate) fn tell(this: This<'_>) -> Returned<'_> {
    let position = this.open_at_position(this.py, |open| Ok(open.file.position()))?;
    args::python_int(this.py, position as isize)
}

pub(crate) fn readable(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(boolean(this.py, true))
}

pub(crate) fn seekable(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(boolean(this.py, true))
}

pub(crate) fn writable(this: This<'_>) -> Returned<'_> {
    this.check_open(this.py)?;
    Ok(boolean(this.py, this.is_writable()))
}

pub(crate) fn size(this: This<'_>) -> Returned<'_> {
    let len = this.open(this.py, |open| open.file.file_len().map_err(error))?;
    args::python_uint(this.py, len)
}
