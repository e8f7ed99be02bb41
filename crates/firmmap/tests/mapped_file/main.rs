//! `MappedFile`: a map with a position, opened as a file is.

#[path = "../common/mod.rs"]
mod common;
#[cfg(unix)]
#[path = "../process/mod.rs"]
mod process;
#[path = "../skipped/mod.rs"]
mod skipped;

mod example_programs;
#[cfg(unix)]
mod examples;
mod follow_end;
mod lines;
mod model;
mod opening;
mod position;
