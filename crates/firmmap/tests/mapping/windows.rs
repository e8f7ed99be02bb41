//! What is Windows' own: names of mappings, files that get longer, files that are mapped and so cannot get shorter, offsets
//! by 64 KiB. The rest of the tests runs there too.

#![allow(unsafe_code)]

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::windows::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::{ALL_ACCESS, Scratch, assert_bytes, assert_same, page, pattern, refused};
use firmmap::{Access, ErrorKind, MappedFile, Mmap, MmapOptions, Mode, Protection, Result};

const ACCESS_DENIED: i32 = 5;
const SHARING_VIOLATION: i32 = 32;
const USER_MAPPED_FILE: i32 = 1224;

/// Names the mapping that the child process of a test is to open.
const TAG: &str = "FIRMMAP_TEST_TAG";

/// A name that no other test has, in this run or in another one.
fn tag(name: &str) -> String {
    format!("Local\\firmmap-{}-{name}", std::process::id())
}

fn named(tag: &str, len: usize) -> Result<Mmap> {
    MmapOptions::new().tag(tag).len(len).map_anonymous()
}

/// This program again, running one test that is a part of another one.
fn child(test: &str, tag: &str) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([&format!("windows::{test}"), "--exact", "--ignored", "--nocapture"]).env(TAG, tag);
    child
}

/// Asserts that `result` is the system's error of that number.
#[track_caller]
fn refused_by_system<T: std::fmt::Debug>(result: Result<T>, number: i32) {
    let error = result.expect_err("the system refuses");
    assert_eq!(error.kind(), ErrorKind::Os, "{error}");
    assert_eq!(error.os_error().unwrap().raw_os_error(), Some(number), "{error}");
}

// B10: two maps of one name are the same memory; other names are not, nor are maps without one.
#[test]
fn one_name_is_one_memory() {
    let tag = tag("one");
    let (first, second) = (named(&tag, 10).unwrap(), named(&tag, 10).unwrap());
    let others = [named(&format!("{tag}2"), 10).unwrap(), MmapOptions::new().len(10).map_anonymous().unwrap()];
    first.write_all_at(b"0123456789", 0).unwrap();
    assert_bytes(&second, b"0123456789");
    second.set(9, b'x').unwrap();
    assert_bytes(&first, b"012345678x");
    for other in others {
        assert_bytes(&other, &[0; 10]);
    }
}

// B10: an existing name is opened with what it holds, for as long as some map has it, and a shorter map is a part of it.
#[test]
fn an_existing_name_is_opened() {
    let tag = tag("existing");
    let first = named(&tag, 3 * page()).unwrap();
    first.write_all_at(&pattern(3 * page()), 0).unwrap();
    let short = named(&tag, 5).unwrap();
    assert_bytes(&short, &pattern(5));
    drop(first);
    let again = named(&tag, 3 * page()).unwrap();
    assert_bytes(&again, &pattern(3 * page()));
    drop((short, again));
    assert_bytes(&named(&tag, 3 * page()).unwrap(), &vec![0; 3 * page()]);
}

// B10: a map that is longer than the mapping of that name is an error, and leaves that one alone.
#[test]
fn an_existing_name_keeps_its_length() {
    let tag = tag("length");
    let first = named(&tag, 10).unwrap();
    first.fill(.., b'x').unwrap();
    refused_by_system(named(&tag, page() + 1), ACCESS_DENIED);
    assert_bytes(&first, b"xxxxxxxxxx");
}

// B10: a name shared by two processes, the second of which is this test again.
#[test]
fn two_processes_share_a_name() {
    let tag = tag("processes");
    let map = named(&tag, 100).unwrap();
    map.write_all_at(b"from the parent", 0).unwrap();
    let mut child = child("child_of_two_processes_share_a_name", &tag);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().unwrap().contains("has written")).unwrap().unwrap();
    assert_eq!(map.to_vec(20..34).unwrap(), b"from the child");
    // The child keeps the name while it lives.
    drop(map);
    assert_eq!(named(&tag, 100).unwrap().to_vec(20..34).unwrap(), b"from the child");
    child.stdin.take().unwrap().write_all(b"\n").unwrap();
    assert!(child.wait().unwrap().success());
    assert_bytes(&named(&tag, 100).unwrap(), &[0; 100]);
}

