//! F5: handlers of others that are installed after ours, and signals that come while ours runs.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::process::*;
use firmmap::{Access, fault::renew_fault_guard};

crate::scenarios! {
    lives:
        a_later_handler_that_chains_to_ours,
        a_later_handler_that_chains_to_ours_which_was_renewed,
        a_later_handler_that_chains_sent_signals_to_ours_which_was_renewed,
        a_later_handler_like_faulthandler,
        a_later_handler_like_faulthandler_again_and_again,
        other_signals_whose_handlers_use_the_map_too,
        errno_stays_what_it_was;
    dies:
        a_foreign_fault_with_a_later_handler_that_chains,
        a_foreign_fault_with_a_later_handler_that_chains_to_ours_which_was_renewed,
        a_foreign_fault_with_a_later_handler_like_faulthandler,
        a_sent_signal_with_a_later_handler_like_faulthandler,
        a_raised_signal_after_a_fault_that_is_still_one,
        a_signal_from_another_thread_after_a_fault_that_is_still_one,
        a_raised_signal_with_a_later_handler_like_faulthandler_after_a_fault,
        a_foreign_fault_with_a_handler_like_faulthandler_behind_ours;
}

type Handler = extern "C" fn(i32, *mut libc::siginfo_t, *mut libc::c_void);

static CALLS: AtomicUsize = AtomicUsize::new(0);
/// What was there before the handler of the test.
static BEFORE: AtomicUsize = AtomicUsize::new(0);
static BEFORE_FLAGS: AtomicUsize = AtomicUsize::new(0);

fn calls() -> usize {
    CALLS.load(Ordering::SeqCst)
}

fn install(handler: usize, flags: i32) {
    let before = install_handler(handler, flags);
    BEFORE.store(before.sa_sigaction, Ordering::SeqCst);
    BEFORE_FLAGS.store(before.sa_flags as usize, Ordering::SeqCst);
}

/// Calls what was there before, as well-behaved handlers do.
extern "C" fn chains(signal: i32, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    assert!(CALLS.fetch_add(1, Ordering::SeqCst) % 1000 < 100, "the handlers call each other in a circle");
    // SAFETY: what was there is a handler of this type.
    let before = unsafe { std::mem::transmute::<usize, Handler>(BEFORE.load(Ordering::SeqCst)) };
    before(signal, info, context);
}

/// A handler from before the library, which mends foreign pages.
extern "C" fn mends(_signal: i32, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    CALLS.fetch_add(1000, Ordering::SeqCst);
    // SAFETY: the kernel passes a whole siginfo_t.
    let info = unsafe { &*info };
    if info.si_code > 0 {
        // SAFETY: such signals carry an address.
        mend(unsafe { info.si_addr() } as usize);
    }
}

/// Installs [`like_faulthandler`] the way faulthandler does: with an alternate stack of its own.
fn install_like_faulthandler() {
    install_large_stack();
    install(like_faulthandler as *const () as usize, libc::SA_NODEFER | libc::SA_ONSTACK);
}

/// As CPython's faulthandler: tells (here: counts), restores what it has found, and raises the signal again.
extern "C" fn like_faulthandler(signal: i32) {
    CALLS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: all zeros is a valid action.
    let mut before: libc::sigaction = unsafe { std::mem::zeroed() };
    before.sa_sigaction = BEFORE.load(Ordering::SeqCst);
    before.sa_flags = BEFORE_FLAGS.load(Ordering::SeqCst) as i32;
    // SAFETY: a whole action, which was in place before.
    unsafe { libc::sigaction(signal, &before, std::ptr::null_mut()) };
    // SAFETY: always works.
    unsafe { libc::raise(signal) };
}

fn a_later_handler_that_chains_to_ours() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO);
    assert_guarded();
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    install(chains as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    pages.truncate(0);
    assert_fault(map.get(1), 1..=1);
    assert_eq!(calls(), 1);
    assert_eq!((Stranger::new().peek(), calls()), (0, 1002));
}

/// Then ours comes first, the later one is behind it and calls ours: that must not go round in a circle.
fn a_later_handler_that_chains_to_ours_which_was_renewed() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO);
    assert_guarded();
    install(chains as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    renew_fault_guard();
    assert_guarded();
    assert_eq!(calls(), 0);
    assert_eq!((Stranger::new().peek(), calls()), (0, 1001));
    assert_eq!((Stranger::new().peek(), calls()), (0, 2002));
    assert_guarded();
}

fn a_later_handler_that_chains_sent_signals_to_ours_which_was_renewed() {
    install_handler(mends as *const () as usize, libc::SA_SIGINFO);
    assert_guarded();
    install(chains as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    renew_fault_guard();
    kill_ourselves();
    assert_eq!(calls(), 1001);
    raise();
    assert_eq!(calls(), 2002);
    assert_guarded();
}

fn a_later_handler_like_faulthandler() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    install_like_faulthandler();
    pages.truncate(0);
    assert_fault(map.get(1), 1..=1);
    assert_eq!(calls(), 1);
    pages.restore();
    assert_bytes(&map, &bytes(0, pages.len));
    assert_guarded();
    assert_eq!(calls(), 1);
}

