//! Descriptors that are closed behind a map's back, and numbers that are another file's then.

#![allow(clippy::multiple_unsafe_ops_per_block)]
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Write;
use std::os::fd::{AsRawFd, IntoRawFd, RawFd};
use std::os::unix::fs::{FileExt, MetadataExt};

use crate::common::Scratch;
use crate::process::page;
use firmmap::{Access, Error, ErrorKind, MappedFile, Mmap, MmapOptions, Mode};

crate::scenarios! {
    lives:
        a_fault_brings_no_bytes_of_another_file,
        what_was_covered_before_stays_a_fault,
        what_needs_the_file_is_refused,
        writing_past_the_end_is_refused,
        an_empty_map_keeps_its_inode,
        an_end_leaves_the_number_to_its_file,
        a_closed_number_is_an_error_of_the_system,
        the_same_file_again_is_no_other,
    ;
    dies:
    ;
}

const SECRET: &[u8; 8] = b"SECRET--";

/// Closes the map's descriptor, and gives its number to `other`.
fn take_over(number: RawFd, other: &Scratch) {
    let file = other.file();
    // SAFETY: the number is the map's, and nothing but the map uses it: that is what is tried.
    assert_eq!(unsafe { libc::dup2(file.as_raw_fd(), number) }, number);
}

/// Closes the number, as a library does that closes all.
fn close(number: RawFd) {
    // SAFETY: the number is the map's, and nothing but the map uses it: that is what is tried.
    assert_eq!(unsafe { libc::close(number) }, 0);
}

fn number_of(map: &Mmap) -> RawFd {
    map.file().unwrap().as_raw_fd()
}

fn secret() -> Scratch {
    Scratch::new(&SECRET.repeat(2 * page()))
}

/// A file of `a`, as a map that was made of a descriptor and as one of a path.
fn maps(scratch: &Scratch, access: Access) -> [Mmap; 2] {
    let options = MmapOptions::new().access(access);
    [options.map(&scratch.file()).unwrap(), options.open(scratch.path()).unwrap()]
}

fn assert_stale<T: std::fmt::Debug>(result: Result<T, Error>) {
    let error = result.unwrap_err();
    let words = "the map's descriptor was closed behind its back, and its number is another file's now";
    assert_eq!((error.kind(), error.to_string().as_str()), (ErrorKind::StaleDescriptor, words));
    assert!(error.os_error().is_none());
    let error = std::io::Error::from(error);
    assert_eq!(error.downcast::<Error>().unwrap().kind(), ErrorKind::StaleDescriptor);
}

// F9, F2: the file is truncated when its descriptor is gone. What is missing is a fault, and the file's own bytes are back with it.
fn a_fault_brings_no_bytes_of_another_file() {
    for access in [Access::Read, Access::Write, Access::Copy] {
        for map in {
            let scratch = Scratch::new(&vec![b'a'; 8 * page()]);
            maps(&scratch, access).map(|map| (map, scratch.file()))
        } {
            let (map, file) = map;
            let other = secret();
            take_over(number_of(&map), &other);
            file.set_len(2 * page() as u64).unwrap();
            assert_eq!(map.get(5 * page()).unwrap_err().kind(), ErrorKind::Fault);
            file.write_all_at(&vec![b'b'; 6 * page()], 2 * page() as u64).unwrap();
            match map.to_vec(5 * page()..5 * page() + 8) {
                Ok(bytes) => assert_eq!(bytes, [b'b'; 8]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Fault),
            }
            if access != Access::Read && map.write_all_at(b"written", 5 * page()).is_ok() && access == Access::Write {
                let mut bytes = [0; 7];
                file.read_exact_at(&mut bytes, 5 * page() as u64).unwrap();
                assert_eq!(&bytes, b"written");
            }
            assert_eq!(map.to_vec(..5).unwrap(), b"aaaaa");
            drop(map);
            assert!(other.contents() == SECRET.repeat(2 * page()));
        }
    }
}

// F9: zeros that took a missing page's place while the descriptor was there are not replaced by another file's bytes.
fn what_was_covered_before_stays_a_fault() {
    let scratch = Scratch::new(&vec![b'a'; 8 * page()]);
    for map in maps(&scratch, Access::Write) {
        let (file, other) = (scratch.file(), secret());
        file.set_len(2 * page() as u64).unwrap();
        // A view meets it, so that the pages are not put back at once.
        assert_eq!(crate::process::peek(&map, 5 * page()), 0);
        take_over(number_of(&map), &other);
        file.write_all_at(&vec![b'a'; 6 * page()], 2 * page() as u64).unwrap();
        for _ in 0..2 {
            match map.to_vec(5 * page()..5 * page() + 8) {
                Ok(bytes) => assert_eq!(bytes, [b'a'; 8]),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Fault),
            }
            let _ = map.write_all_at(b"written", 6 * page());
        }
        drop(map);
        assert!(other.contents() == SECRET.repeat(2 * page()));
    }
}

