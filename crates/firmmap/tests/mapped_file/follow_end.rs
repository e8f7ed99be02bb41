//! Where a map ends whose file others append to, or cut off.

use std::fs::File;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::sync::Arc;

use crate::common::{Scratch, assert_bytes, page, pattern};
use firmmap::{MappedFile, MmapOptions, Mode};

fn append(scratch: &Scratch, bytes: &[u8]) {
    File::options().append(true).open(scratch.path()).unwrap().write_all(bytes).unwrap();
}

fn rest(file: &mut MappedFile) -> Vec<u8> {
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    bytes
}

/// Whether a private map of a file can move, and so become longer than the pages that it has.
const PRIVATE_MOVES: bool = cfg!(target_os = "linux") && cfg!(not(firmmap_no_mremap));

/// Maps of every mode that leaves the file as it is, with and without a capacity, of a file that has one line.
fn maps(scratch: &Scratch) -> impl Iterator<Item = (String, MappedFile)> {
    let kinds = [Mode::Read, Mode::ReadWrite, Mode::Copy].into_iter().flat_map(|mode| [(mode, 0), (mode, 1 << 20)]);
    let kinds = kinds.filter(|&(mode, capacity)| mode != Mode::Copy || PRIVATE_MOVES || capacity > 0 && cfg!(unix));
    kinds.map(|(mode, capacity)| {
        std::fs::write(scratch.path(), b"one\n").unwrap();
        let file = MmapOptions::new().capacity(capacity).open_mode(scratch.path(), mode).unwrap();
        (format!("{mode}, capacity {capacity}"), file)
    })
}

// G10: each way to read sees what was appended since, as with a plain file.
#[test]
fn reads_at_the_end_see_what_others_append() {
    let scratch = Scratch::new(b"");
    for (kind, mut file) in maps(&scratch) {
        println!("{kind}");
        assert_eq!(rest(&mut file), b"one\n");
        assert_eq!(rest(&mut file), b"");
        append(&scratch, b"two\nthree\n");
        let mut line = Vec::new();
        assert_eq!(file.read_until(b'\n', &mut line).unwrap(), 4);
        assert_eq!(line, b"two\n");
        append(&scratch, b"four\nfi");
        assert_eq!(file.seek(SeekFrom::End(-2)).unwrap(), 19);
        append(&scratch, b"ve\n");
        let mut buffer = [0; 10];
        assert_eq!(file.read(&mut buffer).unwrap(), 5);
        assert_eq!(&buffer[..5], b"five\n");
        append(&scratch, b"six");
        file.set_position(19);
        assert_eq!(BufRead::lines(&mut file).map(Result::unwrap).collect::<Vec<_>>(), ["five", "six"]);
        append(&scratch, &pattern(3 * page()));
        file.set_position(27);
        assert_eq!(rest(&mut file), pattern(3 * page()));
    }
}

// G10: a map that was asked for with a length keeps to it, and so does one that is told to.
#[test]
fn a_length_is_kept() {
    let scratch = Scratch::new(b"0123456789");
    for options in [MmapOptions::new().len(10), MmapOptions::new().follow_end(false)] {
        let mut file = options.open_mode(scratch.path(), Mode::ReadWrite).unwrap();
        append(&scratch, b"more");
        assert_eq!((rest(&mut file).len(), file.seek(SeekFrom::End(0)).unwrap()), (10, 10));
        assert!(!file.follow_end().unwrap());
        assert_eq!((file.refresh().unwrap(), file.end().unwrap()), (14, 14));
        file.truncate(10).unwrap();
    }
}

// G10, B4: what comes into a copy-on-write map is the file's, also where the page was changed before.
#[cfg(unix)]
#[test]
fn a_changed_page_of_a_copy_shows_what_is_appended() {
    for by_refresh in [false, true] {
        let scratch = Scratch::new(b"0123456789");
        for capacity in [0, 1 << 20] {
            scratch.file().set_len(10).unwrap();
            let mut file = MmapOptions::new().capacity(capacity).open_mode(scratch.path(), Mode::Copy).unwrap();
            file.set(0, b'X').unwrap();
            append(&scratch, b"abc");
            if by_refresh {
                file.refresh().unwrap();
            }
            assert_eq!(rest(&mut file), b"X123456789abc");
            assert_eq!(scratch.contents(), b"0123456789abc");
        }
    }
}

