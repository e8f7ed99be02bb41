//! The table of guarded mappings: chunks of slots, which are never freed, and their index by address.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::index::{Index, Lookup};
use super::os;
use super::slot::Slot;
use super::{GUARD, fault_guard, pool};
use crate::sys::MappingInfo;

const SLOTS: usize = 64;

struct Chunk {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Chunk>,
}

static FIRST: Chunk = Chunk::new();
static CHUNKS: AtomicPtr<Chunk> = AtomicPtr::new((&raw const FIRST).cast_mut());
/// Slots that were used before.
static FREE: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());
/// The number of slots of the newest chunk that are in use or were.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Changes under [`TABLE_LOCK`].
static INDEX: Index = Index::new();
/// The handler does not take it.
static TABLE_LOCK: AtomicBool = AtomicBool::new(false);

/// The guard of a spin lock.
pub(super) struct Lock<'a>(&'a AtomicBool);

impl<'a> Lock<'a> {
    #[inline]
    pub(super) fn take(lock: &'a AtomicBool) -> Self {
        while lock.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            os::pause();
        }
        Self(lock)
    }
}

impl Drop for Lock<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Chunk {
    const fn new() -> Self {
        Self { slots: [const { Slot::new() }; SLOTS], next: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// All slots, used or not.
fn slots() -> impl Iterator<Item = &'static Slot> {
    let mut chunk = CHUNKS.load(Ordering::Acquire);
    std::iter::from_fn(move || {
        // SAFETY: chunks are never freed.
        let current = unsafe { chunk.as_ref() }?;
        chunk = current.next.load(Ordering::Acquire);
        Some(current.slots.iter())
    })
    .flatten()
}

/// The slot of the mapping that contains `address`. Takes no lock: the thread that a handler has interrupted may hold it.
fn slot_of(address: usize) -> Option<&'static Slot> {
    /// How often to retry while other threads change the index.
    const ATTEMPTS: usize = 16;
    for _ in 0..ATTEMPTS {
        match INDEX.find(address) {
            Lookup::Found(slot) => return Some(slot),
            Lookup::Absent => return None,
            Lookup::Unknown => os::pause(),
        }
    }
    // The interrupted thread itself may be changing the index.
    slots().find(|slot| slot.contains(address))
}

/// Runs `help` on the slot of `address`, and returns its result. If the mapping has gone meanwhile, another one may have its place.
fn with_slot(address: usize, help: impl Fn(&'static Slot) -> bool) -> bool {
    const ATTEMPTS: usize = 16;
    if GUARD.load(Ordering::Relaxed) != 1 {
        return false;
    }
    for _ in 0..ATTEMPTS {
        let Some(slot) = slot_of(address) else { return false };
        if help(slot) {
            return true;
        }
        if slot.contains(address) {
            return false;
        }
    }
    false
}

/// In the handler: makes the page at `address` readable, if it is in a guarded mapping. Returns whether it did.
pub(crate) fn zero_fill(address: usize, is_write: bool, thread: usize) -> bool {
    with_slot(address, |slot| slot.zero_fill(address, is_write, thread))
}

/// In the handler: records a fault at `address`, if that is in a guarded mapping and `help` succeeds.
#[cfg(windows)]
pub(crate) fn record_fault(address: usize, thread: usize, help: impl Fn(&MappingInfo) -> bool) -> bool {
    with_slot(address, |slot| slot.record_fault(address, thread, &help))
}

/// Whether `address` is in a guarded mapping.
#[cfg(any(linux_kernel, windows))]
pub(crate) fn is_guarded(address: usize) -> bool {
    slot_of(address).is_some()
}

/// Enters a mapping into the table, if mappings are guarded.
pub(crate) fn register(mapping: &MappingInfo) -> Option<&'static Slot> {
    if !fault_guard() || !os::keep_handler() {
        return None;
    }
    os::refill_reserve();
    let _held = Lock::take(&TABLE_LOCK);
    let slot = claim();
    // No handler can find the slot before its length is set: its own lock is not needed.
    slot.start_counting();
    slot.describe(mapping);
    INDEX.insert(slot);
    Some(slot)
}

/// Sets the mapping that a slot stands for, after [`Slot::suspend`] and [`withdraw`].
pub(crate) fn renew(slot: &'static Slot, mapping: &MappingInfo) {
    let _held = Lock::take(&TABLE_LOCK);
    slot.set(mapping);
    INDEX.insert(slot);
    slot.listed.store(true, Ordering::Relaxed);
}

/// Takes a slot out of the index, after [`Slot::suspend`], before its addresses are reused.
pub(crate) fn withdraw(slot: &'static Slot) {
    let _held = Lock::take(&TABLE_LOCK);
    unlist(slot);
}

/// Takes a slot out of the index. The table is locked. The slot of an empty map is not in the index.
fn unlist(slot: &'static Slot) {
    if slot.listed.load(Ordering::Relaxed) {
        slot.listed.store(false, Ordering::Relaxed);
        INDEX.remove(slot);
    }
}

/// Frees a slot, after [`Slot::end`].
pub(crate) fn release(slot: &'static Slot) {
    let _held = Lock::take(&TABLE_LOCK);
    unlist(slot);
    slot.next_free.store(FREE.load(Ordering::Relaxed), Ordering::Relaxed);
    FREE.store(ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
}

/// An unused slot. The table is locked.
fn claim() -> &'static Slot {
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

/// Before fork(2): takes all locks, so that the child gets nothing that another thread has left half done.
pub(crate) fn lock_for_fork() {
    std::mem::forget(Lock::take(&TABLE_LOCK));
    for slot in slots() {
        std::mem::forget(slot.hold());
    }
    pool::lock_for_fork();
}

/// After fork(2), on both sides.
pub(crate) fn unlock_after_fork() {
    pool::unlock_after_fork();
    for slot in slots() {
        slot.lock.store(false, Ordering::Release);
    }
    TABLE_LOCK.store(false, Ordering::Release);
}

/// After fork(2), in the child, where all locks are held: the other threads, and their operations, do not exist there, and this one
/// had the number `id`.
pub(crate) fn forget_other_threads(id: i32) {
    super::busy::forget_all();
    let (thread, new) = (os::thread(), os::thread_id());
    for slot in pool::has_reports().then(slots).into_iter().flatten() {
        slot.renumber(thread, id, new);
    }
}
