//! Faults: pages of a mapping that cannot be read or written.
//!
//! A page of a mapping can become unreadable at any time, because its file was truncated or its disk failed. Touching it raises a
//! signal. An operation of this library that meets such a page returns an error of kind [`Fault`](crate::ErrorKind::Fault). Memory
//! that is used directly reads zeros, and the fault is reported later: by [`Mmap::check`](crate::Mmap::check) and other operations,
//! by [`Mmap::with_slice`](crate::Mmap::with_slice), by [`Mmap::fault_count`](crate::Mmap::fault_count), by [`take_fault`], and at
//! the latest when the map is dropped ([`set_drop_hook`]). `docs/faults.md` in the repository describes how it works, what it costs
//! and what it cannot do.
//!
//! The first map installs the handler for the whole process; [`set_fault_guard`] switches it off. [`on_fault`], [`take_own_fault`],
//! [`waiting_faults`], [`fault_handler`] and [`forget_fault_handler`] are for bindings, which report faults to their interpreter.
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

// The mappings are kept in a table of atomics that the handler can read: slots that are never freed, each with a spin lock (`slot`),
// an index of them by address that is searched without a lock (`index`), and a pool of nodes for faults and zeroed ranges (`pool`).
// Signals are blocked while a thread holds a lock that the handler takes and others can touch the mapping; so a handler never waits
// for the thread that it has interrupted.
//
// An operation reads the slot's fault count before and after (`Slot::enter`, `Slot::leave`). If it has changed, bytes that were read
// may not be the file's: the pages are restored and the operation fails.

#![cfg_attr(not(unix), allow(dead_code, reason = "only the Unix handler replaces pages"))]

/// The name of a function in assembly: each version of the crate has its own in a program.
#[cfg_attr(not(windows), allow(unused_macros, reason = "not every processor has any on Unix"))]
macro_rules! symbol {
    ($name:literal) => {
        concat!(
            "firmmap_",
            env!("CARGO_PKG_VERSION_MAJOR"),
            "_",
            env!("CARGO_PKG_VERSION_MINOR"),
            "_",
            env!("CARGO_PKG_VERSION_PATCH"),
            "_",
            $name
        )
    };
}

#[cfg(unix)]
mod access;
mod busy;
mod counts;
mod drop_hook;
#[cfg(unix)]
mod fork;
mod index;
#[cfg(not(unix))]
mod no_signals;
#[cfg(unix)]
mod pages;
mod pool;
#[cfg(unix)]
mod reserve;
mod slot;
mod table;

/// The handler and the system calls that it needs, one module for each system, with the same items and signatures.
#[cfg(unix)]
#[path = "unix/mod.rs"]
mod os;
#[cfg(windows)]
#[path = "windows.rs"]
mod os;
#[cfg(not(any(unix, windows)))]
#[path = "unsupported.rs"]
mod os;

use std::cell::Cell;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

pub(crate) use busy::Busy;
pub(crate) use drop_hook::dropped;
pub use drop_hook::{DroppedFault, set_drop_hook};
pub(crate) use os::attempt;
use slot::Wanted;
pub(crate) use slot::{Slot, UNGUARDED};
pub(crate) use table::{register, release, renew, withdraw};

use crate::error::{Detail, Error};
use pool::Pool;

/// A page could not be read or written in an operation.
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

/// A range whose pages were replaced by zeros.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ZeroedRange {
    pub start: usize,
    pub len: usize,
    /// The address to which the pages were moved; zero where they can be mapped again, or [`LOST`](Self::LOST).
    pub stash: usize,
}

impl ZeroedRange {
    /// In place of an address: what was in the pages is nowhere else, so that they stay missing.
    #[cfg(unix)]
    pub const LOST: usize = usize::MAX;
}

/// 0: not known yet, 1: on, 2: off.
static GUARD: AtomicU32 = AtomicU32::new(0);

/// Returns whether new mappings are guarded against faults.
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
/// Without the guard, touching the missing bytes of a truncated file ends the process. Mappings that are created while the guard is
/// off stay unguarded; mappings that were created while it was on are unguarded for as long as it is off.
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

/// Makes the guard the first handler of its signal again, in case another one was installed.
///
/// # Platform-specific behavior
///
/// On Unix new mappings do this by themselves, on Linux at most once every few milliseconds. On Windows they do not, as the system cannot
/// be asked which handler is the first.
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

/// Returns the address of the handler that the system would call for a fault now; zero if there is none.
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

