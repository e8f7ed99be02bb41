//! F2, F5: pages that the system refuses to map again, and zeros where it gives no more areas of memory.

#![allow(unsafe_code, clippy::multiple_unsafe_ops_per_block)]

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd};
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::process::*;
use firmmap::{Access, Advice, Mmap, MmapOptions, fault::take_fault};

crate::scenarios! {
    lives:
        a_memory_file_that_was_sealed,
        a_memory_file_that_was_sealed_with_pages_of_different_advice,
        a_private_map_keeps_its_changes,
        without_mremap,
        without_mmap_of_files,
        without_mmap,
        without_either_after_the_fault,
        the_limit_of_areas_and_a_file_that_is_empty,
        the_limit_of_areas_and_a_page_in_the_middle,
        the_limit_of_areas_and_many_maps,
        the_limit_of_areas_and_more_faults_than_there_is_in_reserve,
        the_limit_of_areas_and_several_threads,
        the_reserve_is_filled_up_again,
        many_threads_fault_in_maps_that_come_and_go;
    dies:;
}

/// What every map can be asked while its file ends after the first page, and then after it is whole again.
fn broken_and_whole(pages: &Pages, map: &Mmap) {
    let expected = bytes(0, pages.len);
    let last = pages.len - 1;
    pages.truncate(1);
    assert_fault(map.get(last), last..=last);
    assert_fault(map.to_vec(..), page()..=page());
    // Pages that were not missing.
    assert_eq!(map.to_vec(..page()).unwrap(), expected[..page()]);
    peek(map, 2 * page());
    assert_fault(map.check(), 2 * page()..=2 * page());
    pages.restore();
    assert_bytes(map, &expected);
    map.check().unwrap();
    let count = map.fault_count();
    assert_eq!(peek(map, last), byte(last));
    assert_eq!(map.fault_count(), count);
    // Zeros that stay until the file is whole.
    pages.truncate(1);
    peek(map, 3 * page());
    pages.restore();
    assert_eq!(take_fault().unwrap().offset, 3 * page());
    assert_bytes(map, &expected);
    if map.access() == Access::Write {
        map.set(last, 7).unwrap();
        assert_bytes(&pages.map(Access::Read), &[&expected[..last], &[7]].concat());
        pages.restore();
    }
}

fn sealable() -> File {
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::memfd_create(c"firmmap-test".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0);
    // SAFETY: a new descriptor of ours.
    unsafe { File::from_raw_fd(fd) }
}

/// No new writable mapping, nor any write through a descriptor.
fn seal(file: &File) {
    const F_SEAL_FUTURE_WRITE: i32 = 0x10;
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, F_SEAL_FUTURE_WRITE) }, 0);
    MmapOptions::new().access(Access::Write).map(file).unwrap_err();
}

/// F2.
fn a_memory_file_that_was_sealed() {
    let pages = Pages::of(sealable(), 5);
    let maps = [pages.map(Access::Write), pages.untracked(Access::Write)];
    seal(&pages.file);
    for map in maps {
        pages.truncate(1);
        assert_fault(map.get(3 * page()), 3 * page()..=3 * page());
        assert_eq!(map.to_vec(..page()).unwrap(), bytes(0, page()));
        poke(&map, 4 * page(), 7);
        assert_fault(map.check(), 4 * page()..=4 * page());
        pages.file.set_len(pages.len as u64).unwrap();
        // The file is whole, though of zeros: what is written is in it.
        map.write_all_at(&bytes(0, pages.len), 0).unwrap();
        map.check().unwrap();
        assert_bytes(&pages.map(Access::Read), &bytes(0, pages.len));
    }
}

/// The pages are several areas, which cannot be moved together: they are moved one by one.
fn a_memory_file_that_was_sealed_with_pages_of_different_advice() {
    let pages = Pages::of(sealable(), 6);
    let map = pages.untracked(Access::Write);
    map.advise_range(3 * page()..4 * page(), Advice::RANDOM).unwrap();
    seal(&pages.file);
    pages.truncate(1);
    for index in [5, 3, 2, 4, 1] {
        assert_fault(map.get(index * page()), index * page()..=index * page());
    }
    pages.file.set_len(pages.len as u64).unwrap();
    map.write_all_at(&bytes(0, pages.len), 0).unwrap();
    assert_bytes(&pages.map(Access::Read), &bytes(0, pages.len));
}

