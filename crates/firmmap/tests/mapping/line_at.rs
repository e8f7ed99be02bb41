//! From a match to its line.

use crate::common::{page, refused};
use firmmap::{ErrorKind, MmapOptions};
use proptest::prelude::*;

// G5, R1: the line that a byte belongs to, as the lines one after the other have it.
proptest! {
    #[test]
    fn agrees_with_lines(text in "[ab\n]{1,200}", padding in prop::sample::select(vec![0, 4000, 70_000])) {
        let text = [vec![b'x'; padding], text.into_bytes()].concat();
        let map = MmapOptions::new().len(text.len()).map_anonymous().unwrap();
        map.write_all_at(&text, 0).unwrap();
        let mut start = 0;
        for line in map.lines(..) {
            let end = start + line.unwrap().len();
            for index in [start, (start + end) / 2, end - 1] {
                prop_assert_eq!(map.line_at(index).unwrap(), start..end);
            }
            start = end;
        }
        prop_assert_eq!(start, text.len());
    }
}

// R4: an index that is not in the map.
#[test]
fn outside_of_the_map() {
    let map = MmapOptions::new().len(page()).map_anonymous().unwrap();
    let words = format!("line position {0} is outside the map of {0} bytes", page());
    refused(map.line_at(page()), ErrorKind::OutOfRange, &words);
    let empty = MmapOptions::new().len(0).map_anonymous().unwrap();
    assert!(empty.line_at(0).is_err());
}
