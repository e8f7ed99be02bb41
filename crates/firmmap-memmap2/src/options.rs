//! [`MmapOptions`]: memmap2's builder.

use std::io;

use firmmap::{Access, Protection};

use crate::descriptor::MmapAsRawDesc;
use crate::immutable::MapIfSafeError;
use crate::inner::{Inner, check_len, io_error};
use crate::maps::{Mmap, MmapMut, MmapRaw};

/// How a map is made.
///
/// # Safety
///
/// The functions that map a file are `unsafe` where the result is a plain slice: as long as it lives, nobody changes the bytes, neither
/// this process through another map of the same file nor any other process. That the file becomes shorter does not
/// break the promise here: the crate's documentation says what happens.
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::MmapOptions;
/// let file = std::fs::File::open("Cargo.toml")?;
/// // SAFETY: nobody edits this file while the test runs.
/// let map = unsafe { MmapOptions::new().offset(1).len(7).map(&file)? };
/// assert_eq!(&map[..], b"package");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct MmapOptions {
    offset: u64,
    len: Option<usize>,
    huge: Option<Option<u8>>,
    stack: bool,
    populate: bool,
    no_reserve_swap: bool,
}

/// What a map of a file is to be.
#[derive(Clone, Copy)]
enum Kind {
    Read,
    Exec,
    Write,
    Copy,
    CopyRead,
}

impl MmapOptions {
    /// A map of a whole file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where in the file the map starts, in bytes; any offset will do. No effect on memory without a file.
    pub fn offset(&mut self, offset: u64) -> &mut Self {
        self.offset = offset;
        self
    }

    /// How many bytes are mapped: without it, those from the offset to the end of the file, and none of memory without a file. What lies
    /// past the end of the file is missing until the file has it.
    pub fn len(&mut self, len: usize) -> &mut Self {
        self.len = Some(len);
        self
    }

    /// Memory without a file that suits a stack: `MAP_STACK`, where the system has it.
    pub fn stack(&mut self) -> &mut Self {
        self.stack = true;
        self
    }

    /// Memory without a file in huge pages of `1 << page_bits` bytes, or of the usual size: `MAP_HUGETLB` on Linux.
    pub fn huge(&mut self, page_bits: Option<u8>) -> &mut Self {
        self.huge = Some(page_bits);
        self
    }

    /// Reads all pages in while mapping: `MAP_POPULATE` on Linux.
    pub fn populate(&mut self) -> &mut Self {
        self.populate = true;
        self
    }

    /// Reserves no swap space: `MAP_NORESERVE`, where the system has it.
    pub fn no_reserve_swap(&mut self) -> &mut Self {
        self.no_reserve_swap = true;
        self
    }

    /// No effect: memmap2 tries on Windows what a handle allows, and firmmap does not.
    pub fn no_probe_handle(&mut self) -> &mut Self {
        self
    }

    /// A read-only map of a file.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        self.map_kind(&file, Kind::Read).map(Mmap::new)
    }

    /// A map of a file that can be read and executed.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map_exec<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        self.map_kind(&file, Kind::Exec).map(Mmap::new)
    }

    /// A map of a file whose changes reach the file.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map_mut<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapMut> {
        self.map_kind(&file, Kind::Write).map(MmapMut::new)
    }

    /// A map of a file whose changes stay in the map.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map_copy<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapMut> {
        self.map_kind(&file, Kind::Copy).map(MmapMut::new)
    }

    /// A read-only map of a file, that [`make_mut`](Mmap::make_mut) makes one whose changes stay in the map.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map_copy_read_only<T: MmapAsRawDesc>(&self, file: T) -> io::Result<Mmap> {
        self.map_kind(&file, Kind::CopyRead).map(Mmap::new)
    }

    /// A read-only map of a file that nobody can change or truncate any more: no promise is needed.
    ///
    /// On Linux and Android those are files in memory that are sealed against writing and shrinking, and files with fs-verity; on FreeBSD
    /// the former.
    ///
    /// # Errors
    ///
    /// [`MapIfSafeError`] says which.
    pub fn map_if_safe<T: MmapAsRawDesc>(&self, file: T) -> Result<Mmap, MapIfSafeError> {
        // A number is another file's as soon as somebody closes it and opens that: a duplicate is checked and mapped.
        let file = file.as_raw_desc().duplicate().map_err(MapIfSafeError::failed)?;
        firmmap::check_immutable(&file).map_err(MapIfSafeError::refused)?;
        // What lies past its end can come.
        let map = self.common().beyond_end(false).map(&file).map_err(|error| match error.kind() {
            firmmap::ErrorKind::LengthBeyondEnd => MapIfSafeError::not_safe_as(io_error(error)),
            _ => MapIfSafeError::failed(io_error(error)),
        })?;
        Ok(Mmap::new(Inner::new(map)))
    }

    /// Memory without a file: [`len`](Self::len) bytes, all zero.
    ///
    /// # Errors
    ///
    /// Where the system refuses, and for a length that no slice can have.
    pub fn map_anon(&self) -> io::Result<MmapMut> {
        let len = self.len.unwrap_or(0);
        check_len(len)?;
        let mut options = self.common().offset(0).len(len).private();
        if self.stack {
            options = options.stack();
        }
        if let Some(bits) = self.huge {
            options = options.huge_pages(bits);
        }
        if len == 0 {
            options = options.capacity(1);
        }
        options.map_anonymous().map_err(io_error).map(|map| MmapMut::new(Inner::new(map)))
    }

    /// A map of a file whose changes reach the file, and that is used through pointers.
    ///
    /// # Errors
    ///
    /// As the system has it, for instance for a file that was not opened for writing.
    pub fn map_raw<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapRaw> {
        self.map_kind(&file, Kind::Write).map(MmapRaw::new)
    }

    /// A read-only map of a file that is used through pointers.
    ///
    /// # Errors
    ///
    /// As the system has it.
    pub fn map_raw_read_only<T: MmapAsRawDesc>(&self, file: T) -> io::Result<MmapRaw> {
        self.map_kind(&file, Kind::Read).map(MmapRaw::new)
    }

    /// What all maps have.
    fn common(&self) -> firmmap::MmapOptions {
        // A descriptor for each map would be too many for a program that makes thousands of maps, as it may with memmap2.
        // On Windows a map needs its handle to be flushed.
        let mut options = firmmap::MmapOptions::new().offset(self.offset).follow_end(false).track_file(cfg!(windows));
        if let Some(len) = self.len {
            options = options.len(len).beyond_end(true);
        }
        if self.populate {
            options = options.populate();
        }
        if self.no_reserve_swap {
            options = options.no_reserve();
        }
        options
    }

    fn map_kind<T: MmapAsRawDesc>(&self, file: &T, kind: Kind) -> io::Result<Inner> {
        check_len(self.len.unwrap_or(0))?;
        let options = self.common();
        let options = match kind {
            Kind::Read => options,
            Kind::Exec => options.protection(Protection::READ | Protection::EXEC),
            Kind::Write => options.access(Access::Write),
            Kind::Copy => options.access(Access::Copy),
            Kind::CopyRead => options.access(Access::Copy).protection(Protection::READ),
        };
        let descriptor = file.as_raw_desc();
        let source = descriptor.borrow()?;
        let map = options.map(&source).map_err(io_error)?;
        if map.is_empty() {
            // With a page after it, so that `remap` has something to begin with.
            let page = options.len(0).capacity(1).map(&source);
            return page.map_err(io_error).map(Inner::new);
        }
        Ok(Inner::new(map))
    }
}