fn a_later_handler_like_faulthandler_again_and_again() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    for count in 1..20 {
        install_like_faulthandler();
        pages.truncate(0);
        assert_fault(map.get(1), 1..=1);
        assert_eq!(calls(), count);
        pages.restore();
        renew_fault_guard();
        assert_bytes(&map, &bytes(0, pages.len));
    }
}

/// The last fault of the thread was one of ours, and its page is missing still: what `sends` a signal is about something else.
fn after_a_fault_that_is_still_one(sends: impl FnOnce()) {
    install_handler(libc::SIG_DFL, 0);
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    pages.truncate(0);
    assert_fault(map.get(1), 1..=1);
    so_far();
    sends();
}

fn a_raised_signal_after_a_fault_that_is_still_one() {
    after_a_fault_that_is_still_one(raise);
}

fn a_signal_from_another_thread_after_a_fault_that_is_still_one() {
    after_a_fault_that_is_still_one(wait_for_a_signal_from_another_thread);
}

fn wait_for_a_signal_from_another_thread() {
    // SAFETY: always works.
    let this = unsafe { libc::pthread_self() } as usize;
    // SAFETY: this thread exists.
    std::thread::spawn(move || unsafe { libc::pthread_kill(this as libc::pthread_t, libc::SIGBUS) });
    // In code of its own, and not in a system call.
    let start = std::time::Instant::now();
    while start.elapsed() < std::time::Duration::from_secs(20) {
        std::hint::spin_loop();
    }
}

fn a_foreign_fault_with_a_later_handler_that_chains() {
    assert_guarded();
    install(chains as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    so_far();
    Stranger::new().peek();
}

fn a_foreign_fault_with_a_later_handler_that_chains_to_ours_which_was_renewed() {
    assert_guarded();
    install(chains as *const () as usize, libc::SA_SIGINFO | libc::SA_ONSTACK);
    renew_fault_guard();
    so_far();
    Stranger::new().peek();
}

fn a_foreign_fault_with_a_later_handler_like_faulthandler() {
    assert_guarded();
    install_like_faulthandler();
    so_far();
    Stranger::new().peek();
}

/// Without the library, the default would be set that was there before. A sent signal must not pass for a fault of ours.
fn a_sent_signal_with_a_later_handler_like_faulthandler() {
    install_handler(libc::SIG_DFL, 0);
    let pages = Pages::new(2);
    let _map = pages.map(Access::Write);
    install_like_faulthandler();
    so_far();
    kill_ourselves();
}

fn a_raised_signal_with_a_later_handler_like_faulthandler_after_a_fault() {
    install_handler(libc::SIG_DFL, 0);
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    install_like_faulthandler();
    pages.truncate(0);
    assert_fault(map.get(1), 1..=1);
    pages.restore();
    assert_bytes(&map, &bytes(0, pages.len));
    install_like_faulthandler();
    so_far();
    raise();
}

fn a_foreign_fault_with_a_handler_like_faulthandler_behind_ours() {
    assert_guarded();
    install_like_faulthandler();
    renew_fault_guard();
    assert_guarded();
    so_far();
    Stranger::new().peek();
}

/// A timer's handler that writes into a map, as logs that survive a crash do, must not meet the guard half-way.
fn other_signals_whose_handlers_use_the_map_too() {
    static PLACE: AtomicUsize = AtomicUsize::new(0);
    static TICKS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn writes(_signal: i32) {
        TICKS.fetch_add(1, Ordering::SeqCst);
        // SAFETY: the address is in a map that lives until the timer is off.
        unsafe { (PLACE.load(Ordering::SeqCst) as *mut u8).write_volatile(1) };
    }
    let pages = Pages::new(4);
    let map = pages.map(Access::Write);
    PLACE.store(map.as_ptr() as usize + 3 * page(), Ordering::SeqCst);
    // SAFETY: all zeros is a valid action.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = writes as *const () as usize;
    // SAFETY: a whole action.
    assert_eq!(unsafe { libc::sigaction(libc::SIGVTALRM, &action, std::ptr::null_mut()) }, 0);
    let set_timer = |microseconds| {
        let interval = libc::timeval { tv_sec: 0, tv_usec: microseconds };
        let timer = libc::itimerval { it_interval: interval, it_value: interval };
        // SAFETY: a whole itimerval.
        assert_eq!(unsafe { libc::setitimer(libc::ITIMER_VIRTUAL, &timer, std::ptr::null_mut()) }, 0);
    };
    pages.truncate(1);
    set_timer(50);
    while TICKS.load(Ordering::SeqCst) < 150 {
        assert_fault(map.get(2 * page()), 2 * page()..);
    }
    set_timer(0);
    pages.restore();
    let _ = map.check();
    assert_bytes(&map, &bytes(0, pages.len));
}

/// The interrupted code may be about to look at it.
fn errno_stays_what_it_was() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    pages.truncate(0);
    // SAFETY: every thread has its errno.
    let errno = unsafe { &mut *libc::__errno_location() };
    *errno = 1234;
    peek(&map, page());
    assert_eq!(*errno, 1234);
    assert_fault(map.check(), page()..=page());
}
