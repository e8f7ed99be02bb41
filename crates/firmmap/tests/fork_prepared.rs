//! F5: two threads make the first map of a process at once. What has to be done when the process forks is registered before either
//! of them goes on, and that it is registered twice does no harm.
//!
//! The C library's function for that is replaced by one that keeps the first thread, which works with glibc.

#![cfg(all(target_os = "linux", target_env = "gnu"))]
#![allow(clippy::multiple_unsafe_ops_per_block)]
#![allow(unsafe_code)]

mod process;
mod skipped;

use std::ffi::{c_int, c_void};
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

use firmmap::{Access, Mmap, MmapOptions};
use process::{Pages, assert_fault, page, wait_for};

scenarios! {
    lives:
        what_the_guard_registers,
        what_growth_registers;
    dies:;
}

type Function = Option<unsafe extern "C" fn()>;

unsafe extern "C" {
    fn __register_atfork(before: Function, after: Function, in_the_child: Function, library: *mut c_void) -> c_int;
}

/// Whether it is the guard that is kept: it has something to do before a fork, too.
static KEEPS_GUARD: AtomicBool = AtomicBool::new(false);
static KEPT: AtomicBool = AtomicBool::new(false);
static MAY_GO_ON: AtomicBool = AtomicBool::new(false);
static REGISTERED: AtomicUsize = AtomicUsize::new(0);

/// In place of the C library's: the first thread that registers what it is about waits.
#[unsafe(no_mangle)]
extern "C" fn pthread_atfork(before: Function, after: Function, in_the_child: Function) -> c_int {
    let counts = before.is_some() == KEEPS_GUARD.load(SeqCst);
    if counts && !KEPT.swap(true, SeqCst) {
        while !MAY_GO_ON.load(SeqCst) {
            std::thread::yield_now();
        }
    }
    // SAFETY: what the C library's own function does in a program.
    let result = unsafe { __register_atfork(before, after, in_the_child, ptr::null_mut()) };
    REGISTERED.fetch_add(usize::from(counts), SeqCst);
    result
}

fn what_the_guard_registers() {
    KEEPS_GUARD.store(true, SeqCst);
    both_threads_register();
}

fn what_growth_registers() {
    both_threads_register();
}

fn growing(pages: &Pages) -> Mmap {
    MmapOptions::new().access(Access::Write).capacity(10 * page()).map(&pages.file).unwrap()
}

/// While the first thread is about to register, a second one makes a map. Then the process forks.
fn both_threads_register() {
    let pages = Pages::new(3);
    std::thread::scope(|scope| {
        let first = scope.spawn(|| drop(growing(&pages)));
        while !KEPT.load(SeqCst) {
            assert!(!first.is_finished(), "nothing is registered");
            std::thread::yield_now();
        }
        let second = scope.spawn(|| drop(growing(&pages))).join();
        let registered = REGISTERED.load(SeqCst);
        MAY_GO_ON.store(true, SeqCst);
        second.unwrap();
        assert_eq!(registered, 1, "by the second thread");
    });
    assert_eq!(REGISTERED.load(SeqCst), 2);

    let map = growing(&pages);
    let works = || {
        pages.truncate(1);
        assert_fault(map.get(2 * page()), 2 * page()..=2 * page());
        pages.restore();
        assert_eq!(growing(&pages).append(b"more").unwrap(), 3 * page());
        pages.truncate(3);
        map.find(b"\0", ..).unwrap();
    };
    for _ in 0..3 {
        // SAFETY: the child uses what a thread of its own may use; there is no other thread.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // It must not hang.
            // SAFETY: only sets a timer.
            unsafe { libc::alarm(60) };
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(works));
            // SAFETY: nothing is to be written out.
            unsafe { libc::_exit(if result.is_ok() { 0 } else { 101 }) };
        }
        let status = wait_for(child);
        assert!(status.success(), "{status}");
        works();
    }
}
