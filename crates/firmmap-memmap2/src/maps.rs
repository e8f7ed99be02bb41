//! [`Mmap`], [`MmapMut`], [`MmapRaw`].

use std::fmt;
use std::io;
use std::ops::{Deref, DerefMut};

use firmmap::{FlushFlags, Protection};

#[cfg(unix)]
use crate::advice::{Advice, UncheckedAdvice};
use crate::descriptor::MmapAsRawDesc;
use crate::immutable::MapIfSafeError;
use crate::inner::Inner;
use crate::options::MmapOptions;
#[cfg(target_os = "linux")]
use crate::remap::RemapOptions;

/// A map that cannot be written to: a `&[u8]`.
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::Mmap;
/// let file = std::fs::File::open("Cargo.toml")?;
/// // SAFETY: nobody edits this file while the test runs.
/// let map = unsafe { Mmap::map(&file)? };
/// assert!(map.starts_with(b"[package]"));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct Mmap {
    inner: Inner,
}

/// A map that can be written to: a `&mut [u8]`.
///
/// # Examples
///
/// ```
/// use firmmap_memmap2::MmapMut;
/// let file = tempfile::tempfile()?;
/// file.set_len(5)?;
/// // SAFETY: nobody else has the file.
/// let mut map = unsafe { MmapMut::map_mut(&file)? };
/// map.copy_from_slice(b"hello");
/// map.flush()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MmapMut {
    inner: Inner,
}

/// A map that is used through pointers.
///
/// # Examples
///
/// ```
/// let file = tempfile::tempfile()?;
/// file.set_len(5)?;
/// let map = firmmap_memmap2::MmapRaw::map_raw(&file)?;
/// assert_eq!((map.len(), map.as_ptr()), (5, map.as_mut_ptr().cast_const()));
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MmapRaw {
    inner: Inner,
}

/// What all three have.
macro_rules! common {
    ($name:ident) => {
        impl $name {
            pub(crate) fn new(inner: Inner) -> Self {
                Self { inner }
            }

            #[inline]
            pub(crate) fn inner(&self) -> &Inner {
                &self.inner
            }

            /// Tells the system how the map is going to be used: madvise(2).
            ///
            /// # Errors
            ///
            /// Those of the system; a fault that nobody was told of.
            #[cfg(unix)]
            pub fn advise(&self, advice: Advice) -> io::Result<()> {
                self.inner.advise(advice.into(), 0, self.inner.map().len())
            }

            /// As [`advise`](Self::advise), with advice that can change what the bytes are.
            ///
            /// # Safety
            ///
            /// Nobody relies on the bytes: a slice that somebody holds must not change.
            ///
            /// # Errors
            ///
            /// As [`advise`](Self::advise).
            #[cfg(unix)]
            pub unsafe fn unchecked_advise(&self, advice: UncheckedAdvice) -> io::Result<()> {
                self.inner.advise(advice.into(), 0, self.inner.map().len())
            }

            /// [`advise`](Self::advise) for `len` bytes from `offset` on, made larger to whole pages.
            ///
            /// # Errors
            ///
            /// As [`advise`](Self::advise), and of the kind [`InvalidInput`](io::ErrorKind::InvalidInput) for what is not in the map.
            #[cfg(unix)]
            pub fn advise_range(&self, advice: Advice, offset: usize, len: usize) -> io::Result<()> {
                self.inner.advise(advice.into(), offset, len)
            }

            /// [`unchecked_advise`](Self::unchecked_advise) for `len` bytes from `offset` on, made larger to whole pages.
            ///
            /// # Safety
            ///
            /// As [`unchecked_advise`](Self::unchecked_advise).
            ///
            /// # Errors
            ///
            /// As [`advise_range`](Self::advise_range).
            #[cfg(unix)]
            pub unsafe fn unchecked_advise_range(
                &self,
                advice: UncheckedAdvice,
                offset: usize,
                len: usize,
            ) -> io::Result<()> {
                self.inner.advise(advice.into(), offset, len)
            }

            /// Keeps the pages in memory: mlock(2).
            ///
            /// # Errors
            ///
            /// Those of the system; a fault that nobody was told of.
            #[cfg(unix)]
            pub fn lock(&self) -> io::Result<()> {
                self.inner.lock()
            }

            /// Undoes [`lock`](Self::lock).
            ///
            /// # Errors
            ///
            /// As [`lock`](Self::lock).
            #[cfg(unix)]
            pub fn unlock(&self) -> io::Result<()> {
                self.inner.unlock()
            }

            /// Changes the length of the map, and leaves its file alone: mremap(2). What lies past the end of the file is missing
            /// until the file has it.
            ///
            /// # Safety
            ///
            /// Nobody holds an address in the map, if it may move or becomes shorter; and as for making the map.
            ///
            /// # Errors
            ///
            /// Those of the system; a fault that nobody was told of.
            #[cfg(target_os = "linux")]
            pub unsafe fn remap(&mut self, new_len: usize, options: RemapOptions) -> io::Result<()> {
                self.inner.remap(new_len, options.may_move)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.inner.fmt(stringify!($name), f)
            }
        }
    };
}

common!(Mmap);
common!(MmapMut);
common!(MmapRaw);

