//! Faults on what not every system has: huge pages, a full disk.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::fs::File;
use std::os::fd::FromRawFd;
use std::path::Path;

use crate::process::*;
use firmmap::{Access, MmapOptions};

crate::scenarios! {
    lives:
        files_of_huge_pages,
        untracked_files_of_huge_pages,
        anonymous_huge_pages_that_the_system_does_not_have,
        a_hole_written_on_a_full_disk,
        holes_written_on_a_full_disk_through_addresses,
        a_hole_read_on_a_full_disk,
        a_deleted_file_on_a_disk_that_is_full;
    dies:;
}

const HUGE: usize = 2 << 20;

/// A file in memory of huge pages, if there are as many as `pages` to be had.
fn huge_file(pages: usize) -> Option<File> {
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::memfd_create(c"huge".as_ptr(), libc::MFD_HUGETLB | libc::MFD_HUGE_2MB) };
    if fd < 0 {
        skipped("no files of huge pages");
        return None;
    }
    // SAFETY: a new descriptor of ours.
    let file = unsafe { File::from_raw_fd(fd) };
    file.set_len((pages * HUGE) as u64).unwrap();
    Some(file)
}

/// Asks for huge pages, which the administrator may do, while it lives. Nobody else does meanwhile: another test would take them, or
/// end with the number that was there before.
struct Reserve {
    before: Option<String>,
    _turn: File,
}

const RESERVE: &str = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages";

impl Reserve {
    fn pages(count: usize) -> Option<Self> {
        let turn = crate::huge::turn();
        let before = std::fs::read_to_string(RESERVE).unwrap_or_default();
        let free = || {
            let free = std::fs::read_to_string(RESERVE.replace("nr_", "free_")).unwrap_or_default();
            free.trim().parse::<usize>().unwrap_or(0)
        };
        if free() >= count {
            return Some(Self { before: None, _turn: turn });
        }
        let wanted = before.trim().parse::<usize>().unwrap_or(0) + count;
        let _ = std::fs::write(RESERVE, wanted.to_string());
        if free() >= count {
            return Some(Self { before: Some(before), _turn: turn });
        }
        let _ = std::fs::write(RESERVE, before.trim());
        skipped("no huge pages, and no permission or memory to reserve some");
        None
    }
}

impl Drop for Reserve {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = std::fs::write(RESERVE, before.trim());
        }
    }
}

fn files_of_huge_pages() {
    missing_pages_of_files(true);
}

fn untracked_files_of_huge_pages() {
    missing_pages_of_files(false);
}

/// What is missing is replaced in units of the page size.
fn missing_pages_of_files(track: bool) {
    let Some(_reserve) = Reserve::pages(8) else { return };
    let Some(file) = huge_file(4) else { return };
    for access in [Access::Read, Access::Copy, Access::Write] {
        file.set_len(4 * HUGE as u64).unwrap();
        // A length that is no multiple of the page size, and an offset that is none.
        for (offset, len) in [(0, 4 * HUGE), (page() as u64 + 5, 3 * HUGE)] {
            let options = MmapOptions::new().access(access).track_file(track).offset(offset).len(len);
            let map = options.map(&file).unwrap();
            if access != Access::Read {
                map.set(3, 33).unwrap();
            }
            file.set_len(HUGE as u64).unwrap();
            assert_fault(map.get(2 * HUGE + 5), 2 * HUGE + 5..=2 * HUGE + 5);
            assert_fault(map.find(b"absent", ..), HUGE - page() - 5..);
            assert_eq!(file.metadata().unwrap().len(), HUGE as u64);
            file.set_len(4 * HUGE as u64).unwrap();
            if track {
                assert_eq!(map.find(b"absent", ..).unwrap(), None);
                assert_eq!(map.get(3).unwrap(), if access == Access::Read { 0 } else { 33 });
            } else {
                // Huge pages cannot be moved aside: they are lost, and stay an error, if that is what happens.
                let _ = map.find(b"absent", ..);
            }
            map.close().or_else(|error| if track { Err(error) } else { Ok(()) }).unwrap();
        }
    }
}

fn anonymous_huge_pages_that_the_system_does_not_have() {
    let Some(_reserve) = Reserve::pages(2) else { return };
    let len = 1 << 30;
    let map = match MmapOptions::new().len(len).huge_pages(Some(21)).no_reserve().map_anonymous() {
        Ok(map) => map,
        Err(error) => return skipped(&error.to_string()),
    };
    map.set(0, 1).unwrap();
    assert_fault(map.fill(.., 2), ..);
    assert!(map.get(0).is_err() || map.get(0).unwrap() == 2);
    assert_guarded();
}

