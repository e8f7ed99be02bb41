//! Unix: mmap(2) and its family.

use std::fs::File;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{FileId, FileInfo, FileLenChange, MappingInfo, Request, TrackedFile};
use crate::access::{Access, FlushFlags, MapFlags, Protection};
use crate::advice::Advice;
use crate::range::{Span, round_up};

/// What a map can be made of.
pub use std::os::fd::AsFd as AsSource;
/// A file of the caller's.
pub(crate) type Source<'a> = BorrowedFd<'a>;

const _: () = assert!(
    Protection::READ.bits() == libc::PROT_READ as u32
        && Protection::WRITE.bits() == libc::PROT_WRITE as u32
        && Protection::EXEC.bits() == libc::PROT_EXEC as u32,
    "Protection has the numbers of PROT_*"
);

/// There is something to map.
pub(crate) const SUPPORTED: bool = true;

/// Bytes in a page; a power of two.
pub(crate) fn page_size() -> usize {
    static PAGE_SIZE: AtomicUsize = AtomicUsize::new(0);
    match PAGE_SIZE.load(Ordering::Relaxed) {
        0 => {
            // SAFETY: sysconf(3) only reads its argument.
            let size = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
            let size = usize::try_from(size).expect("sysconf knows the page size");
            PAGE_SIZE.store(size, Ordering::Relaxed);
            size
        }
        size => size,
    }
}

/// What the offset of a mapping must be a multiple of.
pub(crate) fn granularity() -> usize {
    page_size()
}

/// Length, kind and identity of a file: statx(2), or fstat(2). May be called in a signal handler.
///
/// On Linux not fstat(2): whoever asks it (6.13) for the time of the last change makes the next write note a new and exact time,
/// which on ext4 takes longer than the write itself. statx(2) can ask for less.
#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the numbers have another type on every system")]
#[inline]
pub(crate) fn file_info(source: Source<'_>) -> io::Result<FileInfo> {
    #[cfg(target_os = "linux")]
    {
        let mut answer = MaybeUninit::uninit();
        match statx(source, &mut answer) {
            Ok(()) => {
                // SAFETY: the call has succeeded, so it has filled the buffer.
                let answer = unsafe { answer.assume_init_ref() };
                let device = libc::makedev(answer.stx_dev_major, answer.stx_dev_minor);
                let id = FileId { device, inode: answer.stx_ino };
                return Ok(info(source, answer.stx_mode.into(), answer.stx_size, answer.stx_blksize as usize, id));
            }
            // Before Linux 4.11, and where a sandbox does not know the call.
            Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EPERM)) => {}
            Err(error) => return Err(error),
        }
    }
    #[cfg(not(linux_kernel))]
    use libc::{fstat, stat};
    #[cfg(linux_kernel)]
    use libc::{fstat64 as fstat, stat64 as stat};

    let mut stat = MaybeUninit::<stat>::uninit();
    // SAFETY: the descriptor is open while it is borrowed, and the buffer is a `stat`.
    if unsafe { fstat(source.as_raw_fd(), stat.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: fstat has succeeded, so it has filled the buffer.
    let stat = unsafe { stat.assume_init() };
    let id = FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 };
    Ok(info(source, stat.st_mode.into(), stat.st_size.try_into().unwrap_or(0), stat.st_blksize as usize, id))
}

/// statx(2), of the descriptor: without a path, which Linux takes from 6.11 on, and which saves up to a sixth of the call; or with an empty one.
#[cfg(target_os = "linux")]
#[inline]
fn statx(source: Source<'_>, answer: &mut MaybeUninit<libc::statx>) -> io::Result<()> {
    use std::ffi::c_char;
    use std::sync::atomic::{AtomicPtr, Ordering};

    static PATH: AtomicPtr<c_char> = AtomicPtr::new(std::ptr::null_mut());
    let empty = c"".as_ptr().cast_mut();
    let wanted = libc::STATX_TYPE | libc::STATX_INO | libc::STATX_SIZE;
    loop {
        let (fd, path, flags) = (source.as_raw_fd(), PATH.load(Ordering::Relaxed), libc::AT_EMPTY_PATH);
        // SAFETY: the descriptor is open while it is borrowed, the path is null or ends in a zero byte, and the buffer is a `statx`.
        if unsafe { libc::syscall(libc::SYS_statx, fd, path, flags, wanted, answer.as_mut_ptr()) } == 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.raw_os_error() != Some(libc::EFAULT) || !path.is_null() {
            return Err(error);
        }
        PATH.store(empty, Ordering::Relaxed);
    }
}

