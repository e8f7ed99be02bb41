//! memmap2's API over [firmmap](https://docs.rs/firmmap): a file that is truncated while it is mapped does not end the process.
//!
//! It has every type, method and trait of memmap2 0.9, on the same platforms, under the same names. The difference is what
//! happens when a page of the map is missing because its file was truncated, or its disk failed or is full. With memmap2, touching it kills
//! the process with SIGBUS. Here
//!
//! - the access reads zeros, or its write is lost, and the map counts a fault;
//! - the next use of the map as a slice (`Deref`, `DerefMut`, `AsRef`, `AsMut`) **panics**, with the offset and the path of the file;
//! - so does the drop of the map, if nobody was told before. If the thread is unwinding already, it writes a line to standard error
//!   instead.
//!
//! With `std::panic::catch_unwind` the program can go on. [`fault::set_hook`] replaces the panic by a function of your own, which can abort,
//! log or count.
//!
//! ```
//! # #[cfg(unix)] {
//! use firmmap_memmap2::Mmap;
//!
//! let file = tempfile::tempfile()?;
//! file.set_len(100_000)?;
//! // SAFETY: nobody else has the file.
//! let map = unsafe { Mmap::map(&file)? };
//! file.set_len(0)?;
//! let sum: u64 = map.iter().map(|&byte| u64::from(byte)).sum(); // with memmap2 the program ends here
//! assert_eq!(sum, 0); // which is not the sum of anything that was in the file, but
//! let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| map.len()));
//! assert!(result.is_err()); // nobody goes on with it unwarned
//! # }
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # Between the fault and the panic
//!
//! A slice is plain memory: nothing can stop a reader in the middle. Whoever holds a slice from an earlier `deref` sees zeros in place of the
//! missing bytes, and goes on with them until the map is used as a slice again or dropped. So
//!
//! - a function that was given `&map[..]` runs to its end, and may store what it has made of the zeros: a hash, an index, a count. Its caller
//!   cannot use the result without a panic, if the map is used or dropped before that;
//! - a result that is passed on while the map lives is not caught: in a loop `for map in maps { send(hash(&map)) }` each `send` comes before
//!   the panic. Where that matters, call [`fault::check`] first, or use [`fault::with_slice`];
//! - other threads that hold slices of the same map see zeros too. Each thread is told once, at its own next use of the map; a thread that
//!   only has a slice that it was given does not check, and the thread that it got it from is told;
//! - memory at [`MmapRaw::as_ptr`] and at raw pointers into a slice is used without a check: only the drop reports its faults, or
//!   [`fault::check`].
//!
//! [`fault::with_slice`] cannot be wrong: it runs a closure on the slice, and returns its result, or an error if bytes were missing meanwhile.
//!
//! Once the file is long enough again, the map reads the file again. A thread that was told is not told of the same fault
//! again; [`fault::acknowledge`] does that for all threads at once.
//!
//! # What else is different
//!
//! - The first map installs a handler of SIGBUS for the process (firmmap's documentation has its rules), unless the environment has
//!   `FIRMMAP_FAULT_GUARD=0`: then all is as with memmap2.
//! - A file whose length says nothing (of `/proc`, a pipe) is an error, and not an empty map.
//! - [`MmapOptions::no_probe_handle`] has no effect: no handle is probed.
//! - Where `remap` makes memory without a file shorter and longer again, the new bytes are zero; with memmap2 those of the last page are
//!   what they were.
//! - An offset or length that no file can have is refused with another kind of error, and without the system's error code.
//! - Advice on a range that begins in the map and reaches past its end is an error, and advice on no bytes in the map does nothing; memmap2
//!   lets the system decide, about whole pages.
//! - [`map_anon`](MmapOptions::map_anon) of no bytes with huge pages is no error.
//!
//! # Platform-specific behavior
//!
//! As of firmmap: on Linux all of the above; on macOS and the BSDs the same, but a page that was missing stays so, and each use of the
//! map panics from then on. On Windows the system refuses to truncate a mapped file; a page that cannot be read ends the process, as
//! with memmap2. Where memory cannot be mapped, every map is an error of the kind
//! [`Unsupported`](std::io::ErrorKind::Unsupported).

#![allow(clippy::len_without_is_empty, clippy::new_without_default, reason = "memmap2's API")]
#![allow(clippy::missing_safety_doc, reason = "memmap2's API: the promise is that of `MmapOptions`")]

#[cfg(unix)]
mod advice;
#[allow(unsafe_code)]
mod descriptor;
#[allow(unsafe_code)]
pub mod fault;
mod immutable;
#[allow(unsafe_code)]
mod inner;
#[allow(unsafe_code)]
mod maps;
#[allow(unsafe_code)]
mod options;
#[cfg(target_os = "linux")]
mod remap;

#[cfg(unix)]
pub use advice::{Advice, UncheckedAdvice};
pub use descriptor::{MmapAsRawDesc, MmapRawDescriptor};
pub use immutable::MapIfSafeError;
pub use maps::{Mmap, MmapMut, MmapRaw};
pub use options::MmapOptions;
#[cfg(target_os = "linux")]
pub use remap::RemapOptions;

/// The examples of the README, as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
