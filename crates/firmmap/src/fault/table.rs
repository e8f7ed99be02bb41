//! The table of guarded mappings: chunks of slots, which are never freed.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::slot::Slot;
use super::{GUARD, Site, fault_guard};
use crate::sys;

const SLOTS: usize = 64;

struct Chunk {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Chunk>,
}

static FIRST: Chunk = Chunk::new();
static CHUNKS: AtomicPtr<Chunk> = AtomicPtr::new((&raw const FIRST).cast_mut());
/// Slots that were used before.
pub(super) static FREE: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());
/// How many slots of the newest chunk were given out.
static USED: AtomicUsize = AtomicUsize::new(0);
pub(super) static TABLE_LOCK: AtomicBool = AtomicBool::new(false);
/// A spin lock that is held.
pub(super) struct Held<'a>(&'a AtomicBool);

impl<'a> Held<'a> {
    pub(super) fn take(lock: &'a AtomicBool) -> Self {
        while lock.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            sys::pause();
        }
        Self(lock)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Chunk {
    const fn new() -> Self {
        Self { slots: [const { Slot::new() }; SLOTS], next: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// All slots that there are, used or not.
pub(super) fn slots() -> impl Iterator<Item = &'static Slot> {
    let mut chunk = CHUNKS.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: chunks are never freed.
        let current = unsafe { chunk.as_ref() }?;
        chunk = current.next.load(Ordering::Acquire);
        Some(current.slots.iter())
    })
    .flatten()
}

/// In the handler: whether `address` is in a guarded mapping, whose page there now can be read.
pub(crate) fn cover(address: usize, thread: usize) -> bool {
    GUARD.load(Ordering::Relaxed) == 1 && slots().any(|slot| slot.contains(address) && slot.cover(address, thread))
}

/// In the handler: notes a fault at `address`, if that is in a guarded mapping and `help` says that it could be helped.
#[cfg(windows)]
pub(crate) fn meet(address: usize, thread: usize, help: impl Fn(&Site) -> bool) -> bool {
    GUARD.load(Ordering::Relaxed) == 1
        && slots().any(|slot| slot.contains(address) && slot.meet(address, thread, &help))
}

/// Whether `address` is in a guarded mapping.
#[cfg(any(target_os = "linux", target_os = "android", windows))]
pub(crate) fn is_guarded(address: usize) -> bool {
    slots().any(|slot| slot.contains(address))
}

/// Enters a mapping into the table, if mappings are guarded.
pub(crate) fn register(site: &Site) -> Option<&'static Slot> {
    if !fault_guard() || !sys::keep_handler() {
        return None;
    }
    let slot = claim();
    // Nobody has met it yet, and nobody will before its length is there: the lock is not needed.
    slot.describe(site);
    Some(slot)
}

fn claim() -> &'static Slot {
    let _held = Held::take(&TABLE_LOCK);
    let free = FREE.load(Ordering::Relaxed);
    // SAFETY: slots are never freed.
    if let Some(slot) = unsafe { free.as_ref() } {
        FREE.store(slot.next_free.load(Ordering::Relaxed), Ordering::Relaxed);
        return slot;
    }
    if USED.load(Ordering::Relaxed) == SLOTS {
        let chunk = Box::new(Chunk::new());
        chunk.next.store(CHUNKS.load(Ordering::Relaxed), Ordering::Relaxed);
        CHUNKS.store(Box::into_raw(chunk), Ordering::Release);
        USED.store(0, Ordering::Relaxed);
    }
    // SAFETY: there is always a newest chunk, and chunks are never freed.
    let newest = unsafe { &*CHUNKS.load(Ordering::Relaxed) };
    &newest.slots[USED.fetch_add(1, Ordering::Relaxed)]
}

/// Before fork(2): takes all locks, so that the child gets nothing that another thread has only half done.
pub(crate) fn lock_for_fork() {
    std::mem::forget(Held::take(&TABLE_LOCK));
    for slot in slots() {
        std::mem::forget(slot.hold());
    }
}

/// After fork(2), on both sides.
pub(crate) fn unlock_after_fork() {
    for slot in slots() {
        slot.lock.store(false, Ordering::Release);
    }
    TABLE_LOCK.store(false, Ordering::Release);
}

/// After fork(2), in the child: the threads that were in the middle of operations are not there.
pub(crate) fn forget_other_threads() {
    for slot in slots() {
        slot.busy.iter().for_each(|thread| thread.store(0, Ordering::Relaxed));
    }
}
