//! The mapped bytes as atomics of 8 to 64 bits: counters and rings that processes share.

use std::fmt;
use std::ops::RangeBounds;
use std::sync::atomic::Ordering;
use std::sync::atomic::{AtomicI8, AtomicI16, AtomicI32, AtomicI64, AtomicU8, AtomicU16, AtomicU32, AtomicU64};

use crate::error::{Detail, Result};
use crate::map::Mmap;
use crate::range::{self, Span};

mod sealed {
    /// Any bytes are a value of the type, which is as large as its alignment.
    pub trait Sealed {}
}

/// What [`Mmap::atomics`] gives: the atomic integers of the standard library of 8 to 64 bits.
///
/// Not for other crates to implement.
///
/// # Examples
///
/// See [`Mmap::atomics`].
pub trait Atomic: sealed::Sealed {
    /// What it holds.
    type Value: Copy + fmt::Debug;
    #[doc(hidden)]
    fn get(&self, order: Ordering) -> Self::Value;
}

macro_rules! atomics {
    ($($atomic:ident: $value:ty, $bits:literal;)*) => {$(
        #[cfg(target_has_atomic = $bits)]
        impl sealed::Sealed for $atomic {}

        #[cfg(target_has_atomic = $bits)]
        impl Atomic for $atomic {
            type Value = $value;

            #[inline(always)]
            fn get(&self, order: Ordering) -> $value {
                self.load(order)
            }
        }
    )*};
}

atomics! {
    AtomicU8: u8, "8";
    AtomicI8: i8, "8";
    AtomicU16: u16, "16";
    AtomicI16: i16, "16";
    AtomicU32: u32, "32";
    AtomicI32: i32, "32";
    AtomicU64: u64, "64";
    AtomicI64: i64, "64";
}

/// An atomic that can be loaded and nothing else: what a map that is not writable consists of. A store to it would end the process.
///
/// # Examples
///
/// See [`Mmap::atomics_read_only`].
#[repr(transparent)]
pub struct ReadOnly<A>(A);

impl<A: Atomic> ReadOnly<A> {
    /// The value, as `load` of the atomic gives it.
    ///
    /// # Panics
    ///
    /// If `order` is [`Release`](Ordering::Release) or [`AcqRel`](Ordering::AcqRel).
    ///
    /// # Examples
    ///
    /// See [`Mmap::atomics_read_only`].
    #[inline]
    pub fn load(&self, order: Ordering) -> A::Value {
        self.0.get(order)
    }
}

impl<A: Atomic> fmt::Debug for ReadOnly<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.load(Ordering::Relaxed).fmt(f)
    }
}

impl Mmap {
    /// The bytes of `range` as atomic integers in the processor's own order, without a copy. They may be shared with other threads and
    /// processes that use atomics of the same size there.
    ///
    /// # Errors
    ///
    /// - [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that is not writable, as an atomic can be stored to:
    ///   [`atomics_read_only`](Self::atomics_read_only) is for those.
    /// - [`InvalidInput`](crate::ErrorKind::InvalidInput): the first byte is not aligned for them (a map whose
    ///   [`offset`](Self::offset) is a multiple of 8 is, at index 0), or the range is no whole number of them.
    /// - [`OutOfRange`](crate::ErrorKind::OutOfRange).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU64, Ordering};
    /// let map = firmmap::MmapOptions::new().len(64).map_anonymous()?;
    /// let [head, tail] = map.atomics::<AtomicU64>(..16)? else { unreachable!("16 bytes are two") };
    /// head.store(7, Ordering::Release);
    /// assert_eq!(head.load(Ordering::Acquire) - tail.load(Ordering::Acquire), 7);
    /// let error = map.atomics::<AtomicU64>(4..12).unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "a view of atomics position 4 is not aligned: its address is 4 more than a multiple of 8"
    /// );
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn atomics<A: Atomic>(&self, range: impl RangeBounds<usize>) -> Result<&[A]> {
        self.check_writable(VIEW)?;
        let span = self.aligned::<A>(range::checked(VIEW, range, self.len())?)?;
        let start = self.as_ptr().wrapping_add(span.start).cast::<A>();
        // SAFETY: the bytes are mapped, writable, and stay so while `self` is borrowed; the address was checked to be aligned; atomics
        // may be shared with any other access of their kind, and this crate's own accesses are atomic or foreign.
        Ok(unsafe { std::slice::from_raw_parts(start, span.len / size_of::<A>()) })
    }

    /// As [`atomics`](Self::atomics), of any map that can be read, for loads alone.
    ///
    /// # Errors
    ///
    /// As [`atomics`](Self::atomics), and [`AccessDenied`](crate::ErrorKind::AccessDenied) only on a map that cannot be read.
    ///
    /// # Platform-specific behavior
    ///
    /// Atomics that are larger than a pointer cannot be loaded from read-only memory:
    /// [`Unsupported`](crate::ErrorKind::Unsupported), on systems of 32 bits.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::sync::atomic::{AtomicU8, Ordering};
    /// let map = firmmap::MmapOptions::new().open("Cargo.toml")?;
    /// let bytes = map.atomics_read_only::<AtomicU8>(..)?;
    /// assert_eq!(bytes[1].load(Ordering::Relaxed), b'p');
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[inline]
    pub fn atomics_read_only<A: Atomic>(&self, range: impl RangeBounds<usize>) -> Result<&[ReadOnly<A>]> {
        if size_of::<A>() > size_of::<usize>() {
            return Err(
                Detail::Unsupported { what: "atomics of read-only memory that are larger than a pointer" }.into()
            );
        }
        let span = self.aligned::<A>(self.readable(VIEW, range)?)?;
        let start = self.as_ptr().wrapping_add(span.start).cast::<ReadOnly<A>>();
        // SAFETY: the bytes are mapped, readable, and stay so while `self` is borrowed; the address was checked to be aligned. Relaxed
        // loads up to the size of a pointer are allowed from read-only memory, and stronger ones are made of those.
        Ok(unsafe { std::slice::from_raw_parts(start, span.len / size_of::<A>()) })
    }

    /// Checks that the bytes of `span` are a whole number of aligned atomics.
    #[inline]
    fn aligned<A>(&self, span: Span) -> Result<Span> {
        const { assert!(size_of::<A>() == align_of::<A>(), "atomics are as large as their alignment") };
        let size = size_of::<A>();
        if span.len & (size - 1) != 0 {
            return Err(Detail::PartialValue { operation: VIEW, len: span.len, size }.into());
        }
        let excess = self.as_ptr().addr().wrapping_add(span.start) % size;
        if excess != 0 {
            return Err(Detail::Misaligned { operation: VIEW, start: span.start, alignment: size, excess }.into());
        }
        Ok(span)
    }
}

const VIEW: &str = "a view of atomics";
