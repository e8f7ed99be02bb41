//! One mapping's entry in the table: what it is, its faults, and the threads that have to be told of them.

use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::busy::is_busy;
use super::counts::Counts;
use super::index::Links;
use super::os;
use super::pool::{List, Neighbours, Node, Pool};
use super::table::Lock;
use super::{Fault, NOTIFY, UnreportedFault, ZeroedRange};
use crate::range::Span;
use crate::sys::{FileId, MappingInfo};

/// One mapping's entry in the table.
///
/// The lock is held for system calls that replace or restore pages, up to a few for each zeroed range. Its holder touches no mapped memory,
/// and has all signals blocked if other threads can touch this slot's mapping meanwhile.
#[repr(C, align(64))]
pub(crate) struct Slot {
    // What a search of the index and an operation read is in one cache line.
    start: AtomicUsize,
    len: AtomicUsize,
    pub(super) links: Links,
    counts: Counts,

    file_offset: AtomicU64,
    device: AtomicU64,
    inode: AtomicU64,
    page_size: AtomicUsize,
    origin: AtomicUsize,
    fd: AtomicI32,
    protection: AtomicI32,
    flags: AtomicI32,
    pub(super) lock: AtomicBool,
    /// Whether it is in the index. Changes under the table's lock.
    pub(super) listed: AtomicBool,
    /// The index of the newest fault.
    last: AtomicUsize,
    /// The lowest index of a fault for which there was no node, plus one.
    unlisted: AtomicUsize,
    /// The [`ZeroedRange`]s. Changes under the slot's lock.
    zeroed: List,
    /// A [`Report`] for each thread with an unreported fault. Changes under the slot's lock and the pool's.
    pub(super) reports: List,
    pub(super) neighbours: Neighbours,
    pub(super) next_free: AtomicPtr<Slot>,
}

/// In place of a slot, for fast paths of mappings that are not guarded: it has no faults.
pub(crate) static UNGUARDED: Slot = Slot::new();

/// The number of zeroed ranges that one mapping has at a time. Each is a memory area of the kernel, which limits them.
const ZEROED_RANGES: usize = 16;

/// The number of the next record in the process.
static SERIAL: AtomicUsize = AtomicUsize::new(0);

/// A node as the record of a thread with unreported faults.
struct Report<'a>(&'a Node);

/// Which of a slot's faults.
pub(super) type Wanted<'a> = &'a dyn Fn(&Slot, &UnreportedFault) -> bool;

impl Report<'_> {
    /// `pthread_self()`.
    fn thread(&self) -> &AtomicUsize {
        &self.0.words[0]
    }

    /// The kernel's id of the thread.
    fn id(&self) -> &AtomicUsize {
        &self.0.words[1]
    }

    /// Not zero if an operation in another thread has reported it.
    fn reported(&self) -> &AtomicUsize {
        &self.0.words[2]
    }

    /// The lowest index that was touched.
    fn first(&self) -> &AtomicUsize {
        &self.0.words[3]
    }

    /// The lowest index that was missing.
    fn missing(&self) -> &AtomicUsize {
        &self.0.words[4]
    }

    /// Another number for each record.
    fn serial(&self) -> &AtomicUsize {
        &self.0.words[5]
    }

    /// The index that was touched last.
    fn latest(&self) -> &AtomicUsize {
        &self.0.words[6]
    }

    fn is_of(&self, thread: usize, id: i32) -> bool {
        self.thread().load(Ordering::Relaxed) == thread && self.id().load(Ordering::Relaxed) == id as usize
    }

    fn fault(&self) -> UnreportedFault {
        UnreportedFault {
            offset: self.first().load(Ordering::Relaxed),
            thread: self.thread().load(Ordering::Relaxed),
            reported: self.reported().load(Ordering::Relaxed) != 0,
            id: self.id().load(Ordering::Relaxed) as i32,
            number: (self.serial().load(Ordering::Relaxed), self.latest().load(Ordering::Relaxed)),
        }
    }
}

