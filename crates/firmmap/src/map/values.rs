//! [`Values`]: what a range of a map holds, cut into values of one size.

use std::iter::FusedIterator;
use std::ops::RangeBounds;

use crate::error::{Detail, Error, Result};
use crate::map::Mmap;
use crate::region;

/// How many bytes are copied out of the map at a time: few enough to stay in the processor's nearest cache.
const BLOCK: usize = 16 * 1024;

/// An iterator over the values of a range, which `decode` makes of `size` bytes each.
pub(crate) struct Values<'a, D> {
    map: &'a Mmap,
    size: usize,
    decode: D,
    /// What was not read yet.
    start: usize,
    end: usize,
    /// What was read, and how much of it was given out.
    buffer: Vec<u8>,
    used: usize,
    /// What comes behind the buffer, if that is known already.
    error: Option<Error>,
}

impl<'a, D> Values<'a, D> {
    pub(crate) fn new(
        map: &'a Mmap,
        operation: &'static str,
        range: impl RangeBounds<usize>,
        size: usize,
        decode: D,
    ) -> Result<Self> {
        let span = map.readable(operation, range)?;
        if span.len.checked_rem(size) != Some(0) {
            return Err(Detail::PartialValue { operation, len: span.len, size }.into());
        }
        let (start, end) = (span.start, span.end());
        Ok(Self { map, size, decode, start, end, buffer: Vec::new(), used: 0, error: None })
    }

    /// Reads as many whole values as a block has, or as are there.
    #[cold]
    fn fill(&mut self) -> Result<()> {
        self.buffer.clear();
        self.used = 0;
        if let Some(error) = self.error.take() {
            self.start = self.end;
            return Err(error);
        }
        let values = (BLOCK / self.size).max(1);
        let mut len = (values * self.size).min(self.end - self.start);
        loop {
            let start = self.start;
            let Err(error) = region::append(&mut self.buffer, len, |bytes| self.map.read_uninit_at(bytes, start))
            else {
                self.start += len;
                if self.error.is_some() {
                    self.end = self.start;
                }
                return Ok(());
            };
            let present = error.fault_offset().and_then(|offset| offset.checked_sub(start)).unwrap_or(0);
            let whole = present / self.size * self.size;
            if whole == 0 || whole >= len {
                self.start = self.end;
                return Err(error);
            }
            // The values before the missing byte are there.
            (self.error, len) = (Some(error), whole);
        }
    }
}

impl<T, D: Fn(&[u8]) -> T> Iterator for Values<'_, D> {
    type Item = Result<T>;

    #[inline]
    fn next(&mut self) -> Option<Result<T>> {
        if self.used == self.buffer.len() {
            if self.start == self.end && self.error.is_none() {
                return None;
            }
            if let Err(error) = self.fill() {
                return Some(Err(error));
            }
        }
        let bytes = &self.buffer[self.used..self.used + self.size];
        self.used += self.size;
        Some(Ok((self.decode)(bytes)))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = (self.buffer.len() - self.used + (self.end - self.start)) / self.size;
        // One of them can be an error, after which there are no more.
        (left.min(1), Some(left + usize::from(self.error.is_some())))
    }
}

impl<T, D: Fn(&[u8]) -> T> FusedIterator for Values<'_, D> {}