// G10: programs that append in turns keep each other's records; in one write each, and through `append`.
#[test]
fn writers_in_turns_lose_nothing() {
    for capacity in [0, 1 << 20] {
        let scratch = Scratch::new(b"");
        let open = || MmapOptions::new().capacity(capacity).open_mode(scratch.path(), Mode::ReadWrite).unwrap();
        let (mut one, mut two, mut model) = (open(), open(), Vec::new());
        for number in 0..300 {
            let record = format!("record {number} {}\n", "x".repeat(number));
            let writer = if number % 2 == 0 { &mut one } else { &mut two };
            if number % 3 == 0 && capacity > 0 && cfg!(unix) {
                assert_eq!(writer.append(record.as_bytes()).unwrap(), model.len());
            } else {
                assert_eq!(writer.seek(SeekFrom::End(0)).unwrap(), model.len() as u64);
                writer.write_all(record.as_bytes()).unwrap();
            }
            model.extend_from_slice(record.as_bytes());
            assert_bytes(writer, &model);
        }
        assert_eq!(scratch.contents(), model);
        one.rewind().unwrap();
        assert_eq!(rest(&mut one), model);
    }
}

// G10, G6: holders of the map keep what they have; the file goes on with another mapping.
#[test]
fn a_shared_map_that_is_too_short_is_mapped_again() {
    let scratch = Scratch::new(b"0123456789");
    let mut file = MmapOptions::new().open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    let share = file.share();
    append(&scratch, &pattern(5 * page()));
    assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), 10 + 5 * page() as u64);
    assert_bytes(&share, b"0123456789");
    share.set(3, b'X').unwrap();
    assert_eq!(file.get(3).unwrap(), b'X');
    assert!(!Arc::ptr_eq(&share, &file.share()) && !file.is_shared());
    // Private changes have no second mapping: the map stays as it is.
    let mut copy = MmapOptions::new().open_mode(scratch.path(), Mode::Copy).unwrap();
    copy.set(0, b'Y').unwrap();
    let (share, len) = (copy.share(), copy.len());
    append(&scratch, &pattern(9 * page()));
    assert_eq!((copy.end().unwrap(), rest(&mut copy).len()), (len, len));
    drop(share);
    copy.rewind().unwrap();
    if !PRIVATE_MOVES {
        return;
    }
    assert_eq!((copy.get(0).unwrap(), rest(&mut copy).len()), (b'Y', 10 + 14 * page()));
}

// G10: the end of a file that was cut off is the new one, where the map can follow; never a hole, and never bytes that are lost.
#[cfg(unix)]
#[test]
fn the_end_of_a_file_that_was_cut_off() {
    let scratch = Scratch::new(&pattern(3 * page()));
    let mut file = MmapOptions::new().open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    scratch.file().set_len(5).unwrap();
    assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), 5);
    file.write_all(b"more").unwrap();
    assert_eq!(scratch.contents(), [&pattern(5)[..], b"more"].concat());

    let share = file.share();
    scratch.file().set_len(3).unwrap();
    assert_eq!(file.seek(SeekFrom::End(0)).unwrap(), 3);
    let error = file.write(b"lost?").unwrap_err().downcast::<firmmap::Error>().unwrap();
    assert_eq!((error.kind(), error.fault_offset(), file.position()), (firmmap::ErrorKind::Fault, Some(3), 3));
    drop(share);
    file.write_all(b"kept").unwrap();
    assert_eq!(scratch.contents(), [&pattern(3)[..], b"kept"].concat());
}

