//! Why `map_if_safe` made no map.

use std::{error, fmt, io};

use firmmap::ErrorKind;

/// Why [`MmapOptions::map_if_safe`](crate::MmapOptions::map_if_safe) has made no map. It converts into an [`io::Error`].
///
/// # Examples
///
/// ```
/// let error = firmmap_memmap2::Mmap::map_if_safe(&std::fs::File::open("Cargo.toml")?).unwrap_err();
/// assert!(error.not_safe() || error.not_supported());
/// # Ok::<(), std::io::Error>(())
/// ```
pub struct MapIfSafeError(Reason);

#[derive(Debug)]
enum Reason {
    NotSupported,
    NotSafe(io::Error),
    MapFailed(io::Error),
}

impl MapIfSafeError {
    /// What [`firmmap::check_immutable`] has said.
    pub(crate) fn refused(error: firmmap::Error) -> Self {
        if error.kind() == ErrorKind::Unsupported {
            Self(Reason::NotSupported)
        } else {
            Self::not_safe_as(error.into())
        }
    }

    pub(crate) fn not_safe_as(error: io::Error) -> Self {
        Self(Reason::NotSafe(error))
    }

    pub(crate) fn failed(error: io::Error) -> Self {
        Self(Reason::MapFailed(error))
    }

    /// Whether the system has no files that can be known to stay as they are.
    pub fn not_supported(&self) -> bool {
        matches!(self.0, Reason::NotSupported)
    }

    /// Whether the file can be changed or truncated.
    pub fn not_safe(&self) -> bool {
        matches!(self.0, Reason::NotSafe(_))
    }

    /// Whether the file is one that stays as it is, and could not be mapped.
    pub fn map_failed(&self) -> bool {
        matches!(self.0, Reason::MapFailed(_))
    }
}

impl error::Error for MapIfSafeError {}

impl fmt::Display for MapIfSafeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::NotSupported => io::ErrorKind::Unsupported.fmt(f),
            Reason::NotSafe(error) | Reason::MapFailed(error) => error.fmt(f),
        }
    }
}

impl fmt::Debug for MapIfSafeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl From<MapIfSafeError> for io::Error {
    fn from(error: MapIfSafeError) -> Self {
        match error.0 {
            Reason::NotSupported => io::ErrorKind::Unsupported.into(),
            Reason::NotSafe(error) | Reason::MapFailed(error) => error,
        }
    }
}
