//! Errors, which name the value that was wrong and the limit.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A [`std::result::Result`] whose error is a firmmap [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on a mapping failed.
///
/// [`kind`](Error::kind) is for programs; the `Display` text names the values for people.
/// An `Error` converts into [`std::io::Error`] without losing the operating system's error code.
///
/// # Examples
///
/// ```
/// use firmmap::{ErrorKind, MmapOptions};
///
/// let map = MmapOptions::new().len(10).map_anonymous()?;
/// let error = map.read_exact_at(&mut [0; 4], 8).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::OutOfRange);
/// assert_eq!(error.to_string(), "read range 8..12 is outside the map of 10 bytes");
/// # Ok::<(), firmmap::Error>(())
/// ```
pub struct Error {
    /// Boxed, so that results fit into registers: success should not pay for failure.
    inner: Box<Inner>,
}

struct Inner {
    detail: Detail,
    /// The file that could not be opened or mapped.
    path: Option<PathBuf>,
}

/// The cases of [`Error`].
///
/// # Examples
///
/// ```
/// use firmmap::{ErrorKind, MmapOptions};
///
/// let directory = tempfile::tempdir()?;
/// let path = directory.path().join("short");
/// std::fs::write(&path, b"12345")?;
/// let file = std::fs::File::open(&path)?;
/// let error = MmapOptions::new().len(6).map(&file).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::LengthBeyondEnd);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The operating system refused; [`Error::os_error`] has its error.
    Os,
    /// Bytes of the map could not be read or written, because its file was truncated or its disk failed or is full.
    /// [`Error::fault_offset`] says where. Once the file is whole again, the map works again.
    Fault,
    /// A position or range that is not inside the map.
    OutOfRange,
    /// The offset of a new map lies past the end of its file.
    OffsetBeyondEnd,
    /// A new map would reach past the end of its file.
    LengthBeyondEnd,
    /// The file has no length that could be mapped. For a device a length can be given; a pipe, or a file in `/proc` or `/sys`, can
    /// be read but not mapped.
    UnknownLength,
    /// A length or offset that this system cannot address.
    TooLarge,
    /// The map cannot grow that far without moving, and must not move through `&self`.
    /// [`Mmap::capacity`](crate::Mmap::capacity) is how far it can grow.
    BeyondCapacity,
    /// The map does not allow that kind of access.
    AccessDenied,
    /// The map is read-only or copy-on-write and therefore keeps its length.
    NotResizable,
    /// The map does not keep its file ([`MmapOptions::track_file`](crate::MmapOptions::track_file)).
    NoFile,
    /// The map's own descriptor was closed by other code, for instance by a library that closes all descriptors, and its number
    /// belongs to another file now. The mapped bytes stay usable; operations that need the file are refused.
    StaleDescriptor,
    /// Somebody else is using the map.
    InUse,
    /// The system does not support the operation.
    Unsupported,
    /// A value that makes no sense here.
    InvalidInput,
}

/// The values behind an [`ErrorKind`].
#[derive(Debug)]
pub(crate) enum Detail {
    Os {
        operation: &'static str,
        source: io::Error,
    },
    /// `source` is the system's error for a full disk.
    NoSpace {
        operation: &'static str,
        wanted: u64,
        free: u64,
        source: io::Error,
    },
    Fault {
        offset: usize,
    },
    OutOfRange {
        operation: &'static str,
        start: usize,
        end: Option<usize>,
        len: usize,
    },
    OffsetBeyondEnd {
        offset: u64,
        file_len: u64,
    },
    LengthBeyondEnd {
        offset: u64,
        len: usize,
        file_len: u64,
    },
    UnknownLength,
    PseudoFile,
    TooLarge {
        what: &'static str,
        value: u64,
        limit: u64,
    },
    BeyondCapacity {
        operation: &'static str,
        len: usize,
        capacity: usize,
    },
    Shorter {
        wanted: usize,
        len: usize,
    },
    AccessDenied {
        operation: &'static str,
        protection: &'static str,
    },
    NotResizable,
    NoFile {
        operation: &'static str,
    },
    StaleDescriptor,
    InUse {
        operation: &'static str,
    },
    Unsupported {
        what: &'static str,
    },
    InvalidInput {
        what: &'static str,
    },
    /// A range that is to be cut into values.
    PartialValue {
        operation: &'static str,
        len: usize,
        size: usize,
    },
    /// What was given as the end of a record.
    WrongCut {
        cut: usize,
        goal: usize,
        end: usize,
    },
    /// The address of the byte at `start` is `excess` more than a multiple of `alignment`.
    Misaligned {
        operation: &'static str,
        start: usize,
        alignment: usize,
        excess: usize,
    },
    /// `meant`: what is wrong with it, and a mode in its place.
    UnknownMode {
        mode: String,
        meant: Option<(&'static str, &'static str)>,
    },
}

