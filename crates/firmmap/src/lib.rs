//! Memory-mapped files that behave like byte arrays and like files, and that survive what happens to their files.
//!
//! - [`MmapOptions`] makes mappings: of files, of parts of them at any offset, of anonymous memory.
//! - [`Mmap`] is the mapped bytes: read, write, search, resize, flush, advise, all without `unsafe`.
//! - [`MappedFile`] is an `Mmap` with a position: [`Read`](std::io::Read), [`BufRead`](std::io::BufRead),
//!   [`Write`](std::io::Write), [`Seek`](std::io::Seek). Opened for writing, it grows as files do.
//! - [`MmapBytes`] owns a map and is a plain slice. The crate `firmmap-memmap2` has memmap2's API.
//!
//! **A file that is truncated while it is mapped** does not end the process by SIGBUS, as it does with every other map. The operation that meets
//! the missing bytes is an error of the kind [`Fault`](ErrorKind::Fault), with the offset; once the file is long enough again, so is the map. Memory
//! that is used directly reads zeros, and the fault is told afterwards: see [`fault`].
//!
//! **For that the first map of a process installs a handler** of SIGBUS (on macOS of SIGSEGV too; on Windows one of exceptions). It passes on
//! every signal that is not about a map of this crate, to the handler that was there before or to the default, which is death. Where nothing faults
//! it costs two loads for each operation, and no system call. `FIRMMAP_FAULT_GUARD=0` in the environment or [`set_fault_guard`] switches it
//! off: no handler is installed, and a missing page ends the process.
//!
//! # Examples
//!
//! ```
//! use firmmap::{Access, MmapOptions};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("log");
//! std::fs::write(&path, "all well\nERROR: no paper\nall well\n")?;
//!
//! let log = MmapOptions::new().access(Access::Write).open(&path)?;
//! let at = log.find(b"ERROR", ..)?.expect("an error is in it");
//! log.write_all_at(b"fixed", at)?;
//! log.flush()?;
//! assert_eq!(std::fs::read_to_string(&path)?, "all well\nfixed: no paper\nall well\n");
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Files that grow
//!
//! [`MappedFile::open`] opens a file as numpy's `memmap` does, and what is written behind its end makes it longer. With
//! [`MmapOptions::capacity`] addresses are set aside, so that the map grows in its place: under views, and while other threads
//! use it. The file is as long as what was written, at every moment.
//!
//! ```
//! use std::io::Write;
//! use firmmap::{MmapOptions, Mode};
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("log");
//! let mut log = MmapOptions::new().capacity(1 << 30).open_mode(&path, Mode::Create)?;
//! log.write_all(b"one line\nanother\n")?;
//! assert_eq!(std::fs::metadata(&path)?.len(), 17);
//! let lines: Vec<_> = log.lines(..).collect::<Result<_, _>>()?;
//! assert_eq!(lines, [&b"one line\n"[..], b"another\n"]);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Numbers, structs, atomics, slices
//!
//! | | |
//! |---|---|
//! | numbers at any offset | [`Mmap::get_le`], [`set_be`](Mmap::set_be), [`iter_ne`](Mmap::iter_ne) |
//! | plain structs | `Mmap::read_struct_at`, `write_struct_at`, `structs` with the feature `zerocopy`; `read_pod_at`, `write_pod_at`, `pods` with `bytemuck` |
//! | counters and rings that processes share | [`Mmap::atomics`], [`atomics_read_only`](Mmap::atomics_read_only) |
//! | a plain slice for one call, and its fault | [`Mmap::with_slice`]: for `regex::bytes`, `memchr` and the like |
//! | a plain slice that owns its map | [`Mmap::into_bytes`], with the features `stable_deref_trait` and `bytes` |
//! | from a match to its line | [`Mmap::find`], [`Mmap::line_at`] |
//!
//! ```
//! # let file = tempfile::tempfile()?;
//! use firmmap::{Access, MmapOptions};
//! let records = MmapOptions::new().access(Access::Write).len(240).extend(true).map(&file)?;
//! records.set_le(24 + 16, 9.5_f64)?; // the price in the second record of 24 bytes
//! assert_eq!(records.get_le::<f64>(40)?, 9.5);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Many files
//!
//! A map keeps a descriptor of its file, for [`Mmap::resize`], [`Mmap::file_len`] and the like, and a process may have 1,024 of them on most systems.
//! [`MmapOptions::track_file`] does without: faults are reported as before, and on Linux repaired too; what needs the file is an error.
//!
//! ```
//! use firmmap::MmapOptions;
//! # let directory = tempfile::tempdir()?;
//! # for number in 0..3000 { std::fs::write(directory.path().join(number.to_string()), "x")?; }
//! let options = MmapOptions::new().track_file(false);
//! let files = std::fs::read_dir(directory.path())?;
//! let maps = files.map(|entry| Ok(options.open(entry?.path())?)).collect::<std::io::Result<Vec<_>>>()?;
//! assert_eq!(maps.len(), 3000);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Why it is safe
//!
//! A mapped byte can be changed at any time by another process. So nothing here hands out a `&[u8]` without
//! `unsafe`: single bytes are relaxed atomics, copies are made by code that the compiler does not look into,
//! searches check what they found. [`Mmap::as_atomic`] is the safe view without a copy; [`Mmap::as_slice`] is the plain one,
//! with the promise that it needs.
//!
//! The whole argument is in [`docs/safety.md`](https://docs.rs/crate/firmmap/latest/source/docs/safety.md) of this package, how faults are handled
//! in [`docs/faults.md`](https://docs.rs/crate/firmmap/latest/source/docs/faults.md), and what differs on which system in
//! [`docs/platforms.md`](https://docs.rs/crate/firmmap/latest/source/docs/platforms.md).

