//! Unix: the pages of a mapping that cannot be read, replaced by zeros and restored.
//!
//! [`zero_fill`] runs in a signal handler: system calls only.
//!
//! On Linux the pages are not unmapped, but moved aside unread (mremap(2) with `MREMAP_DONTUNMAP`) before zeros take their place, and
//! moved back afterwards. So nothing has to be mapped again, which the system may refuse by then: a sealed memfd, a file whose
//! permissions have changed. Where pages cannot be moved, they are mapped again, with the map's own descriptor.

use std::os::fd::BorrowedFd;
use std::ptr;

use libc::{c_int, c_void};

use super::{ZeroedRange, reserve};
use crate::range::round_up;
use crate::sys::{self, FileInfo, MappingInfo, page_size};

/// Replaces what cannot be read at `address` by zeros: everything up to `high` if the file is too short, else one page. Between `low`
/// and `high` there are only pages of the mapping itself. `None` if the system refuses.
///
/// For a write (`is_write`) it is one page: a thread that writes to the next one loses that too, and must fault itself to be told.
pub(crate) fn zero_fill(
    mapping: &MappingInfo,
    address: usize,
    is_write: bool,
    low: usize,
    high: usize,
) -> Option<ZeroedRange> {
    let page = address & !(mapping.page_size - 1);
    // The descriptor may belong to another file by now.
    let file = own_file(mapping);
    let mapping = &MappingInfo { fd: if file.is_some() { mapping.fd } else { -1 }, ..*mapping };
    let one_page = ZeroedRange { start: page, len: mapping.page_size.min(high - page), stash: 0 };
    // Without the file, its present end is unknown.
    let rest = file.as_ref().map_or(Some(page), |file| behind_the_file(mapping, file));
    let rest = rest.map(|start| start.max(low)).filter(|&start| start <= page && !is_write);
    let rest = rest.map(|start| ZeroedRange { start, len: high - start, stash: 0 });
    // Zeros for all of that may be more than the system allows.
    let piece = rest.filter(|_| mapping.page_size == page_size() && high - page > PIECE);
    let piece = piece.map(|_| ZeroedRange { start: page, len: PIECE, stash: 0 });
    // Or it is a page that the disk has not provided.
    for range in [rest, piece, Some(one_page)].into_iter().flatten() {
        // Parts of the mapping that were given different advice cannot be moved together.
        let moved = move_away(mapping, range).and_then(|moved| replace(mapping, moved));
        // What is not moved has to be mapped again.
        let is_last = range.len == one_page.len;
        let replaced = moved.or_else(|| if is_last || mapping.fd >= 0 { replace(mapping, range) } else { None });
        if replaced.is_some() {
            return replaced;
        }
    }
    // At the limit of areas, with an empty reserve: replacing a whole area needs no further one. What is in the file can be restored in it;
    // what is in private pages is lost with it, as it would be with the process.
    let all = ZeroedRange { start: low, len: high - low, stash: without_pages(mapping) };
    let zeros = reserve::with_last_area(|| {
        let zeros = map_zeros(mapping, &all, libc::MAP_PRIVATE);
        // At the limit of data as well.
        if zeros == libc::MAP_FAILED { map_zeros(mapping, &all, libc::MAP_SHARED) } else { zeros }
    });
    zeros.map(|_| all)
}

/// What a range has in place of the address of its pages, when even those that are there are not moved aside.
pub(crate) fn without_pages(mapping: &MappingInfo) -> usize {
    if mapping.flags & libc::MAP_SHARED == 0 { ZeroedRange::LOST } else { 0 }
}

/// Maps zeros in place of a range, whose pages may have been moved aside; if the system refuses, they are moved back.
fn replace(mapping: &MappingInfo, range: ZeroedRange) -> Option<ZeroedRange> {
    let zeros = |kind| reserve::with_areas(|| map_zeros(mapping, &range, kind)).is_ok();
    // What can be written to and is private counts as data, of which the process may have no more (`RLIMIT_DATA`). What a forked child
    // changes in shared memory is the parent's too: so in place of private pages only where the process would die.
    let is_shared = mapping.flags & libc::MAP_SHARED != 0;
    if zeros(libc::MAP_PRIVATE)
        || is_shared && range.len <= PIECE && zeros(libc::MAP_SHARED)
        || reserve::move_zeros(range.start, range.len, mapping.protection | libc::PROT_READ)
        || !is_shared && range.len <= mapping.page_size && zeros(libc::MAP_SHARED)
    {
        return Some(range);
    }
    move_back(&range);
    None
}

