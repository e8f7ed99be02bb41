//! Faults: pages of a mapping that cannot be read or written.
//!
//! A page of a mapping can become unreadable at any time, as its file was truncated or its disk failed. The kernel then sends a
//! signal, in whose handler next to nothing is allowed. An operation of this library that meets such a page ends in an error of
//! kind [`Fault`](crate::ErrorKind::Fault). Memory that is used directly reads zeros, and the fault is reported later: by
//! [`Mmap::check`](crate::Mmap::check) and every other operation, by [`Mmap::with_slice`](crate::Mmap::with_slice), by
//! [`Mmap::fault_count`](crate::Mmap::fault_count), by [`take_fault`], and at the latest when the map is dropped
//! ([`set_drop_hook`]). `docs/faults.md` in the repository has the whole path.
//!
//! # Examples
//!
//! ```
//! # #[cfg(unix)] {
//! use firmmap::{ErrorKind, MmapOptions};
//! let file = tempfile::tempfile()?;
//! file.set_len(10_000)?;
//! let map = MmapOptions::new().map(&file)?;
//! file.set_len(0)?;
//! assert_eq!(map.get(9_000).unwrap_err().kind(), ErrorKind::Fault);
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```

// How it is done: the mappings are kept in a table that the handler can read, made of atomics: slots that are never freed, each
// with a spin lock (`slot`), an index of them by address that takes no lock (`index`), and a pool of nodes for what has
// happened to some of them (`pool`). No signal comes while a lock is held that the handler takes, if others can touch the
// mapping meanwhile; so a handler does not wait for the thread that it has interrupted.
//
// An operation reads the slot's count of faults before and after (`Slot::enter`, `Slot::leave`). If it changed, bytes that were
// read were not the file's; the pages are restored and the operation fails.

#![cfg_attr(not(unix), allow(dead_code, reason = "only the Unix handler replaces pages"))]

#[cfg(unix)]
mod access;
mod busy;
mod counts;
mod drop_hook;
#[cfg(unix)]
mod fork;
mod index;
#[cfg(unix)]
mod pages;
mod pool;
#[cfg(unix)]
mod reserve;
mod slot;
mod table;

/// The handler, one for each system, and what it needs of it. Each has the same items with the same signatures.
#[cfg(unix)]
#[path = "unix.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
#[cfg(not(any(unix, windows)))]
#[path = "unsupported.rs"]
mod os;

use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

pub(crate) use busy::Busy;
pub(crate) use drop_hook::dropped;
pub use drop_hook::{DroppedFault, set_drop_hook};
pub(crate) use os::attempt;
pub(crate) use slot::Slot;
pub(crate) use table::{register, release, renew, withdraw};

use crate::error::{Detail, Error};
use pool::Pool;

/// An operation met a page that could not be read or written: where, as an index into the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub offset: usize,
}

impl From<Fault> for Error {
    #[cold]
    fn from(fault: Fault) -> Self {
        Detail::Fault { offset: fault.offset }.into()
    }
}

/// Pages that were replaced by zeros.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ZeroedRange {
    pub start: usize,
    pub len: usize,
    /// The address that the pages were moved to, or zero.
    pub stash: usize,
}

/// 0 as yet unknown, 1 on, 2 off.
static GUARD: AtomicU32 = AtomicU32::new(0);

/// Whether mappings are guarded against faults.
///
/// # Examples
///
/// ```
/// firmmap::fault::set_fault_guard(false);
/// assert!(!firmmap::fault::fault_guard());
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
/// # Platform-specific behavior
///
/// The guard is a handler for SIGBUS (on macOS also SIGSEGV), on Windows for access violations and in-page errors.
///
/// # Examples
///
/// ```
/// firmmap::fault::set_fault_guard(true);
/// assert!(firmmap::fault::fault_guard());
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
/// firmmap::fault::renew_fault_guard();
/// ```
pub fn renew_fault_guard() {
    if fault_guard() {
        os::install_handler();
    }
}

/// The handler of faults that the system would call now, as an address; zero if there is none.
///
/// # Examples
///
/// ```
/// let handler = firmmap::fault::fault_handler();
/// firmmap::fault::forget_fault_handler(handler);
/// ```
#[must_use]
pub fn fault_handler() -> usize {
    os::current_handler()
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
    os::forget_handler(handler);
}

