//! Windows, and systems without maps: files that grow. A view cannot be longer than its file, so that nothing grows without moving.

use std::fs::File;
use std::io;

use super::{Appending, Source, WriteError};

/// Whether a mapping can be longer than its file.
pub(crate) const RESERVES: bool = false;

/// How bytes are appended to a file: the system does not promise that its maps show at once what is written to it.
pub(crate) fn appending(_file: &File) -> Appending {
    Appending::Copied
}

/// Refused, as [`appending`] says.
pub(crate) fn write_all_at(_file: &File, _bytes: &[u8], _offset: u64) -> Result<(), WriteError> {
    Err(WriteError { written: 0, error: io::ErrorKind::Unsupported.into() })
}

/// Refused, as [`appending`] says.
pub(crate) fn append_all(_file: &File, _bytes: &[u8], _end: u64) -> Result<(), WriteError> {
    Err(WriteError { written: 0, error: io::ErrorKind::Unsupported.into() })
}

/// Refused: nothing is overwritten by a call that would have to be undone.
pub(crate) fn read_exact_at(_file: &File, _buffer: &mut [u8], _offset: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// `SetEndOfFile` allocates all of the space or none.
pub(crate) fn check_space(_file: &File, _from: u64, _to: u64) -> io::Result<()> {
    Ok(())
}

/// Extends a file: `SetEndOfFile`, which allocates space on the disk.
pub(crate) fn allocate(file: &File, _from: u64, to: u64) -> io::Result<()> {
    file.set_len(to)
}

/// Extends a file: `SetEndOfFile`.
pub(crate) fn extend(file: &File, to: u64) -> io::Result<()> {
    file.set_len(to)
}

/// Not supported here: the file is emptied and extended again.
pub(crate) fn zero(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are none.
pub(crate) fn is_pseudo(_source: Source<'_>) -> bool {
    false
}

/// The reported length of a file is its length.
pub(crate) fn has_hidden_bytes(_source: Source<'_>) -> bool {
    false
}

/// Anonymous memory is copied when it grows.
pub(crate) fn shared_memory() -> io::Result<Option<File>> {
    Ok(None)
}

/// Nothing forks.
pub(crate) fn generation() -> u32 {
    1
}
