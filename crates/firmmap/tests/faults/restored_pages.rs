//! Faults: what a review of the guard has found. One scenario for each, in a process of its own.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::os::fd::{AsRawFd, FromRawFd};

use crate::process::*;
use firmmap::{Access, Advice, MappedFile, Mmap, MmapOptions, Protection};

crate::scenarios! {
    lives:
        untracked_pages_lost_from_the_end_to_the_front_come_back,
        untracked_pages_lost_in_many_places_come_back,
        untracked_pages_met_by_two_threads_at_once_come_back,
        the_handler_is_content_with_a_small_stack,
        a_file_that_cannot_be_mapped_again_leaves_no_gap,
        little_memory_is_enough_for_a_large_map,
        resize_after_a_fault_in_a_map_with_advice,
        protect_after_a_fault_reports_it_first,
        a_large_copy_onto_missing_pages_ends_soon,
        read_to_string_that_meets_a_fault_stays_where_it_was;
    dies:;
}

/// F2: what was read through addresses, from the back to the front, is all put back.
fn untracked_pages_lost_from_the_end_to_the_front_come_back() {
    for access in [Access::Read, Access::Write, Access::Copy] {
        let pages = Pages::new(8);
        let map = pages.untracked(access);
        pages.truncate(2);
        for index in [7, 5, 6, 3, 2] {
            assert_eq!(peek(&map, index * page() + 9), 0);
        }
        pages.restore();
        assert_fault(map.check(), 2 * page()..);
        assert_eq!(map.check().map_err(|error| error.to_string()), Ok(()), "{access:?}");
        assert_bytes(&map, &bytes(0, pages.len));
    }
}

/// F2: more places than can be kept apart.
fn untracked_pages_lost_in_many_places_come_back() {
    for access in [Access::Read, Access::Write, Access::Copy] {
        let pages = Pages::new(100);
        let map = pages.untracked(access);
        if access == Access::Copy {
            map.set(7, 77).unwrap();
        }
        let before = areas_of(&pages.file);
        pages.truncate(1);
        for index in (1..100).rev() {
            assert_eq!(peek(&map, index * page() + 9), 0);
        }
        pages.restore();
        assert_fault(map.check(), page()..);
        let mut expected = bytes(0, pages.len);
        if access == Access::Copy {
            expected[7] = 77;
        }
        assert_bytes(&map, &expected);
        assert_eq!(areas_of(&pages.file), before, "{access:?}");
    }
}

/// F5: the second thread must not move the zeros of the first aside and have them put back as the file's.
fn untracked_pages_met_by_two_threads_at_once_come_back() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    static OURS: AtomicUsize = AtomicUsize::new(0);

    /// Lets nobody into the handler of the library until two threads have met the page.
    extern "C" fn both_at_once(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
        INSIDE.fetch_add(1, Ordering::SeqCst);
        while INSIDE.load(Ordering::SeqCst) < 2 {
            std::hint::spin_loop();
        }
        type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);
        // SAFETY: what was there is the library's handler, which is of this type.
        let ours = unsafe { std::mem::transmute::<usize, Handler>(OURS.load(Ordering::SeqCst)) };
        ours(signal, info, context);
    }

    let pages = Pages::new(4);
    let map = pages.untracked(Access::Write);
    let previous = install_handler(both_at_once as *const () as usize, libc::SA_SIGINFO);
    OURS.store(previous.sa_sigaction, Ordering::SeqCst);
    pages.truncate(1);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| assert_eq!(peek(&map, 2 * page()), 0));
        }
    });
    pages.restore();
    assert_fault(map.check(), 2 * page()..);
    assert_bytes(&map, &bytes(0, pages.len));
}

