//! Other lengths with exclusive access: [`Mmap::resize`], and mapping the file anew, elsewhere.

use std::io;

#[cfg(windows)]
use super::write::take_back_appended;
use crate::access::Protection;
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::map::{MapSource, Mmap};
use crate::range;
use crate::sys::{self, FileLenChange, FileResize, TrackedFile};

/// The least capacity of a map that has to move to grow, in bytes: it costs only addresses.
const MIN_CAPACITY: usize = 1 << 20;

impl Mmap {
    /// Changes the length of the map to `len` bytes, and that of its file to `offset() + len`.
    ///
    /// Bytes that the file had past the map become part of it; further ones are zero. The map moves if its
    /// [`capacity`](Self::capacity) is too small.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    ///
    /// - [`NotResizable`](crate::ErrorKind::NotResizable): the map is read-only or copy-on-write.
    /// - [`NoFile`](crate::ErrorKind::NoFile): the map does not keep its file;
    ///   [`StaleDescriptor`](crate::ErrorKind::StaleDescriptor): its descriptor was closed by other code.
    /// - [`Unsupported`](crate::ErrorKind::Unsupported): shared anonymous memory cannot grow on Unix, unless it was created by
    ///   [`MmapOptions::map_shared_memory`](crate::MmapOptions::map_shared_memory); private maps of files, created by their
    ///   flags, grow only on Linux.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge), [`Os`](crate::ErrorKind::Os).
    ///
    /// # Platform-specific behavior
    ///
    /// mremap(2) on Linux; elsewhere the file is mapped again. Windows refuses to shorten a file that is mapped a
    /// second time, and to resize a named mapping that another map has open; memory is copied there.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let mut map = MmapOptions::new().access(Access::Write).map(&file)?;
    /// map.resize(1000)?;
    /// assert_eq!((map.len(), map.file_len()?), (1000, 1000));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn resize(&mut self, len: usize) -> Result<()> {
        self.set_len(len, FileResize::Length)
    }

    /// [`resize`](Self::resize), with space allocated on the disk for the new bytes.
    ///
    /// A file that others have truncated gets no hole of zeros, as in [`grow`](Self::grow).
    pub(crate) fn resize_allocated(&mut self, len: usize) -> Result<()> {
        self.check_resizable()?;
        self.file_of(len.min(self.len()), "truncating")?;
        // Anonymous memory and holes are on no disk, and are allocated when they are used.
        let how = match (self.origin.anonymous, self.origin.sparse) {
            (true, _) => FileResize::Length,
            (false, true) => FileResize::Holes,
            (false, false) => FileResize::Allocate,
        };
        self.set_len(len, how)
    }

    fn set_len(&mut self, len: usize, how: FileResize) -> Result<()> {
        self.check_resizable()?;
        if len > self.capacity() {
            self.check_memory_grows()?;
        }
        if !self.origin.anonymous && self.file.is_none() {
            return Err(Detail::NoFile { operation: "resize" }.into());
        }
        self.region.check()?;
        let (old_len, old, new) = (self.len(), self.file_len()?, self.end(len)?);
        let keeps_mapping = self.origin.reserves() && (len >= old_len || self.origin.capacity > 0);
        // The changes of a private map of a file must move with its pages.
        if !keeps_mapping || len > self.capacity() || self.is_private_file() {
            return self.remap_file(self.origin.capacity_for(len), len, how, old, new);
        }
        if len < old_len && self.backing().is_none() {
            self.region.fill(range::checked("resize", len.., old_len)?, 0)?;
        }
        let change = FileLenChange { file: self.file.as_ref(), old, new, how };
        change.apply().map_err(|error| Error::os("resize", error))?;
        self.region.set_len(len);
        Ok(())
    }

    /// Whether `len` bytes need a longer mapping, which can then have spare capacity as well.
    pub(crate) fn must_move(&self, len: usize) -> bool {
        self.origin.reserves() && len > self.capacity() && self.backing().is_some() && self.check_growth().is_ok()
    }

    /// Where a map cannot be longer than its file: extends both, and writes. Nothing has changed after an error.
    pub(crate) fn resize_and_write(&mut self, bytes: &[u8], position: usize) -> Result<()> {
        if self.follows_end() {
            // What others have appended must not be cut off.
            self.refresh_alone()?;
        }
        let (len, new_len) = (self.len(), position + bytes.len());
        if new_len <= len {
            return self.write_all_at(bytes, position);
        }
        self.check_resizable()?;
        self.region.check()?;
        let end = self.end(new_len)?;
        let file = if self.is_private_file() { None } else { self.whole_file("writing")? };
        let Some((file, before)) = file else {
            self.resize_allocated(new_len)?;
            return self.write_all_at(bytes, position).inspect_err(|_| {
                // The first error is the one to report.
                let _ = self.set_len(len, FileResize::Length);
            });
        };
        self.lengthen(file, before, end).map_err(|error| Error::os("writing", error))?;
        // What the file has behind a part that is mapped stays.
        let now = before.max(end);
        let grown = self.remap_file(self.origin.capacity_for(new_len), new_len, FileResize::Keep, now, now);
        grown.and_then(|()| self.write_all_at(bytes, position)).inspect_err(|_| {
            // The first error is the one to report.
            let _ = self.remap_file(self.origin.capacity_for(len), len, FileResize::Keep, now, now);
            if let (true, Ok(Some((file, _)))) = (end > before, self.whole_file("writing")) {
                sys::restore_len(file, before, end..=end);
            }
        })
    }

    /// Where a map cannot be longer than its file: appends by a write for which the system chooses the offset, the end of the file,
    /// and maps the file anew. Returns where the bytes are.
    #[cfg(windows)]
    pub(crate) fn append_and_map(&mut self, bytes: &[u8]) -> Result<usize> {
        self.check_growth()?;
        let Some((file, before)) = self.whole_file("writing")? else {
            return Err(Detail::NoFile { operation: "writing" }.into());
        };
        if let Err(failed) = sys::append_all(file, bytes, before) {
            take_back_appended(file, before, &bytes[..failed.written]);
            return Err(Error::os("writing", failed.error));
        }
        let ours = before + bytes.len() as u64;
        let now = sys::file_len(file).unwrap_or(ours).max(ours);
        let (start, end) = (self.len_in(before)?, self.len_in(now)?);
        self.remap_file(end, end, FileResize::Keep, now, now).inspect_err(|_| {
            if let Ok(Some((file, _))) = self.whole_file("writing") {
                take_back_appended(file, before, bytes);
            }
        })?;
        if now == ours {
            return Ok(start);
        }
        // Others have appended at the same time, before or after these bytes.
        let found = self.find(bytes, start..).ok().flatten();
        Ok(found.unwrap_or(end - bytes.len()))
    }

    /// Moves the map so that it can then grow to `len` bytes without moving, and further if that costs only addresses.
    pub(crate) fn reserve(&mut self, len: usize) -> Result<()> {
        self.region.check()?;
        let (now, file_len) = (self.len(), self.file_len()?);
        let generous = len.saturating_mul(2).max(MIN_CAPACITY).max(self.origin.capacity);
        let result = self.remap_file(generous, now, FileResize::Keep, file_len, file_len);
        result.or_else(|_| self.remap_file(len, now, FileResize::Keep, file_len, file_len))
    }

    /// [`refresh`](Self::refresh) with exclusive access: the map may move, and shrink.
    pub(crate) fn refresh_alone(&mut self) -> Result<usize> {
        loop {
            self.region.check()?;
            if self.backing().is_some() {
                let file_len = self.file_len()?;
                let len = self.len_in(file_len)?;
                if len < self.len() || len > self.capacity() {
                    self.remap_file(
                        self.origin.capacity_for(len),
                        len.min(self.len()),
                        FileResize::Keep,
                        file_len,
                        file_len,
                    )?;
                }
            }
            match self.refresh() {
                // The file has grown in between.
                Err(error) if error.kind() == ErrorKind::BeyondCapacity => {}
                result => return result,
            }
        }
    }

    /// [`refresh_alone`](Self::refresh_alone), with spare capacity if the map has to move.
    pub(crate) fn follow_alone(&mut self) -> Result<usize> {
        let len = self.end_in_file()?;
        if len > self.capacity() && self.origin.reserves() && !self.is_private_file() {
            self.reserve(len)?;
        }
        self.refresh_alone()
    }

    /// Changes mapping and file. The caller has just asked for the length `old` of the file.
    pub(crate) fn remap_file(
        &mut self,
        capacity: usize,
        len: usize,
        how: FileResize,
        old: u64,
        new: u64,
    ) -> Result<()> {
        // The bytes will be copied.
        #[cfg(windows)]
        if self.origin.anonymous {
            self.region.touch(len.min(self.len()))?;
        }
        let source = self.file.as_ref().map(|file| sys::source(file.fresh()));
        let (aligned, start, total) = range::aligned(self.offset(), capacity, self.origin.parameters.granularity)?;
        if let (0, true, Some(file)) = (capacity, self.origin.reserves(), &self.file) {
            // Before the mapping ends that keeps the inode alive. If this is refused, the map is none the worse.
            let _ = self.origin.pin(source, Some(file), self.offset());
        }
        let request = self.origin.request(source, aligned, total);
        let change = FileLenChange { file: self.file.as_ref(), old, new, how };
        let result = self.region.resize((capacity > 0).then_some(&request), start, len, &change);
        if let Some(file) = self.file.as_mut().filter(|_| self.region.capacity() > 0) {
            file.unpin();
        }
        result.map_err(|error| match error.kind() {
            // Not the system's own error, but that of our backend.
            io::ErrorKind::Unsupported if error.raw_os_error().is_none() => {
                Detail::Unsupported { what: "private maps of files that grow" }.into()
            }
            _ => Error::os("resize", error),
        })
    }

    /// Maps the same file a second time, to its present end, with spare capacity. Not for private maps, whose changes the second
    /// mapping would not have.
    pub(crate) fn map_again(&self) -> Result<Self> {
        self.region.check()?;
        let Some(file) = self.file.as_ref() else { return Err(Detail::NoFile { operation: "mapping again" }.into()) };
        if self.origin.parameters.private || self.origin.anonymous {
            return Err(Detail::Unsupported { what: "mapping private memory a second time" }.into());
        }
        let own = file.get().and_then(|file| sys::duplicate(sys::source(file)));
        let own = own.and_then(|own| sys::file_info(sys::source(&own)).map(|info| TrackedFile::new(own, &info)));
        let own = own.map_err(|error| Error::os("duplicating the descriptor", error))?;
        let len = self.len().min(self.end_in_file()?);
        let mut again = Self::new(self.origin.clone(), MapSource::Tracked(own), self.offset(), len)?;
        again.follow_alone()?;
        again.region.count_faults_from(self.fault_count());
        Ok(again)
    }

    /// Refuses shared anonymous memory, whose length the kernel fixes when it is created on Unix. Elsewhere it is copied.
    pub(in crate::map) fn check_memory_grows(&self) -> Result<()> {
        let is_shared = self.origin.anonymous && !self.origin.parameters.private;
        if cfg!(unix) && is_shared && self.backing().is_none() {
            return Err(Detail::Unsupported { what: "shared anonymous memory that grows" }.into());
        }
        Ok(())
    }

    pub(super) fn check_resizable(&self) -> Result<()> {
        let writable = self.origin.parameters.protection.contains(Protection::WRITE);
        if self.origin.resizable && writable { Ok(()) } else { Err(Detail::NotResizable.into()) }
    }
}
