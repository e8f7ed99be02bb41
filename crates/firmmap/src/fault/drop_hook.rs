//! The hook for a map that is dropped with an unreported fault.

use std::io::Write;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

/// A fault that was still unreported when its map was dropped: what was read there was zeros, what was written there is lost.
///
/// # Examples
///
/// See [`set_drop_hook`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DroppedFault {
    /// The lowest index in the map of an unreported fault.
    pub offset: usize,
    /// The number of faults of the map, reported ones included: its [`fault_count`](crate::Mmap::fault_count).
    pub count: u64,
}

type Hook = Box<dyn Fn(&DroppedFault) + Send + Sync>;

/// Null for the default hook. A replaced hook is not freed, because another thread may be calling it.
static HOOK: AtomicPtr<Hook> = AtomicPtr::new(ptr::null_mut());

/// Sets the function that is called when a map is dropped with an unreported fault.
///
/// A fault is unreported if neither an operation has returned it, nor [`Mmap::check`](crate::Mmap::check),
/// [`Mmap::close`](crate::Mmap::close) or [`take_fault`](super::take_fault): memory was used directly, through
/// [`Mmap::as_slice`](crate::Mmap::as_slice), [`Mmap::as_atomic`](crate::Mmap::as_atomic) or an address.
///
/// The default writes a line to standard error. There is one hook for the process; a new one replaces the previous one, which is not
/// freed. The hook is called by the thread that drops the map, after the bytes were unmapped.
///
/// # Examples
///
/// ```
/// # #[cfg(unix)] {
/// use std::sync::atomic::{AtomicU64, Ordering};
/// use firmmap::{Access, MmapOptions};
/// static LOST: AtomicU64 = AtomicU64::new(0);
/// firmmap::fault::set_drop_hook(|fault| {
///     LOST.fetch_add(fault.count, Ordering::Relaxed);
/// });
/// let file = tempfile::tempfile()?;
/// file.set_len(10_000)?;
/// let map = MmapOptions::new().access(Access::Write).map(&file)?;
/// file.set_len(0)?;
/// map.as_atomic()?[9_000].store(1, Ordering::Relaxed);
/// drop(map);
/// assert_eq!(LOST.load(Ordering::Relaxed), 1);
/// # }
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn set_drop_hook(hook: impl Fn(&DroppedFault) + Send + Sync + 'static) {
    let hook: Hook = Box::new(hook);
    HOOK.store(Box::into_raw(Box::new(hook)), Ordering::Release);
}

/// Calls the hook: a map was dropped with an unreported fault.
#[cold]
pub(crate) fn dropped(offset: usize, count: u64) {
    let fault = DroppedFault { offset, count };
    // SAFETY: only `set_drop_hook` stores here, and hooks are never freed.
    match unsafe { HOOK.load(Ordering::Acquire).as_ref() } {
        Some(hook) => hook(&fault),
        None => {
            // If that fails too, nobody is left to be told.
            let _ = writeln!(
                std::io::stderr(),
                "firmmap: a map was dropped with a fault that was not reported: the byte at offset {offset} could not be \
                 read or written"
            );
        }
    }
}
