//! The kernel of the search against a naive one: with the instructions of each kind of processor, any probes, and memory that
//! ends where the haystack does.

use std::cell::Cell;

use proptest::prelude::*;

use super::*;

thread_local! {
    static KERNEL: Cell<Kernel> = const { Cell::new(Kernel::Best) };
}

pub(crate) fn kernel() -> Kernel {
    KERNEL.get()
}

/// Runs `test` with all that the processor has, then as if it had less.
pub(crate) fn with_each_kernel(mut test: impl FnMut()) {
    for kernel in [Kernel::Best, Kernel::Basic, Kernel::None] {
        KERNEL.set(kernel);
        test();
    }
    KERNEL.set(Kernel::Best);
}

/// A scan that ends at the first match, or backwards the last, has found it, or has not passed it.
fn check(haystack: &[u8], needle: &[u8], probes: &Probes) {
    let places = (haystack.len() + 1).saturating_sub(needle.len());
    let mut matches = (0..places).filter(|&place| haystack[place..].starts_with(needle));
    let (first, last) = (matches.next(), matches.next_back());
    let last = last.or(first);
    with_each_kernel(|| {
        let forward = scan(haystack, needle, probes, Direction::Forward, |_| None);
        let good = match forward {
            Scan::Found(place) => first == Some(place),
            Scan::Absent => first.is_none(),
            Scan::Crowded(left) => left <= places && first.is_none_or(|first| first >= places - left),
        };
        assert!(good, "{:?}: {forward:?}, not {first:?} of {places}, {probes:?}", kernel());
        let backward = scan(haystack, needle, probes, Direction::Backward, |_| None);
        let good = match backward {
            Scan::Found(place) => last == Some(place),
            Scan::Absent => last.is_none(),
            Scan::Crowded(left) => left <= places && last.is_none_or(|last| last < left),
        };
        assert!(good, "{:?}: {backward:?}, not {last:?} of {places}, {probes:?}", kernel());
        check_all(haystack, needle, probes, places);
    });
}

/// A scan that goes on behind each match gives those that do not overlap, all of them up to where it gives up.
fn check_all(haystack: &[u8], needle: &[u8], probes: &Probes, places: usize) {
    let mut found = Vec::new();
    let ended = scan(haystack, needle, probes, Direction::Forward, |place| {
        found.push(place);
        Some(place + needle.len())
    });
    let passed = match ended {
        Scan::Crowded(left) => places - left,
        ended => {
            assert_eq!(ended, Scan::Absent, "nobody has ended it");
            places
        }
    };
    let (mut wanted, mut free) = (Vec::new(), 0);
    for place in 0..passed {
        if place >= free && haystack[place..].starts_with(needle) {
            wanted.push(place);
            free = place + needle.len();
        }
    }
    assert_eq!(found, wanted, "{:?}, {ended:?}", kernel());
}

fn probes(offsets: [usize; PROBES], used: usize, best: bool) -> Probes {
    Probes { offsets, used, best }
}

proptest! {
    #[test]
    fn any_probes_find_the_same(
        letters in 1u8..4,
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..700), prop::collection::vec(any::<u8>(), 0..60)],
        needle_len in prop_oneof![2usize..66, 2usize..6, 2usize..300],
        at in any::<prop::sample::Index>(),
        change in prop::option::of(any::<prop::sample::Index>()),
        offsets in any::<[prop::sample::Index; PROBES]>(),
        used in prop::sample::select(vec![1usize, 2, PROBES]),
        best in any::<bool>(),
    ) {
        let haystack: Vec<u8> = bytes.iter().map(|byte| byte % letters).collect();
        let at = at.index(haystack.len() + 1);
        let mut needle = haystack[at..haystack.len().min(at + needle_len)].to_vec();
        needle.resize(needle_len, 0);
        if let Some(place) = change {
            needle[place.index(needle_len)] ^= 1;
        }
        let [a, b, c, d] = offsets.map(|offset| offset.index(needle_len));
        let offsets = match used {
            1 => [a; PROBES],
            2 => [a, b, a, b],
            _ => [a, b, c, d],
        };
        check(&haystack, &needle, &probes(offsets, used, best));
    }
}

/// Pages between two that cannot be touched.
#[cfg(unix)]
struct Island {
    base: *mut libc::c_void,
    len: usize,
}

#[cfg(unix)]
impl Island {
    fn new(len: usize) -> Self {
        let page = crate::page_size();
        assert_eq!(len % page, 0);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new mapping replaces nothing.
        let base = unsafe { libc::mmap(std::ptr::null_mut(), len + 2 * page, libc::PROT_NONE, flags, -1, 0) };
        assert_ne!(base, libc::MAP_FAILED);
        let island = Self { base: base.wrapping_byte_add(page), len };
        // SAFETY: the pages are ours.
        let result = unsafe { libc::mprotect(island.base, len, libc::PROT_READ | libc::PROT_WRITE) };
        assert_eq!(result, 0);
        island
    }

    fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: the pages are ours, readable, writable and zeros at first.
        unsafe { std::slice::from_raw_parts_mut(self.base.cast(), self.len) }
    }
}

#[cfg(unix)]
impl Drop for Island {
    fn drop(&mut self) {
        let page = crate::page_size();
        // SAFETY: nobody has the pages any more.
        unsafe { libc::munmap(self.base.wrapping_byte_sub(page), self.len + 2 * page) };
    }
}

/// Nothing is read before the haystack or behind it, nor around the needle: there is no memory there.
#[cfg(unix)]
#[test]
fn nothing_is_read_outside() {
    let page = crate::page_size();
    let (mut island, mut other) = (Island::new(page), Island::new(page));
    for needle_len in [2, 3, 4, 7, 8, 9, 10, 16, 17, 31, 32, 33, 64, 65, 128, 300] {
        let needle = other.bytes();
        let needle = &mut needle[page - needle_len..];
        needle.fill(b'.');
        needle[needle_len - 1] = b'x';
        let last = needle_len - 1;
        let all = [
            probes([0, last, 0, last], 2, false),
            probes([last, last, last, last], 1, true),
            probes([last, last / 2, 0, last], PROBES, true),
        ];
        let lens = (needle_len - 1..needle_len + 36).chain((needle_len + 36..needle_len + 200).step_by(31));
        for len in lens.chain([page]) {
            for at_the_end in [false, true] {
                let start = if at_the_end { page - len } else { 0 };
                let haystack = &mut island.bytes()[start..start + len];
                for probes in &all {
                    haystack.fill(b'.');
                    check(haystack, needle, probes);
                    if len >= needle_len {
                        for place in [0, 1, (len - needle_len) / 2, len - needle_len] {
                            if place + needle_len <= len {
                                haystack.fill(b'.');
                                haystack[place + last] = b'x';
                                check(haystack, needle, probes);
                            }
                        }
                    }
                }
                let haystack = &island.bytes()[start..start + len];
                for byte in [b'x', b'.', b'!'] {
                    assert_eq!(find_byte(haystack, byte), haystack.iter().position(|&other| other == byte));
                }
            }
        }
    }
}
