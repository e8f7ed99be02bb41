//! What the system does for a map: flush, advise, lock, protect, names.

use crate::common::{ALL_ACCESS, Scratch, assert_bytes, page, pattern, refused};
use firmmap::{Access, Advice, ErrorKind, FlushFlags, Mmap, MmapOptions, Protection};

const OUT: ErrorKind = ErrorKind::OutOfRange;

/// Maps of every access over three pages and a bit, from an aligned and from an unaligned offset, and anonymous ones.
fn maps(scratch: &Scratch) -> Vec<Mmap> {
    let mut maps = Vec::new();
    for access in ALL_ACCESS {
        for offset in [0, page() as u64 - 3] {
            maps.push(MmapOptions::new().access(access).offset(offset).open(scratch.path()).unwrap());
        }
    }
    maps.push(MmapOptions::new().len(3 * page()).map_anonymous().unwrap());
    maps.push(MmapOptions::new().len(3 * page()).private().map_anonymous().unwrap());
    maps
}

// R1, P1: sizes that the system works with.
#[test]
fn sizes() {
    let (page, granularity) = (firmmap::page_size(), firmmap::allocation_granularity());
    assert!(page.is_power_of_two() && page >= 4096, "{page}");
    assert_eq!(granularity % page, 0);
    if cfg!(unix) {
        assert_eq!(granularity, page);
    }
    // The second answer comes from memory.
    assert_eq!(firmmap::page_size(), page);
}

// C3, R3: every range can be flushed, aligned or not, waiting or not.
#[test]
fn flush() {
    let contents = pattern(4 * page() + 9);
    let scratch = Scratch::new(&contents);
    for map in maps(&scratch) {
        let end = map.len();
        map.flush().unwrap();
        map.flush_async().unwrap();
        for range in [0..0, 0..1, 0..end, 1..2, 5..end, page()..2 * page(), page() + 1..end - 1, end - 1..end, end..end]
        {
            map.flush_range(range.clone()).unwrap();
            map.flush_async_range(range.clone()).unwrap();
            map.flush_with(range, FlushFlags::SYNC | FlushFlags::INVALIDATE).unwrap();
        }
        map.flush_range(..=5).unwrap();
    }
    assert_eq!(scratch.contents(), contents);
}

// C3: errors name the range and the length; read-only and copy-on-write maps are no exception.
#[test]
fn flush_ranges_outside_of_the_map() {
    let scratch = Scratch::new(&[0; 4096]);
    let (from, to) = (9, 8);
    for access in ALL_ACCESS {
        let map = scratch.map(access);
        refused(map.flush_range(4096..8192), OUT, "flush range 4096..8192 is outside the map of 4096 bytes");
        refused(map.flush_async_range(..4097), OUT, "flush range 0..4097 is outside the map of 4096 bytes");
        refused(map.flush_range(4097..), OUT, "flush range 4097..4096 is outside the map of 4096 bytes");
        let flags = FlushFlags::ASYNC;
        refused(map.flush_with(from..to, flags), OUT, "flush range 9..8 is outside the map of 4096 bytes");
        assert_eq!(map.flush_range(..=usize::MAX).unwrap_err().kind(), OUT);
        map.flush_range(4096..).unwrap();
    }
}

// C3: flags that contradict each other are an error, but maps with nothing to write back do nothing.
#[cfg(unix)]
#[test]
fn flush_flags_that_contradict_each_other() {
    let scratch = Scratch::new(b"0123456789");
    let both = FlushFlags::SYNC | FlushFlags::ASYNC;
    crate::common::refused_by_system(scratch.map(Access::Write).flush_with(.., both), libc::EINVAL);
    let unknown = FlushFlags::from_bits_retain(1 << 20);
    crate::common::refused_by_system(scratch.map(Access::Write).flush_with(.., unknown), libc::EINVAL);
    scratch.map(Access::Read).flush_with(.., both).unwrap();
    scratch.map(Access::Copy).flush_with(.., both).unwrap();
}

// C3, R3: a shared map that was made for reading and is writable now has changes to write back.
#[cfg(unix)]
#[test]
fn flush_after_becoming_writable() {
    let scratch = Scratch::new(b"0123456789");
    let mut map = MmapOptions::new().map(&scratch.file()).unwrap();
    map.protect(Protection::READ | Protection::WRITE).unwrap();
    map.write_all_at(b"abc", 0).unwrap();
    assert_eq!(scratch.contents(), b"abc3456789");
    map.flush().unwrap();
    // Only a flush that is carried out can complain about its flags.
    crate::common::refused_by_system(map.flush_with(.., FlushFlags::SYNC | FlushFlags::ASYNC), libc::EINVAL);
}

