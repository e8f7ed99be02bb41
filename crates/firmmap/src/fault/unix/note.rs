//! Whom to call next, noted in the signal itself.

#[cfg(linux_kernel)]
use std::ptr;

use libc::siginfo_t;

#[cfg(linux_kernel)]
use super::PREVIOUS;
use super::Previous;

/// A handler that we call may have been installed after ours, and call ours in turn. The signal must then go to the one before it, and
/// not in a circle. So the signal itself carries a note of whom to call next, in bytes at the end of its siginfo_t that the kernel
/// sets to zero.
#[cfg(linux_kernel)]
#[derive(Clone, Copy)]
#[repr(C)]
struct Note {
    tag: usize,
    next: *const Previous,
}

#[cfg(linux_kernel)]
impl Note {
    const PLACE: usize = size_of::<siginfo_t>() - size_of::<Self>();

    /// A number that nobody else writes there.
    fn tag() -> usize {
        (&raw const PREVIOUS).addr()
    }
}

/// Reads the note in a signal.
///
/// # Safety
///
/// - `info` is that of a signal handler.
#[cfg(linux_kernel)]
pub(super) unsafe fn noted(info: *const siginfo_t) -> Option<*const Previous> {
    // SAFETY: the place is inside of the siginfo_t, and all of that can be read.
    let note = unsafe { info.wrapping_byte_add(Note::PLACE).cast::<Note>().read() };
    (note.tag == Note::tag()).then_some(note.next)
}

/// Writes a note of whom to call next into a signal, until [`unnote`].
///
/// # Safety
///
/// - `info` is that of a signal handler.
#[cfg(linux_kernel)]
pub(super) unsafe fn note(info: *mut siginfo_t, next: *const Previous) {
    // SAFETY: the place is inside of the siginfo_t, and no signal of ours has anything there.
    unsafe { info.wrapping_byte_add(Note::PLACE).cast::<Note>().write(Note { tag: Note::tag(), next }) }
}

/// # Safety
///
/// - `info` is that of a signal handler.
#[cfg(linux_kernel)]
pub(super) unsafe fn unnote(info: *mut siginfo_t) {
    // SAFETY: as in `note`.
    unsafe { info.wrapping_byte_add(Note::PLACE).cast::<Note>().write(Note { tag: 0, next: ptr::null() }) }
}

/// # Safety
///
/// - None: this system has no space for notes.
#[cfg(not(linux_kernel))]
pub(super) unsafe fn noted(_info: *const siginfo_t) -> Option<*const Previous> {
    None
}

/// # Safety
///
/// - None.
#[cfg(not(linux_kernel))]
pub(super) unsafe fn note(_info: *mut siginfo_t, _next: *const Previous) {}

/// # Safety
///
/// - None.
#[cfg(not(linux_kernel))]
pub(super) unsafe fn unnote(_info: *mut siginfo_t) {}
