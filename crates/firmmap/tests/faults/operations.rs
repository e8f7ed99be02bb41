//! F1, F2, F8: every operation on a map whose file was truncated, on every kind of map.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;

use crate::process::*;
use firmmap::{Access, MappedFile, Mmap, MmapOptions};

crate::scenarios! {
    lives:
        every_read_of_a_truncated_file,
        every_write_to_a_truncated_file,
        every_search_in_a_truncated_file,
        short_ways_leave_faults_to_the_long_ones,
        every_operation_that_touches_nothing_that_is_missing,
        a_file_that_is_empty_now,
        a_file_that_ends_inside_of_a_page,
        an_offset_that_is_not_aligned,
        a_map_of_a_part_that_lies_behind_the_end,
        the_position_of_a_mapped_file_stays,
        private_changes_elsewhere_survive,
        several_maps_of_one_file,
        a_deleted_file,
        resize_after_a_fault,
        a_private_map_is_resized_after_a_fault,
        many_faults_in_one_map,
        operations_without_bytes;
    dies:;
}

/// Pages in the file, and those that are left.
const ALL: usize = 400;
const LEFT: usize = 100;

fn all() -> usize {
    ALL * page()
}

fn left() -> usize {
    LEFT * page()
}

/// Maps of every kind that can be read, and those of them that can be written to.
fn maps(pages: &Pages) -> Vec<(String, Mmap)> {
    let mut maps = Vec::new();
    for access in [Access::Read, Access::Write, Access::Copy] {
        for track in [true, false] {
            let map = MmapOptions::new().access(access).track_file(track).map(&pages.file).unwrap();
            maps.push((format!("{access:?}, tracked: {track}"), map));
        }
    }
    maps
}

fn writable(pages: &Pages) -> Vec<(String, Mmap)> {
    maps(pages).into_iter().filter(|(_, map)| map.access() != Access::Read).collect()
}

type Operation<'a> = (&'a str, RangeInclusive<usize>, &'a dyn Fn(&Mmap) -> firmmap::Result<()>);

