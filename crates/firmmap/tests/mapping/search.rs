//! Searching, against a naive oracle, all from one table of cases.

use std::ops::{Bound, Range};

use crate::common::{Scratch, page, refused};
use firmmap::{Access, ErrorKind, Mmap, MmapOptions};

const NEEDLES: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"z",
    b"\0",
    b"\xff",
    b"aa",
    b"ab",
    b"ba",
    b"aba",
    b"aaa",
    b"abab",
    b"aab",
    b"foo",
    b"foobar",
    b"barfoo",
    b"abcdefgh",
    b"\xff\xfe",
    b"ab\0",
    b"\0\0",
    b"abcdefghijklmnopqrstuvwxyz",
];

const HAYSTACKS: &[&[u8]] = &[
    b"",
    b"a",
    b"b",
    b"ab",
    b"aa",
    b"aaa",
    b"aaaaaaaa",
    b"abababab",
    b"abaababaab",
    b"foobarfoo",
    b"barfoobarfoo",
    b"xfoo",
    b"foox",
    b"xxxxxfooxxxxx",
    b"fofofoofofoo",
    b"abcdefgh",
    b"xabcdefghx",
    b"abcdefgabcdefgh",
    b"abcdefghijklmnopqrstuvwxyz",
    b"\0\0\0",
    b"a\0b\0ab\0",
    b"\xff\xfe\xff\xff\xfe",
    b"\n\n\n",
];

/// Maps that hold `bytes`: of a file from its start and from an odd offset, copied on write, and of memory.
fn maps(bytes: &[u8]) -> Vec<Mmap> {
    let aligned = Scratch::new(bytes);
    let offset = page() - 3;
    // What surrounds the map would be found by a search that goes too far.
    let mut embedded = vec![bytes.first().copied().unwrap_or(b'a'); offset];
    embedded.extend_from_slice(bytes);
    embedded.extend_from_slice(bytes);
    let unaligned = Scratch::new(&embedded);
    let options = MmapOptions::new().len(bytes.len());
    let copy = options.clone().access(Access::Copy).open(Scratch::new(&vec![b'a'; bytes.len()]).path()).unwrap();
    let anonymous = options.map_anonymous().unwrap();
    copy.write_all_at(bytes, 0).unwrap();
    anonymous.write_all_at(bytes, 0).unwrap();
    let unaligned = options.offset(offset as u64).open(unaligned.path()).unwrap();
    vec![aligned.map(Access::Read), unaligned, copy, anonymous]
}

fn starts(haystack: &[u8], needle: &[u8], range: &Range<usize>) -> impl DoubleEndedIterator<Item = usize> {
    let last = (range.len() + 1).saturating_sub(needle.len());
    (range.start..range.start + last).filter(move |&index| haystack[index..].starts_with(needle))
}

fn naive_count(haystack: &[u8], needle: &[u8], range: &Range<usize>) -> usize {
    let mut free = range.start;
    let mut count = 0;
    for index in starts(haystack, needle, range) {
        if index >= free {
            count += 1;
            free = index + needle.len();
        }
    }
    count
}

#[track_caller]
fn check(map: &Mmap, haystack: &[u8], needle: &[u8], range: Range<usize>) {
    let context = || format!("{:?} in {:?} bytes, {range:?}, {map:?}", needle.escape_ascii(), haystack.len());
    let mut found = starts(haystack, needle, &range);
    let (first, last) = (found.next(), starts(haystack, needle, &range).next_back());
    assert_eq!(map.find(needle, range.clone()).unwrap(), first, "find {}", context());
    assert_eq!(map.rfind(needle, range.clone()).unwrap(), last, "rfind {}", context());
    let count = naive_count(haystack, needle, &range);
    assert_eq!(map.count(needle, range.clone()).unwrap(), count, "count {}", context());
}

// C2, G4: every needle in every range of every haystack.
#[test]
fn the_table() {
    for haystack in HAYSTACKS {
        for map in maps(haystack) {
            for needle in NEEDLES {
                for start in 0..=haystack.len() {
                    for end in start..=haystack.len() {
                        check(&map, haystack, needle, start..end);
                    }
                }
            }
        }
    }
}

