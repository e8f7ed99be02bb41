//! Lines: those that end nearby, and those that are searched for without the GIL.

use pyo3::prelude::*;

use super::read::{bytes_at, large};
use super::search::far_search;
use super::shared_file::SharedFile;
use super::{DETACHED_SEARCH, Mapped, Returned};
use crate::sys::buffer::NewBytes;
use crate::sys::exception::PyResult;
use crate::sys::typeobject::Receiver;

/// The bytes through the next newline, but not more than `limit`; moves the position past them.
#[inline]
pub(crate) fn read_line<M: Mapped>(this: Receiver<'_, M>, limit: Option<usize>) -> Returned<'_> {
    let py = this.py;
    let line = this.open_at_position(py, |file| {
        let mut line = line_at::<M>(py, file, limit)?;
        for _ in 0..2 {
            let Some((bytes, ended)) = line.as_ref().filter(|_| file.follows()) else { break };
            let (start, len) = (file.position(), bytes.len());
            // A line that neither a newline nor the limit has ended.
            let is_unfinished = !ended && limit.is_none_or(|limit| len < limit);
            let reaches_end = len > 0 && len >= file.remaining();
            if !(is_unfinished || reaches_end) {
                break;
            }
            if !file.follow_end_after(start, start + len).map_err(M::error)? || !is_unfinished {
                break;
            }
            line = line_at::<M>(py, file, limit)?;
        }
        if let Some((bytes, _)) = line.as_ref().filter(|(bytes, _)| bytes.len() > 0) {
            let behind = file.position() + bytes.len();
            file.set_position(behind);
        }
        Ok(line.map(|(bytes, _)| bytes))
    })?;
    match line {
        Some(line) => Ok(line.finish()),
        None => read_far_line(this, limit),
    }
}

/// The line at the position, if it ends soon, and whether it ends in a newline.
#[inline]
fn line_at<'py, M: Mapped>(
    py: Python<'py>,
    file: &SharedFile,
    limit: Option<usize>,
) -> PyResult<Option<(NewBytes<'py>, bool)>> {
    // After a resize the position can be past the end.
    let (start, remaining) = (file.position(), file.remaining());
    let most = limit.map_or(remaining, |limit| limit.min(remaining));
    if most == 0 {
        return NewBytes::new(py, 0).map(|none| Some((none, false)));
    }
    near_line::<M>(py, file, start, most)
}

/// As [`read_line`], for a line that takes time to be found: without the GIL.
#[cold]
fn read_far_line<M: Mapped>(this: Receiver<'_, M>, limit: Option<usize>) -> Returned<'_> {
    let py = this.py;
    loop {
        let (map, position) = this.open_at_position(py, |file| Ok((file.to_arc(), file.position())))?;
        let start = position.min(map.len());
        let end = limit.map_or(map.len(), |limit| start.saturating_add(limit).min(map.len()));
        let (bytes, ended) = far_line::<M>(py, &map, start, end)?;
        drop(map);
        let is_limited = limit.is_some_and(|limit| bytes.len() >= limit);
        let len = bytes.len();
        if !ended
            && this.open_map(py, |file| file.follow_end_after(position, position + len).map_err(M::error))?
            && !is_limited
        {
            continue;
        }
        if advance(this, position, bytes.len())? {
            return Ok(bytes.finish());
        }
    }
}

/// Moves the position from `position` past the `count` bytes that were read there without the GIL. Returns `false` if another thread
/// has moved it meanwhile, and so has read them too.
pub(crate) fn advance<M: Mapped>(this: Receiver<'_, M>, position: usize, count: usize) -> PyResult<bool> {
    this.open_at_position(this.py, |file| {
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
    let bytes = bytes_at::<M>(py, map, start, count)?;
    if !M::LENGTH_IS_END && firmmap::Mmap::has_zero(bytes.written()) && map.follows_end() {
        map.check_in_file(start, start + count).map_err(M::error)?;
    }
    Ok(Some((bytes, newline.is_some())))
}

/// The line from `start` on, up to `end`, found without the GIL; and whether it ends in a newline. Where the map follows the end of its
/// file, a line that does is refused if others have cut it off meanwhile; one that does not is the caller's to check.
pub(crate) fn far_line<'py, M: Mapped>(
    py: Python<'py>,
    map: &firmmap::Mmap,
    start: usize,
    end: usize,
) -> PyResult<(NewBytes<'py>, bool)> {
    let end = end.max(start);
    let newline = far_search(py, map, |map| map.find(b"\n", start..end)).map_err(M::error)?;
    let count = newline.map_or(end, |newline| newline + 1) - start;
    let bytes = large::<M>(py, count, |memory| map.read_uninit_at(memory, start).map(drop))?;
    if newline.is_some() && !M::LENGTH_IS_END && map.follows_end() {
        map.check_in_file(start, start + count).map_err(M::error)?;
    }
    Ok((bytes, newline.is_some()))
}