/// Runs every operation twice on every map: with the file truncated, where the fault must lie in the range, and with the file as
/// it was (F2), where all must be well.
fn run(maps: &[(String, Mmap)], pages: &Pages, operations: &[Operation<'_>]) {
    for (kind, map) in maps {
        for (name, range, operation) in operations {
            println!("{name}, {kind}");
            pages.truncate(LEFT);
            assert_fault(operation(map), range.clone());
            // It was told; what is there can be read; what is not there is an error again.
            assert_eq!(map.get(left() - 1).unwrap(), byte(left() - 1));
            assert_fault(operation(map), range.clone());
            pages.restore();
            operation(map).unwrap_or_else(|error| panic!("{name}, {kind}: {error}"));
            map.check().unwrap();
        }
    }
}

/// F1, F3: they give nothing, and take nothing away that somebody is to be told of.
fn short_ways_leave_faults_to_the_long_ones() {
    let pages = Pages::new(ALL);
    let left = left();
    let memory = |count| Some(vec![MaybeUninit::uninit(); count]);
    for (kind, map) in maps(&pages) {
        println!("{kind}");
        let missing: [&dyn Fn() -> bool; 3] = [
            &|| map.try_get(left).is_some(),
            &|| map.try_read_range(|_| Some(left - 10..left + 10), memory).is_some(),
            &|| map.try_read_through(byte(left + 3), left - 1, 10, memory).is_some(),
        ];
        for gives in missing {
            assert!(gives());
            pages.truncate(LEFT);
            assert!(!gives());
            // Nor anything else, before it was told.
            assert_eq!(map.try_get(0), None);
            assert_fault(map.check(), left..=left);
            assert_eq!(map.try_get(0), Some(byte(0)));
            assert!(!gives());
            assert_fault(map.get(0), left..=left);
            pages.restore();
        }
        map.check().unwrap();
    }
}

fn every_read_of_a_truncated_file() {
    let pages = Pages::new(ALL);
    let (all, left) = (all(), left());
    let expect = |found: &[u8], start: usize| assert!(found == bytes(start, found.len()));
    run(
        &maps(&pages),
        &pages,
        &[
            ("get, the first that is missing", left..=left, &|map| Ok(expect(&[map.get(left)?], left))),
            ("get, the last", all - 1..=all - 1, &|map| Ok(expect(&[map.get(all - 1)?], all - 1))),
            ("read_at across the end", left..=left + 9, &|map| {
                let mut buffer = [0; 20];
                assert_eq!(map.read_at(&mut buffer, left - 10)?, 20);
                Ok(expect(&buffer, left - 10))
            }),
            ("read_at behind the end", left + 50..=left + 69, &|map| {
                let mut buffer = [0; 20];
                map.read_at(&mut buffer, left + 50)?;
                Ok(expect(&buffer, left + 50))
            }),
            ("read_exact_at", left..=all - 1, &|map| {
                let mut buffer = vec![0; all - 7];
                map.read_exact_at(&mut buffer, 7)?;
                Ok(expect(&buffer, 7))
            }),
            ("to_vec of a part", left + 1..=left + 2, &|map| Ok(expect(&map.to_vec(left + 1..left + 3)?, left + 1))),
            ("to_vec of all", left..=all - 1, &|map| Ok(expect(&map.to_vec(..)?, 0))),
            ("read_strided_at, forwards", left..=all - 1, &|map| {
                let mut buffer = vec![0; all / 1000];
                map.read_strided_at(&mut buffer, 3, 1000)?;
                Ok(assert!((0..buffer.len()).all(|index| buffer[index] == byte(3 + index * 1000))))
            }),
            ("read_strided_at, backwards", left..=all - 1, &|map| {
                let mut buffer = vec![0; all / 1000];
                map.read_strided_at(&mut buffer, all - 1, -1000)?;
                Ok(assert!((0..buffer.len()).all(|index| buffer[index] == byte(all - 1 - index * 1000))))
            }),
        ],
    );
}

fn every_write_to_a_truncated_file() {
    let pages = Pages::new(ALL);
    let (all, left) = (all(), left());
    run(
        &writable(&pages),
        &pages,
        &[
            ("set, the first that is missing", left..=left, &|map| map.set(left, 1)),
            ("set, the last", all - 1..=all - 1, &|map| map.set(all - 1, 1)),
            ("write_at across the end", left..=left + 9, &|map| {
                map.write_at(&bytes(left - 10, 20), left - 10).map(|count| assert_eq!(count, 20))
            }),
            ("write_all_at, large", left..=all - 1, &|map| map.write_all_at(&bytes(0, all), 0)),
            ("write_strided_at, forwards", left..=all - 1, &|map| {
                map.write_strided_at(&vec![byte(left - 1); all / 1000], left - 1, 250)
            }),
            ("write_strided_at, backwards", left..=all - 1, &|map| {
                map.write_strided_at(&vec![byte(left - 1); (all - left) / 251], all - 1 - (all - left) % 251, -251)
            }),
            ("fill", left..=all - 1, &|map| map.fill(left.., 3)),
            ("copy_within, the source is missing", left + 9..=left + 28, &|map| {
                map.copy_within(left + 9..left + 29, 5)
            }),
            ("copy_within, the target is missing", left + 9..=left + 28, &|map| map.copy_within(5..25, left + 9)),
            ("copy_within, both are missing", left + 1..=all - 1, &|map| {
                map.copy_within(left + 1..left + 101, left + 31)
            }),
            ("copy_within, large, upwards", left..=all - 1, &|map| map.copy_within(left..all - 100, left + 100)),
            ("copy_within, large, downwards", left..=all - 1, &|map| map.copy_within(left + 100..all, left)),
        ],
    );
}

fn every_search_in_a_truncated_file() {
    let pages = Pages::new(ALL);
    let (all, left) = (all(), left());
    const ABSENT: &[u8] = b"\x09\x08\x07";
    // Before what is missing; the last one that is not cut off.
    let first = bytes(0, 300);
    run(
        &maps(&pages),
        &pages,
        &[
            ("find of one byte", left..=all - 1, &|map| map.find(b"\0", ..).map(|found| assert_eq!(found, None))),
            ("find", left..=all - 1, &|map| map.find(ABSENT, ..).map(|found| assert_eq!(found, None))),
            ("find, short", left..=left + 9, &|map| {
                map.find(ABSENT, left - 10..left + 10).map(|found| assert_eq!(found, None))
            }),
            ("find of zeros, which only the guard has", left..=all - 1, &|map| {
                map.find(b"\0\0\0\0", ..).map(|found| assert_eq!(found, None))
            }),
            ("rfind of one byte", left..=all - 1, &|map| map.rfind(b"\0", ..).map(|found| assert_eq!(found, None))),
            ("rfind", left..=all - 1, &|map| map.rfind(ABSENT, ..).map(|found| assert_eq!(found, None))),
            ("rfind of what comes earlier", left..=all - 1, &|map| {
                map.rfind(&first, ..).map(|found| assert!(found.is_some()))
            }),
            ("count of one byte", left..=all - 1, &|map| map.count(b"\0", ..).map(|count| assert_eq!(count, 0))),
            ("count", left..=all - 1, &|map| map.count(ABSENT, ..).map(|count| assert_eq!(count, 0))),
        ],
    );
    // What is found before anything is missing is found.
    for (_, map) in maps(&pages) {
        pages.truncate(LEFT);
        assert_eq!(map.find(&first, ..).unwrap(), Some(0));
        assert_eq!(map.find(&[byte(left - 1)], ..left).unwrap(), Some(byte(left - 1) as usize - 1));
        assert_eq!(map.rfind(&[byte(left - 1)], ..left).unwrap(), Some(left - 1));
        pages.restore();
    }
}

/// No fault, no error: also an operation that needs no byte, or only bytes that are there.
fn every_operation_that_touches_nothing_that_is_missing() {
    let pages = Pages::new(ALL);
    for (kind, mut map) in maps(&pages) {
        pages.truncate(LEFT);
        let found = map.to_vec(..left()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(found == bytes(0, left()));
        assert_eq!(map.find(b"\0", ..left()).unwrap(), None);
        assert_eq!(map.count(&[byte(5)], ..left()).unwrap(), (left() - 6) / 251 + 1);
        map.flush().unwrap();
        map.flush_async_range(10..).unwrap();
        map.advise(firmmap::Advice::NORMAL).unwrap();
        map.protect(map.protection()).unwrap();
        map.check().unwrap();
        if map.access() != Access::Read {
            map.copy_within(..left() / 2, left() / 2).unwrap();
            map.write_all_at(&bytes(0, left()), 0).unwrap();
        }
        pages.restore();
        map.close().unwrap();
    }
}

fn a_file_that_is_empty_now() {
    let pages = Pages::new(ALL);
    for (_, map) in maps(&pages) {
        pages.truncate(0);
        for index in [0, 1, page(), all() - 1] {
            assert_fault(map.get(index), index..=index);
        }
        assert_fault(map.find(b"absent", ..), ..);
        assert_fault(map.rfind(b"absent", ..), ..);
        assert_fault(map.to_vec(..), ..);
        pages.restore();
        assert_bytes(&map, &bytes(0, all()));
    }
}

/// F8: the rest of the last page is zeros, without an error.
fn a_file_that_ends_inside_of_a_page() {
    let pages = Pages::new(4);
    for (kind, map) in maps(&pages) {
        pages.file.set_len(page() as u64 + 100).unwrap();
        let rest = map.to_vec(page() + 100..2 * page()).unwrap_or_else(|error| panic!("{kind}: {error}"));
        assert!(rest.iter().all(|&byte| byte == 0));
        assert!(map.to_vec(..page() + 100).unwrap() == bytes(0, page() + 100));
        assert_fault(map.to_vec(..=2 * page()), 2 * page()..=2 * page());
        pages.restore();
        assert_bytes(&map, &bytes(0, pages.len));
    }
}

/// Offsets of faults are those of the map, not of the file.
fn an_offset_that_is_not_aligned() {
    let pages = Pages::new(8);
    for (access, track) in [(Access::Read, true), (Access::Write, true), (Access::Write, false), (Access::Copy, false)]
    {
        let offset = 2 * page() + 77;
        let options = MmapOptions::new().access(access).track_file(track).offset(offset as u64).len(4 * page());
        let map = options.map(&pages.file).unwrap();
        pages.truncate(4);
        let missing = 4 * page() - offset;
        assert_eq!(map.get(missing - 1).unwrap(), byte(offset + missing - 1));
        assert_fault(map.get(missing), missing..=missing);
        assert_fault(map.get(4 * page() - 1), 4 * page() - 1..);
        assert_fault(map.find(b"absent", ..), missing..4 * page());
        pages.truncate(2);
        // The bytes before the map's first are in its first page.
        assert_fault(map.get(0), 0..=0);
        assert_fault(map.to_vec(..), 0..4 * page());
        pages.restore();
        assert_bytes(&map, &bytes(offset, 4 * page()));
    }
}

fn a_map_of_a_part_that_lies_behind_the_end() {
    let pages = Pages::new(8);
    for (access, track) in [(Access::Read, true), (Access::Copy, true), (Access::Write, false), (Access::Copy, false)] {
        let options = MmapOptions::new().access(access).track_file(track).offset(6 * page() as u64).len(page() + 9);
        let map = options.map(&pages.file).unwrap();
        for left in [6, 3, 0] {
            pages.truncate(left);
            assert_fault(map.get(page() + 8), page() + 8..=page() + 8);
            assert_fault(map.get(0), 0..=0);
        }
        pages.restore();
        assert_bytes(&map, &bytes(6 * page(), page() + 9));
    }
}

fn the_position_of_a_mapped_file_stays() {
    let pages = Pages::new(ALL);
    let (all, left) = (all(), left());
    for (kind, map) in maps(&pages) {
        println!("{kind}");
        let writable = map.access() != Access::Read;
        let mut file = MappedFile::new(map);
        let start = left - 5;
        file.seek(SeekFrom::Start(start as u64)).unwrap();
        pages.truncate(LEFT);
        let mut buffer = [7; 50];
        let mut vec = vec![1, 2, 3];
        assert_io_fault(file.read(&mut buffer), left..left + 45);
        assert_io_fault(file.read_exact(&mut buffer), left..left + 45);
        assert_io_fault(file.read_to_end(&mut vec), left..all);
        assert_eq!(vec, [1, 2, 3]);
        // The text that is there is no UTF-8; what is missing comes first.
        assert_io_fault(file.read_to_string(&mut String::new()), left..all);
        file.set_position(left);
        assert_fault(file.line_end(), left..all);
        file.set_position(start);
        if writable {
            assert_io_fault(file.write(&[1; 50]), left..left + 45);
            assert_io_fault(file.write_all(&[1; 50]), left..left + 45);
            let mut buffered = BufWriter::new(&mut file);
            buffered.write_all(&[1; 50]).unwrap();
            assert_io_fault(buffered.flush(), left..left + 45);
            drop(buffered.into_parts());
        }
        assert_eq!(file.position(), start);
        file.seek(SeekFrom::Current(-100)).unwrap();
        file.seek(SeekFrom::Start(start as u64)).unwrap();
        assert_eq!(file.position(), start);
        // What comes before can be read.
        file.set_position(3);
        file.read_exact(&mut buffer).unwrap();
        assert_eq!((&buffer[..], file.position()), (&bytes(3, 50)[..], 53));
        pages.restore();
        if writable {
            file.set_position(start);
            file.write_all(&bytes(start, 50)).unwrap();
        }
        file.set_position(start);
        file.read_to_end(&mut vec).unwrap();
        assert!(vec[3..] == bytes(start, all - start));
        assert_eq!(file.position(), all);
    }
}

/// Copy-on-write: what was changed in pages that are still there is still changed. What was changed in others went with them.
fn private_changes_elsewhere_survive() {
    for track in [true, false] {
        let pages = Pages::new(8);
        let map = MmapOptions::new().access(Access::Copy).track_file(track).map(&pages.file).unwrap();
        for index in 0..8 {
            map.set(index * page(), 255).unwrap();
            map.set(index * page() + 1, 255).unwrap();
        }
        pages.truncate(4);
        for _ in 0..3 {
            assert_fault(map.get(6 * page() + 1), 6 * page() + 1..=6 * page() + 1);
            assert_fault(map.set(5 * page() + 1, 254), 5 * page() + 1..=5 * page() + 1);
        }
        assert_fault(map.find(b"absent", ..), 4 * page()..);
        let mut expected = bytes(0, pages.len);
        for index in 0..4 {
            expected[index * page()] = 255;
            expected[index * page() + 1] = 255;
        }
        assert!(map.to_vec(..4 * page()).unwrap() == expected[..4 * page()]);
        pages.restore();
        assert_bytes(&map, &expected);
        map.set(7 * page(), 255).unwrap();
        assert_eq!(map.get(7 * page()).unwrap(), 255);
        assert_eq!(pages.map(Access::Read).get(1).unwrap(), byte(1));
    }
}

/// A fault is that of its map, and the others are not disturbed.
fn several_maps_of_one_file() {
    let pages = Pages::new(8);
    let maps: Vec<Mmap> = maps(&pages).into_iter().chain(maps(&pages)).map(|(_, map)| map).collect();
    pages.truncate(4);
    assert_fault(maps[2].get(5 * page()), 5 * page()..=5 * page());
    assert_eq!(peek(&maps[3], 6 * page()), 0);
    for (index, map) in maps.iter().enumerate() {
        match index {
            3 => assert_fault(map.check(), 6 * page()..=6 * page()),
            _ => map.check().unwrap(),
        }
    }
    for map in &maps {
        assert_fault(map.find(b"absent", ..), 4 * page()..);
    }
    pages.restore();
    for map in &maps {
        assert_bytes(map, &bytes(0, pages.len));
    }
}

fn a_deleted_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("deleted");
    let file = std::fs::File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    let pages = Pages::of(file, 4);
    let maps = maps(&pages);
    std::fs::remove_file(&path).unwrap();
    for (_, map) in &maps {
        assert_bytes(map, &bytes(0, pages.len));
        pages.truncate(1);
        assert_fault(map.to_vec(..), page()..);
        pages.restore();
        assert_bytes(map, &bytes(0, pages.len));
    }
}

/// mremap(2) takes only what is in one piece.
fn resize_after_a_fault() {
    let pages = Pages::new(8);
    let mut map = pages.map(Access::Write);
    for len in [16, 4, 7, 100, 1, 0, 8] {
        pages.truncate(1);
        if map.len() > page() {
            assert_fault(map.get(map.len() - 1), map.len() - 1..);
            // Not reported yet: resize does, and changes nothing.
            peek(&map, map.len() - 1);
            assert_fault(map.resize(len * page()), map.len() - 1..);
        }
        map.resize(len * page()).unwrap();
        map.write_all_at(&bytes(0, len * page()), 0).unwrap();
        assert_bytes(&map, &bytes(0, len * page()));
        assert_eq!(map.file_len().unwrap(), (len * page()) as u64);
    }
}

fn a_private_map_is_resized_after_a_fault() {
    #[cfg(linux_kernel)]
    {
        use firmmap::{MapFlags, Protection};
        let pages = Pages::new(8);
        let options = MmapOptions::new().flags(MapFlags::PRIVATE).protection(Protection::READ | Protection::WRITE);
        let mut map = options.map(&pages.file).unwrap();
        map.set(0, 255).unwrap();
        map.set(7 * page(), 255).unwrap();
        pages.truncate(4);
        assert_fault(map.get(6 * page()), 6 * page()..=6 * page());
        pages.restore();
        map.resize(6 * page()).unwrap();
        let mut expected = bytes(0, 6 * page());
        expected[0] = 255;
        assert_bytes(&map, &expected);
    }
}

fn many_faults_in_one_map() {
    let pages = Pages::new(64);
    for (_, map) in maps(&pages) {
        for round in 0..100 {
            let left = round * 7 % 64;
            if round % 10 == 0 {
                pages.restore();
            }
            pages.truncate(left);
            assert_fault(map.get(63 * page() + round), 63 * page() + round..=63 * page() + round);
            // What was missing before and is there again, is zeros.
            let last = left.checked_sub(1).map(|page| map.get(page * firmmap::page_size()).unwrap());
            assert!(last.is_none_or(|last| last == byte((left - 1) * page()) || (last == 0 && round % 10 > 0)));
        }
        pages.restore();
        assert_bytes(&map, &bytes(0, pages.len));
    }
}

fn operations_without_bytes() {
    let pages = Pages::new(2);
    let map = pages.map(Access::Write);
    pages.truncate(0);
    assert_eq!(map.to_vec(5..5).unwrap(), []);
    assert_eq!(map.read_at(&mut [], 0).unwrap(), 0);
    assert_eq!(map.read_at(&mut [0; 9], pages.len).unwrap(), 0);
    assert_eq!(map.find(b"", ..).unwrap(), Some(0));
    assert_eq!(map.find(b"x", 7..7).unwrap(), None);
    map.copy_within(3..3, 0).unwrap();
    map.fill(3..3, 0).unwrap();
    // But what nobody was told of, they tell (F3).
    let operations: [fn(&Mmap) -> firmmap::Result<()>; 5] = [
        |map| map.to_vec(5..5).map(drop),
        |map| map.read_at(&mut [0; 9], map.len()).map(drop),
        |map| map.find(b"x", 7..7).map(drop),
        |map| map.copy_within(3..3, 0),
        |map| map.fill(3..3, 0),
    ];
    for operation in operations {
        peek(&map, 9);
        assert_fault(operation(&map), 9..=9);
        operation(&map).unwrap();
    }
}
