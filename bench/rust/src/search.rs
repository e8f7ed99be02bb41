//! Searches beside memchr's, on the slice that memmap2 gives of the same file.

use std::hint::black_box;

use memchr::memmem;

use crate::operations::{ABSENT, Text, read_loop};
use crate::pairs::{Report, repeat};

/// Needles that no file here has. The first of each length has a byte that the file has nowhere, the second has none.
const MISSING: [(usize, &[u8], &[u8]); 6] = [
    (2, b"t-", b"nn"),
    (3, b"st-", b"ttn"),
    (8, b"request-", b"requests"),
    (16, b"status-request-c", b"statusrequest cl"),
    (32, b"status-request-client-server-wor", b"status request clientserver work"),
    (64, ABSENT.as_bytes().split_at(64).0, b"status request client server worker timeout memory networkthread"),
];

pub fn run(report: &mut Report, text: &Text) {
    absent(report, text);
    cached(report, text);
    matches(report, text);
    near(report, text);
    bits(report);
}

/// Bytes of two kinds in no order: there are no rare bytes, nor any that are rare together.
fn bits(report: &mut Report) {
    if !report.group("search in 4 MiB of random bits") {
        return;
    }
    let mut random = 1_u64;
    let mut bit = || {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b'0' + (random >> 63) as u8
    };
    let theirs: Vec<u8> = (0..4 << 20).map(|_| bit()).collect();
    let ours = firmmap::MmapOptions::new().len(theirs.len()).map_anonymous().unwrap();
    ours.write_all_at(&theirs, 0).unwrap();
    for needle in [&b"0110"[..], b"01101001", b"011010011010"] {
        let expected = memmem::find_iter(&theirs, needle).count();
        let name = format!("{} bytes, one match in {}", needle.len(), theirs.len() / expected);
        let count = repeat(|| assert_eq!(ours.count(black_box(needle), ..).unwrap(), expected));
        let other = repeat(|| assert_eq!(memmem::find_iter(&theirs, black_box(needle)).count(), expected));
        report.row(&format!("count, {name}"), None, count, ("memmem::find_iter", other));
    }
    let needle = b"21101001101011";
    let find = repeat(|| assert_eq!(ours.find(black_box(needle), ..).unwrap(), None));
    let other = repeat(|| assert_eq!(memmem::find(&theirs, black_box(needle)), None));
    report.row("find, absent, 14 bytes, one of them nowhere", None, find, ("memmem::find", other));
    let needle = [&theirs[5000..5040], b"2"].concat();
    let find = repeat(|| assert_eq!(ours.find(black_box(&needle), ..).unwrap(), None));
    let other = repeat(|| assert_eq!(memmem::find(&theirs, black_box(&needle)), None));
    report.row("find, absent, 41 bytes, the last of them nowhere", None, find, ("memmem::find", other));
}

fn absent(report: &mut Report, text: &Text) {
    let (ours, theirs) = (text.ours(), text.theirs());
    if report.group("search in 256 MiB, absent: find") {
        let other = repeat(|| assert_eq!(memchr::memchr(b'-', &theirs), None));
        report.row("1 byte", None, repeat(|| assert_eq!(ours.find(b"-", ..).unwrap(), None)), ("memchr", other));
        for_each_missing(|name, needle| {
            let find = repeat(|| assert_eq!(ours.find(black_box(needle), ..).unwrap(), None));
            let other = repeat(|| assert_eq!(memmem::find(&theirs, black_box(needle)), None));
            report.row(name, Some(1.0), find, ("memmem", other));
        });
        let needle = MISSING[3].1;
        let find = repeat(|| assert_eq!(ours.find(needle, ..).unwrap(), None));
        report.row("16 bytes", None, find, ("File::read of 1 MiB", repeat(|| read_loop(&text.file, needle))));
    }
    if report.group("search in 256 MiB, absent: rfind") {
        let other = repeat(|| assert_eq!(memchr::memrchr(b'-', &theirs), None));
        report.row("1 byte", None, repeat(|| assert_eq!(ours.rfind(b"-", ..).unwrap(), None)), ("memrchr", other));
        for_each_missing(|name, needle| {
            let find = repeat(|| assert_eq!(ours.rfind(black_box(needle), ..).unwrap(), None));
            let other = repeat(|| assert_eq!(memmem::rfind(&theirs, black_box(needle)), None));
            report.row(name, Some(1.0), find, ("memmem", other));
        });
    }
    if report.group("search in 256 MiB, absent: count") {
        for_each_missing(|name, needle| {
            let count = repeat(|| assert_eq!(ours.count(black_box(needle), ..).unwrap(), 0));
            let other = repeat(|| assert_eq!(memmem::find_iter(&theirs, black_box(needle)).count(), 0));
            report.row(name, Some(1.0), count, ("memmem", other));
        });
    }
}

fn for_each_missing(mut row: impl FnMut(&str, &[u8])) {
    for (len, first, second) in MISSING {
        assert!(first.len() == len && second.len() == len);
        row(&format!("{len} bytes, one of them nowhere"), first);
        row(&format!("{len} bytes, each of them common"), second);
    }
}

