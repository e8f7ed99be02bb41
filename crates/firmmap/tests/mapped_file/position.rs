//! `MappedFile`: a map with a position. `mapped_file_model.rs` compares it with `std::io::Cursor`.

use std::io::{self, Read, Seek, SeekFrom, Write};

use crate::common::{Scratch, page, refused};
use firmmap::{Access, ErrorKind, MappedFile, MmapOptions, Protection};

fn anonymous(bytes: &[u8]) -> MappedFile {
    let map = MmapOptions::new().len(bytes.len()).map_anonymous().unwrap();
    map.write_all_at(bytes, 0).unwrap();
    MappedFile::new(map)
}

fn line(file: &mut MappedFile) -> Vec<u8> {
    let end = file.line_end().unwrap();
    let line = file.to_vec(file.position().min(end)..end).unwrap();
    file.set_position(end);
    line
}

// E1, C8: the first program that anybody tries.
#[test]
fn hello() {
    let scratch = Scratch::new(b"Hello Python!\n");
    let mut file = MappedFile::new(scratch.map(Access::Write));
    assert_eq!(line(&mut file), b"Hello Python!\n");
    assert_eq!(file.to_vec(..5).unwrap(), b"Hello");
    file.write_all_at(b" world!\n", 6).unwrap();
    file.rewind().unwrap();
    assert_eq!(line(&mut file), b"Hello  world!\n");
    drop(file);
    assert_eq!(scratch.contents(), b"Hello  world!\n");
}

// E2: and the second.
#[test]
fn hello_anonymous() {
    let mut file = MappedFile::from(MmapOptions::new().len(13).map_anonymous().unwrap());
    file.write_all(b"Hello world!").unwrap();
    assert_eq!((file.position(), file.remaining()), (12, 1));
    assert_eq!(file.to_vec(..).unwrap(), b"Hello world!\0");
}

