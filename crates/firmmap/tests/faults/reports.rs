//! F1, F3, F10: who is told of a fault in memory that is used directly, and which byte an operation names.

#![allow(unsafe_code, clippy::multiple_unsafe_ops_per_block)]

use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Barrier, mpsc};

use crate::process::*;
use firmmap::{
    Access, ErrorKind, Mmap, MmapOptions,
    fault::{self, take_fault, take_fault_of, take_own_fault, waiting_faults},
};

crate::scenarios! {
    lives:
        forty_threads_are_told_each,
        forty_threads_wait_to_be_told,
        writers_to_pages_of_their_own_are_told_each,
        a_check_in_another_thread_takes_nothing_away,
        a_report_is_there_while_other_threads_are_told,
        a_thread_that_has_ended_is_forgotten_once_somebody_was_told,
        the_count_tells_every_reader,
        the_count_never_goes_back,
        the_count_goes_on_where_a_shared_map_is_mapped_again,
        resizing_in_another_thread_takes_nothing_away,
        a_child_of_a_fork_by_a_thread_is_told,
        threads_of_the_parent_are_not_those_of_a_child,
        a_thread_is_not_the_one_that_had_its_address_before,
        a_scope_gives_the_result_or_the_fault,
        a_scope_for_writing,
        a_scope_and_a_fault_of_another_thread,
        a_scope_that_panics,
        the_drop_hook_is_called_for_what_nobody_was_told_of,
        the_default_hook_writes_a_line,
        the_first_missing_byte_of_every_operation,
        the_first_missing_byte_of_what_was_met_before,
        the_first_missing_byte_of_long_operations,
        an_empty_range_of_a_missing_page;
    dies:;
}

fn here() -> usize {
    // SAFETY: always works.
    (unsafe { libc::pthread_self() }) as usize
}

/// Runs `work` in so many threads at once, which meet a fault each: in a map that does not know its file's end zeros reach from
/// the page that was touched to the page that was touched before.
fn in_threads(count: usize, map: &Mmap, work: impl Fn(usize) + Sync) {
    let (touched, turns) = (Barrier::new(count), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for thread in 0..count {
            let (touched, turns, work) = (&touched, &turns, &work);
            scope.spawn(move || {
                while turns.load(Ordering::SeqCst) != thread {
                    std::thread::yield_now();
                }
                poke(map, (count - thread) * page() + 5, 77);
                turns.fetch_add(1, Ordering::SeqCst);
                touched.wait();
                work(thread);
            });
        }
    });
}

/// F3: there is no number of threads from which on one is not told.
fn forty_threads_are_told_each() {
    let pages = Pages::new(50);
    let map = pages.untracked(Access::Write);
    pages.truncate(1);
    let all = Barrier::new(40);
    in_threads(40, &map, |thread| {
        let own = (40 - thread) * page() + 5;
        assert_fault(map.check(), own..=own);
        all.wait();
        map.check().unwrap();
    });
    map.check().unwrap();
    assert_eq!(map.fault_count(), 40);
    map.close().unwrap();
}

/// F3: also where the library knows that the file ends before all of them.
fn writers_to_pages_of_their_own_are_told_each() {
    let pages = Pages::new(50);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    let (start, written) = (Barrier::new(40), Barrier::new(40));
    std::thread::scope(|scope| {
        for thread in 1..=40 {
            let (map, start, written) = (&map, &start, &written);
            scope.spawn(move || {
                start.wait();
                poke(map, thread * page() + 5, 77);
                written.wait();
                assert_fault(map.check(), thread * page() + 5..=thread * page() + 5);
            });
        }
    });
    map.check().unwrap();
    map.close().unwrap();
}

fn forty_threads_wait_to_be_told() {
    let pages = Pages::new(50);
    let map = pages.untracked(Access::Write);
    pages.truncate(1);
    let all = Barrier::new(40);
    in_threads(40, &map, |thread| {
        if thread == 0 {
            assert_eq!(waiting_faults().len(), 40);
        }
        all.wait();
        let fault = take_own_fault().unwrap();
        assert_eq!((fault.offset, fault.thread, fault.reported), ((40 - thread) * page() + 5, here(), false));
        assert_eq!(take_own_fault(), None);
    });
    assert_eq!((take_fault(), waiting_faults().len()), (None, 0));
    map.close().unwrap();
}

