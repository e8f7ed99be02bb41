//! Resizing where it depends on mmap(2) and mremap(2): private maps of files, failures half-way, what is left over.

#![allow(unsafe_code)]

#[cfg(target_os = "linux")]
use crate::common::assert_same;
use crate::common::{Scratch, assert_bytes, page, pattern};
#[cfg(target_os = "linux")]
use firmmap::Access;
use firmmap::{MapFlags, MmapOptions, Protection};

fn private() -> MmapOptions {
    MmapOptions::new().flags(MapFlags::PRIVATE).protection(Protection::READ | Protection::WRITE)
}

// B9, C9: a private map that was asked for by its flags changes the length of the file, and nothing else of it.
#[cfg(all(target_os = "linux", not(firmmap_no_mremap)))]
#[test]
fn private_maps_of_files() {
    let contents = pattern(2 * page() + 100);
    for offset in [0, 5, page() + 1] {
        let scratch = Scratch::new(&contents);
        let mut map = private().offset(offset as u64).map(&scratch.file()).unwrap();
        map.write_all_at(b"own", 3).unwrap();
        let (mut memory, mut file) = (contents[offset..].to_vec(), contents.clone());
        memory[3..6].copy_from_slice(b"own");
        for len in [5 * page(), 3 * page() + 7, page(), 2 * page(), 100, 6] {
            map.resize(len).unwrap();
            memory.resize(len, 0);
            file.resize(offset + len, 0);
            assert_bytes(&map, &memory);
            assert_same(&scratch.contents(), &file);
        }
    }
}

// B9, C9: without mremap(2) it becomes shorter, and grows inside of its last page; a new page would have to be in a new
// mapping, which has not what the old one has changed.
#[cfg(any(not(target_os = "linux"), firmmap_no_mremap))]
#[test]
fn private_maps_of_files_do_not_grow_without_mremap() {
    let contents = pattern(3 * page());
    let scratch = Scratch::new(&contents);
    let mut map = private().map(&scratch.file()).unwrap();
    map.write_all_at(b"own", 3).unwrap();
    let mut memory = contents.clone();
    memory[3..6].copy_from_slice(b"own");
    let words = "this system does not support private maps of files that grow";
    for len in [2 * page() + 1, page() + 10, page() + 20] {
        map.resize(len).unwrap();
        memory.resize(len, 0);
        assert_bytes(&map, &memory);
        assert_eq!(scratch.len(), len as u64);
        for longer in [len.next_multiple_of(page()) + 1, 50 * page()] {
            crate::common::refused(map.resize(longer), firmmap::ErrorKind::Unsupported, words);
            assert_bytes(&map, &memory);
            assert_eq!(scratch.len(), len as u64);
        }
    }
}

// C9, P1: without mremap(2) a map that becomes shorter stays where it is, and one that grows is another mapping.
#[cfg(firmmap_no_mremap)]
#[test]
fn maps_are_made_anew_only_to_grow() {
    let scratch = Scratch::new(&pattern(10 * page()));
    let mut map = scratch.map(Access::Write);
    let (start, before) = (map.as_ptr(), scratch.mappings());
    for len in [9 * page(), 5 * page() + 1, 6 * page(), 7] {
        map.resize(len).unwrap();
        assert_eq!((map.as_ptr(), scratch.mappings()), (start, before));
        assert_bytes(&map, &scratch.contents());
    }
    // The old mapping is there until the new one is: they cannot have the same address.
    map.resize(page() + 1).unwrap();
    assert_ne!(map.as_ptr(), start);
    assert_bytes(&map, &scratch.contents());
    assert_eq!(scratch.mappings(), 1);
}

// C9: private changes that were cut off do not come back.
#[test]
fn cut_bytes_of_private_maps_do_not_come_back() {
    let scratch = Scratch::new(&[b'f'; 100]);
    let mut map = private().map(&scratch.file()).unwrap();
    map.fill(.., b'x').unwrap();
    map.resize(10).unwrap();
    map.resize(100).unwrap();
    assert_bytes(&map, &[&[b'x'; 10][..], &[0; 90]].concat());
    assert_eq!(scratch.contents(), [&[b'f'; 10][..], &[0; 90]].concat());
}

// B9, C9: a page of a private map that nobody has written to shows what happens to the file, after it has become shorter too.
#[cfg(target_os = "linux")]
#[test]
fn shorter_private_maps_still_show_the_file() {
    use std::os::unix::fs::FileExt;

    let scratch = Scratch::new(&[b'f'; 100]);
    let mut map = private().map(&scratch.file()).unwrap();
    map.resize(10).unwrap();
    scratch.file().write_all_at(b"other", 0).unwrap();
    assert_bytes(&map, b"otherfffff");
}

// C9, R3: advice for a part makes several kernel mappings of one, which mremap(2) does not take as they are.
#[cfg(target_os = "linux")]
#[test]
fn maps_with_advice_for_a_part_grow() {
    let contents = pattern(3 * page());
    let scratch = Scratch::new(&contents);
    let mut map = scratch.map(Access::Write);
    map.advise_range(page()..2 * page(), firmmap::Advice::RANDOM).unwrap();
    map.resize(5 * page()).unwrap();
    assert_bytes(&map, &[&contents[..], &vec![0; 2 * page()]].concat());
}

