//! F4, F5: signal stacks that are too small. What lies below one is not written over.

#![allow(unsafe_code, clippy::multiple_unsafe_ops_per_block)]

use std::os::unix::process::ExitStatusExt;

use crate::process::*;
use firmmap::{Access, Mmap};

crate::scenarios! {
    lives:
        a_fault_on_a_small_stack,
        a_foreign_fault_on_a_small_stack,
        a_signal_that_is_sent_on_a_small_stack;
    dies:
        a_fault_on_a_stack_of_3_kib;
}

/// Below the stack, where nothing is to be written.
const BELOW: usize = 32 * 1024;
/// Rust's runtime gives every thread 8 KiB, or what the kernel says that it needs, which can be more on aarch64.
const ENOUGH: usize = if cfg!(target_arch = "aarch64") { 24 * 1024 } else { 8 * 1024 };
const PAINT: u8 = 0xa5;

/// Memory that a child shares, with a stack at `BELOW`.
fn painted() -> *mut u8 {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED | libc::MAP_ANONYMOUS);
    // SAFETY: a new mapping.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), BELOW + ENOUGH, protection, flags, -1, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    // SAFETY: the memory is ours.
    unsafe { memory.write_bytes(PAINT, BELOW + ENOUGH) };
    memory.cast()
}

/// Has signal handlers run on `size` bytes of the memory. `false` if the system wants more.
fn install_stack(memory: *mut u8, size: usize) -> bool {
    let stack = libc::stack_t { ss_sp: memory.wrapping_add(BELOW).cast(), ss_flags: 0, ss_size: size };
    // SAFETY: the memory is never freed, and no handler is running.
    unsafe { libc::sigaltstack(&stack, std::ptr::null_mut()) == 0 }
}

/// Runs `work` in a child, on signal stacks of all sizes up to what is enough. It ends well, or by a signal that the kernel or
/// the handler sends where the stack is too small, and has written to nothing but the stack.
fn on_small_stacks(work: impl Fn()) {
    let mut lived = 0;
    // Where what the kernel saves fits, it may leave nothing.
    for size in (libc::MINSIGSTKSZ..=ENOUGH).step_by(16) {
        let memory = painted();
        // SAFETY: this is the only thread.
        let child = unsafe { libc::fork() };
        if child == 0 {
            if install_stack(memory, size) {
                work();
            }
            // SAFETY: nothing is to be written out.
            unsafe { libc::_exit(0) };
        }
        let status = wait_for(child);
        // SAFETY: the child has ended.
        let below = unsafe { std::slice::from_raw_parts(memory, BELOW) };
        assert!(below.iter().all(|&byte| byte == PAINT), "written below a stack of {size} bytes: {status}");
        match status.signal() {
            None => assert!(status.success(), "{status}"),
            Some(signal) => assert!([libc::SIGBUS, libc::SIGSEGV].contains(&signal), "{status}"),
        }
        assert!(status.success() || size < ENOUGH, "a stack of {size} bytes is not enough: {status}");
        // Who lives on a stack lives on a larger one.
        assert!(status.success() || lived == 0, "{size}: {status}");
        lived += usize::from(status.success());
    }
    println!("{lived} sizes are enough");
}

fn a_fault_on_a_small_stack() {
    for (access, tracked) in [(Access::Write, true), (Access::Write, false), (Access::Copy, true), (Access::Read, true)]
    {
        let pages = Pages::new(40);
        let map: Mmap = if tracked { pages.map(access) } else { pages.untracked(access) };
        pages.truncate(1);
        // From the end, so that maps without a descriptor meet one fault for each page, and more than are kept apart.
        on_small_stacks(|| (1..40).rev().for_each(|index| assert_eq!(peek(&map, index * page()), 0)));
    }
}

extern "C" fn mends(_: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel passes a whole siginfo_t.
    let info = unsafe { &*info };
    // SAFETY: the tests' signals carry an address.
    mend(unsafe { info.si_addr() } as usize);
}

fn a_foreign_fault_on_a_small_stack() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    assert_guarded();
    on_small_stacks(|| assert_eq!(Stranger::new().peek(), 0));
}

extern "C" fn ends_well(_: i32) {
    // SAFETY: nothing is to be written out.
    unsafe { libc::_exit(0) };
}

fn a_signal_that_is_sent_on_a_small_stack() {
    install_handler(ends_well as *const () as usize, libc::SA_ONSTACK);
    assert_guarded();
    on_small_stacks(|| {
        raise();
        // SAFETY: the signal must not be forgotten.
        unsafe { libc::_exit(1) };
    });
}

fn a_fault_on_a_stack_of_3_kib() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    pages.truncate(1);
    so_far();
    if !install_stack(painted(), 3072) {
        // The kernel itself wants more here.
        skipped("signal stacks of 3 KiB are not allowed");
        // SAFETY: every signal has a default.
        unsafe { libc::signal(libc::SIGBUS, libc::SIG_DFL) };
    }
    peek(&map, page());
}
