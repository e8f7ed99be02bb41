//! Memory-mapped files that behave like byte arrays and like files, without `unsafe`.
//!
//! - [`MmapOptions`] creates mappings: of files, of parts of them at any offset, of anonymous memory.
//! - [`Mmap`] is the mapped bytes: read, write, search, resize, flush, advise.
//! - [`MappedFile`] is an `Mmap` with a position: [`Read`](std::io::Read), [`BufRead`](std::io::BufRead),
//!   [`Write`](std::io::Write), [`Seek`](std::io::Seek). Opened for writing, it grows as files do.
//! - [`MmapBytes`] owns a map and is a plain slice. The crate `firmmap-memmap2` has memmap2's API.
//!
//! A file that is truncated while it is mapped, or whose disk fails, does not end the process: the operation that needs the missing
//! bytes returns an error of kind [`ErrorKind::Fault`]. Once the file is long enough again, so is the map. Memory that is used directly
//! reads zeros, and the fault is reported afterwards.
//!
//! **For that purpose the first map installs a handler for SIGBUS** in the process (on macOS also for SIGSEGV, on Windows an exception
//! handler). Signals that do not concern a map of this crate go to the previous handler. Where nothing faults, an operation costs two
//! more loads and no system call. `FIRMMAP_FAULT_GUARD=0` in the environment or [`set_fault_guard`](fault::set_fault_guard) switches
//! it off: then no handler is installed, and a missing page kills the process. [`fault`] describes it.
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
//! [`MappedFile::open`] opens a file in the modes of numpy's `memmap`, and a write past the end extends it. With
//! [`MmapOptions::capacity`] addresses are reserved, so that the map grows in place, while views exist and other threads use it. At
//! every moment the file is as long as what was written to it.
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
//! | plain structs, feature `zerocopy` | `Mmap::read_struct_at`, `write_struct_at`, `structs` |
//! | plain values, feature `bytemuck` | `Mmap::read_pod_at`, `write_pod_at`, `pods` |
//! | counters and rings between processes | [`Mmap::atomics`], [`atomics_read_only`](Mmap::atomics_read_only) |
//! | a slice for one call: `regex::bytes`, `memchr` | [`Mmap::with_slice`] |
//! | a slice that owns its map | [`Mmap::into_bytes`], features `stable_deref_trait` and `bytes` |
//! | from a match to its line | [`Mmap::find`], [`Mmap::line_at`] |
//! | the lines that have one of some needles | [`Mmap::lines_containing`], [`Needles`] |
//! | lines from the last one on | [`Mmap::rlines`], [`Mmap::rlines_containing`] |
//! | ranges of whole records, for threads | [`Mmap::split`] |
//!
//! ```
//! use firmmap::{Access, MmapOptions};
//! # let file = tempfile::tempfile()?;
//! let records = MmapOptions::new().access(Access::Write).len(240).extend(true).map(&file)?;
//! records.set_le(24 + 16, 9.5_f64)?; // the price in the second record of 24 bytes
//! assert_eq!(records.get_le::<f64>(40)?, 9.5);
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Many files
//!
//! A map keeps a descriptor of its file, which [`Mmap::resize`], [`Mmap::file_len`] and the like need; a process usually may have 1,024.
//! [`MmapOptions::track_file`] does without: faults are reported as before, and on Linux the pages are restored as well.
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
//! Another process can change a mapped byte at any time. So no safe function returns a `&[u8]` of bytes that can change: single bytes are
//! read and written by relaxed atomics, copies are made by code that the compiler does not look into, and searches validate what they find.
//! [`Mmap::as_atomic`] is the safe view without a copy; [`Mmap::as_slice`] is the plain one, for which the caller has to make a
//! promise.
//!
//! This package contains the whole argument, [docs/safety.md](https://docs.rs/crate/firmmap/latest/source/docs/safety.md), how faults are
//! handled, [docs/faults.md](https://docs.rs/crate/firmmap/latest/source/docs/faults.md), and what differs between systems,
//! [docs/platforms.md](https://docs.rs/crate/firmmap/latest/source/docs/platforms.md).

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
#[allow(unsafe_code)]
mod processor;
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
pub use file::MappedFile;
pub use map::{
    Atomic, Boundary, FaultMonitor, FindAnyIter, FindIter, LineSearch, Lines, Mmap, MmapBytes, Needles, Number, Parts,
    ReadOnly, Residency, SliceFault, check_immutable, set_slice_fault_hook,
};
#[doc(hidden)]
pub use map::{FindAnyCursor, LineCursor, LineStep, divide};
pub use mode::Mode;
pub use options::MmapOptions;
pub use sys::AsSource;

/// Returns the system's page size in bytes: the unit in which memory is mapped, flushed and protected. A power of two.
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

/// Returns the number of bytes of which the system requires a mapping's offset to be a multiple. This library accepts any offset.
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

/// Returns a number that is greater in a forked child than it was in its parent. Never zero.
///
/// By it a program can tell whether a note was made in this process. A process id does not tell: in a PID namespace of its own a child
/// can have the id of its parent.
///
/// # Platform-specific behavior
///
/// Counted by pthread_atfork(3), which a bare clone(2) does not call: such a child has its parent's number. Constant on Windows.
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
#[doc = include_str!("../README.md")]
struct Readme;
