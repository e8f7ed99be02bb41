//! The search kernel against a naive search: with the instructions of each kind of processor, any offsets, and memory that ends where the
//! haystack does.

use proptest::prelude::*;

use super::*;
use crate::processor::tests::{kernel, with_each_kernel};

/// A scan that ends at the first match, or in reverse the last, has found it, or has not passed it.
fn check(haystack: &[u8], needle: &[u8], rare: &RareBytes) {
    let positions = (haystack.len() + 1).saturating_sub(needle.len());
    let mut matches = (0..positions).filter(|&position| haystack[position..].starts_with(needle));
    let (first, last) = (matches.next(), matches.next_back());
    let last = last.or(first);
    with_each_kernel(|| {
        let forward = scan::<false>(haystack, needle, rare, |_| None);
        let good = match forward {
            Scan::Found(position) => first == Some(position),
            Scan::NotFound(_) => first.is_none(),
            Scan::TooManyCandidates(left) => left <= positions && first.is_none_or(|first| first >= positions - left),
        };
        assert!(good, "{:?}: {forward:?}, not {first:?} of {positions}, {rare:?}", kernel());
        let reverse = scan::<true>(haystack, needle, rare, |_| None);
        let good = match reverse {
            Scan::Found(position) => last == Some(position),
            Scan::NotFound(_) => last.is_none(),
            Scan::TooManyCandidates(left) => left <= positions && last.is_none_or(|last| last < left),
        };
        assert!(good, "{:?}: {reverse:?}, not {last:?} of {positions}, {rare:?}", kernel());
        check_all(haystack, needle, rare, positions);
    });
}

/// A scan that continues after each match yields the non-overlapping ones, all of them up to where it gives up.
fn check_all(haystack: &[u8], needle: &[u8], rare: &RareBytes, positions: usize) {
    let mut found = Vec::new();
    let ended = scan::<false>(haystack, needle, rare, |position| {
        found.push(position);
        Some(position + needle.len())
    });
    let passed = match ended {
        Scan::TooManyCandidates(left) => positions - left,
        ended => {
            assert!(matches!(ended, Scan::NotFound(_)), "nobody has ended it");
            positions
        }
    };
    let (mut wanted, mut free) = (Vec::new(), 0);
    for position in 0..passed {
        if position >= free && haystack[position..].starts_with(needle) {
            wanted.push(position);
            free = position + needle.len();
        }
    }
    assert_eq!(found, wanted, "{:?}, {ended:?}", kernel());
}

fn rare(offsets: [usize; MAX_OFFSETS], used: usize, budget: Budget) -> RareBytes {
    RareBytes { offsets, used, budget }
}

proptest! {
    #[test]
    fn any_offsets_find_the_same(
        letters in 1u8..4,
        bytes in prop_oneof![prop::collection::vec(any::<u8>(), 0..700), prop::collection::vec(any::<u8>(), 0..60)],
        needle_len in prop_oneof![1usize..66, 1usize..6, 1usize..300],
        at in any::<prop::sample::Index>(),
        change in prop::option::of(any::<prop::sample::Index>()),
        offsets in any::<[prop::sample::Index; MAX_OFFSETS]>(),
        used in prop::sample::select(vec![1usize, 2, MAX_OFFSETS]),
        budget in prop::sample::select(vec![Budget::TUNED, Budget::GUESSED, Budget::SINGLE]),
    ) {
        let haystack: Vec<u8> = bytes.iter().map(|byte| byte % letters).collect();
        let at = at.index(haystack.len() + 1);
        let mut needle = haystack[at..haystack.len().min(at + needle_len)].to_vec();
        needle.resize(needle_len, 0);
        if let Some(position) = change {
            needle[position.index(needle_len)] ^= 1;
        }
        let [a, b, c, d] = offsets.map(|offset| offset.index(needle_len));
        let offsets = match used {
            1 => [a; MAX_OFFSETS],
            2 => [a, b, a, b],
            _ => [a, b, c, d],
        };
        check(&haystack, &needle, &rare(offsets, used, budget));
    }
}

#[cfg(unix)]
fn page_size() -> usize {
    // SAFETY: always works.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// Pages between two inaccessible ones.
#[cfg(unix)]
struct Island {
    base: *mut libc::c_void,
    len: usize,
}

#[cfg(unix)]
impl Island {
    fn new(len: usize) -> Self {
        let page = page_size();
        assert_eq!(len % page, 0);
        let flags = libc::MAP_PRIVATE | libc::MAP_ANON;
        // SAFETY: a new mapping repositions nothing.
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
        let page = page_size();
        // SAFETY: nobody has the pages any more.
        unsafe { libc::munmap(self.base.wrapping_byte_sub(page), self.len + 2 * page) };
    }
}

/// Nothing is read before or after the haystack, nor around the needle: there is no memory there.
#[cfg(unix)]
#[test]
fn nothing_is_read_outside() {
    let page = page_size();
    let (mut island, mut other) = (Island::new(page), Island::new(page));
    for needle_len in [1, 2, 3, 4, 7, 8, 9, 10, 16, 17, 31, 32, 33, 64, 65, 128, 300] {
        let needle = other.bytes();
        let needle = &mut needle[page - needle_len..];
        needle.fill(b'.');
        needle[needle_len - 1] = b'x';
        let last = needle_len - 1;
        let all = [
            rare([0, last, 0, last], 2, Budget::GUESSED),
            rare([last, last, last, last], 1, Budget::SINGLE),
            rare([last, last / 2, 0, last], MAX_OFFSETS, Budget::TUNED),
        ];
        let lens = (needle_len - 1..needle_len + 36).chain((needle_len + 36..needle_len + 200).step_by(31));
        for len in lens.chain([page]) {
            for at_the_end in [false, true] {
                let start = if at_the_end { page - len } else { 0 };
                let haystack = &mut island.bytes()[start..start + len];
                for rare in &all {
                    haystack.fill(b'.');
                    check(haystack, needle, rare);
                    if len >= needle_len {
                        for position in [0, 1, (len - needle_len) / 2, len - needle_len] {
                            if position + needle_len <= len {
                                haystack.fill(b'.');
                                haystack[position + last] = b'x';
                                check(haystack, needle, rare);
                            }
                        }
                    }
                }
                let haystack = &island.bytes()[start..start + len];
                for byte in [b'x', b'.', b'!'] {
                    assert_eq!(
                        crate::memmem::find_byte(haystack, byte),
                        haystack.iter().position(|&other| other == byte)
                    );
                }
            }
        }
    }
}
