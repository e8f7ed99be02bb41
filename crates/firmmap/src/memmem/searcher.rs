//! [`Searcher`]: chooses the bytes of a needle to compare first, and learns better ones from the haystack.
//!
//! The vector kernel runs at memory bandwidth as long as there are few candidates. At first it compares the two bytes of the needle that
//! are rarest in most files, as memchr does. If they turn out to be common, others are chosen by trying them on a sample of the
//! haystack: repeated lines, genomes and periodic data have bytes that are rare *together*. Where no bytes help, Two-Way
//! (M. Crochemore, D. Perrin, "Two-way string-matching", 1991; memchr's implementation) searches a piece, so that time stays linear.
//! Without vectors it searches everything.

use memchr::arch::all::twoway;

use super::Direction;
use super::kernel::{Budget, MAX_OFFSETS, RareBytes, Scan, scan};
use super::rank::{NOT_TEXT, RANK};
use crate::processor;

/// The number of positions of the haystack on which offsets are tried.
const SAMPLE: usize = 1024;
/// The number of offsets that are tried.
const TRIED: usize = 64;
/// The number of candidates in the sample that the choice of the further offsets looks at.
const CANDIDATES: usize = 255;
/// The least distance in bytes between two rounds of learning, each of which takes as long as scanning so much; at least the length of
/// the needle, which can cost as much to compare. Data that far on may be of another kind.
const WORTHWHILE: usize = 64 * 1024;
/// After so many bytes without a match one offset is tried instead of two: loads dominate the kernel.
const TRY_SINGLE: usize = 4096;
/// After so many bytes it is worth looking for a byte that is rare enough to be the only one.
const LONG: usize = 4 << 20;
/// The number of bytes of the haystack in which such a byte must not occur.
const RARE: usize = 16 * 1024;
/// The number of bytes that Two-Way searches before offsets are learned again; at least the length of the needle, all of which is read
/// after the last position.
const LINEAR: usize = 256 * 1024;

/// A search for one needle in one direction, in a series of haystacks.
pub(super) struct Searcher<'n> {
    needle: &'n [u8],
    direction: Direction,
    rare: RareBytes,
    /// Whether the offsets were tried on the haystack.
    learned: bool,
    /// The number of bytes that were scanned, by any algorithm, since the offsets were chosen.
    scanned: usize,
    single: Single,
    two_way: Option<TwoWay>,
}

/// What is known about comparing a single byte.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Single {
    Untried,
    /// The byte that is rarest in most files was tried.
    Guessed,
    /// A byte that the haystack does not have was looked for.
    Sampled,
}

enum TwoWay {
    Forward(twoway::Finder),
    Reverse(twoway::FinderRev),
}

impl<'n> Searcher<'n> {
    /// For a needle of at least two bytes. Allocates nothing.
    #[inline]
    pub(super) fn new(needle: &'n [u8], direction: Direction) -> Self {
        let rare = guess(needle);
        Self { needle, direction, rare, learned: false, scanned: 0, single: Single::Untried, two_way: None }
    }

    /// The first match in the haystack, or in reverse the last one.
    pub(super) fn find(&mut self, haystack: &[u8]) -> Option<usize> {
        if !processor::has_vectors() {
            return self.find_two_way(haystack);
        }
        match self.scan(haystack) {
            Scan::Found(index) => Some(index),
            Scan::NotFound(spent) => {
                self.not_found(haystack, spent);
                None
            }
            Scan::TooManyCandidates(left) => self.find_adaptively(haystack, left),
        }
    }

    fn scan(&self, haystack: &[u8]) -> Scan {
        match self.direction {
            Direction::Forward => scan::<false>(haystack, self.needle, &self.rare, |_| None),
            Direction::Reverse => scan::<true>(haystack, self.needle, &self.rare, |_| None),
        }
    }

    /// The haystack was scanned without a match: it may be worth comparing a single byte.
    #[inline]
    fn not_found(&mut self, haystack: &[u8], spent: usize) {
        self.scanned += haystack.len();
        if !self.learned {
            // What the guess may cost, it may cost once, and not in each haystack.
            self.rare.budget = self.rare.budget.left(haystack.len(), spent);
        }
        if self.single == Single::Sampled || self.scanned < TRY_SINGLE {
            return;
        }
        if self.single == Single::Untried {
            self.single = Single::Guessed;
            if !self.learned && Budget::SINGLE.after(haystack.len()) >= spent {
                self.compare_only(self.rare.offsets[0]);
            }
        } else if self.scanned >= LONG && self.rare.used != 1 {
            self.sample(haystack);
        }
    }

