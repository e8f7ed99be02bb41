//! Unix: files that grow, and shared memory that can grow.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use super::{Appending, Found, Source, Sparse, WriteError, file_len};
use crate::error::NoSpace;

/// Whether a mapping can be longer than its file.
pub(crate) const RESERVES: bool = true;

/// How bytes are appended to the file, by its flags. They belong to the open file description, and whoever shares it can change them.
pub(crate) fn appending(file: &File) -> Appending {
    // On OpenBSD a mapping does not show what write(2) has written.
    if cfg!(target_os = "openbsd") {
        return Appending::Copied;
    }
    // Direct writes need whole blocks.
    #[cfg(linux_kernel)]
    const DIRECT: libc::c_int = libc::O_DIRECT;
    #[cfg(not(linux_kernel))]
    const DIRECT: libc::c_int = 0;
    match flags(file) {
        Some(flags) if flags & DIRECT != 0 => Appending::Copied,
        Some(flags) if flags & libc::O_APPEND != 0 => Appending::AtEnd,
        Some(_) => Appending::AtOffset,
        None => Appending::Copied,
    }
}

/// Whether what is written to the file goes to its end.
pub(crate) fn has_append_flag(file: &File) -> bool {
    flags(file).is_some_and(|flags| flags & libc::O_APPEND != 0)
}

/// The flags of the open file description.
fn flags(file: &File) -> Option<libc::c_int> {
    // SAFETY: the descriptor is open while it is borrowed; the operation takes no argument.
    let flags = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GETFL) };
    (flags != -1).then_some(flags)
}

/// Writes all of `bytes` at `offset`, whatever flags the file has by now.
pub(crate) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> Result<(), WriteError> {
    write_all(bytes, |rest, written| write_at(file, rest, offset + written as u64))
}

/// Writes all of `bytes` at the end of a file with `O_APPEND`; `end` is where that was last seen.
pub(crate) fn append_all(file: &File, bytes: &[u8], end: u64) -> Result<(), WriteError> {
    write_all(bytes, |rest, written| {
        // On Linux pwrite(2) appends too, and does not move the file's position, which the caller may share.
        if cfg!(linux_kernel) { file.write_at(rest, end + written as u64) } else { (&*file).write(rest) }
    })
}

fn write_all(bytes: &[u8], mut write: impl FnMut(&[u8], usize) -> io::Result<usize>) -> Result<(), WriteError> {
    let mut written = 0;
    while written < bytes.len() {
        match write(&bytes[written..], written) {
            Ok(0) => return Err(WriteError { written, error: io::ErrorKind::WriteZero.into() }),
            Ok(count) => written += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(WriteError { written, error }),
        }
    }
    Ok(())
}

/// Whether the system does not know pwritev2(2) with `RWF_NOAPPEND`.
#[cfg(linux_kernel)]
static IS_UNKNOWN: AtomicBool = AtomicBool::new(false);

/// pwrite(2) at `offset`. With `O_APPEND` Linux would write to the end, unless pwritev2(2) is told not to (Linux 6.9).
/// [`Unsupported`](io::ErrorKind::Unsupported) if the file's flags rule it out.
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<usize> {
    #[cfg(linux_kernel)]
    let mut is_unknown = false;
    #[cfg(linux_kernel)]
    {
        /// `RWF_NOAPPEND`, which the libc crate does not have for every C library.
        const NO_APPEND: libc::c_int = 0x20;
        if !IS_UNKNOWN.load(Ordering::Relaxed) {
            let buffer = libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
            // The offset in two halves; on 64 bits the first is the whole.
            let (low, high) = (offset as libc::c_ulong, (offset >> 32) as libc::c_ulong);
            let (fd, buffers) = (file.as_raw_fd(), &raw const buffer);
            // SAFETY: the descriptor is open while it is borrowed; the kernel only reads the buffer.
            let written = unsafe { libc::syscall(libc::SYS_pwritev2, fd, buffers, 1usize, low, high, NO_APPEND) };
            if written >= 0 {
                return Ok(written as usize);
            }
            let error = io::Error::last_os_error();
            match error.raw_os_error() {
                // An older system, or a sandbox that does not know the call; unless the file itself refuses, as a sealed one does.
                Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EPERM) => is_unknown = true,
                Some(libc::EINVAL) => {}
                _ => return Err(error),
            }
        }
    }
    match appending(file) {
        Appending::AtOffset => {
            let written = file.write_at(bytes, offset)?;
            #[cfg(linux_kernel)]
            if is_unknown {
                IS_UNKNOWN.store(true, Ordering::Relaxed);
            }
            Ok(written)
        }
        Appending::AtEnd | Appending::Copied => Err(io::ErrorKind::Unsupported.into()),
    }
}

