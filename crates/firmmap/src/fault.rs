//! Which addresses are ours, and what happened to them.
//!
//! A page of a mapping can become unreadable at any time. The kernel then sends a signal, in whose handler next to
//! nothing is allowed. So the mappings are kept in a table that the handler can read: slots that are never freed,
//! made of atomics, each with a spin lock that is held for a few system calls at most. Nobody who holds one touches
//! mapped memory, and no signal comes while one is held whose mapping others can touch, so a handler never waits for the
//! thread that it has interrupted.
//!
//! An operation reads the slot's counter of faults before and after ([`Slot::enter`], [`Slot::leave`]). If it changed,
//! bytes that were read were not the file's; the pages are put back ([`Slot::recover`]) and the operation fails.
//! `docs/faults.md` has the whole path.

#![cfg_attr(not(unix), allow(dead_code, reason = "only the Unix handler calls in here"))]

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use crate::error::{Detail, Error};
use crate::sys;

/// An operation met a page that could not be read or written: where, as an index into the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub offset: usize,
}

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        Detail::Fault { offset: fault.offset }.into()
    }
}

/// What the handler needs to know of a mapping.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Site {
    /// Address of the mapping, and its length in whole pages.
    pub start: usize,
    pub len: usize,
    /// The mapping's file, or -1.
    pub fd: i32,
    pub file_offset: u64,
    /// The arguments of mmap(2).
    pub protection: i32,
    pub flags: i32,
    /// What a page of it measures.
    pub unit: usize,
    /// What has to be taken from an address to get an index into the map.
    pub origin: usize,
}

/// How many unreadable stretches of one mapping are kept apart until they are put back.
pub(crate) const STRETCHES: usize = 16;

/// Pages that were replaced by zeros.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stretch {
    pub start: usize,
    pub len: usize,
    /// Where the pages were moved to, or zero.
    pub aside: usize,
}

/// One mapping's place in the table.
pub(crate) struct Slot {
    lock: AtomicBool,
    start: AtomicUsize,
    len: AtomicUsize,
    fd: AtomicI32,
    file_offset: AtomicU64,
    protection: AtomicI32,
    flags: AtomicI32,
    unit: AtomicUsize,
    origin: AtomicUsize,
    /// How many faults there were.
    faults: AtomicU32,
    /// How many of them were made good: bytes are the file's again.
    mended: AtomicU32,
    /// The threads that have met them.
    witnesses: [Witness; WITNESSES],
    /// The index of the newest fault.
    last: AtomicUsize,
    /// The threads in whose long operations a fault will be noticed.
    busy: [AtomicUsize; BUSY],
    stretches: [[AtomicUsize; 3]; STRETCHES],
    stretch_count: AtomicUsize,
    next_free: AtomicPtr<Slot>,
}

/// How many threads are told of the faults in one mapping each for itself.
const WITNESSES: usize = 8;

/// A thread that has met a fault and was not told.
struct Witness {
    /// `pthread_self()`; zero where the place is free.
    thread: AtomicUsize,
    /// The kernel's number of it.
    id: AtomicI32,
    /// The lowest index.
    first: AtomicUsize,
    /// Whether some operation has told of it, in another thread.
    told: AtomicBool,
}

/// How many threads can have a long operation on one mapping under way so that it is known.
const BUSY: usize = 8;

const SLOTS: usize = 64;

struct Chunk {
    slots: [Slot; SLOTS],
    next: AtomicPtr<Chunk>,
}

static FIRST: Chunk = Chunk::new();
static CHUNKS: AtomicPtr<Chunk> = AtomicPtr::new((&raw const FIRST).cast_mut());
/// Slots that were used before.
static FREE: AtomicPtr<Slot> = AtomicPtr::new(ptr::null_mut());
/// How many slots of the newest chunk were given out.
static USED: AtomicUsize = AtomicUsize::new(0);
static TABLE_LOCK: AtomicBool = AtomicBool::new(false);

/// 0 as yet unknown, 1 on, 2 off.
static GUARD: AtomicU32 = AtomicU32::new(0);

