//! fork(2): keeps the table of mappings consistent in every child.

use std::cell::UnsafeCell;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicUsize, Ordering};

use super::os::{Blocked, block_signals, thread, thread_id};
use super::{reserve, table};
use crate::sys;

/// Registers what keeps the table of mappings consistent in every child.
pub(super) fn guard_table() {
    static DONE: AtomicBool = AtomicBool::new(false);
    sys::at_fork(&DONE, Some(before_fork), Some(after_fork), Some(after_fork_in_the_child));
}

/// The thread that has taken all locks to fork, and how often it was asked to do so again. Its child has the same `pthread_self()`.
static FORKING: AtomicUsize = AtomicUsize::new(0);
static ASKED_AGAIN: AtomicUsize = AtomicUsize::new(0);
/// Its number, which its child does not have.
static FORKING_ID: AtomicI32 = AtomicI32::new(0);

/// The signals that are blocked while a thread forks.
struct WhileForking(UnsafeCell<Option<Blocked>>);
// SAFETY: only the thread uses it that has taken all locks to fork.
unsafe impl Sync for WhileForking {}
static BLOCKED: WhileForking = WhileForking(UnsafeCell::new(None));

extern "C" fn before_fork() {
    if FORKING.load(Ordering::Relaxed) == thread() {
        ASKED_AGAIN.fetch_add(1, Ordering::Relaxed);
        return;
    }
    // A signal handler of the program that faults meanwhile would wait for this thread, which it has interrupted.
    let blocked = block_signals();
    table::lock_for_fork();
    // SAFETY: this thread holds all locks, so that no other one is here.
    unsafe { *BLOCKED.0.get() = Some(blocked) };
    FORKING_ID.store(thread_id(), Ordering::Relaxed);
    FORKING.store(thread(), Ordering::Relaxed);
}

extern "C" fn after_fork() {
    if FORKING.load(Ordering::Relaxed) != thread() {
        return;
    }
    // This thread holds all locks, so that no other one is here.
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
    table::forget_other_threads(FORKING_ID.load(Ordering::Relaxed));
    reserve::forget_other_threads();
    after_fork();
}
