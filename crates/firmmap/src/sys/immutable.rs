//! Files that nobody can change or truncate any more.

use super::Source;

/// What keeps a file from being immutable: `Some(None)` if nothing does, `None` where the system has no such files.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn why_mutable(source: Source<'_>) -> Option<Option<&'static str>> {
    use std::os::fd::AsRawFd;

    // SAFETY: the descriptor is open while it is borrowed; the operation takes no argument.
    let seals = unsafe { libc::fcntl(source.as_raw_fd(), libc::F_GET_SEALS) };
    if seals < 0 {
        let what = if cfg!(target_os = "freebsd") {
            "the file can be changed: it is no file in memory"
        } else {
            "the file can be changed: it is no file in memory, and has no fs-verity"
        };
        return Some(if has_verity(source) { None } else { Some(what) });
    }
    let (write, shrink) = (seals & libc::F_SEAL_WRITE != 0, seals & libc::F_SEAL_SHRINK != 0);
    Some(match (write, shrink) {
        (true, true) => None,
        (false, true) => Some("the file can be changed: it lacks the seal F_SEAL_WRITE"),
        (true, false) => Some("the file can be changed: it lacks the seal F_SEAL_SHRINK"),
        (false, false) => Some("the file can be changed: it lacks the seals F_SEAL_WRITE and F_SEAL_SHRINK"),
    })
}

/// Whether the file has fs-verity: ioctl(2), `FS_IOC_MEASURE_VERITY`.
#[cfg(linux_kernel)]
fn has_verity(source: Source<'_>) -> bool {
    use std::os::fd::AsRawFd;

    /// `_IOWR('f', 134, struct fsverity_digest)`.
    const MEASURE: u32 = 0xC004_6686;
    // The kind of the digest, and how many bytes there are for it: none, so that it does not fit.
    let mut digest = [0u16; 2];
    // SAFETY: the descriptor is open while it is borrowed; the kernel writes no more than these two numbers.
    let result = unsafe { libc::ioctl(source.as_raw_fd(), MEASURE as _, digest.as_mut_ptr()) };
    result == 0 || std::io::Error::last_os_error().raw_os_error() == Some(libc::EOVERFLOW)
}

#[cfg(target_os = "freebsd")]
fn has_verity(_source: Source<'_>) -> bool {
    false
}

/// There are none.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn why_mutable(_source: Source<'_>) -> Option<Option<&'static str>> {
    None
}