/// Reads what the file has in `buffer.len()` bytes from `offset` on.
pub(crate) fn read_exact_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<()> {
    file.read_exact_at(buffer, offset)
}

/// Refuses to extend a file from `from` to `to` bytes if the process may not make it so long, or if its disk has not enough free space, before
/// any is allocated. A file system that does not report its free space is trusted.
pub(crate) fn check_space(file: &File, from: u64, to: u64) -> io::Result<()> {
    check_limit(to)?;
    check_free_space(file, from, to)
}

/// Refuses a length that the process may not give to a file (`RLIMIT_FSIZE`): the system would also send `SIGXFSZ`.
fn check_limit(len: u64) -> io::Result<()> {
    if length_limit().is_some_and(|limit| len > limit) {
        return Err(io::Error::from_raw_os_error(libc::EFBIG));
    }
    Ok(())
}

/// Refuses a length that a file cannot have, with the system's error: because of a limit of the process, and on Linux also of its file system
/// or a seal. Nothing changes.
pub(crate) fn check_len(file: &File, len: u64) -> io::Result<()> {
    check_limit(len)?;
    #[cfg(linux_kernel)]
    {
        let source = file.as_raw_fd();
        // No file has a byte there, so none is copied. But the place that it would be copied to is looked at first.
        let mut from = libc::off64_t::MAX - 1;
        if let Ok(mut to) = libc::off64_t::try_from(len.saturating_sub(1)) {
            let (from, to) = (&raw mut from, &raw mut to);
            // SAFETY: the descriptor is open while it is borrowed; both offsets live until the call has returned.
            let result = unsafe { libc::syscall(libc::SYS_copy_file_range, source, from, source, to, 1usize, 0) };
            let error = io::Error::last_os_error();
            if result == -1 && error.raw_os_error() == Some(libc::EFBIG) {
                return Err(error);
            }
        }
        // SAFETY: the descriptor is open while it is borrowed; the operation takes no argument.
        let seals = unsafe { libc::fcntl(source, libc::F_GET_SEALS) };
        if seals > 0 && seals & libc::F_SEAL_GROW != 0 {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
    }
    #[cfg(not(linux_kernel))]
    let _ = file;
    Ok(())
}

fn check_free_space(file: &File, from: u64, to: u64) -> io::Result<()> {
    let wanted = to.saturating_sub(from);
    match free_space(file) {
        Some(free) if free < wanted && free < wanted.saturating_sub(allocated_behind(file, from)) => {
            Err(io::Error::new(io::ErrorKind::StorageFull, NoSpace { wanted, free }))
        }
        _ => Ok(()),
    }
}

/// The space that the file has already allocated past its end of `len` bytes (`FALLOC_FL_KEEP_SIZE`), unless it has holes.
fn allocated_behind(file: &File, len: u64) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let blocks = file.metadata().map_or(0, |metadata| metadata.blocks());
    blocks.saturating_mul(512).saturating_sub(len)
}

/// fstatvfs(3).
fn free_space(file: &File) -> Option<u64> {
    #[cfg(not(linux_kernel))]
    use libc::{fstatvfs, statvfs};
    #[cfg(linux_kernel)]
    use libc::{fstatvfs64 as fstatvfs, statvfs64 as statvfs};

    let mut answer = std::mem::MaybeUninit::<statvfs>::uninit();
    // SAFETY: the descriptor is open while it is borrowed, and the buffer is a `statvfs`.
    if unsafe { fstatvfs(file.as_raw_fd(), answer.as_mut_ptr()) } == -1 {
        return None;
    }
    // SAFETY: the call has succeeded, so it has filled the buffer.
    let answer = unsafe { answer.assume_init() };
    // SAFETY: takes nothing, and cannot fail.
    let is_root = unsafe { libc::geteuid() } == 0;
    // The reserved blocks are available to root.
    let blocks = if is_root { answer.f_bfree } else { answer.f_bavail };
    #[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "their types differ from system to system")]
    let (all, blocks, size) = (answer.f_blocks as u64, blocks as u64, answer.f_frsize as u64);
    // A tmpfs without a limit, and file systems without blocks, report none at all.
    if all > 0 { Some(blocks.saturating_mul(size)) } else { free_memory(file) }
}

