//! Nodes for what few mappings have at a time, and slots therefore do not contain: unreported faults, and ranges that were replaced
//! by zeros. Also the list of slots with reports.
//!
//! The signal handler takes nodes. So they are never freed, and their memory comes from the system, not from the heap: a lot of address space
//! at once, as the handler may get no more areas of memory, and memory for each page when it is used. The pool's lock is held with all signals
//! blocked, while a list is changed or searched, or memory is requested from the system.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};

use super::os;
use super::slot::Slot;
use super::table::Lock;

/// A node of a list.
pub(super) struct Node {
    next: AtomicPtr<Node>,
    pub(super) words: [AtomicUsize; 7],
}

impl Node {
    const fn new() -> Self {
        Self { next: AtomicPtr::new(ptr::null_mut()), words: [const { AtomicUsize::new(0) }; 7] }
    }
}

/// A list of nodes. It changes under a lock that its owner documents.
pub(super) struct List(AtomicPtr<Node>);

impl List {
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.load(Ordering::Acquire).is_null()
    }

    pub(super) fn push(&self, node: &'static Node) {
        node.next.store(self.0.load(Ordering::Relaxed), Ordering::Relaxed);
        self.0.store(ptr::from_ref(node).cast_mut(), Ordering::Release);
    }

    fn push_back(&self, node: &'static Node) {
        node.next.store(ptr::null_mut(), Ordering::Relaxed);
        let last = self.iter().last().map_or(&self.0, |last| &last.next);
        last.store(ptr::from_ref(node).cast_mut(), Ordering::Release);
    }

    pub(super) fn pop(&self) -> Option<&'static Node> {
        let first = self.iter().next()?;
        self.0.store(first.next.load(Ordering::Relaxed), Ordering::Release);
        Some(first)
    }

    /// Removes the first node that is `wanted`.
    pub(super) fn take(&self, wanted: impl Fn(&Node) -> bool) -> Option<&'static Node> {
        let mut link = &self.0;
        loop {
            // SAFETY: nodes are never freed.
            let node: &'static Node = unsafe { link.load(Ordering::Relaxed).as_ref() }?;
            if wanted(node) {
                link.store(node.next.load(Ordering::Relaxed), Ordering::Release);
                return Some(node);
            }
            link = &node.next;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'static Node> + use<> {
        let mut next = self.0.load(Ordering::Acquire);
        std::iter::from_fn(move || {
            // SAFETY: nodes are never freed.
            let node: &'static Node = unsafe { next.as_ref() }?;
            next = node.next.load(Ordering::Relaxed);
            Some(node)
        })
    }
}

/// The number of nodes without memory from the system: enough for the threads that usually fault at once.
const FIRST: usize = 128;
/// The number of bytes that are requested beforehand: on Linux with two nodes, for a range and its report, for each area that there can be.
#[cfg(linux_kernel)]
const CHUNK: usize = 8 * 1024 * 1024;
/// The number of bytes that are requested when they are needed, if there are so many.
const PIECE: usize = 64 * 1024;
/// With which there are some nodes.
const LEAST: usize = 4 * 1024;

static NODES: [Node; FIRST] = [const { Node::new() }; FIRST];
/// The number of [`NODES`] that were taken.
static USED: AtomicUsize = AtomicUsize::new(0);
/// The next node of the memory that was requested last, and how many there are from it on.
static NEXT: AtomicPtr<Node> = AtomicPtr::new(ptr::null_mut());
static LEFT: AtomicUsize = AtomicUsize::new(0);
static FREE: List = List::new();
static LOCK: AtomicBool = AtomicBool::new(false);
/// The slots that have reports.
static REPORTING: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());
/// The number of reports in all slots.
static REPORTS: AtomicUsize = AtomicUsize::new(0);

/// A slot's neighbours in the list of those that have reports.
pub(super) struct Neighbours {
    previous: AtomicPtr<Slot>,
    next: AtomicPtr<Slot>,
}

impl Neighbours {
    pub(super) const fn new() -> Self {
        Self { previous: AtomicPtr::new(ptr::null_mut()), next: AtomicPtr::new(ptr::null_mut()) }
    }
}

/// Requests memory before it is needed. Not in the handler.
#[cfg(linux_kernel)]
pub(super) fn prepare() {
    let _blocked = os::block_signals();
    // Where addresses are limited, the program's maps need them more.
    let _ = Pool::lock().request(CHUNK, CHUNK);
}

/// Whether any slot has a report.
pub(super) fn has_reports() -> bool {
    REPORTS.load(Ordering::Acquire) != 0
}

