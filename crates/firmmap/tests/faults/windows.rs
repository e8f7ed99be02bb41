//! F1 to F4, F7 on Windows: pages that cannot be used, for one of three reasons. A page loses its protection; a page is not to be
//! had (`EXCEPTION_IN_PAGE_ERROR`, which a handler of the test makes of the former); a file gets shorter behind the
//! system's back, as on a network share: that can be done where the system is wine.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::io::{BufRead, Read, Seek, SeekFrom, Write};
use std::mem::MaybeUninit;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::ptr;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use crate::common::{assert_bytes, page};
use firmmap::{Access, ErrorKind, MappedFile, Mmap, MmapOptions, Protection};
use windows_sys::Win32::Foundation::{EXCEPTION_ACCESS_VIOLATION, EXCEPTION_IN_PAGE_ERROR, STATUS_IO_DEVICE_ERROR};
use windows_sys::Win32::System::Diagnostics::Debug::{
    AddVectoredExceptionHandler, EXCEPTION_POINTERS, RemoveVectoredExceptionHandler, SetUnhandledExceptionFilter,
};
use windows_sys::Win32::System::Memory::{
    MEM_COMMIT, MEM_RESERVE, PAGE_NOACCESS, PAGE_READONLY, PAGE_READWRITE, PAGE_WRITECOPY, VirtualAlloc, VirtualProtect,
};

/// Names the scenario that a child process is to run.
const SCENARIO: &str = "FIRMMAP_SCENARIO";

/// Pages of the file, and those that stay.
const ALL: usize = 400;
const LEFT: usize = 100;

fn all() -> usize {
    ALL * page()
}

fn left() -> usize {
    LEFT * page()
}

/// Never zero.
fn byte(index: usize) -> u8 {
    (index % 251) as u8 + 1
}

fn bytes(start: usize, len: usize) -> Vec<u8> {
    (start..start + len).map(byte).collect()
}

/// Why pages cannot be used.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Loss {
    Protection,
    InPage,
    Truncated,
}

const LOSSES: [Loss; 3] = [Loss::Protection, Loss::InPage, Loss::Truncated];

/// A file on a drive of wine's that shows Linux' files; elsewhere in the usual place.
struct Pages {
    directory: tempfile::TempDir,
    /// The same directory as Linux knows it.
    linux: Option<String>,
}

impl Pages {
    fn new() -> Self {
        let root = Path::new("Z:\\tmp");
        let is_wine = Path::new("Z:\\bin\\sh").exists();
        let directory = if is_wine { tempfile::tempdir_in(root) } else { tempfile::tempdir() }.unwrap();
        let linux = is_wine.then(|| format!("/tmp/{}", directory.path().file_name().unwrap().display()));
        let pages = Self { directory, linux };
        for name in ["file", "copy"] {
            std::fs::write(pages.directory.path().join(name), bytes(0, all())).unwrap();
        }
        pages
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("file")
    }

    fn map(&self, access: Access) -> Mmap {
        MmapOptions::new().access(access).open(self.path()).unwrap()
    }

    fn can(&self, loss: Loss) -> bool {
        let can = loss != Loss::Truncated || self.linux.is_some();
        if !can {
            crate::skipped::skipped("only in wine can a mapped file get shorter");
        }
        can
    }

    /// Takes all pages of `map` away but the first ones.
    fn lose(&self, map: &Mmap, loss: Loss) {
        match loss {
            Loss::Protection => protect(map, LEFT, ALL - LEFT, PAGE_NOACCESS),
            Loss::InPage => {
                protect(map, LEFT, ALL - LEFT, PAGE_NOACCESS);
                IN_PAGE.store(map.as_ptr() as usize + left(), Ordering::Release);
            }
            Loss::Truncated => self.linux(&format!("truncate -s {} file", left())),
        }
    }

