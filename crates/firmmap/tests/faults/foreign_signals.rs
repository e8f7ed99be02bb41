//! F4: signals that are not about a mapping of the library go where they would have gone without it.
//!
//! Rust's standard library has a handler of its own for SIGBUS, in place in every scenario until it says otherwise.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::process::*;
use firmmap::Access;

crate::scenarios! {
    lives:
        an_earlier_handler_gets_foreign_faults,
        an_earlier_handler_without_details_gets_foreign_faults,
        an_earlier_handler_that_may_be_interrupted_by_itself,
        an_earlier_handler_gets_signals_that_were_sent,
        an_earlier_handler_gets_signals_that_were_sent_after_it_had_a_fault,
        an_earlier_handler_gets_faults_that_are_not_about_pages,
        a_signal_that_was_ignored_before_stays_ignored,
        a_sent_signal_is_survived_once_without_the_library,
        a_raised_signal_is_survived_once_without_the_library,
        a_sent_signal_is_survived_once,
        a_raised_signal_is_survived_once,
        a_sent_signal_allocates_nothing;
    dies:
        a_foreign_fault_without_the_library,
        a_foreign_fault_on_the_main_thread,
        a_foreign_fault_on_another_thread,
        a_foreign_fault_on_another_thread_without_the_library,
        a_foreign_fault_where_one_of_ours_was_mapped,
        a_foreign_fault_after_many_of_ours,
        a_foreign_fault_that_the_default_was_set_for,
        a_foreign_fault_that_was_to_be_ignored,
        a_foreign_fault_that_an_earlier_handler_wanted_once,
        two_sent_signals_without_the_library,
        two_sent_signals,
        two_raised_signals,
        a_sent_signal_that_the_default_was_set_for,
        a_raised_signal_that_the_default_was_set_for;
}

static CALLS: AtomicUsize = AtomicUsize::new(0);
static PLACE: AtomicUsize = AtomicUsize::new(0);

fn calls() -> usize {
    CALLS.load(Ordering::SeqCst)
}

/// A handler as C programs have them: mends the page, if it is told of one, and counts.
extern "C" fn mends(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the kernel passes a whole siginfo_t.
    let info = unsafe { &*info };
    if info.si_code > 0 {
        // SAFETY: such signals carry an address.
        mend(unsafe { info.si_addr() } as usize);
    }
}

extern "C" fn mends_without_details(signal: i32) {
    assert_eq!(signal, libc::SIGBUS);
    CALLS.fetch_add(1, Ordering::SeqCst);
    let place = PLACE.load(Ordering::SeqCst);
    if place != 0 {
        mend(place);
    }
}

fn an_earlier_handler_gets_foreign_faults() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO);
    assert_guarded();
    assert_eq!((calls(), Stranger::new().peek(), calls()), (0, 0, 1));
    assert_guarded();
    assert_eq!((std::thread::spawn(|| Stranger::new().peek()).join().unwrap(), calls()), (0, 2));
    assert_guarded();
}

fn an_earlier_handler_without_details_gets_foreign_faults() {
    install_handler(mends_without_details as *const () as usize, 0);
    assert_guarded();
    let stranger = Stranger::new();
    PLACE.store(stranger.0, Ordering::SeqCst);
    assert_eq!((calls(), stranger.peek(), calls()), (0, 0, 1));
    assert_guarded();
}

/// Mends the page that it is told of, after it has touched another one that is missing, at its first call.
extern "C" fn mends_in_turn(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    if calls() == 0 {
        let inner = Stranger::new();
        CALLS.store(100, Ordering::SeqCst);
        assert_eq!(inner.peek(), 0);
    }
    mends(signal, info, context);
}

/// `SA_NODEFER`: it is called while it runs.
fn an_earlier_handler_that_may_be_interrupted_by_itself() {
    install_large_stack();
    install_handler(mends_in_turn as *const () as usize, libc::SA_SIGINFO | libc::SA_NODEFER);
    assert_guarded();
    for _ in 0..2 {
        CALLS.store(0, Ordering::SeqCst);
        assert_eq!((Stranger::new().peek(), calls()), (0, 102));
        assert_guarded();
    }
    // And again by a signal that is sent to it there.
    raise();
    assert_eq!(calls(), 103);
}

fn an_earlier_handler_gets_signals_that_were_sent() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO);
    assert_guarded();
    raise();
    kill_ourselves();
    assert_eq!(calls(), 2);
    assert_guarded();
}

/// The fault must not be remembered as the start of a chain of handlers.
fn an_earlier_handler_gets_signals_that_were_sent_after_it_had_a_fault() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO);
    assert_guarded();
    for count in 1..4 {
        assert_eq!(Stranger::new().peek(), 0);
        raise();
        assert_eq!(calls(), 2 * count);
    }
    assert_guarded();
}

