//! [`MmapBytes`]: an owner of a map that is a plain slice.

use std::fmt;
use std::ops::{Deref, RangeBounds};
use std::sync::Arc;

use crate::error::{Detail, Result};
use crate::map::{FaultMonitor, Mmap};
use crate::range::{self, Span};
use crate::sys::{self, AsSource};

/// The bytes of a map, or a part of them, as a plain slice that owns the map: `AsRef<[u8]> + Send + Sync + 'static`.
///
/// Clones and [parts](Self::slice) share the map, which is unmapped with the last of them. [`Mmap::into_bytes`] creates one, and states
/// the promise that the caller makes; [`MmapOptions::map_immutable`](crate::MmapOptions::map_immutable) creates one from a file that
/// cannot change.
///
/// # Faults
///
/// A missing page reads as zeros, and that is never silent: each use as a slice (`Deref`, `AsRef`), and the drop of the map, check for a
/// fault, and panic with the offset and the path of the file or call the hook of
/// [`set_slice_fault_hook`](crate::set_slice_fault_hook). Between the fault and the panic a program sees zeros: a function that was
/// given the slice finishes its work on them. [`with`](Self::with) cannot be wrong: it returns the result of a closure, or the fault.
///
/// # Features
///
/// - `stable_deref_trait`: it is `StableDeref` and `CloneStableDeref`.
/// - `bytes`: it converts into a `bytes::Bytes` without a copy, which checks for faults only when the last of its parts is dropped.
///
/// # Examples
///
/// ```
/// use firmmap::MmapOptions;
/// // SAFETY: nobody edits this file while the test runs.
/// let bytes = unsafe { MmapOptions::new().open("LICENSE-MIT")?.into_bytes() };
/// let name = bytes.slice(4..11)?;
/// let thread = std::thread::spawn(move || name.eq_ignore_ascii_case(b"LICENSE"));
/// assert!(bytes.starts_with(b"MIT License") && thread.join().unwrap());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct MmapBytes {
    owner: Arc<Owner>,
    span: Span,
}

struct Owner {
    /// `None` only while this is being dropped.
    map: Option<Mmap>,
    monitor: FaultMonitor,
}

impl Owner {
    #[inline]
    fn map(&self) -> &Mmap {
        self.map.as_ref().expect("the map ends with its owner")
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        if let Some(map) = self.map.take() {
            self.monitor.finish(map);
        }
    }
}

impl Mmap {
    /// Turns the map into an owner of a plain slice.
    ///
    /// # Panics
    ///
    /// If the map does not have [`Protection::READ`](crate::Protection::READ).
    ///
    /// # Safety
    ///
    /// While the result, or something derived from it, lives, nobody changes the bytes: neither this process, through another map of the
    /// same file, nor another process. A file that is truncated does not break the promise: see [`MmapBytes`].
    ///
    /// # Examples
    ///
    /// See [`MmapBytes`].
    #[must_use]
    pub unsafe fn into_bytes(self) -> MmapBytes {
        assert!(
            self.is_readable(),
            "a slice is not possible on a map that is {}",
            self.origin.parameters.protection.words()
        );
        MmapBytes::new(self)
    }
}

/// Checks that nobody can change or truncate `file` any more, as far as the system knows.
///
/// # Errors
///
/// [`Unsupported`](crate::ErrorKind::Unsupported) where the system has no such files;
/// [`InvalidInput`](crate::ErrorKind::InvalidInput) for any other file, with what it lacks.
///
/// # Platform-specific behavior
///
/// Files in memory that are sealed against writing and shrinking on Linux, Android and FreeBSD; files with fs-verity on Linux
/// and Android.
///
/// # Examples
///
/// ```
/// let file = std::fs::File::open("Cargo.toml")?;
/// assert!(firmmap::check_immutable(&file).is_err());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check_immutable<F: AsSource>(file: &F) -> Result<()> {
    match sys::why_mutable(sys::source(file)) {
        Some(None) => Ok(()),
        Some(Some(what)) => Err(Detail::InvalidInput { what }.into()),
        None => Err(Detail::Unsupported { what: "files that cannot be changed" }.into()),
    }
}

