//! Protection and flags of mmap(2), and files that are none.

use std::fs::File;

use crate::common::{Scratch, assert_bytes, page, pattern, refused, refused_by_system};
use firmmap::{Access, Advice, ErrorKind, MapFlags, Mmap, MmapOptions, Mode, Protection};

const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

// B4, B9: a file that was opened for reading can be mapped for reading and copy-on-write, not for writing.
#[test]
fn a_file_that_was_opened_for_reading() {
    let scratch = Scratch::new(b"0123456789");
    let file = File::open(scratch.path()).unwrap();
    refused_by_system(MmapOptions::new().access(Access::Write).map(&file), libc::EACCES);
    refused_by_system(MmapOptions::new().protection(READ_WRITE).map(&file), libc::EACCES);
    let error = MmapOptions::new().access(Access::Write).map(&file).unwrap_err();
    assert!(error.to_string().starts_with("mapping failed: "), "{error}");
    assert_bytes(&MmapOptions::new().map(&file).unwrap(), b"0123456789");
    let copy = MmapOptions::new().access(Access::Copy).map(&file).unwrap();
    copy.set(0, b'x').unwrap();
    assert_bytes(&copy, b"x123456789");
    assert_eq!(scratch.contents(), b"0123456789");
}

// B9: and a file that was opened for writing only cannot be mapped at all.
#[test]
fn a_file_that_was_opened_for_writing_only() {
    let scratch = Scratch::new(b"0123456789");
    let file = File::options().write(true).open(scratch.path()).unwrap();
    for access in crate::common::ALL_ACCESS {
        refused_by_system(MmapOptions::new().access(access).map(&file), libc::EACCES);
    }
}

// B10: a file that was made longer for a map that then could not be made is as long as it was.
#[test]
fn extend_for_a_map_that_cannot_be_made() {
    let scratch = Scratch::new(b"0123456789");
    let file = File::options().write(true).open(scratch.path()).unwrap();
    let options = MmapOptions::new().access(Access::Write).extend(true).len(5000);
    refused_by_system(options.map(&file), libc::EACCES);
    assert_eq!(scratch.len(), 10);
}

// B5, B9: every protection with every kind of flags: what may be done, and where changes go.
#[test]
fn protections_and_flags() {
    for bits in 0..8 {
        let protection = Protection::from_bits(bits).unwrap();
        for flags in [MapFlags::SHARED, MapFlags::PRIVATE] {
            let scratch = Scratch::new(b"0123456789");
            let options = MmapOptions::new().protection(protection).flags(flags);
            let map = match options.map(&scratch.file()) {
                Ok(map) => map,
                // The file system may be one from which nothing is executed.
                Err(error) if protection.contains(Protection::EXEC) => {
                    assert_eq!(std::io::Error::from(error).raw_os_error(), Some(libc::EPERM));
                    continue;
                }
                Err(error) => panic!("{protection:?} {flags:?}: {error}"),
            };
            assert_eq!(map.protection(), protection);
            check_protected(&map, &scratch, flags == MapFlags::SHARED);
        }
    }
}

fn check_protected(map: &Mmap, scratch: &Scratch, shared: bool) {
    let protection = map.protection();
    let writable = protection.contains(Protection::WRITE);
    let access = match (writable, shared) {
        (false, _) => Access::Read,
        (true, true) => Access::Write,
        (true, false) => Access::Copy,
    };
    assert_eq!(map.access(), access, "{protection:?}");
    // What can be written can be read.
    if protection.intersects(READ_WRITE) {
        assert_bytes(map, b"0123456789");
        assert_eq!(map.find(b"45", ..).unwrap(), Some(4));
    } else {
        refused(map.get(0), ErrorKind::AccessDenied, "read is not possible on a map that is not accessible");
    }
    if writable {
        map.write_all_at(b"abc", 0).unwrap();
        assert_bytes(map, b"abc3456789");
        map.flush().unwrap();
    } else {
        assert_eq!(map.set(0, b'a').unwrap_err().kind(), ErrorKind::AccessDenied);
        assert_eq!(map.as_atomic().unwrap_err().kind(), ErrorKind::AccessDenied);
    }
    let changed = writable && shared;
    assert_eq!(scratch.contents(), if changed { b"abc3456789" } else { b"0123456789" });
}