// G10: only others can cut bytes off; what the file's owner asks for is no loss.
#[test]
fn the_end_that_was_asked_for() {
    let scratch = Scratch::new(&pattern(5000));
    let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
    file.write_all(&pattern(5000)).unwrap();
    file.resize(100).unwrap();
    file.flush().unwrap();
    file.write_all(b"more").unwrap();
    file.truncate(50).unwrap();
    file.flush().unwrap();
    file.rewind().unwrap();
    file.write_all(&pattern(50)).unwrap();
    file.get_mut().unwrap().resize(20).unwrap();
    file.flush().unwrap();
    assert_eq!(scratch.contents(), pattern(20));

    // And what was cut off before is told before that.
    #[cfg(unix)]
    {
        file.rewind().unwrap();
        file.write_all(&pattern(20)).unwrap();
        scratch.file().set_len(5).unwrap();
        assert_eq!(file.get_mut().unwrap_err().fault_offset(), Some(5));
        file.get_mut().unwrap().resize(5).unwrap();
        file.flush().unwrap();

        for len in [3, 20, 50] {
            file.rewind().unwrap();
            file.truncate(20).unwrap();
            file.write_all(&pattern(20)).unwrap();
            scratch.file().set_len(5).unwrap();
            assert_eq!(file.resize(len).unwrap_err().fault_offset(), Some(5));
            file.resize(len).unwrap();
            file.flush().unwrap();
        }

        // A change of length is no flush: what is cut off after it is told.
        for len in [30, 20, usize::MAX] {
            scratch.file().set_len(50).unwrap();
            file.truncate(20).unwrap();
            file.rewind().unwrap();
            file.write_all(&pattern(20)).unwrap();
            assert_eq!(file.resize(len).is_ok(), len <= 30);
            scratch.file().set_len(5).unwrap();
            let error = file.flush().unwrap_err().downcast::<firmmap::Error>().unwrap();
            assert_eq!(error.fault_offset(), Some(5));
        }
    }
}

// G10, B3: O_APPEND that comes and goes after the map was made: writes go where the map says, and over nothing else.
#[cfg(target_os = "linux")]
#[test]
#[allow(unsafe_code)]
fn flags_that_change_later() {
    use std::os::fd::AsRawFd;
    let scratch = Scratch::new(b"0123456789");
    let file = scratch.file();
    // SAFETY: changes a flag of an open file.
    let set = |flags: libc::c_int| assert_eq!(unsafe { libc::fcntl(file.as_raw_fd(), libc::F_SETFL, flags) }, 0);
    let map = MmapOptions::new().access(firmmap::Access::Write).capacity(1 << 20).map(&file).unwrap();
    assert_eq!(map.append(b"a").unwrap(), 10);
    set(libc::O_RDWR | libc::O_APPEND);
    append(&scratch, b"others");
    map.write_growing_at(b"XX", 11).unwrap();
    assert_bytes(&map, b"0123456789aXXhers");
    append(&scratch, b"!");
    map.write_growing_at(b"YYY", 16).unwrap();
    assert_eq!(scratch.contents(), b"0123456789aXXherYYY");
    assert_eq!(map.append(b"b").unwrap(), 19);
    assert_bytes(&map, b"0123456789aXXherYYYb");

    let mut log = MmapOptions::new().map_mode(&file, Mode::ReadWrite).unwrap();
    assert!(log.appends());
    set(libc::O_RDWR);
    assert!(!log.appends());
    log.write_all(b"at the start").unwrap();
    assert_eq!(scratch.contents(), b"at the startXherYYYb");

    // At the end of the map: at the position, over what others have appended, as a file without the flag; behind it with the flag.
    log.seek(SeekFrom::End(0)).unwrap();
    append(&scratch, b"others");
    log.write_all(b"at").unwrap();
    assert_eq!((scratch.contents(), log.position()), (b"at the startXherYYYbathers".to_vec(), 22));
    log.seek(SeekFrom::End(0)).unwrap();
    set(libc::O_RDWR | libc::O_APPEND);
    append(&scratch, b"!");
    log.write_all(b"behind").unwrap();
    assert_eq!((scratch.contents(), log.position()), (b"at the startXherYYYbathers!behind".to_vec(), 33));
    assert_bytes(&log, b"at the startXherYYYbathers!behind");
}

