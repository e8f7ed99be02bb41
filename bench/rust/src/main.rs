//! firmmap beside memmap2, memchr, bstr, mmap-io and reads of `std::fs::File`, as ratios, in the build that programs get.
//!
//!     make bench-rust
//!     cargo run --release --manifest-path bench/rust/Cargo.toml -- [--only GROUP] [--json FILE] [--folder FOLDER]
//!
//! A ratio is the other's time divided by firmmap's: more than one means that firmmap is faster. What is asked for are
//! ratios, and on a machine that does other things too they are only worth something if both sides take
//! turns, many times a second, in one process. Neither criterion nor divan can do that: they measure one
//! function after the other. So the loop is our own (`pairs.rs`), which also saves their dependencies.
//!
//! Linux only: elsewhere there are other ways to empty the page cache, and nobody has looked.

#[cfg(target_os = "linux")]
mod lines;
#[cfg(target_os = "linux")]
mod operations;
#[cfg(target_os = "linux")]
mod pairs;
#[cfg(target_os = "linux")]
mod search;
#[cfg(target_os = "linux")]
mod views;

fn main() {
    #[cfg(target_os = "linux")]
    operations::run();
}
