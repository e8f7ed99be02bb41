//! Holes of a sparse file.

use std::io::{Seek, SeekFrom, Write};

use crate::common::{Scratch, page, pattern};
use firmmap::MmapOptions;

// G6: data and holes, as lseek(2) finds them; the position of the descriptor stays.
#[test]
fn data_and_holes() {
    let scratch = Scratch::new(b"");
    let mut file = scratch.file();
    file.set_len(1 << 20).unwrap();
    file.seek(SeekFrom::Start(1 << 19)).unwrap();
    file.write_all(&pattern(2 * page())).unwrap();
    let map = MmapOptions::new().offset(100).map(&file).unwrap();
    let start = (1 << 19) - 100;
    assert_eq!(map.next_data(0).unwrap(), Some(start));
    assert_eq!(map.next_data(start + 5).unwrap(), Some(start + 5));
    assert_eq!(map.next_hole(0).unwrap(), Some(0));
    assert_eq!(map.next_hole(start).unwrap(), Some(start + 2 * page()));
    assert_eq!(map.next_data(start + 2 * page()).unwrap(), None);
    assert_eq!(map.next_hole(map.len()).unwrap(), None);
    assert_eq!(file.stream_position().unwrap(), (1 << 19) + 2 * page() as u64);
    let part = MmapOptions::new().offset(1 << 19).len(10).track_file(false).map(&file).unwrap();
    assert_eq!((part.next_data(3).unwrap(), part.next_hole(3).unwrap()), (Some(3), Some(10)));
}