// C9: when the map cannot be what was asked for, the whole file is what it was, also behind the map.
#[cfg(target_os = "linux")]
#[test]
fn a_resize_that_fails_keeps_the_file() {
    let contents = pattern(10 * page());
    let scratch = Scratch::new(&contents);
    let mut map = MmapOptions::new().access(Access::Write).len(3 * page()).open(scratch.path()).unwrap();
    // Several kernel mappings, which mremap(2) may refuse to grow.
    map.advise_range(page()..2 * page(), firmmap::Advice::RANDOM).unwrap();
    match map.resize(4 * page()) {
        Ok(()) => {
            assert_bytes(&map, &contents[..4 * page()]);
            assert_same(&scratch.contents(), &contents[..4 * page()]);
        }
        Err(_) => {
            assert_bytes(&map, &contents[..3 * page()]);
            assert_same(&scratch.contents(), &contents);
        }
    }
}

// C9, R3: growing a file that can be that long to a length that cannot be mapped. With 32 bits all of these can.
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn lengths_that_can_be_stored_but_not_mapped() {
    use std::fs::Metadata;
    use std::os::unix::fs::MetadataExt;

    let Ok(file) = tempfile::tempfile_in("/dev/shm") else {
        crate::skipped::skipped("no /dev/shm here");
        return;
    };
    let options = MmapOptions::new().access(Access::Write).len(2 * page()).extend(true);
    let mut map = options.map(&file).unwrap();
    map.write_all_at(&pattern(2 * page()), 0).unwrap();
    for len in [1 << 50, isize::MAX as usize - page(), isize::MAX as usize] {
        let before = file.metadata().unwrap();
        map.resize(len).unwrap_err();
        assert_eq!(map.file_len().unwrap(), 2 * page() as u64);
        assert_bytes(&map, &pattern(2 * page()));
        // Not even its times have changed.
        let times = |file: &Metadata| (file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec());
        assert_eq!(times(&file.metadata().unwrap()), times(&before));
    }
    map.resize(0).unwrap();
    map.resize(isize::MAX as usize).unwrap_err();
    assert_eq!((map.len(), map.file_len().unwrap()), (0, 0));
    map.resize(5).unwrap();
    assert_bytes(&map, &[0; 5]);
}

// C9, R3: a map that has several kernel mappings is made anew to grow, but not before its file has.
#[cfg(target_os = "linux")]
#[test]
fn a_resize_that_fails_keeps_what_was_set_for_pages() {
    use std::fs::File;
    use std::os::fd::{AsRawFd, FromRawFd};

    // SAFETY: a name that ends in a zero byte.
    let descriptor = unsafe { libc::memfd_create(c"sealed".as_ptr(), libc::MFD_ALLOW_SEALING) };
    assert!(descriptor >= 0);
    // SAFETY: it was just created, and is nobody else's.
    let file = unsafe { File::from_raw_fd(descriptor) };
    file.set_len(3 * page() as u64).unwrap();
    // SAFETY: the descriptor is open.
    assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, libc::F_SEAL_GROW) }, 0);
    let mut map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    map.advise_range(..page(), firmmap::Advice::DONT_DUMP).unwrap();
    for len in [5 * page(), isize::MAX as usize - page()] {
        crate::common::refused_by_system(map.resize(len), libc::EPERM);
        assert!(crate::common::has_vm_flag(&map, "dd"));
        assert_bytes(&map, &vec![0; 3 * page()]);
    }
    map.resize(2 * page()).unwrap();
    assert!(crate::common::has_vm_flag(&map, "dd"));
}

// C9, P1: the new pages of memory that is locked are brought into memory, as mremap(2) would have done.
#[cfg(all(target_os = "linux", not(firmmap_no_mremap)))]
#[test]
fn locked_maps_that_grow_are_in_memory() {
    let scratch = Scratch::new(&pattern(page()));
    let mut map = scratch.map(Access::Write);
    map.lock().unwrap();
    map.resize(20 * page()).unwrap();
    assert!(crate::common::has_vm_flag(&map, "lo"));
    assert_eq!(map.residency(..).unwrap().resident(), 20);
}

// C9: a file that must not change its length.
#[cfg(target_os = "linux")]
#[test]
fn a_file_that_cannot_be_resized() {
    let scratch = Scratch::new(b"0123456789");
    let mut map = private().map(&std::fs::File::open(scratch.path()).unwrap()).unwrap();
    for len in [0, 5, 20] {
        crate::common::refused_by_system(map.resize(len), libc::EINVAL);
        assert_bytes(&map, b"0123456789");
    }
    assert_eq!(scratch.contents(), b"0123456789");
}

// C9, B1: resizing leaves nothing over, whether it succeeds or fails.
#[cfg(target_os = "linux")]
#[test]
fn nothing_is_left_over() {
    let scratch = Scratch::new(&pattern(page()));
    let mut map = scratch.map(Access::Write);
    for len in [100 * page(), 1, 0, 7, 5 * page(), isize::MAX as usize, usize::MAX, 3 * page()] {
        let _ = map.resize(len);
        // Without bytes there is a mapping that keeps the inode from becoming another file's (F9).
        assert_eq!((scratch.descriptors(), scratch.mappings()), (1, 1), "after resizing to {len}");
    }
    assert_eq!(map.len(), 3 * page());
    drop(map);
    assert_eq!((scratch.descriptors(), scratch.mappings()), (0, 0));
}

// C9, R3: what was set for the pages holds for the new ones, too.
#[cfg(all(target_os = "linux", not(firmmap_no_mremap)))]
#[test]
fn advice_for_the_whole_map_survives() {
    let scratch = Scratch::new(&pattern(page()));
    let mut map = scratch.map(Access::Write);
    map.advise(firmmap::Advice::DONT_DUMP).unwrap();
    map.resize(50 * page()).unwrap();
    assert!(crate::common::has_vm_flag(&map, "dd"));
    map.advise(firmmap::Advice::DO_DUMP).unwrap();
    assert!(!crate::common::has_vm_flag(&map, "dd"));
}