#[test]
#[ignore = "a part of another test"]
fn child_of_two_processes_share_a_name() {
    let Ok(tag) = std::env::var(TAG) else { return };
    let map = named(&tag, 100).unwrap();
    assert_eq!(map.to_vec(..15).unwrap(), b"from the parent");
    map.write_all_at(b"from the child", 20).unwrap();
    println!("the child has written");
    std::io::stdin().read_line(&mut String::new()).unwrap();
}

// B10: names of mappings of files; the second one is opened, whatever file is given.
#[test]
fn a_named_mapping_of_a_file() {
    let (scratch, other) = (Scratch::new(b"0123456789"), Scratch::new(b"abcdefghij"));
    let options = MmapOptions::new().access(Access::Write).tag(tag("file"));
    let first = options.open(scratch.path()).unwrap();
    let second = options.open(other.path()).unwrap();
    assert_bytes(&second, b"0123456789");
    second.set(0, b'x').unwrap();
    drop((first, second));
    assert_eq!((scratch.contents(), other.contents()), (b"x123456789".to_vec(), b"abcdefghij".to_vec()));
}

// B10: names and paths are Unicode; a zero character would end the name early.
#[test]
fn names_that_are_not_ascii() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("Größe 大きさ размер 😀.bin");
    std::fs::write(&path, b"0123456789").unwrap();
    let map = MmapOptions::new().access(Access::Write).open(&path).unwrap();
    map.set(0, b'x').unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), b"x123456789");

    let (tag, other) = (tag("Größe 大きさ 😀"), tag("Größe 大きさ 😁"));
    let (first, second, other) = (named(&tag, 1).unwrap(), named(&tag, 1).unwrap(), named(&other, 1).unwrap());
    first.set(0, 7).unwrap();
    assert_eq!((second.get(0).unwrap(), other.get(0).unwrap()), (7, 0));

    let words = "the name of a mapping holds no zero character";
    refused(named("a\0b", 1), ErrorKind::InvalidInput, words);
    refused(MmapOptions::new().tag("a\0b").open(&path), ErrorKind::InvalidInput, words);
}

// G6: a part that is written to past its end overwrites what the file has there, and leaves what it has behind that.
#[test]
fn a_part_that_grows_leaves_the_rest_of_the_file() {
    let scratch = Scratch::new(b"0123456789");
    let mut part = MmapOptions::new().offset(2).len(3).open_mode(scratch.path(), Mode::ReadWrite).unwrap();
    part.seek(SeekFrom::End(0)).unwrap();
    part.write_all(b"AB").unwrap();
    assert_bytes(&part, b"234AB");
    assert_eq!(scratch.contents(), b"01234AB789");
    part.write_all(b"CDEFG").unwrap();
    assert_bytes(&part, b"234ABCDEFG");
    drop(part);
    assert_eq!(scratch.contents(), b"01234ABCDEFG");
}

// G6, G10: what is appended goes behind what others have appended, of which the map has not taken notice yet.
#[test]
fn appends_go_to_the_end_of_the_file() {
    let scratch = Scratch::new(b"");
    let open = || MappedFile::open(scratch.path(), Mode::Append).unwrap();
    let (mut one, mut other) = (open(), open());
    for number in 0..10 {
        writeln!(one, "one {number}").unwrap();
        write!(other, "{}", "two\ntwo\n").unwrap();
    }
    let expected: String = (0..10).map(|number| format!("one {number}\ntwo\ntwo\n")).collect();
    assert_bytes(&other, expected.as_bytes());
    drop((one, other));
    assert_eq!(scratch.contents(), expected.as_bytes());
}

// G1: a handle that does not allow writing is refused at once, also where there is nothing to map.
#[test]
fn an_empty_file_that_must_not_be_written() {
    let scratch = Scratch::new(b"");
    let file = File::open(scratch.path()).unwrap();
    refused_by_system(MmapOptions::new().map_mode(&file, Mode::ReadWrite), ACCESS_DENIED);
    let mut file = File::options().read(true).write(true).open(scratch.path()).unwrap();
    file.write_all(b"12345").unwrap();
    file.set_len(0).unwrap();
    MmapOptions::new().map_mode(&file, Mode::ReadWrite).unwrap();
    assert_eq!(file.stream_position().unwrap(), 5);
}

