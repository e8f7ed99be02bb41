//! Control over a mapping and its pages: flushing, advice, locking, protection, name, end. The length is in `growth.rs`.

use std::ops::RangeBounds;

use crate::access::{FlushFlags, Protection};
use crate::advice::Advice;
use crate::error::{Detail, Error, Result};
use crate::map::Mmap;
use crate::range;

impl Mmap {
    /// Reports a fault in memory that was used through [`as_slice`](Self::as_slice), [`as_atomic`](Self::as_atomic) or an address:
    /// one that this thread has met and was not told of, or one of another thread's that was not reported. What was read there
    /// is zeros, what was written is lost.
    ///
    /// What another thread has met is still reported to that thread as well. Every other operation that can fail reports faults
    /// too. Threads that read zeros which another thread's fault has put there have met none:
    /// [`fault_count`](Self::fault_count) and [`with_slice`](Self::with_slice) tell them.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault), once for each fault; and as long as there are pages of a whole file that the system
    /// refuses to map again.
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
    #[inline]
    pub fn check(&self) -> Result<()> {
        Ok(self.region.check()?)
    }

    /// How many faults the map has met since it was made: accesses, of whatever thread, to pages that could not be read or written.
    /// The number never goes back, and asking for it takes nothing away from anybody.
    ///
    /// So every reader of memory that is used directly can tell for itself: whoever gets the same number before and after has
    /// read nothing but the file's bytes in between, and has lost no writes. Zeros that an earlier fault has put in place of
    /// pages are replaced by the file's pages before the number is given.
    ///
    /// It is always zero where there is no guard ([`set_fault_guard`](crate::fault::set_fault_guard)).
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use std::sync::atomic::Ordering;
    /// use firmmap::{Access, MmapOptions};
    /// let file = tempfile::tempfile()?;
    /// file.set_len(10_000)?;
    /// let map = MmapOptions::new().access(Access::Write).map(&file)?;
    /// file.set_len(0)?;
    /// let before = map.fault_count();
    /// let sum: u32 = map.as_atomic()?.iter().map(|byte| u32::from(byte.load(Ordering::Relaxed))).sum();
    /// assert!(sum == 0 && map.fault_count() > before); // it is no sum of the file's bytes
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.region.fault_count()
    }

    /// Ends the mapping, as dropping it does, and reports a last fault that was not reported.
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
    /// # Platform-specific behavior
    ///
    /// msync(2) with `MS_SYNC`; on macOS `F_FULLFSYNC` too, where the map keeps its file; on Windows `FlushViewOfFile` and `FlushFileBuffers`, the latter only where the map
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
    /// # Platform-specific behavior
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
        if self.origin.private || !self.origin.written {
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
    /// # Platform-specific behavior
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

    /// Keeps all pages of the map in memory until [`unlock`](Self::unlock): those that it has now. What the map grows by later
    /// is not locked, and a map that moves may lose its lock.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) where the process may not lock that much.
    ///
    /// # Platform-specific behavior
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
    /// # Platform-specific behavior
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
        let result = self.region.protect(protection, self.origin.access());
        result.map_err(|error| Error::os("changing the protection", error))?;
        self.origin.protection = protection;
        self.origin.written |= protection.contains(Protection::WRITE);
        Ok(())
    }

    /// Gives anonymous memory a name, which `/proc/PID/maps` shows as `[anon_shmem:NAME]` or `[anon:NAME]`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): more than 79 bytes, a zero byte, or a map of a file;
    /// [`Os`](crate::ErrorKind::Os): characters that the kernel does not take, or a kernel without names.
    ///
    /// # Platform-specific behavior
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
        if self.file.is_some() {
            return Err(Detail::Unsupported { what: "names for shared memory that can grow" }.into());
        }
        if name.len() > 79 {
            return Err(Detail::InvalidInput { what: "the name of a map has at most 79 bytes" }.into());
        }
        let name = std::ffi::CString::new(name);
        let name = name.map_err(|_| Detail::InvalidInput { what: "the name of a map holds no zero byte" })?;
        self.region.set_name(&name).map_err(|error| Error::os("naming the map", error))
    }
}
