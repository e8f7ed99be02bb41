//! Where pthread_exit(3) does not unwind, or not in the way that `hang_glibc.rs` knows: nothing is done.

pub(crate) fn prepare(_version: (u32, u32)) {}

#[inline(always)]
pub(crate) fn hold() -> bool {
    false
}

#[inline(always)]
pub(crate) fn release(_is_held: bool) {}
