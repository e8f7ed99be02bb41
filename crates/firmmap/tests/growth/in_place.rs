//! Maps that become longer: in place while others use them, and by moving.

use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::sync::atomic::Ordering;

use crate::common::{Scratch, assert_bytes, assert_same, page, pattern, refused};
use firmmap::{Access, ErrorKind, MappedFile, MmapOptions, Mode};

fn growing(scratch: &Scratch, capacity: usize) -> firmmap::Mmap {
    MmapOptions::new().access(Access::Write).capacity(capacity).open(scratch.path()).unwrap()
}

// G6: the file's length is what was written, after every single append.
#[test]
fn appended_bytes_are_in_the_file_and_nothing_else() {
    let page = page();
    for first in [0, 1, page - 1, page, page + 5] {
        let scratch = Scratch::new(&pattern(first));
        let map = growing(&scratch, 10 * page);
        let mut model = pattern(first);
        for len in [1, 66, page - 1, page, page + 1, 2 * page] {
            assert_eq!(map.append(&pattern(len)).unwrap(), model.len());
            model.extend(pattern(len));
            assert_bytes(&map, &model);
            assert_same(&scratch.contents(), &model);
        }
    }
}

// G2, G6: growth from an offset that is no multiple of a page.
#[test]
fn growth_behind_an_unaligned_offset() {
    for offset in [1, page() - 1, page() + 77] {
        let scratch = Scratch::new(&pattern(offset + 10));
        let options = MmapOptions::new().access(Access::Write).offset(offset as u64).capacity(5 * page());
        let map = options.open(scratch.path()).unwrap();
        let mut model = pattern(offset + 10);
        map.append(&pattern(2 * page())).unwrap();
        model.extend(pattern(2 * page()));
        map.grow(3 * page()).unwrap();
        model.resize(offset + 3 * page(), 0);
        assert_bytes(&map, &model[offset..]);
        assert_same(&scratch.contents(), &model);
        refused(
            map.append(&pattern(2 * page() + 1)),
            ErrorKind::BeyondCapacity,
            &format!("writing to {} bytes is beyond the map's capacity of {} bytes", 5 * page() + 1, 5 * page()),
        );
        assert_same(&scratch.contents(), &model);
    }
}

// G6, R2: a view of atomics stays where it is and valid while the map grows below it.
#[test]
fn growth_under_a_view() {
    let scratch = Scratch::new(b"begin");
    let map = growing(&scratch, 1 << 30);
    let view = map.as_atomic().unwrap();
    for _ in 0..1000 {
        map.append(&pattern(1000)).unwrap();
    }
    map.grow(2_000_000).unwrap();
    view[0].store(b'B', Ordering::Relaxed);
    assert_eq!((view.len(), view.as_ptr().cast::<u8>()), (5, map.as_ptr()));
    assert_eq!(map.as_atomic().unwrap().len(), 2_000_000);
    assert_eq!(&scratch.contents()[..5], b"Begin");
    assert_eq!(scratch.len(), 2_000_000);
}

// G6: what is grown has room on the disk, what is only resized has not.
#[cfg(target_os = "linux")]
#[test]
fn growing_takes_room_on_the_disk() {
    use std::os::unix::fs::MetadataExt;
    let blocks = |scratch: &Scratch| scratch.file().metadata().unwrap().blocks() * 512;
    let scratch = Scratch::new(b"");
    let mut map = growing(&scratch, 1 << 20);
    map.grow(1 << 19).unwrap();
    assert!(blocks(&scratch) >= 1 << 19, "{}", blocks(&scratch));
    map.resize(1 << 20).unwrap();
    assert!(blocks(&scratch) < 1 << 20, "{}", blocks(&scratch));
    let mut file = MappedFile::open(scratch.path(), Mode::Create).unwrap();
    file.truncate(1 << 20).unwrap();
    assert!(blocks(&scratch) >= 1 << 20, "{}", blocks(&scratch));
}

// G6: growth takes bytes in that the file has already, and cuts nothing off behind them.
#[test]
fn growth_into_what_the_file_has() {
    let scratch = Scratch::new(b"0123456789");
    let options = MmapOptions::new().access(Access::Write).len(2).capacity(100);
    let map = options.open(scratch.path()).unwrap();
    map.grow(5).unwrap();
    assert_bytes(&map, b"01234");
    assert_eq!(map.append(b"xy").unwrap(), 5);
    assert_eq!(scratch.contents(), b"01234xy789");
    assert_eq!(map.refresh().unwrap(), 10);
    refused(map.grow(9), ErrorKind::InvalidInput, "the map of 10 bytes cannot grow to 9, which is less");
    map.grow(10).unwrap();
    assert_eq!(scratch.len(), 10);
}

