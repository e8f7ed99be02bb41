//! [`Advice`]: what a program tells the system about how it will use a mapping.

/// How a range of a mapping is going to be used, an argument of [`Mmap::advise`](crate::Mmap::advise).
///
/// The constants are those of the system's madvise(2); [`Advice::from_raw`] makes any other, which madvise(2) then accepts or refuses.
///
/// # Platform-specific behavior
///
/// `NORMAL`, `RANDOM`, `SEQUENTIAL` and `WILL_NEED` exist everywhere. On Windows `WILL_NEED` is
/// `PrefetchVirtualMemory`; all other advice has no counterpart there and does nothing.
/// Some advice changes what the bytes are: `DONT_NEED` and `FREE` drop what a copy-on-write or anonymous
/// map holds, `REMOVE` punches a hole into the file.
///
/// # Examples
///
/// ```
/// use firmmap::{Advice, MmapOptions};
///
/// let map = MmapOptions::new().len(1 << 20).map_anonymous()?;
/// map.advise(Advice::SEQUENTIAL)?;
/// map.advise_range(4096..8192, Advice::WILL_NEED)?;
/// # Ok::<(), firmmap::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Advice(i32);

impl Advice {
    /// Returns the advice with the given number.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::Advice;
    /// assert_eq!(Advice::from_raw(Advice::RANDOM.as_raw()), Advice::RANDOM);
    /// ```
    #[must_use]
    pub const fn from_raw(raw: i32) -> Self {
        Self(raw)
    }

    /// Returns the system's number.
    ///
    /// # Examples
    ///
    /// ```
    /// assert_eq!(firmmap::Advice::from_raw(7).as_raw(), 7);
    /// ```
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }
}

macro_rules! advice {
    ($($(#[$meta:meta])* $name:ident = $value:expr;)*) => {
        impl Advice {
            $($(#[$meta])* pub const $name: Self = Self($value);)*
        }
    };
}

#[cfg(unix)]
advice! {
    /// No particular use: the default.
    NORMAL = libc::MADV_NORMAL;
    /// Pages will be used in no order; reading ahead is useless.
    RANDOM = libc::MADV_RANDOM;
    /// Pages will be used from front to back.
    SEQUENTIAL = libc::MADV_SEQUENTIAL;
    /// Pages will be used soon: start reading them.
    WILL_NEED = libc::MADV_WILLNEED;
    /// Pages will not be used soon. Drops the changes of anonymous and copy-on-write maps.
    DONT_NEED = libc::MADV_DONTNEED;
}

#[cfg(not(unix))]
advice! {
    /// No particular use: the default.
    NORMAL = 0;
    /// Pages will be used in no order; reading ahead is useless.
    RANDOM = 1;
    /// Pages will be used from front to back.
    SEQUENTIAL = 2;
    /// Pages will be used soon: start reading them.
    WILL_NEED = 3;
}

#[cfg(linux_kernel)]
advice! {
    /// The contents of these anonymous pages are not needed any more (Linux 4.5).
    FREE = libc::MADV_FREE;
    /// Free the pages and what stores them: a hole in the file.
    REMOVE = libc::MADV_REMOVE;
    /// A forked child does not get this range.
    DONT_FORK = libc::MADV_DONTFORK;
    /// Undo `DONT_FORK`.
    DO_FORK = libc::MADV_DOFORK;
    /// Equal pages may be shared (KSM).
    MERGEABLE = libc::MADV_MERGEABLE;
    /// Undo `MERGEABLE`.
    UNMERGEABLE = libc::MADV_UNMERGEABLE;
    /// Use transparent huge pages.
    HUGE_PAGE = libc::MADV_HUGEPAGE;
    /// Undo `HUGE_PAGE`.
    NO_HUGE_PAGE = libc::MADV_NOHUGEPAGE;
    /// Leave the range out of core dumps.
    DONT_DUMP = libc::MADV_DONTDUMP;
    /// Undo `DONT_DUMP`.
    DO_DUMP = libc::MADV_DODUMP;
    /// A forked child gets zeros (Linux 4.14, private anonymous maps).
    WIPE_ON_FORK = libc::MADV_WIPEONFORK;
    /// Undo `WIPE_ON_FORK`.
    KEEP_ON_FORK = libc::MADV_KEEPONFORK;
    /// The pages are good candidates for reclaiming (Linux 5.4).
    COLD = libc::MADV_COLD;
    /// Reclaim the pages now (Linux 5.4).
    PAGE_OUT = libc::MADV_PAGEOUT;
    /// Fault the pages in for reading, now (Linux 5.14).
    POPULATE_READ = libc::MADV_POPULATE_READ;
    /// Fault the pages in for writing, now (Linux 5.14).
    POPULATE_WRITE = libc::MADV_POPULATE_WRITE;
    /// The pages are broken: whoever touches them gets SIGBUS. For tests, and for root only.
    HW_POISON = libc::MADV_HWPOISON;
    /// As `DONT_NEED`, for locked pages too (Linux 5.18).
    DONT_NEED_LOCKED = libc::MADV_DONTNEED_LOCKED;
    /// Make huge pages of the range, now (Linux 6.1).
    COLLAPSE = 25; // `MADV_COLLAPSE`, which the libc crate does not have for musl
}

#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "netbsd", target_os = "openbsd"))]
advice! {
    /// The contents of these pages are not needed any more.
    FREE = libc::MADV_FREE;
}

#[cfg(target_vendor = "apple")]
advice! {
    /// Pages that are locked are filled with zeros when they are unmapped.
    ZERO_WIRED_PAGES = libc::MADV_ZERO_WIRED_PAGES;
    /// The contents are not needed any more, and the pages do not count for the process until `FREE_REUSE`.
    FREE_REUSABLE = libc::MADV_FREE_REUSABLE;
    /// The pages are used again.
    FREE_REUSE = libc::MADV_FREE_REUSE;
}
