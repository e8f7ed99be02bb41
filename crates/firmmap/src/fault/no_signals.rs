//! What is the same wherever an access that fails sends no signal: no page is replaced, and nothing blocks a handler.

use super::ZeroedRange;
use crate::sys::MappingInfo;

/// Never called, as no page is replaced here.
pub(crate) fn zero_fill(
    _mapping: &MappingInfo,
    _address: usize,
    _is_write: bool,
    _low: usize,
    _high: usize,
) -> Option<ZeroedRange> {
    None
}

/// As [`zero_fill`].
pub(crate) fn restore_pages(_mapping: &MappingInfo, _range: &ZeroedRange) -> bool {
    false
}

/// As [`zero_fill`].
pub(crate) fn drop_stash(_range: &ZeroedRange) {}

/// As [`zero_fill`].
pub(crate) fn without_pages(_mapping: &MappingInfo) -> usize {
    0
}

/// As [`zero_fill`].
pub(crate) fn seen_by_all_threads() {}

/// There is no limit on memory areas that a handler would meet.
pub(crate) fn refill_reserve() {}

/// There is no handler to remove: a system that has some calls one after another.
pub(crate) fn forget_handler(_handler: usize) {}

/// Not known: the system cannot be asked.
pub(crate) fn current_handler() -> usize {
    0
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