/// Replacing the pages of a file that may not be mapped again would leave an empty place, which anybody's memory could
/// take next.
fn a_file_that_cannot_be_mapped_again_leaves_no_gap() {
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
    assert!(fd >= 0);
    // SAFETY: a new descriptor of ours.
    let file = unsafe { std::fs::File::from_raw_fd(fd) };
    file.set_len(8 * page() as u64).unwrap();
    let map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    map.set(9, 99).unwrap();
    // SAFETY: the call takes a number.
    let sealed = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_FUTURE_WRITE) };
    if sealed == -1 {
        return skipped("this kernel has no F_SEAL_FUTURE_WRITE");
    }
    file.set_len(2 * page() as u64).unwrap();
    assert_fault(map.get(4 * page()), 4 * page()..=4 * page());
    assert_fault(map.get(4 * page()), 4 * page()..=4 * page());
    // SAFETY: only asks; the address is that of a page in our map.
    let mapped = unsafe { libc::msync(map.as_mut_ptr().wrapping_add(4 * page()).cast(), page(), libc::MS_ASYNC) };
    assert_eq!(mapped, 0, "there is a gap in the map");
    // Zeros for whoever has the address, and not a signal.
    assert_eq!(peek(&map, 5 * page()), 0);
    assert_eq!(peek(&map, 9), 99);
    assert_fault(map.get(0), ..);
}

/// Zeros in place of the rest of a large map may be more memory than the process is allowed: one page will do.
fn little_memory_is_enough_for_a_large_map() {
    let file = tempfile::tempfile().unwrap();
    file.set_len(1 << 30).unwrap();
    let map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmData:")).unwrap();
    let used = line.trim().trim_end_matches(" kB").parse::<libc::rlim_t>().unwrap() * 1024;
    let limit = libc::rlimit { rlim_cur: used + (4 << 20), rlim_max: libc::RLIM_INFINITY };
    // SAFETY: the limit is a whole `rlimit`.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_DATA, &limit) }, 0);
    file.set_len(0).unwrap();
    assert_fault(map.get(5 << 20), 5 << 20..=5 << 20);
    assert_fault(map.fill(10 << 20..10 << 20 | 100_000, 1), 10 << 20..);
    file.set_len(1 << 30).unwrap();
    assert_eq!(map.find(b"\0\0", 5 << 20..).unwrap(), Some(5 << 20));
}

/// The pages that are put back do not have the advice of the others: the kernel keeps them apart, and mremap(2) refuses.
fn resize_after_a_fault_in_a_map_with_advice() {
    let pages = Pages::new(8);
    let mut map = pages.map(Access::Write);
    map.advise(Advice::RANDOM).unwrap();
    pages.truncate(2);
    assert_fault(map.get(4 * page()), 4 * page()..=4 * page());
    pages.restore();
    map.resize(16 * page()).unwrap();
    map.write_all_at(&bytes(pages.len, pages.len), pages.len).unwrap();
    assert_bytes(&map, &bytes(0, 2 * pages.len));
    map.resize(3 * page()).unwrap();
    assert_bytes(&map, &bytes(0, 3 * page()));
}

/// F3: every operation that can fail reports; and pages that are put back later must not have the old protection.
fn protect_after_a_fault_reports_it_first() {
    let pages = Pages::new(4);
    let file = &pages.file;
    let options = MmapOptions::new().access(Access::Write).track_file(false).protection(Protection::READ);
    let mut map = options.map(file).unwrap();
    pages.truncate(1);
    assert_eq!(peek(&map, 2 * page()), 0);
    pages.restore();
    assert_fault(map.protect(Protection::READ | Protection::WRITE), 2 * page()..);
    map.protect(Protection::READ | Protection::WRITE).unwrap();
    map.fill(.., 3).unwrap();
    let advise = |map: &Mmap| map.advise(Advice::NORMAL);
    for operation in [Mmap::lock, Mmap::unlock, advise] {
        pages.truncate(1);
        assert_eq!(peek(&map, 3 * page()), 0);
        pages.restore();
        assert_fault(operation(&map), 3 * page()..);
    }
}

