//! F3, F7: memory that is used directly, what is told of it, and the switch.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::process::*;
use firmmap::{
    Access, ErrorKind, MappedFile, Mmap, MmapOptions,
    fault::{fault_guard, on_fault, set_fault_guard, take_fault},
};

crate::scenarios! {
    lives:
        zeros_are_read_and_reported_once,
        every_operation_reports,
        the_lowest_byte_and_its_thread_are_reported,
        lost_writes_are_reported_by_flush,
        lost_writes_are_reported_by_close,
        a_plain_slice,
        a_slice_of_atomics,
        take_fault_puts_the_pages_back,
        take_fault_of_many_maps,
        on_fault_is_called_by_the_thread_that_faults,
        a_file_that_another_thread_truncates_during_operations,
        a_file_that_another_process_truncates_during_operations,
        memory_without_a_file,
        the_guard_is_on,
        the_guard_off_and_on_again;
    dies:
        the_guard_off_for_new_maps,
        the_guard_off_for_old_maps,
        an_old_map_stays_without_the_guard;
}

fn zeros_are_read_and_reported_once() {
    for access in [Access::Read, Access::Write, Access::Copy] {
        for track in [true, false] {
            let pages = Pages::new(4);
            let map = MmapOptions::new().access(access).track_file(track).map(&pages.file).unwrap();
            pages.truncate(1);
            assert_eq!(peek(&map, page()), 0);
            assert_eq!(peek(&map, 2 * page() + 9), 0);
            assert_eq!(peek(&map, page() - 1), byte(page() - 1));
            assert_fault(map.check(), page()..=page());
            map.check().unwrap();
            assert_eq!(map.get(0).unwrap(), 1);
            // Until somebody is told, the zeros stay, so that all of a computation sees them.
            assert_eq!(peek(&map, 3 * page()), 0);
            pages.restore();
            assert_eq!(peek(&map, 3 * page()), 0);
            assert_fault(map.check(), 3 * page()..=3 * page());
            assert_eq!(peek(&map, 3 * page()), byte(3 * page()));
            assert_bytes(&map, &bytes(0, pages.len));
            map.close().unwrap();
        }
    }
}

/// Each is the first that comes after the access. The second time it goes well. If the range of the operation has the byte that was
/// met, the first byte of the range that was missing is reported (F1).
fn every_operation_reports() {
    let pages = Pages::new(4);
    let mut map = pages.map(Access::Write);
    type Operation<'a> = &'a dyn Fn(&Mmap) -> firmmap::Result<()>;
    let operations: [Operation<'_>; 20] = [
        &|map| map.get(1).map(drop),
        &|map| map.set(1, byte(1)),
        &|map| map.read_at(&mut [0; 3], 0).map(drop),
        &|map| map.read_exact_at(&mut [0; 3], 0),
        &|map| map.to_vec(..3).map(drop),
        &|map| map.read_strided_at(&mut [0; 3], 5, -2),
        &|map| map.write_strided_at(&[1, 1], 0, 251),
        &|map| map.write_at(&bytes(0, 3), 0).map(drop),
        &|map| map.fill(7..8, byte(7)),
        &|map| map.copy_within(..5, 251),
        &|map| map.find(b"\x02", ..).map(drop),
        &|map| map.rfind(b"\x02", ..9).map(drop),
        &|map| map.count(b"\x02", ..9).map(drop),
        &|map| map.flush(),
        &|map| map.flush_range(..1),
        &|map| map.flush_async(),
        &|map| map.advise(firmmap::Advice::NORMAL),
        &|map| map.lock(),
        &|map| map.unlock(),
        &|map| map.check(),
    ];
    for operation in operations {
        pages.truncate(1);
        assert_eq!(peek(&map, 3 * page() + 5), 0);
        let error = operation(&map).unwrap_err();
        assert!([Some(page()), Some(3 * page() + 5)].contains(&error.fault_offset()), "{error}");
        // What is missing cannot be locked: the system says so.
        pages.restore();
        operation(&map).unwrap();
    }
    pages.truncate(1);
    peek(&map, 2 * page());
    assert_fault(map.protect(map.protection()), 2 * page()..=2 * page());
    peek(&map, 2 * page());
    assert_fault(map.resize(page()), 2 * page()..=2 * page());
    let file = MappedFile::new(map);
    peek(&file, 2 * page());
    assert_fault(file.line_end(), page()..=page());
}

fn the_lowest_byte_and_its_thread_are_reported() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(0);
    for order in [[3, 1], [1, 3]] {
        // SAFETY: always works.
        let threads = order.map(|index| {
            let here = || {
                peek(&map, index * page());
                // SAFETY: always works.
                (unsafe { libc::pthread_self() }) as usize
            };
            std::thread::scope(|scope| scope.spawn(here).join().unwrap())
        });
        let fault = take_fault().unwrap();
        // The first fault covers all that is missing: the second access meets zeros. Where it was lower, it counts.
        assert!([page(), 3 * page()].contains(&fault.offset));
        assert!(threads.contains(&fault.thread));
        assert_eq!(take_fault(), None);
        map.check().unwrap();
    }
}

