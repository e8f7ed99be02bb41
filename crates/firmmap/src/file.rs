//! [`MappedFile`]: an [`Mmap`] with a position, to be used like a file.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use crate::error::{Detail, Result};
use crate::mmap::Mmap;
use crate::mode::Mode;
use crate::options::MmapOptions;
use crate::{range, sys};

/// An [`Mmap`] with a position: [`Read`], [`BufRead`], [`Write`] and [`Seek`] as a file has them.
///
/// All methods of [`Mmap`] are there too; they do not use the position.
///
/// Reads at the end give zero bytes. As with a file, the position may be set behind the end.
///
/// A file that was [`open`](Self::open)ed for writing grows as files do: a write behind the end makes file and map longer, and
/// what lies between is zero. The file's length is what was written at every moment; no end of zeros is ever left behind by
/// growing ahead, also not when the process is killed. Each such write is a system call: many small ones belong into a
/// [`BufWriter`](io::BufWriter), as with a file. The map is given room for twice as much whenever it has to move, which it
/// does not as long as it is inside of its [`capacity`](MmapOptions::capacity).
///
/// Any other map ([`new`](Self::new)) keeps its length: writes go up to the end and no further; a write there takes zero
/// bytes, so that [`write_all`](Write::write_all) fails with [`WriteZero`](io::ErrorKind::WriteZero).
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
    /// The copy that [`BufRead`] lends.
    lent: Vec<u8>,
}

/// How many bytes [`BufRead`] lends at a time: they are copied anew each time, so they are few.
const LENT: usize = 512;

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
        Self { map: Arc::new(map), position: 0, growable, lent: Vec::new() }
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
        let Self { map, position, growable, lent } = self;
        Arc::try_unwrap(map).map_err(|map| Self { map, position, growable, lent })
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
    /// is new is zero and has room on the disk, where the file system can do that. The position stays.
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
            map.make_room(len)?;
        }
        map.resize_with_room(len)
    }

    /// Takes in the length that the file has now, as others have changed it. Unlike [`Mmap::refresh`] it can move the
    /// map, and make it shorter. Returns the new length; the position stays.
    ///
    /// # Errors
    ///
    /// As [`Mmap::refresh`]; where [`share`](Self::share)d holders exist, also for a length behind the capacity, and for
    /// one that is less than before. [`Unsupported`](crate::ErrorKind::Unsupported): a copy-on-write map moves only on Linux.
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
        match Arc::get_mut(&mut self.map) {
            Some(map) => map.refresh_alone(),
            None => self.map.refresh(),
        }
    }

    /// The map for changing the mapping itself.
    ///
    /// # Errors
    ///
    /// [`InUse`](crate::ErrorKind::InUse) while [`share`](Self::share)d holders exist; `operation` is named in its words.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MappedFile, MmapOptions, Protection};
    /// let mut file = MappedFile::new(MmapOptions::new().len(100).map_anonymous()?);
    /// file.exclusive("changing the protection")?.protect(Protection::READ)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn exclusive(&mut self, operation: &'static str) -> Result<&mut Mmap> {
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
    /// let file = MappedFile::new(MmapOptions::new().open("Cargo.toml")?);
    /// assert_eq!(file.line_end()?, "[package]\n".len());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn line_end(&self) -> Result<usize> {
        let start = self.position.min(self.map.len());
        Ok(self.map.find(b"\n", start..)?.map_or(self.map.len(), |index| index + 1))
    }
}

impl MappedFile {
    /// Writes all of `bytes` at the position, which stays.
    fn write_growing(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.position.checked_add(bytes.len());
        let end = end.ok_or_else(|| range::too_large("the position", self.position as u64))?;
        if bytes.is_empty() || end <= self.map.len() {
            return self.map.write_at(bytes, self.position).map(drop);
        }
        if end > self.map.capacity() {
            let position = self.position;
            let map = self.exclusive("growing")?;
            if !map.reserves() {
                return map.resize_and_write(bytes, position);
            }
            map.make_room(end)?;
        }
        self.map.write_growing(bytes, Some(self.position)).map(drop)
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

impl Read for MappedFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.map.read_at(buffer, self.position)?;
        self.position += count;
        Ok(count)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        let span = range::clipped(self.position, usize::MAX, self.map.len());
        sys::append(bytes, span.len, |buffer| self.map.read_uninit_at(buffer, span.start))?;
        self.position = self.position.max(span.end());
        Ok(span.len)
    }

    /// In one piece, so that a fault leaves the position and `text` as they were.
    fn read_to_string(&mut self, text: &mut String) -> io::Result<usize> {
        let mut bytes = Vec::new();
        let count = self.read_to_end(&mut bytes)?;
        let read = String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        if text.is_empty() {
            *text = read;
        } else {
            text.push_str(&read);
        }
        Ok(count)
    }
}

/// What is lent is a copy of up to 512 bytes, made anew by each call: mapped bytes can change at any time, so no plain slice of them may
/// be given out. [`Mmap::lines`] copies more at a time and is faster.
impl BufRead for MappedFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let span = range::clipped(self.position, LENT, self.map.len());
        self.lent.clear();
        sys::append(&mut self.lent, span.len, |buffer| self.map.read_uninit_at(buffer, span.start))?;
        Ok(&self.lent)
    }

    fn consume(&mut self, count: usize) {
        self.position = self.position.saturating_add(count);
    }
}

impl Write for MappedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.growable {
            self.write_growing(bytes)?;
            self.position += bytes.len();
            return Ok(bytes.len());
        }
        let count = self.map.write_at(bytes, self.position)?;
        self.position += count;
        Ok(count)
    }

    /// Brings all changes to the disk: [`Mmap::flush`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(self.map.flush()?)
    }
}

impl Seek for MappedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => usize::try_from(offset).ok(),
            SeekFrom::End(offset) => relative(self.map.len(), offset),
            SeekFrom::Current(offset) => relative(self.position, offset),
        };
        let invalid = || io::Error::new(io::ErrorKind::InvalidInput, format!("{to:?} is not a position in a map"));
        self.position = target.ok_or_else(invalid)?;
        Ok(self.position as u64)
    }
}

fn relative(base: usize, offset: i64) -> Option<usize> {
    // In 64 bits: where an address has 32, the distance may be larger than a signed one.
    usize::try_from((base as u64).checked_add_signed(offset)?).ok()
}