// G10: opened for appending, each write goes to the end as it is then, and the position and the map behind it; large ones too, and bytes
// that are there already.
#[cfg(unix)]
#[test]
fn appends_between_those_of_others() {
    for capacity in [0, 1 << 20] {
        let scratch = Scratch::new(b"");
        let mut log = MmapOptions::new().capacity(capacity).open_mode(scratch.path(), Mode::Append).unwrap();
        let mut model = Vec::new();
        for round in 0..60 {
            let record = vec![b'a' + (round % 3) as u8; [1, 66, 1024, 1025, 5000][round % 5]];
            if round % 4 == 0 {
                append(&scratch, &record);
                model.extend(&record);
            }
            log.set_position(round);
            log.write_all(&record).unwrap();
            model.extend(&record);
            assert_eq!((log.position(), log.len()), (model.len(), model.len()));
        }
        assert_bytes(&log, &model);
        assert_eq!(scratch.contents(), model);
    }
}

// G10, F1: a file that is opened for appending and was cut off is appended to at its new end; while the map is shared that is an error.
#[cfg(unix)]
#[test]
fn appends_to_a_file_that_was_cut() {
    let scratch = Scratch::new(&pattern(100));
    let mut log = MappedFile::open(scratch.path(), Mode::Append).unwrap();
    scratch.file().set_len(10).unwrap();
    log.write_all(b"new").unwrap();
    assert_eq!((scratch.contents(), log.position()), ([&pattern(10)[..], b"new"].concat(), 13));
    let share = log.share();
    scratch.file().set_len(5).unwrap();
    let error = log.write(b"lost?").unwrap_err().downcast::<firmmap::Error>().unwrap();
    assert_eq!((error.kind(), log.position(), scratch.contents()), (firmmap::ErrorKind::Fault, 13, pattern(5)));
    drop(share);
}

// G6, G10: what cannot be there is refused before anything is taken, with both numbers. (With 32 bits no length is more than a disk has.)
#[cfg(all(target_os = "linux", target_pointer_width = "64"))]
#[test]
fn more_than_the_disk_has() {
    let scratch = Scratch::new(b"0123456789");
    let mut file = MmapOptions::new().capacity(1 << 20).open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    let error = file.truncate(1 << 45).unwrap_err();
    let Some((wanted, free)) = error.space() else {
        crate::skipped::skipped(&format!("the file system of {:?} does not say what it has free", scratch.path()));
        return;
    };
    assert_eq!((error.kind(), wanted), (firmmap::ErrorKind::Os, (1 << 45) - 10));
    assert!(
        free < wanted && error.to_string().contains(&format!("{wanted} bytes were asked for, and {free} are free"))
    );
    assert_eq!(std::io::Error::from(error).raw_os_error(), Some(libc::ENOSPC));
    assert_eq!((file.len(), scratch.contents()), (10, b"0123456789".to_vec()));
}

// F1, F8, G10: a read that reaches the end of a file that was cut off within a page gives no zeros for its bytes.
#[cfg(unix)]
#[test]
fn no_zeros_of_a_file_that_was_cut() {
    let scratch = Scratch::new(&[b'x'; 100]);
    let mut file = MappedFile::open(scratch.path(), Mode::Read).unwrap();
    file.set_position(10);
    scratch.file().set_len(50).unwrap();
    let error = file.read_to_end(&mut Vec::new()).unwrap_err().downcast::<firmmap::Error>().unwrap();
    assert_eq!(error.fault_offset(), Some(50));
    assert!(file.read(&mut [0; 100]).is_err());
    assert_eq!(file.position(), 10);
    assert_eq!(file.read(&mut [0; 40]).unwrap(), 40);
}