/// What those that may be writable have.
macro_rules! flushes {
    ($name:ident) => {
        impl $name {
            /// Brings all changes to the disk.
            ///
            /// # Errors
            ///
            /// Those of the system; a fault that nobody was told of.
            pub fn flush(&self) -> io::Result<()> {
                self.inner.flush(0, self.inner.map().len(), FlushFlags::SYNC)
            }

            /// Starts bringing all changes to the disk.
            ///
            /// # Errors
            ///
            /// As [`flush`](Self::flush).
            pub fn flush_async(&self) -> io::Result<()> {
                self.inner.flush(0, self.inner.map().len(), FlushFlags::ASYNC)
            }

            /// Brings the changes in `len` bytes from `offset` on, made larger to whole pages, to the disk.
            ///
            /// # Errors
            ///
            /// As [`flush`](Self::flush), and of the kind [`InvalidInput`](io::ErrorKind::InvalidInput) for what is not in the map.
            pub fn flush_range(&self, offset: usize, len: usize) -> io::Result<()> {
                self.inner.flush(offset, len, FlushFlags::SYNC)
            }

            /// Starts bringing the changes in `len` bytes from `offset` on to the disk.
            ///
            /// # Errors
            ///
            /// As [`flush_range`](Self::flush_range).
            pub fn flush_async_range(&self, offset: usize, len: usize) -> io::Result<()> {
                self.inner.flush(offset, len, FlushFlags::ASYNC)
            }
        }
    };
}

flushes!(MmapMut);
flushes!(MmapRaw);

/// What those that are slices have.
macro_rules! slices {
    ($name:ident) => {
        impl Deref for $name {
            type Target = [u8];

            #[inline]
            fn deref(&self) -> &[u8] {
                self.inner.bytes()
            }
        }

        impl AsRef<[u8]> for $name {
            #[inline]
            fn as_ref(&self) -> &[u8] {
                self.inner.bytes()
            }
        }

        // SAFETY: the bytes stay where they are until the map is dropped, or moved by `remap`, which is unsafe.
        #[cfg(feature = "stable_deref_trait")]
        unsafe impl stable_deref_trait::StableDeref for $name {}
    };
}

slices!(Mmap);
slices!(MmapMut);

impl DerefMut for MmapMut {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.inner.bytes_mut()
    }
}

impl AsMut<[u8]> for MmapMut {
    #[inline]
    fn as_mut(&mut self) -> &mut [u8] {
        self.inner.bytes_mut()
    }
}

impl Mmap {
    /// A read-only map of a whole file.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map<T: MmapAsRawDesc>(file: T) -> io::Result<Self> {
        // SAFETY: the caller's promise.
        unsafe { MmapOptions::new().map(file) }
    }

    /// [`MmapOptions::map_if_safe`] of a whole file.
    ///
    /// # Errors
    ///
    /// [`MapIfSafeError`] says which.
    pub fn map_if_safe<T: MmapAsRawDesc>(file: T) -> Result<Self, MapIfSafeError> {
        MmapOptions::new().map_if_safe(file)
    }

    /// The same map, writable.
    ///
    /// # Errors
    ///
    /// Those of the system, for instance for a file that was opened for reading only. The map is gone then.
    pub fn make_mut(mut self) -> io::Result<MmapMut> {
        self.inner.protect(Protection::READ | Protection::WRITE)?;
        Ok(MmapMut::new(self.inner))
    }
}

impl MmapMut {
    /// A map of a whole file whose changes reach the file.
    ///
    /// # Safety
    ///
    /// See [`MmapOptions`].
    pub unsafe fn map_mut<T: MmapAsRawDesc>(file: T) -> io::Result<Self> {
        // SAFETY: the caller's promise.
        unsafe { MmapOptions::new().map_mut(file) }
    }

    /// `length` bytes of memory without a file, all zero.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn map_anon(length: usize) -> io::Result<Self> {
        MmapOptions::new().len(length).map_anon()
    }

    /// The same map, read-only.
    ///
    /// # Errors
    ///
    /// Those of the system. The map is gone then.
    pub fn make_read_only(mut self) -> io::Result<Mmap> {
        self.inner.protect(Protection::READ)?;
        Ok(Mmap::new(self.inner))
    }

    /// The same map, executable and not writable.
    ///
    /// # Errors
    ///
    /// Those of the system. The map is gone then.
    pub fn make_exec(mut self) -> io::Result<Mmap> {
        self.inner.protect(Protection::READ | Protection::EXEC)?;
        Ok(Mmap::new(self.inner))
    }
}

impl MmapRaw {
    /// A map of a whole file whose changes reach the file.
    ///
    /// # Errors
    ///
    /// Those of the system.
    pub fn map_raw<T: MmapAsRawDesc>(file: T) -> io::Result<Self> {
        MmapOptions::new().map_raw(file)
    }

    /// The address of the first byte.
    #[inline]
    pub fn as_ptr(&self) -> *const u8 {
        self.inner.map().as_ptr()
    }

    /// The address of the first byte. Writing through it where the map is read-only ends the process.
    #[inline]
    pub fn as_mut_ptr(&self) -> *mut u8 {
        self.inner.map().as_mut_ptr()
    }

    /// How many bytes the map has.
    #[inline]
    pub fn len(&self) -> usize {
        self.inner.map().len()
    }
}

impl From<Mmap> for MmapRaw {
    fn from(map: Mmap) -> Self {
        Self::new(map.inner)
    }
}

impl From<MmapMut> for MmapRaw {
    fn from(map: MmapMut) -> Self {
        Self::new(map.inner)
    }
}
