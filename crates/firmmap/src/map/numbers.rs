//! Numbers at any offset of a map: [`Mmap::get_le`], [`Mmap::set_le`] and the like.

use std::iter::FusedIterator;
use std::ops::RangeBounds;

use crate::error::Result;
use crate::map::Mmap;
use crate::map::values::Values;
use crate::range;

mod sealed {
    use crate::region::Word;

    /// What [`Number`](super::Number) can do: nothing for others to call.
    pub(crate) trait Sealed: Sized {
        /// An integer of the same length.
        type Word: Word;
        fn from_word(word: Self::Word, order: Order) -> Self;
        fn into_word(self, order: Order) -> Self::Word;
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

/// The types that [`Mmap::get_le`] and the like read and write: integers of 8 to 128 bits, `f32` and `f64`.
///
/// The trait is sealed.
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
    ($($type:ty: $word:ty,)*) => {$(
        impl Number for $type {}

        impl Sealed for $type {
            type Word = $word;

            #[inline(always)]
            fn from_word(word: $word, order: Order) -> Self {
                let word = match order {
                    Order::Little => <$word>::from_le(word),
                    Order::Big => <$word>::from_be(word),
                    Order::Native => word,
                };
                Self::from_ne_bytes(word.to_ne_bytes())
            }

            #[inline(always)]
            fn into_word(self, order: Order) -> $word {
                let word = <$word>::from_ne_bytes(self.to_ne_bytes());
                match order {
                    Order::Little => word.to_le(),
                    Order::Big => word.to_be(),
                    Order::Native => word,
                }
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

numbers! {
    u8: u8, u16: u16, u32: u32, u64: u64, u128: u128, usize: usize,
    i8: u8, i16: u16, i32: u32, i64: u64, i128: u128, isize: usize,
    f32: u32, f64: u64,
}

impl Mmap {
    /// Reads the number at `index`, in little-endian byte order. The index need not be aligned.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if not all of its bytes are in the map;
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a map that cannot be read.
    ///
    /// # Platform-specific behavior
    ///
    /// On x86-64 and aarch64 numbers of up to 64 bits are read and written by one instruction: an aligned one that another thread or
    /// process writes is read as old or new, not half of each. Elsewhere that holds only for each byte.
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

    /// Reads the number at `index`, in big-endian byte order. Otherwise like [`get_le`](Self::get_le).
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

    /// Reads the number at `index`, in native byte order. Otherwise like [`get_le`](Self::get_le).
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

    /// Writes `value` at `index`, in little-endian byte order. See [`get_le`](Self::get_le).
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange) if not all of its bytes are in the map;
    /// [`AccessDenied`](crate::ErrorKind::AccessDenied) on a read-only map. Nothing is written then.
    ///
    /// # Examples
    ///
    /// See [`get_le`](Self::get_le).
    #[inline]
    pub fn set_le<T: Number>(&self, index: usize, value: T) -> Result<()> {
        self.set_number(index, value, Order::Little)
    }

    /// Writes `value` at `index`, in big-endian byte order.
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

    /// Writes `value` at `index`, in native byte order.
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

    /// Returns an iterator over the numbers of `range`, in little-endian byte order.
    ///
    /// They are read ahead by up to 16 KiB, as lines are. It ends after an error.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`](crate::ErrorKind::OutOfRange), [`AccessDenied`](crate::ErrorKind::AccessDenied);
    /// [`InvalidInput`](crate::ErrorKind::InvalidInput) for a range that is not a whole number of them. The iterator can yield a
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

    /// Returns an iterator over the numbers of `range`, in big-endian byte order. Otherwise like [`iter_le`](Self::iter_le).
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

    /// Returns an iterator over the numbers of `range`, in native byte order. Otherwise like [`iter_le`](Self::iter_le).
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
        let word = match self.region.try_load_word(index) {
            Some(word) => word,
            None => self.word_slowly::<T>(index)?,
        };
        Ok(T::from_word(word, order))
    }

    /// The integer at `index` where the fast path has failed: finds out why.
    #[cold]
    #[inline(never)]
    fn word_slowly<T: Number>(&self, index: usize) -> Result<T::Word> {
        self.check_readable("read")?;
        match self.region.load_word(index) {
            Some(word) => Ok(word?),
            None => Err(range::outside("read", index, size_of::<T>(), self.len())),
        }
    }

    #[inline(always)]
    fn set_number<T: Number>(&self, index: usize, value: T, order: Order) -> Result<()> {
        self.check_writable("write")?;
        match self.region.store_word(index, value.into_word(order)) {
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
