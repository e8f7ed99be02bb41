//! F2, F5: faults in a process that may have no more addresses, data or locked memory: getrlimit(2).

#![allow(unsafe_code)]

use crate::process::*;
use crate::recovery::AllAreas;
use crate::skipped::skipped;
use firmmap::{Access, Mmap};

crate::scenarios! {
    lives:
        no_more_data,
        no_more_addresses,
        no_more_addresses_for_other_pages,
        less_data_than_there_is,
        no_more_data_and_no_more_areas,
        fewer_addresses_than_there_are,
        no_more_locked_memory;
    dies:;
}

/// The resource as setrlimit(2) has it, whose type is another one with every C library.
macro_rules! limit {
    ($resource:ident, $to:expr) => {{
        let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
        // SAFETY: the limit is a whole `rlimit`.
        assert_eq!(unsafe { libc::getrlimit(libc::$resource, &mut limit) }, 0);
        limit.rlim_cur = $to as libc::rlim_t;
        // SAFETY: the limit is a whole `rlimit`.
        assert_eq!(unsafe { libc::setrlimit(libc::$resource, &limit) }, 0);
    }};
}

/// What the process has, in bytes: field `index` of `/proc/self/statm`.
fn used(index: usize) -> usize {
    let fields = std::fs::read_to_string("/proc/self/statm").unwrap();
    fields.split(' ').nth(index).unwrap().parse::<usize>().unwrap() * page()
}

const ADDRESSES: usize = 0;
const DATA: usize = 5;

/// Maps pages until the system refuses.
fn use_up() {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS);
    // SAFETY: new mappings.
    while unsafe { libc::mmap(std::ptr::null_mut(), page(), protection, flags, -1, 0) } != libc::MAP_FAILED {}
}

/// More maps than there are units in the reserve, each of a file of its own.
fn many_maps() -> Vec<(Pages, Mmap)> {
    let accesses = [Access::Write, Access::Read, Access::Copy].into_iter().cycle();
    let of_a_new_file = |access| {
        let pages = Pages::new(32);
        let map = pages.map(access);
        (pages, map)
    };
    accesses.take(60).map(of_a_new_file).collect()
}

/// All are missing at a time, are told, and come back.
fn all_are_told_and_restored(maps: &[(Pages, Mmap)]) {
    touch_all(maps);
    check_all(maps);
}

fn touch_all(maps: &[(Pages, Mmap)]) {
    for (index, (pages, map)) in maps.iter().enumerate() {
        pages.truncate(1);
        if map.access() == Access::Read || index % 2 == 0 {
            assert_eq!(peek(map, 9 * page()), 0);
        } else {
            poke(map, 9 * page(), 7);
        }
    }
}

fn check_all(maps: &[(Pages, Mmap)]) {
    for (pages, map) in maps {
        assert_fault(map.check(), 9 * page()..=9 * page());
        pages.restore();
        assert_eq!(map.get(9 * page()).unwrap(), byte(9 * page()));
        map.check().unwrap();
    }
}

/// Zeros that can be written to are no data.
fn no_more_data() {
    let maps = many_maps();
    limit!(RLIMIT_DATA, used(DATA));
    use_up();
    all_are_told_and_restored(&maps);
}

fn no_more_addresses() {
    let maps = many_maps();
    limit!(RLIMIT_AS, used(ADDRESSES));
    use_up();
    all_are_told_and_restored(&maps);
}

/// Pages that cannot be moved aside are mapped again in their place, as soon as they are there.
fn no_more_addresses_for_other_pages() {
    let pages = Pages::new(64);
    let map = pages.map(Access::Read);
    limit!(RLIMIT_AS, used(ADDRESSES) + 16 * page());
    for _ in 0..40 {
        pages.truncate(1);
        assert_fault(map.get(50 * page()), 50 * page()..=50 * page());
        pages.restore();
        assert_eq!(map.get(50 * page()).unwrap(), byte(50 * page()));
    }
}

/// Then private memory that can be written to cannot be mapped again.
fn less_data_than_there_is() {
    let (private, shared): (Vec<_>, Vec<_>) =
        many_maps().into_iter().partition(|(_, map)| map.access() == Access::Copy);
    limit!(RLIMIT_DATA, 1 << 20);
    all_are_told_and_restored(&shared);
    for (pages, map) in &private {
        pages.truncate(1);
        assert_eq!(peek(map, 9 * page()), 0);
    }
    for (pages, map) in &private {
        assert_fault(map.check(), 9 * page()..=9 * page());
        pages.restore();
        assert_fault(map.get(9 * page()), 9 * page()..=9 * page());
        assert_eq!(map.get(0).unwrap(), byte(0));
    }
}

/// The zeros in place of whole maps, too, are no data.
fn no_more_data_and_no_more_areas() {
    let mut maps = many_maps();
    maps.retain(|(_, map)| map.access() != Access::Copy);
    let all = AllAreas::use_up();
    limit!(RLIMIT_DATA, used(DATA));
    touch_all(&maps);
    drop(all);
    check_all(&maps);
}

/// Nothing can be mapped, only moved: there are as many pages of zeros as units in the reserve.
fn fewer_addresses_than_there_are() {
    let pages = Pages::new(32);
    let map = pages.map(Access::Write);
    limit!(RLIMIT_AS, 1 << 20);
    for index in 1..16 {
        pages.truncate(1);
        assert_fault(map.get(index * page()), index * page()..=index * page());
        assert_eq!(map.get(0).unwrap(), byte(0));
        pages.restore();
        assert_fault(map.get(index * page()), index * page()..=index * page());
    }
    limit!(RLIMIT_AS, libc::RLIM_INFINITY);
    assert_eq!(map.to_vec(..).unwrap(), bytes(0, pages.len));
    map.check().unwrap();
}

/// A page of zeros is moved there and back, as often as it takes.
fn no_more_locked_memory() {
    let pages = Pages::new(32);
    let maps = [Access::Write, Access::Read, Access::Copy].map(|access| pages.map(access));
    const NOBODY: libc::uid_t = 65534;
    // SAFETY: always works.
    let may_do_everything = unsafe { libc::geteuid() } == 0;
    // Who has no such limit.
    // SAFETY: only this process's rights change.
    if may_do_everything && unsafe { libc::setresuid(NOBODY, NOBODY, NOBODY) } != 0 {
        return skipped("the rights of another user cannot be had here");
    }
    // SAFETY: what is mapped from now on is locked.
    if unsafe { libc::mlockall(libc::MCL_FUTURE) } != 0 {
        return skipped("memory cannot be locked here");
    }
    limit!(RLIMIT_MEMLOCK, page());
    for turn in 0..40 {
        for map in &maps {
            let missing = (1 + turn % 30) * page();
            pages.truncate(1);
            assert_fault(map.get(missing), missing..=missing);
            pages.restore();
            assert_eq!(map.get(missing).unwrap(), byte(missing));
        }
    }
}
