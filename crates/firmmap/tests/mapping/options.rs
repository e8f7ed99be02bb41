//! Every way to make a mapping: `MmapOptions` without the flags of mmap(2), which are in `options_unix.rs`.

use crate::common::{ALL_ACCESS, Scratch, assert_bytes, assert_same, page, pattern, refused};
use firmmap::{Access, ErrorKind, Mmap, MmapOptions, Protection};

// B1: the map keeps a duplicate; closing the caller's file does not close it.
#[test]
fn the_map_outlives_the_callers_file() {
    let scratch = Scratch::new(b"Hello Rust!\n");
    let file = scratch.file();
    let mut map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    drop(file);
    map.write_all_at(b"J", 0).unwrap();
    assert_bytes(&map, b"Jello Rust!\n");
    assert_eq!(map.file_len().unwrap(), 12);
    map.resize(5).unwrap();
    drop(map);
    assert_eq!(scratch.contents(), b"Jello");
}

// B1: dropping the map does not close the caller's file.
#[test]
fn the_callers_file_outlives_the_map() {
    use std::io::{Read, Write};
    let scratch = Scratch::new(b"0123456789");
    let mut file = scratch.file();
    drop(MmapOptions::new().access(Access::Write).map(&file).unwrap());
    drop(MmapOptions::new().track_file(false).map(&file).unwrap());
    file.write_all(b"abc").unwrap();
    let mut rest = String::new();
    file.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "3456789");
    assert_eq!(scratch.contents(), b"abc3456789");
}

// B7, B8, G2, R3: any offset, any length, also zero, in every way of access.
#[test]
fn offsets_and_lengths() {
    let page = page();
    let contents = pattern(3 * page + 100);
    let scratch = Scratch::new(&contents);
    let file = scratch.file();
    for access in ALL_ACCESS {
        for offset in [0, 1, page - 1, page, page + 1, 2 * page + 50, 3 * page, 3 * page + 99, 3 * page + 100] {
            let rest = contents.len() - offset;
            let lengths = [0, 1, 99, 100, page - 1, page, page + 1, 2 * page, rest];
            let lengths = lengths.into_iter().filter(|&len| len <= rest).map(Some).chain([None]);
            for len in lengths {
                let mut options = MmapOptions::new().access(access).offset(offset as u64);
                if let Some(len) = len {
                    options = options.len(len);
                }
                let map = options.map(&file).unwrap();
                let wanted = &contents[offset..offset + len.unwrap_or(rest)];
                assert_bytes(&map, wanted);
                assert_eq!((map.len(), map.offset(), map.access()), (wanted.len(), offset as u64, access));
                assert_eq!((map.is_empty(), map.is_anonymous()), (wanted.is_empty(), false));
                assert_eq!(map.file_len().unwrap(), contents.len() as u64);
            }
        }
    }
}

// B3, B4: what access implies.
#[test]
fn access_implies_the_protection() {
    let scratch = Scratch::new(b"0123456789");
    assert_eq!(MmapOptions::new().open(scratch.path()).unwrap().access(), Access::Read);
    assert_eq!(scratch.map(Access::Read).protection(), Protection::READ);
    assert_eq!(scratch.map(Access::Write).protection(), Protection::READ | Protection::WRITE);
    assert_eq!(scratch.map(Access::Copy).protection(), Protection::READ | Protection::WRITE);
}

// B7, G2, R3: an empty file and a length of zero give a map of no bytes on which everything works.
#[test]
fn maps_without_bytes() {
    let empty = Scratch::new(b"");
    let full = Scratch::new(b"0123456789");
    let at_the_end = MmapOptions::new().offset(10);
    for access in ALL_ACCESS {
        let maps = [
            empty.map(access),
            MmapOptions::new().access(access).len(0).open(full.path()).unwrap(),
            MmapOptions::new().access(access).len(0).offset(3).open(full.path()).unwrap(),
            at_the_end.clone().access(access).open(full.path()).unwrap(),
            MmapOptions::new().access(access).len(0).map_anonymous().unwrap(),
        ];
        for mut map in maps {
            check_empty(&mut map);
        }
    }
    assert_eq!(full.contents(), b"0123456789");
}

fn check_empty(map: &mut Mmap) {
    assert!(map.is_empty());
    assert_bytes(map, b"");
    assert!(!map.as_ptr().is_null());
    assert_eq!(map.read_at(&mut [0; 4], 0).unwrap(), 0);
    assert_eq!((map.find(b"", ..).unwrap(), map.rfind(b"", ..).unwrap()), (Some(0), Some(0)));
    assert_eq!((map.find(b"x", ..).unwrap(), map.rfind(b"x", ..).unwrap()), (None, None));
    assert_eq!((map.count(b"", ..).unwrap(), map.count(b"x", ..).unwrap()), (1, 0));
    map.flush().unwrap();
    map.flush_async_range(0..0).unwrap();
    map.advise(firmmap::Advice::RANDOM).unwrap();
    map.lock().unwrap();
    map.unlock().unwrap();
    refused(map.get(0), ErrorKind::OutOfRange, "read position 0 is outside the map of 0 bytes");
    if map.access() != Access::Read {
        assert_eq!(map.write_at(b"x", 0).unwrap(), 0);
        map.write_all_at(b"", 0).unwrap();
        map.fill(.., 1).unwrap();
        map.copy_within(.., 0).unwrap();
        assert!(map.as_atomic().unwrap().is_empty());
        refused(map.set(0, 1), ErrorKind::OutOfRange, "write position 0 is outside the map of 0 bytes");
    }
    map.protect(Protection::READ).unwrap();
    assert_eq!(map.protection(), Protection::READ);
}

