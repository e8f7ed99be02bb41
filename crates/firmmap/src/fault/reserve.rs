//! A reserve of memory areas that can be given up.
//!
//! Linux limits the memory areas of a process (`vm.max_map_count`), and zeros in the middle of a mapping turn one area into three. A
//! handler that gets no more areas could only let the process die. So some spare areas are kept, and unmapped when areas are needed.
//! Each unit has three pages: one of zeros between two inaccessible ones, so that the kernel merges it with no other area. The page of
//! zeros can also be moved to where zeros are needed, and extended, in processes that may no longer map memory (seccomp(2)).
//!
//! Beyond the limit the kernel also refuses what needs no further area, such as zeros in place of a whole one. So there are a few areas more,
//! one of which is unmapped for the moment in which that is done, and mapped again. Meanwhile no other thread asks for areas here.
//!
//! The same error stands for limits of addresses and of data (`RLIMIT_AS`, `RLIMIT_DATA`), against which areas do not help: which of them it
//! was is found by splitting an area that is there for that alone.

#[cfg(not(linux_kernel))]
pub(super) use elsewhere::{move_zeros, with_areas, with_last_area};
#[cfg(linux_kernel)]
pub(super) use linux::{move_zeros, with_areas, with_few_areas, with_last_area};

#[cfg(linux_kernel)]
pub(crate) use linux::{forget_other_threads, refill};

/// Other systems have no such limit.
#[cfg(not(linux_kernel))]
pub(crate) fn refill() {}

/// As [`refill`].
#[cfg(not(linux_kernel))]
pub(crate) fn forget_other_threads() {}

#[cfg(linux_kernel)]
mod linux {
    use std::ptr;
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use libc::{c_int, c_void};

    use crate::fault::os::{block_signals, pause};
    use crate::fault::pool;
    use crate::sys::page_size;

    /// The number of units, of at least two areas each. A range of zeros takes up to two areas; moving pages needs four to spare.
    const UNITS: usize = 16;
    /// The number of units that are kept where there is an alternative.
    const KEPT: usize = UNITS / 2;

    /// The addresses of the units; zero for those that were given up.
    static RESERVE: [AtomicUsize; UNITS] = [const { AtomicUsize::new(0) }; UNITS];
    /// The number of units.
    static LEFT: AtomicUsize = AtomicUsize::new(0);

    /// The addresses of the last areas, zero for those that are unmapped. One is enough, if no code of the program's takes it.
    static LAST: [AtomicUsize; 8] = [const { AtomicUsize::new(0) }; 8];
    /// The address of an inaccessible area, parts of which can be made areas of their own; zero if there is none.
    static PROBE: AtomicUsize = AtomicUsize::new(0);
    /// Those parts, as numbers of pages. With each of them there are two areas more; no call here needs more than four.
    const PARTS: [usize; 3] = [1, 3, 5];
    /// Whether a thread asks for areas.
    static ASKING: AtomicBool = AtomicBool::new(false);
    /// How often a thread lets others run, and tries again.
    const PATIENCE: usize = 4000;

    /// A thread's turn to ask for areas. Signals are blocked.
    struct Turn(bool);

