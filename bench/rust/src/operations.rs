//! What is measured, and on which files.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::pairs::{Report, repeat, repeat_after};
use crate::{lines, search, views};
use firmmap::MmapOptions;
use memchr::memmem;
use mmap_io::MemoryMappedFile;

const KIB: usize = 1 << 10;
pub const MIB: usize = 1 << 20;
const GIB: usize = 1 << 30;

/// A needle that no file here has, made of what their lines have.
pub const ABSENT: &str = "status-request-client-server-worker-timeout-memory-network-thread-answer";

pub fn run() {
    let (mut only, mut json, mut folder) = (String::new(), None, std::env::temp_dir());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
        match argument.as_str() {
            "--only" => only = value(),
            "--json" => json = Some(PathBuf::from(value())),
            "--folder" => folder = PathBuf::from(value()),
            other => panic!("unknown argument {other}"),
        }
    }
    let start = Instant::now();
    let folder = tempfile::tempdir_in(folder).unwrap();
    let mut report = Report::new(only, Duration::from_millis(1200));
    let files = [("4 KiB", 4 * KIB), ("1 MiB", MIB), ("64 MiB", 64 * MIB), ("1 GiB", GIB)]
        .map(|(name, len)| (name, Text::new(folder.path(), len)));
    map_and_drop(&mut report, &files[0].1);
    copies(&mut report, &files[2].1);
    let large = Text::new(folder.path(), 256 * MIB);
    search::run(&mut report, &large);
    views::run(&mut report, &large);
    lines::run(&mut report, &files[2].1);
    for (name, file) in &files {
        growth(&mut report, name, file);
    }
    println!("{:.0} s", start.elapsed().as_secs_f64());
    if let Some(path) = json {
        std::fs::write(path, report.json()).unwrap();
    }
}

/// A file of lines.
pub struct Text {
    path: PathBuf,
    pub file: File,
    pub len: usize,
}

impl Text {
    fn new(folder: &Path, len: usize) -> Self {
        let path = folder.join(len.to_string());
        let mut file = File::create_new(&path).unwrap();
        // Not one short block again and again: the processor would learn where its words are, as it cannot in anybody's file.
        let block = words(len.min(256 * MIB));
        for _ in 0..len / block.len() {
            file.write_all(&block).unwrap();
        }
        // What is not on the disk yet cannot be dropped from the cache.
        file.sync_all().unwrap();
        Self { file: File::open(&path).unwrap(), path, len }
    }

    pub fn ours(&self) -> firmmap::Mmap {
        MmapOptions::new().map(&self.file).unwrap()
    }

    pub fn theirs(&self) -> memmap2::Mmap {
        // SAFETY: nobody else has the file.
        unsafe { memmap2::Mmap::map(&self.file) }.unwrap()
    }

    /// Drops the file from the page cache.
    fn forget(&self) {
        // SAFETY: an advice for an open file.
        let result = unsafe { libc::posix_fadvise(self.file.as_raw_fd(), 0, 0, libc::POSIX_FADV_DONTNEED) };
        assert_eq!(result, 0, "posix_fadvise");
    }
}

/// Lines of some ten words, `len` bytes in all.
fn words(len: usize) -> Vec<u8> {
    let words: Vec<&str> = ABSENT.split('-').collect();
    let mut bytes = Vec::with_capacity(len + 100);
    let mut random = 1_u64;
    while bytes.len() < len {
        for position in 0..10 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            bytes.extend_from_slice(words[(random >> 33) as usize % words.len()].as_bytes());
            bytes.push(if position == 9 { b'\n' } else { b' ' });
        }
    }
    bytes.truncate(len);
    bytes
}

