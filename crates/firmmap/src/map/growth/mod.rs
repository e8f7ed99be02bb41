//! The length of a map: [`Mmap::grow`], [`Mmap::append`], [`Mmap::write_growing_at`], [`Mmap::refresh`], [`Mmap::resize`].
//!
//! At every moment the file is as long as what was written to it; only the mapping is extended ahead of time. So there are two ways
//! to grow. Within the mapping's capacity a map grows through `&self`: first the file is extended, then the length changes. Beyond
//! it the map has to move, through `&mut self`.

mod lock;
mod resize;
mod write;

use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::access::Protection;
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::fault::Fault;
use crate::map::Mmap;
use crate::range;
use crate::sys::{self, Appending, FileInfo, TrackedFile};
use lock::{GrowthGuard, GrowthLock};
use write::Place;

/// The state of a map's growth.
#[derive(Default)]
pub(crate) struct Growth {
    lock: GrowthLock,
    /// How the file is written to: one of the constants below, or zero while that is unknown.
    file: AtomicU8,
}

/// The map shows a write to the file at once: [`Appending::AtOffset`].
const AT_OFFSET: u8 = 1;
/// The same, but the system chooses the offset: [`Appending::AtEnd`].
const AT_END: u8 = 2;
/// Bytes must be copied into the map: [`Appending::Copied`].
const COPIED: u8 = 3;
/// The file has no length that could be changed.
const NOT_REGULAR: u8 = 4;

impl Growth {
    fn lock(&self) -> GrowthGuard<'_> {
        self.lock.lock(sys::generation())
    }

    /// How the file is written to, by its kind and by the flags that it was opened with. The system is asked once: the kind does not
    /// change, and writes go to the right place even if others change the flags later.
    fn kind_of(&self, file: &File) -> io::Result<u8> {
        match self.file.load(Ordering::Relaxed) {
            0 => {
                let kind = match sys::file_info(sys::source(file))? {
                    FileInfo { regular: false, .. } => NOT_REGULAR,
                    _ => match sys::appending(file) {
                        Appending::AtOffset => AT_OFFSET,
                        Appending::AtEnd => AT_END,
                        Appending::Copied => COPIED,
                    },
                };
                self.file.store(kind, Ordering::Relaxed);
                Ok(kind)
            }
            known => Ok(known),
        }
    }
}