    /// Brings them back.
    fn restore(&self, map: &Mmap, loss: Loss) {
        match loss {
            Loss::Protection | Loss::InPage => {
                IN_PAGE.store(0, Ordering::Release);
                protect(map, LEFT, ALL - LEFT, usual_protection(map));
            }
            Loss::Truncated => {}
        }
        self.linux("cp copy file");
    }

    /// Runs a command of Linux in the directory. Wine can start it, but not wait for it.
    fn linux(&self, command: &str) {
        let Some(directory) = &self.linux else { return };
        let done = self.directory.path().join("done");
        let script = format!("cd {directory} && {command} && touch done");
        Command::new("Z:\\bin\\sh").args(["-c", &script]).spawn().unwrap();
        while !done.exists() {
            std::thread::yield_now();
        }
        std::fs::remove_file(done).unwrap();
    }
}

fn usual_protection(map: &Mmap) -> u32 {
    match map.access() {
        Access::Read => PAGE_READONLY,
        Access::Write => PAGE_READWRITE,
        Access::Copy => PAGE_WRITECOPY,
    }
}

fn protect(map: &Mmap, first: usize, count: usize, protection: u32) {
    let start = map.as_ptr().wrapping_add(first * page()).cast::<c_void>();
    let mut old = 0;
    // SAFETY: the pages are the map's; that they cannot be used is what is tested.
    let result = unsafe { VirtualProtect(start, count * page(), protection, &mut old) };
    assert_ne!(result, 0, "{}", std::io::Error::last_os_error());
}

/// Where the pages start that are not to be had; zero if there are none.
static IN_PAGE: AtomicUsize = AtomicUsize::new(0);

/// Makes an in-page error of an access violation there, for the handlers that come after this one.
unsafe extern "system" fn make_in_page_error(exception: *mut EXCEPTION_POINTERS) -> i32 {
    // SAFETY: the system passes whole structures.
    let record = unsafe { &mut *(*exception).ExceptionRecord };
    let start = IN_PAGE.load(Ordering::Acquire);
    let ours = start != 0 && record.ExceptionInformation[1].wrapping_sub(start) < all() - left();
    if record.ExceptionCode == EXCEPTION_ACCESS_VIOLATION && ours {
        record.ExceptionCode = EXCEPTION_IN_PAGE_ERROR;
        record.NumberParameters = 3;
        record.ExceptionInformation[2] = STATUS_IO_DEVICE_ERROR as usize;
        CHANGED.fetch_add(1, Ordering::Relaxed);
    }
    0
}

static CHANGED: AtomicU32 = AtomicU32::new(0);

/// Registers that handler, before the library's.
fn prepare(loss: Loss) {
    if loss == Loss::InPage {
        // The library's comes first.
        drop(MmapOptions::new().len(1).map_anonymous().unwrap());
        // SAFETY: a handler like any other.
        assert!(!unsafe { AddVectoredExceptionHandler(1, Some(make_in_page_error)) }.is_null());
    }
}

#[track_caller]
fn assert_fault<T: std::fmt::Debug>(result: firmmap::Result<T>, range: impl std::ops::RangeBounds<usize>) {
    let error = result.expect_err("the bytes are missing");
    assert_eq!(error.kind(), ErrorKind::Fault, "{error}");
    let offset = error.fault_offset().unwrap();
    assert!(range.contains(&offset), "the fault was at {offset}");
}

type Operation<'a> = (&'a str, RangeInclusive<usize>, &'a dyn Fn(&Mmap) -> firmmap::Result<()>);

