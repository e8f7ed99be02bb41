//! Views of atomics of 8 to 64 bits.

use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering};

use crate::common::{Scratch, page, refused};
use firmmap::{Access, ErrorKind, MmapOptions};

// R2: atomics of each size, which other maps of the file see.
#[test]
fn shared_with_other_maps() {
    let scratch = Scratch::new(&[0; 64]);
    let (map, other) = (scratch.map(Access::Write), scratch.map(Access::Read));
    map.atomics::<AtomicU16>(2..8).unwrap()[1].store(0x0102, Ordering::Release);
    map.atomics::<AtomicU32>(8..16).unwrap()[1].fetch_sub(1, Ordering::AcqRel);
    map.atomics::<AtomicU64>(16..).unwrap()[5].store(7, Ordering::Release);
    assert_eq!(other.atomics_read_only::<AtomicU16>(..8).unwrap()[2].load(Ordering::Acquire), 0x0102);
    assert_eq!(other.atomics_read_only::<AtomicU32>(12..16).unwrap()[0].load(Ordering::Acquire), u32::MAX);
    #[cfg(target_pointer_width = "64")]
    assert_eq!(other.atomics_read_only::<std::sync::atomic::AtomicI64>(..).unwrap()[7].load(Ordering::SeqCst), 7);
    let bytes = other.atomics_read_only::<AtomicU8>(..).unwrap();
    let bytes: Vec<u8> = bytes.iter().map(|byte| byte.load(Ordering::Relaxed)).collect();
    assert_eq!(bytes, scratch.contents());
}

// R2: what is not aligned, or no whole number of atomics, is an error with the numbers in it.
#[test]
fn refusals() {
    let map = MmapOptions::new().len(page()).map_anonymous().unwrap();
    for start in 1..8 {
        let words = format!(
            "a view of atomics position {start} is not aligned: its address is {start} more than a multiple of 8"
        );
        refused(map.atomics::<AtomicU64>(start..start + 8), ErrorKind::InvalidInput, &words);
    }
    let words = "a view of atomics range of 9 bytes is no whole number of values of 4 bytes";
    refused(map.atomics::<AtomicU32>(..9), ErrorKind::InvalidInput, words);
    let words = format!("a view of atomics range 8..{} is outside the map of {} bytes", page() + 8, page());
    refused(map.atomics::<AtomicU64>(8..page() + 8), ErrorKind::OutOfRange, &words);
    let scratch = Scratch::new(&[0; 64]);
    let map = scratch.map(Access::Read);
    let words = "a view of atomics is not possible on a map that is read-only";
    refused(map.atomics::<AtomicU8>(..), ErrorKind::AccessDenied, words);
    let map = MmapOptions::new().offset(3).open(scratch.path()).unwrap();
    assert!(map.atomics_read_only::<AtomicU32>(..4).is_err() && map.atomics_read_only::<AtomicU32>(1..5).is_ok());
    // A map of no bytes is aligned for anything.
    let map = MmapOptions::new().len(0).map_anonymous().unwrap();
    assert_eq!(map.atomics::<AtomicU64>(..).unwrap().len(), 0);
    assert_eq!(map.as_ptr().addr() % page(), 0);
}

// R2: two threads count in one map.
#[test]
fn counters() {
    let map = MmapOptions::new().len(16).map_anonymous().unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let counter = &map.atomics::<AtomicU64>(8..).unwrap()[0];
                (0..10_000).for_each(|_| _ = counter.fetch_add(1, Ordering::Relaxed));
            });
        }
    });
    assert_eq!(map.get_ne::<u64>(8).unwrap(), 20_000);
}
