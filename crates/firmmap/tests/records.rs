//! Lines that contain something, lines from the last one on, places of several needles, and ranges of whole records.

mod common;

use std::ops::Range;

use common::refused;
#[cfg(unix)]
use common::{Scratch, page};
#[cfg(unix)]
use firmmap::Access;
use firmmap::{Boundary, ErrorKind, FindAnyCursor, LineCursor, LineStep, Mmap, MmapOptions, Needles, Parts};
use proptest::prelude::*;

fn memory(bytes: &[u8]) -> Mmap {
    let map = MmapOptions::new().len(bytes.len()).map_anonymous().unwrap();
    map.write_all_at(bytes, 0).unwrap();
    map
}

/// Lines of few different bytes, so that needles are found; some longer than a page or a block.
fn texts() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => "[abc]{0,8}",
        4 => (0usize..60).prop_map(|len| "abc".repeat(20)[..len].to_owned()),
        1 => prop::sample::select(vec![4095usize, 4096, 13_000]).prop_map(|len| "b".repeat(len) + "ca"),
    ];
    (prop::collection::vec(line, 0..40), any::<bool>()).prop_map(|(lines, ends)| {
        let text = lines.join("\n");
        (if ends { text + "\n" } else { text }).into_bytes()
    })
}

fn needles() -> impl Strategy<Value = Vec<&'static str>> {
    let needle = prop::sample::select(vec!["a", "ab", "ca", "bca", "c\n", "\n", "aaaa", "abcabcabcab"]);
    prop_oneof![prop::collection::vec(needle, 0..4), Just(vec![""])]
}

fn has(line: &[u8], needle: &[u8]) -> bool {
    needle.is_empty() || line.windows(needle.len()).any(|window| window == needle)
}

