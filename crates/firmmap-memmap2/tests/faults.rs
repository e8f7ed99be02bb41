//! What a map tells of bytes that were missing, and whom.

#![allow(unsafe_code)]
#![cfg(unix)]

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::Command;

use firmmap_memmap2::{Mmap, MmapMut, MmapOptions, MmapRaw, fault};

/// How many bytes the files have: some pages, on every system.
const LEN: u64 = 1 << 20;
/// An index of a byte that is missing once the file is empty.
const MISSING: usize = 700_001;
/// Names the scenario that a child process is to run.
const SCENARIO: &str = "FIRMMAP_MEMMAP2_SCENARIO";

struct Scratch {
    file: File,
    path: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap().join("scratch");
        std::fs::write(&path, [7].repeat(LEN as usize)).unwrap();
        let file = File::options().read(true).write(true).open(&path).unwrap();
        Self { file, path, _folder: folder }
    }

    fn map(&self) -> Mmap {
        // SAFETY: nobody changes the bytes of the file.
        unsafe { Mmap::map(&self.file) }.unwrap()
    }

    fn map_mut(&self) -> MmapMut {
        // SAFETY: nobody else uses the file.
        unsafe { MmapMut::map_mut(&self.file) }.unwrap()
    }

    fn truncate(&self) {
        self.file.set_len(0).unwrap();
    }

    fn restore(&self) {
        self.file.set_len(LEN).unwrap();
    }

    /// That these are the words of a fault at `MISSING` in this file.
    #[track_caller]
    fn is_told(&self, words: &str) {
        assert!(words.contains(&format!("the byte at offset {MISSING} was not there")), "{words}");
        if cfg!(target_os = "linux") {
            assert!(words.starts_with(&format!("memory map of {}: ", self.path.display())), "{words}");
        }
    }
}

/// The words of the panic that `run` ends in.
#[track_caller]
fn panics<R>(run: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(run()))).expect_err("it panics");
    *panic.downcast::<String>().expect("with words")
}

// R9: each way to use a map as a slice tells of a fault in the slice before, once.
#[test]
fn each_use_tells() {
    let scratch = Scratch::new();
    let uses: [fn(&mut MmapMut) -> usize; 4] =
        [|map| map.len(), |map| map.as_ref().len(), |map| map.iter_mut().count(), |map| map.as_mut().len()];
    for use_it in uses {
        let mut map = scratch.map_mut();
        scratch.truncate();
        assert_eq!(map[MISSING], 0);
        scratch.is_told(&panics(|| use_it(&mut map)));
        assert_eq!(use_it(&mut map), LEN as usize);
        scratch.restore();
        assert_eq!(map[MISSING], 0);
        map[MISSING] = 7;
        assert_eq!(std::fs::read(&scratch.path).unwrap()[MISSING], 7);
    }
}

// R9: a write that was lost is told as a read is.
#[test]
fn lost_writes() {
    let scratch = Scratch::new();
    let mut map = scratch.map_mut();
    scratch.truncate();
    map[MISSING] = 9;
    scratch.is_told(&panics(|| map[0]));
}

// R9: the drop tells what nobody was told, of all three kinds.
#[test]
fn the_drop_tells() {
    let scratch = Scratch::new();
    let read = |map: &MmapRaw| {
        // SAFETY: the byte is in the map.
        assert_eq!(unsafe { map.as_ptr().wrapping_add(MISSING).read_volatile() }, 0);
    };
    let makers: [fn(&Scratch) -> MmapRaw; 3] = [
        |scratch| scratch.map().into(),
        |scratch| scratch.map_mut().into(),
        |scratch| MmapRaw::map_raw(&scratch.file).unwrap(),
    ];
    for make in makers {
        let map = make(&scratch);
        scratch.truncate();
        read(&map);
        scratch.is_told(&panics(|| drop(map)));
        scratch.restore();
    }
    let map = MmapRaw::map_raw(&scratch.file).unwrap();
    scratch.truncate();
    read(&map);
    assert!(fault::check(&map).unwrap_err().to_string().contains("was not there"));
    assert_eq!(fault::count(&map), 1);
    fault::check(&map).unwrap();
    drop(map);
}