/// Whether mappings are guarded against faults.
///
/// # Examples
///
/// ```
/// firmmap::set_fault_guard(false);
/// assert!(!firmmap::fault_guard());
/// ```
#[must_use]
pub fn fault_guard() -> bool {
    match GUARD.load(Ordering::Relaxed) {
        0 => {
            let on = std::env::var_os("FIRMMAP_FAULT_GUARD").is_none_or(|value| value != "0");
            GUARD.store(if on { 1 } else { 2 }, Ordering::Relaxed);
            on
        }
        state => state == 1,
    }
}

/// Switches the guard against faults on or off for the process. It is on unless the environment has
/// `FIRMMAP_FAULT_GUARD=0`.
///
/// Without the guard a mapping whose file is truncated ends the process when the missing bytes are touched, as
/// everywhere else. Mappings that are made while the guard is off stay without it; mappings that were made while it
/// was on are without it as long as it is off.
///
/// # Platform notes
///
/// The guard is a handler for SIGBUS (on macOS also SIGSEGV). On systems that are not Unix there is none.
///
/// # Examples
///
/// ```
/// firmmap::set_fault_guard(true);
/// assert!(firmmap::fault_guard());
/// ```
pub fn set_fault_guard(on: bool) {
    GUARD.store(if on { 1 } else { 2 }, Ordering::Relaxed);
}

/// Makes the guard the first handler of its signal again, after another one may have been installed.
///
/// New mappings do this by themselves, but at most once every few milliseconds.
///
/// # Examples
///
/// ```
/// firmmap::renew_fault_guard();
/// ```
pub fn renew_fault_guard() {
    if fault_guard() {
        sys::install_handler();
    }
}

/// The handler of faults that the system would call now, as an address; zero if there is none.
///
/// # Examples
///
/// ```
/// let handler = firmmap::fault_handler();
/// firmmap::forget_fault_handler(handler);
/// ```
#[must_use]
pub fn fault_handler() -> usize {
    sys::current_handler()
}

/// Tells the guard that `handler`, which [`fault_handler`] has given after it was installed, is not at work any more though
/// it was not the one that the system called: the faults of others go to the handler before it.
///
/// For bindings whose interpreter has handlers of its own that can be switched off.
///
/// # Examples
///
/// See [`fault_handler`].
pub fn forget_fault_handler(handler: usize) {
    sys::forget_handler(handler);
}

/// A function that is called after a fault, in a signal handler: it may do only what is allowed there.
static NOTIFY: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has `notify` called after every fault, by the thread that met it, in its signal handler.
///
/// For bindings, which have to tell their interpreter of faults in memory that they have lent out. `notify` may do
/// only what signal-safety(7) allows. There is one such function for the process; the last one wins.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// static FAULTS: AtomicU32 = AtomicU32::new(0);
/// firmmap::on_fault(|| {
///     FAULTS.fetch_add(1, Ordering::Relaxed);
/// });
/// ```
pub fn on_fault(notify: fn()) {
    NOTIFY.store(notify as *mut (), Ordering::Release);
}

/// A fault that its thread was not told of: somebody has used the memory of a map directly.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::take_fault(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreportedFault {
    /// Where it was, as an index into its map: the lowest one, if there were several.
    pub offset: usize,
    /// The thread that met it: `pthread_self()`.
    pub thread: usize,
    /// Whether an operation on the map has told of it, in another thread.
    pub told: bool,
    /// The kernel's number of the thread.
    id: i32,
}

impl UnreportedFault {
    /// Whether the thread that met the fault is still there. The number in [`thread`](Self::thread) can be another
    /// thread's by now.
    ///
    /// # Platform notes
    ///
    /// Known on Linux; elsewhere the answer is always yes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(firmmap::waiting_faults().iter().all(|fault| fault.thread_lives()));
    /// ```
    #[must_use]
    pub fn thread_lives(&self) -> bool {
        sys::thread_lives(self.id)
    }
}

