//! The views that need `unsafe`: slices and addresses.

#![allow(unsafe_code)]

use crate::common::{ALL_ACCESS, Scratch, assert_same, page, pattern};
use firmmap::{Access, MmapOptions};

// R2, R3: a plain slice is the mapped bytes, at any offset.
#[test]
fn as_slice() {
    let contents = pattern(2 * page() + 9);
    let scratch = Scratch::new(&contents);
    for access in ALL_ACCESS {
        for offset in [0, 1, page(), page() + 1, contents.len()] {
            let map = MmapOptions::new().access(access).offset(offset as u64).open(scratch.path()).unwrap();
            // SAFETY: nobody else has this file.
            let bytes = unsafe { map.as_slice() };
            assert_same(bytes, &contents[offset..]);
            assert_eq!(bytes.as_ptr(), map.as_ptr());
        }
    }
}

// R2: a mutable slice writes through.
#[test]
fn as_mut_slice() {
    let scratch = Scratch::new(b"0123456789");
    let mut map = MmapOptions::new().access(Access::Write).offset(3).open(scratch.path()).unwrap();
    // SAFETY: nobody else has this file.
    let bytes = unsafe { map.as_mut_slice() };
    bytes[..3].copy_from_slice(b"abc");
    assert_eq!(scratch.contents(), b"012abc6789");
}

// R3: the raw address of the first byte.
#[test]
fn pointers() {
    let scratch = Scratch::new(&pattern(page() + 100));
    let map = MmapOptions::new().access(Access::Copy).offset(page() as u64 + 7).open(scratch.path()).unwrap();
    assert_eq!(map.as_ptr(), map.as_mut_ptr().cast_const());
    assert_eq!(map.as_ptr().addr() % page(), 7);
    // SAFETY: the map has 93 bytes, is writable, and this thread alone uses it.
    unsafe { map.as_mut_ptr().wrapping_add(92).write(b'!') };
    assert_eq!(map.get(92).unwrap(), b'!');
}

// R3: a map that was made without rights and then got them.
#[cfg(unix)]
#[test]
fn slice_after_protect() {
    use firmmap::Protection;
    let mut map = MmapOptions::new().len(10).protection(Protection::empty()).map_anonymous().unwrap();
    map.protect(Protection::READ | Protection::WRITE).unwrap();
    // SAFETY: nobody else has this memory.
    unsafe { map.as_mut_slice() }.fill(b'x');
    map.protect(Protection::READ).unwrap();
    // SAFETY: nobody else has this memory.
    assert_eq!(unsafe { map.as_slice() }, b"xxxxxxxxxx");
}