// R3: what may not be written to is not called writable, although to the system it is copy-on-write.
#[test]
fn access_of_private_memory_that_is_read_only() {
    let mut map = MmapOptions::new().len(10).private().map_anonymous().unwrap();
    assert_eq!(map.access(), Access::Copy);
    map.protect(Protection::READ).unwrap();
    assert_eq!(map.access(), Access::Read);
    map.protect(Protection::READ | Protection::WRITE).unwrap();
    map.set(0, 1).unwrap();
    assert_eq!(map.access(), Access::Copy);
}

// B10: a length beyond the end of the file makes the file longer, by zeros; a file that is open for reading only does not.
#[test]
fn a_longer_length_extends_the_file() {
    let scratch = Scratch::new(b"0123456789");
    let len = 2 * firmmap::allocation_granularity() + 1;
    let map = MmapOptions::new().access(Access::Write).extend(true).len(len).open(scratch.path()).unwrap();
    let mut wanted = b"0123456789".to_vec();
    wanted.resize(len, 0);
    assert_bytes(&map, &wanted);
    drop(map);
    assert_same(&scratch.contents(), &wanted);
    let file = File::open(scratch.path()).unwrap();
    // Access denied; in wine, a wrong handle.
    let error = MmapOptions::new().extend(true).len(len + 1).map(&file).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Os, "{error}");
    assert!(error.to_string().starts_with("making the file longer failed: "), "{error}");
    assert_eq!(scratch.len(), len as u64);
}

// B2, B5: the three kinds of access.
#[test]
fn access() {
    let scratch = Scratch::new(b"0123456789");
    let [read, write, copy] = ALL_ACCESS.map(|access| scratch.map(access));
    refused(read.set(0, 1), ErrorKind::AccessDenied, "write is not possible on a map that is read-only");
    copy.set(0, b'c').unwrap();
    write.set(1, b'w').unwrap();
    assert_bytes(&read, b"0w23456789");
    assert_eq!(copy.get(0).unwrap(), b'c');
    drop((read, write, copy));
    assert_eq!(scratch.contents(), b"0w23456789");
    // What the file was not opened for.
    let file = File::open(scratch.path()).unwrap();
    refused_by_system(MmapOptions::new().access(Access::Write).map(&file), ACCESS_DENIED);
    MmapOptions::new().access(Access::Copy).map(&file).unwrap().set(0, b'c').unwrap();
}

// B8: the system wants multiples of 64 KiB, the library takes any offset.
#[test]
fn offsets() {
    let unit = firmmap::allocation_granularity();
    assert_eq!(unit, 65536);
    let contents = pattern(2 * unit + 100);
    let scratch = Scratch::new(&contents);
    for access in ALL_ACCESS {
        for offset in [0, 1, page(), unit - 1, unit, unit + 1, unit + page(), 2 * unit, 2 * unit + 99] {
            let map = MmapOptions::new().access(access).offset(offset as u64).open(scratch.path()).unwrap();
            assert_bytes(&map, &contents[offset..]);
        }
    }
    let mut map = MmapOptions::new().access(Access::Write).offset(unit as u64 + 1).open(scratch.path()).unwrap();
    for len in [unit, 5, 3 * unit] {
        map.resize(len).unwrap();
        assert_eq!((map.len(), map.file_len().unwrap()), (len, (unit + 1 + len) as u64));
        assert_eq!(map.to_vec(..5).unwrap(), &contents[unit + 1..unit + 6]);
    }
}

