//! [`Mmap`]: the mapped bytes, without a position. Searches are in `search.rs`, control over pages in `pages.rs`.

#[allow(unsafe_code)]
mod atomics;
mod fast;
mod find_any_iter;
mod find_iter;
mod growth;
mod line_cursor;
mod line_search;
mod lines;
mod monitor;
mod needles;
mod numbers;
#[allow(unsafe_code)]
mod owned;
mod pages;
mod remap;
mod residency;
mod search;
mod search_windows;
mod split;
#[cfg(any(feature = "bytemuck", feature = "zerocopy"))]
mod structs;
mod values;
#[allow(unsafe_code)]
mod views;

use std::fmt;
use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::ops::RangeBounds;

pub use atomics::{Atomic, ReadOnly};
pub use find_any_iter::{FindAnyCursor, FindAnyIter};
pub use find_iter::FindIter;
pub use line_cursor::{LineCursor, LineStep};
pub use line_search::LineSearch;
pub use lines::Lines;
pub use monitor::{FaultMonitor, SliceFault, set_slice_fault_hook};
pub use needles::Needles;
pub use numbers::Number;
pub use owned::{MmapBytes, check_immutable};
pub use residency::Residency;
pub use search_windows::divide;
pub use split::{Boundary, Parts};

use crate::access::{Access, Protection};
use crate::error::{Detail, Error, Result};
use crate::range::{self, Span};
use crate::region::{self, Region};
use crate::sys::{self, Parameters, Request, Source, TrackedFile};
use growth::Growth;

/// What a map was made with: all that is needed to map its file again with another length.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    pub parameters: Parameters,
    pub anonymous: bool,
    /// Whether the map may be resized, provided that it is writable.
    pub resizable: bool,
    /// Whether it is or was writable, so that there can be something to flush.
    pub written: bool,
    /// The least number of bytes of address space that was requested.
    pub capacity: usize,
    /// Whether what others append to the file belongs to the map.
    pub follows: bool,
    /// The file grows by holes.
    pub sparse: bool,
    /// The length of a device, which the system does not say where it says that of a file.
    pub device_len: Option<u64>,
}

impl Origin {
    pub(crate) fn request<'a>(&'a self, source: Option<Source<'a>>, offset: u64, len: usize) -> Request<'a> {
        Request { source, offset, len, parameters: &self.parameters }
    }

    /// The length of a mapping for `len` bytes: longer, where the system allows a mapping to be longer than its file.
    pub(crate) fn capacity_for(&self, len: usize) -> usize {
        if self.reserves() { len.max(self.capacity) } else { len }
    }

    /// Maps one byte of the file for a map without bytes, to find out that this is allowed. `keep` holds the mapping, and so the
    /// inode.
    pub(crate) fn pin(&self, source: Option<Source<'_>>, keep: Option<&TrackedFile>, offset: u64) -> Result<()> {
        let (aligned, _, total) = range::aligned(offset, 1, self.parameters.granularity)?;
        sys::pin(&self.request(source, aligned, total), keep).map_err(|error| refused(source, error))
    }

    /// Whether a mapping can be longer than the part of it that is used.
    pub(crate) fn reserves(&self) -> bool {
        self.parameters.reserves()
    }
}

/// What a map is created from.
pub(crate) enum MapSource<'a> {
    /// No file.
    Memory,
    /// The caller's file, which the map does not keep.
    Borrowed(Source<'a>),
    /// A file that the map keeps.
    Tracked(TrackedFile),
}

impl MapSource<'_> {
    pub(crate) fn borrowed(&self) -> Option<Source<'_>> {
        match self {
            Self::Memory => None,
            Self::Borrowed(source) => Some(*source),
            Self::Tracked(file) => Some(sys::source(file.fresh())),
        }
    }

    pub(crate) fn tracked(&self) -> Option<&TrackedFile> {
        if let Self::Tracked(file) = self { Some(file) } else { None }
    }
}

/// The error for a file that the system has refused to map.
fn refused(source: Option<Source<'_>>, error: io::Error) -> Error {
    // A file that cannot be mapped at all: ENODEV, and in /proc EIO.
    let is_for_its_kind = matches!(error.raw_os_error(), Some(19 | 5));
    match source {
        Some(source) if is_for_its_kind && sys::is_pseudo(source) => Detail::PseudoFile.into(),
        _ => Error::os("mapping", error),
    }
}