// C2: matches at the very ends, at pages' borders and at those of the blocks in which `rfind` looks.
#[test]
fn large_haystacks() {
    const BLOCK: usize = 64 * 1024;
    let len = 2 * BLOCK + 3 * page() + 11;
    let needles: [&[u8]; 4] = [b"x", b"xy", b"xyxy", &[b'.'; 3000]];
    let borders = [0, 1, page(), BLOCK, 2 * BLOCK, len - 1024, len - 1024 - BLOCK, len - page(), len - 4];
    let mut haystack = vec![b'.'; len];
    for map in maps(&haystack) {
        if map.access() == Access::Read {
            continue;
        }
        for border in borders {
            for at in border.saturating_sub(3)..(border + 2).min(len - 3) {
                haystack[at..at + 4].copy_from_slice(b"xyxy");
                map.write_all_at(b"xyxy", at).unwrap();
                for needle in &needles[..3] {
                    assert_eq!(map.find(needle, ..).unwrap(), Some(at));
                    assert_eq!(map.rfind(needle, ..).unwrap(), Some(at + 4 - needle.len().next_multiple_of(2)));
                    assert_eq!(map.count(needle, ..).unwrap(), 4 / needle.len().next_multiple_of(2));
                    // A range that cuts the match in two.
                    assert_eq!(map.find(needle, at + 3..).unwrap(), None);
                    assert_eq!(map.rfind(b"xyxy", ..at + 3).unwrap(), None);
                }
                haystack[at..at + 4].fill(b'.');
                map.fill(at..at + 4, b'.').unwrap();
            }
        }
        check(&map, &haystack, needles[3], 0..len);
        check(&map, &haystack, needles[3], 7..len - 7);
    }
}

// C2: a needle as long as the range, and longer than the whole map.
#[test]
fn long_needles() {
    let haystack: Vec<u8> = crate::common::pattern(2 * page() + 5);
    for map in maps(&haystack) {
        let longer = [&haystack[..], b"?"].concat();
        check(&map, &haystack, &haystack, 0..haystack.len());
        check(&map, &haystack, &haystack[1..], 0..haystack.len());
        check(&map, &haystack, &haystack[..haystack.len() - 1], 0..haystack.len());
        for needle in [&longer[..], &[longer.as_slice(), &longer].concat()] {
            assert_eq!(map.find(needle, ..).unwrap(), None);
            assert_eq!(map.rfind(needle, ..).unwrap(), None);
            assert_eq!(map.count(needle, ..).unwrap(), 0);
        }
    }
}

// C2: every form of range.
#[test]
fn forms_of_ranges() {
    for map in maps(b"banana") {
        assert_eq!(map.find(b"an", ..).unwrap(), Some(1));
        assert_eq!(map.find(b"an", 2..).unwrap(), Some(3));
        assert_eq!(map.find(b"an", ..=2).unwrap(), Some(1));
        assert_eq!(map.find(b"an", ..2).unwrap(), None);
        assert_eq!(map.find(b"an", (Bound::Excluded(1), Bound::Unbounded)).unwrap(), Some(3));
        assert_eq!(map.rfind(b"an", 3..=4).unwrap(), Some(3));
        assert_eq!(map.rfind(b"an", ..4).unwrap(), Some(1));
        assert_eq!(map.count(b"a", 1..=3).unwrap(), 2);
        assert_eq!((map.find(b"", 3..).unwrap(), map.rfind(b"", ..3).unwrap()), (Some(3), Some(3)));
        assert_eq!((map.find(b"", 6..).unwrap(), map.count(b"", 6..).unwrap()), (Some(6), 1));
    }
}

// C2, N4: a range outside of the map is an error, also for an empty needle.
#[test]
fn ranges_outside_of_the_map() {
    let out = ErrorKind::OutOfRange;
    let (from, to) = (4, 3);
    for map in maps(b"banana") {
        for needle in [&b""[..], b"a", b"an"] {
            refused(map.find(needle, ..7), out, "find range 0..7 is outside the map of 6 bytes");
            refused(map.rfind(needle, 7..), out, "rfind range 7..6 is outside the map of 6 bytes");
            refused(map.count(needle, from..to), out, "count range 4..3 is outside the map of 6 bytes");
            assert_eq!(map.find(needle, ..=usize::MAX).unwrap_err().kind(), out);
        }
    }
}

// C2, B4: what was written is found at once, what was overwritten is not.
#[test]
fn searches_see_changes() {
    let scratch = Scratch::new(b"one two one");
    let (shared, copy) = (scratch.map(Access::Write), scratch.map(Access::Copy));
    let read = scratch.map(Access::Read);
    copy.write_all_at(b"TWO", 4).unwrap();
    shared.write_all_at(b"new", 0).unwrap();
    assert_eq!((read.find(b"one", ..).unwrap(), read.find(b"new", ..).unwrap()), (Some(8), Some(0)));
    assert_eq!((read.find(b"TWO", ..).unwrap(), copy.find(b"TWO", ..).unwrap()), (None, Some(4)));
}