/// F10: and every operation reports it, not only `check`.
fn a_check_in_another_thread_takes_nothing_away() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    for operation in [|map: &Mmap| map.check(), |map: &Mmap| map.get(0).map(drop), |map: &Mmap| map.flush()] {
        pages.truncate(1);
        peek(&map, 2 * page() + 3);
        std::thread::scope(|scope| {
            let other = || {
                assert_fault(map.check(), 2 * page() + 3..=2 * page() + 3);
                map.check().unwrap();
                map.get(1).unwrap();
            };
            scope.spawn(other).join().unwrap();
        });
        pages.restore();
        assert_fault(operation(&map), 2 * page() + 3..=2 * page() + 3);
        operation(&map).unwrap();
        assert_bytes(&map, &bytes(0, pages.len));
    }
}

/// F3, F10: whenever the thread asks, its fault is found.
fn a_report_is_there_while_other_threads_are_told() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    let ended = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let other = || {
            while !ended.load(Ordering::Relaxed) {
                let _ = map.check();
            }
        };
        scope.spawn(other);
        let mut missed = 0;
        for _ in 0..20_000 {
            peek(&map, page());
            missed += usize::from(waiting_faults().is_empty());
            missed += usize::from(take_own_fault().is_none());
        }
        ended.store(true, Ordering::Relaxed);
        assert_eq!(missed, 0);
    });
    // The other thread's operations have reported all: nobody is to be told when the map is dropped.
    while map.check().is_err() {}
}

fn a_thread_that_has_ended_is_forgotten_once_somebody_was_told() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    std::thread::scope(|scope| {
        scope.spawn(|| peek(&map, page())).join().unwrap();
    });
    assert_fault(map.check(), page()..=page());
    #[cfg(linux_kernel)]
    for _ in 0..1000 {
        // The kernel may take a moment to end the thread.
        if waiting_faults().is_empty() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
        map.check().unwrap();
    }
    #[cfg(linux_kernel)]
    assert!(waiting_faults().is_empty());
    map.check().unwrap();
}

/// F10: two readers of the same zeros, one of which has met no fault.
fn the_count_tells_every_reader() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    assert_eq!(map.fault_count(), 0);
    let (second, first) = (map.fault_count(), map.fault_count());
    pages.truncate(1);
    assert_eq!(peek(&map, 2 * page()), 0);
    std::thread::scope(|scope| {
        let other = || {
            assert_eq!(peek(&map, 2 * page() + 1), 0);
            assert!(map.fault_count() > second);
        };
        scope.spawn(other).join().unwrap();
    });
    assert!(map.fault_count() > first);
    // Asking tells nobody.
    assert_fault(map.check(), 2 * page()..=2 * page());
    // Somebody who begins to read while there are zeros reads none of them.
    assert_eq!(peek(&map, 2 * page()), 0);
    let before = map.fault_count();
    assert_eq!(peek(&map, 2 * page()), 0);
    assert!(map.fault_count() > before);
    pages.restore();
    let before = map.fault_count();
    assert_eq!(peek(&map, 2 * page()), byte(2 * page()));
    assert_eq!(map.fault_count(), before);
}

fn the_count_never_goes_back() {
    let pages = Pages::new(4);
    let mut map = pages.map(Access::Write);
    let mut last = 0;
    for round in 0..10 {
        pages.truncate(1);
        match round % 3 {
            0 => assert_fault(map.get(page()), ..),
            1 => drop(peek(&map, page())),
            _ => assert_fault(map.find(b"absent", ..), ..),
        }
        assert!(map.fault_count() > last);
        last = map.fault_count();
        pages.restore();
        let _ = map.check();
        assert_eq!(map.fault_count(), last);
        map.resize([0, 2, 4][round % 3] * page()).unwrap();
        assert_eq!(map.fault_count(), last);
        map.resize(pages.len).unwrap();
        pages.restore();
        assert_eq!(map.fault_count(), last);
    }
    // A new map counts anew, also in the old one's place.
    drop(map);
    assert_eq!(pages.map(Access::Write).fault_count(), 0);
}

