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
/// All methods of [`Mmap`] are there too; they do not use the position.
///
/// Reads at the end give zero bytes. As with a file, the position may be set behind the end.
///
/// The end is where the file ends, for a map that was made without a length ([`Mmap::follows_end`]): where the end decides (a read
/// that would come back short or empty, a seek from the end, a write behind it) the file is asked for its length, and what other
/// programs have appended is there. All other operations, [`len`](Mmap::len) included, know the end that was found last. The
/// map moves for it where its capacity is too small; while it is [`share`](Self::share)d it is mapped a second time, and the other
/// holders keep the first.
///
/// A file that was [`open`](Self::open)ed for writing grows as files do: a write behind the end makes file and map longer, and
/// what lies between is zero. The file's length is what was written at every moment; no end of zeros is ever left behind by
/// growing ahead, also not when the process is killed. Each such write is a system call: many small ones belong into a
/// [`BufWriter`](std::io::BufWriter), as with a file. The map is given room for twice as much whenever it has to move, which it
/// does not as long as it is inside of its [`capacity`](MmapOptions::capacity).
///
/// Any other map ([`new`](Self::new)) keeps its length: writes go up to the end and no further; a write there takes zero
/// bytes, so that [`write_all`](std::io::Write::write_all) fails with [`WriteZero`](std::io::ErrorKind::WriteZero).
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
    /// The file was opened to be appended to only, by its descriptor or by [`Mode::Append`].
    appends: Option<Appends>,
    /// The file was shorter than the map when it was last looked at, and ended at `file_end`.
    short: bool,
    file_end: usize,
    /// What was written into the map and not settled yet.
    unsettled: Unsettled,
    /// The copy that [`BufRead`](std::io::BufRead) lends.
    lent: Vec<u8>,
}

impl MappedFile {
    /// Puts a position, zero, on a map.
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
    pub fn new(map: Mmap) -> Self {
        Self::with_growth(map, false)
    }

    pub(crate) fn with_growth(map: Mmap, growable: bool) -> Self {
        let appends = (growable && map.appends_only()).then_some(Appends::WhileFlagged);
        let unsettled = Unsettled::default();
        Self {
            map: Arc::new(map),
            position: 0,
            growable,
            appends,
            short: false,
            file_end: 0,
            unsettled,
            lent: Vec::new(),
        }
    }

    /// Opens the file at `path` as `mode` says and maps all of it. [`MmapOptions::open_mode`] can do more: a part
    /// of a file, room to grow without moving.
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

    /// Shared memory of `len` bytes that can grow, to `capacity` without moving: [`MmapOptions::map_shared_memory`].
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

    /// Whether writing behind the end makes the map longer: it was opened in a mode that writes a regular file, or made by
    /// [`anonymous`](Self::anonymous). A map that [`new`](Self::new) was given keeps its length.
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

    /// Another holder of the map, for another thread. The map lives until the last holder is gone; while
    /// there are several it cannot be resized.
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

    /// Whether there are holders made by [`share`](Self::share) now.
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

    /// The map without the position, or this value again if the map is shared.
    ///
    /// # Errors
    ///
    /// The value itself, while [`share`](Self::share)d holders exist.
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
        let Self { map, position, growable, appends, short, file_end, unsettled, lent } = self;
        let shared = |map| Self { map, position, growable, appends, short, file_end, unsettled, lent };
        Arc::try_unwrap(map).map_err(shared)
    }

    /// Where the next read or write goes, in bytes from the start of the map.
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

    /// Sets the position. It may lie behind the end.
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

    /// The bytes between the position and the end.
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
        self.map.len().saturating_sub(self.position)
    }

    /// Changes the length of the map and its file. The position stays, also where it is behind the new end.
    ///
    /// # Errors
    ///
    /// As [`Mmap::resize`], and [`InUse`](crate::ErrorKind::InUse) while [`share`](Self::share)d holders exist.
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
        self.exclusive("resize")?.resize(len)
    }

    /// Makes the map and its file `len` bytes long, as [`std::fs::File::set_len`] does: `offset() + len` bytes in the file. What
    /// is new is zero and has space allocated on the disk, where the file system can do that. The position stays.
    ///
    /// A map that is shared can grow, up to its [`capacity`](Mmap::capacity).
    ///
    /// # Errors
    ///
    /// As [`Mmap::resize`], with [`Os`](crate::ErrorKind::Os) if the disk is full,
    /// [`Fault`](crate::ErrorKind::Fault) if somebody has truncated the file to less than that, and
    /// [`InUse`](crate::ErrorKind::InUse) where [`share`](Self::share)d holders exist and the map becomes shorter, or has
    /// to move.
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
            return self.map.grow_exactly(len);
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

    /// Takes in what others have appended to the file, if the map [follows its end](Mmap::follows_end), and says whether there was
    /// anything. Reads that reach the end do this by themselves.
    ///
    /// Unlike [`refresh`](Self::refresh) it leaves a map alone whose file has become shorter, and maps the file a second time where
    /// [`share`](Self::share)d holders exist and the capacity is too small: they keep what they have. A private map that is shared
    /// stays as it is then.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) where the file cannot be asked, or not be mapped to its end;
    /// [`Fault`](crate::ErrorKind::Fault) that was not reported.
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
        let (end, len) = (self.map.end_in_file()?, self.map.len());
        (self.short, self.file_end) = (end < len, end);
        if end > len {
            self.take_in(end)?;
        }
        Ok(self.map.len() > len)
    }

    /// Where the end is, as an index: that of the file now, if the map [follows it](Mmap::follows_end), else that of the map. A map
    /// that nobody shares becomes as long.
    ///
    /// # Errors
    ///
    /// As [`follow_end`](Self::follow_end); [`Fault`](crate::ErrorKind::Fault) also for what was written and is not in the file, as
    /// others have cut it off.
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
                return self.map.end_in_file();
            }
            // What was lost would be forgotten with the pages.
            self.settle()?;
            self.exclusive("following the end")?.refresh_alone()?;
            self.short = false;
        }
        Ok(self.map.len())
    }

    /// Makes the map longer, as its file was seen to end at `end`.
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

    /// Takes in the length that the file has now, as others have changed it. Unlike [`Mmap::refresh`] it can move the
    /// map, and make it shorter. Returns the new length; the position stays.
    ///
    /// # Errors
    ///
    /// As [`Mmap::refresh`], and as [`end`](Self::end) for what was written and lost; where [`share`](Self::share)d holders exist, also
    /// for a length behind the capacity, and for one that is less than before. [`Unsupported`](crate::ErrorKind::Unsupported): a
    /// copy-on-write map moves only on Linux.
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

    /// The map, for changing the mapping itself: as [`Arc::get_mut`] has it, while nobody else holds it.
    ///
    /// # Errors
    ///
    /// [`InUse`](crate::ErrorKind::InUse) while [`share`](Self::share)d holders exist.
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
        self.exclusive("changing the mapping")
    }

    /// [`get_mut`](Self::get_mut), with `operation` in the words of the error.
    fn exclusive(&mut self, operation: &'static str) -> Result<&mut Mmap> {
        Arc::get_mut(&mut self.map).ok_or_else(|| Detail::InUse { operation }.into())
    }

    /// Where the line that starts at the position ends: behind its newline, or at the end of the map.
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