/// Removes `handler`, an address that [`fault_handler`] has returned, from the handlers to which the guard passes faults that are not
/// its own: they go to the one before it.
///
/// For bindings whose interpreter has handlers of its own that can be switched off.
///
/// # Examples
///
/// See [`fault_handler`].
pub fn forget_fault_handler(handler: usize) {
    os::forget_handler(handler);
}

/// The function that is called after a fault, in the signal handler.
static NOTIFY: AtomicPtr<()> = AtomicPtr::new(ptr::null_mut());

/// Sets the function that is called after every fault, by the faulting thread, in its signal handler.
///
/// For bindings, which report faults in exported memory to their interpreter. There is one such function for the process; the last
/// one wins.
///
/// # Safety
///
/// - `notify` does only what a signal handler may do (signal-safety(7)): it allocates no memory from the heap, takes no locks that the
///   interrupted code could hold, and uses no thread-locals that it could be changing. Atomics are fine. The stack may be small.
/// - It does not unwind.
///
/// # Platform-specific behavior
///
/// On Windows it is called by a vectored exception handler, for which the same holds.
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

/// A fault in memory that was used directly, of which its thread has not been told.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::fault::take_fault(), None);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnreportedFault {
    /// The index in the map; the lowest one, if there were several faults.
    pub offset: usize,
    /// The faulting thread: `pthread_self()`, on Windows `GetCurrentThreadId()`.
    pub thread: usize,
    /// Whether an operation in another thread has reported it.
    pub reported: bool,
    /// The kernel's id of the thread; or [`OF_PARENT`].
    id: i32,
    /// The number of the record, and the index that was touched last.
    number: (usize, usize),
}

/// In a child of fork(2), the id of all threads but the one that it has: what they had in the parent could be that of a new thread.
const OF_PARENT: i32 = -1;

impl UnreportedFault {
    /// Returns whether the faulting thread is the calling one.
    ///
    /// # Platform-specific behavior
    ///
    /// The value of [`thread`](Self::thread) is that of another thread once its own has ended. Only on Linux, Android and Windows are the
    /// two told apart.
    ///
    /// # Examples
    ///
    /// See [`waiting_faults`].
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.is_of(os::thread(), os::thread_id())
    }

    /// Returns whether the two are of one thread.
    ///
    /// # Examples
    ///
    /// See [`waiting_faults`].
    #[must_use]
    pub fn is_of_same_thread(&self, other: &Self) -> bool {
        self.is_of(other.thread, other.id)
    }

    /// Returns whether the faulting thread is one of the process that has forked this one. It is told of the fault there.
    ///
    /// # Examples
    ///
    /// See [`waiting_faults`].
    #[must_use]
    pub fn is_of_parent(&self) -> bool {
        self.id == OF_PARENT
    }

    /// What [`thread_key`] gives in the faulting thread.
    #[doc(hidden)]
    #[must_use]
    pub fn thread_key(&self) -> usize {
        key(self.thread, self.id)
    }

    /// What changes with a further fault, of another byte or in another map.
    #[doc(hidden)]
    #[must_use]
    pub fn number(&self) -> (usize, usize) {
        self.number
    }

    fn is_of(&self, thread: usize, id: i32) -> bool {
        self.thread == thread && self.id == id
    }

    /// Returns whether the faulting thread still exists. The value of [`thread`](Self::thread) may have been reused by another
    /// thread.
    ///
    /// # Platform-specific behavior
    ///
    /// Known on Linux and Windows; elsewhere always true.
    ///
    /// # Examples
    ///
    /// ```
    /// assert!(firmmap::fault::waiting_faults().iter().all(|fault| fault.thread_lives()));
    /// ```
    #[must_use]
    pub fn thread_lives(&self) -> bool {
        !self.is_of_parent() && os::thread_lives(self.id)
    }
}

/// A number that no other living thread has, and that, where the kernel numbers threads, no thread gets soon again. Hidden: for a binding
/// that keeps sets of threads.
#[doc(hidden)]
#[must_use]
pub fn thread_key() -> usize {
    key(os::thread(), os::thread_id())
}

fn key(thread: usize, id: i32) -> usize {
    if id == 0 { thread } else { id as usize }
}

/// Takes one unreported fault, of any thread in any map, and restores that map's pages.
///
/// Faults of other threads that are in a long operation on the map are skipped: the operation will report them. The cost depends on the
/// number of unreported faults, not on the number of maps.
///
/// # Examples
///
/// ```
/// while let Some(fault) = firmmap::fault::take_fault() {
///     eprintln!("the byte at {} was missing", fault.offset);
/// }
/// ```
#[must_use]
pub fn take_fault() -> Option<UnreportedFault> {
    take(&is_waiting)
}

