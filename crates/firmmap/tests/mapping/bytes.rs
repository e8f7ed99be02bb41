//! Reading and changing the bytes.

use std::mem::MaybeUninit;
use std::sync::atomic::Ordering;

use crate::common::{ALL_ACCESS, Scratch, assert_bytes, page, pattern, refused};
use firmmap::{Access, ErrorKind, Mmap, MmapOptions, Protection};

/// The same 26 letters in every kind of map.
fn letters() -> Vec<(Scratch, Mmap)> {
    let alphabet: Vec<u8> = (b'a'..=b'z').collect();
    let mut file = vec![b'#'; 2 * page()];
    let offset = page() - 13;
    file[offset..offset + 26].copy_from_slice(&alphabet);
    let mut maps = Vec::new();
    for access in ALL_ACCESS {
        let scratch = Scratch::new(&alphabet);
        let map = scratch.map(access);
        maps.push((scratch, map));
        let scratch = Scratch::new(&file);
        let options = MmapOptions::new().access(access).offset(offset as u64).len(26);
        let map = options.open(scratch.path()).unwrap();
        maps.push((scratch, map));
    }
    for options in [MmapOptions::new().len(26), MmapOptions::new().len(26).private()] {
        let map = options.map_anonymous().unwrap();
        map.write_all_at(&alphabet, 0).unwrap();
        maps.push((Scratch::new(b""), map));
    }
    maps
}

/// The maps of [`letters`] that can be written.
fn writable_letters() -> impl Iterator<Item = (Scratch, Mmap)> {
    letters().into_iter().filter(|(_, map)| map.access() != Access::Read)
}

const OUT: ErrorKind = ErrorKind::OutOfRange;

// A1, R2: single bytes.
#[test]
fn get() {
    for (_scratch, map) in letters() {
        for index in 0..26 {
            assert_eq!(map.get(index).unwrap(), b'a' + index as u8);
        }
        refused(map.get(26), OUT, "read position 26 is outside the map of 26 bytes");
        let words = format!("read position {} is outside the map of 26 bytes", usize::MAX);
        refused(map.get(usize::MAX), OUT, &words);
    }
}

// A1, R2: one byte changes and no other.
#[test]
fn set() {
    for (_scratch, map) in writable_letters() {
        map.set(0, b'A').unwrap();
        map.set(25, 0xff).unwrap();
        refused(map.set(26, b'?'), OUT, "write position 26 is outside the map of 26 bytes");
        assert_bytes(&map, b"Abcdefghijklmnopqrstuvwxy\xff");
    }
}

// C6, R1: reads are short only at the end.
#[test]
fn read_at() {
    for (_scratch, map) in letters() {
        for (offset, len, wanted) in [
            (0, 3, &b"abc"[..]),
            (23, 3, b"xyz"),
            (24, 3, b"yz"),
            (26, 3, b""),
            (27, 3, b""),
            (usize::MAX, 3, b""),
            (5, 0, b""),
        ] {
            let mut buffer = vec![b'.'; len];
            assert_eq!(map.read_at(&mut buffer, offset).unwrap(), wanted.len());
            assert_eq!(&buffer[..wanted.len()], wanted);
            assert!(buffer[wanted.len()..].iter().all(|&byte| byte == b'.'), "only what was read is written");
        }
    }
}

// R1, R2: all or nothing.
#[test]
fn read_exact_at() {
    for (_scratch, map) in letters() {
        let mut buffer = [b'.'; 4];
        map.read_exact_at(&mut buffer, 22).unwrap();
        assert_eq!(&buffer, b"wxyz");
        map.read_exact_at(&mut [], 26).unwrap();
        let mut buffer = [b'.'; 4];
        refused(map.read_exact_at(&mut buffer, 23), OUT, "read range 23..27 is outside the map of 26 bytes");
        refused(map.read_exact_at(&mut [], 27), OUT, "read range 27..27 is outside the map of 26 bytes");
        let (start, end) = (usize::MAX - 1, usize::MAX);
        let words = format!("read range {start}..{end} is outside the map of 26 bytes");
        refused(map.read_exact_at(&mut buffer, start), OUT, &words);
        assert_eq!(&buffer, b"....");
    }
}

// R2: into memory that was never written to.
#[test]
fn read_uninit_at() {
    for (_scratch, map) in letters() {
        let mut buffer = [MaybeUninit::uninit(); 4];
        assert_eq!(map.read_uninit_at(&mut buffer, 1).unwrap(), b"bcde");
        assert_eq!(map.read_strided_uninit_at(&mut buffer, 25, -8).unwrap(), b"zrjb");
        refused(map.read_uninit_at(&mut buffer, 24), OUT, "read range 24..28 is outside the map of 26 bytes");
    }
}

