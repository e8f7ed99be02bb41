//! Plain structs at any offset of a map, by what zerocopy or bytemuck call plain.

use std::iter::FusedIterator;
use std::mem::MaybeUninit;
use std::ops::RangeBounds;

use crate::error::Result;
use crate::map::Mmap;
use crate::map::values::Values;
use crate::region;

impl Mmap {
    /// Copies a value's bytes into private memory, and makes it of them.
    #[inline]
    fn copy_value<T>(&self, offset: usize, make: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let mut value = MaybeUninit::<T>::uninit();
        let bytes = self.read_uninit_at(region::value_bytes(&mut value), offset)?;
        Ok(make(bytes))
    }
}

#[cfg(feature = "zerocopy")]
impl Mmap {
    /// A copy of the struct at `offset`, which need not be aligned. With the feature `zerocopy`, whose `FromBytes` says which types
    /// any bytes are a value of.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if not all of its bytes are in the map;
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use zerocopy::byteorder::little_endian::{U32, U64};
    /// #[derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::Immutable)]
    /// #[repr(C)]
    /// struct Record {
    ///     id: U32,
    ///     count: U32,
    ///     price: U64,
    /// }
    /// let map = firmmap::MmapOptions::new().len(100).map_anonymous()?;
    /// map.write_struct_at(&Record { id: 7.into(), count: 1.into(), price: 25.into() }, 33)?;
    /// let record: Record = map.read_struct_at(33)?;
    /// assert_eq!((record.id.get(), record.price.get()), (7, 25));
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn read_struct_at<T: zerocopy::FromBytes>(&self, offset: usize) -> Result<T> {
        self.copy_value(offset, |bytes| T::read_from_bytes(bytes).expect("as many bytes as the value has"))
    }

    /// Writes the bytes of `value` at `offset`, which need not be aligned, or nothing. With the feature `zerocopy`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if there is not enough room,
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map; nothing is written then.
    ///
    /// # Examples
    ///
    /// See [`read_struct_at`](Self::read_struct_at).
    #[inline]
    pub fn write_struct_at<T: zerocopy::IntoBytes + zerocopy::Immutable>(
        &self,
        value: &T,
        offset: usize,
    ) -> Result<()> {
        self.write_all_at(value.as_bytes(), offset)
    }

    /// The structs of `range`, one behind the other. With the feature `zerocopy`.
    ///
    /// They are read ahead, up to 16 KiB, as lines are. After an error there are no more.
    ///
    /// # Errors
    ///
    /// As [`read_struct_at`](Self::read_struct_at), and [`InvalidInput`](crate::ErrorKind::InvalidInput) for a range that is no whole
    /// number of them, or a type without bytes. Each can be a [`Fault`](crate::ErrorKind::Fault).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(24).map_anonymous()?;
    /// map.write_struct_at(&[1_u32, 2, 3], 12)?;
    /// let rows: Vec<[u32; 3]> = map.structs(..)?.collect::<Result<_, _>>()?;
    /// assert_eq!(rows, [[0, 0, 0], [1, 2, 3]]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn structs<T: zerocopy::FromBytes>(
        &self,
        range: impl RangeBounds<usize>,
    ) -> Result<impl FusedIterator<Item = Result<T>>> {
        let decode = |bytes: &[u8]| T::read_from_bytes(bytes).expect("as many bytes as the value has");
        Values::new(self, "structs", range, size_of::<T>(), decode)
    }
}

#[cfg(feature = "bytemuck")]
impl Mmap {
    /// A copy of the plain value at `offset`, which need not be aligned. With the feature `bytemuck`, whose `AnyBitPattern` says which
    /// types any bytes are a value of.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if not all of its bytes are in the map;
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(100).map_anonymous()?;
    /// map.write_pod_at(&[1.5_f32, 2.5], 33)?;
    /// assert_eq!(map.read_pod_at::<[f32; 2]>(33)?, [1.5, 2.5]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn read_pod_at<T: bytemuck::AnyBitPattern>(&self, offset: usize) -> Result<T> {
        self.copy_value(offset, bytemuck::pod_read_unaligned)
    }

    /// Writes the bytes of `value` at `offset`, which need not be aligned, or nothing. With the feature `bytemuck`.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if there is not enough room,
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map; nothing is written then.
    ///
    /// # Examples
    ///
    /// See [`read_pod_at`](Self::read_pod_at).
    #[inline]
    pub fn write_pod_at<T: bytemuck::NoUninit>(&self, value: &T, offset: usize) -> Result<()> {
        self.write_all_at(bytemuck::bytes_of(value), offset)
    }

    /// The plain values of `range`, one behind the other. With the feature `bytemuck`.
    ///
    /// They are read ahead, up to 16 KiB, as lines are. After an error there are no more.
    ///
    /// # Errors
    ///
    /// As [`read_pod_at`](Self::read_pod_at), and [`InvalidInput`](crate::ErrorKind::InvalidInput) for a range that is no whole
    /// number of them, or a type without bytes. Each can be a [`Fault`](crate::ErrorKind::Fault).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(24).map_anonymous()?;
    /// map.write_pod_at(&[1_u32, 2, 3], 12)?;
    /// let rows: Vec<[u32; 3]> = map.pods(..)?.collect::<Result<_, _>>()?;
    /// assert_eq!(rows, [[0, 0, 0], [1, 2, 3]]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn pods<T: bytemuck::AnyBitPattern>(
        &self,
        range: impl RangeBounds<usize>,
    ) -> Result<impl FusedIterator<Item = Result<T>>> {
        Values::new(self, "values", range, size_of::<T>(), |bytes: &[u8]| bytemuck::pod_read_unaligned(bytes))
    }
}
