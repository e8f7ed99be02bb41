//! Numbers and structs at any offset of a map.

use crate::common::{Scratch, page, pattern, refused};
use firmmap::{Access, ErrorKind, MmapOptions};

/// Each type of number, at every offset and across a page, as the standard library makes it of the same bytes.
macro_rules! agrees {
    ($($type:ident)*) => {$(
        #[test]
        fn $type() {
            let size = size_of::<$type>();
            let bytes = pattern(2 * page());
            let scratch = Scratch::new(&bytes);
            let map = scratch.map(Access::Write);
            for index in (0..40).chain(page() - size - 1..page() + 2).chain([bytes.len() - size]) {
                let here: [u8; size_of::<$type>()] = bytes[index..index + size].try_into().unwrap();
                // Compared as bytes: a float may be none.
                assert_eq!(map.get_le::<$type>(index).unwrap().to_le_bytes(), here);
                assert_eq!(map.get_be::<$type>(index).unwrap().to_be_bytes(), here);
                assert_eq!(map.get_ne::<$type>(index).unwrap().to_ne_bytes(), here);
            }
            for index in [0, 1, page() - 1, bytes.len() - size] {
                let value = <$type>::from_le_bytes(bytes[1..=size].try_into().unwrap());
                map.set_le(index, value).unwrap();
                assert_eq!(map.to_vec(index..index + size).unwrap(), value.to_le_bytes());
                map.set_be(index, value).unwrap();
                assert_eq!(map.to_vec(index..index + size).unwrap(), value.to_be_bytes());
                map.set_ne(index, value).unwrap();
                assert_eq!(map.to_vec(index..index + size).unwrap(), value.to_ne_bytes());
                map.write_all_at(&bytes[index..index + size], index).unwrap();
            }
            assert_eq!(scratch.contents(), bytes);
            let decoded: Vec<[u8; size_of::<$type>()]> =
                map.iter_be::<$type>(size..9 * size).unwrap().map(|value| value.unwrap().to_be_bytes()).collect();
            assert_eq!(decoded.concat(), &bytes[size..9 * size]);
        }
    )*};
}

// R6: integers and floats in each order, at any offset.
mod each_type {
    use super::*;
    agrees!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64);
}

// R6: what is not in the map is an error with the numbers in it, and nothing has changed.
#[test]
fn outside_of_the_map() {
    let map = MmapOptions::new().len(10).map_anonymous().unwrap();
    for index in [3, 9, 10, 11, usize::MAX - 3, usize::MAX] {
        let words = format!("range {index}..{} is outside the map of 10 bytes", index.saturating_add(8));
        refused(map.get_le::<u64>(index), ErrorKind::OutOfRange, &format!("read {words}"));
        refused(map.set_be(index, -1_i64), ErrorKind::OutOfRange, &format!("write {words}"));
    }
    assert_eq!(map.to_vec(..).unwrap(), [0; 10]);
    let empty = MmapOptions::new().len(0).map_anonymous().unwrap();
    assert!(empty.get_ne::<u8>(0).is_err());
    let words = "numbers range of 10 bytes is no whole number of values of 4 bytes";
    refused(map.iter_le::<u32>(..).map(drop), ErrorKind::InvalidInput, words);
    assert_eq!(map.iter_le::<u32>(10..).unwrap().count(), 0);
}

// B3: a read-only map.
#[test]
fn read_only_maps_refuse() {
    let scratch = Scratch::new(b"12345678");
    let map = scratch.map(Access::Read);
    refused(map.set_le(0, 1_u8), ErrorKind::AccessDenied, "write is not possible on a map that is read-only");
    assert_eq!(map.get_be::<u16>(0).unwrap(), 0x3132);
}

// F1, R7: a number that is missing is a fault, at its first byte that is; an iterator ends after it.
#[cfg(unix)]
#[test]
fn missing_numbers() {
    let scratch = Scratch::new(&pattern(6 * page()));
    let map = scratch.map(Access::Write);
    scratch.file().set_len(5 * page() as u64).unwrap();
    let end = 5 * page();
    assert_eq!(map.get_le::<u64>(end).unwrap_err().fault_offset(), Some(end));
    assert_eq!(map.get_le::<u64>(end - 3).unwrap_err().fault_offset(), Some(end));
    assert_eq!(map.get_le::<u16>(end - 2).unwrap().to_le_bytes(), pattern(end)[end - 2..]);
    assert_eq!(map.set_ne(end - 3, 1_u32).unwrap_err().fault_offset(), Some(end));
    let mut numbers = map.iter_le::<u32>(2..6 * page() - 2).unwrap();
    let whole = (end - 2) / 4;
    assert_eq!(numbers.by_ref().take_while(Result::is_ok).count(), whole);
    assert!(numbers.next().is_none() && numbers.next().is_none());
    let mut numbers = map.iter_le::<u32>(end..).unwrap();
    assert_eq!(numbers.next().unwrap().unwrap_err().fault_offset(), Some(end));
    assert!(numbers.next().is_none());
    scratch.file().set_len(6 * page() as u64).unwrap();
    assert_eq!(map.get_le::<u64>(end).unwrap(), 0);
}

#[cfg(feature = "zerocopy")]
mod structs {
    use super::*;
    use zerocopy::byteorder::big_endian::{U32, U64};
    use zerocopy::{FromBytes, Immutable, IntoBytes};

    #[derive(Clone, Copy, Debug, PartialEq, Eq, FromBytes, IntoBytes, Immutable)]
    #[repr(C)]
    struct Record {
        key: U64,
        count: U32,
        flags: [u8; 4],
    }

    // R6: plain structs, read, written and iterated.
    #[test]
    fn records() {
        let map = MmapOptions::new().len(7 + 100 * 16).map_anonymous().unwrap();
        let record =
            |index: u32| Record { key: u64::from(index).into(), count: index.into(), flags: index.to_le_bytes() };
        for index in 0..100 {
            map.write_struct_at(&record(index), 7 + 16 * index as usize).unwrap();
        }
        assert_eq!(map.read_struct_at::<Record>(7 + 16 * 99).unwrap(), record(99));
        assert_eq!(map.get_be::<u64>(7 + 16 * 99).unwrap(), 99);
        let records: Vec<Record> = map.structs(7..).unwrap().map(Result::unwrap).collect();
        assert!(records.iter().copied().eq((0..100).map(record)));
        let words = "read range 1592..1608 is outside the map of 1607 bytes";
        refused(map.read_struct_at::<Record>(7 + 16 * 99 + 1), ErrorKind::OutOfRange, words);
        assert!(map.write_struct_at(&record(1), 1592).is_err() && map.structs::<()>(..).is_err());
    }
}

#[cfg(feature = "bytemuck")]
mod pods {
    use super::*;

    // R6: plain values, read, written and iterated.
    #[test]
    fn records() {
        let map = MmapOptions::new().len(3 + 50 * 12).map_anonymous().unwrap();
        for index in 0..50_u32 {
            map.write_pod_at(&[index, index + 1, index + 2], 3 + 12 * index as usize).unwrap();
        }
        assert_eq!(map.read_pod_at::<[u32; 3]>(3 + 12 * 49).unwrap(), [49, 50, 51]);
        let sum = map.pods::<[u32; 3]>(3..).unwrap().map(|record| record.unwrap()[2]).sum::<u32>();
        assert_eq!(sum, (2..52).sum());
        refused(
            map.read_pod_at::<u64>(600),
            ErrorKind::OutOfRange,
            "read range 600..608 is outside the map of 603 bytes",
        );
    }
}
