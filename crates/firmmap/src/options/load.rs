//! Reading a file into memory instead of mapping it.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use super::{MmapOptions, opening, reading_the_length, supported};
use crate::access::{Access, Protection};
use crate::error::{Detail, Error, Result};
use crate::map::Mmap;
use crate::sys;

/// How many bytes are read at a time into memory.
const LOADED_AT_A_TIME: usize = 256 * 1024;

impl MmapOptions {
    /// Reads the file at `path` into memory instead of mapping it: from [`offset`](Self::offset) to its end, or [`len`](Self::len) bytes, all
    /// of which must exist.
    ///
    /// It is for files that cannot be mapped, such as those in `/proc` and pipes, and for those that had better not be, such as those on a
    /// network share that comes and goes. The map is read-only, or with [`Access::Copy`] can be changed in memory; it keeps no file.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os), [`InvalidInput`](crate::ErrorKind::InvalidInput) with [`Access::Write`],
    /// [`OffsetBeyondEnd`](crate::ErrorKind::OffsetBeyondEnd), [`LengthBeyondEnd`](crate::ErrorKind::LengthBeyondEnd).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let processors = firmmap::MmapOptions::new().load("/proc/cpuinfo")?;
    /// assert!(!processors.is_empty());
    /// # }
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn load(&self, path: impl AsRef<Path>) -> Result<Mmap> {
        let path = path.as_ref();
        let file = File::open(path).map_err(opening);
        let read = |mut file: &File, buffer: &mut [u8]| loop {
            match file.read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        };
        file.and_then(|file| self.load_from(&file, read)).map_err(|error| error.at(path))
    }

    /// [`load`](Self::load) of an open file, by a function of the caller: that of the Python class handles signals in between.
    #[doc(hidden)]
    pub fn load_from(
        &self,
        mut file: &File,
        mut read: impl FnMut(&File, &mut [u8]) -> io::Result<usize>,
    ) -> Result<Mmap> {
        supported()?;
        if self.access == Access::Write {
            return Err(Detail::InvalidInput { what: "what is read into memory is not written back" }.into());
        }
        let reading = |error| Error::os("reading the file", error);
        let info = sys::file_info(sys::source(file)).map_err(reading_the_length)?;
        let before = file.stream_position();
        let skipped = if before.is_ok() { file.seek(SeekFrom::Start(self.offset)).map(|_| 0) } else { Ok(self.offset) };
        let mut skip = skipped.map_err(reading)?;
        let known = usize::try_from(info.len.saturating_sub(self.offset)).unwrap_or(usize::MAX);
        let expected = self.len.map_or(known, |len| len.min(known));
        let mut memory = LoadedMemory::new(self, expected)?;
        let mut buffer = Vec::new();
        buffer.try_reserve_exact(LOADED_AT_A_TIME).map_err(|_| reading(io::ErrorKind::OutOfMemory.into()))?;
        buffer.resize(LOADED_AT_A_TIME, 0);
        while self.len.is_none_or(|len| memory.filled < len) {
            let wanted = self.len.map_or(usize::MAX, |len| len - memory.filled).min(buffer.len());
            let wanted = if skip > 0 { usize::try_from(skip).unwrap_or(usize::MAX).min(buffer.len()) } else { wanted };
            match read(file, &mut buffer[..wanted]).map_err(reading)? {
                0 => break,
                count if skip > 0 => skip -= count as u64,
                count => memory.add(&buffer[..count])?,
            }
        }
        if let Ok(before) = before {
            file.seek(SeekFrom::Start(before)).map_err(reading)?;
        }
        let file_len = self.offset - skip + memory.filled as u64;
        if skip > 0 || (info.regular && info.len > 0 && memory.filled == 0 && self.offset > info.len) {
            let file_len = if skip > 0 { file_len } else { info.len };
            return Err(Detail::OffsetBeyondEnd { offset: self.offset, file_len }.into());
        }
        match self.len {
            Some(len) if memory.filled < len => {
                Err(Detail::LengthBeyondEnd { offset: self.offset, len, file_len }.into())
            }
            _ => memory.finish(),
        }
    }
}

/// Memory that is filled with what a file has.
struct LoadedMemory {
    map: Mmap,
    filled: usize,
    access: Access,
}

impl LoadedMemory {
    /// For about `expected` bytes.
    fn new(options: &MmapOptions, expected: usize) -> Result<Self> {
        let map = MmapOptions::new().len(expected).private().map_anonymous()?;
        Ok(Self { map, filled: 0, access: options.access })
    }

    fn add(&mut self, bytes: &[u8]) -> Result<()> {
        let end = self.filled + bytes.len();
        if end > self.map.len() {
            // Each byte is moved a few times at most.
            self.map.resize(end.max(self.map.len().saturating_mul(2)))?;
        }
        self.map.write_all_at(bytes, self.filled)?;
        self.filled = end;
        Ok(())
    }

    fn finish(mut self) -> Result<Mmap> {
        if self.filled == 0 {
            self.map = MmapOptions::new().len(0).private().map_anonymous()?;
        } else if self.filled < self.map.len() {
            self.map.resize(self.filled)?;
        }
        if self.access == Access::Read {
            self.map.protect(Protection::READ)?;
        }
        Ok(self.map)
    }
}
