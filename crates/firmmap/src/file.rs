//! [`MappedFile`]: an [`Mmap`] with a position, to be used like a file.

use std::io::{self, BufRead, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use crate::error::{Detail, ErrorKind, Result};
use crate::map::Mmap;
use crate::mode::Mode;
use crate::open_file;
use crate::options::{FileChange, MmapOptions, OpenFile, duplicate, opening, supported};
use crate::sys::{self, AsSource, FileResize};
use crate::{range, region};

/// An [`Mmap`] with a position: [`Read`], [`BufRead`], [`Write`] and [`Seek`] as a file has them.
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
    /// The file was opened to be appended to only, by its descriptor or by [`Mode::Append`].
    appends: Option<Appends>,
    /// The file was shorter than the map when it was last looked at, and ended at `file_end`.
    short: bool,
    file_end: usize,
    /// What was written into the map and not settled yet.
    unsettled: Unsettled,
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
    /// for a length behind the capacity, and for one that is less than before. [`Unsupported`](crate::ErrorKind::Unsupported): a copy-on-write map moves only on Linux.
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
        let start = self.position.min(self.map.len());
        Ok(self.map.find(b"\n", start..)?.map_or(self.map.len(), |index| index + 1))
    }
}

/// Why every write goes to the end of the file.
#[derive(Clone, Copy, Debug)]
enum Appends {
    /// The descriptor had `O_APPEND`.
    WhileFlagged,
    /// It was opened so.
    Always,
}

/// What was written into the map through it: stores to mapped pages, of which the system tells neither that they are behind the end of
/// the file in its last page, nor, in a page that was written to before, when they were made.
#[derive(Clone, Copy, Debug)]
struct Unsettled {
    /// A range that holds all that was written; empty if nothing was.
    start: usize,
    end: usize,
    /// Views that can be written to have existed.
    views: Views,
}

#[derive(Clone, Copy, Debug)]
enum Views {
    None,
    /// Since the file had that time of modification. Without a time they are taken to have changed it.
    Since(Option<SystemTime>),
}

impl Default for Unsettled {
    fn default() -> Self {
        Self { start: usize::MAX, end: 0, views: Views::None }
    }
}

impl Unsettled {
    fn is_empty(&self) -> bool {
        self.end == 0 && matches!(self.views, Views::None)
    }

    /// The file ends at `len`, as was asked for.
    fn cut(&mut self, len: usize) {
        self.end = self.end.min(len);
        if self.start >= self.end {
            (self.start, self.end) = (usize::MAX, 0);
        }
    }

    /// What is missing was told.
    fn forget(&mut self) {
        (self.start, self.end) = (usize::MAX, 0);
    }
}

impl MappedFile {
    /// Notes that `len` bytes were written at `start`. Hidden, as it is for the Python class, which writes through the [`Mmap`].
    #[doc(hidden)]
    #[inline]
    pub fn note_write(&mut self, start: usize, len: usize) {
        if len > 0 {
            self.unsettled.start = self.unsettled.start.min(start);
            self.unsettled.end = self.unsettled.end.max(start + len);
        }
    }

    /// Notes that there is a view that can be written to. Hidden, as it is for the Python class, which counts them.
    #[doc(hidden)]
    #[inline]
    pub fn note_view(&mut self) {
        if matches!(self.unsettled.views, Views::None) && self.is_file_written() {
            self.unsettled.views = Views::Since(self.map.modified());
        }
    }

    /// Notes that views which can be written to go on being used after [`settle`](Self::settle).
    #[doc(hidden)]
    pub fn keep_views(&mut self) {
        if self.is_file_written() {
            self.unsettled.views = Views::Since(None);
        }
    }

    /// Whether writing into the map changes a regular file.
    fn is_file_written(&self) -> bool {
        self.growable && !self.map.is_anonymous()
    }

    /// After writes into the map: sets the file's time of modification, and looks whether others have cut the file off within the last
    /// page, where such writes are lost without a fault. Hidden, as it is a part of `flush` and `close`.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault), once for what was written.
    #[doc(hidden)]
    pub fn settle(&mut self) -> Result<()> {
        if self.unsettled.is_empty() || !self.is_file_written() {
            return Ok(());
        }
        let Unsettled { start, end, views } = std::mem::take(&mut self.unsettled);
        let is_changed = end > 0
            || match views {
                Views::None => false,
                Views::Since(before) => before.is_none() || before != self.map.modified(),
            };
        if is_changed {
            self.map.touch_file();
        }
        let Some(tail) = self.map.missing_in_last_page() else { return Ok(()) };
        if start < tail.end && end > tail.start {
            return Err(Detail::Fault { offset: tail.start.max(start) }.into());
        }
        if matches!(views, Views::Since(_)) {
            // The system has cleared these bytes when the file was cut.
            let bytes = self.map.to_vec(tail.start..tail.end.min(self.map.len()))?;
            if let Some(index) = bytes.iter().position(|&byte| byte != 0) {
                return Err(Detail::Fault { offset: tail.start + index }.into());
            }
        }
        Ok(())
    }

