//! How many faults a mapping has met: the numbers by which an operation knows whether what it has read was the file's.
//!
//! `models/` checks this file as it is: with `--cfg loom` its atomics are loom's.

#[cfg(loom)]
use loom::sync::atomic::{AtomicU64, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicU64, Ordering, fence};

#[repr(C)]
pub(super) struct Counts {
    /// How many faults there were. Never goes back.
    faults: AtomicU64,
    /// How many there were when nothing was left to report last, and all pages were the file's.
    settled: AtomicU64,
    /// How many there were when all pages were the file's last.
    restored: AtomicU64,
    /// What is added to the number of faults for the map that the slot is for, modulo 2^64: less those that there were before it, how often
    /// somebody has asked for the count while there were zeros that could not be taken away, and what [`count_from`](Self::count_from)
    /// was given.
    added: AtomicU64,
}

macro_rules! zero {
    () => {
        Self {
            faults: AtomicU64::new(0),
            settled: AtomicU64::new(0),
            restored: AtomicU64::new(0),
            added: AtomicU64::new(0),
        }
    };
}

impl Counts {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        zero!()
    }

    /// Loom's atomics are not made at compile time.
    #[cfg(loom)]
    pub(super) fn new() -> Self {
        zero!()
    }

    /// The slot is a new map's.
    pub(super) fn start(&self) {
        self.added.store(self.now().wrapping_neg(), Ordering::Relaxed);
    }

    /// Goes on with the count of another map.
    pub(super) fn count_from(&self, count: u64) {
        self.added.fetch_add(count, Ordering::Relaxed);
    }

    /// A fault, before what is done about it can be seen.
    pub(super) fn add(&self) {
        self.faults.fetch_add(1, Ordering::AcqRel);
    }

    /// How many faults the slot has met. It is locked: that is all of them.
    pub(super) fn now(&self) -> u64 {
        self.faults.load(Ordering::Relaxed)
    }

    /// How many faults the map has met; `None` while there are zeros in the place of pages.
    #[inline]
    pub(super) fn count(&self) -> Option<u64> {
        // What was read before is read before the count.
        fence(Ordering::Acquire);
        let faults = self.faults.load(Ordering::Acquire);
        (faults == self.restored.load(Ordering::Acquire)).then(|| self.of_the_map(faults))
    }

    /// The same while the slot is locked. With zeros that stay, reading them makes no new fault: so the question counts as one.
    pub(super) fn count_locked(&self, are_there_zeros: bool) -> u64 {
        self.added.fetch_add(are_there_zeros.into(), Ordering::Relaxed);
        self.of_the_map(self.now())
    }

    #[inline]
    fn of_the_map(&self, faults: u64) -> u64 {
        faults.wrapping_add(self.added.load(Ordering::Relaxed))
    }

    /// Before an operation: the count for [`is`](Self::is) afterwards, if there is nothing to report or to restore.
    #[inline(always)]
    pub(super) fn settled(&self) -> Option<u64> {
        let seen = self.faults.load(Ordering::Acquire);
        // What is read next must not be read before this.
        (seen == self.settled.load(Ordering::Acquire)).then_some(seen)
    }

    /// The same without a look at whether there is something to report: then it is less than what will be found afterwards.
    #[inline(always)]
    pub(super) fn settled_count(&self) -> u64 {
        self.settled.load(Ordering::Acquire)
    }

    /// After an operation: whether there was no fault since there were `seen`.
    #[inline(always)]
    pub(super) fn is(&self, seen: u64) -> bool {
        // What was read before is read before the count.
        fence(Ordering::Acquire);
        self.faults.load(Ordering::Relaxed) == seen
    }

    /// All pages were the file's when there were `faults`.
    pub(super) fn set_restored(&self, faults: u64) {
        self.restored.store(faults, Ordering::Release);
    }

    /// And nothing was left to report.
    pub(super) fn set_settled(&self, faults: u64) {
        self.settled.store(faults, Ordering::Release);
    }
}