// R9: each thread is told, and none twice; `acknowledge` tells those that come later nothing.
#[test]
fn each_thread_is_told() {
    let scratch = Scratch::new();
    let map = scratch.map();
    scratch.truncate();
    assert_eq!(map[MISSING], 0);
    let told = |_| {
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| (catch_unwind(AssertUnwindSafe(|| map.len())).is_err(), map.len()));
            thread.join().unwrap().0
        })
    };
    assert!((0..3).all(told));
    scratch.is_told(&panics(|| map.len()));
    fault::acknowledge(&map);
    assert!(!(0..3).any(told));
    assert_eq!(map.len(), LEN as usize);
}

// R9: the scoped form gives the result or the fault.
#[test]
fn scopes() {
    let scratch = Scratch::new();
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u64::from(byte)).sum::<u64>();
    let (map, mut changed) = (scratch.map(), scratch.map_mut());
    assert_eq!(fault::with_slice(&map, sum).unwrap(), 7 * LEN);
    scratch.truncate();
    fault::with_slice(&map, sum).unwrap_err();
    assert_eq!(map.len(), LEN as usize);
    fault::with_mut_slice(&mut changed, |bytes| bytes.fill(1)).unwrap_err();
    scratch.restore();
    fault::with_mut_slice(&mut changed, |bytes| bytes.fill(1)).unwrap();
    assert_eq!(fault::with_slice(&map, sum).unwrap(), LEN);
}

// R9: an operation that has an error tells by that.
#[test]
fn operations_tell_by_their_error() {
    let scratch = Scratch::new();
    let mut map = scratch.map_mut();
    scratch.truncate();
    map[MISSING] = 9;
    assert!(map.flush().unwrap_err().to_string().contains(&MISSING.to_string()));
    map[MISSING] = 9;
    drop(catch_unwind(AssertUnwindSafe(|| map.len())).unwrap_err());
    scratch.restore();
    map.flush().unwrap();
}

// R9: a map of a length behind the end of its file is told of where it is touched there.
#[test]
fn behind_the_end() {
    let scratch = Scratch::new();
    // SAFETY: nobody changes the bytes of the file.
    let map = unsafe { MmapOptions::new().offset(LEN / 2).len(LEN as usize).map(&scratch.file) }.unwrap();
    assert_eq!(map[LEN as usize / 2 - 1], 7);
    assert_eq!(map[MISSING], 0);
    scratch.is_told(&panics(|| map[0]));
}

/// Runs a scenario in a process of its own, and gives what it writes to standard error.
fn in_a_process(scenario: &str) -> (Option<i32>, String) {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["scenario", "--exact", "--ignored", "--nocapture"]).env(SCENARIO, scenario);
    let output = child.env("RUST_BACKTRACE", "0").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

// R9: a map that is dropped while the thread unwinds writes a line to standard error, and does not abort the process.
#[test]
fn unwinding() {
    let (code, told) = in_a_process("unwinding");
    assert_eq!(code, Some(0), "{told}");
    let line = told.lines().find(|line| line.starts_with("firmmap: memory map")).expect(&told);
    assert!(line.contains(&format!("the byte at offset {MISSING} was not there")), "{told}");
}

// R9: a hook takes the place of the panic.
#[test]
fn hook() {
    let (code, told) = in_a_process("hook");
    assert_eq!(code, Some(42), "{told}");
    assert_eq!(told.matches("hooked").count(), 1, "{told}");
}

#[test]
#[ignore = "the tests run it, each with a scenario of its own"]
fn scenario() {
    let Ok(scenario) = std::env::var(SCENARIO) else { return };
    let scratch = Scratch::new();
    let map = scratch.map();
    if scenario == "hook" {
        fault::set_hook(|fault| {
            eprintln!("hooked {fault}");
            std::process::exit(42);
        });
        scratch.truncate();
        assert_eq!(map[MISSING] as usize + map.len(), 0);
    }
    let result = catch_unwind(AssertUnwindSafe(move || {
        let bytes = &map[..];
        scratch.truncate();
        assert_eq!(bytes[MISSING], 7, "zero");
    }));
    assert!(result.unwrap_err().downcast_ref::<String>().unwrap().contains("zero"));
}
