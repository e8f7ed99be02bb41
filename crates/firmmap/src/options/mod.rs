//! [`MmapOptions`]: every way to create a mapping.

mod load;

use std::fs::File;
use std::io;
use std::path::Path;

use crate::access::{Access, Protection};
use crate::error::{Detail, Error, Result};
use crate::map::{MapSource, Mmap, MmapBytes, Origin, check_immutable};
use crate::range;
use crate::sys::{self, AsSource, FileInfo, FileLenChange, FileResize, Parameters, Source, TrackedFile};

#[cfg(unix)]
use crate::access::MapFlags;

/// A builder for mappings: every way to create one.
///
/// # Platform-specific behavior
///
/// On Unix this is mmap(2), on Windows `CreateFileMappingW` and `MapViewOfFile`. On macOS a file is synchronised with
/// its storage (`F_FULLFSYNC`) before it is mapped. Where memory cannot be mapped (WebAssembly) creating a mapping is an error of
/// kind [`Unsupported`](crate::ErrorKind::Unsupported).
///
/// # Examples
///
/// ```
/// use firmmap::{Access, MmapOptions};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("numbers");
/// std::fs::write(&path, b"0123456789")?;
///
/// let map = MmapOptions::new().offset(3).len(4).open(&path)?;
/// assert_eq!(map.to_vec(..)?, b"3456");
///
/// let map = MmapOptions::new().access(Access::Write).open(&path)?;
/// map.set(0, b'X')?;
/// assert_eq!(std::fs::read(&path)?, b"X123456789");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct MmapOptions {
    offset: u64,
    pub(crate) len: Option<usize>,
    capacity: usize,
    access: Access,
    pub(crate) track_file: bool,
    extend: bool,
    beyond_end: bool,
    pub(crate) follow_end: Option<bool>,
    pub(crate) sparse: bool,
    protection: Option<Protection>,
    #[cfg(unix)]
    flags: Option<MapFlags>,
    #[cfg(unix)]
    more_flags: MapFlags,
    #[cfg(windows)]
    tag: Option<String>,
}

