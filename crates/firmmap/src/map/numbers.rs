//! Numbers at any offset of a map: [`Mmap::get_le`], [`Mmap::set_le`] and the like.

use std::iter::FusedIterator;
use std::ops::RangeBounds;

use crate::error::Result;
use crate::map::Mmap;
use crate::map::values::Values;
use crate::range;
use crate::region::Region;

mod sealed {
    use super::Region;
    use crate::fault::Fault;

    /// What [`Number`](super::Number) can do: nothing for others to call.
    pub(crate) trait Sealed: Sized {
        fn load(region: &Region, start: usize, order: Order) -> Option<std::result::Result<Self, Fault>>;
        fn store(self, region: &Region, start: usize, order: Order) -> Option<std::result::Result<(), Fault>>;
        fn decode(bytes: &[u8], order: Order) -> Self;
    }

    /// The order of a number's bytes.
    #[derive(Clone, Copy)]
    pub(crate) enum Order {
        Little,
        Big,
        Native,
    }
}

use sealed::{Order, Sealed};

/// What [`Mmap::get_le`] and the like read and write: integers of 8 to 128 bits, `f32` and `f64`.
///
/// Not for other crates to implement.
///
/// # Examples
///
/// ```
/// fn checksum<T: firmmap::Number + Into<u64>>(map: &firmmap::Mmap) -> firmmap::Result<u64> {
///     map.iter_le::<T>(..)?.map(|value| value.map(Into::into)).sum()
/// }
/// let map = firmmap::MmapOptions::new().len(8).map_anonymous()?;
/// map.set(4, 7)?;
/// assert_eq!(checksum::<u32>(&map)?, 7);
/// # Ok::<(), firmmap::Error>(())
/// ```
#[allow(private_bounds, reason = "what it can do is not for others to call")]
pub trait Number: Copy + Sealed {}

macro_rules! numbers {
    ($($type:ty)*) => {$(
        impl Number for $type {}

        impl Sealed for $type {
            #[inline(always)]
            fn load(region: &Region, start: usize, order: Order) -> Option<std::result::Result<Self, crate::fault::Fault>> {
                let bytes = region.load_word(start)?;
                Some(bytes.map(|bytes| match order {
                    Order::Little => Self::from_le_bytes(bytes),
                    Order::Big => Self::from_be_bytes(bytes),
                    Order::Native => Self::from_ne_bytes(bytes),
                }))
            }

            #[inline(always)]
            fn store(self, region: &Region, start: usize, order: Order) -> Option<std::result::Result<(), crate::fault::Fault>> {
                region.store_word(start, match order {
                    Order::Little => self.to_le_bytes(),
                    Order::Big => self.to_be_bytes(),
                    Order::Native => self.to_ne_bytes(),
                })
            }

            #[inline(always)]
            fn decode(bytes: &[u8], order: Order) -> Self {
                let bytes = bytes.try_into().expect("as many bytes as the number has");
                match order {
                    Order::Little => Self::from_le_bytes(bytes),
                    Order::Big => Self::from_be_bytes(bytes),
                    Order::Native => Self::from_ne_bytes(bytes),
                }
            }
        }
    )*};
}

numbers!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);

impl Mmap {
    /// The number at `index`, in little-endian order: its lowest byte comes first. Any index will do, aligned or not.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if not all of its bytes are in the map;
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read.
    ///
    /// # Platform-specific behavior
    ///
    /// On x86-64 and aarch64 numbers of up to 64 bits are read and written by one instruction: where they are aligned, one that
    /// another thread or process writes comes out old or new, not half of each. Elsewhere each byte does on its own.
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(10).map_anonymous()?;
    /// map.set_le(3, 0x1234_u16)?;
    /// assert_eq!((map.get(3)?, map.get(4)?), (0x34, 0x12));
    /// assert_eq!(map.get_le::<u32>(3)?, 0x1234);
    /// assert_eq!(map.get_le::<u32>(7).unwrap_err().to_string(), "read range 7..11 is outside the map of 10 bytes");
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn get_le<T: Number>(&self, index: usize) -> Result<T> {
        self.get_number(index, Order::Little)
    }

    /// The number at `index`, in big-endian order: its highest byte comes first. In all else as [`get_le`](Self::get_le).
    ///
    /// # Errors
    ///
    /// As [`get_le`](Self::get_le).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(10).map_anonymous()?;
    /// map.set_be(0, -2_i64)?;
    /// assert_eq!((map.get_be::<i64>(0)?, map.get(7)?), (-2, 0xfe));
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn get_be<T: Number>(&self, index: usize) -> Result<T> {
        self.get_number(index, Order::Big)
    }

