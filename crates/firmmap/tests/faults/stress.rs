//! Faults by the thousand: threads map, read, search, write, resize and drop, while another process truncates the files and
//! restores them. Not one wrong byte, not one mapping or descriptor that is left over.
//!
//! `FIRMMAP_STRESS_FAULTS=100000` says how many faults are to be survived; without it there are few.

#![allow(clippy::multiple_unsafe_ops_per_block, clippy::unit_arg)]
#![allow(unsafe_code)]

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::process::*;
use firmmap::{Access, Error, ErrorKind, Mmap, MmapOptions, fault::on_fault};

crate::scenarios! {
    lives: a_storm_of_faults;
    dies:;
}

/// Faults that the handler has seen.
static FAULTS: AtomicUsize = AtomicUsize::new(0);

/// Pages of each file.
const COUNT: usize = 24;
const THREADS: usize = 6;

/// Files whose bytes are those of [`byte`] or missing, and files in which they can be zeros, as they are resized.
struct Files {
    strict: Vec<File>,
    resized: Vec<File>,
    content: Vec<u8>,
}

impl Files {
    fn new() -> Self {
        let content = bytes(0, COUNT * page());
        let file = |_| {
            let file = memory_file();
            file.write_all_at(&content, 0).unwrap();
            file
        };
        Self { strict: (0..3).map(file).collect(), resized: (0..THREADS).map(file).collect(), content }
    }

    fn len(&self) -> usize {
        self.content.len()
    }

    /// Truncates and restores for ever.
    fn flicker(&self, mut random: Random) -> ! {
        let nap = |microseconds| std::thread::sleep(Duration::from_micros(microseconds));
        loop {
            for file in &self.strict {
                // Whole pages, and grown only by what is written at the end: so the file never holds a zero.
                let left = if random.below(2) == 0 { 0 } else { random.below(COUNT) * page() };
                file.set_len(left as u64).unwrap();
                nap(1000);
                file.write_all_at(&self.content[left..], left as u64).unwrap();
                nap(300);
            }
            for file in &self.resized {
                let left = random.below(self.len());
                file.set_len(left as u64).unwrap();
                nap(100);
                let start = random.below(self.len());
                file.write_all_at(&self.content[start..], start as u64).unwrap();
            }
        }
    }
}

/// Numbers that are different enough: xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % limit
    }

    fn one<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

#[derive(Default)]
struct Tally {
    good: usize,
    failed: usize,
}

impl Tally {
    fn take<T>(&mut self, result: Result<T, Error>) -> Option<T> {
        match result {
            Ok(value) => {
                self.good += 1;
                Some(value)
            }
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::Fault, "{error}");
                self.failed += 1;
                None
            }
        }
    }
}

/// Some operations on a map of a strict file, of which every byte that they return is checked.
fn operate(map: &Mmap, content: &[u8], random: &mut Random, tally: &mut Tally) {
    let start = random.below(map.len());
    let len = random.below(map.len() - start) + 1;
    let part = start..start + len;
    let operation = random.below(if map.access() == Access::Read { 8 } else { 12 });
    let right = match operation {
        0 => tally.take(map.to_vec(part.clone())).is_none_or(|found| found == content[part]),
        1 => tally.take(map.get(start)).is_none_or(|found| found == content[start]),
        2 => tally.take(map.find(b"\0", part)).is_none_or(|found| found.is_none()),
        3 => tally.take(map.rfind(b"\0\0", part)).is_none_or(|found| found.is_none()),
        4 => {
            let needle = &content[start..(start + 9).min(map.len())];
            let found = tally.take(map.find(needle, ..));
            found.is_none_or(|found| {
                found.is_some_and(|found| found == start % 251 || content[found..].starts_with(needle))
            })
        }
        5 => {
            let expected = content[part.clone()].iter().filter(|&&byte| byte == content[0]).count();
            tally.take(map.count(&content[..1], part)).is_none_or(|found| found == expected)
        }
        6 => {
            let mut buffer = vec![0; len / 1000];
            let done = tally.take(map.read_strided_at(&mut buffer, start, 1000)).is_some();
            !done || (0..buffer.len()).all(|index| buffer[index] == content[start + index * 1000])
        }
        7 => {
            let mut buffer = [0; 100];
            let found = tally.take(map.read_at(&mut buffer, start));
            found.is_none_or(|count| buffer[..count] == content[start..start + count])
        }
        // Writes say again what the file says, so that they can be lost at any time.
        8 => tally.take(map.write_all_at(&content[part], start)).is_none_or(|()| true),
        9 => tally.take(map.set(start, content[start])).is_none_or(|()| true),
        10 => tally.take(map.copy_within(..map.len() - 251, 251)).is_none_or(|()| true),
        _ => tally.take(map.flush()).is_none_or(|()| true),
    };
    assert!(right, "operation {operation} on {start}..{} returned wrong bytes", start + len);
}

/// Operations on a map that has just failed, for as long as it goes on to fail, and not for ever.
fn insist(map: &Mmap, content: &[u8], random: &mut Random, tally: &mut Tally) {
    for _ in 0..100 {
        let start = random.below(map.len() - 8);
        let mut buffer = [0; 8];
        if tally.take(map.read_exact_at(&mut buffer, start)).is_some() {
            return assert!(buffer == content[start..start + 8], "{buffer:?} at {start}");
        }
    }
}