/// Runs every operation twice on a map of every access with missing pages, where it must be a fault in the range, and with the
/// pages back (F2), where all must be well.
fn run(loss: Loss, accesses: &[Access], operations: &[Operation<'_>]) {
    let pages = Pages::new();
    if !pages.can(loss) {
        return;
    }
    prepare(loss);
    for &access in accesses {
        let map = pages.map(access);
        for (name, range, operation) in operations {
            println!("{name}, {access:?}, {loss:?}");
            pages.lose(&map, loss);
            assert_fault(operation(&map), range.clone());
            // It was told; what is there can be read; what is not there is an error again.
            assert_eq!(map.get(left() - 1).unwrap(), byte(left() - 1));
            assert_fault(operation(&map), range.clone());
            pages.restore(&map, loss);
            operation(&map).unwrap_or_else(|error| panic!("{name}, {access:?}, {loss:?}: {error}"));
            map.check().unwrap();
        }
    }
    assert_eq!(CHANGED.load(Ordering::Relaxed) > 0, loss == Loss::InPage);
}

fn every_read(loss: Loss) {
    let (all, left) = (all(), left());
    let expect = |found: &[u8], start: usize| assert!(found == bytes(start, found.len()));
    run(
        loss,
        &[Access::Read, Access::Write, Access::Copy],
        &[
            ("get, the first that is missing", left..=left, &|map| Ok(expect(&[map.get(left)?], left))),
            ("get, the last", all - 1..=all - 1, &|map| Ok(expect(&[map.get(all - 1)?], all - 1))),
            ("read_at across the end", left..=left + 9, &|map| {
                let mut buffer = [0; 20];
                assert_eq!(map.read_at(&mut buffer, left - 10)?, 20);
                Ok(expect(&buffer, left - 10))
            }),
            ("to_vec of a part", left + 1..=left + 2, &|map| Ok(expect(&map.to_vec(left + 1..left + 3)?, left + 1))),
            ("to_vec of all", left..=all - 1, &|map| Ok(expect(&map.to_vec(..)?, 0))),
            ("read_strided_at, forwards", left..=all - 1, &|map| {
                let mut buffer = vec![0; all / 1000];
                map.read_strided_at(&mut buffer, 3, 1000)?;
                Ok(assert!((0..buffer.len()).all(|index| buffer[index] == byte(3 + index * 1000))))
            }),
            ("read_strided_at, backwards", left..=all - 1, &|map| {
                map.read_strided_at(&mut vec![0; all / 1000], all - 1, -1000)
            }),
            ("find of one byte", left..=all - 1, &|map| map.find(b"\0", ..).map(|found| assert_eq!(found, None))),
            ("find", left..=all - 1, &|map| map.find(b"\x09\x08\x07", ..).map(|found| assert_eq!(found, None))),
            ("find, short", left..=left + 9, &|map| {
                map.find(b"\x09\x08\x07", left - 10..left + 10).map(|found| assert_eq!(found, None))
            }),
            ("rfind of one byte", left..=all - 1, &|map| map.rfind(b"\0", ..).map(|found| assert_eq!(found, None))),
            ("rfind", left..=all - 1, &|map| map.rfind(b"\x09\x08\x07", ..).map(|found| assert_eq!(found, None))),
            ("rfind, short", left..=left + 9, &|map| {
                map.rfind(b"\x09\x08\x07", left - 10..left + 10).map(|found| assert_eq!(found, None))
            }),
            ("count of one byte", left..=all - 1, &|map| map.count(b"\0", ..).map(|count| assert_eq!(count, 0))),
            ("count", left..=all - 1, &|map| map.count(b"\x09\x08\x07", ..).map(|count| assert_eq!(count, 0))),
            ("read_exact_at", left..=left + 9, &|map| {
                let mut buffer = [0; 20];
                map.read_exact_at(&mut buffer, left - 10)?;
                Ok(expect(&buffer, left - 10))
            }),
            ("read_uninit_at, large", left..=all - 1, &|map| {
                let mut buffer = vec![MaybeUninit::uninit(); all - 5];
                Ok(expect(map.read_uninit_at(&mut buffer, 5)?, 5))
            }),
            ("read_strided_uninit_at", left..=all - 1, &|map| {
                let mut buffer = vec![MaybeUninit::uninit(); all / 251];
                let found = map.read_strided_uninit_at(&mut buffer, 3, 251)?;
                Ok(assert!(found.iter().all(|&found| found == byte(3))))
            }),
            ("lines", left..=left, &|map| {
                let (mut lines, mut found) = (map.lines(left - 1000..), Vec::new());
                loop {
                    match lines.next_line() {
                        Ok(Some(line)) => found.extend_from_slice(line),
                        Ok(None) => {
                            return Ok(expect(&found, left - 1000))
                                .inspect(|()| assert!(found.len() == all - left + 1000));
                        }
                        // The lines before it come first.
                        Err(error) => {
                            expect(&found, left - 1000);
                            assert!((750..1000).contains(&found.len()), "{} bytes", found.len());
                            return Err(error);
                        }
                    }
                }
            }),
            ("find_iter", left..=all - 1, &|map| {
                let mut count = 0;
                for place in map.find_iter(b"\n", left - 1000..) {
                    assert_eq!(byte(place.inspect_err(|_| assert!((3..5).contains(&count)))?), b'\n');
                    count += 1;
                }
                Ok(assert_eq!(count, (left - 1000..all).filter(|&index| byte(index) == b'\n').count()))
            }),
            // What has no error of its own leaves it to the operation that it stands for.
            ("try_get", left + 3..=left + 3, &|map| match map.try_get(left + 3) {
                Some(found) => Ok(expect(&[found], left + 3)),
                None => map.get(left + 3).map(drop),
            }),
            ("try_read_range", left..=left + 9, &|map| {
                let make = |count| Some(vec![MaybeUninit::uninit(); count]);
                match map.try_read_range(|_| Some(left - 10..left + 10), make) {
                    Some(found) => Ok(assert_eq!(found.len(), 20)),
                    None => map.read_exact_at(&mut [0; 20], left - 10),
                }
            }),
            ("try_read_through", left..=left + 999, &|map| {
                let make = |count| Some(vec![MaybeUninit::uninit(); count]);
                match map.try_read_through(0, left - 10, 1000, make) {
                    Some(found) => Ok(assert_eq!(found.len(), 1000)),
                    None => map.find(b"\0", left - 10..left + 990).map(drop),
                }
            }),
        ],
    );
}

fn every_write(loss: Loss) {
    let (all, left) = (all(), left());
    run(
        loss,
        &[Access::Write, Access::Copy],
        &[
            ("set, the first that is missing", left..=left, &|map| map.set(left, 1)),
            ("set, the last", all - 1..=all - 1, &|map| map.set(all - 1, 1)),
            ("write_at across the end", left..=left + 9, &|map| {
                map.write_at(&bytes(left - 10, 20), left - 10).map(|count| assert_eq!(count, 20))
            }),
            ("write_all_at, large", left..=all - 1, &|map| map.write_all_at(&bytes(0, all), 0)),
            ("write_strided_at, forwards", left..=all - 1, &|map| {
                map.write_strided_at(&vec![byte(left - 1); all / 1000], left - 1, 250)
            }),
            ("write_strided_at, backwards", left..=all - 1, &|map| {
                map.write_strided_at(&vec![byte(all - 1); all / 1000], all - 1, -251)
            }),
            ("write_all_at, small", left..=left + 9, &|map| map.write_all_at(&bytes(left - 10, 20), left - 10)),
            ("fill", left..=all - 1, &|map| map.fill(left.., 3)),
            ("copy_within, the source is missing", left + 9..=left + 28, &|map| {
                map.copy_within(left + 9..left + 29, 5)
            }),
            ("copy_within, the target is missing", left + 9..=left + 28, &|map| map.copy_within(5..25, left + 9)),
            ("copy_within, large, upwards", left..=all - 1, &|map| map.copy_within(left..all - 100, left + 100)),
            ("copy_within, large, downwards", left..=all - 1, &|map| map.copy_within(left + 100..all, left)),
        ],
    );
}

// F1, F2: pages without protection.
#[test]
fn every_read_of_pages_without_protection() {
    every_read(Loss::Protection);
}

// F1, F2: the same for operations that write.
#[test]
fn every_write_to_pages_without_protection() {
    every_write(Loss::Protection);
}

// F1, F2, N1: pages that a disk does not give.
#[test]
fn every_read_of_pages_that_are_not_to_be_had() {
    every_read(Loss::InPage);
}

// F1, F2, N1: the same for operations that write.
#[test]
fn every_write_to_pages_that_are_not_to_be_had() {
    every_write(Loss::InPage);
}

// F1, F2: a file that gets shorter all the same.
#[test]
fn every_read_of_a_truncated_file() {
    every_read(Loss::Truncated);
}

// F1, F2: the same for operations that write.
#[test]
fn every_write_to_a_truncated_file() {
    every_write(Loss::Truncated);
}

// F1: pages that may only be read are an error of those that write, and of no others.
#[test]
fn pages_that_may_only_be_read() {
    let pages = Pages::new();
    let map = pages.map(Access::Write);
    protect(&map, LEFT, ALL - LEFT, PAGE_READONLY);
    for _ in 0..2 {
        assert_fault(map.set(left() + 5, 1), left() + 5..=left() + 5);
        assert_fault(map.fill(.., 1), left()..all());
        assert_eq!(map.get(left() + 5).unwrap(), byte(left() + 5));
    }
}

// F1, C9: a resize that would have to copy what cannot be read changes nothing.
#[test]
fn resize_of_memory_that_cannot_be_read() {
    let mut map = MmapOptions::new().len(4 * page()).map_anonymous().unwrap();
    map.fill(.., 7).unwrap();
    protect(&map, 2, 1, PAGE_NOACCESS);
    for len in [10 * page(), 3 * page()] {
        assert_fault(map.resize(len), 2 * page()..=2 * page());
        assert_eq!(map.len(), 4 * page());
    }
    protect(&map, 2, 1, PAGE_READWRITE);
    map.resize(5 * page()).unwrap();
    assert_eq!(map.to_vec(4 * page() - 1..4 * page() + 1).unwrap(), [7, 0]);
}

// F1: the calls of the system that need no byte do not mind; `protect` gives the pages back.
#[test]
fn control_of_maps_with_missing_pages() {
    let pages = Pages::new();
    let mut map = pages.map(Access::Write);
    map.set(left(), byte(left())).unwrap();
    protect(&map, LEFT, ALL - LEFT, PAGE_NOACCESS);
    map.flush().unwrap();
    map.advise(firmmap::Advice::WILL_NEED).unwrap();
    map.prefetch(..).unwrap();
    assert_eq!(map.lock().unwrap_err().kind(), ErrorKind::Os);
    assert_fault(map.to_vec(..), left()..=left());
    map.protect(Protection::READ | Protection::WRITE).unwrap();
    assert_bytes(&map, &bytes(0, all()));
    protect(&map, LEFT, ALL - LEFT, PAGE_NOACCESS);
    map.resize(all() + 5).unwrap();
    assert_eq!(map.to_vec(..all()).unwrap(), bytes(0, all()));
}

type FileOperation<'a> = (&'a str, &'a dyn Fn(&mut MappedFile) -> std::io::Result<()>);

// F1, F2: the operations of a file object. The position does not move.
#[test]
fn every_operation_of_a_file() {
    let start = left() - 5;
    let expect = |found: &[u8]| assert!(found == bytes(start, found.len()));
    let operations: &[FileOperation<'_>] = &[
        ("read", &|file| {
            let mut buffer = [0; 10];
            file.read(&mut buffer).map(|count| assert_eq!(count, 10))?;
            Ok(expect(&buffer))
        }),
        ("read_exact", &|file| {
            let mut buffer = vec![0; 3 * page()];
            file.read_exact(&mut buffer)?;
            Ok(expect(&buffer))
        }),
        ("read_to_end", &|file| {
            let mut found = Vec::new();
            file.read_to_end(&mut found).inspect_err(|_| assert_eq!(file.position(), start))?;
            Ok(assert!(found == bytes(start, all() - start)))
        }),
        ("line_end", &|file| Ok(assert_eq!(byte(file.line_end()? - 1), b'\n'))),
        ("write", &|file| file.write(&bytes(start, 10)).map(|count| assert_eq!(count, 10))),
        ("write_all", &|file| file.write_all(&bytes(start, 3 * page()))),
    ];
    // It lends what comes before the missing bytes, and then moves.
    let read_until = |file: &mut MappedFile| {
        let mut found = Vec::new();
        let result = file.read_until(0, &mut found);
        expect(&found);
        result.map(drop)
    };
    for loss in LOSSES {
        let pages = Pages::new();
        if !pages.can(loss) {
            continue;
        }
        prepare(loss);
        for access in [Access::Read, Access::Write, Access::Copy] {
            let mut file = MappedFile::new(pages.map(access));
            let more: &[FileOperation<'_>] = &[("read_until", &read_until)];
            for (name, operation) in operations.iter().chain(more) {
                if access == Access::Read && name.starts_with("write") {
                    continue;
                }
                println!("{name}, {access:?}, {loss:?}");
                pages.lose(&file, loss);
                for _ in 0..2 {
                    file.seek(SeekFrom::Start(start as u64)).unwrap();
                    let error = operation(&mut file).expect_err("the bytes are missing");
                    let error = error.downcast::<firmmap::Error>().unwrap();
                    assert_fault::<()>(Err(error), left()..all());
                    assert!(file.position() == start || *name == "read_until" && file.position() == left());
                    assert_eq!(file.get(left() - 1).unwrap(), byte(left() - 1));
                }
                pages.restore(&file, loss);
                file.seek(SeekFrom::Start(start as u64)).unwrap();
                operation(&mut file).unwrap_or_else(|error| panic!("{name}, {access:?}, {loss:?}: {error}"));
                assert!(file.position() > start || *name == "line_end");
                file.check().unwrap();
            }
        }
    }
}

// F3: memory that is used directly gets the access back that it has lost; the next operation tells of it, once.
#[test]
fn direct_use_of_pages_without_protection() {
    let pages = Pages::new();
    for access in [Access::Read, Access::Write, Access::Copy] {
        let map = pages.map(access);
        protect(&map, LEFT, ALL - LEFT, PAGE_NOACCESS);
        // SAFETY: nobody changes the bytes.
        let slice = unsafe { map.as_slice() };
        assert_eq!(slice[left() + 5], byte(left() + 5));
        assert_fault(map.get(0), left() + 5..=left() + 5);
        assert_eq!(map.get(left() + 5).unwrap(), byte(left() + 5));
        assert_fault(map.get(left() + page()), left() + page()..);
        assert!(slice.iter().enumerate().all(|(index, &found)| found == byte(index)));
        assert_fault(map.check(), left() + page()..=left() + page());
        assert_bytes(&map, &bytes(0, all()));
    }
    let map = pages.map(Access::Write);
    for protection in [PAGE_NOACCESS, PAGE_READONLY] {
        protect(&map, LEFT, ALL - LEFT, protection);
        map.as_atomic().unwrap()[all() - 1].store(protection as u8, Ordering::Relaxed);
        assert_fault(map.flush(), all() - 1..=all() - 1);
        assert_eq!(map.get(all() - 1).unwrap(), protection as u8);
    }
}

// F3: faults that are still untold are told by `close`, and `on_fault` is called for each.
#[test]
fn direct_use_is_told_at_the_end() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    let pages = Pages::new();
    let map = pages.map(Access::Read);
    let notify = || {
        CALLS.fetch_add(1, Ordering::Relaxed);
    };
    // SAFETY: the function uses an atomic only.
    unsafe { firmmap::fault::on_fault(notify) };
    protect(&map, LEFT, 2, PAGE_NOACCESS);
    // SAFETY: nobody changes the bytes.
    let slice = unsafe { map.as_slice() };
    assert_eq!(slice[left() + page()..][..2], [byte(left() + page()), byte(left() + page() + 1)]);
    assert_eq!(slice[left()], byte(left()));
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    let waiting = firmmap::fault::waiting_faults();
    assert_eq!((waiting.len(), waiting[0].offset, waiting[0].thread_lives()), (1, left(), true));
    assert_fault(map.close(), left()..=left());
}

// F1, F3: an operation whose buffer is memory of another map. The other map tells of it too.
#[test]
fn a_buffer_that_is_memory_of_another_map() {
    for loss in LOSSES {
        let pages = Pages::new();
        if !pages.can(loss) {
            continue;
        }
        prepare(loss);
        let (map, lost) = (MmapOptions::new().len(100).map_anonymous().unwrap(), pages.map(Access::Write));
        pages.lose(&lost, loss);
        // SAFETY: nobody changes the bytes.
        let slice = unsafe { lost.as_slice() };
        let result = map.write_all_at(&slice[left() + 7..left() + 17], 3);
        match loss {
            // It has got its access back.
            Loss::Protection => {
                result.unwrap();
                assert_eq!(map.to_vec(3..13).unwrap(), bytes(left() + 7, 10));
            }
            Loss::InPage | Loss::Truncated => assert_fault(result, 3..=3),
        }
        map.check().unwrap();
        assert_fault(lost.check(), left() + 7..left() + 17);
        lost.check().unwrap();
        pages.restore(&lost, loss);
    }
}

// F5: many threads, each with faults of its own, in maps that come and go.
#[test]
fn many_threads() {
    const PAGES: usize = 20;
    let pages = Pages::new();
    let expected = bytes(0, PAGES * page());
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (pages, expected) = (&pages, &expected);
            scope.spawn(move || {
                for round in 0..50 {
                    let map = MmapOptions::new().len(PAGES * page()).open(pages.path()).unwrap();
                    let first = (number * 31 + round * 7) % (PAGES - 1);
                    protect(&map, first, 1, PAGE_NOACCESS);
                    for _ in 0..3 {
                        let range = first * page()..(first + 1) * page();
                        assert_fault(map.find(b"\0", ..), range.clone());
                        assert_fault(map.to_vec(..), range.clone());
                        assert!(map.to_vec(..range.start).unwrap() == expected[..range.start]);
                    }
                    protect(&map, first, 1, PAGE_READONLY);
                    assert!(map.to_vec(..).unwrap() == *expected);
                }
            });
        }
    });
}

