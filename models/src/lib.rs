//! Models of what threads do at the same time, for [loom](https://docs.rs/loom), which tries every order of their steps, and every
//! value that a load can have by the rules of memory. The files of the library that are named here are compiled as they are, with
//! loom's atomics and mutexes; what is around them (pages, files, an interpreter) is a few lines here.
//!
//! Run by `make test-models`.

#![cfg(all(loom, test))]

#[allow(dead_code, reason = "the models need a part of it")]
#[path = "../../crates/firmmap/src/fault/counts.rs"]
mod counts;
#[path = "../../crates/firmmap/src/map/growth/lock.rs"]
mod growth_lock;
#[path = "../../crates/firmmap-python/src/sys/state_mutex.rs"]
mod state_mutex;

mod faults;
mod growth;
mod mutex;
mod state;