/// Shared zeros take memory where they are read, so that there are not more at a time for each fault.
const PIECE: usize = 256 * 1024;

/// The system call that maps zeros in place of a range.
fn map_zeros(mapping: &MappingInfo, range: &ZeroedRange, kind: c_int) -> *mut c_void {
    let protection = mapping.protection | libc::PROT_READ;
    let flags = kind | libc::MAP_ANON | libc::MAP_FIXED | NORESERVE;
    // SAFETY: the range is in our mapping, whose slot is locked: it is still ours.
    unsafe { libc::mmap(range.start as *mut c_void, range.len, protection, flags, -1, 0) }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple"))]
const NORESERVE: c_int = libc::MAP_NORESERVE;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple")))]
const NORESERVE: c_int = 0;

/// The mapping's file, if its descriptor still refers to it.
fn own_file(mapping: &MappingInfo) -> Option<FileInfo> {
    if mapping.fd < 0 {
        return None;
    }
    // SAFETY: a number, for one system call that finds out whether it is a descriptor.
    let file = unsafe { BorrowedFd::borrow_raw(mapping.fd) };
    sys::file_info(file).ok().filter(|info| info.id == mapping.file_id)
}

/// The address of the first page past the end of the file.
fn behind_the_file(mapping: &MappingInfo, file: &FileInfo) -> Option<usize> {
    if !file.regular {
        return None;
    }
    let bytes = file.len.saturating_sub(mapping.file_offset).min(mapping.len as u64) as usize;
    Some(mapping.start + round_up(bytes, mapping.page_size)?.min(mapping.len))
}

/// Moves the pages of a range to another address, unread. They leave an empty mapping of the same kind behind.
#[cfg(linux_kernel)]
fn move_away(mapping: &MappingInfo, range: ZeroedRange) -> Option<ZeroedRange> {
    // Huge pages of a file cannot be moved in this way.
    if mapping.fd >= 0 && mapping.page_size != page_size() {
        return None;
    }
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
    let start = range.start as *mut c_void;
    // SAFETY: the range is in our mapping, whose slot is locked; it stays mapped.
    let move_it = || unsafe { libc::mremap(start, range.len, range.len, flags, ptr::null_mut::<c_void>()) };
    // Where the pages can be mapped again, the rest of the reserve is better kept for the zeros.
    let stash = if mapping.fd < 0 { reserve::with_areas(move_it) } else { reserve::with_few_areas(move_it) };
    stash.ok().map(|stash| ZeroedRange { stash: stash as usize, ..range })
}

#[cfg(not(linux_kernel))]
fn move_away(_mapping: &MappingInfo, _range: ZeroedRange) -> Option<ZeroedRange> {
    None
}

/// Undoes [`move_away`], replacing whatever is in the range now. `false` if nothing was moved aside, or it cannot be moved back.
fn move_back(range: &ZeroedRange) -> bool {
    if matches!(range.stash, 0 | ZeroedRange::LOST) {
        return false;
    }
    #[cfg(linux_kernel)]
    return move_to(range.stash as *mut c_void, range);
    #[cfg(not(linux_kernel))]
    false
}

/// Moves the area at `from`, which has the same length, to a range.
#[cfg(linux_kernel)]
fn move_to(from: *mut c_void, range: &ZeroedRange) -> bool {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
    let start = range.start as *mut c_void;
    // SAFETY: what is at `from` is ours, and nobody else knows it; the range is in our mapping, whose slot is locked.
    reserve::with_areas(|| unsafe { libc::mremap(from, range.len, range.len, flags, start) }).is_ok()
}

/// Undoes [`zero_fill`]. `false` if the system refuses: the zeros are still there then.
pub(crate) fn restore_pages(mapping: &MappingInfo, range: &ZeroedRange) -> bool {
    if range.stash == ZeroedRange::LOST {
        return false;
    }
    if move_back(range) {
        return true;
    }
    // Anonymous memory: the pages that were moved aside are the only copy.
    let private_memory =
        mapping.flags & libc::MAP_ANON != 0 && mapping.flags & libc::MAP_PRIVATE != 0 && range.stash == 0;
    // The descriptor may belong to another file by now, whose bytes must not appear here.
    let restored = (private_memory || own_file(mapping).is_some()) && map_again(mapping, range);
    if restored {
        drop_stash(range);
    }
    restored
}

/// Maps a range's part of the file again.
fn map_again(mapping: &MappingInfo, range: &ZeroedRange) -> bool {
    let start = range.start as *mut c_void;
    let offset = mapping.file_offset + (range.start - mapping.start) as u64;
    let flags = mapping.flags & !EAGER;
    // In two steps, because mmap(2) in place of the zeros would unmap them even if it then fails (a sealed file, a file system that
    // is gone), and leave a gap that other memory could take.
    #[cfg(linux_kernel)]
    if mapping.page_size == page_size() {
        // SAFETY: a new mapping replaces nothing; the descriptor is that of our mapping, whose slot is locked.
        let map = || unsafe { mmap(ptr::null_mut(), range.len, mapping.protection, flags, mapping.fd, offset as _) };
        match reserve::with_areas(map) {
            Ok(new) if move_to(new, range) => return true,
            // It can be mapped, but not moved (a filter of system calls): map it in place.
            // SAFETY: nobody knows the new mapping yet.
            Ok(new) => _ = unsafe { libc::munmap(new, range.len) },
            // The process may have no more addresses: in place it has them already.
            Err(libc::ENOMEM) => {}
            Err(_) => return false,
        }
    }
    // A writable mapping of a file of huge pages would extend the file.
    let write = if mapping.page_size == page_size() { 0 } else { libc::PROT_WRITE };
    let (protection, flags) = (mapping.protection & !write, flags | libc::MAP_FIXED);
    // SAFETY: the range is in our mapping, whose slot is locked: it is still ours, and so is the descriptor.
    let map = || unsafe { mmap(start, range.len, protection, flags, mapping.fd, offset as _) };
    if reserve::with_areas(map).is_err() {
        // There may be a gap now. If not, no zeros are to be taken from the reserve.
        if !is_mapped(range) {
            replace(mapping, ZeroedRange { stash: 0, ..*range });
        }
        return false;
    }
    // SAFETY: as above.
    protection == mapping.protection || unsafe { libc::mprotect(start, range.len, mapping.protection) } == 0
}

/// Whether something is mapped everywhere in a range: msync(2), which does nothing else on Linux.
fn is_mapped(range: &ZeroedRange) -> bool {
    // SAFETY: the call does not change memory.
    cfg!(linux_kernel) && unsafe { libc::msync(range.start as *mut c_void, range.len, libc::MS_ASYNC) } == 0
}

#[cfg(not(linux_kernel))]
use libc::mmap;
#[cfg(linux_kernel)]
use libc::mmap64 as mmap;

/// Flags that read pages into memory at once: what has just failed would fail again, and slowly.
#[cfg(linux_kernel)]
const EAGER: c_int = libc::MAP_POPULATE;
#[cfg(not(linux_kernel))]
const EAGER: c_int = 0;

/// Unmaps pages that were moved aside.
pub(crate) fn drop_stash(range: &ZeroedRange) {
    if !matches!(range.stash, 0 | ZeroedRange::LOST) {
        // SAFETY: the pages were moved there by us, and nobody else knows the address.
        unsafe { libc::munmap(range.stash as *mut c_void, range.len) };
    }
}

/// New memory that is never freed, for a signal handler: not from the heap.
pub(crate) fn memory_for_ever(len: usize) -> Option<*mut u8> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_PRIVATE | libc::MAP_ANON | NORESERVE);
    // SAFETY: a new mapping replaces nothing.
    let memory = unsafe { libc::mmap(ptr::null_mut(), len, protection, flags, -1, 0) };
    (memory != libc::MAP_FAILED).then(|| memory.cast())
}

/// A memory barrier in all threads of the process: each sees what this one has stored before it goes on. So a thread that stores to a
/// page and then checks for a fault needs no fence of its own.
pub(crate) fn seen_by_all_threads() {
    #[cfg(linux_kernel)]
    {
        let membarrier = |command: libc::c_long| {
            // SAFETY: the commands change no memory.
            unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
        };
        const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
        const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;
        // A process has to register once. Where the kernel lacks the call, there is no barrier.
        if !membarrier(PRIVATE_EXPEDITED) && membarrier(REGISTER_PRIVATE_EXPEDITED) {
            membarrier(PRIVATE_EXPEDITED);
        }
    }
}