// G6: a terabyte of addresses over a small file costs nothing, faults included (F1, F2).
#[test]
fn a_capacity_that_is_much_larger_than_the_file() {
    let scratch = Scratch::new(b"0123456789");
    let map = growing(&scratch, crate::common::large());
    assert_eq!((map.len(), map.capacity()), (10, crate::common::large()));
    let mut model = b"0123456789".to_vec();
    map.append(&pattern(3 * page())).unwrap();
    model.extend(pattern(3 * page()));
    for _ in 0..10 {
        scratch.file().set_len(0).unwrap();
        assert_eq!(map.get(2 * page()).unwrap_err().fault_offset(), Some(2 * page()));
        scratch.file().write_all_at(&model, 0).unwrap();
        assert_bytes(&map, &model);
        map.append(b"more").unwrap();
        model.extend(b"more");
        scratch.file().set_len(model.len() as u64 - 1).unwrap();
        let error = map.append(b"more").unwrap_err();
        assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(model.len() - 1)));
        scratch.file().write_all_at(&model, 0).unwrap();
    }
    assert_eq!(map.append(b"again").unwrap(), model.len());
    model.extend(b"again");
    assert_bytes(&map, &model);
    assert_same(&scratch.contents(), &model);
}

// F1, F3: a map with something to tell does not grow, and then grows into the file's bytes, not into the guard's zeros.
#[test]
fn growth_after_a_fault_in_a_view() {
    let scratch = Scratch::new(&pattern(3 * page()));
    let map = growing(&scratch, 100 * page());
    scratch.file().set_len(0).unwrap();
    assert_eq!(map.as_atomic().unwrap()[page()].load(Ordering::Relaxed), 0);
    scratch.file().write_all_at(&pattern(3 * page()), 0).unwrap();
    assert_eq!(map.append(b"x").unwrap_err().fault_offset(), Some(page()));
    assert_eq!(scratch.len(), 3 * page() as u64);
    assert_eq!(map.append(b"x").unwrap(), 3 * page());
    assert_eq!(
        map.to_vec(3 * page() - 2..).unwrap(),
        [pattern(3 * page())[3 * page() - 2..].to_vec(), b"x".to_vec()].concat()
    );
}

// G6: an append to a file that somebody has truncated is an error, and no hole of zeros.
#[test]
fn truncated_by_others() {
    let scratch = Scratch::new(&pattern(100));
    let map = growing(&scratch, 1 << 20);
    scratch.file().set_len(40).unwrap();
    for result in [map.append(b"x").map(drop), map.grow(200), map.refresh().map(drop)] {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(40)), "{error}");
    }
    assert_same(&scratch.contents(), &pattern(40));
    let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
    file.seek(SeekFrom::End(0)).unwrap();
    scratch.file().set_len(10).unwrap();
    assert!(file.write(b"x").is_err());
    for len in [11, 40, 41, 5 << 20] {
        let error = file.truncate(len).unwrap_err();
        assert_eq!((error.kind(), error.fault_offset()), (ErrorKind::Fault, Some(10)), "{error}");
    }
    assert_eq!((file.position(), scratch.len()), (40, 10));
    // Who has it alone can take it as it is.
    assert_eq!(file.refresh().unwrap(), 10);
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"x").unwrap();
    assert_eq!(scratch.len(), 11);
}

// G6: so it is wherever the file was cut, whatever its last byte is, and also when the map has appended before.
#[test]
fn truncated_anywhere_by_others() {
    let page = firmmap::page_size();
    for last in [0, 7] {
        for cut in [0, 1, page - 1, page, page + 1, 3 * page - 2, 3 * page - 1] {
            let scratch = Scratch::new(&vec![5; 3 * page - 100]);
            let map = growing(&scratch, 1 << 20);
            assert_eq!(map.append(&[6; 50]).unwrap(), 3 * page - 100);
            map.append(&[last; 50]).unwrap();
            scratch.file().set_len(cut as u64).unwrap();
            let error = map.append(&[8; 10]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Fault, "{last} {cut}: {error}");
            assert_eq!((scratch.len(), map.len()), (cut as u64, 3 * page), "{last} {cut}");
            // Once it is as long as it was, appending goes on.
            scratch.file().set_len(3 * page as u64).unwrap();
            let _ = map.check();
            assert_eq!(map.append(&[9; 10]).unwrap(), 3 * page, "{last} {cut}");
            assert_eq!(scratch.len(), 3 * page as u64 + 10);
        }
    }
}

