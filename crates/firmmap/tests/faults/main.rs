//! Pages that are missing when they are touched. Nearly each test runs in a process of its own, as it may die.

#![allow(clippy::incompatible_msrv, reason = "tests may need a newer Rust than the library")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(any(target_os = "linux", target_os = "android"))]
#[path = "../huge/mod.rs"]
mod huge;
#[cfg(unix)]
#[path = "../process/mod.rs"]
mod process;
#[path = "../skipped/mod.rs"]
mod skipped;

#[cfg(unix)]
mod direct_access;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod file_systems;
#[cfg(unix)]
mod foreign_signals;
#[cfg(unix)]
mod fork;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod later_handlers;
#[cfg(unix)]
mod operations;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod recovery;
#[cfg(unix)]
mod reports;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod restored_pages;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod signal_stack;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod stress;
#[cfg(windows)]
mod windows;
