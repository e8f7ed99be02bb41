//! A system without mappings: no faults, and no guard against them.

use super::{Slot, ZeroedRange};
use crate::sys::MappingInfo;

/// There is no handler, so that no mapping is entered into the table.
pub(crate) fn install_handler() -> bool {
    false
}

/// There is none.
pub(crate) fn current_handler() -> usize {
    0
}

/// There is nothing to forget.
pub(crate) fn forget_handler(_handler: usize) {}

/// As [`install_handler`].
pub(crate) fn keep_handler() -> bool {
    false
}

/// Never called, as no mapping is in the table.
pub(crate) fn zero_fill(
    _mapping: &MappingInfo,
    _address: usize,
    _is_write: bool,
    _low: usize,
    _high: usize,
) -> Option<ZeroedRange> {
    None
}

/// Never called, as no mapping is in the table.
pub(crate) fn restore_pages(_mapping: &MappingInfo, _range: &ZeroedRange) -> bool {
    false
}

/// Never called, as no mapping is in the table.
pub(crate) fn drop_stash(_range: &ZeroedRange) {}

/// Never called, as no mapping is in the table.
pub(crate) fn seen_by_all_threads() {}

/// Never called, as no mapping is in the table.
pub(crate) fn refill_reserve() {}

/// Never called, as no mapping is in the table.
pub(crate) fn memory_for_ever(_len: usize) -> Option<*mut u8> {
    None
}

/// There are no signals that could be blocked.
pub(crate) struct Blocked;

/// Does nothing.
pub(crate) fn block_signals() -> Blocked {
    Blocked
}

/// Yields to other threads.
pub(crate) fn pause() {
    std::thread::yield_now();
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
