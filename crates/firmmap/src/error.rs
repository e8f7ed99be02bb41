//! What can go wrong, in concrete words: which value, and what was allowed.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A [`std::result::Result`] whose error is a firmmap [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Why an operation on a mapping failed.
///
/// [`kind`](Error::kind) tells the cases apart for a program, the `Display` text names the values for a person.
/// It converts into [`std::io::Error`] without losing the operating system's error code.
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
#[derive(Debug)]
pub struct Error {
    /// Boxed, so that results fit into registers: what succeeds should not pay for what fails.
    inner: Box<Inner>,
}

#[derive(Debug)]
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
    /// The operating system refused; [`Error::os_error`] has its words.
    Os,
    /// Bytes of the map could not be read or written: its file was truncated, its disk failed or is full.
    /// [`Error::fault_offset`] says where. Once the file is whole again, so is the map.
    Fault,
    /// A position or range that is not inside the map.
    OutOfRange,
    /// The offset of a new map lies behind the end of its file.
    OffsetBeyondEnd,
    /// The length of a new map reaches behind the end of its file.
    LengthBeyondEnd,
    /// The file has no length that could be mapped. For a device one can be given; a pipe or a file of `/proc` or `/sys` can be read,
    /// but not mapped.
    UnknownLength,
    /// A length or offset that this system cannot address.
    TooLarge,
    /// The map cannot become that long without moving, and must not move: it is used through `&self`.
    /// [`Mmap::capacity`](crate::Mmap::capacity) says how long it can become.
    BeyondCapacity,
    /// The map does not allow that kind of access.
    AccessDenied,
    /// The map is read-only or copy-on-write and therefore keeps its length.
    NotResizable,
    /// The map was made without keeping its file ([`MmapOptions::track_file`](crate::MmapOptions::track_file)).
    NoFile,
    /// The map's own descriptor was closed behind its back, as by a library that closes all of them, and its number is another
    /// file's now. The map keeps its bytes; what needs the file is refused.
    StaleDescriptor,
    /// Somebody else is using the map at this moment.
    InUse,
    /// This system cannot do it.
    Unsupported,
    /// A value that has no meaning here.
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
    /// `meant`: what is wrong with it, and a mode in its place.
    UnknownMode {
        mode: String,
        meant: Option<(&'static str, &'static str)>,
    },
}

impl Error {
    /// Which case it is.
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
            Detail::InvalidInput { .. } | Detail::UnknownMode { .. } => ErrorKind::InvalidInput,
        }
    }

    /// The operating system's error, where the kind is [`ErrorKind::Os`].
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

    /// Where in the map the bytes were missing, where the kind is [`ErrorKind::Fault`]: an index, in bytes.
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

    /// The file that could not be opened or mapped, where it was given by its path.
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

    /// Names the file that it is about.
    #[cold]
    pub(crate) fn at(mut self, path: &Path) -> Self {
        self.inner.path = Some(path.to_owned());
        self
    }

    /// How many bytes were asked for, and how many the disk has free, where a request was refused as it cannot be met.
    ///
    /// Its kind is [`ErrorKind::Os`], and its [`os_error`](Self::os_error) the system's for a full disk.
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

    /// An error of the operating system, with what was being done.
    ///
    /// One of this library's that has come through [`io::Error`] stays what it is.
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
            Detail::NoSpace { operation, wanted, free, source } => {
                write!(f, "{operation} failed: {source}: {wanted} bytes were asked for, and the disk has {free} free")
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
                f.write_str("the file is not a regular one, so its length is not known: a length must be given")
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
            Detail::UnknownMode { mode, meant: Some((what, meant)) } => {
                write!(f, "mode {mode:?} {what}: use {meant:?}")
            }
            Detail::UnknownMode { mode, meant: None } => {
                write!(f, "mode {mode:?} is none of \"r\", \"r+\", \"w+\", \"x+\", \"a+\", \"c\"")
            }
        }
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

/// More bytes were asked for than the disk has free: inside of an [`io::Error`], which has no place for both words and numbers.
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
        write!(f, "{} bytes were asked for, and the disk has {} free", self.wanted, self.free)
    }
}