fn lost_writes_are_reported_by_flush() {
    for track in [true, false] {
        let pages = Pages::new(4);
        let map = MmapOptions::new().access(Access::Write).track_file(track).map(&pages.file).unwrap();
        pages.truncate(1);
        poke(&map, 3 * page(), 77);
        assert_eq!(peek(&map, 3 * page()), 77);
        assert_fault(map.flush(), 3 * page()..=3 * page());
        map.flush().unwrap();
        pages.restore();
        assert_bytes(&map, &bytes(0, pages.len));
        assert_bytes(&pages.map(Access::Read), &bytes(0, pages.len));
    }
}

fn lost_writes_are_reported_by_close() {
    for track in [true, false] {
        let pages = Pages::new(4);
        let map = MmapOptions::new().access(Access::Write).track_file(track).map(&pages.file).unwrap();
        pages.truncate(1);
        poke(&map, 3 * page() + 5, 77);
        assert_fault(map.close(), 3 * page() + 5..=3 * page() + 5);
        #[cfg(linux_kernel)]
        assert_eq!(areas_of(&pages.file), 0);
    }
}

fn a_plain_slice() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Read);
    pages.truncate(1);
    // SAFETY: nobody changes the bytes while the sum is made. (They have changed before.)
    let sum = unsafe { map.as_slice() }.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    assert_eq!(sum, bytes(0, page()).into_iter().map(u64::from).sum());
    assert_fault(map.check(), page()..=page());
}

fn a_slice_of_atomics() {
    use std::sync::atomic::Ordering::Relaxed;
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    let atoms = map.as_atomic().unwrap();
    assert_eq!(atoms[3 * page() + 1].fetch_add(9, Relaxed), 0);
    assert_eq!(atoms[3 * page() + 1].swap(1, Relaxed), 9);
    assert_eq!(atoms[3].load(Relaxed), byte(3));
    assert_fault(map.flush(), 3 * page() + 1..=3 * page() + 1);
    assert_eq!(atoms[3 * page() + 1].load(Relaxed), 0);
    assert_fault(map.close(), 3 * page() + 1..=3 * page() + 1);
}

fn take_fault_puts_the_pages_back() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    assert_eq!(take_fault(), None);
    pages.truncate(1);
    peek(&map, 2 * page());
    pages.restore();
    let fault = take_fault().unwrap();
    // SAFETY: always works.
    let thread = unsafe { libc::pthread_self() };
    assert_eq!((fault.offset, fault.thread), (2 * page(), thread as usize));
    assert_eq!(take_fault(), None);
    assert_bytes(&map, &bytes(0, pages.len));
    // What an operation has met, it has told.
    pages.truncate(1);
    assert_fault(map.get(2 * page()), ..);
    assert_eq!(take_fault(), None);
    // What the end of a map has left, nobody can be told of any more.
    peek(&map, 2 * page());
    drop(map);
    assert_eq!(take_fault(), None);
}

fn take_fault_of_many_maps() {
    let pages = Pages::new(2);
    let maps: Vec<Mmap> = (0..200).map(|_| pages.map(Access::Read)).collect();
    pages.truncate(1);
    for (index, map) in maps.iter().enumerate() {
        peek(map, page() + index);
    }
    let mut offsets: Vec<usize> = std::iter::from_fn(take_fault).map(|fault| fault.offset - page()).collect();
    offsets.sort_unstable();
    assert!(offsets.into_iter().eq(0..200));
    maps.iter().for_each(|map| map.check().unwrap());
}

fn on_fault_is_called_by_the_thread_that_faults() {
    static THREAD: AtomicUsize = AtomicUsize::new(0);
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    let notify = || {
        // SAFETY: always works.
        THREAD.store(unsafe { libc::pthread_self() } as usize, Ordering::SeqCst);
        CALLS.fetch_add(1, Ordering::SeqCst);
    };
    // SAFETY: the function uses atomics only.
    unsafe { on_fault(notify) };
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    let thread = std::thread::scope(|scope| {
        let here = || {
            assert_fault(map.find(b"absent", ..), page()..);
            // SAFETY: always works.
            (unsafe { libc::pthread_self() }) as usize
        };
        scope.spawn(here).join().unwrap()
    });
    assert_eq!((THREAD.load(Ordering::SeqCst), CALLS.load(Ordering::SeqCst)), (thread, 1));
    // One fault, and not one for each of the pages, and none for somebody else's.
    pages.truncate(0);
    peek(&map, 0);
    peek(&map, 3 * page());
    assert_eq!(CALLS.load(Ordering::SeqCst), 2);
}