/// For a file in memory (memfd_create(2), a tmpfs without a limit), the memory and the swap space that the system says can still be used:
/// proc_meminfo(5).
fn free_memory(file: &File) -> Option<u64> {
    #[cfg(linux_kernel)]
    {
        if super::os::file_system(super::os::source(file))? != libc::TMPFS_MAGIC as u64 {
            return None;
        }
        let report = std::fs::read_to_string("/proc/meminfo").ok()?;
        let kibibytes = |name| {
            let value = report.lines().find_map(|line| line.strip_prefix(name))?;
            value.split_whitespace().next()?.parse::<u64>().ok()
        };
        Some(kibibytes("MemAvailable:")?.saturating_add(kibibytes("SwapFree:").unwrap_or(0)).saturating_mul(1024))
    }
    #[cfg(not(linux_kernel))]
    {
        let _ = file;
        None
    }
}

/// Extends a file from `from` to `to` bytes, with space allocated on the disk where the file system supports that. What others append at
/// the same time is not cut off, where the system supports that.
///
/// What does not fit on the disk is refused before any space is allocated.
pub(crate) fn allocate(file: &File, from: u64, to: u64) -> io::Result<()> {
    check_space(file, from, to)?;
    let result = match reserve(file, from, to) {
        Err(error) if is_unsupported(&error) => set_longer(file, to),
        result => result,
    };
    // A part may have been allocated: it is undone. The first error is the one to report.
    if result.is_err() && file_len(file).is_ok_and(|now| from < now && now <= to && is_zeros(file, from, now)) {
        let _ = file.set_len(from);
    }
    result
}

/// Whether a file has only zeros between two offsets: others may have appended meanwhile.
fn is_zeros(file: &File, from: u64, to: u64) -> bool {
    let mut buffer = [0; 4096];
    let mut done = from;
    while done < to {
        let wanted = (to - done).min(buffer.len() as u64) as usize;
        let bytes = &mut buffer[..wanted];
        if file.read_exact_at(bytes, done).is_err() || bytes.iter().any(|&byte| byte != 0) {
            return false;
        }
        done += wanted as u64;
    }
    true
}

/// Extends a file without allocating space. Like [`allocate`], it does not cut off what others append at the same time.
pub(crate) fn extend(file: &File, to: u64) -> io::Result<()> {
    match reserve(file, to - 1, to) {
        Err(error) if is_unsupported(&error) => set_longer(file, to),
        result => result,
    }
}

/// ftruncate(2), unless others have extended the file that far meanwhile: it would cut off what they have appended.
pub(crate) fn set_longer(file: &File, to: u64) -> io::Result<()> {
    if file_len(file)? >= to {
        return Ok(());
    }
    check_limit(to)?;
    file.set_len(to)
}

/// Whether the file system or the kernel cannot allocate space. Sandboxes refuse the call with `EPERM`. So does a file that must not grow;
/// ftruncate(2) then reports that again.
fn is_unsupported(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    matches!(number, Some(libc::EOPNOTSUPP | libc::ENOSYS | libc::EINVAL | libc::ENODEV | libc::EPERM))
}

/// fallocate(2), which never shortens the file. (posix_fallocate of the C library writes zeros where the file system does not support it.)
#[cfg(linux_kernel)]
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

/// Allocates space on the disk for the first `len` bytes of a file that is not shorter, where the file system supports that. What does not
/// fit is refused before any is allocated.
pub(crate) fn fill_holes(file: &File, len: u64) -> io::Result<()> {
    check_free_space(file, 0, len)?;
    // Elsewhere it is allocated behind the end only.
    if !cfg!(any(linux_kernel, target_os = "freebsd")) {
        return Ok(());
    }
    match reserve(file, 0, len) {
        Err(error) if is_unsupported(&error) => Ok(()),
        result => result,
    }
}