// C3, R3: changes that were made before a map became read-only are written back all the same.
#[cfg(unix)]
#[test]
fn flush_after_becoming_read_only() {
    let scratch = Scratch::new(b"0123456789");
    let mut map = scratch.map(Access::Write);
    map.write_all_at(b"abc", 0).unwrap();
    map.protect(Protection::READ).unwrap();
    map.flush().unwrap();
    crate::common::refused_by_system(map.flush_with(.., FlushFlags::SYNC | FlushFlags::ASYNC), libc::EINVAL);
}

// C4, R3: advice for the whole map and for every kind of range changes no byte.
#[test]
fn advise() {
    let scratch = Scratch::new(&pattern(4 * page()));
    for map in maps(&scratch) {
        let (before, end) = (map.to_vec(..).unwrap(), map.len());
        for advice in [Advice::NORMAL, Advice::RANDOM, Advice::SEQUENTIAL, Advice::WILL_NEED] {
            map.advise(advice).unwrap();
            for range in [0..0, 0..1, 1..page() + 1, page()..2 * page(), end - 1..end, end..end] {
                map.advise_range(range, advice).unwrap();
            }
        }
        map.advise(Advice::NORMAL).unwrap();
        assert_bytes(&map, &before);
    }
}

// C4: ranges outside of the map, in words.
#[test]
fn advice_outside_of_the_map() {
    let map = MmapOptions::new().len(10).map_anonymous().unwrap();
    let (from, to) = (9, 8);
    let will_need = Advice::WILL_NEED;
    refused(map.advise_range(5..11, will_need), OUT, "advice range 5..11 is outside the map of 10 bytes");
    refused(map.advise_range(11.., will_need), OUT, "advice range 11..10 is outside the map of 10 bytes");
    refused(map.advise_range(from..to, will_need), OUT, "advice range 9..8 is outside the map of 10 bytes");
}

// C4, D2: a number that the kernel does not know is its error.
#[cfg(unix)]
#[test]
fn advice_that_the_system_does_not_know() {
    for raw in [12345, -1] {
        let unknown = Advice::from_raw(raw);
        assert_eq!(unknown.as_raw(), raw);
        let map = MmapOptions::new().len(10).map_anonymous().unwrap();
        crate::common::refused_by_system(map.advise(unknown), libc::EINVAL);
        crate::common::refused_by_system(map.advise_range(1..2, unknown), libc::EINVAL);
    }
}

// C4: advice reaches the pages of the range and no others: seen where it drops them.
#[cfg(target_os = "linux")]
#[test]
fn advice_reaches_its_pages() {
    let page = page();
    let kept = [b'k'; 3];
    for (range, dropped) in [
        (page..2 * page, 1..2),
        (page..page + 1, 1..2),
        (page + 1..page + 2, 1..2),
        (page + 1..2 * page + 1, 1..3),
        (0..3 * page, 0..3),
        (page..page, 1..1),
    ] {
        let map = MmapOptions::new().len(3 * page).private().map_anonymous().unwrap();
        map.fill(.., b'k').unwrap();
        map.advise_range(range.clone(), Advice::DONT_NEED).unwrap();
        let mut wanted = kept;
        wanted[dropped].fill(0);
        let found = [0, 1, 2].map(|index| map.get(index * page).unwrap());
        assert_eq!(found, wanted, "{range:?}");
    }
}

// C4: a range of no bytes has no pages, wherever it lies.
#[cfg(target_os = "linux")]
#[test]
fn advice_for_nothing() {
    let map = MmapOptions::new().len(page()).private().map_anonymous().unwrap();
    map.fill(.., b'k').unwrap();
    for index in [0, 5, page() - 1, page()] {
        map.advise_range(index..index, Advice::DONT_NEED).unwrap();
        assert_eq!(map.get(0).unwrap(), b'k', "{index}");
    }
}

// C4, D2: dropping the pages of a copy-on-write map brings the file's bytes back; of a shared one it keeps them.
#[cfg(target_os = "linux")]
#[test]
fn dropped_pages_are_read_again() {
    let scratch = Scratch::new(b"0123456789");
    for (access, wanted) in [(Access::Copy, b"0123456789"), (Access::Write, b"xxx3456789")] {
        let map = scratch.map(access);
        map.write_all_at(b"xxx", 0).unwrap();
        map.advise(Advice::DONT_NEED).unwrap();
        assert_bytes(&map, wanted);
    }
}

// R3: the kernel knows about locked pages; unaligned maps, whole maps, twice.
#[cfg(target_os = "linux")]
#[test]
fn lock_and_unlock() {
    let scratch = Scratch::new(&pattern(4 * page()));
    for map in maps(&scratch) {
        assert!(!crate::common::has_vm_flag(&map, "lo"));
        map.lock().unwrap();
        map.lock().unwrap();
        assert!(crate::common::has_vm_flag(&map, "lo"));
        map.unlock().unwrap();
        assert!(!crate::common::has_vm_flag(&map, "lo"));
        map.unlock().unwrap();
    }
}

