//! Changing the length of maps and of their files.

use crate::common::{Scratch, assert_bytes, assert_same, page, pattern, refused};
use firmmap::{Access, ErrorKind, MmapOptions};

/// Lengths to go through one after the other: up, down, to zero, back, within a page and over many.
fn lengths() -> Vec<usize> {
    let page = page();
    vec![page + 1, page, 3 * page, 3 * page + 100, 10, 0, 0, 1, 20 * page, 20 * page, 5, page - 1, 2 * page, 0, 7]
}

// C9, R3: a map and its file grow and shrink together, from any offset; new bytes are zero, the rest stays.
#[test]
fn maps_of_files() {
    let page = page();
    for offset in [0, 1, page - 1, page, page + 1, 2 * page + 77] {
        for first in [0, 1, 50, page, 2 * page] {
            let contents = pattern(offset + first);
            let scratch = Scratch::new(&contents);
            let options = MmapOptions::new().access(Access::Write).offset(offset as u64);
            let mut map = options.open(scratch.path()).unwrap();
            let mut model = contents.clone();
            for len in lengths() {
                map.resize(len).unwrap();
                model.resize(offset + len, 0);
                assert_eq!((map.len(), map.offset()), (len, offset as u64));
                assert_eq!(map.file_len().unwrap(), (offset + len) as u64);
                assert_bytes(&map, &model[offset..]);
                // The last byte must be in the file, too.
                if len > 0 {
                    map.set(len - 1, 0xee).unwrap();
                    model[offset + len - 1] = 0xee;
                }
                assert_same(&scratch.contents(), &model);
            }
        }
    }
}

// C9: a map of a part of a file: the file ends where the map does.
#[test]
fn maps_of_a_part() {
    for (len, wanted) in [(2, &b"01234"[..]), (4, b"0123456"), (9, b"0123456789ab")] {
        let scratch = Scratch::new(b"0123456789abcdef");
        let options = MmapOptions::new().access(Access::Write).offset(3).len(4);
        let mut map = options.open(scratch.path()).unwrap();
        map.resize(len).unwrap();
        assert_bytes(&map, &wanted[3..]);
        assert_eq!(scratch.contents(), wanted);
    }
}

// C9: memory that is this process's own grows and shrinks; new bytes are zero.
#[test]
fn private_anonymous_memory() {
    for first in [0, 1, 50, page(), 2 * page()] {
        let mut map = MmapOptions::new().len(first).private().map_anonymous().unwrap();
        let mut model = pattern(first);
        map.write_all_at(&model, 0).unwrap();
        for len in lengths() {
            map.resize(len).unwrap();
            model.resize(len, 0);
            assert_bytes(&map, &model);
            if len > 0 {
                map.set(len - 1, 0xee).unwrap();
                model[len - 1] = 0xee;
            }
            assert_eq!(map.file_len().unwrap(), len as u64);
        }
    }
}

// C9: bytes that were cut off do not come back.
#[test]
fn cut_bytes_of_anonymous_memory_do_not_come_back() {
    let mut map = MmapOptions::new().len(100).private().map_anonymous().unwrap();
    map.fill(.., b'x').unwrap();
    map.resize(10).unwrap();
    map.resize(100).unwrap();
    assert_bytes(&map, &[&[b'x'; 10][..], &[0; 90]].concat());
}

// C9, N2: shared anonymous memory shrinks, but does not grow on Unix.
#[test]
fn shared_anonymous_memory() {
    let mut map = MmapOptions::new().len(3 * page()).map_anonymous().unwrap();
    map.write_all_at(&pattern(3 * page()), 0).unwrap();
    for len in [2 * page(), page() + 1, 10] {
        map.resize(len).unwrap();
        assert_bytes(&map, &pattern(len));
        if cfg!(unix) {
            for longer in [len + 1, 3 * page(), usize::MAX] {
                let words = "this system does not support shared anonymous memory that grows";
                refused(map.resize(longer), ErrorKind::Unsupported, words);
            }
            assert_bytes(&map, &pattern(len));
        }
    }
    map.resize(10).unwrap();
    map.resize(0).unwrap();
    assert!(map.is_empty());
}