impl MmapBytes {
    pub(crate) fn new(map: Mmap) -> Self {
        let span = Span { start: 0, len: map.len() };
        Self { owner: Arc::new(Owner { map: Some(map), monitor: FaultMonitor::new() }), span }
    }

    /// Returns a part of the slice, which shares the map.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange).
    ///
    /// # Examples
    ///
    /// See [`MmapBytes`].
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Result<Self> {
        let span = range::checked("slice", range, self.span.len)?;
        Ok(Self { owner: self.owner.clone(), span: span.shift(self.span.start) })
    }

    /// Returns the map that it owns, with all its bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// // SAFETY: nobody edits this file while the test runs.
    /// let bytes = unsafe { firmmap::MmapOptions::new().open("LICENSE-MIT")?.into_bytes() };
    /// assert_eq!(bytes.map().find(b"License", ..)?, Some(4));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn map(&self) -> &Mmap {
        self.owner.map()
    }

    /// Runs `access` on the slice, and returns its result, or the fault if bytes of the map were missing meanwhile:
    /// [`Mmap::with_slice`], without its promise, which was made already.
    ///
    /// # Errors
    ///
    /// [`Fault`](crate::ErrorKind::Fault), also for an earlier unreported one.
    ///
    /// # Examples
    ///
    /// ```
    /// // SAFETY: nobody edits this file while the test runs.
    /// let bytes = unsafe { firmmap::MmapOptions::new().open("Cargo.toml")?.into_bytes() };
    /// let lines = bytes.with(|bytes| bytes.iter().filter(|&&byte| byte == b'\n').count())?;
    /// assert!(lines > 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn with<R>(&self, access: impl FnOnce(&[u8]) -> R) -> Result<R> {
        let (map, Span { start, len }) = (self.map(), self.span);
        // SAFETY: whoever made the owner has promised that nobody changes the bytes.
        let result = unsafe { map.with_slice(start..start + len, access) };
        result.inspect_err(|_| self.owner.monitor.acknowledge_here(map))
    }

    /// Acknowledges the faults so far: no thread is told of them any more.
    ///
    /// # Examples
    ///
    /// ```
    /// // SAFETY: nobody edits this file while the test runs.
    /// let bytes = unsafe { firmmap::MmapOptions::new().open("Cargo.toml")?.into_bytes() };
    /// bytes.acknowledge_faults();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn acknowledge_faults(&self) {
        self.owner.monitor.acknowledge(self.map());
    }
}

impl Deref for MmapBytes {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        let map = self.owner.map();
        self.owner.monitor.check(map);
        // SAFETY: whoever made the owner has promised that nobody changes the bytes.
        let bytes = unsafe { map.as_slice() };
        &bytes[self.span.start..self.span.end()]
    }
}

impl AsRef<[u8]> for MmapBytes {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl fmt::Debug for MmapBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Span { start, len } = self.span;
        f.debug_struct("MmapBytes").field("map", self.map()).field("start", &start).field("len", &len).finish()
    }
}

// SAFETY: the bytes stay where they are as long as one of the owners lives: nothing moves a map that is shared.
#[cfg(feature = "stable_deref_trait")]
unsafe impl stable_deref_trait::StableDeref for MmapBytes {}

// SAFETY: a clone has the same map.
#[cfg(feature = "stable_deref_trait")]
unsafe impl stable_deref_trait::CloneStableDeref for MmapBytes {}

#[cfg(feature = "bytes")]
impl From<MmapBytes> for bytes::Bytes {
    /// Without a copy. The bytes are used without checks for faults; the owner checks when the last part of them is dropped.
    fn from(owner: MmapBytes) -> Self {
        Self::from_owner(owner)
    }
}