// B7, B8, B10, C9: places behind 4 GiB, in a sparse file.
#[test]
fn files_over_4_gib() {
    let scratch = Scratch::new(b"");
    let mut file = scratch.file();
    let far = (4u64 << 30) + 123_456;
    file.set_len(far + 10).unwrap();
    file.seek(SeekFrom::Start(far)).unwrap();
    file.write_all(b"0123456789").unwrap();

    let map = MmapOptions::new().access(Access::Write).offset(far).map(&file).unwrap();
    assert_bytes(&map, b"0123456789");
    assert_eq!(map.file_len().unwrap(), far + 10);
    map.write_all_at(b"abc", 7).unwrap();
    map.flush().unwrap();
    drop(map);

    let whole = MmapOptions::new().access(Access::Write).map(&file).unwrap();
    assert_eq!(whole.len() as u64, far + 10);
    assert_eq!(whole.to_vec(far as usize..).unwrap(), b"0123456abc");
    whole.set(1 << 32, b'x').unwrap();
    drop(whole);

    let options = MmapOptions::new().access(Access::Write).extend(true).offset(1 << 32);
    let mut map = options.len(200_000).map(&file).unwrap();
    assert_eq!((map.get(0).unwrap(), map.file_len().unwrap()), (b'x', (4 << 30) + 200_000));
    map.resize(1).unwrap();
    drop(map);
    let mut end = Vec::new();
    file.seek(SeekFrom::Start((1 << 32) - 1)).unwrap();
    file.read_to_end(&mut end).unwrap();
    assert_eq!(end, b"\0x");
}

// C9: memory without a file is copied into a new mapping, which has the name.
#[test]
fn named_memory_is_resized() {
    let tag = tag("resized");
    let mut map = named(&tag, 10).unwrap();
    map.write_all_at(b"0123456789", 0).unwrap();
    for len in [100_000, 7, 0, 3 * page()] {
        map.resize(len).unwrap();
        assert_eq!((map.len(), map.file_len().unwrap()), (len, len as u64));
        if len == 100_000 {
            assert_eq!(map.to_vec(..11).unwrap(), b"0123456789\0");
            let second = named(&tag, len).unwrap();
            second.set(len - 1, b'x').unwrap();
            assert_eq!(map.get(len - 1).unwrap(), b'x');
        }
    }
    assert_bytes(&map, &vec![0; 3 * page()]);
}

// C9: a length that the system does not have changes nothing: bytes, length, name, file.
#[test]
fn a_resize_that_fails_keeps_everything() {
    let tag = tag("too long");
    let (scratch, other) = (Scratch::new(b"0123456789"), Scratch::new(b"0123456789"));
    let options = MmapOptions::new().access(Access::Write);
    let memory = named(&tag, 10).unwrap();
    memory.write_all_at(b"0123456789", 0).unwrap();
    let unnamed = MmapOptions::new().len(10).map_anonymous().unwrap();
    unnamed.write_all_at(b"0123456789", 0).unwrap();
    let file = options.tag(format!("{tag} file")).open(scratch.path()).unwrap();
    for mut map in [memory, unnamed, file, other.map(Access::Write)] {
        let result = map.resize(isize::MAX as usize - 100_000);
        assert_eq!(result.unwrap_err().kind(), ErrorKind::Os);
        assert_eq!((map.len(), map.file_len().unwrap()), (10, 10));
        assert_bytes(&map, b"0123456789");
        map.set(9, b'9').unwrap();
        map.resize(11).unwrap();
        assert_bytes(&map, b"0123456789\0");
        map.resize(10).unwrap();
    }
    assert_eq!((scratch.contents(), other.contents()), (b"0123456789".to_vec(), b"0123456789".to_vec()));
    let memory = named(&tag, 10).unwrap();
    memory.set(0, b'x').unwrap();
    let mut again = named(&tag, 10).unwrap();
    assert!(again.resize(isize::MAX as usize - 100_000).is_err());
    assert_eq!((again.get(0).unwrap(), named(&tag, 10).unwrap().get(0).unwrap()), (b'x', b'x'));
    drop(memory);
    assert!(again.resize(isize::MAX as usize - 100_000).is_err());
    assert_eq!(named(&tag, 10).unwrap().get(0).unwrap(), b'x');
}