/// Takes one fault that its thread was not told of, in any map, and puts that map's pages back.
///
/// Threads that have a long operation on the map under way are passed over: the operation will fail and so tell of it.
///
/// # Examples
///
/// ```
/// while let Some(fault) = firmmap::take_fault() {
///     eprintln!("the byte at {} was not there", fault.offset);
/// }
/// ```
#[must_use]
pub fn take_fault() -> Option<UnreportedFault> {
    let here = sys::thread();
    slots().find_map(|slot| slot.take(|thread| thread == here || !slot.is_busy(thread)))
}

/// As [`take_fault`], but only faults that `thread` has met.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::take_fault_of(0), None);
/// ```
#[must_use]
pub fn take_fault_of(thread: usize) -> Option<UnreportedFault> {
    slots().find_map(|slot| slot.take(|witness| witness == thread))
}

/// The faults that [`take_fault`] would give, which stay untold; their maps' pages are put back.
///
/// For bindings that can have an error raised in another thread, but not at once.
///
/// # Examples
///
/// ```
/// assert!(firmmap::waiting_faults().is_empty());
/// ```
#[must_use]
pub fn waiting_faults() -> Vec<UnreportedFault> {
    let here = sys::thread();
    slots()
        .flat_map(|slot| slot.waiting(|thread| thread == here || !slot.is_busy(thread)).into_iter().flatten())
        .collect()
}

/// A spin lock that is held.
struct Held<'a>(&'a AtomicBool);