/// F3: what the thread had met before, and what it meets in the child.
fn a_child_of_a_fork_by_a_thread_is_told() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    std::thread::scope(|scope| {
        let fork = || {
            pages.truncate(1);
            peek(&map, 3 * page());
            // SAFETY: the child does what a thread may do.
            let child = unsafe { libc::fork() };
            if child == 0 {
                assert_fault(map.check(), 3 * page()..=3 * page());
                map.check().unwrap();
                peek(&map, 2 * page());
                assert_eq!(
                    take_own_fault().map(|fault| (fault.offset, fault.thread_lives())),
                    Some((2 * page(), true))
                );
                peek(&map, page());
                assert_fault(map.flush(), page()..=page());
                // SAFETY: nothing is to be written out.
                unsafe { libc::_exit(0) };
            }
            assert!(wait_for(child).success());
            assert_fault(map.check(), 3 * page()..=3 * page());
        };
        scope.spawn(fork).join().unwrap();
    });
}

/// F3: what they had met is left to the map, also where a new thread gets the address of one of them.
fn threads_of_the_parent_are_not_those_of_a_child() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    let (met, forked) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            peek(&map, 2 * page());
            met.wait();
            forked.wait();
            assert_eq!(take_own_fault().map(|fault| fault.offset), Some(2 * page()));
        });
        met.wait();
        // SAFETY: the child starts threads, for which the C library prepares it, as no other thread allocates meanwhile.
        let child = unsafe { libc::fork() };
        if child == 0 {
            let fault = waiting_faults()[0];
            assert!(fault.is_of_parent() && !fault.is_own() && !fault.thread_lives());
            for _ in 0..4 {
                std::thread::scope(|scope| assert_eq!(scope.spawn(take_own_fault).join().unwrap(), None));
            }
            assert_fault(map.check(), 2 * page()..=2 * page());
            assert_eq!((take_fault(), waiting_faults().len()), (None, 0));
            // SAFETY: nothing is to be written out.
            unsafe { libc::_exit(0) };
        }
        let ended = wait_for(child);
        forked.wait();
        assert!(ended.success());
    });
}

/// F3: only the thread itself is told, and not another one that has the same `pthread_self()`.
fn a_thread_is_not_the_one_that_had_its_address_before() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    let meet = || {
        peek(&map, 3 * page());
        here()
    };
    let ended = std::thread::scope(|scope| scope.spawn(meet).join().unwrap());
    let is_known = cfg!(any(target_os = "linux", target_os = "android"));
    for _ in 0..100 {
        let look = || (here(), waiting_faults()[0].is_own());
        let (thread, is_own) = std::thread::scope(|scope| scope.spawn(look).join().unwrap());
        assert_eq!(is_own, !is_known && thread == ended, "{thread:#x} after {ended:#x}");
    }
    let fault = waiting_faults()[0];
    assert_eq!((fault.thread, fault.thread_lives()), (ended, !is_known));
    assert_eq!(take_fault_of(&fault), Some(fault));
    assert_eq!(take_fault(), None);
    map.check().unwrap();
}

fn sum(bytes: &[u8]) -> u64 {
    bytes.iter().map(|&byte| u64::from(byte)).sum()
}

/// F10.
fn a_scope_gives_the_result_or_the_fault() {
    let pages = Pages::new(4);
    for map in [pages.map(Access::Read), pages.map(Access::Copy), pages.untracked(Access::Read)] {
        // SAFETY: nobody changes the bytes while a closure runs.
        let scope = |range: std::ops::Range<usize>| unsafe { map.with_slice(range, sum) };
        assert_eq!(scope(3..page() + 7).unwrap(), sum(&bytes(3, page() + 4)));
        pages.truncate(1);
        assert_eq!(scope(0..page()).unwrap(), sum(&bytes(0, page())));
        assert_fault(scope(page() - 9..pages.len), page()..=page());
        assert_fault(scope(2 * page() + 9..pages.len), 2 * page() + 9..=2 * page() + 9);
        // An earlier fault that was not reported: the closure is not called.
        peek(&map, 3 * page());
        // SAFETY: as above.
        let result = unsafe { map.with_slice(..1, |_| panic!("not to be called")) };
        assert_fault::<()>(result, 3 * page()..=3 * page());
        pages.restore();
        assert_eq!(scope(0..pages.len).unwrap(), sum(&bytes(0, pages.len)));
        assert_eq!(scope(5..5).unwrap(), 0);
        // SAFETY: as above.
        assert_eq!(unsafe { map.with_slice(5..pages.len + 1, sum) }.unwrap_err().kind(), ErrorKind::OutOfRange);
        // What the closure gives may own something.
        // SAFETY: as above.
        assert_eq!(unsafe { map.with_slice(..5, <[u8]>::to_vec) }.unwrap(), bytes(0, 5));
    }
}

