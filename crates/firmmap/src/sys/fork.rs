//! fork(2): functions that run before and after it, by pthread_atfork(3).

use std::sync::atomic::{AtomicBool, Ordering};

type Function = Option<unsafe extern "C" fn()>;

/// Registers the functions to be called at each fork. They must use only atomics and system calls, no heap and no lock that a thread could
/// hold for long, and tolerate being called twice.
///
/// Every caller returns only once they are registered, and none waits for another thread, which may not exist in a forked child. So two
/// threads can register them at the same time.
pub(crate) fn register(done: &AtomicBool, before: Function, after: Function, in_the_child: Function) {
    if !done.load(Ordering::Acquire) {
        // SAFETY: what the functions do is the caller's promise above.
        unsafe { libc::pthread_atfork(before, after, in_the_child) };
        done.store(true, Ordering::Release);
    }
}