impl Error {
    /// Returns the kind of the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::{ErrorKind, MmapOptions};
    /// let map = MmapOptions::new().len(1).map_anonymous()?;
    /// assert_eq!(map.get(1).unwrap_err().kind(), ErrorKind::OutOfRange);
    /// # Ok::<(), firmmap::Error>(())
    /// ```
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self.inner.detail {
            Detail::Os { .. } | Detail::NoSpace { .. } => ErrorKind::Os,
            Detail::Fault { .. } => ErrorKind::Fault,
            Detail::OutOfRange { .. } => ErrorKind::OutOfRange,
            Detail::OffsetBeyondEnd { .. } => ErrorKind::OffsetBeyondEnd,
            Detail::LengthBeyondEnd { .. } => ErrorKind::LengthBeyondEnd,
            Detail::UnknownLength | Detail::PseudoFile => ErrorKind::UnknownLength,
            Detail::TooLarge { .. } => ErrorKind::TooLarge,
            Detail::BeyondCapacity { .. } => ErrorKind::BeyondCapacity,
            Detail::Shorter { .. } => ErrorKind::InvalidInput,
            Detail::AccessDenied { .. } => ErrorKind::AccessDenied,
            Detail::NotResizable => ErrorKind::NotResizable,
            Detail::NoFile { .. } => ErrorKind::NoFile,
            Detail::StaleDescriptor => ErrorKind::StaleDescriptor,
            Detail::InUse { .. } => ErrorKind::InUse,
            Detail::Unsupported { .. } => ErrorKind::Unsupported,
            Detail::InvalidInput { .. }
            | Detail::PartialValue { .. }
            | Detail::WrongCut { .. }
            | Detail::Misaligned { .. }
            | Detail::UnknownMode { .. } => ErrorKind::InvalidInput,
        }
    }

    /// Returns the operating system's error, if the kind is [`ErrorKind::Os`].
    ///
    /// # Examples
    ///
    /// ```
    /// use firmmap::MmapOptions;
    /// let error = MmapOptions::new().len(usize::MAX / 4).map_anonymous().unwrap_err();
    /// assert!(error.os_error().is_some());
    /// ```
    #[must_use]
    pub fn os_error(&self) -> Option<&io::Error> {
        match &self.inner.detail {
            Detail::Os { source, .. } | Detail::NoSpace { source, .. } => Some(source),
            _ => None,
        }
    }

    /// Returns the index in the map of the first missing byte, if the kind is [`ErrorKind::Fault`].
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(unix)] {
    /// use firmmap::MmapOptions;
    /// let file = tempfile::tempfile()?;
    /// file.set_len(100_000)?;
    /// let map = MmapOptions::new().map(&file)?;
    /// file.set_len(0)?;
    /// assert_eq!(map.get(70_000).unwrap_err().fault_offset(), Some(70_000));
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn fault_offset(&self) -> Option<usize> {
        match self.inner.detail {
            Detail::Fault { offset } => Some(offset),
            _ => None,
        }
    }

    /// Returns the path of the file that could not be opened or mapped, if the file was given by its path.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    /// let error = firmmap::MmapOptions::new().open("no such file").unwrap_err();
    /// assert_eq!(error.path(), Some(Path::new("no such file")));
    /// ```
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.inner.path.as_deref()
    }

    /// Adds the path of the file.
    #[cold]
    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.inner.path = Some(path.to_owned());
        self
    }

    /// Returns the number of bytes that were requested and the number that the disk (or memory, for a file that is there) has free, if a
    /// request was refused because it exceeds that.
    ///
    /// The kind is [`ErrorKind::Os`] then, and [`os_error`](Self::os_error) the system's error for a full disk.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[cfg(target_os = "linux")] {
    /// use firmmap::{MmapOptions, Mode};
    /// let directory = tempfile::tempdir()?;
    /// let path = directory.path().join("huge");
    /// let mut file = MmapOptions::new().open_mode(&path, Mode::CreateNew)?;
    /// let error = file.truncate(1 << 42).unwrap_err();
    /// if let Some((wanted, free)) = error.space() {
    ///     assert!(wanted == 1 << 42 && free < wanted);
    ///     assert_eq!(file.file_len()?, 0);
    /// }
    /// # }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn space(&self) -> Option<(u64, u64)> {
        match self.inner.detail {
            Detail::NoSpace { wanted, free, .. } => Some((wanted, free)),
            _ => None,
        }
    }

    /// An error of the operating system in `operation`.
    ///
    /// An error of this library that was wrapped in an [`io::Error`] is unwrapped.
    pub(crate) fn os(operation: &'static str, source: io::Error) -> Self {
        if let Some(&NoSpace { wanted, free }) = source.get_ref().and_then(|error| error.downcast_ref()) {
            return Detail::NoSpace { operation, wanted, free, source: no_space() }.into();
        }
        source.downcast().unwrap_or_else(|source| Detail::Os { operation, source }.into())
    }
}

