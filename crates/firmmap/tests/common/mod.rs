//! What several test binaries need. Each compiles this file for itself and uses a part of it.

#![allow(dead_code)]

use std::fmt::Debug;
use std::fs::File;
use std::path::{Path, PathBuf};

use firmmap::{Access, ErrorKind, Mmap, MmapOptions, Result};

pub const ALL_ACCESS: [Access; 3] = [Access::Read, Access::Write, Access::Copy];

pub fn page() -> usize {
    firmmap::page_size()
}

/// A capacity that is much larger than memory, in bytes: addresses cost nothing. They do in an emulator, which keeps a record of every
/// page: there `FIRMMAP_LARGE` says what is large.
pub fn large() -> usize {
    let bytes = std::env::var("FIRMMAP_LARGE").ok().map(|bytes| bytes.parse().unwrap());
    bytes.unwrap_or(if cfg!(target_pointer_width = "64") { (1u64 << 40) as usize } else { 1 << 30 })
}

/// Bytes whose period is no divisor of a page, so that a map that starts at the wrong page is noticed.
pub fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index % 251) as u8).collect()
}

/// A file in a directory of its own, removed when dropped.
pub struct Scratch {
    path: PathBuf,
    _directory: tempfile::TempDir,
}

impl Scratch {
    pub fn new(contents: &[u8]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The kernel shows the path without symbolic links.
        let path = directory.path().canonicalize().unwrap().join("scratch");
        std::fs::write(&path, contents).unwrap();
        Self { path, _directory: directory }
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file, for reading and writing.
    pub fn file(&self) -> File {
        File::options().read(true).write(true).open(&self.path).unwrap()
    }

    pub fn map(&self, access: Access) -> Mmap {
        MmapOptions::new().access(access).open(&self.path).unwrap()
    }

    pub fn contents(&self) -> Vec<u8> {
        std::fs::read(&self.path).unwrap()
    }

    pub fn len(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }

    /// How many descriptors of this process are open for this file. Tests in other threads do not disturb the count.
    #[cfg(target_os = "linux")]
    pub fn descriptors(&self) -> usize {
        let links =
            std::fs::read_dir("/proc/self/fd").unwrap().filter_map(|entry| entry.unwrap().path().read_link().ok());
        links.filter(|target| target == &self.path).count()
    }

    /// How many kernel mappings of this process show this file.
    #[cfg(target_os = "linux")]
    pub fn mappings(&self) -> usize {
        let path = self.path.to_str().unwrap();
        std::fs::read_to_string("/proc/self/maps").unwrap().lines().filter(|line| line.ends_with(path)).count()
    }
}

/// A field of the kernel's mapping that holds the first byte of `map`: a line of `/proc/self/smaps` without its name.
///
/// The kernel may join private anonymous maps with their neighbours; all others are mappings of their own.
#[cfg(target_os = "linux")]
pub fn smaps_field(map: &Mmap, field: &str) -> String {
    let smaps = std::fs::read_to_string("/proc/self/smaps").unwrap();
    let mut lines = smaps.lines().skip_while(|line| !holds(line, map.as_ptr().addr())).skip(1);
    let value = lines.find_map(|line| line.strip_prefix(field)?.strip_prefix(':')).expect("the mapping has this field");
    value.trim().to_owned()
}

/// Whether `line`, the headline of a mapping in `/proc/self/smaps`, is about `address`.
#[cfg(target_os = "linux")]
fn holds(line: &str, address: usize) -> bool {
    let number = |text| usize::from_str_radix(text, 16).ok();
    let range = line.split(' ').next().and_then(|range| range.split_once('-'));
    let range = range.and_then(|(start, end)| Some(number(start)?..number(end)?));
    range.is_some_and(|range| range.contains(&address))
}

/// Whether the kernel's mapping has a flag in `VmFlags`, for instance `lo` for locked.
#[cfg(target_os = "linux")]
pub fn has_vm_flag(map: &Mmap, flag: &str) -> bool {
    smaps_field(map, "VmFlags").split_whitespace().any(|word| word == flag)
}

/// Asserts that `result` is an error of that kind with exactly these words.
#[track_caller]
pub fn refused<T: Debug>(result: Result<T>, kind: ErrorKind, words: &str) {
    let error = result.expect_err(words);
    let told = error.to_string();
    // Where a path was given, it comes first.
    let path = error.path().map(|path| format!("{}: ", path.display())).unwrap_or_default();
    assert_eq!((error.kind(), told.strip_prefix(&path)), (kind, Some(words)));
}

/// Asserts that `result` is an error of the operating system with that number.
#[cfg(unix)]
#[track_caller]
pub fn refused_by_system<T: Debug>(result: Result<T>, number: i32) {
    let error = result.expect_err("the system refuses");
    assert_eq!(error.kind(), ErrorKind::Os, "{error}");
    assert_eq!(error.os_error().unwrap().raw_os_error(), Some(number), "{error}");
}

/// Asserts that `map` holds `bytes`, without printing them all.
#[track_caller]
pub fn assert_bytes(map: &Mmap, bytes: &[u8]) {
    assert_same(&map.to_vec(..).unwrap(), bytes);
}

#[track_caller]
pub fn assert_same(found: &[u8], wanted: &[u8]) {
    assert_eq!(found.len(), wanted.len(), "the lengths differ");
    if let Some(index) = (0..found.len()).find(|&index| found[index] != wanted[index]) {
        panic!("byte {index} of {} is {}, not {}", found.len(), found[index], wanted[index]);
    }
}
