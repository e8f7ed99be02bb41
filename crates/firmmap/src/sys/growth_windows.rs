//! Windows, and systems without maps: files that become longer. A view cannot be longer than its file, so that nothing grows without moving.

use std::fs::File;
use std::io;

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

/// Memory without a file is copied when it grows.
pub(crate) fn shared_memory() -> io::Result<Option<File>> {
    Ok(None)
}

/// The length of a file.
pub(crate) fn file_len(file: &File) -> io::Result<u64> {
    file.metadata().map(|metadata| metadata.len())
}

/// Nothing forks.
pub(crate) fn generation() -> u32 {
    1
}
