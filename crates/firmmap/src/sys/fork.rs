//! fork(2): what is done before it and after it, as pthread_atfork(3) has it.

use std::sync::atomic::{AtomicBool, Ordering};

type Function = Option<unsafe extern "C" fn()>;

/// Has the functions called at each fork. They use atomics only, and bear being called twice.
///
/// Nobody goes on before they are registered, and nobody waits for another thread, which a forked child may not have. So two
/// threads can register them at once.
pub(crate) fn register(done: &AtomicBool, before: Function, after: Function, in_the_child: Function) {
    if !done.load(Ordering::Acquire) {
        // SAFETY: what the functions do is the caller's promise above.
        unsafe { libc::pthread_atfork(before, after, in_the_child) };
        done.store(true, Ordering::Release);
    }
}