/// Pages that were not missing, and were changed, are what they were.
fn a_private_map_keeps_its_changes() {
    for tracked in [true, false] {
        let pages = Pages::new(5);
        let map = MmapOptions::new().access(Access::Copy).track_file(tracked).map(&pages.file).unwrap();
        map.fill(..2 * page(), 9).unwrap();
        pages.truncate(2);
        for index in [2, 3, 4] {
            assert_fault(map.get(index * page()), index * page()..=index * page());
            peek(&map, index * page());
            map.check().unwrap_err();
        }
        pages.restore();
        assert_eq!(map.to_vec(..2 * page()).unwrap(), vec![9; 2 * page()]);
        assert_eq!(map.to_vec(2 * page()..).unwrap(), bytes(2 * page(), 3 * page()));
    }
}

/// mmap(2), as the C library calls it.
#[cfg(target_pointer_width = "64")]
const SYS_MMAP: libc::c_long = libc::SYS_mmap;
#[cfg(target_pointer_width = "32")]
const SYS_MMAP: libc::c_long = libc::SYS_mmap2;

/// Has system calls fail from now on, in all threads.
struct Filter(Vec<libc::sock_filter>);

impl Filter {
    fn new() -> Self {
        const NUMBER: u32 = 0;
        let mut filter = Self(Vec::new());
        filter.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, NUMBER, 0, 0);
        filter
    }

    fn push(&mut self, code: u32, k: u32, jt: u8, jf: u8) {
        self.0.push(libc::sock_filter { code: code as u16, jt, jf, k });
    }

    fn refuse(mut self, call: libc::c_long) -> Self {
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call as u32, 0, 1);
        self.push(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0);
        self
    }

    /// mmap(2) of a file.
    fn refuse_files(mut self) -> Self {
        const LOW_HALF_OF_THE_DESCRIPTOR: u32 = 16 + 4 * 8;
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, SYS_MMAP as u32, 0, 4);
        self.push(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, LOW_HALF_OF_THE_DESCRIPTOR, 0, 0);
        self.push(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, u32::MAX, 1, 0);
        self.push(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | libc::EPERM as u32, 0, 0);
        self.push(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0);
        self
    }

    fn install(mut self) {
        self.push(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0);
        let program = libc::sock_fprog { len: self.0.len() as u16, filter: self.0.as_mut_ptr() };
        // SAFETY: only sets a flag.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }, 0);
        // SAFETY: a whole program.
        assert_eq!(unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) }, 0);
    }
}

fn maps(pages: &Pages) -> Vec<Mmap> {
    [Access::Write, Access::Read, Access::Copy].map(|access| pages.map(access)).into()
}

/// F2: only with the descriptor, in place.
fn without_mremap() {
    let pages = Pages::new(5);
    let maps = maps(&pages);
    Filter::new().refuse(libc::SYS_mremap).install();
    maps.iter().for_each(|map| broken_and_whole(&pages, map));
}

/// F2: only by moving pages.
fn without_mmap_of_files() {
    let pages = Pages::new(5);
    let maps = maps(&pages);
    let untracked = [pages.untracked(Access::Write), pages.untracked(Access::Copy)];
    Filter::new().refuse_files().install();
    File::open("Cargo.toml").map(|file| MmapOptions::new().map(&file).unwrap_err()).unwrap();
    for map in maps.iter().filter(|map| map.access() != Access::Write).chain(&untracked[1..]) {
        broken_and_whole_without_looking(&pages, map, 3);
    }
    for map in [&maps[0], &untracked[0]] {
        broken_and_whole_without_looking(&pages, map, 3);
    }
}

/// The longest of the maps that are read where there is no memory for a copy.
const LONGEST: usize = 1 << 16;

/// Reads a whole map without asking for memory, for which musl calls mmap(2).
fn read_all(map: &Mmap) -> firmmap::Result<[u8; LONGEST]> {
    let mut buffer = [0; LONGEST];
    map.read_exact_at(&mut buffer[..map.len()], 0)?;
    Ok(buffer)
}

/// That the first `len` bytes are those of the pages, without asking for memory.
#[track_caller]
fn assert_pattern(map: &Mmap, len: usize) {
    let mut buffer = [0; LONGEST];
    map.read_exact_at(&mut buffer[..len], 0).unwrap();
    assert!(buffer[..len].iter().enumerate().all(|(index, &found)| found == byte(index)));
}

/// As [`broken_and_whole`], without another map to compare with.
fn broken_and_whole_without_looking(pages: &Pages, map: &Mmap, rounds: usize) {
    for _ in 0..rounds {
        pages.truncate(1);
        assert_fault(map.get(4 * page() + 1), 4 * page() + 1..=4 * page() + 1);
        assert_pattern(map, page());
        peek(map, 2 * page());
        assert_fault(map.check(), 2 * page()..=2 * page());
        pages.restore();
        assert_pattern(map, pages.len);
    }
}

