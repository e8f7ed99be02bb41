//! Searches, forward and backward.

use std::ops::Range;

use pyo3::prelude::*;

use super::shared_file::SharedFile;
use super::{DETACHED_SEARCH, Job};
use crate::sys::detach::detached;

/// Searches a map without the GIL. Nobody else is told of the faults that `work` meets meanwhile: it reports them.
pub(crate) fn far_search<R: Send>(
    py: Python<'_>,
    map: &firmmap::Mmap,
    work: impl FnOnce(&firmmap::Mmap) -> R + Send,
) -> R {
    detached(py, || {
        let _busy = map.long_operation();
        work(map)
    })
}

/// Which way a search goes.
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

    /// Divides a range into what is searched at once, and what is searched after that without the GIL.
    #[inline]
    fn divide(self, range: Range<usize>, needle: usize) -> (Range<usize>, Option<Range<usize>>) {
        if range.len() <= DETACHED_SEARCH {
            return (range, None);
        }
        firmmap::divide(range, needle, DETACHED_SEARCH, matches!(self, Self::Backward))
    }

    /// Searches the near part of the range; the far part is left for when the state is unlocked.
    #[inline]
    pub(crate) fn begin(
        self,
        file: &mut SharedFile,
        needle: &[u8],
        range: Range<usize>,
    ) -> firmmap::Result<Job<Option<usize>, Range<usize>>> {
        let (near, far) = self.divide(range, needle.len());
        let found = self.search(file, needle, near)?;
        Ok(match far.filter(|_| found.is_none()) {
            Some(far) => Job::Large(file.to_arc(), far),
            None => Job::Done(found),
        })
    }
}