    impl Turn {
        fn take() -> Self {
            // Not for ever: it is better to be too many than to wait in a handler.
            Self((0..PATIENCE).any(|_| {
                let is_free = ASKING.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed).is_ok();
                if !is_free {
                    pause();
                }
                is_free
            }))
        }
    }

    impl Drop for Turn {
        fn drop(&mut self) {
            if self.0 {
                ASKING.store(false, Ordering::Release);
            }
        }
    }

    /// In the child of fork(2), where the thread whose turn it was does not exist.
    pub(crate) fn forget_other_threads() {
        ASKING.store(false, Ordering::Release);
    }

    /// Refills the reserve, as far as the system allows. Not in a signal handler.
    #[inline]
    pub(crate) fn refill() {
        if LEFT.load(Ordering::Relaxed) < UNITS {
            fill();
        }
    }

    #[cold]
    fn fill() {
        pool::prepare();
        // A handler would wait for this thread.
        let _blocked = block_signals();
        let turn = Turn::take();
        if !turn.0 {
            return;
        }
        let page = page_size();
        // A page more than the last part, which so lies between two others.
        map_area(&PROBE, (PARTS[PARTS.len() - 1] + 2) * page);
        map_last();
        for place in RESERVE.iter().filter(|place| place.load(Ordering::Relaxed) == 0) {
            let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
            // SAFETY: a new mapping replaces nothing.
            let base = unsafe { libc::mmap(ptr::null_mut(), 3 * page, libc::PROT_NONE, flags, -1, 0) };
            if base == libc::MAP_FAILED {
                return;
            }
            let zeros = base.wrapping_byte_add(page);
            // SAFETY: the page is ours.
            let split = unsafe { libc::mprotect(zeros, page, libc::PROT_READ | libc::PROT_WRITE) } == 0;
            // Another thread may have filled the place.
            if !split || place.compare_exchange(0, base as usize, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                // SAFETY: the new mapping is ours, and nobody else knows it.
                unsafe { libc::munmap(base, 3 * page) };
                return;
            }
            LEFT.fetch_add(1, Ordering::AcqRel);
        }
    }

    /// Whether there are too few areas, or it is not known. It is this thread's turn.
    fn are_areas_short() -> bool {
        let (probe, page) = (PROBE.load(Ordering::Acquire), page_size());
        let protect = |part: usize, protection| {
            // SAFETY: the area is ours, and nobody uses its memory.
            unsafe { libc::mprotect((probe + part * page) as *mut c_void, page, protection) == 0 }
        };
        // To change the protection of a part takes areas, and neither addresses nor memory.
        let is_short = probe == 0 || !PARTS.iter().all(|&part| protect(part, libc::PROT_READ));
        if probe != 0 {
            PARTS.iter().for_each(|&part| _ = protect(part, libc::PROT_NONE));
        }
        is_short
    }

    /// Takes a unit, if more than `kept` are left.
    fn take(kept: usize) -> Option<*mut c_void> {
        let less = |left: usize| (left > kept).then(|| left - 1);
        LEFT.fetch_update(Ordering::AcqRel, Ordering::Relaxed, less).ok()?;
        let unit = RESERVE.iter().map(|place| place.swap(0, Ordering::AcqRel)).find(|&unit| unit != 0)?;
        Some(unit as *mut c_void)
    }

    /// Gives a unit back that was taken, and is whole.
    fn put_back(unit: *mut c_void) {
        let is_free = |place: &&AtomicUsize| {
            place.compare_exchange(0, unit as usize, Ordering::AcqRel, Ordering::Relaxed).is_ok()
        };
        if RESERVE.iter().find(is_free).is_some() {
            LEFT.fetch_add(1, Ordering::AcqRel);
        } else {
            // SAFETY: the unit is ours, and nobody else has it.
            unsafe { libc::munmap(unit, 3 * page_size()) };
        }
    }

    /// Repeats a system call that maps memory until it succeeds, giving up units of the reserve while there are too few areas. Returns
    /// its result, an address, or the number of its error.
    pub(crate) fn with_areas(map: impl Fn() -> *mut c_void) -> Result<*mut c_void, c_int> {
        with(0, map)
    }

    /// As [`with_areas`], but keeps some of the reserve.
    pub(crate) fn with_few_areas(map: impl Fn() -> *mut c_void) -> Result<*mut c_void, c_int> {
        with(KEPT, map)
    }

    fn with(kept: usize, map: impl Fn() -> *mut c_void) -> Result<*mut c_void, c_int> {
        let _turn = Turn::take();
        loop {
            match result(map()) {
                // Others may have given areas back meanwhile.
                Err(libc::ENOMEM) if !are_areas_short() => return result(map()),
                Err(libc::ENOMEM) => {
                    let unit = take(kept).ok_or(libc::ENOMEM)?;
                    // SAFETY: the unit is ours, and nobody else has it now.
                    unsafe { libc::munmap(unit, 3 * page_size()) };
                }
                result => return result,
            }
        }
    }

    /// The result of a system call that maps memory, or the number of its error.
    fn result(address: *mut c_void) -> Result<*mut c_void, c_int> {
        if address == libc::MAP_FAILED { Err(errno()) } else { Ok(address) }
    }

    /// Maps the last areas, as far as the system allows.
    fn map_last() {
        LAST.iter().all(|place| map_area(place, page_size()));
    }

    /// Maps an inaccessible area, if `place` has none. The kernel merges shared memory with no other area. Returns whether there is one now.
    fn map_area(place: &AtomicUsize, len: usize) -> bool {
        if place.load(Ordering::Relaxed) != 0 {
            return true;
        }
        let flags = libc::MAP_SHARED | libc::MAP_ANON;
        // SAFETY: a new mapping replaces nothing.
        let area = unsafe { libc::mmap(ptr::null_mut(), len, libc::PROT_NONE, flags, -1, 0) };
        if area == libc::MAP_FAILED {
            return false;
        }
        if place.compare_exchange(0, area as usize, Ordering::AcqRel, Ordering::Relaxed).is_err() {
            // Another thread has mapped it, as this one has waited too long for its turn.
            // SAFETY: the new mapping is ours, and nobody else knows it.
            unsafe { libc::munmap(area, len) };
        }
        true
    }

    /// Makes a system call that replaces a whole area, with one of the last areas unmapped meanwhile, or more of them where code of the
    /// program's has taken that. Returns its result, an address.
    pub(crate) fn with_last_area(map: impl Fn() -> *mut c_void) -> Option<*mut c_void> {
        let _turn = Turn::take();
        let found = (0..PATIENCE).find_map(|_| {
            match result(map()) {
                Err(libc::ENOMEM) if are_areas_short() => {}
                result => return Some(result),
            }
            match LAST.iter().map(|place| place.swap(0, Ordering::AcqRel)).find(|&area| area != 0) {
                // SAFETY: the area is ours, and nobody else has it now.
                Some(area) => _ = unsafe { libc::munmap(area as *mut c_void, page_size()) },
                None => pause(),
            }
            None
        });
        map_last();
        found?.ok()
    }

    /// Replaces what is at `start` by zeros, without mapping memory.
    ///
    /// In Linux 6.12, for one, a call that is refused for want of addresses or locked memory has unmapped what it was to replace. So what can be
    /// refused is done elsewhere, and only what is there is moved to its place.
    pub(crate) fn move_zeros(start: usize, len: usize, protection: c_int) -> bool {
        let _turn = Turn::take();
        let page = page_size();
        // For more than a page the unit is spent. Some are kept for single pages, which leave another one behind.
        let Some(unit) = take(if len > page { KEPT } else { 0 }) else { return false };
        let (zeros, start) = (unit.wrapping_byte_add(page), start as *mut c_void);
        let flags = libc::MREMAP_MAYMOVE | if len == page { libc::MREMAP_DONTUNMAP } else { 0 };
        // SAFETY: the page is ours, and so is what it becomes.
        let elsewhere = unsafe { libc::mremap(zeros, page, len, flags, ptr::null_mut::<c_void>()) };
        let is_elsewhere = elsewhere != libc::MAP_FAILED;
        if !is_elsewhere && len > page {
            put_back(unit);
            return false;
        }
        let from = if is_elsewhere { elsewhere } else { zeros };
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: the pages are ours, and so is what they replace, which callers ensure.
        let moved = unsafe { libc::mremap(from, len, len, flags, start) } != libc::MAP_FAILED;
        if moved && protection != libc::PROT_READ | libc::PROT_WRITE {
            // If that fails, the zeros only allow more than the pages did.
            // SAFETY: as above.
            unsafe { libc::mprotect(start, len, protection) };
        }
        if is_elsewhere && !moved {
            // SAFETY: nobody else knows these pages.
            unsafe { libc::munmap(elsewhere, len) };
        }
        if len == page && (is_elsewhere || !moved) {
            put_back(unit);
            return moved;
        }
        for rest in [unit, unit.wrapping_byte_add(2 * page)] {
            // SAFETY: what is left of the unit is ours.
            unsafe { libc::munmap(rest, page) };
        }
        moved
    }

    fn errno() -> c_int {
        std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
    }
}

#[cfg(not(linux_kernel))]
mod elsewhere {
    use libc::{c_int, c_void};

    pub(crate) fn with_areas(map: impl FnOnce() -> *mut c_void) -> Result<*mut c_void, c_int> {
        let result = map();
        let error = || std::io::Error::last_os_error().raw_os_error().unwrap_or(0);
        if result == libc::MAP_FAILED { Err(error()) } else { Ok(result) }
    }

    pub(crate) fn with_last_area(map: impl FnOnce() -> *mut c_void) -> Option<*mut c_void> {
        with_areas(map).ok()
    }

    pub(crate) fn move_zeros(_start: usize, _len: usize, _protection: c_int) -> bool {
        false
    }
}