// F9, R1: the length is not another file's, and nothing changes another file's.
fn what_needs_the_file_is_refused() {
    let scratch = Scratch::new(&vec![b'a'; page() + 10]);
    let options = MmapOptions::new().access(Access::Write).capacity(10 * page());
    for mut map in [options.map(&scratch.file()).unwrap(), options.open(scratch.path()).unwrap()] {
        let other = secret();
        take_over(number_of(&map), &other);
        assert_stale(map.file_len());
        assert_stale(map.tracked_file());
        assert!(map.file().is_none());
        assert_stale(map.refresh());
        assert_stale(map.append(b"written"));
        assert_stale(map.grow(3 * page()));
        for len in [page() + 11, 20 * page(), 5, 0] {
            assert_stale(map.resize(len));
        }
        let mut file = MappedFile::new(map);
        assert_stale(file.refresh());
        for len in [page() + 11, 20 * page(), 5] {
            assert_stale(file.truncate(len));
        }
        // What is memory goes on, and reaches the file that it always did.
        assert_eq!((file.len(), file.get(0).unwrap()), (page() + 10, b'a'));
        file.set(page(), b'x').unwrap();
        file.set(page(), b'a').unwrap();
        file.flush_range(..).unwrap();
        drop(file);
        assert!(other.contents() == SECRET.repeat(2 * page()));
        assert_eq!(scratch.contents(), vec![b'a'; page() + 10]);
    }
}

// F9, G6: a file object that grows by writing.
fn writing_past_the_end_is_refused() {
    let scratch = Scratch::new(b"content");
    for capacity in [0, page()] {
        let options = MmapOptions::new().capacity(capacity);
        for mut file in [
            options.open_mode(scratch.path(), Mode::ReadWrite).unwrap(),
            options.map_mode(&scratch.file(), Mode::ReadWrite).unwrap(),
        ] {
            let other = secret();
            take_over(number_of(&file), &other);
            file.set_position(7);
            for bytes in [&b"more"[..], &[b'm'; 100_000]] {
                let error = file.write(bytes).unwrap_err().downcast::<Error>().unwrap();
                assert_eq!((error.kind(), file.position()), (ErrorKind::StaleDescriptor, 7));
            }
            drop(file);
            assert!(other.contents() == SECRET.repeat(2 * page()));
            assert_eq!(scratch.contents(), b"content");
        }
    }
}

// F9: without bytes there is no mapping that would keep the inode; a file system may give its number to the next file.
fn an_empty_map_keeps_its_inode() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("empty");
    let mut maps = vec![MappedFile::open(&path, Mode::Create).unwrap()];
    let mut shortened = MappedFile::open(directory.path().join("shortened"), Mode::CreateNew).unwrap();
    shortened.truncate(10).unwrap();
    shortened.truncate(0).unwrap();
    maps.push(shortened);
    for mut map in maps {
        let number = number_of(&map);
        let inode = map.file().unwrap().metadata().unwrap().ino();
        close(number);
        for entry in std::fs::read_dir(directory.path()).unwrap() {
            std::fs::remove_file(entry.unwrap().path()).unwrap();
        }
        let other = File::create_new(directory.path().join("other")).unwrap();
        assert_ne!(other.metadata().unwrap().ino(), inode);
        // It may have got the number of the descriptor.
        let other = if other.as_raw_fd() == number {
            other.into_raw_fd()
        } else {
            // SAFETY: the number was closed above.
            unsafe { libc::dup2(other.as_raw_fd(), number) }
        };
        assert_eq!(other, number);
        assert_stale(map.truncate(5));
        assert!(map.write(b"written").is_err());
        assert_eq!(std::fs::metadata(directory.path().join("other")).unwrap().len(), 0);
        drop(map);
        close(number);
    }
}

// F9: the end of a map closes no descriptor of somebody else's.
fn an_end_leaves_the_number_to_its_file() {
    let scratch = Scratch::new(b"content");
    let other = secret();
    let [first, second] = maps(&scratch, Access::Write);
    let empty = MmapOptions::new().len(0).open(scratch.path()).unwrap();
    for map in [first, second, empty] {
        let number = number_of(&map);
        take_over(number, &other);
        drop(map);
        // SAFETY: it is an open descriptor, of `other`.
        let file = unsafe { <File as std::os::fd::FromRawFd>::from_raw_fd(number) };
        assert_eq!(file.metadata().unwrap().ino(), other.file().metadata().unwrap().ino());
    }
    // A map whose descriptor is its own closes it.
    let map = scratch.map(Access::Read);
    let number = number_of(&map);
    drop(map);
    // SAFETY: the operation takes no argument.
    assert_eq!(unsafe { libc::fcntl(number, libc::F_GETFD) }, -1);
}

// F9: a number that was closed and is nobody's.
fn a_closed_number_is_an_error_of_the_system() {
    let scratch = Scratch::new(b"content");
    for mut map in maps(&scratch, Access::Write) {
        close(number_of(&map));
        for error in [map.file_len().unwrap_err(), map.refresh().unwrap_err(), map.resize(100).unwrap_err()] {
            assert_eq!(error.os_error().unwrap().raw_os_error(), Some(libc::EBADF), "{error}");
        }
        map.resize(3).unwrap_err();
        assert_eq!(map.to_vec(..).unwrap(), b"content");
        map.flush().unwrap();
        drop(map);
    }
    assert_eq!(scratch.contents(), b"content");
}

// F9: which file it is counts, not which descriptor.
fn the_same_file_again_is_no_other() {
    let scratch = Scratch::new(b"content");
    for mut map in maps(&scratch, Access::Write) {
        take_over(number_of(&map), &scratch);
        map.resize(3).unwrap();
        assert_eq!((map.file_len().unwrap(), scratch.contents()), (3, b"con".to_vec()));
        map.resize(7).unwrap();
        map.write_all_at(b"tent", 3).unwrap();
    }
}