    fn compare_only(&mut self, offset: usize) {
        self.rare = RareBytes { offsets: [offset; MAX_OFFSETS], used: 1, budget: Budget::SINGLE };
    }

    /// Switches to a single byte, if the needle has one that the haystack does not seem to have.
    #[cold]
    fn sample(&mut self, haystack: &[u8]) {
        self.single = Single::Sampled;
        let mut seen = [false; 256];
        for &byte in haystack.iter().take(RARE) {
            seen[usize::from(byte)] = true;
        }
        if let Some(offset) = self.needle.iter().position(|&byte| !seen[usize::from(byte)]) {
            self.compare_only(offset);
        }
    }

    /// Calls `found` with the index of each non-overlapping match, in order, for as long as it returns true. For forward searches.
    pub(super) fn find_each(&mut self, haystack: &[u8], mut found: impl FnMut(usize) -> bool) {
        let len = self.needle.len();
        if !processor::has_vectors() {
            let mut start = 0;
            while let Some(index) = haystack.get(start..).and_then(|rest| self.find_two_way(rest)) {
                if !found(start + index) {
                    break;
                }
                start += index + len;
            }
            return;
        }
        // Where the last match ends, and where the search goes on.
        let (mut end, mut start) = (0, 0);
        loop {
            let rest = &haystack[start..];
            let ended = scan::<false>(rest, self.needle, &self.rare, |index| {
                end = start + index + len;
                found(start + index).then_some(index + len)
            });
            let Scan::TooManyCandidates(left) = ended else {
                if let Scan::NotFound(spent) = ended {
                    self.not_found(rest, spent);
                }
                return;
            };
            // The next match, if any, with better offsets.
            let next = end.max((haystack.len() + 1).saturating_sub(left + len));
            let left = (haystack.len() + 1).saturating_sub(next + len);
            let Some(index) = self.find_adaptively(&haystack[next..], left) else { return };
            // The haystack may change during the search: the end stays within it all the same.
            end = (next + index + len).min(haystack.len());
            if !found(next + index) {
                return;
            }
            start = end;
        }
    }

    /// Continues with the `left` positions that are left after too many candidates.
    #[cold]
    fn find_adaptively(&mut self, haystack: &[u8], mut left: usize) -> Option<usize> {
        let overlap = self.needle.len() - 1;
        // The bounds of what is left to search.
        let (mut start, mut end) = (0, haystack.len());
        loop {
            let positions = (end - start).saturating_sub(overlap);
            self.scanned += positions.saturating_sub(left);
            match self.direction {
                Direction::Forward => start = end.saturating_sub(left + overlap),
                Direction::Reverse => end = start + left + overlap,
            }
            if left == 0 {
                return None;
            }
            let rest = &haystack[start..end];
            if self.rare.used == 1 {
                // The byte was not rare enough to be the only one.
                self.rare = guess(self.needle);
            } else if left > SAMPLE && (!self.learned || self.scanned >= WORTHWHILE.max(overlap)) {
                self.rare = learn(self.needle, rest, self.direction);
                (self.learned, self.scanned) = (true, 0);
            } else {
                let piece = left.min(LINEAR.max(overlap));
                let (range, offset) = match self.direction {
                    Direction::Forward => (0..piece + overlap, start),
                    Direction::Reverse => (rest.len() - piece - overlap..rest.len(), end - piece - overlap),
                };
                if let Some(index) = self.find_two_way(&rest[range]) {
                    return Some(offset + index);
                }
                self.scanned += piece;
                left -= piece;
                match self.direction {
                    Direction::Forward => start += piece,
                    Direction::Reverse => end -= piece,
                }
                if left == 0 {
                    return None;
                }
            }
            match self.scan(&haystack[start..end]) {
                Scan::Found(index) => return Some(start + index),
                Scan::NotFound(_) => {
                    self.scanned += end - start;
                    return None;
                }
                Scan::TooManyCandidates(now) => left = now,
            }
        }
    }

    fn find_two_way(&mut self, haystack: &[u8]) -> Option<usize> {
        let two_way = self.two_way.get_or_insert_with(|| match self.direction {
            Direction::Forward => TwoWay::Forward(twoway::Finder::new(self.needle)),
            Direction::Reverse => TwoWay::Reverse(twoway::FinderRev::new(self.needle)),
        });
        match two_way {
            TwoWay::Forward(finder) => finder.find(haystack, self.needle),
            TwoWay::Reverse(finder) => finder.rfind(haystack, self.needle),
        }
    }
}