fn map_and_drop(report: &mut Report, small: &Text) {
    if !report.group("map and drop") {
        return;
    }
    let theirs = || repeat(|| small.theirs());
    report.row("map and drop", Some(0.9), repeat(|| small.ours()), ("memmap2", theirs()));
    let mut untracked = MmapOptions::new();
    untracked = untracked.track_file(false);
    let ours = repeat(|| untracked.map(&small.file).unwrap());
    report.row(
        "bound: the system calls of the first alone",
        None,
        repeat(|| system_calls(&small.file)),
        ("memmap2", theirs()),
    );
    report.row("the same, without a descriptor", Some(1.0), ours, ("memmap2", theirs()));
    let table = Mutex::new(BTreeMap::new());
    report.row(
        "bound: its system calls, a BTreeMap of what is mapped, and a value of 200 bytes",
        None,
        repeat(|| unmapped(black_box(mapped(&small.file, &table, black_box([0; 24])).unwrap()), &table)),
        ("memmap2", theirs()),
    );
    report.row(
        "map, read a byte, drop",
        None,
        repeat(|| small.ours().get(0).unwrap()),
        ("memmap2", repeat(|| small.theirs()[0])),
    );
    let ours = || repeat(|| MmapOptions::new().open(&small.path).unwrap());
    let theirs = repeat(|| {
        let file = File::open(&small.path).unwrap();
        // SAFETY: nobody else has the file.
        unsafe { memmap2::Mmap::map(&file) }.unwrap()
    });
    report.row("open, map and drop", Some(1.0), ours(), ("memmap2", theirs));
    let theirs = repeat(|| MemoryMappedFile::open_ro(&small.path).unwrap());
    report.row("open, map and drop", None, ours(), ("mmap-io", theirs));
    report.row(
        "anonymous memory, 4 KiB",
        Some(1.0),
        repeat(|| MmapOptions::new().len(4 * KIB).private().map_anonymous().unwrap()),
        ("memmap2", repeat(|| memmap2::MmapMut::map_anon(4 * KIB).unwrap())),
    );
}

/// statx(2).
fn status(descriptor: RawFd, mask: libc::c_uint) {
    let mut status = MaybeUninit::<libc::statx>::uninit();
    let flags = libc::AT_EMPTY_PATH | libc::AT_STATX_SYNC_AS_STAT;
    // SAFETY: the call fills the memory.
    assert_eq!(unsafe { libc::statx(descriptor, c"".as_ptr(), flags, mask, status.as_mut_ptr()) }, 0);
}

/// A new mapping of 4 KiB of a file, which the caller unmaps.
fn mapping(descriptor: RawFd) -> *mut libc::c_void {
    // SAFETY: a new mapping.
    let memory = unsafe { libc::mmap(ptr::null_mut(), 4 * KIB, libc::PROT_READ, libc::MAP_SHARED, descriptor, 0) };
    assert_ne!(memory, libc::MAP_FAILED);
    memory
}

/// What the system is asked for when a file is mapped with a descriptor of its own, and when that map is dropped.
fn system_calls(file: &File) {
    status(file.as_raw_fd(), libc::STATX_BASIC_STATS);
    // SAFETY: a new descriptor and a new mapping, which both end here.
    unsafe {
        let own = libc::fcntl(file.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 3);
        libc::munmap(mapping(own), 4 * KIB);
        status(own, libc::STATX_BASIC_STATS);
        libc::close(own);
    }
}

type Table = Mutex<BTreeMap<usize, usize>>;

/// What is mapped, and by which options: a value as large as a map of firmmap's.
struct Mapped {
    memory: *mut libc::c_void,
    _options: [u64; 24],
}

/// What the system is asked for without a descriptor, the least by which a handler of faults could know the map, and a value that knows
/// what it is a map of. Without a check of anything.
#[inline(never)]
fn mapped(file: &File, table: &Table, options: [u64; 24]) -> io::Result<Mapped> {
    status(file.as_raw_fd(), libc::STATX_TYPE | libc::STATX_INO | libc::STATX_SIZE);
    let memory = mapping(file.as_raw_fd());
    table.lock().unwrap().insert(memory.addr(), 4 * KIB);
    Ok(Mapped { memory, _options: options })
}

#[inline(never)]
fn unmapped(mapped: Mapped, table: &Table) {
    table.lock().unwrap().remove(&mapped.memory.addr());
    // SAFETY: a new mapping, which ends here.
    unsafe { libc::munmap(mapped.memory, 4 * KIB) };
}

/// Offsets all over a piece that stays in the processor's cache.
fn offsets() -> impl FnMut() -> usize {
    let mut offset = 0;
    move || {
        offset = (offset + 4099) % (128 * KIB);
        offset
    }
}

