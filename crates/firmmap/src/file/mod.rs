//! [`MappedFile`]: an [`Mmap`] with a position, to be used like a file.

mod modes;
mod read_write_seek;
mod writing;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use writing::{Appends, Unsettled};

use crate::error::{Detail, ErrorKind, Result};
use crate::map::Mmap;
use crate::mode::Mode;
use crate::options::MmapOptions;

/// An [`Mmap`] with a position: [`Read`](std::io::Read), [`BufRead`](std::io::BufRead), [`Write`](std::io::Write) and
/// [`Seek`](std::io::Seek) as a file has them.
///
/// It has all methods of [`Mmap`] as well; they do not use the position.
///
/// A read at the end returns zero bytes. As with a file, the position may be set past the end.
///
/// # The end of the file
///
/// A map that was created without a length [follows the end of its file](Mmap::follows_end). Operations for which the end matters (a read
/// that would come back short or empty, a seek from the end, a write past the end) ask for the length of the file, and take in what other
/// programs have appended. All others, [`len`](Mmap::len) included, use the length that was found last. Where the capacity is too small,
/// the map moves; while it is [`share`](Self::share)d, the file is mapped a second time, and the other holders keep the first mapping.
///
/// # Growth
///
/// A file that was [`open`](Self::open)ed for writing grows as files do: a write past the end extends the file and the map, and a gap
/// before it is filled with zeros. At every moment the file is as long as what was written to it, even if the process is killed. Each such
/// write is a system call; put a [`BufWriter`](std::io::BufWriter) in front of many small ones, as with a file. A map that has to move
/// gets twice the capacity that it needs; within its [`capacity`](MmapOptions::capacity) it does not move.
///
/// Any other map ([`new`](Self::new)) keeps its length: a write stops at the end, and one at the end writes zero bytes, so that
/// [`write_all`](std::io::Write::write_all) fails with [`WriteZero`](std::io::ErrorKind::WriteZero).
///
/// # Examples
///
/// ```
/// use std::io::{Read, Seek, SeekFrom, Write};
/// use firmmap::{MappedFile, MmapOptions};
///
/// let mut file = MappedFile::new(MmapOptions::new().len(13).map_anonymous()?);
/// file.write_all(b"Hello world!")?;
/// file.seek(SeekFrom::Start(6))?;
/// let mut rest = String::new();
/// file.read_to_string(&mut rest)?;
/// assert_eq!(rest, "world!\0");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct MappedFile {
    map: Arc<Mmap>,
    position: usize,
    growable: bool,
    /// Every write goes to the end of the file, because of its descriptor's flags or [`Mode::Append`].
    appends: Option<Appends>,
    /// The file was shorter than the map when it was last looked at, and ended at `file_end`.
    short: bool,
    /// And that it ends there was told: reads end there as well.
    is_end_told: bool,
    file_end: usize,
    /// What was written into the map and not settled yet.
    unsettled: Unsettled,
    /// The copy that [`BufRead`](std::io::BufRead) lends.
    lent: Vec<u8>,
}

impl MappedFile {
    /// Wraps a map, with the position at zero.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions};
    /// let file = MappedFile::new(MmapOptions::new().open("Cargo.toml")?);
    /// assert_eq!(file.position(), 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[inline]
    pub fn new(map: Mmap) -> Self {
        Self::with_growth(map, false)
    }

    #[inline(always)]
    pub(crate) fn with_growth(map: Mmap, growable: bool) -> Self {
        let appends = (growable && map.appends_only()).then_some(Appends::WhileFlagged);
        let unsettled = Unsettled::default();
        Self {
            map: Arc::new(map),
            position: 0,
            growable,
            appends,
            short: false,
            is_end_told: false,
            file_end: 0,
            unsettled,
            lent: Vec::new(),
        }
    }

