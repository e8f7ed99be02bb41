//! Memory-mapped files that behave like byte arrays and like files.
//!
//! - [`MmapOptions`] makes mappings: of files, of parts of them at any offset, of anonymous memory.
//! - [`Mmap`] is the mapped bytes: read, write, search, resize, flush, advise, all without `unsafe`.
//! - [`MappedFile`] is an `Mmap` with a position: [`Read`](std::io::Read), [`BufRead`](std::io::BufRead),
//!   [`Write`](std::io::Write), [`Seek`](std::io::Seek). Opened for writing, it grows as files do.
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
//! # Why it is safe
//!
//! A mapped byte can be changed at any time by another process. So nothing here hands out a `&[u8]` without
//! `unsafe`: single bytes are relaxed atomics, copies are made by code that the compiler does not look into,
//! searches check what they found. [`Mmap::as_atomic`] is the safe view without a copy; [`Mmap::as_slice`] is the plain one,
//! with the promise that it needs. `docs/safety.md` in the repository has the whole argument.

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
pub use file::MappedFile;
pub use map::{FindIter, Lines, Mmap, Residency};
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
