//! F5: fork, threads, and maps that come and go while others fault.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::process::*;
use firmmap::{Access, ErrorKind, Mmap};

crate::scenarios! {
    lives:
        faults_in_a_forked_child,
        a_fault_from_before_the_fork_is_reported_on_both_sides,
        untracked_pages_that_are_aside_belong_to_both_sides,
        forks_while_other_threads_fault,
        forks_while_a_signal_handler_faults,
        a_child_that_executes_another_program,
        many_threads_that_fault_on_one_page,
        many_threads_that_fault_in_maps_of_one_file,
        the_first_maps_of_a_process_are_made_by_many_threads,
        maps_made_resized_and_dropped_while_others_fault;
    dies:
        a_foreign_fault_in_a_forked_child;
}

/// Stops other threads, also where this one panics.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// What [`forks_while_a_signal_handler_faults`] has its handler read.
static MISSING: AtomicUsize = AtomicUsize::new(0);

extern "C" fn read_missing(_signal: libc::c_int) {
    // SAFETY: the address of a mapped byte.
    unsafe { (MISSING.load(Ordering::Relaxed) as *const u8).read_volatile() };
}

/// The handler runs in the thread that forks, between the functions that are called before fork(2) too.
fn forks_while_a_signal_handler_faults() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Read);
    let others: Vec<_> = (0..2000).map(|_| pages.map(Access::Read)).collect();
    pages.truncate(0);
    MISSING.store(map.as_ptr() as usize + 2 * page(), Ordering::Relaxed);
    // SAFETY: all zeros is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    (action.sa_sigaction, action.sa_flags) = (read_missing as *const () as usize, libc::SA_RESTART);
    // SAFETY: the handler only reads a byte.
    assert_eq!(unsafe { libc::sigaction(libc::SIGALRM, &action, std::ptr::null_mut()) }, 0);
    let interval = libc::timeval { tv_sec: 0, tv_usec: 150 };
    let timer = |interval| {
        let timer = libc::itimerval { it_interval: interval, it_value: interval };
        // SAFETY: only sets a timer.
        assert_eq!(unsafe { libc::setitimer(libc::ITIMER_REAL, &timer, std::ptr::null_mut()) }, 0);
    };
    timer(interval);
    for _ in 0..200 {
        in_a_child(|| ());
        // The next signal is to find pages that are missing.
        let _ = map.check();
    }
    timer(libc::timeval { tv_sec: 0, tv_usec: 0 });
    drop(others);
}

/// Runs `scenario` in a forked child, which must end well.
fn in_a_child(scenario: impl FnOnce()) {
    // SAFETY: the child uses what a thread of its own may use; no other thread holds locks of the standard library.
    match unsafe { libc::fork() } {
        0 => {
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(scenario));
            // SAFETY: nothing is to be written out.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) };
        }
        child => {
            let status = wait_for(child);
            assert!(status.success(), "{status}");
        }
    }
}

fn faults_in_a_forked_child() {
    let pages = Pages::new(4);
    let maps = [Access::Read, Access::Write, Access::Copy].map(|access| [pages.map(access), pages.untracked(access)]);
    let works = || {
        for map in maps.as_flattened() {
            pages.truncate(1);
            assert_fault(map.get(3 * page()), 3 * page()..=3 * page());
            pages.restore();
            assert_bytes(map, &bytes(0, pages.len));
        }
    };
    in_a_child(works);
    works();
    in_a_child(|| {
        in_a_child(works);
        works();
        assert_guarded();
    });
}

fn a_fault_from_before_the_fork_is_reported_on_both_sides() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    assert_eq!(peek(&map, 2 * page()), 0);
    pages.restore();
    let reported = || {
        assert_eq!(peek(&map, 2 * page()), 0);
        assert_fault(map.get(0), 2 * page()..=2 * page());
        assert_bytes(&map, &bytes(0, pages.len));
    };
    in_a_child(reported);
    reported();
}

fn untracked_pages_that_are_aside_belong_to_both_sides() {
    let pages = Pages::new(4);
    let map = pages.untracked(Access::Copy);
    map.set(3 * page() + 7, 77).unwrap();
    map.set(9, 99).unwrap();
    pages.truncate(1);
    assert_eq!(peek(&map, 2 * page()), 0);
    pages.restore();
    let mut expected = bytes(0, pages.len);
    expected[9] = 99;
    let reported = || {
        assert_fault(map.check(), 2 * page()..);
        assert_bytes(&map, &expected);
    };
    in_a_child(reported);
    reported();
}

