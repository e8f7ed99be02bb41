//! Lines, places of a needle, and `BufRead`: what walks through a map.

use std::io::{BufRead, Seek, SeekFrom};
#[cfg(unix)]
use std::os::unix::fs::FileExt;

use crate::common::{Scratch, page, pattern, refused};
use firmmap::{Access, ErrorKind, MappedFile, Mmap, MmapOptions, Mode, Protection};
use proptest::prelude::*;

fn split(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.split_inclusive(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect()
}

fn memory(bytes: &[u8]) -> Mmap {
    let map = MmapOptions::new().len(bytes.len()).map_anonymous().unwrap();
    map.write_all_at(bytes, 0).unwrap();
    map
}

fn lines(map: &Mmap) -> Vec<Vec<u8>> {
    map.lines(..).collect::<Result<_, _>>().unwrap()
}

/// Texts: short lines, long ones, none, and such as end where a block does.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let block = 16 * 1024usize;
    let lengths = prop_oneof![8 => 0..100usize, 1 => block - 3..block + 3, 1 => 0..3 * block];
    (prop::collection::vec(lengths, 0..40), any::<bool>()).prop_map(|(lengths, ends)| {
        let mut text: Vec<u8> = lengths.iter().flat_map(|&len| [vec![b'x'; len], vec![b'\n']].concat()).collect();
        if !ends {
            text.pop();
        }
        text
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 200, ..ProptestConfig::default() })]

    // G5, R1: the lines of any text, of any part of it, however they are asked for.
    #[test]
    fn lines_are_those_of_the_text(text in texts(), start in any::<prop::sample::Index>(), len in any::<prop::sample::Index>()) {
        let map = memory(&text);
        prop_assert_eq!(lines(&map), split(&text));
        let start = start.index(text.len() + 1);
        let end = start + len.index(text.len() - start + 1);
        let mut lent = Vec::new();
        let mut iterator = map.lines(start..end);
        let mut position = start;
        while let Some(line) = iterator.next_line().unwrap().map(<[u8]>::to_vec) {
            position += line.len();
            prop_assert_eq!(iterator.position(), position);
            lent.push(line);
        }
        prop_assert_eq!(lent, split(&text[start..end]));
        let mut buffered = Vec::new();
        let mut file = MappedFile::new(map);
        file.seek(SeekFrom::Start(start as u64)).unwrap();
        let mut line = Vec::new();
        while file.read_until(b'\n', &mut line).unwrap() > 0 {
            buffered.push(std::mem::take(&mut line));
        }
        prop_assert_eq!(buffered, split(&text[start..]));
        prop_assert_eq!(file.position(), text.len());
    }

    // G5: as many places as `count` says, and those that the standard library finds.
    #[test]
    fn places_are_those_of_the_text(
        haystack in prop_oneof![
            prop::collection::vec(0u8..3, 0..2000),
            (1usize..6, 0usize..300_000).prop_map(|(period, len)| (0..len).map(|i| (i % period) as u8).collect()),
        ],
        needle in prop::collection::vec(0u8..3, 0..5),
        start in any::<prop::sample::Index>(),
    ) {
        let map = memory(&haystack);
        let start = start.index(haystack.len() + 1);
        let (mut model, mut at) = (Vec::new(), start);
        while at + needle.len() <= haystack.len() {
            if haystack[at..].starts_with(&needle) {
                model.push(at);
                at += needle.len().max(1);
            } else {
                at += 1;
            }
        }
        let found: Vec<usize> = map.find_iter(&needle, start..).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(found.len(), map.count(&needle, start..).unwrap());
        prop_assert!(found == model, "{} places, not {}", found.len(), model.len());
    }
}