/// As [`take_fault`], but only for faults of the calling thread.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::fault::take_own_fault(), None);
/// ```
#[must_use]
pub fn take_own_fault() -> Option<UnreportedFault> {
    take(&|_, fault| fault.is_own())
}

/// As [`take_own_fault`], but only for those that are `wanted`. Hidden: for a binding that has told of them.
#[doc(hidden)]
#[must_use]
pub fn take_own_fault_if(wanted: impl Fn(&UnreportedFault) -> bool) -> Option<UnreportedFault> {
    take(&|_, fault| fault.is_own() && wanted(fault))
}

/// As [`take_fault`], but only for faults of the thread that `fault` is of.
///
/// # Examples
///
/// ```
/// use firmmap::fault::{take_fault_of, waiting_faults};
///
/// for fault in waiting_faults().into_iter().filter(|fault| !fault.thread_lives()) {
///     if let Some(fault) = take_fault_of(&fault) {
///         eprintln!("a thread that has ended did not find the byte at {}", fault.offset);
///     }
/// }
/// ```
#[must_use]
pub fn take_fault_of(fault: &UnreportedFault) -> Option<UnreportedFault> {
    take(&|_, other| other.is_of_same_thread(fault))
}

/// Whether no operation is about to report the fault.
fn is_waiting(slot: &Slot, fault: &UnreportedFault) -> bool {
    fault.thread == os::thread() || !slot.is_busy(fault.thread)
}

fn take(wanted: Wanted<'_>) -> Option<UnreportedFault> {
    while pool::has_reports() {
        let slot = {
            let _blocked = os::block_signals();
            let pool = Pool::lock();
            pool.reporting().find(|slot| slot.waiting(wanted).next().is_some())?
        };
        // Another thread may have taken it meanwhile.
        if let Some(fault) = slot.take(wanted) {
            return Some(fault);
        }
    }
    None
}

/// Returns the faults that [`take_fault`] would take. They stay unreported; the pages of their maps are restored. Where there is no memory
/// for a list of them, it is empty.
///
/// For bindings that can raise an exception in another thread, but not at once.
///
/// # Examples
///
/// ```
/// use firmmap::fault::waiting_faults;
///
/// let own = waiting_faults().into_iter().find(|fault| fault.is_own());
/// assert!(own.is_none_or(|own| own.is_of_same_thread(&own) && !own.is_of_parent()));
/// ```
#[must_use]
pub fn waiting_faults() -> Vec<UnreportedFault> {
    let mut faults = Vec::new();
    let mut slots: Vec<&Slot> = Vec::new();
    while pool::has_reports() {
        // Nothing is allocated while the pool is locked: a thread that holds the heap's lock may be waiting for the pool.
        let capacity = pool::reports() + 16;
        faults.clear();
        slots.clear();
        if faults.try_reserve(capacity).is_err() || slots.try_reserve(capacity).is_err() {
            break;
        }
        let _blocked = os::block_signals();
        let pool = Pool::lock();
        if pool::reports() > capacity {
            continue;
        }
        for slot in pool.reporting() {
            let before = faults.len();
            faults.extend(slot.waiting(&is_waiting));
            if faults.len() > before {
                slots.push(slot);
            }
        }
        break;
    }
    slots.into_iter().for_each(Slot::restore);
    faults
}

thread_local! {
    /// What [`taken_back`] returns.
    static TAKEN_BACK: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether an operation of this thread has taken back the report of a fault that it met, since this was asked last: it has
/// returned it as an error, or it has succeeded without the missing byte.
///
/// For bindings that have requested an exception for that fault (see [`on_fault`]).
///
/// # Examples
///
/// ```
/// assert!(!firmmap::fault::taken_back());
/// ```
#[must_use]
pub fn taken_back() -> bool {
    TAKEN_BACK.replace(false)
}

fn note_taken_back() {
    TAKEN_BACK.set(true);
}

/// Calls the function that [`on_fault`] was given.
pub(crate) fn notify() {
    let notify = NOTIFY.load(Ordering::Acquire);
    if !notify.is_null() {
        // SAFETY: only `on_fault` stores here, and it stores functions of this type.
        let notify = unsafe { std::mem::transmute::<*mut (), fn()>(notify) };
        notify();
    }
}
