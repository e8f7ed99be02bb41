//! Maps and files that become longer or shorter.

#![allow(clippy::incompatible_msrv, reason = "tests may need a newer Rust than the library")]

#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
#[path = "../process/mod.rs"]
mod process;
#[path = "../skipped/mod.rs"]
mod skipped;

#[cfg(unix)]
mod in_place;
mod model;
#[cfg(target_os = "linux")]
mod processes;
#[cfg(unix)]
mod remap;
mod resize;
#[cfg(unix)]
mod resize_unix;