/// Calls `found` with the index of each `byte`, in order, for as long as it returns true. Every candidate is a match, so there are never
/// too many, and frequent matches need no search of their own.
pub(crate) fn find_each_byte(haystack: &[u8], byte: u8, mut found: impl FnMut(usize) -> bool) {
    if processor::has_vectors() {
        let rare = RareBytes { offsets: [0; MAX_OFFSETS], used: 1, budget: Budget::SINGLE };
        scan::<false>(haystack, &[byte], &rare, |index| found(index).then_some(index + 1));
    } else {
        _ = memchr::memchr_iter(byte, haystack).all(found);
    }
}

/// The offsets for an unknown haystack: the two bytes that are rarest in most files, the rarest first.
#[inline]
pub(super) fn guess(needle: &[u8]) -> RareBytes {
    let rank = |offset: usize| RANK[usize::from(needle[offset])];
    let (mut first, mut second) = if rank(1) < rank(0) { (1, 0) } else { (0, 1) };
    for offset in 2..needle.len().min(TRIED) {
        // What no text has is rare enough.
        if rank(second) <= NOT_TEXT {
            break;
        }
        if rank(offset) < rank(first) {
            (first, second) = (offset, first);
        } else if rank(offset) < rank(second) && needle[offset] != needle[first] {
            second = offset;
        }
    }
    RareBytes { offsets: [first, second, first, second], used: 2, budget: Budget::GUESSED }
}

/// Offsets whose bytes few positions in a sample of the haystack have together, chosen greedily: the one with the rarest byte, and then
/// each time the one that leaves the fewest of the positions that are still candidates.
fn learn(needle: &[u8], haystack: &[u8], direction: Direction) -> RareBytes {
    let positions = haystack.len() - needle.len() + 1;
    let count = positions.min(SAMPLE);
    let sample = if direction == Direction::Forward { haystack } else { &haystack[positions - count..] };
    let step = needle.len().div_ceil(TRIED);

    let mut frequency = [0usize; 256];
    for &byte in &sample[..count] {
        frequency[usize::from(byte)] += 1;
    }
    let mut offsets = [0; MAX_OFFSETS];
    // Among all offsets, as it may be the only one that helps.
    let rarest = |&offset: &usize| frequency[usize::from(needle[offset])];
    offsets[0] = (0..needle.len()).min_by_key(rarest).unwrap_or(0);
    // The bytes of a haystack that changes meanwhile lead to any position, which is not to be used as an index.
    let having =
        || memchr::memchr_iter(needle[offsets[0]], &sample[offsets[0]..][..count]).filter(|&position| position < count);
    let total = having().count();

    // Where that byte is common, the first candidates stand for all; fewer of them where comparing one takes longer.
    let mut candidates = [0; CANDIDATES];
    let places = candidates.iter_mut().take(CANDIDATES / step.min(4));
    let mut left = places.zip(having()).map(|(place, position)| *place = position).count();
    let followed = left.max(1);
    let mut used = 1;
    // Two are always used, and more only where they help.
    while used < 2 || (used < MAX_OFFSETS && left * total * 512 > count * followed) {
        let best = least_equal(needle, step, &candidates[..left], sample);
        offsets[used] = best;
        used += 1;
        let mut kept = 0;
        for index in 0..left {
            let position = candidates[index];
            if sample[position + best] == needle[best] {
                candidates[kept] = position;
                kept += 1;
            }
        }
        if kept == left {
            break;
        }
        left = kept;
    }
    for unused in used..MAX_OFFSETS {
        offsets[unused] = offsets[unused - used];
    }
    RareBytes { offsets, used, budget: Budget::TUNED }
}

