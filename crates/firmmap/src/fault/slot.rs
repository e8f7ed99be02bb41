//! One mapping's place in the table: what it is, what has happened to it, and who has met that.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence};

use super::table::{FREE, Held, TABLE_LOCK};
use super::{Fault, NOTIFY, STRETCHES, Site, Stretch, UnreportedFault};
use crate::sys::{self, FileId};

/// One mapping's place in the table.
pub(crate) struct Slot {
    pub(super) lock: AtomicBool,
    start: AtomicUsize,
    len: AtomicUsize,
    fd: AtomicI32,
    device: AtomicU64,
    inode: AtomicU64,
    file_offset: AtomicU64,
    protection: AtomicI32,
    flags: AtomicI32,
    unit: AtomicUsize,
    origin: AtomicUsize,
    /// How many faults there were.
    faults: AtomicU32,
    /// How many of them were made good: bytes are the file's again.
    mended: AtomicU32,
    /// How many there were when the slot was told what it stands for. As long as there are no more, there is nothing to
    /// clear away.
    before: AtomicU32,
    /// The threads that have met them.
    witnesses: [Witness; WITNESSES],
    /// The index of the newest fault.
    last: AtomicUsize,
    /// The threads in whose long operations a fault will be noticed.
    pub(super) busy: [AtomicUsize; BUSY],
    stretches: [[AtomicUsize; 3]; STRETCHES],
    stretch_count: AtomicUsize,
    pub(super) next_free: AtomicPtr<Slot>,
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
    pub(super) const fn new() -> Self {
        Self {
            lock: AtomicBool::new(false),
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            fd: AtomicI32::new(-1),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            file_offset: AtomicU64::new(0),
            protection: AtomicI32::new(0),
            flags: AtomicI32::new(0),
            unit: AtomicUsize::new(1),
            origin: AtomicUsize::new(0),
            faults: AtomicU32::new(0),
            mended: AtomicU32::new(0),
            before: AtomicU32::new(0),
            witnesses: [const { Witness::new() }; WITNESSES],
            last: AtomicUsize::new(0),
            busy: [const { AtomicUsize::new(0) }; BUSY],
            stretches: [const { [const { AtomicUsize::new(0) }; 3] }; STRETCHES],
            stretch_count: AtomicUsize::new(0),
            next_free: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(super) fn hold(&self) -> Held<'_> {
        Held::take(&self.lock)
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
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
    pub(super) fn is_busy(&self, thread: usize) -> bool {
        self.busy.iter().any(|busy| busy.load(Ordering::Acquire) == thread)
    }

    fn site(&self) -> Site {
        Site {
            start: self.start.load(Ordering::Relaxed),
            len: self.len.load(Ordering::Relaxed),
            fd: self.fd.load(Ordering::Relaxed),
            file_id: FileId { device: self.device.load(Ordering::Relaxed), inode: self.inode.load(Ordering::Relaxed) },
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
        self.describe(site);
    }

    pub(super) fn describe(&self, site: &Site) {
        self.fd.store(site.fd, Ordering::Relaxed);
        self.device.store(site.file_id.device, Ordering::Relaxed);
        self.inode.store(site.file_id.inode, Ordering::Relaxed);
        self.file_offset.store(site.file_offset, Ordering::Relaxed);
        self.protection.store(site.protection, Ordering::Relaxed);
        self.flags.store(site.flags, Ordering::Relaxed);
        self.unit.store(site.unit, Ordering::Relaxed);
        self.origin.store(site.origin, Ordering::Relaxed);
        self.before.store(self.faults.load(Ordering::Relaxed), Ordering::Relaxed);
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
        self.start.store(0, Ordering::Relaxed);
        self.len.store(0, Ordering::Release);
        // The count is changed under the lock, and there will be no more of these.
        if self.faults.load(Ordering::Relaxed) == self.before.load(Ordering::Relaxed) {
            return None;
        }
        let fault = self.untold().map(|offset| Fault { offset });
        // What was moved aside would otherwise stay there.
        for index in 0..self.stretch_count.swap(0, Ordering::Relaxed) {
            sys::drop_aside(&self.stretch(index));
        }
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

    /// Before an operation that only reads, and leaves faults to another one: the count to compare with afterwards. If there
    /// is a fault that nobody was told of, it is less than what will be found then.
    #[inline(always)]
    pub(crate) fn glance(&self) -> u32 {
        self.mended.load(Ordering::Acquire)
    }

    /// After such an operation: whether what it has read was the file's, and nobody is to be told of anything.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, seen: u32) -> bool {
        fence(Ordering::Acquire);
        self.faults.load(Ordering::Relaxed) == seen
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
    pub(super) fn waiting(&self, wanted: impl Fn(usize) -> bool) -> [Option<UnreportedFault>; WITNESSES] {
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
    pub(super) fn take(&self, wanted: impl Fn(usize) -> bool) -> Option<UnreportedFault> {
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
    ///
    /// One stretch at a time, in place: the handler comes here too, and its stack may be small.
    fn undo_stretches(&self, site: &Site) -> bool {
        let count = self.stretch_count.load(Ordering::Relaxed);
        let mut kept = 0;
        for index in 0..count {
            let stretch = self.stretch(index);
            if !sys::put_back(site, &stretch) {
                self.set_stretch(kept, &stretch);
                kept += 1;
            }
        }
        self.stretch_count.store(kept, Ordering::Relaxed);
        kept == 0
    }

    fn stretch(&self, index: usize) -> Stretch {
        let [start, len, aside] = &self.stretches[index];
        Stretch {
            start: start.load(Ordering::Relaxed),
            len: len.load(Ordering::Relaxed),
            aside: aside.load(Ordering::Relaxed),
        }
    }

    fn set_stretch(&self, index: usize, stretch: &Stretch) {
        let [start, len, aside] = &self.stretches[index];
        start.store(stretch.start, Ordering::Relaxed);
        len.store(stretch.len, Ordering::Relaxed);
        aside.store(stretch.aside, Ordering::Relaxed);
    }

    fn add_stretch(&self, stretch: &Stretch) {
        let count = self.stretch_count.load(Ordering::Relaxed);
        if count < STRETCHES {
            self.set_stretch(count, stretch);
            self.stretch_count.store(count + 1, Ordering::Relaxed);
            return;
        }
        // More than can be kept apart, and the system has refused to put any of them back: the last one reaches from
        // the first of both to the end of both. In a private map that gives up changes in between.
        let last = self.stretch(STRETCHES - 1);
        sys::drop_aside(&last);
        sys::drop_aside(stretch);
        let end = (last.start + last.len).max(stretch.start + stretch.len);
        let start = last.start.min(stretch.start);
        self.set_stretch(STRETCHES - 1, &Stretch { start, len: end - start, aside: 0 });
    }

    /// From `address` up to where the next stretch starts; `None` inside of a stretch. The slot is locked.
    fn gap(&self, address: usize) -> Option<usize> {
        let mut end = self.start.load(Ordering::Relaxed) + self.len.load(Ordering::Relaxed);
        for index in 0..self.stretch_count.load(Ordering::Relaxed) {
            let stretch = self.stretch(index);
            if address.wrapping_sub(stretch.start) < stretch.len {
                return None;
            }
            if stretch.start > address {
                end = end.min(stretch.start);
            }
        }
        Some(end)
    }

    /// In the handler: makes the page at `address` readable. `false` if it is not ours after all, or cannot be helped.
    pub(super) fn cover(&self, address: usize, thread: usize) -> bool {
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
        self.note(address, thread);
        true
    }

    /// In the handler, where no page is replaced: notes a fault, if it could be helped.
    #[cfg(windows)]
    pub(super) fn meet(&self, address: usize, thread: usize, help: impl Fn(&Site) -> bool) -> bool {
        let _held = self.hold();
        if !self.contains(address) || !help(&self.site()) {
            return false;
        }
        self.faults.fetch_add(1, Ordering::AcqRel);
        self.note(address, thread);
        true
    }

    /// Notes where a fault was, and who has met it. The slot is locked.
    fn note(&self, address: usize, thread: usize) {
        let index = address.saturating_sub(self.origin.load(Ordering::Relaxed));
        self.last.store(index, Ordering::Relaxed);
        self.add_witness(thread, index);
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
