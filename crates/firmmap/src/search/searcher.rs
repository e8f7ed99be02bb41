//! [`Searcher`]: which bytes of a needle to look at first, learned from the haystack.
//!
//! The vector kernel ([`crate::sys::simd`]) is as fast as memory as long as few places look like the needle at its probes. At
//! first the probes are bytes that are rare in most files. Where they turn out to be common, others are chosen by trying them
//! on a piece of the haystack: repeated lines, genomes and periodic data have probes that are rare *together*. Where no probes
//! help, Crochemore's and Perrin's Two-Way search (the `memchr` crate's) takes a piece of the way, in linear time.

use memchr::arch::all::twoway;

use crate::sys::simd::{Direction, PROBES, Probes, Scan, scan};

/// On how many places of the haystack probes are tried.
const SAMPLE: usize = 2048;
/// How many offsets are tried.
const TRIED: usize = 64;
/// Probes that have led this far, in bytes, were worth their choice, which takes as long as passing so much. As far as the needle
/// is long, at least: comparing it once can cost as much.
const WORTHWHILE: usize = 64 * 1024;
/// A byte that is not in so many bytes of the haystack is rare enough to be the only probe.
const ALONE: usize = 16 * 1024;
/// A search that has come this far is worth looking for such a byte.
const LONG: usize = 4 << 20;
/// How far Two-Way searches before probes are tried for the first time: that takes as long as to choose them, so that a match which
/// is near costs twice as much at most, however many there are.
const FIRST: usize = 4096;
/// How far Two-Way searches before probes are tried again. As far as the needle is long, at least: all of that is read
/// behind the last place.
const LINEAR: usize = 256 * 1024;

/// A search for one needle in one direction, in one haystack after the other.
pub(crate) struct Searcher<'a> {
    needle: &'a [u8],
    direction: Direction,
    probes: Probes,
    /// Whether the probes were tried on the haystack.
    learned: bool,
    /// Whether Two-Way has searched without finding anything near.
    is_far: bool,
    /// How many bytes were passed since the probes were chosen.
    passed: usize,
    /// Whether it was found out if one probe does.
    lightened: bool,
    linear: Option<Linear>,
}

enum Linear {
    Forward(twoway::Finder),
    Backward(twoway::FinderRev),
}

impl<'a> Searcher<'a> {
    /// For a needle of at least two bytes. Allocates nothing.
    #[inline]
    pub(crate) fn new(needle: &'a [u8], direction: Direction) -> Self {
        let probes = guess(needle);
        Self { needle, direction, probes, learned: false, is_far: false, passed: 0, lightened: false, linear: None }
    }

    /// The first match in the haystack, or, backwards, the last one.
    #[inline]
    pub(crate) fn find(&mut self, haystack: &[u8]) -> Option<usize> {
        match self.scan(haystack) {
            Scan::Found(index) => Some(index),
            Scan::Absent => {
                self.passed += haystack.len();
                if !self.lightened && self.passed >= LONG {
                    self.lighten(haystack);
                }
                None
            }
            Scan::Crowded(left) => self.find_in_a_crowd(haystack, left),
        }
    }

    /// Makes do with one probe, if the needle has a byte that the haystack seems not to have: looking for one is as fast as memory,
    /// for two a quarter slower.
    #[cold]
    fn lighten(&mut self, haystack: &[u8]) {
        self.lightened = true;
        let mut seen = [false; 256];
        for &byte in haystack.iter().take(ALONE) {
            seen[usize::from(byte)] = true;
        }
        if let Some(offset) = self.needle.iter().position(|&byte| !seen[usize::from(byte)]) {
            self.probes = Probes { offsets: [offset; PROBES], used: 1, best: false };
        }
    }

    #[inline]
    fn scan(&self, haystack: &[u8]) -> Scan {
        scan(haystack, self.needle, &self.probes, self.direction, |_| None)
    }