// G5: places across the borders of what is searched at a time.
#[test]
fn places_at_every_border() {
    let window = 64 * 1024;
    let needle = b"needle";
    for border in [window, window + needle.len(), 2 * window] {
        for at in border - 10..border + 10 {
            let mut bytes = vec![b'.'; 3 * window];
            bytes[at..at + needle.len()].copy_from_slice(needle);
            let map = memory(&bytes);
            let found: Vec<usize> = map.find_iter(needle, ..).collect::<Result<_, _>>().unwrap();
            assert_eq!(found, [at]);
            assert_eq!(map.find_iter(needle, ..at + needle.len() - 1).count(), 0);
            assert_eq!(map.find_iter(needle, at + 1..).count(), 0);
        }
    }
    assert_eq!(memory(b"aaaa").find_iter(b"", ..).map(Result::unwrap).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
    assert_eq!(memory(&vec![0; 300_000]).find_iter(b"", ..).count(), 300_001);
    assert_eq!(memory(b"").find_iter(b"", ..).count(), 1);
    assert_eq!(memory(b"").find_iter(b"x", ..).count(), 0);
}

// G2, G5: maps of nothing have no lines; ranges and rights are checked.
#[test]
fn what_has_no_lines() {
    let scratch = Scratch::new(b"");
    assert!(lines(&scratch.map(Access::Read)).is_empty());
    let mut map = memory(b"abc");
    let mut iterator = map.lines(2..5);
    let words = "lines range 2..5 is outside the map of 3 bytes";
    refused(iterator.next().unwrap(), ErrorKind::OutOfRange, words);
    assert!(iterator.next().is_none());
    let mut places = map.find_iter(b"c", 2..5);
    refused(places.next().unwrap(), ErrorKind::OutOfRange, "find range 2..5 is outside the map of 3 bytes");
    assert!(places.next().is_none());
    map.protect(Protection::empty()).unwrap();
    assert_eq!(map.lines(..).next().unwrap().unwrap_err().kind(), ErrorKind::AccessDenied);
    assert_eq!(map.find_iter(b"c", ..).next().unwrap().unwrap_err().kind(), ErrorKind::AccessDenied);
}

/// A file of lines, one in each 64 bytes, mapped.
#[cfg(unix)]
fn many_lines(pages: usize) -> (Scratch, Vec<u8>, Mmap) {
    let line = |index: usize| format!("{index:063}\n").into_bytes();
    let text: Vec<u8> = (0..pages * page() / 64).flat_map(line).collect();
    let scratch = Scratch::new(&text);
    let map = scratch.map(Access::Write);
    (scratch, text, map)
}

// F1, F2, G5, R7: a file that is truncated in the middle of a walk: all lines before, an error with the offset, and the
// end. From there on, the rest when the file is whole again.
#[cfg(unix)]
#[test]
fn truncated_in_the_middle_of_lines() {
    let (scratch, text, map) = many_lines(20);
    for keep in [7 * page(), 4 * page(), 5 * page() + 32] {
        let mut iterator = map.lines(..);
        let mut read = iterator.next().unwrap().unwrap();
        scratch.file().set_len(keep as u64).unwrap();
        let error = loop {
            match iterator.next_line() {
                Ok(line) => read.extend(line.expect("the lines do not end here")),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(keep)));
        // That was the end of it.
        assert_eq!(iterator.next_line().unwrap(), None);
        assert!(iterator.next().is_none() && iterator.next().is_none());
        // The zeros behind it, in the last page of the file, are no line.
        assert_eq!((read.len(), iterator.position()), (keep / 64 * 64, keep / 64 * 64));
        assert!(read == text[..read.len()]);
        scratch.file().write_all_at(&text[keep..], keep as u64).unwrap();
        assert!(iterator.next().is_none());
        let rest: Vec<u8> = map.lines(iterator.position()..).flat_map(Result::unwrap).collect();
        assert!(rest == text[read.len()..]);
        map.check().unwrap();
    }
}

// R7: what consumes an iterator ends, whatever it does with errors.
#[cfg(unix)]
#[test]
fn adapters_end_after_a_fault() {
    let (scratch, _, map) = many_lines(20);
    scratch.file().set_len(page() as u64).unwrap();
    let lines = page() / 64;
    assert_eq!(map.lines(..).count(), lines + 1);
    assert_eq!(map.lines(..).flatten().count(), lines);
    assert!(map.lines(..).last().unwrap().is_err());
    assert_eq!(map.find_iter(b"\n", ..).count(), lines + 1);
    assert_eq!(map.find_iter(b"\n", ..).filter_map(Result::ok).count(), lines);
    assert!(map.find_iter(b"\n", ..).last().unwrap().is_err());
    // The range begins where nothing is: no item before the error.
    assert_eq!(map.lines(2 * page()..).count(), 1);
    assert_eq!(map.find_iter(b"\n", 2 * page()..).count(), 1);
    // A needle that is longer than the rest is looked for nowhere; the fault is told once.
    map.get(2 * page()).unwrap_err();
    assert_eq!(map.find_iter(&[b'x'; 100], map.len() - 5..).count(), 0);
}

// F1, F2, G5, R7: the same for places.
#[cfg(unix)]
#[test]
fn truncated_in_the_middle_of_places() {
    let (scratch, text, map) = many_lines(40);
    let keep = 30 * page();
    for needle in [&b"\n"[..], b"\n0"] {
        let all: Vec<usize> = map.find_iter(needle, ..).map(Result::unwrap).collect();
        let mut iterator = map.find_iter(needle, ..);
        let mut found = vec![iterator.next().unwrap().unwrap()];
        scratch.file().set_len(keep as u64).unwrap();
        let error = loop {
            match iterator.next().expect("the places do not end here") {
                Ok(place) => found.push(place),
                Err(error) => break error,
            }
        };
        assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(keep)));
        assert!(found == all[..found.len()] && found.len() >= all.iter().filter(|&&place| place + 2 < keep).count());
        assert!(iterator.next().is_none());
        scratch.file().write_all_at(&text[keep..], keep as u64).unwrap();
        assert!(iterator.next().is_none());
        let next = found.last().unwrap() + needle.len();
        found.extend(map.find_iter(needle, next..).map(Result::unwrap));
        assert!(found == all);
    }
}

// R1, F1: `BufRead` lends what is there now, and only that.
#[test]
fn buffered_reading_is_never_stale() {
    let scratch = Scratch::new(&pattern(3 * page()));
    let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
    assert_eq!(file.fill_buf().unwrap()[..3], [0, 1, 2]);
    file.set(1, 77).unwrap();
    assert_eq!(file.fill_buf().unwrap()[..3], [0, 77, 2]);
    file.consume(2);
    assert_eq!((file.position(), file.fill_buf().unwrap()[0]), (2, 2));
    #[cfg(unix)]
    {
        scratch.file().set_len(0).unwrap();
        assert!(file.fill_buf().is_err());
        assert_eq!(file.position(), 2);
    }
    file.seek(SeekFrom::Start(1 << 30)).unwrap();
    assert!(file.fill_buf().unwrap().is_empty());
}

// G5: a map that grows while its lines are read: they end where it ended, and go on from there.
#[cfg(unix)]
#[test]
fn lines_of_a_growing_map() {
    let scratch = Scratch::new(b"one\ntw");
    let map = MmapOptions::new().access(Access::Write).capacity(1000).open(scratch.path()).unwrap();
    let mut iterator = map.lines(..);
    assert_eq!(iterator.next_line().unwrap(), Some(&b"one\n"[..]));
    let end = iterator.position();
    map.append(b"o\nthree\n").unwrap();
    assert_eq!(map.lines(end..).collect::<Result<Vec<_>, _>>().unwrap(), [b"two\n".to_vec(), b"three\n".to_vec()]);
}