/// Of every `step`th offset into the needle, the one at which the fewest candidates have the needle's byte. The candidates are positions
/// in the sample.
fn least_equal(needle: &[u8], step: usize, candidates: &[usize], sample: &[u8]) -> usize {
    // What a byte can count to, so that vectors hold many.
    const { assert!(CANDIDATES <= u8::MAX as usize) };
    fn add<'a>(equal: &mut [u8; TRIED], left: impl Iterator<Item = &'a u8>, right: impl Iterator<Item = &'a u8>) {
        for (equal, (left, right)) in equal.iter_mut().zip(left.zip(right)) {
            *equal += u8::from(left == right);
        }
    }
    let mut equal = [0; TRIED];
    for &position in candidates {
        let window = &sample[position..][..needle.len()];
        match step {
            // There are vectors for this.
            1 => add(&mut equal, window.iter(), needle.iter()),
            _ => add(&mut equal, window.iter().step_by(step), needle.iter().step_by(step)),
        }
    }
    (0..needle.len()).step_by(step).zip(equal).min_by_key(|&(_, equal)| equal).map_or(0, |(offset, _)| offset)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::processor::tests::with_each_kernel;

    fn naive(haystack: &[u8], needle: &[u8], direction: Direction) -> Option<usize> {
        let mut positions = 0..(haystack.len() + 1).saturating_sub(needle.len());
        let is_match = |&position: &usize| haystack[position..].starts_with(needle);
        match direction {
            Direction::Forward => positions.find(is_match),
            Direction::Reverse => positions.rev().find(is_match),
        }
    }

    fn check(haystack: &[u8], needle: &[u8]) {
        let ends =
            [Direction::Forward, Direction::Reverse].map(|direction| (direction, naive(haystack, needle, direction)));
        let (mut matches, mut end) = (Vec::new(), 0);
        while let Some(index) = naive(&haystack[end..], needle, Direction::Forward) {
            matches.push(end + index);
            end += index + needle.len();
        }
        with_each_kernel(|| {
            for (direction, wanted) in ends {
                let found = Searcher::new(needle, direction).find(haystack);
                assert!(found == wanted, "{direction:?} {needle:?}: {found:?}");
            }
            for limit in [usize::MAX, 7, 1] {
                let mut found = Vec::new();
                Searcher::new(needle, Direction::Forward).find_each(haystack, |index| {
                    found.push(index);
                    found.len() < limit
                });
                assert!(found == matches[..limit.min(matches.len())], "{needle:?}");
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

    /// Long enough that offsets are learned, given up, and learned again.
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
    fn every_position_in_every_length() {
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

    /// A series of haystacks: a single byte suffices where it is rare, and two bytes are used when it turns out to be common. After many
    /// bytes, a better one is looked for.
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))] // Elsewhere there are no vectors to scan with.
    #[test]
    fn one_byte_where_it_is_rare() {
        // `z` is the rarest in most files, but not in these; `~` is rarer still, but not among the offsets that are tried.
        let needle: Vec<u8> = [b"lazy dog".repeat(8), b"~".to_vec()].concat();
        let text = haystack(&Kind::Lines, 1 << 20, 0);
        let rare = b"the ~ and lad dog ".repeat(1 << 10);
        for direction in [Direction::Forward, Direction::Reverse] {
            let mut search = Searcher::new(&needle, direction);
            let mut find = |haystack: &[u8]| (search.find(haystack), search.rare.used);
            assert_eq!(find(&text[..1000]), (None, 2));
            // Nothing learned yet: no `z` in it at all, nor in the next.
            assert_eq!(find(&rare), (None, 1));
            assert_eq!(find(&rare), (None, 1));
            // Common here, and so are two of them.
            assert!(matches!(find(&text), (None, used) if used > 1));
            for _ in 0..LONG >> 20 {
                find(&text);
            }
            assert_eq!(find(&text), (None, 1), "no `~` in it");
            let mut found = text.clone();
            found[700_000..][..needle.len()].copy_from_slice(&needle);
            assert_eq!(find(&found), (Some(700_000), 1));
            let (none, used) = find(&b"~.~azy~do".repeat(1 << 17));
            assert!(none.is_none() && used > 1, "{used}");
            assert_eq!(find(&found).0, Some(700_000));
        }
    }

    #[test]
    fn learned_bytes_are_rare_together() {
        let haystack = b"ab".repeat(2000);
        let needle = b"ababababababababaa";
        let rare = learn(needle, &haystack, Direction::Forward);
        let [first, second, ..] = rare.offsets;
        assert!(needle[first] == needle[second] && (first + second) % 2 == 1, "{rare:?}");
    }

    /// Lines that differ from the needle in some digits only: few positions have the bytes that are chosen. In longer needles not every
    /// offset is tried.
    #[test]
    fn learned_bytes_tell_lines_apart() {
        let line = |number: u64| {
            let digits = number * 7_919_000_027 % 9_999_999_999;
            format!("the quick brown fox jumps over the lazy dog, {digits:010}\n").into_bytes()
        };
        let haystack: Vec<u8> = (0..2000).flat_map(line).collect();
        let absent = b"the quick brown fox jumps over the lazy dog, 0123456789\n".to_vec();
        for needle in [absent.clone(), absent[40..].to_vec(), absent.repeat(3)] {
            for direction in [Direction::Forward, Direction::Reverse] {
                let rare = learn(&needle, &haystack, direction);
                let is_candidate = |window: &&[u8]| rare.offsets.iter().all(|&offset| window[offset] == needle[offset]);
                let candidates = haystack.windows(needle.len()).filter(is_candidate).count();
                assert!(candidates * 200 < haystack.len(), "{candidates} {direction:?} {rare:?}");
            }
        }
    }
}