    /// Calls `found` with one match after the other, from the start, none of which overlaps the one before, as long as it says that
    /// it wants more. For searches forward.
    pub(crate) fn each(&mut self, haystack: &[u8], mut found: impl FnMut(usize) -> bool) {
        let len = self.needle.len();
        // Where the last match ends, and where the search goes on.
        let (mut end, mut start) = (0, 0);
        loop {
            let rest = &haystack[start..];
            let ended = scan(rest, self.needle, &self.probes, self.direction, |index| {
                end = start + index + len;
                found(start + index).then_some(index + len)
            });
            let Scan::Crowded(left) = ended else {
                self.passed += rest.len();
                return;
            };
            // One match, or none, by way of better probes.
            let next = end.max((haystack.len() + 1).saturating_sub(left + len));
            let left = (haystack.len() + 1).saturating_sub(next + len);
            let Some(index) = self.find_in_a_crowd(&haystack[next..], left) else { return };
            // Other processes may change what is searched: the end stays inside all the same.
            end = (next + index + len).min(haystack.len());
            if !found(next + index) {
                return;
            }
            start = end;
        }
    }

    /// Goes on where `left` places are left.
    #[cold]
    fn find_in_a_crowd(&mut self, haystack: &[u8], mut left: usize) -> Option<usize> {
        let overlap = self.needle.len() - 1;
        // Where what is left to search starts, and ends.
        let (mut start, mut end) = (0, haystack.len());
        loop {
            let places = (end - start).saturating_sub(overlap);
            self.passed += places.saturating_sub(left);
            match self.direction {
                Direction::Forward => start = end.saturating_sub(left + overlap),
                Direction::Backward => end = start + left + overlap,
            }
            if left == 0 {
                return None;
            }
            let rest = &haystack[start..end];
            if left > SAMPLE && self.is_far && (!self.learned || self.passed >= WORTHWHILE.max(overlap)) {
                self.probes = learn(self.needle, rest, self.direction);
                (self.learned, self.passed) = (true, 0);
            } else {
                let piece = left.min(if self.is_far { LINEAR.max(overlap) } else { FIRST });
                self.is_far = true;
                let (range, offset) = match self.direction {
                    Direction::Forward => (0..piece + overlap, start),
                    Direction::Backward => (rest.len() - piece - overlap..rest.len(), end - piece - overlap),
                };
                if let Some(index) = self.find_linear(&rest[range]) {
                    return Some(offset + index);
                }
                left -= piece;
                match self.direction {
                    Direction::Forward => start += piece,
                    Direction::Backward => end -= piece,
                }
                // The next piece may be of another kind.
                self.learned = false;
                if left == 0 {
                    return None;
                }
            }
            match self.scan(&haystack[start..end]) {
                Scan::Found(index) => return Some(start + index),
                Scan::Absent => {
                    self.passed += end - start;
                    return None;
                }
                Scan::Crowded(now) => left = now,
            }
        }
    }

    fn find_linear(&mut self, haystack: &[u8]) -> Option<usize> {
        let linear = self.linear.get_or_insert_with(|| match self.direction {
            Direction::Forward => Linear::Forward(twoway::Finder::new(self.needle)),
            Direction::Backward => Linear::Backward(twoway::FinderRev::new(self.needle)),
        });
        match linear {
            Linear::Forward(finder) => finder.find(haystack, self.needle),
            Linear::Backward(finder) => finder.rfind(haystack, self.needle),
        }
    }
}

/// How common a byte is in most files: letters by their frequency in English, spaces, zeros; the higher the more common.
const COMMON: [u8; 256] = {
    let mut table = [10; 256];
    let mut byte = 128;
    while byte < 256 {
        table[byte] = 20;
        byte += 1;
    }
    // From the rarest to the most common, among the bytes of texts.
    let order =
        b"~^`\\|@#$%&*?!{}[]<>+ZQXJKVYWGBUFHMPLRDNCOSITEA;='()zqj98765x43210k-_/:,.v\"wybgpfmucdlhrnsioate\n \0";
    let mut index = 0;
    while index < order.len() {
        table[order[index] as usize] = 30 + 2 * index as u8;
        index += 1;
    }
    table[255] = 200;
    table
};