// C6, C7, C8: the short ways give what the others give, or nothing.
#[test]
fn short_ways() {
    let memory = |count| Some(vec![MaybeUninit::uninit(); count]);
    for (_scratch, map) in letters() {
        assert_eq!((map.try_get(25), map.try_get(26), map.try_get(usize::MAX)), (Some(b'z'), None, None));
        let range = |start, end| map.try_read_range(|_| Some(start..end), memory).map(|bytes| bytes.len());
        assert_eq!((range(22, 26), range(26, 26)), (Some(4), Some(0)));
        assert_eq!((range(23, 27), range(27, 27), range(usize::MAX, 3), range(4, 3)), (None, None, None, None));
        assert!(map.try_read_range(|len| (len != 26).then_some(0..1), memory).is_none());
        let through = |byte, start, limit| map.try_read_through(byte, start, limit, memory).map(|line| line.len());
        assert_eq!(through(b'e', 1, 100), Some(4));
        assert_eq!(through(b'e', 4, 1), Some(1));
        assert_eq!((through(b'e', 1, 3), through(b'e', 5, 100), through(b'e', 1, 0)), (None, None, None));
        assert_eq!(
            (through(b'e', 26, 100), through(b'e', 27, 100), through(b'e', usize::MAX, 100)),
            (None, None, None)
        );
        assert!(map.try_read_through(b'e', 1, 100, |_| None::<Vec<_>>).is_none());
        assert!(map.try_read_through(b'e', 1, 100, |count| memory(count - 1)).is_none());
    }
    let mut map = MmapOptions::new().len(9).map_anonymous().unwrap();
    map.protect(Protection::empty()).unwrap();
    assert_eq!(map.try_get(0), None);
    // What the page of the last byte has behind the map is not the map's; and a byte is found wherever it is.
    let mut bytes = vec![b'.'; 10_000];
    bytes[300] = b'\n';
    let scratch = Scratch::new(&bytes);
    let whole = scratch.map(Access::Read);
    let part = MmapOptions::new().access(Access::Read).len(300).open(scratch.path()).unwrap();
    for start in 0..=300 {
        assert_eq!(part.try_read_through(b'\n', start, 1000, memory).map(|line| line.len()), None, "from {start} on");
        let line = whole.try_read_through(b'\n', start, 1000, memory).map(|line| line.len());
        assert_eq!(line, Some(301 - start), "from {start} on");
        assert_eq!(whole.find_byte(b'\n', start..).unwrap(), Some(300), "from {start} on");
    }
}

// A1: every form of range.
#[test]
fn to_vec() {
    for (_scratch, map) in letters() {
        assert_eq!(map.to_vec(..).unwrap().len(), 26);
        assert_eq!(map.to_vec(..3).unwrap(), b"abc");
        assert_eq!(map.to_vec(..=3).unwrap(), b"abcd");
        assert_eq!(map.to_vec(23..).unwrap(), b"xyz");
        assert_eq!(map.to_vec(3..5).unwrap(), b"de");
        assert_eq!(map.to_vec(3..=5).unwrap(), b"def");
        assert_eq!(map.to_vec(26..).unwrap(), b"");
        assert_eq!(map.to_vec(7..7).unwrap(), b"");
        let (from, to) = (5, 3);
        refused(map.to_vec(from..to), OUT, "read range 5..3 is outside the map of 26 bytes");
        refused(map.to_vec(..27), OUT, "read range 0..27 is outside the map of 26 bytes");
        refused(map.to_vec(27..), OUT, "read range 27..26 is outside the map of 26 bytes");
        assert_eq!(map.to_vec(..=usize::MAX).unwrap_err().kind(), OUT);
    }
}

// A1: extended slices.
#[test]
fn read_strided() {
    for (_scratch, map) in letters() {
        for (start, step, wanted) in [
            (0, 1, &b"abcd"[..]),
            (0, 25, b"az"),
            (25, -25, b"za"),
            (3, -1, b"dcba"),
            (1, 8, b"bjrz"),
            (4, 0, b"eee"),
            (25, 1, b"z"),
            (25, isize::MAX, b"z"),
            (0, isize::MIN, b"a"),
            (99, 1, b""),
        ] {
            let mut buffer = vec![b'.'; wanted.len()];
            map.read_strided_at(&mut buffer, start, step).unwrap();
            assert_eq!(buffer, wanted);
        }
        let words = |index| format!("read position {index} is outside the map of 26 bytes");
        let no_index = words(usize::MAX);
        for (start, step, words) in [
            (26, -1, words(26)),
            (23, 1, words(26)),
            (0, 9, words(27)),
            (2, -1, no_index.clone()),
            (0, isize::MAX, no_index.clone()),
            (25, isize::MIN, no_index),
        ] {
            let mut buffer = [b'.'; 4];
            refused(map.read_strided_at(&mut buffer, start, step), OUT, &words);
            assert_eq!(&buffer, b"....");
        }
    }
}