impl Mmap {
    /// Returns the length up to which the map can grow without moving, in bytes.
    ///
    /// It is what [`MmapOptions::capacity`](crate::MmapOptions::capacity) has requested, or what [`MappedFile`](crate::MappedFile)
    /// has reserved when it moved the map; at least the length.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(10).map_anonymous()?;
    /// assert_eq!(map.capacity(), 10);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.region.capacity()
    }

    /// Extends the map to `len` bytes, within its [`capacity`](Self::capacity), and the file too if it is shorter.
    ///
    /// The map stays where it is, and views of it stay valid. Bytes that the file already has there become part of the map; the
    /// others are zero. They have space allocated on the disk, where the file system supports that.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    ///
    /// - [`BeyondCapacity`](crate::ErrorKind::BeyondCapacity); [`InvalidInput`](crate::ErrorKind::InvalidInput) for a length
    ///   that is less than the present one.
    /// - [`NotResizable`](crate::ErrorKind::NotResizable): the map is read-only or copy-on-write.
    /// - [`NoFile`](crate::ErrorKind::NoFile): the map does not keep its file;
    ///   [`StaleDescriptor`](crate::ErrorKind::StaleDescriptor): its descriptor was closed by other code.
    /// - [`Fault`](crate::ErrorKind::Fault): the file is shorter than the map, because somebody has truncated it.
    /// - [`Os`](crate::ErrorKind::Os): the disk is full.
    ///
    /// # Platform-specific behavior
    ///
    /// fallocate(2) on Linux, `F_PREALLOCATE` on macOS, posix_fallocate(2) on FreeBSD; elsewhere, and where the file system
    /// does not support it, the file only gets its length. On Windows nothing grows this way.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let map = MmapOptions::new().access(Access::Write).capacity(1 << 20).map(&file)?;
    /// map.grow(1000)?;
    /// let view = map.as_atomic()?;
    /// map.grow(2000)?; // the view stays as it is
    /// assert_eq!((view.len(), map.len(), map.file_len()?), (1000, 2000, 2000));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn grow(&self, len: usize) -> Result<()> {
        self.grow_to(len, false)
    }

    /// [`grow`](Self::grow), for who truncates: a file that is longer is cut off where the map ends. What others append while a shorter one
    /// grows stays behind that, as with ftruncate(2). A map that others have extended meanwhile is `InUse`. Hidden: for the Python class.
    #[doc(hidden)]
    pub fn grow_exactly(&self, len: usize) -> Result<()> {
        self.grow_to(len, true).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => Detail::InUse { operation: "truncating" }.into(),
            _ => error,
        })
    }

    fn grow_to(&self, len: usize, cuts: bool) -> Result<()> {
        self.check_growth()?;
        let _lock = self.growth.lock();
        if len < self.len() {
            return Err(Detail::Shorter { wanted: len, len: self.len() }.into());
        }
        self.check_capacity("growing", len)?;
        if let Some((file, file_len)) = self.whole_file("growing")? {
            let end = self.end(len)?;
            let changed = if cuts && file_len > end { file.set_len(end) } else { self.lengthen(file, file_len, end) };
            changed.map_err(|error| Error::os("growing", error))?;
        }
        self.region.grow(len);
        Ok(())
    }

    /// Writes `bytes` at the end of the file, extending file and map, and returns the index at which they begin.
    ///
    /// The map stays where it is, and views of it stay valid. When this returns, the file has the bytes, and space for them on its
    /// disk.
    ///
    /// A map that [follows the end of its file](Self::follows_end) first takes in what other programs have appended, so that programs
    /// which append in turn keep each other's bytes. Any other map writes at its own end, over what the file may have there.
    ///
    /// Several threads may append at the same time; their bytes are not mixed. So may several programs, if the file was opened with
    /// `O_APPEND`; without that flag, what another program appends between the look at the file's length and the write is
    /// overwritten.
    ///
    /// # Errors
    ///
    /// As [`grow`](Self::grow); nothing has changed then. A file that others have truncated below the map's length gets no hole of
    /// zeros: that is a [`Fault`](crate::ErrorKind::Fault).
    ///
    /// # Platform-specific behavior
    ///
    /// One statx(2) and one pwrite(2), because maps and files show the same bytes at once. OpenBSD does not promise that, and files with `O_DIRECT`
    /// accept only whole blocks: there the file is extended, and the bytes are copied into the map. With `O_APPEND` the system
    /// chooses the offset; if other programs append at the same moment, the bytes are searched for in what was added.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let log = MmapOptions::new().access(Access::Write).capacity(1 << 30).map(&file)?;
    /// assert_eq!(log.append(b"one line\n")?, 0);
    /// assert_eq!(log.append(b"another\n")?, 9);
    /// assert_eq!(log.to_vec(..)?, b"one line\nanother\n");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn append(&self, bytes: &[u8]) -> Result<usize> {
        self.write_growing(bytes, Place::End)
    }

    /// Writes all of `bytes` as write(2) does through a descriptor that had `O_APPEND` when it was last looked at: at the end of the file
    /// if it still has the flag, else at `position`. Returns where they begin.
    pub(crate) fn append_or_write_at(&self, bytes: &[u8], position: usize) -> Result<usize> {
        self.write_growing(bytes, Place::EndIfFlagged(position))
    }

    /// Writes all of `bytes` at `position`, extending map and file if they reach past the end.
    ///
    /// A gap before them is filled with zeros; within the map this is [`write_all_at`](Self::write_all_at). The map stays where it
    /// is, and views of it stay valid.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let table = MmapOptions::new().access(Access::Write).capacity(1 << 30).map(&file)?;
    /// table.write_growing_at(b"row", 5)?;
    /// assert_eq!(table.to_vec(..)?, b"\0\0\0\0\0row");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn write_growing_at(&self, bytes: &[u8], position: usize) -> Result<()> {
        self.write_growing(bytes, Place::At(position)).map(drop)
    }

    /// Whether the map follows the end of its file: operations for which the end matters, such as [`append`](Self::append) and the
    /// reads and seeks of a [`MappedFile`](crate::MappedFile), take in what other programs have appended.
    ///
    /// Maps that were created without a length do, unless [`MmapOptions::follow_end`](crate::MmapOptions::follow_end) says
    /// otherwise. Anonymous memory has no file to follow.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::MmapOptions;
    /// assert!(MmapOptions::new().open("Cargo.toml")?.follows_end());
    /// assert!(!MmapOptions::new().len(10).open("Cargo.toml")?.follows_end());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn follows_end(&self) -> bool {
        self.origin.follows && self.file.is_some()
    }

    /// Takes in what others have appended to the file, within the map's [`capacity`](Self::capacity), and returns the new length.
    ///
    /// Read-only and copy-on-write maps can be refreshed too. In a copy-on-write map, changed pages keep their changes up to the old end
    /// of the map; the new bytes are the file's.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    ///
    /// - [`BeyondCapacity`](crate::ErrorKind::BeyondCapacity): the file is longer than that now.
    /// - [`Fault`](crate::ErrorKind::Fault): the file is shorter than the map, because somebody has truncated it.
    /// - [`Unsupported`](crate::ErrorKind::Unsupported): a device, which has one length.
    /// - [`NoFile`](crate::ErrorKind::NoFile), [`StaleDescriptor`](crate::ErrorKind::StaleDescriptor), [`Os`](crate::ErrorKind::Os).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use std::io::Write;
    /// use firmmap::MmapOptions;
    /// let directory = tempfile::tempdir()?;
    /// let mut file = std::fs::File::create_new(directory.path().join("log"))?;
    /// let map = MmapOptions::new().capacity(1 << 30).open(directory.path().join("log"))?;
    /// file.write_all(b"hello")?;
    /// assert_eq!(map.len(), 0);
    /// assert_eq!(map.refresh()?, 5);
    /// assert_eq!(map.to_vec(..)?, b"hello");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn refresh(&self) -> Result<usize> {
        self.region.check()?;
        let _lock = self.growth.lock();
        let Some((file, file_len)) = self.whole_file("reading the length")? else { return Ok(self.len()) };
        let len = self.len_in(file_len)?;
        self.check_capacity("refreshing", len)?;
        self.take_in(file, len)?;
        Ok(len)
    }

    /// Extends the map by what its file has there.
    fn take_in(&self, file: &File, len: usize) -> Result<()> {
        let old = self.len();
        if self.is_private_file() && len > old && self.origin.parameters.protection.contains(Protection::WRITE) {
            // A page that was changed is no longer the file's, not past the old end either.
            let page = sys::page_size();
            let used = (self.offset() % page as u64) as usize + old;
            let mut rest = vec![0; (used.next_multiple_of(page) - used).min(len - old)];
            if !rest.is_empty() {
                let read = sys::read_exact_at(file, &mut rest, self.end(old)?);
                read.map_err(|error| Error::os("reading the file", error))?;
                self.region.write(&rest, old)?;
            }
        }
        self.region.grow(len);
        Ok(())
    }

    /// The present end of the file, as an index; the length of the map if there is no file. Hidden: for the Python classes.
    #[doc(hidden)]
    pub fn end_in_file(&self) -> Result<usize> {
        let Some(file) = self.backing() else { return Ok(self.len()) };
        let (_, len) = file.with_len().map_err(|error| Error::os("reading the length of the file", error))?;
        self.len_in(len)
    }

    /// Refuses bytes of `start..end`, which were just read, that the file does not have any more: in the page in which it ends, they are
    /// zeros, without a fault. Asks for the length of the file. Hidden: for the Python classes.
    #[doc(hidden)]
    pub fn check_in_file(&self, start: usize, end: usize) -> Result<()> {
        let file_end = self.end_in_file()?;
        if start < end && file_end < end {
            return Err(Detail::Fault { offset: file_end.max(start) }.into());
        }
        Ok(())
    }

    /// As [`check_in_file`](Self::check_in_file), of a map that follows the end of its file, unless the place of these bytes, and what they
    /// are, tells that none is missing. Hidden as that is.
    #[doc(hidden)]
    pub fn check_end_of_read(&self, start: usize, end: usize, may_be_missing: bool) -> Result<()> {
        if self.follows_end() && (end == self.len() || may_be_missing) {
            self.check_in_file(start, end)
        } else {
            Ok(())
        }
    }

    /// The bytes of the map that its file does not have, in the page in which it ends: at the index `end`. Reading them gives zeros, and
    /// writing them loses what is written, without a fault. `None` if there are none.
    pub(crate) fn missing_in_last_page(&self, end: usize) -> Option<std::ops::Range<usize>> {
        let page = sys::page_size();
        let used = (self.offset() % page as u64) as usize + end;
        let missing = (used.next_multiple_of(page) - used).min(self.len().saturating_sub(end));
        (missing > 0).then_some(end..end + missing)
    }

    /// The file's time of modification.
    pub(crate) fn modified(&self) -> Option<std::time::SystemTime> {
        self.backing()?.get().ok()?.metadata().ok()?.modified().ok()
    }

    /// Sets the file's time of modification to now, as a write to it does. Where that is not allowed, it stays.
    pub(crate) fn touch_file(&self) {
        if let Some(Ok(file)) = self.backing().map(TrackedFile::get) {
            let _ = sys::touch(file);
        }
    }

    /// Whether [`reserve`](Self::reserve) has an effect.
    pub(crate) fn reserves(&self) -> bool {
        self.origin.reserves()
    }

    /// The file whose bytes are mapped: none for anonymous memory, also if a flag (`MAP_ANONYMOUS`) has made it so.
    fn backing(&self) -> Option<&TrackedFile> {
        #[cfg(unix)]
        if self.origin.parameters.flags.contains(crate::MapFlags::ANONYMOUS) {
            return None;
        }
        self.file.as_ref()
    }

    /// The file and its length; `None` for memory without one.
    ///
    /// The file is at least as long as the map. Otherwise somebody has truncated it, and an append would leave a hole of zeros where
    /// the map has had bytes: that is a fault.
    fn whole_file(&self, operation: &'static str) -> Result<Option<(&File, u64)>> {
        self.file_of(self.len(), operation)
    }

    /// As [`whole_file`](Self::whole_file), but only the first `kept` bytes of the map have to be there.
    fn file_of(&self, kept: usize, operation: &'static str) -> Result<Option<(&File, u64)>> {
        let Some(file) = self.backing() else {
            return if self.origin.anonymous { Ok(None) } else { Err(Detail::NoFile { operation }.into()) };
        };
        let asking = |error| Error::os("reading the length of the file", error);
        let (file, len) = file.with_len().map_err(asking)?;
        if self.growth.kind_of(file).map_err(asking)? == NOT_REGULAR {
            return Err(Detail::Unsupported { what: "another length of what is not a regular file" }.into());
        }
        if len < self.end(kept)? {
            let offset = len.saturating_sub(self.offset()) as usize;
            return Err(Fault { offset }.into());
        }
        Ok(Some((file, len)))
    }

    /// The number of bytes from the map's offset on, in a file of the given length.
    fn len_in(&self, file_len: u64) -> Result<usize> {
        let rest = file_len.saturating_sub(self.offset());
        usize::try_from(rest).map_err(|_| range::too_large("the length", rest))
    }

    /// The offset in the file at which a map of `len` bytes ends.
    fn end(&self, len: usize) -> Result<u64> {
        let end = self.offset().checked_add(len as u64).filter(|&end| i64::try_from(end).is_ok());
        let end = end.filter(|_| isize::try_from(len).is_ok());
        end.ok_or_else(|| range::too_large("the new length", len as u64))
    }

    /// Whether this is a copy-on-write map of a file.
    fn is_private_file(&self) -> bool {
        self.origin.parameters.private && !self.origin.anonymous
    }

    /// Checks that the map can grow through `&self`, and has no unreported fault.
    fn check_growth(&self) -> Result<()> {
        self.check_resizable()?;
        if self.is_private_file() {
            return Err(Detail::NotResizable.into());
        }
        Ok(self.region.check()?)
    }

    fn check_capacity(&self, operation: &'static str, len: usize) -> Result<()> {
        let capacity = self.capacity();
        if len <= capacity { Ok(()) } else { Err(Detail::BeyondCapacity { operation, len, capacity }.into()) }
    }
}