// C9: refused while there is another map of that name; then nothing has changed, and afterwards it works.
#[test]
fn resize_is_refused_while_another_map_has_the_name() {
    let scratch = Scratch::new(b"0123456789");
    let (memory, file) = (tag("memory in use"), tag("file in use"));
    let open = MmapOptions::new().access(Access::Write).tag(&file);
    let maps = || [named(&memory, 10).unwrap(), open.open(scratch.path()).unwrap()];
    let (first, second) = (maps(), maps());
    first[0].write_all_at(b"0123456789", 0).unwrap();
    for (mut first, second) in first.into_iter().zip(second) {
        for len in [5, 0, 20, 100_000] {
            refused_by_system(first.resize(len), USER_MAPPED_FILE);
            assert_eq!((first.len(), first.file_len().unwrap()), (10, 10));
            assert_bytes(&first, b"0123456789");
        }
        // It still has the name.
        drop(second);
        let third = if first.is_anonymous() { named(&memory, 10) } else { open.open(scratch.path()) };
        assert_bytes(&third.unwrap(), b"0123456789");
        first.resize(20).unwrap();
        assert_bytes(&first, b"0123456789\0\0\0\0\0\0\0\0\0\0");
        first.resize(5).unwrap();
        assert_bytes(&first, b"01234");
    }
    assert_eq!(scratch.contents(), b"01234");
}

// C9: a file that is mapped a second time cannot be made shorter, also not to nothing; the first map stays as it is. It can
// be made longer.
#[test]
fn files_that_are_mapped_twice_do_not_get_shorter() {
    let contents = pattern(3 * page());
    let scratch = Scratch::new(&contents);
    for tag in [None, Some(tag("twice"))] {
        let mut options = MmapOptions::new().access(Access::Write);
        if let Some(tag) = &tag {
            options = options.tag(tag);
        }
        let mut first = options.open(scratch.path()).unwrap();
        let mut second = scratch.map(Access::Write);
        for len in [page(), 5, 0] {
            refused_by_system(first.resize(len), USER_MAPPED_FILE);
            assert_bytes(&first, &contents);
            first.set(0, contents[0]).unwrap();
        }
        first.resize(4 * page()).unwrap();
        first.set(4 * page() - 1, b'x').unwrap();
        assert_eq!((second.len(), second.file_len().unwrap()), (3 * page(), 4 * page() as u64));
        second.resize(4 * page()).unwrap();
        assert_eq!(second.get(4 * page() - 1).unwrap(), b'x');
        drop(first);
        second.resize(3 * page()).unwrap();
        assert_bytes(&second, &contents);
    }
}

// G1, G2, G6: files that are opened by a mode; those that are opened to be written get longer, a gap included.
#[test]
fn modes() {
    let scratch = Scratch::new(b"old");
    let missing = scratch.path().with_file_name("missing");
    for mode in [Mode::Read, Mode::ReadWrite, Mode::Copy, Mode::CreateNew, Mode::Create] {
        match MappedFile::open(scratch.path(), mode) {
            Ok(file) => {
                assert_bytes(&file, if mode == Mode::Create { b"" } else { b"old" });
                assert_eq!(file.is_growable(), matches!(mode, Mode::ReadWrite | Mode::Create));
            }
            Err(error) => {
                assert_eq!(
                    (mode, error.os_error().unwrap().kind()),
                    (Mode::CreateNew, std::io::ErrorKind::AlreadyExists)
                );
            }
        }
        let made = MappedFile::open(&missing, mode);
        assert_eq!(made.is_ok(), matches!(mode, Mode::Create | Mode::CreateNew), "{mode}");
        let Ok(mut file) = made else { continue };
        file.write_all(b"new").unwrap();
        let mut wanted = b"new".to_vec();
        wanted.resize(100_000, 0);
        file.seek(SeekFrom::Start(100_000)).unwrap();
        file.write_all(b"behind a gap").unwrap();
        wanted.extend(b"behind a gap");
        assert_bytes(&file, &wanted);
        assert_same(&std::fs::read(&missing).unwrap(), &wanted);
        // What others hold neither moves nor gets shorter.
        let other = file.share();
        assert!(file.write(b"x").is_err() && file.truncate(5).is_err());
        drop(other);
        file.truncate(5).unwrap();
        file.truncate(7).unwrap();
        assert_eq!(std::fs::read(&missing).unwrap(), b"new\0\0\0\0");
        // Nothing is reserved, so nothing grows under those who use it.
        assert_eq!(file.capacity(), 7);
        assert_eq!(file.append(b"x").unwrap_err().kind(), ErrorKind::BeyondCapacity);
        assert_eq!(file.grow(8).unwrap_err().kind(), ErrorKind::BeyondCapacity);
        drop(file);
        std::fs::remove_file(&missing).unwrap();
    }
    let file = MmapOptions::new().offset(5).open_mode(scratch.path(), Mode::Create).unwrap();
    assert_eq!((file.len(), scratch.len()), (0, 5));
}

