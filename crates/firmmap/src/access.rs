//! What may be done with a mapping: [`Access`], [`Protection`], [`MapFlags`], [`FlushFlags`].

use bitflags::bitflags;

/// How a mapping may be used, and where its changes go.
///
/// # Platform-specific behavior
///
/// The same on every system. On Unix, [`MmapOptions::protection`](crate::MmapOptions::protection) and
/// [`MmapOptions::flags`](crate::MmapOptions::flags) give finer control.
///
/// # Examples
///
/// ```
/// use firmmap::{Access, MmapOptions};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("file");
/// std::fs::write(&path, b"as it was")?;
/// let file = std::fs::File::options().read(true).write(true).open(&path)?;
///
/// let draft = MmapOptions::new().access(Access::Copy).map(&file)?;
/// draft.write_all_at(b"draft", 0)?; // memory only
/// assert_eq!(std::fs::read(&path)?, b"as it was");
///
/// let map = MmapOptions::new().access(Access::Write).map(&file)?;
/// map.write_all_at(b"so", 0)?; // memory and file
/// assert_eq!(std::fs::read(&path)?, b"so it was");
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Access {
    /// The bytes can be read. Every change is an error. The default.
    #[default]
    Read,
    /// Changes go to memory and to the file, and are seen by everybody else who maps it.
    Write,
    /// Copy-on-write: changes go to this mapping's memory only, never to the file.
    Copy,
}

bitflags! {
    /// What a program may do with the mapped pages.
    ///
    /// # Platform-specific behavior
    ///
    /// `PROT_READ`, `PROT_WRITE`, `PROT_EXEC` of mmap(2); `PAGE_*` on Windows. Most processors let a
    /// page that can be written also be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{ErrorKind, MmapOptions, Protection};
    ///
    /// let mut map = MmapOptions::new().len(3).map_anonymous()?;
    /// map.write_all_at(b"abc", 0)?;
    /// map.protect(Protection::READ)?;
    /// assert_eq!(map.set(0, b'x').unwrap_err().kind(), ErrorKind::AccessDenied);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Protection: u32 {
        /// The bytes can be read.
        const READ = 1;
        /// The bytes can be written.
        const WRITE = 2;
        /// The bytes can be executed as machine code.
        const EXEC = 4;
    }
}

impl Protection {
    /// The protection, in the words of an error message.
    pub(crate) fn words(self) -> &'static str {
        if self.contains(Self::WRITE) {
            "writable"
        } else if self.contains(Self::READ) {
            "read-only"
        } else {
            "not accessible"
        }
    }
}

#[cfg(unix)]
bitflags! {
    /// The `flags` argument of mmap(2), for what [`Access`] does not say. Unix only.
    ///
    /// Bits without a name here can be given with [`MapFlags::from_bits_retain`]. `MAP_FIXED` is refused by
    /// [`MmapOptions`](crate::MmapOptions): it would replace memory that belongs to somebody else.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{MapFlags, MmapOptions, Protection};
    ///
    /// let map = MmapOptions::new()
    ///     .len(4096)
    ///     .protection(Protection::READ | Protection::WRITE)
    ///     .flags(MapFlags::PRIVATE)
    ///     .map_anonymous()?;
    /// map.set(0, 1)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct MapFlags: libc::c_int {
        /// Changes are seen by everybody who maps the same file, and reach the file.
        const SHARED = libc::MAP_SHARED;
        /// Changes are this mapping's own.
        const PRIVATE = libc::MAP_PRIVATE;
        /// Memory without a file; set by [`MmapOptions::map_anonymous`](crate::MmapOptions::map_anonymous).
        const ANONYMOUS = libc::MAP_ANON;
        /// Read all pages into memory while mapping (Linux).
        #[cfg(linux_kernel)]
        const POPULATE = libc::MAP_POPULATE;
        /// Keep all pages in memory (Linux).
        #[cfg(linux_kernel)]
        const LOCKED = libc::MAP_LOCKED;
        /// Reserve no swap space.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple"))]
        const NORESERVE = libc::MAP_NORESERVE;
        /// An address that suits a stack.
        #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_os = "openbsd", target_os = "netbsd"))]
        const STACK = libc::MAP_STACK;
        /// Use huge pages (Linux); the size can be given in the upper six bits.
        #[cfg(linux_kernel)]
        const HUGETLB = libc::MAP_HUGETLB;

        const _ = !0;
    }
}

bitflags! {
    /// How [`Mmap::flush_with`](crate::Mmap::flush_with) writes back: the `flags` of msync(2).
    ///
    /// # Platform-specific behavior
    ///
    /// Windows has no flags: `ASYNC` leaves out waiting for the disk (`FlushFileBuffers`), `INVALIDATE` does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{FlushFlags, MmapOptions};
    /// let map = MmapOptions::new().len(4096).map_anonymous()?;
    /// map.flush_with(.., FlushFlags::ASYNC | FlushFlags::INVALIDATE)?;
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct FlushFlags: i32 {
        /// Start writing and return at once.
        const ASYNC = FlushFlags::MS_ASYNC;
        /// Return when all is written.
        const SYNC = FlushFlags::MS_SYNC;
        /// Let other mappings of the same file see the new bytes.
        const INVALIDATE = FlushFlags::MS_INVALIDATE;

        const _ = !0;
    }
}

#[cfg(unix)]
impl FlushFlags {
    const MS_ASYNC: i32 = libc::MS_ASYNC;
    const MS_SYNC: i32 = libc::MS_SYNC;
    const MS_INVALIDATE: i32 = libc::MS_INVALIDATE;
}

#[cfg(not(unix))]
impl FlushFlags {
    const MS_ASYNC: i32 = 1;
    const MS_INVALIDATE: i32 = 2;
    const MS_SYNC: i32 = 4;
}