impl Default for MmapOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl MmapOptions {
    /// Returns the default options: a read-only map of a whole file.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// assert!(map.find(b"[package]", ..)?.is_some());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self {
            offset: 0,
            len: None,
            capacity: 0,
            access: Access::Read,
            track_file: true,
            extend: false,
            beyond_end: false,
            follow_end: None,
            sparse: false,
            protection: None,
            #[cfg(unix)]
            flags: None,
            #[cfg(unix)]
            more_flags: MapFlags::empty(),
            #[cfg(windows)]
            tag: None,
        }
    }

    /// Sets the offset in the file at which the map starts, in bytes. It need not be aligned.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().offset(1).open("Cargo.toml")?;
    /// assert_eq!(map.offset(), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn offset(mut self, offset: u64) -> Self {
        self.offset = offset;
        self
    }

    /// Sets the number of bytes to map; zero is allowed. By default the map reaches from the offset to the end of the file.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(0).map_anonymous()?;
    /// assert!(map.is_empty());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn len(mut self, len: usize) -> Self {
        self.len = Some(len);
        self
    }

    /// Reserves address space for so many bytes, up to which the map can grow without moving.
    ///
    /// Growth within the capacity works through `&self`, while views exist and other threads use the map: [`Mmap::grow`],
    /// [`Mmap::append`], [`Mmap::refresh`]. Address space is not memory: a terabyte over an empty file costs nothing. It does count
    /// against a limit on the process's addresses (`RLIMIT_AS`).
    ///
    /// # Platform-specific behavior
    ///
    /// On Windows a view cannot be longer than its file: nothing is reserved, and nothing grows through `&self`. The same holds for
    /// maps of huge pages.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let map = MmapOptions::new().capacity(1 << 30).access(Access::Write).map(&file)?;
    /// # #[cfg(unix)]
    /// map.append(b"the first bytes of the file")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn capacity(mut self, bytes: usize) -> Self {
        self.capacity = bytes;
        self
    }

    /// Sets how the map may be used. The default is [`Access::Read`]; anonymous maps are always writable.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, MmapOptions};
    /// let map = MmapOptions::new().access(Access::Copy).open("Cargo.toml")?;
    /// map.set(0, b'#')?; // the file stays as it is
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn access(mut self, access: Access) -> Self {
        self.access = access;
        self
    }

    /// Sets whether the map keeps a duplicate of the file's descriptor. The default is `true`.
    ///
    /// Without it, what needs the file, such as [`Mmap::file_len`] and [`Mmap::resize`], fails with
    /// [`NoFile`](crate::ErrorKind::NoFile). It saves a descriptor for each map, of which a process often may have no more than 1,024,
    /// and up to three system calls. Faults are errors as before. It has no meaning for anonymous maps.
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux 5.13 and newer a map without a descriptor, too, works again once its file is whole. Elsewhere operations on pages that
    /// were missing go on failing.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{ErrorKind, MmapOptions};
    /// let map = MmapOptions::new().track_file(false).open("Cargo.toml")?;
    /// assert_eq!(map.file_len().unwrap_err().kind(), ErrorKind::NoFile);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn track_file(mut self, track_file: bool) -> Self {
        self.track_file = track_file;
        self
    }

    /// Sets whether a regular file that is too short for the map is extended. The default is `false`: an error.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let map = MmapOptions::new().len(100).access(Access::Write).extend(true).map(&file)?;
    /// assert_eq!(map.file_len()?, 100);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn extend(mut self, extend: bool) -> Self {
        self.extend = extend;
        self
    }

    /// Sets whether the map may reach past the end of a regular file, which is left alone. The default is `false`: an error.
    ///
    /// Touching bytes past the end is a [`Fault`](crate::ErrorKind::Fault), until the file has them.
    ///
    /// # Platform-specific behavior
    ///
    /// On Windows, and for files of huge pages, it is always an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use firmmap::{ErrorKind, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// let map = MmapOptions::new().len(100).beyond_end(true).map(&file)?;
    /// assert_eq!(map.get(99).unwrap_err().kind(), ErrorKind::Fault);
    /// file.set_len(100)?;
    /// assert_eq!(map.get(99)?, 0);
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn beyond_end(mut self, beyond_end: bool) -> Self {
        self.beyond_end = beyond_end;
        self
    }

    /// Sets whether the map follows the end of its file when others append to it: [`Mmap::follows_end`]. By default it does if it is
    /// created without a [`len`](Self::len).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::io::{Read, Write};
    /// use firmmap::{MmapOptions, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("log");
    /// let mut writer = std::fs::File::create_new(&path)?;
    /// let mut follows = MmapOptions::new().open_mode(&path, Mode::Read)?;
    /// let mut stays = MmapOptions::new().follow_end(false).open_mode(&path, Mode::Read)?;
    /// writer.write_all(b"news")?;
    /// assert_eq!(follows.read(&mut [0; 10])?, 4);
    /// assert_eq!(stays.read(&mut [0; 10])?, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn follow_end(mut self, follow_end: bool) -> Self {
        self.follow_end = Some(follow_end);
        self
    }

    /// Sets whether the file grows by holes, which take no space on the disk until they are written to, as with
    /// [`std::fs::File::set_len`]. The default is `false`: space is allocated, so that a full disk is an error when the file grows, and not
    /// a [`Fault`](crate::ErrorKind::Fault) when it is written to.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("table");
    /// let table = MmapOptions::new().len(1 << 30).sparse(true).open_mode(&path, Mode::Create)?;
    /// table.set(1 << 29, 1)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn sparse(mut self, sparse: bool) -> Self {
        self.sparse = sparse;
        self
    }

    /// Sets the protection of the pages, in place of what [`access`](Self::access) implies.
    ///
    /// The map's access is then what protection and flags amount to.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MmapOptions, Protection};
    /// let map = MmapOptions::new().protection(Protection::READ | Protection::EXEC).open("Cargo.toml")?;
    /// assert!(map.protection().contains(Protection::EXEC));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn protection(mut self, protection: Protection) -> Self {
        self.protection = Some(protection);
        self
    }

    /// Sets the flags of mmap(2), in place of what [`access`](Self::access) implies. Unix only.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{Access, MapFlags, MmapOptions, Protection};
    /// let map = MmapOptions::new()
    ///     .flags(MapFlags::PRIVATE)
    ///     .protection(Protection::READ | Protection::WRITE)
    ///     .open("Cargo.toml")?;
    /// assert_eq!(map.access(), Access::Copy);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(unix)]
    pub fn flags(mut self, flags: MapFlags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Reads all pages into memory while mapping, so that the first access does not wait.
    ///
    /// # Platform-specific behavior
    ///
    /// `MAP_POPULATE` on Linux; no effect elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().populate().open("Cargo.toml")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn populate(self) -> Self {
        #[cfg(linux_kernel)]
        return self.more(MapFlags::POPULATE);
        #[cfg(not(linux_kernel))]
        self
    }

    /// Uses huge pages: of `1 << log2_size` bytes, or with `None` of the system's usual size.
    ///
    /// # Platform-specific behavior
    ///
    /// `MAP_HUGETLB` on Linux, for anonymous maps, where the administrator has set such pages aside
    /// (`/proc/sys/vm/nr_hugepages`); no effect elsewhere.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let map = firmmap::MmapOptions::new().len(4 << 20).huge_pages(Some(21)).map_anonymous()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn huge_pages(self, log2_size: Option<u8>) -> Self {
        #[cfg(linux_kernel)]
        {
            let size = i32::from(log2_size.unwrap_or(0) & 0x3f) << libc::MAP_HUGE_SHIFT;
            self.more(MapFlags::HUGETLB | MapFlags::from_bits_retain(size))
        }
        #[cfg(not(linux_kernel))]
        {
            let _ = log2_size;
            self
        }
    }

    /// Chooses an address that suits a stack.
    ///
    /// # Platform-specific behavior
    ///
    /// `MAP_STACK` on Linux and the BSDs; no effect elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(65536).stack().private().map_anonymous()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn stack(self) -> Self {
        #[cfg(any(
            target_os = "linux",
            target_os = "android",
            target_os = "freebsd",
            target_os = "openbsd",
            target_os = "netbsd"
        ))]
        return self.more(MapFlags::STACK);
        #[cfg(not(any(
            target_os = "linux",
            target_os = "android",
            target_os = "freebsd",
            target_os = "openbsd",
            target_os = "netbsd"
        )))]
        self
    }

    /// Reserves no swap space for the pages: a write can then fail for lack of memory.
    ///
    /// # Platform-specific behavior
    ///
    /// `MAP_NORESERVE` on Linux, macOS and NetBSD; no effect elsewhere.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(1 << 30).no_reserve().map_anonymous()?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn no_reserve(self) -> Self {
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple"))]
        return self.more(MapFlags::NORESERVE);
        #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple")))]
        self
    }

    /// Makes an anonymous map private to the process: a forked child gets a copy. By default both share it.
    ///
    /// # Platform-specific behavior
    ///
    /// Windows does not fork; no effect there.
    ///
    /// # Examples
    ///
    /// ```
    /// let mut map = firmmap::MmapOptions::new().len(10).private().map_anonymous()?;
    /// map.resize(100_000)?; // shared anonymous memory cannot grow, private can
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn private(self) -> Self {
        self.access(Access::Copy)
    }

    /// Names the mapping: an existing one of that name is opened; otherwise it is created. Windows only.
    ///
    /// The name exists as long as some map has it. An existing mapping has the length that it was created with: a map of it can be
    /// shorter, not longer. The name must not contain a zero character.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::MmapOptions;
    /// let map = MmapOptions::new().len(100).tag("Local\\counter").map_anonymous()?;
    /// map.set(0, 7)?;
    /// let same = MmapOptions::new().len(100).tag("Local\\counter").map_anonymous()?;
    /// assert_eq!(same.get(0)?, 7);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[cfg(windows)]
    pub fn tag(mut self, tag: impl Into<String>) -> Self {
        self.tag = Some(tag.into());
        self
    }

    #[cfg(unix)]
    #[cfg_attr(not(linux_kernel), allow(dead_code))]
    fn more(mut self, flags: MapFlags) -> Self {
        self.more_flags |= flags;
        self
    }

    /// Maps a file, which stays the caller's: the map keeps a duplicate of its own.
    ///
    /// # Errors
    ///
    /// - [`OffsetBeyondEnd`](crate::ErrorKind::OffsetBeyondEnd), [`LengthBeyondEnd`](crate::ErrorKind::LengthBeyondEnd):
    ///   a regular file is too short, and [`extend`](Self::extend) was not asked for.
    /// - [`UnknownLength`](crate::ErrorKind::UnknownLength): not a regular file, and no length was given; or a file whose length says
    ///   nothing, such as those in `/proc` and `/sys`.
    /// - [`TooLarge`](crate::ErrorKind::TooLarge): more bytes than can be addressed.
    /// - [`Os`](crate::ErrorKind::Os): the system refused, for instance because the file was not opened for writing.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::MmapOptions;
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// let map = MmapOptions::new().map(&file)?;
    /// drop(file);
    /// assert_eq!(map.file_len()?, map.len() as u64);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn map<F: AsSource>(&self, file: &F) -> Result<Mmap> {
        supported()?;
        let source = sys::source(file);
        let source = if self.track_file { OpenFile::Own(duplicate(source)?) } else { OpenFile::Lent(source) };
        self.map_open(source)
    }

    /// Maps a file that nobody can change or truncate any more as a plain slice: no promise is needed.
    ///
    /// Such are files in memory that are sealed against writing and shrinking (`F_SEAL_WRITE`, `F_SEAL_SHRINK`), and files with
    /// fs-verity. The map is read-only and shared, whatever protection and flags were set.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map), and as [`check_immutable`](crate::check_immutable).
    ///
    /// # Examples
    ///
    /// ```
    /// let file = std::fs::File::open("Cargo.toml")?;
    /// assert!(firmmap::MmapOptions::new().map_immutable(&file).is_err()); // anybody can change it
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn map_immutable<F: AsSource>(&self, file: &F) -> Result<MmapBytes> {
        supported()?;
        // What `file` returns is asked for once, and is another file's later for all that is known: a duplicate is checked and mapped.
        let file = duplicate(sys::source(file))?;
        check_immutable(&file)?;
        let mut options = self.clone().access(Access::Read);
        // Others could write to the bytes, or nobody read them. And past the end of the file, bytes may still be appended.
        options.protection = None;
        #[cfg(unix)]
        {
            options.flags = None;
        }
        let options = options.beyond_end(false).extend(false);
        let source = if self.track_file { OpenFile::Own(file) } else { OpenFile::Lent(sys::source(&file)) };
        options.map_open(source).map(MmapBytes::new)
    }

    /// Maps a file, without a mode.
    fn map_open(&self, file: OpenFile<'_>) -> Result<Mmap> {
        let info = file.info()?;
        self.map_source(file, info, FileChange { extend: self.extend.then_some(FileResize::Length), empty: false })
    }

    /// Maps a file, of which the system has said `info`, changing it as `change` says. After an error the file is unchanged.
    #[inline]
    pub(crate) fn map_source(&self, file: OpenFile<'_>, info: FileInfo, change: FileChange) -> Result<Mmap> {
        #[cfg(windows)]
        self.check_tag()?;
        let device_len = if info.regular { None } else { sys::device_len(file.source()) };
        let info = FileInfo { len: device_len.unwrap_or(info.len), ..info };
        let len = match self.len {
            None | Some(0) if !info.regular && device_len.is_none() => return Err(Detail::UnknownLength.into()),
            Some(len) => len,
            // The map will start at the offset, although the emptied file has no bytes there. A device cannot be emptied.
            None if change.empty && device_len.is_none() => 0,
            None => {
                let rest = info.len.checked_sub(self.offset);
                let rest = rest.ok_or(Detail::OffsetBeyondEnd { offset: self.offset, file_len: info.len })?;
                usize::try_from(rest).map_err(|_| range::too_large("the length", rest))?
            }
        };
        let beyond_end = || Detail::LengthBeyondEnd { offset: self.offset, len, file_len: info.len };
        let end = self.offset.checked_add(len as u64).ok_or_else(beyond_end)?;
        let mut origin = self.origin(Some(file.source()), info.granularity);
        let extend = match change.extend {
            _ if end <= info.len || (!info.regular && device_len.is_none()) => None,
            _ if !info.regular => return Err(beyond_end().into()),
            Some(_) if i64::try_from(end).is_err() => {
                return Err(range::too_large("the end of the map in its file", end));
            }
            Some(how) => Some(how),
            None if self.beyond_end && origin.reserves() => None,
            None => return Err(beyond_end().into()),
        };
        let empty = change.empty && info.regular && info.len > 0;
        origin.device_len = device_len;
        // It has one length, which nobody changes.
        origin.follows &= info.regular;
        let changed = if extend.is_some() || empty { Some(duplicate(file.source())?) } else { None };
        let source = match file {
            OpenFile::Lent(source) => MapSource::Borrowed(source),
            OpenFile::Own(file) => MapSource::Tracked(TrackedFile::new(file, &info)),
        };
        if info.regular && origin.reserves() && origin.capacity_for(len) == 0 {
            origin.pin(source.borrowed(), source.tracked(), self.offset)?;
        }
        #[cfg(windows)]
        if let (true, 0, Access::Write, Some(file)) =
            (info.regular, info.len, origin.parameters.access(), source.borrowed())
        {
            sys::check_writable(file).map_err(|error| Error::os("mapping", error))?;
        }
        let Some(file) = changed else { return Mmap::new(origin, source, self.offset, len) };
        let file = TrackedFile::new(file, &info);
        let longer = extend.map(|how| FileLenChange { file: Some(&file), old: info.len, new: end, how });
        self.map_changed(origin, source, len, &file, longer, empty.then_some(info.len.max(end)))
    }

    /// Maps `len` bytes of `source`, and makes its file, which `file` is too, `longer`, or one of zeros that has `empty` bytes now.
    #[cold]
    fn map_changed(
        &self,
        origin: Origin,
        source: MapSource<'_>,
        len: usize,
        file: &TrackedFile,
        longer: Option<FileLenChange<'_>>,
        empty: Option<u64>,
    ) -> Result<Mmap> {
        let lengthen = || match &longer {
            Some(longer) => longer.apply().map_err(|error| Error::os("making the file longer", error)),
            None => Ok(()),
        };
        let undo = || longer.iter().for_each(FileLenChange::undo);
        let clear = || match empty {
            Some(old_len) => empty_file(file, old_len, self.offset + len as u64, self.sparse),
            None => Ok(()),
        };
        if origin.reserves() {
            // A mapping may reach beyond the end of its file, so that only the change is left to fail. To undo that may be forbidden: a file
            // that is sealed or append-only can become longer, and not shorter.
            #[cfg(linux_kernel)]
            let populate = origin.parameters.flags.contains(MapFlags::POPULATE);
            let map = Mmap::new(origin, source, self.offset, len)?;
            lengthen()?;
            clear().inspect_err(|_| undo())?;
            #[cfg(linux_kernel)]
            if populate {
                // The flag has read what was there before. What it cannot read is no error.
                let _ = map.prefetch(..);
            }
            return Ok(map);
        }
        // Otherwise it may not, so whether mapping succeeds is tried with the old bytes.
        lengthen()?;
        let old = MapSource::Borrowed(sys::source(file.fresh()));
        let tried = if empty.is_some() { Mmap::new(origin.clone(), old, self.offset, len).map(drop) } else { Ok(()) };
        let map = tried.and_then(|()| clear()).and_then(|()| Mmap::new(origin, source, self.offset, len));
        map.inspect_err(|_| undo())
    }

    /// Opens the file at `path`, for writing if [`access`](Self::access) needs it, and maps it.
    ///
    /// # Errors
    ///
    /// As [`map`](Self::map), and [`Os`](crate::ErrorKind::Os) if the file cannot be opened.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Mmap> {
        supported()?;
        let path = path.as_ref();
        let file = File::options().read(true).write(self.access == Access::Write).open(path);
        let result = file.map_err(opening).and_then(|file| {
            // Nobody else has the descriptor: no duplicate is needed.
            let source = if self.track_file { OpenFile::Own(file) } else { OpenFile::Lent(sys::source(&file)) };
            self.map_open(source)
        });
        result.map_err(|error| error.at(path))
    }

    /// Maps shared memory that can grow: [`len`](Self::len) bytes, all zero, shared with children that are forked later.
    ///
    /// With a [`capacity`](Self::capacity) it grows in place. Each process has its own view of the length; [`Mmap::refresh`] takes in
    /// what another one has added.
    ///
    /// # Errors
    ///
    /// As [`map_anonymous`](Self::map_anonymous).
    ///
    /// # Platform-specific behavior
    ///
    /// A file in memory (`memfd_create`) on Linux, Android and FreeBSD; on other Unix systems a temporary file in
    /// [`std::env::temp_dir`] that is removed at once; Windows copies the memory when it grows.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::MmapOptions;
    /// let mut map = MmapOptions::new().len(10).map_shared_memory()?;
    /// map.resize(100_000)?;
    /// assert_eq!(map.get(99_999)?, 0);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn map_shared_memory(&self) -> Result<Mmap> {
        supported()?;
        let len = self.len.ok_or(Detail::InvalidInput { what: "anonymous memory needs a length" })?;
        let making = |error| Error::os("making shared memory", error);
        let Some(file) = sys::shared_memory().map_err(making)? else { return self.map_anonymous() };
        let end = self.offset.checked_add(len as u64).filter(|&end| i64::try_from(end).is_ok());
        file.set_len(end.ok_or_else(|| range::too_large("the length", len as u64))?).map_err(making)?;
        let source = sys::source(&file);
        let origin = self.clone().access(Access::Write).origin(Some(source), sys::granularity());
        let origin = Origin { anonymous: true, ..origin };
        let info = sys::file_info(source).map_err(making)?;
        let file = TrackedFile::new(file, &info);
        Mmap::new(origin, MapSource::Tracked(file), self.offset, len)
    }

    /// Maps memory without a file: [`len`](Self::len) bytes, all zero, shared with children that are forked later
    /// unless [`private`](Self::private). Always writable, unless [`protection`](Self::protection) says otherwise.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) without a length, [`Os`](crate::ErrorKind::Os) where the
    /// system refuses.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(13).map_anonymous()?;
    /// map.write_all_at(b"Hello world!", 0)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn map_anonymous(&self) -> Result<Mmap> {
        supported()?;
        #[cfg(windows)]
        self.check_tag()?;
        let len = self.len.ok_or(Detail::InvalidInput { what: "anonymous memory needs a length" })?;
        Mmap::new(self.origin(None, sys::granularity()), MapSource::Memory, self.offset, len)
    }

    #[cfg(windows)]
    fn check_tag(&self) -> Result<()> {
        match &self.tag {
            Some(tag) if tag.contains('\0') => {
                Err(Detail::InvalidInput { what: "the name of a mapping holds no zero character" }.into())
            }
            _ => Ok(()),
        }
    }

    /// The parameters that these options amount to.
    #[inline]
    fn origin(&self, source: Option<Source<'_>>, granularity: usize) -> Origin {
        let anonymous = source.is_none();
        // Read-only anonymous memory would be zeros for ever.
        let access = if anonymous && self.access == Access::Read { Access::Write } else { self.access };
        let implied = match access {
            Access::Read => Protection::READ,
            Access::Write | Access::Copy => Protection::READ | Protection::WRITE,
        };
        let protection = self.protection.unwrap_or(implied);
        #[cfg(unix)]
        let (flags, by_hand) = {
            let implied = if access == Access::Copy { MapFlags::PRIVATE } else { MapFlags::SHARED };
            // Capacity that is not used yet must not count as memory.
            let spare = if self.capacity > 0 { Self::new().no_reserve().more_flags } else { MapFlags::empty() };
            let flags = self.flags.unwrap_or(implied) | self.more_flags | spare;
            (flags, self.flags.is_some() || self.protection.is_some())
        };
        #[cfg(unix)]
        let private = sys::is_private(flags);
        // With that flag the system ignores the file.
        #[cfg(unix)]
        let anonymous = anonymous || flags.contains(MapFlags::ANONYMOUS);
        #[cfg(not(unix))]
        let (private, by_hand) = (access == Access::Copy, false);
        let parameters = Parameters {
            protection,
            private,
            granularity,
            #[cfg(unix)]
            flags,
            #[cfg(windows)]
            tag: self.tag.clone(),
        };
        Origin {
            parameters,
            anonymous,
            // A private map that was requested by its flags may be resized, as mremap(2) allows.
            resizable: !private || by_hand || anonymous,
            written: protection.contains(Protection::WRITE),
            capacity: self.capacity,
            sparse: self.sparse,
            device_len: None,
            follows: self.follow_end.unwrap_or(self.len.is_none()) && !anonymous,
        }
    }
}