/// The lines that contain a needle, and their numbers, by steps that find one each, as for maps that change meanwhile.
fn one_by_one(map: &Mmap, needles: &Needles, range: Range<usize>, reverse: bool) -> Vec<(Range<usize>, usize)> {
    let mut cursor = LineCursor::new(range, reverse);
    let mut found = Vec::new();
    loop {
        cursor.set_one_by_one(true);
        match cursor.step(map, needles, usize::MAX, true).unwrap() {
            LineStep::Found => {}
            LineStep::Far => continue,
            LineStep::Cut | LineStep::Done => return found,
        }
        assert_eq!(cursor.found(), 1);
        let (start, len) = cursor.line().map(|(start, line)| (start, line.len())).unwrap();
        found.push((start..start + len, cursor.number(map, start).unwrap()));
        cursor.pass();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 100, ..ProptestConfig::default() })]

    // G5, R1: as a look at each line finds them, with their places and numbers, in both directions.
    #[test]
    fn lines_are_those_that_contain_a_needle(
        text in texts(),
        needles in needles(),
        bounds in any::<[prop::sample::Index; 2]>(),
    ) {
        let map = memory(&text);
        let bounds = bounds.map(|bound| bound.index(text.len() + 1));
        let range = bounds[0].min(bounds[1])..bounds[0].max(bounds[1]);
        let mut expected: Vec<(Range<usize>, usize)> = Vec::new();
        let mut start = range.start;
        let mut number = text[..start].iter().filter(|&&byte| byte == b'\n').count();
        for line in text[range.clone()].split_inclusive(|&byte| byte == b'\n') {
            number += 1;
            if needles.iter().any(|needle| has(line, needle.as_bytes())) {
                expected.push((start..start + line.len(), number));
            }
            start += line.len();
        }
        let prepared = Needles::new(&needles).unwrap();
        for mut lines in [map.lines_containing(&prepared, range.clone()), map.rlines_containing(&prepared, range.clone())] {
            let mut found = Vec::new();
            while let Some(line) = lines.next_line().unwrap().map(<[u8]>::to_vec) {
                prop_assert_eq!(&line, &text[lines.range()]);
                found.push((lines.range(), lines.number().unwrap()));
            }
            prop_assert!(lines.next_line().unwrap().is_none());
            prop_assert_eq!(&found, &expected);
            expected.reverse();
        }
        for reverse in [false, true] {
            prop_assert_eq!(&one_by_one(&map, &prepared, range.clone(), reverse), &expected);
            expected.reverse();
        }
        if needles == [""] {
            let all: Vec<_> = map.rlines(range.clone()).map(Result::unwrap).collect();
            let mut forward: Vec<_> = map.lines(range).map(Result::unwrap).collect();
            forward.reverse();
            prop_assert_eq!(all, forward);
        }
    }

    // G5, R1: the leftmost place, of those the longest, and on from its end.
    #[test]
    fn places_of_several_needles(
        text in prop_oneof![texts(), (0usize..100_000).prop_map(|len| b"abcab".repeat(len / 5))],
        needles in needles(),
    ) {
        let mut expected = Vec::new();
        let mut start = 0;
        while start <= text.len() {
            let longest = needles.iter().filter(|needle| text[start..].starts_with(needle.as_bytes())).map(|needle| needle.len()).max();
            if let Some(len) = longest {
                expected.push(start..start + len);
            }
            start += longest.unwrap_or(1).max(1);
        }
        let prepared = Needles::new(&needles).unwrap();
        let map = memory(&text);
        let mut cursor = FindAnyCursor::new(0, text.len());
        let mut singly = Vec::new();
        while !cursor.is_done() || cursor.place().is_some() {
            cursor.set_one_by_one(true);
            cursor.step(&map, &prepared, 1).unwrap();
            singly.extend(cursor.place().cloned());
            cursor.pass();
            // Nothing was found ahead that would have to be dropped.
            prop_assert!(cursor.place().is_none());
        }
        prop_assert_eq!(&singly, &expected);
        let found: Vec<_> = map.find_any_iter(&prepared, ..).map(Result::unwrap).collect();
        prop_assert_eq!(found, expected);
    }

    // S1: every record is in exactly one range, and every even division has the first record behind it.
    #[test]
    fn ranges_are_of_whole_records(
        text in prop_oneof![texts(), (0usize..9000).prop_map(|len| vec![b'a'; len]), (0usize..200).prop_map(|len| vec![b'\n'; len])],
        boundary in prop::sample::select(vec!["\n", "ab", "aa", "aba", "\n\n", "abab", "zz", "c\n"]),
        count in prop::sample::select(vec![1usize, 2, 3, 7, 50, usize::MAX]),
        from in any::<prop::sample::Index>(),
    ) {
        let map = memory(&text);
        let from = from.index(text.len() + 1);
        let len = text.len() - from;
        let boundary = boundary.as_bytes();
        let mut starts = vec![from];
        let mut at = from;
        while at + boundary.len() <= text.len() {
            let is_there = text[at..].starts_with(boundary);
            at += if is_there { boundary.len() } else { 1 };
            if is_there {
                starts.push(at);
            }
        }
        let parts = count.min(len);
        let mut cuts: Vec<_> = (1..parts)
            .map(|part| from + (len as u128 * part as u128 / parts as u128) as usize)
            .map(|goal| starts.iter().copied().find(|&start| start >= goal).unwrap_or(text.len()))
            .filter(|&cut| cut > from && cut < text.len())
            .collect();
        cuts.dedup();
        let ranges = map.split(from.., Parts::Count(count), Boundary::Bytes(boundary)).unwrap();
        let mut ends = ranges.iter().map(|range| range.start).chain([text.len()]);
        prop_assert_eq!(ends.next(), Some(if len == 0 { text.len() } else { from }));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start) && ranges.iter().all(|range| !range.is_empty()));
        prop_assert_eq!(ranges.iter().skip(1).map(|range| range.start).collect::<Vec<_>>(), cuts);
        prop_assert_eq!(ranges.iter().map(Range::len).sum::<usize>(), len);
    }
}