// B9, R2: pages that may not be touched: every operation is an error, none a crash.
#[test]
fn no_access_at_all() {
    let scratch = Scratch::new(&pattern(2 * page()));
    let options = MmapOptions::new().protection(Protection::empty());
    let mut protected = MmapOptions::new().len(2 * page()).map_anonymous().unwrap();
    protected.protect(Protection::empty()).unwrap();
    let file = scratch.file();
    let maps = [
        options.map(&file).unwrap(),
        options.clone().offset(5).map(&file).unwrap(),
        options.clone().access(Access::Copy).map(&file).unwrap(),
        options.clone().len(page()).map_anonymous().unwrap(),
        protected,
    ];
    for map in maps {
        let words = |operation| format!("{operation} is not possible on a map that is not accessible");
        let denied = ErrorKind::AccessDenied;
        let mut buffer = [7; 3];
        refused(map.get(0), denied, &words("read"));
        refused(map.read_at(&mut buffer, 0), denied, &words("read"));
        refused(map.read_exact_at(&mut buffer, 1), denied, &words("read"));
        refused(map.read_strided_at(&mut buffer, 0, 1), denied, &words("read"));
        refused(map.to_vec(..), denied, &words("read"));
        refused(map.find(b"a", ..), denied, &words("find"));
        refused(map.find(b"", ..), denied, &words("find"));
        refused(map.rfind(b"ab", ..), denied, &words("rfind"));
        refused(map.count(b"a", ..), denied, &words("count"));
        refused(map.set(0, 1), denied, &words("write"));
        refused(map.write_at(b"a", 0), denied, &words("write"));
        refused(map.write_all_at(b"a", 0), denied, &words("write"));
        refused(map.write_strided_at(b"a", 0, 1), denied, &words("write"));
        refused(map.fill(.., 1), denied, &words("fill"));
        refused(map.copy_within(0..1, 1), denied, &words("copy"));
        refused(map.as_atomic(), denied, &words("a view of atomics"));
        assert_eq!(buffer, [7; 3]);
        let mut file = firmmap::MappedFile::new(map);
        assert_eq!(
            std::io::Read::read(&mut file, &mut buffer).unwrap_err().kind(),
            std::io::ErrorKind::PermissionDenied
        );
        refused(file.line_end(), denied, &words("find"));
        assert_eq!(file.position(), 0);
    }
    assert_bytes(&scratch.map(Access::Read), &pattern(2 * page()));
}

// B5, B9: flags or a protection in place of what access implies; access is then what they add up to.
#[test]
fn flags_and_protection_stand_in_for_access() {
    let scratch = Scratch::new(b"0123456789");
    let file = scratch.file();
    let new = MmapOptions::new;
    for (options, access, protection) in [
        (new().flags(MapFlags::SHARED), Access::Read, Protection::READ),
        (new().flags(MapFlags::PRIVATE), Access::Read, Protection::READ),
        (new().protection(READ_WRITE), Access::Write, READ_WRITE),
        (new().access(Access::Write).protection(Protection::READ), Access::Read, Protection::READ),
        (new().access(Access::Copy).protection(READ_WRITE), Access::Copy, READ_WRITE),
        (new().access(Access::Copy).flags(MapFlags::SHARED), Access::Write, READ_WRITE),
        (new().access(Access::Write).flags(MapFlags::PRIVATE), Access::Copy, READ_WRITE),
    ] {
        let map = options.map(&file).unwrap();
        assert_eq!((map.access(), map.protection()), (access, protection), "{options:?}");
        assert_bytes(&map, b"0123456789");
    }
}

// B9: combinations that the kernel does not take are its errors.
#[test]
fn flags_that_the_kernel_refuses() {
    let scratch = Scratch::new(b"0123456789");
    refused_by_system(MmapOptions::new().flags(MapFlags::empty()).map(&scratch.file()), libc::EINVAL);
    refused_by_system(MmapOptions::new().len(10).flags(MapFlags::empty()).map_anonymous(), libc::EINVAL);
}