/// Truncates and restores without ever leaving zeros in the file: it grows only by what is written at its end.
fn flicker(pages: &Pages, rounds: usize) {
    use std::os::unix::fs::FileExt;
    let content = bytes(0, pages.len);
    for round in 0..rounds {
        let left = [0, 1, pages.len / page() / 2][round % 3];
        pages.truncate(left);
        std::thread::sleep(std::time::Duration::from_millis(1));
        pages.file.write_all_at(&content[left * page()..], (left * page()) as u64).unwrap();
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}

/// What an operation returns is the file's, or an error.
fn use_all(maps: &[Mmap], goes_on: impl Fn() -> bool) {
    let (mut good, mut faults) = (0, 0);
    let expected = bytes(0, maps[0].len());
    while goes_on() || good == 0 {
        for map in maps {
            let mut tell = |result: firmmap::Result<()>| match result {
                Ok(()) => good += 1,
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::Fault);
                    faults += 1;
                }
            };
            tell(map.to_vec(..).map(|found| assert!(found == expected, "wrong bytes")));
            tell(map.get(map.len() - 1).map(|found| assert_eq!(found, byte(map.len() - 1))));
            tell(map.find(b"\0", ..).map(|found| assert_eq!(found, None)));
            tell(map.rfind(b"\0\0", ..).map(|found| assert_eq!(found, None)));
            tell(map.count(&expected[..250], ..).map(|count| assert_eq!(count, map.len() / 251)));
            if map.access() != Access::Read {
                tell(map.write_all_at(&expected[100..], 100));
                tell(map.copy_within(..map.len() - 251, 251));
            }
        }
    }
    println!("{good} operations went well, {faults} met a fault");
}

fn kinds(pages: &Pages) -> Vec<Mmap> {
    let both = |access| [pages.map(access), pages.untracked(access)];
    [Access::Read, Access::Write, Access::Copy].into_iter().flat_map(both).collect()
}

fn a_file_that_another_thread_truncates_during_operations() {
    let pages = Pages::of(memory_file(), 300);
    let maps = kinds(&pages);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            flicker(&pages, 100);
            done.store(true, Ordering::SeqCst);
        });
        use_all(&maps, || !done.load(Ordering::SeqCst));
    });
    pages.restore();
    maps.iter().for_each(|map| assert_bytes(map, &bytes(0, pages.len)));
}

fn a_file_that_another_process_truncates_during_operations() {
    let pages = Pages::of(memory_file(), 300);
    let maps = kinds(&pages);
    // SAFETY: this is the only thread.
    match unsafe { libc::fork() } {
        0 => {
            flicker(&pages, 100);
            // SAFETY: nothing is to be written out.
            unsafe { libc::_exit(0) };
        }
        child => {
            let ended = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    assert!(wait_for(child).success());
                    ended.store(true, Ordering::SeqCst);
                });
                use_all(&maps, || !ended.load(Ordering::SeqCst));
            });
        }
    }
    maps.iter().for_each(|map| assert_bytes(map, &bytes(0, pages.len)));
}

fn memory_without_a_file() {
    for options in [MmapOptions::new().len(3 * page()), MmapOptions::new().len(3 * page()).private()] {
        let mut map = options.map_anonymous().unwrap();
        map.fill(.., 1).unwrap();
        map.resize(2 * page()).unwrap();
        assert_guarded();
        assert_eq!(map.count(b"\x01", ..).unwrap(), 2 * page());
        map.close().unwrap();
    }
}

fn the_guard_is_on() {
    assert!(fault_guard());
    assert_guarded();
}

fn the_guard_off_and_on_again() {
    set_fault_guard(false);
    assert!(!fault_guard());
    set_fault_guard(true);
    assert!(fault_guard());
    assert_guarded();
}

/// F7: death as everywhere else.
fn the_guard_off_for_new_maps() {
    set_fault_guard(false);
    touch_what_is_missing(None);
}

fn the_guard_off_for_old_maps() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    set_fault_guard(false);
    touch_what_is_missing(Some((pages, map)));
}

fn an_old_map_stays_without_the_guard() {
    set_fault_guard(false);
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    set_fault_guard(true);
    assert_guarded();
    touch_what_is_missing(Some((pages, map)));
}

fn touch_what_is_missing(old: Option<(Pages, Mmap)>) {
    let (pages, map) = old.unwrap_or_else(|| {
        let pages = Pages::new(2);
        let map = pages.map(Access::Write);
        (pages, map)
    });
    map.set(9, 9).unwrap();
    pages.truncate(1);
    assert_eq!(map.get(9).unwrap(), 9);
    so_far();
    println!("{:?}", map.get(page()));
}

/// F7: the environment.
#[test]
fn the_guard_is_switched_off_by_the_environment() {
    child("the_guard_off_for_old_maps").env("FIRMMAP_FAULT_GUARD", "0").dies();
    child("the_guard_is_on").env("FIRMMAP_FAULT_GUARD", "1").lives();
    child("the_guard_is_on").env("FIRMMAP_FAULT_GUARD", "").lives();
    child("the_guard_off_and_on_again").env("FIRMMAP_FAULT_GUARD", "0").lives();
}