// R3: a locked map can be resized and dropped.
#[cfg(target_os = "linux")]
#[test]
fn locked_maps_can_be_resized() {
    let scratch = Scratch::new(&pattern(page()));
    let mut map = scratch.map(Access::Write);
    map.lock().unwrap();
    map.resize(3 * page()).unwrap();
    // A mapping that is made anew is not locked.
    assert_eq!(crate::common::has_vm_flag(&map, "lo"), cfg!(not(firmmap_no_mremap)));
    assert_eq!(map.to_vec(..page()).unwrap(), pattern(page()));
    drop(map);
    assert_eq!(scratch.mappings(), 0);
}

// R3: the protection changes for the whole map, and back.
#[test]
fn protect() {
    let scratch = Scratch::new(&pattern(4 * page()));
    for mut map in maps(&scratch) {
        let (before, protection) = (map.to_vec(..).unwrap(), map.protection());
        map.protect(Protection::READ).unwrap();
        assert_eq!(map.protection(), Protection::READ);
        let words = "write is not possible on a map that is read-only";
        refused(map.set(0, 1), ErrorKind::AccessDenied, words);
        assert_eq!(map.as_atomic().unwrap_err().kind(), ErrorKind::AccessDenied);
        assert_bytes(&map, &before);
        map.protect(Protection::empty()).unwrap();
        let words = "read is not possible on a map that is not accessible";
        refused(map.get(0), ErrorKind::AccessDenied, words);
        map.protect(protection).unwrap();
        assert_bytes(&map, &before);
        if protection.contains(Protection::WRITE) {
            map.set(map.len() - 1, before[before.len() - 1]).unwrap();
        }
    }
}

// R3: what the file was not opened for cannot be had later either, and a refusal changes nothing.
#[cfg(unix)]
#[test]
fn protect_beyond_the_files_rights() {
    let scratch = Scratch::new(b"0123456789");
    let mut map = scratch.map(Access::Read);
    let both = Protection::READ | Protection::WRITE;
    crate::common::refused_by_system(map.protect(both), libc::EACCES);
    assert_eq!(map.protection(), Protection::READ);
    assert_eq!(map.set(0, 1).unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_bytes(&map, b"0123456789");
    // A private map is the process's own.
    let mut copy = scratch.map(Access::Copy);
    copy.protect(Protection::READ).unwrap();
    copy.protect(both).unwrap();
    copy.set(0, b'x').unwrap();
    assert_eq!(scratch.contents(), b"0123456789");
}

// C14: a name that the kernel shows, where it can.
#[cfg(target_os = "linux")]
#[test]
fn names() {
    let shared = MmapOptions::new().len(page() + 1).map_anonymous().unwrap();
    let private = MmapOptions::new().len(page() + 1).private().map_anonymous().unwrap();
    for (map, shown) in [(&shared, "[anon_shmem:prices of 2026]"), (&private, "[anon:prices of 2026]")] {
        match map.set_name("prices of 2026") {
            Ok(()) => assert!(std::fs::read_to_string("/proc/self/maps").unwrap().contains(shown)),
            Err(error) => {
                assert_eq!(error.os_error().and_then(std::io::Error::raw_os_error), Some(libc::EINVAL));
                crate::skipped::skipped(&format!("no names of mappings: {error}"));
            }
        }
    }
}

// C14: names that are none.
#[test]
fn names_that_are_refused() {
    let map = MmapOptions::new().len(10).map_anonymous().unwrap();
    let invalid = ErrorKind::InvalidInput;
    refused(map.set_name(&"n".repeat(80)), invalid, "the name of a map has at most 79 bytes");
    refused(map.set_name(&"ü".repeat(40)), invalid, "the name of a map has at most 79 bytes");
    refused(map.set_name("a\0b"), invalid, "the name of a map holds no zero byte");
    let scratch = Scratch::new(b"0123456789");
    refused(scratch.map(Access::Write).set_name("n"), invalid, "only anonymous memory can have a name");
    // Exactly as long as it may be: whatever the kernel says, it is asked.
    if let Err(error) = map.set_name(&"n".repeat(79)) {
        assert_eq!(error.kind(), ErrorKind::Os);
    }
}

// C11: the length of the file now, not of the map.
#[test]
fn file_len() {
    let scratch = Scratch::new(b"0123456789");
    let map = MmapOptions::new().offset(2).len(3).open(scratch.path()).unwrap();
    assert_eq!((map.len(), map.file_len().unwrap()), (3, 10));
    scratch.file().set_len(5000).unwrap();
    assert_eq!((map.len(), map.file_len().unwrap()), (3, 5000));
    assert_eq!(map.file().unwrap().metadata().unwrap().len(), 5000);
    let anonymous = MmapOptions::new().len(7).map_anonymous().unwrap();
    assert_eq!(anonymous.file_len().unwrap(), 7);
}
