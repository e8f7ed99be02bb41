//! Not in memmap2: faults, which are bytes of a map that were missing when they were used.
//!
//! The crate's documentation says what happens then; here is how a program asks for itself, and what it can have in place of a panic.
//!
//! # Examples
//!
//! ```
//! # #[cfg(unix)] {
//! use firmmap_memmap2::{Mmap, fault};
//! let file = tempfile::tempfile()?;
//! file.set_len(10_000)?;
//! // SAFETY: nobody else has the file.
//! let map = unsafe { Mmap::map(&file)? };
//! let count = |bytes: &[u8]| bytes.iter().filter(|&&byte| byte == 0).count();
//! assert_eq!(fault::with_slice(&map, count)?, 10_000);
//! file.set_len(0)?;
//! assert!(fault::with_slice(&map, count).is_err()); // though there were 10,000 zeros to be seen
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

use std::io;

pub use firmmap::SliceFault as Fault;

use crate::inner::Inner;
use crate::maps::{Mmap, MmapMut, MmapRaw};

mod sealed {
    pub(crate) trait Sealed {
        fn inner(&self) -> &super::Inner;
    }
}

/// One of the three kinds of maps. Not for other crates to implement.
#[allow(private_bounds, reason = "what is in them is not for others")]
pub trait AnyMmap: sealed::Sealed {}

macro_rules! kinds {
    ($($name:ident)*) => {$(
        impl AnyMmap for $name {}
        impl sealed::Sealed for $name {
            fn inner(&self) -> &Inner {
                self.inner()
            }
        }
    )*};
}

kinds!(Mmap MmapMut MmapRaw);

/// Sets what is called when a fault is found, in place of the panic: it can abort, log or count. If it returns, the program goes on
/// with the zeros that it has read.
///
/// There is one hook for the process, [that of firmmap](firmmap::set_slice_fault_hook); a second one replaces the first. It is called by the thread
/// that is told: once for each fault.
///
/// # Examples
///
/// ```
/// firmmap_memmap2::fault::set_hook(|fault| {
///     eprintln!("{fault}");
///     std::process::abort();
/// });
/// ```
pub fn set_hook(hook: impl Fn(&Fault) + Send + Sync + 'static) {
    firmmap::set_slice_fault_hook(hook);
}

/// Runs `access` on the bytes of `map`, and gives its result, or an error if bytes were missing meanwhile: this is the form that cannot
/// be wrong.
///
/// # Errors
///
/// The fault, also one that this thread has met before and was not told of: `access` is not called then.
///
/// # Examples
///
/// See the [module](self).
pub fn with_slice<R>(map: &Mmap, access: impl FnOnce(&[u8]) -> R) -> io::Result<R> {
    let inner = map.inner();
    // SAFETY: whoever has made the map has promised that nobody changes the file.
    inner.done(unsafe { inner.map().with_slice(.., access) })
}

/// As [`with_slice`], of a map that can be changed. After an error what `access` has written to it may be lost.
///
/// # Errors
///
/// As [`with_slice`].
///
/// # Examples
///
/// ```
/// let mut map = firmmap_memmap2::MmapMut::map_anon(10)?;
/// firmmap_memmap2::fault::with_mut_slice(&mut map, |bytes| bytes.fill(7))?;
/// assert_eq!(map[9], 7);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn with_mut_slice<R>(map: &mut MmapMut, access: impl FnOnce(&mut [u8]) -> R) -> io::Result<R> {
    let inner = map.inner();
    // SAFETY: whoever has made the map has promised that nobody else uses the file, and nobody else has the map.
    inner.done(unsafe { inner.map().with_mut_slice(.., access) })
}

/// An error if `map` has met a fault that this thread was not told of; from then on it was told.
///
/// # Errors
///
/// The [`Fault`], in an [`io::Error`] of the kind [`Other`](io::ErrorKind::Other).
///
/// # Examples
///
/// ```
/// let map = firmmap_memmap2::MmapMut::map_anon(10)?;
/// firmmap_memmap2::fault::check(&map)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn check<M: AnyMmap>(map: &M) -> io::Result<()> {
    let inner = map.inner();
    inner.monitor().try_check(inner.map()).map_err(io::Error::other)
}

/// How many faults `map` has met. The number never goes back: whoever gets the same before and after has read nothing but what was in
/// the file.
///
/// # Examples
///
/// ```
/// let map = firmmap_memmap2::MmapMut::map_anon(10)?;
/// assert_eq!(firmmap_memmap2::fault::count(&map), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn count<M: AnyMmap>(map: &M) -> u64 {
    map.inner().map().fault_count()
}

/// Says that the faults of `map` until now are known: no thread is told of them any more.
///
/// # Examples
///
/// ```
/// let map = firmmap_memmap2::MmapMut::map_anon(10)?;
/// firmmap_memmap2::fault::acknowledge(&map);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn acknowledge<M: AnyMmap>(map: &M) {
    let inner = map.inner();
    inner.monitor().acknowledge(inner.map());
}