/// A fork copies the memory of a thread that is about to put zeros in or to take them out: the child must not take what is
/// half done for whole. Its file stays truncated, so every zero would be a wrong byte.
fn forks_while_other_threads_fault() {
    let pages = Pages::new(8);
    let maps = [Access::Read, Access::Write, Access::Copy].map(|access| [pages.map(access), pages.untracked(access)]);
    let done = AtomicBool::new(false);
    pages.truncate(4);
    let meets = |map: &Mmap| match map.get(6 * page()) {
        Ok(byte) => panic!("a byte that is not there: {byte}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::Fault),
    };
    std::thread::scope(|scope| {
        for map in maps.as_flattened() {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    meets(map);
                }
            });
        }
        let _stop = Stop(&done);
        for _ in 0..30 {
            in_a_child(|| {
                for map in maps.as_flattened() {
                    meets(map);
                    meets(map);
                }
                assert_guarded();
            });
        }
    });
}

fn a_child_that_executes_another_program() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    pages.truncate(0);
    assert_eq!(peek(&map, 0), 0);
    assert!(std::process::Command::new("true").status().unwrap().success());
    assert_fault(map.check(), 0..=0);
}

fn many_threads_that_fault_on_one_page() {
    let pages = Pages::new(3);
    for map in [pages.map(Access::Write), pages.untracked(Access::Write), pages.untracked(Access::Copy)] {
        for _ in 0..50 {
            pages.truncate(1);
            let start = Barrier::new(8);
            std::thread::scope(|scope| {
                for thread in 0..8 {
                    let (map, start) = (&map, &start);
                    scope.spawn(move || {
                        start.wait();
                        if thread % 2 == 0 {
                            assert_fault(map.get(2 * page()), 2 * page()..);
                        } else {
                            assert_eq!(peek(map, 2 * page() + 1), 0);
                        }
                    });
                }
            });
            pages.restore();
            let _ = map.check();
            assert_bytes(&map, &bytes(0, pages.len));
        }
    }
}

fn many_threads_that_fault_in_maps_of_one_file() {
    let pages = Pages::new(16);
    pages.truncate(4);
    std::thread::scope(|scope| {
        for thread in 0..8 {
            let pages = &pages;
            scope.spawn(move || {
                let mut options = firmmap::MmapOptions::new();
                options = options.access(if thread % 2 == 0 { Access::Write } else { Access::Copy });
                for round in 0..100 {
                    // The file may be too short already for a map to be made: then it is made longer.
                    let Ok(map) = options.clone().len(pages.len).extend(true).map(&pages.file) else { continue };
                    pages.truncate(4);
                    match map.to_vec(..) {
                        Ok(found) => assert!(found[..4 * page()] == bytes(0, 4 * page()), "round {round}"),
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Fault),
                    }
                    let _ = map.check();
                    assert!(map.to_vec(..4 * page()).is_ok_and(|found| found == bytes(0, 4 * page())));
                }
            });
        }
    });
}

/// None may fault before there is a handler, which only one of them installs.
fn the_first_maps_of_a_process_are_made_by_many_threads() {
    let pages: [Pages; 4] = std::array::from_fn(|_| Pages::new(2));
    for _ in 0..50 {
        in_a_child(|| {
            let start = Barrier::new(pages.len());
            std::thread::scope(|scope| {
                for pages in &pages {
                    let start = &start;
                    scope.spawn(move || {
                        start.wait();
                        let map = pages.map(Access::Write);
                        pages.truncate(1);
                        assert_fault(map.get(page()), page()..=page());
                        pages.restore();
                    });
                }
            });
        });
    }
}

fn maps_made_resized_and_dropped_while_others_fault() {
    let done = AtomicBool::new(false);
    let faults = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let pages = Pages::new(4);
                let map = pages.map(Access::Write);
                pages.truncate(1);
                while !done.load(Ordering::Relaxed) {
                    assert_fault(map.find(b"\0", ..), page()..);
                    faults.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _stop = Stop(&done);
        // More than the first piece of the table has slots for.
        let pages = Pages::new(2);
        for round in 0..10 {
            let mut maps: Vec<Mmap> = (0..100).map(|_| pages.map(Access::Write)).collect();
            for map in &maps {
                assert_bytes(map, &bytes(0, pages.len));
            }
            maps.truncate(1 + round);
            let other = Pages::new(2);
            let mut map = other.map(Access::Write);
            for len in [1, 10, 3, 0, 2] {
                map.resize(len * page()).unwrap();
                map.fill(.., 7).unwrap();
                assert_eq!(map.count(b"\x07", ..).unwrap(), len * page());
            }
        }
        while faults.load(Ordering::Relaxed) < 1000 {
            std::thread::yield_now();
        }
    });
}

fn a_foreign_fault_in_a_forked_child() {
    assert_guarded();
    // SAFETY: the child does what a thread may do.
    match unsafe { libc::fork() } {
        0 => {
            assert_guarded();
            so_far();
            Stranger::new().peek();
        }
        child => {
            use std::os::unix::process::ExitStatusExt;
            let status = wait_for(child);
            assert_eq!(status.signal(), Some(libc::SIGBUS), "{status}");
            Stranger::new().peek();
        }
    }
}