// F4: exceptions that are not about a map go to whoever gets them without the library, also after the guard was renewed.
#[test]
fn exceptions_of_others_go_on() {
    static SEEN: AtomicUsize = AtomicUsize::new(0);
    unsafe extern "system" fn later(exception: *mut EXCEPTION_POINTERS) -> i32 {
        // SAFETY: the system passes whole structures.
        let record = unsafe { &*(*exception).ExceptionRecord };
        let address = record.ExceptionInformation[1];
        if record.ExceptionCode != EXCEPTION_ACCESS_VIOLATION || address != SEEN.load(Ordering::Relaxed) {
            return 0;
        }
        let mut old = 0;
        // SAFETY: the page is the test's.
        unsafe { VirtualProtect(address as *const c_void, 1, PAGE_READWRITE, &mut old) };
        SEEN.store(1, Ordering::Relaxed);
        -1
    }
    let pages = Pages::new();
    let map = pages.map(Access::Read);
    // SAFETY: new memory.
    let memory = unsafe { VirtualAlloc(ptr::null(), page(), MEM_RESERVE | MEM_COMMIT, PAGE_NOACCESS) };
    // SAFETY: behind all others.
    let registration = unsafe { AddVectoredExceptionHandler(0, Some(later)) };
    for _ in 0..3 {
        firmmap::fault::renew_fault_guard();
        SEEN.store(memory as usize, Ordering::Relaxed);
        // SAFETY: the handler makes the page readable.
        assert_eq!(unsafe { memory.cast::<u8>().read_volatile() }, 0);
        assert_eq!(SEEN.load(Ordering::Relaxed), 1);
        let mut old = 0;
        // SAFETY: the page is ours.
        unsafe { VirtualProtect(memory, 1, PAGE_NOACCESS, &mut old) };
        protect(&map, LEFT, 1, PAGE_NOACCESS);
        assert_fault(map.to_vec(..), left()..=left());
    }
    // SAFETY: it was registered above.
    unsafe { RemoveVectoredExceptionHandler(registration) };
}