/// Without a look at the counter in between, the copy would fill memory as large as the map.
fn a_large_copy_onto_missing_pages_ends_soon() {
    let len = 256 << 20;
    let file = tempfile::tempfile().unwrap();
    file.set_len(2 * len as u64).unwrap();
    let map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    file.set_len(0).unwrap();
    let before = peak_memory();
    assert_fault(map.copy_within(..len, len), ..);
    let grown = peak_memory() - before;
    assert!(grown < 32 << 20, "{grown} bytes of memory");

    // Both directions, overlapping, with borders of the pieces inside.
    file.set_len(2 * len as u64).unwrap();
    let (start, len) = (len - 5, 3 << 20);
    for (source, target) in [(start, start + 1000), (start + 1000, start), (start, start + len / 2)] {
        map.write_all_at(&bytes(0, len), source).unwrap();
        map.copy_within(source..source + len, target).unwrap();
        assert!(map.to_vec(target..target + len).unwrap() == bytes(0, len));
    }
}

/// F1: the position has not moved.
fn read_to_string_that_meets_a_fault_stays_where_it_was() {
    use std::io::Read;
    let file = tempfile::tempfile().unwrap();
    file.set_len(100 * page() as u64).unwrap();
    let mut mapped = MappedFile::new(MmapOptions::new().map(&file).unwrap());
    file.set_len(50 * page() as u64).unwrap();
    let mut text = String::from("as it was");
    mapped.set_position(3);
    assert_io_fault(mapped.read_to_string(&mut text), 50 * page()..);
    assert_eq!((mapped.position(), text.as_str()), (3, "as it was"));
    file.set_len(100 * page() as u64).unwrap();
    assert_eq!(mapped.read_to_string(&mut text).unwrap(), 100 * page() - 3);
    assert_eq!((mapped.position(), text.len()), (100 * page(), 100 * page() - 3 + 9));
}

/// The most memory that the process has had, in bytes.
fn peak_memory() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

/// F5: Rust's runtime gives every thread 8 KiB for signal handlers, of which the kernel takes up to 3.3 KiB (AVX-512). What the
/// handler needs besides, in the case that goes deepest, stays well below the rest.
fn the_handler_is_content_with_a_small_stack() {
    extern "C" fn does_nothing(_signal: i32) {}
    const SIZE: usize = 64 * 1024;
    const PAINT: u8 = 0xa5;
    let memory = Box::leak(vec![PAINT; SIZE].into_boxed_slice()).as_mut_ptr();
    let stack = libc::stack_t { ss_sp: memory.cast(), ss_flags: 0, ss_size: SIZE };
    // SAFETY: the memory is never freed, and no handler is running.
    assert_eq!(unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) }, 0);
    let used_by = |work: &dyn Fn()| {
        // SAFETY: the memory is ours, and no handler is running.
        unsafe { std::ptr::write_bytes(memory, PAINT, SIZE) };
        work();
        // SAFETY: as above.
        let stack = unsafe { std::slice::from_raw_parts(memory, SIZE) };
        SIZE - stack.iter().take_while(|&&byte| byte == PAINT).count()
    };
    // SAFETY: all zeros is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = does_nothing as *const () as usize;
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: a whole action.
    assert_eq!(unsafe { libc::sigaction(libc::SIGUSR1, &action, std::ptr::null_mut()) }, 0);
    // SAFETY: the handler does nothing.
    let kernel = used_by(&|| assert_eq!(unsafe { libc::raise(libc::SIGUSR1) }, 0));
    let pages = Pages::new(100);
    for (access, map) in [(Access::Write, pages.map(Access::Write)), (Access::Copy, pages.untracked(Access::Copy))] {
        pages.truncate(1);
        let peek_all = || (1..100).rev().for_each(|index| assert_eq!(peek(&map, index * page()), 0));
        let ours = used_by(&peek_all) - kernel;
        assert!((64..4096).contains(&ours), "{access:?}: {ours} bytes, besides the kernel's {kernel}");
        pages.restore();
        assert_fault(map.check(), page()..);
    }
}
