//! Unix: files that become longer, and shared memory that can.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::Source;

/// Whether a mapping can be longer than its file.
pub(crate) const RESERVES: bool = true;

/// Whether what is written to the file can be read in its maps at once, at the place that [`write_all_at`] was told.
pub(crate) fn writes_reach_maps(file: &File) -> bool {
    // OpenBSD keeps what write(2) has written apart from what is mapped.
    if cfg!(target_os = "openbsd") {
        return false;
    }
    // With one of these flags Linux writes to the end of the file, wherever it is told to, and with the other only whole blocks.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const UNFIT: libc::c_int = libc::O_APPEND | libc::O_DIRECT;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const UNFIT: libc::c_int = libc::O_APPEND;
    // SAFETY: the descriptor is open while it is borrowed; the operation takes no argument.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    flags != -1 && flags & UNFIT == 0
}

/// pwrite(2), until all is written.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Makes a file of `from` bytes one of `to`, with room on the disk where the file system can do that. A file that others
/// make longer at the same time stays as long as they want it, where the system can do that.
pub(crate) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    let result = match reserve(file, from, to) {
        Err(error) if is_unsupported(&error) => file.set_len(to),
        result => result,
    };
    if result.is_err() && file.metadata().is_ok_and(|now| now.len() <= to) {
        // What there was room for is there already. The first error is the one to report.
        let _ = file.set_len(from);
    }
    result
}

/// Makes a file longer, with next to no room. As [`allocate`], it does not cut off what others add at the same time.
pub(crate) fn extend(file: &File, to: u64) -> io::Result<()> {
    match reserve(file, to - 1, to) {
        Err(error) if is_unsupported(&error) => file.set_len(to),
        result => result,
    }
}

/// Whether the file system, or the system, cannot reserve room.
fn is_unsupported(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::ENODEV))
}

/// fallocate(2), which makes the file longer and never shorter. The C library's posix_fallocate writes zeros where the file system cannot do it.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    let (offset, len) = (from as libc::off64_t, (to - from) as libc::off64_t);
    loop {
        // SAFETY: the descriptor is open while it is borrowed.
        if unsafe { libc::fallocate64(file.as_raw_fd(), 0, offset, len) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// `F_PREALLOCATE`.
#[cfg(target_vendor = "apple")]
fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    let mut request = libc::fstore_t {
        fst_flags: libc::F_ALLOCATEALL,
        fst_posmode: libc::F_PEOFPOSMODE,
        fst_offset: 0,
        fst_length: (to - from) as libc::off_t,
        fst_bytesalloc: 0,
    };
    // SAFETY: the descriptor is open while it is borrowed, and the request is a whole one.
    let result = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_PREALLOCATE, &raw mut request) };
    if result == -1 { Err(io::Error::last_os_error()) } else { file.set_len(to) }
}

/// posix_fallocate(2).
#[cfg(target_os = "freebsd")]
fn reserve(file: &File, from: u64, to: u64) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed.
    match unsafe { libc::posix_fallocate(file.as_raw_fd(), from as libc::off_t, (to - from) as libc::off_t) } {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
fn reserve(_file: &File, _from: u64, _to: u64) -> io::Result<()> {
    Err(io::Error::from_raw_os_error(libc::EOPNOTSUPP))
}

/// Makes the first `len` bytes zeros, and leaves them their room on the disk: fallocate(2).
#[cfg(any(target_os = "linux", target_os = "android"))]
pub(crate) fn zero(file: &File, len: u64) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed.
    match unsafe { libc::fallocate64(file.as_raw_fd(), libc::FALLOC_FL_ZERO_RANGE, 0, len as libc::off64_t) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
pub(crate) fn zero(_file: &File, _len: u64) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Whether the file is on one of the file systems that make the bytes while they are read.
pub(crate) fn is_pseudo(source: Source<'_>) -> bool {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // As in magic.h of Linux: proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup2.
        const PSEUDO: [u64; 7] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x0027_e0eb, 0x6367_7270];
        super::os::file_system(source).is_some_and(|magic| PSEUDO.contains(&magic))
    }
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    {
        let _ = source;
        false
    }
}

/// Whether a file that calls itself empty has bytes.
pub(crate) fn has_hidden_bytes(source: Source<'_>) -> bool {
    // These are not asked to be read: some wait for what is to come, and some give each byte only once.
    if is_pseudo(source) {
        return true;
    }
    let mut byte = 0u8;
    // SAFETY: the descriptor is open while it is borrowed, and there is room for the byte.
    unsafe { libc::pread(source.as_raw_fd(), (&raw mut byte).cast(), 1, 0) == 1 }
}

/// A file without a name, in memory, for shared memory that can grow: memfd_create(2).
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
pub(crate) fn shared_memory() -> io::Result<Option<File>> {
    use std::os::fd::{FromRawFd, OwnedFd};
    #[cfg(target_os = "freebsd")]
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::memfd_create(c"firmmap".as_ptr(), libc::MFD_CLOEXEC) };
    // Older C libraries do not have the function.
    #[cfg(not(target_os = "freebsd"))]
    // SAFETY: the name ends in a zero byte.
    let fd = unsafe { libc::syscall(libc::SYS_memfd_create, c"firmmap".as_ptr(), libc::MFD_CLOEXEC) } as libc::c_int;
    if fd == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a new descriptor, which nobody else has.
    Ok(Some(File::from(unsafe { OwnedFd::from_raw_fd(fd) })))
}

/// A file without a name, for shared memory that can grow: a temporary one that is removed at once.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
pub(crate) fn shared_memory() -> io::Result<Option<File>> {
    use std::hash::{BuildHasher, Hasher, RandomState};
    use std::os::unix::fs::OpenOptionsExt;
    loop {
        let name = format!("firmmap-{:016x}", RandomState::new().build_hasher().finish());
        let path = std::env::temp_dir().join(name);
        match File::options().read(true).write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => return std::fs::remove_file(&path).map(|()| Some(file)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
}

/// A number that is another one in each forked child. Never zero.
pub(crate) fn generation() -> u32 {
    static GENERATION: AtomicU32 = AtomicU32::new(1);
    static DONE: AtomicBool = AtomicBool::new(false);
    extern "C" fn in_the_child() {
        GENERATION.fetch_add(1, Ordering::Relaxed);
    }
    // Called twice, it adds two.
    super::fork::register(&DONE, None, None, Some(in_the_child));
    GENERATION.load(Ordering::Relaxed)
}