impl From<Detail> for Error {
    #[cold]
    fn from(detail: Detail) -> Self {
        Self { inner: Box::new(Inner { detail, path: None }) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(path) = self.path() {
            write!(f, "{}: ", path.display())?;
        }
        match &self.inner.detail {
            Detail::Os { operation, source } => write!(f, "{operation} failed: {source}"),
            &Detail::NoSpace { operation, wanted, free, ref source } => {
                write!(f, "{operation} failed: {source}: {}", NoSpace { wanted, free })
            }
            Detail::Fault { offset } => {
                write!(
                    f,
                    "the mapped byte at {offset} is not there: its file was truncated, or its disk failed or is full"
                )
            }
            Detail::OutOfRange { operation, start, end: Some(end), len } => {
                write!(f, "{operation} range {start}..{end} is outside the map of {len} bytes")
            }
            Detail::OutOfRange { operation, start, end: None, len } => {
                write!(f, "{operation} position {start} is outside the map of {len} bytes")
            }
            Detail::OffsetBeyondEnd { offset, file_len } => {
                write!(f, "offset {offset} lies behind the end of the file of {file_len} bytes")
            }
            Detail::LengthBeyondEnd { offset, len, file_len } => {
                write!(f, "length {len} from offset {offset} reaches behind the end of the file of {file_len} bytes")
            }
            Detail::UnknownLength => {
                f.write_str("the file is not a regular one, so its length is not known: a length above 0 must be given")
            }
            Detail::PseudoFile => f.write_str(
                "the length of the file says nothing about its bytes, as in /proc and /sys: it can be read, but not mapped",
            ),
            Detail::TooLarge { what, value, limit } => {
                write!(f, "{what} {value} is larger than {limit}, the most this system can address")
            }
            Detail::BeyondCapacity { operation, len, capacity } => {
                write!(f, "{operation} to {len} bytes is beyond the map's capacity of {capacity} bytes")
            }
            Detail::Shorter { wanted, len } => {
                write!(f, "the map of {len} bytes cannot grow to {wanted}, which is less")
            }
            Detail::AccessDenied { operation, protection } => {
                write!(f, "{operation} is not possible on a map that is {protection}")
            }
            Detail::NotResizable => {
                f.write_str("only a shared, writable map can be resized; this one is read-only or copy-on-write")
            }
            Detail::NoFile { operation } => {
                write!(f, "{operation} needs the map's file, and the map was made without keeping it")
            }
            Detail::StaleDescriptor => f.write_str(
                "the map's descriptor was closed behind its back, and its number is another file's now",
            ),
            Detail::InUse { operation } => write!(f, "{operation} is not possible while others use the map"),
            Detail::Unsupported { what } => write!(f, "this system does not support {what}"),
            Detail::InvalidInput { what } => f.write_str(what),
            Detail::PartialValue { operation, len, size } => {
                write!(f, "{operation} range of {len} bytes is no whole number of values of {size} bytes")
            }
            Detail::WrongCut { cut, goal, end } => {
                write!(f, "a boundary at {cut} is not in {goal}..={end}, from the goal to the end of what is split")
            }
            Detail::Misaligned { operation, start, alignment, excess } => write!(
                f,
                "{operation} position {start} is not aligned: its address is {excess} more than a multiple of {alignment}"
            ),
            Detail::UnknownMode { mode, meant: Some((what, meant)) } => {
                write!(f, "mode {mode:?} {what}: use {meant:?}")
            }
            Detail::UnknownMode { mode, meant: None } => {
                write!(f, "mode {mode:?} is none of \"r\", \"r+\", \"w+\", \"x+\", \"a+\", \"c\"")
            }
        }
    }
}

/// What Rust prints if `main` returns the error: the kind, the message of [`Display`](fmt::Display), the file, the system's error code.
impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut fields = f.debug_struct("Error");
        fields.field("kind", &self.kind()).field("message", &self.to_string());
        if let Some(path) = self.path() {
            fields.field("path", &path);
        }
        if let Some(code) = self.os_error().and_then(io::Error::raw_os_error) {
            fields.field("code", &code);
        }
        fields.finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.os_error().map(|error| error as _)
    }
}