// B9, R2: MAP_FIXED would replace somebody's memory.
#[test]
fn fixed_addresses_are_refused() {
    let scratch = Scratch::new(b"0123456789");
    let fixed = MapFlags::from_bits_retain(libc::MAP_FIXED);
    for flags in [MapFlags::SHARED | fixed, MapFlags::PRIVATE | fixed] {
        refused_by_system(MmapOptions::new().flags(flags).map(&scratch.file()), libc::EPERM);
        refused_by_system(MmapOptions::new().len(10).flags(flags).map_anonymous(), libc::EPERM);
    }
}

// B9, R2: MAP_FIXED_NOREPLACE means the address zero here, where a privileged process could map.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_mapped_at_address_zero() {
    let fixed = MapFlags::PRIVATE | MapFlags::from_bits_retain(libc::MAP_FIXED_NOREPLACE);
    let error = MmapOptions::new().len(10).flags(fixed).map_anonymous().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Os);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.starts_with("00000000-"), "a page at address zero is left over: {}", maps.lines().next().unwrap());
}

// B9: MAP_SHARED_VALIDATE is a shared mapping: its changes reach the file.
#[cfg(target_os = "linux")]
#[test]
fn shared_validate_is_shared() {
    let scratch = Scratch::new(b"0123456789");
    let flags = MapFlags::from_bits_retain(libc::MAP_SHARED_VALIDATE);
    let mut map = MmapOptions::new().protection(READ_WRITE).flags(flags).map(&scratch.file()).unwrap();
    map.set(0, b'x').unwrap();
    assert_eq!(scratch.contents(), b"x123456789");
    assert_eq!(map.access(), Access::Write);
    // An operation that is carried out complains about flags that contradict each other.
    refused_by_system(map.flush_with(.., firmmap::FlushFlags::SYNC | firmmap::FlushFlags::ASYNC), libc::EINVAL);
    map.resize(5).unwrap();
    assert_eq!(scratch.contents(), b"x1234");
}

// R3: /dev/zero has no length, but can be mapped with one.
#[test]
fn a_device_without_a_length() {
    let file = File::options().read(true).write(true).open("/dev/zero").unwrap();
    let words = "the file is not a regular one, so its length is not known: a length above 0 must be given";
    refused(MmapOptions::new().map(&file), ErrorKind::UnknownLength, words);
    refused(MmapOptions::new().offset(5).map(&file), ErrorKind::UnknownLength, words);
    let mut map = MmapOptions::new().access(Access::Write).len(page() + 1).map(&file).unwrap();
    assert_bytes(&map, &vec![0; page() + 1]);
    map.fill(.., 1).unwrap();
    assert_bytes(&map, &vec![1; page() + 1]);
    // It has no length that could be changed.
    assert_eq!(map.resize(10).unwrap_err().kind(), ErrorKind::Os);
    assert_bytes(&map, &vec![1; page() + 1]);
}

// R3: lengths that no address can reach.
#[test]
fn huge_lengths() {
    let zero = File::open("/dev/zero").unwrap();
    let most = isize::MAX as usize;
    for (offset, len) in [(0, usize::MAX), (0, most + 1), (1, most), (page() as u64 - 1, most)] {
        let words = format!("the length {len} is larger than {most}, the most this system can address");
        refused(MmapOptions::new().offset(offset).len(len).map(&zero), ErrorKind::TooLarge, &words);
    }
    // Of 4 GiB a process can have half in one piece; of 16 EiB it cannot.
    if cfg!(target_pointer_width = "64") {
        refused_by_system(MmapOptions::new().len(most).map(&zero), libc::ENOMEM);
    }
    let words = format!("length 2 from offset {} reaches behind the end of the file of 0 bytes", u64::MAX);
    refused(MmapOptions::new().offset(u64::MAX).len(2).map(&zero), ErrorKind::LengthBeyondEnd, &words);
    refused_by_system(MmapOptions::new().offset(1 << 63).len(2).map(&zero), libc::EOVERFLOW);
}

// R3: what has a descriptor but cannot be mapped.
#[test]
fn not_mappable() {
    let directory = File::open(std::env::temp_dir()).unwrap();
    let (pipe, _end) = std::io::pipe().unwrap();
    refused_by_system(MmapOptions::new().len(10).map(&directory), libc::ENODEV);
    // Linux says ENODEV, others EINVAL.
    assert_eq!(MmapOptions::new().len(10).map(&pipe).unwrap_err().kind(), ErrorKind::Os);
    assert_eq!(MmapOptions::new().map(&directory).unwrap_err().kind(), ErrorKind::UnknownLength);
    assert_eq!(MmapOptions::new().map(&pipe).unwrap_err().kind(), ErrorKind::UnknownLength);
}

