//! Files of more than 4 GiB, which 32 bits cannot count. On Unix they are sparse without further ado.

use std::io::{Seek, SeekFrom};

use crate::common::{Scratch, assert_bytes, page, refused};
use firmmap::{Access, ErrorKind, MappedFile, MmapOptions};

const GIB: u64 = 1 << 30;

// B7, B8, P1, R3: a part behind the first 4 GiB is mapped, read, written, searched and flushed as any other.
#[test]
fn offsets_behind_4_gib() {
    let scratch = Scratch::new(b"the start of the file");
    scratch.file().set_len(5 * GIB).unwrap();
    for offset in [4 * GIB, 4 * GIB + 5, 4 * GIB + page() as u64, 5 * GIB - 10] {
        let map = MmapOptions::new().access(Access::Write).offset(offset).len(10).open(scratch.path()).unwrap();
        assert_eq!((map.offset(), map.len(), map.file_len().unwrap()), (offset, 10, 5 * GIB));
        assert_bytes(&map, &[0; 10]);
        map.write_all_at(b"behind", 3).unwrap();
        map.flush().unwrap();
        assert_eq!(map.find(b"behind", ..).unwrap(), Some(3));
        let again = MmapOptions::new().offset(offset + 3).len(6).open(scratch.path()).unwrap();
        assert_bytes(&again, b"behind");
        map.fill(.., 0).unwrap();
    }
    let start = MmapOptions::new().len(21).open(scratch.path()).unwrap();
    assert_bytes(&start, b"the start of the file");
}

// C9, P1: such a part changes its length, and the file's with it.
#[test]
fn resize_behind_4_gib() {
    let scratch = Scratch::new(b"");
    scratch.file().set_len(4 * GIB + 7).unwrap();
    let mut map = MmapOptions::new().access(Access::Write).offset(4 * GIB + 5).open(scratch.path()).unwrap();
    map.write_all_at(b"ab", 0).unwrap();
    for len in [3 * page(), 1, page() + 1, 2] {
        map.resize(len).unwrap();
        assert_eq!((map.len(), scratch.len()), (len, 4 * GIB + 5 + len as u64));
        assert_eq!(map.get(0).unwrap(), b'a');
    }
}

// F1, P1: what is missing there is a fault at the index in the map.
#[cfg(linux_kernel)]
#[test]
fn a_fault_behind_4_gib() {
    let scratch = Scratch::new(b"");
    let file = scratch.file();
    file.set_len(5 * GIB).unwrap();
    let map = MmapOptions::new().offset(4 * GIB + 5).len(3 * page()).map(&file).unwrap();
    file.set_len(4 * GIB + page() as u64).unwrap();
    assert_eq!(map.get(page() - 6).unwrap(), 0);
    assert_eq!(map.get(page()).unwrap_err().fault_offset(), Some(page()));
    file.set_len(5 * GIB).unwrap();
    assert_eq!(map.get(page()).unwrap(), 0);
}

// B7, P1: a whole file is mapped where addresses can count its bytes, and is an error with the numbers elsewhere.
#[test]
fn a_file_of_5_gib_as_a_whole() {
    let scratch = Scratch::new(b"");
    let file = scratch.file();
    file.set_len(5 * GIB).unwrap();
    let limit = isize::MAX;
    #[cfg(target_pointer_width = "32")]
    {
        for (offset, len) in [(0, 5 * GIB), (5, 5 * GIB - 5), (GIB, 4 * GIB), (3 * GIB, 2 * GIB)] {
            let words = format!("the length {len} is larger than {limit}, the most this system can address");
            refused(MmapOptions::new().offset(offset).map(&file), ErrorKind::TooLarge, &words);
        }
        assert_eq!(MmapOptions::new().offset(4 * GIB + 1).len(1).map(&file).unwrap().len(), 1);
    }
    #[cfg(target_pointer_width = "64")]
    {
        let map = MmapOptions::new().access(Access::Write).map(&file).unwrap();
        let len = usize::try_from(5 * GIB).unwrap();
        map.write_all_at(b"the last", len - 8).unwrap();
        assert_eq!(map.find(b"the last", len - 4096..).unwrap(), Some(len - 8));
        assert_eq!(map.len(), len);
        refused(
            MmapOptions::new().len(1 << 63).map(&file),
            ErrorKind::LengthBeyondEnd,
            &format!("length {} from offset 0 reaches behind the end of the file of {} bytes", 1u64 << 63, 5 * GIB),
        );
        assert!(limit as u64 > 5 * GIB);
    }
}

// A3, C10, P1: positions that an address cannot have are errors, and distances are not cut to its size.
#[test]
fn positions_behind_4_gib() {
    let mut file = MappedFile::new(MmapOptions::new().len(10).map_anonymous().unwrap());
    let far = 5 * GIB;
    if cfg!(target_pointer_width = "32") {
        for to in [SeekFrom::Start(far), SeekFrom::Current(far as i64), SeekFrom::End(far as i64)] {
            assert_eq!(file.seek(to).unwrap_err().kind(), std::io::ErrorKind::InvalidInput);
            assert_eq!(file.position(), 0);
        }
    } else {
        assert_eq!(file.seek(SeekFrom::Current(far as i64)).unwrap(), far);
    }
    let most = (usize::MAX as u64).min(far);
    assert_eq!(file.seek(SeekFrom::Start(most)).unwrap(), most);
    assert_eq!(file.seek(SeekFrom::Current(3 - most as i64)).unwrap(), 3);
}
