//! A system without mappings: no faults, and no guard against them.

use crate::fault::{Site, Slot, Stretch};

/// Returns that there is no handler, so that no mapping is entered into the table.
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
pub(crate) fn cover(_site: &Site, _address: usize, _end: usize) -> Option<Stretch> {
    None
}

/// Never called, as no mapping is in the table.
pub(crate) fn put_back(_site: &Site, _stretch: &Stretch) -> bool {
    false
}

/// Never called, as no mapping is in the table.
pub(crate) fn drop_aside(_stretch: &Stretch) {}

/// Never called, as no mapping is in the table.
pub(crate) fn seen_by_all_threads() {}

/// There are no signals that could be blocked.
pub(crate) struct Blocked;

/// Does nothing.
pub(crate) fn block_signals() -> Blocked {
    Blocked
}

/// Lets somebody else run.
pub(crate) fn pause() {
    std::thread::yield_now();
}

/// The calling thread. No fault is ever noted, so that nobody asks.
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
