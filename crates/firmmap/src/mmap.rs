//! [`Mmap`]: the mapped bytes, without a position.

use std::fmt;
use std::fs::File;
use std::mem::MaybeUninit;
use std::ops::RangeBounds;

use crate::access::{Access, FlushFlags, Protection};
use crate::advice::Advice;
use crate::error::{Detail, Error, Result};
use crate::options::{aligned, too_large};
use crate::range::{self, Span};
use crate::sys::{self, LenChange, Region, Request, Source};

/// What a mapping was made of: all that is needed to make it again with another length.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub anonymous: bool,
    pub access: Access,
    pub protection: Protection,
    pub resizable: bool,
    /// What the offset of a mapping must be a multiple of.
    pub granularity: usize,
    #[cfg(unix)]
    pub flags: crate::MapFlags,
    #[cfg(windows)]
    pub tag: Option<String>,
}

impl Origin {
    fn request<'a>(&'a self, source: Option<Source<'a>>, offset: u64, len: usize) -> Request<'a> {
        Request {
            source,
            offset,
            len,
            granularity: self.granularity,
            access: self.access,
            protection: self.protection,
            #[cfg(unix)]
            flags: self.flags,
            #[cfg(windows)]
            tag: self.tag.as_deref(),
        }
    }

    /// Shared memory without a file has the length it was made with: the kernel does not let it grow.
    fn cannot_grow(&self) -> bool {
        cfg!(unix) && self.anonymous && self.access != Access::Copy
    }
}

/// Mapped bytes: a piece of a file, or anonymous memory.
///
/// Reading and writing go through `&self`, as with [`std::fs::File`]: the bytes are shared with
/// whoever maps the same file, in this process and in others, so exclusive access by one `&mut` would be a promise
/// that nobody can keep. Bytes that another thread or process changes during a call come out old or new, each
/// byte on its own. What does need exclusiveness is changing the mapping itself: [`resize`](Self::resize) and
/// [`protect`](Self::protect) take `&mut self`.
///
/// The mapping ends when the value is dropped. Changes to a shared map are in the file at once, as far as programs on
/// this machine can tell; [`flush`](Self::flush) brings them to the disk.
///
/// The last page of a file that is mapped to its end may be larger than the rest of the file. The map's length ends
/// where the file did, so these bytes are not part of the map; but if the file shrinks inside its last page,
/// the bytes behind its new end read as zeros without an error.
///
/// A page that cannot be read or written, as its file was truncated or its disk failed or is full, is an
/// [`ErrorKind::Fault`](crate::ErrorKind::Fault) of the operation that needed it. `docs/faults.md` in the repository
/// tells what is promised and how it works.
///
/// # Platform notes
///
/// Faults are errors on Unix. On Windows the system refuses to truncate a mapped file.
///
/// # Examples
///
/// ```
/// use firmmap::{Access, MmapOptions};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("hello.txt");
/// std::fs::write(&path, b"Hello Rust!\n")?;
///
/// let map = MmapOptions::new().access(Access::Write).open(&path)?;
/// assert_eq!(map.to_vec(..5)?, b"Hello");
/// assert_eq!(map.find(b"Rust", ..)?, Some(6));
/// map.write_all_at(b"map!", 6)?;
/// map.flush()?;
/// assert_eq!(std::fs::read(&path)?, b"Hello map!!\n");
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mmap {
    region: Region,
    origin: Origin,
    /// Our own descriptor, where the file is tracked.
    file: Option<File>,
    /// Where in the file the first byte lies.
    offset: u64,
}

impl Mmap {
    pub(crate) fn new(
        origin: Origin,
        source: Option<Source<'_>>,
        file: Option<File>,
        offset: u64,
        len: usize,
    ) -> Result<Self> {
        let region = if len == 0 {
            Region::empty()
        } else {
            let (aligned, start, total) = aligned(offset, len, origin.granularity)?;
            let region = Region::map(&origin.request(source, aligned, total), start, file.as_ref());
            region.map_err(|error| Error::os("mapping", error))?
        };
        Ok(Self { region, origin, file, offset })
    }

