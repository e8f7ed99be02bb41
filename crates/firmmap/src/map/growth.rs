//! The length of a map: [`Mmap::grow`], [`Mmap::append`], [`Mmap::write_growing_at`], [`Mmap::refresh`], [`Mmap::resize`].
//!
//! At every moment the file is as long as what was written to it; only the mapping is extended ahead of time. So there are two ways
//! to grow. Within the mapping's capacity a map grows through `&self`: first the file is extended, then the length changes. Beyond
//! it the map has to move, through `&mut self`.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::access::Protection;
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::fault::Fault;
use crate::map::growth_lock::{GrowthGuard, GrowthLock};
use crate::map::{MapSource, Mmap};
use crate::memmem::{Direction, Finder};
use crate::range;
use crate::sys::{self, Appending, FileInfo, FileLenChange, FileResize, TrackedFile, WriteError};

/// The least capacity of a map that has to move to grow, in bytes: it costs only addresses.
const MIN_CAPACITY: usize = 1 << 20;

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

/// Up to so many appended bytes are looked for in the map, which costs less than asking for the length of the file again.
const SMALL_APPEND: usize = 1024;

/// Writes of at least so many bytes first ask whether the disk has space: writing them takes much longer than asking.
const LARGE_WRITE: usize = 64 * 1024;

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

/// Where bytes are to be written.
#[derive(Clone, Copy, Debug)]
enum Place {
    At(usize),
    /// At the end of the file.
    End,
    /// There if its descriptor has `O_APPEND`, else at this index.
    EndIfFlagged(usize),
}

/// What a write has done to a file, so that it can be undone.
struct Undo<'a> {
    file: &'a File,
    /// The length of the file before.
    before: u64,
    /// The length to which this write has extended it.
    reached: u64,
    /// The bytes that were overwritten, and their offset.
    saved: (u64, Vec<u8>),
}

