//! fork(2): the table of mappings is whole in every child.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::os::{Blocked, block_signals, thread};
use super::table;
use crate::sys;

/// Has the table of mappings whole in every child.
pub(super) fn guard_table() {
    static DONE: AtomicBool = AtomicBool::new(false);
    sys::at_fork(&DONE, Some(before_fork), Some(after_fork), Some(after_fork_in_the_child));
}

/// The thread that has taken all locks to fork, and how many more times it was asked to. Its child has the same `pthread_self()`.
static FORKING: AtomicUsize = AtomicUsize::new(0);
static ASKED_AGAIN: AtomicUsize = AtomicUsize::new(0);

/// The signals that are blocked while a thread forks.
struct WhileForking(UnsafeCell<Option<Blocked>>);
// SAFETY: it is used by the thread only that has taken all locks to fork.
unsafe impl Sync for WhileForking {}
static BLOCKED: WhileForking = WhileForking(UnsafeCell::new(None));

extern "C" fn before_fork() {
    if FORKING.load(Ordering::Relaxed) == thread() {
        ASKED_AGAIN.fetch_add(1, Ordering::Relaxed);
        return;
    }
    // A handler of the program's that meets a fault meanwhile would wait for this thread, which it has interrupted.
    let blocked = block_signals();
    table::lock_for_fork();
    // SAFETY: this thread has all locks, so that nobody else is here.
    unsafe { *BLOCKED.0.get() = Some(blocked) };
    FORKING.store(thread(), Ordering::Relaxed);
}

extern "C" fn after_fork() {
    if FORKING.load(Ordering::Relaxed) != thread() {
        return;
    }
    // This thread has all locks, so that nobody else is here.
    if ASKED_AGAIN.load(Ordering::Relaxed) > 0 {
        ASKED_AGAIN.fetch_sub(1, Ordering::Relaxed);
        return;
    }
    FORKING.store(0, Ordering::Relaxed);
    // SAFETY: as in `before_fork`.
    let blocked = unsafe { (*BLOCKED.0.get()).take() };
    table::unlock_after_fork();
    drop(blocked);
}

extern "C" fn after_fork_in_the_child() {
    table::forget_other_threads();
    after_fork();
}