/// A map of some kind of some part of a strict file, if the file is long enough now.
fn some_map(files: &Files, random: &mut Random) -> Option<(Mmap, usize)> {
    let access = *random.one(&[Access::Read, Access::Write, Access::Copy]);
    let offset = if random.below(2) == 0 { 0 } else { random.below(files.len() / 2) };
    let options = MmapOptions::new().access(access).track_file(random.below(4) > 0);
    match options.offset(offset as u64).len(files.len() - offset).map(random.one(&files.strict)) {
        Ok(map) => Some((map, offset)),
        Err(error) if error.kind() == ErrorKind::LengthBeyondEnd => None,
        Err(error) => panic!("{error}"),
    }
}

/// Memory that is used directly: a zero is not the file's, and has to be told of.
fn look(map: &Mmap, content: &[u8], random: &mut Random, tally: &mut Tally) {
    let index = random.below(map.len());
    let found = peek(map, index);
    let told = tally.take(if random.below(2) == 0 { map.check() } else { map.flush() }).is_none();
    assert!(found == content[index] || (found == 0 && told), "{found} at {index}, and a fault was told: {told}");
}

/// Resizes a file that the other process changes too: a byte is the one of its place, or zero.
fn resize(file: &File, files: &Files, random: &mut Random, tally: &mut Tally) {
    let options = MmapOptions::new().access(Access::Write).len(COUNT / 2 * page()).extend(true);
    let mut map = options.map(file).unwrap();
    for _ in 0..4 {
        if tally.take(map.resize(random.below(files.len() - 1) + 1)).is_some()
            && let Some(found) = tally.take(map.to_vec(..))
        {
            assert!(found.iter().zip(&files.content).all(|(&found, &byte)| found == byte || found == 0));
        }
        tally.take(map.write_at(&files.content[..100], 0));
    }
}

fn work(files: &Files, shared: &[Mmap], own: &File, target: usize, mut random: Random) -> Tally {
    let mut tally = Tally::default();
    while FAULTS.load(Ordering::Relaxed) < target {
        for _ in 0..20 {
            let (map, failed) = (random.one(shared), tally.failed);
            operate(map, &files.content, &mut random, &mut tally);
            if tally.failed > failed {
                insist(map, &files.content, &mut random, &mut tally);
            }
        }
        let Some((map, offset)) = some_map(files, &mut random) else { continue };
        for _ in 0..10 {
            operate(&map, &files.content[offset..], &mut random, &mut tally);
            look(&map, &files.content[offset..], &mut random, &mut tally);
            insist(&map, &files.content[offset..], &mut random, &mut tally);
        }
        peek(&map, map.len() - 1);
        if random.below(2) == 0 {
            tally.take(map.close());
        } else {
            drop(map);
        }
        if random.below(4) == 0 {
            resize(own, files, &mut random, &mut tally);
        }
    }
    tally
}

fn storm(files: &Files, target: usize) -> Tally {
    let until_it_is_there = |access| {
        let options = MmapOptions::new().access(access).len(files.len());
        std::iter::repeat_with(|| options.map(&files.strict[0])).find_map(Result::ok).unwrap()
    };
    let shared = [Access::Read, Access::Write, Access::Copy].map(until_it_is_there);
    let tallies: Vec<Tally> = std::thread::scope(|scope| {
        let work = |thread: usize| {
            let random = Random(0x9E37_79B9_7F4A_7C15 ^ (thread as u64 + 1) << 20);
            let shared = &shared;
            scope.spawn(move || work(files, shared, &files.resized[thread], target, random))
        };
        let threads: Vec<_> = (0..THREADS).map(work).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    tallies
        .into_iter()
        .fold(Tally::default(), |sum, tally| Tally { good: sum.good + tally.good, failed: sum.failed + tally.failed })
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

fn a_storm_of_faults() {
    let target = std::env::var("FIRMMAP_STRESS_FAULTS").map_or(3000, |count| count.parse().unwrap());
    // SAFETY: only sets a timer.
    unsafe { libc::alarm(3600) };
    let notify = || {
        FAULTS.fetch_add(1, Ordering::Relaxed);
    };
    // SAFETY: the function uses an atomic only.
    unsafe { on_fault(notify) };
    let files = Files::new();
    // SAFETY: this is the only thread.
    let other = unsafe { libc::fork() };
    if other == 0 {
        // SAFETY: only stores a number.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        files.flicker(Random(88_172_645_463_325_252));
    }
    assert!(other > 0);

    // What threads and memory leave behind by themselves, they leave at the first time.
    storm(&files, target / 10);
    let (descriptors_before, areas_before) = (descriptors(), areas(""));
    FAULTS.store(0, Ordering::Relaxed);
    let start = Instant::now();
    let tally = storm(&files, target);
    let time = start.elapsed();
    let faults = FAULTS.load(Ordering::Relaxed);
    println!("{faults} faults survived in {time:.1?}: {} operations went well, {} failed", tally.good, tally.failed);

    // SAFETY: the child is ours.
    unsafe { libc::kill(other, libc::SIGKILL) };
    wait_for(other);
    assert!(tally.good > 0 && tally.failed > 0);
    // The reserve has areas of shared memory, which have a name too.
    assert_eq!(areas("(deleted)"), areas("/dev/zero (deleted)"), "maps of the files are left");
    assert_eq!(descriptors(), descriptors_before);
    // Zeros that were left behind would be one area for nearly every fault. The allocator and the threads have their own,
    // some more or less.
    let areas = areas("");
    assert!(areas < areas_before + faults / 10, "{areas} areas of memory, and {areas_before} before {faults} faults");
}