pub(crate) fn opening(error: io::Error) -> Error {
    Error::os("opening the file", error)
}

fn reading_the_length(error: io::Error) -> Error {
    Error::os("reading the length of the file", error)
}

/// A file to be mapped.
pub(crate) enum OpenFile<'a> {
    /// The caller's.
    Lent(Source<'a>),
    /// A file that the map is to keep.
    Own(File),
}

impl OpenFile<'_> {
    fn source(&self) -> Source<'_> {
        match self {
            Self::Lent(source) => *source,
            Self::Own(file) => sys::source(file),
        }
    }

    /// What the system says of the file. One that only pretends to be empty is an error.
    #[inline]
    pub(crate) fn info(&self) -> Result<FileInfo> {
        let source = self.source();
        sys::sync_before_mapping(source);
        loop {
            let info = sys::file_info(source).map_err(reading_the_length)?;
            if !info.regular || info.len > 0 || !sys::has_hidden_bytes(source) {
                return Ok(info);
            }
            // Unless somebody has just written them.
            if sys::file_info(source).map_err(reading_the_length)?.len == 0 {
                return Err(Detail::PseudoFile.into());
            }
        }
    }
}

/// What creating a map may do to its file.
#[derive(Clone, Copy)]
pub(crate) struct FileChange {
    /// How one that is too short is made longer, if it is.
    pub extend: Option<FileResize>,
    /// Whether its bytes become zeros, and it ends where the map does.
    pub empty: bool,
}