impl ZeroedRange {
    fn of(node: &Node) -> Self {
        let [start, len, stash, ..] = &node.words;
        Self {
            start: start.load(Ordering::Relaxed),
            len: len.load(Ordering::Relaxed),
            stash: stash.load(Ordering::Relaxed),
        }
    }

    fn store(&self, node: &Node) {
        node.words[0].store(self.start, Ordering::Relaxed);
        node.words[1].store(self.len, Ordering::Relaxed);
        node.words[2].store(self.stash, Ordering::Relaxed);
    }
}

impl Slot {
    pub(super) const fn new() -> Self {
        Self {
            start: AtomicUsize::new(0),
            len: AtomicUsize::new(0),
            links: Links::new(),
            counts: Counts::new(),
            file_offset: AtomicU64::new(0),
            device: AtomicU64::new(0),
            inode: AtomicU64::new(0),
            page_size: AtomicUsize::new(1),
            origin: AtomicUsize::new(0),
            fd: AtomicI32::new(-1),
            protection: AtomicI32::new(0),
            flags: AtomicI32::new(0),
            lock: AtomicBool::new(false),
            listed: AtomicBool::new(false),
            last: AtomicUsize::new(0),
            unlisted: AtomicUsize::new(0),
            zeroed: List::new(),
            reports: List::new(),
            neighbours: Neighbours::new(),
            next_free: AtomicPtr::new(ptr::null_mut()),
        }
    }

