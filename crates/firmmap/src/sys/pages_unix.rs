//! Unix: the pages of a mapping that cannot be read, replaced by zeros and put back.
//!
//! [`cover`] runs in a signal handler: system calls only.

use std::os::fd::BorrowedFd;

use libc::{c_int, c_void};

use super::FileInfo;
use crate::fault::{Site, Stretch};
use crate::range::round_up;

/// Puts zeros in place of what cannot be read at `address`: to `end` where the file is too short, else one page. There is
/// nothing but the mapping's own pages between the two. `None` if the system refuses.
pub(crate) fn cover(site: &Site, address: usize, end: usize) -> Option<Stretch> {
    let page = address & !(site.unit - 1);
    let one_page = Stretch { start: page, len: site.unit.min(end - page), aside: 0 };
    let Some(file) = own_file(site) else {
        // Nobody knows where the file ends now. What is moved aside can be put back without the file. Parts of the
        // mapping that were given different advice cannot be moved together.
        let moved = move_aside(page, end - page).or_else(|| move_aside(one_page.start, one_page.len));
        return replace(site, moved.unwrap_or(one_page));
    };
    let rest = behind_the_file(site, &file).filter(|&start| start <= page);
    // Zeros for all of the rest may be more memory than the system has to give.
    let replaced = rest.and_then(|start| replace(site, Stretch { start, len: end - start, aside: 0 }));
    // A page that the disk has not given.
    replaced.or_else(|| replace(site, one_page))
}

fn replace(site: &Site, stretch: Stretch) -> Option<Stretch> {
    let protection = site.protection | libc::PROT_READ;
    let flags = libc::MAP_PRIVATE | libc::MAP_ANON | libc::MAP_FIXED | NORESERVE;
    let start = stretch.start as *mut c_void;
    // SAFETY: the range is in our mapping, whose slot is locked: it is still ours.
    let result = unsafe { libc::mmap(start, stretch.len, protection, flags, -1, 0) };
    if result == libc::MAP_FAILED {
        drop_aside(&stretch);
        return None;
    }
    Some(stretch)
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple"))]
const NORESERVE: c_int = libc::MAP_NORESERVE;
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "netbsd", target_vendor = "apple")))]
const NORESERVE: c_int = 0;

/// The mapping's file, if there is a descriptor that is still open on it.
fn own_file(site: &Site) -> Option<FileInfo> {
    if site.fd < 0 {
        return None;
    }
    // SAFETY: a number, for one system call that finds out whether it is a descriptor.
    let file = unsafe { BorrowedFd::borrow_raw(site.fd) };
    super::file_info(file).ok().filter(|info| info.id == site.file_id)
}

/// The address of the first page that lies behind the end of the file.
fn behind_the_file(site: &Site, file: &FileInfo) -> Option<usize> {
    if !file.regular {
        return None;
    }
    let bytes = file.len.saturating_sub(site.file_offset).min(site.len as u64) as usize;
    Some(site.start + round_up(bytes, site.unit)?.min(site.len))
}

/// Moves pages to another address, unread. They leave an empty mapping behind.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn move_aside(start: usize, len: usize) -> Option<Stretch> {
    let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_DONTUNMAP;
    // SAFETY: the range is in our mapping, whose slot is locked; it stays mapped.
    let aside = unsafe { libc::mremap(start as *mut c_void, len, len, flags, std::ptr::null_mut::<c_void>()) };
    (aside != libc::MAP_FAILED).then_some(Stretch { start, len, aside: aside as usize })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn move_aside(_start: usize, _len: usize) -> Option<Stretch> {
    None
}

/// Undoes [`cover`]. `false` if the pages are lost.
pub(crate) fn put_back(site: &Site, stretch: &Stretch) -> bool {
    let start = stretch.start as *mut c_void;
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if stretch.aside != 0 {
        let flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: the pages were moved there by us, and the place that they come from is in our mapping.
        let result = unsafe { libc::mremap(stretch.aside as _, stretch.len, stretch.len, flags, start) };
        return result != libc::MAP_FAILED;
    }
    let private_memory = site.flags & libc::MAP_ANON != 0 && site.flags & libc::MAP_PRIVATE != 0;
    // What the number stands for now can be another file: its bytes are not to be seen here, nor written to.
    if !private_memory && own_file(site).is_none() {
        return false;
    }
    let offset = site.file_offset + (stretch.start - site.start) as u64;
    let flags = site.flags & !EAGER;
    // In two steps, as mmap(2) in the place of the zeros would take them out also where it then fails (a file that was
    // sealed, a file system that is gone), and leave a gap that anybody's memory could take next.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    if site.unit == super::page_size() {
        // SAFETY: a new mapping replaces nothing; the descriptor is that of our mapping, whose slot is locked.
        let new = unsafe { mmap(std::ptr::null_mut(), stretch.len, site.protection, flags, site.fd, offset as _) };
        if new == libc::MAP_FAILED {
            return false;
        }
        let move_flags = libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED;
        // SAFETY: the new mapping is ours, and so is the place that it comes to.
        let result = unsafe { libc::mremap(new, stretch.len, stretch.len, move_flags, start) };
        if result == libc::MAP_FAILED {
            // SAFETY: nobody knows the new mapping yet.
            unsafe { libc::munmap(new, stretch.len) };
        }
        return result != libc::MAP_FAILED;
    }
    // A writable mapping of a file of huge pages would make the file longer.
    let write = if site.unit == super::page_size() { 0 } else { libc::PROT_WRITE };
    let (protection, flags) = (site.protection & !write, flags | libc::MAP_FIXED);
    // SAFETY: the range is in our mapping, whose slot is locked: it is still ours, and so is the descriptor.
    if unsafe { mmap(start, stretch.len, protection, flags, site.fd, offset as _) } == libc::MAP_FAILED {
        return false;
    }
    // SAFETY: as above.
    protection == site.protection || unsafe { libc::mprotect(start, stretch.len, site.protection) } == 0
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
use libc::mmap;
#[cfg(any(target_os = "linux", target_os = "android"))]
use libc::mmap64 as mmap;

/// Flags that read pages in at once: what has just failed would fail again, and slowly.
#[cfg(any(target_os = "linux", target_os = "android"))]
const EAGER: c_int = libc::MAP_POPULATE;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const EAGER: c_int = 0;

/// Forgets pages that were moved aside.
pub(crate) fn drop_aside(stretch: &Stretch) {
    if stretch.aside != 0 {
        // SAFETY: the pages were moved there by us, and nobody else knows the address.
        unsafe { libc::munmap(stretch.aside as *mut c_void, stretch.len) };
    }
}

/// Lets every thread of the process see what this one has stored, before anything that it does from now on: also a thread that
/// stores to a page and then asks whether there was a fault, which costs it no fence of its own this way.
pub(crate) fn seen_by_all_threads() {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        let membarrier = |command: libc::c_long| {
            // SAFETY: the commands change no memory.
            unsafe { libc::syscall(libc::SYS_membarrier, command, 0, 0) == 0 }
        };
        const PRIVATE_EXPEDITED: libc::c_long = 1 << 3;
        const REGISTER_PRIVATE_EXPEDITED: libc::c_long = 1 << 4;
        // A process has to register once; a kernel that does not know the call does without.
        if !membarrier(PRIVATE_EXPEDITED) && membarrier(REGISTER_PRIVATE_EXPEDITED) {
            membarrier(PRIVATE_EXPEDITED);
        }
    }
}
