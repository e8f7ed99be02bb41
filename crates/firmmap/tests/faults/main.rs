//! Pages that are missing when they are touched. Nearly each test runs in a process of its own, as it may die.

#![allow(clippy::incompatible_msrv, reason = "tests may need a newer Rust than the library")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(linux_kernel)]
#[path = "../huge/mod.rs"]
mod huge;
#[cfg(unix)]
#[path = "../process/mod.rs"]
mod process;
#[path = "../skipped/mod.rs"]
mod skipped;

#[cfg(unix)]
mod direct_access;
#[cfg(linux_kernel)]
mod file_systems;
#[cfg(unix)]
mod foreign_signals;
#[cfg(unix)]
mod fork;
#[cfg(linux_kernel)]
mod later_handlers;
#[cfg(linux_kernel)]
mod limits;
#[cfg(unix)]
mod operations;
#[cfg(linux_kernel)]
mod recovery;
#[cfg(unix)]
mod reports;
#[cfg(linux_kernel)]
mod restored_pages;
#[cfg(linux_kernel)]
mod signal_stack;
#[cfg(linux_kernel)]
mod stress;
#[cfg(windows)]
mod windows;
