//! What memmap2's own tests do not ask for: the rest of its interface, and where this crate answers differently.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::ErrorKind;

use firmmap_memmap2::{Mmap, MmapAsRawDesc, MmapMut, MmapOptions, MmapRaw};

fn file(len: u64) -> File {
    let file = tempfile::tempfile().unwrap();
    file.set_len(len).unwrap();
    file
}

// R9: the types are `Send` and `Sync`, and the traits are there.
#[test]
fn traits() {
    fn all<T: Send + Sync + std::fmt::Debug + Unpin>() {}
    fn slices<T: std::ops::Deref<Target = [u8]> + AsRef<[u8]>>() {}
    fn changes<T: std::ops::DerefMut + AsMut<[u8]>>() {}
    fn options<T: Clone + std::fmt::Debug + Default>() {}
    all::<Mmap>();
    all::<MmapMut>();
    all::<MmapRaw>();
    slices::<Mmap>();
    slices::<MmapMut>();
    changes::<MmapMut>();
    options::<MmapOptions>();
    #[cfg(target_os = "linux")]
    options::<firmmap_memmap2::RemapOptions>();
    let map = MmapMut::map_anon(3).unwrap();
    assert_eq!(format!("{map:?}"), format!("MmapMut {{ ptr: {:?}, len: 3 }}", map.as_ptr()));
}

// R9: the errors are of memmap2's kinds.
#[test]
fn errors() {
    let file = file(10);
    // SAFETY: nobody else has the file.
    let behind = unsafe { MmapOptions::new().offset(11).map(&file) }.unwrap_err();
    assert_eq!(behind.kind(), ErrorKind::InvalidData);
    // SAFETY: nobody else has the file.
    let long = unsafe { MmapOptions::new().len(usize::MAX).map(&file) }.unwrap_err();
    assert_eq!((long.kind(), long.to_string().as_str()), (ErrorKind::InvalidData, "memory map length overflows isize"));
    let map = MmapRaw::map_raw(&file).unwrap();
    assert_eq!(map.flush_range(5, 6).unwrap_err().kind(), ErrorKind::InvalidInput);
    assert_eq!(map.flush_async_range(usize::MAX, 2).unwrap_err().kind(), ErrorKind::InvalidInput);
    map.flush_range(5, 5).unwrap();
}

// R9: a raw descriptor that is none is the system's error, and no panic.
#[cfg(unix)]
#[test]
fn descriptors() {
    use std::os::fd::{AsRawFd, RawFd};
    let bad: RawFd = -1;
    // SAFETY: nothing is mapped.
    let error = unsafe { Mmap::map(bad) }.unwrap_err();
    assert_eq!(error.raw_os_error(), Some(9));
    let file = file(10);
    _ = (&file).as_raw_desc();
    // SAFETY: nobody else has the file.
    assert_eq!(unsafe { Mmap::map(file.as_raw_fd()) }.unwrap().len(), 10);
}

// R9, B11: a map keeps no descriptor, so that thousands of files can be mapped.
#[cfg(target_os = "linux")]
#[test]
fn no_descriptors_are_kept() {
    let open = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let file = file(10);
    let before = open();
    // SAFETY: nobody else has the file.
    let maps: Vec<_> = (0..2000).map(|_| unsafe { Mmap::map(&file) }.unwrap()).collect();
    assert!(maps.iter().all(|map| map.len() == 10) && open() < before + 100);
}

// R9: an empty map grows by `remap`, of a file and of memory.
#[cfg(target_os = "linux")]
#[test]
fn empty_maps_grow() {
    use firmmap_memmap2::RemapOptions;
    let options = RemapOptions::new().may_move(true);
    let file = file(0);
    // SAFETY: nobody else has the file.
    let mut map = unsafe { Mmap::map(&file) }.unwrap();
    file.set_len(10_000).unwrap();
    // SAFETY: nobody holds an address in it.
    unsafe { map.remap(10_000, options) }.unwrap();
    assert_eq!((map.len(), map[9_999]), (10_000, 0));
    let mut map = MmapMut::map_anon(0).unwrap();
    // SAFETY: nobody holds an address in it.
    unsafe { map.remap(10_000, options) }.unwrap();
    map[9_999] = 7;
    // SAFETY: nobody holds an address in it.
    assert!(unsafe { map.remap(usize::MAX, options) }.is_err() && map[9_999] == 7);
}

// R8, R9: a file whose length says nothing is an error.
#[cfg(target_os = "linux")]
#[test]
fn files_of_proc() {
    let file = File::open("/proc/self/status").unwrap();
    // SAFETY: nothing is mapped.
    assert_eq!(unsafe { Mmap::map(&file) }.unwrap_err().kind(), ErrorKind::Unsupported);
}