/// F2, F5: the zeros themselves are moved there, more often than there are units in reserve.
fn without_mmap() {
    let pages = Pages::new(5);
    let maps = maps(&pages);
    Filter::new().refuse(SYS_MMAP).install();
    maps.iter().for_each(|map| broken_and_whole_without_looking(&pages, map, 20));
}

/// F2: then nobody can put the pages back. What was never missing is there; the rest is an error, and no zeros.
fn without_either_after_the_fault() {
    let pages = Pages::new(5);
    let map = pages.map(Access::Write);
    pages.truncate(2);
    peek(&map, 3 * page());
    Filter::new().refuse(SYS_MMAP).refuse(libc::SYS_mremap).install();
    pages.restore();
    assert_fault(map.get(0), 3 * page()..=3 * page());
    for _ in 0..3 {
        assert_pattern(&map, 2 * page());
        map.set(5, byte(5)).unwrap();
        assert_eq!(map.find(b"\x02", ..page()).unwrap(), Some(1));
        assert_fault(map.get(4 * page()), 4 * page()..=4 * page());
        assert_fault(map.set(4 * page(), 1), 4 * page()..=4 * page());
        assert_fault(read_all(&map), 2 * page()..=2 * page());
        assert_fault(map.check(), 2 * page()..=2 * page());
        // Every reader of the zeros is told.
        let before = map.fault_count();
        assert_eq!(peek(&map, 3 * page()), 0);
        assert!(map.fault_count() > before);
    }
    assert_fault({ map }.resize(page()), 2 * page()..=2 * page());
}

/// As many areas of memory as the process may have: each has other permissions than the one before it.
pub struct AllAreas(Vec<*mut libc::c_void>);

impl AllAreas {
    pub fn use_up() -> Self {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        // There will be none for a longer list.
        let mut areas = Vec::with_capacity(1 << 17);
        for protection in [libc::PROT_READ, libc::PROT_READ | libc::PROT_WRITE].into_iter().cycle() {
            // SAFETY: a new mapping.
            let area = unsafe { libc::mmap(std::ptr::null_mut(), page(), protection, flags, -1, 0) };
            if area == libc::MAP_FAILED {
                break;
            }
            areas.push(area);
        }
        Self(areas)
    }
}

impl Drop for AllAreas {
    fn drop(&mut self) {
        for &area in &self.0 {
            // SAFETY: nobody else knows it.
            unsafe { libc::munmap(area, page()) };
        }
    }
}

/// F5.
fn the_limit_of_areas_and_a_file_that_is_empty() {
    let pages = Pages::new(16);
    let maps = [pages.map(Access::Write), pages.map(Access::Copy), pages.untracked(Access::Read)];
    let all = AllAreas::use_up();
    println!("{} areas", all.0.len());
    for map in &maps {
        for _ in 0..3 {
            pages.truncate(0);
            assert_fault(map.get(10 * page()), 10 * page()..=10 * page());
            assert_fault(map.get(0), 0..=0);
            peek(map, 3 * page());
            assert_fault(map.check(), 3 * page()..=3 * page());
            pages.restore();
            assert_pattern(map, pages.len);
        }
    }
}

fn the_limit_of_areas_and_a_page_in_the_middle() {
    let pages = Pages::new(16);
    let maps = [pages.map(Access::Write), pages.map(Access::Copy), pages.untracked(Access::Read)];
    let _all = AllAreas::use_up();
    for map in &maps {
        for _ in 0..3 {
            pages.truncate(4);
            assert_fault(map.get(10 * page()), 10 * page()..=10 * page());
            assert_eq!(map.get(4 * page() - 1).unwrap(), byte(4 * page() - 1));
            pages.restore();
            assert_pattern(map, pages.len);
        }
    }
}

/// More than there is in reserve: the last of them have zeros for all that they have.
fn the_limit_of_areas_and_many_maps() {
    let pages = Pages::new(16);
    let maps: Vec<Mmap> = (0..60).map(|_| pages.map(Access::Write)).collect();
    let _all = AllAreas::use_up();
    pages.truncate(0);
    maps.iter().for_each(|map| assert_eq!(peek(map, 10 * page()), 0));
    pages.restore();
    for map in &maps {
        assert_fault(map.check(), 10 * page()..=10 * page());
        assert_pattern(map, pages.len);
    }
}