/// An access that is not aligned, where the processor minds, is a SIGBUS in a mapping of ours that zeros would not help.
fn an_earlier_handler_gets_faults_that_are_not_about_pages() {
    #[cfg(target_os = "linux")]
    {
        const BUS_ADRALN: i32 = 1;
        extern "C" fn counts(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
            // SAFETY: the kernel passes a whole siginfo_t.
            let info = unsafe { &*info };
            // SAFETY: such signals carry an address.
            if (info.si_code, unsafe { info.si_addr() } as usize) == (BUS_ADRALN, PLACE.load(Ordering::SeqCst)) {
                CALLS.fetch_add(1, Ordering::SeqCst);
            }
        }
        install_handler(counts as *const () as usize, libc::SA_SIGINFO);
        let pages = Pages::new(2);
        let map = pages.map(Access::Write);
        PLACE.store(map.as_ptr() as usize + 1, Ordering::SeqCst);
        // The signal as the kernel would make it: number, error, code, padding, address.
        let mut info = [0i32; 32];
        (info[0], info[2]) = (libc::SIGBUS, BUS_ADRALN);
        let place = PLACE.load(Ordering::SeqCst).to_ne_bytes();
        // It starts where an address can start.
        let words = 3usize.next_multiple_of(place.len() / 4);
        for (word, bytes) in info[words..].iter_mut().zip(place.chunks_exact(4)) {
            *word = i32::from_ne_bytes(bytes.try_into().unwrap());
        }
        // SAFETY: always works.
        let (process, thread) = (unsafe { libc::getpid() }, std::thread::current().id());
        // SAFETY: always works.
        let kernel_thread = unsafe { libc::syscall(libc::SYS_gettid) };
        // SAFETY: the buffer is as large as a siginfo_t.
        let sent =
            unsafe { libc::syscall(libc::SYS_rt_tgsigqueueinfo, process, kernel_thread, libc::SIGBUS, info.as_ptr()) };
        assert_eq!((sent, calls()), (0, 1), "{thread:?}");
        assert_bytes(&map, &bytes(0, pages.len));
    }
}

fn a_signal_that_was_ignored_before_stays_ignored() {
    install_handler(libc::SIG_IGN, 0);
    assert_guarded();
    raise();
    kill_ourselves();
    assert_guarded();
}

/// What is so without us: Rust's own handler swallows one signal and takes itself out.
fn a_sent_signal_is_survived_once_without_the_library() {
    kill_ourselves();
}

fn a_raised_signal_is_survived_once_without_the_library() {
    raise();
}

fn a_sent_signal_is_survived_once() {
    assert_guarded();
    kill_ourselves();
    assert_guarded();
}

fn a_raised_signal_is_survived_once() {
    assert_guarded();
    raise();
    assert_guarded();
}

/// Signals that are sent come at any time, also inside of malloc(3).
fn a_sent_signal_allocates_nothing() {
    assert_guarded();
    COUNTING.store(true, Ordering::SeqCst);
    // SAFETY: always works.
    unsafe { libc::raise(libc::SIGBUS) };
    COUNTING.store(false, Ordering::SeqCst);
    assert_eq!(ALLOCATIONS.load(Ordering::SeqCst), 0);
}

static COUNTING: std::sync::atomic::AtomicBool = std::sync::atomic::AtomicBool::new(false);
static ALLOCATIONS: AtomicUsize = AtomicUsize::new(0);

struct Counting;

// SAFETY: the system's allocator does the work.
unsafe impl std::alloc::GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: std::alloc::Layout) -> *mut u8 {
        if COUNTING.load(Ordering::SeqCst) {
            ALLOCATIONS.fetch_add(1, Ordering::SeqCst);
        }
        // SAFETY: the caller's promise.
        unsafe { std::alloc::System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: std::alloc::Layout) {
        // SAFETY: the caller's promise.
        unsafe { std::alloc::System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn a_foreign_fault_without_the_library() {
    so_far();
    Stranger::new().peek();
}

fn a_foreign_fault_on_the_main_thread() {
    assert_guarded();
    so_far();
    Stranger::new().peek();
}

fn a_foreign_fault_on_another_thread() {
    assert_guarded();
    so_far();
    let _ = std::thread::spawn(|| Stranger::new().peek()).join();
}

fn a_foreign_fault_on_another_thread_without_the_library() {
    so_far();
    let _ = std::thread::spawn(|| Stranger::new().peek()).join();
}

fn a_foreign_fault_where_one_of_ours_was_mapped() {
    let pages = Pages::new(1);
    let map = pages.map(Access::Write);
    pages.truncate(0);
    assert_fault(map.get(0), ..);
    let address = map.as_ptr() as usize;
    drop(map);
    let stranger = Stranger::at(address);
    assert_eq!(stranger.0, address);
    so_far();
    stranger.peek();
}

fn a_foreign_fault_after_many_of_ours() {
    for _ in 0..200 {
        assert_guarded();
    }
    so_far();
    Stranger::new().peek();
}

fn a_foreign_fault_that_the_default_was_set_for() {
    install_handler(libc::SIG_DFL, 0);
    assert_guarded();
    so_far();
    Stranger::new().peek();
}

/// A real fault cannot be ignored.
fn a_foreign_fault_that_was_to_be_ignored() {
    install_handler(libc::SIG_IGN, 0);
    assert_guarded();
    so_far();
    Stranger::new().peek();
}

/// With `SA_RESETHAND` a handler is called once, and the default is set.
fn a_foreign_fault_that_an_earlier_handler_wanted_once() {
    extern "C" fn does_nothing(_signal: i32) {
        assert_eq!(CALLS.fetch_add(1, Ordering::SeqCst), 0);
    }
    install_handler(does_nothing as *const () as usize, libc::SA_RESETHAND);
    assert_guarded();
    so_far();
    Stranger::new().peek();
}

fn two_sent_signals_without_the_library() {
    kill_ourselves();
    so_far();
    kill_ourselves();
}

fn two_sent_signals() {
    assert_guarded();
    kill_ourselves();
    so_far();
    kill_ourselves();
}

fn two_raised_signals() {
    assert_guarded();
    raise();
    so_far();
    raise();
}

fn a_sent_signal_that_the_default_was_set_for() {
    install_handler(libc::SIG_DFL, 0);
    assert_guarded();
    so_far();
    kill_ourselves();
}

fn a_raised_signal_that_the_default_was_set_for() {
    install_handler(libc::SIG_DFL, 0);
    assert_guarded();
    so_far();
    raise();
}
