//! Maps that get another length while their file stays as it is, and maps that reach behind its end.

#![allow(unsafe_code)]

use crate::common::{ALL_ACCESS, Scratch, assert_bytes, page, pattern, refused};
use firmmap::{Access, Advice, ErrorKind, Mmap, MmapOptions, Protection};

/// Whether maps that keep no file can grow: with mremap(2), which a build for `make test-resize` is without.
const MREMAP: bool = cfg!(all(target_os = "linux", not(firmmap_no_mremap)));

fn first(scratch: &Scratch, access: Access, len: usize) -> Mmap {
    MmapOptions::new().access(access).len(len).offset(7).open(scratch.path()).unwrap()
}

// R3: longer and shorter, whatever the access, at any offset; the file keeps its length and its bytes.
#[test]
fn the_file_stays_as_it_is() {
    let contents = pattern(3 * page());
    let scratch = Scratch::new(&contents);
    for access in ALL_ACCESS {
        if access == Access::Copy && !MREMAP {
            continue;
        }
        let mut map = first(&scratch, access, 100);
        for len in [2 * page(), 1, 0, page() + 1, 3 * page() - 7] {
            map.remap(len).unwrap();
            assert_eq!(map.len(), len);
            assert_bytes(&map, &contents[7..7 + len]);
        }
        assert_eq!(scratch.contents(), contents);
        assert!(!map.follows_end());
    }
}

// R3: what a copy has changed stays, and what a map of memory has held behind its end does not come back.
#[test]
fn changes() {
    let scratch = Scratch::new(&pattern(2 * page()));
    let mut map = first(&scratch, Access::Copy, 100);
    map.set(99, 0).unwrap();
    if MREMAP {
        map.remap(page()).unwrap();
        assert_eq!((map.get(99).unwrap(), map.get(100).unwrap()), (0, 107));
    }
    let mut map = MmapOptions::new().len(page()).private().map_anonymous().unwrap();
    map.fill(.., 7).unwrap();
    map.remap(10).unwrap();
    map.remap(3 * page()).unwrap();
    assert_eq!(map.to_vec(..11).unwrap(), [7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 0]);
    assert_eq!(map.count(&[7], ..).unwrap(), 10);
    let mut map = MmapOptions::new().len(page()).map_anonymous().unwrap();
    let words = "this system does not support shared anonymous memory that grows";
    refused(map.remap(2 * page()), ErrorKind::Unsupported, words);
    assert_eq!(map.len(), page());
}

// R3: without a descriptor, and without moving.
#[test]
fn without_a_descriptor() {
    if !MREMAP {
        return;
    }
    let contents = pattern(3 * page());
    let scratch = Scratch::new(&contents);
    let mut map = MmapOptions::new().track_file(false).len(page()).open(scratch.path()).unwrap();
    map.remap(3 * page()).unwrap();
    assert_bytes(&map, &contents);
    let address = map.as_ptr();
    map.remap_in_place(10).unwrap();
    map.remap_in_place(page() / 2).unwrap();
    assert_eq!((map.as_ptr(), map.len()), (address, page() / 2));
    // There are not so many addresses.
    assert!(map.remap_in_place(isize::MAX as usize - page()).is_err());
    assert!(map.remap(usize::MAX).is_err());
    assert_bytes(&map, &contents[..page() / 2]);
    // The guard has moved with it.
    map.remap(3 * page()).unwrap();
    scratch.file().set_len(page() as u64).unwrap();
    assert_eq!(map.get(2 * page()).unwrap_err().fault_offset(), Some(2 * page()));
    let faults = map.fault_count();
    map.remap(2 * page()).unwrap();
    assert_eq!(map.fault_count(), faults);
    assert_eq!(map.get(page()).unwrap_err().fault_offset(), Some(page()));
    scratch.file().set_len(3 * page() as u64).unwrap();
    assert_eq!(map.get(page()).unwrap(), 0);
}

// R3, F1, F2: a map that reaches behind the end of its file: what is missing is a fault, until the file has it.
#[test]
fn behind_the_end() {
    let scratch = Scratch::new(b"short");
    for (offset, len) in [(0, 3 * page()), (3, page()), (10, page()), (5 * page() + 1, 10)] {
        let options = MmapOptions::new().offset(offset as u64).len(len);
        assert_eq!(options.open(scratch.path()).unwrap_err().kind(), ErrorKind::LengthBeyondEnd);
        let map = options.beyond_end(true).track_file(false).open(scratch.path()).unwrap();
        assert_eq!(map.len(), len);
        let last = len - 1;
        if (offset + last) / page() > 0 {
            assert_eq!(map.get(last).unwrap_err().fault_offset(), Some(last));
        }
        scratch.file().set_len((offset + len) as u64).unwrap();
        let contents = scratch.contents();
        assert_bytes(&map, &contents[offset..]);
        scratch.file().set_len(5).unwrap();
    }
    let map = MmapOptions::new().access(Access::Write).len(10).beyond_end(true).open(scratch.path()).unwrap();
    map.write_all_at(b"longer", 4).unwrap();
    assert_eq!(scratch.contents(), b"shorl");
}

// R3: a map that is executable stays so, and one that was made writable.
#[test]
fn protection() {
    let scratch = Scratch::new(&pattern(3 * page()));
    let mut map = first(&scratch, Access::Read, 10);
    map.protect(Protection::READ | Protection::EXEC).unwrap();
    map.remap(2 * page()).unwrap();
    assert_eq!(map.protection(), Protection::READ | Protection::EXEC);
    // SAFETY: nobody else has the file.
    assert_eq!(unsafe { map.as_slice() }[2 * page() - 1], pattern(3 * page())[2 * page() + 6]);
}

// R3: advice that the system knows.
#[test]
fn advice_that_the_system_supports() {
    for advice in [Advice::NORMAL, Advice::RANDOM, Advice::SEQUENTIAL, Advice::WILL_NEED, Advice::DONT_NEED] {
        assert!(advice.is_supported());
    }
    assert!(!Advice::from_raw(12_345).is_supported());
}

// R4: what `main` prints of an error has its words and the path.
#[test]
fn debug_has_the_words() {
    let error = MmapOptions::new().open("/no/such file").unwrap_err();
    let told = format!("{error:?}");
    assert!(
        told.starts_with("Error { kind: Os, message: \"/no/such file: opening the file failed: No such file"),
        "{told}"
    );
    assert!(told.ends_with("path: \"/no/such file\", code: 2 }"), "{told}");
    let error = MmapOptions::new().len(1).map_anonymous().unwrap().get(1).unwrap_err();
    let words = "Error { kind: OutOfRange, message: \"read position 1 is outside the map of 1 bytes\" }";
    assert_eq!(format!("{error:?}"), words);
}