    /// Refuses to read bytes of `start..end` that were not in the file when [`follow_end`](Self::follow_end) has just looked. Hidden, as
    /// it is a part of reads up to the end.
    #[doc(hidden)]
    #[inline]
    pub fn check_present(&self, start: usize, end: usize) -> Result<()> {
        if self.short && end > self.file_end && start < end {
            return Err(Detail::Fault { offset: self.file_end.max(start) }.into());
        }
        Ok(())
    }

    /// Whether writing at the position changes bytes of the map, and neither its end nor the file's decides. Hidden, as it is the
    /// Python class's short way.
    #[doc(hidden)]
    #[inline]
    #[must_use]
    pub fn is_write_inside(&self, count: usize) -> bool {
        self.appends.is_none() && !self.short && self.position <= self.map.len() && count <= self.remaining()
    }

    /// Whether each write goes to the end of the file, as its descriptor has `O_APPEND`, or it was opened with [`Mode::Append`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Seek, Write};
    /// use firmmap::{MmapOptions, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// std::fs::write(&path, b"first\n")?;
    /// let log = std::fs::File::options().read(true).append(true).open(&path)?;
    /// # #[cfg(unix)] {
    /// let mut log = MmapOptions::new().map_mode(&log, Mode::ReadWrite)?;
    /// assert!(log.appends());
    /// log.rewind()?;
    /// log.write_all(b"second\n")?;
    /// assert_eq!(std::fs::read(&path)?, b"first\nsecond\n");
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn appends(&self) -> bool {
        match self.appends {
            None => false,
            Some(Appends::Always) => true,
            // The flag may have been taken away.
            Some(Appends::WhileFlagged) => self.map.appends_only(),
        }
    }

    /// Writes all of `bytes` at the position, or at the end of a file that is only appended to, and moves the position behind them.
    /// Hidden, as it is [`write`](Write::write) with the library's own errors; for maps that grow.
    #[doc(hidden)]
    pub fn write_growing(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return self.map.check();
        }
        self.write_and_move(bytes).inspect_err(|error| {
            // This tells of the bytes that are missing.
            if error.kind() == ErrorKind::Fault {
                self.unsettled.forget();
            }
        })
    }

    fn write_and_move(&mut self, bytes: &[u8]) -> Result<()> {
        if self.short {
            let end = self.end()?;
            if self.short {
                return Err(Detail::Fault { offset: end }.into());
            }
        }
        if self.appends() {
            self.position = self.append_moving(bytes)?;
            return Ok(());
        }
        let end = self.position.checked_add(bytes.len());
        let end = end.ok_or_else(|| range::too_large("the position", self.position as u64))?;
        if end <= self.map.len() {
            self.map.write_at(bytes, self.position)?;
            self.note_write(self.position, bytes.len());
        } else {
            self.write_behind(bytes, end)?;
        }
        self.position = end;
        Ok(())
    }

    fn write_behind(&mut self, bytes: &[u8], end: usize) -> Result<()> {
        if end > self.map.capacity() {
            let position = self.position;
            let map = self.exclusive("growing")?;
            if !map.reserves() {
                return map.resize_and_write(bytes, position);
            }
            map.reserve(end)?;
        }
        self.map.write_growing_at(bytes, self.position)
    }

    /// Appends, and says where the bytes end.
    fn append_moving(&mut self, bytes: &[u8]) -> Result<usize> {
        loop {
            let len = self.map.len();
            match self.map.append(bytes) {
                Err(error) if error.kind() == ErrorKind::BeyondCapacity => {
                    let start = self.map.end_in_file()?;
                    let end = start.checked_add(bytes.len()).ok_or(error)?;
                    let map = self.exclusive("growing")?;
                    if !map.reserves() {
                        map.resize_and_write(bytes, start)?;
                        return Ok(end);
                    }
                    map.reserve(end)?;
                }
                // The file was cut off: its end is a new one, if the map may become shorter.
                Err(error) if error.kind() == ErrorKind::Fault => {
                    if self.end()? >= len || self.short {
                        return Err(error);
                    }
                }
                result => return result.map(|start| start + bytes.len()),
            }
        }
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
        if buffer.len() > self.remaining() && self.map.follows_end() {
            self.follow_end()?;
            self.check_present(self.position, self.map.len())?;
        }
        let count = self.map.read_at(buffer, self.position)?;
        self.position += count;
        Ok(count)
    }

    fn read_to_end(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        if self.map.follows_end() {
            self.follow_end()?;
            self.check_present(self.position, self.map.len())?;
        }
        let span = range::clipped(self.position, usize::MAX, self.map.len());
        region::append(bytes, span.len, |buffer| self.map.read_uninit_at(buffer, span.start))?;
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

/// What is lent is a copy of up to 512 bytes, made again by each call: mapped bytes can change at any time, so no plain slice of them may
/// be given out. [`Mmap::lines`] copies more at a time and is faster.
impl BufRead for MappedFile {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.remaining() == 0 {
            self.follow_end()?;
        }
        let span = range::clipped(self.position, LENT, self.map.len());
        self.lent.clear();
        region::append(&mut self.lent, span.len, |buffer| self.map.read_uninit_at(buffer, span.start))?;
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
            return Ok(bytes.len());
        }
        let count = self.map.write_at(bytes, self.position)?;
        self.position += count;
        Ok(count)
    }

    /// Brings all changes to the disk: [`Mmap::flush`]. What was written through this value and is not in the file, as somebody has cut
    /// it off within a page, is an error; and the file's time of modification is that of now, if something was written inside of it.
    fn flush(&mut self) -> io::Result<()> {
        // Writing the page back clears what is behind the end of the file.
        let settled = self.settle();
        self.map.flush()?;
        Ok(settled?)
    }
}

