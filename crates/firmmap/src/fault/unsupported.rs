//! A system without mappings: no faults, and no guard against them.

use super::Slot;
pub(crate) use super::no_signals::*;

/// There is no handler, so that no mapping is entered into the table.
pub(crate) fn install_handler() -> bool {
    false
}

/// As [`install_handler`].
pub(crate) fn keep_handler() -> bool {
    false
}

/// Never called, as no mapping is in the table.
pub(crate) fn memory_for_ever(_len: usize) -> Option<*mut u8> {
    None
}

/// The calling thread. No fault is ever recorded, so nobody asks.
pub(crate) fn thread() -> usize {
    0
}

/// Never called, as no mapping is in the table.
pub(crate) fn thread_id() -> i32 {
    0
}

/// Never called, as no mapping is in the table.
pub(crate) fn thread_lives(_id: i32) -> bool {
    true
}

/// Never called, as no mapping is in the table.
pub(crate) fn attempt<R>(_slot: &Slot, access: impl FnOnce() -> R) -> Option<R> {
    Some(access())
}
