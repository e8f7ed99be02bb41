//! Windows, and systems without maps: files that become longer. A view cannot be longer than its file, so that nothing grows without moving.

use std::fs::File;
use std::io;

use super::Source;

/// Whether a mapping can be longer than its file.
pub(crate) const RESERVES: bool = false;

/// Whether what is written to the file can be read in its maps at once: the system does not promise it.
pub(crate) fn writes_reach_maps(_file: &File) -> bool {
    false
}

/// Never called, as [`writes_reach_maps`] says no.
pub(crate) fn write_all_at(_file: &File, _bytes: &[u8], _offset: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Makes a file longer: `SetEndOfFile`, which finds room on the disk.
pub(crate) fn allocate(file: &File, _from: u64, to: u64) -> io::Result<()> {
    file.set_len(to)
}

/// Makes a file longer: `SetEndOfFile`.
pub(crate) fn extend(file: &File, to: u64) -> io::Result<()> {
    file.set_len(to)
}

/// Not known here: the file is emptied and made longer again.
pub(crate) fn zero(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// There are none.
pub(crate) fn is_pseudo(_source: Source<'_>) -> bool {
    false
}

/// The length of a file is what it has.
pub(crate) fn has_hidden_bytes(_source: Source<'_>) -> bool {
    false
}

/// Memory without a file is copied when it grows.
pub(crate) fn shared_memory() -> io::Result<Option<File>> {
    Ok(None)
}

/// Nothing forks.
pub(crate) fn generation() -> u32 {
    1
}
