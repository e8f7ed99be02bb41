//! Which pages are in memory, and how they come there.

#![allow(clippy::single_range_in_vec_init, reason = "a list of one run")]

use std::os::fd::AsRawFd;

use crate::common::{Scratch, page, pattern};
use firmmap::{Access, Advice, ErrorKind, MmapOptions};

/// Takes the pages of a file out of memory. Says whether that has worked: a file system in memory keeps them.
fn evict(scratch: &Scratch) -> bool {
    let file = scratch.file();
    file.sync_all().unwrap();
    // SAFETY: the descriptor is open.
    #[allow(unsafe_code)]
    let result = unsafe { libc::posix_fadvise(file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
    assert_eq!(result, 0);
    let resident = scratch.map(Access::Read).residency(..).unwrap().resident();
    if resident > 0 {
        crate::skipped::skipped(&format!(
            "{resident} pages stay in memory: the file system of {:?} keeps them",
            scratch.path()
        ));
    }
    resident == 0
}

// G8: what was touched is there, what was not is not, and runs and counts agree.
#[test]
fn pages_that_were_touched() {
    let page = page();
    let scratch = Scratch::new(&pattern(200 * page - 5));
    let map = scratch.map(Access::Write);
    assert_eq!(map.residency(..).unwrap().resident(), 200);
    // Mapped pages stay.
    drop(map);
    if !evict(&scratch) {
        return;
    }
    let map = scratch.map(Access::Write);
    // Reading around a page is not to bring in its neighbours.
    map.advise(Advice::RANDOM).unwrap();
    for index in [3, 4, 5, 60, 199] {
        map.get(index * page).unwrap();
    }
    let residency = map.residency(..).unwrap();
    assert_eq!(residency.runs(), [3 * page..6 * page, 60 * page..61 * page, 199 * page..200 * page - 5]);
    assert_eq!((residency.resident(), residency.total(), residency.page_size()), (5, 200, page));
    assert_eq!(residency.range(), 0..200 * page - 5);
    assert_eq!(
        format!("{residency:?}"),
        format!(
            "Residency {{ resident: 5, total: 200, page_size: {page}, runs: [{}..{}, {}..{}, {}..{}] }}",
            3 * page,
            6 * page,
            60 * page,
            61 * page,
            199 * page,
            200 * page - 5
        )
    );
    assert_eq!(format!("{residency:.10}"), "|▁  ▁     ▁| 5 of 200 pages");
    // Of a part, from the middle of a page to the middle of another.
    let part = map.residency(5 * page - 1..6 * page + 1).unwrap();
    assert_eq!((part.runs(), part.resident(), part.total()), (&[5 * page - 1..6 * page][..], 2, 3));
    assert_eq!(map.residency(7..7).unwrap().to_string(), "|| 0 of 0 pages");
    assert_eq!(map.residency(7..usize::MAX).unwrap_err().kind(), ErrorKind::OutOfRange);
    // And brought in.
    map.prefetch(10 * page + 1..20 * page).unwrap();
    let residency = map.residency(10 * page..20 * page).unwrap();
    assert_eq!((residency.resident(), residency.runs()), (10, &[10 * page..20 * page][..]));
}

// G2, G8: indices are those of the map, also behind an offset that is no multiple of a page, and in many pieces.
#[test]
fn indices_are_those_of_the_map() {
    let page = page();
    let scratch = Scratch::new(b"");
    let pages = 40_000;
    scratch.file().set_len((pages * page) as u64).unwrap();
    let map = MmapOptions::new().offset(100).access(Access::Write).open(scratch.path()).unwrap();
    assert!(map.residency(..).unwrap().runs().is_empty());
    map.advise(Advice::RANDOM).unwrap();
    for index in [0, 16_384 * page - 101, 16_384 * page - 100, 39_999 * page] {
        map.set(index, 1).unwrap();
    }
    let residency = map.residency(..).unwrap();
    assert_eq!((residency.resident(), residency.total()), (4, pages));
    let runs = [0..page - 100, 16_383 * page - 100..16_385 * page - 100, 39_999 * page - 100..40_000 * page - 100];
    assert_eq!(residency.runs(), runs);
    assert_eq!(format!("{residency:.5}"), "|▁ ▁ ▁| 4 of 40000 pages");
}

// G8: the picture: nothing, something, nearly everything, everything.
#[test]
fn the_picture() {
    let page = page();
    let map = MmapOptions::new().len(40 * page).map_anonymous().unwrap();
    for index in (10..11).chain(20..29).chain(30..40) {
        map.set(index * page, 1).unwrap();
    }
    let residency = map.residency(..).unwrap();
    assert_eq!(format!("{residency:.4}"), "| ▁▇█| 20 of 40 pages");
    assert_eq!(residency.to_string().chars().count(), "|| 20 of 40 pages".len() + 64);
    assert_eq!(format!("{residency:.0}"), "|| 20 of 40 pages");
    for index in (0..40).step_by(2) {
        map.advise_range(index * page..(index + 1) * page, Advice::REMOVE).unwrap();
    }
    let text = format!("{:?}", map.residency(..).unwrap());
    assert!(text.ends_with(", … 1 more] }") && !text.contains('\n'), "{text}");
    assert_eq!(text.matches("..").count(), 8);
}

// G6, G8: a capacity does not count.
#[test]
fn room_is_not_residency() {
    let scratch = Scratch::new(&pattern(10));
    let map = MmapOptions::new().access(Access::Write).capacity(crate::common::large()).open(scratch.path()).unwrap();
    map.get(0).unwrap();
    let residency = map.residency(..).unwrap();
    assert_eq!((residency.total(), residency.runs()), (1, &[0..10][..]));
    map.prefetch(..).unwrap();
    map.lock().unwrap();
    map.unlock().unwrap();
    map.flush().unwrap();
    map.advise(Advice::SEQUENTIAL).unwrap();
}

// F1, F2, G8: a page that is missing is an error of `prefetch`, with its offset.
#[test]
fn prefetching_what_is_missing() {
    let page = page();
    let scratch = Scratch::new(&pattern(10 * page));
    let map = scratch.map(Access::Read);
    scratch.file().set_len(4 * page as u64).unwrap();
    map.prefetch(..4 * page).unwrap();
    assert_eq!(map.prefetch(2 * page + 7..).unwrap_err().fault_offset(), Some(4 * page + 7));
    assert_eq!(map.prefetch(6 * page + 7..).unwrap_err().fault_offset(), Some(6 * page + 7));
    scratch.file().set_len(10 * page as u64).unwrap();
    map.prefetch(..).unwrap();
    assert_eq!(map.residency(..).unwrap().resident(), 10);
}