fn a_scope_for_writing() {
    let pages = Pages::new(4);
    for tracked in [true, false] {
        let map = MmapOptions::new().access(Access::Write).track_file(tracked).map(&pages.file).unwrap();
        let fill = |bytes: &mut [u8]| bytes.fill(9);
        // SAFETY: nobody else uses the bytes.
        unsafe { map.with_mut_slice(3..7, fill) }.unwrap();
        assert_eq!(map.to_vec(2..8).unwrap(), [3, 9, 9, 9, 9, 8]);
        pages.truncate(2);
        // SAFETY: as above.
        assert_fault(unsafe { map.with_mut_slice(page().., fill) }, 2 * page()..=2 * page());
        pages.restore();
        assert_bytes(&map, &bytes(0, pages.len));
    }
    // SAFETY: nothing is written.
    let refused = unsafe { pages.map(Access::Read).with_mut_slice(.., |_| ()) };
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::AccessDenied);
}

/// The second reader of the same zeros, which it has in a scope.
fn a_scope_and_a_fault_of_another_thread() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Read);
    pages.truncate(1);
    let result = std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let (touched, is_touched) = mpsc::channel();
        let map = &map;
        scope.spawn(move || {
            has_begun.recv().unwrap();
            peek(map, 3 * page());
            touched.send(()).unwrap();
        });
        // SAFETY: nobody changes the bytes while the closure runs. (They have changed before.)
        unsafe {
            map.with_slice(.., |bytes| {
                begun.send(()).unwrap();
                is_touched.recv().unwrap();
                bytes[3 * page() + 1]
            })
        }
    });
    assert_fault(result, page()..=page());
}

fn a_scope_that_panics() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Read);
    pages.truncate(1);
    let panics = || {
        // SAFETY: nobody changes the bytes while the closure runs.
        let _ = unsafe { map.with_slice(.., |bytes| assert_ne!(bytes[2 * page()], 0)) };
    };
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(panics)).unwrap_err();
    assert_fault(map.get(0), 2 * page()..=2 * page());
    map.get(0).unwrap();
}

/// F10.
fn the_drop_hook_is_called_for_what_nobody_was_told_of() {
    static CALLS: AtomicUsize = AtomicUsize::new(0);
    static OFFSET: AtomicUsize = AtomicUsize::new(0);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    fault::set_drop_hook(|_| panic!("it was replaced"));
    fault::set_drop_hook(|fault| {
        CALLS.fetch_add(1, Ordering::SeqCst);
        OFFSET.store(fault.offset, Ordering::SeqCst);
        COUNT.store(fault.count, Ordering::SeqCst);
    });
    let pages = Pages::new(4);
    // A write through an atomic, of a map of which nothing else was ever asked.
    let map = pages.map(Access::Write);
    pages.truncate(1);
    map.as_atomic().unwrap()[2 * page() + 1].store(7, Ordering::Relaxed);
    drop(map);
    assert_eq!(
        (CALLS.load(Ordering::SeqCst), OFFSET.load(Ordering::SeqCst), COUNT.load(Ordering::SeqCst)),
        (1, 2 * page() + 1, 1)
    );
    // A thread that has ended.
    pages.restore();
    let map = pages.untracked(Access::Write);
    pages.truncate(1);
    std::thread::scope(|scope| {
        scope.spawn(|| poke(&map, 3 * page(), 7)).join().unwrap();
    });
    std::thread::spawn(move || drop(map)).join().unwrap();
    assert_eq!((CALLS.load(Ordering::SeqCst), OFFSET.load(Ordering::SeqCst)), (2, 3 * page()));
    // Reported: by an operation, by closing, by taking it.
    pages.restore();
    let [map, closed, taken, other, unharmed] = [(); 5].map(|()| pages.map(Access::Write));
    pages.truncate(1);
    assert_fault(map.get(page()), ..);
    peek(&map, page());
    map.check().unwrap_err();
    drop(map);
    peek(&closed, page());
    closed.close().unwrap_err();
    peek(&taken, page());
    take_fault().unwrap();
    drop(taken);
    // By another thread, which has told somebody.
    std::thread::scope(|scope| {
        scope.spawn(|| peek(&other, page())).join().unwrap();
    });
    other.check().unwrap_err();
    drop(other);
    drop(unharmed);
    assert_eq!(CALLS.load(Ordering::SeqCst), 2);
}