/// Ends the process with the exception's code.
unsafe extern "system" fn end(_exception: *const EXCEPTION_POINTERS) -> i32 {
    1
}

/// Runs a scenario in a process of its own.
fn child(scenario: &str, guard: &str) -> Output {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["windows::scenario", "--exact", "--ignored", "--nocapture"]).env(SCENARIO, scenario);
    command.env("FIRMMAP_FAULT_GUARD", guard).output().unwrap()
}

#[track_caller]
fn assert_died(output: &Output) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("so far, so good") && !text.contains("lived"), "{text}");
    assert!(!output.status.success());
    assert_eq!(output.status.code(), Some(EXCEPTION_ACCESS_VIOLATION), "{:x?}", output.status);
}

// F4: what is not about a map ends the process as it did.
#[test]
fn a_stranger_dies() {
    assert_died(&child("stranger", "1"));
}

// F4: a write to a read-only map by its address, which its documentation says ends the process.
#[test]
fn a_write_to_a_read_only_map_dies() {
    assert_died(&child("write", "1"));
}

// F7: without the guard everything is as without the library.
#[test]
fn without_the_guard() {
    assert_died(&child("operation", "0"));
    assert_died(&child("off", "1"));
    let output = child("operation", "1");
    assert!(String::from_utf8_lossy(&output.stdout).contains("lived"), "{output:?}");
}

