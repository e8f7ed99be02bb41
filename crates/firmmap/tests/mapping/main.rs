//! A map and its bytes: how it is made, what can be done with it. Growth and resizing are in `growth`, missing pages in `faults`.

#![allow(clippy::incompatible_msrv, reason = "tests may need a newer Rust than the library")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(target_os = "linux")]
#[path = "../huge/mod.rs"]
mod huge;
#[cfg(unix)]
#[path = "../process/mod.rs"]
mod process;
#[path = "../skipped/mod.rs"]
mod skipped;

mod atomics;
mod bytes;
#[cfg(unix)]
mod descriptors;
mod errors;
#[cfg(target_os = "linux")]
mod holes;
#[cfg(unix)]
mod large_files;
mod line_at;
mod numbers;
mod options;
#[cfg(unix)]
mod options_unix;
mod owned;
mod pages;
#[cfg(target_os = "linux")]
mod residency;
mod search;
mod threads;
mod views;
#[cfg(windows)]
mod windows;