fn the_default_hook_writes_a_line() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    poke(&map, 2 * page() + 1, 7);
    drop(map);
}

/// As above, and what is written.
#[test]
fn the_line_of_the_default_hook() {
    let text = child("the_default_hook_writes_a_line").lives();
    let line = format!("the byte at offset {}", 2 * page() + 1);
    assert_eq!(text.lines().filter(|text| text.contains("firmmap:") && text.contains(&line)).count(), 1, "{text}");
}

type Operation = fn(&Mmap, std::ops::Range<usize>) -> firmmap::Result<()>;

/// Operations on a range, in whatever order they touch its bytes.
const OPERATIONS: [(&str, Operation); 15] = [
    ("to_vec", |map, range| map.to_vec(range).map(drop)),
    ("read_at", |map, range| map.read_at(&mut vec![0; range.len()], range.start).map(drop)),
    ("read_exact_at", |map, range| map.read_exact_at(&mut vec![0; range.len()], range.start)),
    ("read_uninit_at", |map, range| {
        map.read_uninit_at(&mut vec![MaybeUninit::uninit(); range.len()], range.start).map(drop)
    }),
    ("read_strided_at", |map, range| map.read_strided_at(&mut vec![0; range.len()], range.start, 1)),
    ("read_strided_at, backward", |map, range| map.read_strided_at(&mut vec![0; range.len()], range.end - 1, -1)),
    ("write_strided_at", |map, range| map.write_strided_at(&vec![1; range.len()], range.start, 1)),
    ("write_strided_at, backward", |map, range| map.write_strided_at(&vec![1; range.len()], range.end - 1, -1)),
    ("write_all_at", |map, range| map.write_all_at(&vec![1; range.len()], range.start)),
    ("fill", |map, range| map.fill(range, 1)),
    ("find", |map, range| map.find(b"\xff\xfe\xff", range).map(drop)),
    ("rfind", |map, range| map.rfind(b"\xff\xfe\xff", range).map(drop)),
    ("count", |map, range| map.count(b"\xff\xfe", range).map(drop)),
    ("with_slice, backward", |map, range| {
        // SAFETY: nobody changes the bytes while the closure runs.
        unsafe { map.with_slice(range, |bytes| bytes.iter().rev().map(|&byte| u64::from(byte)).sum::<u64>()) }.map(drop)
    }),
    ("find_iter", |map, range| map.find_iter(b"\xff\xfe\xff", range).next().transpose().map(drop)),
];

#[track_caller]
fn assert_first(name: &str, result: firmmap::Result<()>, first: usize) {
    let error = result.expect_err(name);
    assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(first)), "{name}");
}

/// F1: the first missing byte of the range, whatever the C library's copies touch first, for a file that is tracked or not.
fn the_first_missing_byte_of_every_operation() {
    let pages = Pages::new(6);
    let page = page();
    let ranges = [
        page - 1234..page + 633,
        page - 20..page + 40,
        2 * page - 20..2 * page + 2000,
        3 * page - 48..4 * page - 26,
        2 * page..2 * page + 3,
        page - 1..6 * page,
        5 * page + 7..6 * page - 7,
        0..6 * page,
    ];
    for track in [true, false] {
        let map = MmapOptions::new().access(Access::Write).track_file(track).map(&pages.file).unwrap();
        // Where the map does not start at the start of a page, nor of the file.
        let part = MmapOptions::new().access(Access::Write).track_file(track).offset(100).map(&pages.file).unwrap();
        for range in &ranges {
            for (name, operation) in OPERATIONS {
                pages.truncate(1);
                let first = range.start.max(page);
                assert_first(name, operation(&map, range.clone()), first);
                if range.start >= 100 {
                    let shifted = range.start - 100..range.end - 100;
                    assert_first(name, operation(&part, shifted), first - 100);
                }
                pages.restore();
            }
            pages.truncate(1);
            // What is there can be had.
            let first = range.start.max(page);
            map.to_vec(range.start.min(first)..first.min(page).max(range.start.min(first))).unwrap();
            let (len, target) = (range.len(), if range.start > page { 0 } else { 6 * page - range.len() });
            if len <= page {
                assert_first("copy_within", map.copy_within(range.clone(), target), first);
                pages.restore();
                pages.truncate(1);
                assert_first("copy_within, onto it", map.copy_within(..len, range.start), first);
            }
            pages.restore();
        }
    }
}