impl<'a> Held<'a> {
    fn take(lock: &'a AtomicBool) -> Self {
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

/// In the handler: whether `address` is in a guarded mapping, whose page there now can be read.
pub(crate) fn cover(address: usize, thread: usize) -> bool {
    GUARD.load(Ordering::Relaxed) == 1 && slots().any(|slot| slot.contains(address) && slot.cover(address, thread))
}

/// Whether `address` is in a guarded mapping.
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn is_guarded(address: usize) -> bool {
    slots().any(|slot| slot.contains(address))
}

/// Enters a mapping into the table, if mappings are guarded.
pub(crate) fn register(site: &Site) -> Option<&'static Slot> {
    if !fault_guard() || !sys::keep_handler() {
        return None;
    }
    let slot = claim();
    slot.set(site);
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

/// Calls what [`on_fault`] was given.
pub(crate) fn notify() {
    let notify = NOTIFY.load(Ordering::Acquire);
    if !notify.is_null() {
        // SAFETY: only `on_fault` stores here, and it stores functions of this type.
        let notify = unsafe { std::mem::transmute::<*mut (), fn()>(notify) };
        notify();
    }
}

impl Witness {
    const fn new() -> Self {
        Self {
            thread: AtomicUsize::new(0),
            id: AtomicI32::new(0),
            first: AtomicUsize::new(0),
            told: AtomicBool::new(false),
        }
    }

    /// What it has met, if anything.
    fn fault(&self) -> Option<UnreportedFault> {
        let thread = self.thread.load(Ordering::Acquire);
        (thread != 0).then(|| UnreportedFault {
            offset: self.first.load(Ordering::Relaxed),
            thread,
            told: self.told.load(Ordering::Relaxed),
            id: self.id.load(Ordering::Relaxed),
        })
    }

    fn forget(&self) {
        self.thread.store(0, Ordering::Release);
    }
}

impl Slot {
    const fn new() -> Self {
        Self {
            lock: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            fd: AtomicI32::new(-1),
            file_offset: AtomicU64::new(0),
            protection: AtomicI32::new(0),
            flags: AtomicI32::new(0),
            unit: AtomicUsize::new(1),
            origin: AtomicUsize::new(0),
            faults: AtomicU32::new(0),
            mended: AtomicU32::new(0),
            witnesses: [const { Witness::new() }; WITNESSES],
            last: AtomicUsize::new(0),
            busy: [const { AtomicUsize::new(0) }; BUSY],
            stretches: [const { [const { AtomicUsize::new(0) }; 3] }; STRETCHES],
            stretch_count: AtomicUsize::new(0),
            next_free: AtomicPtr::new(ptr::null_mut()),
        }
    }

    fn hold(&self) -> Held<'_> {
        Held::take(&self.lock)
    }

    fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.load(Ordering::Acquire)) < self.len.load(Ordering::Acquire)
    }

    fn is_whole(&self) -> bool {
        self.faults.load(Ordering::Acquire) == self.mended.load(Ordering::Acquire)
    }

    /// What the witnesses have met.
    fn present(&self) -> impl Iterator<Item = UnreportedFault> {
        self.witnesses.iter().filter_map(Witness::fault)
    }

    /// The lowest index of what nobody was told of.
    fn untold(&self) -> Option<usize> {
        self.present().filter(|fault| !fault.told).map(|fault| fault.offset).min()
    }

    /// Whether the thread has a long operation under way here.
    fn is_busy(&self, thread: usize) -> bool {
        self.busy.iter().any(|busy| busy.load(Ordering::Acquire) == thread)
    }

    fn site(&self) -> Site {
        Site {
            start: self.start.load(Ordering::Relaxed),
            len: self.len.load(Ordering::Relaxed),
            fd: self.fd.load(Ordering::Relaxed),
            file_offset: self.file_offset.load(Ordering::Relaxed),
            protection: self.protection.load(Ordering::Relaxed),
            flags: self.flags.load(Ordering::Relaxed),
            unit: self.unit.load(Ordering::Relaxed),
            origin: self.origin.load(Ordering::Relaxed),
        }
    }

    /// Says what the slot stands for now.
    pub(crate) fn set(&self, site: &Site) {
        let _held = self.hold();
        self.fd.store(site.fd, Ordering::Relaxed);
        self.file_offset.store(site.file_offset, Ordering::Relaxed);
        self.protection.store(site.protection, Ordering::Relaxed);
        self.flags.store(site.flags, Ordering::Relaxed);
        self.unit.store(site.unit, Ordering::Relaxed);
        self.origin.store(site.origin, Ordering::Relaxed);
        self.start.store(site.start, Ordering::Release);
        self.len.store(site.len, Ordering::Release);
    }

    /// Changes the protection that pages get when they are put back.
    pub(crate) fn set_protection(&self, protection: i32) {
        let _held = self.hold();
        self.protection.store(protection, Ordering::Relaxed);
    }

    /// The mapping is about to go: its addresses may soon be somebody else's. Says what nobody was told of.
    pub(crate) fn suspend(&self) -> Option<Fault> {
        let _held = self.hold();
        let fault = self.untold().map(|offset| Fault { offset });
        // What was moved aside would otherwise stay there.
        for stretch in self.take_stretches() {
            sys::drop_aside(&stretch);
        }
        self.start.store(0, Ordering::Relaxed);
        self.len.store(0, Ordering::Release);
        self.witnesses.iter().for_each(Witness::forget);
        self.mended.store(self.faults.load(Ordering::Relaxed), Ordering::Release);
        fault
    }

    /// Gives the slot back, after [`suspend`](Self::suspend).
    pub(crate) fn release(&'static self) {
        let _held = Held::take(&TABLE_LOCK);
        self.next_free.store(FREE.load(Ordering::Relaxed), Ordering::Relaxed);
        FREE.store(ptr::from_ref(self).cast_mut(), Ordering::Relaxed);
    }

    /// Before an operation: the count to compare with afterwards, or a fault that nobody was told of, or that could not be
    /// made good.
    #[inline]
    pub(crate) fn enter(&self) -> Result<u32, Fault> {
        let seen = self.faults.load(Ordering::Acquire);
        // What is read next must not be read before this.
        if seen == self.mended.load(Ordering::Acquire) { Ok(seen) } else { self.check().map(|()| seen) }
    }

    /// After an operation: whether what it has read was the file's.
    #[inline]
    pub(crate) fn leave(&self, seen: u32) -> Result<(), Fault> {
        // What was read before is read before the count.
        fence(Ordering::Acquire);
        if self.faults.load(Ordering::Relaxed) == seen { Ok(()) } else { Err(self.recover()) }
    }

    /// Reports a fault that nobody was told of.
    #[cold]
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.is_whole() { Ok(()) } else { Err(self.recover()) }
    }

    /// Puts the file's pages back and says where the fault was: this thread's own, or else one of another thread's that
    /// nobody was told of. The other thread is still to be told, where there is somebody to do that.
    #[cold]
    fn recover(&self) -> Fault {
        let _blocked = sys::block_signals();
        let _held = self.hold();
        let here = sys::thread();
        let own = self.witnesses.iter().find(|witness| witness.thread.load(Ordering::Relaxed) == here);
        let offset = if let Some(witness) = own {
            witness.forget();
            Some(witness.first.load(Ordering::Relaxed))
        } else {
            let offset = self.untold();
            let deliverable = !NOTIFY.load(Ordering::Acquire).is_null();
            for witness in &self.witnesses {
                witness.told.store(true, Ordering::Relaxed);
                if !deliverable {
                    witness.forget();
                }
            }
            offset
        };
        self.put_back();
        // Another thread can have recovered in the meantime.
        Fault { offset: offset.unwrap_or_else(|| self.last.load(Ordering::Relaxed)) }
    }

    /// The faults of the threads that are `wanted`; if there are any, the file's pages are put back.
    fn waiting(&self, wanted: impl Fn(usize) -> bool) -> [Option<UnreportedFault>; WITNESSES] {
        let mut faults = [None; WITNESSES];
        // Mostly there is none, and no lock is needed to see that.
        if self.present().any(|fault| wanted(fault.thread)) {
            let _blocked = sys::block_signals();
            let _held = self.hold();
            for (place, fault) in faults.iter_mut().zip(self.present().filter(|fault| wanted(fault.thread))) {
                *place = Some(fault);
            }
            self.put_back();
        }
        faults
    }

    /// Takes a fault of one of the threads that are `wanted`.
    fn take(&self, wanted: impl Fn(usize) -> bool) -> Option<UnreportedFault> {
        self.present().find(|fault| wanted(fault.thread))?;
        let _blocked = sys::block_signals();
        let _held = self.hold();
        let mut faults = self.witnesses.iter().filter_map(|witness| Some((witness, witness.fault()?)));
        let (witness, fault) = faults.find(|(_, fault)| wanted(fault.thread))?;
        witness.forget();
        self.put_back();
        Some(fault)
    }

    /// Puts the file's pages back. Operations go on to fail where that fails, and as long as there is something that
    /// nobody was told of. The slot is locked.
    fn put_back(&self) {
        let whole = self.undo_stretches(&self.site());
        if whole && self.untold().is_none() {
            self.mended.store(self.faults.load(Ordering::Relaxed), Ordering::Release);
        }
    }

    /// Replaces the zeros by the file's pages. Whether that worked for all of them; the rest stays noted.
    fn undo_stretches(&self, site: &Site) -> bool {
        let mut all = true;
        for stretch in self.take_stretches() {
            if !sys::put_back(site, &stretch) {
                all = false;
                self.add_stretch(&stretch);
            }
        }
        all
    }

    fn take_stretches(&self) -> impl Iterator<Item = Stretch> + use<> {
        let count = self.stretch_count.swap(0, Ordering::Relaxed);
        let mut taken = [Stretch::default(); STRETCHES];
        for (stretch, kept) in taken.iter_mut().zip(&self.stretches) {
            let [start, len, aside] = kept.each_ref().map(|field| field.load(Ordering::Relaxed));
            *stretch = Stretch { start, len, aside };
        }
        taken.into_iter().take(count)
    }

    fn add_stretch(&self, stretch: &Stretch) {
        let count = self.stretch_count.load(Ordering::Relaxed);
        if let Some(place) = self.stretches.get(count) {
            place[0].store(stretch.start, Ordering::Relaxed);
            place[1].store(stretch.len, Ordering::Relaxed);
            place[2].store(stretch.aside, Ordering::Relaxed);
            self.stretch_count.store(count + 1, Ordering::Relaxed);
            return;
        }
        // More than can be kept apart, and the system has refused to put any of them back: the last one reaches from
        // the first of both to the end of both. In a private map that gives up changes in between.
        let last = &self.stretches[STRETCHES - 1];
        let [last_start, last_len, aside] = last.each_ref().map(|field| field.load(Ordering::Relaxed));
        for stretch in [stretch, &Stretch { start: last_start, len: last_len, aside }] {
            sys::drop_aside(stretch);
        }
        let end = (last_start + last_len).max(stretch.start + stretch.len);
        let start = last_start.min(stretch.start);
        last[0].store(start, Ordering::Relaxed);
        last[1].store(end - start, Ordering::Relaxed);
        last[2].store(0, Ordering::Relaxed);
    }

    /// From `address` up to where the next stretch starts; `None` inside of a stretch. The slot is locked.
    fn gap(&self, address: usize) -> Option<usize> {
        let count = self.stretch_count.load(Ordering::Relaxed);
        let mut end = self.start.load(Ordering::Relaxed) + self.len.load(Ordering::Relaxed);
        for [start, len, _] in &self.stretches[..count] {
            let start = start.load(Ordering::Relaxed);
            if address.wrapping_sub(start) < len.load(Ordering::Relaxed) {
                return None;
            }
            if start > address {
                end = end.min(start);
            }
        }
        Some(end)
    }

    /// In the handler: makes the page at `address` readable. `false` if it is not ours after all, or cannot be helped.
    fn cover(&self, address: usize, thread: usize) -> bool {
        let _held = self.hold();
        if !self.contains(address) {
            return false;
        }
        let site = self.site();
        // Counted before it can be seen.
        self.faults.fetch_add(1, Ordering::AcqRel);
        // By other threads that write to the page as well: the load in `leave` may overtake a store, but not this.
        sys::seen_by_all_threads();
        // More than can be kept apart: the others go back to what they were. Whoever still uses them comes here again.
        if self.stretch_count.load(Ordering::Relaxed) == STRETCHES {
            self.undo_stretches(&site);
        }
        // Inside of a stretch, another thread has met the same page and was here first.
        if let Some(end) = self.gap(address) {
            let Some(stretch) = sys::cover(&site, address, end) else { return false };
            self.add_stretch(&stretch);
        }
        let index = address.saturating_sub(site.origin);
        self.last.store(index, Ordering::Relaxed);
        self.add_witness(thread, index);
        true
    }

    /// Notes who has met a fault. The slot is locked.
    fn add_witness(&self, thread: usize, index: usize) {
        let place = |wanted| self.witnesses.iter().find(|witness| witness.thread.load(Ordering::Relaxed) == wanted);
        // Where there are too many, one of them is told for the others.
        let witness = place(thread).or_else(|| place(0)).unwrap_or(&self.witnesses[WITNESSES - 1]);
        let known = witness.fault().filter(|fault| fault.thread == thread || !fault.told);
        let first = known.map_or(index, |fault| fault.offset.min(index));
        witness.first.store(first, Ordering::Relaxed);
        witness.told.store(false, Ordering::Relaxed);
        if known.is_none() {
            witness.id.store(sys::thread_id(), Ordering::Relaxed);
            witness.thread.store(thread, Ordering::Release);
        }
    }

    /// Marks a long operation, for as long as the result lives.
    pub(crate) fn long_operation(&self) -> Busy<'_> {
        let here = sys::thread();
        let taken = |place: &&AtomicUsize| place.compare_exchange(0, here, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        Busy(self.busy.iter().find(taken))
    }
}

/// A long operation that is under way.
pub(crate) struct Busy<'a>(Option<&'a AtomicUsize>);

impl Busy<'_> {
    pub(crate) fn none() -> Self {
        Self(None)
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.0 {
            place.store(0, Ordering::Release);
        }
    }
}
