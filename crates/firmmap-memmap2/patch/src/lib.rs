//! `firmmap-memmap2` under memmap2's name, for `[patch.crates-io]`.

pub use firmmap_memmap2::*;