    /// Opens the file at `path` as `mode` says, and maps all of it. [`MmapOptions::open_mode`] has more options, such as a part of the
    /// file, and a capacity within which it grows without moving.
    ///
    /// # Errors
    ///
    /// As [`MmapOptions::open_mode`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Seek, SeekFrom, Write};
    /// use firmmap::{MappedFile, Mode};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// std::fs::write(&path, b"first line\n")?;
    ///
    /// let mut log = MappedFile::open(&path, Mode::ReadWrite)?;
    /// log.seek(SeekFrom::End(0))?;
    /// log.write_all(b"second line\n")?;
    /// assert_eq!(std::fs::read(&path)?, b"first line\nsecond line\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(path: impl AsRef<Path>, mode: Mode) -> Result<Self> {
        MmapOptions::new().open_mode(path, mode)
    }

    /// Creates shared memory of `len` bytes, which grows up to `capacity` without moving: [`MmapOptions::map_shared_memory`].
    ///
    /// # Errors
    ///
    /// As [`MmapOptions::map_shared_memory`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// let mut memory = firmmap::MappedFile::anonymous(0, None)?;
    /// memory.write_all(b"as much as needed")?;
    /// assert_eq!(memory.len(), 17);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn anonymous(len: usize, capacity: Option<usize>) -> Result<Self> {
        let map = MmapOptions::new().len(len).capacity(capacity.unwrap_or(0)).map_shared_memory()?;
        Ok(Self::with_growth(map, true))
    }

    /// Returns whether writing past the end extends the map: a regular file that was opened in a mode that writes, or memory that was
    /// created by [`anonymous`](Self::anonymous). A map that was passed to [`new`](Self::new) keeps its length.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, Mode};
    /// assert!(!MappedFile::open("Cargo.toml", Mode::Read)?.is_growable());
    /// assert!(MappedFile::anonymous(10, None)?.is_growable());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[must_use]
    pub fn is_growable(&self) -> bool {
        self.growable
    }

    /// Returns a shared handle of the map, for another thread. The map lives as long as its last handle, and cannot be resized while there
    /// are several.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{ErrorKind, MappedFile, MmapOptions};
    /// let mut file = MappedFile::new(MmapOptions::new().len(100).map_anonymous()?);
    /// let map = file.share();
    /// let search = std::thread::spawn(move || map.find(b"needle", ..));
    /// assert_eq!(search.join().unwrap()?, None);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[must_use]
    pub fn share(&self) -> Arc<Mmap> {
        Arc::clone(&self.map)
    }

    /// Returns whether there are other handles, made by [`share`](Self::share), now.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions};
    /// let file = MappedFile::new(MmapOptions::new().len(100).map_anonymous()?);
    /// let other = file.share();
    /// assert!(file.is_shared());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[must_use]
    pub fn is_shared(&self) -> bool {
        Arc::strong_count(&self.map) > 1
    }

    /// Returns the map without the position.
    ///
    /// # Errors
    ///
    /// The value itself, while [`share`](Self::share)d handles exist.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions};
    /// let file = MappedFile::new(MmapOptions::new().len(5).map_anonymous()?);
    /// assert_eq!(file.into_map().unwrap().len(), 5);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn into_map(self) -> std::result::Result<Mmap, Self> {
        let Self { map, position, growable, appends, short, is_end_told, file_end, unsettled, lent } = self;
        let shared = |map| Self { map, position, growable, appends, short, is_end_told, file_end, unsettled, lent };
        Arc::try_unwrap(map).map_err(shared)
    }

    /// As [`into_map`](Self::into_map) and [`Mmap::close`], without moving the map anywhere; a map that is shared stays as it is.
    ///
    /// # Errors
    ///
    /// As [`Mmap::close`].
    #[doc(hidden)]
    pub fn unmap(&mut self) -> Result<()> {
        Arc::get_mut(&mut self.map).map_or(Ok(()), Mmap::unmap)
    }

    /// Returns where the next read or write goes, in bytes from the start of the map.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Read;
    /// use firmmap::{MappedFile, MmapOptions};
    /// let mut file = MappedFile::new(MmapOptions::new().open("Cargo.toml")?);
    /// file.read_exact(&mut [0; 3])?;
    /// assert_eq!(file.position(), 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn position(&self) -> usize {
        self.position
    }

    /// Sets the position. It may lie past the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions};
    /// let mut file = MappedFile::new(MmapOptions::new().open("Cargo.toml")?);
    /// file.set_position(1);
    /// assert_eq!(file.position(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn set_position(&mut self, position: usize) {
        self.position = position;
    }

    /// Returns the number of bytes between the position and the end.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions};
    /// let mut file = MappedFile::new(MmapOptions::new().len(5).map_anonymous()?);
    /// file.set_position(2);
    /// assert_eq!(file.remaining(), 3);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.read_end().saturating_sub(self.position)
    }

    /// Where reads end: with the map, or with its file where [`ends_short`](Self::ends_short). Hidden: for the Python class.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn read_end(&self) -> usize {
        if self.ends_short() { self.file_end } else { self.map.len() }
    }

    /// Whether the map reaches past the end of its file, which was told by [`end`](Self::end), and cannot become shorter. Hidden: for the
    /// fast paths of the Python class.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn ends_short(&self) -> bool {
        self.short && self.is_end_told
    }

    /// Changes the length of the map and its file. The position stays, even past the new end.
    ///
    /// # Errors
    ///
    /// As [`Mmap::resize`]; [`InUse`](crate::ErrorKind::InUse) while [`share`](Self::share)d handles exist; and
    /// [`Fault`](crate::ErrorKind::Fault) if others have cut off what was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{ErrorKind, MappedFile, MmapOptions};
    /// let mut file = MappedFile::new(MmapOptions::new().len(100).map_anonymous()?);
    /// file.resize(50)?;
    /// let other = file.share();
    /// assert_eq!(file.resize(10).unwrap_err().kind(), ErrorKind::InUse);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn resize(&mut self, len: usize) -> Result<()> {
        self.exclusive("resize")?;
        self.settle_lost()?;
        self.exclusive("resize")?.resize(len)?;
        self.short = false;
        self.unsettled.cut(len);
        Ok(())
    }

    /// Changes the length of the map to `len` bytes, and that of its file to `offset() + len`, as [`std::fs::File::set_len`] does.
    ///
    /// New bytes are zero and have space allocated on the disk, where the file system supports that. The position stays. A map that is
    /// shared can grow, up to its [`capacity`](Mmap::capacity).
    ///
    /// # Errors
    ///
    /// As [`Mmap::resize`], with [`Os`](crate::ErrorKind::Os) if the disk is full,
    /// [`Fault`](crate::ErrorKind::Fault) if somebody has truncated the file to less than that, and
    /// [`InUse`](crate::ErrorKind::InUse) if the map is [`share`](Self::share)d and would have to shrink or move.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let mut file = MappedFile::open(directory.path().join("table"), Mode::CreateNew)?;
    /// file.truncate(1_000_000)?;
    /// file.truncate(500)?;
    /// assert_eq!((file.len(), file.file_len()?), (500, 500));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn truncate(&mut self, len: usize) -> Result<()> {
        if self.is_shared() && len >= self.map.len() && len <= self.map.capacity() {
            self.map.grow_exactly(len)?;
            self.short = false;
            return Ok(());
        }
        let map = self.exclusive("truncating")?;
        if map.must_move(len) {
            map.reserve(len)?;
        }
        map.resize_allocated(len)?;
        self.short = false;
        self.unsettled.cut(len);
        Ok(())
    }

    /// Takes in what others have appended to the file, if the map [follows its end](Mmap::follows_end), and returns whether there was
    /// anything. Reads that reach the end do this by themselves.
    ///
    /// Unlike [`refresh`](Self::refresh) it leaves alone a map whose file has become shorter. If the map is [`share`](Self::share)d and its
    /// capacity is too small, the file is mapped a second time, and the other handles keep what they have; a private map then stays as it
    /// is.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) if the file cannot be asked for its length, or cannot be mapped to its end;
    /// [`Fault`](crate::ErrorKind::Fault) for an unreported fault.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use firmmap::{MappedFile, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// let mut writer = std::fs::File::create_new(&path)?;
    /// let mut reader = MappedFile::open(&path, Mode::Read)?;
    /// writer.write_all(b"news")?;
    /// assert!(reader.follow_end()?);
    /// assert_eq!(reader.to_vec(..)?, b"news");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn follow_end(&mut self) -> Result<bool> {
        if !self.map.follows_end() {
            return Ok(false);
        }
        let before = self.read_end();
        let (end, len) = (self.map.end_in_file()?, self.map.len());
        self.note_end(end);
        if end > len {
            self.take_in(end)?;
        }
        Ok(self.read_end() > before)
    }

    /// Notes where the file ends, for whoever has asked for that. Hidden: for the Python class.
    #[doc(hidden)]
    pub fn note_end(&mut self, end: usize) {
        (self.short, self.file_end) = (end < self.map.len(), end);
        self.is_end_told &= self.short;
    }

    /// Returns the end as an index: that of the file now, if the map [follows it](Mmap::follows_end), otherwise that of the map. Unless it
    /// is shared, the map gets that length.
    ///
    /// # Errors
    ///
    /// As [`follow_end`](Self::follow_end); [`Fault`](crate::ErrorKind::Fault) also for bytes that were written and then cut off by
    /// others.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use firmmap::{MappedFile, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// let mut writer = std::fs::File::create_new(&path)?;
    /// let mut reader = MappedFile::open(&path, Mode::Read)?;
    /// writer.write_all(b"news")?;
    /// assert_eq!((reader.len(), reader.end()?, reader.len()), (0, 4, 4));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn end(&mut self) -> Result<usize> {
        self.follow_end()?;
        if self.short {
            // What is shared does not become shorter.
            if self.is_shared() {
                self.is_end_told = true;
                return Ok(self.file_end);
            }
            // What was lost would be forgotten with the pages.
            self.settle()?;
            self.exclusive("following the end")?.refresh_alone()?;
            self.short = false;
        }
        Ok(self.map.len())
    }

    /// Extends the map: its file was seen to end at `end`.
    #[cold]
    fn take_in(&mut self, end: usize) -> Result<()> {
        if end <= self.map.capacity() {
            match self.map.refresh() {
                // It has become longer still.
                Err(error) if error.kind() == ErrorKind::BeyondCapacity => {}
                result => return result.map(drop),
            }
        }
        let moved = match Arc::get_mut(&mut self.map) {
            Some(map) => map.follow_alone().map(drop),
            None => self.map.map_again().map(|map| self.map = Arc::new(map)),
        };
        match moved {
            // Private maps that are shared, or on systems where they cannot become longer.
            Err(error) if error.kind() == ErrorKind::Unsupported => Ok(()),
            result => result,
        }
    }

    /// Adapts the map to the length that the file has now, and returns it. Unlike [`Mmap::refresh`] it can move the map, and shorten it.
    /// The position stays.
    ///
    /// # Errors
    ///
    /// As [`Mmap::refresh`], and as [`end`](Self::end) for bytes that were written and lost. For a [`share`](Self::share)d map also a
    /// length beyond the capacity, or one that is less than before. [`Unsupported`](crate::ErrorKind::Unsupported): a copy-on-write map
    /// that has to move, except on Linux.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use firmmap::{MappedFile, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// let mut writer = std::fs::File::create_new(&path)?;
    /// let mut reader = MappedFile::open(&path, Mode::Read)?;
    /// writer.write_all(b"news")?;
    /// reader.refresh()?;
    /// let mut text = String::new();
    /// reader.read_to_string(&mut text)?;
    /// assert_eq!(text, "news");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn refresh(&mut self) -> Result<usize> {
        if !self.unsettled.is_empty() && self.map.end_in_file()? < self.map.len() {
            self.settle()?;
        }
        let len = match Arc::get_mut(&mut self.map) {
            Some(map) => map.refresh_alone(),
            None => self.map.refresh(),
        }?;
        self.short = false;
        Ok(len)
    }

    /// Returns the map for changing the mapping itself, as [`Arc::get_mut`] does: only while nobody else holds it.
    ///
    /// # Errors
    ///
    /// [`InUse`](crate::ErrorKind::InUse) while [`share`](Self::share)d handles exist; as [`flush`](std::io::Write::flush) for what was written
    /// so far, [`Fault`](crate::ErrorKind::Fault) if others have cut it off.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions, Protection};
    /// let mut file = MappedFile::new(MmapOptions::new().len(100).map_anonymous()?);
    /// file.get_mut()?.protect(Protection::READ)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn get_mut(&mut self) -> Result<&mut Mmap> {
        self.exclusive("changing the mapping")?;
        // Afterwards it could be the caller who has changed the length.
        self.settle()?;
        self.exclusive("changing the mapping")
    }

    /// [`get_mut`](Self::get_mut), with `operation` in the words of the error.
    fn exclusive(&mut self, operation: &'static str) -> Result<&mut Mmap> {
        Arc::get_mut(&mut self.map).ok_or_else(|| Detail::InUse { operation }.into())
    }

    /// Returns where the line that starts at the position ends: after its newline, or at the end of the map.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions};
    /// let file = MappedFile::new(MmapOptions::new().open("LICENSE-MIT")?);
    /// assert_eq!(file.line_end()?, "MIT License\n".len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn line_end(&self) -> Result<usize> {
        self.map.line_end_from(self.position.min(self.map.len()))
    }
}

impl Deref for MappedFile {
    type Target = Mmap;

    #[inline]
    fn deref(&self) -> &Mmap {
        &self.map
    }
}

impl From<Mmap> for MappedFile {
    fn from(map: Mmap) -> Self {
        Self::new(map)
    }
}
