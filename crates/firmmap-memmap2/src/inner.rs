//! [`Inner`]: what the three kinds of maps have in common.

use std::fmt;
use std::io;
use std::mem::ManuallyDrop;
use std::ops::Range;

use firmmap::{ErrorKind, FaultMonitor, FlushFlags, Protection};

/// A map, and what its threads were told of its faults.
pub(crate) struct Inner {
    map: ManuallyDrop<firmmap::Mmap>,
    monitor: FaultMonitor,
}

impl Inner {
    pub(crate) fn new(map: firmmap::Mmap) -> Self {
        Self { map: ManuallyDrop::new(map), monitor: FaultMonitor::new() }
    }

    #[inline]
    pub(crate) fn map(&self) -> &firmmap::Mmap {
        &self.map
    }

    pub(crate) fn monitor(&self) -> &FaultMonitor {
        &self.monitor
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.monitor.check(&self.map);
        // SAFETY: whoever has made the map has promised that nobody changes the file, and all kinds of maps that are slices can be read.
        unsafe { self.map.as_slice() }
    }

    #[inline]
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        self.monitor.check(&self.map);
        // SAFETY: as in `bytes`; only `MmapMut` calls this, whose map is writable.
        unsafe { self.map.as_mut_slice() }
    }

    /// The result of an operation of firmmap's: if it is a fault, this thread knows.
    pub(crate) fn done<T>(&self, result: firmmap::Result<T>) -> io::Result<T> {
        result.map_err(|error| {
            if error.kind() == ErrorKind::Fault {
                self.monitor.acknowledge_here(&self.map);
            }
            io_error(error)
        })
    }

    pub(crate) fn flush(&self, offset: usize, len: usize, flags: FlushFlags) -> io::Result<()> {
        self.done(self.map.flush_with(range(offset, len)?, flags))
    }

    #[cfg(unix)]
    pub(crate) fn advise(&self, advice: firmmap::Advice, offset: usize, len: usize) -> io::Result<()> {
        self.done(self.map.advise_range(range(offset, len)?, advice))
    }

    #[cfg(unix)]
    pub(crate) fn lock(&self) -> io::Result<()> {
        self.done(self.map.lock())
    }

    #[cfg(unix)]
    pub(crate) fn unlock(&self) -> io::Result<()> {
        self.done(self.map.unlock())
    }

    pub(crate) fn protect(&mut self, protection: Protection) -> io::Result<()> {
        let result = self.map.protect(protection);
        self.done(result)
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn remap(&mut self, len: usize, may_move: bool) -> io::Result<()> {
        check_len(len)?;
        let result = if may_move { self.map.remap(len) } else { self.map.remap_in_place(len) };
        self.done(result)
    }

    pub(crate) fn fmt(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(name).field("ptr", &self.map.as_ptr()).field("len", &self.map.len()).finish()
    }
}

impl Drop for Inner {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: nobody uses the map after this.
        let map = unsafe { ManuallyDrop::take(&mut self.map) };
        self.monitor.finish(map);
    }
}

fn range(offset: usize, len: usize) -> io::Result<Range<usize>> {
    let end = offset.checked_add(len).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(offset..end)
}

/// memmap2's error for a length that no slice can have.
pub(crate) fn check_len(len: usize) -> io::Result<()> {
    if isize::try_from(len).is_ok() {
        return Ok(());
    }
    Err(io::Error::new(io::ErrorKind::InvalidData, "memory map length overflows isize"))
}

/// firmmap's error as memmap2's users expect it: what a file is too short for is invalid data.
pub(crate) fn io_error(error: firmmap::Error) -> io::Error {
    match error.kind() {
        ErrorKind::OffsetBeyondEnd | ErrorKind::TooLarge => io::Error::new(io::ErrorKind::InvalidData, error),
        _ => error.into(),
    }
}