fn copies(report: &mut Report, text: &Text) {
    if !report.group("copies") {
        return;
    }
    let (ours, theirs) = (text.ours(), text.theirs());
    let third = MemoryMappedFile::open_ro(&text.path).unwrap();
    for (name, len, target) in
        [("read_at 64 bytes", 64, Some(0.8)), ("read_at 4 KiB", 4 * KIB, None), ("read_at 1 MiB", MIB, Some(0.95))]
    {
        // One buffer for all: another one could lie better or worse in the cache.
        let buffer = RefCell::new(vec![0_u8; len]);
        macro_rules! copying {
            ($read:expr) => {{
                let mut at = offsets();
                let buffer = &buffer;
                repeat(move || {
                    let mut buffer = buffer.borrow_mut();
                    $read(&mut buffer[..], at());
                    black_box(&mut buffer[..]);
                })
            }};
        }
        let (ours, theirs, third, file) = (&ours, &theirs, &third, &text.file);
        let firmmap = || copying!(|buffer: &mut [u8], at| assert_eq!(ours.read_at(buffer, at).unwrap(), len));
        let slice = copying!(|buffer: &mut [u8], at| buffer.copy_from_slice(&theirs[at..at + len]));
        report.row(name, target, firmmap(), ("memmap2's slice", slice));
        let read_into = copying!(|buffer: &mut [u8], at| third.read_into(at as u64, buffer).unwrap());
        report.row(name, None, firmmap(), ("mmap-io", read_into));
        let pread = copying!(|buffer: &mut [u8], at| assert_eq!(file.read_at(buffer, at as u64).unwrap(), len));
        report.row(name, None, firmmap(), ("File::read_at", pread));
    }
    // A length that the compiler knows: to it a copy from a slice then is four loads and stores.
    let mut at = [offsets(), offsets()];
    let [first, second] = &mut at;
    let (ours, theirs) = (&ours, &theirs);
    let firmmap = repeat(|| {
        let mut buffer = [0; 64];
        assert_eq!(ours.read_at(black_box(&mut buffer), first()).unwrap(), 64);
        buffer[0]
    });
    let slice = repeat(|| {
        let mut buffer = [0; 64];
        let start = second();
        black_box(&mut buffer).copy_from_slice(&theirs[start..start + 64]);
        buffer[0]
    });
    report.row("read_at 64 bytes, an array", None, firmmap, ("memmap2's slice", slice));
    let mut at = [offsets(), offsets()];
    let [first, second] = &mut at;
    report.row(
        "get, one byte",
        None,
        repeat(|| ours.get(first()).unwrap()),
        ("memmap2's slice", repeat(|| theirs[second()])),
    );
}

/// Reads a file by pieces of 1 MiB, and looks for what is not there.
pub fn read_loop(mut file: &File, needle: &[u8]) {
    std::io::Seek::rewind(&mut file).unwrap();
    let mut piece = vec![0_u8; MIB];
    let finder = memmem::Finder::new(needle);
    let mut kept = 0;
    loop {
        let read = file.read(&mut piece[kept..]).unwrap();
        if read == 0 {
            return;
        }
        assert_eq!(finder.find(&piece[..kept + read]), None);
        let rest = (kept + read).min(needle.len() - 1);
        piece.copy_within(kept + read - rest..kept + read, 0);
        kept = rest;
    }
}

/// Mapping, touching all, unmapping; with the file in the page cache and without.
fn growth(report: &mut Report, name: &str, text: &Text) {
    let needle = &ABSENT.as_bytes()[..16];
    if report.group(&format!("{name}, in the page cache")) {
        let budget = Duration::from_millis(if text.len >= GIB { 4000 } else { 1200 });
        let theirs = repeat(|| text.theirs());
        report.row("map and drop", None, repeat(|| text.ours()), ("memmap2", theirs));
        let ours = || repeat(|| assert_eq!(text.ours().find(needle, ..).unwrap(), None));
        let theirs = repeat(|| assert_eq!(memmem::find(&text.theirs(), needle), None));
        report.row_for(budget, "map, find, drop: first touch", Some(1.0), ours(), ("memmap2", theirs));
        let pieces = repeat(|| read_loop(&text.file, needle));
        report.row_for(budget, "map, find, drop: first touch", Some(1.0), ours(), ("File::read of 1 MiB", pieces));
        let (ours, theirs) = (text.ours(), text.theirs());
        let find = repeat(|| assert_eq!(ours.find(needle, ..).unwrap(), None));
        let memmem = repeat(|| assert_eq!(memmem::find(&theirs, needle), None));
        report.row_for(budget, "find: touched before", None, find, ("memmap2", memmem));
    }
    if report.group(&format!("{name}, not in the page cache")) {
        let budget = Duration::from_millis(if text.len >= GIB { 10_000 } else { 1200 });
        let forget = || text.forget();
        let ours = || repeat_after(forget, || assert_eq!(text.ours().find(needle, ..).unwrap(), None));
        let theirs = repeat_after(forget, || assert_eq!(memmem::find(&text.theirs(), needle), None));
        report.row_for(budget, "map, find, drop", None, ours(), ("memmap2", theirs));
        if text.len < GIB {
            let pieces = repeat_after(forget, || read_loop(&text.file, needle));
            report.row_for(budget, "map, find, drop", None, ours(), ("File::read of 1 MiB", pieces));
        }
    }
}