impl Seek for MappedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(offset) => usize::try_from(offset).ok(),
            SeekFrom::End(offset) => relative(self.end()?, offset),
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

/// The ways to open one.
impl MmapOptions {
    /// Opens the file at `path` as `mode` says and maps it: from [`offset`](Self::offset) to its end, or
    /// [`len`](Self::len) bytes. The mode takes the place of [`access`](Self::access) and [`extend`](Self::extend).
    ///
    /// Opened in a mode that writes, a regular file grows with the map: [`MappedFile`]. One that is too short for the range
    /// is made longer, with space allocated on the disk. Empty files can be mapped.
    ///
    /// # Errors
    ///
    /// No file has changed then, and none was made.
    ///
    /// As [`map`](Self::map): the range must be inside the file in modes that do not write. And
    /// [`Os`](crate::ErrorKind::Os) where the file cannot be opened, or where the disk is full.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::Write;
    /// use firmmap::{MmapOptions, Mode};
    ///
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// let mut log = MmapOptions::new().capacity(1 << 30).open_mode(&path, Mode::CreateNew)?;
    /// log.write_all(b"started\n")?;
    /// assert_eq!(std::fs::read(&path)?, b"started\n");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open_mode(&self, path: impl AsRef<Path>, mode: Mode) -> Result<MappedFile> {
        supported()?;
        let path = path.as_ref();
        let opened = open_file::open(path, mode).map_err(|error| opening(error).at(path))?;
        let (file, created) = opened;
        let source = if self.track_file { OpenFile::Own(file) } else { OpenFile::Lent(sys::source(&file)) };
        let result = self.map_in_mode(source, mode, created.is_some());
        if let (Err(_), Some(created)) = (&result, created) {
            created.remove();
        }
        result.map_err(|error| error.at(path))
    }

    /// As [`open_mode`](Self::open_mode), for a file that is open already. It stays the caller's.
    ///
    /// [`Mode::Create`] empties it, after all else has gone well.
    ///
    /// # Errors
    ///
    /// As [`open_mode`](Self::open_mode), and [`InvalidInput`](crate::ErrorKind::InvalidInput) for [`Mode::CreateNew`],
    /// which needs a path.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Mode};
    /// let file = tempfile::tempfile()?;
    /// let mut map = MmapOptions::new().map_mode(&file, Mode::ReadWrite)?;
    /// map.truncate(100)?;
    /// assert_eq!(file.metadata()?.len(), 100);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn map_mode<F: AsSource>(&self, file: &F, mode: Mode) -> Result<MappedFile> {
        supported()?;
        if mode == Mode::CreateNew {
            return Err(Detail::InvalidInput { what: "mode \"x+\" makes a new file: it needs a path" }.into());
        }
        let source = sys::source(file);
        let source = if self.track_file { OpenFile::Own(duplicate(source)?) } else { OpenFile::Lent(source) };
        self.map_in_mode(source, mode, false)
    }

    fn map_in_mode(&self, source: OpenFile<'_>, mode: Mode, is_new: bool) -> Result<MappedFile> {
        let mut options = self.clone().access(mode.access());
        options.follow_end.get_or_insert(self.len.is_none());
        if is_new {
            // A new file ends before the offset, from which on it is to be mapped.
            options.len.get_or_insert(0);
        }
        if mode == Mode::Copy {
            // A file can be larger than memory: what is not written to is none.
            options = options.no_reserve();
        }
        let how = if self.sparse { FileResize::Length } else { FileResize::Allocate };
        let change = FileChange { extend: mode.writes().then_some(how), empty: mode.empties() };
        let (map, regular) = options.map_source(source, change)?;
        let mut file = MappedFile::with_growth(map, mode.writes() && self.track_file && regular);
        if mode == Mode::Append && file.growable {
            file.appends = Some(Appends::Always);
            file.position = file.map.len();
        }
        Ok(file)
    }
}