// G7: memory that grows as a file does.
#[test]
fn memory_as_a_file() {
    let mut file = MappedFile::anonymous(3, Some(1 << 20)).unwrap();
    file.write_all(&pattern(100_000)).unwrap();
    assert_bytes(&file, &pattern(100_000));
    file.truncate(5).unwrap();
    file.truncate(10).unwrap();
    assert_eq!(file.to_vec(..).unwrap(), [&pattern(5)[..], &[0; 5]].concat());
    assert_eq!((file.file_len().unwrap(), file.position()), (10, 100_000));
}

// G6, B4: what a copy-on-write map has changed is in its view alone, which cannot become longer: it is refused, and not lost.
#[test]
fn a_changed_copy_does_not_follow_a_file() {
    let scratch = Scratch::new(b"0123456789");
    let mut copy = MappedFile::open(scratch.path(), Mode::Copy).unwrap();
    let mut reader = MappedFile::open(scratch.path(), Mode::Read).unwrap();
    copy.set(0, b'x').unwrap();
    let mut file = scratch.file();
    file.seek(SeekFrom::End(0)).unwrap();
    file.write_all(b"abc").unwrap();
    assert_eq!(reader.refresh().unwrap(), 13);
    assert_bytes(&reader, b"0123456789abc");
    refused(copy.refresh(), ErrorKind::Unsupported, "this system does not support private maps of files that grow");
    assert_bytes(&copy, b"x123456789");
    // Without a byte there is nothing to lose.
    let empty = Scratch::new(b"");
    let mut copy = MappedFile::open(empty.path(), Mode::Copy).unwrap();
    std::fs::write(empty.path(), b"abc").unwrap();
    assert_eq!(copy.refresh().unwrap(), 3);
    assert_bytes(&copy, b"abc");
}

// The system refuses to shorten a file that is mapped, whoever asks, and the map goes on.
#[test]
fn mapped_files_cannot_be_truncated() {
    let contents = pattern(3 * page());
    let scratch = Scratch::new(&contents);
    for access in ALL_ACCESS {
        let map = scratch.map(access);
        let error = scratch.file().set_len(10).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(USER_MAPPED_FILE));
        let error = File::create(scratch.path()).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(USER_MAPPED_FILE));
        assert_bytes(&map, &contents);
        drop(map);
    }
    scratch.file().set_len(10).unwrap();
}

// C3: what was written is in the file, for readers with a handle of their own, and the flush of it succeeds with and without
// the file, for the whole map and for parts of it.
#[test]
fn flush() {
    let contents = pattern(3 * page() + 100);
    for track in [true, false] {
        let scratch = Scratch::new(&vec![0; contents.len()]);
        let map = MmapOptions::new().access(Access::Write).track_file(track).open(scratch.path()).unwrap();
        map.write_all_at(&contents, 0).unwrap();
        map.flush_range(page()..page() + 1).unwrap();
        map.flush_async().unwrap();
        map.flush().unwrap();
        map.flush_range(contents.len()..).unwrap();
        assert_same(&scratch.contents(), &contents);
    }
    named(&tag("flush"), 10).unwrap().flush().unwrap();
}