// G6: so it is when the map's last byte was written after its file was cut in the same page.
#[test]
fn truncated_by_others_before_the_last_byte_is_written() {
    let scratch = Scratch::new(&[5; 200]);
    let map = growing(&scratch, 1 << 20);
    map.append(&[6; 50]).unwrap();
    scratch.file().set_len(100).unwrap();
    map.set(249, 7).unwrap();
    let error = map.append(&[8; 10]).unwrap_err();
    assert_eq!((error.kind(), scratch.len(), map.len()), (ErrorKind::Fault, 100, 250), "{error}");
}

// G6: threads that append at once do not mix their bytes or lose any.
#[test]
fn threads_append_at_once() {
    let scratch = Scratch::new(b"");
    let map = growing(&scratch, 1 << 30);
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let map = &map;
            scope.spawn(move || {
                for count in 0..500usize {
                    let line = vec![b'a' + thread; 1 + (count * 7) % 300];
                    let at = map.append(&[&line[..], b"\n"].concat()).unwrap();
                    assert_eq!(map.to_vec(at..at + line.len()).unwrap(), line);
                }
            });
        }
    });
    let contents = scratch.contents();
    assert_same(&map.to_vec(..).unwrap(), &contents);
    let mut counts = [0; 4];
    for line in contents.strip_suffix(b"\n").unwrap().split(|&byte| byte == b'\n') {
        let thread = line[0] - b'a';
        assert_eq!(line, vec![line[0]; 1 + (counts[thread as usize] * 7) % 300]);
        counts[thread as usize] += 1;
    }
    assert_eq!(counts, [500; 4]);
}

// G6: with O_APPEND, too, bytes go where the map ends.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_appends() {
    let scratch = Scratch::new(b"0123456789");
    let file = std::fs::File::options().read(true).append(true).open(scratch.path()).unwrap();
    let map = MmapOptions::new().access(Access::Write).len(4).capacity(1000).map(&file).unwrap();
    // Never over what is there.
    assert_eq!(map.append(b"abc").unwrap(), 10);
    assert_bytes(&map, b"0123456789abc");
    assert_eq!(map.append(&[b'x'; 10]).unwrap(), 13);
    assert_eq!(scratch.contents(), b"0123456789abcxxxxxxxxxx");
    // Unless the caller says where.
    map.write_growing_at(b"ABC", 22).unwrap();
    assert_eq!(scratch.contents(), b"0123456789abcxxxxxxxxxABC");
}

// G6: with O_DIRECT, too, which writes whole blocks only.
#[cfg(target_os = "linux")]
#[test]
fn a_descriptor_that_writes_past_the_cache() {
    use std::os::unix::fs::OpenOptionsExt;
    let scratch = Scratch::new(b"0123456789");
    let file = std::fs::File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(scratch.path());
    let Ok(file) = file else {
        crate::skipped::skipped(&format!("the file system of {:?} does not know O_DIRECT", scratch.path()));
        return;
    };
    let map = MmapOptions::new().access(Access::Write).capacity(1000).map(&file).unwrap();
    assert_eq!(map.append(b"abc").unwrap(), 10);
    assert_eq!(map.append(b"def").unwrap(), 13);
    assert_bytes(&map, b"0123456789abcdef");
    assert_eq!(scratch.contents(), b"0123456789abcdef");
}

// G6, B4: a copy-on-write map has a capacity as well: it follows its file, and keeps its changes.
#[test]
fn a_capacity_of_a_copy() {
    let scratch = Scratch::new(&pattern(page()));
    let map = MmapOptions::new()
        .capacity(crate::common::large())
        .open_mode(scratch.path(), Mode::Copy)
        .unwrap()
        .into_map()
        .unwrap();
    map.set(0, b'X').unwrap();
    scratch.file().write_all_at(b"more", page() as u64).unwrap();
    map.refresh().unwrap();
    let mut model = pattern(page());
    model[0] = b'X';
    model.extend(b"more");
    assert_bytes(&map, &model);
    assert_eq!(scratch.contents()[0], 0);
}

