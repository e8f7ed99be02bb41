//! Opening a file in a [`Mode`].

use std::fs::File;
use std::path::Path;

use super::MappedFile;
use super::writing::Appends;
use crate::error::{Detail, Result};
use crate::mode::Mode;
use crate::open_file;
use crate::options::{FileChange, MmapOptions, OpenFile, duplicate, opening, supported};
use crate::sys::{self, AsSource, FileResize};

/// Files that are opened in a [`Mode`], as a [`MappedFile`].
impl MmapOptions {
    /// Opens the file at `path` as `mode` says, and maps it: from [`offset`](Self::offset) to its end, or
    /// [`len`](Self::len) bytes. The mode replaces [`access`](Self::access) and [`extend`](Self::extend).
    ///
    /// A regular file that is opened in a mode that writes grows with the map: see [`MappedFile`]. If it is too short for the range, it is
    /// extended, with space allocated on the disk unless it is [`sparse`](Self::sparse). Empty files can be mapped.
    ///
    /// # Errors
    ///
    /// No file has changed then, and none was created.
    ///
    /// As [`map`](Self::map): in modes that do not write, the range must lie inside the file. And
    /// [`Os`](crate::ErrorKind::Os) if the file cannot be opened, or the disk is full.
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
        let result = self.map_file(file, mode, created.is_some());
        if let (Err(_), Some(created)) = (&result, created) {
            created.remove();
        }
        result.map_err(|error| error.at(path))
    }

    /// As [`open_mode`](Self::open_mode), for a file that is open already. It stays the caller's.
    ///
    /// [`Mode::Create`] empties it, after everything else has succeeded.
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

    /// As [`map_mode`](Self::map_mode), of a descriptor that nobody else has: so that none has to be closed, by which the process would lose
    /// its locks of the file (fcntl(2), "Advisory record locking"). Hidden: for the Python class.
    #[doc(hidden)]
    pub fn map_own(&self, file: File, mode: Mode) -> Result<MappedFile> {
        supported()?;
        self.map_file(file, mode, false)
    }

    fn map_file(&self, file: File, mode: Mode, is_new: bool) -> Result<MappedFile> {
        let source = if self.track_file { OpenFile::Own(file) } else { OpenFile::Lent(sys::source(&file)) };
        self.map_in_mode(source, mode, is_new)
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
        let how = if self.sparse { FileResize::Holes } else { FileResize::Allocate };
        let change = FileChange { extend: mode.writes().then_some(how), empty: mode.empties() };
        let info = source.info()?;
        let growable = mode.writes() && self.track_file && info.regular;
        let mut file = MappedFile::with_growth(options.map_source(source, info, change)?, growable);
        if mode == Mode::Append && file.growable {
            file.appends = Some(Appends::Always);
            file.position = file.map.len();
        }
        Ok(file)
    }
}