// B9, R3: a protection for anonymous memory, which can be lifted later.
#[test]
fn anonymous_with_a_protection() {
    let mut map = MmapOptions::new().len(10).private().protection(Protection::empty()).map_anonymous().unwrap();
    assert_eq!(map.set(0, 1).unwrap_err().kind(), ErrorKind::AccessDenied);
    map.protect(READ_WRITE).unwrap();
    map.set(0, 1).unwrap();
    map.advise(Advice::NORMAL).unwrap();
    map.protect(Protection::READ).unwrap();
    assert_bytes(&map, &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
}

// R3: populate reads in every page; without it there is none before the first touch.
#[cfg(target_os = "linux")]
#[test]
fn populate_reads_the_pages_in() {
    let len = 16 * page();
    let scratch = Scratch::new(&pattern(len));
    let resident = |map: &Mmap| crate::common::smaps_field(map, "Rss");
    let (all, none) = (format!("{} kB", len / 1024), "0 kB");
    for access in crate::common::ALL_ACCESS {
        assert_eq!(resident(&scratch.map(access)), none);
        assert_eq!(resident(&MmapOptions::new().access(access).populate().open(scratch.path()).unwrap()), all);
    }
    // Of two options neither is lost.
    let map = MmapOptions::new().populate().no_reserve().stack().len(len).map_anonymous().unwrap();
    assert_eq!(resident(&map), all);
    let map = MmapOptions::new().flags(MapFlags::PRIVATE).populate().open(scratch.path()).unwrap();
    assert_eq!(resident(&map), all);
}

// R3: the kernel knows that no swap space is reserved.
#[cfg(target_os = "linux")]
#[test]
fn no_reserve_reserves_nothing() {
    if std::fs::read_to_string("/proc/sys/vm/overcommit_memory").unwrap().trim() == "2" {
        crate::skipped::skipped("with strict overcommit the kernel ignores MAP_NORESERVE");
        return;
    }
    let options = MmapOptions::new().len(page()).private();
    assert!(!crate::common::has_vm_flag(&options.map_anonymous().unwrap(), "nr"));
    assert!(crate::common::has_vm_flag(&options.no_reserve().map_anonymous().unwrap(), "nr"));
}

// R3: huge pages, of a length that need not be a multiple of theirs.
#[cfg(target_os = "linux")]
#[test]
fn huge_pages() {
    let _turn = crate::huge::turn();
    for size in [None, Some(21)] {
        for options in [MmapOptions::new().len(3_000_000), MmapOptions::new().len(3_000_000).private()] {
            match options.huge_pages(size).map_anonymous() {
                Ok(map) => {
                    map.write_all_at(b"end", 2_999_997).unwrap();
                    assert_eq!(map.find(b"end", ..).unwrap(), Some(2_999_997));
                    assert!(crate::common::has_vm_flag(&map, "ht"));
                    let start = format!("{:x}-", map.as_ptr().addr());
                    drop(map);
                    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
                    assert!(!maps.lines().any(|line| line.starts_with(&start) && line.contains("huge")));
                }
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Os, "{error}");
                    crate::skipped::skipped(&format!("no huge pages of size {size:?}: {error}"));
                }
            }
        }
    }
}

// R3: a size of huge pages that there cannot be.
#[cfg(target_os = "linux")]
#[test]
fn huge_pages_of_no_possible_size() {
    for size in [3, 13, 63] {
        let options = MmapOptions::new().len(4096).huge_pages(Some(size));
        assert_eq!(options.map_anonymous().unwrap_err().kind(), ErrorKind::Os);
    }
}

// G2: a descriptor that does not allow the mode is an error at once, also where there is nothing to map.
#[test]
fn an_empty_file_that_must_not_be_written() {
    let scratch = Scratch::new(b"");
    let file = File::open(scratch.path()).unwrap();
    assert_eq!(MmapOptions::new().map_mode(&file, Mode::ReadWrite).unwrap_err().kind(), ErrorKind::Os);
}