    /// The number at `index`, in the processor's own order. In all else as [`get_le`](Self::get_le).
    ///
    /// # Errors
    ///
    /// As [`get_le`](Self::get_le).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(10).map_anonymous()?;
    /// map.set_ne(1, 0.5_f64)?;
    /// assert_eq!(map.get_ne::<f64>(1)?, 0.5);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[inline]
    pub fn get_ne<T: Number>(&self, index: usize) -> Result<T> {
        self.get_number(index, Order::Native)
    }

    /// Writes `value` at `index`, in little-endian order, or nothing. See [`get_le`](Self::get_le).
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if not all of its bytes are in the map;
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map.
    ///
    /// # Examples
    ///
    /// See [`get_le`](Self::get_le).
    #[inline]
    pub fn set_le<T: Number>(&self, index: usize, value: T) -> Result<()> {
        self.set_number(index, value, Order::Little)
    }

    /// Writes `value` at `index`, in big-endian order, or nothing.
    ///
    /// # Errors
    ///
    /// As [`set_le`](Self::set_le).
    ///
    /// # Examples
    ///
    /// See [`get_be`](Self::get_be).
    #[inline]
    pub fn set_be<T: Number>(&self, index: usize, value: T) -> Result<()> {
        self.set_number(index, value, Order::Big)
    }

    /// Writes `value` at `index`, in the processor's own order, or nothing.
    ///
    /// # Errors
    ///
    /// As [`set_le`](Self::set_le).
    ///
    /// # Examples
    ///
    /// See [`get_ne`](Self::get_ne).
    #[inline]
    pub fn set_ne<T: Number>(&self, index: usize, value: T) -> Result<()> {
        self.set_number(index, value, Order::Native)
    }

    /// The numbers of `range`, one behind the other, in little-endian order.
    ///
    /// They are read ahead, up to 16 KiB, as lines are. After an error there are no more.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied);
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a range that is no whole number of them. Each can be a
    /// [`Fault`](crate::ErrorKind::Fault).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(12).map_anonymous()?;
    /// map.write_all_at(&[1, 0, 2, 0, 3, 0], 6)?;
    /// let numbers: Vec<u16> = map.iter_le(6..)?.collect::<Result<_, _>>()?;
    /// assert_eq!(numbers, [1, 2, 3]);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn iter_le<T: Number>(&self, range: impl RangeBounds<usize>) -> Result<impl FusedIterator<Item = Result<T>>> {
        self.numbers::<T>(range, Order::Little)
    }

    /// The numbers of `range` in big-endian order. In all else as [`iter_le`](Self::iter_le).
    ///
    /// # Errors
    ///
    /// As [`iter_le`](Self::iter_le).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(4).map_anonymous()?;
    /// map.write_all_at(&[0, 1, 0, 2], 0)?;
    /// assert_eq!(map.iter_be::<u16>(..)?.sum::<Result<u16, _>>()?, 3);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn iter_be<T: Number>(&self, range: impl RangeBounds<usize>) -> Result<impl FusedIterator<Item = Result<T>>> {
        self.numbers::<T>(range, Order::Big)
    }

    /// The numbers of `range` in the processor's own order. In all else as [`iter_le`](Self::iter_le).
    ///
    /// # Errors
    ///
    /// As [`iter_le`](Self::iter_le).
    ///
    /// # Examples
    ///
    /// ```
    /// let map = firmmap::MmapOptions::new().len(16).map_anonymous()?;
    /// map.set_ne(8, 1.5_f64)?;
    /// assert_eq!(map.iter_ne::<f64>(..)?.last().unwrap()?, 1.5);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    pub fn iter_ne<T: Number>(&self, range: impl RangeBounds<usize>) -> Result<impl FusedIterator<Item = Result<T>>> {
        self.numbers::<T>(range, Order::Native)
    }

    #[inline(always)]
    fn get_number<T: Number>(&self, index: usize, order: Order) -> Result<T> {
        self.check_readable("read")?;
        match T::load(&self.region, index, order) {
            Some(number) => Ok(number?),
            None => Err(range::outside("read", index, size_of::<T>(), self.len())),
        }
    }

    #[inline(always)]
    fn set_number<T: Number>(&self, index: usize, value: T, order: Order) -> Result<()> {
        self.check_writable("write")?;
        match value.store(&self.region, index, order) {
            Some(result) => Ok(result?),
            None => Err(range::outside("write", index, size_of::<T>(), self.len())),
        }
    }

    fn numbers<T: Number>(
        &self,
        range: impl RangeBounds<usize>,
        order: Order,
    ) -> Result<impl FusedIterator<Item = Result<T>>> {
        Values::new(self, "numbers", range, size_of::<T>(), move |bytes: &[u8]| T::decode(bytes, order))
    }
}
