//! Bytes copied out of a map: slices, and what is read at the position.

use std::mem::MaybeUninit;

use pyo3::prelude::*;

use super::{DETACHED_COPY, Job, Mapped, Returned};
use crate::args::Slice;
use crate::sys::buffer::NewBytes;
use crate::sys::detach::detached;
use crate::sys::exception::PyResult;
use crate::sys::typeobject::Receiver;

/// The bytes of a slice.
#[inline(always)]
pub(crate) fn slice<'py, M: Mapped>(this: Receiver<'py, M>, slice: Slice) -> Returned<'py> {
    match super::try_slice(this, slice) {
        Some(bytes) => Ok(bytes),
        None => any_slice(this, slice),
    }
}

#[inline(never)]
fn any_slice<'py, M: Mapped>(this: Receiver<'py, M>, slice: Slice) -> Returned<'py> {
    if !slice.is_contiguous()
        && let Some(bytes) = super::try_stepped_slice(this, slice)
    {
        return Ok(bytes);
    }
    let py = this.py;
    let job = this.open_map(py, |file| {
        let (start, step, count) = slice.fit(file.len());
        if count > DETACHED_COPY {
            return Ok(Job::Large(file.to_arc(), (start, step, count)));
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

/// A new bytes object of `count` bytes that `copy` writes, without the GIL.
pub(super) fn large<'py, M: Mapped>(
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

/// A new bytes object of the `len` bytes at a position, which does not matter for none.
pub(crate) fn bytes_at<'py, M: Mapped>(
    py: Python<'py>,
    map: &firmmap::Mmap,
    position: usize,
    len: usize,
) -> PyResult<NewBytes<'py>> {
    let mut bytes = NewBytes::new(py, len)?;
    if len > 0 {
        map.read_uninit_at(bytes.memory(), position).map_err(M::error)?;
    }
    Ok(bytes)
}

/// Reads `count` bytes, or as many as there are, and moves the position past them.
#[inline]
pub(crate) fn read_bytes<M: Mapped>(this: Receiver<'_, M>, count: Option<usize>) -> Returned<'_> {
    let py = this.py;
    let job = this.open_at_position(py, |file| {
        file.follow_end_before(count).map_err(M::error)?;
        let (position, remaining) = (file.position(), file.remaining());
        let len = count.map_or(remaining, |count| count.min(remaining));
        if len > DETACHED_COPY {
            // The position moves at once, so that another thread's read starts after this one.
            file.set_position(position + len);
            return Ok(Job::Large(file.to_arc(), (position, len, len == remaining && file.follows())));
        }
        let copy = |map: &firmmap::Mmap, position, len| bytes_at::<M>(py, map, position, len);
        let (bytes, len) = file.copy_at_position(count, M::error, copy)?;
        if len > 0 {
            file.set_position(position + len);
        }
        Ok(Job::Done(bytes))
    })?;
    let (map, (position, count, is_at_end)) = match job {
        Job::Done(bytes) => return Ok(bytes.finish()),
        Job::Large(map, place) => (map, place),
    };
    let result = large::<M>(py, count, |memory| {
        map.read_uninit_at(memory, position)?;
        if is_at_end { map.check_in_file(position, position + count) } else { Ok(()) }
    });
    drop(map);
    if result.is_err() {
        this.move_back(py, position);
    }
    result.map(NewBytes::finish)
}