// G1, G2, G6: every mode, on a file that is there, one that is empty, and one that is not there.
#[test]
fn modes() {
    let scratch = Scratch::new(b"old");
    let missing = scratch.path().with_file_name("missing");
    for mode in [Mode::Read, Mode::ReadWrite, Mode::Create, Mode::CreateNew, Mode::Copy] {
        assert_eq!(mode.as_str().parse::<Mode>().unwrap(), mode);
        std::fs::write(scratch.path(), b"old").unwrap();
        match MappedFile::open(scratch.path(), mode) {
            Ok(file) if mode == Mode::Create => assert_eq!((file.len(), scratch.len()), (0, 0)),
            Ok(file) => {
                assert_bytes(&file, b"old");
                assert_eq!(file.is_growable(), mode == Mode::ReadWrite);
            }
            Err(error) => {
                assert_eq!((mode, error.os_error().unwrap().raw_os_error()), (Mode::CreateNew, Some(libc::EEXIST)))
            }
        }
        let made = MappedFile::open(&missing, mode);
        assert_eq!(made.is_ok(), matches!(mode, Mode::Create | Mode::CreateNew), "{mode}");
        if let Ok(mut file) = made {
            file.write_all(b"new").unwrap();
            assert_eq!(std::fs::read(&missing).unwrap(), b"new");
            std::fs::remove_file(&missing).unwrap();
        }
    }
    refused("R".parse::<Mode>(), ErrorKind::InvalidInput, r#"mode "R" is none of "r", "r+", "w+", "x+", "a+", "c""#);
    let file = MmapOptions::new().map_mode(&scratch.file(), Mode::CreateNew);
    refused(file, ErrorKind::InvalidInput, "mode \"x+\" makes a new file: it needs a path");
    let file = MmapOptions::new().map_mode(&scratch.file(), Mode::Create).unwrap();
    assert_eq!((file.len(), scratch.len()), (0, 0));
}

// G1, G2: ranges: a file that is read only must have them, one that is written gets them.
#[test]
fn ranges_of_modes() {
    let scratch = Scratch::new(b"0123456789");
    let options = MmapOptions::new().offset(7).len(5);
    for mode in [Mode::Read, Mode::Copy] {
        let words = "length 5 from offset 7 reaches behind the end of the file of 10 bytes";
        refused(options.open_mode(scratch.path(), mode), ErrorKind::LengthBeyondEnd, words);
    }
    let words = "offset 11 lies behind the end of the file of 10 bytes";
    for mode in [Mode::Read, Mode::ReadWrite, Mode::Copy] {
        let result = MmapOptions::new().offset(11).map_mode(&scratch.file(), mode);
        refused(result, ErrorKind::OffsetBeyondEnd, words);
    }
    assert_eq!(scratch.len(), 10);
    let file = options.open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    assert_bytes(&file, b"789\0\0");
    assert_eq!(scratch.len(), 12);
    let mut file = MmapOptions::new().offset(5).open_mode(scratch.path(), Mode::Create).unwrap();
    assert_eq!((file.len(), scratch.len()), (0, 5));
    file.write_all(b"abc").unwrap();
    assert_eq!(scratch.contents(), b"\0\0\0\0\0abc");
}

// G6: read-only and copy-on-write maps keep the file as it is.
#[test]
fn what_cannot_grow() {
    let scratch = Scratch::new(b"12345");
    let words = "only a shared, writable map can be resized; this one is read-only or copy-on-write";
    for mode in [Mode::Read, Mode::Copy] {
        let mut file = MmapOptions::new().capacity(1000).open_mode(scratch.path(), mode).unwrap();
        refused(file.append(b"x"), ErrorKind::NotResizable, words);
        refused(file.grow(10), ErrorKind::NotResizable, words);
        refused(file.truncate(10), ErrorKind::NotResizable, words);
        file.seek(SeekFrom::End(0)).unwrap();
        if mode == Mode::Copy {
            assert_eq!(file.write(b"x").unwrap(), 0);
        }
        assert_eq!(scratch.contents(), b"12345");
    }
    let untracked = MmapOptions::new().access(Access::Write).capacity(1000).track_file(false);
    let map = untracked.open(scratch.path()).unwrap();
    let words = "writing needs the map's file, and the map was made without keeping it";
    refused(map.append(b"x"), ErrorKind::NoFile, words);
    let mut kept = MappedFile::new(scratch.map(Access::Write));
    kept.seek(SeekFrom::End(0)).unwrap();
    assert_eq!(kept.write(b"x").unwrap(), 0);
}

// G6: without a capacity the map moves, unless somebody else holds it.
#[test]
fn growth_that_moves() {
    let scratch = Scratch::new(b"");
    let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
    assert_eq!(file.capacity(), 0);
    let other = file.share();
    let error = file.write(b"x").unwrap_err();
    assert_eq!((error.kind(), scratch.len()), (std::io::ErrorKind::ResourceBusy, 0));
    assert_eq!(file.truncate(1).unwrap_err().kind(), ErrorKind::InUse);
    drop(other);
    let mut model = Vec::new();
    let mut moves = 0;
    for _ in 0..20_000 {
        let before = file.capacity();
        file.write_all(&pattern(100)).unwrap();
        model.extend(pattern(100));
        moves += usize::from(file.capacity() != before);
        assert_eq!((file.len(), file.position()), (model.len(), model.len()));
    }
    assert!(moves < 5, "{moves} moves for 2 MB");
    assert_bytes(&file, &model);
    assert_same(&scratch.contents(), &model);
    // Inside of what it has now it grows under views.
    let room = file.capacity();
    let other = file.share();
    let view = other.as_atomic().unwrap();
    file.truncate(room).unwrap();
    assert!(file.truncate(room + 1).is_err() && file.truncate(view.len() - 1).is_err());
    assert_eq!(scratch.len(), room as u64);
}

// A3, G6: a position behind the end leaves zeros, as with a file.
#[test]
fn a_gap() {
    let scratch = Scratch::new(b"abc");
    let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
    for (position, bytes) in [(5, &b"x"[..]), (3 * page(), b"yz"), (3 * page() + 1, b"ZZZ")] {
        file.seek(SeekFrom::Start(position as u64)).unwrap();
        file.write_all(bytes).unwrap();
    }
    let mut model = b"abc\0\0x".to_vec();
    model.resize(3 * page(), 0);
    model.extend(b"yZZZ");
    assert_bytes(&file, &model);
    assert_same(&scratch.contents(), &model);
    file.seek(SeekFrom::Start(isize::MAX as u64)).unwrap();
    assert!(file.write(b"x").is_err());
    assert_same(&scratch.contents(), &model);
}

// G6: with a capacity the map becomes shorter and longer in its place.
#[test]
fn up_and_down_in_place() {
    let scratch = Scratch::new(b"");
    let options = MmapOptions::new().capacity(10 * page());
    let mut file = options.open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    let address = file.as_ptr();
    let mut model = Vec::new();
    for len in [5 * page(), 10, 0, 3 * page() + 1, 10 * page(), page() - 1, page() + 1] {
        file.truncate(len).unwrap();
        model.resize(len, 0);
        file.fill(.., 7).unwrap();
        model.fill(7);
        assert_eq!((file.as_ptr(), file.capacity()), (address, 10 * page()));
        assert_bytes(&file, &model);
        assert_same(&scratch.contents(), &model);
    }
}

// G6, G7: memory with a capacity as well, shared or not; what comes back is zero.
#[test]
fn memory_up_and_down() {
    let options = MmapOptions::new().len(10).capacity(10 * page());
    for mut map in [
        options.map_shared_memory().unwrap(),
        options.map_anonymous().unwrap(),
        options.clone().private().map_anonymous().unwrap(),
    ] {
        let address = map.as_ptr();
        for len in [5 * page(), 10, 0, 3 * page() + 1, 10 * page(), page() - 1, page() + 1] {
            let before = map.len();
            map.resize(len).unwrap();
            assert!(map.to_vec(before.min(len)..).unwrap().iter().all(|&byte| byte == 0));
            map.fill(.., 7).unwrap();
            assert_eq!((map.as_ptr(), map.len()), (address, len));
        }
        assert_eq!(map.append(b"xyz").unwrap(), page() + 1);
        assert_eq!(map.to_vec(page()..).unwrap(), b"\x07xyz");
        assert!(map.is_anonymous() && map.file().is_none());
        assert_eq!(map.refresh().unwrap(), page() + 4);
    }
}

// G7: memory grows without any capacity, and as a file does.
#[test]
fn memory_as_a_file() {
    let mut file = MappedFile::anonymous(3, None).unwrap();
    file.write_all(&pattern(100_000)).unwrap();
    assert_bytes(&file, &pattern(100_000));
    file.truncate(5).unwrap();
    file.truncate(10).unwrap();
    assert_eq!(file.to_vec(..).unwrap(), [&pattern(5)[..], &[0; 5]].concat());
    assert_eq!((file.file_len().unwrap(), file.position()), (10, 100_000));
    let mut map = MmapOptions::new().len(10).map_anonymous().unwrap();
    refused(map.resize(11), ErrorKind::Unsupported, "this system does not support shared anonymous memory that grows");
}

// G6: what others append is taken in, in place by anybody, and by moving by who has the map alone.
#[test]
fn following_a_file() {
    let scratch = Scratch::new(b"");
    let mut writer = scratch.file();
    let moves = cfg!(target_os = "linux") && cfg!(not(firmmap_no_mremap));
    for mode in [Mode::Read, Mode::Copy, Mode::ReadWrite] {
        writer.set_len(0).unwrap();
        writer.rewind().unwrap();
        if mode == Mode::Copy && !moves {
            continue;
        }
        let map = MmapOptions::new().capacity(3 * page()).open_mode(scratch.path(), mode).unwrap().into_map().unwrap();
        let mut reader = MappedFile::open(scratch.path(), mode).unwrap();
        let mut read = Vec::new();
        for _ in 0..3 {
            writer.write_all(&pattern(page())).unwrap();
            map.refresh().unwrap();
            reader.refresh().unwrap();
            reader.read_to_end(&mut read).unwrap();
        }
        assert_bytes(&map, &scratch.contents());
        assert_same(&read, &scratch.contents());
        writer.write_all(b"x").unwrap();
        assert_eq!(map.refresh().unwrap_err().kind(), ErrorKind::BeyondCapacity);
        let other = reader.share();
        assert!(reader.refresh().is_err() || reader.capacity() > 3 * page());
        drop(other);
        writer.set_len(5).unwrap();
        assert_eq!(reader.refresh().unwrap(), 5);
        assert_bytes(&reader, &scratch.contents());
    }
}

// B4, G6: what a copy-on-write map has changed goes with it where the system can move it; elsewhere nothing is lost either.
#[test]
fn a_changed_copy_follows_a_file_or_stays() {
    let moves = cfg!(target_os = "linux") && cfg!(not(firmmap_no_mremap));
    let scratch = Scratch::new(&pattern(10));
    let mut copy = MappedFile::open(scratch.path(), Mode::Copy).unwrap();
    copy.set(0, b'x').unwrap();
    let mut wanted = pattern(2 * page());
    scratch.file().write_all_at(&wanted[10..], 10).unwrap();
    wanted[0] = b'x';
    if moves {
        assert_eq!(copy.refresh().unwrap(), 2 * page());
        assert_eq!(copy.to_vec(page()..).unwrap(), wanted[page()..]);
    } else {
        refused(copy.refresh(), ErrorKind::Unsupported, "this system does not support private maps of files that grow");
        assert_eq!(copy.len(), 10);
    }
    assert_eq!(copy.to_vec(..10).unwrap(), wanted[..10]);
}

// B9, G6: with MAP_ANONYMOUS the system does not look at the file, so what is appended belongs into the memory.
#[test]
fn memory_by_flag_grows_apart_from_the_file_that_was_given() {
    use firmmap::{MapFlags, Protection};
    let scratch = Scratch::new(b"the file");
    let file = std::fs::File::options().read(true).write(true).open(scratch.path()).unwrap();
    for kind in [MapFlags::PRIVATE, MapFlags::SHARED] {
        let options = MmapOptions::new().flags(kind | MapFlags::ANONYMOUS).capacity(3 * page());
        let mut map = options.protection(Protection::READ | Protection::WRITE).map(&file).unwrap();
        assert_eq!(map.append(b"memory").unwrap(), 8);
        map.grow(20).unwrap();
        assert_eq!(map.refresh().unwrap(), 20);
        assert_bytes(&map, b"\0\0\0\0\0\0\0\0memory\0\0\0\0\0\0");
        assert_same(&scratch.contents(), b"the file");
        map.resize(10).unwrap();
        map.resize(20).unwrap();
        assert_bytes(&map, &[&[0; 8][..], b"me", &[0; 10]].concat());
        file.set_len(8).unwrap();
    }
}
