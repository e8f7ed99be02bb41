//! [`Mmap::remap`]: changes the length of a map, and not that of its file.

use std::io;

use crate::access::Protection;
use crate::error::{Detail, Error, Result};
use crate::map::Mmap;
use crate::range;
use crate::sys::{self, FileResize, TrackedFile};

impl Mmap {
    /// Changes the length of the map to `len` bytes and, unlike [`resize`](Self::resize), leaves the file alone.
    ///
    /// The map moves if it cannot grow in place. It may be any map, also a read-only or copy-on-write one, which keeps its changes.
    /// Touching bytes past the end of the file is a [`Fault`](crate::ErrorKind::Fault), until the file has them. Anonymous memory grows
    /// by zeros. The map no longer follows the end of its file, and may give up a capacity that was requested.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    ///
    /// - [`Unsupported`](crate::ErrorKind::Unsupported): shared anonymous memory that would grow; and what needs mremap(2) on a
    ///   system without it.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge), [`Os`](crate::ErrorKind::Os).
    /// - [`NoFile`](crate::ErrorKind::NoFile), [`LengthBeyondEnd`](crate::ErrorKind::LengthBeyondEnd): on the systems below.
    ///
    /// # Platform-specific behavior
    ///
    /// mremap(2) on Linux. Elsewhere the file is mapped a second time, so that the map must keep it
    /// ([`track_file`](crate::MmapOptions::track_file)), and a private map of a file cannot grow. On Windows a map cannot be longer
    /// than its file.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::MmapOptions;
    /// let mut map = MmapOptions::new().len(3).open("LICENSE-MIT")?;
    /// map.remap(9)?;
    /// assert_eq!(map.to_vec(..)?, b"MIT Licen");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remap(&mut self, len: usize) -> Result<()> {
        self.change_len(len, true)
    }

    /// As [`remap`](Self::remap), but never moves the map.
    ///
    /// # Errors
    ///
    /// As [`remap`](Self::remap), and [`Os`](crate::ErrorKind::Os) if the addresses after the map are in use.
    ///
    /// # Platform-specific behavior
    ///
    /// Growth beyond the last page of the map, or its [`capacity`](Self::capacity), needs mremap(2).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// let mut map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// let address = map.as_ptr();
    /// map.remap_in_place(9)?;
    /// assert_eq!((map.len(), map.as_ptr()), (9, address));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remap_in_place(&mut self, len: usize) -> Result<()> {
        self.change_len(len, false)
    }

    fn change_len(&mut self, len: usize, may_move: bool) -> Result<()> {
        self.region.check()?;
        if len > self.len() {
            self.check_memory_grows()?;
        }
        let (_, _, total) = range::aligned(self.offset(), len.max(1), self.origin.parameters.granularity)?;
        let clears = self.origin.anonymous && self.origin.parameters.protection.contains(Protection::WRITE);
        match self.region.remap(total, len, may_move, clears) {
            Ok(()) => self.origin.capacity = 0,
            Err(error) if error.kind() == io::ErrorKind::Unsupported && error.raw_os_error().is_none() => {
                self.change_len_without_mremap(len, may_move)?;
            }
            Err(error) => return Err(Error::os("remapping", error)),
        }
        self.origin.follows = false;
        Ok(())
    }

    /// Without mremap(2), or without a mapping.
    fn change_len_without_mremap(&mut self, len: usize, may_move: bool) -> Result<()> {
        if len == self.len() {
            return Ok(());
        }
        if self.origin.reserves() && len <= self.region.capacity() && !self.origin.anonymous {
            self.region.set_len(len);
            return Ok(());
        }
        if !may_move && self.region.capacity() > 0 {
            return Err(Detail::Unsupported { what: "another length without moving" }.into());
        }
        if self.origin.anonymous {
            let compared = self.file.as_ref().map(TrackedFile::get).transpose();
            compared.map_err(|error| Error::os("resize", error))?;
            return self.remap_file(self.origin.capacity_for(len), len, FileResize::Keep, 0, 0);
        }
        let file_len = self.file_len()?;
        let end = self.offset().saturating_add(len as u64);
        if !sys::RESERVES && end > file_len {
            return Err(Detail::LengthBeyondEnd { offset: self.offset(), len, file_len }.into());
        }
        self.remap_file(self.origin.capacity_for(len), len, FileResize::Keep, file_len, file_len)
    }
}