/// Makes a file of `len` bytes, at least `end`, one of `end` zeros, with space allocated on the disk unless it is to have holes. What can
/// fail comes first, and no space is given up that would have to be had again.
fn empty_file(file: &TrackedFile, len: u64, end: u64, sparse: bool) -> Result<()> {
    let empty = |file: &File| {
        if len > end {
            sys::check_shortens(file)?;
        }
        if end > 0 {
            let is_zero = if sparse {
                sys::punch(file, end)?
            } else {
                sys::fill_holes(file, end).and_then(|()| sys::zero(file, end))?
            };
            if !is_zero {
                clear(file, end)?;
            }
        }
        if len > end { file.set_len(end) } else { Ok(()) }
    };
    file.get().and_then(empty).map_err(|error| Error::os("emptying the file", error))
}

/// Writes zeros over the first `end` bytes. Through maps: what a process may write is limited (`RLIMIT_FSIZE`), what it may change in a map
/// is not.
fn clear(file: &File, end: u64) -> io::Result<()> {
    const AT_ONCE: u64 = 1 << 28;
    let mut done = 0;
    while done < end {
        let len = AT_ONCE.min(end - done);
        let options = MmapOptions::new().access(Access::Write).track_file(false);
        options.offset(done).len(len as usize).map(file)?.fill(.., 0)?;
        done += len;
    }
    Ok(())
}

pub(crate) fn duplicate(source: Source<'_>) -> Result<File> {
    sys::duplicate(source).map_err(|error| Error::os("duplicating the descriptor", error))
}

/// Whether this system can map anything.
pub(crate) fn supported() -> Result<()> {
    if sys::SUPPORTED { Ok(()) } else { Err(Detail::Unsupported { what: "mapping memory" }.into()) }
}