// C3: the system is asked to bring the bytes to the disk, each time but when nobody is to wait for it, or no file is kept. Only wine
// tells what was called.
#[test]
fn flush_reaches_the_disk() {
    if !Path::new("Z:\\bin\\sh").exists() {
        crate::skipped::skipped("only wine tells what was called");
        return;
    }
    // Wine hears what it is to tell from Linux alone, and can start a program of Linux, but not wait for it.
    let directory = tempfile::tempdir_in("Z:\\tmp").unwrap();
    let folder = directory.path().file_name().unwrap().to_str().unwrap();
    let test = "windows::child_of_flush_reaches_the_disk --exact --ignored --nocapture";
    let program = std::env::current_exe().unwrap();
    let run = format!("WINEDEBUG=+relay /usr/lib/wine/wine64 '{}' {test} >calls 2>&1", program.display());
    let script = format!("cd /tmp/{folder} && {run}; echo $? >result && mv result done");
    Command::new("Z:\\bin\\sh").args(["-c", &script]).spawn().unwrap();
    let done = directory.path().join("done");
    while !done.exists() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let calls = std::fs::read(directory.path().join("calls")).unwrap();
    let calls = String::from_utf8_lossy(&calls).to_lowercase();
    assert_eq!(std::fs::read_to_string(done).unwrap(), "0\n", "{}", &calls[calls.len().saturating_sub(2000)..]);
    let count = |name: &str| calls.matches(&format!("call kernel32.{name}(")).count();
    assert_eq!((count("flushviewoffile"), count("flushfilebuffers")), (4, 2));
}

#[test]
#[ignore = "a part of another test"]
fn child_of_flush_reaches_the_disk() {
    let scratch = Scratch::new(&pattern(2 * page()));
    for track in [true, false] {
        let map = MmapOptions::new().access(Access::Write).track_file(track).open(scratch.path()).unwrap();
        map.set(0, 1).unwrap();
        map.flush_range(5..5).unwrap();
        if track {
            map.flush_async().unwrap();
            map.flush_range(page()..).unwrap();
        }
        map.flush().unwrap();
    }
    scratch.map(Access::Read).flush().unwrap();
    scratch.map(Access::Copy).flush().unwrap();
}

// B11, N3: a map that does not track its file has no handle of it, and so does not stand in the way of others.
#[test]
fn untracked_maps_keep_no_handle() {
    let scratch = Scratch::new(b"0123456789");
    let alone = || File::options().read(true).share_mode(0).open(scratch.path());
    let tracked = scratch.map(Access::Read);
    assert_eq!(alone().unwrap_err().raw_os_error(), Some(SHARING_VIOLATION));
    drop(tracked);
    let untracked = MmapOptions::new().track_file(false).open(scratch.path()).unwrap();
    drop(alone().unwrap());
    assert_bytes(&untracked, b"0123456789");
    assert_eq!(untracked.file_len().unwrap_err().kind(), ErrorKind::NoFile);
}

// G8, R3: pages can be locked and asked for; which are in memory is not known.
#[test]
fn control_over_pages() {
    let scratch = Scratch::new(&pattern(3 * page()));
    for access in ALL_ACCESS {
        let map = scratch.map(access);
        map.lock().unwrap();
        map.unlock().unwrap();
        map.prefetch(page()..).unwrap();
        let words = "this system does not support asking which pages are in memory";
        refused(map.residency(..), ErrorKind::Unsupported, words);
        assert_bytes(&map, &pattern(3 * page()));
    }
}

// C1: no handle is left behind by maps of any kind, refused ones and resized ones included.
#[test]
fn handles_are_closed() {
    let output = child("child_of_handles_are_closed", &tag("handles")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
#[ignore = "a part of another test: it counts, so it is alone in its process"]
fn child_of_handles_are_closed() {
    let Ok(tag) = std::env::var(TAG) else { return };
    let scratch = Scratch::new(&pattern(3 * page()));
    let work = || {
        for access in ALL_ACCESS {
            scratch.map(access);
        }
        named(&tag, 10).unwrap().resize(100).unwrap();
        let (mut first, _second) = (named(&tag, 10).unwrap(), named(&tag, 10).unwrap());
        assert!(first.resize(5).is_err() && named(&tag, page() + 1).is_err());
        let mut map = scratch.map(Access::Write);
        map.resize(100_000).unwrap();
        map.resize(3 * page()).unwrap();
    };
    work();
    let before = handle_count();
    for _ in 0..20 {
        work();
    }
    assert_eq!(handle_count(), before);
}

fn handle_count() -> u32 {
    use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};
    let mut count = 0;
    // SAFETY: the pseudo handle is always valid, the call fills the number.
    let result = unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut count) };
    assert_ne!(result, 0);
    count
}