impl From<Error> for io::Error {
    fn from(error: Error) -> Self {
        if let Detail::Os { source, .. } | Detail::NoSpace { source, .. } = error.inner.detail {
            return source;
        }
        let kind = match error.inner.detail {
            Detail::Os { .. } | Detail::NoSpace { .. } => unreachable!("was returned"),
            Detail::OutOfRange { .. }
            | Detail::InvalidInput { .. }
            | Detail::PartialValue { .. }
            | Detail::WrongCut { .. }
            | Detail::Misaligned { .. }
            | Detail::UnknownMode { .. }
            | Detail::Shorter { .. }
            | Detail::TooLarge { .. } => io::ErrorKind::InvalidInput,
            Detail::BeyondCapacity { .. } => io::ErrorKind::FileTooLarge,
            Detail::OffsetBeyondEnd { .. } | Detail::LengthBeyondEnd { .. } => io::ErrorKind::UnexpectedEof,
            Detail::AccessDenied { .. } | Detail::NotResizable => io::ErrorKind::PermissionDenied,
            Detail::InUse { .. } => io::ErrorKind::ResourceBusy,
            Detail::Fault { .. } | Detail::StaleDescriptor => io::ErrorKind::Other,
            Detail::UnknownLength | Detail::PseudoFile | Detail::NoFile { .. } | Detail::Unsupported { .. } => {
                io::ErrorKind::Unsupported
            }
        };
        io::Error::new(kind, error)
    }
}

/// More bytes were requested than the disk has free: the payload of an [`io::Error`].
#[derive(Debug)]
pub(crate) struct NoSpace {
    pub wanted: u64,
    pub free: u64,
}

/// The system's error for a full disk.
fn no_space() -> io::Error {
    #[cfg(unix)]
    return io::Error::from_raw_os_error(libc::ENOSPC);
    #[cfg(not(unix))]
    io::ErrorKind::StorageFull.into()
}

impl std::error::Error for NoSpace {}

impl std::fmt::Display for NoSpace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes were asked for, and {} are free", self.wanted, self.free)
    }
}