// B9, G2: a range beyond the end of the file, in words with the numbers.
#[test]
fn beyond_the_end_of_the_file() {
    let scratch = Scratch::new(b"0123456789");
    let (offset_beyond, length_beyond) = (ErrorKind::OffsetBeyondEnd, ErrorKind::LengthBeyondEnd);
    let huge = format!("length {} from offset 0 reaches behind the end of the file of 10 bytes", usize::MAX);
    let last = format!("length 2 from offset {} reaches behind the end of the file of 10 bytes", u64::MAX);
    for access in ALL_ACCESS {
        for (offset, len, kind, words) in [
            (11, None, offset_beyond, "offset 11 lies behind the end of the file of 10 bytes"),
            (0, Some(11), length_beyond, "length 11 from offset 0 reaches behind the end of the file of 10 bytes"),
            (10, Some(1), length_beyond, "length 1 from offset 10 reaches behind the end of the file of 10 bytes"),
            (3, Some(8), length_beyond, "length 8 from offset 3 reaches behind the end of the file of 10 bytes"),
            (11, Some(0), length_beyond, "length 0 from offset 11 reaches behind the end of the file of 10 bytes"),
            (0, Some(usize::MAX), length_beyond, &huge),
            (u64::MAX, Some(2), length_beyond, &last),
        ] {
            let mut options = MmapOptions::new().access(access).offset(offset);
            if let Some(len) = len {
                options = options.len(len);
            }
            refused(options.open(scratch.path()), kind, words);
        }
    }
    assert_eq!(scratch.contents(), b"0123456789");
}

// B10: with `extend` a file that is too short is made longer, by zeros, and one that is long enough is left alone.
#[test]
fn extend() {
    let page = page();
    let contents = pattern(100);
    for (offset, len, file_len) in [
        (0, 50, 100),
        (0, 100, 100),
        (0, 101, 101),
        (99, page, page + 99),
        (100, 10, 110),
        (page + 7, 10, page + 17),
        (150, 0, 150),
    ] {
        let scratch = Scratch::new(&contents);
        let options = MmapOptions::new().access(Access::Write).extend(true).offset(offset as u64).len(len);
        let map = options.open(scratch.path()).unwrap();
        let mut wanted = contents.clone();
        wanted.resize(file_len, 0);
        assert_bytes(&map, &wanted[offset..offset + len]);
        assert_eq!(map.file_len().unwrap(), file_len as u64);
        map.fill(.., b'x').unwrap();
        wanted[offset..offset + len].fill(b'x');
        assert_same(&scratch.contents(), &wanted);
    }
}

// B10: what cannot be made longer is an error that leaves the file alone.
#[test]
fn extend_what_cannot_be_extended() {
    let scratch = Scratch::new(b"0123456789");
    let read_only = MmapOptions::new().extend(true).len(11).open(scratch.path()).unwrap_err();
    assert_eq!(read_only.kind(), ErrorKind::Os);
    let words = format!("{}: making the file longer failed: ", scratch.path().display());
    assert!(read_only.to_string().starts_with(&words), "{read_only}");
    for (offset, len) in [(0, usize::MAX), (u64::MAX - 1, 1), (u64::MAX, 1)] {
        let options = MmapOptions::new().access(Access::Write).extend(true).offset(offset).len(len);
        options.open(scratch.path()).unwrap_err();
    }
    assert_eq!(scratch.contents(), b"0123456789");
}

// B6: zeroed memory that can be written, of any length.
#[test]
fn anonymous_memory() {
    let page = page();
    for len in [0, 1, 13, page - 1, page, page + 1, 100_000] {
        for options in [MmapOptions::new().len(len), MmapOptions::new().len(len).private()] {
            let map = options.map_anonymous().unwrap();
            assert_bytes(&map, &vec![0; len]);
            map.write_all_at(&pattern(len), 0).unwrap();
            assert_bytes(&map, &pattern(len));
            assert!(map.is_anonymous());
            assert!(map.file().is_none());
            assert_eq!((map.len(), map.file_len().unwrap(), map.offset()), (len, len as u64, 0));
        }
    }
}