    pub(super) fn hold(&self) -> Lock<'_> {
        Lock::take(&self.lock)
    }

    pub(super) fn start(&self) -> usize {
        self.start.load(Ordering::Acquire)
    }

    pub(crate) fn contains(&self, address: usize) -> bool {
        address.wrapping_sub(self.start.load(Ordering::Acquire)) < self.len.load(Ordering::Acquire)
    }

    /// What the slot stands for.
    pub(crate) fn mapping(&self) -> MappingInfo {
        MappingInfo {
            start: self.start.load(Ordering::Relaxed),
            len: self.len.load(Ordering::Relaxed),
            fd: self.fd.load(Ordering::Relaxed),
            file_id: FileId { device: self.device.load(Ordering::Relaxed), inode: self.inode.load(Ordering::Relaxed) },
            file_offset: self.file_offset.load(Ordering::Relaxed),
            protection: self.protection.load(Ordering::Relaxed),
            flags: self.flags.load(Ordering::Relaxed),
            page_size: self.page_size.load(Ordering::Relaxed),
            origin: self.origin.load(Ordering::Relaxed),
        }
    }

    /// Sets the mapping that the slot stands for. The slot is not in the index.
    pub(super) fn set(&self, mapping: &MappingInfo) {
        let _held = self.hold();
        self.describe(mapping);
    }

    pub(super) fn describe(&self, mapping: &MappingInfo) {
        self.fd.store(mapping.fd, Ordering::Relaxed);
        self.device.store(mapping.file_id.device, Ordering::Relaxed);
        self.inode.store(mapping.file_id.inode, Ordering::Relaxed);
        self.file_offset.store(mapping.file_offset, Ordering::Relaxed);
        self.protection.store(mapping.protection, Ordering::Relaxed);
        self.flags.store(mapping.flags, Ordering::Relaxed);
        self.page_size.store(mapping.page_size, Ordering::Relaxed);
        self.origin.store(mapping.origin, Ordering::Relaxed);
        self.start.store(mapping.start, Ordering::Release);
        self.len.store(mapping.len, Ordering::Release);
    }

    /// Begins the count of a new map, which is about to be put into the index.
    pub(super) fn start_counting(&self) {
        self.counts.start();
        self.listed.store(true, Ordering::Relaxed);
    }

    /// Continues the count of a map that this one replaces.
    pub(crate) fn count_from(&self, count: u64) {
        self.counts.count_from(count);
    }

    /// Changes the protection that pages get when they are restored.
    pub(crate) fn set_protection(&self, protection: i32) {
        let _held = self.hold();
        self.protection.store(protection, Ordering::Relaxed);
    }

    /// Prepares for the mapping to move: its addresses may soon belong to something else. Unreported faults stay to be reported.
    pub(crate) fn suspend(&self) {
        let _held = self.hold();
        let _blocked = (!self.zeroed.is_empty()).then(os::block_signals);
        self.leave_addresses();
    }

    /// As [`suspend`](Self::suspend), for a mapping that is unmapped. Returns its unreported fault.
    pub(crate) fn end(&self) -> Option<Fault> {
        let _held = self.hold();
        if self.zeroed.is_empty() && self.reports.is_empty() && self.unlisted.load(Ordering::Relaxed) == 0 {
            self.len.store(0, Ordering::Release);
            return None;
        }
        let _blocked = os::block_signals();
        self.leave_addresses();
        let fault = self.unreported().map(|offset| Fault { offset });
        let pool = Pool::lock();
        while let Some(node) = pool.take_report(self, |_| true) {
            pool.give_back(node);
        }
        self.unlisted.store(0, Ordering::Relaxed);
        self.counts.set_settled(self.counts.now());
        fault
    }

    /// The slot is locked, and all signals are blocked if there are zeroed ranges.
    fn leave_addresses(&self) {
        if !self.zeroed.is_empty() {
            // All pages must be in their place when the mapping moves.
            self.restore_ranges(&self.mapping());
        }
        self.len.store(0, Ordering::Release);
        if !self.zeroed.is_empty() {
            let pool = Pool::lock();
            while let Some(node) = self.zeroed.pop() {
                os::drop_stash(&ZeroedRange::of(node));
                pool.give_back(node);
            }
        }
        self.counts.set_restored(self.counts.now());
    }

    /// The number of the map's faults. If it is the same before and after, only the file's bytes were read in between, and no writes
    /// were lost.
    #[inline]
    pub(crate) fn count(&self) -> u64 {
        self.counts.count().unwrap_or_else(|| self.count_zeroed())
    }

    /// [`count`](Self::count) where there are zeros in place of pages: they must be gone before the caller begins to read.
    #[cold]
    fn count_zeroed(&self) -> u64 {
        let _blocked = os::block_signals();
        let _held = self.hold();
        self.settle();
        self.counts.count_locked(!self.zeroed.is_empty())
    }

    /// Before an operation: returns the count to compare with afterwards, if nothing is to be reported or restored.
    #[inline(always)]
    pub(crate) fn settled(&self) -> Option<u64> {
        self.counts.settled()
    }

    /// Before a part of an operation on `whole`: returns the count to compare with afterwards, or an unreported fault, or a fault in
    /// this part that cannot be repaired.
    #[inline]
    pub(crate) fn enter(&'static self, part: Span, whole: Span) -> Result<u64, Fault> {
        match self.settled() {
            Some(seen) => Ok(seen),
            None => self.enter_unsettled(part, whole),
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn enter_unsettled(&'static self, part: Span, whole: Span) -> Result<u64, Fault> {
        let _blocked = os::block_signals();
        let _held = self.hold();
        // This very operation may have faulted, in its fast path.
        let missing = self.own_missing(whole);
        let report = self.take_report();
        self.settle();
        if let Some(offset) = report {
            return Err(Fault { offset: missing.unwrap_or(offset) });
        }
        match self.first_zeroed(part) {
            Some(offset) => Err(Fault { offset }),
            None => Ok(self.counts.now()),
        }
    }

    /// The first index of `span` that was missing, if this thread has an unreported fault in it. The slot is locked.
    fn own_missing(&self, span: Span) -> Option<usize> {
        let (here, id) = (os::thread(), os::thread_id());
        let own = self.reports.iter().map(Report).find(|report| report.is_of(here, id))?;
        let (first, missing) = (own.first().load(Ordering::Relaxed), own.missing().load(Ordering::Relaxed));
        let inside = first < span.end() && missing < span.end() && first >= span.start;
        inside.then(|| missing.max(span.start))
    }

    /// After an operation on a part of `span`: fails if what it has read may not be the file's.
    #[inline]
    pub(crate) fn leave(&'static self, seen: u64, span: Span) -> Result<(), Fault> {
        if self.counts.is(seen) { Ok(()) } else { Err(self.recover(span)) }
    }

    /// Before an operation that only reads, and leaves the reporting to another one: returns the count to compare with afterwards. It
    /// is less than the later count if there is an unreported fault.
    #[inline(always)]
    pub(crate) fn settled_count(&self) -> u64 {
        self.counts.settled_count()
    }

    /// After such an operation: whether what it has read was the file's, and no fault is unreported.
    #[inline(always)]
    pub(crate) fn is_unchanged(&self, seen: u64) -> bool {
        self.counts.is(seen)
    }

    /// Restores the file's pages and returns the first missing byte of `span`. The fault itself may have been at any other one, by the
    /// order in which the bytes were touched. The slot's other faults are reported with it.
    #[cold]
    #[inline(never)]
    fn recover(&'static self, span: Span) -> Fault {
        let _blocked = os::block_signals();
        let _held = self.hold();
        let zeroed = self.first_zeroed(span);
        let missing = self.own_missing(span);
        // Another thread may have restored the pages meanwhile.
        let offset = self.take_report().unwrap_or_else(|| self.last.load(Ordering::Relaxed));
        self.settle();
        super::note_taken_back();
        Fault { offset: [zeroed, missing].into_iter().flatten().min().unwrap_or(offset) }
    }

    /// Takes back the report of a fault in this thread, and restores the file's pages. For an operation that is done again in another
    /// way, and that began with nothing unreported.
    #[cold]
    #[inline(never)]
    pub(crate) fn dismiss(&self) {
        self.take(&|_, fault| fault.is_own());
        super::note_taken_back();
    }

    /// The first index of `span` that is zeros now. The slot is locked.
    fn first_zeroed(&self, span: Span) -> Option<usize> {
        if span.len == 0 {
            return None;
        }
        let origin = self.origin.load(Ordering::Relaxed);
        let (start, end) = (origin + span.start, origin + span.end());
        let ranges = self.zeroed.iter().map(ZeroedRange::of);
        let starts =
            ranges.filter(|range| range.start < end && start < range.start + range.len).map(|range| range.start);
        starts.min().map(|zeroed| zeroed.max(start) - origin)
    }

    /// Takes the fault that this thread is to be told of: its own, or else an unreported one of another thread, which is then still to
    /// be told. The slot is locked, all signals are blocked.
    fn take_report(&'static self) -> Option<usize> {
        if self.reports.is_empty() && self.unlisted.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let (here, id) = (os::thread(), os::thread_id());
        let pool = Pool::lock();
        if let Some(node) = pool.take_report(self, |node| Report(node).is_of(here, id)) {
            let offset = Report(node).first().load(Ordering::Relaxed);
            pool.give_back(node);
            return Some(offset);
        }
        let offset = self.unreported();
        for node in self.reports.iter() {
            Report(node).reported().store(1, Ordering::Relaxed);
        }
        self.unlisted.store(0, Ordering::Relaxed);
        // A thread that has ended cannot be told any more. Each report comes to the front in turn.
        if let Some(fault) = self.reports.iter().next().map(|node| Report(node).fault()) {
            let is_told_by_binding = !NOTIFY.load(Ordering::Acquire).is_null() && !fault.is_of_parent();
            if is_told_by_binding || fault.thread_lives() {
                pool.rotate_reports(self);
            } else if let Some(node) = pool.take_report(self, |_| true) {
                pool.give_back(node);
            }
        }
        offset
    }

    /// The lowest index of an unreported fault. The slot is locked.
    fn unreported(&self) -> Option<usize> {
        let unlisted = self.unlisted.load(Ordering::Relaxed).checked_sub(1);
        let faults = self.reports.iter().map(|node| Report(node).fault());
        faults.filter(|fault| !fault.reported).map(|fault| fault.offset).chain(unlisted).min()
    }

    /// The unreported faults of the threads that are `wanted`. The pool is locked.
    pub(super) fn waiting(&self, wanted: Wanted<'_>) -> impl Iterator<Item = UnreportedFault> {
        self.reports.iter().map(|node| Report(node).fault()).filter(move |fault| wanted(self, fault))
    }

    /// Takes a fault of one of the threads that are `wanted`.
    pub(super) fn take(&self, wanted: Wanted<'_>) -> Option<UnreportedFault> {
        let _blocked = os::block_signals();
        let _held = self.hold();
        let pool = Pool::lock();
        let node = pool.take_report(self, |node| wanted(self, &Report(node).fault()))?;
        let fault = Report(node).fault();
        pool.give_back(node);
        drop(pool);
        self.settle();
        Some(fault)
    }

    /// Restores the file's pages.
    pub(super) fn restore(&self) {
        let _blocked = os::block_signals();
        let _held = self.hold();
        self.settle();
    }

    /// Restores the file's pages, where the system can. The slot is locked, all signals are blocked.
    fn settle(&self) {
        let faults = self.counts.now();
        let restored = self.restore_ranges(&self.mapping());
        os::refill_reserve();
        if !restored {
            return;
        }
        self.counts.set_restored(faults);
        if self.reports.is_empty() && self.unlisted.load(Ordering::Relaxed) == 0 {
            self.counts.set_settled(faults);
        }
    }

    /// Replaces the zeros by the file's pages, and returns whether that worked for all ranges; the others stay recorded.
    ///
    /// One range at a time, in place: the handler calls this too, and its stack may be small.
    fn restore_ranges(&self, mapping: &MappingInfo) -> bool {
        let kept = List::new();
        while let Some(node) = self.zeroed.pop() {
            if os::restore_pages(mapping, &ZeroedRange::of(node)) {
                Pool::lock().give_back(node);
            } else {
                kept.push(node);
            }
        }
        while let Some(node) = kept.pop() {
            self.zeroed.push(node);
        }
        self.zeroed.is_empty()
    }

    /// Records a range. `false` if that is not possible. The slot is locked.
    fn add_range(&self, node: Option<&'static Node>, range: &ZeroedRange) -> bool {
        if let Some(node) = node {
            range.store(node);
            self.zeroed.push(node);
            return true;
        }
        // No memory for a node: another range is extended to cover both. In a private map all of that stays missing, as the changes in
        // between are nowhere else.
        let Some(node) = self.zeroed.iter().next() else { return false };
        let other = ZeroedRange::of(node);
        os::drop_stash(&other);
        os::drop_stash(range);
        let end = (other.start + other.len).max(range.start + range.len);
        let start = other.start.min(range.start);
        ZeroedRange { start, len: end - start, stash: os::without_pages(&self.mapping()) }.store(node);
        true
    }

    /// The gap between the zeroed ranges around `address`, or the range that contains it. The slot is locked.
    fn gap(&self, address: usize) -> Result<(usize, usize), ZeroedRange> {
        let start = self.start.load(Ordering::Relaxed);
        let (mut low, mut high) = (start, start + self.len.load(Ordering::Relaxed));
        for range in self.zeroed.iter().map(ZeroedRange::of) {
            if address.wrapping_sub(range.start) < range.len {
                return Err(range);
            }
            if range.start > address {
                high = high.min(range.start);
            } else {
                low = low.max(range.start + range.len);
            }
        }
        Ok((low, high))
    }

    /// In the handler: makes the page at `address` readable. `false` if it is not ours after all, or the system refuses.
    pub(super) fn zero_fill(&'static self, address: usize, is_write: bool, thread: usize) -> bool {
        let _held = self.hold();
        if !self.contains(address) {
            return false;
        }
        let mapping = self.mapping();
        // Counted before it can be seen.
        self.counts.add();
        // Also by other threads that write to the page: the load in `leave` may be reordered before a store, but not before this.
        os::seen_by_all_threads();
        // No more ranges can be recorded: the others are restored. Whoever still uses them faults again.
        if self.zeroed.iter().count() >= ZEROED_RANGES {
            self.restore_ranges(&mapping);
        }
        let missing = match self.gap(address) {
            // Another thread has faulted on the same page before.
            Err(range) => range.start,
            Ok((low, high)) => {
                let node = Pool::lock().node();
                let Some(range) = os::zero_fill(&mapping, address, is_write, low, high) else {
                    let _ = node.map(|node| Pool::lock().give_back(node));
                    return false;
                };
                // Without a record the pages would never be restored, and the zeros belong to no fault.
                if !self.add_range(node, &range) {
                    os::restore_pages(&mapping, &range);
                    return false;
                }
                range.start
            }
        };
        self.note(address, missing, thread);
        true
    }

    /// In the handler, where no page is replaced: records a fault, if `help` has succeeded.
    #[cfg(windows)]
    pub(super) fn record_fault(
        &'static self,
        address: usize,
        thread: usize,
        help: impl Fn(&MappingInfo) -> bool,
    ) -> bool {
        let _held = self.hold();
        let mapping = self.mapping();
        if !self.contains(address) || !help(&mapping) {
            return false;
        }
        self.counts.add();
        self.note(address, address & !(mapping.page_size - 1), thread);
        true
    }

    /// Records a fault: its address, the address from which on bytes were missing, and the thread. The slot is locked.
    fn note(&'static self, address: usize, missing: usize, thread: usize) {
        let origin = self.origin.load(Ordering::Relaxed);
        let (index, missing) = (address.saturating_sub(origin), missing.saturating_sub(origin));
        self.last.store(index, Ordering::Relaxed);
        let id = os::thread_id();
        let pool = Pool::lock();
        if let Some(node) = self.reports.iter().find(|node| Report(node).is_of(thread, id)) {
            let report = Report(node);
            report.latest().store(index, Ordering::Relaxed);
            // An earlier fault that was reported is done with.
            let reported = report.reported().swap(0, Ordering::Relaxed) != 0;
            let lowest = |place: &AtomicUsize, new: usize| {
                let lowest = if reported { new } else { new.min(place.load(Ordering::Relaxed)) };
                place.store(lowest, Ordering::Relaxed);
            };
            lowest(report.first(), index);
            lowest(report.missing(), missing);
            return;
        }
        let Some(node) = pool.node() else {
            let others = self.unlisted.load(Ordering::Relaxed).checked_sub(1).unwrap_or(index);
            self.unlisted.store(others.min(index) + 1, Ordering::Relaxed);
            return;
        };
        let report = Report(node);
        report.thread().store(thread, Ordering::Relaxed);
        report.id().store(id as usize, Ordering::Relaxed);
        report.reported().store(0, Ordering::Relaxed);
        report.first().store(index, Ordering::Relaxed);
        report.missing().store(missing, Ordering::Relaxed);
        report.latest().store(index, Ordering::Relaxed);
        report.serial().store(SERIAL.fetch_add(1, Ordering::Relaxed), Ordering::Relaxed);
        pool.add_report(self, node);
    }

    /// In the child of fork(2), where this thread has another id, and the others do not exist: their ids could be those of new threads.
    pub(super) fn renumber(&self, thread: usize, id: i32, new: i32) {
        for node in self.reports.iter() {
            let report = Report(node);
            let new = if report.is_of(thread, id) { new } else { super::OF_PARENT };
            report.id().store(new as usize, Ordering::Relaxed);
        }
    }

    /// Whether `thread` is in an operation that will report its fault.
    pub(super) fn is_busy(&self, thread: usize) -> bool {
        is_busy(self, thread)
    }
}