/// A function that is called after a fault, in a signal handler: it may do only what is allowed there.
static NOTIFY: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Has `notify` called after every fault, by the thread that met it, in its signal handler.
///
/// For bindings, which have to tell their interpreter of faults in memory that they have lent out. There is one such
/// function for the process; the last one wins.
///
/// # Safety
///
/// - `notify` does only what a signal handler may do, as signal-safety(7) has it: no memory from the heap, no locks that the
///   interrupted code could hold, no thread-locals that it could be changing. Atomics are fine. The stack may be small.
/// - It does not unwind.
///
/// # Platform-specific behavior
///
/// On Windows it is called by the handler of exceptions, for which the same holds.
///
/// # Examples
///
/// ```
/// use std::sync::atomic::{AtomicU32, Ordering};
/// static FAULTS: AtomicU32 = AtomicU32::new(0);
/// // SAFETY: an atomic may be changed in a signal handler.
/// unsafe {
///     firmmap::fault::on_fault(|| {
///         FAULTS.fetch_add(1, Ordering::Relaxed);
///     });
/// }
/// ```
pub unsafe fn on_fault(notify: fn()) {
    NOTIFY.store(notify as *mut (), Ordering::Release);
}

/// A fault that its thread was not told of: somebody has used the memory of a map directly.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::fault::take_fault(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreportedFault {
    /// Where it was, as an index into its map: the lowest one, if there were several.
    pub offset: usize,
    /// The thread that met it: `pthread_self()`.
    pub thread: usize,
    /// Whether an operation on the map has told of it, in another thread.
    pub reported: bool,
    /// The kernel's number of the thread.
    id: i32,
}

impl UnreportedFault {
    /// Whether the thread that met the fault is still there. The number in [`thread`](Self::thread) can be another
    /// thread's by now.
    ///
    /// # Platform-specific behavior
    ///
    /// Known on Linux; elsewhere the answer is always yes.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(firmmap::fault::waiting_faults().iter().all(|fault| fault.thread_lives()));
    /// ```
    #[must_use]
    pub fn thread_lives(&self) -> bool {
        os::thread_lives(self.id)
    }
}

/// Takes one fault that its thread was not told of, in any map, and restores that map's pages.
///
/// Threads that have a long operation on the map under way are passed over: the operation will fail and so report it. The cost
/// depends on how many threads have faults that they were not told of, not on how many maps there are.
///
/// # Examples
///
/// ```
/// while let Some(fault) = firmmap::fault::take_fault() {
///     eprintln!("the byte at {} was not there", fault.offset);
/// }
/// ```
#[must_use]
pub fn take_fault() -> Option<UnreportedFault> {
    let here = os::thread();
    take(&|slot, thread| thread == here || !slot.is_busy(thread))
}

/// As [`take_fault`], but only faults that `thread` has met.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::fault::take_fault_of(0), None);
/// ```
#[must_use]
pub fn take_fault_of(thread: usize) -> Option<UnreportedFault> {
    take(&|_, other| other == thread)
}

fn take(wanted: &dyn Fn(&Slot, usize) -> bool) -> Option<UnreportedFault> {
    while pool::has_reports() {
        let slot = {
            let _blocked = os::block_signals();
            let pool = Pool::lock();
            pool.reporting().find(|slot| slot.waiting(wanted).next().is_some())?
        };
        // Somebody else can have been faster.
        if let Some(fault) = slot.take(wanted) {
            return Some(fault);
        }
    }
    None
}

/// The faults that [`take_fault`] would give, which stay unreported; their maps' pages are restored.
///
/// For bindings that can have an error raised in another thread, but not at once.
///
/// # Examples
///
/// ```
/// assert!(firmmap::fault::waiting_faults().is_empty());
/// ```
#[must_use]
pub fn waiting_faults() -> Vec<UnreportedFault> {
    let here = os::thread();
    let wanted = |slot: &Slot, thread: usize| thread == here || !slot.is_busy(thread);
    let mut faults = Vec::new();
    let mut slots: Vec<&Slot> = Vec::new();
    while pool::has_reports() {
        // No memory is asked for while the pool is locked: who has the heap's lock may wait for the pool.
        let capacity = pool::reports() + 16;
        faults.clear();
        slots.clear();
        faults.reserve(capacity);
        slots.reserve(capacity);
        let _blocked = os::block_signals();
        let pool = Pool::lock();
        if pool::reports() > capacity {
            continue;
        }
        for slot in pool.reporting() {
            let before = faults.len();
            faults.extend(slot.waiting(&wanted));
            if faults.len() > before {
                slots.push(slot);
            }
        }
        break;
    }
    slots.into_iter().for_each(Slot::restore);
    faults
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