/// Zeroes the first `len` bytes of a file that is not shorter, in the space that they have: fallocate(2). Returns `false` where the file
/// system does not support that.
pub(crate) fn zero(file: &File, len: u64) -> io::Result<bool> {
    #[cfg(linux_kernel)]
    return change_in_place(file, libc::FALLOC_FL_ZERO_RANGE, len);
    #[cfg(not(linux_kernel))]
    {
        _ = (file, len);
        Ok(false)
    }
}

/// Makes a hole of the first `len` bytes of a file that is not shorter: fallocate(2), or else by truncating it.
pub(crate) fn punch(file: &File, len: u64) -> io::Result<bool> {
    #[cfg(linux_kernel)]
    if change_in_place(file, libc::FALLOC_FL_PUNCH_HOLE, len)? {
        return Ok(true);
    }
    // The system would not give it that length again.
    check_limit(len)?;
    let now = file_len(file)?;
    file.set_len(0)?;
    file.set_len(now)?;
    Ok(true)
}

/// fallocate(2) of the first `len` bytes. Returns `false` where the file system does not support that.
#[cfg(linux_kernel)]
fn change_in_place(file: &File, mode: libc::c_int, len: u64) -> io::Result<bool> {
    loop {
        let mode = mode | libc::FALLOC_FL_KEEP_SIZE;
        // SAFETY: the descriptor is open while it is borrowed.
        if unsafe { libc::fallocate64(file.as_raw_fd(), mode, 0, len as libc::off64_t) } == 0 {
            return Ok(true);
        }
        let error = io::Error::last_os_error();
        if is_unsupported(&error) {
            return Ok(false);
        }
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// How long this process may make a file, if there is a limit: getrlimit(2).
fn length_limit() -> Option<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is a whole one.
    let result = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) };
    #[allow(clippy::unnecessary_cast, reason = "its type differs from system to system")]
    (result == 0 && limit.rlim_cur != libc::RLIM_INFINITY).then_some(limit.rlim_cur as u64)
}

/// Refuses where the file must not become shorter: `F_SEAL_SHRINK`.
pub(crate) fn check_shortens(file: &File) -> io::Result<()> {
    #[cfg(linux_kernel)]
    {
        // SAFETY: the descriptor is open while it is borrowed.
        let seals = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_GET_SEALS) };
        // It is -1 for files that have none.
        if seals > 0 && seals & libc::F_SEAL_SHRINK != 0 {
            return Err(io::Error::from_raw_os_error(libc::EPERM));
        }
    }
    _ = file;
    Ok(())
}