impl Undo<'_> {
    /// Writes `bytes` at `offset`, the part past the old end first: that can fail for lack of space.
    fn write(&mut self, bytes: &[u8], offset: u64) -> std::result::Result<(), WriteError> {
        let known = self.before.saturating_sub(offset).min(bytes.len() as u64) as usize;
        let (over, new) = bytes.split_at(known);
        if !new.is_empty() {
            let start = offset + known as u64;
            let result = sys::write_all_at(self.file, new, start);
            let written = result.as_ref().map_or_else(|failed| failed.written, |()| new.len());
            self.reached = self.reached.max(start + written as u64);
            result?;
        }
        if over.is_empty() {
            return Ok(());
        }
        // Bytes that could not be restored are not overwritten.
        let unsaved = |error| WriteError { written: bytes.len() - known, error };
        self.save(offset, known).map_err(unsaved)?;
        sys::write_all_at(self.file, over, offset)
    }

    /// Saves the bytes that are about to be overwritten.
    fn save(&mut self, offset: u64, len: usize) -> io::Result<()> {
        let known = self.before.saturating_sub(offset).min(len as u64) as usize;
        if known == 0 {
            return Ok(());
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(known).map_err(|_| io::ErrorKind::OutOfMemory)?;
        bytes.resize(known, 0);
        sys::read_exact_at(self.file, &mut bytes, offset)?;
        self.saved = (offset, bytes);
        Ok(())
    }

    /// Restores the overwritten bytes, and the old length unless somebody else has extended the file further. Errors are ignored: the
    /// first one is to be reported.
    fn take_back(self) {
        let (offset, bytes) = &self.saved;
        let _ = sys::write_all_at(self.file, bytes, *offset);
        if self.reached > self.before {
            sys::restore_len(self.file, self.before, self.before + 1..=self.reached);
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
        self.check_growth()?;
        let _lock = self.growth.lock();
        if len < self.len() {
            return Err(Detail::Shorter { wanted: len, len: self.len() }.into());
        }
        self.check_capacity("growing", len)?;
        if let Some((file, file_len)) = self.whole_file("growing")? {
            self.lengthen(file, file_len, self.end(len)?).map_err(|error| Error::os("growing", error))?;
        }
        self.region.grow(len);
        Ok(())
    }

    /// [`grow`](Self::grow), after which the file ends where the map does. A map that others have extended meanwhile is `InUse`.
    pub(crate) fn grow_exactly(&self, len: usize) -> Result<()> {
        self.grow(len).map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => Detail::InUse { operation: "truncating" }.into(),
            _ => error,
        })?;
        let _lock = self.growth.lock();
        let end = self.end(len)?;
        match self.backing() {
            // Unless another thread has extended the map meanwhile.
            Some(file) if self.len() == len && self.file_len()? > end => {
                file.get().and_then(|file| file.set_len(end)).map_err(|error| Error::os("truncating", error))
            }
            _ => Ok(()),
        }
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

    /// The present end of the file, as an index; the length of the map if there is no file.
    pub(crate) fn end_in_file(&self) -> Result<usize> {
        let Some(file) = self.backing() else { return Ok(self.len()) };
        let (_, len) = file.with_len().map_err(|error| Error::os("reading the length of the file", error))?;
        self.len_in(len)
    }

    /// The bytes of the map that its file does not have, in the page in which it ends. Reading them gives zeros, and writing them loses
    /// what is written, without a fault. `None` if there are none, or if the file cannot be asked.
    pub(crate) fn missing_in_last_page(&self) -> Option<std::ops::Range<usize>> {
        let end = self.end_in_file().ok()?;
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
        let is_taken_later = self.origin.anonymous || self.origin.sparse;
        self.set_len(len, if is_taken_later { FileResize::Length } else { FileResize::Allocate })
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

    /// Whether [`reserve`](Self::reserve) has an effect.
    pub(crate) fn reserves(&self) -> bool {
        self.origin.reserves()
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
            let how = if end > before { FileResize::Length } else { FileResize::Keep };
            let _ = self.remap_file(self.origin.capacity_for(len), len, how, now, before);
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
            sys::restore_len(file, before, before + 1..=before + failed.written as u64);
            return Err(Error::os("writing", failed.error));
        }
        let ours = before + bytes.len() as u64;
        let now = sys::file_len(file).unwrap_or(ours).max(ours);
        let (start, end) = (self.len_in(before)?, self.len_in(now)?);
        self.remap_file(end, end, FileResize::Keep, now, now).inspect_err(|_| {
            if let Ok(Some((file, _))) = self.whole_file("writing") {
                sys::restore_len(file, before, ours..=ours);
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
        let file = self.file.as_ref().map(TrackedFile::get).transpose();
        let source = file.map_err(|error| Error::os("resize", error))?.map(sys::source);
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

    /// Writes `bytes` within the map's capacity. Returns where they begin.
    fn write_growing(&self, bytes: &[u8], place: Place) -> Result<usize> {
        self.check_growth()?;
        let _lock = self.growth.lock();
        let len = self.len();
        let mut position = match place {
            Place::At(position) => Some(position),
            Place::End | Place::EndIfFlagged(_) => None,
        };
        if bytes.is_empty() {
            return Ok(position.unwrap_or(len));
        }
        let end_of = |position: usize| {
            let end = position.checked_add(bytes.len());
            end.ok_or_else(|| range::too_large("the length", u64::MAX))
        };
        if let Some(position) = position {
            if end_of(position)? <= len {
                // Another thread has extended the map so far.
                return Ok(self.region.write(bytes, position).map(|()| position)?);
            }
        }
        let Some((file, file_len)) = self.whole_file("writing")? else {
            let position = position.unwrap_or(len);
            self.check_capacity("writing", end_of(position)?)?;
            self.region.write(bytes, position)?;
            self.region.grow(end_of(position)?);
            return Ok(position);
        };
        // The file may be longer than an address can express; then only a part of it is mapped.
        let file_end = self.len_in(file_len).unwrap_or(usize::MAX);
        if let Place::EndIfFlagged(index) = place {
            // At the end of the file both are the same.
            if index != file_end && !self.appends(file) {
                position = Some(index);
            }
        }
        if position.is_none() && self.may_append(file) {
            self.check_capacity("writing", end_of(file_end)?)?;
            if let Some(start) = self.append_by_system(file, file_len, bytes)? {
                return Ok(start);
            }
        }
        let position = position.unwrap_or(if self.follows_end() { file_end } else { len });
        let end = end_of(position)?;
        self.check_capacity("writing", end)?;
        let start = position.max(len);
        // Some of the bytes may lie in the map already; others may begin past its end.
        let (inside, behind) = bytes.split_at(start.min(end) - position);
        let mut undo = Undo { file, before: file_len, reached: file_len, saved: (0, Vec::new()) };
        let written = self.write_behind(&mut undo, behind, start);
        let written = written.and_then(|()| Ok(self.region.write(inside, position)?));
        if written.is_err() {
            undo.take_back();
        }
        written?;
        let reached = if self.follows_end() { end.max(file_end.min(self.capacity())) } else { end };
        self.region.grow(reached);
        Ok(position)
    }

    /// Whether the file was opened with `O_APPEND`, and still has that flag.
    fn appends(&self, file: &File) -> bool {
        self.had_append_flag(file) && sys::appending(file) == Appending::AtEnd
    }

    fn had_append_flag(&self, file: &File) -> bool {
        self.growth.kind_of(file).is_ok_and(|kind| kind == AT_END)
    }

    /// Whether bytes for the end are appended by the system. Linux does that with a pwrite(2) at the end that was seen, where they
    /// belong without the flag too, if the map follows the end; elsewhere it is write(2), which needs the flag.
    fn may_append(&self, file: &File) -> bool {
        if cfg!(linux_kernel) && self.follows_end() { self.had_append_flag(file) } else { self.appends(file) }
    }

    /// Whether all writes go to the end of the file, because of its flags.
    pub(crate) fn appends_only(&self) -> bool {
        self.backing().is_some_and(|file| file.get().is_ok_and(|file| self.appends(file)))
    }

    /// Writes bytes past the end of the map. The file may have some of them already.
    fn write_behind(&self, undo: &mut Undo<'_>, bytes: &[u8], start: usize) -> Result<()> {
        let writing = |error| Error::os("writing", error);
        let (file, file_len) = (undo.file, undo.before);
        let (first, end) = (self.end(start)?, self.end(start + bytes.len())?);
        let kind = self.growth.kind_of(file).map_err(writing)?;
        if kind != COPIED {
            if bytes.len() >= LARGE_WRITE {
                sys::check_space(file, file_len, end).map_err(writing)?;
            }
            // A gap before them becomes a hole.
            match undo.write(bytes, first) {
                Err(failed) if failed.must_copy() => {}
                result => return result.map_err(|failed| writing(failed.error)),
            }
        }
        let from = file_len.max(undo.reached).max(first);
        undo.reached = from;
        self.lengthen(file, from, end).map_err(writing)?;
        undo.reached = undo.reached.max(end);
        // With `O_DIRECT` the file cannot be read at any offset: there these bytes are not restored.
        let _ = undo.save(first, bytes.len());
        Ok(self.region.write(bytes, start)?)
    }

    /// Appends to a file that was opened with `O_APPEND`, and finds out where the bytes went. `None` if its flags have changed so that
    /// this cannot be done.
    fn append_by_system(&self, file: &File, file_len: u64, bytes: &[u8]) -> Result<Option<usize>> {
        let writing = |error| Error::os("writing", error);
        if bytes.len() >= LARGE_WRITE {
            sys::check_space(file, file_len, file_len + bytes.len() as u64).map_err(writing)?;
        }
        let mut undo = Undo { file, before: file_len, reached: file_len, saved: (0, Vec::new()) };
        if let Err(failed) = sys::append_all(file, bytes, file_len) {
            if failed.written == 0 && sys::appending(file) == Appending::Copied {
                return Ok(None);
            }
            undo.reached += failed.written as u64;
            undo.take_back();
            return Err(writing(failed.error));
        }
        let start = self.len_in(file_len)?;
        let ours = file_len + bytes.len() as u64;
        self.region.grow((start + bytes.len()).max(self.len()));
        if bytes.len() <= SMALL_APPEND && self.shows(bytes, start) {
            return Ok(Some(start));
        }
        // The bytes are written: failing to find out more about the file is no error of writing.
        let now = sys::file_len(file).unwrap_or(ours).max(ours);
        let end = self.len_in(now).unwrap_or(usize::MAX);
        self.region.grow(end.min(self.capacity()).max(self.len()));
        if now == ours {
            return Ok(Some(start));
        }
        // Others have appended at the same time, before or after these bytes.
        let found = self.find(bytes, start..self.len()).ok().flatten();
        let found = found.or_else(|| self.find_past_the_map(file, bytes, start..end));
        Ok(Some(found.unwrap_or(end - bytes.len())))
    }

    /// Where `bytes` are in a range of the file that ends past the map: read from the file, as the map's capacity is used up.
    fn find_past_the_map(&self, file: &File, bytes: &[u8], range: Range<usize>) -> Option<usize> {
        let len = self.len();
        if range.end <= len {
            return None;
        }
        let from = range.start.max((len + 1).saturating_sub(bytes.len()));
        let mut rest = Vec::new();
        rest.try_reserve_exact(range.end - from).ok()?;
        rest.resize(range.end - from, 0);
        sys::read_exact_at(file, &mut rest, self.offset() + from as u64).ok()?;
        let found = Finder::new(bytes, Direction::Forward).find(&rest)?;
        Some(from + found)
    }

    /// Whether the map shows `bytes` at `start`, as far as that can be seen without a risk.
    fn shows(&self, bytes: &[u8], start: usize) -> bool {
        let span = range::clipped(start, bytes.len(), self.len());
        self.is_readable() && self.region.is_guarded() && self.region.search(span, |shown| shown == bytes) == Ok(true)
    }

    /// Extends a file that is shorter than `end`, with space allocated on its disk. Memory is allocated when it is used.
    fn lengthen(&self, file: &File, file_len: u64, end: u64) -> io::Result<()> {
        match end > file_len {
            true if self.origin.anonymous => sys::extend(file, end),
            true if self.origin.sparse => sys::set_longer(file, end),
            true => sys::allocate(file, file_len, end),
            false => Ok(()),
        }
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

    /// Refuses shared anonymous memory, whose length the kernel fixes when it is created on Unix. Elsewhere it is copied.
    pub(super) fn check_memory_grows(&self) -> Result<()> {
        let is_shared = self.origin.anonymous && !self.origin.parameters.private;
        if cfg!(unix) && is_shared && self.backing().is_none() {
            return Err(Detail::Unsupported { what: "shared anonymous memory that grows" }.into());
        }
        Ok(())
    }

    /// Whether this is a copy-on-write map of a file.
    fn is_private_file(&self) -> bool {
        self.origin.parameters.private && !self.origin.anonymous
    }

    fn check_resizable(&self) -> Result<()> {
        let writable = self.origin.parameters.protection.contains(Protection::WRITE);
        if self.origin.resizable && writable { Ok(()) } else { Err(Detail::NotResizable.into()) }
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