/// Mapped bytes: a piece of a file, or anonymous memory.
///
/// Reading and writing take `&self`, as with [`std::fs::File`]: the bytes are shared with every other mapping of the same file, in
/// this process and in others, so that `&mut self` would promise an exclusiveness that nobody can grant. Of bytes that another
/// thread or process changes during a call, each is read as old or new independently. What does need exclusiveness is changing the
/// mapping itself: [`resize`](Self::resize) and [`protect`](Self::protect) take `&mut self`.
///
/// Dropping the value unmaps the bytes. Changes to a shared map are in the file at once, as far as programs on this machine can
/// tell; [`flush`](Self::flush) writes them to the disk.
///
/// If a file does not end at the end of a page, the rest of its last page is mapped too. These bytes are not part of the map, which
/// ends where the file did; but if the file shrinks within its last page, the bytes past its new end read as zeros, without an
/// error.
///
/// A page that cannot be read or written, because its file was truncated or its disk failed or is full, is an
/// [`ErrorKind::Fault`](crate::ErrorKind::Fault) of the operation that needed it. `docs/faults.md` in the repository
/// states what is promised and how it works.
///
/// # Platform-specific behavior
///
/// Windows refuses to truncate a mapped file, and memory of a map that is used directly is guarded only against pages that have
/// lost their protection; `docs/platforms.md` in the repository has the details.
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
    pub(crate) region: Region,
    pub(crate) origin: Origin,
    /// The map's own descriptor, if the file is tracked.
    pub(crate) file: Option<TrackedFile>,
    /// The offset of the first byte in the file.
    offset: u64,
    /// Which thread is extending the map.
    pub(crate) growth: Growth,
}

impl Mmap {
    /// Maps `source`.
    #[inline]
    pub(crate) fn new(origin: Origin, source: MapSource<'_>, offset: u64, len: usize) -> Result<Self> {
        // A fork that is already under way does not call a handler that is registered now: so this is done before the map can grow.
        let _ = sys::generation();
        let capacity = origin.capacity_for(len);
        let region = if capacity == 0 {
            Region::empty()
        } else {
            let (aligned, start, total) = range::aligned(offset, capacity, origin.parameters.granularity)?;
            let file = source.borrowed();
            // Not `map_err`, which copies the region once more.
            match Region::map(&origin.request(file, aligned, total), start, len, source.tracked()) {
                Ok(region) => region,
                Err(error) => return Err(refused(file, error)),
            }
        };
        let file = if let MapSource::Tracked(file) = source { Some(file) } else { None };
        Ok(Self { region, origin, file, offset, growth: Growth::default() })
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

    /// The offset of the first byte in the file, in bytes.
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

    /// How the map may be used now: the access that protection and flags amount to.
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
        // To Windows, a private map that is read-only now is still a copy-on-write one.
        let parameters = &self.origin.parameters;
        if parameters.protection.contains(Protection::WRITE) { parameters.access() } else { Access::Read }
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
        self.origin.parameters.protection
    }

