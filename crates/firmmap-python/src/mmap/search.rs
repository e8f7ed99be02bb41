//! `find` and `rfind`.

use std::ops::Range;

use super::{DETACHED_SEARCH, Job, Returned};
use crate::args::{self, Args, Argument};
use crate::errors::exception;
use crate::sys::class::This;

pub(crate) fn find<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    search(this, args, "find", Direction::Forward)
}

pub(crate) fn rfind<'py>(this: This<'py>, args: Args<'py>) -> Returned<'py> {
    search(this, args, "rfind", Direction::Backward)
}

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
    pub(crate) fn divide(
        self,
        Range { start, end }: Range<usize>,
        needle: usize,
    ) -> (Range<usize>, Option<Range<usize>>) {
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
            Some(far) => Ok(Job::Large(this.share(py, file), far)),
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
    args::python_int(py, found.map_or(-1, |index| index as isize))
}

/// A bound of a slice: negative ones count from the end; those behind it stay there.
#[inline]
pub(crate) fn clamp(bound: isize, len: usize) -> usize {
    if bound < 0 { len.saturating_add_signed(bound) } else { bound as usize }
}