mod access;
mod advice;
mod error;
#[allow(unsafe_code)]
pub mod fault;
mod file;
mod map;
#[allow(unsafe_code)]
mod memmem;
mod mode;
mod open_file;
mod options;
mod range;
#[allow(unsafe_code)]
mod region;
#[allow(unsafe_code)]
mod sys;

#[cfg(unix)]
pub use access::MapFlags;
pub use access::{Access, FlushFlags, Protection};
pub use advice::Advice;
pub use error::{Error, ErrorKind, Result};
pub use fault::{
    UnreportedFault, fault_guard, fault_handler, forget_fault_handler, on_fault, renew_fault_guard, set_fault_guard,
    take_fault, take_fault_of, waiting_faults,
};
pub use file::MappedFile;
pub use map::{
    Atomic, FaultMonitor, FindIter, Lines, Mmap, MmapBytes, Number, ReadOnly, Residency, SliceFault, check_immutable,
    set_slice_fault_hook,
};
pub use mode::Mode;
pub use options::MmapOptions;
pub use sys::AsSource;

/// The system's page size in bytes: the unit in which memory is mapped, flushed and protected. A power of two.
///
/// # Examples
///
/// ```
/// assert!(firmmap::page_size().is_power_of_two());
/// ```
#[must_use]
pub fn page_size() -> usize {
    sys::page_size()
}

/// What the system wants the offset of a mapping to be a multiple of, in bytes. This library takes any offset.
///
/// # Platform-specific behavior
///
/// The page size on Unix, 65536 on Windows.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::allocation_granularity() % firmmap::page_size(), 0);
/// ```
#[must_use]
pub fn allocation_granularity() -> usize {
    sys::granularity()
}

/// A number that each forked child finds changed: it is greater there than it was in its parent. Never zero.
///
/// It tells whether what was noted earlier was noted in this process, which a process id does not: in a PID namespace of its own a
/// child can have the id of its parent.
///
/// # Platform-specific behavior
///
/// Counted by pthread_atfork(3), so that a child made without it (by a bare clone(2)) has its parent's number. Always the same on Windows.
///
/// # Examples
///
/// ```
/// assert_eq!(firmmap::fork_generation(), firmmap::fork_generation());
/// ```
#[must_use]
#[inline]
pub fn fork_generation() -> u32 {
    sys::generation()
}

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// The examples of the crate's own README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct CrateReadme;

/// The examples of the guide, as tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct Guide;