#[allow(clippy::unnecessary_cast, clippy::useless_conversion, reason = "the numbers have another type on every system")]
#[inline]
fn info(source: Source<'_>, mode: u32, len: u64, block: usize, id: FileId) -> FileInfo {
    let regular = mode & u32::from(libc::S_IFMT) == u32::from(libc::S_IFREG);
    let granularity = huge_page_of(source, block).unwrap_or_else(page_size);
    FileInfo { len, regular, granularity, id }
}

/// The size of a file's pages, if it lives in memory of huge ones. `block` is what fstat(2) calls a good size for input and
/// output: there, that of a page.
fn huge_page_of(source: Source<'_>, block: usize) -> Option<usize> {
    #[cfg(linux_kernel)]
    if block > page_size() && block.is_power_of_two() {
        const HUGETLBFS_MAGIC: u64 = 0x9584_58f6;
        return (file_system(source)? == HUGETLBFS_MAGIC).then_some(block);
    }
    let _ = (source, block);
    None
}

/// The number of the kind of file system that a file is on: fstatfs(2).
#[cfg(linux_kernel)]
pub(super) fn file_system(source: Source<'_>) -> Option<u64> {
    let mut system = MaybeUninit::<libc::statfs64>::uninit();
    // SAFETY: the descriptor is open while it is borrowed, and the buffer is a `statfs64`.
    if unsafe { libc::fstatfs64(source.as_raw_fd(), system.as_mut_ptr()) } == -1 {
        return None;
    }
    // SAFETY: fstatfs has succeeded, so it has filled the buffer.
    let system = unsafe { system.assume_init() };
    // The number has another type with every C library.
    Some(system.f_type as u64 & 0xffff_ffff)
}

/// The file to map.
pub(crate) fn source<F: AsSource>(file: &F) -> Source<'_> {
    file.as_fd()
}

/// A descriptor of our own for the same file.
pub(crate) fn duplicate(source: Source<'_>) -> io::Result<File> {
    source.try_clone_to_owned().map(File::from)
}

/// macOS: synchronises the file with its storage before it is mapped, because a map may otherwise show old bytes.
pub(crate) fn sync_before_mapping(source: Source<'_>) {
    #[cfg(target_vendor = "apple")]
    {
        // A file that cannot be synchronised (another file system, a device) can still be mapped.
        let _ = full_sync(source);
    }
    let _ = source;
}

/// Makes the disk write its cache.
#[cfg(target_vendor = "apple")]
fn full_sync(source: Source<'_>) -> io::Result<()> {
    // SAFETY: the descriptor is open while it is borrowed; F_FULLFSYNC takes no argument.
    check(unsafe { libc::fcntl(source.as_raw_fd(), libc::F_FULLFSYNC) })
}

/// One mapping of the kernel's, unmapped when dropped.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    /// The requested length.
    len: usize,
    /// The length that munmap(2) requires: `len`, or more with huge pages.
    mapped_len: usize,
    /// Bytes in one of its pages.
    page_size: usize,
}

// SAFETY: a mapping belongs to the process, not to a thread; all its methods may run on any thread.
unsafe impl Send for Mapping {}
// SAFETY: shared methods only pass the address to system calls, which the kernel serialises.
unsafe impl Sync for Mapping {}

impl Mapping {
    #[inline]
    pub(crate) fn new(request: &Request<'_>) -> io::Result<Self> {
        let (mapped_len, unit) = mapped_len(request)?;
        Ok(Self { base: map(request, mapped_len)?, len: request.len, mapped_len, page_size: unit })
    }

    pub(crate) fn base(&self) -> *mut u8 {
        self.base.as_ptr()
    }

