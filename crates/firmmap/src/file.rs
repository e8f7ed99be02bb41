//! [`MappedFile`]: an [`Mmap`] with a position, to be used like a file.

use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Deref;
use std::sync::Arc;

use crate::error::{Detail, Result};
use crate::mmap::Mmap;
use crate::{range, sys};

/// An [`Mmap`] with a position: [`Read`], [`Write`] and [`Seek`] as a file has them.
///
/// All methods of [`Mmap`] are there too; they do not use the position.
///
/// Reads at the end give zero bytes. Writes go up to the end of the map and no further: a write there takes zero
/// bytes, so that [`write_all`](Write::write_all) fails with [`WriteZero`](io::ErrorKind::WriteZero). As with
/// a file, the position may be set behind the end.
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
        Self { map: Arc::new(map), position: 0 }
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
        let position = self.position;
        Arc::try_unwrap(self.map).map_err(|map| Self { map, position })
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

impl Write for MappedFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
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
    base.checked_add_signed(isize::try_from(offset).ok()?)
}