// The limit that docs/faults.md names: direct use of a page that is really gone.
#[test]
fn direct_use_of_a_page_that_is_gone_dies() {
    if Pages::new().can(Loss::Truncated) {
        assert_died(&child("gone", "1"));
    }
}

#[test]
#[ignore = "the tests run it, each with a scenario of its own"]
fn scenario() {
    let Ok(name) = std::env::var(SCENARIO) else { return };
    let pages = Pages::new();
    let map = pages.map(Access::Read);
    // Whom an exception comes to in the end: without a debugger, and without a window that says so.
    // SAFETY: the filter returns a number.
    unsafe { SetUnhandledExceptionFilter(Some(end)) };
    println!("so far, so good");
    match name.as_str() {
        "stranger" => {
            // SAFETY: ends the process.
            println!("{}", unsafe { ptr::without_provenance::<u8>(16).read_volatile() });
        }
        "write" => {
            // SAFETY: ends the process.
            unsafe { map.as_mut_ptr().write_volatile(1) };
        }
        "operation" | "off" => {
            if name == "off" {
                firmmap::fault::set_fault_guard(false);
            }
            protect(&map, LEFT, 1, PAGE_NOACCESS);
            assert_fault(map.get(left()), left()..=left());
        }
        "gone" => {
            pages.lose(&map, Loss::Truncated);
            // SAFETY: ends the process.
            println!("{}", unsafe { map.as_ptr().wrapping_add(left()).read_volatile() });
        }
        _ => panic!("there is no scenario {name}"),
    }
    println!("lived");
}