fn matches(report: &mut Report, text: &Text) {
    let (ours, theirs) = (text.ours(), text.theirs());
    let needles = [&b"\n"[..], b"t ", b"request ", b"request client ", b"memory timeout worker"];
    if report.group("search in 256 MiB: all matches") {
        for needle in needles {
            let expected = memmem::find_iter(&theirs, needle).count();
            let mean = text.len / expected;
            let name = format!("{} bytes, one match in {mean}", needle.len());
            let count = repeat(|| assert_eq!(ours.count(black_box(needle), ..).unwrap(), expected));
            let other = repeat(|| assert_eq!(memmem::find_iter(&theirs, black_box(needle)).count(), expected));
            report.row(&format!("count, {name}"), None, count, ("memmem::find_iter", other));
            // Each place is used, as a program would.
            let sum = |places: &mut dyn Iterator<Item = usize>| places.fold(0, usize::wrapping_add);
            let expected = sum(&mut memmem::find_iter(&theirs, needle));
            let places = repeat(|| {
                let places = ours.find_iter(black_box(needle), ..).map(Result::unwrap);
                assert_eq!(places.fold(0, usize::wrapping_add), expected);
            });
            let other = repeat(|| {
                let places = memmem::find_iter(&theirs, black_box(needle));
                assert_eq!(places.fold(0, usize::wrapping_add), expected);
            });
            report.row(&format!("find_iter, {name}"), Some(1.0), places, ("memmem::find_iter", other));
        }
    }
}

/// In a piece that stays in the processor's cache.
fn cached(report: &mut Report, text: &Text) {
    if !report.group("search in 40 KB, absent") {
        return;
    }
    let (ours, theirs) = (text.ours(), text.theirs());
    let piece = 1000..41_000;
    for (name, needle) in [
        ("8 bytes, one of them nowhere", MISSING[2].1),
        ("64 bytes, one of them nowhere", MISSING[5].1),
        ("64 bytes, each of them common", MISSING[5].2),
        ("64 bytes, all of them nowhere", &[b'#'; 64]),
    ] {
        let find = repeat(|| assert_eq!(ours.find(black_box(needle), piece.clone()).unwrap(), None));
        let other = repeat(|| assert_eq!(memmem::find(&theirs[piece.clone()], black_box(needle)), None));
        report.row(&format!("find, {name}"), None, find, ("memmem", other));
        let rfind = repeat(|| assert_eq!(ours.rfind(black_box(needle), piece.clone()).unwrap(), None));
        let other = repeat(|| assert_eq!(memmem::rfind(&theirs[piece.clone()], black_box(needle)), None));
        report.row(&format!("rfind, {name}"), None, rfind, ("memmem", other));
    }
}

/// Matches that are near where the search starts, all over the first MiB, which stays in the processor's cache.
fn near(report: &mut Report, text: &Text) {
    let (ours, theirs) = (text.ours(), text.theirs());
    let needles = [&b"s "[..], b"request ", b"request client ", b"memory timeout worker"];
    let starts = || {
        let mut start = 0;
        move || {
            start = (start + 4099) % (1 << 20);
            start
        }
    };
    if report.group("search in 256 MiB: something near, find") {
        for needle in needles {
            let (mut first, mut second) = (starts(), starts());
            let mean = text.len / memmem::find_iter(&theirs, needle).count();
            let name = format!("{} bytes, one match in {mean}", needle.len());
            let find = repeat(|| ours.find(black_box(needle), first()..).unwrap().unwrap());
            let other = repeat(|| {
                let start = second();
                start + memmem::find(&theirs[start..], black_box(needle)).unwrap()
            });
            report.row(&name, Some(1.0), find, ("memmem::find", other));
        }
    }
    if report.group("search in 256 MiB: something near, rfind") {
        for needle in needles {
            let (mut first, mut second) = (starts(), starts());
            let end = |start: usize| start + (8 << 20);
            let mean = text.len / memmem::find_iter(&theirs, needle).count();
            let name = format!("{} bytes, one match in {mean}", needle.len());
            let find = repeat(|| ours.rfind(black_box(needle), ..end(first())).unwrap().unwrap());
            let other = repeat(|| memmem::rfind(&theirs[..end(second())], black_box(needle)).unwrap());
            report.row(&name, Some(1.0), find, ("memmem::rfind", other));
        }
    }
    if report.group("search in 256 MiB: in a line of 70 bytes") {
        // A haystack that is short, with and without the needle.
        for (name, needle, at) in
            [("2 bytes", &b"s "[..], 100), ("8 bytes", b"request ", 4000), ("absent, 8 bytes", b"request-", 70)]
        {
            let line = at..at + 70;
            let find = repeat(|| ours.find(black_box(needle), line.clone()).unwrap());
            let other = repeat(|| memmem::find(&theirs[line.clone()], black_box(needle)));
            report.row(name, Some(1.0), find, ("memmem::find", other));
        }
    }
}