/// Probes for a haystack that nothing is known of: the two bytes that are rarest in most files.
#[inline]
fn guess(needle: &[u8]) -> Probes {
    let rank = |offset: usize| COMMON[usize::from(needle[offset])];
    let (mut first, mut second) = if rank(1) < rank(0) { (1, 0) } else { (0, 1) };
    for offset in 2..needle.len().min(TRIED) {
        if rank(offset) < rank(first) {
            (first, second) = (offset, first);
        } else if rank(offset) < rank(second) && needle[offset] != needle[first] {
            second = offset;
        }
    }
    Probes { offsets: [first, second, first, second], used: 2, best: false }
}

/// Probes that few places in a sample of the haystack have together. One after the other: each time the one that leaves the fewest.
fn learn(needle: &[u8], haystack: &[u8], direction: Direction) -> Probes {
    let places = haystack.len() - needle.len() + 1;
    let count = places.min(SAMPLE);
    let base = if direction == Direction::Forward { 0 } else { places - count };
    let step = needle.len().div_ceil(TRIED);
    let at = |offset: usize| &haystack[base + offset..][..count];
    let mut alive = [1u8; SAMPLE];
    let alive = &mut alive[..count];
    let mut offsets = [0; PROBES];
    let mut used = 0;
    while used < PROBES {
        let tried = (0..needle.len()).step_by(step);
        let best = tried.min_by_key(|&offset| survivors(alive, at(offset), needle[offset])).unwrap_or(0);
        for (place, &byte) in alive.iter_mut().zip(at(best)) {
            *place &= u8::from(byte == needle[best]);
        }
        offsets[used] = best;
        used += 1;
        let left: usize = alive.iter().map(|&place| usize::from(place)).sum();
        // Two are always used, and more only where they help.
        if used >= 2 && left * 512 <= count {
            break;
        }
    }
    for unused in used..PROBES {
        offsets[unused] = offsets[unused - used];
    }
    Probes { offsets, used, best: true }
}

