//! Control over the pages of a region.

use std::io;

use super::{Region, is_readable};
use crate::access::{Access, FlushFlags, Protection};
use crate::advice::Advice;
#[cfg(windows)]
use crate::fault::Fault;
use crate::range::Span;
use crate::sys::{Mapping, TrackedFile, page_size};

impl Region {
    /// Reads a byte of every page up to `len`; fails if one of them cannot be read.
    #[cfg(windows)]
    pub(crate) fn touch(&self, len: usize) -> Result<(), Fault> {
        (0..len).step_by(page_size()).try_for_each(|index| self.load(index).transpose().map(drop))
    }

    /// Calls `operation` with `span` as the system requires it: aligned to a page at its start.
    fn with_pages(&self, span: Span, operation: impl FnOnce(&Mapping, Span) -> io::Result<()>) -> io::Result<()> {
        match &self.mapping {
            Some(mapping) => operation(mapping, span.shift(self.start).align_start(page_size())),
            None => Ok(()),
        }
    }

    pub(crate) fn flush(&self, span: Span, flags: FlushFlags, file: Option<&TrackedFile>) -> io::Result<()> {
        self.with_pages(span, |mapping, span| mapping.flush(span, flags, file))
    }

    pub(crate) fn advise(&self, span: Span, advice: Advice) -> io::Result<()> {
        self.with_pages(span, |mapping, span| mapping.advise(span, advice))
    }

    /// Finds which pages of `span` are in memory, and calls `tell` for one piece of the map after another: with the index of its first
    /// page, which can lie before the region, and an odd number for each page in memory.
    pub(crate) fn residency(&self, span: Span, mut tell: impl FnMut(isize, &[u8])) -> io::Result<()> {
        const PIECE: usize = 16 * 1024;
        let page = page_size();
        self.with_pages(span, |mapping, span| {
            let mut pages = vec![0; span.len.div_ceil(page).min(PIECE)];
            let mut done = 0;
            while done < span.len {
                let part = Span { start: span.start + done, len: (span.len - done).min(PIECE * page) };
                let pages = &mut pages[..part.len.div_ceil(page)];
                mapping.residency(part, pages)?;
                tell(part.start as isize - self.start as isize, pages);
                done += part.len;
            }
            Ok(())
        })
    }

    pub(crate) fn lock(&self) -> io::Result<()> {
        self.with_pages(self.whole(), Mapping::lock)
    }

    pub(crate) fn unlock(&self) -> io::Result<()> {
        // The whole capacity: a map that has moved has taken its lock along, and a map may have shrunk.
        self.with_pages(Span { start: 0, len: self.capacity }, Mapping::unlock)
    }

    pub(crate) fn protect(&mut self, protection: Protection, access: Access) -> io::Result<()> {
        let Some(mapping) = &mut self.mapping else { return Ok(()) };
        mapping.protect(protection, access)?;
        self.slot.inspect(|slot| slot.set_protection(protection.bits() as i32));
        self.readable = is_readable(protection);
        self.prepare_fast_paths();
        Ok(())
    }

    pub(crate) fn set_name(&self, name: &std::ffi::CStr) -> io::Result<()> {
        match &self.mapping {
            Some(mapping) => mapping.set_name(name),
            None => Ok(()),
        }
    }

    fn whole(&self) -> Span {
        Span { start: 0, len: self.len() }
    }
}