// S1: records of a fixed size, and of a function's choice.
#[test]
fn other_boundaries() {
    let map = memory(&[7; 240]);
    let ranges = map.split(.., Parts::Count(4), Boundary::Record(24)).unwrap();
    assert_eq!(ranges, [0..72, 72..120, 120..192, 192..240]);
    assert_eq!(map.split(.., Parts::Size(48), Boundary::Record(24)).unwrap().len(), 5);
    let hundreds = |map: &Mmap, goal: usize| Ok(goal.next_multiple_of(100).min(map.len()));
    assert_eq!(map.split(.., Parts::Count(9), Boundary::With(&hundreds)).unwrap(), [0..100, 100..200, 200..240]);
    assert!(map.split(5..5, Parts::Count(9), Boundary::Record(24)).unwrap().is_empty());
}

// S1, G5, R4: what was wrong, with the numbers.
#[test]
fn wrong_arguments() {
    let map = memory(b"one\ntwo\n");
    let invalid = |parts, boundary, words| refused(map.split(.., parts, boundary), ErrorKind::InvalidInput, words);
    invalid(Parts::Count(0), Boundary::Record(1), "a map is split into at least 1 part");
    invalid(Parts::Size(0), Boundary::Record(1), "a part has at least 1 byte");
    invalid(Parts::Count(2), Boundary::Record(0), "a record has at least 1 byte");
    invalid(Parts::Count(2), Boundary::Bytes(b""), "the boundary of records is empty");
    let words = "split range of 8 bytes is no whole number of values of 3 bytes";
    invalid(Parts::Count(2), Boundary::Record(3), words);
    let words = "a boundary at 3 is not in 4..=8, from the goal to the end of what is split";
    invalid(Parts::Count(2), Boundary::With(&|_, goal| Ok(goal - 1)), words);
    refused(
        map.split(9.., Parts::Count(2), Boundary::Record(1)),
        ErrorKind::OutOfRange,
        "split range 9..8 is outside the map of 8 bytes",
    );
    let words = "an empty needle among several is found everywhere";
    refused(Needles::new(["a", ""]).map(drop), ErrorKind::InvalidInput, words);
    let needles = Needles::new(["two", "one\ntwo"]).unwrap();
    let mut lines = map.lines_containing(&needles, ..);
    let words = "a needle has a newline before its end, so that no line can contain it";
    refused(lines.next_line().map(drop), ErrorKind::InvalidInput, words);
    assert!(lines.next().is_none());
}

// F1, R7: what lies before the missing byte, then the error, then nothing.
#[cfg(unix)]
#[test]
fn a_file_that_was_cut_off() {
    let page = page();
    let scratch = Scratch::new(&b"0123456\n".repeat(page));
    let map = scratch.map(Access::Read);
    scratch.file().set_len(3 * page as u64).unwrap();
    let missing =
        |error: firmmap::Error| assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(3 * page)));
    for needles in [vec!["345"], vec!["345", "x"], vec![""]] {
        let needles = Needles::new(needles).unwrap();
        let mut lines = map.lines_containing(&needles, ..);
        assert_eq!(lines.by_ref().take_while(Result::is_ok).count(), 3 * page / 8);
        assert!(lines.next().is_none());
        missing(map.lines_containing(&needles, ..).find_map(Result::err).unwrap());
        let mut lines = map.rlines_containing(&needles, ..);
        missing(lines.next().unwrap().unwrap_err());
        assert!(lines.next().is_none());
        assert_eq!(map.rlines_containing(&needles, ..3 * page).map(Result::unwrap).count(), 3 * page / 8);
    }
    let needles = Needles::new(["345", "x"]).unwrap();
    let mut places = map.find_any_iter(&needles, ..);
    assert_eq!(places.by_ref().take_while(Result::is_ok).count(), 3 * page / 8);
    assert!(places.next().is_none());
}