/// A file system of 64 KiB that ends with this value.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        let directory = tempfile::tempdir().unwrap();
        let path = std::ffi::CString::new(directory.path().to_str().unwrap()).unwrap();
        let (name, options) = (c"tmpfs".as_ptr(), c"size=64k".as_ptr().cast());
        // SAFETY: all the strings end in a zero byte.
        if unsafe { libc::mount(name, path.as_ptr(), name, 0, options) } != 0 {
            skipped("mounting a small disk is not permitted");
            return None;
        }
        Some(Self(directory))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    /// A file that takes all the room.
    fn fill(&self) -> std::path::PathBuf {
        use std::io::Write;
        let path = self.path().join("full");
        let mut file = File::create(&path).unwrap();
        while file.write_all(&[1; 1024]).is_ok() {}
        path
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let path = std::ffi::CString::new(self.path().to_str().unwrap()).unwrap();
        // SAFETY: the string ends in a zero byte.
        unsafe { libc::umount2(path.as_ptr(), libc::MNT_DETACH) };
    }
}

fn a_hole_written_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    for track in [true, false] {
        let path = disk.path().join("holes");
        let file = File::create(&path).unwrap();
        file.set_len(64 * page() as u64).unwrap();
        let map = MmapOptions::new().access(Access::Write).track_file(track).open(&path).unwrap();
        map.write_all_at(b"before", 7).unwrap();
        let full = disk.fill();
        assert_fault(map.write_all_at(b"lost", 10 * page()), 10 * page()..11 * page());
        assert_fault(map.set(20 * page() + 1, 1), 20 * page() + 1..=20 * page() + 1);
        assert_fault(map.fill(30 * page().., 3), 30 * page()..);
        // What was written before is there, and can be changed.
        assert_eq!(map.to_vec(7..13).unwrap(), b"before");
        map.write_all_at(b"change", 7).unwrap();
        map.flush().unwrap();
        std::fs::remove_file(full).unwrap();
        map.write_all_at(b"kept", 10 * page()).unwrap();
        map.set(11 * page() + 1, 1).unwrap();
        map.flush().unwrap();
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!((&bytes[7..13], &bytes[10 * page()..10 * page() + 4]), (&b"change"[..], &b"kept"[..]));
        assert_eq!(bytes[20 * page() + 1], 0);
        map.close().unwrap();
        std::fs::remove_file(path).unwrap();
    }
}

/// F3: a write that was lost is never dropped in silence.
fn holes_written_on_a_full_disk_through_addresses() {
    let Some(disk) = SmallDisk::mount() else { return };
    for track in [true, false] {
        let path = disk.path().join("holes");
        File::create(&path).unwrap().set_len(256 * page() as u64).unwrap();
        let map = MmapOptions::new().access(Access::Write).track_file(track).open(&path).unwrap();
        map.write_all_at(b"before", 7).unwrap();
        let full = disk.fill();
        // More places than can be kept apart.
        for index in (1..100).step_by(2) {
            poke(&map, index * page() + index, 1);
        }
        assert_fault(map.flush(), page() + 1..=page() + 1);
        assert_eq!(map.to_vec(7..13).unwrap(), b"before");
        poke(&map, 5 * page(), 1);
        std::fs::remove_file(full).unwrap();
        assert_fault(map.close(), 5 * page()..=5 * page());
        assert_eq!(std::fs::read(&path).unwrap().iter().filter(|&&byte| byte == 1).count(), 0);
        std::fs::remove_file(path).unwrap();
    }
}

/// Reading a hole needs no room.
fn a_hole_read_on_a_full_disk() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("holes");
    File::create(&path).unwrap().set_len(64 * page() as u64).unwrap();
    disk.fill();
    let map = MmapOptions::new().open(&path).unwrap();
    // This file system gives a page also for reading; others do not.
    match map.find(b"x", ..) {
        Ok(found) => assert_eq!(found, None),
        Err(error) => assert_eq!(error.kind(), firmmap::ErrorKind::Fault),
    }
    let copy = MmapOptions::new().access(Access::Copy).open(&path).unwrap();
    match copy.set(9 * page(), 1) {
        Ok(()) => assert_eq!(copy.get(9 * page()).unwrap(), 1),
        Err(error) => assert_eq!(error.kind(), firmmap::ErrorKind::Fault),
    }
}

fn a_deleted_file_on_a_disk_that_is_full() {
    let Some(disk) = SmallDisk::mount() else { return };
    let path = disk.path().join("holes");
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    file.set_len(4 * page() as u64).unwrap();
    let map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    std::fs::remove_file(path).unwrap();
    let full = disk.fill();
    assert_fault(map.set(page(), 1), page()..=page());
    file.set_len(page() as u64).unwrap();
    assert_fault(map.get(2 * page()), 2 * page()..=2 * page());
    std::fs::remove_file(full).unwrap();
    file.set_len(4 * page() as u64).unwrap();
    map.fill(.., 5).unwrap();
    assert_eq!(map.count(b"\x05", ..).unwrap(), 4 * page());
}