    /// Whether the map is anonymous memory, without a file.
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
    /// Anonymous memory has none, and neither has a map whose descriptor was closed by other code:
    /// [`tracked_file`](Self::tracked_file) tells the two apart.
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
        self.tracked_file().ok()
    }

    /// The map's own duplicate of its file.
    ///
    /// # Errors
    ///
    /// [`NoFile`](crate::ErrorKind::NoFile) for anonymous memory, and for a map that does not keep its file;
    /// [`StaleDescriptor`](crate::ErrorKind::StaleDescriptor) or [`Os`](crate::ErrorKind::Os) if other code has closed the
    /// descriptor.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{ErrorKind, MmapOptions};
    /// let map = MmapOptions::new().open("Cargo.toml")?;
    /// assert!(map.tracked_file()?.metadata()?.is_file());
    /// let map = MmapOptions::new().len(1).map_anonymous()?;
    /// assert_eq!(map.tracked_file().unwrap_err().kind(), ErrorKind::NoFile);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn tracked_file(&self) -> Result<&File> {
        let file = self.file.as_ref().filter(|_| !self.origin.anonymous);
        let file = file.ok_or(Detail::NoFile { operation: "the descriptor" })?;
        file.get().map_err(|error| Error::os("the descriptor", error))
    }

    /// The present length of the file in bytes, which can be more or less than what is mapped.
    ///
    /// For anonymous memory it is the length of the map; for shared memory that can grow, the length that any process has given it.
    ///
    /// # Errors
    ///
    /// [`NoFile`](crate::ErrorKind::NoFile) for a map that does not keep its file,
    /// [`StaleDescriptor`](crate::ErrorKind::StaleDescriptor), [`Os`](crate::ErrorKind::Os).
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
                let (_, len) = file.with_len().map_err(|error| Error::os("reading the length of the file", error))?;
                Ok(self.origin.device_len.unwrap_or(len))
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
    #[inline(always)]
    pub fn get(&self, index: usize) -> Result<u8> {
        let byte = match self.region.try_load(index) {
            Some(byte) => byte,
            None => self.get_slowly(index)?,
        };
        Ok(byte)
    }

    /// [`get`](Self::get) where the fast path has failed: finds out why.
    #[cold]
    #[inline(never)]
    fn get_slowly(&self, index: usize) -> Result<u8> {
        self.check_readable("read")?;
        match self.region.load(index) {
            Some(byte) => Ok(byte?),
            None => Err(range::no_such_index("read", index, self.len())),
        }
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

    /// Reads from `offset` into `buffer`, and returns the number of bytes: fewer than the buffer holds only at the end.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map without [`Protection::READ`]. An offset past the end is no
    /// error: zero bytes are read.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(map.read_at(&mut [1; 100], 3)?, 2);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn read_at(&self, buffer: &mut [u8], offset: usize) -> Result<usize> {
        self.check_readable("read")?;
        let span = range::clipped(offset, buffer.len(), self.len());
        self.region.read(span.start, region::as_uninit(&mut buffer[..span.len]))?;
        Ok(span.len)
    }

    /// Fills `buffer` with the bytes from `offset`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if there are fewer; the buffer is unchanged then.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("LICENSE-MIT")?;
    /// let mut head = [0; 3];
    /// map.read_exact_at(&mut head, 0)?;
    /// assert_eq!(&head, b"MIT");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: usize) -> Result<()> {
        self.read_uninit_at(region::as_uninit(buffer), offset).map(drop)
    }

    /// Fills an uninitialised buffer with the bytes from `offset`, and returns it as initialised.
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
    #[inline(always)]
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
        region::append(&mut bytes, span.len, |buffer| self.read_uninit_at(buffer, span.start))?;
        Ok(bytes)
    }

    /// Appends the bytes of `span` to `bytes`, or as many as lie before the first missing one, whose error is returned then. An error if
    /// that is nothing.
    ///
    /// Of a map that follows the end of its file, bytes are also missing that others have cut off within a page.
    ///
    /// Of what `may_be_missing`, zeros of a page from which others have cut the file off, the file is asked afterwards.
    pub(crate) fn append_present(
        &self,
        bytes: &mut Vec<u8>,
        mut span: Span,
        may_be_missing: impl Fn(&[u8]) -> bool,
    ) -> Result<Option<Error>> {
        let before = bytes.len();
        let mut missing = None;
        loop {
            let read = region::append(bytes, span.len, |buffer| self.read_uninit_at(buffer, span.start));
            let read = read.and_then(|()| {
                let may_be_missing = may_be_missing(&bytes[before..]);
                self.check_end_of_read(span.start, span.end(), may_be_missing).inspect_err(|_| bytes.truncate(before))
            });
            let Err(error) = read else { return Ok(missing) };
            // The bytes before it are there, even if the copy did not begin with them.
            match error.fault_offset() {
                Some(offset) if offset > span.start && offset < span.end() => {
                    (span.len, missing) = (offset - span.start, Some(error));
                }
                _ => return Err(error),
            }
        }
    }

    /// Fills `buffer` with every `step`th byte from `start` on; a negative step goes backward.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if one of the bytes is not in the map; the buffer is unchanged then.
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
        self.read_strided_uninit_at(region::as_uninit(buffer), start, step).map(drop)
    }

    /// As [`read_strided_at`](Self::read_strided_at), into an uninitialised buffer.
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

    /// Writes `bytes` to every `step`th index from `start` on; a negative step goes backward.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if one of the indices is not in the map,
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

    /// Writes as many of `bytes` as fit between `offset` and the end, and returns their number.
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

    /// Writes all of `bytes` at `offset`, or nothing if they do not fit.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if they do not fit,
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map; nothing is written then.
    /// [`Fault`](crate::ErrorKind::Fault) where a page is missing; the bytes before it may have been written.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.write_all_at(b"abc", 2)?;
    /// assert!(map.write_all_at(b"abc", 3).is_err());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline(always)]
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

    /// `range` as a span of bytes that can be read.
    #[inline]
    pub(crate) fn readable(&self, operation: &'static str, range: impl RangeBounds<usize>) -> Result<Span> {
        self.check_readable(operation)?;
        range::checked(operation, range, self.len())
    }

    #[inline(always)]
    pub(crate) fn is_readable(&self) -> bool {
        region::is_readable(self.origin.parameters.protection)
    }

    #[inline]
    fn check_readable(&self, operation: &'static str) -> Result<()> {
        if self.is_readable() { Ok(()) } else { Err(self.denied(operation)) }
    }

    #[inline]
    pub(crate) fn check_writable(&self, operation: &'static str) -> Result<()> {
        if self.origin.parameters.protection.contains(Protection::WRITE) { Ok(()) } else { Err(self.denied(operation)) }
    }

    #[cold]
    fn denied(&self, operation: &'static str) -> Error {
        Detail::AccessDenied { operation, protection: self.origin.parameters.protection.words() }.into()
    }

    /// Checks the first and the last of `count` indices that are `step` apart.
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
            .field("access", &self.access())
            .field("anonymous", &self.origin.anonymous)
            .finish_non_exhaustive()
    }
}