// C9, B3: read-only and copy-on-write maps keep their length, also zero.
#[test]
fn maps_that_keep_their_length() {
    let words = "only a shared, writable map can be resized; this one is read-only or copy-on-write";
    for contents in [&b"0123456789"[..], b""] {
        let scratch = Scratch::new(contents);
        for access in [Access::Read, Access::Copy] {
            for track_file in [true, false] {
                let options = MmapOptions::new().access(access).track_file(track_file);
                let mut map = options.open(scratch.path()).unwrap();
                for len in [0, 5, 10, 20, usize::MAX] {
                    refused(map.resize(len), ErrorKind::NotResizable, words);
                }
                assert_bytes(&map, contents);
            }
        }
        assert_eq!(scratch.contents(), contents);
    }
}

// C9: a map that is protected against writing keeps its length until that ends.
#[test]
fn protected_maps_keep_their_length() {
    use firmmap::Protection;
    let scratch = Scratch::new(b"0123456789");
    let mut map = scratch.map(Access::Write);
    map.protect(Protection::READ).unwrap();
    assert_eq!(map.resize(5).unwrap_err().kind(), ErrorKind::NotResizable);
    assert_eq!(scratch.contents(), b"0123456789");
    map.protect(Protection::READ | Protection::WRITE).unwrap();
    map.resize(5).unwrap();
    assert_eq!(scratch.contents(), b"01234");
}

// B11, C9: without the file there is nothing that could be resized.
#[test]
fn untracked_maps_keep_their_length() {
    let scratch = Scratch::new(b"0123456789");
    let options = MmapOptions::new().access(Access::Write).track_file(false);
    let mut map = options.open(scratch.path()).unwrap();
    for len in [0, 5, 10, 20] {
        let words = "resize needs the map's file, and the map was made without keeping it";
        refused(map.resize(len), ErrorKind::NoFile, words);
    }
    assert_bytes(&map, b"0123456789");
    assert_eq!(scratch.contents(), b"0123456789");
}

// C9, R3: lengths that cannot be: an error, and map and file are what they were.
#[test]
fn huge_lengths_change_nothing() {
    let contents = pattern(2 * page() + 10);
    for offset in [0, 5, page(), page() + 5] {
        let scratch = Scratch::new(&contents);
        let options = MmapOptions::new().access(Access::Write).offset(offset as u64);
        let mut map = options.open(scratch.path()).unwrap();
        for len in [usize::MAX, isize::MAX as usize + 1, usize::MAX - offset] {
            let words = format!("the new length {len} is larger than {}, the most this system can address", isize::MAX);
            refused(map.resize(len), ErrorKind::TooLarge, &words);
        }
        // That much can be addressed, but neither stored nor mapped.
        if cfg!(target_pointer_width = "64") {
            let most = isize::MAX as usize - offset;
            assert_eq!(map.resize(most).unwrap_err().kind(), ErrorKind::Os);
        }
        assert_bytes(&map, &contents[offset..]);
        assert_same(&scratch.contents(), &contents);
        // The map is still in order.
        map.resize(1).unwrap();
        assert_same(&scratch.contents(), &contents[..offset + 1]);
    }
}

// C9: the same for memory.
#[test]
fn huge_lengths_of_anonymous_memory_change_nothing() {
    let mut map = MmapOptions::new().len(10).private().map_anonymous().unwrap();
    map.fill(.., b'x').unwrap();
    assert_eq!(map.resize(usize::MAX).unwrap_err().kind(), ErrorKind::TooLarge);
    // Of 4 GiB a process can have half in one piece; of 16 EiB it cannot.
    for len in [isize::MAX as usize, usize::MAX / 4].into_iter().filter(|_| cfg!(target_pointer_width = "64")) {
        assert_eq!(map.resize(len).unwrap_err().kind(), ErrorKind::Os);
    }
    assert_bytes(&map, b"xxxxxxxxxx");
    map.resize(12).unwrap();
    assert_bytes(&map, b"xxxxxxxxxx\0\0");
}

// C9: a map from which others read: they are of the same file.
#[cfg(unix)]
#[test]
fn other_maps_see_the_growth() {
    let scratch = Scratch::new(b"0123456789");
    let (mut first, mut second) = (scratch.map(Access::Write), scratch.map(Access::Write));
    first.resize(page() + 10).unwrap();
    first.write_all_at(b"new", page()).unwrap();
    assert_eq!((second.len(), second.file_len().unwrap()), (10, page() as u64 + 10));
    second.resize(page() + 3).unwrap();
    assert_eq!(second.to_vec(page()..).unwrap(), b"new");
    assert_eq!(scratch.len(), page() as u64 + 3);
}
