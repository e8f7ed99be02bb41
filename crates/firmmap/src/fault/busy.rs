//! Long operations in progress: such an operation reports its faults itself.

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

use super::os;
use super::slot::Slot;

/// The number of long operations in the process that are recorded at a time.
const PLACES: usize = 128;

struct Place {
    /// Zero if the entry is free.
    thread: AtomicUsize,
    slot: AtomicPtr<Slot>,
}

static OPERATIONS: [Place; PLACES] =
    [const { Place { thread: AtomicUsize::new(0), slot: AtomicPtr::new(ptr::null_mut()) } }; PLACES];

/// A long operation in progress.
pub(crate) struct Busy(Option<&'static Place>);

impl Busy {
    pub(crate) fn none() -> Self {
        Self(None)
    }

    /// Marks a long operation of this thread, for as long as the result lives.
    pub(crate) fn new(slot: &Slot) -> Self {
        let here = os::thread();
        // Thread ids are mostly addresses: the low bits say little.
        let first = here / 4096 % PLACES;
        let (before, after) = OPERATIONS.split_at(first);
        let taken = |place: &&Place| {
            let free = place.thread.load(Ordering::Relaxed) == 0;
            free && place.thread.compare_exchange(0, here, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        let place = after.iter().chain(before).find(taken);
        if let Some(place) = place {
            place.slot.store(ptr::from_ref(slot).cast_mut(), Ordering::Release);
        }
        Self(place)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.slot.store(ptr::null_mut(), Ordering::Relaxed);
            place.thread.store(0, Ordering::Release);
        }
    }
}

/// Whether the thread is in a long operation on the slot's mapping.
pub(super) fn is_busy(slot: &Slot, thread: usize) -> bool {
    OPERATIONS.iter().any(|place| {
        place.thread.load(Ordering::Acquire) == thread && ptr::eq(place.slot.load(Ordering::Acquire), slot)
    })
}

/// In the child of fork(2), where no other thread exists.
pub(super) fn forget_all() {
    for place in &OPERATIONS {
        place.slot.store(ptr::null_mut(), Ordering::Relaxed);
        place.thread.store(0, Ordering::Relaxed);
    }
}