    /// What the fault handler needs to know. `start` bytes of the mapping lie before the map's first.
    pub(crate) fn info(&self, request: &Request<'_>, file: Option<&TrackedFile>, start: usize) -> MappingInfo {
        let (fd, file_id) = file.map_or((-1, FileId::default()), TrackedFile::unchecked);
        let anonymous = if request.source.is_none() { libc::MAP_ANON } else { 0 };
        MappingInfo {
            start: self.base.as_ptr() as usize,
            // Rounding up cannot fail for what is mapped.
            len: round_up(self.mapped_len, self.page_size).unwrap_or(self.mapped_len),
            fd,
            file_id,
            file_offset: request.offset,
            protection: request.parameters.protection.bits() as i32,
            flags: request.parameters.flags.bits() | anonymous,
            page_size: self.page_size,
            origin: self.base.as_ptr() as usize + start,
        }
    }

    /// `info`, which was this mapping's before it has moved or got another length.
    pub(crate) fn moved(&self, info: &MappingInfo, start: usize) -> MappingInfo {
        let base = self.base.as_ptr() as usize;
        let len = round_up(self.mapped_len, self.page_size).unwrap_or(self.mapped_len);
        MappingInfo { start: base, len, origin: base + start, ..*info }
    }

    /// Changes the length of the mapping: mremap(2), which needs no file. [`Unsupported`](io::ErrorKind::Unsupported), and none of
    /// the system's, where there is none.
    pub(crate) fn change_len(&mut self, len: usize, may_move: bool) -> io::Result<()> {
        #[cfg(all(linux_kernel, not(firmmap_no_mremap)))]
        {
            let mapped_len = round_up(len, self.page_size).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
            let mapped_len = if self.page_size > page_size() { mapped_len } else { len };
            let flags = if may_move { libc::MREMAP_MAYMOVE } else { 0 };
            // SAFETY: the mapping is ours, and `&mut self` says that nobody holds an address in it.
            let base = unsafe { libc::mremap(self.base.as_ptr().cast(), self.mapped_len, mapped_len, flags) };
            (self.base, self.len, self.mapped_len) = (mapped(base)?, len, mapped_len);
            Ok(())
        }
        #[cfg(not(all(linux_kernel, not(firmmap_no_mremap))))]
        {
            let _ = (len, may_move);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// Changes the mapping to `request`: the same file, offset and flags, another length.
    ///
    /// The mremap(2) of NetBSD has other arguments, and has no way to stay where it is if it cannot grow there. The other
    /// systems have none. Building with `--cfg firmmap_no_mremap` does without it on Linux, for the tests.
    fn remap(&mut self, request: &Request<'_>) -> io::Result<Option<Self>> {
        #[cfg(all(linux_kernel, not(firmmap_no_mremap)))]
        {
            let (mapped_len, unit) = mapped_len(request)?;
            let base = self.base.as_ptr().cast();
            // SAFETY: the mapping is ours, and `&mut self` says that nobody holds an address in it.
            let base = unsafe { libc::mremap(base, self.mapped_len, mapped_len, libc::MREMAP_MAYMOVE) };
            match mapped(base) {
                Ok(base) => {
                    (self.base, self.len, self.mapped_len, self.page_size) = (base, request.len, mapped_len, unit);
                    Ok(None)
                }
                // Advice or protection for a part has split the mapping into several areas, which cannot grow as one. Huge pages
                // cannot grow in place.
                Err(error) if matches!(error.raw_os_error(), Some(libc::EFAULT | libc::EINVAL)) => {
                    // The same error stands for a length for which there are no addresses.
                    let is_full = |second: &io::Error| second.raw_os_error() == Some(libc::ENOMEM);
                    self.remap_by_mapping(request).map_err(|second| if is_full(&second) { second } else { error })
                }
                Err(error) => Err(error),
            }
        }
        #[cfg(not(all(linux_kernel, not(firmmap_no_mremap))))]
        self.remap_by_mapping(request)
    }

    /// [`remap`](Self::remap) without mremap(2): maps a second time. To shrink, unmaps the end.
    fn remap_by_mapping(&mut self, request: &Request<'_>) -> io::Result<Option<Self>> {
        let (mapped_len, unit) = mapped_len(request)?;
        let end = |len| round_up(len, unit).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM));
        let (old_end, new_end) = (end(self.mapped_len)?, end(mapped_len)?);
        if new_end <= old_end {
            if new_end < old_end {
                let rest = self.base.as_ptr().wrapping_add(new_end).cast();
                // SAFETY: the pages are ours, and `&mut self` says that nobody holds an address in them.
                check(unsafe { libc::munmap(rest, old_end - new_end) })?;
            }
            (self.len, self.mapped_len) = (request.len, mapped_len);
            return Ok(None);
        }
        let private = request.parameters.private;
        if private != request.source.is_none() {
            // The changes of a private map of a file, and memory that others share, exist only in the old mapping.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let new = Self::new(request)?;
        if private {
            let kept = self.len.min(new.len);
            // SAFETY: both mappings are at least that long, and they are different ones.
            unsafe { std::ptr::copy_nonoverlapping(self.base.as_ptr(), new.base.as_ptr(), kept) };
        }
        Ok(Some(std::mem::replace(self, new)))
    }

    /// Brings pages into memory that the system would have brought there when it mapped them, had they been in the file already: those
    /// behind the first `old_len` bytes where memory is locked, and all of a new mapping whose flags say so.
    #[cfg(linux_kernel)]
    fn populate(&self, old_len: usize, flags: MapFlags, is_new: bool) {
        let start = old_len.next_multiple_of(self.page_size).min(self.mapped_len);
        let rest = Span { start, len: self.mapped_len - start };
        // Nobody has touched these pages yet: there is nothing to lose. This is refused where memory is locked.
        // SAFETY: the range is in our mapping.
        let result = check(unsafe { libc::madvise(self.address(rest), rest.len, libc::MADV_DONTNEED) });
        if result.is_err_and(|error| error.raw_os_error() == Some(libc::EINVAL)) {
            // Not mlock(2), which would end MLOCK_ONFAULT. What cannot be read is no error, as where the system does it.
            let _ = self.advise(rest, Advice::POPULATE_READ);
        }
        if is_new && flags.contains(MapFlags::POPULATE) {
            let _ = self.advise(Span { start: 0, len: self.len }, Advice::POPULATE_READ);
        }
    }

    /// msync(2), and on macOS `F_FULLFSYNC`, without which the bytes stay in the disk's own cache.
    pub(crate) fn flush(&self, span: Span, flags: FlushFlags, file: Option<&TrackedFile>) -> io::Result<()> {
        if span.len == 0 && cfg!(not(linux_kernel)) {
            // On macOS that is an error, and on the BSDs it flushes the whole mapping.
            return Ok(());
        }
        // SAFETY: the range is in our mapping; msync does not change memory.
        check(unsafe { libc::msync(self.address(span), span.len, flags.bits()) })?;
        #[cfg(target_vendor = "apple")]
        if let Some(file) = file.filter(|_| !flags.contains(FlushFlags::ASYNC)) {
            return match full_sync(source(file.get()?)) {
                // Not every file system supports it; then msync(2) has to do.
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOTSUP | libc::ENOTTY | libc::EINVAL)) => {
                    Ok(())
                }
                result => result,
            };
        }
        let _ = file;
        Ok(())
    }

    /// madvise(2).
    pub(crate) fn advise(&self, span: Span, advice: Advice) -> io::Result<()> {
        // SAFETY: the range is in our mapping. Advice may change its bytes, as any other writer may.
        check(unsafe { libc::madvise(self.address(span), span.len, advice.as_raw()) })
    }

    /// mincore(2): an odd number for each page that is in memory.
    pub(crate) fn residency(&self, span: Span, pages: &mut [u8]) -> io::Result<()> {
        debug_assert_eq!(pages.len(), span.len.div_ceil(page_size()));
        #[cfg(not(target_os = "openbsd"))]
        // SAFETY: the range is in our mapping, and there is a byte for each of its pages.
        return check(unsafe { libc::mincore(self.address(span), span.len, pages.as_mut_ptr().cast()) });
        #[cfg(target_os = "openbsd")]
        {
            // The function exists there, and always fails.
            let _ = (span, pages);
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    /// mlock(2).
    pub(crate) fn lock(&self, span: Span) -> io::Result<()> {
        // SAFETY: the range is in our mapping; mlock does not change memory.
        check(unsafe { libc::mlock(self.address(span), span.len) })
    }

    /// munlock(2).
    pub(crate) fn unlock(&self, span: Span) -> io::Result<()> {
        // SAFETY: the range is in our mapping; munlock does not change memory.
        check(unsafe { libc::munlock(self.address(span), span.len) })
    }

    /// mprotect(2).
    pub(crate) fn protect(&mut self, protection: Protection, _access: Access) -> io::Result<()> {
        let bits = protection.bits() as libc::c_int;
        // SAFETY: the mapping is ours, and `&mut self` says that nobody holds an address in it.
        check(unsafe { libc::mprotect(self.base.as_ptr().cast(), self.mapped_len, bits) })
    }

    /// Names the mapping in `/proc/PID/maps`: `PR_SET_VMA_ANON_NAME` of prctl(2), Linux 5.17.
    pub(crate) fn set_name(&self, name: &std::ffi::CStr) -> io::Result<()> {
        #[cfg(linux_kernel)]
        {
            // prctl(2) takes unsigned longs, also where it means addresses.
            let base = self.base.as_ptr() as libc::c_ulong;
            let (operation, what) = (libc::PR_SET_VMA, libc::PR_SET_VMA_ANON_NAME as libc::c_ulong);
            let len = self.len as libc::c_ulong;
            // SAFETY: the range is ours; the kernel copies the name, which ends in a zero byte.
            check(unsafe { libc::prctl(operation, what, base, len, name.as_ptr()) })
        }
        #[cfg(not(linux_kernel))]
        {
            let _ = name;
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn address(&self, span: Span) -> *mut libc::c_void {
        debug_assert!(span.end() <= self.len);
        self.base.as_ptr().wrapping_add(span.start).cast()
    }
}

/// Whether the system knows `advice`: madvise(2) for no bytes.
pub(crate) fn knows_advice(advice: Advice) -> bool {
    // SAFETY: no bytes are advised, at an address that is a multiple of the page size.
    check(unsafe { libc::madvise(std::ptr::null_mut(), 0, advice.as_raw()) }).is_ok()
}

/// Changes the length of a mapping and of its file. `None` stands for a mapping of zero bytes.
pub(crate) fn resize(
    mapping: &mut Option<Mapping>,
    request: Option<&Request<'_>>,
    change: &FileLenChange<'_>,
) -> io::Result<()> {
    let old_len = mapping.as_ref().map_or(0, |mapping| mapping.len);
    let new_len = request.map_or(0, |request| request.len);
    // A mapping that shrinks does not fail. Where one may not reach beyond the end of its file, the file has to become longer first.
    let reserves = request.is_none_or(|request| request.parameters.reserves());
    if new_len <= old_len || change.new >= change.old && !reserves {
        change.apply()?;
        return remap(mapping, request).map(drop).inspect_err(|_| change.undo());
    }
    // To undo a change of the file would cut off what others have appended meanwhile, or be forbidden; to undo this is neither.
    let replaced = remap(mapping, request).map_err(|error| change.refusal().unwrap_or(error))?;
    if let Err(error) = change.apply() {
        match (replaced, request) {
            (Some(old), _) => *mapping = Some(old),
            // The first error is the one to report.
            (None, Some(request)) if old_len > 0 => drop(remap(mapping, Some(&Request { len: old_len, ..*request }))),
            (None, _) => *mapping = None,
        }
        return Err(error);
    }
    #[cfg(linux_kernel)]
    if let (Some(mapping), Some(request), true) = (mapping.as_ref(), request, change.new > change.old) {
        mapping.populate(old_len, request.parameters.flags, old_len == 0 || replaced.is_some());
    }
    Ok(())
}

/// Returns the mapping that was replaced, if another one was made in its place. It is dropped only when nothing can fail any more, as it has
/// locks and advice that the other one lacks.
fn remap(mapping: &mut Option<Mapping>, request: Option<&Request<'_>>) -> io::Result<Option<Mapping>> {
    match (mapping.as_mut(), request) {
        (Some(mapping), Some(request)) => mapping.remap(request),
        (None, Some(request)) => {
            *mapping = Some(Mapping::new(request)?);
            Ok(None)
        }
        (_, None) => {
            *mapping = None;
            Ok(None)
        }
    }
}

/// Whether these flags keep changes in the mapping.
pub(crate) fn is_private(flags: MapFlags) -> bool {
    // With MAP_SHARED_VALIDATE both bits are set.
    flags.bits() & (libc::MAP_SHARED | libc::MAP_PRIVATE) == libc::MAP_PRIVATE
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, and nobody can use it after it was dropped.
        let result = unsafe { libc::munmap(self.base.as_ptr().cast(), self.mapped_len) };
        debug_assert_eq!(result, 0, "munmap: {}", io::Error::last_os_error());
    }
}

/// mmap(2).
#[inline]
fn map(request: &Request<'_>, mapped_len: usize) -> io::Result<NonNull<u8>> {
    #[cfg(not(linux_kernel))]
    use libc::{mmap, off_t};
    #[cfg(linux_kernel)]
    use libc::{mmap64 as mmap, off64_t as off_t};

    #[cfg(linux_kernel)]
    const FIXED: libc::c_int = libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE;
    #[cfg(not(linux_kernel))]
    const FIXED: libc::c_int = libc::MAP_FIXED;
    let flags = request.parameters.flags;
    if flags.bits() & FIXED != 0 {
        // Without an address from us this could only map address zero. An invalid kind of mapping is reported first.
        #[cfg(linux_kernel)]
        if !matches!(flags.bits() & libc::MAP_TYPE, libc::MAP_SHARED | libc::MAP_PRIVATE | libc::MAP_SHARED_VALIDATE) {
            return Err(io::Error::from_raw_os_error(libc::EINVAL));
        }
        return Err(io::Error::from_raw_os_error(libc::EPERM));
    }
    let (fd, flags) = match request.source {
        Some(source) => (source.as_raw_fd(), flags),
        None => (-1, flags | MapFlags::ANONYMOUS),
    };
    let offset = off_t::try_from(request.offset).map_err(|_| io::Error::from_raw_os_error(libc::EOVERFLOW))?;
    let protection = request.parameters.protection.bits() as libc::c_int;
    // SAFETY: without MAP_FIXED a new mapping replaces nothing.
    mapped(unsafe { mmap(std::ptr::null_mut(), mapped_len, protection, flags.bits(), fd, offset) })
}

/// The result of mmap(2) and mremap(2).
fn mapped(base: *mut libc::c_void) -> io::Result<NonNull<u8>> {
    if base == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(base.cast()).ok_or_else(|| io::Error::from_raw_os_error(libc::EFAULT))
}

/// The length of a mapping, with huge pages a multiple of their size, as munmap(2) requires; and the size of its pages.
#[inline]
fn mapped_len(request: &Request<'_>) -> io::Result<(usize, usize)> {
    let granularity = request.parameters.granularity;
    #[cfg(linux_kernel)]
    let unit = match (request.source, request.parameters.flags) {
        (None, flags) if flags.contains(MapFlags::HUGETLB) => huge_page_size(flags)?,
        _ => granularity,
    };
    #[cfg(not(linux_kernel))]
    let unit = granularity;
    // What cannot be rounded up cannot be mapped. The kernel itself rounds up to its usual page size.
    let len = round_up(request.len, unit).ok_or_else(|| io::Error::from_raw_os_error(libc::ENOMEM))?;
    Ok((if unit > page_size() { len } else { request.len }, unit))
}

/// The size that the flags request (its logarithm is in their upper six bits), or else the system's default.
#[cfg(linux_kernel)]
fn huge_page_size(flags: MapFlags) -> io::Result<usize> {
    match (flags.bits() as u32 >> libc::MAP_HUGE_SHIFT) & 0x3f {
        0 => {
            let info = std::fs::read_to_string("/proc/meminfo")?;
            let line = info.lines().find_map(|line| line.strip_prefix("Hugepagesize:"));
            let kilobytes = line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse::<usize>().ok());
            kilobytes.map(|size| size * 1024).ok_or_else(|| io::ErrorKind::Unsupported.into())
        }
        bits => 1usize.checked_shl(bits).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL)),
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