/// How many of the places that are alive have the byte.
fn survivors(alive: &[u8], bytes: &[u8], wanted: u8) -> usize {
    // In pieces whose sum fits into a byte: that is what vector instructions add up best.
    let pieces = alive.chunks(128).zip(bytes.chunks(128));
    let count = |(alive, bytes): (&[u8], &[u8])| {
        alive.iter().zip(bytes).fold(0u8, |sum, (&alive, &byte)| sum + (alive & u8::from(byte == wanted)))
    };
    pieces.map(count).map(usize::from).sum()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::sys::simd::tests::with_each_kernel;

    fn naive(haystack: &[u8], needle: &[u8], direction: Direction) -> Option<usize> {
        let mut places = 0..(haystack.len() + 1).saturating_sub(needle.len());
        let is_match = |&place: &usize| haystack[place..].starts_with(needle);
        match direction {
            Direction::Forward => places.find(is_match),
            Direction::Backward => places.rev().find(is_match),
        }
    }

    fn check(haystack: &[u8], needle: &[u8]) {
        let ends =
            [Direction::Forward, Direction::Backward].map(|direction| (direction, naive(haystack, needle, direction)));
        let (mut places, mut end) = (Vec::new(), 0);
        while let Some(index) = naive(&haystack[end..], needle, Direction::Forward) {
            places.push(end + index);
            end += index + needle.len();
        }
        with_each_kernel(|| {
            for (direction, wanted) in ends {
                let found = Searcher::new(needle, direction).find(haystack);
                assert!(found == wanted, "{direction:?} {needle:?}: {found:?}");
            }
            for limit in [usize::MAX, 7, 1] {
                let mut found = Vec::new();
                Searcher::new(needle, Direction::Forward).each(haystack, |place| {
                    found.push(place);
                    found.len() < limit
                });
                assert!(found == places[..limit.min(places.len())], "{needle:?}");
            }
        });
    }

    #[derive(Clone, Debug)]
    enum Kind {
        Random(u8),
        Periodic(usize),
        Lines,
    }

    fn haystack(kind: &Kind, len: usize, seed: u64) -> Vec<u8> {
        let mut state = seed | 1;
        let mut random = || {
            // Marsaglia's xorshift64.
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        match kind {
            Kind::Random(letters) => (0..len).map(|_| (random() % u64::from(*letters)) as u8 + b'a').collect(),
            Kind::Periodic(period) => (0..len).map(|index| (index % period) as u8 + b'a').collect(),
            Kind::Lines => b"the quick brown fox jumps over the lazy dog\n".iter().copied().cycle().take(len).collect(),
        }
    }

    proptest! {
        #[test]
        fn agrees_with_the_naive_search(
            kind in prop_oneof![(1u8..5).prop_map(Kind::Random), (1usize..9).prop_map(Kind::Periodic), Just(Kind::Lines)],
            len in prop_oneof![0usize..200, 0usize..20_000],
            seed in any::<u64>(),
            at in any::<prop::sample::Index>(),
            needle_len in prop_oneof![2usize..9, 2usize..200],
            change in prop::option::of((any::<prop::sample::Index>(), any::<u8>())),
        ) {
            let haystack = haystack(&kind, len, seed);
            let at = at.index(len + 1);
            let mut needle = haystack[at..len.min(at + needle_len)].to_vec();
            if let Some((place, byte)) = change
                && !needle.is_empty()
            {
                let place = place.index(needle.len());
                needle[place] = byte;
            }
            if needle.len() >= 2 {
                check(&haystack, &needle);
            }
        }
    }

    /// Long enough that probes are learned, given up, and learned again.
    #[test]
    fn data_that_changes_its_kind() {
        let mut haystack = Vec::new();
        for round in 0..3 {
            haystack.extend(vec![b'a'; 300_000]);
            haystack.extend(self::haystack(&Kind::Random(2), 200_000, round + 7));
            haystack.extend(self::haystack(&Kind::Lines, 200_000, 0));
            haystack.extend(self::haystack(&Kind::Periodic(2), 200_000, 0));
        }
        let absent: [&[u8]; 6] =
            [b"ab", b"abababababababaa", b"aaaaaaaaaaaaaaab", b"baaaaaaaaaaaaaaaaa", b"lazy dig", b"\0\0"];
        for needle in absent {
            check(&haystack, needle);
            for at in [0, 5, 299_990, 500_000, 1_234_567, haystack.len() - needle.len()] {
                let mut haystack = haystack.clone();
                haystack[at..at + needle.len()].copy_from_slice(needle);
                check(&haystack, needle);
            }
        }
    }

    /// Wherever the match is, in haystacks of all lengths around those of the vectors.
    #[test]
    fn every_place_in_every_length() {
        for len in 2..300 {
            let mut haystack = vec![b'.'; len];
            for needle in [&b"xy"[..], b".x", b"x.", b"xyz", b"....x...", b"x.......................y"] {
                check(&haystack, needle);
                if needle.len() <= len {
                    for at in (0..=len - needle.len()).step_by(1 + len / 40) {
                        haystack[at..at + needle.len()].copy_from_slice(needle);
                        check(&haystack, needle);
                        haystack.fill(b'.');
                    }
                }
            }
        }
    }

    /// One haystack after the other, as the pieces of a large map come: one probe does until its byte turns out to be common.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] // Elsewhere there are no vectors to scan with.
    #[test]
    fn one_probe_after_a_long_way() {
        let needle = b"lazy~dog";
        let text = haystack(&Kind::Lines, 1 << 20, 0);
        let crowd = b"~.~azy~do".repeat(1 << 17);
        for direction in [Direction::Forward, Direction::Backward] {
            let mut search = Searcher::new(needle, direction);
            let mut find = |haystack: &[u8]| (search.find(haystack), search.probes.used);
            for _ in 1..LONG >> 20 {
                assert_eq!(find(&text), (None, 2));
            }
            assert_eq!(find(&text), (None, 1));
            let mut found = text.clone();
            found[700_000..][..needle.len()].copy_from_slice(needle);
            assert_eq!(find(&found), (Some(700_000), 1));
            let (none, used) = find(&crowd);
            assert!(none.is_none() && used > 1, "{used}");
            assert_eq!(find(&found).0, Some(700_000));
        }
    }

    #[test]
    fn learned_probes_are_rare_together() {
        let haystack = b"ab".repeat(2000);
        let needle = b"ababababababababaa";
        let probes = learn(needle, &haystack, Direction::Forward);
        let [first, second, ..] = probes.offsets;
        assert!(needle[first] == needle[second] && (first + second) % 2 == 1, "{probes:?}");
    }
}