// B6, R3: shared unless it is asked for otherwise.
#[test]
fn anonymous_access() {
    let options = MmapOptions::new().len(10);
    for (options, access) in [
        (options.clone(), Access::Write),
        (options.clone().access(Access::Read), Access::Write),
        (options.clone().access(Access::Write), Access::Write),
        (options.clone().access(Access::Copy), Access::Copy),
        (options.private(), Access::Copy),
    ] {
        let map = options.map_anonymous().unwrap();
        assert_eq!((map.access(), map.protection()), (access, Protection::READ | Protection::WRITE));
    }
}

// B6: a length is needed, and one that can be addressed.
#[test]
fn anonymous_lengths_that_are_none() {
    let none = MmapOptions::new().map_anonymous();
    refused(none, ErrorKind::InvalidInput, "anonymous memory needs a length");
    for len in [usize::MAX, isize::MAX as usize + 1] {
        let words = format!("the length {len} is larger than {}, the most this system can address", isize::MAX);
        refused(MmapOptions::new().len(len).map_anonymous(), ErrorKind::TooLarge, &words);
    }
    // Of 4 GiB a process can have half in one piece; of 16 EiB it cannot.
    for len in [isize::MAX as usize, usize::MAX / 4].into_iter().filter(|_| cfg!(target_pointer_width = "64")) {
        assert_eq!(MmapOptions::new().len(len).map_anonymous().unwrap_err().kind(), ErrorKind::Os);
    }
}

// B11: without the file its length and resizing are gone, all else works.
#[test]
fn an_untracked_file() {
    let scratch = Scratch::new(b"0123456789");
    let options = MmapOptions::new().access(Access::Write).track_file(false);
    let mut map = options.map(&scratch.file()).unwrap();
    assert!(map.file().is_none());
    let words = "the length of the file needs the map's file, and the map was made without keeping it";
    refused(map.file_len(), ErrorKind::NoFile, words);
    let words = "resize needs the map's file, and the map was made without keeping it";
    refused(map.resize(5), ErrorKind::NoFile, words);
    map.write_all_at(b"abc", 7).unwrap();
    map.copy_within(7.., 0).unwrap();
    map.flush().unwrap();
    map.advise(firmmap::Advice::WILL_NEED).unwrap();
    assert_eq!(map.find(b"abc", 1..).unwrap(), Some(7));
    assert_eq!(map.len(), 10);
    assert_eq!(scratch.contents(), b"abc3456abc");
}

// B1, B11: a tracked file costs one descriptor, an untracked one none, and both give back what they took.
#[cfg(target_os = "linux")]
#[test]
fn descriptors_and_mappings_are_counted() {
    let scratch = Scratch::new(&pattern(2 * page()));
    for access in ALL_ACCESS {
        for (track_file, descriptors) in [(true, 1), (false, 0)] {
            let map = MmapOptions::new().access(access).track_file(track_file).open(scratch.path()).unwrap();
            assert_eq!((scratch.descriptors(), scratch.mappings()), (descriptors, 1));
            drop(map);
            assert_eq!((scratch.descriptors(), scratch.mappings()), (0, 0));
        }
    }
    MmapOptions::new().len(3 * page()).open(scratch.path()).unwrap_err();
    MmapOptions::new().access(Access::Write).map(&std::fs::File::open(scratch.path()).unwrap()).unwrap_err();
    assert_eq!((scratch.descriptors(), scratch.mappings()), (0, 0));
}

// G2: `open` makes no files and names what failed.
#[test]
fn open_without_a_file() {
    let scratch = Scratch::new(b"");
    let missing = scratch.path().with_file_name("missing");
    for access in ALL_ACCESS {
        let error = MmapOptions::new().access(access).extend(true).len(10).open(&missing).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Os);
        let words = format!("{}: opening the file failed: ", missing.display());
        assert!(error.to_string().starts_with(&words), "{error}");
        assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::NotFound);
    }
    assert!(!missing.exists());
}

// R1, R3: hints change nothing about the bytes.
#[test]
fn hints_keep_the_bytes() {
    let contents = pattern(3 * page() + 5);
    let scratch = Scratch::new(&contents);
    let hints: [fn(MmapOptions) -> MmapOptions; 3] =
        [MmapOptions::populate, MmapOptions::no_reserve, MmapOptions::stack];
    for hint in hints {
        for access in ALL_ACCESS {
            let map = hint(MmapOptions::new().access(access).offset(3)).open(scratch.path()).unwrap();
            assert_bytes(&map, &contents[3..]);
        }
        let map = hint(MmapOptions::new().len(contents.len())).map_anonymous().unwrap();
        map.write_all_at(&contents, 0).unwrap();
        assert_bytes(&map, &contents);
    }
}

// R1: options are a value that can be used many times.
#[test]
fn options_are_reusable() {
    let scratch = Scratch::new(b"0123456789");
    let options = MmapOptions::default().offset(2).len(3);
    for _ in 0..2 {
        assert_bytes(&options.open(scratch.path()).unwrap(), b"234");
    }
    assert_bytes(&options.clone().len(1).map(&scratch.file()).unwrap(), b"2");
    assert_bytes(&options.map_anonymous().unwrap(), &[0; 3]);
}
