//! Memory-mapped files that behave like byte arrays and like files, without `unsafe`.
//!
//! - [`MmapOptions`] creates mappings: of files, of parts of them at any offset, of anonymous memory.
//! - [`Mmap`] is the mapped bytes: read, write, search, resize, flush, advise.
//! - [`MappedFile`] is an `Mmap` with a position: [`Read`](std::io::Read), [`BufRead`](std::io::BufRead),
//!   [`Write`](std::io::Write), [`Seek`](std::io::Seek). Opened for writing, it grows as files do.
//!
//! A file that is truncated while it is mapped, or whose disk fails, does not end the process: the operation that needs the missing
//! bytes returns an error of kind [`ErrorKind::Fault`]. For that purpose the first map installs a handler for SIGBUS in the process;
//! [`fault`] describes it, and [`set_fault_guard`] switches it off.
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
//! # Why it is safe
//!
//! Another process can change a mapped byte at any time. So no safe function returns a `&[u8]` of the map: single bytes are read and
//! written by relaxed atomics, copies are made by code that the compiler does not look into, and searches validate what they find.
//! [`Mmap::as_atomic`] is the safe view without a copy; [`Mmap::as_slice`] is the plain one, for which the caller has to make a
//! promise. `docs/safety.md` in the repository has the whole argument.

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