/// The process has one area more than it may have by then: nothing can be mapped, not even in place of something.
fn the_limit_of_areas_and_more_faults_than_there_is_in_reserve() {
    let pages = Pages::new(16);
    let maps: Vec<Mmap> = (0..90)
        .map(|index| match index % 3 {
            0 => pages.map(Access::Write),
            1 => pages.map(Access::Copy),
            _ => pages.untracked(Access::Read),
        })
        .collect();
    let private = maps.iter().skip(1).step_by(3);
    private.clone().for_each(|map| poke(map, 0, !byte(0)));
    let all = AllAreas::use_up();
    pages.truncate(4);
    maps.iter().for_each(|map| assert_eq!(peek(map, 10 * page()), 0));
    pages.restore();
    drop(all);
    let (mut restored, mut lost) = (0, 0);
    for map in private {
        assert!(map.check().is_err());
        // The changes are there, or reported as missing for as long as the map exists: never the file's bytes in their place.
        match map.get(0) {
            Ok(changed) => restored += u32::from(changed == !byte(0)),
            Err(error) => lost += u32::from(error.fault_offset() == Some(0)),
        }
    }
    assert_eq!(restored + lost, 30, "{restored} and {lost}");
    assert!(lost > 0, "the reserve was enough");
    for (index, map) in maps.iter().enumerate().filter(|(index, _)| index % 3 != 1) {
        assert!(map.check().is_err());
        // Without a descriptor the file cannot be mapped again.
        let mut buffer = vec![0; pages.len];
        let read = map.read_exact_at(&mut buffer, 0);
        assert!(if read.is_ok() { buffer == bytes(0, pages.len) } else { index % 3 == 2 }, "{index}: {read:?}");
    }
}

/// The area that is unmapped for a moment is not taken by another thread that faults, or maps pages again.
fn the_limit_of_areas_and_several_threads() {
    let pages = Pages::new(16);
    let maps: Vec<Mmap> = (0..640).map(|_| pages.map(Access::Read)).collect();
    let (faulty, settled) = maps.split_at(600);
    let (is_full, are_done) = (Barrier::new(4), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for part in faulty.chunks(300) {
            let (is_full, are_done) = (&is_full, &are_done);
            scope.spawn(move || {
                is_full.wait();
                part.iter().for_each(|map| assert_eq!(peek(map, 10 * page()), 0));
                are_done.fetch_add(1, Ordering::Relaxed);
            });
        }
        let (is_full, are_done) = (&is_full, &are_done);
        scope.spawn(move || {
            is_full.wait();
            while are_done.load(Ordering::Relaxed) < 2 {
                settled.iter().for_each(|map| _ = map.get(0));
            }
        });
        let all = AllAreas::use_up();
        pages.truncate(4);
        settled.iter().for_each(|map| assert_eq!(peek(map, 10 * page()), 0));
        is_full.wait();
        while are_done.load(Ordering::Relaxed) < 2 {
            std::thread::yield_now();
        }
        drop(all);
    });
    pages.restore();
    for map in faulty {
        assert!(map.check().is_err());
        assert_pattern(map, pages.len);
    }
}

fn the_reserve_is_filled_up_again() {
    let pages = Pages::new(16);
    let map = pages.map(Access::Write);
    // There is no area for a buffer either.
    let areas = || {
        let (mut maps, mut buffer, mut lines) = (File::open("/proc/self/maps").unwrap(), [0; 4096], 0);
        loop {
            match maps.read(&mut buffer).unwrap() {
                0 => return lines,
                len => lines += buffer[..len].iter().filter(|&&byte| byte == b'\n').count(),
            }
        }
    };
    let _all = AllAreas::use_up();
    let before = areas();
    for _ in 0..20 {
        pages.truncate(4);
        assert_fault(map.get(10 * page()), ..);
        pages.restore();
        assert_pattern(&map, pages.len);
        // A unit of the reserve is up to three areas, of which there is room for all or none.
        assert!(areas() + 3 > before);
    }
}

/// F5, F6: the index changes while handlers look into it.
fn many_threads_fault_in_maps_that_come_and_go() {
    let pages = Pages::of(memory_file(), 4);
    let done = AtomicBool::new(false);
    let faults = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for thread in 0..12 {
            let (pages, done, faults) = (&pages, &done, &faults);
            scope.spawn(move || {
                let own = Pages::of(memory_file(), 4);
                let map = if thread % 2 == 0 { own.map(Access::Write) } else { own.untracked(Access::Write) };
                while !done.load(Ordering::Relaxed) {
                    let others: Vec<Mmap> = (0..thread).map(|_| pages.map(Access::Read)).collect();
                    own.truncate(1);
                    assert_fault(map.get(3 * page()), 3 * page()..=3 * page());
                    poke(&map, 2 * page(), 1);
                    assert_fault(map.check(), 2 * page()..=2 * page());
                    own.restore();
                    assert_bytes(&map, &bytes(0, own.len));
                    others.iter().for_each(|map| assert_eq!(map.get(page()).unwrap(), byte(page())));
                    faults.fetch_add(2, Ordering::Relaxed);
                }
                assert_eq!(map.fault_count() % 2, 0);
                map.close().unwrap();
            });
        }
        while faults.load(Ordering::Relaxed) < 4000 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
}