// A1: assignment to extended slices, and nothing changed upon an error.
#[test]
fn write_strided() {
    for (_scratch, map) in writable_letters() {
        for (start, step) in [(26, -1), (24, 1), (0, 13), (1, -1), (0, isize::MAX), (25, isize::MIN)] {
            assert_eq!(map.write_strided_at(b"???", start, step).unwrap_err().kind(), OUT);
        }
        assert_bytes(&map, b"abcdefghijklmnopqrstuvwxyz");
        map.write_strided_at(b"123", 0, 12).unwrap();
        map.write_strided_at(b"123", 25, -1).unwrap();
        map.write_strided_at(b"45", 5, 0).unwrap();
        map.write_strided_at(b"", 99, 1).unwrap();
        assert_bytes(&map, b"1bcde5ghijkl2nopqrstuvw321");
    }
}

// C13, R1: writes go up to the end, or as a whole.
#[test]
fn write_at_and_write_all_at() {
    for (_scratch, map) in writable_letters() {
        refused(map.write_all_at(b"???", 24), OUT, "write range 24..27 is outside the map of 26 bytes");
        refused(map.write_all_at(b"", 27), OUT, "write range 27..27 is outside the map of 26 bytes");
        assert_eq!(map.write_all_at(b"?", usize::MAX).unwrap_err().kind(), OUT);
        assert_bytes(&map, b"abcdefghijklmnopqrstuvwxyz");
        map.write_all_at(b"ABC", 0).unwrap();
        map.write_all_at(b"", 26).unwrap();
        for (bytes, offset, count) in [(&b"XY"[..], 3, 2), (b"12345", 23, 3), (b"??", 26, 0), (b"??", usize::MAX, 0)] {
            assert_eq!(map.write_at(bytes, offset).unwrap(), count);
        }
        assert_bytes(&map, b"ABCXYfghijklmnopqrstuvw123");
    }
}

// A1, R2: fill.
#[test]
fn fill() {
    for (_scratch, map) in writable_letters() {
        let (from, to) = (5, 3);
        refused(map.fill(20..27, b'?'), OUT, "fill range 20..27 is outside the map of 26 bytes");
        refused(map.fill(from..to, b'?'), OUT, "fill range 5..3 is outside the map of 26 bytes");
        map.fill(26.., b'?').unwrap();
        map.fill(3..3, b'?').unwrap();
        assert_bytes(&map, b"abcdefghijklmnopqrstuvwxyz");
        map.fill(1..=2, b'-').unwrap();
        map.fill(20.., 0xff).unwrap();
        assert_bytes(&map, b"a--defghijklmnopqrst\xff\xff\xff\xff\xff\xff");
    }
}

// C5: copies that overlap in both directions, and none that is not inside.
#[test]
fn copy_within() {
    for (_scratch, map) in writable_letters() {
        refused(map.copy_within(24..27, 0), OUT, "copy source range 24..27 is outside the map of 26 bytes");
        refused(map.copy_within(0..3, 24), OUT, "copy target range 24..27 is outside the map of 26 bytes");
        refused(map.copy_within(0..0, 27), OUT, "copy target range 27..27 is outside the map of 26 bytes");
        assert_eq!(map.copy_within(0..2, usize::MAX).unwrap_err().kind(), OUT);
        map.copy_within(26.., 26).unwrap();
        assert_bytes(&map, b"abcdefghijklmnopqrstuvwxyz");
        map.copy_within(0..10, 3).unwrap();
        assert_bytes(&map, b"abcabcdefghijnopqrstuvwxyz");
        map.copy_within(20.., 18).unwrap();
        assert_bytes(&map, b"abcabcdefghijnopqruvwxyzyz");
        map.copy_within(.., 0).unwrap();
        assert_bytes(&map, b"abcabcdefghijnopqruvwxyzyz");
    }
}

// C5: a copy over many pages is memmove, not memcpy.
#[test]
fn copy_within_over_pages() {
    let len = 5 * page() + 7;
    let map = MmapOptions::new().len(len).map_anonymous().unwrap();
    for (source, target) in [(0, 1), (1, 0), (0, page() + 3), (page() + 3, 0), (0, 3 * page())] {
        map.write_all_at(&pattern(len), 0).unwrap();
        let count = len - source.max(target);
        map.copy_within(source..source + count, target).unwrap();
        let mut wanted = pattern(len);
        wanted.copy_within(source..source + count, target);
        assert_bytes(&map, &wanted);
    }
}

