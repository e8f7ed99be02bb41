//! Windows, and systems without maps: files that grow. A view cannot be longer than its file, so that nothing grows without moving.

use std::fs::File;
use std::io;

use super::{Appending, Found, Source, Sparse, WriteError};

/// Whether a mapping can be longer than its file.
pub(crate) const RESERVES: bool = false;

/// How bytes are appended to a file: the system does not promise that its maps show at once what is written to it.
pub(crate) fn appending(_file: &File) -> Appending {
    Appending::Copied
}

/// No file has such a flag.
pub(crate) fn has_append_flag(_file: &File) -> bool {
    false
}

/// Refused, as [`appending`] says.
pub(crate) fn write_all_at(_file: &File, _bytes: &[u8], _offset: u64) -> Result<(), WriteError> {
    Err(WriteError { written: 0, error: io::ErrorKind::Unsupported.into() })
}

/// Writes all of `bytes` at the end of a file, wherever that is when the system writes them.
pub(crate) fn append_all(file: &File, bytes: &[u8], _end: u64) -> Result<(), WriteError> {
    match super::os::append(file, bytes) {
        Ok(written) if written < bytes.len() => Err(WriteError { written, error: io::ErrorKind::WriteZero.into() }),
        Ok(_) => Ok(()),
        Err(error) => Err(WriteError { written: 0, error }),
    }
}

/// Refused: nothing is overwritten by a call that would have to be undone.
pub(crate) fn read_exact_at(_file: &File, _buffer: &mut [u8], _offset: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Lengthening a file allocates all of the space or none.
pub(crate) fn check_space(_file: &File, _from: u64, _to: u64) -> io::Result<()> {
    Ok(())
}

/// Extends a file, with space allocated on the disk. What others append at the same time is not cut off.
pub(crate) fn allocate(file: &File, _from: u64, to: u64) -> io::Result<()> {
    super::os::lengthen(file, to)
}

/// As [`allocate`].
pub(crate) fn extend(file: &File, to: u64) -> io::Result<()> {
    super::os::lengthen(file, to)
}

/// As [`allocate`].
pub(crate) fn set_longer(file: &File, to: u64) -> io::Result<()> {
    super::os::lengthen(file, to)
}

/// A file has no holes here, unless somebody has marked it as sparse.
pub(crate) fn fill_holes(_file: &File, _len: u64) -> io::Result<()> {
    Ok(())
}

/// Not supported here: zeros are written.
pub(crate) fn zero(_file: &File, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// As [`zero`].
pub(crate) fn punch(_file: &File, _len: u64) -> io::Result<bool> {
    Ok(false)
}

/// Nothing tells beforehand.
pub(crate) fn check_shortens(_file: &File) -> io::Result<()> {
    Ok(())
}

/// Not known here.
pub(crate) fn seek_sparse(_file: &File, _offset: u64, _what: Sparse) -> io::Result<Option<Found>> {
    Ok(None)
}

/// Sets the time of modification to now.
pub(crate) fn touch(file: &File) -> io::Result<()> {
    file.set_modified(std::time::SystemTime::now())
}

/// There are none.
pub(crate) fn is_pseudo(_source: Source<'_>) -> bool {
    false
}

/// There are no such devices among what can be mapped.
pub(crate) fn device_len(_source: Source<'_>) -> Option<u64> {
    None
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
