//! The mapped bytes as plain memory: addresses, slices, atomics. The unsafe methods of [`Mmap`] are here, except for
//! [`into_bytes`](Mmap::into_bytes).

use std::ops::RangeBounds;
use std::sync::atomic::AtomicU8;

use crate::error::Result;
use crate::map::Mmap;

impl Mmap {
    /// Returns the address of the first byte. For an empty map it dangles, and is a multiple of the page size.
    ///
    /// It is valid until the map is resized, remapped or dropped. The bytes there are shared, and may change at any time.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert!(!map.as_ptr().is_null());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn as_ptr(&self) -> *const u8 {
        self.region.as_ptr()
    }

    /// Returns the address of the first byte, for writing. See [`as_ptr`](Self::as_ptr).
    ///
    /// A write that the map's protection does not allow ends the process.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// assert_eq!(map.as_mut_ptr().cast_const(), map.as_ptr());
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.region.as_ptr()
    }

    /// Returns the bytes as a slice of atomics: the view without a copy that needs no promise, because anybody may write to it.
    /// [`atomics`](Self::atomics) gives larger ones, and of a range.
    ///
    /// # Errors
    ///
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that is not writable, as an atomic can be stored to:
    /// [`atomics_read_only`](Self::atomics_read_only) is for those.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::Ordering;
    /// let map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// map.as_atomic()?[3].fetch_add(7, Ordering::Relaxed);
    /// assert_eq!(map.get(3)?, 7);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn as_atomic(&self) -> Result<&[AtomicU8]> {
        self.check_writable("a view of atomics")?;
        // SAFETY: the bytes are mapped, writable, and stay so while `self` is borrowed; atomics may be shared with
        // any other access of their kind, and this crate's own accesses are atomic or foreign.
        Ok(unsafe { std::slice::from_raw_parts(self.as_ptr().cast::<AtomicU8>(), self.len()) })
    }

    /// Returns the bytes as a plain slice.
    ///
    /// # Safety
    ///
    /// While the slice lives,
    ///
    /// - nobody changes the bytes: neither this process, through this map or another one of the same file, nor another
    ///   process;
    /// - the map has [`Protection::READ`](crate::Protection::READ).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("LICENSE-MIT")?;
    /// // SAFETY: nobody edits this file while the test runs.
    /// let bytes = unsafe { map.as_slice() };
    /// assert!(bytes.starts_with(b"MIT License"));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub unsafe fn as_slice(&self) -> &[u8] {
        // SAFETY: the bytes are mapped while `self` is borrowed; the caller promises that they do not change.
        unsafe { std::slice::from_raw_parts(self.as_ptr(), self.len()) }
    }

    /// Returns the bytes as a plain mutable slice.
    ///
    /// # Safety
    ///
    /// While the slice lives,
    ///
    /// - nobody else reads or changes the bytes, as for [`as_slice`](Self::as_slice);
    /// - the map has [`Protection::WRITE`](crate::Protection::WRITE).
    ///
    /// # Examples
    ///
    /// ```
    /// let mut map = firmmap::MmapOptions::new().len(5).map_anonymous()?;
    /// // SAFETY: nobody else has this memory.
    /// unsafe { map.as_mut_slice() }.copy_from_slice(b"hello");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    #[must_use]
    pub unsafe fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the bytes are mapped while `self` is borrowed; the caller promises that they are ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.as_mut_ptr(), self.len()) }
    }

    /// Runs `access` on a plain slice of `range`, and returns its result, or the fault if bytes of the map were missing
    /// meanwhile: the slice may then have held zeros that are not the file's.
    ///
    /// An earlier unreported fault is an error too; `access` is not called then. A fault of another thread in another part of the
    /// map, while `access` runs, counts as well. If `access` panics, its fault is reported by the next operation.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault); [`OutOfRange`](crate::ErrorKind::OutOfRange);
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read.
    ///
    /// # Safety
    ///
    /// While `access` runs, nobody changes the bytes of the range: neither this process, through this map or another one of the
    /// same file, nor another process.
    ///
    /// # Platform-specific behavior
    ///
    /// On Windows a page that the system cannot provide ends the process, as with [`as_slice`](Self::as_slice).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// // SAFETY: nobody edits this file while the test runs.
    /// let sum = unsafe { map.with_slice(..100, |bytes| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>()) }?;
    /// assert_ne!(sum, 0);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub unsafe fn with_slice<R>(&self, range: impl RangeBounds<usize>, access: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let span = self.readable("slice", range)?;
        Ok(self.region.scope(span, |start| {
            // SAFETY: `scope` checked the span, which stays mapped while `self` is borrowed; the caller promises that its bytes do
            // not change.
            access(unsafe { std::slice::from_raw_parts(start, span.len) })
        })?)
    }

    /// Runs `access` on a plain mutable slice of `range`, and returns its result, or the fault if bytes of the map were missing
    /// meanwhile: what was written to them is lost then.
    ///
    /// It takes `&self`, so that threads can write to disjoint parts of a map. Otherwise it is like
    /// [`with_slice`](Self::with_slice).
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault); [`OutOfRange`](crate::ErrorKind::OutOfRange);
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read or is not writable.
    ///
    /// # Safety
    ///
    /// While `access` runs, nobody else reads or changes the bytes of the range: neither this process, through this map or another
    /// one of the same file, nor another process.
    ///
    /// # Platform-specific behavior
    ///
    /// As [`with_slice`](Self::with_slice).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(9).map_anonymous()?;
    /// // SAFETY: nobody else has this memory.
    /// unsafe { map.with_mut_slice(2..7, |bytes| bytes.copy_from_slice(b"hello")) }?;
    /// assert_eq!(map.to_vec(..)?, b"\0\0hello\0\0");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub unsafe fn with_mut_slice<R>(
        &self,
        range: impl RangeBounds<usize>,
        access: impl FnOnce(&mut [u8]) -> R,
    ) -> Result<R> {
        self.check_writable("a mutable slice")?;
        let span = self.readable("slice", range)?;
        Ok(self.region.scope(span, |start| {
            // SAFETY: `scope` checked the span, which stays mapped while `self` is borrowed; the caller promises that its bytes are
            // ours alone.
            access(unsafe { std::slice::from_raw_parts_mut(start, span.len) })
        })?)
    }
}