// B3: a read-only map refuses every change, also one of no bytes, and says why.
#[test]
fn read_only_maps_refuse_writes() {
    for (scratch, map) in letters().into_iter().filter(|(_, map)| map.access() == Access::Read) {
        let before = scratch.contents();
        let words = |operation| format!("{operation} is not possible on a map that is read-only");
        let denied = ErrorKind::AccessDenied;
        refused(map.set(0, 1), denied, &words("write"));
        refused(map.set(99, 1), denied, &words("write"));
        refused(map.write_at(b"?", 0), denied, &words("write"));
        refused(map.write_at(b"?", 99), denied, &words("write"));
        refused(map.write_all_at(b"", 0), denied, &words("write"));
        refused(map.write_strided_at(b"?", 0, 1), denied, &words("write"));
        refused(map.fill(.., 1), denied, &words("fill"));
        refused(map.copy_within(0..1, 1), denied, &words("copy"));
        refused(map.as_atomic(), denied, &words("a view of atomics"));
        assert_bytes(&map, b"abcdefghijklmnopqrstuvwxyz");
        assert_eq!(scratch.contents(), before);
    }
}

// B4: changes of a copy-on-write map stay in it, those of a shared one reach the file and only the mapped part of it.
#[test]
fn where_changes_go() {
    for (scratch, map) in writable_letters().filter(|(_, map)| !map.is_anonymous()) {
        let mut wanted = scratch.contents();
        map.fill(.., b'!').unwrap();
        map.set(0, b'?').unwrap();
        map.flush().unwrap();
        assert_eq!(map.to_vec(..2).unwrap(), b"?!");
        if map.access() == Access::Write {
            let start = map.offset() as usize;
            wanted[start..start + 26].copy_from_slice(&map.to_vec(..).unwrap());
        }
        drop(map);
        assert_eq!(scratch.contents(), wanted);
    }
}

// B4: two maps of one file, at different offsets, are one memory; a copy-on-write map has its own.
#[test]
fn maps_of_one_file_see_each_other() {
    let scratch = Scratch::new(&pattern(3 * page()));
    let whole = scratch.map(Access::Write);
    let part = MmapOptions::new().access(Access::Write).offset(page() as u64 + 5).len(100);
    let part = part.open(scratch.path()).unwrap();
    let read = scratch.map(Access::Read);
    let copy = scratch.map(Access::Copy);
    copy.set(page() + 6, b'c').unwrap();
    whole.set(page() + 5, b'w').unwrap();
    part.set(1, b'p').unwrap();
    for map in [&whole, &read] {
        assert_eq!(map.to_vec(page() + 5..page() + 7).unwrap(), b"wp");
    }
    assert_eq!(part.to_vec(..2).unwrap(), b"wp");
    assert_eq!(copy.get(page() + 6).unwrap(), b'c');
    assert_eq!(scratch.contents()[page() + 5..page() + 7], *b"wp");
}

// B4: what others write into the file is seen, as far as the map reaches.
#[test]
fn changes_of_the_file_are_seen() {
    use std::io::{Seek, SeekFrom, Write};
    let scratch = Scratch::new(b"0123456789");
    let map = MmapOptions::new().offset(3).len(4).open(scratch.path()).unwrap();
    let mut file = scratch.file();
    file.seek(SeekFrom::Start(2)).unwrap();
    file.write_all(b"abcdefghijkl").unwrap();
    assert_bytes(&map, b"bcde");
    assert_eq!((map.len(), map.file_len().unwrap()), (4, 14));
}

// R2: the safe view without a copy is the same memory.
#[test]
fn as_atomic() {
    for (_scratch, map) in writable_letters() {
        let bytes = map.as_atomic().unwrap();
        assert_eq!(bytes.len(), 26);
        assert_eq!(bytes[25].load(Ordering::Relaxed), b'z');
        bytes[25].store(b'!', Ordering::Relaxed);
        assert_eq!(map.get(25).unwrap(), b'!');
        map.set(0, 40).unwrap();
        assert_eq!(bytes[0].fetch_add(2, Ordering::Relaxed), 40);
        assert_eq!(map.get(0).unwrap(), 42);
    }
}

// R1: one line that tells what the map is.
#[test]
fn debug() {
    let map = MmapOptions::new().len(5).map_anonymous().unwrap();
    assert_eq!(format!("{map:?}"), "Mmap { len: 5, offset: 0, access: Write, anonymous: true, .. }");
}