// F3: what was written over bytes that others have cut off within the page is told by flush(), once; so is a change that the system
// takes no note of, by the file's time.
#[cfg(unix)]
#[test]
fn flush_settles_what_was_written() {
    let scratch = Scratch::new(&[b'x'; 100]);
    let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
    file.write_all(b"once").unwrap();
    file.flush().unwrap();
    let old = std::time::SystemTime::UNIX_EPOCH;
    scratch.file().set_modified(old).unwrap();
    file.flush().unwrap();
    assert_eq!(scratch.path().metadata().unwrap().modified().unwrap(), old);
    file.write_all(b"twice").unwrap();
    scratch.file().set_modified(old).unwrap();
    file.flush().unwrap();
    assert!(scratch.path().metadata().unwrap().modified().unwrap() > old);
    scratch.file().set_len(11).unwrap();
    file.write_all(b"lost").unwrap();
    let error = file.flush().unwrap_err().downcast::<firmmap::Error>().unwrap();
    assert_eq!(error.fault_offset(), Some(11));
    file.flush().unwrap();
    assert_eq!(scratch.len(), 11);
}

// F3: a write that was lost behind the end is told before the map becomes as short as its file.
#[cfg(unix)]
#[test]
fn what_was_lost_is_told_before_the_map_becomes_shorter() {
    let finds: [fn(&mut MappedFile) -> std::io::Result<usize>; 3] = [
        |file| file.seek(SeekFrom::End(0)).map(|end| end as usize),
        |file| Ok(file.end()?),
        |file| Ok(file.refresh()?),
    ];
    for find in finds {
        let scratch = Scratch::new(&pattern(3 * page()));
        let mut file = MappedFile::open(scratch.path(), Mode::ReadWrite).unwrap();
        let cut = page() + 10;
        scratch.file().set_len(cut as u64).unwrap();
        file.set_position(cut - 5);
        file.write_all(b"0123456789").unwrap();
        let error = find(&mut file).unwrap_err().downcast::<firmmap::Error>().unwrap();
        assert_eq!(error.fault_offset(), Some(cut));
        // It was told once, and the position has not moved.
        assert_eq!(file.position(), cut + 5);
        assert_eq!(find(&mut file).unwrap(), cut);
        file.flush().unwrap();
        assert_eq!(std::fs::read(scratch.path()).unwrap()[cut - 5..], *b"01234");
    }
}

// F1, F8, G10: bytes that others cut off within a page are an error, not zeros, in every way to read them; those before are given where
// the way to read allows for few.
#[cfg(unix)]
#[test]
fn reads_of_what_others_have_cut_off() {
    use firmmap::ErrorKind;

    let text = b"line of text\n".repeat(100);
    let scratch = Scratch::new(&text);
    let offset = |error: std::io::Error| {
        let error = error.get_ref().and_then(|error| error.downcast_ref::<firmmap::Error>()).expect("an error of ours");
        assert_eq!(error.kind(), ErrorKind::Fault);
        error.fault_offset()
    };
    for keep in [0, 20, 1299] {
        std::fs::write(scratch.path(), &text).unwrap();
        let mut file = MappedFile::open(scratch.path(), Mode::Read).unwrap();
        scratch.file().set_len(keep as u64).unwrap();
        let mut bytes = b"before".to_vec();
        assert_eq!(offset(file.read_to_end(&mut bytes).unwrap_err()), Some(keep));
        assert_eq!((bytes, file.position()), (b"before".to_vec(), 0));
        for len in [1300, 2000] {
            assert_eq!(offset(file.read(&mut vec![0; len]).unwrap_err()), Some(keep));
        }
        let mut bytes = Vec::new();
        assert_eq!(offset(file.read_until(b'!', &mut bytes).unwrap_err()), Some(keep));
        assert_eq!(bytes, text[..keep]);
        file.set_position(0);
        let lines: Vec<_> = BufRead::lines(&mut file).take(keep / 13 + 1).collect();
        let (last, whole) = lines.split_last().unwrap();
        assert!(whole.iter().all(|line| line.as_ref().unwrap() == "line of text"));
        assert!(last.is_err());
        std::fs::write(scratch.path(), &text).unwrap();
        file.set_position(0);
        assert_eq!(rest(&mut file), text);
    }
}
