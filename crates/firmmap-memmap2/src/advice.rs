//! memmap2's two kinds of advice, with the system's numbers.

use firmmap::Advice as Raw;

/// Advice that changes no bytes: see madvise(2).
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::{Advice, MmapMut};
/// let map = MmapMut::map_anon(4096)?;
/// map.advise(Advice::Sequential)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum Advice {
    /// `MADV_NORMAL`: no particular use.
    Normal = Raw::NORMAL.as_raw(),
    /// `MADV_RANDOM`: reading ahead is useless.
    Random = Raw::RANDOM.as_raw(),
    /// `MADV_SEQUENTIAL`: from front to back.
    Sequential = Raw::SEQUENTIAL.as_raw(),
    /// `MADV_WILLNEED`: start reading the pages.
    WillNeed = Raw::WILL_NEED.as_raw(),
    /// `MADV_DONTFORK`: a forked child does not get the range.
    #[cfg(target_os = "linux")]
    DontFork = Raw::DONT_FORK.as_raw(),
    /// `MADV_DOFORK`: undoes `DontFork`.
    #[cfg(target_os = "linux")]
    DoFork = Raw::DO_FORK.as_raw(),
    /// `MADV_MERGEABLE`: equal pages may be shared.
    #[cfg(target_os = "linux")]
    Mergeable = Raw::MERGEABLE.as_raw(),
    /// `MADV_UNMERGEABLE`: undoes `Mergeable`.
    #[cfg(target_os = "linux")]
    Unmergeable = Raw::UNMERGEABLE.as_raw(),
    /// `MADV_HUGEPAGE`: use transparent huge pages.
    #[cfg(target_os = "linux")]
    HugePage = Raw::HUGE_PAGE.as_raw(),
    /// `MADV_NOHUGEPAGE`: undoes `HugePage`.
    #[cfg(target_os = "linux")]
    NoHugePage = Raw::NO_HUGE_PAGE.as_raw(),
    /// `MADV_DONTDUMP`: leave the range out of core dumps.
    #[cfg(target_os = "linux")]
    DontDump = Raw::DONT_DUMP.as_raw(),
    /// `MADV_DODUMP`: undoes `DontDump`.
    #[cfg(target_os = "linux")]
    DoDump = Raw::DO_DUMP.as_raw(),
    /// `MADV_HWPOISON`: the pages are broken, for tests.
    #[cfg(target_os = "linux")]
    HwPoison = Raw::HW_POISON.as_raw(),
    /// `MADV_POPULATE_READ`: fault the pages in for reading.
    #[cfg(target_os = "linux")]
    PopulateRead = Raw::POPULATE_READ.as_raw(),
    /// `MADV_POPULATE_WRITE`: fault the pages in for writing.
    #[cfg(target_os = "linux")]
    PopulateWrite = Raw::POPULATE_WRITE.as_raw(),
    /// `MADV_ZERO_WIRED_PAGES`: locked pages are filled with zeros when they are unmapped.
    #[cfg(target_vendor = "apple")]
    ZeroWiredPages = Raw::ZERO_WIRED_PAGES.as_raw(),
}

/// Advice that can change what the bytes are: see madvise(2).
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::{MmapMut, UncheckedAdvice};
/// let mut map = MmapMut::map_anon(4096)?;
/// map[0] = 7;
/// // SAFETY: nobody holds a slice of the map.
/// unsafe { map.unchecked_advise(UncheckedAdvice::DontNeed)? };
/// assert!(map[0] == 0 || !cfg!(target_os = "linux"));
/// # Ok::<(), std::io::Error>(())
/// ```
#[repr(i32)]
#[derive(Clone, Copy, Debug, Eq, PartialEq, Hash)]
pub enum UncheckedAdvice {
    /// `MADV_DONTNEED`: drops the changes of anonymous and copy-on-write maps.
    DontNeed = Raw::DONT_NEED.as_raw(),
    /// `MADV_FREE`: the contents are not needed any more.
    #[cfg(any(target_os = "linux", target_vendor = "apple"))]
    Free = Raw::FREE.as_raw(),
    /// `MADV_REMOVE`: a hole in the file.
    #[cfg(target_os = "linux")]
    Remove = Raw::REMOVE.as_raw(),
    /// `MADV_FREE_REUSABLE`: as `Free`, and the pages do not count for the process.
    #[cfg(target_vendor = "apple")]
    FreeReusable = Raw::FREE_REUSABLE.as_raw(),
    /// `MADV_FREE_REUSE`: undoes `FreeReusable`.
    #[cfg(target_vendor = "apple")]
    FreeReuse = Raw::FREE_REUSE.as_raw(),
}

#[cfg(target_os = "linux")]
impl Advice {
    /// Whether the system knows this advice.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(firmmap_memmap2::Advice::Normal.is_supported());
    /// ```
    pub fn is_supported(self) -> bool {
        Raw::from(self).is_supported()
    }
}

#[cfg(target_os = "linux")]
impl UncheckedAdvice {
    /// Whether the system knows this advice.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(firmmap_memmap2::UncheckedAdvice::DontNeed.is_supported());
    /// ```
    pub fn is_supported(self) -> bool {
        Raw::from(self).is_supported()
    }
}

impl From<Advice> for Raw {
    fn from(advice: Advice) -> Self {
        Self::from_raw(advice as i32)
    }
}

impl From<UncheckedAdvice> for Raw {
    fn from(advice: UncheckedAdvice) -> Self {
        Self::from_raw(advice as i32)
    }
}
