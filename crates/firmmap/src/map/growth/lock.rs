//! [`GrowthLock`]: threads that make a map longer take turns.
//!
//! `models/` checks this file as it is: with `--cfg loom` its atomics are loom's.

#[cfg(loom)]
use loom::{
    sync::atomic::{AtomicU32, Ordering},
    thread::yield_now,
};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU32, Ordering};

/// Not a mutex, as after fork(2) the child would wait for ever for a thread that only its parent has.
#[derive(Default)]
pub(super) struct GrowthLock {
    /// The [`generation`](crate::fork_generation) of the thread that makes the map longer now, or zero.
    holder: AtomicU32,
}

/// The right to make a map longer, until it is dropped.
pub(super) struct GrowthGuard<'a>(&'a AtomicU32);

impl GrowthLock {
    #[cfg(loom)]
    pub(super) fn new(holder: u32) -> Self {
        Self { holder: AtomicU32::new(holder) }
    }

    /// Waits for the other threads of this process, whose generation is `here`.
    pub(super) fn lock(&self, here: u32) -> GrowthGuard<'_> {
        let mut waits = 0;
        loop {
            let holder = self.holder.load(Ordering::Relaxed);
            // A thread of another generation was there when this process was forked, and is not here.
            if holder != here
                && self.holder.compare_exchange_weak(holder, here, Ordering::Acquire, Ordering::Relaxed).is_ok()
            {
                return GrowthGuard(&self.holder);
            }
            wait(&mut waits);
        }
    }
}

impl Drop for GrowthGuard<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Release);
    }
}

#[cfg(not(loom))]
fn wait(waits: &mut u32) {
    if *waits < 100 {
        *waits += 1;
        std::thread::yield_now();
    } else {
        std::thread::sleep(std::time::Duration::from_micros(50));
    }
}

#[cfg(loom)]
fn wait(_waits: &mut u32) {
    yield_now();
}