/// The number of reports.
pub(super) fn reports() -> usize {
    REPORTS.load(Ordering::Acquire)
}

/// The pool, while its lock is held.
pub(super) struct Pool(#[expect(dead_code, reason = "it is held")] Lock<'static>);

impl Pool {
    /// Takes the lock. All signals are blocked.
    pub(super) fn lock() -> Self {
        Self(Lock::take(&LOCK))
    }

    /// An unused node; `None` if the system has no memory.
    pub(super) fn node(&self) -> Option<&'static Node> {
        if let Some(node) = FREE.pop() {
            return Some(node);
        }
        let used = USED.load(Ordering::Relaxed);
        if let Some(node) = NODES.get(used) {
            USED.store(used + 1, Ordering::Relaxed);
            if used > FIRST / 2 {
                // While there are addresses to be had.
                let _ = self.request(PIECE, LEAST);
            }
            return Some(node);
        }
        self.request(PIECE, LEAST)?;
        let node = NEXT.load(Ordering::Relaxed);
        NEXT.store(node.wrapping_add(1), Ordering::Relaxed);
        LEFT.store(LEFT.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
        // SAFETY: in memory that is never given back; its zeros are a node without a next one.
        unsafe { node.as_ref() }
    }

    /// Requests memory for nodes, where there is none left: `most` bytes, or half as many, and so on, down to `least`; `None` if the system
    /// has none.
    fn request(&self, most: usize, least: usize) -> Option<()> {
        if LEFT.load(Ordering::Relaxed) > 0 {
            return Some(());
        }
        let mut len = most;
        let memory = loop {
            match os::memory_for_ever(len) {
                Some(memory) => break memory,
                None if len > least => len /= 2,
                None => return None,
            }
        };
        NEXT.store(memory.cast(), Ordering::Relaxed);
        LEFT.store(len / size_of::<Node>(), Ordering::Relaxed);
        Some(())
    }

    pub(super) fn give_back(&self, node: &'static Node) {
        FREE.push(node);
    }

    /// Appends a report to those of a slot, which is locked.
    pub(super) fn add_report(&self, slot: &'static Slot, node: &'static Node) {
        if slot.reports.is_empty() {
            let first = REPORTING.swap(ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
            slot.neighbours.previous.store(ptr::null_mut(), Ordering::Relaxed);
            slot.neighbours.next.store(first, Ordering::Relaxed);
            // SAFETY: slots are never freed.
            if let Some(first) = unsafe { first.as_ref() } {
                first.neighbours.previous.store(ptr::from_ref(slot).cast_mut(), Ordering::Relaxed);
            }
        }
        slot.reports.push_back(node);
        REPORTS.fetch_add(1, Ordering::AcqRel);
    }

    /// Removes a report that is `wanted` from a slot, which is locked.
    pub(super) fn take_report(&self, slot: &Slot, wanted: impl Fn(&Node) -> bool) -> Option<&'static Node> {
        let node = slot.reports.take(wanted)?;
        REPORTS.fetch_sub(1, Ordering::AcqRel);
        if slot.reports.is_empty() {
            let previous = slot.neighbours.previous.load(Ordering::Relaxed);
            let next = slot.neighbours.next.load(Ordering::Relaxed);
            // SAFETY: slots are never freed.
            let before = unsafe { previous.as_ref() }.map_or(&REPORTING, |slot| &slot.neighbours.next);
            before.store(next, Ordering::Relaxed);
            // SAFETY: as above.
            if let Some(after) = unsafe { next.as_ref() } {
                after.neighbours.previous.store(previous, Ordering::Relaxed);
            }
        }
        Some(node)
    }

    /// Puts the first report of a slot, which is locked, behind its others. The number of reports, which is read without a lock, does not
    /// change meanwhile.
    pub(super) fn rotate_reports(&self, slot: &Slot) {
        if let Some(node) = slot.reports.pop() {
            slot.reports.push_back(node);
        }
    }

    /// The slots that have reports. They do not change while the pool is locked.
    pub(super) fn reporting(&self) -> impl Iterator<Item = &'static Slot> {
        let mut next = REPORTING.load(Ordering::Relaxed);
        std::iter::from_fn(move || {
            // SAFETY: slots are never freed.
            let slot: &'static Slot = unsafe { next.as_ref() }?;
            next = slot.neighbours.next.load(Ordering::Relaxed);
            Some(slot)
        })
    }
}

/// Before fork(2).
pub(super) fn lock_for_fork() {
    std::mem::forget(Lock::take(&LOCK));
}

/// After fork(2).
pub(super) fn unlock_after_fork() {
    LOCK.store(false, Ordering::Release);
}