    /// The number of bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(firmmap::MmapOptions::new().len(5).map_anonymous()?.len(), 5);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.region.len()
    }

    /// Whether the map has no bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(!firmmap::MmapOptions::new().len(5).map_anonymous()?.is_empty());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where in the file the first byte lies, in bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(firmmap::MmapOptions::new().offset(7).open("Cargo.toml")?.offset(), 7);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// How the map may be used: what was asked for, or what protection and flags add up to.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, MmapOptions};
    /// assert_eq!(MmapOptions::new().open("Cargo.toml")?.access(), Access::Read);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn access(&self) -> Access {
        self.origin.access
    }

    /// The protection of the pages.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Protection};
    /// assert_eq!(MmapOptions::new().open("Cargo.toml")?.protection(), Protection::READ);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn protection(&self) -> Protection {
        self.origin.protection
    }

    /// Whether the map is memory without a file.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(firmmap::MmapOptions::new().len(1).map_anonymous()?.is_anonymous());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        self.origin.anonymous
    }

    /// The map's own duplicate of its file, if it keeps one.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// assert!(map.file().unwrap().metadata()?.is_file());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn file(&self) -> Option<&File> {
        self.file.as_ref()
    }

    /// The length of the file now, in bytes: it can be more or less than what is mapped. For anonymous memory, the
    /// length of the map.
    ///
    /// # Errors
    ///
    /// [`NoFile`](crate::ErrorKind::NoFile) for a map that does not keep its file.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(3).open("Cargo.toml")?;
    /// assert!(map.file_len()? > 3);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn file_len(&self) -> Result<u64> {
        match &self.file {
            Some(file) => {
                let info = sys::file_info(sys::source(file));
                Ok(info.map_err(|error| Error::os("reading the length of the file", error))?.len)
            }
            None if self.origin.anonymous => Ok(self.len() as u64),
            None => Err(Detail::NoFile { operation: "the length of the file" }.into()),
        }
    }

    /// The byte at `index`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(map.get(4)?, 0);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn get(&self, index: usize) -> Result<u8> {
        self.check_readable("read")?;
        let span = range::checked_index("read", index, self.len())?;
        Ok(self.region.load(span.start)?)
    }

    /// Changes the byte at `index`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.set(4, b'!')?;
    /// assert_eq!(map.get(4)?, b'!');
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn set(&self, index: usize, value: u8) -> Result<()> {
        self.check_writable("write")?;
        let span = range::checked_index("write", index, self.len())?;
        Ok(self.region.store(span.start, value)?)
    }

    /// Reads from `offset` into `buffer`, and returns how many bytes: fewer than asked for only at the end.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map without [`Protection::READ`]. An offset behind the
    /// end is no error: there are zero bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(map.read_at(&mut [1; 100], 3)?, 2);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize> {
        let span = range::clipped(offset, buffer.len(), self.len());
        self.read_exact_at(&mut buffer[..span.len], span.start)?;
        Ok(span.len)
    }

    /// Fills `buffer` with the bytes from `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if there are fewer; the buffer then is as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// let mut head = [0; 9];
    /// map.read_exact_at(&mut head, 0)?;
    /// assert_eq!(&head, b"[package]");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: usize) -> Result<()> {
        self.read_uninit_at(crate::buffer::as_uninit(buffer), offset).map(drop)
    }

    /// Fills a buffer that has never been written to with the bytes from `offset`, and returns it as initialised.
    ///
    /// # Errors
    ///
    /// As [`read_exact_at`](Self::read_exact_at).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// let mut buffer = [MaybeUninit::uninit(); 4];
    /// assert_eq!(map.read_uninit_at(&mut buffer, 0)?, [0; 4]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn read_uninit_at<'a>(&self, buffer: &'a mut [MaybeUninit<u8>], offset: usize) -> Result<&'a mut [u8]> {
        self.check_readable("read")?;
        let span = range::checked_len("read", offset, buffer.len(), self.len())?;
        Ok(self.region.read(span.start, buffer)?)
    }

    /// A copy of the bytes of `range`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(map.to_vec(1..=2)?, [0, 0]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn to_vec(&self, range: impl RangeBounds<usize>) -> Result<Vec<u8>> {
        let span = self.readable("read", range)?;
        let mut bytes = Vec::new();
        crate::buffer::append(&mut bytes, span.len, |buffer| self.read_uninit_at(buffer, span.start))?;
        Ok(bytes)
    }

    /// Fills `buffer` with every `step`th byte, from `start` on; a negative step goes towards the front.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if one of the bytes is not in the map; the buffer then is as it was.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(6).map_anonymous()?;
    /// map.write_all_at(b"abcdef", 0)?;
    /// let mut buffer = [0; 3];
    /// map.read_strided_at(&mut buffer, 5, -2)?;
    /// assert_eq!(&buffer, b"fdb");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn read_strided_at(&self, buffer: &mut [u8], start: usize, step: isize) -> Result<()> {
        self.read_strided_uninit_at(crate::buffer::as_uninit(buffer), start, step).map(drop)
    }

    /// As [`read_strided_at`](Self::read_strided_at), into a buffer that has never been written to.
    ///
    /// # Errors
    ///
    /// As [`read_strided_at`](Self::read_strided_at).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::mem::MaybeUninit;
    /// let map = firmmap::MmapOptions::new().len(6).map_anonymous()?;
    /// let mut buffer = [MaybeUninit::uninit(); 3];
    /// assert_eq!(map.read_strided_uninit_at(&mut buffer, 0, 2)?, [0; 3]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn read_strided_uninit_at<'a>(
        &self,
        buffer: &'a mut [MaybeUninit<u8>],
        start: usize,
        step: isize,
    ) -> Result<&'a mut [u8]> {
        self.check_readable("read")?;
        self.check_stride("read", start, step, buffer.len())?;
        Ok(self.region.read_strided(start, step, buffer)?)
    }

    /// Writes `bytes` to every `step`th place, from `start` on; a negative step goes towards the front.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if one of the places is not in the map,
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map; nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(6).map_anonymous()?;
    /// map.write_strided_at(b"abc", 0, 2)?;
    /// assert_eq!(map.to_vec(..)?, b"a\0b\0c\0");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn write_strided_at(&self, bytes: &[u8], start: usize, step: isize) -> Result<()> {
        self.check_writable("write")?;
        self.check_stride("write", start, step, bytes.len())?;
        Ok(self.region.write_strided(bytes, start, step)?)
    }

    /// Writes as many of `bytes` as there is room for from `offset` on, and returns how many.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(map.write_at(b"abc", 3)?, 2);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn write_at(&self, bytes: &[u8], offset: usize) -> Result<usize> {
        let span = range::clipped(offset, bytes.len(), self.len());
        self.write_all_at(&bytes[..span.len], span.start)?;
        Ok(span.len)
    }

    /// Writes all of `bytes` at `offset`, or nothing.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if there is not enough room,
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map; nothing is written then.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.write_all_at(b"abc", 2)?;
    /// assert!(map.write_all_at(b"abc", 3).is_err());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn write_all_at(&self, bytes: &[u8], offset: usize) -> Result<()> {
        self.check_writable("write")?;
        let span = range::checked_len("write", offset, bytes.len(), self.len())?;
        Ok(self.region.write(bytes, span.start)?)
    }

    /// Sets every byte of `range` to `value`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(4).map_anonymous()?;
    /// map.fill(1..3, b'x')?;
    /// assert_eq!(map.to_vec(..)?, b"\0xx\0");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn fill(&self, range: impl RangeBounds<usize>, value: u8) -> Result<()> {
        self.check_writable("fill")?;
        Ok(self.region.fill(range::checked("fill", range, self.len())?, value)?)
    }

    /// Copies the bytes of `source` to `target`; the two may overlap.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if either is not inside the map,
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map; nothing is copied then.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.write_all_at(b"abcde", 0)?;
    /// map.copy_within(0..4, 1)?;
    /// assert_eq!(map.to_vec(..)?, b"aabcd");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn copy_within(&self, source: impl RangeBounds<usize>, target: usize) -> Result<()> {
        self.check_writable("copy")?;
        let source = range::checked("copy source", source, self.len())?;
        let target = range::checked_len("copy target", target, source.len, self.len())?;
        Ok(self.region.copy_within(source, target.start)?)
    }

    /// Reports a fault that nobody was told of: one in memory that was used through [`as_slice`](Self::as_slice),
    /// [`as_atomic`](Self::as_atomic) or an address. What was read there is zeros, what was written is lost.
    ///
    /// Every other operation that can fail reports it too.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault), once.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use std::sync::atomic::Ordering;
    /// use firmmap::{Access, ErrorKind, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// file.set_len(10_000)?;
    /// let map = MmapOptions::new().access(Access::Write).map(&file)?;
    /// file.set_len(0)?;
    /// assert_eq!(map.as_atomic()?[9_000].load(Ordering::Relaxed), 0); // the process lives
    /// let error = map.check().unwrap_err(); // and is told
    /// assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(9_000)));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn check(&self) -> Result<()> {
        Ok(self.region.check()?)
    }

    /// Ends the mapping, as dropping it does, and reports a last fault that nobody was told of.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault). The mapping has ended all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.close()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn close(mut self) -> Result<()> {
        Ok(self.region.close()?)
    }

    /// Brings all changes to the disk, and returns when they are there. Does nothing for maps that are
    /// read-only or copy-on-write.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) if the disk fails.
    ///
    /// # Platform notes
    ///
    /// msync(2) with `MS_SYNC`; on Windows `FlushViewOfFile` and `FlushFileBuffers`, the latter only where the map
    /// keeps its file.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.flush()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn flush(&self) -> Result<()> {
        self.flush_with(.., FlushFlags::SYNC)
    }

    /// Brings the changes in `range`, made larger to whole pages, to the disk. See [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`Os`](crate::ErrorKind::Os).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(10_000).map_anonymous()?;
    /// map.flush_range(5000..)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn flush_range(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.flush_with(range, FlushFlags::SYNC)
    }

    /// Starts bringing all changes to the disk, and returns at once.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os).
    ///
    /// # Platform notes
    ///
    /// Linux keeps track of changed pages itself: `MS_ASYNC` does nothing there.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.flush_async()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn flush_async(&self) -> Result<()> {
        self.flush_with(.., FlushFlags::ASYNC)
    }

    /// Starts bringing the changes in `range` to the disk, and returns at once. See [`flush_async`](Self::flush_async).
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`Os`](crate::ErrorKind::Os).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.flush_async_range(..3)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn flush_async_range(&self, range: impl RangeBounds<usize>) -> Result<()> {
        self.flush_with(range, FlushFlags::ASYNC)
    }

    /// Brings the changes in `range` to the disk in the way that `flags` say. See [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange); [`Os`](crate::ErrorKind::Os), also for flags that contradict
    /// each other.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{FlushFlags, MmapOptions};
    /// let map = MmapOptions::new().len(5).map_anonymous()?;
    /// map.flush_with(.., FlushFlags::SYNC | FlushFlags::INVALIDATE)?;
    /// assert!(map.flush_with(.., FlushFlags::SYNC | FlushFlags::ASYNC).is_err() || cfg!(not(unix)));
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn flush_with(&self, range: impl RangeBounds<usize>, flags: FlushFlags) -> Result<()> {
        let span = range::checked("flush", range, self.len())?;
        self.region.check()?;
        if self.origin.access != Access::Write {
            return Ok(());
        }
        self.region.flush(span, flags, self.file.as_ref()).map_err(|error| Error::os("flush", error))
    }

    /// Tells the system how the whole map is going to be used.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) for advice that the system does not know or cannot follow here.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// map.advise(firmmap::Advice::RANDOM)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn advise(&self, advice: Advice) -> Result<()> {
        self.advise_range(.., advice)
    }

    /// Tells the system how `range`, made larger to whole pages, is going to be used.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`Os`](crate::ErrorKind::Os).
    ///
    /// # Platform notes
    ///
    /// madvise(2); see [`Advice`] for Windows.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// map.advise_range(..10, firmmap::Advice::WILL_NEED)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn advise_range(&self, range: impl RangeBounds<usize>, advice: Advice) -> Result<()> {
        let span = range::checked("advice", range, self.len())?;
        self.region.check()?;
        self.region.advise(span, advice).map_err(|error| Error::os("advice", error))
    }

    /// Keeps all pages of the map in memory until [`unlock`](Self::unlock).
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) where the process may not lock that much.
    ///
    /// # Platform notes
    ///
    /// mlock(2), limited by `RLIMIT_MEMLOCK`; `VirtualLock` on Windows, limited by the working set.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(4096).map_anonymous()?;
    /// map.lock()?;
    /// map.unlock()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn lock(&self) -> Result<()> {
        self.region.check()?;
        self.region.lock().map_err(|error| Error::os("locking", error))
    }

    /// Undoes [`lock`](Self::lock).
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os); on Windows also for a map that is not locked.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(4096).map_anonymous()?;
    /// map.lock()?;
    /// map.unlock()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn unlock(&self) -> Result<()> {
        self.region.check()?;
        self.region.unlock().map_err(|error| Error::os("unlocking", error))
    }

    /// Changes what may be done with the pages. Operations that are not allowed any more are errors, not crashes.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os), for instance making a map writable whose file was opened for reading only.
    ///
    /// # Platform notes
    ///
    /// mprotect(2); `VirtualProtect` on Windows.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Protection};
    /// let mut map = MmapOptions::new().len(10).map_anonymous()?;
    /// map.protect(Protection::READ)?;
    /// assert!(map.set(0, 1).is_err());
    /// map.protect(Protection::READ | Protection::WRITE)?;
    /// assert!(map.set(0, 1).is_ok());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn protect(&mut self, protection: Protection) -> Result<()> {
        // Pages that are not in their place would come back with the old protection.
        self.region.check()?;
        let result = self.region.protect(protection, self.origin.access);
        result.map_err(|error| Error::os("changing the protection", error))?;
        self.origin.protection = protection;
        Ok(())
    }

    /// Changes the length of the map, and of its file, to `offset() + len` bytes. New bytes are zero.
    ///
    /// # Errors
    ///
    /// Nothing has changed then.
    ///
    /// - [`NotResizable`](crate::ErrorKind::NotResizable): the map is read-only or copy-on-write.
    /// - [`NoFile`](crate::ErrorKind::NoFile): the map does not keep its file.
    /// - [`Unsupported`](crate::ErrorKind::Unsupported): shared anonymous memory cannot grow on Unix.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge), [`Os`](crate::ErrorKind::Os).
    ///
    /// # Platform notes
    ///
    /// mremap(2) on Linux; elsewhere the file is mapped anew. Windows refuses to shorten a file that is mapped a
    /// second time.
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
        if !self.origin.resizable || !self.origin.protection.contains(Protection::WRITE) {
            return Err(Detail::NotResizable.into());
        }
        if len > self.len() && self.origin.cannot_grow() {
            return Err(Detail::Unsupported { what: "shared anonymous memory that grows" }.into());
        }
        if !self.origin.anonymous && self.file.is_none() {
            return Err(Detail::NoFile { operation: "resize" }.into());
        }
        self.region.check()?;
        let end = self.offset.checked_add(len as u64).filter(|&end| i64::try_from(end).is_ok());
        let end = end.ok_or_else(|| too_large("the new length", len as u64))?;
        let change = LenChange { file: self.file.as_ref(), old: self.file_len()?, new: end };
        let source = self.file.as_ref().map(sys::source);
        let (aligned, start, total) = aligned(self.offset, len, self.origin.granularity)?;
        let request = self.origin.request(source, aligned, total);
        let result = self.region.resize((len > 0).then_some(&request), start, &change);
        result.map_err(|error| Error::os("resize", error))
    }

    /// Gives anonymous memory a name, which `/proc/PID/maps` shows as `[anon_shmem:NAME]` or `[anon:NAME]`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): more than 79 bytes, a zero byte, or a map of a file;
    /// [`Os`](crate::ErrorKind::Os): characters that the kernel does not take, or a kernel without names.
    ///
    /// # Platform notes
    ///
    /// Linux 5.17 and newer, built with `CONFIG_ANON_VMA_NAME`: prctl(2), `PR_SET_VMA_ANON_NAME`.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(4096).map_anonymous()?;
    /// if map.set_name("table of prices").is_ok() {
    ///     assert!(std::fs::read_to_string("/proc/self/maps").unwrap().contains("table of prices"));
    /// }
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn set_name(&self, name: &str) -> Result<()> {
        if !self.origin.anonymous {
            return Err(Detail::InvalidInput { what: "only anonymous memory can have a name" }.into());
        }
        if name.len() > 79 {
            return Err(Detail::InvalidInput { what: "the name of a map has at most 79 bytes" }.into());
        }
        let name = std::ffi::CString::new(name);
        let name = name.map_err(|_| Detail::InvalidInput { what: "the name of a map holds no zero byte" })?;
        self.region.set_name(&name).map_err(|error| Error::os("naming the map", error))
    }

    /// The address of the region, for [`crate::buffer`].
    pub(crate) fn region(&self) -> &Region {
        &self.region
    }

    /// `range` as a span of bytes that can be read.
    pub(crate) fn readable(&self, operation: &'static str, range: impl RangeBounds<usize>) -> Result<Span> {
        self.check_readable(operation)?;
        range::checked(operation, range, self.len())
    }

    #[inline]
    fn check_readable(&self, operation: &'static str) -> Result<()> {
        // What can be written can be read, on every processor that we run on.
        if self.origin.protection.intersects(Protection::READ.union(Protection::WRITE)) {
            Ok(())
        } else {
            Err(self.denied(operation))
        }
    }

    #[inline]
    pub(crate) fn check_writable(&self, operation: &'static str) -> Result<()> {
        if self.origin.protection.contains(Protection::WRITE) { Ok(()) } else { Err(self.denied(operation)) }
    }

    #[cold]
    fn denied(&self, operation: &'static str) -> Error {
        Detail::AccessDenied { operation, protection: self.origin.protection.words() }.into()
    }

    /// Checks the first and the last of `count` places that lie `step` apart.
    fn check_stride(&self, operation: &'static str, start: usize, step: isize, count: usize) -> Result<()> {
        if count == 0 {
            return Ok(());
        }
        range::checked_index(operation, start, self.len())?;
        let distance = isize::try_from(count - 1).ok().and_then(|count| count.checked_mul(step));
        let last = distance.and_then(|distance| start.checked_add_signed(distance));
        range::checked_index(operation, last.unwrap_or(usize::MAX), self.len()).map(drop)
    }
}

impl fmt::Debug for Mmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mmap")
            .field("len", &self.len())
            .field("offset", &self.offset)
            .field("access", &self.origin.access)
            .field("anonymous", &self.origin.anonymous)
            .finish_non_exhaustive()
    }
}
