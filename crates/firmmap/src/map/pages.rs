//! Control over a mapping and its pages: faults, flushing, advice, prefetching, locking, protection, name, closing. The length is in
//! `growth.rs`, which pages are in memory in `residency.rs`.

use std::ops::RangeBounds;

use crate::access::{FlushFlags, Protection};
use crate::advice::Advice;
use crate::error::{Detail, Error, ErrorKind, Result};
use crate::map::Mmap;
use crate::range;
use crate::sys;

impl Mmap {
    /// Reports a fault in memory that was used through [`as_slice`](Self::as_slice), [`as_atomic`](Self::as_atomic) or an address.
    ///
    /// It reports this thread's unreported faults, and those of other threads that no operation has reported yet. What was read
    /// there was zeros; what was written is lost. A fault of another thread is still reported to that thread as well. Other
    /// operations report faults in the same way.
    ///
    /// A thread that reads zeros which another thread's fault has put there has no fault of its own:
    /// [`fault_count`](Self::fault_count) and [`with_slice`](Self::with_slice) tell it.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault), once for each fault; and for as long as the system refuses to restore pages that the
    /// file has again.
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
    /// assert_eq!(map.as_atomic()?[9_000].load(Ordering::Relaxed), 0); // the process survives
    /// let error = map.check().unwrap_err(); // and learns of the fault
    /// assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(9_000)));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn check(&self) -> Result<()> {
        Ok(self.region.check()?)
    }

    /// Returns the number of faults since the map was created: accesses, of any thread, to pages that could not be read or written.
    ///
    /// The number never decreases, and asking for it changes no report. So every user of the memory can find out for itself: if the
    /// number is the same before and after, it has read only the file's bytes in between, and has lost no writes. Zeros that an
    /// earlier fault has put in place of pages are replaced by the file's pages before this returns.
    ///
    /// It is always zero without the guard ([`set_fault_guard`](crate::fault::set_fault_guard)).
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
    /// assert!(sum == 0 && map.fault_count() > before); // not the sum of the file's bytes
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn fault_count(&self) -> u64 {
        self.region.fault_count()
    }

    /// Returns the index of the first byte at or after `index` that is not in a hole of the file: a part that takes no space on the disk, and
    /// reads as zeros. `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os), [`StaleDescriptor`](crate::ErrorKind::StaleDescriptor).
    ///
    /// # Platform-specific behavior
    ///
    /// lseek(2) with `SEEK_DATA` on Linux, macOS and FreeBSD. Elsewhere, on file systems that do not know their holes, and in maps that keep
    /// no file, everything is data. The result describes the disk: a page that was written through a map may count as a hole until it is
    /// flushed.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// assert_eq!(map.next_data(0)?, Some(0));
    /// assert_eq!(map.next_data(map.len())?, None);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn next_data(&self, index: usize) -> Result<Option<usize>> {
        Ok(self.next_in_file(index, sys::Sparse::Data)?.filter(|&found| found < self.sparse_end()))
    }

    /// Returns the index of the first byte at or after `index` that is in a hole of the file, or the end, which counts as the start of one.
    /// `None` if `index` is not before the end.
    ///
    /// # Errors
    ///
    /// As [`next_data`](Self::next_data).
    ///
    /// # Platform-specific behavior
    ///
    /// As [`next_data`](Self::next_data), with `SEEK_HOLE`.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// assert_eq!(map.next_hole(0)?, Some(map.len()));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn next_hole(&self, index: usize) -> Result<Option<usize>> {
        let end = self.sparse_end();
        if index >= end {
            return Ok(None);
        }
        Ok(self.next_in_file(index, sys::Sparse::Hole)?.map(|found| found.min(end)))
    }

    /// Where the search for data and holes ends.
    fn sparse_end(&self) -> usize {
        if self.follows_end() { usize::MAX } else { self.len() }
    }

    fn next_in_file(&self, index: usize, what: sys::Sparse) -> Result<Option<usize>> {
        self.region.check()?;
        let found = match self.tracked_file() {
            Err(error) if error.kind() == ErrorKind::NoFile => None,
            file => {
                let offset = self.offset().saturating_add(index as u64);
                sys::seek_sparse(file?, offset, what).map_err(|error| Error::os("looking for holes", error))?
            }
        };
        match found {
            Some(sys::Found::At(offset)) => Ok(usize::try_from(offset.saturating_sub(self.offset())).ok()),
            Some(sys::Found::Nothing) => Ok(None),
            // The system does not know.
            None if index >= self.len() => Ok(None),
            None => Ok(Some(if what == sys::Sparse::Data { index } else { self.len() })),
        }
    }

    /// Unmaps the bytes, as dropping the map does, and reports an unreported fault.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault). The bytes are unmapped all the same.
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

    /// Writes all changes to the disk, and returns when they are there. Does nothing for maps that are read-only or
    /// copy-on-write.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) if the disk fails.
    ///
    /// # Platform-specific behavior
    ///
    /// msync(2) with `MS_SYNC`; on macOS also `F_FULLFSYNC`, if the map keeps its file; on Windows `FlushViewOfFile`, and
    /// `FlushFileBuffers` if the map keeps its file.
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

    /// Writes the changes in `range`, extended to whole pages, to the disk. See [`flush`](Self::flush).
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

    /// Starts writing all changes to the disk, and returns at once.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os).
    ///
    /// # Platform-specific behavior
    ///
    /// Linux tracks changed pages itself: `MS_ASYNC` does nothing there.
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

    /// Starts writing the changes in `range` to the disk, and returns at once. See [`flush_async`](Self::flush_async).
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

    /// Writes the changes in `range` to the disk, as `flags` say. See [`flush`](Self::flush).
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
        if self.origin.parameters.private || !self.origin.written {
            return Ok(());
        }
        self.region.flush(span, flags, self.file.as_ref()).map_err(|error| Error::os("flush", error))
    }

    /// Advises the system how the whole map is going to be used.
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

    /// Advises the system how `range`, extended to whole pages, is going to be used.
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

    /// Reads the pages of `range` into memory, so that touching them does not wait, and returns when they are there.
    ///
    /// [`advise_range`](Self::advise_range) with [`Advice::WILL_NEED`] only starts that.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange); [`Fault`](crate::ErrorKind::Fault) for a page that cannot be read, where
    /// the system reports it.
    ///
    /// # Platform-specific behavior
    ///
    /// `MADV_WILLNEED` and `MADV_POPULATE_READ` on Linux 5.14 and newer. Elsewhere only the former (`PrefetchVirtualMemory` on
    /// Windows), which does not wait, and reports no errors.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// map.prefetch(..)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn prefetch(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let span = self.readable("prefetch", range)?;
        self.region.check()?;
        if span.len == 0 {
            return Ok(());
        }
        // The disk is asked for everything at once, where the system reads without waiting.
        let started = self.region.advise(span, Advice::WILL_NEED);
        #[cfg(linux_kernel)]
        {
            // Anonymous memory has nothing to read ahead.
            let _ = started;
            match self.region.advise(span, Advice::POPULATE_READ) {
                Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
                Err(error) if matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EHWPOISON)) => {
                    self.touch(span)?;
                    // The page has come back meanwhile; without the guard it must not be touched to find out which it is.
                    if self.region.is_guarded() { Ok(()) } else { Err(Error::os("prefetching", error)) }
                }
                result => result.map_err(|error| Error::os("prefetching", error)),
            }
        }
        #[cfg(not(linux_kernel))]
        started.map_err(|error| Error::os("prefetching", error))
    }

    /// Removes the pages of `range`, extended to whole pages, from memory, and returns when they are gone: the next access reads them from
    /// the disk again. Changes are written to the disk first.
    ///
    /// Pages that somebody else uses stay: those that another map shows, in this process or another, and those that are locked;
    /// [`residency`](Self::residency) tells. It is for programs that have copied what they need, as loaders of large models do, to leave
    /// the memory to others.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange); [`AccessDenied`](crate::ErrorKind::AccessDenied) for memory without a file and for
    /// copy-on-write maps, whose changes are nowhere else; [`NoFile`](crate::ErrorKind::NoFile) for a map that does not keep its file;
    /// [`Unsupported`](crate::ErrorKind::Unsupported) on some systems; [`Os`](crate::ErrorKind::Os) if the changes cannot be written,
    /// and on Linux for a map that is [locked](Self::lock).
    ///
    /// # Platform-specific behavior
    ///
    /// On Linux and Android msync(2), madvise(2) with `MADV_DONTNEED`, without which a mapped page stays, and posix_fadvise(2)
    /// with `POSIX_FADV_DONTNEED`. File systems in memory (tmpfs) keep their pages, without an error. Other systems are not supported.
    ///
    /// # Examples
    ///
    /// ```
    /// let directory = tempfile::tempdir_in(".")?;
    /// let path = directory.path().join("weights");
    /// std::fs::write(&path, vec![1; 100_000])?;
    /// # #[cfg(target_os = "linux")] {
    /// let map = firmmap::MmapOptions::new().open(&path)?;
    /// let weights = map.to_vec(..)?;
    /// map.evict(..)?;
    /// println!("{}", map.residency(..)?); // 0 of 25 pages, on a disk
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn evict(&self, range: impl RangeBounds<usize>) -> Result<()> {
        let span = range::checked("evict", range, self.len())?;
        self.region.check()?;
        let only_here = if self.origin.anonymous {
            Some("memory without a file")
        } else if self.origin.parameters.private && self.origin.written {
            Some("copy-on-write")
        } else {
            None
        };
        if let Some(protection) = only_here {
            return Err(Detail::AccessDenied { operation: "evict", protection }.into());
        }
        let Some(file) = &self.file else { return Err(Detail::NoFile { operation: "evict" }.into()) };
        let file = file.get().map_err(|error| Error::os("evict", error))?;
        self.flush_with(span.start..span.end(), FlushFlags::SYNC)?;
        self.evict_pages(file, span)
    }

    #[cfg(linux_kernel)]
    fn evict_pages(&self, file: &std::fs::File, span: range::Span) -> Result<()> {
        if span.len == 0 {
            return Ok(());
        }
        // A page that is mapped stays in memory.
        self.region.advise(span, Advice::DONT_NEED).map_err(|error| Error::os("evict", error))?;
        // Whole pages: the system leaves those of which only a part is named.
        let page = sys::page_size() as u64;
        let start = (self.offset() + span.start as u64) / page * page;
        let end = (self.offset() + span.end() as u64).next_multiple_of(page);
        sys::evict(file, start, end - start).map_err(|error| Error::os("evict", error))
    }

    #[cfg(not(linux_kernel))]
    fn evict_pages(&self, _file: &std::fs::File, _span: range::Span) -> Result<()> {
        Err(Detail::Unsupported { what: "taking pages out of memory" }.into())
    }

    /// Reads a byte of every page; the first one that cannot be read is the error.
    #[cfg(linux_kernel)]
    fn touch(&self, span: range::Span) -> Result<()> {
        if self.region.is_guarded() {
            for index in (span.start..span.end()).step_by(sys::page_size()).chain([span.end() - 1]) {
                self.region.load(index).transpose()?;
            }
        }
        Ok(())
    }

    /// Keeps the present pages of the map in memory until [`unlock`](Self::unlock).
    ///
    /// Pages by which the map grows later are not locked, and a map that moves may lose its lock.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os) if the process may not lock that much.
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

    /// Changes the protection of the pages. Operations that are no longer allowed are errors, not crashes.
    ///
    /// # Errors
    ///
    /// [`Os`](crate::ErrorKind::Os), for instance if a map is to be writable whose file was opened for reading only.
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
        // Pages that are moved aside would come back with the old protection.
        self.region.check()?;
        let result = self.region.protect(protection, self.origin.parameters.access());
        result.map_err(|error| Error::os("changing the protection", error))?;
        self.origin.parameters.protection = protection;
        self.origin.written |= protection.contains(Protection::WRITE);
        Ok(())
    }

    /// Names anonymous memory; `/proc/PID/maps` shows the name as `[anon_shmem:NAME]` or `[anon:NAME]`.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput): more than 79 bytes, a zero byte, or a map of a file;
    /// [`Os`](crate::ErrorKind::Os): characters that the kernel refuses, or a kernel without names.
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

impl Advice {
    /// Whether the system knows this advice. It can still refuse it for a certain map.
    ///
    /// # Platform-specific behavior
    ///
    /// Unix asks madvise(2), with no bytes. Windows knows the four kinds that exist everywhere, of which three do nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::Advice;
    /// assert!(Advice::WILL_NEED.is_supported());
    /// assert!(!Advice::from_raw(4711).is_supported());
    /// ```
    #[must_use]
    pub fn is_supported(self) -> bool {
        sys::knows_advice(self)
    }
}