// G5, R1: pages of lines that all have the needle, before and after lines without it, and before lines that are longer than a page.
#[test]
fn lines_that_mostly_contain_a_needle() {
    let page = firmmap::page_size();
    for shift in [0, 1, 5, 100] {
        let hits = b"a hit .\n".repeat(page / 4);
        let mut text = [&vec![b'p'; shift][..], &hits[..hits.len() - shift]].concat();
        for rest in [page / 2, page, 3 * page] {
            // A block begins with the line without the needle, if `shift` is 0; the next one reaches past the end of the page.
            text.extend([&vec![b'b'; page / 2][..], b"\nhit", &vec![b'c'; rest], b"\n"].concat());
            text.extend(b"none of it\n".repeat(page / 8));
            text.extend(vec![b'd'; page - 1 - text.len() % page]);
            text.extend([&b"\n"[..], &hits].concat());
        }
        // Blocks of lines that all have it, which are longer than a page.
        text.extend(hits.repeat(9));
        text.extend(b"the last hit");
        let map = memory(&text);
        for needles in [&["hit"][..], &["t"], &[".\n"], &["hit", "a hit"], &["none", "hit"], &["hit .\n"]] {
            let mut start = 0;
            let lines = text.split_inclusive(|&byte| byte == b'\n').map(|line| {
                start += line.len();
                start - line.len()..start
            });
            let has_any =
                |line: &Range<usize>| needles.iter().any(|needle| has(&text[line.clone()], needle.as_bytes()));
            let mut expected: Vec<Range<usize>> = lines.filter(has_any).collect();
            let prepared = Needles::new(needles).unwrap();
            for mut lines in [map.lines_containing(&prepared, ..), map.rlines_containing(&prepared, ..)] {
                let mut found = Vec::new();
                while let Some(line) = lines.next_line().unwrap().map(<[u8]>::to_vec) {
                    assert!(line == text[lines.range()], "{needles:?}");
                    found.push(lines.range());
                }
                assert!(found == expected, "{needles:?}, {shift}");
                expected.reverse();
            }
        }
    }
}

// G8: afterwards nothing of the range is in memory, and nothing that was written is lost.
#[cfg(target_os = "linux")]
#[test]
fn evicted_pages() {
    let page = page();
    let scratch = Scratch::new(&vec![b'x'; 64 * page]);
    let map = scratch.map(Access::Write);
    map.evict(..).unwrap();
    if map.residency(..).unwrap().resident() > 0 {
        skipped::skipped("the file system keeps its pages in memory");
        return;
    }
    map.prefetch(..).unwrap();
    map.write_all_at(b"new", 9 * page).unwrap();
    map.evict(8 * page - 1..10 * page + 1).unwrap();
    assert_eq!(map.residency(7 * page..11 * page).unwrap().resident(), 0);
    assert_eq!(map.residency(..).unwrap().resident(), 60);
    assert_eq!(map.to_vec(9 * page - 1..9 * page + 4).unwrap(), b"xnewx");
    map.evict(7..7).unwrap();
    assert_eq!(map.evict(1..64 * page + 1).unwrap_err().kind(), ErrorKind::OutOfRange);
    let map = scratch.map(Access::Copy);
    map.write_all_at(b"own", 0).unwrap();
    refused(map.evict(..), ErrorKind::AccessDenied, "evict is not possible on a map that is copy-on-write");
    assert_eq!(map.to_vec(..3).unwrap(), b"own");
    let words = "evict is not possible on a map that is memory without a file";
    refused(memory(b"own").evict(..), ErrorKind::AccessDenied, words);
    let map = MmapOptions::new().track_file(false).open(scratch.path()).unwrap();
    refused(map.evict(..), ErrorKind::NoFile, "evict needs the map's file, and the map was made without keeping it");
}

#[cfg(target_os = "linux")]
mod skipped;