// C2, G4, G5: matches across the borders of what is searched at a time, in all four searches, overlapping or not.
#[test]
fn borders_of_what_is_searched_at_a_time() {
    // Between two looks at whether there was a fault; and by `find_iter`.
    for border in [1 << 20, 64 * 1024] {
        let longer = [&vec![b'.'; border + 5][..], b"x"].concat();
        let len = 2 * border + 77;
        let map = MmapOptions::new().len(len).map_anonymous().unwrap();
        let mut haystack = vec![b'.'; len];
        for needle in [&b"x"[..], b"xyx", &[b'x'; 40], &longer] {
            for at in [border - needle.len().min(border), border - 1, border + 1, len - needle.len()] {
                // The second copy overlaps the first, where the needle lets it.
                let copies = [at, at + needle.len() - 1].map(|at| at..len.min(at + needle.len()));
                haystack.fill(b'.');
                for copy in copies.clone() {
                    haystack[copy.clone()].copy_from_slice(&needle[..copy.len()]);
                }
                map.write_all_at(&haystack, 0).unwrap();
                let finder = memchr::memmem::Finder::new(needle);
                let places: Vec<_> = finder.find_iter(&haystack).collect();
                let mut last = places.first().copied();
                while let Some(next) = last.and_then(|last| finder.find(&haystack[last + 1..])) {
                    last = last.map(|last| last + 1 + next);
                }
                let context = format!("{} bytes at {copies:?} of {len}", needle.len());
                assert_eq!(map.find(needle, ..).unwrap(), places.first().copied(), "{context}");
                assert_eq!(map.rfind(needle, ..).unwrap(), last, "{context}");
                assert_eq!(map.count(needle, ..).unwrap(), places.len(), "{context}");
                let found: Vec<_> = map.find_iter(needle, ..).collect::<Result<_, _>>().unwrap();
                assert_eq!(found, places, "{context}");
            }
        }
    }
}

// C2: needles that are compared for long before they turn out to be wrong, and longer than the pieces that are searched. (That time
// stays linear is not for a test to find out: it would have to look at a clock.)
#[test]
fn long_needles_that_are_nearly_there() {
    let len = 4 << 20;
    let map = MmapOptions::new().len(len).map_anonymous().unwrap();
    map.fill(.., b'a').unwrap();
    // Wrong where nobody looks first.
    let mut needle = vec![b'a'; len / 2];
    needle[len / 4 + 1] = b'b';
    let search = || {
        let (first, last) = (map.find(&needle, ..).unwrap(), map.rfind(&needle, ..).unwrap());
        assert_eq!(map.count(&needle, ..).unwrap(), map.find_iter(&needle, ..).count());
        (first, last)
    };
    assert_eq!(search(), (None, None));
    map.write_all_at(&needle, len / 3).unwrap();
    assert_eq!(search(), (Some(len / 3), Some(len / 3)));
}

// C2: bytes that others change during a search make it miss what is being changed, not what stays, and nothing is found
// outside of the range.
#[test]
fn bytes_that_change_during_searches() {
    use std::sync::atomic::{AtomicBool, Ordering};
    const LEN: usize = 300_000;
    const STAYS: &[u8] = b"abbabaabbaababba!";
    let map = MmapOptions::new().len(LEN).map_anonymous().unwrap();
    let (first, last) = (LEN / 3, LEN - 1000);
    /// Ends the thread also when the test fails.
    struct Done<'a>(&'a AtomicBool);
    impl Drop for Done<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let _done = Done(&done);
        scope.spawn(|| {
            let mut state = 1u64;
            while !done.load(Ordering::Relaxed) {
                for _ in 0..1000 {
                    state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
                    let index = (state >> 33) as usize % LEN;
                    let stays = [first, last].iter().any(|&at| (at..at + STAYS.len()).contains(&index));
                    if !stays {
                        map.set(index, if state >> 63 == 0 { b'a' } else { b'b' }).unwrap();
                    }
                }
            }
        });
        map.write_all_at(STAYS, first).unwrap();
        map.write_all_at(STAYS, last).unwrap();
        for round in 0..40 {
            // Only what stays has the last byte.
            assert_eq!(map.find(STAYS, ..).unwrap(), Some(first));
            assert_eq!(map.rfind(STAYS, ..).unwrap(), Some(last));
            assert_eq!(map.count(STAYS, ..).unwrap(), 2);
            let places: Vec<_> = map.find_iter(STAYS, ..).collect::<Result<_, _>>().unwrap();
            assert_eq!(places, [first, last]);
            // This one comes and goes.
            let needle = &STAYS[..2 + round % 12];
            let range = 1000 + round..LEN - 2000 - round;
            let at = map.find(needle, range.clone()).unwrap().unwrap();
            assert!((range.start..=first).contains(&at), "{at}");
            let at = map.rfind(needle, range.clone()).unwrap().unwrap();
            assert!((first..=range.end - needle.len()).contains(&at), "{at}");
            assert!(map.count(needle, range.clone()).unwrap() <= range.len() / needle.len());
            let mut free = range.start;
            for place in map.find_iter(needle, range.clone()) {
                let place = place.unwrap();
                assert!(place >= free && place + needle.len() <= range.end, "{place}");
                free = place + needle.len();
            }
        }
    });
}