// A3, C6: reads move the position and are short at the end.
#[test]
fn read() {
    let mut file = anonymous(b"0123456789");
    let mut buffer = [b'.'; 4];
    assert_eq!(file.read(&mut buffer).unwrap(), 4);
    assert_eq!((&buffer, file.position()), (b"0123", 4));
    assert_eq!(file.read(&mut []).unwrap(), 0);
    file.set_position(8);
    assert_eq!(file.read(&mut buffer).unwrap(), 2);
    assert_eq!((&buffer, file.position()), (b"8923", 10));
    assert_eq!(file.read(&mut buffer).unwrap(), 0);
    file.set_position(3);
    let mut rest = b"rest: ".to_vec();
    assert_eq!(file.read_to_end(&mut rest).unwrap(), 7);
    assert_eq!((rest.as_slice(), file.position()), (&b"rest: 3456789"[..], 10));
    assert_eq!(file.read_exact(&mut buffer).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
}

// A3: the standard adaptors.
#[test]
fn standard_adaptors() {
    let mut file = anonymous(b"one\ntwo\nthree");
    let lines: Vec<_> = io::BufRead::lines(io::BufReader::new(&mut file)).collect::<Result<_, _>>().unwrap();
    assert_eq!(lines, ["one", "two", "three"]);
    file.rewind().unwrap();
    let mut target = anonymous(&[b'.'; 20]);
    assert_eq!(io::copy(&mut file, &mut target).unwrap(), 13);
    assert_eq!(target.to_vec(..).unwrap(), b"one\ntwo\nthree.......");
    let mut text = String::new();
    file.set_position(4);
    (&mut file).take(3).read_to_string(&mut text).unwrap();
    assert_eq!((text.as_str(), file.position()), ("two", 7));
}

// C6: text that is none is an error, and the position is where the bytes ended.
#[test]
fn read_to_string_of_no_text() {
    let mut file = anonymous(b"\xff\xfe");
    let mut text = "before".to_owned();
    assert_eq!(file.read_to_string(&mut text).unwrap_err().kind(), io::ErrorKind::InvalidData);
    assert_eq!(text, "before");
}

// C13, A3: writes stop at the end; what does not fit is `WriteZero`.
#[test]
fn write() {
    let scratch = Scratch::new(b"0123456789");
    let mut file = MappedFile::new(scratch.map(Access::Write));
    assert_eq!(file.write(b"abc").unwrap(), 3);
    file.set_position(8);
    assert_eq!(file.write(b"xyz").unwrap(), 2);
    assert_eq!((file.write(b"?").unwrap(), file.position()), (0, 10));
    assert_eq!(file.write_all(b"?").unwrap_err().kind(), io::ErrorKind::WriteZero);
    file.write_all(b"").unwrap();
    firmmap::Mmap::flush(&file).unwrap();
    Write::flush(&mut file).unwrap();
    assert_eq!(scratch.contents(), b"abc34567xy");
}

// B3, A3: refused operations leave the position where it was.
#[test]
fn read_only() {
    let scratch = Scratch::new(b"0123456789");
    let mut file = MappedFile::new(scratch.map(Access::Read));
    file.set_position(3);
    for error in [file.write(b"x").unwrap_err(), file.write_all(b"x").unwrap_err()] {
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(error.to_string(), "write is not possible on a map that is read-only");
    }
    assert_eq!(file.resize(5).unwrap_err().kind(), ErrorKind::NotResizable);
    assert_eq!(file.position(), 3);
    file.get_mut().unwrap().protect(Protection::empty()).unwrap();
    let mut bytes = b"kept".to_vec();
    assert_eq!(file.read_to_end(&mut bytes).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!(file.read(&mut [0; 2]).unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    assert_eq!((bytes.as_slice(), file.position()), (&b"kept"[..], 3));
}

// C10, C12: all three ways to seek, and what is no position.
#[test]
fn seek() {
    let mut file = anonymous(b"0123456789");
    for (to, position) in [
        (SeekFrom::Start(4), 4),
        (SeekFrom::Current(3), 7),
        (SeekFrom::Current(-5), 2),
        (SeekFrom::Current(0), 2),
        (SeekFrom::End(0), 10),
        (SeekFrom::End(-10), 0),
        (SeekFrom::End(5), 15),
        (SeekFrom::Current(-15), 0),
    ] {
        assert_eq!(file.seek(to).unwrap(), position, "{to:?}");
        assert_eq!((file.position() as u64, file.stream_position().unwrap()), (position, position));
    }
    file.set_position(2);
    for (to, words) in [
        (SeekFrom::Current(-3), "Current(-3) is not a position in a map"),
        (SeekFrom::End(-11), "End(-11) is not a position in a map"),
        (SeekFrom::Current(i64::MIN), "Current(-9223372036854775808) is not a position in a map"),
    ] {
        let error = file.seek(to).unwrap_err();
        assert_eq!((error.kind(), error.to_string().as_str()), (io::ErrorKind::InvalidInput, words));
        assert_eq!(file.position(), 2);
    }
}

// C10, A3: a position behind the end is allowed, and there is nothing there.
#[test]
fn behind_the_end() {
    let mut file = anonymous(b"0123456789");
    for position in [10, 11, 1000, usize::MAX] {
        file.set_position(position);
        assert_eq!((file.position(), file.remaining()), (position, 0));
        assert_eq!(file.read(&mut [0; 3]).unwrap(), 0);
        assert_eq!(file.read_to_end(&mut Vec::new()).unwrap(), 0);
        assert_eq!(file.write(b"abc").unwrap(), 0);
        assert_eq!(file.line_end().unwrap(), 10);
        assert_eq!(file.position(), position);
    }
    assert_eq!(file.seek(SeekFrom::Current(1)).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    assert_eq!(file.position(), usize::MAX);
    assert_eq!(file.to_vec(..).unwrap(), b"0123456789");
}

// C8: lines, with and without a newline at the end.
#[test]
fn line_end() {
    for (text, lines) in [
        (&b""[..], &[][..]),
        (b"\n", &[&b"\n"[..]]),
        (b"one", &[b"one"]),
        (b"one\n", &[b"one\n"]),
        (b"one\n\ntwo\r\nthree", &[b"one\n", b"\n", b"two\r\n", b"three"]),
    ] {
        let mut file = anonymous(text);
        for &wanted in lines {
            assert_eq!(line(&mut file), wanted);
        }
        assert_eq!(line(&mut file), b"");
        assert_eq!(file.position(), text.len());
    }
}

// C9: the position stays, also behind the new end.
#[test]
fn resize() {
    let scratch = Scratch::new(b"0123456789");
    let mut file = MappedFile::new(scratch.map(Access::Write));
    file.set_position(8);
    file.resize(4).unwrap();
    assert_eq!((file.position(), file.len(), file.remaining()), (8, 4, 0));
    assert_eq!(file.write(b"?").unwrap(), 0);
    file.resize(page() + 9).unwrap();
    assert_eq!(file.write(b"ab").unwrap(), 2);
    assert_eq!(scratch.contents()[..12], *b"0123\0\0\0\0ab\0\0");
}

// C9, R1: while others hold the map it keeps its length and its pages.
#[test]
fn share() {
    let mut file = anonymous(b"0123456789");
    assert!(!file.is_shared());
    let other = file.share();
    assert!(file.is_shared());
    assert_eq!(other.as_ptr(), file.as_ptr());
    other.set(0, b'x').unwrap();
    assert_eq!(file.get(0).unwrap(), b'x');
    refused(file.resize(5), ErrorKind::InUse, "resize is not possible while others use the map");
    let words = "changing the mapping is not possible while others use the map";
    refused(file.get_mut().map(|_| ()), ErrorKind::InUse, words);
    file.set_position(4);
    let mut file = file.into_map().unwrap_err();
    assert_eq!((file.position(), other.len()), (4, 10), "the file comes back as it was");
    drop(other);
    assert!(!file.is_shared());
    file.get_mut().unwrap().protect(Protection::READ).unwrap();
    assert_eq!(file.write(b"?").unwrap_err().kind(), io::ErrorKind::PermissionDenied);
    let map = file.into_map().unwrap();
    assert_eq!(map.to_vec(..3).unwrap(), b"x12");
}

// R1: the file object can go before those who share its map.
#[cfg(target_os = "linux")]
#[test]
fn the_last_holder_unmaps() {
    let scratch = Scratch::new(b"0123456789");
    let file = MappedFile::new(scratch.map(Access::Write));
    let (first, second) = (file.share(), file.share());
    drop(file);
    drop(second);
    assert_eq!((scratch.mappings(), scratch.descriptors()), (1, 1));
    first.set(0, b'x').unwrap();
    drop(first);
    assert_eq!((scratch.mappings(), scratch.descriptors()), (0, 0));
    assert_eq!(scratch.contents(), b"x123456789");
}