/// What was met directly, in the range of the operation that reports it, or elsewhere.
fn the_first_missing_byte_of_what_was_met_before() {
    let pages = Pages::new(6);
    let map = pages.map(Access::Write);
    for (range, first) in [(0..6 * page(), page()), (2 * page() + 7..5 * page(), 2 * page() + 7)] {
        pages.truncate(1);
        peek(&map, 4 * page() + 9);
        assert_first("to_vec", map.to_vec(range).map(drop), first);
    }
    for range in [0..page(), 2 * page()..3 * page(), 5 * page()..6 * page()] {
        peek(&map, 4 * page() + 9);
        assert_first("to_vec", map.to_vec(range).map(drop), 4 * page() + 9);
    }
    peek(&map, 4 * page() + 9);
    assert_first("check", map.check(), 4 * page() + 9);
}

/// Of several pieces, the last of which is touched first.
fn the_first_missing_byte_of_long_operations() {
    let pages = Pages::of(memory_file(), (5 << 20) / page());
    let map = pages.map(Access::Write);
    let here = (2 << 20) / page();
    for (name, operation) in OPERATIONS {
        pages.truncate(here);
        assert_first(name, operation(&map, 7..pages.len - 7), here * page());
        pages.restore();
    }
    pages.truncate(here);
    // From the end, as source and target overlap.
    assert_first("copy_within", map.copy_within(..pages.len - 5000, 5000), here * page());
    pages.restore();
    assert_bytes(&map, &bytes(0, pages.len));
}

/// Nothing is missing of nothing.
fn an_empty_range_of_a_missing_page() {
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    assert_eq!(map.to_vec(2 * page()..2 * page()).unwrap(), []);
    assert_eq!(map.find(b"", 2 * page()..2 * page()).unwrap(), Some(2 * page()));
    map.write_all_at(b"", 2 * page()).unwrap();
}

/// F10.
fn the_count_goes_on_where_a_shared_map_is_mapped_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("file");
    std::fs::write(&path, bytes(0, 2 * page())).unwrap();
    let writer = std::fs::File::options().append(true).open(&path).unwrap();
    let mut file = firmmap::MappedFile::open(&path, firmmap::Mode::Read).unwrap();
    writer.set_len(0).unwrap();
    file.get(page()).unwrap_err();
    let (before, shared) = (file.fault_count(), file.share());
    std::io::Write::write_all(&mut &writer, &bytes(0, 5 * page())).unwrap();
    assert!(file.follow_end().unwrap());
    assert!(before > 0 && shared.len() < file.len());
    assert_eq!((file.fault_count(), shared.fault_count()), (before, before));
}

/// F10: a thread that was not told of its fault is told after another one has moved the map.
fn resizing_in_another_thread_takes_nothing_away() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * page() as u64).unwrap();
    let map = std::sync::RwLock::new(MmapOptions::new().access(Access::Write).map(&file).unwrap());
    file.set_len(0).unwrap();
    let (wrote, resized) = (Barrier::new(2), Barrier::new(2));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            map.read().unwrap().as_atomic().unwrap()[page() + 1].store(1, Ordering::Relaxed);
            wrote.wait();
            resized.wait();
            let error = map.read().unwrap().check().unwrap_err();
            assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(page() + 1)));
            map.read().unwrap().check().unwrap();
        });
        wrote.wait();
        file.set_len(2 * page() as u64).unwrap();
        map.write().unwrap().resize(100 * page()).unwrap_err();
        for len in [100 * page(), 0, 3 * page()] {
            map.write().unwrap().resize(len).unwrap();
        }
        resized.wait();
    });
    assert_eq!(map.read().unwrap().get(page()).unwrap(), 0);
}