/// Looks for data or a hole from `offset` on: lseek(2). The position of the descriptor, which the caller may share, stays. `None` where the
/// file system cannot say.
#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple"))]
pub(crate) fn seek_sparse(file: &File, offset: u64, what: Sparse) -> io::Result<Option<Found>> {
    #[cfg(not(linux_kernel))]
    use libc::{lseek, off_t};
    #[cfg(linux_kernel)]
    use libc::{lseek64 as lseek, off64_t as off_t};

    let Ok(offset) = off_t::try_from(offset) else { return Ok(Some(Found::Nothing)) };
    let seek = |offset: off_t, whence| {
        // SAFETY: the descriptor is open while it is borrowed.
        match unsafe { lseek(file.as_raw_fd(), offset, whence) } {
            -1 => Err(io::Error::last_os_error()),
            found => Ok(found),
        }
    };
    let before = seek(0, libc::SEEK_CUR)?;
    let found = seek(offset, if what == Sparse::Data { libc::SEEK_DATA } else { libc::SEEK_HOLE });
    seek(before, libc::SEEK_SET)?;
    match found {
        Ok(found) => Ok(Some(Found::At(found as u64))),
        Err(error) if error.raw_os_error() == Some(libc::ENXIO) => Ok(Some(Found::Nothing)),
        Err(error) if matches!(error.raw_os_error(), Some(libc::EINVAL | libc::ENOTTY | libc::EOPNOTSUPP)) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Not known here.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd", target_vendor = "apple")))]
pub(crate) fn seek_sparse(_file: &File, _offset: u64, _what: Sparse) -> io::Result<Option<Found>> {
    Ok(None)
}

/// Takes pages of a file out of memory that no mapping shows: posix_fadvise(2). Dirty ones are written first, whoever changed them: the system
/// would only begin to, and keep them.
#[cfg(linux_kernel)]
pub(crate) fn evict(file: &File, offset: u64, len: u64) -> io::Result<()> {
    let out_of_range = |_| io::Error::from(io::ErrorKind::InvalidInput);
    let offset = libc::off64_t::try_from(offset).map_err(out_of_range)?;
    let len = libc::off64_t::try_from(len).map_err(out_of_range)?;
    #[cfg(target_os = "linux")]
    {
        let flags = libc::SYNC_FILE_RANGE_WAIT_BEFORE | libc::SYNC_FILE_RANGE_WRITE | libc::SYNC_FILE_RANGE_WAIT_AFTER;
        // SAFETY: the descriptor is open while it is borrowed. Where it fails (devices), dirty pages stay in memory.
        unsafe { libc::sync_file_range(file.as_raw_fd(), offset, len, flags) };
    }
    #[cfg(target_os = "android")]
    file.sync_data()?;
    // SAFETY: the descriptor is open while it is borrowed.
    match unsafe { libc::posix_fadvise64(file.as_raw_fd(), offset, len, libc::POSIX_FADV_DONTNEED) } {
        0 => Ok(()),
        number => Err(io::Error::from_raw_os_error(number)),
    }
}

/// Sets the time of modification to now, by the clock of the file system: futimens(2). Who may write to a file without owning it can set
/// both of its times only.
pub(crate) fn touch(file: &File) -> io::Result<()> {
    let set = |accessed| {
        let time = |tv_nsec| {
            // SAFETY: a structure of numbers.
            let mut time: libc::timespec = unsafe { std::mem::zeroed() };
            time.tv_nsec = tv_nsec;
            time
        };
        let times = [time(accessed), time(libc::UTIME_NOW)];
        // SAFETY: the descriptor is open while it is borrowed, and there are two times.
        if unsafe { libc::futimens(file.as_raw_fd(), times.as_ptr()) } == 0 {
            Ok(())
        } else {
            Err(io::Error::last_os_error())
        }
    };
    set(libc::UTIME_OMIT).or_else(|_| set(libc::UTIME_NOW))
}

/// Whether the file is on a file system that generates the bytes while they are read.
pub(crate) fn is_pseudo(source: Source<'_>) -> bool {
    #[cfg(linux_kernel)]
    {
        // As in magic.h of Linux: proc, sysfs, debugfs, tracefs, securityfs, cgroup, cgroup2.
        const PSEUDO: [u64; 7] = [0x9fa0, 0x6265_6572, 0x6462_6720, 0x7472_6163, 0x7363_6673, 0x0027_e0eb, 0x6367_7270];
        super::os::file_system(source).is_some_and(|magic| PSEUDO.contains(&magic))
    }
    #[cfg(not(linux_kernel))]
    {
        let _ = source;
        false
    }
}

/// The length of a block device, which is where its end is: lseek(2). The position of the descriptor stays.
pub(crate) fn device_len(source: Source<'_>) -> Option<u64> {
    use std::os::unix::fs::FileTypeExt;
    let mut file = File::from(source.try_clone_to_owned().ok()?);
    if !file.metadata().ok()?.file_type().is_block_device() {
        return None;
    }
    let before = file.stream_position().ok()?;
    let end = file.seek(SeekFrom::End(0)).ok();
    file.seek(SeekFrom::Start(before)).ok()?;
    end.filter(|&end| end > 0)
}

/// Whether a file with a reported length of zero has bytes.
pub(crate) fn has_hidden_bytes(source: Source<'_>) -> bool {
    // These are not read: reading some of them blocks, and some return each byte only once.
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

/// A number that is greater in a forked child than in its parent. Never zero.
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

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::os::fd::FromRawFd;

    use super::*;

    #[test]
    fn what_one_file_refuses_is_asked_of_others() {
        // SAFETY: the name ends in a zero byte.
        let fd = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
        assert!(fd >= 0);
        // SAFETY: a new descriptor, which nobody else has.
        let file = unsafe { File::from_raw_fd(fd) };
        file.set_len(5).unwrap();
        // SAFETY: the descriptor is open.
        assert_eq!(unsafe { libc::fcntl(fd, libc::F_ADD_SEALS, libc::F_SEAL_GROW) }, 0);
        let refused = write_all_at(&file, b"more", 5).unwrap_err();
        assert_eq!((refused.written, refused.error.raw_os_error()), (0, Some(libc::EPERM)));
        assert!(!IS_UNKNOWN.load(Ordering::Relaxed), "the system knows the call, as far as this tells");
    }
}
