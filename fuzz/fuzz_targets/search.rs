//! The searches against naive ones.

#![no_main]

use arbitrary::Arbitrary;
use firmmap::MmapOptions;
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// What the haystack is made of, again and again.
    piece: &'a [u8],
    /// How often, and how many of its bytes are then changed: where, and to what.
    times: u8,
    changes: Vec<(u16, u8)>,
    /// The needle is a part of the haystack, or its own bytes; one of them may be changed.
    part: Option<(u16, u16)>,
    own: &'a [u8],
    flip: Option<u16>,
    start: u16,
    end: u16,
}

fuzz_target!(|input: Input| {
    let mut haystack = input.piece.repeat(usize::from(input.times) + 1);
    haystack.truncate(50_000);
    for (place, byte) in input.changes {
        if let Some(old) = haystack.get_mut(usize::from(place)) {
            *old = byte;
        }
    }
    let len = haystack.len();
    let mut needle = match input.part {
        Some((start, part)) => {
            let start = usize::from(start) % (len + 1);
            haystack[start..len.min(start + usize::from(part))].to_vec()
        }
        None => input.own.to_vec(),
    };
    if let (Some(place), false) = (input.flip, needle.is_empty()) {
        let place = usize::from(place) % needle.len();
        needle[place] ^= 1;
    }
    let start = usize::from(input.start) % (len + 1);
    let end = start + usize::from(input.end) % (len - start + 1);
    let map = MmapOptions::new().len(len).map_anonymous().unwrap();
    map.write_all_at(&haystack, 0).unwrap();

    let last = (end - start + 1).saturating_sub(needle.len());
    let places: Vec<usize> = (start..start + last).filter(|&at| haystack[at..].starts_with(&needle)).collect();
    assert_eq!(map.find(&needle, start..end).unwrap(), places.first().copied());
    assert_eq!(map.rfind(&needle, start..end).unwrap(), places.last().copied());
    let mut free = start;
    let apart: Vec<usize> = places
        .into_iter()
        .filter(|&place| {
            let is_apart = place >= free;
            free = if is_apart { place + needle.len() } else { free };
            is_apart
        })
        .collect();
    assert_eq!(map.count(&needle, start..end).unwrap(), apart.len());
    let found: Vec<usize> = map.find_iter(&needle, start..end).map(Result::unwrap).collect();
    assert_eq!(found, apart);

    let lines: Vec<Vec<u8>> = map.lines(start..end).map(Result::unwrap).collect();
    assert!(lines.iter().map(Vec::as_slice).eq(haystack[start..end].split_inclusive(|&byte| byte == b'\n')));
});
